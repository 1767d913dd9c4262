//! Everything that stands in a tree: bytes, modes, owners, links.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    Directory,
    File(Vec<u8>),
    Link(String),
}

/// With its mode and owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) thing: Thing,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
}

/// All machines, by `HOST:/PATH`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Snapshot(pub(crate) BTreeMap<String, Entry>);

impl Snapshot {
    pub(crate) fn of(root: &Path, hosts: &[String]) -> Self {
        let mut snapshot = Self::default();
        for host in hosts {
            snapshot.walk(&root.join(host), &format!("{host}:"));
        }
        snapshot
    }

    fn walk(&mut self, path: &Path, name: &str) {
        let Ok(found) = fs::symlink_metadata(path) else { return };
        let thing = if found.is_symlink() {
            Thing::Link(fs::read_link(path).unwrap().to_string_lossy().into_owned())
        } else if found.is_dir() {
            Thing::Directory
        } else {
            Thing::File(fs::read(path).unwrap())
        };
        let owner = (found.uid(), found.gid());
        if thing == Thing::Directory {
            for entry in fs::read_dir(path).unwrap() {
                let entry = entry.unwrap();
                let inner = format!("{name}/{}", entry.file_name().to_string_lossy());
                self.walk(&entry.path(), &inner);
            }
        }
        self.0.insert(name.to_owned(), Entry { thing, mode: found.mode(), owner });
    }

    /// Places that differ, with how; the bytes of keys are not shown.
    pub(crate) fn differences(&self, other: &Self) -> Vec<String> {
        let mut all: Vec<&String> = self.0.keys().chain(other.0.keys()).collect();
        all.sort();
        all.dedup();
        let differ = all.into_iter().filter_map(|place| {
            Some(match (self.0.get(place), other.0.get(place)) {
                (Some(_), None) => format!("{place} is gone"),
                (None, Some(_)) => format!("{place} is new"),
                (Some(one), Some(two)) if one.thing != two.thing => format!("{place} has changed"),
                (Some(one), Some(two)) if one != two => {
                    format!(
                        "{place}: {:o} {:?} became {:o} {:?}",
                        one.mode, one.owner, two.mode, two.owner
                    )
                }
                _ => return None,
            })
        });
        differ.collect()
    }

    #[track_caller]
    pub(crate) fn is(&self, other: &Self, when: &str) {
        let differences = self.differences(other);
        assert!(differences.is_empty(), "{when}: {differences:#?}");
    }

    /// Regular files with their bytes.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().filter_map(|(place, entry)| match &entry.thing {
            Thing::File(bytes) => Some((place.as_str(), bytes.as_slice())),
            Thing::Directory | Thing::Link(_) => None,
        })
    }
}
