//! What an answer of the API server means for a step.

use super::effect::Effect;
use crate::world::cluster::Answer;
use std::time::Duration;

/// A server that has just come back forbids what it allows: it does not know its own rules yet.
pub(super) const FORBIDS_TOO_MUCH: Duration = Duration::from_secs(30);

/// Turns a refusal for want of rights into another attempt.
pub(super) fn believe_later(effect: &mut Effect) {
    if let Effect::Refused { reason, message } = effect
        && reason == "Forbidden"
    {
        let by = format!("the API server, which has only just come back: {message}");
        *effect = Effect::Blocked { by, retry_after: Some(Duration::from_secs(1)) };
    }
}

pub(super) fn effect(answer: Answer) -> Effect {
    let refused =
        |reason: &str, message: String| Effect::Refused { reason: reason.to_owned(), message };
    match answer {
        // Gone or replaced: somebody else was faster, and its UID protects what is there now.
        Answer::Accepted | Answer::Gone | Answer::Replaced | Answer::NamespaceTerminating => {
            Effect::Made
        }
        Answer::Budget { message, retry_after } => Effect::Blocked { by: message, retry_after },
        Answer::Overloaded { retry_after } => {
            Effect::Blocked { by: "the API server has too much to do".to_owned(), retry_after }
        }
        Answer::TwoBudgets { message } => refused("TwoBudgets", message),
        Answer::Forbidden { message } => refused("Forbidden", message),
        Answer::Unauthorized { message } => refused("Unauthorized", message),
        Answer::Conflict { message } => refused("Conflict", message),
        Answer::Invalid { message } => refused("Invalid", message),
        Answer::Unknown { message } => {
            Effect::Unclear(format!("a look whether it was done: {message}"))
        }
    }
}
