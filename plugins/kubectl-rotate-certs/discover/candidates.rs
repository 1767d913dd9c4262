//! The machines of which the draft is made: from the API, or named.

use super::args::DiscoverArgs;
use super::probe::Probe;
use crate::observe;
use rotation_core::cli::failure::Failure;
use rotation_core::world::cluster::Cluster;
use rotation_core::world::hosts::local;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// How a machine is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// By ssh, under its first address.
    Address,
    /// By ssh, under this name.
    Ssh(String),
    /// Its files lie below a directory.
    Root(PathBuf),
}

/// A machine.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) control_plane: bool,
    pub(crate) way: Way,
    /// What it said; `None` where it was not asked.
    pub(crate) probe: Option<Result<Probe, String>>,
    /// What should be looked at.
    pub(crate) checks: Vec<String>,
}

impl Candidate {
    fn new(name: &str, way: Way) -> Self {
        Self {
            name: name.to_owned(),
            addresses: Vec::new(),
            control_plane: false,
            way,
            probe: None,
            checks: Vec::new(),
        }
    }
}

/// Machines as the API knows them.
pub(crate) fn of_cluster(cluster: &Cluster) -> Result<Vec<Candidate>, Failure> {
    let nodes = observe::hosts(cluster)?.machines;
    let mut all: Vec<Candidate> = nodes
        .into_iter()
        .map(|host| Candidate {
            addresses: host.addresses,
            control_plane: host.control_plane,
            ..Candidate::new(&host.name, Way::Address)
        })
        .collect();
    if !all.iter().any(|one| one.control_plane) {
        let addresses = cluster.endpoint_addresses("default", "kubernetes")?;
        by_endpoints(&mut all, addresses.iter().filter_map(|text| text.parse().ok()));
    }
    Ok(all)
}

/// No node says that it runs the control plane: who answers as an API server does.
fn by_endpoints(all: &mut Vec<Candidate>, servers: impl Iterator<Item = IpAddr>) {
    let mut number = 0;
    for address in servers {
        if let Some(node) = all.iter_mut().find(|one| one.addresses.contains(&address)) {
            node.control_plane = true;
            node.checks.push(
                "no label says that it runs the control plane; an API server has its address"
                    .to_owned(),
            );
            continue;
        }
        number += 1;
        all.push(Candidate {
            addresses: vec![address],
            control_plane: true,
            checks: vec![
                "an API server has this address, and no node: the name is ours".to_owned(),
            ],
            ..Candidate::new(&format!("control-plane-{number}"), Way::Address)
        });
    }
}

/// Machines that are named.
pub(crate) fn named(args: &DiscoverArgs) -> Result<Vec<Candidate>, Failure> {
    let mut all = Vec::new();
    for word in &args.root {
        let Some((name, directory)) = word.split_once('=') else {
            return Err(Failure::usage(format!(
                "`--root {word}` names no machine: --root NAME=DIR"
            )));
        };
        if let Err(why) = local::directory(Path::new(directory)) {
            return Err(Failure::unexpected(format!("cannot look at {directory}: {why}"))
                .with_hint("name a directory that is there, as a user who may read it"));
        }
        let root = std::path::absolute(directory).unwrap_or_else(|_| directory.into());
        all.push(Candidate::new(name, Way::Root(root)));
    }
    for word in &args.ssh {
        let (name, machine) = word.split_once('=').unwrap_or((word.as_str(), word.as_str()));
        if machine.is_empty() || machine.starts_with('-') {
            return Err(Failure::usage(format!("`{word}` is no name of a machine")));
        }
        let host = machine.rsplit_once('@').map_or(machine, |(_, host)| host);
        // A tunnel's end here is no address of the machine.
        let address = host.parse().ok().filter(|at: &IpAddr| !at.is_loopback());
        all.push(Candidate {
            addresses: address.into_iter().collect(),
            ..Candidate::new(name, Way::Ssh(machine.to_owned()))
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_answers_as_an_api_server_runs_the_control_plane() {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let node = |name: &str, at: &str| Candidate {
            addresses: vec![ip(at)],
            ..Candidate::new(name, Way::Address)
        };
        let mut all = vec![node("n1", "10.0.0.1"), node("n2", "10.0.0.2")];
        by_endpoints(&mut all, [ip("10.0.0.2"), ip("10.0.0.9")].into_iter());
        let seen: Vec<(&str, bool, usize)> = all
            .iter()
            .map(|one| (one.name.as_str(), one.control_plane, one.checks.len()))
            .collect();
        assert_eq!(seen, [("n1", false, 0), ("n2", true, 1), ("control-plane-1", true, 1)]);
    }
}
