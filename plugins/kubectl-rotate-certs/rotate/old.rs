//! Today's generation: the CA of each track, and the key that signs tokens, as they stand on the machines.

use super::reach::Machine;
use super::stage::Track;
use crate::inspect::flags::Programs;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::exit::{Exit, Fault};
use rotation_core::facts::private_key::PrivateKey;
use rotation_core::facts::sighting::{Component, Part, Place, Role};
use rotation_core::facts::x509::{
    Block, Certificate, KeyPart, Label, private_part, public_part, read_pem,
};
use std::collections::BTreeMap;

/// Today's CA or key of a track.
pub(crate) struct Old {
    /// Which.
    pub(crate) track: Track,
    /// Its certificate; a key for tokens has none.
    pub(crate) certificate: Option<Certificate>,
    /// SHA-256 of its public key.
    pub(crate) key: Digest,
    /// Its private key, where it stands on a machine.
    pub(crate) private: Option<PrivateKey>,
}

/// Why today's generation cannot be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OldError {
    /// There is none.
    #[error("no machine has the {0} CA")]
    Missing(Track),
    /// Two are in use.
    #[error("two generations of the {track} CA are in use: {}", places.join(", "))]
    Two {
        /// Which.
        track: Track,
        /// Each CA and where it stands.
        places: Vec<String>,
    },
}

impl Fault for OldError {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Missing(track) => format!(
                "name the machines that run the control plane, or leave `{track}` out with --rotate"
            ),
            Self::Two { .. } => {
                "a rotation was left half done: go on with the directory of its plan (--work), or with the default strategy, \
                 which recognises two CAs; `kubectl rotate-certs check` shows where they stand. A third generation is never made"
                    .to_owned()
            }
        })
    }
}

/// Finds today's generation of a track.
pub(crate) fn find(track: Track, machines: &[Machine]) -> Result<Old, OldError> {
    if track == Track::Tokens { tokens(machines) } else { authority(track, machines) }
}

/// CAs and where each stands, by key.
type Found = BTreeMap<[u8; 32], (Certificate, Vec<String>)>;

/// The CAs of a track that are in use: one for each key.
pub(crate) fn authorities(track: Track, machines: &[Machine]) -> Vec<Certificate> {
    found(track, machines).into_values().map(|(certificate, _)| certificate).collect()
}

fn found(track: Track, machines: &[Machine]) -> Found {
    let mut found = Found::new();
    let wanted = |role: Role| {
        role.domain == track.domain() && matches!(role.part, Part::Authority | Part::Trust)
    };
    for (place, bytes) in files(machines, wanted) {
        for certificate in certificates(bytes).into_iter().filter(Certificate::is_ca) {
            let key = *certificate.key_digest().as_bytes();
            found.entry(key).or_insert_with(|| (certificate, Vec::new())).1.push(place.clone());
        }
    }
    found
}

fn authority(track: Track, machines: &[Machine]) -> Result<Old, OldError> {
    let found = found(track, machines);
    if found.len() > 1 {
        let places = found.values().map(|(ca, places)| {
            format!("{} in {}", ca.subject(), places.first().map_or("", String::as_str))
        });
        return Err(OldError::Two { track, places: places.collect() });
    }
    let (certificate, _) = found.into_values().next().ok_or(OldError::Missing(track))?;
    let key = certificate.key_digest();
    let private = private_key(machines, key);
    Ok(Old { track, certificate: Some(certificate), key, private })
}

fn tokens(machines: &[Machine]) -> Result<Old, OldError> {
    let mut found: BTreeMap<[u8; 32], Vec<String>> = BTreeMap::new();
    let signers = told(machines, &[Part::TokenSigner]);
    for (place, bytes) in files(machines, |role| role.part == Part::TokenSigner).chain(signers) {
        for block in read_pem(bytes).blocks {
            if let KeyPart::Public(key) = private_part(&block) {
                found.entry(*key.as_bytes()).or_default().push(place.clone());
            }
        }
    }
    if found.len() > 1 {
        let places = found.values().filter_map(|places| places.first().cloned());
        return Err(OldError::Two { track: Track::Tokens, places: places.collect() });
    }
    let key = found.into_keys().next().map(Digest::from_bytes);
    let key = key.ok_or(OldError::Missing(Track::Tokens))?;
    let private = private_key(machines, key);
    Ok(Old { track: Track::Tokens, certificate: None, key, private })
}

