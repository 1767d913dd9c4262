//! Algorithms: of keys, and of signatures. What is not trusted is recognised all the same.

use std::fmt;
use x509_parser::asn1_rs::{FromDer as _, Oid};
use x509_parser::public_key::PublicKey as Parsed;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

/// What kind of key it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// RSA (RFC 3279), with the bits of its modulus.
    Rsa(u32),
    /// ECDSA over NIST P-256 (RFC 5480).
    P256,
    /// ECDSA over NIST P-384.
    P384,
    /// ECDSA over NIST P-521.
    P521,
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// Another one: its name, or its object identifier.
    Other(String),
}

impl KeyKind {
    pub(super) fn of(key: &SubjectPublicKeyInfo<'_>) -> Self {
        let oid = key.algorithm.algorithm.to_id_string();
        match oid.as_str() {
            "1.2.840.113549.1.1.1" | "1.2.840.113549.1.1.10" => match key.parsed() {
                Ok(Parsed::RSA(rsa)) => Self::Rsa(bits(rsa.modulus)),
                Ok(_) | Err(_) => Self::Other("an RSA key that cannot be read".to_owned()),
            },
            "1.2.840.10045.2.1" => curve(&key.algorithm),
            "1.3.101.112" => Self::Ed25519,
            "1.2.840.10040.4.1" => Self::Other("DSA".to_owned()),
            _ => Self::Other(oid),
        }
    }

    /// Whether it can encipher keys, as TLS 1.2 did with RSA: `keyEncipherment` says nothing for others.
    pub fn enciphers(&self) -> bool {
        matches!(self, Self::Rsa(_))
    }
}

fn curve(algorithm: &AlgorithmIdentifier<'_>) -> KeyKind {
    let other = |what: &str| KeyKind::Other(format!("elliptic curve {what}"));
    let Some(parameters) = &algorithm.parameters else {
        return other("without a name");
    };
    // Written out instead of named, which RFC 5480, 2.1.1 forbids.
    let Ok(oid) = parameters.as_oid() else {
        return other("with explicit parameters");
    };
    match oid.to_id_string().as_str() {
        "1.2.840.10045.3.1.7" => KeyKind::P256,
        "1.3.132.0.34" => KeyKind::P384,
        "1.3.132.0.35" => KeyKind::P521,
        unknown => other(unknown),
    }
}

/// Bits of a number, most significant byte first.
pub(super) fn bits(number: &[u8]) -> u32 {
    let zeros = number.iter().take_while(|b| **b == 0).count();
    let rest = &number[zeros..];
    let whole = u32::try_from(rest.len()).unwrap_or(u32::MAX).saturating_mul(8);
    rest.first().map_or(0, |first| whole - first.leading_zeros())
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::P256 => f.write_str("ECDSA P-256"),
            Self::P384 => f.write_str("ECDSA P-384"),
            Self::P521 => f.write_str("ECDSA P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

/// How a signature's hash is to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strength {
    /// SHA-256 or better.
    Good,
    /// MD5, SHA-1 or older: forgeable, or refused by everybody.
    Weak,
    /// Not known here.
    Unknown,
}

/// The algorithm of a signature.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SignatureKind {
    /// The content of its AlgorithmIdentifier: object identifier and parameters in DER.
    pub(super) id: Box<[u8]>,
    oid: Box<str>,
}

/// Names and strengths (RFC 3279, 4055, 5758, 8410).
const SIGNATURES: [(&str, &str, Strength); 16] = [
    ("1.2.840.113549.1.1.2", "MD2 with RSA", Strength::Weak),
    ("1.2.840.113549.1.1.4", "MD5 with RSA", Strength::Weak),
    ("1.2.840.113549.1.1.5", "SHA-1 with RSA", Strength::Weak),
    ("1.3.14.3.2.29", "SHA-1 with RSA", Strength::Weak),
    ("1.2.840.10040.4.3", "SHA-1 with DSA", Strength::Weak),
    ("1.2.840.10045.4.1", "SHA-1 with ECDSA", Strength::Weak),
    ("2.16.840.1.101.3.4.3.2", "SHA-256 with DSA", Strength::Unknown),
    ("1.2.840.113549.1.1.11", "SHA-256 with RSA", Strength::Good),
    ("1.2.840.113549.1.1.12", "SHA-384 with RSA", Strength::Good),
    ("1.2.840.113549.1.1.13", "SHA-512 with RSA", Strength::Good),
    ("1.2.840.113549.1.1.14", "SHA-224 with RSA", Strength::Weak),
    ("1.2.840.113549.1.1.10", "RSA-PSS", Strength::Good),
    ("1.2.840.10045.4.3.2", "SHA-256 with ECDSA", Strength::Good),
    ("1.2.840.10045.4.3.3", "SHA-384 with ECDSA", Strength::Good),
    ("1.2.840.10045.4.3.4", "SHA-512 with ECDSA", Strength::Good),
    ("1.3.101.112", "Ed25519", Strength::Good),
];

/// RSA-PSS without parameters: SHA-1 (RFC 4055, 3.1).
const PSS: &str = "1.2.840.113549.1.1.10";

impl SignatureKind {
    /// From the content of an AlgorithmIdentifier's SEQUENCE.
    pub(super) fn of(content: &[u8]) -> Self {
        let oid =
            Oid::from_der(content).map_or_else(|_| "?".to_owned(), |(_, oid)| oid.to_id_string());
        Self { id: content.into(), oid: oid.into() }
    }

    /// How it is to be judged.
    pub fn strength(&self) -> Strength {
        // The hashes of RSA-PSS stand in its parameters; without any they are SHA-1.
        let sha256_or_better = [0x60_u8, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];
        if &*self.oid == PSS && !self.id.windows(8).any(|w| w == sha256_or_better) {
            return Strength::Weak;
        }
        self.known().map_or(Strength::Unknown, |(_, _, strength)| *strength)
    }

    fn known(&self) -> Option<&'static (&'static str, &'static str, Strength)> {
        SIGNATURES.iter().find(|(oid, _, _)| *oid == &*self.oid)
    }
}

impl fmt::Display for SignatureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.known().map_or(&*self.oid, |(_, name, _)| *name))
    }
}

impl fmt::Debug for SignatureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_of_numbers() {
        for (number, expected) in [
            (&[][..], 0),
            (&[0, 0], 0),
            (&[1], 1),
            (&[0, 0x80], 8),
            (&[0, 1, 0], 9),
            (&[0xff; 256], 2048),
        ] {
            assert_eq!(bits(number), expected);
        }
    }

    #[test]
    fn signatures_are_judged_also_where_they_are_not_trusted() {
        // OBJECT IDENTIFIERs in DER.
        let rsa = |last: u8| vec![6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, last];
        for (content, name, strength) in [
            (rsa(5), "SHA-1 with RSA", Strength::Weak),
            (rsa(4), "MD5 with RSA", Strength::Weak),
            (rsa(11), "SHA-256 with RSA", Strength::Good),
            (rsa(10), "RSA-PSS", Strength::Weak),
            (
                [rsa(10), vec![6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1]].concat(),
                "RSA-PSS",
                Strength::Good,
            ),
            (vec![6, 3, 0x2b, 0x65, 0x70], "Ed25519", Strength::Good),
            (vec![6, 3, 0x2b, 0x65, 0x71], "1.3.101.113", Strength::Unknown),
            (vec![], "?", Strength::Unknown),
        ] {
            let algorithm = SignatureKind::of(&content);
            assert_eq!((algorithm.to_string().as_str(), algorithm.strength()), (name, strength));
        }
    }
}
