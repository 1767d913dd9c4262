//! Public keys that tokens are verified with, and whether a token was signed with one of them: asked of nobody.

use super::credential::Digest;
use super::held::HeldToken;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    self, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use x509_parser::pem::Pem;
use x509_parser::prelude::{FromDer as _, SubjectPublicKeyInfo, X509Certificate};
use x509_parser::public_key::{PublicKey as Parsed, RSAPublicKey};

/// Keys of a file, or those that the API servers publish.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublicKeys(Vec<PublicKey>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum PublicKey {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point of P-256 (65 bytes) or P-384 (97 bytes).
    Ec {
        point: Vec<u8>,
    },
}

#[derive(Deserialize)]
struct JwkNames {
    keys: Vec<JwkName>,
}

#[derive(Deserialize)]
struct JwkName {
    #[serde(default)]
    kid: String,
}

/// Who signed a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    /// One of the keys.
    These,
    /// None of them.
    Another,
    /// It is no token, or signed in a way that is not known here.
    Unclear,
}

/// A file of keys that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// No key in it.
    #[error("it holds no public key in PEM form")]
    None,
    /// A private key: only the public one is needed, and this file should be nowhere near.
    #[error("it holds a private key; pass the public one, which `openssl pkey -pubout` makes")]
    Private,
    /// A key of another kind, or a damaged one.
    #[error("it holds a key that is neither RSA nor P-256 nor P-384, or is damaged")]
    Unknown,
}

impl PublicKeys {
    /// Reads `PUBLIC KEY`, `RSA PUBLIC KEY` and `CERTIFICATE` blocks, as kube-apiserver reads them.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        for block in Pem::iter_from_buffer(text.as_bytes()) {
            let block = block.map_err(|_| KeyError::Unknown)?;
            let der = block.contents.as_slice();
            keys.push(
                match block.label.as_str() {
                    "PUBLIC KEY" => of_info(der),
                    "RSA PUBLIC KEY" => of_rsa(der),
                    "CERTIFICATE" => X509Certificate::from_der(der)
                        .ok()
                        .and_then(|(_, certificate)| of_parsed(certificate.public_key())),
                    label if label.contains("PRIVATE KEY") => return Err(KeyError::Private),
                    _ => continue,
                }
                .ok_or(KeyError::Unknown)?,
            );
        }
        if keys.is_empty() { Err(KeyError::None) } else { Ok(Self(keys)) }
    }

    /// Reads a JSON web key set (RFC 7517), as `/openid/v1/jwks` has it; keys of other kinds are passed over.
    pub fn from_jwks(text: &[u8]) -> Option<Self> {
        let set: JwkSet = serde_json::from_slice(text).ok()?;
        Some(Self(set.keys.into_iter().filter_map(Jwk::key).collect()))
    }

    /// SHA-256 of the public keys that a JSON web key set names, as API servers name them since they publish any.
    pub fn digests_of_jwks(text: &[u8]) -> Option<Vec<Digest>> {
        let set: JwkNames = serde_json::from_slice(text).ok()?;
        let digest = |name: JwkName| {
            let bytes = URL_SAFE_NO_PAD.decode(name.kid).ok()?;
            Some(Digest::from_bytes(bytes.try_into().ok()?))
        };
        Some(set.keys.into_iter().filter_map(digest).collect())
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those of another file.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Who signed this token, by its signature: a key's name in it proves nothing, and old tokens have none.
    pub fn signer(&self, token: &HeldToken) -> Signer {
        let text = token.expose();
        let parts = text.rsplit_once('.').and_then(|(signed, signature)| {
            Some((signed, URL_SAFE_NO_PAD.decode(signature).ok()?))
        });
        let (Some((signed, signature)), Some(claims)) = (parts, &token.claims) else {
            return Signer::Unclear;
        };
        let verified = |key: &PublicKey| key.verifies(&claims.algorithm, signed, &signature);
        let answers: Vec<Option<bool>> = self.0.iter().map(verified).collect();
        if answers.contains(&Some(true)) {
            Signer::These
        } else if is_known(&claims.algorithm) && !answers.is_empty() {
            Signer::Another
        } else {
            Signer::Unclear
        }
    }
}

fn is_known(algorithm: &str) -> bool {
    matches!(algorithm, "RS256" | "RS384" | "RS512" | "ES256" | "ES384")
}

impl PublicKey {
    /// `None` where the key is not of the algorithm's kind.
    fn verifies(&self, algorithm: &str, signed: &str, signature: &[u8]) -> Option<bool> {
        match self {
            Self::Rsa { modulus, exponent } => {
                let parameters: &RsaParameters = match algorithm {
                    "RS256" => &signature::RSA_PKCS1_2048_8192_SHA256,
                    "RS384" => &signature::RSA_PKCS1_2048_8192_SHA384,
                    "RS512" => &signature::RSA_PKCS1_2048_8192_SHA512,
                    _ => return None,
                };
                let key = RsaPublicKeyComponents { n: modulus, e: exponent };
                Some(key.verify(parameters, signed.as_bytes(), signature).is_ok())
            }
            Self::Ec { point } => {
                let way: &dyn VerificationAlgorithm = match (algorithm, point.len()) {
                    ("ES256", 65) => &signature::ECDSA_P256_SHA256_FIXED,
                    ("ES384", 97) => &signature::ECDSA_P384_SHA384_FIXED,
                    _ => return None,
                };
                let key = UnparsedPublicKey::new(way, point);
                Some(key.verify(signed.as_bytes(), signature).is_ok())
            }
        }
    }
}

fn of_info(der: &[u8]) -> Option<PublicKey> {
    let (_, info) = SubjectPublicKeyInfo::from_der(der).ok()?;
    of_parsed(&info)
}

fn of_parsed(info: &SubjectPublicKeyInfo<'_>) -> Option<PublicKey> {
    match info.parsed().ok()? {
        Parsed::RSA(key) => Some(rsa(&key)),
        Parsed::EC(point) if matches!(point.data().len(), 65 | 97) => {
            Some(PublicKey::Ec { point: point.data().to_vec() })
        }
        _ => None,
    }
}

fn of_rsa(der: &[u8]) -> Option<PublicKey> {
    RSAPublicKey::from_der(der).ok().map(|(_, key)| rsa(&key))
}

/// Integers of DER carry a zero before a high bit, those that are verified with do not.
fn rsa(key: &RSAPublicKey<'_>) -> PublicKey {
    let plain = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|b| **b == 0).count();
        bytes[zeros..].to_vec()
    };
    PublicKey::Rsa { modulus: plain(key.modulus), exponent: plain(key.exponent) }
}

#[derive(Deserialize)]
struct JwkSet {
    #[serde(default)]
    keys: Vec<Jwk>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Jwk {
    kty: String,
    n: String,
    e: String,
    x: String,
    y: String,
}

impl Jwk {
    fn key(self) -> Option<PublicKey> {
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok().filter(|b| !b.is_empty());
        match self.kty.as_str() {
            "RSA" => Some(PublicKey::Rsa { modulus: bytes(&self.n)?, exponent: bytes(&self.e)? }),
            "EC" => {
                let point = [vec![4], bytes(&self.x)?, bytes(&self.y)?].concat();
                matches!(point.len(), 65 | 97).then_some(PublicKey::Ec { point })
            }
            _ => None,
        }
    }
}