/// Files with such a role, each place once.
pub(crate) fn files<'a>(
    machines: &'a [Machine],
    wanted: impl Fn(Role) -> bool + 'a,
) -> impl Iterator<Item = (String, &'a [u8])> {
    machines.iter().flat_map(move |machine| {
        let roles: Vec<&str> = machine
            .looked
            .sightings
            .iter()
            .filter(|sighting| wanted(sighting.role) && sighting.role.component != Component::Admin)
            .filter_map(|sighting| match &sighting.place {
                Place::File { path, entry, .. } if entry.is_empty() => Some(&**path),
                _ => None,
            })
            .collect();
        roles.into_iter().filter_map(move |path| {
            let bytes = machine.bytes(path)?;
            Some((format!("{}:{path}", machine.name), bytes))
        })
    })
}

/// Files that components name for such a use, whatever else they are for: a key may serve and sign tokens.
fn told<'a>(machines: &'a [Machine], parts: &[Part]) -> Vec<(String, &'a [u8])> {
    let programs = Programs::embedded();
    let mut found = Vec::new();
    for machine in machines {
        for used in machine.looked.told.iter().flat_map(|invocation| programs.uses(invocation)) {
            let wanted = used.role.is_some_and(|role| parts.contains(&role.part));
            if let Some(bytes) = machine.bytes(&used.path).filter(|_| wanted) {
                found.push((format!("{}:{}", machine.name, used.path), bytes));
            }
        }
    }
    found
}

/// The certificates of a file.
pub(crate) fn certificates(bytes: &[u8]) -> Vec<Certificate> {
    read_pem(bytes).blocks.iter().filter_map(certificate).collect()
}

/// The certificate of a block.
pub(crate) fn certificate(block: &Block) -> Option<Certificate> {
    matches!(block.label, Label::Certificate | Label::TrustedCertificate)
        .then(|| Certificate::from_der(&block.der).ok())
        .flatten()
}

/// The key of a block, by its public half.
pub(crate) fn key_of(block: &Block) -> Option<Digest> {
    match private_part(block) {
        KeyPart::Public(digest) => Some(digest),
        KeyPart::Encrypted | KeyPart::Unknown | KeyPart::Unreadable => None,
    }
}

/// The public key of a block, by its digest.
pub(crate) fn public_of(block: &Block) -> Option<Digest> {
    public_part(block)
}

/// The keys by which tokens are signed or checked.
pub(crate) fn token_keys(machines: &[Machine]) -> Vec<Digest> {
    let of_tokens = |role: Role| matches!(role.part, Part::TokenSigner | Part::TokenVerifier);
    let named = told(machines, &[Part::TokenSigner, Part::TokenVerifier]);
    let mut keys: Vec<Digest> = Vec::new();
    for (_, bytes) in files(machines, of_tokens).chain(named) {
        for block in &read_pem(bytes).blocks {
            let of_certificate = certificate(block).map(|leaf| leaf.key_digest());
            let key = key_of(block).or_else(|| public_of(block)).or(of_certificate);
            keys.extend(key.filter(|key| !keys.contains(key)));
        }
    }
    keys
}

/// A private key, wherever it stands.
pub(crate) fn private_key(machines: &[Machine], wanted: Digest) -> Option<PrivateKey> {
    for machine in machines {
        for file in machine.seen.files.values() {
            let Ok(bytes) = &file.content else { continue };
            let pem = read_pem(bytes);
            if let Some(block) = pem.blocks.iter().find(|block| key_of(block) == Some(wanted)) {
                return PrivateKey::from_block(block, None).ok();
            }
        }
    }
    None
}
