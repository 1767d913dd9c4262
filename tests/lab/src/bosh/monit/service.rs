//! A service as monit knows it.

use std::path::PathBuf;
use std::time::Duration;

/// What a person, or the agent, asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Restart,
    Stop,
    Start,
    Monitor,
    Unmonitor,
}

impl Action {
    pub(super) const ALL: [Self; 5] =
        [Self::Restart, Self::Stop, Self::Start, Self::Monitor, Self::Unmonitor];

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Monitor => "monitor",
            Self::Unmonitor => "unmonitor",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }
}

/// Whether a service is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// Somebody stopped it, or it is being stopped or started now.
    No,
    /// It was acted on and not looked at since.
    Fresh,
    Yes,
}

/// One `check process`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) pidfile: PathBuf,
    pub(super) start: Vec<String>,
    pub(super) stop: Vec<String>,
    pub(super) start_timeout: Duration,
    pub(super) stop_timeout: Duration,
    pub(super) watch: Watch,
    pub(super) pending: Option<Action>,
    /// The process that it was seen to be.
    pub(super) pid: Option<u32>,
    pub(super) execution_failed: bool,
    pub(super) does_not_exist: bool,
    pub(super) pid_changed: bool,
}

impl Service {
    /// Its state in one line, as `summary` and `status` show it. Of several errors only the first is told.
    pub(super) fn state(&self) -> String {
        let word = match self.watch {
            Watch::No => "not monitored",
            Watch::Fresh => "initializing",
            Watch::Yes if self.execution_failed => "Execution failed",
            Watch::Yes if self.does_not_exist => "Does not exist",
            Watch::Yes if self.pid_changed => "PID changed",
            Watch::Yes => "running",
        };
        match self.pending {
            Some(action) => format!("{word} - {} pending", action.word()),
            None => word.to_owned(),
        }
    }

    /// Whether it is looked at, in `status`.
    pub(super) fn monitoring(&self) -> &'static str {
        match self.watch {
            Watch::No => "not monitored",
            Watch::Fresh => "initializing",
            Watch::Yes => "monitored",
        }
    }
}
