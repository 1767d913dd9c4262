//! What many places have in common: a thousand machines have the same files, and are told as one row.

use crate::inspect::observe::Gathered;
use rotation_core::facts::sighting::Place;
use rotation_core::tell::page::names;
use rotation_core::tell::page::text::count;
use std::collections::{HashMap, HashSet};

/// How many objects of a kind are each shown by themselves.
const FEW: usize = 3;
/// Names that one text has at most.
pub(super) const NAMES: usize = 6;

/// A place as one of a family.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Spot {
    /// What all of them are called.
    pub(super) family: String,
    /// Which one of them it is; empty where there is no other.
    pub(super) member: String,
    /// What members are.
    pub(super) noun: Noun,
}

/// What members of a family are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Noun {
    /// Machines, by name.
    Machine,
    /// Namespaces.
    Namespace,
    /// Objects of the cluster, keys of etcd.
    Object,
    /// Pods.
    Pod,
    /// Servers, by address.
    Server,
    /// Something that is alone.
    Place,
}

/// How places become families.
pub(super) struct Folds {
    /// How many namespaces have an object of this kind, name and field.
    named: HashMap<String, usize>,
    /// How many objects have this kind and field.
    kinds: HashMap<String, usize>,
    /// Names of machines.
    hosts: HashSet<String>,
    /// The spot of each place's text.
    spots: HashMap<String, Spot>,
}

impl Noun {
    /// `machine`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Machine => "machine",
            Self::Namespace => "namespace",
            Self::Object => "object",
            Self::Pod => "pod",
            Self::Server => "address",
            Self::Place => "place",
        }
    }
}

impl Folds {
    /// Looks at all places once.
    pub(super) fn of(gathered: &Gathered) -> Self {
        let hosts = gathered.hosts.iter().map(|host| host.name().to_owned());
        let mut folds = Self {
            named: HashMap::new(),
            kinds: HashMap::new(),
            hosts: hosts.filter(|name| !name.is_empty()).collect(),
            spots: HashMap::new(),
        };
        let places: Vec<&Place> =
            gathered.matrix.rows.iter().map(|row| &row.sighting.place).collect();
        for place in &places {
            if let Place::Object { kind, name, field, .. } = place {
                *folds.named.entry(named(kind, name, field)).or_default() += 1;
                *folds.kinds.entry(of_kind(kind, field)).or_default() += 1;
            }
        }
        for place in places {
            let spot = folds.spot(place);
            folds.spots.insert(place.to_string(), spot);
        }
        folds
    }

    /// The family of a place.
    pub(super) fn spot(&self, place: &Place) -> Spot {
        let (family, member, noun) = match place {
            Place::File { host, path, entry } => {
                (with(path, entry), host.name().to_owned(), Noun::Machine)
            }
            Place::Object { kind, namespace, name, field } => {
                let (named, of_kind) = (named(kind, name, field), of_kind(kind, field));
                if self.named.get(&named).is_some_and(|times| *times > 1) {
                    (named, namespace.to_string(), Noun::Namespace)
                } else if self.kinds.get(&of_kind).is_some_and(|times| *times > FEW) {
                    let member = if namespace.is_empty() {
                        name.to_string()
                    } else {
                        format!("{namespace}/{name}")
                    };
                    (of_kind, member, Noun::Object)
                } else {
                    (place.to_string(), String::new(), Noun::Place)
                }
            }
            Place::Endpoint { server, address, shown } => {
                (with(server, shown), address.to_string(), Noun::Server)
            }
            Place::EtcdKey { source, key, field } => {
                let (kind, rest) = split_key(key);
                (with(&format!("{source}:{kind}/*"), field), rest.to_owned(), Noun::Object)
            }
            Place::Mount { host, namespace, pod, volume, file } => {
                let member = match host.name() {
                    "" => format!("{namespace}/{pod}"),
                    name => format!("{name}:{namespace}/{pod}"),
                };
                (format!("pod/*#{}/{file}", volume_kind(volume)), member, Noun::Pod)
            }
            Place::Entry { .. } => (place.to_string(), String::new(), Noun::Place),
        };
        Spot { family, member, noun }
    }

