//! What the operator asks for.

use crate::facts::pace::Pace;
use std::collections::BTreeSet;

/// How pods are made to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// DaemonSet pods are deleted, as a drain would leave them alone for ever; all others are evicted.
    #[default]
    Auto,
    /// Everything through the eviction API, which honours budgets.
    Evict,
    /// Everything is deleted; budgets are ignored.
    Delete,
    /// The workload's template is touched, and its controller replaces the pods.
    Rollout,
}

/// What is refused unless the operator names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Allowance {
    /// Pods without a controller: created again from their own manifest.
    Bare,
    /// Pods of Jobs: their work in progress is lost.
    Jobs,
    /// DaemonSet pods that would not come back on their node.
    Unfit,
    /// Pods on nodes that cannot confirm their end.
    Unreachable,
    /// The only Ready pod of a service that must not go down.
    LastReady,
    /// Unready pods whose budget never allows an eviction: deleted.
    UnreadyOverBudget,
    /// Any pod whose budget never allows an eviction: deleted.
    OverBudget,
    /// Pods of the control plane.
    ControlPlane,
}

impl Allowance {
    /// All, with the word for the command line.
    pub const WORDS: [(Self, &str); 8] = [
        (Self::Bare, "bare"),
        (Self::Jobs, "jobs"),
        (Self::Unfit, "unfit"),
        (Self::Unreachable, "unreachable"),
        (Self::LastReady, "last-ready"),
        (Self::UnreadyOverBudget, "unready-over-budget"),
        (Self::OverBudget, "over-budget"),
        (Self::ControlPlane, "control-plane"),
    ];

    /// The word for the command line.
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(a, _)| *a == self).map_or("", |(_, word)| word)
    }
}

/// The operator's choices.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Means.
    pub strategy: Strategy,
    /// Pods of one workload that may be away at once; `None` leaves it to the kind of workload.
    pub max_unavailable: Option<Pace>,
    /// Failed steps that stop a wave; 0 is read as 1.
    pub max_failures: u32,
    /// Seconds that a pod gets to end; `None` leaves it to the pod.
    pub grace_seconds: Option<u32>,
    /// What would be refused.
    pub allow: BTreeSet<Allowance>,
}

impl Options {
    /// Whether the operator named it.
    pub fn allows(&self, what: Allowance) -> bool {
        self.allow.contains(&what)
    }
}
