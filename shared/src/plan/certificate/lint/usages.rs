//! What a key may be used for: basic constraints, key usage, extended key usage, name and policy constraints.

use super::{Report, Signer, Subject};
use crate::facts::x509::{ExtendedUsages, KeyUsages};
use crate::plan::certificate::{Kind, RowKind};

pub(super) fn check(subject: &Subject<'_>, report: &mut Report<'_>) {
    match subject.rules.kind {
        RowKind::Authority => authority(subject, report),
        RowKind::Server | RowKind::Client | RowKind::Peer => leaf(subject, report),
    }
    usages(subject, report);
    let extensions = subject.certificate.extensions();
    if let Some(marked) = &extensions.constraints {
        let value = &marked.value;
        if value.permitted + value.excluded == 0 {
            report.say(Kind::NameConstraintsUnfit, "its name constraints are empty");
        }
        if let Some(unfit) = value.unfit.first() {
            report.say(Kind::NameConstraintsUnfit, format!("its name constraints hold {unfit}"));
        }
        if subject.rules.kind != RowKind::Authority {
            report.say(Kind::NameConstraintsOnLeaf, "it has name constraints and is no CA");
        } else if !marked.critical {
            report.say(Kind::NameConstraintsUnmarked, "its name constraints are not critical");
        }
    }
    if extensions.policy_constraints.as_ref().is_some_and(|marked| !marked.critical) {
        report.say(Kind::PolicyConstraintsUnmarked, "its policy constraints are not critical");
    }
}

fn authority(subject: &Subject<'_>, report: &mut Report<'_>) {
    let certificate = subject.certificate;
    match certificate.authority() {
        Some(basic) if basic.is_ca => {
            if !basic.critical {
                report.say(Kind::ConstraintsNotCritical, "its basic constraints are not critical");
            }
            if basic.path_length == Some(0) && matches!(subject.signer, Signer::Itself) {
                report.say(Kind::PathLengthNoBridge, "it is a root with path length 0");
            }
        }
        Some(_) => report.say(Kind::NotACa, "its basic constraints say that it is no CA"),
        None => report.say(Kind::NotACa, "it has no basic constraints"),
    }
    if matches!(subject.signer, Signer::Itself) && certificate.extended().is_some() {
        report.say(Kind::ExtendedOnRoot, "it is a root with an extended key usage");
    }
}

fn leaf(subject: &Subject<'_>, report: &mut Report<'_>) {
    let certificate = subject.certificate;
    match certificate.authority() {
        Some(basic) if basic.is_ca => {
            report.say(Kind::LeafIsCa, "its basic constraints say that it is a CA");
        }
        Some(basic) if basic.path_length.is_some() => {
            report.say(Kind::PathLengthOnLeaf, "it is no CA and has a path length");
        }
        Some(_) => {}
        None => report.say(Kind::ConstraintsMissing, "it has no basic constraints"),
    }
    let Some(marked) = &certificate.extensions().extended else {
        report.say(Kind::ExtendedMissing, "it has no extended key usage");
        return;
    };
    if marked.critical {
        report.say(Kind::ExtendedCritical, "its extended key usage is critical");
    }
    extended(&marked.value, subject, report);
}

fn extended(found: &ExtendedUsages, subject: &Subject<'_>, report: &mut Report<'_>) {
    if found.names().is_empty() {
        report.say(Kind::ExtendedEmpty, "its extended key usage is empty");
        return;
    }
    if found.any {
        report.say(Kind::ExtendedAny, "its extended key usage is anyExtendedKeyUsage");
        return;
    }
    let Some(wanted) = subject.rules.extended() else { return };
    let kind = subject.rules.kind.as_str();
    let names = found.names().join(", ");
    if wanted.server && !found.server || wanted.client && !found.client {
        let what = format!("it is for a {kind}, and its extended key usage is {names}");
        report.say(Kind::ExtendedWrong, what);
    } else if found.names().len() > wanted.names().len() {
        let what = format!("it is for a {kind} only, and its extended key usage is {names}");
        report.say(Kind::ExtendedMore, what);
    }
}

fn usages(subject: &Subject<'_>, report: &mut Report<'_>) {
    let is_ca = subject.rules.kind == RowKind::Authority;
    let Some(marked) = &subject.certificate.extensions().usages else {
        let kind = if is_ca { Kind::UsagesMissingCa } else { Kind::UsagesMissing };
        report.say(kind, "it has no key usage");
        return;
    };
    let found = marked.value;
    let names = found.names().join(", ");
    if found.names().is_empty() {
        report.say(Kind::UsagesEmpty, "its key usage is empty");
        return;
    }
    if !marked.critical {
        report.say(Kind::UsagesNotCritical, "its key usage is not critical");
    }
    if is_ca {
        if !found.has(KeyUsages::KEY_CERT_SIGN) {
            report.say(Kind::CertSignMissing, format!("its key usage is {names}"));
        }
        return;
    }
    if found.has(KeyUsages::KEY_CERT_SIGN) {
        report.say(Kind::CertSignOnLeaf, format!("its key usage is {names}"));
    }
    if !found.has(KeyUsages::DIGITAL_SIGNATURE) {
        report.say(Kind::SignatureUsageMissing, format!("its key usage is {names}"));
    }
    let key = subject.certificate.key();
    match (found.has(KeyUsages::KEY_ENCIPHERMENT), key.enciphers()) {
        (true, false) => {
            report.say(
                Kind::EnciphermentPointless,
                format!("its key is {key}, and its key usage is {names}"),
            );
        }
        (false, true) if subject.rules.kind.serves() => {
            report.say(
                Kind::EnciphermentMissing,
                format!("its key is {key}, and its key usage is {names}"),
            );
        }
        _ => {}
    }
}
