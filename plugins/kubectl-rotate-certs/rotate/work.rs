//! The directory of a rotation: its plan, the content of every file by digest, the journal, and a lock.
//!
//! It holds keys, so that it is for its owner alone. Losing it loses the way back and the new keys, not the cluster.

use super::document::{Plan, SCHEMA_VERSION};
use super::draw::Drawn;
use super::journal::Event;
use jiff::Timestamp;
use rotation_core::apply::journal::{Chain, History, read as read_journal};
use rotation_core::cli::failure::Failure;
use rotation_core::facts::credential::Digest;
use rotation_core::world::files::{self, AppendFile, FileError, Lock};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// What a journal holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// When.
    pub(crate) at: Timestamp,
    /// What.
    pub(crate) event: Event,
}

/// The directory.
pub(crate) struct Work {
    path: PathBuf,
}

/// The directory while somebody changes the cluster.
pub(crate) struct Locked {
    _lock: Lock,
    journal: AppendFile,
    chain: Chain,
}

impl Work {
    /// A directory that may not be there yet.
    pub(crate) fn of(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn plan_path(&self) -> PathBuf {
        self.path.join("plan.json")
    }

    fn content_path(&self, digest: &Digest) -> PathBuf {
        self.path.join("contents").join(digest.to_string())
    }

    /// The plan that lies in it, if one does.
    pub(crate) fn plan(&self) -> Result<Option<Plan>, Failure> {
        let path = self.plan_path();
        let Some(text) = files::read_if_there(&path)? else { return Ok(None) };
        let damaged = |why: String| {
            Failure::refused(format!("cannot use `{}`: {why}", path.display())).with_hint(
                "put it back from a copy; without it, `kubectl rotate-certs check` says where the rotation stands",
            )
        };
        let value: serde_json::Value =
            serde_json::from_str(&text).map_err(|why| damaged(why.to_string()))?;
        let version = value.get("schemaVersion").and_then(|v| v.as_str()).unwrap_or_default();
        if version != SCHEMA_VERSION {
            return Err(damaged(format!(
                "it is written in version `{version}`, and not in `{SCHEMA_VERSION}`"
            )));
        }
        serde_json::from_value(value).map(Some).map_err(|why| damaged(why.to_string()))
    }

    /// Writes what was drawn: contents first, the plan last, so that a plan that is there is whole.
    pub(crate) fn save(&self, drawn: &Drawn) -> Result<(), Failure> {
        files::private_directory(&self.path)?;
        files::private_directory(&self.path.join("contents"))?;
        for (digest, bytes) in &drawn.contents {
            files::replace(&self.content_path(&Digest::from_bytes(*digest)), bytes)?;
        }
        for (name, bytes) in &drawn.extra {
            files::replace(&self.path.join(name), bytes)?;
        }
        let text = serde_json::to_string_pretty(&drawn.plan)
            .map_err(|why| Failure::unexpected(why.to_string()))?;
        files::replace(&self.plan_path(), text.as_bytes())?;
        Ok(())
    }

    /// What a file is to hold; refused where it is not what the plan says.
    pub(crate) fn content(&self, digest: &Digest) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let path = self.content_path(digest);
        let damaged = |why: &str| {
            Failure::refused(format!("`{}` {why}", path.display()))
                .with_hint("put the directory back from a copy; nothing was changed by this step")
        };
        let bytes = files::read_secret_if_there(&path)?.ok_or_else(|| damaged("is not there"))?;
        if Digest::of(&bytes) != *digest {
            return Err(damaged("is not what the plan says"));
        }
        Ok(bytes)
    }

    /// A file beside the plan: certificates of the new CAs and such.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Takes the lock and opens the journal.
    pub(crate) fn lock(&self) -> Result<Locked, Failure> {
        files::private_directory(&self.path)?;
        let lock = Lock::take(&self.path.join("lock")).map_err(|why| self.taken(why))?;
        let mut journal = AppendFile::open(&self.path.join("journal.jsonl"))?;
        journal.cut_torn_line()?;
        let chain = Chain::after(&journal.read()?);
        Ok(Locked { _lock: lock, journal, chain })
    }

    /// Who has the lock, and since when: the journal knows.
    fn taken(&self, why: FileError) -> Failure {
        let begun = self.history().ok().and_then(|history| {
            history.entries.into_iter().rev().find_map(|entry| match entry.event {
                Event::Begin { verb, who, .. } => Some((verb, who, entry.at)),
                _ => None,
            })
        });
        match begun.filter(|_| why.is_locked()) {
            Some((verb, who, at)) => {
                let at = at.strftime("%Y-%m-%d %H:%M:%SZ");
                Failure::refused(format!("`{verb}` is at work on this rotation, by {who} since {at}"))
                    .with_hint("wait until it has ended, or look at where it stands with `kubectl rotate-certs status`")
            }
            None => why.into(),
        }
    }

    /// What happened until now.
    pub(crate) fn history(&self) -> Result<History<Entry>, Failure> {
        let text = files::read_if_there(&self.path.join("journal.jsonl"))?.unwrap_or_default();
        Ok(read_journal(&text))
    }
}

impl Locked {
    /// Writes an entry, durably, before it returns.
    pub(crate) fn note(&mut self, at: Timestamp, event: Event) -> Result<(), Failure> {
        let lines = self
            .chain
            .lines(&[Entry { at, event }])
            .map_err(|why| Failure::unexpected(why.to_string()))?;
        self.journal.append(lines.as_bytes())?;
        Ok(())
    }
}
