//! Who it is: issuer, subject, and the users and groups that Kubernetes reads from them.

use super::{Report, Signer, Subject};
use crate::plan::certificate::{Kind, RowKind};

const MASTERS: &str = "system:masters";
const NODES: &str = "system:nodes";
const NODE: &str = "system:node:";

pub(super) fn check(subject: &Subject<'_>, report: &mut Report<'_>) {
    let (certificate, rules) = (subject.certificate, subject.rules);
    let name = certificate.subject();
    if certificate.issuer().is_empty() {
        report.say(Kind::IssuerEmpty, "its issuer is empty");
    }
    if rules.kind == RowKind::Authority {
        if name.is_empty() {
            report.say(Kind::SubjectEmptyCa, "its subject is empty");
        }
    } else if certificate.is_self_issued() && !matches!(subject.signer, Signer::Itself) {
        report.say(Kind::SubjectIsIssuer, format!("subject and issuer are both {name}"));
    }
    if let Some(expected) = &rules.common_name
        && name.common_name() != Some(expected)
    {
        let found = name.common_name().unwrap_or("none");
        report.say(
            Kind::CommonNameWrong,
            format!("its common name is `{found}`, and should be `{expected}`"),
        );
    }
    let groups = name.organizations();
    if let Some(expected) = &rules.organizations
        && !same(&groups, expected)
    {
        let what =
            format!("its organisations are {}, and should be {}", list(&groups), list(expected));
        report.say(Kind::OrganizationWrong, what);
    }
    if rules.kind == RowKind::Authority {
        return;
    }
    // A row that names its organisations knows what it does: CFCR's kubelets serve as `system:nodes` under one name.
    if rules.organizations.is_some() {
        return;
    }
    let node = name.common_name().is_some_and(|user| user.starts_with(NODE));
    // Users and groups are read from clients only; CFCR's kubelets serve with the group alone.
    if rules.kind != RowKind::Server && node != groups.contains(&NODES) {
        let user = name.common_name().unwrap_or("none");
        report.say(
            Kind::NodeGroupMissing,
            format!("its user is `{user}`, its groups are {}", list(&groups)),
        );
    }
    if groups.contains(&MASTERS) {
        report.say(Kind::MastersGroup, format!("its organisations are {}", list(&groups)));
    }
}

fn same(found: &[&str], expected: &[String]) -> bool {
    let (mut found, mut expected) =
        (found.to_vec(), expected.iter().map(String::as_str).collect::<Vec<_>>());
    found.sort_unstable();
    expected.sort_unstable();
    found == expected
}

fn list(names: &[impl AsRef<str>]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    let names: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    names.join(", ")
}
