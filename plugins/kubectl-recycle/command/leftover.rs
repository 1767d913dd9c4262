//! Pods that an earlier run deleted and, cut off, did not create again: their manifests are still there.

use rotation_core::apply::state::StateDir;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::identity::ObjectRef;
use rotation_core::plan::document::{Action, Phase, Plan, Probe, Step, Wave};
use rotation_core::plan::recycle::order::Order;
use rotation_core::world::cluster::Cluster;
use rotation_core::world::files;
use serde_json::Value;
use std::path::PathBuf;

/// A pod that nobody but us creates again.
pub(super) struct Leftover {
    /// The pod as it was.
    pub(super) target: ObjectRef,
    /// Its manifest.
    pub(super) path: PathBuf,
    digest: String,
}

/// Looks which saved manifests have no pod.
pub(super) fn find(cluster: &Cluster, state: &StateDir) -> Result<Vec<Leftover>, Failure> {
    let mut found = Vec::new();
    for path in state.kept("pod-")? {
        let text = files::read(&path)?;
        let uid = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.strip_prefix("pod-"));
        let manifest: Value = serde_json::from_str(&text).unwrap_or_default();
        let word = |key: &str| manifest.pointer(key).and_then(Value::as_str).map(str::to_owned);
        let named = word("/metadata/namespace").zip(word("/metadata/name")).zip(uid);
        // A file that is none of ours says nothing.
        let Some(((namespace, name), uid)) = named else { continue };
        if cluster.pod_manifest(&namespace, &name)?.is_none() {
            let target = ObjectRef { kind: "Pod".to_owned(), namespace, name, uid: uid.into() };
            found.push(Leftover { target, path, digest: Digest::of(text.as_bytes()).to_string() });
        }
    }
    Ok(found)
}

impl Leftover {
    /// The step that creates it again.
    fn step(&self, id: String) -> Step {
        Step {
            id,
            target: self.target.clone(),
            node: None,
            reason: "an earlier run deleted it and was cut off before it created it again"
                .to_owned(),
            expect: vec![Probe::Gone],
            action: Action::CreatePod {
                manifest_file: self.path.display().to_string(),
                manifest_sha256: self.digest.clone(),
            },
            verify: vec![Probe::Recreated],
            undo: "delete the pod".to_owned(),
            replaces: None,
        }
    }
}

/// Adds them to the plan, first of all: they serve nobody as long as they are away.
pub(super) fn add(plan: &mut Plan, leftovers: &[Leftover]) {
    if leftovers.is_empty() {
        return;
    }
    let steps: Vec<Step> = leftovers
        .iter()
        .enumerate()
        .map(|(number, leftover)| leftover.step(format!("0.1.{}", number + 1)))
        .collect();
    let wave = Wave {
        name: "pods of an earlier run".to_owned(),
        max_unavailable: u32::try_from(steps.len()).unwrap_or(u32::MAX),
        max_failures: u32::MAX,
        steps,
    };
    plan.phases.insert(0, Phase { name: Order::Workloads.name().to_owned(), waves: vec![wave] });
}
