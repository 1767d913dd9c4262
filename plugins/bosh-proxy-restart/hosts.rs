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
const LOOK: Duration = Duration::from_mins(1);
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

    /// Waits; says whether somebody asked to stop.
    fn pause(&self, duration: Duration) -> bool;

    /// The time of day.
    fn now(&self) -> Timestamp;

    /// A clock that only goes forward.
    fn elapsed(&self) -> Duration;
}

/// The real way.
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
    let mut waits = BACK_OFF.iter();
    let mut agent_again = true;
    loop {
        let from = hosts.now();
        let reach = hosts.ssh(instance, script, limit, stoppable)?;
        let window = Window { from, to: hosts.now() };
        let not_reached = match reach {
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
/// once more: it changes nothing.
pub(crate) fn look(
    hosts: &dyn Hosts,
    target: &Target,
    marks: &Marks,
    patience: Duration,
) -> Result<Result<Looked, Asked>, BoshError> {
    let script = script::verify(&target.job, marks, patience.as_secs());
    let mut again = true;
    loop {
        match ask(hosts, &target.name, &script, LOOK + patience, true)? {
            Asked::Session(session, window) => {
                let Session { before, busy, .. } = *session;
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
