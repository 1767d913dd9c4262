//! The new generation, in memory: CAs, the key for tokens, and a certificate for each that today's CAs signed.

use super::old::{self, Old, certificate, key_of};
use super::reach::Machine;
use super::stage::{Strategy, Track};
use crate::issue::authority::Authority;
use crate::issue::{self, Lifetimes, MOST_DAYS, Signer, Subject, Wish};
use crate::layout::Kind;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::kubeconfig::Kubeconfig;
use rotation_core::facts::private_key::{KeyType, PrivateKey};
use rotation_core::facts::x509::{Block, Certificate, KeyKind, encode, read_pem};
use rotation_core::world::interrupt::Interrupt;
use rotation_core::world::keys;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use zeroize::Zeroizing;

const DAY: i64 = 86_400;
/// Letters of a generation's name: `20261129T204434Z-008d`.
const GENERATION: usize = 21;

/// A CA, or a key for tokens, and what comes after it.
pub(crate) struct Pair {
    /// Today's.
    pub(crate) old: Old,
    /// The next certificate; a key for tokens has none.
    pub(crate) certificate: Option<Certificate>,
    /// The next private key; `None` where it stays where it is.
    pub(crate) private: Option<PrivateKey>,
    /// SHA-256 of the next public key.
    pub(crate) key: Digest,
}

/// Everything new.
pub(crate) struct Generation {
    /// How it comes.
    pub(crate) strategy: Strategy,
    /// By track.
    pub(crate) pairs: Vec<Pair>,
    /// New certificates by the fingerprints of the old ones.
    pub(crate) leaves: BTreeMap<[u8; 32], Certificate>,
    /// New keys of those, by the old ones' digests.
    pub(crate) keys: BTreeMap<[u8; 32], PrivateKey>,
    /// Certificates of today's CAs whose keys are on no machine, so that nobody can make new ones: subject and place.
    pub(crate) keyless: Vec<String>,
    /// A client of the new cluster CA that has no rights: whoever lets it in trusts that CA.
    pub(crate) probe: Option<(Certificate, PrivateKey)>,
}

impl Pair {
    /// Whether a certificate is today's CA.
    pub(crate) fn is_old(&self, certificate: &Certificate) -> bool {
        self.old.certificate.is_some()
            && certificate.is_ca()
            && certificate.key_digest() == self.old.key
    }

    /// Whether a certificate is the next CA: it stands somewhere already where a rotation is gone on with.
    pub(crate) fn is_new(&self, certificate: &Certificate) -> bool {
        self.certificate.is_some() && certificate.is_ca() && certificate.key_digest() == self.key
    }

    /// Whether it is one of the two.
    pub(crate) fn is_of(&self, certificate: &Certificate) -> bool {
        self.is_old(certificate) || self.is_new(certificate)
    }

    /// The new certificate in PEM.
    pub(crate) fn pem(&self) -> Option<String> {
        self.certificate.as_ref().map(|ca| encode("CERTIFICATE", ca.der()))
    }
}

impl Generation {
    /// The CA that signed a certificate.
    pub(crate) fn signer<'a>(&'a self, leaf: &Certificate) -> Option<&'a Pair> {
        self.pairs.iter().find(|pair| {
            pair.old.certificate.as_ref().is_some_and(|ca| !leaf.is_ca() && leaf.is_issued_by(ca))
        })
    }
}

