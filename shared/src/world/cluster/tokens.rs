//! What a reset of service-account tokens reads and asks: secrets, accounts, reviews, what is published.

use super::ask::Asker;
use super::fault::ClusterError;
use super::list::whole;
use super::query::{Listing, Scope, collection, encode};
use super::read::in_scope;
use crate::facts::account::{
    Account, AccountToken, AccountWire, OtherSecret, TOKEN_TYPE, TokenWire,
};
use crate::facts::ca_bundle::CaBundle;
use crate::facts::credential::Digest;
use crate::facts::held::HeldToken;
use crate::facts::identity::Uid;
use crate::facts::selector::Selector;
use crate::facts::signing_key::PublicKeys;
use crate::facts::wire::{Meta, null_as_default};
use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Reviews of one server that are under way side by side: each costs it an authentication.
const REVIEWS: usize = 8;
/// Reads of one question that are under way side by side.
const SIDE_BY_SIDE: usize = 8;
/// Names and types without content, in the form that `kubectl get` prints, where the server has it.
const AS_TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";

/// What an API server says to a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Review {
    /// It is good.
    Accepted {
        /// As whom.
        user: String,
    },
    /// It is not.
    Refused {
        /// The server's words; never the token.
        why: String,
    },
}

/// A namespace, and whether it is going.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceState {
    /// Name.
    pub name: String,
    /// On its way out, with everything in it.
    pub terminating: bool,
}

pub(super) fn listing(namespace: Option<&str>, labels: Option<&Selector>) -> Listing {
    Listing::new(collection("/api/v1", namespace, "secrets"))
        .labels(labels)
        .fields(Some(&format!("type={TOKEN_TYPE}")))
}

pub(super) async fn account_tokens(
    asker: &Asker,
    scope: &Scope,
    labels: Option<&Selector>,
) -> Result<Vec<AccountToken>, ClusterError> {
    let listing = |namespace: Option<&str>| listing(namespace, labels);
    let found = in_scope(asker, scope, listing, TokenWire::token).await?;
    Ok(found.into_iter().flatten().collect())
}

fn secret(namespace: &str, name: &str) -> String {
    format!("{}/{}", collection("/api/v1", Some(namespace), "secrets"), encode(name))
}

pub(super) async fn account_token(
    asker: &Asker,
    namespace: &str,
    name: &str,
) -> Result<Option<AccountToken>, ClusterError> {
    let found: Option<TokenWire> = asker.json_if_there(&secret(namespace, name)).await?;
    Ok(found.and_then(TokenWire::token))
}

pub(super) async fn secret_manifest(
    asker: &Asker,
    namespace: &str,
    name: &str,
) -> Result<Option<Value>, ClusterError> {
    asker.json_if_there(&secret(namespace, name)).await
}

pub(super) async fn accounts(asker: &Asker, scope: &Scope) -> Result<Vec<Account>, ClusterError> {
    let listing =
        |namespace: Option<&str>| Listing::new(collection("/api/v1", namespace, "serviceaccounts"));
    in_scope(asker, scope, listing, AccountWire::account).await
}

pub(super) async fn account(
    asker: &Asker,
    namespace: &str,
    name: &str,
) -> Result<Option<Account>, ClusterError> {
    let collection = collection("/api/v1", Some(namespace), "serviceaccounts");
    let found: Option<AccountWire> =
        asker.json_if_there(&format!("{collection}/{}", encode(name))).await?;
    Ok(found.map(AccountWire::account))
}

