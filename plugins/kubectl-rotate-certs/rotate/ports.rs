//! Where servers listen, as their flags and configurations say. What is usual is not written down.

use super::document::Plan;
use super::reach::Machine;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Where they listen where nobody says otherwise.
const USUAL: [(&str, u16); 4] =
    [("kube-apiserver", 6443), ("kubelet", 10250), ("etcd", 2379), ("etcd-peer", 2380)];

/// Each server, its component, and the settings that say it, the one that counts first.
const TOLD: [(&str, &str, &[&str]); 4] = [
    ("kube-apiserver", "kube-apiserver", &["secure-port"]),
    // Its flag, and its configuration.
    ("kubelet", "kubelet", &["port"]),
    ("etcd", "etcd", &["listen-client-urls", "advertise-client-urls"]),
    ("etcd-peer", "etcd", &["listen-peer-urls", "initial-advertise-peer-urls"]),
];

/// The ports of a machine's servers that are not the usual ones.
pub(crate) fn told(machine: &Machine) -> BTreeMap<String, u16> {
    let said = |component: &str, name: &str| {
        let mut told =
            machine.looked.told.iter().filter(|told| told.component.as_str() == component);
        told.find_map(|told| port(told.value(name)?))
    };
    let mut ports = BTreeMap::new();
    for (server, component, settings) in TOLD {
        let port = settings.iter().find_map(|name| said(component, name));
        if let Some(port) = port.filter(|port| *port != usual(server)) {
            ports.insert(server.to_owned(), port);
        }
    }
    ports
}

/// Of a number, or of URLs; those that other machines reach count first.
fn port(text: &str) -> Option<u16> {
    if let Ok(port) = text.parse::<u16>() {
        return Some(port).filter(|port| *port != 0);
    }
    let urls: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_local = |url: &&&str| url.contains("//127.") || url.contains("//localhost");
    let url = urls.iter().find(|url| !is_local(url)).or(urls.first())?;
    url.trim_end_matches('/').rsplit_once(':')?.1.parse().ok()
}

fn usual(server: &str) -> u16 {
    USUAL.iter().find(|(name, _)| *name == server).map_or(0, |(_, port)| *port)
}

/// Where a server of a machine is asked.
pub(crate) fn socket(plan: &Plan, machine: &str, at: IpAddr, server: &str) -> SocketAddr {
    let host = plan.hosts.iter().find(|host| host.name == machine);
    let port = host.and_then(|host| host.ports.get(server).copied());
    SocketAddr::new(at, port.unwrap_or_else(|| usual(server)))
}

#[cfg(test)]
mod tests {
    use super::port;

    #[test]
    fn numbers_and_urls() {
        for (text, expected) in [
            ("6443", Some(6443)),
            ("0", None),
            ("https://127.0.0.1:2379,https://10.0.0.1:12379", Some(12379)),
            ("https://127.0.0.1:2390", Some(2390)),
            ("https://[fd00::1]:2380/", Some(2380)),
            ("http://0.0.0.0:4001", Some(4001)),
            ("unix://a", None),
            ("", None),
        ] {
            assert_eq!(port(text), expected, "{text}");
        }
    }
}
