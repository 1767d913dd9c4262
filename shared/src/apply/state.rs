//! What a tool keeps between runs: one directory for each cluster, with a lock and the journals.

use super::journal::{Chain, Entry, History, Journal, read};
use super::memory::{Memory, PastRun};
use crate::facts::identity::{ClusterIdentity, Uid};
use crate::world::files::{self, AppendFile, FileError, Lock};
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

/// Journals that are read: older ones say nothing that a newer one does not say better.
const READ: usize = 20;

/// The directory of one cluster.
#[derive(Clone, Debug)]
pub struct StateDir(PathBuf);

impl StateDir {
    /// `BASE/TOOL/CLUSTER-UID`; nothing is made yet.
    pub fn of(base: &Path, tool: &str, cluster: &ClusterIdentity) -> Self {
        Self::named(base, tool, cluster.uid.as_str())
    }

    /// `BASE/TOOL/NAME`, for what is no cluster: a deployment.
    pub fn named(base: &Path, tool: &str, name: &str) -> Self {
        // The name comes from a server: only what a UID is made of may become part of a path.
        let safe = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let name: String = name.chars().map(safe).collect();
        Self(base.join("rotation").join(tool).join(name))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What earlier runs knew, and what of it cannot be believed. Changes nothing.
    pub fn remember(&self, cluster: &ClusterIdentity) -> (Memory, Vec<String>) {
        let (histories, doubts) = self.histories();
        (Memory::new(histories.iter().filter_map(PastRun::of).collect(), cluster), doubts)
    }

    /// The newest journals, newest first, and what of them cannot be believed. Changes nothing.
    pub fn histories<E: DeserializeOwned>(&self) -> (Vec<History<E>>, Vec<String>) {
        let mut histories = Vec::new();
        let mut doubts = Vec::new();
        let paths = files::names_ending(&self.0, ".jsonl").unwrap_or_else(|error| {
            doubts.push(error.to_string());
            Vec::new()
        });
        for path in paths.iter().rev().take(READ) {
            match files::read(path) {
                Ok(text) => {
                    let history = read::<E>(&text);
                    if let Some(damage) = &history.damage {
                        doubts.push(format!(
                            "journal `{}` is damaged: {damage}; what follows is not used",
                            path.display()
                        ));
                    }
                    histories.push(history);
                }
                Err(error) => doubts.push(error.to_string()),
            }
        }
        (histories, doubts)
    }

    /// Where the manifest of an object is kept that nobody else would create again; `kind` is its beginning: `pod-`.
    pub fn keep(&self, kind: &str, uid: &Uid) -> PathBuf {
        self.0.join(format!("{kind}{uid}.json"))
    }

    /// The manifests that are kept. Those of objects that were created again are gone.
    pub fn kept(&self, kind: &str) -> Result<Vec<PathBuf>, FileError> {
        let mut paths = files::names_ending(&self.0, ".json")?;
        let is_ours = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(kind))
        };
        paths.retain(is_ours);
        Ok(paths)
    }

    /// Takes the lock; a second run on this machine is refused.
    pub fn lock(&self) -> Result<Lock, FileError> {
        files::private_directory(&self.0)?;
        Lock::take(&self.0.join("lock"))
    }

    /// Begins a journal.
    pub fn journal(&self, now: Timestamp) -> Result<FileJournal, FileError> {
        // Sorted by time; the process tells two runs of one second apart.
        let name = format!("{}-{}.jsonl", now.strftime("%Y%m%dT%H%M%SZ"), std::process::id());
        let file = AppendFile::open(&self.0.join(name))?;
        Ok(FileJournal { file, chain: Chain::default() })
    }
}

/// A journal in a file.
#[derive(Debug)]
pub struct FileJournal {
    file: AppendFile,
    chain: Chain,
}

impl FileJournal {
    /// Where it is.
    pub fn path(&self) -> &Path {
        self.file.path()
    }
}

impl Journal for FileJournal {
    fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        self.write(entries)
    }
}

impl FileJournal {
    /// Writes entries of any kind, durably, before it returns.
    pub fn write<E: Serialize>(&mut self, entries: &[E]) -> io::Result<()> {
        let lines = self.chain.lines(entries)?;
        self.file.append(lines.as_bytes()).map_err(|error| {
            let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            io::Error::other(format!("{error}{cause}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::document::{Plan, SCHEMA_VERSION};

    fn plan(cluster: &ClusterIdentity) -> Plan {
        Plan {
            schema_version: SCHEMA_VERSION.into(),
            tool: "t".into(),
            tool_version: "0".into(),
            created_at: Timestamp::UNIX_EPOCH,
            cluster: cluster.clone(),
            phases: vec![],
            skipped: vec![],
            notes: vec![],
        }
    }

    #[test]
    fn a_run_is_remembered_and_a_damaged_journal_is_named() {
        let base = tempfile::tempdir().expect("a directory");
        let cluster = ClusterIdentity { uid: "a/../b".into(), server: "s".into() };
        let state = StateDir::of(base.path(), "recycle", &cluster);
        assert!(state.path().ends_with("rotation/recycle/a____b"));
        assert!(state.remember(&cluster).1.is_empty(), "no directory is no doubt");

        let now: Timestamp = "2026-01-01T00:00:00Z".parse().expect("time");
        let _lock = state.lock().expect("free");
        assert!(state.lock().expect_err("held").is_locked());
        let mut journal = state.journal(now).expect("new");
        journal.append(&[Entry::run(now, &plan(&cluster), vec![], vec![])]).expect("written");
        let (memory, doubts) = state.remember(&cluster);
        assert!(memory.cut_off(now).is_some() && doubts.is_empty());

        journal.file.append(b"{}\n").expect("written");
        assert!(state.remember(&cluster).1[0].contains("line 2"));
    }
}
