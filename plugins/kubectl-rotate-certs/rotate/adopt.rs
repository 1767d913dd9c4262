//! A rotation that was left half done and whose plan is lost, this tool's or another one's: two CAs are in use. It is gone on
//! with, or gone back, by the two that are there; a third one is never made.

use super::generation::{Pair, each_block, stem};
use super::old::{self, Old, OldError, certificate, key_of};
use super::reach::Machine;
use super::stage::Track;
use crate::inspect::flags::Programs;
use rotation_core::facts::exit::{Exit, Fault};
use rotation_core::facts::sighting::Part;
use rotation_core::facts::x509::Certificate;
use std::collections::BTreeSet;

/// What was found, and what becomes of it.
pub(crate) struct Adopted {
    /// The CA that is left, and the one that stays.
    pub(crate) pair: Pair,
    /// What the plan says of it.
    pub(crate) note: String,
}

/// Why it cannot be gone on with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdoptError {
    /// Nobody can sign what is missing of the generation that is to stay.
    #[error("{text}")]
    NoKey {
        /// Which rotation, whose key is missing, and what it is needed for.
        text: String,
        /// The other CA, where it can be gone to in its place.
        other: Option<String>,
    },
    /// Somebody else's CA may be trusted on purpose.
    #[error(
        "two CAs stand where the {track} CA is trusted, and nothing shows that `{stranger}` was one of this cluster: {places}"
    )]
    Stranger {
        /// Which.
        track: Track,
        /// The CA.
        stranger: String,
        /// Where each stands.
        places: String,
    },
}

impl Fault for AdoptError {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NoKey { other: Some(other), .. } => format!(
                "go on with the directory of its plan (--work), which holds the key; or put the key beside the CA's certificate \
                 on a control plane; or go to `{other}` with `kubectl rotate-certs apply --back`, which `plan --back` shows. A \
                 third generation is never made"
            ),
            Self::NoKey { other: None, .. } => {
                "go on with the directory of its plan (--work), which holds the key, or put the key of one of the two CAs \
                 beside its certificate on a control plane; a third generation is never made"
                    .to_owned()
            }
            Self::Stranger { .. } => {
                "take it out where it is trusted by mistake; or go on with the directory of the plan (--work), or go back to \
                 the older CA with --back. A third generation is never made"
                    .to_owned()
            }
        })
    }
}

/// Both CAs of a track, the older one first.
struct Both {
    track: Track,
    older: Certificate,
    newer: Certificate,
    places: Vec<String>,
}

/// Rotations that were left half done, among these tracks; with `back` they end at the older CA.
pub(crate) fn find(
    tracks: &[Track],
    machines: &[Machine],
    back: bool,
) -> Result<Vec<Adopted>, AdoptError> {
    let both = tracks.iter().filter_map(|track| both(*track, machines));
    both.map(|both| adopt(both, machines, back)).collect()
}

fn both(track: Track, machines: &[Machine]) -> Option<Both> {
    if track == Track::Tokens {
        return None;
    }
    let mut found = old::authorities(track, machines);
    let Err(OldError::Two { places, .. }) = old::find(track, machines) else { return None };
    if found.len() != 2 {
        return None;
    }
    found.sort_by_key(Certificate::not_before);
    let (newer, older) = (found.pop()?, found.pop()?);
    (older.not_before() < newer.not_before()).then_some(Both { track, older, newer, places })
}

