//! Orders, and how they are written for the script.

use crate::facts::credential::Digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Nothing.
    Absent,
    /// A file of these bytes, by their SHA-256.
    File(Digest),
    /// A symbolic link, and where it leads.
    Link(String),
    /// Something that no certificate can stand in, or that may not be read: in words.
    Other(String),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("absent"),
            Self::File(digest) => write!(f, "{digest}"),
            Self::Link(target) => write!(f, "link:{}", STANDARD.encode(target)),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl State {
    /// Reads what the script says of a path.
    pub(super) fn read(word: &str) -> Option<Self> {
        if let Some(target) = word.strip_prefix("link:") {
            let bytes = STANDARD.decode(target).ok()?;
            let text = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned();
            return Some(Self::Link(text));
        }
        match word {
            "absent" => Some(Self::Absent),
            "directory" | "special" | "denied" => Some(Self::Other(word.to_owned())),
            digest => serde_json::from_value(digest.into()).ok().map(Self::File),
        }
    }
}

/// How a component is restarted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Way {
    /// It is ended, and its supervisor (a kubelet, systemd, runit, monit) starts it again.
    Kill,
    /// Its supervisor has been told by what was changed (a manifest) and is waited for.
    Wait,
    /// By a command for the machine's shell.
    Run(String),
    /// By a command for the machine's shell that nothing shows the end of: once for each content of its files.
    Tell(String),
}

/// One thing to do on a machine.
#[derive(Clone, Debug)]
pub enum Order<'a> {
    /// Only look what stands there.
    Look {
        /// Where.
        path: &'a str,
    },
    /// Put a file in its place, as a whole.
    Put {
        /// Where.
        path: &'a str,
        /// Permission bits, octal.
        mode: &'a str,
        /// `USER:GROUP` in numbers.
        owner: &'a str,
        /// What may stand there before.
        before: Vec<State>,
        /// What it is to hold.
        content: &'a [u8],
    },
    /// Make a symbolic link, or let it lead elsewhere.
    Link {
        /// Where.
        path: &'a str,
        /// Where it is to lead.
        target: &'a str,
        /// What may stand there before.
        before: Vec<State>,
    },
    /// Take a file away.
    Remove {
        /// Where.
        path: &'a str,
        /// What may stand there before.
        before: Vec<State>,
    },
    /// Restart a component, unless it started after these files changed; returns when a new process runs.
    Restart {
        /// The program.
        program: &'a str,
        /// How.
        way: &'a Way,
        /// Seconds until it must run again.
        limit: u64,
        /// Files that it reads once.
        files: Vec<&'a str>,
    },
    /// Say who came to API servers with which client certificate, as their audit logs tell; reads only.
    Clients {
        /// Since when, in UTC as audit logs write it, without fractions and zone.
        since: &'a str,
    },
    /// Say that this rotation works here.
    Lock {
        /// The rotation's name.
        id: &'a str,
        /// Who and since when, in words.
        words: &'a str,
    },
    /// Take away what a killed command left beside a file.
    Tidy {
        /// The file.
        path: &'a str,
    },
    /// Say that it works here no more.
    Unlock {
        /// The rotation's name.
        id: &'a str,
    },
}

/// A word of a line: as it is where it is plain, which saves the machine a process for each.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    if text.is_empty() || !text.chars().all(is_plain) {
        return STANDARD.encode(text);
    }
    format!("={text}")
}

impl Order<'_> {
    /// One line.
    pub(super) fn write(&self, input: &mut Zeroizing<String>) {
        let encode = word;
        let any =
            |states: &[State]| states.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let line = match self {
            Self::Look { path } => format!("look {}", encode(path)),
            Self::Put { path, mode, owner, before, content } => {
                let (path, before, after) = (encode(path), any(before), Digest::of(content));
                let content = Zeroizing::new(STANDARD.encode(content));
                for word in ["put", &path, mode, owner, &before, &after.to_string(), &content] {
                    input.push_str(word);
                    input.push(' ');
                }
                String::new()
            }
            Self::Link { path, target, before } => {
                let after = State::Link((*target).to_owned());
                format!("link {} {} {after}", encode(path), any(before))
            }
            Self::Remove { path, before } => format!("remove {} {}", encode(path), any(before)),
            Self::Restart { program, way, limit, files } => {
                let files: Vec<String> = files.iter().map(|file| encode(file)).collect();
                let files = if files.is_empty() { "-".to_owned() } else { files.join(",") };
                let (word, command) = match way {
                    Way::Kill => ("kill", String::new()),
                    Way::Wait => ("wait", String::new()),
                    Way::Run(command) => ("run", encode(command)),
                    Way::Tell(command) => ("tell", encode(command)),
                };
                format!("restart {program} {word} {limit} {files} {command}")
            }
            Self::Clients { since } => format!("clients {since}"),
            Self::Lock { id, words } => format!("lock {id} {}", encode(words)),
            Self::Tidy { path } => format!("tidy {}", encode(path)),
            Self::Unlock { id } => format!("unlock {id}"),
        };
        input.push_str(&line);
        input.push('\n');
    }
}
