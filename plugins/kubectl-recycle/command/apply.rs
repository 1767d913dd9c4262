//! Applies a plan: lock, journal, engine, events.

use super::dns::DnsCheck;
use super::plan::Made;
use super::report;
use crate::cli::Args;
use rotation_core::apply::engine::Limits;
use rotation_core::apply::journal::{Entry, Journal as _};
use rotation_core::apply::outcome::{Outcome, Report};
use rotation_core::apply::recycle::{Manifests, Recycler};
use rotation_core::apply::state::StateDir;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::cli::narrator::{self, Narrator};
use rotation_core::facts::credential::Digest;
use rotation_core::facts::identity::Uid;
use rotation_core::plan::document::{Action, Plan};
use rotation_core::world::clock::{Clock, SystemClock};
use rotation_core::world::cluster::Cluster;
use rotation_core::world::files;
use rotation_core::world::interrupt::Interrupt;
use std::path::Path;
use std::time::Duration;

/// Between two attempts that a budget blocks, as a drain waits.
const RETRY: Duration = Duration::from_secs(5);

/// Applies the plan.
pub(super) fn run(
    args: &Args,
    console: &Console,
    cluster: &Cluster,
    state: &StateDir,
    made: &Made,
    clock: &SystemClock,
) -> Result<Report, Failure> {
    let interrupt = Interrupt::listen()
        .map_err(|e| Failure::unexpected(format!("cannot listen to signals: {e}")))?;
    let mut listeners = console.listeners(&args.output)?;
    let now = clock.now();
    let _lock = state.lock()?;
    let mut journal = state.journal(now)?;
    let mut plan = made.plan.clone();
    let manifests = save_manifests(cluster, state, &mut plan)?;
    let entry = Entry::run(plan.created_at, &plan, plan.owners(), made.seen.clone());
    journal.append(&[entry]).map_err(|e| {
        Failure::refused(format!(
            "cannot write journal `{}`: {e}; nothing was changed",
            journal.path().display()
        ))
    })?;

    let dns = DnsCheck::before(cluster, &plan, args.resolve.as_deref());
    let what = format!("recycle {}", report::things(plan.steps().map(|s| &s.target)));
    let place = cluster
        .context()
        .map_or_else(|| cluster.server().to_owned(), |c| format!("{c} ({})", cluster.server()));
    let mut recycler = Recycler::start(cluster, clock, &interrupt, &plan, manifests)?;
    // All that is told of a run is told by one clock: the server's.
    let now = || cluster.now(clock.now());
    let mut narrator = Narrator::begin(&mut listeners, &plan, &place, &what, now(), clock.uptime());
    let limits = Limits { each: args.timeout, retry: RETRY };
    let mut report = narrator::apply(&plan, &mut recycler, &mut journal, limits, &mut narrator);
    drop(recycler);
    forget_manifests(&plan, &report);
    let unproven = dns.after(console, &plan, &report);

    if let Some(why) = unproven {
        report.unproven.push(why);
    }
    let exit = report::exit(&plan, &report);
    // The outcome stands in the entries before; a lost last line only makes the next run say that this one was cut off.
    let _ = journal.append(&[Entry::end(now(), exit.code())]);
    let message = report::sentence(&plan, &report, journal.path());
    narrator.end(now(), clock.uptime(), &plan, &report, exit, &message);
    Ok(report)
}

