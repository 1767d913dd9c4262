//! CAs beside each other: generations, renewals, serial numbers, etcd's own.

use super::{Member, Scene};
use crate::facts::x509::Certificate;
use crate::plan::certificate::{Finding, Kind};
use std::collections::HashMap;

pub(super) fn check(scene: &Scene<'_>, members: &[Member<'_>], findings: &mut Vec<Finding>) {
    let mut cas: Vec<(&str, &Certificate)> = members
        .iter()
        .filter(|m| m.certificate.is_ca())
        .map(|m| (m.place, m.certificate))
        .collect();
    for pool in scene.pools {
        for certificate in &pool.certificates {
            if !certificate.is_ca() && certificate.version() == 3 {
                let what = format!("{} is no CA", certificate.subject());
                findings.push(Finding::new(Kind::LeafInPool, &pool.name, what));
            } else if !cas.iter().any(|(_, known)| *known == certificate) {
                cas.push((&pool.name, certificate));
            }
        }
    }
    for (index, (place, ca)) in cas.iter().enumerate() {
        for (other_place, other) in &cas[..index] {
            pair((place, ca), (other_place, other), findings);
        }
    }
    serials(members, findings);
    etcd(scene, findings);
}

fn pair(
    (place, ca): (&str, &Certificate),
    (other_place, other): (&str, &Certificate),
    findings: &mut Vec<Finding>,
) {
    let same_key = ca.spki_der() == other.spki_der();
    let same_name = ca.subject() == other.subject();
    if same_key && same_name {
        let what = format!("{} is of the same key as the one in {other_place}", ca.subject());
        findings.push(Finding::new(Kind::CaRenewed, place, what));
        return;
    }
    if same_name {
        let what = format!("{} is the name of the one in {other_place} as well", ca.subject());
        findings.push(Finding::new(Kind::CasShareSubject, place, what));
    }
    if !same_key && ca.ski().is_some() && ca.ski() == other.ski() {
        let what =
            format!("its subject key identifier is that of {} in {other_place}", other.subject());
        findings.push(Finding::new(Kind::CasShareKeyId, place, what));
    }
}

/// Issuer, its key's identifier, serial number.
type Issued<'a> = (&'a [u8], Option<&'a [u8]>, &'a [u8]);

/// One CA, one number: told apart by name and, where it is there, by the key identifier of who signed.
fn serials(members: &[Member<'_>], findings: &mut Vec<Finding>) {
    let mut seen: HashMap<Issued<'_>, &str> = HashMap::new();
    for member in members {
        let certificate = member.certificate;
        let key = (certificate.issuer().der(), certificate.aki(), certificate.serial());
        if let Some(first) = seen.get(&key) {
            let what = format!(
                "{} of {} is also that of {first}",
                certificate.serial_text(),
                certificate.issuer()
            );
            findings.push(Finding::new(Kind::SerialRepeated, member.place, what));
        } else {
            seen.insert(key, member.place);
        }
    }
}

/// CIS 1.12, 2.7: etcd has a CA of its own. Seen where a set has etcd's files in a place of their own.
fn etcd(scene: &Scene<'_>, findings: &mut Vec<Finding>) {
    let cas = || {
        // A pillar or variables hold every CA by right.
        scene.files.iter().filter(|file| !file.contents.document).flat_map(|file| {
            let cas = file.contents.certificates.iter().filter(|c| c.value.is_ca());
            cas.map(move |c| (file.path.as_str(), c))
        })
    };
    let is_etcd = |path: &str| {
        path.split('/').any(|part| part == "etcd")
            || path.contains("etcd-ca")
            || path.contains("etcd_ca")
    };
    for (path, found) in cas().filter(|(path, _)| is_etcd(path)) {
        if let Some((other, _)) =
            cas().find(|(other, ca)| !is_etcd(other) && ca.value == found.value)
        {
            let what = format!("{path} holds the CA of {other}");
            findings.push(Finding::new(Kind::EtcdSharesCa, &found.place, what));
        }
    }
}
