//! Certificates that a CA elsewhere signed, for keys that wait in a generation: brought together by the keys themselves.

use crate::generate::existing;
use crate::generate::make::Source;
use crate::generate::render::waiting_key;
use crate::layout::Kind;
use crate::layout::expand::Wanted;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::private_key::PrivateKey;
use rotation_core::facts::x509::Certificate;
use rotation_core::world::files;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// For each item that has one, its key with its certificate.
#[derive(Default)]
pub(super) struct Elsewhere(BTreeMap<usize, Source>);

impl Elsewhere {
    pub(super) fn has(&self, at: usize) -> bool {
        self.0.contains_key(&at)
    }

    pub(super) fn take(&mut self, at: usize) -> Result<Source, Failure> {
        self.0.remove(&at).ok_or_else(|| Failure::unexpected("a certificate was taken twice"))
    }
}

/// Reads the files, and finds the generation whose keys they are for: the newest that any of them fits.
pub(super) fn read(
    named: &[PathBuf],
    wanted: &Wanted,
    directory: &Path,
) -> Result<Elsewhere, Failure> {
    if named.is_empty() {
        return Ok(Elsewhere::default());
    }
    let mut signed = Vec::new();
    for path in named {
        let text = files::read_secret_named(path)?;
        let before = signed.len();
        let all = existing::certificates(&text);
        // A file may hold the CA's certificate behind its own.
        signed.extend(all.into_iter().filter(|c| !c.is_ca()).map(|c| (path.as_path(), c)));
        if signed.len() == before {
            return Err(Failure::refused(format!(
                "there is no certificate in {} that a CA signed for somebody else",
                path.display()
            )));
        }
    }
    for generation in existing::generations(directory)? {
        let found = of_generation(&generation, wanted, &signed)?;
        if !found.0.is_empty() {
            check_all_used(&signed, &found, directory)?;
            return Ok(found);
        }
    }
    check_all_used(&signed, &Elsewhere::default(), directory)?;
    Ok(Elsewhere::default())
}

fn of_generation(
    generation: &Path,
    wanted: &Wanted,
    signed: &[(&Path, Certificate)],
) -> Result<Elsewhere, Failure> {
    let mut found = BTreeMap::new();
    let mut pairs: Vec<(usize, PrivateKey)> = Vec::new();
    for (at, item) in wanted.items.iter().enumerate() {
        if item.kind == Kind::Authority {
            continue;
        }
        let Some(key) = existing::key_of(generation, &waiting_key(item))? else { continue };
        if item.kind == Kind::KeyPair {
            pairs.push((at, key));
            continue;
        }
        // Signed twice, the later one counts.
        let fitting = signed.iter().filter(|(_, c)| c.spki_der() == key.spki_der());
        if let Some((_, certificate)) = fitting.max_by_key(|(_, c)| c.not_before()) {
            found.insert(at, Source::Signed(key, certificate.clone()));
        }
    }
    if !found.is_empty() {
        found.extend(pairs.into_iter().map(|(at, key)| (at, Source::Pair(key))));
    }
    Ok(Elsewhere(found))
}

/// A certificate that belongs to nothing here is a mistake, not to be passed over.
fn check_all_used(
    signed: &[(&Path, Certificate)],
    found: &Elsewhere,
    directory: &Path,
) -> Result<(), Failure> {
    let used = |certificate: &Certificate| {
        found.0.values().any(
            |source| matches!(source, Source::Signed(key, _) if key.spki_der() == certificate.spki_der()),
        )
    };
    let Some((path, certificate)) = signed.iter().find(|(_, c)| !used(c)) else { return Ok(()) };
    Err(Failure::refused(format!(
        "no key of {} fits the certificate of `{}` in {}",
        directory.display(),
        certificate.subject(),
        path.display()
    ))
    .with_hint("name the layout and the directory that the requests were made with"))
}
