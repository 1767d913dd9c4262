//! What a rotation writes down: intent before, outcome after. Fingerprints, times and reasons; never a key.

use super::stage::{Stage, Strategy};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Event {
    /// A command begins.
    Begin {
        /// Which: apply, rollback, finish.
        verb: String,
        /// The plan's name.
        plan: String,
        /// How.
        strategy: Strategy,
        /// Who, and from where.
        who: String,
        /// Version of the tool.
        tool_version: String,
    },
    /// A command has until then.
    Window {
        /// When the window began.
        begin: Timestamp,
        /// When it ends.
        until: Timestamp,
    },
    /// Machines are brought to a stage.
    Phase {
        /// Which.
        stage: Stage,
    },
    /// A machine is about to be brought to a stage.
    Intent {
        /// Which.
        stage: Stage,
        /// The machine.
        host: String,
        /// Files that are written.
        files: Vec<String>,
        /// Components that are restarted.
        restarts: Vec<String>,
    },
    /// It is.
    Done {
        /// Which stage.
        stage: Stage,
        /// The machine.
        host: String,
        /// Milliseconds.
        took: u64,
    },
    /// A question that was asked of the cluster.
    Gate {
        /// The stage after which it was asked.
        stage: Stage,
        /// The question.
        gate: String,
        /// `holds`, `fails`, or `waived`.
        verdict: String,
        /// In words.
        message: String,
        /// Milliseconds until the answer was good, or was given up on.
        took: u64,
    },
    /// Something was changed through the API.
    Changed {
        /// What.
        what: String,
    },
    /// It stopped before its end.
    Stopped {
        /// Why.
        why: String,
    },
    /// The command is over.
    End {
        /// Exit code.
        exit: u8,
        /// The stage that all machines have reached.
        stage: Stage,
    },
}
