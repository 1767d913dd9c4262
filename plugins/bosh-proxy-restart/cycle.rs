//! One instance from begin to end: restart, and whatever the network does to that, without ever restarting twice unseen.
//!
//! Each script is bound to the process that was looked at. So a script that is sent again after a lost connection finds
//! another process if the first one took, and does nothing.

use crate::class::{self, Class, Conclusion, SecondLook};
use crate::finding::Finding;
use crate::hosts::{self, Asked, Hosts, Looked, NotReached};
use crate::judge;
use crate::look::{Look, ProcessId, Seen};
use crate::script::{self, Expected, Patience};
use crate::targets::Target;
use rotation_core::world::hosts::bosh::BoshError;
use std::time::Duration;

/// How long something that is already under way on the VM is waited for before it is tried again.
const BUSY: Duration = Duration::from_secs(15);
/// Scripts that may be sent in all.
const ATTEMPTS: u32 = 3;

/// What came of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// How it ended.
    pub(crate) class: Class,
    /// In words; empty for a plain success.
    pub(crate) why: String,
    /// The time passed before it was proven, and nothing speaks against it.
    pub(crate) late: bool,
    /// Whether this run changed something on it, as far as is known.
    pub(crate) changed: bool,
    /// What ran before.
    pub(crate) old: Option<u32>,
    /// What runs now.
    pub(crate) new: Option<u32>,
    /// Monit's states in between.
    pub(crate) states: Vec<Seen>,
    /// What is worth a look.
    pub(crate) findings: Vec<Finding>,
    /// From begin to end.
    pub(crate) took: Duration,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// `monit restart`.
    Restart {
        /// Also what somebody has stopped.
        start_stopped: bool,
    },
    /// End these processes and have monit start one.
    Heal {
        /// Which.
        kill: Vec<ProcessId>,
    },
}

/// One instance to work on.
pub(crate) struct Work<'a> {
    /// Which.
    pub(crate) target: &'a Target,
    /// As it was looked at.
    pub(crate) look: &'a Look,
    /// What to do.
    pub(crate) deed: Deed,
    /// For how long.
    pub(crate) patience: Patience,
}

/// Does it.
pub(crate) fn work(hosts: &dyn Hosts, work: &Work<'_>) -> Outcome {
    let begun = hosts.elapsed();
    let mut cycle = Cycle {
        hosts,
        work,
        expected: judge::expected(work.look),
        changed: false,
        states: Vec::new(),
        after: None,
    };
    let (class, why, late) =
        cycle.run().unwrap_or_else(|error| (director(&error), told(&error), false));
    let Cycle { changed, states, after, .. } = cycle;
    let pid = |look: &Look| look.pidfile.process.as_ref().map(|p| p.id.pid);
    let findings = after.as_ref().map(|a| judge::findings(&work.target.job, &a.look, a.window));
    Outcome {
        class,
        why,
        late,
        changed,
        old: pid(work.look),
        new: after.as_ref().and_then(|a| pid(&a.look)),
        states,
        findings: findings.unwrap_or_default(),
        took: hosts.elapsed().saturating_sub(begun),
    }
}

fn director(error: &BoshError) -> Class {
    match error {
        BoshError::Exec(_)
        | BoshError::Strange { .. }
        | BoshError::TooLong { .. }
        | BoshError::Stopped
        | BoshError::Director { .. } => Class::Director,
    }
}

fn told(error: &BoshError) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

struct Cycle<'a> {
    hosts: &'a dyn Hosts,
    work: &'a Work<'a>,
    expected: Expected,
    changed: bool,
    states: Vec<Seen>,
    after: Option<Looked>,
}

type Decided = (Class, String, bool);

