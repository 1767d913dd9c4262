//! Why the director or the CLI did not do what was asked.

use super::answer::Answer;
use crate::facts::exit::{Exit, Fault};
use crate::tell::clean;
use crate::world::exec::ExecError;
use std::time::Duration;

/// Characters of somebody else's text that are shown.
const SHOWN: usize = 400;

/// The CLI or the director failed.
#[derive(Debug, thiserror::Error)]
pub enum BoshError {
    /// The CLI cannot be run.
    #[error("the BOSH CLI cannot be run")]
    Exec(#[source] ExecError),
    /// It printed something that is no answer of a `bosh` of version 7.
    #[error("`{program}` gave no answer that could be read: {said}")]
    Strange {
        /// The program.
        program: String,
        /// What it said, cut.
        said: String,
    },
    /// It did not end in time.
    #[error("`{program} {verb}` did not end within {limit}{killed}", limit = crate::facts::duration::human(*.limit))]
    TooLong {
        /// The program.
        program: String,
        /// `instances`.
        verb: &'static str,
        /// How long it was given.
        limit: Duration,
        /// What else to know, if it had to be killed.
        killed: &'static str,
    },
    /// Somebody asked to stop.
    #[error("interrupted")]
    Stopped,
    /// The director, or the way to it, says no.
    #[error("{message}")]
    Director {
        /// What kind of no.
        kind: DirectorFault,
        /// In the CLI's words.
        message: String,
    },
}

/// Kinds of refusal, by what one does about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectorFault {
    /// It cannot be reached, or its certificate is not trusted.
    Unreachable,
    /// It does not know who asks.
    Credentials,
    /// It has no such deployment.
    NoDeployment,
    /// Its task could not reach the agent of a VM.
    Agent,
    /// No instance matches, or the instance has no VM.
    NoInstance,
    /// Something else.
    Other,
}

impl Fault for BoshError {
    fn exit(&self) -> Exit {
        match self {
            Self::Stopped => Exit::Interrupted,
            Self::Exec(_) | Self::Strange { .. } | Self::TooLong { .. } | Self::Director { .. } => {
                Exit::Unexpected
            }
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Exec(ExecError::NotFound(_)) => {
                "install the BOSH CLI, version 7, as `bosh`, or name it with --bosh PATH"
            }
            Self::Exec(_) => "name the BOSH CLI with --bosh PATH",
            Self::Strange { .. } => {
                "run `bosh --version`: version 7 is needed; if it is, run `bosh instances --ps --details --json`"
            }
            Self::TooLong { .. } => "run `bosh environment` to see whether the director answers",
            Self::Stopped => return None,
            Self::Director { kind, .. } => match kind {
                DirectorFault::Unreachable => {
                    "run `bosh environment`; look at BOSH_ENVIRONMENT, BOSH_CA_CERT and BOSH_ALL_PROXY"
                }
                DirectorFault::Credentials => {
                    "run `bosh log-in`, or look at BOSH_CLIENT and BOSH_CLIENT_SECRET"
                }
                DirectorFault::NoDeployment => "run `bosh deployments` to see their names",
                DirectorFault::Agent | DirectorFault::NoInstance => {
                    "run `bosh instances --ps` to see what answers"
                }
                DirectorFault::Other => "run `bosh environment`, then `bosh tasks --recent`",
            },
        };
        Some(text.to_owned())
    }
}

/// What a failed call says, for people, and what kind it is.
pub(super) fn director(answer: &Answer) -> BoshError {
    let talk: Vec<&str> = answer.talk().collect();
    let all = talk.join("\n");
    let kind = kind(&all);
    let noise = |line: &&str| {
        let line = line.trim();
        // A quotation mark that stands alone ends the director's answer.
        line.chars().filter(char::is_ascii_alphanumeric).count() < 3
            || line == ". Done"
            || line.starts_with("Using ")
            || line.starts_with("Task ")
            || line.starts_with("Exit code ")
            || line.starts_with("Expected task ")
    };
    // The innermost reason stands last in what the CLI nests; the director's own stands in a block.
    let blocks = talk.iter().find_map(|line| line.trim().strip_prefix("Error: "));
    let nested = talk.iter().rev().flat_map(|line| line.lines().rev()).find(|line| !noise(line));
    let message =
        blocks.or(nested.map(str::trim)).unwrap_or("the BOSH CLI failed and said nothing");
    BoshError::Director { kind, message: shown(message) }
}

/// The kind of a failure, by the words of the CLI and of the director.
fn kind(all: &str) -> DirectorFault {
    let says = |words: &[&str]| words.iter().any(|word| all.contains(word));
    if says(&["Timed out sending", "Failed to set up SSH session"]) {
        DirectorFault::Agent
    } else if says(&["No instances matched", "No instance with a VM"]) {
        DirectorFault::NoInstance
    } else if says(&["status code '401'", "status code '403'", "Not authorized"]) {
        DirectorFault::Credentials
    } else if says(&["doesn't exist"]) && says(&["status code '404'"]) {
        DirectorFault::NoDeployment
    } else if says(&[
        "connect: ",
        "no such host",
        "x509:",
        "tls:",
        "i/o timeout",
        "Fetching info",
        "proxy",
        "EOF",
    ]) {
        DirectorFault::Unreachable
    } else {
        DirectorFault::Other
    }
}

/// Text of somebody else: cleaned and bounded.
pub(super) fn shown(text: &str) -> String {
    let text = clean::bounded(text, SHOWN);
    if text.is_empty() { "(nothing)".to_owned() } else { text.into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_real_cli_says_is_told_apart() {
        macro_rules! recorded {
            ($name:literal) => {
                include_str!(concat!("../../../../../tests/fixtures/bosh/", $name, ".json"))
            };
        }
        for (document, expected, message) in [
            (
                recorded!("instances-bad-password"),
                DirectorFault::Credentials,
                "Director responded with non-successful status code '401' response 'Not authorized: '/deployments/kubernetes/instances'",
            ),
            (
                recorded!("instances-no-director"),
                DirectorFault::Unreachable,
                "Retry: Get \"https://127.0.0.1:25556/info\": dial tcp 127.0.0.1:25556: connect: connection refused",
            ),
            (
                recorded!("ssh-unknown-deployment"),
                DirectorFault::NoDeployment,
                "Director responded with non-successful status code '404' response '{\"code\": 70000, \"description\": \"Deployment 'nope' doesn't exist\"}'",
            ),
            (
                recorded!("ssh-unknown-group"),
                DirectorFault::NoInstance,
                "No instances matched {job: \"nosuch\", deployment_id: 1}",
            ),
            (
                recorded!("ssh-unresponsive-agent"),
                DirectorFault::Agent,
                "Timed out sending 'ssh' to instance: 'minion/0c785995-4df2-4524-9a6e-590f4375a24d', agent-id: '349e44d4-9e4a-45a4-9cc8-fb514f1500a3' after 6 seconds",
            ),
            (recorded!("ssh-setup-failed"), DirectorFault::Agent, ""),
        ] {
            let answer = Answer::read(document).expect("a document");
            let BoshError::Director { kind, message: said } = director(&answer) else {
                panic!("a director's fault");
            };
            assert_eq!(kind, expected, "{said}");
            assert!(said.starts_with(message), "{said}");
        }
    }
}
