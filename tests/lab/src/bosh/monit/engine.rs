//! What monit does, round by round: actions that were asked for, then a look at every service that is monitored. While
//! it waits for a service to stop or to start, it does nothing else.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::service::{Action, Service, Watch};

/// How often it looks whether a service has stopped or started.
const LOOK: Duration = Duration::from_secs(1);

/// What monit sees of the VM, and does to it.
pub(super) trait World {
    /// Lets time pass.
    fn sleep(&mut self, time: Duration);
    /// Whether there is a process of this number, whatever it is.
    fn alive(&self, pid: u32) -> bool;
    /// The number in a pidfile.
    fn read_pid(&self, pidfile: &Path) -> Option<u32>;
    /// Starts a program, and does not wait for its end.
    fn spawn(&mut self, command: &[String]);
    /// Writes one line of the log.
    fn log(&mut self, severity: &str, text: &str);
}

/// The services, as both the daemon and those who ask see them.
#[derive(Clone, Debug, Default)]
pub(super) struct Board(Arc<Mutex<Vec<Service>>>);

impl Board {
    pub(super) fn new(services: Vec<Service>) -> Self {
        Self(Arc::new(Mutex::new(services)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Vec<Service>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what is asked for; the daemon does it in its next round.
    pub(super) fn ask(&self, name: &str, action: Action) -> Result<(), &'static str> {
        let mut services = self.lock();
        let mut asked: Vec<&mut Service> =
            services.iter_mut().filter(|service| name == "all" || service.name == name).collect();
        if asked.is_empty() {
            return Err("There is no service by that name");
        }
        if asked.iter().any(|service| service.pending.is_some()) {
            return Err("Other action already in progress -- please try again later");
        }
        for service in &mut asked {
            service.pending = Some(action);
        }
        Ok(())
    }
}

/// One round over all services.
pub(super) fn round(board: &Board, world: &mut impl World) {
    let count = board.lock().len();
    for number in 0..count {
        let mut service = Handle { board, number };
        let pending = service.get(|service| service.pending);
        if let Some(action) = pending {
            service.act(action, world);
            service.set(|service| service.pending = None);
            let name = service.get(|service| service.name.clone());
            world.log("info", &format!("'{name}' {} action done", action.word()));
        } else if service.get(|service| service.watch) != Watch::No {
            service.check(world);
        }
    }
}

/// One service of the board; the board is locked for moments only.
struct Handle<'a> {
    board: &'a Board,
    number: usize,
}

impl Handle<'_> {
    fn get<T>(&self, read: impl FnOnce(&Service) -> T) -> T {
        read(&self.board.lock()[self.number])
    }

    fn set(&mut self, write: impl FnOnce(&mut Service)) {
        write(&mut self.board.lock()[self.number]);
    }

    /// The process that the pidfile names, if there is one of this number.
    fn running(&self, world: &impl World) -> Option<u32> {
        let pidfile = self.get(|service| service.pidfile.clone());
        world.read_pid(&pidfile).filter(|pid| world.alive(*pid))
    }

    fn act(&mut self, action: Action, world: &mut impl World) {
        match action {
            Action::Restart => self.restart(world),
            Action::Stop => drop(self.stop(world)),
            Action::Start => {
                self.start(world);
            }
            Action::Monitor => self.set(|service| {
                if service.watch == Watch::No {
                    service.watch = Watch::Fresh;
                }
            }),
            Action::Unmonitor => self.set(|service| service.watch = Watch::No),
        }
    }

    fn restart(&mut self, world: &mut impl World) {
        let name = self.get(|service| service.name.clone());
        world.log("info", &format!("'{name}' trying to restart"));
        if self.stop(world) {
            self.start(world);
        } else {
            // It is looked at again, so that the next round tries once more.
            self.set(|service| service.watch = Watch::Fresh);
        }
    }

    /// Stops it, if its pidfile names a process; whether there is none afterwards.
    fn stop(&mut self, world: &mut impl World) -> bool {
        self.set(|service| {
            service.watch = Watch::No;
            service.pid = None;
        });
        if self.running(world).is_none() {
            return true;
        }
        let (name, command, limit) =
            self.get(|service| (service.name.clone(), service.stop.clone(), service.stop_timeout));
        world.log("info", &format!("'{name}' stop: {}", command[0]));
        world.spawn(&command);
        let stopped = self.wait(limit, world, |running| !running);
        if !stopped {
            world.log("error", &format!("'{name}' failed to stop"));
        }
        stopped
    }

    /// Starts it, unless its pidfile names a process.
    fn start(&mut self, world: &mut impl World) {
        if self.running(world).is_none() {
            let (name, command, limit) = self.get(|service| {
                (service.name.clone(), service.start.clone(), service.start_timeout)
            });
            world.log("info", &format!("'{name}' start: {}", command[0]));
            world.spawn(&command);
            let started = self.wait(limit, world, |running| running);
            if !started {
                world.log("error", &format!("'{name}' failed to start"));
            }
            self.set(|service| service.execution_failed = !started);
        }
        self.set(|service| service.watch = Watch::Fresh);
    }

    /// Looks once a second whether it is so; nobody looks before the first second is over.
    fn wait(&self, limit: Duration, world: &mut impl World, done: impl Fn(bool) -> bool) -> bool {
        let mut waited = Duration::ZERO;
        while waited < limit {
            world.sleep(LOOK);
            waited += LOOK;
            if done(self.running(world).is_some()) {
                return true;
            }
        }
        false
    }

    /// Looks at it; one that is not there is started again at once.
    fn check(&mut self, world: &mut impl World) {
        let running = self.running(world);
        let known = self.get(|service| service.pid);
        let name = self.get(|service| service.name.clone());
        if let Some(pid) = running {
            if known.is_none() {
                world.log("info", &format!("'{name}' process is running with pid {pid}"));
            }
            self.set(|service| {
                service.does_not_exist = false;
                service.execution_failed = false;
                service.pid_changed = known.is_some_and(|known| known != pid);
                service.pid = Some(pid);
            });
        } else {
            world.log("error", &format!("'{name}' process is not running"));
            self.set(|service| service.does_not_exist = true);
            self.restart(world);
        }
        self.set(|service| {
            if service.watch != Watch::No {
                service.watch = Watch::Yes;
            }
        });
    }
}
