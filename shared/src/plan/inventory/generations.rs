//! Which CAs, and which signing keys, are the old and the new one.

use super::issuers::Issuers;
use crate::facts::credential::Digest;
use crate::facts::sighting::{Domain, Held, Part, Sighting};
use crate::facts::x509::{Certificate, KeyPart};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Where a generation stands among those of its domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Age {
    /// There is no other one.
    Current,
    /// There is a newer one.
    Old,
    /// The newest of several.
    New,
}

/// One generation: a key.
#[derive(Clone, Debug)]
pub struct Generation {
    /// SHA-256 of its public key.
    pub key: Digest,
    /// Where it stands.
    pub age: Age,
    /// A certificate of that key, the one that is valid for longest; `None` for a bare key.
    pub certificate: Option<Arc<Certificate>>,
    /// Since when there is such a key, as far as anybody says.
    pub since: Option<Timestamp>,
}

/// Keys that the operator calls old or new, whatever their dates say.
#[derive(Clone, Debug, Default)]
pub struct Named {
    /// Digests of public keys.
    pub old: Vec<Digest>,
    /// Digests of public keys.
    pub new: Vec<Digest>,
}

/// What is known of a key before anybody knows its age.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    since: Option<Timestamp>,
    places: usize,
}

/// The generations of each domain, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Generations {
    domains: BTreeMap<Domain, Vec<Generation>>,
    by_key_id: HashMap<String, Digest>,
}

impl Generations {
    pub(super) fn of(sightings: &[Sighting], issuers: &Issuers, named: &Named) -> Self {
        let mut seen: BTreeMap<Domain, BTreeMap<Digest, Seen>> = BTreeMap::new();
        for sighting in sightings {
            let Some(held) = sighting.content.held() else { continue };
            let domain = sighting.role.domain;
            let keys = match (domain, sighting.role.part) {
                (Domain::Tokens, Part::TokenSigner | Part::TokenVerifier) => token_keys(held),
                (Domain::Other | Domain::Tokens, _) => continue,
                (_, Part::Trust | Part::Authority) => ca_keys(held),
                _ => continue,
            };
            let keys_of_domain = seen.entry(domain).or_default();
            for key in keys {
                let seen = keys_of_domain.entry(key).or_default();
                seen.places += 1;
                // A bare key is as old as the oldest file that holds it.
                seen.since = match (seen.since, sighting.modified) {
                    (Some(known), Some(other)) => Some(known.min(other)),
                    (known, other) => known.or(other),
                };
            }
        }
        let mut generations = Self::default();
        for (domain, keys) in seen {
            let made = keys.into_iter().map(|(key, seen)| {
                let generation = generation(key, seen.since, issuers);
                // Where nobody says which came first, the one that few places hold is what was left behind.
                ((generation.since, seen.places, key), generation)
            });
            let mut made: Vec<_> = made.collect();
            made.sort_by_key(|(order, _)| *order);
            let mut list: Vec<Generation> = made.into_iter().map(|(_, one)| one).collect();
            age(&mut list, named);
            generations.domains.insert(domain, list);
        }
        for generation in generations.domains.get(&Domain::Tokens).into_iter().flatten() {
            generations.by_key_id.insert(key_id(generation.key), generation.key);
        }
        generations
    }

    /// Those of a domain, oldest first.
    pub fn of_domain(&self, domain: Domain) -> &[Generation] {
        self.domains.get(&domain).map(Vec::as_slice).unwrap_or_default()
    }

    /// All domains that have any.
    pub fn domains(&self) -> impl Iterator<Item = (Domain, &[Generation])> {
        self.domains.iter().map(|(domain, list)| (*domain, list.as_slice()))
    }

    /// The age of a key in a domain.
    pub fn age(&self, domain: Domain, key: Digest) -> Option<Age> {
        self.of_domain(domain).iter().find(|g| g.key == key).map(|g| g.age)
    }

    /// The key that a token names.
    pub fn token_key(&self, key_id: &str) -> Option<Digest> {
        self.by_key_id.get(key_id).copied()
    }
}

/// `kid` of a token as Kubernetes writes it: the SHA-256 of the public key in base64url.
fn key_id(key: Digest) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(key.as_bytes())
}

fn ca_keys(held: &Held) -> Vec<Digest> {
    let is_ca = |certificate: &&Arc<Certificate>| certificate.is_ca() || certificate.version() < 3;
    held.certificates.iter().filter(is_ca).map(|certificate| certificate.key_digest()).collect()
}

fn token_keys(held: &Held) -> Vec<Digest> {
    let certificates = held.certificates.iter().map(|certificate| certificate.key_digest());
    let private = held.keys.iter().filter_map(|key| match key {
        KeyPart::Public(digest) => Some(*digest),
        KeyPart::Encrypted | KeyPart::Unknown | KeyPart::Unreadable => None,
    });
    certificates.chain(private).chain(held.public_keys.iter().copied()).collect()
}

fn generation(key: Digest, seen_since: Option<Timestamp>, issuers: &Issuers) -> Generation {
    let bearers = issuers.with_key(key);
    // A renewed CA is the generation of its key: what counts is when the key came.
    let since = bearers.iter().map(|c| c.not_before()).min().or(seen_since);
    let certificate = bearers.iter().max_by_key(|c| (c.not_after(), c.fingerprint())).cloned();
    Generation { key, age: Age::Current, certificate, since }
}

fn age(list: &mut Vec<Generation>, named: &Named) {
    let is_named = |g: &Generation| named.old.contains(&g.key) || named.new.contains(&g.key);
    if list.iter().any(is_named) {
        // Who names them knows of no others.
        list.retain(is_named);
        for generation in list {
            generation.age = if named.new.contains(&generation.key) { Age::New } else { Age::Old };
        }
        return;
    }
    if let [older @ .., newest] = list.as_mut_slice()
        && !older.is_empty()
    {
        newest.age = Age::New;
        for generation in older {
            generation.age = Age::Old;
        }
    }
}
