//! Secrets.

use super::{POD_TOKEN, POD_TRUST};
use crate::facts::account::TOKEN_TYPE;
use crate::facts::sighting::{
    Component, Content, Domain, Held, Interner, Part, Place, Role, Sighting,
};
use crate::facts::wire::{Meta, null_as_default};
use base64::Engine as _;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

/// A type that is not listed: releases of Helm are whole charts, packed, which are no place that anybody reads
/// certificates from, and most of the bytes of many clusters.
pub const KEEPS_OUT: &str = "helm.sh/release.v1";

const TLS_TYPE: &str = "kubernetes.io/tls";
/// CAs' private keys, encrypted by `kubeadm init --upload-certs` for other control planes to come.
const UPLOADED: (&str, &str) = ("kube-system", "kubeadm-certs");

/// What is known of an object beside its values.
#[derive(Clone, Copy, Debug)]
pub struct Named<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
    /// `type`, of a Secret.
    pub kind: &'a str,
    /// When it was written last.
    pub written: Option<Timestamp>,
}

/// Values that can hold something; wiped when they are let go, and never printed.
#[derive(Default)]
pub struct Fields(pub BTreeMap<String, Zeroizing<Vec<u8>>>);

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A listed Secret. Values that cannot hold anything are let go while it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SecretWire {
    metadata: Meta,
    #[serde(rename = "type", deserialize_with = "null_as_default")]
    kind: String,
    #[serde(deserialize_with = "null_as_default")]
    data: BTreeMap<String, Kept>,
}

/// A value, if it can hold something.
#[derive(Default)]
struct Kept(Option<Zeroizing<Vec<u8>>>);

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "kept" } else { "let go" })
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Kept;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("base64")
            }
            fn visit_str<E>(self, text: &str) -> Result<Kept, E> {
                let bytes = base64::engine::general_purpose::STANDARD.decode(text);
                let bytes = bytes.map(Zeroizing::new).ok();
                Ok(Kept(bytes.filter(|bytes| Content::is_likely_in(bytes))))
            }
            fn visit_unit<E>(self) -> Result<Kept, E> {
                Ok(Kept(None))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl SecretWire {
    /// What stands in it, each field as one sighting.
    pub fn sightings(self, interner: &Interner) -> Vec<Sighting> {
        let Self { metadata, kind, data } = self;
        let named = Named {
            namespace: &metadata.namespace,
            name: &metadata.name,
            kind: &kind,
            written: super::data_written(&metadata),
        };
        let fields = data.into_iter().filter_map(|(key, value)| Some((key, value.0?))).collect();
        of_secret(named, &Fields(fields), interner, |field| {
            super::place("secret", &metadata, field)
        })
    }
}

/// What stands in a Secret, wherever it was read: `place` says where each field is.
pub fn of_secret(
    named: Named<'_>,
    fields: &Fields,
    interner: &Interner,
    place: impl Fn(&str) -> Place,
) -> Vec<Sighting> {
    if (named.namespace, named.name) == UPLOADED {
        let role = Role::new(Component::Authority, Domain::Cluster, Part::AuthorityKey);
        let sealed = Content::Sealed { provider: "kubeadm".into(), key: "certificate key".into() };
        let seen = Sighting::new(place(""), role, sealed);
        return vec![Sighting { modified: named.written, ..seen }];
    }
    let mut all = Vec::new();
    for (key, bytes) in &fields.0 {
        let content = Content::read(bytes, interner);
        // An ordinary secret with a field that only looked like something.
        if content.held().is_some_and(Held::is_empty) {
            continue;
        }
        let role = role(named.kind, key);
        let role = match content.held() {
            Some(held) if role.part == Part::Anything && holds_account(held) => COPIED_TOKEN,
            _ => role,
        };
        all.push(Sighting::new(place(key), role, content));
    }
    if named.kind == TOKEN_TYPE {
        for (key, role) in [("ca.crt", POD_TRUST), ("token", POD_TOKEN)] {
            if !all.iter().any(|s| s.role == role) {
                all.push(Sighting::absent(place(key), role));
            }
        }
    }
    for sighting in &mut all {
        sighting.modified = named.written;
    }
    all
}

/// A token of a service account in a Secret of somebody's own: a copy, or a kubeconfig with one.
const COPIED_TOKEN: Role = Role::new(Component::Other, Domain::Tokens, Part::Token);

fn holds_account(held: &Held) -> bool {
    let mut claims = held.tokens.iter().filter_map(|token| token.claims.as_ref());
    claims.any(|claims| claims.subject.starts_with("system:serviceaccount:"))
}

fn role(kind: &str, key: &str) -> Role {
    let other = |part| Role::new(Component::Other, Domain::Other, part);
    match (kind, key) {
        (TOKEN_TYPE, "ca.crt") => POD_TRUST,
        (TOKEN_TYPE, "token") => POD_TOKEN,
        (TLS_TYPE, "tls.crt") => other(Part::Serving),
        (TLS_TYPE, "tls.key") => other(Part::ServingKey),
        (TLS_TYPE, "ca.crt") => other(Part::Trust),
        _ => other(Part::Anything),
    }
}
