//! To which generation a place belongs.

use super::generations::{Age, Generations};
use super::issuers::Issuers;
use crate::facts::credential::Digest;
use crate::facts::sighting::{Content, Domain, Held, Part, Sighting};
use crate::facts::x509::{Certificate, KeyPart};
use std::collections::BTreeSet;

/// The state of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// Of the only generation that there is.
    Current,
    /// Of one that has a newer one beside it.
    Old,
    /// Of the newest of several.
    New,
    /// Of the old and of the new one.
    Both,
    /// Of no generation of its domain.
    Other,
    /// It has a CA or a key of its own, as it may.
    Own,
    /// There is nothing, or a bundle lacks what it should contain.
    Absent,
    /// Nobody could look; or nothing of its CA, or of the key that checks it, was seen.
    Unknown,
}

impl State {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Old => "old",
            Self::New => "new",
            Self::Both => "both",
            Self::Other => "other",
            Self::Own => "own",
            Self::Absent => "absent",
            Self::Unknown => "unknown",
        }
    }

    /// Whether something of the old generation is there.
    pub fn has_old(self) -> bool {
        matches!(self, Self::Old | Self::Both)
    }

    /// Whether something of the newest generation is there.
    pub fn has_new(self) -> bool {
        matches!(self, Self::New | Self::Both)
    }

    fn of_ages(ages: &BTreeSet<Age>) -> Option<Self> {
        let (old, new) = (ages.contains(&Age::Old), ages.contains(&Age::New));
        match (old, new) {
            (true, true) => Some(Self::Both),
            (true, false) => Some(Self::Old),
            (false, true) => Some(Self::New),
            (false, false) => ages.contains(&Age::Current).then_some(Self::Current),
        }
    }
}

/// Looks up what a place holds.
pub(super) fn of(sighting: &Sighting, generations: &Generations, issuers: &Issuers) -> State {
    let held = match &sighting.content {
        Content::Held(held) => held,
        Content::Absent => return State::Absent,
        Content::Sealed { .. } | Content::Unknown(_) => return State::Unknown,
    };
    let role = sighting.role;
    let look = Look { generations, issuers, domain: role.domain };
    let ages = match role.part {
        Part::Trust | Part::Bundle | Part::Authority => look.cas(held),
        Part::AcceptedNames => look.names(held),
        Part::Serving | Part::Client => look.leaves(held),
        Part::AuthorityKey | Part::ServingKey | Part::ClientKey => look.keys(held),
        Part::TokenSigner | Part::TokenVerifier => look.token_keys(held),
        Part::Token => look.tokens(held),
        Part::Request => BTreeSet::new(),
        Part::Anything => look.anything(held),
    };
    match State::of_ages(&ages) {
        Some(state) => state,
        None if role.part == Part::Bundle => State::Absent,
        // A request belongs to nobody yet.
        None if role.domain == Domain::Other || role.part == Part::Request => State::Own,
        // Without its CA, or the key that checks it, nobody can say to whom it belongs.
        None if generations.of_domain(role.domain).is_empty() => State::Unknown,
        None => State::Other,
    }
}

struct Look<'a> {
    generations: &'a Generations,
    issuers: &'a Issuers,
    domain: Domain,
}

impl Look<'_> {
    fn age(&self, key: Digest) -> Option<Age> {
        match self.domain {
            // What belongs to no domain may still hold the CA of one.
            Domain::Other => {
                self.generations.domains().find_map(|(domain, _)| self.generations.age(domain, key))
            }
            domain => self.generations.age(domain, key),
        }
    }

    fn cas(&self, held: &Held) -> BTreeSet<Age> {
        held.certificates.iter().filter_map(|ca| self.age(ca.key_digest())).collect()
    }

    fn leaf(&self, certificate: &Certificate) -> Option<Age> {
        self.issuers.above(certificate).iter().find_map(|key| self.age(*key))
    }

    fn leaves(&self, held: &Held) -> BTreeSet<Age> {
        let mut leaves = held.certificates.iter().filter(|c| !c.is_ca()).peekable();
        if leaves.peek().is_none() {
            return held.certificates.first().and_then(|c| self.leaf(c)).into_iter().collect();
        }
        leaves.filter_map(|certificate| self.leaf(certificate)).collect()
    }

    fn keys(&self, held: &Held) -> BTreeSet<Age> {
        let keys = held.keys.iter().filter_map(|key| match key {
            KeyPart::Public(digest) => Some(*digest),
            KeyPart::Encrypted | KeyPart::Unknown | KeyPart::Unreadable => None,
        });
        keys.filter_map(|key| {
            self.age(key).or_else(|| {
                self.issuers.with_key(key).iter().find_map(|certificate| self.leaf(certificate))
            })
        })
        .collect()
    }

    fn token_keys(&self, held: &Held) -> BTreeSet<Age> {
        let certificates = held.certificates.iter().filter_map(|c| self.age(c.key_digest()));
        let public = held.public_keys.iter().filter_map(|key| self.age(*key));
        certificates.chain(public).chain(self.keys(held)).collect()
    }

    fn tokens(&self, held: &Held) -> BTreeSet<Age> {
        let ids = held.tokens.iter().filter_map(|token| token.claims.as_ref()?.key_id.as_deref());
        ids.filter_map(|id| self.generations.age(Domain::Tokens, self.generations.token_key(id)?))
            .collect()
    }

    /// Names alone: an old and a new CA of one name cannot be told apart, and both may be meant.
    fn names(&self, held: &Held) -> BTreeSet<Age> {
        let list = self.generations.of_domain(self.domain);
        let named = |certificate: &Certificate| {
            held.names.iter().any(|name| **name == *certificate.subject().der())
        };
        list.iter()
            .filter(|generation| generation.certificate.as_deref().is_some_and(named))
            .map(|generation| generation.age)
            .collect()
    }

    fn anything(&self, held: &Held) -> BTreeSet<Age> {
        let leaves = held.certificates.iter().filter_map(|certificate| self.leaf(certificate));
        leaves.chain(self.keys(held)).chain(self.tokens(held)).collect()
    }
}
