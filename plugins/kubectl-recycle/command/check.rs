//! Rights, asked for before anything is changed.

use rotation_core::cli::failure::Failure;
use rotation_core::facts::words::count;
use rotation_core::facts::workload::WorkloadKind;
use rotation_core::plan::document::{Action, Plan, Probe, Replacement};
use rotation_core::world::cluster::{Access, Cluster};
use std::collections::BTreeSet;

/// Refuses where a right is missing, and lists all that are.
pub(super) fn rights(cluster: &Cluster, plan: &Plan) -> Result<(), Failure> {
    let wanted: Vec<Access> = wanted(plan).into_iter().collect();
    let denied = cluster.denied(&wanted)?;
    if denied.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = denied.iter().map(|a| format!("cannot {}", a.describe())).collect();
    Err(Failure::refused(format!(
        "{} missing, nothing was changed: {}",
        if denied.len() == 1 {
            "a right is".to_owned()
        } else {
            format!("{} are", count(denied.len(), "right"))
        },
        list.join("; ")
    ))
    .with_hint(
        "ask for these rights, or use --as or another context; docs/rbac.yaml has the whole role",
    ))
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
            Action::CreatePod { .. } => need("create", "", "pods", ""),
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
