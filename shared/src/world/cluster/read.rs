//! What is read of a cluster, as facts.

use super::abilities::PolicyVersion;
use super::ask::Asker;
use super::fault::ClusterError;
use super::list::{self, ListVersion, Part, Wire, pages, whole};
use super::query::{Listing, PodQuery, Scope, collection, encode};
use crate::facts::budget::{Budget, BudgetWire};
use crate::facts::credential::{ContentWire, RootCa, SecretName, TokenSecret};
use crate::facts::identity::{ClusterIdentity, ObjectRef, Uid};
use crate::facts::lease::{Lease, LeaseWire};
use crate::facts::node::{Node, NodeWire};
use crate::facts::pod::{Interner, Pod};
use crate::facts::pod_wire;
use crate::facts::service::{EndpointsWire, Service, ServiceWire};
use crate::facts::version::{ServerVersion, VersionInfo};
use crate::facts::wire::{Meta, null_as_default};
use crate::facts::workload::{Workload, WorkloadKind, WorkloadWire};
use futures_util::stream::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::collections::{BTreeSet, HashSet};

/// Requests of one question that are under way side by side.
const SIDE_BY_SIDE: usize = 8;

/// A warning that Kubernetes wrote down about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Kubernetes' reason, for example `FailedCreate`.
    pub reason: String,
    /// Kubernetes' words.
    pub message: String,
    /// How often.
    pub count: u32,
    /// The last time.
    pub last: Option<Timestamp>,
}

pub(super) fn prefix(kind: WorkloadKind) -> String {
    match kind.group() {
        "" => "/api/v1".to_owned(),
        group => format!("/apis/{group}/v1"),
    }
}

pub(super) fn pod_listing(query: &PodQuery<'_>, namespace: Option<&str>) -> Listing {
    Listing::new(collection("/api/v1", namespace, "pods"))
        .labels(query.labels)
        .fields(query.fields.as_deref())
}

/// Lists pods; each is told once, even if the list has to be begun anew.
pub(super) async fn pods(
    asker: &Asker,
    query: &PodQuery<'_>,
    interner: &mut Interner,
    each: &mut dyn FnMut(Pod),
) -> Result<ListVersion, ClusterError> {
    let listener = RefCell::new((interner, each));
    let list = |namespace: Option<String>| {
        let (query, listener) = (&query, &listener);
        async move {
            let listing = pod_listing(query, namespace.as_deref());
            let mut told = HashSet::new();
            let mut again = false;
            let (version, date) = pages(asker, &listing, list::pods(), |part| match part {
                Part::Again => again = true,
                Part::Items(items) => {
                    let (interner, each) = &mut *listener.borrow_mut();
                    for pod in items.into_iter().filter_map(|p| Pod::read(p, interner)) {
                        if told.insert(pod.uid.clone()) {
                            each(pod);
                        }
                    }
                }
            })
            .await?;
            Ok((namespace.unwrap_or_default(), version, date, again))
        }
    };
    let parts = query.namespaces.parts().into_iter().map(|n| n.map(str::to_owned));
    let lists = parts.map(list).collect::<Vec<_>>();
    let lists: Vec<_> =
        futures_util::stream::iter(lists).buffered(SIDE_BY_SIDE).try_collect().await?;
    let mut result = ListVersion::default();
    for (namespace, version, date, again) in lists {
        result.mixed |= again;
        result.date = date.or(result.date);
        result.versions.insert(namespace, version);
    }
    Ok(result)
}

/// A whole list in each namespace of the scope.
pub(super) async fn in_scope<T: Wire, F>(
    asker: &Asker,
    scope: &Scope,
    listing: impl Fn(Option<&str>) -> Listing,
    read: impl Fn(T) -> F,
) -> Result<Vec<F>, ClusterError> {
    let listings: Vec<Listing> = scope.parts().into_iter().map(listing).collect();
    let lists = listings.iter().map(|listing| whole(asker, listing, &read)).collect::<Vec<_>>();
    let lists: Vec<Vec<F>> =
        futures_util::stream::iter(lists).buffered(SIDE_BY_SIDE).try_collect().await?;
    Ok(lists.into_iter().flatten().collect())
}

pub(super) async fn workloads(
    asker: &Asker,
    kind: WorkloadKind,
    scope: &Scope,
) -> Result<Vec<Workload>, ClusterError> {
    let prefix = prefix(kind);
    let listing =
        |namespace: Option<&str>| Listing::new(collection(&prefix, namespace, kind.plural()));
    in_scope(asker, scope, listing, |w: WorkloadWire| Workload::read(kind, w)).await
}

