//! The requests that change secrets and accounts, and what their answers mean.

use super::Keeper;
use crate::apply::answers::effect;
use crate::apply::effect::Effect;
use crate::facts::account::{
    ACCOUNT_NAME, ACCOUNT_UID, Account, INVALID_SINCE, REPLACES, TOKEN_TYPE,
};
use crate::plan::document::{Action, Step};
use crate::world::cluster::{Answer, Request, Thing};
use serde_json::{Value, json};
use std::time::Duration;

/// How often a secret that somebody else changes at the same time is read and tried again.
const TRIES: u32 = 5;

impl Keeper<'_> {
    pub(super) fn request(&mut self, step: &Step) -> Result<Option<Request>, String> {
        let (namespace, name) = (step.target.namespace.clone(), step.target.name.clone());
        let uid = step.target.uid.clone();
        Ok(Some(match &step.action {
            Action::RefillToken { revive, .. } => {
                let secret = self.target(step).ok_or("it is not there any more")?;
                let mut change = json!({ "data": { "token": null } });
                if *revive {
                    change["metadata"]["labels"][INVALID_SINCE] = Value::Null;
                }
                Request::Merge {
                    thing: Thing::Secret,
                    namespace,
                    name,
                    uid,
                    resource_version: secret.resource_version.to_string(),
                    change,
                    dry_run: false,
                }
            }
            Action::AwaitToken => return Ok(None),
            Action::CreateToken { name, manifest_sha256, manifest_file, .. } => {
                let manifest = self
                    .manifests
                    .get(manifest_sha256)
                    .ok_or_else(|| format!("manifest {manifest_file} is not at hand"))?;
                Request::Create {
                    thing: Thing::Secret,
                    namespace,
                    manifest: named(manifest, name),
                    dry_run: false,
                }
            }
            Action::RepointAccount { account, account_uid, to } => {
                self.accounts.remove(&(namespace.clone(), account.clone()));
                let found =
                    self.account(&namespace, account).ok_or("its account cannot be read")?;
                if found.uid != *account_uid {
                    return Err("its account was deleted and made again".to_owned());
                }
                Request::Merge {
                    thing: Thing::ServiceAccount,
                    namespace,
                    name: account.clone(),
                    uid: account_uid.clone(),
                    resource_version: found.resource_version.to_string(),
                    change: repointed(&found, &name, to),
                    dry_run: false,
                }
            }
            Action::DeleteSecret => Request::Delete {
                thing: Thing::Secret,
                namespace,
                name,
                uid,
                resource_version: None,
                grace_seconds: None,
                dry_run: false,
            },
            Action::EvictPod { .. }
            | Action::DeletePod { .. }
            | Action::AwaitPod
            | Action::CreatePod { .. }
            | Action::RestartRollout { .. } => {
                return Err("pods are not this interpreter's work".to_owned());
            }
        }))
    }

    /// What follows from the answer, beside the effect.
    pub(super) fn note(&mut self, step: &Step, answer: Answer) -> Effect {
        let uid = &step.target.uid;
        if let Answer::Conflict { message } = &answer {
            let tries = self.conflicts.entry(uid.clone()).or_default();
            *tries += 1;
            // One of its name may be there already: a run that was cut off made it, or somebody else did.
            if matches!(step.action, Action::CreateToken { .. }) {
                return Effect::Made;
            }
            if *tries < TRIES {
                self.reread(step);
                let by = format!("somebody else who changes it at the same time: {message}");
                return Effect::Blocked { by, retry_after: Some(Duration::from_millis(200)) };
            }
        }
        let gone = matches!(answer, Answer::Gone | Answer::Replaced);
        let immutable =
            matches!(&answer, Answer::Invalid { message } if message.contains("immutable"));
        let effect = match effect(answer) {
            Effect::Made if gone && !matches!(step.action, Action::DeleteSecret) => {
                self.reread(step);
                Effect::Refused {
                    reason: "Moved".to_owned(),
                    message: "it was deleted, or made again, by somebody else meanwhile".to_owned(),
                }
            }
            Effect::Refused { .. } if immutable => Effect::Refused {
                reason: "Immutable".to_owned(),
                message: "it was made immutable meanwhile; the next run replaces it".to_owned(),
            },
            other => other,
        };
        match (&effect, &step.action) {
            (Effect::Made, Action::RefillToken { .. }) => {
                self.emptied.insert(uid.clone());
                let name = (step.target.namespace.clone(), step.target.name.clone());
                if let Some(secret) = self.secrets.get_mut(&name) {
                    let now = self.clock.uptime();
                    self.window.emptied(uid.clone(), &secret.resource_version, now);
                    secret.token = None;
                }
            }
            (Effect::Made, Action::DeleteSecret) => {
                self.deleted.insert(uid.clone(), self.clock.uptime());
                self.secrets.retain(|_, secret| secret.secret.uid != *uid);
            }
            (Effect::Made, Action::RepointAccount { account, .. }) => {
                self.accounts.remove(&(step.target.namespace.clone(), account.clone()));
            }
            (Effect::Refused { message, .. }, _) => {
                self.refused.insert(uid.clone(), message.clone());
            }
            _ => {}
        }
        effect
    }
}

/// The account's lists with another secret in the old one's place; listed anew where the old one is not there any more.
fn repointed(account: &Account, old: &str, new: &str) -> Value {
    let put = |list: &[Box<str>], add: bool| -> Vec<Value> {
        let mut names: Vec<&str> = Vec::new();
        for name in list.iter().map(|n| if **n == *old { new } else { n }) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if add && !names.contains(&new) {
            names.push(new);
        }
        names.into_iter().map(|name| json!({ "name": name })).collect()
    };
    json!({
        "secrets": put(&account.secrets, true),
        "imagePullSecrets": put(&account.pull_secrets, false),
    })
}

/// A saved manifest under a name; what the server and the controller add is not in it.
fn named(manifest: &Value, name: &str) -> Value {
    let mut secret = manifest.clone();
    secret["metadata"]["name"] = name.into();
    secret
}

/// A token secret as somebody would create it: labels, annotations and other keys, without token, CA and identity.
///
/// Never `immutable`: the controller manager could not fill it.
pub fn bare(found: &Value, account: &str, with_extra: bool) -> Value {
    const CONTROLLERS: [&str; 3] = ["token", "ca.crt", "namespace"];
    let meta = &found["metadata"];
    let mut annotations = meta["annotations"].as_object().cloned().unwrap_or_default();
    annotations.retain(|key, _| {
        key != ACCOUNT_UID && key != "kubectl.kubernetes.io/last-applied-configuration"
    });
    annotations.insert(ACCOUNT_NAME.to_owned(), account.into());
    annotations.insert(REPLACES.to_owned(), meta["uid"].clone());
    let mut labels = meta["labels"].as_object().cloned().unwrap_or_default();
    labels.retain(|key, _| !key.starts_with("kubernetes.io/legacy-token-"));
    let mut data = found["data"].as_object().cloned().unwrap_or_default();
    data.retain(|key, _| with_extra && !CONTROLLERS.contains(&key.as_str()));
    let mut secret = json!({
        "apiVersion": "v1", "kind": "Secret", "type": TOKEN_TYPE,
        "metadata": {
            "namespace": meta["namespace"], "name": meta["name"],
            "labels": labels, "annotations": annotations,
        },
    });
    if !data.is_empty() {
        secret["data"] = data.into();
    }
    secret
}
