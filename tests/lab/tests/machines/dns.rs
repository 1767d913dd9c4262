//! Names while DNS pods are deleted: one after the other, and all at once as the runbook does it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::machines::{Machines, Probers};
use serde_json::Value;

use crate::{eventually, note};

/// The name under which the cluster's own API server resolves.
const API: &str = "kubernetes.default.svc.cluster.local";

/// The runbook's own words. They delete the autoscaler too, whose pod has DNS in its name.
const RUNBOOK: &str = "kubectl get pods --namespace kube-system | grep kube-dns | awk '{ print $1 }' \
    | xargs kubectl delete pods --namespace kube-system";

/// The DNS pods that are not ending, and whether each is Ready.
fn dns_pods(lab: &Machines) -> Result<Vec<(String, bool)>> {
    let words = ["get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns", "-o", "json"];
    let list: Value = serde_json::from_str(&lab.kubectl_text(&words)?)?;
    let pods = list["items"].as_array().context("no list")?;
    Ok(pods
        .iter()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| {
            let conditions = pod["status"]["conditions"].as_array();
            let ready = conditions.is_some_and(|all| {
                all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
            });
            (pod["metadata"]["name"].as_str().unwrap_or_default().to_owned(), ready)
        })
        .collect())
}

/// Waits until two pods are Ready and none of them is one of `old`; returns them.
fn replaced(lab: &Machines, old: &[String]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    eventually("two DNS pods to be Ready", Duration::from_mins(1), || {
        let pods = dns_pods(lab)?;
        let done =
            pods.len() == 2 && pods.iter().all(|(name, ready)| *ready && !old.contains(name));
        names = pods.into_iter().map(|(name, _)| name).collect();
        Ok(done)
    })?;
    Ok(names)
}

pub(crate) fn one_by_one(lab: &Machines) -> Result<()> {
    let old = replaced(lab, &[])?;
    let probers = Probers::start(lab, &[API])?;
    for n in 1..=old.len() {
        lab.kubectl_text(&["delete", "pod", "-n", "kube-system", &old[n - 1], "--wait=false"])?;
        replaced(lab, &old[..n])?;
    }
    let tally = probers.stop()?;
    note(&format!("{tally:?}"));
    ensure!(tally.lookups > 100 && tally.failed == 0, "{tally:?}");
    Ok(())
}

pub(crate) fn all_at_once(lab: &Machines) -> Result<()> {
    let old = replaced(lab, &[])?;
    let probers = Probers::start(lab, &[API])?;
    let output = lab.client().shell(RUNBOOK).output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    ensure!(old.iter().all(|pod| said.contains(pod)) && said.lines().count() == 3, "{said}");
    replaced(lab, &old)?;
    lab.wait_pods_ready("kube-system", "k8s-app=kube-dns-autoscaler", 1)?;
    let tally = probers.stop()?;
    note(&format!("{tally:?}"));
    ensure!(tally.failed > 0 && tally.gap > Duration::from_millis(500), "{tally:?}");
    Ok(())
}
