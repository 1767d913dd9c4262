//! A bundle of CA certificates as the set of their fingerprints: order, blanks and repetitions do not matter.

use super::credential::Digest;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// SHA-256 of each certificate's DER.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CaBundle(BTreeSet<Digest>);

/// A file of CA certificates that cannot be expected of anybody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaError {
    /// No certificate in it.
    #[error("it holds no certificate in PEM form")]
    None,
    /// A block that is damaged.
    #[error("its PEM is broken")]
    Broken,
    /// Something that is no certificate stands in a certificate's block.
    #[error("it holds a certificate that cannot be read")]
    Unreadable,
    /// A certificate of a server or a client.
    #[error("`{0}` in it is no CA: its basicConstraints do not say CA:TRUE")]
    Leaf(String),
}

impl CaBundle {
    /// What stands in a text; what is not a certificate is passed over, as Kubernetes' components do.
    pub fn of(pem: &str) -> Self {
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
        Self(certificates.filter_map(Result::ok).map(|der| Digest::of(&der)).collect())
    }

    /// What an operator expects: every block must be a CA's certificate.
    pub fn expected(pem: &str) -> Result<Self, CaError> {
        let mut found = BTreeSet::new();
        for der in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let der = der.map_err(|_| CaError::Broken)?;
            let (_, certificate) =
                X509Certificate::from_der(&der).map_err(|_| CaError::Unreadable)?;
            // RFC 5280, 4.2.1.9; certificates of version 1 have no extensions, and roots of that age are CAs.
            let constraints = certificate.basic_constraints().ok().flatten();
            if certificate.version().0 > 0 && !constraints.is_some_and(|c| c.value.ca) {
                return Err(CaError::Leaf(certificate.subject().to_string()));
            }
            found.insert(Digest::of(&der));
        }
        if found.is_empty() { Err(CaError::None) } else { Ok(Self(found)) }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether all of the other's are in it.
    pub fn contains(&self, other: &Self) -> bool {
        self.0.is_superset(&other.0)
    }
}

impl fmt::Display for CaBundle {
    /// The first digits of each fingerprint.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no certificate");
        }
        for (index, digest) in self.0.iter().enumerate() {
            let text = digest.to_string();
            write!(f, "{}{}", if index == 0 { "" } else { " + " }, &text[..12])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use double::tls::{Authority, Wanted};

    #[test]
    fn a_bundle_is_a_set() {
        let (one, two) = (Authority::new("kubernetes").pem(), Authority::new("kubernetes").pem());
        let both = CaBundle::of(&format!("{one}\n{two}"));
        assert_eq!(both, CaBundle::of(&format!("# comment\n{two}{one}{one}")));
        assert_ne!(CaBundle::of(&one), CaBundle::of(&two), "the name is not the key");
        assert!(both.contains(&CaBundle::of(&one)) && !CaBundle::of(&one).contains(&both));
        assert_eq!((both.len(), CaBundle::of("").is_empty()), (2, true));
    }

    #[test]
    fn what_is_expected_must_be_cas() {
        let authority = Authority::new("kubernetes");
        let leaf = authority.issue("kube-apiserver", &Wanted::server(&["localhost"])).pem();
        let pem = authority.pem();
        for (what, text, expected) in [
            ("a CA", pem.clone(), Ok(1)),
            ("two", format!("{pem}{}", Authority::new("x").pem()), Ok(2)),
            ("a leaf", leaf.clone(), Err("CN=kube-apiserver")),
            ("a CA and a leaf", format!("{pem}{leaf}"), Err("is no CA")),
            (
                "a key",
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned(),
                Err("no certificate"),
            ),
            ("nothing", String::new(), Err("no certificate")),
            ("words", "not a certificate".to_owned(), Err("no certificate")),
            ("damage", pem.replacen("MI", "!!", 1), Err("broken")),
            (
                "another thing",
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
                Err("cannot be read"),
            ),
        ] {
            match (CaBundle::expected(&text), expected) {
                (Ok(bundle), Ok(count)) => assert_eq!(bundle.len(), count, "{what}"),
                (Err(error), Err(words)) => {
                    assert!(error.to_string().contains(words), "{what}: {error}");
                }
                (found, _) => panic!("{what}: {found:?}"),
            }
        }
    }
}
