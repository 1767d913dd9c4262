//! Makes a plan, or reads one.

use super::check;
use super::leftover::{self, Leftover};
use crate::TOOL;
use crate::observe::observe;
use crate::request::{Place, Request, Select};
use crate::target::Target;
use rotation_core::apply::journal::Seen;
use rotation_core::apply::state::StateDir;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::plan_file;
use rotation_core::facts::identity::ClusterIdentity;
use rotation_core::facts::pod::Pod;
use rotation_core::facts::words::{count, time};
use rotation_core::plan::document::Plan;
use rotation_core::plan::recycle::options::Allowance;
use rotation_core::plan::recycle::plan::{Header, draw};
use rotation_core::world::clock::Clock;
use rotation_core::world::cluster::{Cluster, ClusterError};
use std::path::Path;

/// A plan, and what the run needs beside it.
pub(super) struct Made {
    /// The plan.
    pub(super) plan: Plan,
    /// Credentials as they were seen, for the journal.
    pub(super) seen: Vec<Seen>,
    /// Single pods were named.
    pub(super) explicit: bool,
}

/// What is asked for, and what was read ahead of knowing the cluster.
pub(super) struct Asked {
    /// The request.
    pub(super) request: Request,
    /// Its pods.
    pub(super) pods_ahead: Option<Result<Vec<Pod>, ClusterError>>,
}

/// Looks at the cluster and decides.
pub(super) fn make(
    Asked { request, pods_ahead }: Asked,
    cluster: &Cluster,
    identity: &ClusterIdentity,
    state: &StateDir,
    console: &Console,
    clock: &dyn Clock,
) -> Result<Made, Failure> {
    let (memory, doubts) = state.remember(identity);
    for doubt in doubts {
        console.warn(&doubt);
    }
    let cut_off = memory.cut_off(clock.now()).cloned();
    let mut observed = observe(cluster, &request, pods_ahead, memory, clock.now())
        .map_err(|error| check::explain(cluster, &request, error))?;
    let leftovers = leftover::find(cluster, state)?;
    let again = request.options.allows(Allowance::Bare);
    if again {
        let is_left = |word: &String| leftovers.iter().any(|l| l.target.kubectl_name() == *word);
        observed.picked.missing.retain(|word| !is_left(word));
    } else {
        for Leftover { target, path, .. } in &leftovers {
            console.warn(&format!(
                "{} ({}) was deleted by an earlier run that was cut off, and nobody creates it again: run with `--allow bare`, or `kubectl create -f {}`",
                target.kubectl_name(),
                target.namespace,
                path.display()
            ));
        }
    }
    if !observed.picked.missing.is_empty() {
        missing(&request, &observed.picked.missing, console)?;
    }
    let header = Header {
        tool: TOOL.name.to_owned(),
        tool_version: TOOL.version.to_owned(),
        created_at: observed.background.now,
        cluster: identity.clone(),
    };
    let mut plan = draw(header, &observed.scene, &request.options);
    plan.skipped.extend(observed.picked.left);
    if again {
        leftover::add(&mut plan, &leftovers);
    }
    if let Some(run) = cut_off {
        plan.notes.push(format!(
            "the run of {} ended early, with {} of {} done; what is left is done now",
            time(run.at),
            run.done,
            count(run.steps, "step")
        ));
    }
    let digests = observed.background.digests();
    let mut seen: Vec<Seen> =
        digests.into_iter().map(|(key, digest)| Seen { key, digest }).collect();
    seen.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(Made { plan, seen, explicit: is_explicit(&request.select) })
}

/// Whether the operator named single pods: then what cannot be done to them is an error before anything is done.
fn is_explicit(select: &Select) -> bool {
    match select {
        Select::Named(targets) => targets.iter().any(|t| matches!(t, Target::Pod(_))),
        Select::Matching { .. } | Select::Stale => false,
    }
}

/// A target that matches nothing is never silently a success.
fn missing(request: &Request, targets: &[String], console: &Console) -> Result<(), Failure> {
    let place = |word: &String| match (request.presets.get(word), &request.place) {
        (Some(preset), _) => {
            format!("preset `{word}` matches no pod in {}", preset.namespaces.join(", "))
        }
        (None, Place::Namespace { name, .. }) if !request.looks_everywhere() => {
            format!("there is no {word} in namespace {name}")
        }
        (None, Place::Namespace { .. } | Place::Everywhere) => format!("there is no {word}"),
    };
    let words: Vec<String> = targets.iter().map(place).collect();
    if request.ignore_not_found {
        for word in words {
            console.note(&word);
        }
        return Ok(());
    }
    Err(Failure::refused(format!("{}; nothing was changed", words.join("; "))).with_hint(format!(
        "run `{} presets` to see what each preset matches here, or pass --ignore-not-found",
        TOOL.name
    )))
}

/// Reads a plan that was made for this cluster.
pub(super) fn read(path: &Path, identity: &ClusterIdentity) -> Result<Made, Failure> {
    let plan = plan_file::read(path, TOOL.name, identity)?;
    Ok(Made { plan, seen: Vec::new(), explicit: false })
}
