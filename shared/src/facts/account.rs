//! Service accounts, and the secrets that hold their tokens.

use super::ca_bundle::CaBundle;
use super::credential::Digest;
use super::held::HeldToken;
use super::identity::{ObjectRef, Uid};
use super::selector::Labels;
use super::wire::{Meta, null_as_default};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The type of the secrets that this is about.
pub const TOKEN_TYPE: &str = "kubernetes.io/service-account-token";
/// Names the account of a token secret.
pub const ACCOUNT_NAME: &str = "kubernetes.io/service-account.name";
/// The account's identity.
pub const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";
/// The cleaner of unused tokens writes it: the token is refused although it is there (since 1.28).
pub const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";
/// The API server writes the day on which the token was last used (since 1.26).
pub const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";

/// Stands on a secret that one of these tools made, and says which one's place it took.
pub const REPLACES: &str = "rotation-tools/replaces";

/// A service account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Namespace.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
    /// Identity.
    pub uid: Uid,
    /// Version, for guarded patches.
    pub resource_version: Box<str>,
    /// `secrets`: what pods of this account may mount, and what old servers put into them.
    pub secrets: Vec<Box<str>>,
    /// `imagePullSecrets`.
    pub pull_secrets: Vec<Box<str>>,
    /// On its way out.
    pub deleting: bool,
}

/// A secret of type `kubernetes.io/service-account-token`.
#[derive(Clone, Debug)]
pub struct AccountToken {
    /// The secret.
    pub secret: ObjectRef,
    /// Version, for guarded patches.
    pub resource_version: Box<str>,
    /// When it was made.
    pub created: Timestamp,
    /// The newest write that its writers' records show; too old on some servers, never too new.
    pub written: Option<Timestamp>,
    /// Labels.
    pub labels: Labels,
    /// The account, by name.
    pub account: Box<str>,
    /// The account, by identity, once the controller has written it.
    pub account_uid: Option<Uid>,
    /// Its data can never be changed again.
    pub immutable: bool,
    /// On its way out.
    pub deleting: bool,
    /// Who else takes care of it: an operator, or a platform.
    pub keeper: Option<Box<str>>,
    /// `None` while the controller has not filled it.
    pub token: Option<HeldToken>,
    /// SHA-256 of `data["ca.crt"]` as it is written, as staleness compares it.
    pub ca_digest: Option<Digest>,
    /// The same as a set of certificates.
    pub ca: CaBundle,
    /// Keys of `data` that are not the controller's.
    pub extra_keys: Vec<Box<str>>,
    /// One of these tools made it in another one's place.
    pub replaces: bool,
}

impl AccountToken {
    /// Since when the cleaner of unused tokens lets it be refused.
    pub fn invalid_since(&self) -> Option<&str> {
        self.labels.get(INVALID_SINCE).map(|v| &**v)
    }

    /// The day on which somebody last used it, where the server writes that down.
    pub fn last_used(&self) -> Option<&str> {
        self.labels.get(LAST_USED).map(|v| &**v)
    }
}

/// A secret of another type.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OtherSecret {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Type.
    pub kind: String,
    /// Identity.
    pub uid: Uid,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    #[serde(deserialize_with = "null_as_default")]
    name: Box<str>,
}

/// A listed service account.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AccountWire {
    metadata: Meta,
    #[serde(deserialize_with = "null_as_default")]
    secrets: Vec<Named>,
    #[serde(deserialize_with = "null_as_default")]
    image_pull_secrets: Vec<Named>,
}

impl AccountWire {
    /// As facts.
    pub fn account(self) -> Account {
        let names = |list: Vec<Named>| list.into_iter().map(|n| n.name).collect();
        Account {
            namespace: self.metadata.namespace.into(),
            name: self.metadata.name.into(),
            uid: Uid(self.metadata.uid.into()),
            resource_version: self.metadata.resource_version.into(),
            secrets: names(self.secrets),
            pull_secrets: names(self.image_pull_secrets),
            deleting: self.metadata.deletion_timestamp.is_some(),
        }
    }
}

/// A listed secret. Values other than the token and the CA are passed over while it is read.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct TokenWire {
    metadata: Meta,
    #[serde(deserialize_with = "null_as_default")]
    immutable: bool,
    #[serde(rename = "type", deserialize_with = "null_as_default")]
    kind: String,
    #[serde(deserialize_with = "null_as_default")]
    data: TokenData,
}

#[derive(Default)]
struct TokenData {
    token: Option<(String, Digest)>,
    ca: Option<(String, Digest)>,
    extra: Vec<Box<str>>,
}

impl<'de> Deserialize<'de> for TokenData {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = TokenData;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a map of base64 texts")
            }
            fn visit_map<M: serde::de::MapAccess<'de>>(
                self,
                mut map: M,
            ) -> Result<TokenData, M::Error> {
                let mut data = TokenData::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        "token" => data.token = decoded(map.next_value()?),
                        "ca.crt" => data.ca = decoded(map.next_value()?),
                        "namespace" => {
                            map.next_value::<serde::de::IgnoredAny>()?;
                        }
                        _ => {
                            map.next_value::<serde::de::IgnoredAny>()?;
                            data.extra.push(key.into());
                        }
                    }
                }
                Ok(data)
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// The text, and the digest of its base64 form; nothing where it is empty, or no text.
fn decoded(base64: Option<String>) -> Option<(String, Digest)> {
    let base64 = base64.filter(|text| !text.is_empty())?;
    let digest = Digest::of(base64.as_bytes());
    let text = String::from_utf8(STANDARD.decode(&base64).ok()?).ok()?;
    Some((text, digest))
}

