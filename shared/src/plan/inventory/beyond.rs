//! What objects, live servers, pods' volumes and etcd show beside each other.

use crate::facts::objects::Called;
use crate::facts::sighting::{Content, Domain, Part, Place, Sighting};
use crate::facts::x509::{Certificate, San};
use crate::plan::certificate::{Finding, Kind, RowKind, verify};
use jiff::{SignedDuration, Timestamp};
use std::collections::HashMap;

/// What was gathered beside the sightings.
#[derive(Debug, Default)]
pub struct Beyond {
    /// Whom API servers call, and what is shown there.
    pub called: Vec<Called>,
    /// Pods' volumes that hold something else than the object that they come from.
    pub behind: Vec<(Place, Place)>,
    /// Names under which servers are reached: what shows their chain, and the names.
    pub names: Vec<(Place, Vec<String>)>,
    /// Leases that ran out: which, who held it, and for how many seconds it has not been renewed.
    pub overdue: Vec<(Place, String, i64)>,
    /// Snapshots of etcd: the file, and how many of its Secrets are open and how many are encrypted.
    pub stored: Vec<(String, usize, usize)>,
}

/// Judges these sources, as of a time.
pub fn judge_beyond<'a>(
    sightings: impl Iterator<Item = &'a Sighting> + Clone,
    beyond: &Beyond,
    at: Timestamp,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    callees(sightings.clone(), &beyond.called, at, &mut findings);
    names(sightings.clone(), &beyond.names, &mut findings);
    for (mount, object) in &beyond.behind {
        let what = format!("it holds something else than {object}");
        findings.push(Finding::new(Kind::MountBehind, &mount.to_string(), what));
    }
    for (lease, holder, seconds) in &beyond.overdue {
        let what = format!("{holder} has not renewed it for {seconds} s");
        findings.push(Finding::new(Kind::LeaseOverdue, &lease.to_string(), what));
    }
    for (file, open, sealed) in &beyond.stored {
        if *open > 0 {
            let what = format!("{open} of {} Secrets in it are not encrypted", open + sealed);
            findings.push(Finding::new(Kind::SecretsOpen, file, what));
        }
    }
    stored(sightings.clone(), &mut findings);
    uploaded_keys(sightings, at, &mut findings);
    findings
}

/// How long kubeadm lets the keys lie that it uploads for control planes to come: the life of the bootstrap token that owns
/// them.
const UPLOAD_LIFE: SignedDuration = SignedDuration::from_hours(2);

/// Keys of CAs that were uploaded for control planes to come, and outlived that.
fn uploaded_keys<'a>(
    sightings: impl Iterator<Item = &'a Sighting>,
    at: Timestamp,
    findings: &mut Vec<Finding>,
) {
    let is_upload = |sighting: &&Sighting| {
        sighting.role.part == Part::AuthorityKey
            && matches!(&sighting.content, Content::Sealed { provider, .. } if **provider == *"kubeadm")
    };
    let uploads: Vec<&Sighting> = sightings.filter(is_upload).collect();
    let of_api = |sighting: &&Sighting| matches!(sighting.place, Place::Object { .. });
    let told = uploads.iter().any(of_api);
    // What is stored does not say when it was written: the API does.
    for upload in uploads.iter().filter(|upload| !told || of_api(upload)) {
        let what = match upload.modified {
            Some(since) if at.duration_since(since) < UPLOAD_LIFE => continue,
            Some(since) => format!("they were uploaded at {since}"),
            None => "they were uploaded".to_owned(),
        };
        findings.push(Finding::new(Kind::CaKeysUploaded, &upload.place.to_string(), what));
    }
}

/// Each server behind a callee must be verified by the callee's bundle, under the name by which it is called.
fn callees<'a>(
    sightings: impl Iterator<Item = &'a Sighting>,
    called: &[Called],
    at: Timestamp,
    findings: &mut Vec<Finding>,
) {
    let bundles: HashMap<&Place, &Sighting> = sightings.map(|s| (&s.place, s)).collect();
    for Called { callee, sightings } in called {
        let bundle = bundles.get(&callee.bundle).and_then(|s| s.content.held());
        let (Some(bundle), Ok(name)) = (bundle, San::parse(&callee.name)) else { continue };
        let pool: Vec<Certificate> = bundle.certificates.iter().map(|c| (**c).clone()).collect();
        for shown in sightings {
            let Some(held) = shown.content.held() else { continue };
            let Some((leaf, above)) = held.certificates.split_first() else { continue };
            let above: Vec<Certificate> = above.iter().map(|c| (**c).clone()).collect();
            let names = std::slice::from_ref(&name);
            // Go takes a certificate that is itself in the bundle, whoever signed it.
            let pinned = pool.contains(leaf) && leaf.sans().iter().any(|san| san.covers(&name));
            let verified = verify(leaf, &pool, &above, RowKind::Server, names, at);
            if let Err(why) = verified.or_else(|why| if pinned { Ok(()) } else { Err(why) }) {
                let what = format!("{} shows {}: {}", shown.place, leaf.subject(), why.what);
                let place = callee.bundle.to_string();
                findings.push(Finding::new(Kind::BundleUnfit, &place, what));
            }
        }
    }
}

/// What a server shows must bear every name under which it is reached.
fn names<'a>(
    sightings: impl Iterator<Item = &'a Sighting>,
    wanted: &[(Place, Vec<String>)],
    findings: &mut Vec<Finding>,
) {
    let shown: HashMap<&Place, &Sighting> = sightings.map(|s| (&s.place, s)).collect();
    for (place, names) in wanted {
        // A certificate that a server made itself bears the names that it likes.
        let ours = shown.get(place).filter(|sighting| sighting.role.domain != Domain::Other);
        let held = ours.and_then(|sighting| sighting.content.held());
        let Some(leaf) = held.and_then(|held| held.certificates.first()) else { continue };
        let is_missing = |name: &&String| {
            San::parse(name).is_ok_and(|name| !leaf.sans().iter().any(|san| san.covers(&name)))
        };
        let missing: Vec<&str> = names.iter().filter(is_missing).map(String::as_str).collect();
        if !missing.is_empty() {
            let what = format!("{} does not bear {}", leaf.subject(), missing.join(", "));
            findings.push(Finding::new(Kind::SanNotCovering, &place.to_string(), what));
        }
    }
}

/// What etcd stores must be what the API says.
fn stored<'a>(sightings: impl Iterator<Item = &'a Sighting>, findings: &mut Vec<Finding>) {
    let mut said: HashMap<String, &Sighting> = HashMap::new();
    let mut kept: Vec<(String, &Sighting)> = Vec::new();
    for sighting in sightings {
        match &sighting.place {
            Place::Object { kind, namespace, name, field } => {
                let key = format!("/registry/{kind}s/{namespace}/{name}#{field}");
                said.insert(key, sighting);
            }
            Place::EtcdKey { key, field, .. } => kept.push((format!("{key}#{field}"), sighting)),
            Place::File { .. }
            | Place::Endpoint { .. }
            | Place::Mount { .. }
            | Place::Entry { .. } => {}
        }
    }
    for (key, stored) in kept {
        let Some(said) = said.get(&key) else { continue };
        let both = stored.content.held().zip(said.content.held());
        if both.is_some_and(|(stored, said)| stored.is_different_from(said)) {
            let what = format!("{} holds something else", said.place);
            findings.push(Finding::new(Kind::StoredDiffers, &stored.place.to_string(), what));
        }
    }
}
