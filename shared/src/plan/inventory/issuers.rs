//! Who signed what, among all certificates that were seen.

use crate::facts::credential::Digest;
use crate::facts::sighting::Sighting;
use crate::facts::x509::Certificate;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// CAs above each other that are followed.
const DEPTH: usize = 8;

/// The certificates that were seen, and the keys of the CAs above each of them.
#[derive(Debug, Default)]
pub(super) struct Issuers {
    /// For each certificate: the keys of the CAs above it, the nearest first. A root's own key is the first.
    above: HashMap<Digest, Vec<Digest>>,
    /// Certificates by their keys.
    by_key: HashMap<Digest, Vec<Arc<Certificate>>>,
}

impl Issuers {
    /// Checks each certificate's signature once, however often it was seen.
    pub(super) fn of<'a>(sightings: impl Iterator<Item = &'a Sighting>) -> Self {
        let mut seen = HashSet::new();
        let mut all: Vec<Arc<Certificate>> = Vec::new();
        for held in sightings.filter_map(|sighting| sighting.content.held()) {
            for certificate in &held.certificates {
                // Shared certificates are one address: a thousand bundles cost no thousand digests.
                if seen.insert(Arc::as_ptr(certificate)) {
                    all.push(Arc::clone(certificate));
                }
            }
        }
        let mut by_subject: HashMap<&[u8], Vec<&Arc<Certificate>>> = HashMap::new();
        for ca in all.iter().filter(|certificate| certificate.is_ca() || certificate.version() < 3)
        {
            by_subject.entry(ca.subject().der()).or_default().push(ca);
        }
        let mut issuers = Self::default();
        for certificate in &all {
            let fingerprint = certificate.fingerprint();
            if issuers.above.contains_key(&fingerprint) {
                continue;
            }
            issuers.above.insert(fingerprint, chain(certificate, &by_subject));
            let bearers = issuers.by_key.entry(certificate.key_digest()).or_default();
            bearers.push(Arc::clone(certificate));
        }
        issuers
    }

    /// The keys of the CAs above a certificate; for a CA its own key first.
    pub(super) fn above(&self, certificate: &Certificate) -> &[Digest] {
        self.above.get(&certificate.fingerprint()).map(Vec::as_slice).unwrap_or_default()
    }

    /// Certificates of a key.
    pub(super) fn with_key(&self, key: Digest) -> &[Arc<Certificate>] {
        self.by_key.get(&key).map(Vec::as_slice).unwrap_or_default()
    }
}

fn chain(
    certificate: &Arc<Certificate>,
    by_subject: &HashMap<&[u8], Vec<&Arc<Certificate>>>,
) -> Vec<Digest> {
    let mut keys = Vec::new();
    if certificate.is_ca() {
        keys.push(certificate.key_digest());
    }
    let mut at = certificate;
    for _ in 0..DEPTH {
        let candidates = by_subject.get(at.issuer().der()).map(Vec::as_slice).unwrap_or_default();
        // A key identifier spares the signatures of CAs that share a name.
        let fits = |ca: &&&Arc<Certificate>| match (at.aki(), ca.ski()) {
            (Some(wanted), Some(own)) => wanted == own,
            _ => true,
        };
        let Some(signer) = candidates.iter().filter(fits).find(|ca| at.is_signed_by(ca)) else {
            break;
        };
        let key = signer.key_digest();
        if !keys.contains(&key) {
            keys.push(key);
        }
        if Arc::ptr_eq(signer, at) || signer.is_self_issued() {
            break;
        }
        at = signer;
    }
    keys
}
