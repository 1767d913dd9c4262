//! `cluster.toml`: the machines, how they are reached and how their components are restarted.

use super::consumers::{self, Consumer};
use crate::layout::hosts::{Hosts, HostsError};
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::world::files;
use rotation_core::world::hosts::change::Carrier;
use rotation_core::world::hosts::local;
use rotation_core::world::hosts::ssh;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a machine is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Where {
    /// The control plane.
    ControlPlane,
    /// Pods.
    Worker,
    /// Neither: a kubeconfig stands there.
    Outside,
}

/// A machine that is named.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// Its name.
    pub(crate) name: String,
    /// What it is for.
    pub(crate) place: Where,
    /// How it is reached.
    pub(crate) carrier: Carrier,
    /// Its addresses.
    pub(crate) addresses: Vec<IpAddr>,
    /// Files to look at besides.
    pub(crate) more: Vec<String>,
    /// Files in which components are told their flags.
    pub(crate) flags: BTreeMap<String, String>,
}

impl Named {
    /// How it is reached, and by which name, where that is by ssh.
    pub(crate) fn by_ssh(&self) -> Option<(&ssh::Settings, &str)> {
        match &self.carrier {
            Carrier::Ssh { settings, machine } => Some((settings, machine)),
            Carrier::Here { .. } => None,
        }
    }
}

/// The file, read.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    /// Its machines: the control plane first.
    pub(crate) machines: Vec<Named>,
    /// How components are restarted that no kubelet runs.
    pub(crate) restart: BTreeMap<String, String>,
    /// Who uses it from outside.
    pub(crate) consumers: Vec<Consumer>,
    /// Machines that are gone for ever.
    pub(crate) gone: Vec<String>,
}

/// Reads the file; `limit` is how long a machine may take for a batch of orders.
pub(crate) fn read(path: &Path, limit: Duration) -> Result<Cluster, Failure> {
    let text = files::read_named(path).map_err(|why| {
        Failure::from(why).with_exit(Exit::Usage).with_hint(
            "`kubectl rotate-certs discover > cluster.toml` drafts it; --hosts names another file",
        )
    })?;
    let wrong =
        |why: &HostsError| Failure::usage(format!("cannot use `{}`: {why}", path.display()));
    let hosts = Hosts::parse(&text).map_err(|why| wrong(&why))?;
    let base = path.parent().unwrap_or(Path::new("."));
    cluster(hosts, base, limit)
        .map_err(|why| Failure::usage(format!("cannot use `{}`: {why}", path.display())))
}

fn cluster(hosts: Hosts, base: &Path, limit: Duration) -> Result<Cluster, String> {
    let settings = ssh::Settings {
        program: "ssh".into(),
        options: hosts.ssh.options.clone(),
        sudo: hosts.ssh.sudo,
        limit,
    };
    let mut machines = Vec::new();
    for host in hosts.machines.iter().filter(|host| !host.gone) {
        let carrier = match (&host.root, &host.ssh) {
            (Some(_), Some(_)) => {
                return Err(format!("host `{}` has both `ssh` and `root`", host.name));
            }
            (Some(root), None) => {
                let root = if Path::new(root).is_absolute() {
                    PathBuf::from(root)
                } else {
                    base.join(root)
                };
                if let Err(why) = local::directory(&root) {
                    return Err(format!("the root of `{}`, {}: {why}", host.name, root.display()));
                }
                Carrier::Here { root, limit }
            }
            (None, named) => {
                let first = host.addresses.first().map(ToString::to_string);
                let machine = named.clone().or(first).unwrap_or_else(|| host.name.clone());
                if machine.is_empty() || machine.starts_with('-') {
                    return Err(format!("`{machine}` is no name of a machine"));
                }
                Carrier::Ssh { settings: settings.clone(), machine }
            }
        };
        machines.push(Named {
            name: host.name.clone(),
            place: if host.control_plane { Where::ControlPlane } else { Where::Worker },
            carrier,
            addresses: host.addresses.clone(),
            more: host.flags.values().cloned().collect(),
            flags: host.flags.clone(),
        });
    }
    if !machines.iter().any(|machine| machine.place == Where::ControlPlane) {
        return Err("no host has `control-plane = true`".to_owned());
    }
    let is_gone = |name: &str| hosts.machines.iter().any(|host| host.gone && host.name == name);
    let mut consumers = Vec::new();
    for consumer in &hosts.consumers {
        if consumer.host.as_deref().is_some_and(is_gone) {
            continue;
        }
        consumers.push(consumers::read(consumer, &mut machines, limit)?);
    }
    machines.sort_by_key(|machine| machine.place);
    let gone = hosts.machines.iter().filter(|host| host.gone).map(|host| host.name.clone());
    let gone = gone.collect();
    Ok(Cluster { machines, restart: hosts.restart, consumers, gone })
}

