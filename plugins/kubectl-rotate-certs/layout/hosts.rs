//! The machines of a cluster, as a file or the cluster itself names them.

use super::path;
use rotation_core::facts::x509::San;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// A hosts file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Hosts {
    /// Inputs of the layout; flags of the same names win.
    #[serde(default)]
    pub(crate) inputs: BTreeMap<String, String>,
    /// More names of the API server.
    #[serde(default)]
    pub(crate) sans: Vec<String>,
    /// The machines.
    #[serde(default, rename = "host")]
    pub(crate) machines: Vec<Host>,
    /// How machines are reached.
    #[serde(default)]
    pub(crate) ssh: Ssh,
    /// How components are restarted that no kubelet runs: the program, and a command for the machine's shell.
    #[serde(default)]
    pub(crate) restart: BTreeMap<String, String>,
    /// Who uses the cluster from outside of it.
    #[serde(default, rename = "consumer")]
    pub(crate) consumers: Vec<Consumer>,
}

/// How machines are reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Ssh {
    /// Options as `ssh -o` takes them.
    #[serde(default)]
    pub(crate) options: Vec<String>,
    /// Whether scripts run as root by `sudo -n`.
    #[serde(default)]
    pub(crate) sudo: bool,
}

/// Files by which somebody outside of the cluster uses it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Consumer {
    /// Who.
    pub(crate) name: String,
    /// A kubeconfig.
    #[serde(default)]
    pub(crate) kubeconfig: Option<String>,
    /// A file of CAs that are trusted.
    #[serde(default)]
    pub(crate) ca: Option<String>,
    /// A certificate that is shown.
    #[serde(default)]
    pub(crate) certificate: Option<String>,
    /// Its key, where it stands in a file of its own.
    #[serde(default)]
    pub(crate) key: Option<String>,
    /// A command for the machine's shell, once its files have changed.
    #[serde(default)]
    pub(crate) restart: Option<String>,
    /// The machine of this file on which they stand; this machine, where none is named.
    #[serde(default)]
    pub(crate) host: Option<String>,
    /// Nobody can reach it: somebody has to be told.
    #[serde(default)]
    pub(crate) manual: bool,
    /// Whom to tell.
    #[serde(default)]
    pub(crate) who: Option<String>,
}

impl Consumer {
    /// Its files.
    pub(crate) fn files(&self) -> Vec<String> {
        let all = [&self.kubeconfig, &self.ca, &self.certificate, &self.key];
        all.into_iter().flatten().cloned().collect()
    }
}

/// A machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Host {
    /// The name of its node.
    pub(crate) name: String,
    /// Its addresses; the first is the one that the API server is reached by.
    pub(crate) addresses: Vec<IpAddr>,
    /// Whether it runs the control plane.
    #[serde(default)]
    pub(crate) control_plane: bool,
    /// More names of its servers.
    #[serde(default)]
    pub(crate) sans: Vec<String>,
    /// What `ssh` is given; its first address, where nothing else is said.
    #[serde(default)]
    pub(crate) ssh: Option<String>,
    /// A directory that is its root: `/` for this machine itself.
    #[serde(default)]
    pub(crate) root: Option<String>,
    /// Files in which a component is told its flags, where it has no manifest: the program, and the file.
    #[serde(default)]
    pub(crate) flags: BTreeMap<String, String>,
    /// It is gone for ever: a rotation that has begun goes on without it.
    #[serde(default)]
    pub(crate) gone: bool,
}

/// Why a hosts file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HostsError {
    /// It is not written as one.
    #[error("{0}")]
    Syntax(String),
    /// A name that no node and no directory can have.
    #[error("host `{0}` has a name that no node can have")]
    Name(String),
    /// Twice.
    #[error("host `{0}` stands there twice")]
    Twice(String),
    /// No way to reach it.
    #[error("host `{0}` has no address")]
    NoAddress(String),
    /// Two machines with one address.
    #[error("address {address} belongs to `{first}` and to `{second}`")]
    Shared {
        /// The address.
        address: IpAddr,
        /// A host.
        first: String,
        /// Another host.
        second: String,
    },
}

impl Hosts {
    /// Reads a hosts file.
    pub(crate) fn parse(text: &str) -> Result<Self, HostsError> {
        let hosts: Self = toml::from_str(text)
            .map_err(|why| HostsError::Syntax(why.to_string().trim_end().to_owned()))?;
        hosts.checked()?.unshared()
    }

    /// What holds for machines from whatever source.
    pub(crate) fn checked(self) -> Result<Self, HostsError> {
        let mut names = BTreeSet::new();
        for host in &self.machines {
            let name = host.name.as_str();
            let is_node =
                matches!(San::parse(&format!("DNS:{name}")), Ok(San::Dns(ref n)) if n == name);
            if !is_node || name.contains('*') || path::check(name).is_err() {
                return Err(HostsError::Name(name.to_owned()));
            }
            if !names.insert(name) {
                return Err(HostsError::Twice(name.to_owned()));
            }
            if host.addresses.is_empty() {
                return Err(HostsError::NoAddress(name.to_owned()));
            }
        }
        Ok(self)
    }

    /// In a file, an address of two machines is a slip of the pen. In a cluster it is a fact: of machines behind one
    /// gateway, each has its address.
    fn unshared(self) -> Result<Self, HostsError> {
        let mut addresses: BTreeMap<IpAddr, &str> = BTreeMap::new();
        for host in &self.machines {
            let name = host.name.as_str();
            for address in &host.addresses {
                if let Some(first) = addresses.insert(*address, name).filter(|first| *first != name)
                {
                    let (first, second) = (first.to_owned(), name.to_owned());
                    return Err(HostsError::Shared { address: *address, first, second });
                }
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_machines() {
        let text = "
            sans = ['lb.example']
            [inputs]
            endpoint = 'lb.example:6443'
            [[host]]
            name = 'm1'
            addresses = ['10.0.0.1', 'fd00::1']
            control-plane = true
            [[host]]
            name = 'w1'
            addresses = ['10.0.0.2']
        ";
        let hosts = Hosts::parse(text).expect("a hosts file");
        assert_eq!(hosts.machines.len(), 2);
        assert!(hosts.machines[0].control_plane && !hosts.machines[1].control_plane);
    }

    #[test]
    fn machines_that_cannot_be() {
        let host = |name: &str, address: &str| {
            format!("[[host]]\nname = '{name}'\naddresses = [{address}]\n")
        };
        for (text, why) in [
            (host("M1", "'10.0.0.1'"), "host `M1` has a name that no node can have"),
            (host("../m", "'10.0.0.1'"), "host `../m` has a name that no node can have"),
            (host("current", "'10.0.0.1'"), "host `current` has a name that no node can have"),
            (host("m1", ""), "host `m1` has no address"),
            (host("m1", "'10.0.0.1'") + &host("m1", "'10.0.0.2'"), "host `m1` stands there twice"),
            (
                host("m1", "'10.0.0.1'") + &host("m2", "'10.0.0.1'"),
                "address 10.0.0.1 belongs to `m1` and to `m2`",
            ),
        ] {
            assert_eq!(Hosts::parse(&text).map_err(|e| e.to_string()), Err(why.to_owned()));
        }
        assert!(Hosts::parse("[[host]]\nname='m'\naddresses=['kubernetes']").is_err());
    }
}
