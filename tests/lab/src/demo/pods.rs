//! The pods that the demo speaks of, at one moment.

use anyhow::{Context as _, Result};
use serde_json::Value;

/// What a pod belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// A DNS server.
    Dns,
    /// `kube-dns-autoscaler`.
    Autoscaler,
    /// `kube2iam` or `fluentd-cloudwatch`.
    Agent,
}

/// One pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pod {
    pub(super) group: Group,
    pub(super) uid: String,
    /// Ready, and not told to end.
    pub(super) ready: bool,
}

/// Reads what `kubectl get pods -A -o json` printed; pods of no group are left out.
pub(super) fn read(text: &str) -> Result<Vec<Pod>> {
    let list: Value = serde_json::from_str(text).context("kubectl printed no JSON")?;
    let items = list["items"].as_array().context("kubectl printed no list")?;
    Ok(items.iter().filter_map(pod).collect())
}

fn pod(object: &Value) -> Option<Pod> {
    let meta = &object["metadata"];
    let conditions = object["status"]["conditions"].as_array();
    let is_ready = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
    Some(Pod {
        group: group(meta["namespace"].as_str()?, &meta["labels"])?,
        uid: meta["uid"].as_str()?.to_owned(),
        ready: meta["deletionTimestamp"].is_null()
            && conditions.is_some_and(|all| all.iter().any(is_ready)),
    })
}

fn group(namespace: &str, labels: &Value) -> Option<Group> {
    let app = labels["k8s-app"].as_str();
    match (namespace, app) {
        ("kube-system", Some("kube-dns")) => Some(Group::Dns),
        ("kube-system", Some("kube-dns-autoscaler")) => Some(Group::Autoscaler),
        ("kube-system", Some("fluentd-logging")) => Some(Group::Agent),
        ("default", _) if labels["name"] == "kube2iam" => Some(Group::Agent),
        _ => None,
    }
}

/// Whether all of them are Ready, and both DNS servers are there.
pub(super) fn well(pods: &[Pod]) -> bool {
    let count = |group| pods.iter().filter(|pod| pod.group == group).count();
    pods.iter().all(|pod| pod.ready) && count(Group::Dns) == 2 && count(Group::Autoscaler) == 1
}

/// How many of `before` that `meant` names have a Ready replacement in `after`, and how many they are.
pub(super) fn replaced(before: &[Pod], after: &[Pod], meant: &[Group]) -> (usize, usize) {
    let of = |pods: &'_ [Pod]| -> Vec<Pod> {
        pods.iter().filter(|pod| meant.contains(&pod.group)).cloned().collect()
    };
    let old = of(before);
    let is_new = |pod: &Pod| !old.iter().any(|one| one.uid == pod.uid);
    let ready = of(after).iter().filter(|pod| pod.ready && is_new(pod)).count();
    (ready, old.len())
}

/// Whether a pod of this group that was there before is gone or ending.
pub(super) fn touched(before: &[Pod], after: &[Pod], group: Group) -> bool {
    before
        .iter()
        .filter(|pod| pod.group == group)
        .any(|pod| !after.iter().any(|one| one.uid == pod.uid && one.ready))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(group: Group, uid: &str, ready: bool) -> Pod {
        Pod { group, uid: uid.to_owned(), ready }
    }

    #[test]
    fn a_pod_that_is_ending_is_not_ready() {
        let text = r#"{"items":[
            {"metadata":{"namespace":"kube-system","uid":"1","labels":{"k8s-app":"kube-dns"},"deletionTimestamp":"2026-01-01T00:00:00Z"},
             "status":{"conditions":[{"type":"Ready","status":"True"}]}},
            {"metadata":{"namespace":"default","uid":"2","labels":{"name":"kube2iam"}},
             "status":{"conditions":[{"type":"Ready","status":"True"}]}},
            {"metadata":{"namespace":"default","uid":"3","labels":{"k8s-app":"kube-dns"}},"status":{}}]}"#;
        assert_eq!(
            read(text).unwrap(),
            [made(Group::Dns, "1", false), made(Group::Agent, "2", true)]
        );
    }

    #[test]
    fn replacements_are_counted_by_uid() {
        let before = [made(Group::Dns, "1", true), made(Group::Dns, "2", true)];
        let half = [made(Group::Dns, "2", true), made(Group::Dns, "3", true)];
        assert_eq!(replaced(&before, &half, &[Group::Dns]), (1, 2));
        let coming = [made(Group::Dns, "3", false), made(Group::Dns, "4", false)];
        assert_eq!(replaced(&before, &coming, &[Group::Dns]), (0, 2));
        assert!(touched(&before, &half, Group::Dns));
        assert!(!touched(&before, &before, Group::Dns));
    }
}
