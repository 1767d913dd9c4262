//! What decisions about recycling pods need beside the pods: controllers, nodes, budgets, guarded Services.

use crate::facts::budget::Budget;
use crate::facts::identity::Uid;
use crate::facts::node::Node;
use crate::facts::pod::{Interner, Pod};
use crate::facts::selector::Selector;
use crate::facts::workload::{Workload, WorkloadKind};
use crate::plan::recycle::place::Services;
use crate::plan::recycle::presets::Presets;
use crate::plan::recycle::scene::Scene;
use crate::world::beside::both;
use crate::world::cluster::{Cluster, ClusterError, PodQuery, Scope};
use jiff::Timestamp;
use std::collections::{BTreeSet, HashMap};

/// Above this many namespaces one list of everything is cheaper than a list for each.
const MANY_NAMESPACES: usize = 20;

/// These namespaces, or all of them where they are many.
pub fn narrow(namespaces: BTreeSet<String>) -> Scope {
    if namespaces.len() > MANY_NAMESPACES {
        Scope::All
    } else {
        Scope::These(namespaces.into_iter().collect())
    }
}

/// Where the controller manager is a pod, its start bounds the last change of the root CA.
pub fn controller_manager_started(cluster: &Cluster) -> Result<Option<Timestamp>, ClusterError> {
    let label = Selector::from_pairs([("component", "kube-controller-manager")]);
    let query =
        PodQuery { namespaces: Scope::one("kube-system"), labels: Some(&label), fields: None };
    let mut started = None;
    cluster.pods(&query, &mut Interner::default(), &mut |pod: Pod| {
        started = started.max(pod.oldest_start);
    })?;
    Ok(started)
}

/// Services that presets name, in the namespaces that are looked at.
pub fn services(
    cluster: &Cluster,
    presets: &Presets,
    scope: &Scope,
) -> Result<Services, ClusterError> {
    let looked_at = |namespace: &&String| match scope {
        Scope::All => true,
        Scope::These(names) => names.contains(namespace),
    };
    let mut names = BTreeSet::new();
    for preset in presets.iter() {
        let Some(service) = &preset.service else { continue };
        let namespaces = preset.namespaces.iter().filter(looked_at);
        names.extend(namespaces.map(|namespace| (namespace.as_str(), service.as_str())));
    }
    let found = cluster.services_named(&names)?.into_iter();
    Ok(found.map(|s| ((s.namespace.to_string(), s.name.to_string()), s)).collect())
}

/// Kinds of the controllers that these pods name, and those above them.
pub fn kinds_of(pods: &[Pod]) -> BTreeSet<WorkloadKind> {
    let owners = pods.iter().filter_map(|p| p.owner.as_deref());
    let mut kinds: BTreeSet<WorkloadKind> = owners.filter_map(WorkloadKind::of).collect();
    if kinds.contains(&WorkloadKind::ReplicaSet) {
        kinds.insert(WorkloadKind::Deployment);
    }
    kinds
}

/// Controllers of these kinds.
pub fn workloads(
    cluster: &Cluster,
    kinds: &BTreeSet<WorkloadKind>,
    scope: &Scope,
) -> Result<HashMap<Uid, Workload>, ClusterError> {
    let found = cluster.workloads_of(kinds, scope)?;
    Ok(found.into_iter().map(|w| (w.uid.clone(), w)).collect())
}

/// Nodes and budgets as they were read; what could not be read matters only to who needs it.
pub struct Surroundings {
    nodes: Result<Vec<Node>, ClusterError>,
    budgets: Result<Vec<Budget>, ClusterError>,
}

impl Surroundings {
    /// Reads all nodes, and the budgets of these namespaces.
    pub fn read(cluster: &Cluster, namespaces: BTreeSet<String>) -> Self {
        let (nodes, budgets) = both(|| cluster.nodes(), || cluster.budgets(&narrow(namespaces)));
        Self { nodes, budgets }
    }

    /// Puts them into the scene.
    pub fn put(self, scene: &mut Scene) -> Result<(), ClusterError> {
        scene.nodes = self.nodes?.into_iter().map(|n| (n.name.clone(), n)).collect();
        scene.budgets = self.budgets?;
        Ok(())
    }
}

/// Puts nodes and budgets into the scene, where pods are selected in it.
pub fn surroundings(cluster: &Cluster, scene: &mut Scene) -> Result<(), ClusterError> {
    if scene.selected.is_empty() {
        return Ok(());
    }
    let chosen = scene.pods.iter().filter(|p| scene.selected.contains_key(&p.uid));
    let namespaces = chosen.map(|p| p.namespace.to_string()).collect();
    Surroundings::read(cluster, namespaces).put(scene)
}
