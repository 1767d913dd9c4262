//! How a command ends: the exit codes, the same for every tool, and what an error must know about itself.

use std::error::Error;

/// The exit codes. A runbook branches on them, so a code never changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Done, or nothing to do; for a check: no findings.
    Done = 0,
    /// Unexpected: the environment, the API, or a bug.
    Unexpected = 1,
    /// The command line is wrong.
    Usage = 2,
    /// A read-only verb has findings, or changes are pending.
    Findings = 3,
    /// A precondition, a gate or a confirmation failed; nothing (more) was changed.
    Refused = 4,
    /// Partly done, and resumable.
    Partly = 5,
    /// Done, but not proven in time.
    Unproven = 6,
    /// Interrupted; what was done is said.
    Interrupted = 130,
}

impl Exit {
    /// Every code, for tables in tests and documents.
    pub const ALL: [Self; 8] = [
        Self::Done,
        Self::Unexpected,
        Self::Usage,
        Self::Findings,
        Self::Refused,
        Self::Partly,
        Self::Unproven,
        Self::Interrupted,
    ];

    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// An expected error: it knows its exit code and, where there is one, the next command to type.
///
/// `Display` is a lowercase sentence that never repeats [`Error::source`]: the chain is printed once, by the one
/// printer in `cli`.
pub trait Fault: Error {
    /// The exit code.
    fn exit(&self) -> Exit;

    /// What to do next, without the word `hint`: usually "run `...`".
    fn hint(&self) -> Option<String> {
        None
    }

    /// Kubernetes' reason, where the sentence is the API server's own: it is then printed as kubectl prints it.
    fn server_reason(&self) -> Option<&str> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_a_contract() {
        let codes = Exit::ALL.map(Exit::code);
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 130]);
    }
}
