//! Observe: what lies in the directory today.

use crate::layout::expand::{Item, Wanted};
use jiff::Timestamp;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::private_key::PrivateKey;
use rotation_core::facts::x509::{Certificate, Label, read_pem};
use rotation_core::world::files;
use rotation_core::world::generation::{CURRENT, GENERATIONS};
use std::path::{Path, PathBuf};

/// What is there of one item.
#[derive(Debug, Default)]
pub(crate) struct Old {
    /// Its certificate, where there is one that can be read.
    pub(crate) certificate: Option<Certificate>,
    /// The certificates of its file, in order: a CA's file may hold several.
    pub(crate) pool: Vec<Certificate>,
}

/// What is there.
#[derive(Debug, Default)]
pub(crate) struct Existing {
    /// For each wanted item.
    pub(crate) items: Vec<Old>,
    /// Whether any of the files is there.
    pub(crate) is_there: bool,
}

impl Existing {
    /// Looks at the directory.
    pub(crate) fn look(directory: &Path, wanted: &Wanted) -> Result<Self, Failure> {
        let mut existing = Self::default();
        for item in &wanted.items {
            let mut old = Old::default();
            for path in &item.certificates {
                if let Some(text) = read(directory, path)? {
                    existing.is_there = true;
                    old.pool = certificates(&text);
                    old.certificate = old.pool.first().cloned();
                    break;
                }
            }
            for path in item.keys.iter().chain(&item.public_keys) {
                existing.is_there |= read(directory, path)?.is_some();
            }
            existing.items.push(old);
        }
        for path in wanted
            .kubeconfigs
            .iter()
            .map(|c| &c.path)
            .chain(wanted.documents.iter().map(|d| &d.path))
        {
            existing.is_there |= read(directory, path)?.is_some();
        }
        Ok(existing)
    }

    /// When the oldest of its certificates was made, and when the first ends.
    pub(crate) fn age(&self) -> Option<(Timestamp, Timestamp)> {
        let all = || self.items.iter().filter_map(|old| old.certificate.as_ref());
        let made = all().map(Certificate::not_before).min()?;
        let ends = all().map(Certificate::not_after).min()?;
        Some((made, ends))
    }
}

/// A file of the set in use, or of a set that another tool wrote.
pub(crate) fn read(directory: &Path, path: &str) -> Result<Option<files::Secret>, Failure> {
    let current = files::read_secret_if_there(&directory.join(CURRENT).join(path))?;
    match current {
        Some(text) => Ok(Some(text)),
        None => Ok(files::read_secret_if_there(&directory.join(path))?),
    }
}

/// The private key of an item, today's.
pub(crate) fn key(directory: &Path, item: &Item) -> Result<Option<PrivateKey>, Failure> {
    let Some(path) = item.keys.first() else { return Ok(None) };
    let Some(text) = read(directory, path)? else { return Ok(None) };
    let key = PrivateKey::from_pem(&text, None).map_err(Failure::from);
    Ok(Some(
        key.map_err(|why| why.while_trying(&format!("read {}", directory.join(path).display())))?,
    ))
}

/// Every generation, the newest first.
pub(crate) fn generations(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut all = files::names_ending(&directory.join(GENERATIONS), "")?;
    all.retain(|path| {
        path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
    });
    all.reverse();
    Ok(all)
}

/// The private key in a file of a generation.
pub(crate) fn key_of(generation: &Path, path: &str) -> Result<Option<PrivateKey>, Failure> {
    let path = generation.join(path);
    let Some(text) = files::read_secret_if_there(&path)? else { return Ok(None) };
    let key = PrivateKey::from_pem(&text, None).map_err(Failure::from);
    key.map(Some).map_err(|why| why.while_trying(&format!("read {}", path.display())))
}

/// The certificates of a PEM text; what cannot be read is left out.
pub(crate) fn certificates(text: &[u8]) -> Vec<Certificate> {
    let pem = read_pem(text);
    let blocks = pem.blocks.iter().filter(|block| block.label == Label::Certificate);
    blocks.filter_map(|block| Certificate::from_der(&block.der).ok()).collect()
}
