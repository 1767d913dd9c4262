//! Clients at the desk: programs of this computer in the machines' network, with the operator's kubeconfig.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::super::Machines;
use super::Scope;
use super::extended::ASKED;
use super::objects::NAMESPACE;
use crate::process::Launch;

/// One of them.
#[derive(Debug)]
struct Process {
    /// The name in the lab's records.
    name: &'static str,
    kind: &'static str,
    namespace: &'static str,
    pace: &'static [&'static str],
    /// Whether it is told the API servers' addresses.
    each: bool,
    scope: Scope,
}

const ALL: [Process; 5] = [
    Process {
        name: "client-kubeconfig",
        kind: "kubeconfig",
        namespace: NAMESPACE,
        pace: &["-every", "200ms"],
        each: false,
        scope: Scope::Core,
    },
    Process {
        name: "client-address",
        kind: "address",
        namespace: NAMESPACE,
        pace: &["-every", "20ms", "-new-every", "333ms"],
        each: true,
        scope: Scope::Core,
    },
    Process {
        name: "client-failover",
        kind: "failover",
        namespace: NAMESPACE,
        pace: &["-every", "50ms"],
        each: true,
        scope: Scope::Core,
    },
    Process {
        name: "client-aggregated",
        kind: "aggregated",
        namespace: NAMESPACE,
        pace: &["-every", "250ms"],
        each: true,
        scope: Scope::Extended,
    },
    Process {
        name: "client-webhook",
        kind: "webhook",
        namespace: ASKED,
        pace: &["-every", "250ms"],
        each: true,
        scope: Scope::Extended,
    },
];

/// Where they write.
pub(super) fn logs(lab: &Machines) -> PathBuf {
    lab.dir().join("clients")
}

/// How many of them are started.
pub(super) fn processes(scope: Scope) -> usize {
    ALL.iter().filter(|process| process.scope <= scope).count()
}

/// Whether any runs.
pub(super) fn run(lab: &Machines) -> bool {
    ALL.iter().any(|process| lab.processes.runs(process.name))
}

pub(super) fn start(lab: &Machines, scope: Scope, servers: &[String]) -> Result<()> {
    let logs = logs(lab);
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let switch = lab.switch()?.to_string();
    for process in ALL.iter().filter(|process| process.scope <= scope) {
        let launch = Launch::new(process.name, "nsenter")
            .args(["--target", &switch, "--net", "--"])
            .arg(lab.program("labpod"))
            .args(["client", process.kind, "-namespace", process.namespace])
            .args(process.pace)
            .arg("-log")
            .arg(&logs)
            .arg("-config")
            .arg(lab.desk_kubeconfig())
            .args(if process.each { servers } else { &[] });
        lab.processes.start(&launch)?;
    }
    Ok(())
}

pub(super) fn stop(lab: &Machines) -> Result<()> {
    ALL.iter().try_for_each(|process| lab.processes.stop(process.name))
}
