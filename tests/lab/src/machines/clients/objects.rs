//! The clients' pods and what they may do.

use serde_json::{Value, json};

use super::super::images::POD_IMAGE;
use super::super::plan::{API_PORT, Role};
use super::super::{Machine, Machines};

/// Where all of them are.
pub const NAMESPACE: &str = "clients";
/// The pod that nobody makes again when it is deleted.
pub const ALONE: &str = "once-alone";
/// Where pods keep what they count, on their machine.
pub(super) const LOGS: &str = "/var/log/clients";
/// What each account must be allowed: verb, and resource or path.
pub(super) const RIGHTS: [(&str, &str, &str); 4] = [
    ("client", "get", "configmaps/probe"),
    ("client", "patch", "configmaps/probe"),
    ("client", "watch", "configmaps"),
    ("scraper", "get", "/metrics"),
];

/// Who makes a pod again.
#[derive(Clone, Copy, Debug)]
enum Owner {
    Nobody,
    Deployment(usize),
    DaemonSet,
}

const PODS: [(&str, &str, Owner, &str); 8] = [
    ("once", "once", Owner::Deployment(2), "25ms"),
    (ALONE, "once", Owner::Nobody, "25ms"),
    ("fresh", "fresh", Owner::DaemonSet, "125ms"),
    ("reload", "reload", Owner::DaemonSet, "125ms"),
    ("retry", "retry", Owner::Deployment(1), "125ms"),
    ("write", "write", Owner::Deployment(1), "500ms"),
    ("watch", "watch", Owner::Deployment(1), "1s"),
    ("scrape", "scrape", Owner::Deployment(1), "2s"),
];

/// Namespace, accounts, rights, and the config map that is asked for.
pub(super) fn accounts() -> String {
    format!(
        "apiVersion: v1
kind: Namespace
metadata: {{name: {NAMESPACE}}}
---
{}",
        include_str!("accounts.yaml").replace("NAMESPACE", NAMESPACE)
    )
}

/// All pods, with what makes them again.
pub(super) fn pods(lab: &Machines) -> Value {
    let items = PODS.iter().map(|(name, kind, owner, every)| {
        let mut words = ["client", kind, "-namespace", NAMESPACE, "-log", LOGS, "-every", every]
            .map(str::to_owned)
            .to_vec();
        if *kind == "scrape" {
            words.extend(scraped(lab.machines()));
        }
        object(name, kind, *owner, &words)
    });
    json!({ "apiVersion": "v1", "kind": "List", "items": items.collect::<Vec<_>>() })
}

/// How many processes they are.
pub(super) fn processes(lab: &Machines) -> usize {
    let workers = lab.machines().iter().filter(|machine| machine.role == Role::Worker).count();
    let of = |owner| match owner {
        Owner::Nobody => 1,
        Owner::Deployment(count) => count,
        Owner::DaemonSet => workers,
    };
    PODS.iter().map(|(_, _, owner, _)| of(*owner)).sum()
}

fn scraped(machines: &[Machine]) -> Vec<String> {
    let servers = machines.iter().filter(|machine| machine.role == Role::ControlPlane);
    let servers = servers.map(|machine| (machine, API_PORT));
    let all = servers.chain(machines.iter().map(|machine| (machine, 10250)));
    all.map(|(machine, port)| format!("https://{}:{port}", machine.address())).collect()
}

fn object(name: &str, kind: &str, owner: Owner, words: &[String]) -> Value {
    let account = if kind == "scrape" { "scraper" } else { "client" };
    let labels = json!({ "app": name });
    let spec = json!({
        "serviceAccountName": account,
        "terminationGracePeriodSeconds": 2,
        "containers": [{
            "name": "client",
            "image": POD_IMAGE,
            "imagePullPolicy": "Never",
            "args": words,
            "volumeMounts": [{ "name": "logs", "mountPath": LOGS }],
        }],
        "volumes": [{ "name": "logs", "hostPath": { "path": LOGS, "type": "DirectoryOrCreate" } }],
    });
    let metadata = json!({ "name": name, "namespace": NAMESPACE, "labels": labels });
    let (what, replicas) = match owner {
        Owner::Nobody => {
            return json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec });
        }
        Owner::Deployment(count) => ("Deployment", Some(count)),
        Owner::DaemonSet => ("DaemonSet", None),
    };
    let mut object = json!({
        "apiVersion": "apps/v1",
        "kind": what,
        "metadata": metadata,
        "spec": {
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": spec },
        },
    });
    if let Some(count) = replicas {
        object["spec"]["replicas"] = json!(count);
    }
    object
}
