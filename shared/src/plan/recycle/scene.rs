//! Everything that the decisions about recycling look at.

use super::order::Order;
use crate::facts::budget::Budget;
use crate::facts::identity::Uid;
use crate::facts::node::Node;
use crate::facts::pod::{Owner, Pod};
use crate::facts::selector::Selector;
use crate::facts::workload::{Workload, WorkloadKind};
use std::collections::HashMap;

/// What was seen.
#[derive(Debug, Default)]
pub struct Scene {
    /// Selected pods, and those beside them that a decision needs.
    pub pods: Vec<Pod>,
    /// Which pods are selected, and why.
    pub selected: HashMap<Uid, Selection>,
    /// Controllers by UID.
    pub workloads: HashMap<Uid, Workload>,
    /// Nodes by name.
    pub nodes: HashMap<Box<str>, Node>,
    /// Budgets.
    pub budgets: Vec<Budget>,
    /// What must not go down.
    pub guards: Vec<Guard>,
}

/// Why a pod is selected, and how it is treated.
#[derive(Clone, Debug)]
pub struct Selection {
    /// In words, for the plan.
    pub reason: String,
    /// Its place in the order.
    pub order: Order,
    /// The operator named this very object: what cannot be done to it is an error, not a remark.
    pub explicit: bool,
    /// The runbook line that this replaces.
    pub replaces: Option<String>,
}

/// A service that must keep answering while its pods are recycled.
#[derive(Clone, Debug)]
pub struct Guard {
    /// Name for the reader, for example the Service's.
    pub name: String,
    /// Namespace.
    pub namespace: Box<str>,
    /// Its pods.
    pub selector: Selector,
    /// Ready pods that remain whenever one is taken.
    pub keep_ready: u32,
    /// The Service whose endpoints are looked at afterwards.
    pub service: Option<String>,
}

impl Guard {
    /// Whether the pod is one of those that answer.
    pub fn covers(&self, pod: &Pod) -> bool {
        *self.namespace == *pod.namespace && self.selector.matches(&pod.labels)
    }
}

/// Who makes a pod again.
#[derive(Clone, Copy, Debug)]
pub enum Maker<'a> {
    /// Nobody.
    Nobody,
    /// A controller that no longer exists.
    Gone(&'a Owner),
    /// A controller that is known, and the workload at the top (a Deployment above a ReplicaSet).
    Known {
        /// The pod's own controller.
        direct: &'a Workload,
        /// The one that people know.
        top: &'a Workload,
    },
    /// A controller of a kind that is not Kubernetes' own.
    Foreign(&'a Owner),
}

impl Scene {
    /// Who makes this pod again.
    pub fn maker<'a>(&'a self, pod: &'a Pod) -> Maker<'a> {
        let Some(owner) = pod.owner.as_deref() else {
            return Maker::Nobody;
        };
        let Some(direct) = self.workloads.get(&owner.uid) else {
            return match WorkloadKind::of(owner) {
                Some(_) => Maker::Gone(owner),
                None => Maker::Foreign(owner),
            };
        };
        let above = direct.owner.as_ref().and_then(|o| self.workloads.get(&o.uid));
        Maker::Known { direct, top: above.unwrap_or(direct) }
    }

    /// The guard over a pod, if there is one.
    pub fn guard(&self, pod: &Pod) -> Option<&Guard> {
        self.guards.iter().find(|g| g.covers(pod))
    }
}

impl Workload {
    /// As the owner that a replacement is recognised by.
    pub fn as_owner(&self) -> Owner {
        Owner {
            group: self.kind.group().into(),
            kind: self.kind.as_str().into(),
            name: self.name.clone(),
            uid: self.uid.clone(),
        }
    }
}
