//! Servers of a cluster: which there are, by what the API says and by what a person names.

use super::endpoints::Server;
use crate::facts::node::Node;
use crate::facts::sighting::{Component, Domain};
use crate::world::cluster::{Cluster, ClusterError};
use crate::world::endpoint::Target;

/// A kind of server.
struct Kind {
    name: &'static str,
    port: u16,
    component: Component,
    domain: Domain,
    /// It listens where others reach it; the rest do where they are told to.
    reachable: bool,
    /// It makes a certificate of its own where it is given none.
    own: bool,
}

const KINDS: [Kind; 6] = [
    Kind {
        name: "kube-apiserver",
        port: 6443,
        component: Component::ApiServer,
        domain: Domain::Cluster,
        reachable: true,
        own: false,
    },
    Kind {
        name: "kubelet",
        port: 10250,
        component: Component::Kubelet,
        domain: Domain::Cluster,
        reachable: true,
        own: true,
    },
    Kind {
        name: "kube-controller-manager",
        port: 10257,
        component: Component::ControllerManager,
        domain: Domain::Cluster,
        reachable: false,
        own: true,
    },
    Kind {
        name: "kube-scheduler",
        port: 10259,
        component: Component::Scheduler,
        domain: Domain::Cluster,
        reachable: false,
        own: true,
    },
    Kind {
        name: "etcd",
        port: 2379,
        component: Component::Etcd,
        domain: Domain::Etcd,
        reachable: false,
        own: false,
    },
    Kind {
        name: "etcd-peer",
        port: 2380,
        component: Component::Etcd,
        domain: Domain::Etcd,
        reachable: false,
        own: false,
    },
];

impl Kind {
    fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    fn server(&self, host: &str, port: u16) -> Server {
        Server {
            name: self.name.to_owned(),
            component: self.component,
            domain: self.domain,
            clients: self.domain,
            own: self.own,
            expected: true,
            target: Target { host: host.to_owned(), port, server_name: None },
        }
    }
}

/// Names of servers that are known, each with its usual port.
pub fn known() -> impl Iterator<Item = (&'static str, u16)> {
    KINDS.iter().map(|kind| (kind.name, kind.port))
}

impl Server {
    /// `NAME=HOST:PORT`; without a name it is known by its port, or is somebody's.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, address) = match text.split_once('=') {
            Some((name, address)) => (Some(name), address),
            None => (None, text),
        };
        let wrong = || format!("`{text}` is not of the form [NAME=]HOST:PORT");
        let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
        let port = port.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(wrong)?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        if host.is_empty() || (bare.is_none() && host.contains(':')) {
            return Err(wrong());
        }
        let kind = match name {
            Some(name) => Kind::named(name),
            None => KINDS.iter().find(|kind| kind.port == port),
        };
        if let Some(kind) = kind {
            return Ok(kind.server(host, port));
        }
        let name = name.unwrap_or("server");
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(wrong());
        }
        Ok(Self {
            name: name.to_owned(),
            component: Component::Other,
            domain: Domain::Other,
            clients: Domain::Other,
            own: true,
            expected: true,
            target: Target { host: host.to_owned(), port, server_name: None },
        })
    }
}

/// The servers that the API names: each API server by its own address and by the one of the kubeconfig, each node's
/// kubelet, and on control planes whatever else listens there.
pub fn servers(cluster: &Cluster) -> Result<Vec<Server>, ClusterError> {
    let mut found = Vec::new();
    let mut addresses = cluster.api_servers()?;
    addresses.push(cluster.server().to_owned());
    for address in addresses {
        let Some(rest) = address.strip_prefix("https://") else { continue };
        let authority = rest.split('/').next().unwrap_or(rest);
        let with_port = if Server::parse(authority).is_ok() {
            authority.to_owned()
        } else {
            format!("{authority}:443")
        };
        found.extend(Server::parse(&format!("kube-apiserver={with_port}")));
    }
    found.extend(cluster.nodes()?.iter().flat_map(of_node));
    found.sort_by(|a, b| (&a.name, &a.target.host).cmp(&(&b.name, &b.target.host)));
    found.dedup();
    Ok(found)
}

fn of_node(node: &Node) -> Vec<Server> {
    let Some(address) = node.addresses.first().map(ToString::to_string) else {
        return Vec::new();
    };
    let mut servers = Vec::new();
    for kind in KINDS.iter().filter(|kind| kind.component != Component::ApiServer) {
        if kind.reachable || node.is_control_plane() {
            let server = kind.server(&address, kind.port);
            servers.push(Server { expected: kind.reachable, ..server });
        }
    }
    servers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_as_people_name_them() {
        let parse = |text: &str| {
            let server = Server::parse(text)?;
            let Target { host, port, .. } = server.target;
            Ok::<_, String>(format!("{} {host} {port} {:?}", server.name, server.domain))
        };
        for (text, expected) in [
            ("10.0.0.1:6443", "kube-apiserver 10.0.0.1 6443 Cluster"),
            ("kube-apiserver=lb.example.com:443", "kube-apiserver lb.example.com 443 Cluster"),
            ("etcd=[fd00::1]:2379", "etcd fd00::1 2379 Etcd"),
            ("webhook=10.0.0.1:9443", "webhook 10.0.0.1 9443 Other"),
            ("10.0.0.1:8443", "server 10.0.0.1 8443 Other"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(expected));
        }
        for text in ["", "10.0.0.1", "fd00::1:1", "x=", "a b=c:1", "c:0", "c:99999", ":1", "=c:9"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
