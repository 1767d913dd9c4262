//! Who is who: names can be used again, UIDs cannot.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// `metadata.uid`: what a delete is bound to, since another object can carry the same name a second later.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Uid(pub Arc<str>);

impl Uid {
    /// The UID as the server writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Uid {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object of the API by kind, place and identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// The kind as Kubernetes writes it, for example `DaemonSet`.
    pub kind: String,
    /// Namespace; empty for objects of the cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Identity.
    pub uid: Uid,
}

impl ObjectRef {
    /// `-o name` as kubectl prints it: `pod/x`, `daemonset.apps/x`.
    pub fn kubectl_name(&self) -> String {
        format!("{}/{}", kubectl_resource(&self.kind), self.name)
    }
}

/// The resource word that kubectl prints for a kind, with its group where it has one.
pub fn kubectl_resource(kind: &str) -> String {
    let lower = kind.to_ascii_lowercase();
    match lower.as_str() {
        "deployment" | "daemonset" | "statefulset" | "replicaset" => format!("{lower}.apps"),
        "job" | "cronjob" => format!("{lower}.batch"),
        _ => lower,
    }
}

/// Which cluster a plan was made for.
///
/// The UID of namespace `kube-system` outlives every rotation: certificates, tokens, addresses and names may all change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterIdentity {
    /// UID of the namespace `kube-system`.
    pub uid: Uid,
    /// The server that was asked, for the reader; not part of the identity.
    pub server: String,
}

impl ClusterIdentity {
    /// Whether both are one cluster, whatever address it was reached by.
    pub fn is_same_cluster(&self, other: &Self) -> bool {
        self.uid == other.uid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kubectls() {
        for (kind, expected) in [
            ("Pod", "pod"),
            ("DaemonSet", "daemonset.apps"),
            ("Deployment", "deployment.apps"),
            ("ReplicationController", "replicationcontroller"),
            ("Job", "job.batch"),
        ] {
            assert_eq!(kubectl_resource(kind), expected);
        }
    }

    #[test]
    fn a_cluster_is_its_kube_system_uid() {
        let one = ClusterIdentity { uid: "a".into(), server: "https://1".into() };
        let same = ClusterIdentity { uid: "a".into(), server: "https://2".into() };
        let other = ClusterIdentity { uid: "b".into(), server: "https://1".into() };
        assert!(one.is_same_cluster(&same));
        assert!(!one.is_same_cluster(&other));
    }
}
