//! A CA with its key: whether it may sign at all.

use super::key_id;
use crate::layout::Kind;
use jiff::Timestamp;
use rotation_core::facts::exit::{Exit, Fault};
use rotation_core::facts::private_key::PrivateKey;
use rotation_core::facts::x509::{Certificate, KeyUsages, Strength};

/// A CA that can sign.
pub(crate) struct Authority {
    /// How messages name it.
    place: String,
    certificate: Certificate,
    key: PrivateKey,
}

/// Why a CA cannot sign.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthorityError {
    /// Its key is another one.
    #[error("the key of CA `{0}` does not belong to its certificate")]
    Key(String),
    /// It is a certificate of something else.
    #[error("`{0}` is no CA: its certificate may not sign others")]
    NotCa(String),
    /// It ended.
    #[error("CA `{place}` expired on {at}")]
    Expired {
        /// Which.
        place: String,
        /// When.
        at: Timestamp,
    },
    /// It has not begun.
    #[error("CA `{place}` is valid only from {at} on")]
    NotYet {
        /// Which.
        place: String,
        /// When.
        at: Timestamp,
    },
    /// No CA may stand below it.
    #[error("below CA `{0}` there may be no other CA: its path length is used up")]
    PathLength(String),
    /// Signed with SHA-1 or worse.
    #[error("CA `{0}` is signed with a hash that is broken; clients refuse it")]
    Hash(String),
}

impl Fault for AuthorityError {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Key(_) => "name the certificate and the key of one CA",
            Self::NotCa(_) => "name the CA's certificate, not one that it signed",
            Self::Expired { .. } => {
                "renew it under the same key with --renew-ca, or leave --ca-cert away for a new CA"
            }
            Self::NotYet { .. } => "look at this machine's clock",
            Self::PathLength(_) => "use a CA above it",
            Self::Hash(_) => "make a new CA: leave --ca-cert away",
        };
        Some(text.to_owned())
    }
}

/// Whether a certificate is a CA's at all.
pub(crate) fn check(place: &str, certificate: &Certificate) -> Result<(), AuthorityError> {
    let signs = certificate.usages().is_none_or(|u| u.has(KeyUsages::KEY_CERT_SIGN));
    if certificate.is_ca() && signs { Ok(()) } else { Err(AuthorityError::NotCa(place.to_owned())) }
}

impl Authority {
    /// A certificate and its key; refused where they do not belong together, or where it is no CA.
    pub(crate) fn new(
        place: &str,
        certificate: Certificate,
        key: PrivateKey,
    ) -> Result<Self, AuthorityError> {
        let place = place.to_owned();
        check(&place, &certificate)?;
        if certificate.spki_der() != key.spki_der() {
            return Err(AuthorityError::Key(place));
        }
        Ok(Self { place, certificate, key })
    }

    /// Its certificate.
    pub(crate) fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// Its key.
    pub(crate) fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// Gives both back.
    pub(crate) fn into_parts(self) -> (Certificate, PrivateKey) {
        (self.certificate, self.key)
    }

    /// Whether it may sign such a certificate now.
    pub(crate) fn may_sign(&self, kind: Kind, now: Timestamp) -> Result<(), AuthorityError> {
        let place = || self.place.clone();
        let certificate = &self.certificate;
        if certificate.not_after() <= now {
            return Err(AuthorityError::Expired { place: place(), at: certificate.not_after() });
        }
        if certificate.not_before() > now {
            return Err(AuthorityError::NotYet { place: place(), at: certificate.not_before() });
        }
        let limit = certificate.authority().and_then(|authority| authority.path_length);
        if kind == Kind::Authority && limit == Some(0) {
            return Err(AuthorityError::PathLength(place()));
        }
        if certificate.signature_algorithm().strength() == Strength::Weak {
            return Err(AuthorityError::Hash(place()));
        }
        Ok(())
    }

    /// Its key identifier: its own word, else the one that it would have been given here.
    pub(crate) fn key_id(&self) -> der::Result<Vec<u8>> {
        self.certificate
            .ski()
            .map_or_else(|| key_id(self.certificate.spki_der()), |id| Ok(id.to_vec()))
    }
}
