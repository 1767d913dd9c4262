//! Private keys: read, told apart, written. What is held of them is wiped when it is let go, and nothing prints them.

use super::credential::Digest;
use super::exit::{Exit, Fault};
use super::x509::{self, Label, Oddity};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::Encode as _;
use der::asn1::{BitStringRef, UintRef};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, KeyPair as _, RsaKeyPair,
};
use serde::{Deserialize, Serialize};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier, SubjectPublicKeyInfo};
use std::fmt;
use std::str::FromStr;
use zeroize::Zeroizing;

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");

/// The kinds of keys that the tools make and sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum KeyType {
    /// RSA with a modulus of so many bits: 2048 to 4096.
    Rsa(u16),
    /// ECDSA on NIST P-256.
    P256,
    /// ECDSA on NIST P-384.
    P384,
}

impl KeyType {
    /// Those that can be made.
    pub const MADE: [Self; 5] =
        [Self::Rsa(2048), Self::Rsa(3072), Self::Rsa(4096), Self::P256, Self::P384];

    /// Whether it is RSA: only such a key enciphers keys (RFC 8813 section 3 forbids it for EC keys).
    pub fn is_rsa(self) -> bool {
        matches!(self, Self::Rsa(_))
    }
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa(bits) => write!(f, "rsa-{bits}"),
            Self::P256 => f.write_str("ecdsa-p256"),
            Self::P384 => f.write_str("ecdsa-p384"),
        }
    }
}

impl FromStr for KeyType {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::MADE.into_iter().find(|kind| kind.to_string() == word).ok_or_else(|| {
            let known = Self::MADE.map(|kind| kind.to_string());
            format!("`{word}` is no key type that is made here; it is one of {}", known.join(", "))
        })
    }
}

impl TryFrom<String> for KeyType {
    type Error = String;

    fn try_from(word: String) -> Result<Self, Self::Error> {
        word.parse()
    }
}

impl From<KeyType> for String {
    fn from(kind: KeyType) -> Self {
        kind.to_string()
    }
}

/// Why something is no private key that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No block of a private key in the text.
    #[error("there is no private key in it")]
    Missing,
    /// Several private keys: which one is meant?
    #[error("there are {0} private keys in it")]
    Several(usize),
    /// Under a passphrase, and none was given.
    #[error("the key is encrypted, and no passphrase was given")]
    NoPassphrase,
    /// The passphrase does not open it.
    #[error("the passphrase does not open the key")]
    WrongPassphrase,
    /// OpenSSL's own old encryption in PEM headers: one round of MD5.
    #[error("the key is encrypted in OpenSSL's old way, which is not read here")]
    OldEncryption,
    /// Encrypted in a way that is not read here.
    #[error("the key is encrypted in a way that is not read here")]
    UnknownEncryption,
    /// It says that it is a key, but cannot be read as one.
    #[error("the private key cannot be read: it is cut off or damaged")]
    Damaged,
    /// Of another kind.
    #[error("the key is of a kind that is not used here; RSA, ECDSA P-256 and P-384 are")]
    Kind,
    /// Too short, or its numbers do not belong together.
    #[error("the RSA key cannot be used: {0}")]
    Rsa(String),
}

impl Fault for KeyError {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoPassphrase => "name a file with the passphrase: --ca-passphrase-file FILE",
            Self::OldEncryption | Self::UnknownEncryption => {
                "run `openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD -out NEW` and name the new file"
            }
            Self::Rsa(_) => "use a key of 2048 bits or more",
            _ => return None,
        };
        Some(text.to_owned())
    }
}

enum Pair {
    Rsa(Box<RsaKeyPair>),
    Ec(Box<EcdsaKeyPair>),
}

/// A private key.
pub struct PrivateKey {
    kind: KeyType,
    /// PKCS#1 for RSA, SEC 1 with its curve for ECDSA: what every component of Kubernetes reads, also the oldest.
    secret: Zeroizing<Vec<u8>>,
    spki: Vec<u8>,
    pair: Pair,
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, SPKI {})", self.kind, self.spki_sha256())
    }
}

