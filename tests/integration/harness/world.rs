//! A small cluster in the API double: DNS as a Deployment of two behind its Service, and a DaemonSet, with
//! controllers that make new pods at once.

use double::{Api, Setup};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The double with objects in it.
pub(crate) fn start() -> Api {
    fill(Setup::default())
}

/// The same for a server that was set up otherwise.
pub(crate) fn fill(setup: Setup) -> Api {
    let api = setup.start();
    for name in ["node-1", "node-2"] {
        api.put(json!({"apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux"}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}}));
    }
    deployment(&api, "kube-system", "coredns", "k8s-app", "kube-dns", 2);
    api.put(json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"namespace": "kube-system", "name": "kube-dns"},
        "spec": {"selector": {"k8s-app": "kube-dns"}}}));
    api.put(json!({"apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"namespace": "kube-system", "name": "kube-dns"},
        "subsets": [{"addresses": [{"ip": "10.0.0.1"}, {"ip": "10.0.0.2"}]}]}));
    api.put(json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"namespace": "default", "name": "kube2iam", "uid": "ds-kube2iam", "generation": 1},
        "spec": {"selector": {"matchLabels": {"name": "kube2iam"}}, "template": {}},
        "status": {"desiredNumberScheduled": 2, "numberReady": 2, "observedGeneration": 1}}));
    for node in ["node-1", "node-2"] {
        let owner = owner("DaemonSet", "kube2iam", "ds-kube2iam");
        let labels = json!({"name": "kube2iam"});
        api.put(pod("default", &format!("kube2iam-{node}"), node, &labels, &owner));
    }
    let count = AtomicUsize::new(0);
    api.when_gone(move |api, gone| again(api, gone, count.fetch_add(1, Ordering::SeqCst)));
    api
}

/// A Deployment with its ReplicaSet and its pods `NAME-1`, `NAME-2`, ...
pub(crate) fn deployment(
    api: &Api,
    namespace: &str,
    name: &str,
    key: &str,
    value: &str,
    pods: usize,
) {
    let status = json!({"replicas": pods, "readyReplicas": pods, "availableReplicas": pods,
        "updatedReplicas": pods, "observedGeneration": 1});
    let spec = json!({"replicas": pods, "selector": {"matchLabels": {key: value}}, "template": {}});
    let above = format!("deploy-{name}");
    let below = format!("rs-{name}");
    api.put(json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": name, "uid": above, "generation": 1},
        "spec": spec, "status": status}));
    api.put(json!({"apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"namespace": namespace, "name": format!("{name}-1"), "uid": below, "generation": 1,
            "ownerReferences": [owner("Deployment", name, &above)]},
        "spec": spec, "status": status}));
    for number in 1..=pods {
        let owner = owner("ReplicaSet", &format!("{name}-1"), &below);
        let node = format!("node-{}", (number - 1) % 2 + 1);
        api.put(pod(namespace, &format!("{name}-{number}"), &node, &json!({key: value}), &owner));
    }
}

pub(crate) fn owner(kind: &str, name: &str, uid: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": uid, "controller": true})
}

/// A Ready pod.
pub(crate) fn pod(namespace: &str, name: &str, node: &str, labels: &Value, owner: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": namespace, "name": name, "labels": labels, "ownerReferences": [owner],
            "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"nodeName": node, "containers": [{"name": "main"}]},
        "status": {"phase": "Running",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            "containerStatuses": [{"name": "main", "ready": true, "restartCount": 0,
                "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}]}})
}

/// What a controller does: another pod of another name and UID.
pub(crate) fn again(api: &Api, gone: &Value, number: usize) {
    if gone["kind"] != "Pod" || gone["metadata"]["ownerReferences"][0].is_null() {
        return;
    }
    let mut new = gone.clone();
    let name = gone["metadata"]["name"].as_str().unwrap_or_default();
    let stem = name.split("-new").next().unwrap_or(name);
    let now = now();
    new["metadata"] = json!({"namespace": gone["metadata"]["namespace"], "name": format!("{stem}-new{number}"),
        "labels": gone["metadata"]["labels"], "ownerReferences": gone["metadata"]["ownerReferences"]});
    new["status"]["conditions"][0]["lastTransitionTime"] = now.clone().into();
    new["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = now.into();
    api.put(new);
}

/// The time, as a server writes it.
fn now() -> String {
    let since =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(0);
    jiff::Timestamp::from_second(seconds).map(|t| t.to_string()).unwrap_or_default()
}
