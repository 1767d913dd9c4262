//! A pod, as lean as the decisions about it allow.
//!
//! A large cluster has 150,000 of them. What pods of one owner share (labels, the part of the spec that is read, names
//! of nodes and namespaces) is held once, through [`Interner`].

use super::identity::{ObjectRef, Uid};
pub use super::owner::Owner;
use super::selector::Labels;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::hash::Hash;
use std::sync::Arc;

/// `status.phase`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PodPhase {
    /// Not yet running, or unknown.
    Pending,
    /// At least one container runs or is being restarted.
    Running,
    /// Ended well, for good.
    Succeeded,
    /// Ended badly, for good.
    Failed,
}

/// How a pod names a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SecretUse {
    /// A secret volume: the kubelet refreshes its files, unless mounted by `subPath`.
    Volume,
    /// A source of a projected volume: refreshed as well.
    Projected,
    /// An environment variable: never refreshed while the container lives.
    Environment,
    /// Credentials of a volume driver: read at mount.
    Driver,
    /// An image pull secret: read at pull.
    Pull,
}

/// A secret that the pod's spec names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SecretRef {
    /// Name, in the pod's namespace.
    pub name: Box<str>,
    /// How.
    pub used_as: SecretUse,
    /// The pod starts without it.
    pub optional: bool,
    /// Not of the template: admission put it there, as the account's first token (before 1.21).
    pub injected: bool,
}

/// What is read of a pod's spec; equal for all pods of one template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PodShape {
    /// `spec.serviceAccountName`, `default` where it is empty.
    pub service_account: Box<str>,
    /// `spec.hostNetwork`.
    pub host_network: bool,
    /// `spec.terminationGracePeriodSeconds`, 30 where it is empty.
    pub grace_seconds: u32,
    /// A projected volume holds a token that the kubelet asks for.
    pub bound_token: bool,
    /// Secrets by every kind of reference that Kubernetes itself visits, in order and without repetition.
    pub secrets: Box<[SecretRef]>,
    /// ConfigMaps that are mounted or read into the environment.
    pub config_maps: Box<[Box<str>]>,
}

impl PodShape {
    /// Whether the projected root CA of the namespace is mounted.
    pub fn mounts_root_ca(&self) -> bool {
        self.config_maps.iter().any(|name| &**name == "kube-root-ca.crt")
    }
}

/// Why a pod cannot become Ready by waiting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// Kubernetes' own reason, for example `CrashLoopBackOff`.
    pub reason: Box<str>,
    /// Container, empty where the pod as a whole is meant.
    pub container: Box<str>,
    /// Kubernetes' own words.
    pub message: Box<str>,
    /// Restarts of that container.
    pub restarts: u32,
}

/// A pod.
#[derive(Clone, Debug)]
pub struct Pod {
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Box<str>,
    /// Identity.
    pub uid: Uid,
    /// Node, once it is scheduled.
    pub node: Option<Arc<str>>,
    /// By the API server's clock.
    pub created: Timestamp,
    /// `deletionTimestamp`: request plus grace, so usually in the future.
    pub deleting: Option<Timestamp>,
    /// Phase.
    pub phase: PodPhase,
    /// Since when the condition Ready is true, if it is.
    pub ready_since: Option<Timestamp>,
    /// Start of the oldest running container, by the node's clock.
    pub oldest_start: Option<Timestamp>,
    /// Controller.
    pub owner: Option<Arc<Owner>>,
    /// A static pod's shadow in the API: deleting it touches no container.
    pub mirror: bool,
    /// Finalizers hold the object after its containers are gone.
    pub finalizers: Box<[Box<str>]>,
    /// Labels.
    pub labels: Arc<Labels>,
    /// What is read of the spec.
    pub shape: Arc<PodShape>,
    /// Why it is not Ready, where Kubernetes says so.
    pub trouble: Option<Box<Trouble>>,
}

impl Pod {
    /// The pod as a reference with identity.
    pub fn reference(&self) -> ObjectRef {
        ObjectRef {
            kind: "Pod".to_owned(),
            namespace: self.namespace.to_string(),
            name: self.name.to_string(),
            uid: self.uid.clone(),
        }
    }

    /// Ready, and not on its way out.
    pub fn is_ready(&self) -> bool {
        self.ready_since.is_some() && self.deleting.is_none()
    }

    /// Ended for good: nothing waits for it.
    pub fn is_finished(&self) -> bool {
        matches!(self.phase, PodPhase::Succeeded | PodPhase::Failed)
    }
}

/// Holds equal values once.
#[derive(Debug, Default)]
pub struct Interner {
    texts: HashSet<Arc<str>>,
    owners: HashSet<Arc<Owner>>,
    labels: HashSet<Arc<Labels>>,
    shapes: HashSet<Arc<PodShape>>,
}

impl Interner {
    /// Text that many objects share.
    pub fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&new));
        new
    }

    /// A controller.
    pub fn owner(&mut self, owner: Owner) -> Arc<Owner> {
        shared(&mut self.owners, owner)
    }

    /// Labels.
    pub fn labels(&mut self, labels: Labels) -> Arc<Labels> {
        shared(&mut self.labels, labels)
    }

    /// The read part of a spec.
    pub fn shape(&mut self, shape: PodShape) -> Arc<PodShape> {
        shared(&mut self.shapes, shape)
    }
}

fn shared<T: Eq + Hash>(known: &mut HashSet<Arc<T>>, value: T) -> Arc<T> {
    if let Some(same) = known.get(&value) {
        return Arc::clone(same);
    }
    let new = Arc::new(value);
    known.insert(Arc::clone(&new));
    new
}
