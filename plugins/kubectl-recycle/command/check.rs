//! Rights, asked for before anything is changed.

use crate::observe::scope;
use crate::request::{Request, Select};
use rotation_core::cli::failure::Failure;
use rotation_core::facts::words::count;
use rotation_core::facts::workload::WorkloadKind;
use rotation_core::plan::document::{Action, Plan, Probe, Replacement};
use rotation_core::world::cluster::{Access, Cluster, ClusterError, Scope};
use std::collections::{BTreeMap, BTreeSet};

/// Refuses where a right is missing, and lists all that are.
pub(super) fn rights(cluster: &Cluster, plan: &Plan) -> Result<(), Failure> {
    let wanted: Vec<Access> = wanted(plan).into_iter().collect();
    let denied = cluster.denied(&wanted)?;
    if denied.is_empty() { Ok(()) } else { Err(missing(&denied)) }
}

/// A read that was forbidden is told with all the others that would be.
pub(super) fn explain(cluster: &Cluster, request: &Request, error: ClusterError) -> Failure {
    if !error.is_forbidden() {
        return error.into();
    }
    let wanted: Vec<Access> = reads(request).into_iter().collect();
    match cluster.denied(&wanted) {
        Ok(denied) if !denied.is_empty() => missing(&denied),
        // The review itself may be forbidden: then the server's own words are all there is.
        Ok(_) | Err(_) => error.into(),
    }
}

fn missing(denied: &[Access]) -> Failure {
    // One line for each right, however many namespaces it is missing in.
    let mut places: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for access in denied {
        let right = Access { namespace: None, ..access.clone() }.describe();
        let right = right.strip_suffix(" in all namespaces").unwrap_or(&right).to_owned();
        places.entry(right).or_default().extend(access.namespace.as_deref());
    }
    let list: Vec<String> = places
        .iter()
        .map(|(right, namespaces)| match namespaces.as_slice() {
            [] => format!("cannot {right}"),
            namespaces => format!("cannot {right} in {}", namespaces.join(", ")),
        })
        .collect();
    let what = match list.as_slice() {
        [_] => "a right is".to_owned(),
        list => format!("{} are", count(list.len(), "right")),
    };
    Failure::refused(format!("{what} missing, nothing was changed: {}", list.join("; "))).with_hint(
        "ask for these rights, or use --as, another context, or -n for one namespace; docs/rbac.yaml has the whole role",
    )
}

/// What a look at the cluster reads in any case; other kinds of controllers only where pods name them.
fn reads(request: &Request) -> BTreeSet<Access> {
    let mut reads = BTreeSet::new();
    let mut need = |verb: &str, group: &str, resource: &str, namespace: Option<&str>| {
        reads.insert(Access {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: String::new(),
            namespace: namespace.map(str::to_owned),
        });
    };
    need("get", "", "namespaces", Some("kube-system"));
    need("list", "", "nodes", None);
    let namespaces: Vec<Option<String>> = match scope(request) {
        Scope::All => vec![None],
        Scope::These(names) => names.into_iter().map(Some).collect(),
    };
    for namespace in &namespaces {
        let namespace = namespace.as_deref();
        need("list", "", "pods", namespace);
        need("get", "", "services", namespace);
        need("list", "policy", "poddisruptionbudgets", namespace);
        for kind in ["deployments", "daemonsets", "replicasets"] {
            need("list", "apps", kind, namespace);
        }
        if request.select == Select::Stale {
            need("list", "", "secrets", namespace);
            need("list", "", "configmaps", namespace);
        }
    }
    reads
}

/// What the plan's steps and waits need.
fn wanted(plan: &Plan) -> BTreeSet<Access> {
    let mut wanted = BTreeSet::new();
    for step in plan.steps() {
        let namespace = step.target.namespace.as_str();
        let mut need = |verb: &str, group: &str, resource: &str, subresource: &str| {
            wanted.insert(Access {
                verb: verb.to_owned(),
                group: group.to_owned(),
                resource: resource.to_owned(),
                subresource: subresource.to_owned(),
                namespace: Some(namespace.to_owned()),
            });
        };
        need("list", "", "pods", "");
        match &step.action {
            Action::EvictPod { .. } => need("create", "", "pods", "eviction"),
            Action::DeletePod { .. } => need("delete", "", "pods", ""),
            Action::CreatePod { .. } => {
                need("get", "", "pods", "");
                need("create", "", "pods", "");
            }
            Action::AwaitPod => {}
            Action::RestartRollout { .. } => {
                if let Some(kind) = WorkloadKind::parse(&step.target.kind) {
                    need("patch", kind.group(), kind.plural(), "");
                    need("list", kind.group(), kind.plural(), "");
                }
            }
        }
        for probe in &step.verify {
            match probe {
                Probe::EndpointsReady { .. } => need("get", "", "endpoints", ""),
                Probe::Replaced { replacement, .. } => {
                    if let Some(kind) = WorkloadKind::of(replacement.owner()) {
                        need("list", kind.group(), kind.plural(), "");
                    }
                    if matches!(replacement, Replacement::Owner { .. }) {
                        need("list", "apps", "replicasets", "");
                    }
                }
                Probe::Gone | Probe::Recreated | Probe::RolledOut | Probe::OthersReady { .. } => {}
            }
        }
    }
    wanted
}
