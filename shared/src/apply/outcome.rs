//! What became of each step, and of the run.

use crate::facts::exit::Exit;
use crate::plan::document::{Plan, Step};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What proves that a step worked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Proof {
    /// Name of the new object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    /// Its UID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement_uid: Option<String>,
    /// Its node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Why no new object is needed, or what else is worth saying.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What became of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Outcome {
    /// It worked, and that was seen.
    Done {
        /// What was seen.
        proof: Proof,
        /// Milliseconds from its begin.
        millis: u64,
        /// Whether this run changed something for it; `false` where it was done already.
        changed: bool,
    },
    /// It cannot work.
    Failed {
        /// A stable word, for example `CrashLoopBackOff`.
        reason: String,
        /// In words.
        message: String,
        /// Whether something was changed before it failed.
        changed: bool,
    },
    /// The change was made, and what should follow was not seen in time.
    Unproven {
        /// What was waited for.
        waiting_for: String,
    },
    /// The time passed before the change could be made.
    Blocked {
        /// By what.
        by: String,
    },
    /// Interrupted while it was under way.
    UnderWay {
        /// Whether the change was made.
        changed: bool,
    },
    /// Not begun, and why.
    NotBegun {
        /// Why.
        why: String,
    },
}

impl Outcome {
    /// Whether it counts against a wave's limit of failures.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Failed { .. } | Self::Unproven { .. } | Self::Blocked { .. } => true,
            Self::Done { .. } | Self::UnderWay { .. } | Self::NotBegun { .. } => false,
        }
    }

    /// Whether this run changed something.
    pub fn changed(&self) -> bool {
        match self {
            Self::Done { changed, .. }
            | Self::Failed { changed, .. }
            | Self::UnderWay { changed } => *changed,
            Self::Unproven { .. } => true,
            Self::Blocked { .. } | Self::NotBegun { .. } => false,
        }
    }
}

/// What became of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// By step.
    pub outcomes: BTreeMap<String, Outcome>,
    /// Somebody asked to stop.
    pub interrupted: bool,
    /// The journal could not be written: nothing was begun after that.
    pub journal_lost: Option<String>,
    /// What was looked at after the last step and did not hold.
    pub unproven: Vec<String>,
    /// From the first step to the last.
    pub took: Duration,
}

impl Report {
    /// How many steps are done.
    pub fn done(&self) -> usize {
        self.outcomes.values().filter(|o| matches!(o, Outcome::Done { .. })).count()
    }

    /// The outcome of a step; a step that nobody spoke of was not begun.
    pub fn of<'a>(&'a self, step: &Step) -> Option<&'a Outcome> {
        self.outcomes.get(&step.id)
    }

    /// The exit code: what a runbook does next.
    pub fn exit(&self, plan: &Plan) -> Exit {
        let outcomes: Vec<Option<&Outcome>> = plan.steps().map(|s| self.of(s)).collect();
        let all = |which: fn(&Outcome) -> bool| outcomes.iter().all(|o| o.is_some_and(which));
        let changed = outcomes.iter().flatten().any(|o| o.changed());
        if all(|o| matches!(o, Outcome::Done { .. })) && !self.unproven.is_empty() {
            Exit::Unproven
        } else if all(|o| matches!(o, Outcome::Done { .. })) {
            // An interrupt that came after the last proof interrupted nothing.
            Exit::Done
        } else if self.interrupted {
            Exit::Interrupted
        } else if all(|o| matches!(o, Outcome::Done { .. } | Outcome::Unproven { .. })) {
            Exit::Unproven
        } else if changed {
            Exit::Partly
        } else {
            Exit::Refused
        }
    }
}
