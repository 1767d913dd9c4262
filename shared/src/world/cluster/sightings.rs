//! Objects of the API that hold certificates, keys or tokens: each kind by itself, so that what is forbidden of one does
//! not hide the others.

use super::ask::Asker;
use super::fault::ClusterError;
use super::list::{self, Part, Wire, pages};
use super::query::{Listing, Scope, collection, encode};
use super::read::in_scope;
use super::tokens::namespace_states;
use crate::facts::account::TOKEN_TYPE;
use crate::facts::mounts::{MountsWire, PodMounts};
use crate::facts::objects::{
    ApiServiceWire, Bundles, ConfigMapWire, CrdWire, KEEPS_OUT, ObjectsSeen, SecretWire,
    SigningRequestWire, TrustBundleWire, WebhooksWire,
};
use crate::facts::service::{EndpointsWire, ServiceWire};
use crate::facts::sighting::{Component, Domain, Interner, Place, Role, Sighting};
use futures_util::future::{LocalBoxFuture, join_all};
use std::cell::RefCell;
use std::collections::BTreeSet;

const ANYTHING: Role =
    Role::new(Component::Other, Domain::Other, crate::facts::sighting::Part::Anything);
const POD_TRUST: Role =
    Role::new(Component::Pods, Domain::Cluster, crate::facts::sighting::Part::Trust);

/// A kind as it is listed.
#[derive(Clone, Copy)]
struct Kind {
    /// As kubectl says one.
    name: &'static str,
    /// As kubectl says several, and as rights name it.
    plural: &'static str,
    /// Groups and versions in which servers offer it, the newest first.
    prefixes: &'static [&'static str],
}

const SECRETS: Kind = Kind { name: "secret", plural: "secrets", prefixes: &["/api/v1"] };
const CONFIG_MAPS: Kind = Kind { name: "configmap", plural: "configmaps", prefixes: &["/api/v1"] };
const VALIDATING: Kind = Kind {
    name: "validatingwebhookconfiguration",
    plural: "validatingwebhookconfigurations",
    prefixes: ADMISSION,
};
const MUTATING: Kind = Kind {
    name: "mutatingwebhookconfiguration",
    plural: "mutatingwebhookconfigurations",
    prefixes: ADMISSION,
};
const ADMISSION: &[&str] =
    &["/apis/admissionregistration.k8s.io/v1", "/apis/admissionregistration.k8s.io/v1beta1"];
const API_SERVICES: Kind = Kind {
    name: "apiservice",
    plural: "apiservices",
    prefixes: &["/apis/apiregistration.k8s.io/v1", "/apis/apiregistration.k8s.io/v1beta1"],
};
const CRDS: Kind = Kind {
    name: "customresourcedefinition",
    plural: "customresourcedefinitions",
    prefixes: &["/apis/apiextensions.k8s.io/v1", "/apis/apiextensions.k8s.io/v1beta1"],
};
const REQUESTS: Kind = Kind {
    name: "certificatesigningrequest",
    plural: "certificatesigningrequests",
    prefixes: &["/apis/certificates.k8s.io/v1", "/apis/certificates.k8s.io/v1beta1"],
};
const TRUST_BUNDLES: Kind = Kind {
    name: "clustertrustbundle",
    plural: "clustertrustbundles",
    prefixes: &[
        "/apis/certificates.k8s.io/v1",
        "/apis/certificates.k8s.io/v1beta1",
        "/apis/certificates.k8s.io/v1alpha1",
    ],
};

/// Everything of these namespaces; objects of the cluster as well where all are looked at.
pub(super) async fn sightings(asker: &Asker, scope: &Scope, interner: &Interner) -> ObjectsSeen {
    let callees = RefCell::new(Vec::new());
    let bundles = |found: Bundles| {
        callees.borrow_mut().extend(found.callees);
        found.sightings
    };
    let mut kinds: Vec<LocalBoxFuture<'_, Vec<Sighting>>> = Vec::new();
    for namespace in scope.parts() {
        kinds.push(Box::pin(secrets(asker, namespace, interner)));
        kinds.push(Box::pin(published(asker, namespace, interner)));
    }
    if *scope == Scope::All {
        let webhooks = |kind: Kind| {
            let read = move |w: WebhooksWire| bundles(w.bundles(kind.name, interner));
            all(asker, kind, None, "", read)
        };
        kinds.push(Box::pin(webhooks(VALIDATING)));
        kinds.push(Box::pin(webhooks(MUTATING)));
        let read = |w: ApiServiceWire| bundles(w.bundles(interner));
        kinds.push(Box::pin(all(asker, API_SERVICES, None, "", read)));
        let read = |w: CrdWire| bundles(w.bundles(interner));
        kinds.push(Box::pin(all(asker, CRDS, None, "", read)));
        let read = |w: SigningRequestWire| w.sightings(interner);
        kinds.push(Box::pin(all(asker, REQUESTS, None, "", read)));
        let read = |w: TrustBundleWire| w.sightings(interner);
        kinds.push(Box::pin(all(asker, TRUST_BUNDLES, None, "", read)));
    }
    let sightings = join_all(kinds).await.into_iter().flatten().collect();
    ObjectsSeen { sightings, callees: callees.take() }
}

