//! What a running cluster knows of its machines and of its API server's names. Reads only.

use crate::layout::hosts::{Host, Hosts};
use rotation_core::cli::failure::Failure;
use rotation_core::world::cluster::Cluster;
use std::collections::BTreeMap;

/// The machines, the service address, and the address that this kubeconfig reaches the API server by.
pub(crate) fn hosts(cluster: &Cluster) -> Result<Hosts, Failure> {
    let mut machines = Vec::new();
    for node in cluster.nodes()? {
        machines.push(Host {
            name: node.name.to_string(),
            addresses: node.addresses.clone(),
            control_plane: node.is_control_plane(),
            ..Host::default()
        });
    }
    let mut inputs = BTreeMap::new();
    if let Some(service) = cluster.service("default", "kubernetes")? {
        inputs.insert("api-service-address".to_owned(), service.cluster_ip.into());
    }
    let mut sans = cluster.endpoint_addresses("default", "kubernetes")?;
    if let Some(host) = host_of(cluster.server()) {
        sans.push(host);
    }
    sans.sort();
    sans.dedup();
    let checked = Hosts { inputs, sans, machines, ..Hosts::default() }.checked();
    checked.map_err(|why| Failure::refused(format!("the cluster's machines cannot be used: {why}")))
}

/// The host of an URL.
fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split('/').next().filter(|host| !host.is_empty())?;
    let host = match authority.strip_prefix('[') {
        Some(inner) => inner.split(']').next()?,
        None => authority.split(':').next()?,
    };
    Some(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_urls() {
        for (url, host) in [
            ("https://127.0.0.1:6443", "127.0.0.1"),
            ("https://lb.example", "lb.example"),
            ("https://[fd00::1]:6443/x", "fd00::1"),
        ] {
            assert_eq!(host_of(url).as_deref(), Some(host), "{url}");
        }
    }
}
