//! A Service as far as it matters here: what it selects, and how many of its endpoints are ready.

use super::selector::Selector;
use super::wire::{Meta, null_as_default};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A Service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Namespace.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
    /// What it selects; `None` for a Service whose endpoints somebody else writes.
    pub selector: Option<Selector>,
    /// Address, empty or `None` for a headless one.
    pub cluster_ip: Box<str>,
}

impl Service {
    /// What is read of a Service.
    pub fn read(wire: ServiceWire) -> Self {
        let ServiceWire { metadata, spec } = wire;
        Self {
            namespace: metadata.namespace.into(),
            name: metadata.name.into(),
            selector: (!spec.selector.is_empty()).then(|| Selector::from_pairs(spec.selector)),
            cluster_ip: spec.cluster_ip.into(),
        }
    }
}

/// A Service of the API.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ServiceWire {
    metadata: Meta,
    spec: ServiceSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ServiceSpec {
    #[serde(deserialize_with = "null_as_default")]
    selector: BTreeMap<String, String>,
    #[serde(rename = "clusterIP")]
    cluster_ip: String,
    #[serde(deserialize_with = "null_as_default")]
    ports: Vec<Port>,
}

/// A port of a Service or of its endpoints; it has no name where it is the only one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Port {
    #[serde(deserialize_with = "null_as_default")]
    name: String,
    port: u16,
}

impl ServiceWire {
    /// What a port of it is called.
    pub fn name_of(&self, port: u16) -> Option<&str> {
        self.spec.ports.iter().find(|p| p.port == port).map(|p| &*p.name)
    }
}

/// Endpoints of the API: served by every version, unlike EndpointSlices.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct EndpointsWire {
    #[serde(deserialize_with = "null_as_default")]
    subsets: Vec<Subset>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Subset {
    #[serde(deserialize_with = "null_as_default")]
    addresses: Vec<Address>,
    #[serde(deserialize_with = "null_as_default")]
    ports: Vec<Port>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Address {
    ip: String,
}

impl EndpointsWire {
    /// The addresses that are ready.
    pub fn addresses(&self) -> Vec<String> {
        self.subsets.iter().flat_map(|s| &s.addresses).map(|a| a.ip.clone()).collect()
    }

    /// Addresses that are ready, with the port of this name.
    pub fn sockets(&self, port: &str) -> Vec<(String, u16)> {
        let mut sockets = Vec::new();
        for subset in &self.subsets {
            for port in subset.ports.iter().filter(|p| p.name == port) {
                sockets.extend(subset.addresses.iter().map(|a| (a.ip.clone(), port.port)));
            }
        }
        sockets
    }

    /// Addresses that are ready.
    pub fn ready(&self) -> usize {
        self.subsets.iter().map(|s| s.addresses.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads() {
        let service = Service::read(
            serde_json::from_str(
                r#"{"metadata":{"name":"kube-dns"},"spec":{"clusterIP":"10.0.0.10","selector":{"k8s-app":"kube-dns"}}}"#,
            )
            .expect("json"),
        );
        assert_eq!(service.selector.expect("selector").to_string(), "k8s-app=kube-dns");
        let endpoints: EndpointsWire = serde_json::from_str(
            r#"{"subsets":[{"addresses":[{"ip":"1"},{"ip":"2"}],"notReadyAddresses":[{"ip":"3"}]},{"addresses":null}]}"#,
        )
        .expect("json");
        assert_eq!(endpoints.ready(), 2);
    }
}
