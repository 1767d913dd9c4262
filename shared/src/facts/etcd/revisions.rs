//! etcd's own layer: every change of a key stands under its revision, until it is compacted.
//!
//! The key of an entry is the revision, big-endian: main, `_`, sub, and a `t` behind it where the change is a deletion.
//! Its value is a protobuf message with the real key and value. Read from the last to the first, the first change that is
//! met of a key is its latest: one way through the file is enough, and no value is kept.

use super::bolt::{Bolt, BoltError, Source};
use crate::facts::credential::Digest;
use crate::facts::protobuf::{self, Value};
use std::collections::HashSet;
use std::ops::ControlFlow;

const BUCKET: &str = "key";
const REVISION: usize = 17;

/// The latest change of a key.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// When: etcd's counter of changes.
    pub revision: u64,
}

/// Gives the latest change of each key that is wanted and was not deleted; the newest comes first.
pub fn latest<S: Source>(
    bolt: &Bolt<S>,
    wanted: impl Fn(&[u8]) -> bool,
    mut each: impl FnMut(Change<'_>),
) -> Result<(), BoltError> {
    // Digests take a fixed room, whatever the keys are.
    let mut met: HashSet<Digest> = HashSet::new();
    let mut damage = None;
    bolt.backwards(BUCKET, &mut |revision, entry| {
        let Some((main, deleted)) = revision_of(revision) else {
            damage = Some("has a key that is no revision");
            return ControlFlow::Break(());
        };
        let Some(key) = key_of(entry) else {
            damage = Some("has a change that cannot be read");
            return ControlFlow::Break(());
        };
        if wanted(key) && met.insert(Digest::of(key)) && !deleted {
            let value = protobuf::last_bytes(entry, 5).unwrap_or_default();
            each(Change { key, value, revision: main });
        }
        ControlFlow::Continue(())
    })?;
    damage.map_or(Ok(()), |what| Err(BoltError::Damaged { page: 0, what }))
}

fn revision_of(bytes: &[u8]) -> Option<(u64, bool)> {
    let main = bytes.first_chunk::<8>().map(|main| u64::from_be_bytes(*main))?;
    match (bytes.len(), bytes.get(8), bytes.get(REVISION)) {
        (REVISION, Some(b'_'), None) => Some((main, false)),
        (18, Some(b'_'), Some(b't')) => Some((main, true)),
        _ => None,
    }
}

/// The real key, which comes first.
fn key_of(entry: &[u8]) -> Option<&[u8]> {
    match protobuf::fields(entry).next()?.ok()? {
        (1, Value::Bytes(key)) => Some(key),
        _ => None,
    }
}