/// A page in either form: a table, or what a server sends that makes none.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NamesPage {
    metadata: crate::facts::wire::ListMeta,
    #[serde(deserialize_with = "null_as_default")]
    column_definitions: Vec<Column>,
    #[serde(deserialize_with = "null_as_default")]
    rows: Vec<Row>,
    #[serde(deserialize_with = "null_as_default")]
    items: Vec<Plain>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Column {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Row {
    cells: Vec<Value>,
    object: Named,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    metadata: Meta,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Plain {
    metadata: Meta,
    #[serde(rename = "type", deserialize_with = "null_as_default")]
    kind: String,
}

impl NamesPage {
    fn secrets(self) -> Vec<OtherSecret> {
        let column = self.column_definitions.iter().position(|c| c.name == "Type").unwrap_or(1);
        let rows = self.rows.into_iter().map(|row| {
            let kind = row.cells.get(column).and_then(Value::as_str).unwrap_or_default().to_owned();
            (row.object.metadata, kind)
        });
        let items = self.items.into_iter().map(|item| (item.metadata, item.kind));
        rows.chain(items)
            .map(|(meta, kind)| OtherSecret {
                namespace: meta.namespace,
                name: meta.name,
                kind,
                uid: Uid(meta.uid.into()),
            })
            .filter(|other| other.kind != TOKEN_TYPE)
            .collect()
    }
}

/// Names and types of all other secrets: tables, so that what is in them does not even come here.
pub(super) async fn other_secrets(
    asker: &Asker,
    scope: &Scope,
    labels: Option<&Selector>,
) -> Result<Vec<OtherSecret>, ClusterError> {
    let list = |namespace: Option<String>| async move {
        let listing = Listing::new(collection("/api/v1", namespace.as_deref(), "secrets"))
            .labels(labels)
            .fields(Some(&format!("type!={TOKEN_TYPE}")));
        let mut all = Vec::new();
        let mut more = String::new();
        loop {
            let next = if more.is_empty() {
                listing.asking("limit=500&includeObject=Metadata")
            } else {
                listing
                    .asking(&format!("limit=500&includeObject=Metadata&continue={}", encode(&more)))
            };
            let reply = asker.get_as(&next, AS_TABLE).await?;
            let page: NamesPage = asker.parse(&next, &reply.body)?;
            more.clone_from(&page.metadata.more);
            all.extend(page.secrets());
            if more.is_empty() {
                return Ok(all);
            }
        }
    };
    let parts = scope.parts().into_iter().map(|n| list(n.map(str::to_owned))).collect::<Vec<_>>();
    let lists: Vec<Vec<OtherSecret>> =
        futures_util::stream::iter(parts).buffered(SIDE_BY_SIDE).try_collect().await?;
    Ok(lists.into_iter().flatten().collect())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamespaceWire {
    metadata: Meta,
    status: NamespaceStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NamespaceStatus {
    phase: String,
}

impl NamespaceWire {
    fn state(self) -> NamespaceState {
        let terminating =
            self.status.phase == "Terminating" || self.metadata.deletion_timestamp.is_some();
        NamespaceState { name: self.metadata.name, terminating }
    }
}

pub(super) async fn namespace_states(
    asker: &Asker,
    scope: &Scope,
) -> Result<Vec<NamespaceState>, ClusterError> {
    let Scope::These(names) = scope else {
        let listing = Listing::new("/api/v1/namespaces".to_owned());
        return whole(asker, &listing, NamespaceWire::state).await;
    };
    let reads = names.iter().map(|name| async move {
        let path = format!("/api/v1/namespaces/{}", encode(name));
        asker.json_if_there::<NamespaceWire>(&path).await
    });
    let found: Vec<Option<NamespaceWire>> = futures_util::stream::iter(reads.collect::<Vec<_>>())
        .buffered(SIDE_BY_SIDE)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().map(NamespaceWire::state).collect())
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReviewWire {
    status: ReviewStatus,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReviewStatus {
    authenticated: bool,
    #[serde(deserialize_with = "null_as_default")]
    error: String,
    user: ReviewUser,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReviewUser {
    username: String,
}

async fn review(asker: &Asker, token: &HeldToken) -> Result<Review, ClusterError> {
    const PATH: &str = "/apis/authentication.k8s.io/v1/tokenreviews";
    let body = json!({
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": { "token": token.expose() },
    });
    let reply = asker.review(PATH, body.to_string().into_bytes()).await?;
    let ReviewWire { status } = asker.parse(PATH, &reply.body)?;
    if status.authenticated {
        return Ok(Review::Accepted { user: status.user.username });
    }
    // Some authenticators quote what they were shown.
    let why = status.error.replace(token.expose(), "[token]");
    Ok(Review::Refused { why })
}

pub(super) async fn reviews(
    asker: &Asker,
    tokens: &[HeldToken],
) -> Vec<Result<Review, ClusterError>> {
    let questions = tokens.iter().map(|token| review(asker, token)).collect::<Vec<_>>();
    futures_util::stream::iter(questions).buffered(REVIEWS).collect().await
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ConfigMapWire {
    #[serde(deserialize_with = "null_as_default")]
    data: BTreeMap<String, String>,
}

pub(super) async fn published_ca(
    asker: &Asker,
    namespace: &str,
) -> Result<Option<CaBundle>, ClusterError> {
    let collection = collection("/api/v1", Some(namespace), "configmaps");
    let found: Option<ConfigMapWire> =
        asker.json_if_there(&format!("{collection}/kube-root-ca.crt")).await?;
    Ok(found.and_then(|map| map.data.get("ca.crt").map(|pem| CaBundle::of(pem))))
}

/// `None` where the server does not offer it, or not to us: it is only a help.
pub(super) async fn published_keys(asker: &Asker) -> Result<Option<PublicKeys>, ClusterError> {
    // It answers 406 to who asks for plain JSON.
    match asker.get_as("/openid/v1/jwks", "application/jwk-set+json").await {
        Ok(reply) => Ok(PublicKeys::from_jwks(&reply.body).filter(|keys| !keys.is_empty())),
        Err(
            ClusterError::Api { code: 401 | 403 | 404 | 406, .. }
            | ClusterError::NotAnApiServer { .. },
        ) => Ok(None),
        Err(error) => Err(error),
    }
}

/// SHA-256 of the public keys by which the server checks tokens; `None` where it does not offer them.
pub(super) async fn published_key_digests(
    asker: &Asker,
) -> Result<Option<Vec<Digest>>, ClusterError> {
    match asker.get_as("/openid/v1/jwks", "application/jwk-set+json").await {
        Ok(reply) => Ok(PublicKeys::digests_of_jwks(&reply.body)),
        Err(ClusterError::Api { code: 404 | 406, .. } | ClusterError::NotAnApiServer { .. }) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct EndpointsWire {
    #[serde(deserialize_with = "null_as_default")]
    subsets: Vec<SubsetWire>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct SubsetWire {
    #[serde(deserialize_with = "null_as_default")]
    addresses: Vec<AddressWire>,
    #[serde(deserialize_with = "null_as_default")]
    ports: Vec<PortWire>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct AddressWire {
    ip: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PortWire {
    port: u16,
}

pub(super) async fn api_servers(asker: &Asker) -> Result<Vec<String>, ClusterError> {
    let path = "/api/v1/namespaces/default/endpoints/kubernetes";
    let found: EndpointsWire = asker.json_if_there(path).await?.unwrap_or_default();
    let scheme = if asker.server().starts_with("http://") { "http" } else { "https" };
    let mut servers = Vec::new();
    for SubsetWire { addresses, ports } in found.subsets {
        for AddressWire { ip } in &addresses {
            let host = if ip.contains(':') { format!("[{ip}]") } else { ip.clone() };
            servers.extend(ports.iter().map(|p| format!("{scheme}://{host}:{}", p.port)));
        }
    }
    servers.sort();
    servers.dedup();
    Ok(servers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_in_both_forms() {
        let table = r#"{"kind":"Table","metadata":{"continue":""},
            "columnDefinitions":[{"name":"Name"},{"name":"Type"},{"name":"Data"}],
            "rows":[{"cells":["a","kubernetes.io/tls",2],"object":{"metadata":{"namespace":"n","name":"a","uid":"u"}}}]}"#;
        let plain = r#"{"kind":"SecretList","metadata":{},"items":[{"type":"kubernetes.io/tls","metadata":{"namespace":"n","name":"a","uid":"u"},"data":{"x":"y"}},
            {"type":"kubernetes.io/service-account-token","metadata":{"namespace":"n","name":"t"}}]}"#;
        for text in [table, plain] {
            let page: NamesPage = serde_json::from_str(text).expect("json");
            let expected = OtherSecret {
                namespace: "n".to_owned(),
                name: "a".to_owned(),
                kind: "kubernetes.io/tls".to_owned(),
                uid: "u".into(),
            };
            assert_eq!(page.secrets(), [expected]);
        }
    }
}
