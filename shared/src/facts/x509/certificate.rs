//! One certificate.

use super::algorithm::{KeyKind, SignatureKind};
use super::der;
use super::extensions::{Authority, ExtendedUsages, Extensions, KeyUsages};
use super::name::Name;
use super::san::San;
use super::signature::{self, Signed};
use crate::facts::credential::Digest;
use jiff::Timestamp;
use std::fmt::{self, Write as _};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;
use x509_parser::time::ASN1Time;

/// Bytes that a certificate may have. Real ones are below 20 KiB; parsing takes time by the byte.
pub const SIZE_LIMIT: usize = 1 << 20;

/// Why some bytes are no certificate or request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum X509Error {
    /// They are too many to look at.
    #[error("it has {0} bytes, more than any certificate")]
    TooLong(usize),
    /// The structure is another one; the text says where it breaks.
    #[error("it is no DER of one: {0}")]
    Structure(String),
    /// A date that no calendar has.
    #[error("it has a date that cannot be read")]
    Date,
}

/// A certificate as plain facts.
#[derive(Clone)]
pub struct Certificate {
    der: Box<[u8]>,
    trailing: usize,
    version: u32,
    serial: Box<[u8]>,
    signature: SignatureKind,
    inner_signature: SignatureKind,
    issuer: Name,
    subject: Name,
    not_before: Date,
    not_after: Date,
    spki: Box<[u8]>,
    key: KeyKind,
    exponent: Option<u64>,
    extensions: Extensions,
}

/// A date, and in which of the two forms it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Date {
    at: Timestamp,
    generalized: bool,
}

impl Date {
    fn of(time: ASN1Time) -> Result<Self, X509Error> {
        let at = Timestamp::from_second(time.timestamp()).map_err(|_| X509Error::Date)?;
        Ok(Self { at, generalized: time.is_generalizedtime() })
    }

    /// UTCTime to 2049, GeneralizedTime from 2050 (RFC 5280, 4.1.2.5).
    fn well_encoded(self) -> bool {
        // 2050-01-01T00:00:00Z.
        self.generalized == (self.at.as_second() >= 2_524_608_000)
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Certificate({}, serial {}, until {})",
            self.subject,
            self.serial_text(),
            self.not_after.at
        )
    }
}

impl Certificate {
    /// Reads DER. Bytes behind the certificate are left out, and counted by [`Self::trailing`].
    pub fn from_der(bytes: &[u8]) -> Result<Self, X509Error> {
        if bytes.len() > SIZE_LIMIT {
            return Err(X509Error::TooLong(bytes.len()));
        }
        let broken = |e: &dyn fmt::Display| X509Error::Structure(e.to_string());
        let (rest, parsed) = X509Certificate::from_der(bytes).map_err(|e| broken(&e))?;
        let der = &bytes[..bytes.len() - rest.len()];
        let parts = der::signed_parts(der)
            .ok_or_else(|| broken(&"its parts are not those of a certificate"))?;
        let tbs = &parsed.tbs_certificate;
        let validity = tbs.validity();
        let spki = tbs.public_key();
        let exponent = match spki.parsed() {
            Ok(PublicKey::RSA(rsa)) => rsa.try_exponent().ok(),
            Ok(_) | Err(_) => None,
        };
        Ok(Self {
            trailing: rest.len(),
            version: tbs.version().0.saturating_add(1),
            serial: tbs.raw_serial().into(),
            signature: SignatureKind::of(parts.algorithm),
            inner_signature: inner_signature(parts.body)
                .ok_or_else(|| broken(&"it names no algorithm"))?,
            issuer: Name::of(tbs.issuer()),
            subject: Name::of(tbs.subject()),
            not_before: Date::of(validity.not_before)?,
            not_after: Date::of(validity.not_after)?,
            spki: spki.raw.into(),
            key: KeyKind::of(spki),
            exponent,
            extensions: Extensions::of(tbs.extensions()),
            der: der.into(),
        })
    }

    /// The bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// How many bytes stood behind it.
    pub fn trailing(&self) -> usize {
        self.trailing
    }

    /// 1, 2 or 3.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The serial number as it is encoded, most significant octet first, in two's complement.
    pub fn serial(&self) -> &[u8] {
        &self.serial
    }

    /// The serial number as OpenSSL shows it: hexadecimal, without leading zeros.
    pub fn serial_text(&self) -> String {
        let hex = hex(&self.serial);
        let digits = hex.trim_start_matches('0');
        if digits.is_empty() { "0".to_owned() } else { digits.to_owned() }
    }

    /// By which algorithm it is signed.
    pub fn signature_algorithm(&self) -> &SignatureKind {
        &self.signature
    }

    /// Whether the signed part names the same algorithm (RFC 5280, 4.1.1.2).
    pub fn algorithms_agree(&self) -> bool {
        self.signature == self.inner_signature
    }

    /// Who signed it.
    pub fn issuer(&self) -> &Name {
        &self.issuer
    }

    /// Whose it is.
    pub fn subject(&self) -> &Name {
        &self.subject
    }

    /// The first moment at which it is valid.
    pub fn not_before(&self) -> Timestamp {
        self.not_before.at
    }

