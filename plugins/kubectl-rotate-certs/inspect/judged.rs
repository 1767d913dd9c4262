//! Everything that can be found: rules for files, for dates, for the whole.

use super::documents;
use super::observe::Gathered;
use jiff::Timestamp;
use rotation_core::facts::sighting::{Component, Host, Part, Place};
use rotation_core::plan::certificate::{Finding, Kind, Scene, judge as judge_set};
use rotation_core::plan::inventory::{Limits, Whole, dates, judge as judge_whole, judge_beyond};
use std::collections::{HashMap, HashSet};

/// All findings, sorted by place.
pub(crate) fn findings(
    gathered: &Gathered,
    limits: Limits,
    at: Timestamp,
    user: u32,
) -> Vec<Finding> {
    let mut findings = judge_whole(&Whole {
        matrix: &gathered.matrix,
        invocations: &gathered.told,
        misled: &gathered.misled,
        clocks: &gathered.clocks,
        at,
    });
    findings.extend(dates(&gathered.matrix, limits, at));
    let sightings = gathered.matrix.rows.iter().map(|row| &row.sighting);
    findings.extend(judge_beyond(sightings, &gathered.beyond, at));
    let said: HashSet<(String, Kind)> =
        findings.iter().map(|finding| (finding.place.clone(), finding.kind)).collect();
    let roles = roles(gathered);
    let of_set = judge_set(&Scene {
        files: &gathered.files,
        directories: &[],
        pools: &[],
        names: &[],
        names_only: false,
        purpose: None,
        rows: &gathered.rows,
        at,
        user,
    });
    findings.extend(of_set.into_iter().filter(|finding| {
        is_meant(finding, &roles) && !said.contains(&(finding.place.clone(), finding.kind))
    }));
    without_consequences(&mut findings);
    for finding in &mut findings {
        match gathered.entries.get(file_of(finding)) {
            Some(entry) => documents::mend(finding, entry),
            None => localize(finding, &gathered.hosts),
        }
    }
    findings.sort();
    findings
}

/// The place of a finding without a line.
fn file_of(finding: &Finding) -> &str {
    crate::verify::place(&finding.place).0
}

/// What each whole file is for.
fn roles(gathered: &Gathered) -> HashMap<String, (Component, Part)> {
    let rows = gathered.matrix.rows.iter();
    rows.filter(|row| matches!(row.sighting.place, Place::File { .. } | Place::Entry { .. }))
        .map(|row| {
            let role = row.sighting.role;
            (row.sighting.place.to_string(), (role.component, role.part))
        })
        .collect()
}

/// Rules for sets of files that somebody made say things of machines' files that are as they should be.
fn is_meant(finding: &Finding, roles: &HashMap<String, (Component, Part)>) -> bool {
    let file = file_of(finding);
    let role = roles.get(file);
    // What is somebody's own in a document is dated, and paired with its key; how it is made is theirs.
    if matches!(role, Some((_, Part::Anything))) && !says_of_anything(finding.kind) {
        return false;
    }
    match finding.kind {
        // CFCR's etcd shows one certificate under every name of its domain.
        Kind::SanWildcard => !matches!(role, Some((Component::Etcd, _))),
        // Limits are the command's own; rows are of documents, and files are of machines.
        Kind::ExpiresSoon | Kind::RowUnexpected => false,
        // Public keys are with the API servers, which can be other machines.
        Kind::KeyWithoutCertificate => !matches!(role, Some((_, Part::TokenSigner))),
        // The kubelet writes them so.
        Kind::KeyBesideCertificate => !matches!(role, Some((Component::Kubelet, _))),
        // That is what this file is for; kubeadm says to keep it away.
        Kind::MastersGroup => {
            // CFCR and the Salt formula have no other way to let these in.
            let of_layout = file.contains("#/")
                && matches!(role, Some((Component::ApiServer | Component::Admin, _)));
            !file.ends_with("/super-admin.conf") && !of_layout
        }
        _ => true,
    }
}

/// What holds of whatever it is.
fn says_of_anything(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Expired
            | Kind::NotYetValid
            | Kind::KeyDoesNotFit
            | Kind::PublicKeyDoesNotFit
            | Kind::RowSigner
            | Kind::CertificateUnparsable
            | Kind::KeyUnreadable
            | Kind::PemBroken
            | Kind::PemUnterminated
    )
}

/// A place of another CA has no chain to its own either: once is enough.
fn without_consequences(findings: &mut Vec<Finding>) {
    let unchained: HashSet<String> = findings
        .iter()
        .filter(|f| matches!(f.kind, Kind::IssuerNotFound | Kind::SignedByAnother))
        .map(|f| file_of(f).to_owned())
        .collect();
    findings.retain(|f| f.kind != Kind::PlaceForeign || !unchained.contains(file_of(f)));
}

/// What is to be typed on a machine names its files without the machine.
fn localize(finding: &mut Finding, hosts: &[Host]) {
    let on = |host: &&Host| {
        let rest = finding.place.strip_prefix(host.name());
        !host.name().is_empty() && rest.is_some_and(|rest| rest.starts_with(":/"))
    };
    if let Some(host) = hosts.iter().find(on) {
        let fix = finding.fix.replace(&format!("{}:/", host.name()), "/");
        finding.fix = format!("on {}: {fix}", host.name());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_on_a_machine_has_its_own_paths() {
        let hosts = [Host::named("m1"), Host::named("m10")];
        let mut finding = Finding::new(Kind::KeyMode, "m10:/etc/x.key", "0644");
        localize(&mut finding, &hosts);
        assert_eq!(finding.fix, "on m10: run `chmod 600 /etc/x.key`");
        let mut finding = Finding::new(Kind::KeyMode, "/etc/x.key", "0644");
        localize(&mut finding, &[Host::only()]);
        assert_eq!(finding.fix, "run `chmod 600 /etc/x.key`");
    }
}
