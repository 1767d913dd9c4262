//! One certificate signing request (RFC 2986).

use super::algorithm::KeyKind;
use super::certificate::{SIZE_LIMIT, X509Error};
use super::der;
use super::extensions::san;
use super::name::Name;
use super::san::San;
use super::signature::{self, Signed};
use crate::facts::credential::Digest;
use std::fmt;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;

/// A request as plain facts.
#[derive(Clone)]
pub struct Request {
    der: Box<[u8]>,
    subject: Name,
    spki: Box<[u8]>,
    key: KeyKind,
    sans: Vec<San>,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({})", self.subject)
    }
}

impl Request {
    /// Reads DER.
    pub fn from_der(bytes: &[u8]) -> Result<Self, X509Error> {
        if bytes.len() > SIZE_LIMIT {
            return Err(X509Error::TooLong(bytes.len()));
        }
        let (rest, parsed) = X509CertificationRequest::from_der(bytes)
            .map_err(|e| X509Error::Structure(e.to_string()))?;
        let info = &parsed.certification_request_info;
        let extensions = parsed.requested_extensions().into_iter().flatten();
        let sans = extensions
            .filter_map(|extension| match extension {
                ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
                _ => None,
            })
            .flatten()
            .map(san)
            .collect();
        Ok(Self {
            subject: Name::of(&info.subject),
            spki: info.subject_pki.raw.into(),
            key: KeyKind::of(&info.subject_pki),
            sans,
            der: bytes[..bytes.len() - rest.len()].into(),
        })
    }

    /// The bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whose it is to be.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The public key: a SubjectPublicKeyInfo in DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-256 of the public key.
    pub fn key_digest(&self) -> Digest {
        Digest::of(&self.spki)
    }

    /// What kind of key it has.
    pub fn key(&self) -> &KeyKind {
        &self.key
    }

    /// Names that are asked for.
    pub fn sans(&self) -> &[San] {
        &self.sans
    }

    /// Whether who made it has the key.
    pub fn is_signed(&self) -> bool {
        der::signed_parts(&self.der)
            .is_some_and(|parts| signature::check(&parts, &self.spki) == Signed::Yes)
    }
}
