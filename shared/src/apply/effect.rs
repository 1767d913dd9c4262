//! What comes of asking and of acting: the words between the engine and those who know the world.

use super::outcome::Proof;
use std::time::Duration;

/// Whether a change may be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Yes.
    Holds,
    /// Not yet.
    Wait(String),
    /// The world is not as the plan saw it: never improvise.
    Moved(String),
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The change was made, or had been made by somebody else.
    Made,
    /// Not now; asking again may help.
    Blocked {
        /// By what.
        by: String,
        /// When to ask again, where the server said so.
        retry_after: Option<Duration>,
    },
    /// Asking again will not help.
    Refused {
        /// A stable word.
        reason: String,
        /// In words.
        message: String,
    },
    /// It is not known whether it was made: look again before asking again.
    Unclear(String),
}

/// Whether what should follow holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Yes.
    Holds(Proof),
    /// Not yet.
    Waiting(String),
    /// It never will.
    Never {
        /// A stable word.
        reason: String,
        /// In words.
        message: String,
    },
}

/// What happens beside the steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// The world cannot be seen at present; it is tried again.
    Lost(String),
    /// It can be seen again.
    Back,
}