impl PrivateKey {
    /// From a PEM file: the one private key in it. Certificates and other blocks beside it are left alone.
    pub fn from_pem(text: &[u8], passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
        let pem = x509::read_pem(text);
        let mut keys = pem.blocks.iter().filter(|block| block.label.is_private());
        match (keys.next(), keys.count()) {
            (Some(block), 0) => Self::from_block(block, passphrase),
            (Some(_), more) => Err(KeyError::Several(more + 1)),
            (None, _) if cut_off(&pem.oddities) => Err(KeyError::Damaged),
            (None, _) => Err(KeyError::Missing),
        }
    }

    /// From one PEM block.
    pub fn from_block(block: &x509::Block, passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
        match block.label {
            Label::Pkcs1Key => Self::from_pkcs1(&block.der),
            Label::Sec1Key => Self::from_sec1(&block.der, None),
            Label::Pkcs8Key => Self::from_pkcs8(&block.der),
            Label::EncryptedKey => Self::from_encrypted(&block.der, passphrase),
            _ => Err(KeyError::Kind),
        }
    }

    /// From PKCS#1, RFC 8017 appendix A.1.2.
    pub fn from_pkcs1(der: &[u8]) -> Result<Self, KeyError> {
        let read = pkcs1::RsaPrivateKey::try_from(der).map_err(|_| KeyError::Damaged)?;
        let bits = bits_of(&read.modulus);
        if bits < 2048 {
            return Err(KeyError::Rsa(format!("it has {bits} bits")));
        }
        let kind = u16::try_from(bits).map(KeyType::Rsa);
        let kind = kind.map_err(|_| KeyError::Rsa(format!("it has {bits} bits")))?;
        // The numbers are checked against each other by this.
        let pair = RsaKeyPair::from_der(der).map_err(|why| KeyError::Rsa(why.to_string()))?;
        let spki = spki(RSA, der::asn1::AnyRef::NULL, pair.public_key().as_ref())?;
        let secret = Zeroizing::new(der.to_vec());
        Ok(Self { kind, secret, spki, pair: Pair::Rsa(Box::new(pair)) })
    }

    /// From SEC 1, RFC 5915; the curve may be named by what is around it.
    pub fn from_sec1(der: &[u8], around: Option<ObjectIdentifier>) -> Result<Self, KeyError> {
        let mut read = sec1::EcPrivateKey::try_from(der).map_err(|_| KeyError::Damaged)?;
        let inside = read.parameters.and_then(sec1::EcParameters::named_curve);
        let curve = inside.or(around).ok_or(KeyError::Kind)?;
        let (kind, algorithm) = curve_of(curve).ok_or(KeyError::Kind)?;
        let point = read.public_key.ok_or(KeyError::Damaged)?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            algorithm,
            read.private_key,
            point,
            &SystemRandom::new(),
        )
        .map_err(|_| KeyError::Damaged)?;
        let spki = spki(EC, (&curve).into(), point)?;
        read.parameters = Some(sec1::EcParameters::NamedCurve(curve));
        let secret = Zeroizing::new(read.to_der().map_err(|_| KeyError::Damaged)?);
        Ok(Self { kind, secret, spki, pair: Pair::Ec(Box::new(pair)) })
    }

    /// From PKCS#8, RFC 5208.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let read = PrivateKeyInfoRef::try_from(der).map_err(|_| KeyError::Damaged)?;
        match read.algorithm.oid {
            RSA => Self::from_pkcs1(read.private_key.as_bytes()),
            EC => {
                let curve = read.algorithm.parameters_oid().map_err(|_| KeyError::Damaged)?;
                Self::from_sec1(read.private_key.as_bytes(), Some(curve))
            }
            _ => Err(KeyError::Kind),
        }
    }

    fn from_encrypted(der: &[u8], passphrase: Option<&[u8]>) -> Result<Self, KeyError> {
        // The old encryption leaves noise where the structure would be.
        let read =
            EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| KeyError::OldEncryption)?;
        let passphrase = passphrase.ok_or(KeyError::NoPassphrase)?;
        if read.encryption_algorithm.pbes2().is_none() {
            return Err(KeyError::UnknownEncryption);
        }
        let open = read.decrypt(passphrase).map_err(|_| KeyError::WrongPassphrase)?;
        // A wrong passphrase sometimes decrypts to noise with good padding.
        Self::from_pkcs8(open.as_bytes()).map_err(|why| match why {
            KeyError::Damaged => KeyError::WrongPassphrase,
            other => other,
        })
    }

    /// Its kind.
    pub fn kind(&self) -> KeyType {
        self.kind
    }

    /// The public half, as certificates hold it: `SubjectPublicKeyInfo`, RFC 5280 section 4.1.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// The only name under which a key is ever shown: SHA-256 of the public half, hexadecimal.
    pub fn spki_sha256(&self) -> String {
        Digest::of(&self.spki).to_string()
    }

    /// The key as PEM.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let label = if self.kind.is_rsa() { "RSA PRIVATE KEY" } else { "EC PRIVATE KEY" };
        private_pem(label, &self.secret)
    }

    /// Signs with SHA-256, or with SHA-384 where the curve is as strong: the bits of a signature in a certificate.
    ///
    /// # Panics
    ///
    /// When the system has no random numbers: then nothing may be signed.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&ring::signature::RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("the system has random numbers");
                signature
            }
            Pair::Ec(pair) => pair
                .sign(&random, message)
                .expect("the system has random numbers")
                .as_ref()
                .to_vec(),
        }
    }
}

