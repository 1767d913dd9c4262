//! Whether a signature was made by a key. ring decides; nothing weaker than what rustls trusts is ever found good.

use super::algorithm::SignatureKind;
use super::der::{self, SignedParts};
use rustls::pki_types::SignatureVerificationAlgorithm;
use webpki::ring as algorithms;

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// The key made it.
    Yes,
    /// The key did not make it.
    No,
    /// The algorithm, or the key's kind or size, is not trusted or not known here: it was not looked at.
    Unchecked,
}

/// What is trusted: what rustls trusts, with PKCS#1 also where its NULL is missing.
pub(crate) static TRUSTED: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ED25519,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

/// Checks a signature with a SubjectPublicKeyInfo.
pub(super) fn check(parts: &SignedParts<'_>, spki: &[u8]) -> Signed {
    let Some((key_algorithm, key)) = der::key_parts(spki) else {
        return Signed::Unchecked;
    };
    let fitting = TRUSTED.iter().find(|trusted| {
        trusted.signature_alg_id().as_ref() == parts.algorithm
            && trusted.public_key_alg_id().as_ref() == key_algorithm
    });
    let Some(algorithm) = fitting else {
        return if could_be(parts, key_algorithm) { Signed::Unchecked } else { Signed::No };
    };
    match algorithm.verify_signature(key, parts.body, parts.signature) {
        Ok(()) => Signed::Yes,
        // ring refuses RSA keys outside of 2048 to 8192 bits with the same error as a wrong signature.
        Err(_) if outside(key_algorithm, spki) => Signed::Unchecked,
        Err(_) => Signed::No,
    }
}

/// The object identifier of RSA keys, in DER.
const RSA: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
/// The object identifier of keys on elliptic curves, in DER.
const EC: [u8; 9] = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];

fn outside(key_algorithm: &[u8], spki: &[u8]) -> bool {
    use super::algorithm::bits;
    if !key_algorithm.starts_with(&RSA) {
        return false;
    }
    let modulus = der::key_parts(spki)
        .and_then(|(_, key)| der::content(key, der::SEQUENCE))
        .and_then(|(numbers, _)| der::content(numbers, 0x02));
    modulus.is_none_or(|(number, _)| !(2048..=8192).contains(&bits(number)))
}

/// Whether a key of this kind can make signatures of this kind at all: an RSA key never makes one with ECDSA.
fn could_be(parts: &SignedParts<'_>, key_algorithm: &[u8]) -> bool {
    let name = SignatureKind::of(parts.algorithm).to_string();
    let (rsa, ec) = (key_algorithm.starts_with(&RSA), key_algorithm.starts_with(&EC));
    !(rsa && name.contains("ECDSA")
        || ec && name.contains("RSA")
        || (rsa || ec) && name == "Ed25519")
}