pub(super) async fn workloads_of(
    asker: &Asker,
    kinds: &BTreeSet<WorkloadKind>,
    scope: &Scope,
) -> Result<Vec<Workload>, ClusterError> {
    let lists = kinds.iter().map(|kind| workloads(asker, *kind, scope));
    Ok(futures_util::future::try_join_all(lists).await?.into_iter().flatten().collect())
}

pub(super) async fn nodes(asker: &Asker) -> Result<Vec<Node>, ClusterError> {
    whole(asker, &Listing::new("/api/v1/nodes".to_owned()), |n: NodeWire| Node::read(n)).await
}

/// Leases of a namespace; none where there is no such kind yet.
pub(super) async fn leases(asker: &Asker, namespace: &str) -> Result<Vec<Lease>, ClusterError> {
    let path = collection("/apis/coordination.k8s.io/v1", Some(namespace), "leases");
    match whole(asker, &Listing::new(path), |l: LeaseWire| Lease::read(l)).await {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        found => found,
    }
}

/// Budgets of the newest version that is served; none where there is no such kind.
pub(super) async fn budgets(asker: &Asker, scope: &Scope) -> Result<Vec<Budget>, ClusterError> {
    for version in [PolicyVersion::V1, PolicyVersion::V1Beta1] {
        let prefix = format!("/apis/policy/{}", version.as_str());
        let beta = version == PolicyVersion::V1Beta1;
        let listing = |namespace: Option<&str>| {
            Listing::new(collection(&prefix, namespace, "poddisruptionbudgets"))
        };
        match in_scope(asker, scope, listing, |b: BudgetWire| Budget::read(b, beta)).await {
            Err(error) if error.is_not_found() => {}
            found => return found,
        }
    }
    Ok(Vec::new())
}

pub(super) async fn services(asker: &Asker, scope: &Scope) -> Result<Vec<Service>, ClusterError> {
    let listing =
        |namespace: Option<&str>| Listing::new(collection("/api/v1", namespace, "services"));
    in_scope(asker, scope, listing, |s: ServiceWire| Service::read(s)).await
}

/// One object of the core group, if it is there.
async fn object<T: DeserializeOwned>(
    asker: &Asker,
    namespace: &str,
    plural: &str,
    name: &str,
) -> Result<Option<T>, ClusterError> {
    let collection = collection("/api/v1", Some(namespace), plural);
    asker.json_if_there(&format!("{collection}/{}", encode(name))).await
}

/// Whether there is a Secret of that name, of any type.
pub(super) async fn secret_exists(
    asker: &Asker,
    namespace: &str,
    name: &str,
) -> Result<bool, ClusterError> {
    let found: Option<serde::de::IgnoredAny> = object(asker, namespace, "secrets", name).await?;
    Ok(found.is_some())
}

pub(super) async fn service(
    asker: &Asker,
    namespace: &str,
    name: &str,
) -> Result<Option<Service>, ClusterError> {
    Ok(object(asker, namespace, "services", name).await?.map(Service::read))
}

