//! Looks at the cluster, as far as the request needs it. Changes nothing.

use crate::pick::{Background, Picked, pick};
use crate::request::{Place, Request, Select};
use crate::target::Target;
use jiff::Timestamp;
use rotation_core::apply::memory::Memory;
use rotation_core::facts::credential::{RootCa, TokenSecret};
use rotation_core::facts::identity::Uid;
use rotation_core::facts::pod::{Interner, Pod};
use rotation_core::facts::workload::{Workload, WorkloadKind};
use rotation_core::look::pods::{self, Surroundings};
use rotation_core::look::tokens;
use rotation_core::plan::recycle::place::Services;
use rotation_core::plan::recycle::scene::Scene;
use rotation_core::plan::staleness::{Credentials, Evidence, judge};
use rotation_core::world::beside::both;
use rotation_core::world::cluster::{Cluster, ClusterError, PodQuery, Scope};
use std::collections::{BTreeSet, HashMap};

/// What was seen, and what of it is meant.
pub(crate) struct Observed {
    /// Pods, controllers, nodes, budgets, guards.
    pub(crate) scene: Scene,
    /// Services, credentials, earlier runs.
    pub(crate) background: Background,
    /// What is meant and left, and what is missing.
    pub(crate) picked: Picked,
}

/// Pods that a request may mean, read before it is known which cluster this is: as long as every read waits for the one
/// before it, an operator waits for all of them. `None` where what is kept of the pods depends on what is read first.
pub(crate) fn pods_ahead(
    cluster: &Cluster,
    request: &Request,
) -> Option<Result<Vec<Pod>, ClusterError>> {
    (request.select != Select::Stale)
        .then(|| read_pods(cluster, request, &scope(request), &|_| true))
}

/// Looks, and picks.
pub(crate) fn observe(
    cluster: &Cluster,
    request: &Request,
    pods_ahead: Option<Result<Vec<Pod>, ClusterError>>,
    memory: Memory,
    local_time: Timestamp,
) -> Result<Observed, ClusterError> {
    let mut background = Background { memory, ..Background::default() };
    let (mut scene, around) = match pods_ahead {
        Some(pods) => around_pods(cluster, request, pods?, &mut background)?,
        None => (stale_pods(cluster, request, &mut background)?, None),
    };
    background.now = cluster.now(local_time);

    let picked = pick(&mut scene, &background, request);
    match around {
        Some(around) if !scene.selected.is_empty() => around.put(&mut scene)?,
        Some(_) => {}
        None => pods::surroundings(cluster, &mut scene)?,
    }
    Ok(Observed { scene, background, picked })
}

/// All that is read beside pods that are there already, at the same time.
fn around_pods(
    cluster: &Cluster,
    request: &Request,
    found: Vec<Pod>,
    background: &mut Background,
) -> Result<(Scene, Option<Surroundings>), ClusterError> {
    let namespaces: BTreeSet<String> = found.iter().map(|p| p.namespace.to_string()).collect();
    // Where no pod is, nothing that concerns pods is asked.
    let near = match scope(request) {
        Scope::All => Scope::All,
        Scope::These(_) => pods::narrow(namespaces.clone()),
    };
    let (((credentials, services), workloads), around) = both(
        || {
            both(
                || {
                    both(
                        || read_credentials(cluster, request, &near),
                        || pods::services(cluster, &request.presets, &near),
                    )
                },
                || read_workloads(cluster, &found, request),
            )
        },
        || (!found.is_empty()).then(|| Surroundings::read(cluster, namespaces)),
    );
    take(background, request, credentials?, services?);
    Ok((Scene { workloads: workloads?, pods: found, ..Scene::default() }, around))
}

