//! What a replacement destroys, saved before it does: a file for its owner alone.

use rotation_core::apply::outcome::{Outcome, Report};
use rotation_core::apply::state::StateDir;
use rotation_core::apply::tokens::{TokenManifests, bare};
use rotation_core::cli::failure::Failure;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::identity::ClusterIdentity;
use rotation_core::plan::document::{Action, Plan};
use rotation_core::world::cluster::Cluster;
use rotation_core::world::files;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The version of a backup's format.
pub(super) const SCHEMA_VERSION: &str = "rotation/token-backup/v1";

/// A backup. It holds secrets, as the server wrote them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Backup {
    pub(super) schema_version: String,
    pub(super) cluster: ClusterIdentity,
    pub(super) secrets: Vec<Value>,
}

/// What was saved.
#[derive(Default)]
pub(super) struct Saved {
    /// Manifests, by the digest under which the plan names them.
    pub(super) manifests: TokenManifests,
    /// The backup, where one was made.
    pub(super) backup: Option<PathBuf>,
}

/// Reads what will be replaced, and saves it before anything is deleted.
pub(super) fn save(
    cluster: &Cluster,
    state: &StateDir,
    plan: &mut Plan,
    backup_path: Option<PathBuf>,
) -> Result<Saved, Failure> {
    let identity = plan.cluster.clone();
    let doomed: BTreeSet<(String, String)> = plan
        .steps()
        .filter(|s| matches!(s.action, Action::DeleteSecret))
        .map(|s| (s.target.namespace.clone(), s.target.name.clone()))
        .collect();
    let mut saved = Saved::default();
    let mut secrets = Vec::new();
    let with_extra = backup_path.is_some();
    let steps = plan.phases.iter_mut().flat_map(|p| &mut p.waves).flat_map(|w| &mut w.steps);
    for step in steps {
        let Action::CreateToken { name, account, manifest_file, manifest_sha256, .. } =
            &mut step.action
        else {
            continue;
        };
        let target = &step.target;
        let changed = || {
            Failure::refused(format!(
                "{} ({}) has changed since it was looked at; nothing was changed",
                target.kubectl_name(),
                target.namespace
            ))
            .with_hint("run the command again")
        };
        // One that an earlier run deleted: only its file still knows it.
        if !manifest_file.is_empty() {
            let text = files::read(Path::new(manifest_file))?;
            let manifest = serde_json::from_str(&text).map_err(|_| changed())?;
            if Digest::of(text.as_bytes()).to_string() != *manifest_sha256 {
                return Err(changed());
            }
            saved.manifests.insert(manifest_sha256.clone(), manifest);
            continue;
        }
        let found = cluster.secret_manifest(&target.namespace, &target.name)?;
        let same = |m: &Value| m["metadata"]["uid"].as_str() == Some(target.uid.as_str());
        let found = found.filter(same).ok_or_else(changed)?;
        let mut manifest = bare(&found, account, with_extra);
        manifest["metadata"]["name"] = name.as_str().into();
        let text = serde_json::to_string_pretty(&manifest)
            .map_err(|e| Failure::unexpected(e.to_string()))?;
        let digest = Digest::of(text.as_bytes()).to_string();
        let in_place = *name == target.name;
        let path = state.keep(if in_place { "secret-" } else { "beside-" }, &target.uid);
        // As a whole: a run that is cut off here must not leave half of it.
        files::replace(&path, text.as_bytes())?;
        *manifest_file = path.display().to_string();
        manifest_sha256.clone_from(&digest);
        saved.manifests.insert(digest, manifest);
        if doomed.contains(&(target.namespace.clone(), target.name.clone())) {
            secrets.push(found);
        }
    }
    if let (Some(path), false) = (backup_path, secrets.is_empty()) {
        let backup =
            Backup { schema_version: SCHEMA_VERSION.to_owned(), cluster: identity, secrets };
        let text = serde_json::to_string_pretty(&backup)
            .map_err(|e| Failure::unexpected(e.to_string()))?;
        files::create_new(&path, text.as_bytes())?;
        saved.backup = Some(path);
    }
    Ok(saved)
}

/// What was created again needs its manifest no more.
pub(super) fn forget_manifests(plan: &Plan, report: &Report) {
    for step in plan.steps() {
        let done = matches!(report.of(step), Some(Outcome::Done { .. }));
        if let (Action::CreateToken { manifest_file, .. }, true) = (&step.action, done) {
            // One that stays is harmless: the secret is there.
            let _ = files::remove(Path::new(manifest_file));
        }
    }
}
