//! What a BOSH director knows: instances of a deployment, their processes, and locks.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// `GROUP/UUID`: the name of an instance that outlives its VM, its address and its index.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceName {
    /// The instance group: `master`.
    pub group: String,
    /// The UUID.
    pub id: String,
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.group, self.id)
    }
}

impl Serialize for InstanceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A word that names no instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no instance; instances look like GROUP/UUID")]
pub struct InstanceNameError(String);

impl FromStr for InstanceName {
    type Err = InstanceNameError;

    fn from_str(text: &str) -> Result<Self, InstanceNameError> {
        match text.split_once('/') {
            Some((group, id)) if is_word(group) && is_word(id) => {
                Ok(Self { group: group.to_owned(), id: id.to_owned() })
            }
            _ => Err(InstanceNameError(text.to_owned())),
        }
    }
}

/// Whether a text can be a group, an ID or a job: nothing that a shell, a path or a flag would take for more.
pub fn is_word(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !text.is_empty()
        && text.len() <= 200
        && text.chars().all(inside)
        && !text.starts_with(['-', '.'])
}

/// A process that monit watches, in the director's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessState {
    /// Monit's name for it: `proxy`.
    pub name: String,
    /// `running`, `failing`, `starting` or `unknown`.
    pub state: String,
}

/// An instance as `bosh instances --ps --details` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Its name.
    pub name: InstanceName,
    /// Its index in the group; `None` where the director says none.
    pub index: Option<u32>,
    /// Availability zone; empty where the deployment has none.
    pub az: String,
    /// Whether it is the group's first, on which errands and first starts fall.
    pub bootstrap: bool,
    /// What the manifest wants of it: `started`, `stopped`, `detached`.
    pub state: String,
    /// The operator told the director to leave it alone.
    pub ignore: bool,
    /// `running`, `starting`, `failing`, `stopped`, `unknown`, `unresponsive agent`; empty without a VM.
    pub process_state: String,
    /// Whether it has a VM.
    pub has_vm: bool,
    /// What monit watches on it; empty where the agent does not answer.
    pub processes: Vec<ProcessState>,
}

impl Instance {
    /// Whether its agent answered the director.
    pub fn is_responsive(&self) -> bool {
        self.process_state != "unresponsive agent"
    }

    /// The state of one process, as the director knows it.
    pub fn process(&self, name: &str) -> Option<&str> {
        self.processes.iter().find(|p| p.name == name).map(|p| p.state.as_str())
    }
}

/// An instance as the director has it on record, without asking its agent how it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Its name.
    pub name: InstanceName,
    /// Its index in the group; `None` where the director says none.
    pub index: Option<u32>,
    /// Availability zone; empty where the deployment has none.
    pub az: String,
    /// Whether it has a VM.
    pub has_vm: bool,
}

/// A lock that the director holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectorLock {
    /// What is locked: `deployment`, `compile`, `release`.
    pub kind: String,
    /// Its name.
    pub resource: String,
    /// The task that holds it; empty on old directors.
    pub task: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_groups_with_ids_and_nothing_more() {
        let name: InstanceName = "master/71687fda-a0a7".parse().expect("a name");
        assert_eq!(
            (name.group.as_str(), name.to_string().as_str()),
            ("master", "master/71687fda-a0a7")
        );
        for text in
            ["master", "master/", "/x", "-r/x", "master/$(id)", "a b/c", "master/../x", "m/a/b", ""]
        {
            assert!(text.parse::<InstanceName>().is_err(), "{text}");
        }
    }
}
