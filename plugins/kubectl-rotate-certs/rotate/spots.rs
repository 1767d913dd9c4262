//! The files of all machines as the chains are looked at: what stands in each at each stage, read once for each content.

use super::chains::{Shelf, Spot, SpotUse};
use super::document::{FilePlan, HostPlan, Plan};
use super::old::{certificate, key_of, public_of};
use super::reach::Machine;
use super::slots;
use super::stage::Stage;
use crate::inspect::flags::Programs;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::kubeconfig::Kubeconfig;
use rotation_core::facts::sighting::Part;
use rotation_core::facts::x509::{Certificate, read_pem};
use rotation_core::world::hosts::change::State;
use std::collections::BTreeMap;
use std::rc::Rc;
use zeroize::Zeroizing;

/// Contents by digest.
pub(crate) type Contents = BTreeMap<[u8; 32], Zeroizing<Vec<u8>>>;

/// Reads them.
pub(crate) fn spots(plan: &Plan, contents: &Contents, machines: &[Machine]) -> Vec<Spot> {
    let mut reader = Reader { contents, known: BTreeMap::new() };
    let programs = Programs::embedded();
    let mut spots = Vec::new();
    for machine in machines {
        let Some(host) = plan.hosts.iter().find(|host| host.name == machine.name) else { continue };
        let uses = slots::uses(machine, &programs);
        let parts = |path: &str| -> Vec<Part> {
            let named = uses.iter().filter(|used| used.one.path == path);
            named.filter_map(|used| Some(used.one.role?.part)).collect()
        };
        for (path, file) in &machine.seen.files {
            let Ok(bytes) = &file.content else { continue };
            let real = file
                .link
                .as_deref()
                .map_or_else(|| path.clone(), |target| slots::beside(path, target));
            let at = reader.versions(host, path, &real, bytes);
            let before = Rc::clone(&at[Stage::Before.index()]);
            let parts = parts(path);
            let signs_only = parts.contains(&Part::Authority) && !parts.contains(&Part::Trust);
            let leaf = before.shown.iter().any(|one| !one.is_ca());
            let trusts = !before.trusted.is_empty() && !signs_only && (!leaf || before.config);
            let mut uses = Vec::new();
            uses.extend(leaf.then_some(SpotUse::Shows));
            uses.extend(trusts.then_some(SpotUse::Trusts));
            uses.extend(parts.contains(&Part::TokenSigner).then_some(SpotUse::SignsTokens));
            uses.extend(parts.contains(&Part::TokenVerifier).then_some(SpotUse::ChecksTokens));
            if !uses.is_empty() || !before.keys.is_empty() {
                spots.push(Spot { host: machine.name.clone(), path: path.clone(), uses, at });
            }
        }
    }
    spots
}

struct Reader<'a> {
    contents: &'a Contents,
    known: BTreeMap<[u8; 32], Rc<Shelf>>,
}

impl Reader<'_> {
    /// What a path holds at each stage. Where it is a link that moves, what the link leads to then.
    fn versions(&mut self, host: &HostPlan, path: &str, real: &str, seen: &[u8]) -> Vec<Rc<Shelf>> {
        let named = |path: &str| host.files.iter().find(|file| file.path == path);
        let today = self.read(seen);
        let Some(file) = named(path).or_else(|| named(real)) else {
            return vec![today; Stage::ALL.len()];
        };
        let mut shelves = Vec::new();
        for stage in Stage::ALL {
            let state: Option<&State> = match file.at(stage) {
                State::Link(target) => {
                    named(&slots::beside(path, target)).map(|file: &FilePlan| file.at(stage))
                }
                state => Some(state),
            };
            shelves.push(match state {
                Some(State::File(digest)) => self.content(digest),
                Some(State::Absent | State::Link(_) | State::Other(_)) => Rc::default(),
                // The link leads where it does today.
                None => Rc::clone(&today),
            });
        }
        shelves
    }

    fn content(&mut self, digest: &Digest) -> Rc<Shelf> {
        let bytes = self.contents.get(digest.as_bytes());
        bytes.map_or_else(Rc::default, |bytes| self.read(bytes))
    }

    fn read(&mut self, bytes: &[u8]) -> Rc<Shelf> {
        let key = *Digest::of(bytes).as_bytes();
        Rc::clone(self.known.entry(key).or_insert_with(|| Rc::new(shelf(bytes))))
    }
}

fn shelf(bytes: &[u8]) -> Shelf {
    let mut shelf = Shelf::default();
    let pem = read_pem(bytes);
    if !pem.blocks.is_empty() {
        for block in &pem.blocks {
            shelf.keys.extend(key_of(block));
            shelf.checks.extend(public_of(block));
            if let Some(found) = certificate(block) {
                shelf.checks.push(found.key_digest());
                shelf.trusted.extend(Some(found.clone()).filter(Certificate::is_ca));
                shelf.shown.push(found);
            }
        }
        return shelf;
    }
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.contains("clusters"));
    let Some(config) = text.and_then(Kubeconfig::read) else { return shelf };
    shelf.config = true;
    let held = |word: Option<&str>| {
        let bytes = word.and_then(|word| STANDARD.decode(word.trim()).ok()).map(Zeroizing::new);
        bytes.map(|bytes| read_pem(&bytes).blocks).unwrap_or_default()
    };
    for cluster in &config.clusters {
        let blocks = held(cluster.cluster.certificate_authority_data.as_deref());
        shelf.trusted.extend(blocks.iter().filter_map(certificate));
    }
    for user in &config.users {
        let blocks = held(user.user.client_certificate_data.as_deref());
        shelf.shown.extend(blocks.iter().filter_map(certificate));
        let blocks = held(user.user.client_key_data.as_ref().map(|key| key.0.as_str()));
        shelf.keys.extend(blocks.iter().filter_map(key_of));
    }
    shelf
}