/// Saves the manifests of pods that nobody else would create again, before anything is deleted.
///
/// A manifest can hold secrets in its environment, so it stands in a file for its owner alone, and the plan and the
/// journal name only that file and its digest.
fn save_manifests(
    cluster: &Cluster,
    state: &StateDir,
    plan: &mut Plan,
) -> Result<Manifests, Failure> {
    let mut manifests = Manifests::new();
    let steps = plan.phases.iter_mut().flat_map(|p| &mut p.waves).flat_map(|w| &mut w.steps);
    for step in steps {
        let Action::CreatePod { manifest_file, manifest_sha256 } = &mut step.action else {
            continue;
        };
        let target = &step.target;
        let changed = || {
            Failure::refused(format!(
                "{} has changed since it was looked at; nothing was changed",
                target.kubectl_name()
            ))
            .with_hint("run the command again")
        };
        // A pod that an earlier run deleted: only its file still knows it.
        if !manifest_file.is_empty() {
            let text = files::read(Path::new(manifest_file))?;
            let manifest = serde_json::from_str(&text).map_err(|_| changed())?;
            if Digest::of(text.as_bytes()).to_string() != *manifest_sha256 {
                return Err(changed());
            }
            manifests.insert(manifest_sha256.clone(), manifest);
            continue;
        }
        let found = cluster.pod_manifest(&target.namespace, &target.name)?;
        let uid = |m: &serde_json::Value| {
            m.pointer("/metadata/uid").and_then(|u| u.as_str()).map(Uid::from)
        };
        let found = found.filter(|m| uid(m).as_ref() == Some(&target.uid)).ok_or_else(changed)?;
        let manifest = bare(&found);
        let text = serde_json::to_string_pretty(&manifest)
            .map_err(|e| Failure::unexpected(e.to_string()))?;
        let digest = Digest::of(text.as_bytes()).to_string();
        let path = state.keep("pod-", &target.uid);
        // As a whole: a run that is cut off here must not leave half of it.
        files::replace(&path, text.as_bytes())?;
        *manifest_file = path.display().to_string();
        manifest_sha256.clone_from(&digest);
        manifests.insert(digest, manifest);
    }
    Ok(manifests)
}

/// What was created again needs its manifest no more, which may hold secrets.
fn forget_manifests(plan: &Plan, report: &Report) {
    for step in plan.steps() {
        let done = matches!(report.of(step), Some(Outcome::Done { .. }));
        if let (Action::CreatePod { manifest_file, .. }, true) = (&step.action, done) {
            // One that stays is harmless: the pod is there.
            let _ = files::remove(Path::new(manifest_file));
        }
    }
}

/// A pod as somebody would create it: without what the server and the scheduler added.
fn bare(found: &serde_json::Value) -> serde_json::Value {
    let mut pod = found.clone();
    let remove = |value: &mut serde_json::Value, keys: &[&str]| {
        if let Some(map) = value.as_object_mut() {
            map.retain(|key, _| !keys.contains(&key.as_str()));
        }
    };
    remove(&mut pod, &["status"]);
    if let Some(metadata) = pod.get_mut("metadata") {
        remove(
            metadata,
            &[
                "uid",
                "resourceVersion",
                "creationTimestamp",
                "managedFields",
                "selfLink",
                "generation",
                "deletionTimestamp",
                "deletionGracePeriodSeconds",
                "ownerReferences",
            ],
        );
    }
    let Some(spec) = pod.get_mut("spec") else { return pod };
    // The node is left to the scheduler, and the token's volume to admission: both are added again.
    remove(spec, &["nodeName"]);
    let injected = |name: &str| name.starts_with("kube-api-access-");
    let named = |value: &serde_json::Value| {
        value.get("name").and_then(|n| n.as_str()).is_some_and(injected)
    };
    if let Some(volumes) = spec.get_mut("volumes").and_then(|v| v.as_array_mut()) {
        volumes.retain(|v| !named(v));
    }
    for kind in ["containers", "initContainers", "ephemeralContainers"] {
        for container in spec.get_mut(kind).and_then(|c| c.as_array_mut()).into_iter().flatten() {
            if let Some(mounts) = container.get_mut("volumeMounts").and_then(|m| m.as_array_mut()) {
                mounts.retain(|m| !named(m));
            }
        }
    }
    pod
}

#[cfg(test)]
mod tests {
    use super::bare;
    use serde_json::json;

    #[test]
    fn what_the_server_added_is_taken_off() {
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "namespace": "n", "uid": "u", "resourceVersion": "1", "labels": {"a": "b"}},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "volumeMounts": [
                {"name": "kube-api-access-x", "mountPath": "/var/run"}, {"name": "data", "mountPath": "/data"}]}],
                "volumes": [{"name": "kube-api-access-x"}, {"name": "data"}]},
            "status": {"phase": "Running"}
        });
        let expected = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "p", "namespace": "n", "labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
                "volumes": [{"name": "data"}]}
        });
        assert_eq!(bare(&pod), expected);
    }
}