/// The sockets behind a port of a Service that are ready.
pub(super) async fn service_sockets(
    asker: &Asker,
    namespace: &str,
    name: &str,
    port: u16,
) -> Result<Vec<(String, u16)>, ClusterError> {
    let path =
        |plural| format!("{}/{}", collection("/api/v1", Some(namespace), plural), encode(name));
    let service: Option<ServiceWire> = asker.json_if_there(&path("services")).await?;
    let endpoints: Option<EndpointsWire> = asker.json_if_there(&path("endpoints")).await?;
    let (Some(service), Some(endpoints)) = (service, endpoints) else { return Ok(Vec::new()) };
    Ok(service.name_of(port).map(|name| endpoints.sockets(name)).unwrap_or_default())
}

/// Pods with volumes that hold a CA or a token.
pub(super) async fn pod_mounts(
    asker: &Asker,
    scope: &Scope,
) -> Result<Vec<PodMounts>, ClusterError> {
    let listing = |namespace: Option<&str>| Listing::new(collection("/api/v1", namespace, "pods"));
    let found = in_scope(asker, scope, listing, MountsWire::mounts).await?;
    Ok(found.into_iter().flatten().collect())
}

/// Token secrets, and the others, in two lists: the first one is what everybody has.
async fn secrets(asker: &Asker, namespace: Option<&str>, interner: &Interner) -> Vec<Sighting> {
    let read = |secret: SecretWire| secret.sightings(interner);
    let fields = format!("type={TOKEN_TYPE}");
    let tokens = all(asker, SECRETS, namespace, &fields, read).await;
    if tokens.iter().any(is_unknown) {
        return tokens;
    }
    let fields = format!("type!={TOKEN_TYPE},type!={KEEPS_OUT}");
    let others = all(asker, SECRETS, namespace, &fields, read).await;
    tokens.into_iter().chain(others).collect()
}

fn is_unknown(sighting: &Sighting) -> bool {
    matches!(sighting.content, crate::facts::sighting::Content::Unknown(_))
}

/// What Kubernetes publishes in ConfigMaps.
async fn published(asker: &Asker, namespace: Option<&str>, interner: &Interner) -> Vec<Sighting> {
    let read = |map: ConfigMapWire| map.sightings(interner);
    let roots = all(asker, CONFIG_MAPS, namespace, "metadata.name=kube-root-ca.crt", read).await;
    let mut found = roots;
    if namespace.is_none() && !found.iter().any(is_unknown) {
        found.extend(without_root(asker, &found).await);
    }
    for (home, name) in
        [("kube-public", "cluster-info"), ("kube-system", "extension-apiserver-authentication")]
    {
        if namespace.is_none_or(|namespace| namespace == home) {
            let fields = format!("metadata.name={name}");
            found.extend(all(asker, CONFIG_MAPS, Some(home), &fields, read).await);
        }
    }
    found
}

/// Namespaces in which the root CA is not published; none on servers that publish none anywhere.
async fn without_root(asker: &Asker, found: &[Sighting]) -> Vec<Sighting> {
    let with: BTreeSet<&str> = found
        .iter()
        .filter_map(|sighting| match &sighting.place {
            Place::Object { namespace, .. } => Some(&**namespace),
            _ => None,
        })
        .collect();
    if with.is_empty() {
        return Vec::new();
    }
    // Who may not list namespaces is told so where namespaces are what is asked about.
    let namespaces = namespace_states(asker, &Scope::All).await.unwrap_or_default();
    let without = namespaces.into_iter().filter(|n| !n.terminating && !with.contains(&*n.name));
    without
        .map(|namespace| {
            let place = Place::Object {
                kind: "configmap".into(),
                namespace: namespace.name.into(),
                name: "kube-root-ca.crt".into(),
                field: "ca.crt".into(),
            };
            Sighting::absent(place, POD_TRUST)
        })
        .collect()
}

/// Lists a kind in the newest version that is offered; a kind that is not offered has no objects.
async fn all<T: Wire>(
    asker: &Asker,
    kind: Kind,
    namespace: Option<&str>,
    fields: &str,
    read: impl Fn(T) -> Vec<Sighting>,
) -> Vec<Sighting> {
    for prefix in kind.prefixes {
        let path = collection(prefix, namespace, kind.plural);
        let listing = Listing::new(path).fields(Some(fields));
        let mut found = Vec::new();
        let listed = pages(asker, &listing, list::json(), |part| match part {
            Part::Again => found.clear(),
            Part::Items(items) => found.extend(items.into_iter().flat_map(&read)),
        })
        .await;
        match listed {
            Ok(_) => return found,
            Err(error) if error.is_not_found() => {}
            Err(error) => return vec![unknown(kind, namespace, &error)],
        }
    }
    Vec::new()
}

fn unknown(kind: Kind, namespace: Option<&str>, error: &ClusterError) -> Sighting {
    let place = Place::Object {
        kind: kind.name.into(),
        namespace: namespace.unwrap_or_default().into(),
        name: "*".into(),
        field: "".into(),
    };
    let why = error.to_string();
    if !matches!(error, ClusterError::Api { code: 401 | 403, .. }) {
        return Sighting::unknown(place, ANYTHING, why);
    }
    let of = namespace.map(|namespace| format!(" in namespace {namespace}"));
    let right = format!("list {}{}", kind.plural, of.unwrap_or_default());
    Sighting::forbidden(place, ANYTHING, why, right)
}
