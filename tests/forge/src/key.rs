//! Keys that sign drafts.

use crate::der::{bits, integer, oid, sequence, unsigned, wrap};
use base64::Engine as _;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// An ECDSA key on P-256.
#[derive(Debug)]
pub struct Key {
    pkcs8: Vec<u8>,
    pair: EcdsaKeyPair,
    /// Signatures that were made: the same draft is the same certificate, as often as it is asked for.
    made: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
}

impl Default for Key {
    fn default() -> Self {
        Self::new()
    }
}

impl Key {
    /// A new key.
    pub fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("random numbers");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).expect("a key");
        Self { pkcs8: pkcs8.as_ref().to_vec(), pair, made: Mutex::default() }
    }

    /// Its SubjectPublicKeyInfo.
    pub fn spki(&self) -> Vec<u8> {
        Self::ec_spki("1.2.840.10045.3.1.7", self.pair.public_key().as_ref())
    }

    /// A SubjectPublicKeyInfo of a point on a curve; nobody has its key.
    pub fn ec_spki(curve: &str, point: &[u8]) -> Vec<u8> {
        sequence(&[sequence(&[oid("1.2.840.10045.2.1"), oid(curve)]), bits(point)])
    }

    /// A SubjectPublicKeyInfo of RSA with so many bits; nobody has its key.
    pub fn rsa_spki(length: usize, exponent: &[u8]) -> Vec<u8> {
        let mut modulus = vec![0xa5; length.div_ceil(8)];
        // The highest bit is set, the lowest too, as in any modulus.
        modulus[0] = 1 << ((length - 1) % 8);
        let key = sequence(&[unsigned(&modulus), integer(exponent)]);
        let null = vec![5, 0];
        sequence(&[sequence(&[oid("1.2.840.113549.1.1.1"), null]), bits(&key)])
    }

    /// The private key as `PRIVATE KEY`.
    pub fn pem(&self) -> String {
        pem("PRIVATE KEY", &self.pkcs8)
    }

    /// The public key as `PUBLIC KEY`.
    pub fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.spki())
    }

    /// A certificate signing request for a name without attributes; spoilt ones have another signature.
    pub fn request(&self, spoilt: bool) -> String {
        let info = sequence(&[integer(&[0]), sequence(&[]), self.spki(), wrap(0xa0, &[])]);
        let mut signature = self.sign(&info);
        if spoilt {
            signature = self.sign(b"something else");
        }
        let algorithm = sequence(&[oid(crate::oid::ECDSA_SHA256)]);
        pem("CERTIFICATE REQUEST", &sequence(&[info, algorithm, bits(&signature)]))
    }

    /// Signs with SHA-256.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let sign = || {
            self.pair.sign(&SystemRandom::new(), message).expect("random numbers").as_ref().to_vec()
        };
        made.entry(message.to_vec()).or_insert_with(sign).clone()
    }
}

/// A block of PEM.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|l| std::str::from_utf8(l).expect("ASCII")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