    /// The last moment at which it is valid.
    pub fn not_after(&self) -> Timestamp {
        self.not_after.at
    }

    /// Whether both dates are written in the form that their year asks for.
    pub fn dates_well_encoded(&self) -> bool {
        self.not_before.well_encoded() && self.not_after.well_encoded()
    }

    /// The public key: a SubjectPublicKeyInfo in DER.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-256 of the public key: the same for every certificate of one key.
    pub fn key_digest(&self) -> Digest {
        Digest::of(&self.spki)
    }

    /// What kind of key it has.
    pub fn key(&self) -> &KeyKind {
        &self.key
    }

    /// The public exponent of an RSA key; `None` for others, and where it has more than 64 bits.
    pub fn exponent(&self) -> Option<u64> {
        self.exponent
    }

    /// SHA-256 of the whole certificate.
    pub fn fingerprint(&self) -> Digest {
        Digest::of(&self.der)
    }

    /// All extensions.
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Subject key identifier.
    pub fn ski(&self) -> Option<&[u8]> {
        self.extensions.subject_key.as_ref().map(|m| m.value.as_slice())
    }

    /// Key identifier of the authority key identifier.
    pub fn aki(&self) -> Option<&[u8]> {
        self.extensions.authority_key.as_ref().and_then(|m| m.value.id.as_deref())
    }

    /// Basic constraints.
    pub fn authority(&self) -> Option<Authority> {
        self.extensions.authority
    }

    /// Whether it says that it is a CA.
    pub fn is_ca(&self) -> bool {
        self.authority().is_some_and(|authority| authority.is_ca)
    }

    /// Key usages.
    pub fn usages(&self) -> Option<KeyUsages> {
        self.extensions.usages.as_ref().map(|m| m.value)
    }

    /// Extended key usages.
    pub fn extended(&self) -> Option<&ExtendedUsages> {
        self.extensions.extended.as_ref().map(|m| &m.value)
    }

    /// Subject alternative names; empty where it has none.
    pub fn sans(&self) -> &[San] {
        self.extensions.sans.as_ref().map(|m| m.value.as_slice()).unwrap_or_default()
    }

    /// Why a strict reader, rustls' own, does not take it; `None` where it does.
    pub fn strictly_refused(&self) -> Option<String> {
        let der = rustls::pki_types::CertificateDer::from(&*self.der);
        webpki::EndEntityCert::try_from(&der).err().map(|why| format!("{why:?}"))
    }

    /// Whether its subject is its issuer.
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whether it is signed by its own key, and says so.
    pub fn is_self_signed(&self) -> bool {
        self.is_self_issued() && self.signed_by(self) == Signed::Yes
    }

    /// Whether this signature was made by that key. Names and dates are not looked at.
    pub fn signed_by(&self, issuer: &Self) -> Signed {
        der::signed_parts(&self.der)
            .map_or(Signed::No, |parts| signature::check(&parts, &issuer.spki))
    }

    /// As [`Self::is_signed_by`], without verifying a signature where both the name and the identifier of its issuer are
    /// others: names alone may be spelled in two ways, and a key may have two.
    pub fn is_issued_by(&self, issuer: &Self) -> bool {
        let another_key = self.aki().zip(issuer.ski()).is_some_and(|(aki, ski)| aki != ski);
        let may_be = self.issuer() == issuer.subject() || !another_key;
        may_be && self.is_signed_by(issuer)
    }

    /// Whether this signature was made by that key, seen beyond doubt.
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        self.signed_by(issuer) == Signed::Yes
    }
}

/// Two hexadecimal digits for each octet.
fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

/// The algorithm that the signed part names: behind the optional version and the serial number.
fn inner_signature(body: &[u8]) -> Option<SignatureKind> {
    const VERSION: u8 = 0xa0;
    let (mut rest, _) = der::content(body, der::SEQUENCE)?;
    let (first, after) = der::element(rest)?;
    if first.tag == VERSION {
        rest = after;
    }
    let (_serial, rest) = der::element(rest)?;
    let (algorithm, _) = der::content(rest, der::SEQUENCE)?;
    Some(SignatureKind::of(algorithm))
}

#[cfg(test)]
mod tests {
    use super::*;
    use forge::{Draft, Key};

    #[test]
    fn a_ca_is_known_by_its_key_under_another_name_too() {
        let (key, other, leaf_key) = (Key::new(), Key::new(), Key::new());
        let read = |der: Vec<u8>| Certificate::from_der(&der).expect("a certificate");
        let ca = Draft::root("ca", &key);
        let named = |draft: Draft, key: &Key| read(draft.sign(key));
        let leaf = Draft::client("c", &[], &leaf_key, &ca);
        let mut bare = Draft::client("c", &[], &leaf_key, &ca);
        bare.without("2.5.29.35");
        for leaf in [named(leaf, &key), named(bare, &key)] {
            for (name, of, issued) in [
                ("ca", &key, true),
                ("renamed", &key, true),
                ("ca", &other, false),
                ("b", &other, false),
            ] {
                let ca = named(Draft::root(name, of), of);
                assert_eq!(leaf.is_issued_by(&ca), issued, "{name}");
            }
        }
    }
}
