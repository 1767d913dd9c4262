//! The plan: an immutable document of phases, waves and steps.
//!
//! Phases run one after the other. The waves of a phase run side by side; each has its own pace. The steps of a wave
//! start in their order, as many at a time as the pace allows. A step says what it expects to find, does one thing,
//! and says how one knows that it worked.

use crate::facts::ca_bundle::CaBundle;
use crate::facts::credential::Digest;
use crate::facts::identity::{ClusterIdentity, ObjectRef, Uid};
use crate::facts::pod::Owner;
use crate::facts::selector::Selector;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// The version of the format that is written, and the only one that is read so far.
pub const SCHEMA_VERSION: &str = "rotation/plan/v1";

/// A plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// Format.
    pub schema_version: String,
    /// The tool that made it, for example `kubectl recycle`.
    pub tool: String,
    /// Its version.
    pub tool_version: String,
    /// When it was made, by the API server's clock.
    pub created_at: Timestamp,
    /// For which cluster; applied to no other.
    pub cluster: ClusterIdentity,
    /// What is done, in order.
    pub phases: Vec<Phase>,
    /// What was selected and is left alone, each with its reason.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// What the reader should know before saying yes.
    #[serde(default)]
    pub notes: Vec<String>,
}

impl Plan {
    /// Every step, in order.
    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.phases.iter().flat_map(|p| &p.waves).flat_map(|w| &w.steps)
    }

    /// Whether nothing is left to do.
    pub fn is_empty(&self) -> bool {
        self.steps().next().is_none()
    }

    /// Workloads whose pods the plan recycles: what a later run recognises its pods by.
    pub fn owners(&self) -> Vec<Uid> {
        let is_workload = |s: &&Step| !matches!(s.target.kind.as_str(), "Pod" | "Secret");
        let rolled = self.steps().filter(is_workload).map(|s| s.target.uid.clone());
        let replaced = self.steps().flat_map(|s| &s.verify).filter_map(|probe| match probe {
            Probe::Replaced { replacement, .. } => Some(replacement.owner().uid.clone()),
            Probe::OthersReady { .. }
            | Probe::Gone
            | Probe::Recreated
            | Probe::RolledOut
            | Probe::EndpointsReady { .. }
            | Probe::TokenWorks { .. }
            | Probe::AccountLists { .. }
            | Probe::TokenRefused => None,
        });
        rolled.chain(replaced).collect::<BTreeSet<Uid>>().into_iter().collect()
    }

    /// Identifies the content: what a confirmation, a journal and an application speak about.
    pub fn digest(&self) -> Digest {
        // The field order of a struct is fixed, so equal plans have equal bytes.
        Digest::of(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }
}

/// Waves that may run side by side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Phase {
    /// Name, for example `dns`.
    pub name: String,
    /// Waves.
    pub waves: Vec<Wave>,
}

/// Steps of one workload, at one pace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Wave {
    /// Name, for example `kube-system/coredns (Deployment)`.
    pub name: String,
    /// Steps that may be under way at once.
    pub max_unavailable: u32,
    /// Failed steps after which no further step of this wave, and no later phase, is begun.
    pub max_failures: u32,
    /// Steps.
    pub steps: Vec<Step>,
}

/// One change, bound to one identity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Unique in the plan.
    pub id: String,
    /// What is changed.
    pub target: ObjectRef,
    /// Node of a pod, for the reader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Why, in words.
    pub reason: String,
    /// What must hold before.
    #[serde(default)]
    pub expect: Vec<Probe>,
    /// The change.
    pub action: Action,
    /// What must hold afterwards; where it holds already, the step is done.
    pub verify: Vec<Probe>,
    /// How it is undone.
    pub undo: String,
    /// What a runbook does instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
}

/// What can be done to a cluster. Closed: an interpreter that does not know an action cannot be built.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Action {
    /// Ask the eviction API, which honours budgets; bound to the target's UID.
    EvictPod {
        /// Seconds to end; `None` leaves it to the pod.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace_seconds: Option<u32>,
    },
    /// Delete, whatever budgets say; bound to the target's UID.
    DeletePod {
        /// Seconds to end; `None` leaves it to the pod.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grace_seconds: Option<u32>,
    },
    /// Nothing: the pod is on its way out already.
    AwaitPod,
    /// Create a pod again that nobody else would, from the manifest that was saved.
    CreatePod {
        /// File, in the run's own directory: manifests can hold secrets, so a plan does not.
        manifest_file: String,
        /// SHA-256 of the file.
        manifest_sha256: String,
    },
    /// Change the pod template's restart annotation, guarded by the version that was seen.
    RestartRollout {
        /// `metadata.resourceVersion`.
        resource_version: String,
    },
    /// Take the token out of a token secret, so that the controller manager writes a new one under the same name and
    /// identity; only while it still holds the token that was seen.
    RefillToken {
        /// SHA-256 of `data.token` as it is written.
        token_sha256: Digest,
        /// Also take away the label with which the cleaner of unused tokens made it invalid.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        revive: bool,
    },
    /// Nothing: the controller manager fills the secret, or mends its CA, by itself.
    AwaitToken,
    /// Create a token secret for the target's account, for the controller manager to fill.
    CreateToken {
        /// Its name: the target's, or another one.
        name: String,
        /// The account.
        account: String,
        /// The account's identity.
        account_uid: Uid,
        /// File with labels, annotations and other keys, in the run's own directory: they can be secret, so a plan does
        /// not hold them.
        manifest_file: String,
        /// SHA-256 of the file.
        manifest_sha256: String,
    },
    /// Put another secret in the target's place in the lists of its account.
    RepointAccount {
        /// The account.
        account: String,
        /// The account's identity.
        account_uid: Uid,
        /// The secret to list.
        to: String,
    },
    /// Delete a secret; bound to the target's UID.
    DeleteSecret,
}