impl Cluster {
    /// A machine by its name.
    pub(crate) fn machine(&self, name: &str) -> Option<&Named> {
        self.machines.iter().find(|machine| machine.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotate::consumers::HERE;

    fn of(text: &str) -> Result<Cluster, String> {
        let hosts = Hosts::parse(text).map_err(|why| why.to_string())?;
        cluster(hosts, Path::new("/"), Duration::from_mins(1))
    }

    #[test]
    fn machines_and_consumers() {
        let text = "
            [ssh]
            options = ['User=root']
            [[host]]
            name = 'w1'
            addresses = ['10.0.0.2']
            ssh = 'ann@w1'
            [[host]]
            name = 'm1'
            addresses = ['10.0.0.1']
            control-plane = true
            [[consumer]]
            name = 'ci'
            kubeconfig = '/home/ci/.kube/config'
        ";
        let cluster = of(text).expect("good");
        let names: Vec<&str> = cluster.machines.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["m1", "w1", HERE]);
        let Carrier::Ssh { machine, settings } = &cluster.machines[0].carrier else {
            panic!("by ssh")
        };
        assert_eq!(
            (machine.as_str(), settings.options.as_slice()),
            ("10.0.0.1", &["User=root".to_owned()][..])
        );
        assert_eq!(cluster.machines[2].more, ["/home/ci/.kube/config"]);
    }

    #[test]
    fn what_consumers_have() {
        let text = "
            [[host]]
            name = 'm1'
            addresses = ['10.0.0.1']
            control-plane = true
            [[consumer]]
            name = 'Prometheus (EU)'
            ca = '/etc/prometheus/ca.crt'
            certificate = '/etc/prometheus/client.crt'
            key = '/etc/prometheus/client.key'
            restart = 'systemctl reload prometheus'
            host = 'm1'
            [[consumer]]
            name = 'billing'
            manual = true
            who = 'ann'
        ";
        let cluster = of(text).expect("good");
        assert_eq!(cluster.machines.len(), 1);
        assert_eq!(cluster.machines[0].more.len(), 3);
        let [one, other] = cluster.consumers.as_slice() else { panic!("two") };
        assert_eq!((one.machine.as_deref(), one.files.len()), (Some("m1"), 3));
        assert_eq!(one.program(), "consumer-Prometheus--EU-");
        assert_eq!((other.machine.as_deref(), other.who.as_deref()), (None, Some("ann")));
    }

    #[test]
    fn what_cannot_be_meant() {
        let host = "[[host]]\nname='m1'\naddresses=['10.0.0.1']\n";
        for (text, word) in [
            (host.to_owned(), "control-plane"),
            (format!("{host}control-plane=true\nssh='-oProxyCommand=x'\n"), "no name of a machine"),
            (format!("{host}control-plane=true\nssh='x'\nroot='/'\n"), "both"),
            (format!("{host}control-plane=true\nroot='/no/such'\n"), "/no/such"),
            (
                format!(
                    "{host}control-plane=true\n[[consumer]]\nname='c'\nkubeconfig='/k'\nhost='m2'\n"
                ),
                "no host",
            ),
            (
                format!("{host}control-plane=true\n[[consumer]]\nname='c'\nkubeconfig='k'\n"),
                "no absolute path",
            ),
            (
                format!("{host}control-plane=true\n[[consumer]]\nname='c'\nhost='m1'\n"),
                "names no file",
            ),
            (
                format!("{host}control-plane=true\n[[consumer]]\nname='c'\nmanual=true\nca='/a'\n"),
                "nobody can reach",
            ),
            (
                format!("{host}control-plane=true\n[[consumer]]\nname='c'\nkey='/k'\n"),
                "a key without",
            ),
        ] {
            let why = of(&text).expect_err("refused");
            assert!(why.contains(word), "{text}: {why}");
        }
    }
}