fn adopt(both: Both, machines: &[Machine], back: bool) -> Result<Adopted, AdoptError> {
    let Both { track, older, newer, places } = both;
    let (from, to) = (older.subject().to_string(), newer.subject().to_string());
    let (leaving, staying) = if back { (newer, older) } else { (older, newer) };
    // Who says `--back` has been told which CA goes.
    let pairs = [(&leaving, &staying), (&staying, &leaving)];
    let mut strangers = pairs.iter().filter(|(ca, other)| !is_ours(track, ca, other, machines));
    if let Some((stranger, _)) = strangers.next().filter(|_| !back) {
        let stranger = stranger.subject().to_string();
        return Err(AdoptError::Stranger { track, stranger, places: places.join(", ") });
    }
    let private = old::private_key(machines, staying.key_digest());
    if private.is_none() {
        let has_key = old::private_key(machines, leaving.key_digest()).is_some();
        // A CA whose key is kept elsewhere may stay without it, where nothing is left to be signed.
        let alone = "no certificate could be issued by it any more".to_owned();
        let needs = needs(&leaving, machines).or_else(|| has_key.then_some(alone));
        if let Some(needs) = needs {
            let text = format!(
                "a rotation of the {track} CA from `{from}` to `{to}` was left half done, and the key of `{}` is on no \
                 machine: {needs}",
                staying.subject()
            );
            let other = (!back && has_key).then(|| leaving.subject().to_string());
            return Err(AdoptError::NoKey { text, other });
        }
    }
    let (verb, end) = if back { ("goes back", &from) } else { ("goes on", &to) };
    let note = format!(
        "a rotation of the {track} CA from `{from}` to `{to}` was left half done; this plan {verb} to `{end}` and drops \
         `{}`, and no CA is made",
        leaving.subject()
    );
    let key = leaving.key_digest();
    let old =
        Old { track, key, private: old::private_key(machines, key), certificate: Some(leaving) };
    let pair = Pair { key: staying.key_digest(), old, certificate: Some(staying), private };
    Ok(Adopted { pair, note })
}

/// What cannot be without the key of the CA that comes after this one.
fn needs(leaving: &Certificate, machines: &[Machine]) -> Option<String> {
    let mut shown: Option<String> = None;
    for machine in machines {
        for (path, file) in &machine.seen.files {
            let Ok(bytes) = &file.content else { continue };
            let mut found = false;
            each_block(bytes, &mut |block| {
                let leaf = certificate(block).filter(|leaf| !leaf.is_ca());
                found |= leaf.is_some_and(|leaf| leaf.is_issued_by(leaving));
            });
            if found && shown.is_none() {
                shown = Some(format!(
                    "{}:{path} is still one of `{}`",
                    machine.name,
                    leaving.subject()
                ));
            }
        }
        let signs = |path: &str| {
            let bytes = machine.bytes(path).unwrap_or_default();
            let first = old::certificates(bytes).into_iter().next();
            first.is_some_and(|ca| ca.key_digest() == leaving.key_digest())
        };
        if let Some(path) = signing(machine).into_iter().find(|path| signs(path)) {
            shown.get_or_insert(format!(
                "the controller manager on `{}` signs with `{}` by {path}",
                machine.name,
                leaving.subject()
            ));
        }
    }
    shown
}

/// Files by which controller managers sign.
fn signing(machine: &Machine) -> BTreeSet<String> {
    let programs = Programs::embedded();
    let all = machine.looked.told.iter().flat_map(|told| programs.uses(told));
    all.filter(|used| used.role.is_some_and(|role| role.part == Part::Authority))
        .map(|used| used.path)
        .collect()
}

/// Whether a CA that is to be dropped was one of this cluster: it has its key or a leaf here, is named like the one that
/// stays, or kubeconfigs know API servers by it. A CA of somebody else's clients has none of these.
fn is_ours(track: Track, ca: &Certificate, other: &Certificate, machines: &[Machine]) -> bool {
    let name = |ca: &Certificate| ca.subject().common_name().map(|name| stem(name).to_owned());
    if name(ca).is_some() && name(ca) == name(other) {
        return true;
    }
    let mut ours = false;
    for file in machines.iter().flat_map(|machine| machine.seen.files.values()) {
        let Ok(bytes) = &file.content else { continue };
        let in_pem = bytes.windows(11).any(|window| window == b"-----BEGIN ");
        each_block(bytes, &mut |block| {
            ours |= key_of(block) == Some(ca.key_digest());
            if let Some(found) = certificate(block) {
                let served = track == Track::Cluster && !in_pem && found.der() == ca.der();
                ours |= served || (!found.is_ca() && found.is_issued_by(ca));
            }
        });
    }
    ours
}
