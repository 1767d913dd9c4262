//! Figures on real clusters: a small one beside the runbook's pipeline, and a large list of a real API server.

use crate::measure::{command, median, peak, time, version};
use crate::table::Table;
use anyhow::Result;
use lab::loopback::{Loopback, Options};
use lab::world;
use std::path::Path;
use std::process::{Command, Stdio};

/// The runbook's line, up to where its first DELETE would be sent: there `--dry-run=client` prints instead.
const PIPELINE: &str = "kubectl get pods --namespace kube-system | grep kube-dns | awk '{ print $1 }' \
                        | xargs kubectl delete pods --namespace kube-system --dry-run=client";

/// 500 pods of one Deployment.
const DEPLOYMENT: &str = "apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME, namespace: default}
spec:
  replicas: 500
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
      - {name: main, image: 'lab.local/pod:1', imagePullPolicy: Never, args: [pause]}
";

/// `kubectl recycle dns` up to its decision.
pub(crate) fn small(table: &mut Table, rounds: usize) -> Result<()> {
    let lab = Loopback::start(&Options::default())?;
    lab.apply(&world::runbooks())?;
    lab.wait_pods_ready("kube-system", "k8s-app=kube-dns", 2)?;
    let home = home(&lab)?;
    let tool = command(Path::new(crate::TOOL), home.path());
    let bash = Path::new("/bin/bash");
    let pipeline = || {
        let mut line = Command::new(bash);
        line.args(["-o", "pipefail", "-c", PIPELINE]).env_clear().env("HOME", home.path());
        line.env("KUBECONFIG", home.path().join("config"));
        line.env("PATH", format!("{}:/usr/bin:/bin", lab.programs().display()));
        line.stdin(Stdio::null()).stdout(Stdio::null());
        line
    };
    // Once each unmeasured: kubectl keeps what it discovers of the server on disk.
    time(pipeline(), 0)?;
    time(tool(&["dns", "--dry-run"]), 3)?;
    let start = version(home.path(), rounds * 4)?;
    let ours = median(rounds * 2, || time(tool(&["dns", "--dry-run"]), 3))?;
    let peer = median(rounds, || time(pipeline(), 0))?;
    table.time(
        "small lab: connect, list, decide (beside --version)",
        ours - start,
        None,
        Some(0.01),
    );
    table.faster("small lab: the whole command; peer: the runbook's pipeline", ours, peer, 10.0);
    let stale = median(rounds, || time(tool(&["stale", "-A", "--dry-run"]), 0))?;
    table.time("small lab: stale -A", stale, None, None);
    Ok(())
}

/// 10,000 pods, once, as a real API server sends them.
pub(crate) fn real(table: &mut Table, rounds: usize) -> Result<()> {
    let lab = Loopback::start(&Options { nodes: 200, ..Options::default() })?;
    lab.apply(&world::dns())?;
    for n in 0..20 {
        lab.apply(&DEPLOYMENT.replace("NAME", &format!("web-{n}")))?;
        lab.wait_pods_ready("default", &format!("app=web-{n}"), 500)?;
    }
    let home = home(&lab)?;
    let tool = command(Path::new(crate::TOOL), home.path());
    let kubectl = lab.programs().join("kubectl");
    let kubectl = command(&kubectl, home.path());
    let ours = || tool(&["stale", "-A", "--dry-run"]);
    let peer = || kubectl(&["get", "pods", "-A", "-o", "name"]);
    time(peer(), 0)?;
    let (fast, slow) = (median(rounds, || time(ours(), 0))?, median(rounds, || time(peer(), 0))?);
    table.time(
        "10,000 pods, real API server: stale -A; peer: kubectl get pods -A",
        fast,
        Some(slow),
        None,
    );
    table.bytes("the same, peak memory", peak(ours())?, peak(peer())?, 64 << 20);
    Ok(())
}

/// A home with nothing in it but the way to the lab.
pub(crate) fn home(lab: &Loopback) -> Result<tempfile::TempDir> {
    let home = tempfile::tempdir()?;
    std::fs::copy(lab.kubeconfig(), home.path().join("config"))?;
    Ok(home)
}
