//! The public part of a private key of any kind: enough to see whether it fits, whoever made it and however weak it is.
//!
//! Keys that the tools sign with are read by `facts::private_key`, which takes fewer and checks more.

use super::der;
use super::pem::{Block, Label};
use crate::facts::credential::Digest;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

/// What is known of a key without holding it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPart {
    /// SHA-256 of its public part as a SubjectPublicKeyInfo, as certificates have it.
    Public(Digest),
    /// It is encrypted.
    Encrypted,
    /// It has no public part inside, and none is computed for its kind.
    Unknown,
    /// It cannot be read.
    Unreadable,
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
/// The object identifier of RSA with its NULL, in DER.
const RSA: &[u8] = &[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
/// The object identifier of keys on elliptic curves, in DER.
const EC: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
/// The object identifier of Ed25519, in DER.
const ED25519: &[u8] = &[6, 3, 0x2b, 0x65, 0x70];

/// Looks at a block of a private key.
pub fn private_part(block: &Block) -> KeyPart {
    let part = match &block.label {
        Label::EncryptedKey => Some(KeyPart::Encrypted),
        Label::Pkcs1Key => pkcs1(&block.der),
        Label::Sec1Key => sec1(&block.der, None),
        Label::Pkcs8Key => pkcs8(&block.der),
        Label::Certificate
        | Label::TrustedCertificate
        | Label::Request
        | Label::PublicKey
        | Label::Pkcs1PublicKey
        | Label::RevocationList
        | Label::Parameters
        | Label::Other(_) => Some(KeyPart::Unknown),
    };
    part.unwrap_or(KeyPart::Unreadable)
}

fn known(spki: &[u8]) -> KeyPart {
    KeyPart::Public(Digest::of(spki))
}

/// The digest of a block of a public key.
pub fn public_part(block: &Block) -> Option<Digest> {
    match block.label {
        Label::PublicKey => der::key_parts(&block.der).map(|_| Digest::of(&block.der)),
        Label::Pkcs1PublicKey => {
            der::content(&block.der, der::SEQUENCE)?;
            Some(Digest::of(&spki(RSA, &block.der)))
        }
        _ => None,
    }
}

/// RFC 8017, A.1.2. `None` where it is none; the modulus and the public exponent stand in it.
fn pkcs1(bytes: &[u8]) -> Option<KeyPart> {
    let (inside, _) = der::content(bytes, der::SEQUENCE)?;
    let (_version, rest) = der::content(inside, INTEGER)?;
    let (modulus, rest) = der::element(rest).filter(|(e, _)| e.tag == INTEGER)?;
    let (exponent, rest) = der::element(rest).filter(|(e, _)| e.tag == INTEGER)?;
    der::content(rest, INTEGER)?;
    let key = sequence(&[modulus.whole, exponent.whole]);
    Some(known(&spki(RSA, &key)))
}

/// RFC 5915. The curve stands in it or around it, and the point nearly always.
fn sec1(bytes: &[u8], around: Option<&[u8]>) -> Option<KeyPart> {
    const CURVE: u8 = 0xa0;
    const POINT: u8 = 0xa1;
    let (inside, _) = der::content(bytes, der::SEQUENCE)?;
    let (_version, rest) = der::content(inside, INTEGER)?;
    let (_secret, mut rest) = der::content(rest, OCTETS)?;
    let (mut curve, mut point) = (around.map(<[u8]>::to_vec), None);
    while let Some((part, after)) = der::element(rest) {
        match part.tag {
            CURVE => curve = Some(part.content.to_vec()),
            POINT => {
                point = der::content(part.content, der::BIT_STRING)
                    .and_then(|(b, _)| b.strip_prefix(&[0]));
            }
            _ => {}
        }
        rest = after;
    }
    let (Some(curve), Some(point)) = (curve, point) else { return Some(KeyPart::Unknown) };
    let algorithm = [EC, &curve].concat();
    Some(known(&spki(&algorithm, point)))
}

/// RFC 5958.
fn pkcs8(bytes: &[u8]) -> Option<KeyPart> {
    let (inside, _) = der::content(bytes, der::SEQUENCE)?;
    let (_version, rest) = der::content(inside, INTEGER)?;
    let (algorithm, rest) = der::content(rest, der::SEQUENCE)?;
    let (key, _) = der::content(rest, OCTETS)?;
    if algorithm.starts_with(&RSA[..11]) {
        return pkcs1(key);
    }
    if let Some(curve) = algorithm.strip_prefix(EC) {
        der::content(curve, OID)?;
        return sec1(key, Some(curve));
    }
    if algorithm == ED25519 {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(bytes).ok()?;
        return Some(known(&spki(ED25519, pair.public_key().as_ref())));
    }
    Some(KeyPart::Unknown)
}

/// A SubjectPublicKeyInfo (RFC 5280, 4.1.2.7).
fn spki(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
    let bits = [&[0], key].concat();
    sequence(&[&wrapped(der::SEQUENCE, algorithm), &wrapped(der::BIT_STRING, &bits)])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    wrapped(der::SEQUENCE, &parts.concat())
}

fn wrapped(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![tag];
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        bytes.push(short);
    } else {
        let octets: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|b| *b == 0).collect();
        bytes.push(0x80 | u8::try_from(octets.len()).unwrap_or(0x7f));
        bytes.extend(octets);
    }
    bytes.extend(content);
    bytes
}
