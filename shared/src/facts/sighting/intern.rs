//! Each certificate once in memory: a thousand machines hold the same bundle.

use crate::facts::credential::Digest;
use crate::facts::x509::{Certificate, X509Error};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Certificates by their fingerprints. It is shared by all sources of one inventory, and by their threads.
#[derive(Debug, Default)]
pub struct Interner {
    known: Mutex<HashMap<Digest, Arc<Certificate>>>,
}

impl Interner {
    /// Reads a certificate; one that was read before is not parsed again.
    pub fn certificate(&self, der: &[u8]) -> Result<Arc<Certificate>, X509Error> {
        let digest = Digest::of(der);
        if let Some(known) = self.get(digest) {
            return Ok(known);
        }
        // Without the lock: parsing takes longer than looking.
        let read = Certificate::from_der(der)?;
        Ok(self.insert(digest, read))
    }

    /// The one that all share, for a certificate that was read elsewhere.
    pub fn share(&self, certificate: &Certificate) -> Arc<Certificate> {
        let digest = certificate.fingerprint();
        self.get(digest).unwrap_or_else(|| self.insert(digest, certificate.clone()))
    }

    fn get(&self, digest: Digest) -> Option<Arc<Certificate>> {
        self.lock().get(&digest).cloned()
    }

    fn insert(&self, digest: Digest, certificate: Certificate) -> Arc<Certificate> {
        Arc::clone(self.lock().entry(digest).or_insert_with(|| Arc::new(certificate)))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Arc<Certificate>>> {
        // A thread that died while it read leaves nothing half written here.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use double::tls::Authority;

    #[test]
    fn what_was_read_before_is_the_same_one() {
        let pem = Authority::new("kubernetes").pem();
        let block = crate::facts::x509::read_pem(pem.as_bytes()).blocks.remove(0);
        let interner = Interner::default();
        let first = interner.certificate(&block.der).expect("a certificate");
        let second = interner.certificate(&block.der).expect("a certificate");
        assert!(Arc::ptr_eq(&first, &second));
        let elsewhere = Certificate::from_der(&block.der).expect("a certificate");
        assert!(Arc::ptr_eq(&first, &interner.share(&elsewhere)));
        assert!(interner.certificate(b"x").is_err());
    }
}