impl TokenWire {
    /// Identity.
    pub fn uid(&self) -> &str {
        &self.metadata.uid
    }

    /// As facts; `None` for a secret of another type, which a field selector does not let through.
    pub fn token(self) -> Option<AccountToken> {
        let Self { metadata, immutable, kind, data } = self;
        if !kind.is_empty() && kind != TOKEN_TYPE {
            return None;
        }
        let annotation = |key: &str| metadata.annotations.get(key).map(String::as_str);
        let ca_digest = data.ca.as_ref().map(|(_, digest)| *digest);
        Some(AccountToken {
            account: annotation(ACCOUNT_NAME).unwrap_or_default().into(),
            account_uid: annotation(ACCOUNT_UID).filter(|u| !u.is_empty()).map(Uid::from),
            keeper: keeper(&metadata),
            replaces: metadata.annotations.contains_key(REPLACES),
            resource_version: metadata.resource_version.as_str().into(),
            created: metadata.creation_timestamp.unwrap_or(Timestamp::UNIX_EPOCH),
            written: metadata.data_written(),
            immutable,
            deleting: metadata.deletion_timestamp.is_some(),
            token: data.token.map(|(text, digest)| HeldToken::new(text, digest)),
            ca_digest,
            ca: data.ca.map(|(pem, _)| CaBundle::of(&pem)).unwrap_or_default(),
            extra_keys: data.extra,
            secret: ObjectRef {
                kind: "Secret".to_owned(),
                namespace: metadata.namespace,
                name: metadata.name,
                uid: Uid(metadata.uid.into()),
            },
            labels: metadata.labels,
        })
    }
}

/// An owner that is no service account, or a platform that pairs token secrets with others.
fn keeper(metadata: &Meta) -> Option<Box<str>> {
    let owner = metadata.owner_references.iter().find(|o| o.kind != "ServiceAccount");
    if let Some(owner) = owner {
        return Some(format!("{} `{}`", owner.kind, owner.name).into());
    }
    let openshift: BTreeMap<&str, &str> = metadata
        .annotations
        .iter()
        .filter(|(key, _)| key.starts_with("openshift.io/"))
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    (!openshift.is_empty()).then(|| "OpenShift, which makes a pull secret of it".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<AccountToken> {
        let wire: TokenWire = serde_json::from_str(json).expect("json");
        wire.token()
    }

    #[test]
    fn a_token_secret_is_read_and_its_content_is_not_kept_open() {
        let token = STANDARD.encode("aaa.bbb.hunter2");
        let json = format!(
            r#"{{"type":"kubernetes.io/service-account-token","immutable":null,
              "metadata":{{"namespace":"n","name":"s","uid":"u","resourceVersion":"7","labels":{{"kubernetes.io/legacy-token-last-used":"2026-01-01"}},
                "annotations":{{"kubernetes.io/service-account.name":"a","kubernetes.io/service-account.uid":"au"}}}},
              "data":{{"token":"{token}","ca.crt":"","namespace":"bg==","mine":"eA=="}}}}"#
        );
        let secret = read(&json).expect("a token secret");
        assert_eq!((&*secret.account, secret.account_uid), ("a", Some("au".into())));
        assert_eq!(secret.token.as_ref().expect("a token").digest, Digest::of(token.as_bytes()));
        assert_eq!(secret.extra_keys, ["mine".into()]);
        assert!(secret.ca.is_empty() && secret.ca_digest.is_none() && !secret.immutable);
        assert_eq!(secret.labels.get(LAST_USED).map(|v| &**v), Some("2026-01-01"));
        assert!(!format!("{:?}", secret.token).contains("hunter2"));
    }

    #[test]
    fn what_is_missing_or_of_another_type() {
        let empty = read(
            r#"{"type":"kubernetes.io/service-account-token","metadata":{"name":"s"},"data":null}"#,
        );
        assert!(empty.expect("a token secret").token.is_none());
        assert!(read(r#"{"type":"kubernetes.io/tls","metadata":{"name":"s"}}"#).is_none());
    }

    #[test]
    fn keepers() {
        for (metadata, keeper) in [
            (r#""ownerReferences":[{"kind":"ServiceAccount","name":"a"}]"#, None),
            (r#""ownerReferences":[{"kind":"Vault","name":"v"}]"#, Some("Vault `v`")),
            (r#""annotations":{"openshift.io/token-secret.name":"x"}"#, Some("OpenShift")),
            (r#""annotations":{"kubernetes.io/service-account.name":"a"}"#, None),
        ] {
            let json = format!(r#"{{"type":"{TOKEN_TYPE}","metadata":{{"name":"s",{metadata}}}}}"#);
            let found = read(&json).expect("a token secret").keeper;
            assert_eq!(found.is_some(), keeper.is_some(), "{metadata}");
            if let (Some(found), Some(keeper)) = (found, keeper) {
                assert!(found.starts_with(keeper), "{found}");
            }
        }
    }
}