/// How the replacement of a pod is recognised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Replacement {
    /// Any pod of the same owner that was not there before.
    Owner {
        /// The owner whose pods count, by UID: a Deployment where there is one above the ReplicaSet.
        owner: Owner,
    },
    /// A pod of the same DaemonSet on the same node.
    Node {
        /// The DaemonSet.
        owner: Owner,
        /// The node.
        node: String,
    },
    /// A pod of the same name.
    Name {
        /// The StatefulSet.
        owner: Owner,
    },
}

impl Replacement {
    /// Who makes it.
    pub fn owner(&self) -> &Owner {
        match self {
            Self::Owner { owner } | Self::Node { owner, .. } | Self::Name { owner } => owner,
        }
    }
}

/// A read-only question with a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Probe {
    /// Taking the target leaves this many other Ready pods.
    OthersReady {
        /// Namespace.
        namespace: String,
        /// Which pods count.
        selector: Selector,
        /// At least.
        at_least: u32,
    },
    /// The target is gone.
    Gone,
    /// The target is gone and its replacement is Ready.
    Replaced {
        /// How it is recognised.
        replacement: Replacement,
        /// Ready for at least this long.
        min_ready_seconds: u32,
    },
    /// A pod of the target's name and another UID is Ready.
    Recreated,
    /// All pods of the target are of its newest template and available.
    RolledOut,
    /// A Service has ready endpoints.
    EndpointsReady {
        /// Namespace.
        namespace: String,
        /// Service.
        service: String,
        /// At least.
        at_least: u32,
    },
    /// A token secret holds a token that every API server accepts, and the CA that is expected.
    TokenWorks {
        /// Namespace.
        namespace: String,
        /// Name.
        secret: String,
        /// SHA-256 of a token that it must not hold any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        other_than: Option<Digest>,
        /// SHA-256 of each certificate in its `ca.crt`; none is any.
        #[serde(default, skip_serializing_if = "CaBundle::is_empty")]
        ca: CaBundle,
    },
    /// The lists of the target's account hold this secret where they held the target.
    AccountLists {
        /// The account.
        account: String,
        /// The secret.
        secret: String,
    },
    /// Every API server refuses the token that the target held.
    TokenRefused,
}

/// Something that was selected and is left alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Skipped {
    /// What.
    pub target: ObjectRef,
    /// Stable word for scripts.
    pub reason: SkipReason,
    /// In words.
    pub message: String,
    /// Whether it keeps the command from success.
    pub refused: bool,
}

/// Why something is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SkipReason {
    /// Nothing outdated in it.
    Fresh,
    /// Not known to be outdated.
    Unknown,
    /// Ended for good.
    Finished,
    /// A static pod: only its node can restart it.
    Static,
    /// No controller would make it again.
    Bare,
    /// Its controller, or its account, is gone.
    Orphan,
    /// Work in progress would be lost.
    Job,
    /// Its DaemonSet would not put a pod on this node again.
    Unfit,
    /// The node cannot confirm that a pod is gone.
    NodeNotReady,
    /// It is the only Ready one of a service that must not go down.
    LastReady,
    /// A StatefulSet that would not make it again while a lower one is not Ready.
    Blocked,
    /// Two budgets protect it: the API can never evict it.
    TwoBudgets,
    /// A budget never allows it.
    BudgetNeverAllows,
    /// The workload cannot be rolled out.
    NoRollout,
    /// Belongs to a control plane.
    ControlPlane,
    /// Somebody else takes care of it.
    Foreign,
    /// The cleaner of unused tokens made it invalid.
    Invalid,
    /// Its namespace is on its way out.
    Terminating,
    /// It holds the credential that the command itself uses.
    OwnCredential,
    /// Pods name it, and would name nothing afterwards.
    DeadName,
    /// Of another type: no token secret.
    OtherType,
    /// Its data can never be changed, and replacing it is not wanted.
    Immutable,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frozen: plans of every released version must parse for ever.
    const V1: &str = r#"{
      "schemaVersion":"rotation/plan/v1","tool":"kubectl recycle","toolVersion":"0.1.0","createdAt":"2026-01-01T00:00:00Z",
      "cluster":{"uid":"c","server":"https://127.0.0.1:6443"},
      "phases":[{"name":"dns","waves":[{"name":"kube-system/coredns (Deployment)","maxUnavailable":1,"maxFailures":1,"steps":[
        {"id":"1.1.1","target":{"kind":"Pod","namespace":"kube-system","name":"coredns-a","uid":"u"},"node":"n1","reason":"named",
         "expect":[{"is":"othersReady","namespace":"kube-system","selector":"k8s-app=kube-dns","atLeast":1}],
         "action":{"do":"evictPod"},
         "verify":[{"is":"replaced","replacement":{"by":"owner","owner":{"group":"apps","kind":"Deployment","name":"coredns","uid":"d"}},"minReadySeconds":0}],
         "undo":"none"}]}]}],
      "skipped":[{"target":{"kind":"Pod","namespace":"x","name":"y","uid":"z"},"reason":"bare","message":"m","refused":true}],"notes":[]}"#;

    #[test]
    fn version_1_parses_for_ever_and_survives_a_round_trip() {
        let plan: Plan = serde_json::from_str(V1).expect("parses");
        let again: Plan =
            serde_json::from_str(&serde_json::to_string(&plan).expect("writes")).expect("reads");
        assert_eq!(plan, again);
        assert_eq!(plan.digest(), again.digest());
        assert_eq!(plan.steps().count(), 1);
    }
}