/// Makes it.
pub(crate) fn make(
    strategy: Strategy,
    olds: Vec<Old>,
    machines: &[Machine],
    id: &str,
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<Generation, Failure> {
    let name = |old: &Old| {
        let name = old.certificate.as_ref().and_then(|ca| ca.subject().common_name());
        stem(name.unwrap_or(old.track.as_str())).to_owned()
    };
    let names: Vec<String> = olds.iter().map(name).collect();
    let mut pairs = Vec::new();
    for (old, name) in olds.into_iter().zip(&names) {
        // Two CAs of one name make clients try the wrong one first.
        let shared = names.iter().filter(|one| *one == name).count() > 1;
        let name =
            if shared { format!("{name}-{}-{id}", old.track) } else { format!("{name}-{id}") };
        pairs.push(next(strategy, old, &name, now)?);
    }
    let mut generation = Generation {
        strategy,
        pairs,
        leaves: BTreeMap::new(),
        keys: BTreeMap::new(),
        keyless: Vec::new(),
        probe: None,
    };
    if strategy.renews_leaves() {
        leaves(&mut generation, machines, now, interrupt)?;
    }
    Ok(generation)
}

/// Goes on with CAs that are there.
pub(crate) fn adopt(
    pairs: Vec<Pair>,
    machines: &[Machine],
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<Generation, Failure> {
    let (leaves_of, keys) = (BTreeMap::new(), BTreeMap::new());
    let mut generation = Generation {
        strategy: Strategy::Rolling,
        pairs,
        leaves: leaves_of,
        keys,
        keyless: Vec::new(),
        probe: None,
    };
    leaves(&mut generation, machines, now, interrupt)?;
    Ok(generation)
}

fn next(strategy: Strategy, old: Old, name: &str, now: Timestamp) -> Result<Pair, Failure> {
    let track = old.track;
    let Some(certificate) = &old.certificate else {
        let kind = old.private.as_ref().map_or(KeyType::Rsa(2048), PrivateKey::kind);
        let private = keys::generate(kind).map_err(|why| Failure::unexpected(why.to_string()))?;
        let key = Digest::of(private.spki_der());
        return Ok(Pair { old, certificate: None, private: Some(private), key });
    };
    let missing = || {
        Failure::refused(format!("the key of the {track} CA is on no machine"))
            .with_hint("with --strategy rolling a new CA needs no old key; or put the key beside its certificate")
    };
    let days = lifetime(certificate);
    let lifetimes = Lifetimes { now, authority_days: days, leaf_days: days };
    match strategy {
        Strategy::Renew => {
            let private = old.private.as_ref().ok_or_else(missing)?;
            let (private, certificate) = (again(private)?, certificate.clone());
            Ok(Pair { key: old.key, old, certificate: Some(certificate), private: Some(private) })
        }
        Strategy::Recover if certificate.not_after() > now => {
            let private = old.private.as_ref().ok_or_else(missing)?;
            let (private, certificate) = (again(private)?, certificate.clone());
            Ok(Pair { key: old.key, old, certificate: Some(certificate), private: Some(private) })
        }
        Strategy::RenewCa | Strategy::Recover => {
            let private = again(old.private.as_ref().ok_or_else(missing)?)?;
            let place = format!("{track} CA");
            let organizations = owned(certificate.subject().organizations());
            let wish = Wish {
                place: &place,
                kind: Kind::Authority,
                common_name: certificate.subject().common_name().unwrap_or_default(),
                organizations: &organizations,
                sans: certificate.sans(),
            };
            let subject = Subject::again(&private, certificate);
            let renewed =
                issue::issue(&wish, &subject, &Signer::Itself(&private), &lifetimes)?.certificate;
            Ok(Pair { key: old.key, old, certificate: Some(renewed), private: Some(private) })
        }
        Strategy::Rolling | Strategy::Window => {
            let private = keys::generate(key_type(certificate.key()))
                .map_err(|why| Failure::unexpected(why.to_string()))?;
            let organizations = owned(certificate.subject().organizations());
            let wish = Wish {
                place: &format!("new {track} CA"),
                kind: Kind::Authority,
                common_name: name,
                organizations: &organizations,
                sans: &[],
            };
            let made =
                issue::issue(&wish, &Subject::of(&private), &Signer::Itself(&private), &lifetimes)?
                    .certificate;
            let key = made.key_digest();
            Ok(Pair { old, certificate: Some(made), private: Some(private), key })
        }
    }
}

/// The name without the generation that an earlier rotation added.
pub(super) fn stem(name: &str) -> &str {
    let is_generation = |word: &str| {
        let bytes = word.as_bytes();
        bytes[8] == b'T' && bytes[15] == b'Z' && bytes[16] == b'-'
    };
    let Some(at) = name.len().checked_sub(GENERATION).filter(|at| name.is_char_boundary(*at))
    else {
        return name;
    };
    match name.get(at..) {
        Some(tail) if is_generation(tail) => name[..at].trim_end_matches('-'),
        _ => name,
    }
}

fn owned(words: Vec<&str>) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}

/// A key once more: it is not cloned, so that nothing copies one by chance.
fn again(key: &PrivateKey) -> Result<PrivateKey, Failure> {
    PrivateKey::from_pem(key.to_pem().as_bytes(), None)
        .map_err(|why| Failure::unexpected(why.to_string()))
}

/// Days between the dates of a certificate.
fn lifetime(certificate: &Certificate) -> u16 {
    let seconds =
        certificate.not_after().as_second().saturating_sub(certificate.not_before().as_second());
    u16::try_from(seconds / DAY).unwrap_or(MOST_DAYS).clamp(1, MOST_DAYS)
}

fn key_type(kind: &KeyKind) -> KeyType {
    match kind {
        KeyKind::Rsa(bits) if *bits > 3072 => KeyType::Rsa(4096),
        KeyKind::Rsa(bits) if *bits > 2048 => KeyType::Rsa(3072),
        KeyKind::P256 => KeyType::P256,
        KeyKind::P384 | KeyKind::P521 => KeyType::P384,
        KeyKind::Rsa(_) | KeyKind::Ed25519 | KeyKind::Other(_) => KeyType::Rsa(2048),
    }
}

/// A certificate that one of today's CAs signed.
struct Leaf {
    certificate: Certificate,
    track: Track,
    /// Where it was seen first.
    place: String,
}

impl Leaf {
    /// SHA-256 of its public key.
    fn key(&self) -> [u8; 32] {
        *self.certificate.key_digest().as_bytes()
    }
}

/// Each certificate that one of today's CAs signed, with a key of its own of the same kind.
fn leaves(
    generation: &mut Generation,
    machines: &[Machine],
    now: Timestamp,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mut found: BTreeMap<[u8; 32], Leaf> = BTreeMap::new();
    let mut held: BTreeSet<[u8; 32]> = BTreeSet::new();
    for machine in machines {
        for (path, file) in &machine.seen.files {
            let Ok(bytes) = &file.content else { continue };
            each_block(bytes, &mut |block| {
                if let Some(certificate) = certificate(block)
                    && let Entry::Vacant(entry) = found.entry(*certificate.fingerprint().as_bytes())
                    && let Some(pair) = generation.signer(&certificate)
                {
                    let place = format!("{}:{path}", machine.name);
                    entry.insert(Leaf { track: pair.old.track, certificate, place });
                }
                if let Some(key) = key_of(block) {
                    held.insert(*key.as_bytes());
                }
            });
        }
    }
    // A certificate whose key is on no machine is somebody else's copy: a new one would fit no key there.
    let (found, keyless): (BTreeMap<_, _>, BTreeMap<_, _>) =
        found.into_iter().partition(|(_, leaf)| held.contains(&leaf.key()));
    generation.keyless = keyless
        .values()
        .map(|leaf| format!("{} in {}", leaf.certificate.subject(), leaf.place))
        .collect();
    let mut olds: BTreeMap<[u8; 32], KeyType> =
        found.values().map(|leaf| (leaf.key(), key_type(leaf.certificate.key()))).collect();
    let coupled = coupled(generation, machines, &olds)?;
    olds.retain(|key, _| !coupled.contains_key(key));
    let kinds: Vec<KeyType> = olds.values().copied().collect();
    let made = keys::generate_all(&kinds, interrupt)
        .map_err(|why| Failure::unexpected(why.to_string()))?
        .ok_or_else(crate::generate::make::interrupted)?;
    generation.keys = olds.into_keys().zip(made).chain(coupled).collect();
    let mut authorities: BTreeMap<Track, Authority> = BTreeMap::new();
    for pair in &generation.pairs {
        if let (Some(ca), Some(private)) = (&pair.certificate, &pair.private) {
            let place = format!("{} CA", pair.old.track);
            authorities
                .insert(pair.old.track, Authority::new(&place, ca.clone(), again(private)?)?);
        }
    }
    if let Some(authority) = authorities.get(&Track::Cluster) {
        generation.probe = Some(probe(authority, now)?);
    }
    for (fingerprint, leaf) in found {
        let key = generation.keys.get(&leaf.key());
        let (Some(key), Some(signer)) = (key, authorities.get(&leaf.track)) else { continue };
        let new = renewed(&leaf.certificate, key, signer, now)?;
        generation.leaves.insert(fingerprint, new);
    }
    Ok(())
}

/// Keys of servers that sign tokens as well: they stay, or every token of the cluster dies with them; where the key for
/// tokens is replaced, it is theirs.
fn coupled(
    generation: &Generation,
    machines: &[Machine],
    leaves: &BTreeMap<[u8; 32], KeyType>,
) -> Result<BTreeMap<[u8; 32], PrivateKey>, Failure> {
    let mut coupled = BTreeMap::new();
    for key in old::token_keys(machines) {
        if !leaves.contains_key(key.as_bytes()) {
            continue;
        }
        let tokens = generation.pairs.iter().find(|pair| pair.old.track == Track::Tokens);
        if let Some(next) = tokens.and_then(|pair| pair.private.as_ref()) {
            // Both at once: what signs tokens next serves next.
            coupled.insert(*key.as_bytes(), again(next)?);
            continue;
        }
        if let Some(private) = old::private_key(machines, key) {
            coupled.insert(*key.as_bytes(), private);
        }
    }
    Ok(coupled)
}

/// Every block of a file, those inside a kubeconfig as well; returns the kubeconfig where it is one.
pub(crate) fn each_block(bytes: &[u8], each: &mut dyn FnMut(&Block)) -> Option<Kubeconfig> {
    let pem = read_pem(bytes);
    if !pem.blocks.is_empty() {
        pem.blocks.iter().for_each(each);
        return None;
    }
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains("clusters"))?;
    let config = Kubeconfig::read(text)?;
    let mut words: Vec<&str> = Vec::new();
    for cluster in &config.clusters {
        words.extend(cluster.cluster.certificate_authority_data.as_deref());
    }
    for user in &config.users {
        words.extend(user.user.client_certificate_data.as_deref());
        words.extend(user.user.client_key_data.as_ref().map(|key| key.0.as_str()));
    }
    for word in words {
        let Ok(held) = STANDARD.decode(word.trim()) else { continue };
        let held = Zeroizing::new(held);
        read_pem(&held).blocks.iter().for_each(&mut *each);
    }
    Some(config)
}

