//! Looks at the cluster, as far as the request needs it. Changes nothing.

use crate::pick::{Background, Picked, pick};
use crate::request::{Place, Request, Select};
use crate::target::Target;
use jiff::Timestamp;
use rotation_core::apply::memory::Memory;
use rotation_core::facts::pod::{Interner, Pod, SecretUse};
use rotation_core::facts::selector::Selector;
use rotation_core::facts::workload::WorkloadKind;
use rotation_core::plan::recycle::scene::Scene;
use rotation_core::plan::staleness::{Credentials, Evidence, judge};
use rotation_core::world::cluster::{Cluster, ClusterError, PodQuery, Scope};
use std::collections::{BTreeSet, HashMap};

/// Above this many namespaces one list of everything is cheaper than a list for each.
const MANY_NAMESPACES: usize = 20;

/// What was seen, and what of it is meant.
pub(crate) struct Observed {
    /// Pods, controllers, nodes, budgets, guards.
    pub(crate) scene: Scene,
    /// Services, credentials, earlier runs.
    pub(crate) background: Background,
    /// What is meant and left, and what is missing.
    pub(crate) picked: Picked,
}

/// Looks, and picks.
pub(crate) fn observe(
    cluster: &Cluster,
    request: &Request,
    memory: Memory,
    local_time: Timestamp,
) -> Result<Observed, ClusterError> {
    let scope = scope(request);
    let mut background = Background { memory, ..Background::default() };
    background.credentials.since = request.since;
    background.credentials.seen_before = background.memory.seen_before();
    if request.select == Select::Stale {
        read_credentials(cluster, &scope, &mut background.credentials)?;
    } else {
        // Only for what earlier runs saw: who may not read it does without.
        let roots = cluster
            .root_cas(&scope)
            .or_else(|e| if e.is_forbidden() { Ok(Vec::new()) } else { Err(e) })?;
        background.credentials.root_cas =
            roots.into_iter().map(|r| (r.namespace.clone(), r)).collect();
    }
    read_services(cluster, request, &scope, &mut background)?;

    let mut scene =
        Scene { pods: read_pods(cluster, request, &scope, &background)?, ..Scene::default() };
    if request.select == Select::Stale {
        find_missing_secrets(cluster, &scene.pods, &mut background.credentials)?;
    }
    read_workloads(cluster, &mut scene, &scope, request)?;
    let ahead = cluster.server_time().map(|t| t.ahead).unwrap_or_default();
    background.now = local_time.checked_add(ahead).unwrap_or(local_time);

    let picked = pick(&mut scene, &background, request);
    if !scene.selected.is_empty() {
        scene.nodes = cluster.nodes()?.into_iter().map(|n| (n.name.clone(), n)).collect();
        let chosen = scene.pods.iter().filter(|p| scene.selected.contains_key(&p.uid));
        let namespaces: BTreeSet<String> = chosen.map(|p| p.namespace.to_string()).collect();
        scene.budgets = cluster.budgets(&narrow(namespaces))?;
    }
    Ok(Observed { scene, background, picked })
}

/// Where the request looks.
fn scope(request: &Request) -> Scope {
    match &request.select {
        Select::Matching { .. } | Select::Stale => match &request.place {
            Place::Namespace { name, .. } if !request.looks_everywhere() => {
                Scope::one(name.as_str())
            }
            Place::Namespace { .. } | Place::Everywhere => Scope::All,
        },
        Select::Named(targets) => {
            let mut namespaces = BTreeSet::new();
            for target in targets {
                match (target, &request.place) {
                    (
                        Target::Preset(name),
                        Place::Everywhere | Place::Namespace { given: false, .. },
                    ) => {
                        namespaces.extend(
                            request.presets.get(name).iter().flat_map(|p| p.namespaces.clone()),
                        );
                    }
                    (_, Place::Everywhere) => return Scope::All,
                    (_, Place::Namespace { name, .. }) => {
                        namespaces.insert(name.clone());
                    }
                }
            }
            Scope::These(namespaces.into_iter().collect())
        }
    }
}

fn narrow(namespaces: BTreeSet<String>) -> Scope {
    if namespaces.len() > MANY_NAMESPACES {
        Scope::All
    } else {
        Scope::These(namespaces.into_iter().collect())
    }
}

fn read_credentials(
    cluster: &Cluster,
    scope: &Scope,
    credentials: &mut Credentials,
) -> Result<(), ClusterError> {
    let tokens = cluster.token_secrets(scope)?;
    credentials.tokens =
        tokens.into_iter().map(|t| ((t.namespace.clone(), t.name.clone()), t)).collect();
    let roots = cluster.root_cas(scope)?;
    credentials.root_cas = roots.into_iter().map(|r| (r.namespace.clone(), r)).collect();

    // Where the controller manager is a pod, its start bounds the last change of the root CA.
    let label = Selector::from_pairs([("component", "kube-controller-manager")]);
    let query =
        PodQuery { namespaces: Scope::one("kube-system"), labels: Some(&label), fields: None };
    let mut started = None;
    cluster.pods(&query, &mut Interner::default(), &mut |pod: Pod| {
        started = started.max(pod.oldest_start);
    })?;
    credentials.controller_manager_started = started;
    Ok(())
}