pub(super) async fn services_named(
    asker: &Asker,
    names: &BTreeSet<(&str, &str)>,
) -> Result<Vec<Service>, ClusterError> {
    let reads = names.iter().map(|(namespace, name)| service(asker, namespace, name));
    let reads = reads.collect::<Vec<_>>();
    let found: Vec<Option<Service>> =
        futures_util::stream::iter(reads).buffered(SIDE_BY_SIDE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

pub(super) async fn secrets_missing(
    asker: &Asker,
    names: BTreeSet<SecretName>,
) -> Result<Vec<SecretName>, ClusterError> {
    let reads = names.into_iter().map(|key| async move {
        let there = secret_exists(asker, &key.0, &key.1).await?;
        Ok((!there).then_some(key))
    });
    let reads = reads.collect::<Vec<_>>();
    let missing: Vec<_> =
        futures_util::stream::iter(reads).buffered(SIDE_BY_SIDE).try_collect().await?;
    Ok(missing.into_iter().flatten().collect())
}

pub(super) async fn ready_endpoints(
    asker: &Asker,
    namespace: &str,
    name: &str,
) -> Result<Option<usize>, ClusterError> {
    let found: Option<EndpointsWire> = object(asker, namespace, "endpoints", name).await?;
    Ok(found.map(|e| e.ready()))
}

pub(super) async fn endpoint_addresses(
    asker: &Asker,
    namespace: &str,
    name: &str,
) -> Result<Vec<String>, ClusterError> {
    let found: Option<EndpointsWire> = object(asker, namespace, "endpoints", name).await?;
    Ok(found.map(|e| e.addresses()).unwrap_or_default())
}

pub(super) async fn pod(
    asker: &Asker,
    namespace: &str,
    name: &str,
    interner: &mut Interner,
) -> Result<Option<Pod>, ClusterError> {
    let found: Option<pod_wire::Pod> = object(asker, namespace, "pods", name).await?;
    Ok(found.and_then(|p| Pod::read(p, interner)))
}

pub(super) async fn manifest(
    asker: &Asker,
    namespace: &str,
    name: &str,
) -> Result<Option<serde_json::Value>, ClusterError> {
    object(asker, namespace, "pods", name).await
}

pub(super) async fn token_secrets(
    asker: &Asker,
    scope: &Scope,
) -> Result<Vec<TokenSecret>, ClusterError> {
    let listing = |namespace: Option<&str>| {
        Listing::new(collection("/api/v1", namespace, "secrets"))
            .fields(Some("type=kubernetes.io/service-account-token"))
    };
    in_scope(asker, scope, listing, |s: ContentWire| s.token_secret()).await
}

pub(super) async fn root_cas(asker: &Asker, scope: &Scope) -> Result<Vec<RootCa>, ClusterError> {
    let listing = |namespace: Option<&str>| {
        Listing::new(collection("/api/v1", namespace, "configmaps"))
            .fields(Some("metadata.name=kube-root-ca.crt"))
    };
    in_scope(asker, scope, listing, |c: ContentWire| c.root_ca()).await
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    metadata: Meta,
}

pub(super) async fn namespaces(asker: &Asker) -> Result<Vec<String>, ClusterError> {
    let listing = Listing::new("/api/v1/namespaces".to_owned());
    whole(asker, &listing, |n: Named| n.metadata.name).await
}

pub(super) async fn identity(asker: &Asker) -> Result<ClusterIdentity, ClusterError> {
    let path = "/api/v1/namespaces/kube-system";
    let found: Named = asker.json(path).await?;
    if found.metadata.uid.is_empty() {
        return Err(ClusterError::Unreadable {
            server: asker.server(),
            path: path.to_owned(),
            reason: "the namespace has no UID".to_owned(),
        });
    }
    Ok(ClusterIdentity { uid: Uid(found.metadata.uid.into()), server: asker.server() })
}

pub(super) async fn version(asker: &Asker) -> Result<ServerVersion, ClusterError> {
    let info: VersionInfo = asker.json("/version").await?;
    Ok(info.version().unwrap_or(ServerVersion { major: 0, minor: 0 }))
}

/// The condition `Available` is remembered; an answer is not.
pub(super) async fn silent_apis(asker: &Asker) -> Result<Vec<(String, String)>, ClusterError> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Spec {
        group: String,
        version: String,
        service: Option<serde::de::IgnoredAny>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct ApiService {
        spec: Spec,
    }
    let listing = Listing::new("/apis/apiregistration.k8s.io/v1/apiservices".to_owned());
    let found = match whole(asker, &listing, |api: ApiService| api.spec).await {
        Err(why) if why.is_not_found() => Vec::new(),
        other => other?,
    };
    let mut silent = Vec::new();
    for Spec { group, version, service } in found {
        if service.is_none() {
            continue;
        }
        if let Err(why) = asker.get(&format!("/apis/{group}/{version}")).await {
            silent.push((format!("{version}.{group}"), why.to_string()));
        }
    }
    Ok(silent)
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct EventWire {
    #[serde(deserialize_with = "null_as_default")]
    reason: String,
    #[serde(deserialize_with = "null_as_default")]
    message: String,
    #[serde(deserialize_with = "null_as_default")]
    count: u32,
    #[serde(rename = "type")]
    kind: String,
    last_timestamp: Option<Timestamp>,
    event_time: Option<Timestamp>,
}

/// Warnings about an object, the newest first.
pub(super) async fn warnings(
    asker: &Asker,
    object: &ObjectRef,
) -> Result<Vec<Warning>, ClusterError> {
    let namespace = if object.namespace.is_empty() { "default" } else { &object.namespace };
    let listing = Listing::new(collection("/api/v1", Some(namespace), "events"))
        .fields(Some(&format!("involvedObject.uid={},type=Warning", object.uid)));
    let events = whole(asker, &listing, |e: EventWire| e).await?;
    let mut warnings: Vec<Warning> = events
        .into_iter()
        .filter(|e| e.kind == "Warning")
        .map(|e| Warning {
            reason: e.reason,
            message: e.message,
            count: e.count.max(1),
            last: e.last_timestamp.or(e.event_time),
        })
        .collect();
    warnings.sort_by_key(|w| std::cmp::Reverse(w.last));
    Ok(warnings)
}