/// Pods that may hold an outdated credential: what there is of credentials is read first, so that fresh ones need not be kept.
fn stale_pods(
    cluster: &Cluster,
    request: &Request,
    background: &mut Background,
) -> Result<Scene, ClusterError> {
    let scope = scope(request);
    let (credentials, services) = both(
        || read_credentials(cluster, request, &scope),
        || pods::services(cluster, &request.presets, &scope),
    );
    take(background, request, credentials?, services?);
    let found = read_pods(cluster, request, &scope, &|pod| concerns_staleness(pod, background))?;
    find_missing_secrets(cluster, &found, &mut background.credentials)?;
    let workloads = read_workloads(cluster, &found, request)?;
    Ok(Scene { pods: found, workloads, ..Scene::default() })
}

fn take(
    background: &mut Background,
    request: &Request,
    credentials: Credentials,
    services: Services,
) {
    let seen_before = background.memory.seen_before();
    background.credentials = Credentials { since: request.since, seen_before, ..credentials };
    background.services = services;
}

/// Where the request looks.
pub(crate) fn scope(request: &Request) -> Scope {
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

fn read_credentials(
    cluster: &Cluster,
    request: &Request,
    scope: &Scope,
) -> Result<Credentials, ClusterError> {
    let by_namespace =
        |roots: Vec<RootCa>| roots.into_iter().map(|root| (root.namespace.clone(), root)).collect();
    if request.select != Select::Stale {
        // Only for what earlier runs saw: who may not read it does without.
        let roots = cluster
            .root_cas(scope)
            .or_else(|e| if e.is_forbidden() { Ok(Vec::new()) } else { Err(e) })?;
        return Ok(Credentials { root_cas: by_namespace(roots), ..Credentials::default() });
    }
    let ((tokens, roots), started) = both(
        || both(|| cluster.token_secrets(scope), || cluster.root_cas(scope)),
        || pods::controller_manager_started(cluster),
    );
    let key = |t: TokenSecret| ((t.namespace.clone(), t.name.clone()), t);
    Ok(Credentials {
        tokens: tokens?.into_iter().map(key).collect(),
        root_cas: by_namespace(roots?),
        controller_manager_started: started?,
        ..Credentials::default()
    })
}

/// Pods that are meant, or that a decision about those needs: of a large cluster only a few are kept.
fn read_pods(
    cluster: &Cluster,
    request: &Request,
    scope: &Scope,
    keep: &dyn Fn(&Pod) -> bool,
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
        if keep(&pod) {
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
        || tokens::candidates(pod).any(|name| absent(pod, name, &background.credentials))
        || guarded()
        || ordered()
}

fn absent(pod: &Pod, name: &str, credentials: &Credentials) -> bool {
    !credentials.tokens.contains_key(&(Box::from(&*pod.namespace), name.into()))
}

fn find_missing_secrets(
    cluster: &Cluster,
    pods: &[Pod],
    credentials: &mut Credentials,
) -> Result<(), ClusterError> {
    let known = |namespace: &str, name: &str| {
        credentials.tokens.contains_key(&(namespace.into(), name.into()))
    };
    let missing = tokens::missing(cluster, pods.iter(), &known)?;
    credentials.missing.extend(missing);
    Ok(())
}

/// Controllers of the kinds that are met, and those above them.
fn read_workloads(
    cluster: &Cluster,
    found: &[Pod],
    request: &Request,
) -> Result<HashMap<Uid, Workload>, ClusterError> {
    let mut kinds = pods::kinds_of(found);
    let mut names_workload = false;
    if let Select::Named(targets) = &request.select {
        let named: Vec<WorkloadKind> = targets.iter().filter_map(Target::workload_kind).collect();
        names_workload = !named.is_empty();
        kinds.extend(named);
    }
    let namespaces: BTreeSet<&str> = found.iter().map(|p| &*p.namespace).collect();
    // A workload that is named may be there without a pod.
    let scope = if names_workload || namespaces.is_empty() {
        scope(request)
    } else {
        pods::narrow(namespaces.into_iter().map(str::to_owned).collect())
    };
    pods::workloads(cluster, &kinds, &scope)
}
