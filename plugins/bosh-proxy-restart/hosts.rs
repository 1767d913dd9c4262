//! The way to the instances, as the rest of the tool needs it: one door for the world, a scripted one for tests.

use crate::judge::Window;
use crate::look::{Look, Session};
use crate::records;
use crate::script::{self, Marks};
use crate::targets::Target;
use jiff::Timestamp;
use rotation_core::facts::bosh::InstanceName;
use rotation_core::world::clock::Clock;
use rotation_core::world::hosts::bosh::{Bosh, BoshError, Reach};
use rotation_core::world::interrupt::Interrupt;
use std::time::Duration;

/// How long a look may take on the VM: monit gets 20 s, logs of 4 MiB are read.
pub(crate) const LOOK: Duration = Duration::from_mins(1);
/// Between two attempts to reach a VM.
const BACK_OFF: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];

/// Reaches instances.
pub(crate) trait Hosts: Sync {
    /// Runs a script on an instance. `stoppable`: it only looks, and ends when somebody asks to stop.
    fn ssh(
        &self,
        instance: &InstanceName,
        script: &str,
        limit: Duration,
        stoppable: bool,
    ) -> Result<Reach, BoshError>;

    /// What a look that was begun beforehand brought, if there is one; once.
    fn early(&self, _: &InstanceName) -> Option<Early> {
        None
    }

    /// Waits; says whether somebody asked to stop.
    fn pause(&self, duration: Duration) -> bool;

    /// The time of day.
    fn now(&self) -> Timestamp;

    /// A clock that only goes forward.
    fn elapsed(&self) -> Duration;
}

/// The answer to a look that was begun before it was known that it would be needed.
pub(crate) struct Early {
    /// What came of it.
    pub(crate) reach: Result<Reach, BoshError>,
    /// When it was.
    pub(crate) window: Window,
}

/// The real way.
#[derive(Clone, Copy)]
pub(crate) struct Door<'a> {
    /// BOSH.
    pub(crate) bosh: &'a Bosh,
    /// Whether to stop.
    pub(crate) interrupt: &'a Interrupt,
    /// The clocks.
    pub(crate) clock: &'a dyn Clock,
}

impl Hosts for Door<'_> {
    fn ssh(
        &self,
        instance: &InstanceName,
        script: &str,
        limit: Duration,
        stoppable: bool,
    ) -> Result<Reach, BoshError> {
        self.bosh.ssh(instance, script, limit, stoppable)
    }

    fn pause(&self, duration: Duration) -> bool {
        self.interrupt.pause(duration)
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn elapsed(&self) -> Duration {
        self.clock.uptime()
    }
}

/// What came of asking a VM, after retries that cannot harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The script ran to its end, within this window.
    Session(Box<Session>, Window),
    /// It did not run.
    NotReached(NotReached),
    /// It is not known whether it ran.
    Unknown(String),
}

/// Why a script did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotReached {
    /// No connection.
    Unreachable(String),
    /// A wrong host key.
    HostKey(String),
    /// The agent.
    Agent(String),
}

/// Runs a script; where no connection comes about, up to three times.
pub(crate) fn ask(
    hosts: &dyn Hosts,
    instance: &InstanceName,
    script: &str,
    limit: Duration,
    stoppable: bool,
) -> Result<Asked, BoshError> {
    go_on_asking(hosts, instance, script, limit, stoppable, None)
}

/// The same, with the first answer if it is there already.
fn go_on_asking(
    hosts: &dyn Hosts,
    instance: &InstanceName,
    script: &str,
    limit: Duration,
    stoppable: bool,
    mut early: Option<Early>,
) -> Result<Asked, BoshError> {
    let mut waits = BACK_OFF.iter();
    let mut agent_again = true;
    loop {
        let Early { reach, window } = early.take().unwrap_or_else(|| {
            let from = hosts.now();
            let reach = hosts.ssh(instance, script, limit, stoppable);
            Early { reach, window: Window { from, to: hosts.now() } }
        });
        let not_reached = match reach? {
            Reach::Said(text) => {
                return Ok(match records::read(&text) {
                    Ok(session) => Asked::Session(Box::new(session), window),
                    Err(error) => Asked::Unknown(error.to_string()),
                });
            }
            Reach::Lost(why) | Reach::Garbled(why) => return Ok(Asked::Unknown(why)),
            Reach::HostKey(why) => return Ok(Asked::NotReached(NotReached::HostKey(why))),
            Reach::Gone(why) => return Ok(Asked::NotReached(NotReached::Unreachable(why))),
            Reach::Unreachable(why) => NotReached::Unreachable(why),
            Reach::Agent(why) if agent_again => {
                agent_again = false;
                NotReached::Agent(why)
            }
            Reach::Agent(why) => return Ok(Asked::NotReached(NotReached::Agent(why))),
        };
        match waits.next() {
            Some(wait) if !hosts.pause(*wait) => {}
            Some(_) | None => return Ok(Asked::NotReached(not_reached)),
        }
    }
}

