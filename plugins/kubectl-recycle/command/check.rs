//! Rights, asked for before anything is changed.

use crate::observe::scope;
use crate::request::{Request, Select};
use rotation_core::apply::rights::wanted;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::rights as say;
use rotation_core::plan::document::Plan;
use rotation_core::world::cluster::{Access, Cluster, ClusterError, Scope};
use std::collections::BTreeSet;

/// Refuses where a right is missing, and lists all that are.
pub(super) fn rights(cluster: &Cluster, plan: &Plan) -> Result<(), Failure> {
    say::demand(cluster, wanted(plan))
}

/// A read that was forbidden is told with all the others that would be.
pub(super) fn explain(cluster: &Cluster, request: &Request, error: ClusterError) -> Failure {
    say::explain(cluster, reads(request), error)
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
