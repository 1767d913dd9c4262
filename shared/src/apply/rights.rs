//! Which rights the steps and waits of a plan need.

use crate::facts::workload::WorkloadKind;
use crate::plan::document::{Action, Plan, Probe, Replacement, Step};
use crate::world::cluster::Access;
use std::collections::BTreeSet;

/// What the plan's steps and waits need, each once.
pub fn wanted(plan: &Plan) -> BTreeSet<Access> {
    let mut wanted = BTreeSet::new();
    for step in plan.steps() {
        of_step(step, &mut |verb, group, resource, subresource| {
            wanted.insert(Access {
                verb: verb.to_owned(),
                group: group.to_owned(),
                resource: resource.to_owned(),
                subresource: subresource.to_owned(),
                namespace: Some(step.target.namespace.clone()),
            });
        });
    }
    wanted
}

fn of_step(step: &Step, need: &mut dyn FnMut(&str, &str, &str, &str)) {
    if step.target.kind != "Secret" {
        need("list", "", "pods", "");
    }
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
        Action::RefillToken { .. } => {
            need("get", "", "secrets", "");
            need("patch", "", "secrets", "");
        }
        Action::AwaitToken => need("list", "", "secrets", ""),
        Action::CreateToken { .. } => {
            need("get", "", "secrets", "");
            need("create", "", "secrets", "");
        }
        Action::RepointAccount { .. } => {
            need("get", "", "serviceaccounts", "");
            need("patch", "", "serviceaccounts", "");
        }
        Action::DeleteSecret => need("delete", "", "secrets", ""),
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
            Probe::TokenWorks { .. } => need("list", "", "secrets", ""),
            Probe::AccountLists { .. } => need("get", "", "serviceaccounts", ""),
            Probe::Gone
            | Probe::Recreated
            | Probe::RolledOut
            | Probe::OthersReady { .. }
            | Probe::TokenRefused => {}
        }
    }
}
