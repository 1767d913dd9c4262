//! Keys that do two jobs, or one that nobody else knows of.

use super::{Whole, about};
use crate::facts::credential::Digest;
use crate::facts::sighting::{Domain, Held, Part};
use crate::facts::x509::KeyPart;
use crate::plan::certificate::{Finding, Kind};
use crate::plan::inventory::Row;
use std::collections::HashMap;

pub(super) fn check(whole: &Whole<'_>, findings: &mut Vec<Finding>) {
    signing(whole, findings);
    serving(whole, findings);
    shared(whole, findings);
}

fn private(held: &Held) -> impl Iterator<Item = Digest> {
    held.keys.iter().filter_map(|key| match key {
        KeyPart::Public(digest) => Some(*digest),
        KeyPart::Encrypted | KeyPart::Unknown | KeyPart::Unreadable => None,
    })
}

fn of_part<'a>(whole: &Whole<'a>, part: Part) -> impl Iterator<Item = (&'a Row, &'a Held)> {
    let rows = whole.matrix.rows.iter().filter(move |row| row.sighting.role.part == part);
    rows.filter_map(|row| Some((row, row.sighting.content.held()?)))
}

/// A key that signs is one by which servers check.
fn signing(whole: &Whole<'_>, findings: &mut Vec<Finding>) {
    let known: Vec<Digest> = of_part(whole, Part::TokenVerifier)
        .flat_map(|(_, held)| {
            let certificates = held.certificates.iter().map(|certificate| certificate.key_digest());
            let public = held.public_keys.iter().copied();
            certificates.chain(public).chain(private(held)).collect::<Vec<_>>()
        })
        .collect();
    if known.is_empty() {
        return;
    }
    for (row, held) in of_part(whole, Part::TokenSigner) {
        for key in private(held).filter(|key| !known.contains(key)) {
            let what =
                format!("the public part of its key, sha256:{key}, is in no verifying place");
            findings.push(about(row, Kind::SigningKeyUnverified, what));
        }
    }
}

/// A serving key that signs tokens ends all of them when it is replaced.
fn serving(whole: &Whole<'_>, findings: &mut Vec<Finding>) {
    let signers: HashMap<Digest, &Row> = of_part(whole, Part::TokenSigner)
        .chain(of_part(whole, Part::TokenVerifier))
        .flat_map(|(row, held)| {
            private(held).chain(held.public_keys.iter().copied()).map(move |key| (key, row))
        })
        .collect();
    for (row, held) in of_part(whole, Part::Serving) {
        let leaf = held.certificates.iter().find(|certificate| !certificate.is_ca());
        let Some(certificate) = leaf else { continue };
        if let Some(signer) = signers.get(&certificate.key_digest()) {
            let what = format!(
                "the key of {} is the one in {}",
                certificate.subject(),
                signer.sighting.place
            );
            findings.push(about(row, Kind::KeySignsTokens, what));
        }
    }
}

/// CAs that must be nobody else's.
fn shared(whole: &Whole<'_>, findings: &mut Vec<Finding>) {
    for row in &whole.matrix.rows {
        let role = row.sighting.role;
        let kind = match (role.domain, role.part) {
            (Domain::FrontProxy, Part::Trust | Part::Authority) => Kind::FrontProxyShared,
            (Domain::Etcd | Domain::EtcdPeers, Part::Trust | Part::Authority) => Kind::EtcdSharesCa,
            _ => continue,
        };
        let held = row.sighting.content.held().into_iter().flat_map(|held| &held.certificates);
        for ca in held {
            if whole.matrix.generations.age(Domain::Cluster, ca.key_digest()).is_some() {
                let what = format!("{} is the cluster's CA", ca.subject());
                findings.push(about(row, kind, what));
            }
        }
    }
}
