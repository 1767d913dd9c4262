//! What stands at a place.

use crate::facts::credential::Digest;
use crate::facts::jwt::Claims;
use crate::facts::x509::{Certificate, KeyPart, Request};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What stands at a place, or why nobody can say.
#[derive(Clone, Debug)]
pub enum Content {
    /// This, read to its end.
    Held(Held),
    /// Something that is encrypted where it lies: by which provider, and with which key.
    Sealed {
        /// `aescbc`, `secretbox`, `kms`.
        provider: Box<str>,
        /// The key's name, as it is written beside the value.
        key: Box<str>,
    },
    /// Nothing: the place was looked at, and there is none.
    Absent,
    /// It could not be looked at.
    Unknown(Unknown),
}

/// What was read at a place. All lists can be empty: a file of nonsense holds nothing.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// Certificates, in order.
    pub certificates: Vec<Arc<Certificate>>,
    /// Private keys, by what is public of them.
    pub keys: Vec<KeyPart>,
    /// Public keys that stand alone: SHA-256 of each SubjectPublicKeyInfo.
    pub public_keys: Vec<Digest>,
    /// Tokens.
    pub tokens: Vec<Token>,
    /// Requests for certificates.
    pub requests: Vec<Arc<Request>>,
    /// Distinguished names in DER, where only names are seen: the CAs that a server says it accepts.
    pub names: Vec<Box<[u8]>>,
}

/// A token: what it says of itself, and its digest to tell it from another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// SHA-256 of its text.
    pub digest: Digest,
    /// What it says, unproven; `None` for one that is no JWT.
    pub claims: Option<Claims>,
}

/// Why a place could not be looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The reason, for people.
    pub why: Box<str>,
    /// The right that would be needed, where that is the reason: `list secrets`, `read /etc/kubernetes/admin.conf`.
    pub right: Option<Box<str>>,
}

impl Held {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
            && self.keys.is_empty()
            && self.public_keys.is_empty()
            && self.tokens.is_empty()
            && self.requests.is_empty()
            && self.names.is_empty()
    }
}

impl Held {
    /// Whether the other one holds other certificates, tokens, keys or names; their order and repetitions do not count.
    pub fn is_different_from(&self, other: &Self) -> bool {
        let prints = |held: &Self| held.certificates.iter().map(|c| c.fingerprint()).collect();
        let tokens = |held: &Self| held.tokens.iter().map(|token| token.digest).collect();
        let public = |held: &Self| held.public_keys.iter().copied().collect();
        let same = |of: &dyn Fn(&Self) -> BTreeSet<Digest>| of(self) == of(other);
        !(same(&prints) && same(&tokens) && same(&public))
            || self.keys != other.keys
            || self.names != other.names
    }
}

impl Token {
    /// Looks at a token's text; the text is not kept.
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        Self { digest: Digest::of(text.as_bytes()), claims: Claims::read(text) }
    }
}

impl Content {
    /// What was read, if anything was.
    pub fn held(&self) -> Option<&Held> {
        match self {
            Self::Held(held) => Some(held),
            Self::Sealed { .. } | Self::Absent | Self::Unknown(_) => None,
        }
    }
}

impl From<Held> for Content {
    fn from(held: Held) -> Self {
        Self::Held(held)
    }
}
