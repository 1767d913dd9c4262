//! Credentials that the cluster hands to pods, by digest and date: their content is compared, never kept.

use super::identity::Uid;
use super::wire::{Meta, null_as_default};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;

/// SHA-256 of some content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// One that was computed elsewhere.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its octets.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{self}")
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let fail = || serde::de::Error::custom("not a SHA-256 in 64 hexadecimal digits");
        let mut digest = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return Err(fail());
        }
        for (index, byte) in digest.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| fail())?;
        }
        Ok(Self(digest))
    }
}

/// Namespace and name of a secret.
pub type SecretName = (Box<str>, Box<str>);

/// A secret of type `kubernetes.io/service-account-token`.
#[derive(Clone, Debug)]
pub struct TokenSecret {
    /// Namespace.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
    /// Identity.
    pub uid: Uid,
    /// When it was made.
    pub created: Timestamp,
    /// The newest write that its writers' records show; too old on some servers, never too new.
    pub written: Option<Timestamp>,
    /// Digest of `data.token`; `None` while the controller has not filled it.
    pub token: Option<Digest>,
    /// Digest of `data["ca.crt"]`.
    pub ca: Option<Digest>,
}

/// The ConfigMap `kube-root-ca.crt` of one namespace.
#[derive(Clone, Debug)]
pub struct RootCa {
    /// Namespace.
    pub namespace: Box<str>,
    /// Identity.
    pub uid: Uid,
    /// When it was made.
    pub created: Timestamp,
    /// The newest write that its writers' records show; too old on some servers, never too new.
    pub written: Option<Timestamp>,
    /// Digest of `data["ca.crt"]`.
    pub ca: Option<Digest>,
}

/// Digests of a secret's `data`, made while it is read: the bytes are not kept.
#[derive(Debug, Default)]
struct DigestedText(Option<Digest>);

impl<'de> Deserialize<'de> for DigestedText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = DigestedText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }
            fn visit_str<E>(self, text: &str) -> Result<DigestedText, E> {
                Ok(DigestedText((!text.is_empty()).then(|| Digest::of(text.as_bytes()))))
            }
            fn visit_unit<E>(self) -> Result<DigestedText, E> {
                Ok(DigestedText(None))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// A secret or a ConfigMap of the API, of which digests are kept.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ContentWire {
    metadata: Meta,
    #[serde(deserialize_with = "null_as_default")]
    data: BTreeMap<String, DigestedText>,
}

impl ContentWire {
    fn digest(&self, key: &str) -> Option<Digest> {
        self.data.get(key).and_then(|d| d.0)
    }

    fn written(&self) -> Option<Timestamp> {
        self.metadata.data_written()
    }

    /// As a token secret.
    pub fn token_secret(self) -> TokenSecret {
        TokenSecret {
            written: self.written(),
            token: self.digest("token"),
            ca: self.digest("ca.crt"),
            created: self.metadata.creation_timestamp.unwrap_or(Timestamp::UNIX_EPOCH),
            namespace: self.metadata.namespace.into(),
            name: self.metadata.name.into(),
            uid: Uid(self.metadata.uid.into()),
        }
    }

    /// As the root CA of a namespace.
    pub fn root_ca(self) -> RootCa {
        RootCa {
            written: self.written(),
            ca: self.digest("ca.crt"),
            created: self.metadata.creation_timestamp.unwrap_or(Timestamp::UNIX_EPOCH),
            namespace: self.metadata.namespace.into(),
            uid: Uid(self.metadata.uid.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_survives_a_round_trip() {
        let digest = Digest::of(b"x");
        let json = serde_json::to_string(&digest).expect("writes");
        assert_eq!(serde_json::from_str::<Digest>(&json).expect("reads"), digest);
        for wrong in ["\"\"", "\"zz\"", &json.replacen('2', "g", 1)] {
            assert!(serde_json::from_str::<Digest>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn content_becomes_a_digest() {
        let wire: ContentWire = serde_json::from_str(
            r#"{"metadata":{"namespace":"n","name":"s","uid":"u","creationTimestamp":"2026-01-01T00:00:00Z",
               "managedFields":[{"time":"2026-01-01T00:00:01Z"},{"time":"2026-01-01T00:00:05Z"}]},
               "data":{"token":"c2VjcmV0","ca.crt":"","namespace":null}}"#,
        )
        .expect("json");
        assert!(!format!("{wire:?}").contains("c2VjcmV0"), "content must not survive reading");
        let secret = wire.token_secret();
        assert_eq!(secret.token, Some(Digest::of(b"c2VjcmV0")));
        assert_eq!(secret.ca, None);
        assert_eq!(secret.written, Some("2026-01-01T00:00:05Z".parse().expect("time")));
    }
}
