//! What the engine of another tool does step by step, in the journal of the rotation.

use super::journal::Event;
use super::work::Locked;
use rotation_core::apply::journal::{Entry as StepEntry, Event as StepEvent, Journal};
use rotation_core::apply::outcome::Outcome;
use std::io;

/// Steps, told in the words of what is done to their targets.
pub(super) struct Notes<'a> {
    locked: &'a mut Locked,
    verb: &'static str,
    done: &'static str,
}

impl<'a> Notes<'a> {
    /// What is about to be done, and what it is afterwards: `recycle`, `recycled`.
    pub(super) fn of(locked: &'a mut Locked, verb: &'static str, done: &'static str) -> Self {
        Self { locked, verb, done }
    }
}

impl Journal for Notes<'_> {
    fn append(&mut self, entries: &[StepEntry]) -> io::Result<()> {
        let (verb, done) = (self.verb, self.done);
        for entry in entries {
            let what = match &entry.event {
                StepEvent::Intent { target, .. } => {
                    format!("about to {verb} {} in {}", target.kubectl_name(), target.namespace)
                }
                StepEvent::Outcome { step, outcome } => {
                    let word = match outcome {
                        Outcome::Done { proof, .. } => match &proof.replacement {
                            Some(new) => format!("{done}, now {new}"),
                            None => done.to_owned(),
                        },
                        Outcome::Failed { message, .. } => format!("not {done}: {message}"),
                        _ => format!("not {done} in time"),
                    };
                    format!("step {step}: {word}")
                }
                StepEvent::Run { .. } | StepEvent::Effect { .. } | StepEvent::End { .. } => {
                    continue;
                }
            };
            self.locked
                .note(entry.at, Event::Changed { what })
                .map_err(|why| io::Error::other(why.to_string()))?;
        }
        Ok(())
    }
}
