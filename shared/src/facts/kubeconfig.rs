//! A kubeconfig file as it is written, as far as certificates, keys and tokens go.
//!
//! Whoever parses it must not repeat the parser's words: they may hold a piece of a key.

use super::wire::{Wiped, null_as_default};
use serde::{Deserialize, Deserializer};

/// The file.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Kubeconfig {
    /// Servers, and the CAs that they are trusted under.
    #[serde(deserialize_with = "null_as_default")]
    pub clusters: Vec<NamedCluster>,
    /// Credentials.
    #[serde(deserialize_with = "null_as_default")]
    pub users: Vec<NamedUser>,
}

/// A cluster and its name in the file.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct NamedCluster {
    /// Name.
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    /// Content.
    #[serde(deserialize_with = "null_as_default")]
    pub cluster: Cluster,
}

/// A cluster.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Cluster {
    /// PEM in base64; wins over the file.
    pub certificate_authority_data: Option<String>,
    /// A file.
    pub certificate_authority: Option<String>,
}

/// A user and its name in the file.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct NamedUser {
    /// Name.
    #[serde(deserialize_with = "null_as_default")]
    pub name: String,
    /// Content.
    #[serde(deserialize_with = "null_as_default")]
    pub user: User,
}

/// A user.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct User {
    /// PEM in base64; wins over the file.
    pub client_certificate_data: Option<String>,
    /// A file.
    pub client_certificate: Option<String>,
    /// PEM in base64; wins over the file.
    pub client_key_data: Option<Wiped>,
    /// A file.
    pub client_key: Option<String>,
    /// A bearer token.
    pub token: Option<Wiped>,
    /// A file with one.
    #[serde(rename = "tokenFile")]
    pub token_file: Option<String>,
    /// A program that is asked for a credential.
    pub exec: Option<Present>,
}

/// Something of which it only matters that it is there.
pub struct Present;

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl Kubeconfig {
    /// Reads YAML or JSON; `None` for anything else.
    pub fn read(text: &str) -> Option<Self> {
        serde_saphyr::from_str(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_read_and_nothing_is_missed() {
        let config = Kubeconfig::read(
            "clusters: [{name: a, cluster: {certificate-authority-data: QQ==, server: x}}, {name: b, cluster: null}]\n\
             users: [{name: u, user: {client-key-data: Qg==, tokenFile: /t, exec: {command: c}}}]\n",
        )
        .expect("a kubeconfig");
        assert_eq!(config.clusters[0].cluster.certificate_authority_data.as_deref(), Some("QQ=="));
        assert_eq!((config.clusters[1].name.as_str(), config.clusters.len()), ("b", 2));
        let user = &config.users[0].user;
        assert_eq!(user.client_key_data.as_ref().map(|key| key.0.as_str()), Some("Qg=="));
        assert_eq!((user.token_file.as_deref(), user.exec.is_some()), (Some("/t"), true));
        let empty = Kubeconfig::read("clusters: null\nusers:\n").expect("an empty one");
        assert!(empty.clusters.is_empty() && empty.users.is_empty());
        assert!(Kubeconfig::read("clusters: 7").is_none());
    }
}
