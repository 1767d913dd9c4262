//! The door to etcd's snapshot files: opened for reading alone, streamed, and checked against the checksum that they end
//! with.
#![expect(
    clippy::disallowed_methods,
    reason = "this is a door: a snapshot is opened here for reading alone"
)]

use crate::facts::etcd::{self, Bolt, BoltError, Source, StoredKey, StoredValue};
use crate::facts::exit::{Exit, Fault};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Bytes of the SHA-256 that `etcdctl snapshot save` writes behind the database.
const SUM: usize = 32;
/// A database is made of pages, and those of multiples of this.
const SECTOR: u64 = 512;
/// Bytes that are looked at together for the checksum.
const PIECE: usize = 1 << 20;

/// An object of a snapshot.
#[derive(Debug)]
pub struct Stored {
    /// Which.
    pub key: StoredKey,
    /// etcd's counter of changes when it was last written.
    pub revision: u64,
    /// What is stored.
    pub value: StoredValue,
}

/// What is known of a file as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole {
    /// Whether it ends with a checksum, which then fits. A copy of etcd's own file has none.
    pub checked: bool,
}

/// Why a snapshot cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The system does not let us.
    #[error("cannot read {path}", path = .0.display())]
    File(PathBuf, #[source] io::Error),
    /// It is none, or damaged.
    #[error("cannot read {path} as a snapshot of etcd", path = .0.display())]
    Content(PathBuf, #[source] BoltError),
    /// What it holds is not what was saved.
    #[error("{path} is damaged: its content does not fit its checksum", path = .0.display())]
    Sum(PathBuf),
}

impl Fault for SnapshotError {
    fn exit(&self) -> Exit {
        Exit::Unexpected
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::File(..) => return None,
            Self::Content(_, BoltError::NotBolt | BoltError::NoBucket(_)) => {
                "name a file of `etcdctl snapshot save FILE`, or `member/snap/db` of a stopped etcd"
                    .to_owned()
            }
            Self::Content(..) | Self::Sum(_) => {
                "copy it again, or save a new one with `etcdctl snapshot save FILE`".to_owned()
            }
        })
    }
}

struct Opened(File, u64);

impl Source for &Opened {
    fn length(&self) -> u64 {
        self.1
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), String> {
        self.0.read_exact_at(into, at).map_err(|e| super::words(&e))
    }
}

/// Gives the Secrets and ConfigMaps of a snapshot as they were last written, the newest first.
///
/// Values are held one at a time. What is given before an error may be of a damaged file: it counts only if this succeeds.
pub fn read(path: &Path, each: impl FnMut(Stored)) -> Result<Whole, SnapshotError> {
    let fail = |e| SnapshotError::File(path.to_owned(), e);
    let file =
        File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(fail)?;
    let found = file.metadata().map_err(fail)?;
    if !found.is_file() {
        return Err(fail(io::Error::other("it is no regular file")));
    }
    let opened = Opened(file, found.len());
    let has_sum = found.len() % SECTOR == SUM as u64;
    // Both read all of the file, and one of them mostly computes.
    let (content, fits) = std::thread::scope(|threads| {
        let sum = has_sum.then(|| threads.spawn(|| fits(&opened)));
        let content = objects(&opened, each);
        let fits = sum.map_or(Ok(true), |sum| {
            sum.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        (content, fits)
    });
    content.map_err(|e| SnapshotError::Content(path.to_owned(), e))?;
    if !fits.map_err(fail)? {
        return Err(SnapshotError::Sum(path.to_owned()));
    }
    Ok(Whole { checked: has_sum })
}

fn objects(opened: &Opened, mut each: impl FnMut(Stored)) -> Result<(), BoltError> {
    let bolt = Bolt::open(opened)?;
    etcd::latest(
        &bolt,
        |key| StoredKey::of(key).is_some(),
        |change| {
            if let Some(key) = StoredKey::of(change.key) {
                let value = etcd::read(key.kind, change.value);
                each(Stored { key, revision: change.revision, value });
            }
        },
    )
}

fn fits(Opened(file, length): &Opened) -> io::Result<bool> {
    let mut hash = Sha256::new();
    let mut piece = vec![0; PIECE];
    let end = length - SUM as u64;
    let mut at = 0;
    while at < end {
        let wanted = usize::try_from(end - at).map_or(PIECE, |left| left.min(PIECE));
        let length = file.read_at(&mut piece[..wanted], at)?;
        if length == 0 {
            return Ok(false);
        }
        hash.update(&piece[..length]);
        at += length as u64;
    }
    let mut sum = [0; SUM];
    file.read_exact_at(&mut sum, end)?;
    Ok(*hash.finalize() == sum)
}
