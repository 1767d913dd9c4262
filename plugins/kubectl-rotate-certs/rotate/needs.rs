//! What the machines say for the choice of a strategy: when what ends, whose key is there, and what has ended already.

use super::choose::{Facts, Life, TrackFacts};
use super::generation::each_block;
use super::old::{self, Old, certificate, certificates};
use super::reach::Machine;
use super::stage::{Strategy, Track};
use jiff::Timestamp;
use rotation_core::facts::sighting::{Component, Part};
use rotation_core::facts::x509::Certificate;
use std::collections::{BTreeMap, BTreeSet};

/// Reads them.
pub(crate) fn facts(
    olds: &[Old],
    named: bool,
    machines: &[Machine],
    now: Timestamp,
    refused: BTreeMap<Strategy, String>,
) -> Facts {
    let signed = signed(olds, machines);
    let track = |old: &Old| TrackFacts {
        track: old.track,
        authority: old
            .certificate
            .as_ref()
            .map(|ca| life(ca, format!("the {} CA {}", old.track, ca.subject()))),
        has_key: old.private.is_some(),
        leaves: signed
            .iter()
            .filter(|(of, ..)| *of == old.track)
            .map(|(_, place, leaf)| life(leaf, format!("{} in {place}", leaf.subject())))
            .collect(),
    };
    Facts {
        now,
        named,
        tracks: olds.iter().map(track).collect(),
        dead: dead(olds, machines, now),
        coupled: coupled(machines),
        refused,
    }
}

fn life(certificate: &Certificate, what: String) -> Life {
    Life { what, from: certificate.not_before(), until: certificate.not_after() }
}

/// Certificates that today's CAs signed, each once, with the first place where it stands.
fn signed(olds: &[Old], machines: &[Machine]) -> Vec<(Track, String, Certificate)> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for machine in machines {
        for (path, file) in &machine.seen.files {
            let Ok(bytes) = &file.content else { continue };
            each_block(bytes, &mut |block| {
                let Some(leaf) = certificate(block).filter(|leaf| !leaf.is_ca()) else { return };
                if !seen.insert(*leaf.fingerprint().as_bytes()) {
                    return;
                }
                let signer = olds
                    .iter()
                    .find(|old| old.certificate.as_ref().is_some_and(|ca| leaf.is_issued_by(ca)));
                if let Some(old) = signer {
                    found.push((old.track, format!("{}:{path}", machine.name), leaf));
                }
            });
        }
    }
    found
}

/// CAs that have ended, and what API servers and etcd show each other and everybody.
fn dead(olds: &[Old], machines: &[Machine], now: Timestamp) -> Vec<String> {
    let mut dead: Vec<String> = olds
        .iter()
        .filter_map(|old| Some((old.track, old.certificate.as_ref()?)))
        .filter(|(_, ca)| ca.not_after() <= now)
        .map(|(track, ca)| format!("the {track} CA {}", ca.subject()))
        .collect();
    let vital = old::files(machines, |role| match (role.component, role.part) {
        (Component::ApiServer | Component::Etcd, Part::Serving) => true,
        (Component::ApiServer, Part::Client) => role.domain == Track::Etcd.domain(),
        _ => false,
    });
    for (place, bytes) in vital {
        let ended = certificates(bytes).into_iter().find(|leaf| {
            let ours = |old: &Old| old.certificate.as_ref().is_some_and(|ca| leaf.is_issued_by(ca));
            !leaf.is_ca() && leaf.not_after() <= now && olds.iter().any(ours)
        });
        dead.extend(ended.map(|leaf| format!("{} in {place}", leaf.subject())));
    }
    dead
}

/// Whether the key of a server's certificate signs tokens.
pub(crate) fn coupled(machines: &[Machine]) -> bool {
    let keys = old::token_keys(machines);
    old::files(machines, |role| role.part == Part::Serving)
        .flat_map(|(_, bytes)| certificates(bytes))
        .any(|leaf| !leaf.is_ca() && keys.contains(&leaf.key_digest()))
}