fn cut_off(oddities: &[Oddity]) -> bool {
    oddities.iter().any(|o| matches!(o, Oddity::Broken { .. } | Oddity::Unterminated { .. }))
}

/// Bits of an unsigned number.
fn bits_of(number: &UintRef<'_>) -> u32 {
    let bytes = number.as_bytes();
    let zeros = bytes.first().map_or(0, |first| first.leading_zeros());
    u32::try_from(bytes.len()).map_or(u32::MAX, |n| n.saturating_mul(8).saturating_sub(zeros))
}

fn curve_of(curve: ObjectIdentifier) -> Option<(KeyType, &'static EcdsaSigningAlgorithm)> {
    match curve {
        P256 => Some((KeyType::P256, &ECDSA_P256_SHA256_ASN1_SIGNING)),
        P384 => Some((KeyType::P384, &ECDSA_P384_SHA384_ASN1_SIGNING)),
        _ => None,
    }
}

fn spki(
    oid: ObjectIdentifier,
    parameters: der::asn1::AnyRef<'_>,
    key: &[u8],
) -> Result<Vec<u8>, KeyError> {
    let subject_public_key = BitStringRef::from_bytes(key).map_err(|_| KeyError::Damaged)?;
    let algorithm = AlgorithmIdentifierRef { oid, parameters: Some(parameters) };
    let info = SubjectPublicKeyInfo { algorithm, subject_public_key };
    info.to_der().map_err(|_| KeyError::Damaged)
}

/// PEM of what is secret: 64 columns, line feeds, in memory that is wiped.
fn private_pem(label: &str, der: &[u8]) -> Zeroizing<String> {
    let mut encoded = Zeroizing::new(vec![0_u8; der.len().div_ceil(3) * 4]);
    let length = STANDARD.encode_slice(der, &mut encoded).expect("the room is computed");
    let mut text = Zeroizing::new(String::with_capacity(length + length / 64 + 80));
    for part in ["-----BEGIN ", label, "-----\n"] {
        text.push_str(part);
    }
    for line in encoded[..length].chunks(64) {
        text.extend(line.iter().map(|byte| char::from(*byte)));
        text.push('\n');
    }
    for part in ["-----END ", label, "-----\n"] {
        text.push_str(part);
    }
    text
}
