//! Certificates that stand in no file: in objects, in etcd, in pods' volumes, or shown by servers. Those of files are judged
//! with their sets.

use super::{Whole, about};
use crate::facts::credential::Digest;
use crate::facts::sighting::{Domain, Part, Place};
use crate::facts::words::time;
use crate::facts::x509::{Certificate, KeyPart, Signed};
use crate::plan::certificate::{Finding, Kind, RowRules, Signer, lint_with};
use crate::plan::inventory::Row;
use crate::plan::inventory::matrix::Shown;
use std::collections::HashMap;

pub(super) fn check(whole: &Whole<'_>, findings: &mut Vec<Finding>) {
    for shown in &whole.matrix.certificates {
        let rows = || shown.rows.iter().filter_map(|index| whole.matrix.rows.get(*index));
        if rows().any(|row| matches!(row.sighting.place, Place::File { .. } | Place::Entry { .. }))
        {
            continue;
        }
        // Of all the places where the cluster has it; an application's own is looked at for its dates alone.
        let ours = rows().find(|row| row.sighting.role.domain != Domain::Other);
        match (ours, rows().next()) {
            (Some(row), _) => findings.extend(fields(whole, shown, row)),
            (None, Some(row)) => findings.extend(dates(whole, &shown.certificate, row)),
            (None, None) => {}
        }
    }
    unfit_keys(whole, findings);
}

fn fields(whole: &Whole<'_>, shown: &Shown, row: &Row) -> Vec<Finding> {
    let certificate = &*shown.certificate;
    let place = row.sighting.place.to_string();
    let rules = RowRules::inferred(certificate);
    let all = || whole.matrix.certificates.iter().map(|other| &*other.certificate);
    let signer = if certificate.is_self_issued() && certificate.signed_by(certificate) != Signed::No
    {
        Signer::Itself
    } else {
        all().find(|ca| certificate.is_signed_by(ca)).map_or(Signer::Unknown, Signer::Known)
    };
    let mut findings = lint_with(&place, &rules, certificate, signer, whole.at);
    // Limits are the command's own.
    findings.retain(|finding| finding.kind != Kind::ExpiresSoon);
    findings
}

fn dates(whole: &Whole<'_>, certificate: &Certificate, row: &Row) -> Option<Finding> {
    let subject = certificate.subject();
    if certificate.not_after() < whole.at {
        let what = format!("{subject} ended at {}", time(certificate.not_after()));
        return Some(about(row, Kind::Expired, what));
    }
    if certificate.not_before() > whole.at {
        let what = format!("{subject} begins at {}", time(certificate.not_before()));
        return Some(about(row, Kind::NotYetValid, what));
    }
    None
}

/// What holds several fields, and the field's name without what says that it is a key or a certificate.
fn pair(place: &Place) -> Option<(String, &str)> {
    let (holder, field) = match place {
        Place::Object { kind, namespace, name, field } => {
            (format!("{kind}/{namespace}/{name}"), &**field)
        }
        Place::EtcdKey { source, key, field } => (format!("{source}:{key}"), &**field),
        Place::File { .. } | Place::Endpoint { .. } | Place::Mount { .. } | Place::Entry { .. } => {
            return None;
        }
    };
    let ends = ["-key.pem", ".key", ".crt", ".cert", ".pem"];
    let stem = ends.iter().find_map(|end| field.strip_suffix(end))?;
    Some((holder, stem))
}

/// A key must be that of the certificate beside it: `tls.key` that of `tls.crt`.
fn unfit_keys(whole: &Whole<'_>, findings: &mut Vec<Finding>) {
    let mut leaves: HashMap<(String, &str), (&Row, &Certificate)> = HashMap::new();
    let mut keys: Vec<((String, &str), &Row, Digest)> = Vec::new();
    for row in &whole.matrix.rows {
        let sighting = &row.sighting;
        let (Some(held), Some(pair)) = (sighting.content.held(), pair(&sighting.place)) else {
            continue;
        };
        if let [KeyPart::Public(digest)] = held.keys[..] {
            keys.push((pair.clone(), row, digest));
        }
        if let Some(leaf) = held.certificates.first().filter(|_| sighting.role.part != Part::Trust)
        {
            leaves.insert(pair, (row, &**leaf));
        }
    }
    for (pair, row, digest) in keys {
        let Some((beside, leaf)) = leaves.get(&pair) else { continue };
        if leaf.key_digest() != digest {
            let what =
                format!("the key is not that of {} in {}", leaf.subject(), beside.sighting.place);
            findings.push(about(row, Kind::KeyDoesNotFit, what));
        }
    }
}