impl Cycle<'_> {
    fn run(&mut self) -> Result<Decided, BoshError> {
        for attempt in 1..=ATTEMPTS {
            let conclusion = match self.attempt()? {
                Ok(conclusion) => conclusion,
                Err(decided) => return Ok(decided),
            };
            let last = attempt == ATTEMPTS || self.changed;
            match conclusion {
                Conclusion::Over { class, why, late } => return Ok((class, why, late)),
                Conclusion::Busy(why) if last => return Ok((Class::NotRestarted, why, false)),
                Conclusion::Moved(why) if last => return Ok((Class::NotRestarted, why, false)),
                Conclusion::Busy(why) => {
                    if self.hosts.pause(BUSY) {
                        return Ok((Class::NotRestarted, why, false));
                    }
                    if let Some(decided) = self.look_again()? {
                        return Ok(decided);
                    }
                }
                Conclusion::Moved(_) => {
                    if let Some(decided) = self.look_again()? {
                        return Ok(decided);
                    }
                }
            }
        }
        Ok((Class::NotRestarted, "it could not be restarted".to_owned(), false))
    }

    /// Sends the script once, and judges what comes back or, where nothing does, what is there.
    fn attempt(&mut self) -> Result<Result<Conclusion, Decided>, BoshError> {
        let Work { target, deed, patience, .. } = self.work;
        let script = match deed {
            Deed::Restart { start_stopped } => {
                script::restart(&target.job, &self.expected, *start_stopped, *patience)
            }
            Deed::Heal { kill } => script::heal(&target.job, &self.expected, kill, *patience),
        };
        // A heal ends processes first, and looks twice, as a restart does.
        let limit = Duration::from_secs(patience.limit + 120);
        match hosts::ask(self.hosts, &target.name, &script, limit, false)? {
            Asked::Session(session, window) => {
                self.changed |= session.begun;
                self.states.extend(session.states.iter().cloned());
                let conclusion =
                    class::conclude(&target.job, &session, self.expected.pidfile, window);
                let seen = session.after.or(session.before);
                self.after = seen.map(|look| Looked { look, busy: false, window });
                Ok(Ok(conclusion))
            }
            Asked::NotReached(not_reached) => Ok(Err(unreached(not_reached))),
            Asked::Unknown(why) => self.after_silence(&why).map(Ok),
        }
    }

    /// The answer was lost. The script goes on without us, so it is waited for, and then the VM itself says what is so.
    fn after_silence(&mut self, why: &str) -> Result<Conclusion, BoshError> {
        let limit = Duration::from_secs(self.work.patience.limit);
        let begun = self.hosts.elapsed();
        let conclusion = loop {
            let left = match self.after_the_script(why, limit + Duration::from_mins(1))? {
                Ok(SecondLook::Young(left)) => left,
                Ok(SecondLook::Told(conclusion)) => break conclusion,
                Err(dark) => return Ok(dark),
            };
            // The script may have been cut off with its connection: what it would have waited for is waited for here.
            let in_time = self.hosts.elapsed().saturating_sub(begun) + left <= limit;
            if !in_time || self.hosts.pause(left) {
                let why = "it is too young to count".to_owned();
                break Conclusion::Over { class: Class::NotRunning, why, late: true };
            }
        };
        Ok(match conclusion {
            Conclusion::Over { class, why: found, late } => {
                let lost = format!("the connection was lost ({why}), a second look told");
                let why = if found.is_empty() { lost } else { format!("{found}; {lost}") };
                // What came through such a break is worth a look.
                let class = if class == Class::Ok { Class::Warn } else { class };
                Conclusion::Over { class, why, late }
            }
            other => other,
        })
    }

    /// What the VM is like once the script that was sent before is over; where it cannot be seen, what that comes to.
    fn after_the_script(
        &mut self,
        why: &str,
        wait: Duration,
    ) -> Result<Result<SecondLook, Conclusion>, BoshError> {
        let Work { target, look, patience, .. } = self.work;
        let looked = match hosts::look(self.hosts, target, &look.marks(), wait)? {
            Ok(looked) => looked,
            Err(asked) => {
                // Nobody knows whether it was restarted.
                self.changed = true;
                let second = words(&asked);
                let why =
                    format!("the connection was lost ({why}), and a second look failed ({second})");
                return Ok(Err(Conclusion::Over { class: Class::Unreachable, why, late: false }));
            }
        };
        let before = self.expected.pidfile;
        let now = looked.look.pidfile.process.as_ref().map(|p| p.id);
        self.changed |= now != before;
        let told = class::conclude_look(
            &target.job,
            &looked.look,
            before,
            Duration::from_secs(patience.min_age),
            looked.window,
        );
        self.after = Some(looked);
        Ok(Ok(told))
    }

    /// Nothing was done. What is there now? Either it is decided, or the next attempt is bound to it.
    fn look_again(&mut self) -> Result<Option<Decided>, BoshError> {
        let Work { target, look, deed, patience } = self.work;
        let wait = Duration::from_secs(patience.limit);
        let looked = match hosts::look(self.hosts, target, &look.marks(), wait)? {
            Ok(looked) => looked,
            Err(Asked::NotReached(not_reached)) => return Ok(Some(unreached(not_reached))),
            Err(asked) => return Ok(Some((Class::Garbled, words(&asked).to_owned(), false))),
        };
        let findings = judge::findings(&target.job, &looked.look, looked.window);
        let Deed::Restart { start_stopped } = deed else {
            let why = "it has changed since it was looked at; nothing was done".to_owned();
            self.after = Some(looked);
            return Ok(Some((Class::UnhealthyBefore, why, false)));
        };
        let forbids = findings.iter().find(|f| f.code.forbids_restart(*start_stopped));
        let decided = forbids.map(|f| (Class::UnhealthyBefore, f.message.clone(), false));
        self.expected = judge::expected(&looked.look);
        let was = judge::expected(look);
        let healthy = !findings.iter().any(Finding::is_error);
        let replaced = self.expected.pidfile.is_some() && self.expected.pidfile != was.pidfile;
        self.after = Some(looked);
        if decided.is_none() && healthy && replaced {
            let why = "somebody else has restarted it since it was looked at".to_owned();
            return Ok(Some((Class::Warn, why, false)));
        }
        Ok(decided)
    }
}

/// Why there was no look, in words.
fn words(asked: &Asked) -> &str {
    match asked {
        Asked::Unknown(why)
        | Asked::NotReached(
            NotReached::Unreachable(why) | NotReached::HostKey(why) | NotReached::Agent(why),
        ) => why,
        Asked::Session(..) => "nothing was seen",
    }
}

fn unreached(not_reached: NotReached) -> Decided {
    match not_reached {
        NotReached::Unreachable(why) => (Class::Unreachable, why, false),
        NotReached::HostKey(why) => (Class::HostKey, why, false),
        NotReached::Agent(why) => (Class::Agent, why, false),
    }
}

#[cfg(test)]
#[path = "cycle_tests.rs"]
mod tests;
