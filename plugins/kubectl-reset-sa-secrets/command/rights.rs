//! Rights, asked for before anything is changed.

use crate::request::{Recycle, Request};
use rotation_core::apply::rights::wanted;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::rights as say;
use rotation_core::plan::document::Plan;
use rotation_core::world::cluster::{Access, Cluster, ClusterError, Scope};
use std::collections::BTreeSet;

fn access(verb: &str, group: &str, resource: &str, namespace: Option<&str>) -> Access {
    Access {
        verb: verb.to_owned(),
        group: group.to_owned(),
        resource: resource.to_owned(),
        subresource: String::new(),
        namespace: namespace.map(str::to_owned),
    }
}

/// Refuses where a right is missing for the plan, or for the canary where there is to be one.
pub(super) fn demand(
    cluster: &Cluster,
    plan: &Plan,
    canary_in: Option<&str>,
) -> Result<(), Failure> {
    let mut wanted = wanted(plan);
    if canary_in.is_some() {
        for (verb, resource) in [
            ("list", "serviceaccounts"),
            ("create", "serviceaccounts"),
            ("delete", "serviceaccounts"),
            ("create", "secrets"),
            ("get", "secrets"),
            ("delete", "secrets"),
        ] {
            wanted.insert(access(verb, "", resource, canary_in));
        }
    }
    say::demand(cluster, wanted)
}

/// A read that was forbidden is told with all the others that would be.
pub(super) fn explain(cluster: &Cluster, request: &Request, error: ClusterError) -> Failure {
    say::explain(cluster, reads(request), error)
}

/// What a look at the cluster reads in any case.
fn reads(request: &Request) -> BTreeSet<Access> {
    let mut reads = BTreeSet::new();
    let namespaces: Vec<Option<&str>> = match &request.scope {
        Scope::All => vec![None],
        Scope::These(names) => names.iter().map(|n| Some(n.as_str())).collect(),
    };
    reads.insert(access("get", "", "namespaces", Some("kube-system")));
    for namespace in namespaces {
        reads.insert(access("list", "", "secrets", namespace));
        reads.insert(access("list", "", "serviceaccounts", namespace));
        if request.recycle != Recycle::None {
            reads.insert(access("list", "", "pods", namespace));
            reads.insert(access("get", "", "services", namespace));
            reads.insert(access("list", "policy", "poddisruptionbudgets", namespace));
            for kind in ["deployments", "daemonsets", "replicasets"] {
                reads.insert(access("list", "apps", kind, namespace));
            }
        }
    }
    if request.recycle != Recycle::None {
        reads.insert(access("list", "", "nodes", None));
    }
    reads
}

/// Refuses where a right to put secrets back is missing.
pub(super) fn demand_restore<'a>(
    cluster: &Cluster,
    namespaces: impl Iterator<Item = &'a str>,
) -> Result<(), Failure> {
    let mut wanted = BTreeSet::new();
    for namespace in namespaces {
        wanted.insert(access("create", "", "secrets", Some(namespace)));
        wanted.insert(access("patch", "", "serviceaccounts", Some(namespace)));
    }
    say::demand(cluster, wanted)
}
