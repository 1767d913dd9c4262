//! Controllers that make pods: what they want, how far they are, and how they roll.

use super::identity::{ObjectRef, Uid};
use super::placement::{NodeAffinity, Placement, Toleration};
use super::pod::Owner;
use super::selector::Selector;
use super::wire::{LabelSelector, Meta, null_as_default};
use serde::{Deserialize, Serialize};

/// Kinds of controllers whose behaviour is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum WorkloadKind {
    /// Makes ReplicaSets.
    Deployment,
    /// One pod on each fitting node.
    DaemonSet,
    /// Pods with a name of their own, one after the other.
    StatefulSet,
    /// N equal pods.
    ReplicaSet,
    /// N equal pods, the old way.
    ReplicationController,
    /// Pods that end.
    Job,
}

impl WorkloadKind {
    /// All kinds, in the order in which they are listed.
    pub const ALL: [Self; 6] = [
        Self::Deployment,
        Self::DaemonSet,
        Self::StatefulSet,
        Self::ReplicaSet,
        Self::ReplicationController,
        Self::Job,
    ];

    /// Kubernetes' name of the kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::DaemonSet => "DaemonSet",
            Self::StatefulSet => "StatefulSet",
            Self::ReplicaSet => "ReplicaSet",
            Self::ReplicationController => "ReplicationController",
            Self::Job => "Job",
        }
    }

    /// API group, empty for the core group.
    pub fn group(self) -> &'static str {
        match self {
            Self::Deployment | Self::DaemonSet | Self::StatefulSet | Self::ReplicaSet => "apps",
            Self::ReplicationController => "",
            Self::Job => "batch",
        }
    }

    /// Resource name in URLs and in access rules.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::DaemonSet => "daemonsets",
            Self::StatefulSet => "statefulsets",
            Self::ReplicaSet => "replicasets",
            Self::ReplicationController => "replicationcontrollers",
            Self::Job => "jobs",
        }
    }

    /// The kind of an owner reference; `None` for controllers that are not Kubernetes' own.
    pub fn of(owner: &Owner) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.as_str() == &*owner.kind && k.group() == &*owner.group)
    }

    /// The kind that a person types: `ds`, `daemonset`, `daemonsets`, `daemonset.apps`.
    pub fn parse(word: &str) -> Option<Self> {
        let word = word.split('.').next().unwrap_or(word).to_ascii_lowercase();
        let short = match word.as_str() {
            "deploy" => Some(Self::Deployment),
            "ds" => Some(Self::DaemonSet),
            "sts" => Some(Self::StatefulSet),
            "rs" => Some(Self::ReplicaSet),
            "rc" => Some(Self::ReplicationController),
            _ => None,
        };
        short.or_else(|| {
            Self::ALL
                .into_iter()
                .find(|k| k.as_str().to_ascii_lowercase() == word || k.plural() == word)
        })
    }
}

/// How a changed template reaches the pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateStrategy {
    /// Piece by piece, by the controller.
    RollingUpdate,
    /// All at once, by the controller.
    Recreate,
    /// Only when somebody deletes the pod.
    OnDelete,
    /// The kind has no roll-out.
    None,
}

/// A controller of pods.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Kind.
    pub kind: WorkloadKind,
    /// Namespace.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
    /// Identity.
    pub uid: Uid,
    /// Version, for guarded patches.
    pub resource_version: Box<str>,
    /// Its own controller, for example the Deployment of a ReplicaSet.
    pub owner: Option<Owner>,
    /// Pods that it wants now: `spec.replicas`, or the number of fitting nodes.
    pub desired: u32,
    /// Pods that are Ready now.
    pub ready: u32,
    /// Pods of the newest template.
    pub updated: u32,
    /// Pods of any template that are not going yet: `status.replicas`, nothing for a DaemonSet.
    pub replicas: u32,
    /// Pods Ready for long enough.
    pub available: u32,
    /// `spec.minReadySeconds`.
    pub min_ready_seconds: u32,
    /// Generation of the spec.
    pub generation: i64,
    /// Generation that the status speaks of.
    pub observed_generation: i64,
    /// How it rolls.
    pub strategy: UpdateStrategy,
    /// A Deployment that somebody paused.
    pub paused: bool,
    /// A StatefulSet that makes its pods one after the other.
    pub ordered: bool,
    /// It is being deleted.
    pub deleting: bool,
    /// Its selector.
    pub selector: Selector,
    /// Where its pods may run: read for DaemonSets, whose pods come back only on nodes that fit.
    pub placement: Placement,
    /// A Deployment's `Progressing` condition says that its deadline passed.
    pub progress_deadline_exceeded: bool,
}

impl Workload {
    /// As a reference with identity.
    pub fn reference(&self) -> ObjectRef {
        ObjectRef {
            kind: self.kind.as_str().to_owned(),
            namespace: self.namespace.to_string(),
            name: self.name.to_string(),
            uid: self.uid.clone(),
        }
    }

