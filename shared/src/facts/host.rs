//! What a machine's files and processes look like to somebody who only reads.

use crate::facts::sighting::Component;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// Bytes that are read of one file: a system's whole bundle has a quarter of a megabyte.
pub const HOST_FILE_LIMIT: usize = 4 << 20;

/// What was seen of one machine.
#[derive(Debug, Default)]
pub struct HostSeen {
    /// Files by their paths there. What was asked for and is not there is in it as [`FileFault::Absent`].
    pub files: BTreeMap<String, FileSeen>,
    /// Processes, where they were asked for and can be seen.
    pub processes: Vec<ProcessSeen>,
    /// The machine's clock, less that of the one that looks, in seconds; `None` for a tree of files.
    pub clock_ahead: Option<i64>,
}

/// A file.
#[derive(Debug)]
pub struct FileSeen {
    /// Where a symbolic link leads, as it is written.
    pub link: Option<String>,
    /// Permission bits.
    pub mode: Option<u32>,
    /// The user that it belongs to.
    pub user: Option<u32>,
    /// When its content, or the link to it, changed last.
    pub modified: Option<Timestamp>,
    /// What it holds. It is wiped when it is let go.
    pub content: Result<Zeroizing<Vec<u8>>, FileFault>,
}

/// Why there is nothing to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileFault {
    /// There is no such file.
    Absent,
    /// It may not be read.
    Denied,
    /// It is a directory.
    Directory,
    /// It is a pipe, a device or a socket.
    Special,
    /// It has so many bytes.
    TooLarge(u64),
    /// Its links lead in a circle.
    Loop,
    /// Something else, in the system's words.
    Other(String),
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is no such file"),
            Self::Denied => f.write_str("permission denied"),
            Self::Directory => f.write_str("it is a directory"),
            Self::Special => f.write_str("it is no regular file"),
            Self::TooLarge(bytes) => write!(f, "it has {bytes} bytes, which is too many to read"),
            Self::Loop => f.write_str("its symbolic links lead in a circle"),
            Self::Other(why) => f.write_str(why),
        }
    }
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSeen {
    /// Its number.
    pub pid: u32,
    /// When it started.
    pub started: Option<Timestamp>,
    /// Its command line.
    pub arguments: Vec<String>,
}

impl FileSeen {
    /// Nothing but the reason.
    pub fn fault(fault: FileFault) -> Self {
        Self { link: None, mode: None, user: None, modified: None, content: Err(fault) }
    }

    /// Whether something is there, readable or not.
    pub fn is_there(&self) -> bool {
        !matches!(self.content, Err(FileFault::Absent))
    }
}

/// A component that runs, or is to run, and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invocation {
    /// The manifest, the configuration or the process, with its host.
    pub place: String,
    /// Which.
    pub component: Component,
    /// Flags and settings with their values, in order.
    pub settings: Vec<(String, String)>,
    /// The files of certificates, keys and tokens that it names.
    pub files: Vec<String>,
}

impl Invocation {
    /// The last value of a flag or setting, which is the one that counts.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.settings.iter().rev().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// A place that should be a link, and is none, or leads elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misled {
    /// The place, with its host.
    pub place: String,
    /// Where it leads; `None` where it is no link.
    pub leads: Option<String>,
    /// Where it should.
    pub expected: String,
}

/// Whether a path fits a pattern: `*` stands for any part of one name, but not for a leading dot.
pub fn fits(pattern: &str, path: &str) -> bool {
    let (mut patterns, mut names) = (pattern.split('/'), path.split('/'));
    loop {
        match (patterns.next(), names.next()) {
            (None, None) => return true,
            (Some(pattern), Some(name)) if name_fits(pattern, name) => {}
            _ => return false,
        }
    }
}

/// [`fits`] for one name.
pub fn name_fits(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    if head.is_empty() && name.starts_with('.') {
        return false;
    }
    let Some(mut name) = name.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let tail = parts.pop().unwrap_or_default();
    for part in parts {
        match name.find(part) {
            Some(at) => name = &name[at + part.len()..],
            None => return false,
        }
    }
    name.ends_with(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_parts_of_names() {
        for (pattern, path, expected) in [
            ("/a/b", "/a/b", true),
            ("/a/b", "/a/b/c", false),
            ("/a/*", "/a/b", true),
            ("/a/*", "/a/b/c", false),
            ("/a/*", "/a/.b", false),
            ("/a/*/c", "/a/b/c", true),
            ("/net.d/*kubeconfig", "/net.d/calico-kubeconfig", true),
            ("/net.d/*kubeconfig", "/net.d/calico-kubeconfig.bak", false),
            ("/a/x*y*z", "/a/xyz", true),
            ("/a/x*y*z", "/a/x1y2z", true),
            ("/a/x*y*z", "/a/xz", false),
            ("/a/x*x", "/a/x", false),
        ] {
            assert_eq!(fits(pattern, path), expected, "{pattern} {path}");
        }
    }
}
