//! Secrets that an earlier run deleted and, cut off, did not create again: their manifests are still there.

use rotation_core::apply::state::StateDir;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::account::ACCOUNT_NAME;
use rotation_core::facts::ca_bundle::CaBundle;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::identity::ObjectRef;
use rotation_core::plan::document::{Action, Phase, Plan, Probe, Step, Wave};
use rotation_core::world::cluster::Cluster;
use rotation_core::world::files;
use serde_json::Value;

/// Steps that create them again.
pub(super) fn find(cluster: &Cluster, state: &StateDir) -> Result<Vec<Step>, Failure> {
    let mut steps = Vec::new();
    for path in state.kept("secret-")? {
        let text = files::read(&path)?;
        let manifest: Value = serde_json::from_str(&text).unwrap_or_default();
        let word = |key: &str| manifest.pointer(key).and_then(Value::as_str).map(str::to_owned);
        let account = manifest["metadata"]["annotations"][ACCOUNT_NAME].as_str();
        let uid = path.file_stem().and_then(|s| s.to_str()).and_then(|s| s.strip_prefix("secret-"));
        let named = word("/metadata/namespace").zip(word("/metadata/name"));
        // A file that is none of ours says nothing.
        let (Some((namespace, name)), Some(account), Some(uid)) = (named, account, uid) else {
            continue;
        };
        if cluster.secret_exists(&namespace, &name)? {
            continue;
        }
        // An account that is gone as well needs no token.
        let Some(account) = cluster.account(&namespace, account)? else { continue };
        let target = ObjectRef {
            kind: "Secret".to_owned(),
            namespace: namespace.clone(),
            name: name.clone(),
            uid: uid.into(),
        };
        steps.push(Step {
            id: String::new(),
            target,
            node: None,
            reason: "an earlier run deleted it and was cut off before it created it again"
                .to_owned(),
            expect: vec![Probe::Gone],
            action: Action::CreateToken {
                name: name.clone(),
                account: account.name.to_string(),
                account_uid: account.uid.clone(),
                manifest_file: path.display().to_string(),
                manifest_sha256: Digest::of(text.as_bytes()).to_string(),
            },
            verify: vec![Probe::TokenWorks {
                namespace,
                secret: name,
                other_than: None,
                ca: CaBundle::default(),
            }],
            undo: "delete the secret".to_owned(),
            replaces: None,
        });
    }
    Ok(steps)
}

/// Adds them to the plan, first of all: pods that name them cannot start.
pub(super) fn add(plan: &mut Plan, mut steps: Vec<Step>) {
    if steps.is_empty() {
        return;
    }
    for (number, step) in steps.iter_mut().enumerate() {
        step.id = format!("0.1.{}", number + 1);
    }
    let wave = Wave {
        name: "secrets of an earlier run".to_owned(),
        max_unavailable: u32::try_from(steps.len()).unwrap_or(u32::MAX),
        max_failures: u32::MAX,
        steps,
    };
    plan.phases.insert(0, Phase { name: "tokens".to_owned(), waves: vec![wave] });
}
