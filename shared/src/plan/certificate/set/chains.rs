//! Each leaf under each pool, and what happens to it while two CAs are in one.

use super::{Member, Scene};
use crate::facts::x509::{Certificate, San};
use crate::plan::certificate::{Finding, Kind, Question, RowKind};
use std::collections::HashSet;

pub(super) fn check(scene: &Scene<'_>, members: &[Member<'_>], findings: &mut Vec<Finding>) {
    let cas: Vec<&Member<'_>> = members.iter().filter(|m| m.certificate.is_ca()).collect();
    let intermediates: Vec<Certificate> =
        cas.iter().filter(|m| !m.itself).map(|m| m.certificate.clone()).collect();
    let own: Vec<Certificate> =
        cas.iter().filter(|m| m.itself).map(|m| m.certificate.clone()).collect();
    let mut pools: Vec<(Option<&str>, &[Certificate])> = scene
        .pools
        .iter()
        .map(|pool| (Some(pool.name.as_str()), pool.certificates.as_slice()))
        .collect();
    if pools.is_empty() {
        pools.push((None, &own));
    }
    for member in members {
        if member.itself {
            if member.rules.kind != RowKind::Authority && !member.certificate.is_ca() {
                let what = format!("{} signed itself", member.certificate.subject());
                findings.push(Finding::new(Kind::SelfSignedLeaf, member.place, what));
            }
            continue;
        }
        for (name, pool) in &pools {
            under(scene, member, *name, pool, &intermediates, findings);
        }
    }
}

fn under(
    scene: &Scene<'_>,
    member: &Member<'_>,
    name: Option<&str>,
    pool: &[Certificate],
    intermediates: &[Certificate],
    findings: &mut Vec<Finding>,
) {
    let names: &[San] = &[];
    let question = Question {
        leaf: member.certificate,
        place: member.place,
        pool,
        intermediates,
        purpose: member.rules.kind,
        names,
        at: scene.at,
        accept: None,
    };
    if let Err(finding) = question.answer() {
        let what = match name {
            Some(name) => format!("under {name}: {}", finding.what),
            None => finding.what,
        };
        findings.push(Finding { what, ..finding });
    }
    ambiguous(member, name, pool, findings);
}

/// Verifiers that take one CA of the issuer's name, the first or the last of a bundle, need a key identifier to take the
/// right one; rustls and Go try each. What depends on the order is found, whichever order the bundle has today.
fn ambiguous(
    member: &Member<'_>,
    name: Option<&str>,
    pool: &[Certificate],
    findings: &mut Vec<Finding>,
) {
    let certificate = member.certificate;
    let named: Vec<&Certificate> =
        pool.iter().filter(|ca| ca.subject() == certificate.issuer()).collect();
    let keys: HashSet<&[u8]> = named.iter().map(|ca| ca.spki_der()).collect();
    if keys.len() < 2 {
        return;
    }
    let fitting: HashSet<&[u8]> = match certificate.aki() {
        Some(id) => named
            .iter()
            .filter(|ca| ca.ski().is_none_or(|ski| ski == id))
            .map(|ca| ca.spki_der())
            .collect(),
        None => keys.clone(),
    };
    if fitting.len() == 1 {
        return;
    }
    let place = name.unwrap_or("the set");
    let what = format!(
        "{} CAs of {place} bear the name {}, and nothing tells them apart",
        keys.len(),
        certificate.issuer()
    );
    findings.push(Finding::new(Kind::AmbiguousIssuer, member.place, what));
}