/// A look at an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Looked {
    /// What was seen.
    pub(crate) look: Look,
    /// A restart was still under way.
    pub(crate) busy: bool,
    /// When.
    pub(crate) window: Window,
}

/// Looks at an instance. Waits up to `patience` for a restart that is under way there. A look that was lost is tried
/// once more: it changes nothing. One that was begun beforehand counts, if it was at the right job.
pub(crate) fn look(
    hosts: &dyn Hosts,
    target: &Target,
    marks: &Marks,
    patience: Duration,
) -> Result<Result<Looked, Asked>, BoshError> {
    let script = script::verify(&target.job, marks, patience.as_secs());
    let mut again = true;
    let mut early = hosts.early(&target.name);
    loop {
        let guessed = early.is_some();
        let limit = LOOK + patience;
        match go_on_asking(hosts, &target.name, &script, limit, true, early.take())? {
            Asked::Session(session, window) => {
                let Session { before, busy, job, .. } = *session;
                if guessed && job.as_deref() != Some(&target.job.name) {
                    continue;
                }
                return Ok(match before {
                    Some(look) => Ok(Looked { look, busy, window }),
                    None => Err(Asked::Unknown("the script on the VM saw nothing".to_owned())),
                });
            }
            Asked::Unknown(_) if again => again = false,
            other => return Ok(Err(other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Jobs;
    use crate::records::tests::HEALTHY;
    use std::sync::Mutex;

    /// A VM that answers every script alike, and perhaps did so beforehand.
    struct Vm {
        early: Mutex<Option<Reach>>,
        sent: Mutex<usize>,
    }

    impl Hosts for Vm {
        fn ssh(&self, _: &InstanceName, _: &str, _: Duration, _: bool) -> Result<Reach, BoshError> {
            *self.sent.lock().expect("whole") += 1;
            Ok(Reach::Said(format!("job\tproxy\n{HEALTHY}")))
        }

        fn early(&self, _: &InstanceName) -> Option<Early> {
            let reach = self.early.lock().expect("whole").take()?;
            let window = Window { from: Timestamp::MIN, to: Timestamp::MIN };
            Some(Early { reach: Ok(reach), window })
        }

        fn pause(&self, _: Duration) -> bool {
            false
        }

        fn now(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }
    }

    /// How many scripts were sent until it was looked at, and whether the look was the early one.
    fn looked(early: Option<Reach>) -> (usize, bool) {
        let vm = Vm { early: Mutex::new(early), sent: Mutex::default() };
        let name = InstanceName { group: "minion".into(), id: "a".into() };
        let job = Jobs::embedded().named("proxy");
        let target = Target { name, index: Some(0), az: "z1".into(), bootstrap: false, job };
        let seen = look(&vm, &target, &Marks::default(), Duration::ZERO).expect("asked");
        let seen = seen.expect("looked at");
        (vm.sent.into_inner().expect("whole"), seen.window.from == Timestamp::MIN)
    }

    #[test]
    fn an_early_look_counts_if_it_was_at_the_right_job_and_else_one_is_made() {
        let of = |job: &str| Some(Reach::Said(format!("job\t{job}\n{HEALTHY}")));
        assert_eq!(looked(None), (1, false));
        assert_eq!(looked(of("proxy")), (0, true));
        assert_eq!(looked(of("kube-proxy")), (1, false));
        // The VM has none of the jobs.
        assert_eq!(looked(Some(Reach::Said("end\n".into()))), (1, false));
        for broken in [
            Reach::Said("job\tproxy\n".into()),
            Reach::Lost("the link".into()),
            Reach::Unreachable("no route".into()),
            Reach::Agent("Timed out".into()),
        ] {
            assert_eq!(looked(Some(broken.clone())), (1, false), "{broken:?}");
        }
    }
}
