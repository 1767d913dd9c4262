//! What certificates and keys in a tree come to.

use crate::snapshot::{Snapshot, Thing};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::x509::{Block, Certificate, KeyPart, Label, private_part, read_pem};

/// Certificates and keys of a file, in order.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) certificates: Vec<Certificate>,
    pub(crate) keys: Vec<Digest>,
}

impl Held {
    /// Reads a file of PEM or a kubeconfig; the error says what is not whole in it.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| "no text".to_owned())?;
        let mut held = Self::default();
        if !text.contains("apiVersion:") {
            held.pem(bytes)?;
            return Ok(held);
        }
        for line in text.lines().filter(|line| line.contains("-data: ")) {
            let (_, word) = line.split_once("-data: ").unwrap_or_default();
            held.pem(&STANDARD.decode(word).map_err(|_| format!("damaged: {line:.40}"))?)?;
        }
        Ok(held)
    }

    fn pem(&mut self, bytes: &[u8]) -> Result<(), String> {
        let text = String::from_utf8_lossy(bytes);
        let blocks: Vec<Block> = read_pem(bytes).blocks;
        if blocks.is_empty()
            || text.matches("-----BEGIN ").count() != blocks.len()
            || !text.ends_with('\n')
        {
            return Err("torn".to_owned());
        }
        for block in &blocks {
            if block.label == Label::Certificate {
                let read = Certificate::from_der(&block.der);
                self.certificates.push(read.map_err(|why| why.to_string())?);
            } else if let KeyPart::Public(key) = private_part(block) {
                self.keys.push(key);
            }
        }
        Ok(())
    }

    /// Whether the first certificate and the first key belong together.
    fn fits(&self) -> bool {
        let leaf = self.certificates.iter().find(|certificate| !certificate.is_ca());
        match (leaf, self.keys.first()) {
            (Some(certificate), Some(key)) => certificate.key_digest() == *key,
            _ => true,
        }
    }
}

/// Whether a place holds certificates, keys or a kubeconfig by its name, and is no unfinished copy.
fn is_pki(place: &str) -> bool {
    let name = place.rsplit('/').next().unwrap_or_default();
    let ends = [".crt", ".key", ".pub", ".pem", ".conf"].iter().any(|end| name.ends_with(end));
    (ends && !name.starts_with('.')) || place.ends_with("/.kube/config")
}

/// Everything of all machines, by place. Nothing is half written.
#[track_caller]
pub(crate) fn all(snapshot: &Snapshot, when: &str) -> Vec<(String, Held)> {
    let files = snapshot.files().filter(|(place, _)| is_pki(place));
    files
        .map(|(place, bytes)| match Held::read(bytes) {
            Ok(held) => (place.to_owned(), held),
            Err(why) => panic!("{when}: {place} is not whole: {why}"),
        })
        .collect()
}

/// Pairs of certificate and key that do not belong together, by the name without its end.
pub(crate) fn unpaired(all: &[(String, Held)]) -> Vec<String> {
    let find = |place: &str| all.iter().find(|(one, _)| one == place).map(|(_, held)| held);
    let mut wrong = Vec::new();
    for (place, held) in all {
        let Some(stem) = place.strip_suffix(".crt") else {
            if !held.fits() {
                wrong.push(place.clone());
            }
            continue;
        };
        let key = find(&format!("{stem}.key")).and_then(|held| held.keys.first());
        let certificate = held.certificates.first().map(Certificate::key_digest);
        // At a stage where two CAs are trusted, the key belongs to the first.
        if key.is_some_and(|key| Some(*key) != certificate) {
            wrong.push(stem.to_owned());
        }
    }
    wrong
}

/// Every file that a manifest or a kubeconfig names is there; links lead to something.
#[track_caller]
pub(crate) fn named_files_are_there(snapshot: &Snapshot, when: &str) {
    for (place, bytes) in snapshot.files() {
        let Some((host, path)) = place.split_once(':') else { continue };
        if !path.contains("/manifests/") && !path.ends_with("/kubelet.conf") {
            continue;
        }
        let text = String::from_utf8_lossy(bytes);
        let words = text.split(|c: char| c.is_whitespace() || c == '=');
        let files = words.filter(|word| {
            word.starts_with('/') && word.rsplit('/').next().is_some_and(|name| name.contains('.'))
        });
        for file in files {
            let mut entry = snapshot.0.get(&format!("{host}:{file}"));
            if let Some(Thing::Link(target)) = entry.map(|entry| &entry.thing) {
                entry = snapshot.0.get(&format!("{host}:{target}"));
            }
            assert!(entry.is_some(), "{when}: {place} names {file}, which is not there");
        }
    }
}

/// The CA that stands first in a file.
#[track_caller]
pub(crate) fn authority(snapshot: &Snapshot, place: &str) -> Certificate {
    let Some(Thing::File(bytes)) = snapshot.0.get(place).map(|entry| &entry.thing) else {
        panic!("{place} is not there")
    };
    Held::read(bytes).unwrap().certificates.remove(0)
}

/// All CAs that stand anywhere, but for those that kubelets made for themselves.
pub(crate) fn authorities(all: &[(String, Held)]) -> Vec<Digest> {
    let certificates = all.iter().flat_map(|(_, held)| &held.certificates);
    let mut found: Vec<Digest> =
        certificates.filter(|one| one.is_ca()).map(Certificate::fingerprint).collect();
    found.sort_by_key(|digest| *digest.as_bytes());
    found.dedup();
    found
}

/// Leaves that one of today's CAs signed, with their places.
pub(crate) fn leaves<'a>(
    all: &'a [(String, Held)],
    by: &'a [Certificate],
) -> impl Iterator<Item = (&'a str, &'a Certificate)> {
    let each = all.iter().flat_map(|(place, held)| {
        held.certificates.iter().map(move |certificate| (place.as_str(), certificate))
    });
    each.filter(|(_, leaf)| !leaf.is_ca() && by.iter().any(|ca| leaf.is_signed_by(ca)))
}
