//! Missing rights, said in one error.

use super::failure::Failure;
use crate::facts::words::count;
use crate::world::cluster::{Access, Cluster, ClusterError};
use std::collections::{BTreeMap, BTreeSet};

/// Refuses where a right is missing, and lists all that are.
pub fn demand(cluster: &Cluster, wanted: BTreeSet<Access>) -> Result<(), Failure> {
    let wanted: Vec<Access> = wanted.into_iter().collect();
    let denied = cluster.denied(&wanted)?;
    if denied.is_empty() { Ok(()) } else { Err(missing(&denied)) }
}

/// A read that was forbidden is told with all the others that would be.
pub fn explain(cluster: &Cluster, reads: BTreeSet<Access>, error: ClusterError) -> Failure {
    if !error.is_forbidden() {
        return error.into();
    }
    let wanted: Vec<Access> = reads.into_iter().collect();
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
