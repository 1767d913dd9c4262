//! Objects of the API that hold a CA and that nobody keeps up to date: they are brought to each stage.

use super::api::Api;
use super::document::Plan;
use super::rewrite;
use super::stage::{Stage, Strategy, Track};
use super::work::Work;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::ca_bundle::CaBundle;
use rotation_core::facts::kubeconfig::Kubeconfig;
use rotation_core::facts::x509::{encode, read_pem};
use rotation_core::world::cluster::Thing;
use serde_json::{Value, json};
use zeroize::Zeroizing;

/// The CAs of a kubeconfig.
pub(super) fn bundle_of(kubeconfig: &str) -> CaBundle {
    let config = Kubeconfig::read(kubeconfig).unwrap_or_default();
    let data =
        config.clusters.iter().filter_map(|c| c.cluster.certificate_authority_data.as_deref());
    let text: String = data
        .filter_map(|word| STANDARD.decode(word.trim()).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    CaBundle::of(&text)
}

/// The cluster CAs that are to be trusted at a stage.
pub(super) fn wanted(plan: &Plan, work: &Work, stage: Stage) -> CaBundle {
    CaBundle::of(&pem_of(plan, work, stage))
}

fn pem_of(plan: &Plan, work: &Work, stage: Stage) -> String {
    let read =
        |name: &str| rotation_core::world::files::read(&work.beside(name)).unwrap_or_default();
    let (old, new) = (read("old-cluster.crt"), read("new-cluster.crt"));
    match stage {
        Stage::Before => old,
        Stage::Retire => new,
        _ if plan.strategy == Strategy::Rolling => format!("{old}{new}"),
        _ if plan.strategy == Strategy::Renew => old,
        _ => new,
    }
}

/// Brings `cluster-info` to a stage; says whether it was changed.
pub(super) fn cluster_info(
    api: &Api,
    plan: &Plan,
    work: &Work,
    stage: Stage,
) -> Result<bool, Failure> {
    if plan.track(Track::Cluster).is_none() {
        return Ok(false);
    }
    let pem = pem_of(plan, work, stage);
    edit(api, "kube-public", "cluster-info", &|data| {
        let text = data.get("kubeconfig")?.as_str()?;
        if bundle_of(text) == CaBundle::of(&pem) {
            return None;
        }
        let authority = |_: &[u8]| Some(Zeroizing::new(pem.clone()));
        let config = Kubeconfig::read(text)?;
        let new = rewrite::kubeconfig(text.as_bytes(), &config, &authority, &|_| None);
        Some(json!({ "kubeconfig": new.ok()?.as_str() }))
    })
}

/// Takes the CAs that are trusted no more out of what aggregated servers are told, the old ones at the end, the new ones
/// of who went back: API servers only ever add to it.
pub(super) fn prune(api: &Api, plan: &Plan, stage: Stage) -> Result<bool, Failure> {
    let without = |text: &str, track: Track| {
        let Some(track) = plan.track(track) else { return text.to_owned() };
        let (gone, kept) = match stage {
            Stage::Before => (&track.new, &track.old),
            _ => (&track.old, &track.new),
        };
        let blocks = read_pem(text.as_bytes()).blocks;
        let kept = blocks.iter().filter(|block| {
            super::old::certificate(block).is_none_or(|ca| {
                ca.key_digest() != gone.key || ca.fingerprint() == kept.fingerprint
            })
        });
        kept.map(|block| encode("CERTIFICATE", &block.der)).collect()
    };
    edit(api, "kube-system", "extension-apiserver-authentication", &|data| {
        let mut changes = serde_json::Map::new();
        for (key, track) in [
            ("client-ca-file", Track::Cluster),
            ("requestheader-client-ca-file", Track::FrontProxy),
        ] {
            let Some(text) = data.get(key).and_then(Value::as_str) else { continue };
            let new = without(text, track);
            if CaBundle::of(&new) != CaBundle::of(text) {
                changes.insert(key.to_owned(), new.into());
            }
        }
        (!changes.is_empty()).then_some(Value::Object(changes))
    })
}

/// Gives back the lease of a controller whose process on this machine has just ended: nobody else would take it for as
/// long as it lasts.
pub(super) fn release(api: &Api, component: &str, machine: &str) -> Result<bool, Failure> {
    let done = api.ask(None, |cluster| {
        let Some(lease) = cluster.object(Thing::Lease, "kube-system", component)? else {
            return Ok(false);
        };
        let holder =
            lease.pointer("/spec/holderIdentity").and_then(Value::as_str).unwrap_or_default();
        if !holder.starts_with(&format!("{machine}_")) {
            return Ok(false);
        }
        let change = json!({ "spec": { "holderIdentity": "" } });
        cluster.merge(Thing::Lease, &lease, &change)
    })?;
    Ok(done)
}

/// Who leads.
pub(super) fn leader(api: &Api, component: &str) -> Option<String> {
    let lease = api
        .ask(None, |cluster| cluster.object(Thing::Lease, "kube-system", component))
        .ok()
        .flatten()?;
    let holder = lease.pointer("/spec/holderIdentity")?.as_str()?;
    Some(holder.split('_').next()?.to_owned())
}

fn edit(
    api: &Api,
    namespace: &str,
    name: &str,
    change: &dyn Fn(&Value) -> Option<Value>,
) -> Result<bool, Failure> {
    let done = api.ask(None, |cluster| {
        // Somebody may write it in the same moment: API servers do.
        for _ in 0..5 {
            let Some(map) = cluster.object(Thing::ConfigMap, namespace, name)? else {
                return Ok(false);
            };
            let Some(data) = map.get("data").and_then(change) else { return Ok(false) };
            if cluster.merge(Thing::ConfigMap, &map, &json!({ "data": data }))? {
                return Ok(true);
            }
        }
        Ok(false)
    })?;
    Ok(done)
}
