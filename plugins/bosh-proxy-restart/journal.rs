//! The journal of a run: one line for each entry, on disk before what it speaks of. The machines are the state; the
//! journal adds which processes ran before, by which a later run recognises what this one did.

use crate::class::Class;
use crate::cycle::Outcome;
use crate::look::ProcessId;
use jiff::Timestamp;
use rotation_core::facts::bosh::InstanceName;
use serde::{Deserialize, Serialize};

/// The version of the format that is written.
pub(crate) const SCHEMA_VERSION: &str = "rotation/proxy-restart-journal/v1";

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// When.
    pub(crate) at: Timestamp,
    /// What.
    pub(crate) event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Event {
    /// A run begins.
    Run {
        /// Format.
        schema_version: String,
        /// Tool.
        tool: String,
        /// Its version.
        tool_version: String,
        /// Deployment.
        deployment: String,
        /// When the restart as a whole began: an earlier run's begin, where this one goes on with it.
        since: Timestamp,
        /// What ran when it began.
        before: Vec<Before>,
    },
    /// An instance is about to be changed.
    Intent {
        /// `GROUP/UUID`.
        instance: String,
    },
    /// An instance is over.
    Outcome {
        /// `GROUP/UUID`.
        instance: String,
        /// How it ended.
        class: String,
        /// In words.
        why: String,
        /// Whether something was changed on it.
        changed: bool,
    },
    /// The run is over.
    End {
        /// Exit code.
        exit: u8,
    },
}

/// The process of an instance before a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Before {
    /// `GROUP/UUID`.
    pub(crate) instance: String,
    /// The job.
    pub(crate) job: String,
    /// The VM's boot.
    pub(crate) boot_id: String,
    /// The process's number and start, `PID:TICKS`; `None` where none ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<String>,
}

impl Before {
    /// What runs on an instance.
    pub(crate) fn of(
        instance: &InstanceName,
        job: &str,
        boot_id: &str,
        process: Option<ProcessId>,
    ) -> Self {
        Self {
            instance: instance.to_string(),
            job: job.to_owned(),
            boot_id: boot_id.to_owned(),
            process: process.map(|id| id.to_string()),
        }
    }
}

impl Entry {
    /// Before an instance is changed.
    pub(crate) fn intent(at: Timestamp, instance: &InstanceName) -> Self {
        Self { at, event: Event::Intent { instance: instance.to_string() } }
    }

    /// When an instance is over.
    pub(crate) fn outcome(at: Timestamp, instance: &InstanceName, outcome: &Outcome) -> Self {
        let class: Class = outcome.class;
        let event = Event::Outcome {
            instance: instance.to_string(),
            class: class.word().to_owned(),
            why: outcome.why.clone(),
            changed: outcome.changed,
        };
        Self { at, event }
    }

    /// When the run is over.
    pub(crate) fn end(at: Timestamp, exit: u8) -> Self {
        Self { at, event: Event::End { exit } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rotation_core::apply::journal::read;

    /// Frozen: journals of every released version must parse for ever.
    #[test]
    fn version_1_parses_for_ever() {
        let text = r#"{"previous":"","entry":{"at":"2026-01-01T00:00:00Z","event":{"kind":"run","schemaVersion":"rotation/proxy-restart-journal/v1","tool":"bosh-proxy-restart","toolVersion":"0.1.0","deployment":"kubernetes","since":"2026-01-01T00:00:00Z","before":[{"instance":"master/a","job":"proxy","bootId":"b","process":"138:509642"},{"instance":"master/c","job":"proxy","bootId":"b"}]}}}
"#;
        let history = read::<Entry>(text);
        assert_eq!((history.entries.len(), history.damage), (1, None));
    }
}