fn probe(authority: &Authority, now: Timestamp) -> Result<(Certificate, PrivateKey), Failure> {
    let key = keys::generate(KeyType::P256).map_err(|why| Failure::unexpected(why.to_string()))?;
    let wish = Wish {
        place: "probe",
        kind: Kind::Client,
        common_name: "rotation-probe",
        organizations: &[],
        sans: &[],
    };
    let lifetimes = Lifetimes { now, authority_days: 30, leaf_days: 30 };
    let issued =
        issue::issue(&wish, &Subject::of(&key), &Signer::Authority(authority), &lifetimes)?;
    Ok((issued.certificate, key))
}

/// The same names, purposes and length of life, under another CA and with another key.
fn renewed(
    old: &Certificate,
    key: &PrivateKey,
    signer: &Authority,
    now: Timestamp,
) -> Result<Certificate, Failure> {
    let kind = match old.extended() {
        Some(usages) if usages.server && usages.client => Kind::Peer,
        Some(usages) if usages.server => Kind::Server,
        Some(_) => Kind::Client,
        None if old.sans().is_empty() => Kind::Client,
        None => Kind::Peer,
    };
    let organizations = owned(old.subject().organizations());
    let place = old.subject().to_string();
    let days = lifetime(old);
    let wish = Wish {
        place: &place,
        kind,
        common_name: old.subject().common_name().unwrap_or_default(),
        organizations: &organizations,
        sans: old.sans(),
    };
    let subject = Subject { name: Some(old.subject().der()), ..Subject::of(key) };
    let lifetimes = Lifetimes { now, authority_days: days, leaf_days: days };
    let issued = issue::issue(&wish, &subject, &Signer::Authority(signer), &lifetimes)?;
    Ok(issued.certificate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_do_not_pile_up_in_a_name() {
        for (name, expected) in [
            ("kubernetes", "kubernetes"),
            ("kubernetes-20261129T204434Z-008d", "kubernetes"),
            ("a-kubernetes-authority", "a-kubernetes-authority"),
            ("", ""),
        ] {
            assert_eq!(stem(name), expected);
        }
    }
}