    /// What is read of a listed object.
    pub fn read(kind: WorkloadKind, wire: WorkloadWire) -> Self {
        let WorkloadWire { metadata, spec, status } = wire;
        let daemon = kind == WorkloadKind::DaemonSet;
        let strategy = match (kind, spec.strategy.kind.as_str(), spec.update_strategy.kind.as_str())
        {
            (WorkloadKind::Deployment, "Recreate", _) => UpdateStrategy::Recreate,
            (WorkloadKind::Deployment, ..) => UpdateStrategy::RollingUpdate,
            (WorkloadKind::DaemonSet | WorkloadKind::StatefulSet, _, "OnDelete") => {
                UpdateStrategy::OnDelete
            }
            (WorkloadKind::DaemonSet | WorkloadKind::StatefulSet, ..) => {
                UpdateStrategy::RollingUpdate
            }
            _ => UpdateStrategy::None,
        };
        let ordered = kind == WorkloadKind::StatefulSet && spec.pod_management_policy != "Parallel";
        let progress_deadline_exceeded = status
            .conditions
            .iter()
            .any(|c| c.kind == "Progressing" && c.reason == "ProgressDeadlineExceeded");
        Self {
            kind,
            owner: metadata.controller(),
            namespace: metadata.namespace.into(),
            name: metadata.name.into(),
            uid: Uid(metadata.uid.into()),
            resource_version: metadata.resource_version.into(),
            desired: if daemon {
                status.desired_number_scheduled
            } else {
                spec.replicas.or(spec.parallelism).unwrap_or(1)
            },
            ready: if daemon { status.number_ready } else { status.ready_replicas },
            updated: if daemon { status.updated_number_scheduled } else { status.updated_replicas },
            replicas: status.replicas,
            available: if daemon { status.number_available } else { status.available_replicas },
            min_ready_seconds: spec.min_ready_seconds,
            generation: metadata.generation,
            observed_generation: status.observed_generation,
            strategy,
            paused: spec.paused,
            ordered,
            deleting: metadata.deletion_timestamp.is_some(),
            selector: spec.selector.selector(kind),
            placement: if daemon { spec.template.spec.placement() } else { Placement::default() },
            progress_deadline_exceeded,
        }
    }
}

/// A listed controller.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct WorkloadWire {
    /// Metadata.
    pub metadata: Meta,
    spec: Spec,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    replicas: Option<u32>,
    parallelism: Option<u32>,
    min_ready_seconds: u32,
    paused: bool,
    pod_management_policy: String,
    strategy: StrategyWire,
    update_strategy: StrategyWire,
    selector: AnySelector,
    template: Template,
}

/// ReplicationControllers select by a plain map, all others by a label selector.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
struct AnySelector(serde_json::Value);

impl AnySelector {
    fn selector(&self, kind: WorkloadKind) -> Selector {
        match kind {
            WorkloadKind::ReplicationController => Selector::from_pairs(
                self.0
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(k, v)| (k, v.as_str().unwrap_or(""))),
            ),
            _ => LabelSelector::deserialize(&self.0).unwrap_or_default().selector(),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StrategyWire {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Template {
    spec: TemplateSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TemplateSpec {
    node_name: String,
    #[serde(deserialize_with = "null_as_default")]
    node_selector: std::collections::BTreeMap<String, String>,
    #[serde(deserialize_with = "null_as_default")]
    affinity: AffinityWire,
    #[serde(deserialize_with = "null_as_default")]
    tolerations: Vec<Toleration>,
    #[serde(deserialize_with = "null_as_default")]
    host_network: bool,
}

impl TemplateSpec {
    fn placement(self) -> Placement {
        Placement {
            node_name: self.node_name.into(),
            node_selector: Selector::from_pairs(self.node_selector),
            affinity: self.affinity.node_affinity.required,
            tolerations: self.tolerations,
            host_network: self.host_network,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AffinityWire {
    #[serde(deserialize_with = "null_as_default")]
    node_affinity: NodeAffinityWire,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NodeAffinityWire {
    #[serde(rename = "requiredDuringSchedulingIgnoredDuringExecution")]
    required: Option<NodeAffinity>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    observed_generation: i64,
    replicas: u32,
    ready_replicas: u32,
    updated_replicas: u32,
    available_replicas: u32,
    desired_number_scheduled: u32,
    number_ready: u32,
    updated_number_scheduled: u32,
    number_available: u32,
    #[serde(deserialize_with = "null_as_default")]
    conditions: Vec<super::wire::Condition>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_kinds() {
        for (word, expected) in [
            ("ds", Some(WorkloadKind::DaemonSet)),
            ("daemonsets", Some(WorkloadKind::DaemonSet)),
            ("DaemonSet.apps", Some(WorkloadKind::DaemonSet)),
            ("deploy", Some(WorkloadKind::Deployment)),
            ("sts", Some(WorkloadKind::StatefulSet)),
            ("po", None),
            ("node", None),
        ] {
            assert_eq!(WorkloadKind::parse(word), expected, "{word}");
        }
    }

    #[test]
    fn reads_a_daemonset() {
        let wire: WorkloadWire = serde_json::from_str(
            r#"{"metadata":{"name":"d","uid":"u","generation":2},
             "spec":{"updateStrategy":{"type":"OnDelete"},"selector":{"matchLabels":{"a":"b"}},
               "template":{"spec":{"hostNetwork":true,"nodeSelector":{"x":"y"},"tolerations":[{"operator":"Exists"}]}}},
             "status":{"desiredNumberScheduled":3,"numberReady":2,"observedGeneration":2}}"#,
        )
        .expect("json");
        let set = Workload::read(WorkloadKind::DaemonSet, wire);
        assert_eq!((set.desired, set.ready), (3, 2));
        assert_eq!(set.strategy, UpdateStrategy::OnDelete);
        assert_eq!(set.selector.to_string(), "a=b");
        assert_eq!(set.placement.node_selector.to_string(), "x=y");
        assert!(set.placement.host_network);
    }

    #[test]
    fn a_replication_controller_selects_by_a_plain_map() {
        let wire: WorkloadWire = serde_json::from_str(
            r#"{"metadata":{"name":"r","uid":"u"},"spec":{"replicas":2,"selector":{"a":"b"}}}"#,
        )
        .expect("json");
        let rc = Workload::read(WorkloadKind::ReplicationController, wire);
        assert_eq!((rc.selector.to_string().as_str(), rc.desired), ("a=b", 2));
    }
}
