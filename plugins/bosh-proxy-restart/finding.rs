//! What is wrong on an instance: closed words for scripts, sentences for people.

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Severity {
    /// Worth knowing.
    Warning,
    /// The proxy does not do its work, or a restart could make it worse.
    Error,
}

/// What it is. Closed: each reader decides about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Code {
    // The director's view.
    NoVm,
    UnresponsiveAgent,
    Ignored,
    Stopped,
    NoJob,
    // The way there.
    Unreachable,
    HostKey,
    Garbled,
    // Monit.
    MonitAway,
    UnknownJob,
    ActionPending,
    NotMonitored,
    NotRunning,
    Starting,
    // Processes.
    Duplicate,
    PidfileLost,
    PidfileStranger,
    PidfileStale,
    Namesake,
    // Ports.
    PortsTaken,
    PortsMissing,
    // Logs.
    BindErrors,
    BindErrorsPast,
    ControlScript,
    LogsMoved,
    // The VM.
    DiskFull,
    DiskAlmostFull,
    ClockOff,
    LeftoverAccounts,
    Busy,
    Unlisted,
}

impl Code {
    /// All, for tables in tests.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 31] = [
        Self::NoVm,
        Self::UnresponsiveAgent,
        Self::Ignored,
        Self::Stopped,
        Self::NoJob,
        Self::Unreachable,
        Self::HostKey,
        Self::Garbled,
        Self::MonitAway,
        Self::UnknownJob,
        Self::ActionPending,
        Self::NotMonitored,
        Self::NotRunning,
        Self::Starting,
        Self::Duplicate,
        Self::PidfileLost,
        Self::PidfileStranger,
        Self::PidfileStale,
        Self::Namesake,
        Self::PortsTaken,
        Self::PortsMissing,
        Self::BindErrors,
        Self::BindErrorsPast,
        Self::ControlScript,
        Self::LogsMoved,
        Self::DiskFull,
        Self::DiskAlmostFull,
        Self::ClockOff,
        Self::LeftoverAccounts,
        Self::Busy,
        Self::Unlisted,
    ];

    /// Whether a restart must not be tried: it would not help, would harm, or could not be proven.
    pub(crate) fn forbids_restart(self, start_stopped: bool) -> bool {
        match self {
            Self::NoVm
            | Self::UnresponsiveAgent
            | Self::Ignored
            | Self::Stopped
            | Self::NoJob
            | Self::Unreachable
            | Self::HostKey
            | Self::Garbled
            | Self::MonitAway
            | Self::UnknownJob
            | Self::ActionPending
            | Self::Duplicate
            | Self::PidfileLost
            | Self::PidfileStranger
            | Self::PortsTaken
            | Self::DiskFull => true,
            Self::NotMonitored => !start_stopped,
            Self::NotRunning
            | Self::Starting
            | Self::PidfileStale
            | Self::Namesake
            | Self::PortsMissing
            | Self::BindErrors
            | Self::BindErrorsPast
            | Self::ControlScript
            | Self::LogsMoved
            | Self::DiskAlmostFull
            | Self::ClockOff
            | Self::LeftoverAccounts
            | Self::Busy
            | Self::Unlisted => false,
        }
    }

    /// Whether `heal` mends it.
    pub(crate) fn is_healed(self) -> bool {
        matches!(self, Self::Duplicate | Self::PidfileLost | Self::PidfileStranger)
    }

    fn severity(self) -> Severity {
        match self {
            Self::Ignored
            | Self::Stopped
            | Self::Starting
            | Self::Namesake
            | Self::BindErrorsPast
            | Self::ControlScript
            | Self::LogsMoved
            | Self::DiskAlmostFull
            | Self::ClockOff
            | Self::LeftoverAccounts
            | Self::Busy
            | Self::Unlisted => Severity::Warning,
            Self::NoVm
            | Self::UnresponsiveAgent
            | Self::NoJob
            | Self::Unreachable
            | Self::HostKey
            | Self::Garbled
            | Self::MonitAway
            | Self::UnknownJob
            | Self::ActionPending
            | Self::NotMonitored
            | Self::NotRunning
            | Self::Duplicate
            | Self::PidfileLost
            | Self::PidfileStranger
            | Self::PidfileStale
            | Self::PortsTaken
            | Self::PortsMissing
            | Self::BindErrors
            | Self::DiskFull => Severity::Error,
        }
    }
}

/// One judgement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Finding {
    /// How bad.
    pub(crate) severity: Severity,
    /// What.
    pub(crate) code: Code,
    /// In words, with the evidence.
    pub(crate) message: String,
}

impl Finding {
    /// A finding of this kind.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { severity: code.severity(), code, message: message.into() }
    }

    /// Whether it is an error.
    pub(crate) fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
