//! ConfigMaps in which Kubernetes publishes CAs.

use super::POD_TRUST;
use super::secret::{Fields, Named};
use crate::facts::sighting::{Component, Content, Domain, Interner, Part, Place, Role, Sighting};
use crate::facts::wire::{Meta, null_as_default};
use serde::Deserialize;
use std::collections::BTreeMap;
use zeroize::Zeroizing;

const JOINING: Role = Role::new(Component::Joining, Domain::Cluster, Part::Trust);
const AGGREGATED: Role = Role::new(Component::Aggregated, Domain::Cluster, Part::Trust);
const FRONT_PROXY: Role = Role::new(Component::Aggregated, Domain::FrontProxy, Part::Trust);

/// The root CA of each namespace.
const ROOT: &str = "kube-root-ca.crt";
/// Namespace (any where it is empty), name, key, and whose it is.
const PUBLISHED: [(&str, &str, &str, Role); 4] = [
    ("", ROOT, "ca.crt", POD_TRUST),
    ("kube-public", "cluster-info", "kubeconfig", JOINING),
    ("kube-system", "extension-apiserver-authentication", "client-ca-file", AGGREGATED),
    (
        "kube-system",
        "extension-apiserver-authentication",
        "requestheader-client-ca-file",
        FRONT_PROXY,
    ),
];

/// A ConfigMap.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ConfigMapWire {
    metadata: Meta,
    #[serde(deserialize_with = "null_as_default")]
    data: BTreeMap<String, String>,
}

impl ConfigMapWire {
    /// What Kubernetes publishes in it; nothing for any other one.
    pub fn sightings(self, interner: &Interner) -> Vec<Sighting> {
        let Self { metadata, data } = self;
        let named = Named {
            namespace: &metadata.namespace,
            name: &metadata.name,
            kind: "",
            written: super::data_written(&metadata),
        };
        let bytes = |(key, text): (String, String)| (key, Zeroizing::new(text.into_bytes()));
        let fields = Fields(data.into_iter().map(bytes).collect());
        of_config_map(named, &fields, interner, |f| super::place("configmap", &metadata, f))
    }
}

/// What Kubernetes publishes in a ConfigMap, wherever it was read.
pub fn of_config_map(
    named: Named<'_>,
    fields: &Fields,
    interner: &Interner,
    place: impl Fn(&str) -> Place,
) -> Vec<Sighting> {
    let published = PUBLISHED.iter().filter(|(namespace, name, ..)| {
        *name == named.name && (namespace.is_empty() || *namespace == named.namespace)
    });
    published
        .filter_map(|(_, name, key, role)| {
            let content = match fields.0.get(*key) {
                Some(bytes) => Content::read(bytes, interner),
                // An API server without an aggregation layer has no CA for it; a namespace without its root CA is broken.
                None if *name == ROOT => Content::Absent,
                None => return None,
            };
            let seen = Sighting::new(place(key), *role, content);
            Some(Sighting { modified: named.written, ..seen })
        })
        .collect()
}
