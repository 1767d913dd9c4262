//! What a cluster needs before a name resolves: `CoreDNS`, and everything in service.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Machines;
use super::net::wait;
use super::plan::DNS_ADDRESS;
use super::run::output;
use crate::world;

/// Creates `CoreDNS` and its autoscaler, as soon as two nodes can run it: with one its two pods would be together for ever.
pub(super) fn deploy_dns(lab: &Machines, image: &str) -> Result<()> {
    let wanted = lab.machines().len().min(2);
    wait(Duration::from_secs(90), &format!("{wanted} nodes that can run CoreDNS"), || {
        let nodes = list(lab, &["nodes"])?;
        Ok(nodes.iter().filter(|node| condition(node, "Ready")).count() >= wanted)
    })?;
    let manifest =
        include_str!("coredns.yaml").replace("IMAGE", image).replace("DNS_ADDRESS", DNS_ADDRESS);
    lab.apply(&world::join(&[manifest, world::dns_autoscaler()])).context("cannot create CoreDNS")
}

/// Waits until every node is Ready.
pub(super) fn wait_nodes(lab: &Machines, limit: Duration) -> Result<()> {
    let expected = lab.machines().len();
    wait(limit, &format!("{expected} nodes to be Ready"), || {
        let nodes = list(lab, &["nodes"])?;
        Ok(nodes.iter().filter(|node| condition(node, "Ready")).count() == expected)
    })
}

/// Waits until kube-proxy runs on every machine and both `CoreDNS` pods are Ready.
pub(super) fn wait_pods(lab: &Machines, limit: Duration) -> Result<()> {
    // As a service it has no pods: its rules are looked at below.
    let expected = if lab.record.supervised { 0 } else { lab.machines().len() };
    let deadline = Instant::now() + limit;
    wait(limit, "kube-proxy on every machine and two CoreDNS pods to be Ready", || {
        let pods = list(lab, &["pods", "-n", "kube-system"])?;
        let ready = |label: &str, value: &str| {
            pods.iter()
                .filter(|pod| pod["metadata"]["labels"][label] == value && condition(pod, "Ready"))
                .count()
        };
        Ok(ready("k8s-app", "kube-proxy") == expected && ready("k8s-app", "kube-dns") == 2)
    })?;
    let left = deadline.saturating_duration_since(Instant::now());
    // A Ready pod is not in service before the machines' kube-proxies know it.
    wait(left.max(Duration::from_secs(5)), "the Service kube-dns on every machine", || {
        for machine in lab.machines() {
            let rules = output(lab.command_on(&machine.name, "xtables-nft-multi")?.args([
                "iptables-save",
                "-t",
                "nat",
            ]));
            if !rules.is_ok_and(|text| text.contains("KUBE-SEP-") && text.contains(DNS_ADDRESS)) {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

fn list(lab: &Machines, what: &[&str]) -> Result<Vec<Value>> {
    // An API server that is starting or ending may refuse: the wait asks again.
    let Ok(text) = lab.kubectl_text(&[&["get", "-o", "json"], what].concat()) else {
        return Ok(Vec::new());
    };
    let mut list: Value = serde_json::from_str(&text).context("kubectl printed no JSON")?;
    Ok(match list["items"].take() {
        Value::Array(items) => items,
        _ => Vec::new(),
    })
}

/// Whether a node or a pod has a condition.
fn condition(object: &Value, kind: &str) -> bool {
    object["status"]["conditions"]
        .as_array()
        .is_some_and(|all| all.iter().any(|one| one["type"] == kind && one["status"] == "True"))
}

impl Machines {
    /// Waits until `count` pods of a namespace that match `selector` are Ready, and no other that matches exists.
    pub fn wait_pods_ready(&self, namespace: &str, selector: &str, count: usize) -> Result<()> {
        let what = format!("{count} pods in {namespace} ({selector}) to be ready");
        wait(super::SETTLE, &what, || {
            let pods = list(self, &["pods", "--namespace", namespace, "--selector", selector])?;
            Ok(pods.len() == count && pods.iter().all(|pod| condition(pod, "Ready")))
        })
    }
}