/// Services that presets name, in the namespaces that are looked at.
fn read_services(
    cluster: &Cluster,
    request: &Request,
    scope: &Scope,
    background: &mut Background,
) -> Result<(), ClusterError> {
    for preset in request.presets.iter() {
        let Some(service) = &preset.service else { continue };
        for namespace in &preset.namespaces {
            let looked_at = match scope {
                Scope::All => true,
                Scope::These(names) => names.contains(namespace),
            };
            if !looked_at {
                continue;
            }
            if let Some(found) = cluster.service(namespace, service)? {
                background.services.insert((namespace.clone(), service.clone()), found);
            }
        }
    }
    Ok(())
}

/// Pods that are meant, or that a decision about those needs: of a large cluster only a few are kept.
fn read_pods(
    cluster: &Cluster,
    request: &Request,
    scope: &Scope,
    background: &Background,
) -> Result<Vec<Pod>, ClusterError> {
    let (labels, fields) = match &request.select {
        Select::Matching { labels, node } => {
            (labels.as_ref(), node.as_ref().map(|n| format!("spec.nodeName={n}")))
        }
        Select::Named(_) | Select::Stale => (None, None),
    };
    let query = PodQuery { namespaces: scope.clone(), labels, fields };
    let mut pods = Vec::new();
    cluster.pods(&query, &mut Interner::default(), &mut |pod: Pod| {
        if request.select != Select::Stale || concerns_staleness(&pod, background) {
            pods.push(pod);
        }
    })?;
    Ok(pods)
}

fn concerns_staleness(pod: &Pod, background: &Background) -> bool {
    let guarded = || {
        background.services.iter().any(|((namespace, _), service)| {
            **namespace == *pod.namespace
                && service.selector.as_ref().is_some_and(|s| s.matches(&pod.labels))
        })
    };
    let ordered = || pod.owner.as_ref().is_some_and(|o| &*o.kind == "StatefulSet");
    !matches!(judge(pod, &background.credentials), Evidence::Fresh(_))
        || candidates(pod).any(|name| absent(pod, name, &background.credentials))
        || guarded()
        || ordered()
}

/// Secrets that a pod cannot start without and whose names look like a token's.
fn candidates(pod: &Pod) -> impl Iterator<Item = &str> {
    let mounted = |used_as| matches!(used_as, SecretUse::Volume | SecretUse::Projected);
    pod.shape
        .secrets
        .iter()
        .filter(move |s| mounted(s.used_as) && !s.optional && looks_like_token(&s.name))
        .map(|s| &*s.name)
}

fn absent(pod: &Pod, name: &str, credentials: &Credentials) -> bool {
    !credentials.tokens.contains_key(&(Box::from(&*pod.namespace), name.into()))
}

/// `default-token-x7k2p`: a hint only, confirmed by looking whether the secret is there.
fn looks_like_token(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(head, tail)| {
        head.ends_with("-token")
            && tail.len() == 5
            && tail.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

fn find_missing_secrets(
    cluster: &Cluster,
    pods: &[Pod],
    credentials: &mut Credentials,
) -> Result<(), ClusterError> {
    let mut asked: BTreeSet<(Box<str>, Box<str>)> = BTreeSet::new();
    for pod in pods {
        let names = candidates(pod).filter(|name| absent(pod, name, credentials));
        asked.extend(names.map(|name| (Box::from(&*pod.namespace), name.into())));
    }
    for (namespace, name) in asked {
        // A secret of another type by that name is none of our business.
        if !cluster.secret_exists(&namespace, &name)? {
            credentials.missing.insert((namespace, name));
        }
    }
    Ok(())
}

/// Controllers of the kinds that are met, and those above them.
fn read_workloads(
    cluster: &Cluster,
    scene: &mut Scene,
    scope: &Scope,
    request: &Request,
) -> Result<(), ClusterError> {
    let owners = scene.pods.iter().filter_map(|p| p.owner.as_deref());
    let mut kinds: BTreeSet<WorkloadKind> = owners.filter_map(WorkloadKind::of).collect();
    if kinds.contains(&WorkloadKind::ReplicaSet) {
        kinds.insert(WorkloadKind::Deployment);
    }
    if let Select::Named(targets) = &request.select {
        kinds.extend(targets.iter().filter_map(|target| match target {
            Target::Workload(kind, _) => Some(*kind),
            Target::Preset(_) | Target::Pod(_) | Target::Stale => None,
        }));
    }
    let namespaces: BTreeSet<String> = scene.pods.iter().map(|p| p.namespace.to_string()).collect();
    let scope = match scope {
        Scope::All if !namespaces.is_empty() => narrow(namespaces),
        Scope::All => Scope::All,
        Scope::These(_) => scope.clone(),
    };
    let mut workloads = HashMap::new();
    for kind in kinds {
        for workload in cluster.workloads(kind, &scope)? {
            workloads.insert(workload.uid.clone(), workload);
        }
    }
    scene.workloads = workloads;
    Ok(())
}
