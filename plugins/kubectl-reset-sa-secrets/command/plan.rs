//! Makes a plan, or reads one.

use super::leftover;
use super::{report, rights};
use crate::TOOL;
use crate::cli::Args;
use crate::decide::decide;
use crate::draw::{draw, other_type};
use crate::inventory::Inventory;
use crate::observe::{Observed, observe};
use crate::pods::{Users, guard, select};
use crate::request::Request;
use rotation_core::apply::journal::Seen;
use rotation_core::apply::state::StateDir;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::identity::{ClusterIdentity, ObjectRef};
use rotation_core::facts::words::{count, time};
use rotation_core::look::pods;
use rotation_core::plan::document::{Plan, Skipped};
use rotation_core::plan::recycle::plan::Header;
use rotation_core::world::clock::Clock;
use rotation_core::world::cluster::{Cluster, Scope};

/// A plan, and what the run needs beside it.
pub(super) struct Made {
    /// The plan.
    pub(super) plan: Plan,
    /// Credentials as they were seen, for the journal.
    pub(super) seen: Vec<Seen>,
    /// Secrets were named.
    pub(super) explicit: bool,
}

/// Where a plan is made.
pub(super) struct Place<'a> {
    /// The cluster.
    pub(super) cluster: &'a Cluster,
    /// The other API servers.
    pub(super) others: &'a [Cluster],
    /// Which cluster it is.
    pub(super) identity: &'a ClusterIdentity,
    /// What earlier runs have left.
    pub(super) state: &'a StateDir,
}

/// Looks at the cluster.
pub(super) fn look(
    place: &Place<'_>,
    request: &Request,
    lost: &[(String, String)],
    console: &Console,
    clock: &dyn Clock,
) -> Result<Observed, Failure> {
    let (memory, doubts) = place.state.remember(place.identity);
    for doubt in doubts {
        console.warn(&doubt);
    }
    let observed = observe(place.cluster, place.others, request, memory, lost, clock.now())
        .map_err(|error| rights::explain(place.cluster, request, error))?;
    if !observed.absent.is_empty() && request.scope != usual() {
        return Err(Failure::refused(format!(
            "there is no namespace {}; nothing was changed",
            observed.absent.join(", ")
        )));
    }
    Ok(observed)
}

/// A cluster without the namespace `default` is none, but one that it is not there is no error of the operator's.
fn usual() -> Scope {
    Scope::These(crate::request::USUAL.map(str::to_owned).to_vec())
}

/// Looks at the cluster and decides.
pub(super) fn make(
    args: &Args,
    place: &Place<'_>,
    request: &Request,
    console: &Console,
    clock: &dyn Clock,
) -> Result<Made, Failure> {
    let left = leftover::find(place.cluster, place.state)?;
    let lost: Vec<(String, String)> =
        left.iter().map(|s| (s.target.namespace.clone(), s.target.name.clone())).collect();
    let Observed { mut inventory, services, .. } = look(place, request, &lost, console, clock)?;
    let cut_off = inventory.memory.cut_off(clock.now()).cloned();
    let not_found = not_found(request, &inventory);

    guard(&mut inventory.scene, request, &services);
    let users = Users::of(&inventory.scene);
    let (selected, conditions) = {
        let decided = decide(&inventory, request, &users);
        select(&inventory, &services, &decided, &lost, request)
    };
    inventory.scene.selected = selected;
    pods::surroundings(place.cluster, &mut inventory.scene)
        .map_err(|error| rights::explain(place.cluster, request, error))?;
    let decided = decide(&inventory, request, &users);
    let header = Header {
        tool: TOOL.name.to_owned(),
        tool_version: TOOL.version.to_owned(),
        created_at: inventory.now,
        cluster: place.identity.clone(),
    };
    let mut plan = draw(header, &inventory, &decided, &users, &conditions, request);
    leftover::add(&mut plan, left);
    match not_found {
        Ok(skipped) => plan.skipped.splice(0..0, skipped).for_each(drop),
        Err(names) => return Err(absent(args, request, &names)),
    }
    if let Some(run) = cut_off {
        plan.notes.push(format!(
            "the run of {} ended early, with {} of {} done; what is left is done now",
            time(run.at),
            run.done,
            count(run.steps, "step")
        ));
    }
    let seen = inventory.digests().into_iter().map(|(key, digest)| Seen { key, digest }).collect();
    Ok(Made { plan, seen, explicit: !request.names.is_empty() })
}

/// Named secrets that are of another type; an error with those that are not there at all.
fn not_found(request: &Request, inventory: &Inventory) -> Result<Vec<Skipped>, Vec<String>> {
    let mut others = Vec::new();
    let mut absent = Vec::new();
    for name in &request.names {
        if inventory.known.iter().any(|(_, known)| known == name) {
            continue;
        }
        match inventory.others.iter().find(|o| o.name == *name) {
            Some(other) => {
                let target = ObjectRef {
                    kind: "Secret".to_owned(),
                    namespace: other.namespace.clone(),
                    name: other.name.clone(),
                    uid: other.uid.clone(),
                };
                others.push(other_type(target, &other.kind));
            }
            None => absent.push(format!("secret/{name}")),
        }
    }
    for account in &request.accounts {
        if !inventory.accounts.keys().any(|(_, known)| **known == **account) {
            absent.push(format!("serviceaccount/{account}"));
        }
    }
    if absent.is_empty() { Ok(others) } else { Err(absent) }
}

fn absent(args: &Args, request: &Request, names: &[String]) -> Failure {
    let place = match &request.scope {
        Scope::All => String::new(),
        Scope::These(namespaces) => format!(" in {}", namespaces.join(", ")),
    };
    Failure::refused(format!("there is no {}{place}; nothing was changed", names.join(", ")))
        .with_hint(format!(
            "run `{} check{}` to see which there are",
            TOOL.name,
            report::scope(args)
        ))
}