    /// The spot of a finding's place, which may bear a line; what is no place is alone.
    pub(super) fn of_text(&self, text: &str) -> Spot {
        if let Some(spot) = self.spots.get(text) {
            return spot.clone();
        }
        let alone = || Spot { family: text.to_owned(), member: String::new(), noun: Noun::Place };
        let (file, line) = crate::verify::place(text);
        let (Some(spot), Some(line)) = (self.spots.get(file), line) else {
            // Files of the judgement that are rows only by their entries.
            let host = text.split_once(":/").filter(|(host, _)| self.hosts.contains(*host));
            return host.map_or_else(alone, |(host, path)| Spot {
                family: format!("/{path}"),
                member: host.to_owned(),
                noun: Noun::Machine,
            });
        };
        Spot { family: format!("{}:{line}", spot.family), ..spot.clone() }
    }

    /// Whether this is the text of a place that was looked at.
    pub(super) fn is_place(&self, text: &str) -> bool {
        self.of_text(text).noun != Noun::Place || self.spots.contains_key(text)
    }

    /// A text without the names of machines in it: the same for each of them.
    pub(super) fn without_hosts(&self, text: &str) -> String {
        replace_words(text, |word| self.hosts.contains(word))
    }
}

impl Spot {
    /// A text about this one as it would be about any of its family.
    pub(super) fn in_general(&self, text: &str, place: &str) -> String {
        if self.member.is_empty() {
            return text.to_owned();
        }
        let text = text.replace(place, &self.family);
        let text = text.replace(&format!("on {}: ", self.member), "on each of them: ");
        replace_words(&text, |word| word == self.member)
    }
}

/// Members in few words: `m1 to m1000`, or `here` for what is alone.
pub(super) fn who<'a>(members: impl IntoIterator<Item = &'a str>, most: usize) -> String {
    let told = names::list(members, most);
    if told.is_empty() { "here".to_owned() } else { told }
}

/// `(1,000 machines)` where names alone do not say how many there are.
pub(super) fn how_many(amount: usize, noun: Noun) -> Option<String> {
    (amount > 2).then(|| count(amount, noun.as_str()))
}

fn with(name: &str, part: &str) -> String {
    if part.is_empty() { name.to_owned() } else { format!("{name}#{part}") }
}

fn named(kind: &str, name: &str, field: &str) -> String {
    with(&format!("{kind}/*/{name}"), field)
}

fn of_kind(kind: &str, field: &str) -> String {
    with(&format!("{kind}/*"), field)
}

/// `/registry/secrets`, and the rest.
fn split_key(key: &str) -> (&str, &str) {
    match key.match_indices('/').nth(2) {
        Some((at, _)) => (&key[..at], &key[at + 1..]),
        None => (key, ""),
    }
}

/// The API server gives each of its volumes five letters of its own.
fn volume_kind(volume: &str) -> &str {
    if volume.starts_with("kube-api-access-") { "kube-api-access" } else { volume }
}

/// Words as names of machines are written: what stands between other characters.
fn replace_words(text: &str, is_meant: impl Fn(&str) -> bool) -> String {
    let belongs = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut general = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let inside = belongs(first);
        let end = rest.find(|c| belongs(c) != inside).unwrap_or(rest.len());
        let (piece, tail) = rest.split_at(end);
        general.push_str(if inside && is_meant(piece) { "NAME" } else { piece });
        rest = tail;
    }
    general
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_machines_are_words() {
        let hosts = ["m1", "node.example"];
        let general = |text| replace_words(text, |word| hosts.contains(&word));
        for (text, expected) in [
            ("CN=system:node:m1", "CN=system:node:NAME"),
            ("CN=system:node:m10", "CN=system:node:m10"),
            ("node.example@17", "NAME@17"),
            ("m1", "NAME"),
            ("", ""),
        ] {
            assert_eq!(general(text), expected);
        }
    }

    #[test]
    fn keys_of_etcd_are_of_a_kind() {
        assert_eq!(split_key("/registry/secrets/n/x"), ("/registry/secrets", "n/x"));
        assert_eq!(split_key("/registry/x"), ("/registry/x", ""));
        assert_eq!(split_key(""), ("", ""));
    }
}
