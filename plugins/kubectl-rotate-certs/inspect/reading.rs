//! Files that many machines have are read once.

use rotation_core::facts::credential::Digest;
use rotation_core::facts::sighting::{Held, Interner, read};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Files below this are read faster than they are looked up.
const WORTH_KEEPING: usize = 8 << 10;

/// What all sources of one inventory share.
#[derive(Debug, Default)]
pub(crate) struct Reading {
    /// Certificates.
    pub(crate) interner: Interner,
    /// Large files, bundles of systems, by their digests.
    bundles: Mutex<HashMap<Digest, Held>>,
}

impl Reading {
    /// What some bytes hold.
    pub(crate) fn held(&self, bytes: &[u8]) -> Held {
        if bytes.len() < WORTH_KEEPING {
            return read(bytes, &self.interner);
        }
        let digest = Digest::of(bytes);
        let bundles = || self.bundles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = bundles().get(&digest) {
            return held.clone();
        }
        let held = read(bytes, &self.interner);
        bundles().entry(digest).or_insert(held).clone()
    }
}
