//! Subject alternative names.

use super::{Report, Subject};
use crate::facts::x509::San;
use crate::plan::certificate::{Kind, RowKind};
use std::collections::HashSet;
use std::net::IpAddr;

/// What pods call the API server; behind the last one comes the cluster's domain.
const KUBERNETES: [&str; 3] = ["kubernetes", "kubernetes.default", "kubernetes.default.svc"];
/// Names that one sentence repeats.
const SHOWN: usize = 10;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report<'_>) {
    let certificate = subject.certificate;
    let Some(marked) = &certificate.extensions().sans else {
        if subject.rules.kind.serves() {
            report.say(Kind::SanMissing, "it has no subject alternative names");
        } else if subject.rules.kind == RowKind::Client && certificate.subject().is_empty() {
            report.say(Kind::SanMissing, "it has neither a subject nor subject alternative names");
        }
        return;
    };
    let names = &marked.value;
    match (marked.critical, certificate.subject().is_empty()) {
        (true, false) => {
            report.say(Kind::SanCritical, "its subject alternative names are critical");
        }
        (false, true) => {
            report.say(Kind::SanUnmarked, "its subject is empty, and its names are not critical");
        }
        _ => {}
    }
    if names.is_empty() {
        report.say(Kind::SanEmpty, "its list of subject alternative names is empty");
        return;
    }
    let mut seen = HashSet::new();
    let mut repeated = Vec::new();
    for name in names {
        if !seen.insert(lower(name)) {
            repeated.push(name);
        }
        one(name, subject, report);
    }
    if !repeated.is_empty() {
        report.say(Kind::SanDuplicate, format!("twice there: {}", list(&repeated)));
    }
    if !subject.rules.kind.serves() {
        return;
    }
    let missing: Vec<&San> = subject
        .rules
        .sans
        .iter()
        .filter(|wanted| !names.iter().any(|own| own.covers(wanted)))
        .collect();
    if !missing.is_empty() {
        report.say(Kind::SanNotCovering, format!("it does not cover {}", list(&missing)));
    }
    kubernetes(names, report);
    if let Some(common_name) = certificate.subject().common_name()
        && common_name.contains('.')
        && let Ok(host) = San::parse(common_name)
        && !names.iter().any(|own| own.covers(&host))
    {
        report.say(Kind::CommonNameUncovered, format!("its common name is `{common_name}`"));
    }
}

fn one(name: &San, subject: &Subject<'_>, report: &mut Report<'_>) {
    match name {
        San::Dns(text) => match San::parse(&format!("DNS:{text}")) {
            // Who asks for a wildcard gets it: CFCR's etcd has one.
            Ok(wanted) if subject.rules.sans.contains(&wanted) => {}
            Ok(San::Dns(parsed)) if parsed.starts_with('*') => {
                report.say(Kind::SanWildcard, format!("it has `{text}`"));
            }
            Ok(_) if text.ends_with('.') || text.trim() != text => {
                report.say(
                    Kind::SanInvalid,
                    format!("`{text}` is no host name as certificates hold them"),
                );
            }
            Ok(_) => {}
            Err(_) if text.parse::<IpAddr>().is_ok() => {
                report.say(Kind::SanIpAsDns, format!("it has the address `{text}` as a host name"));
            }
            Err(why) => report.say(Kind::SanInvalid, why.to_string()),
        },
        San::Ip(_) => {}
        San::Other(what) if what.contains("IP address of") || what.contains("cannot be read") => {
            report.say(Kind::SanInvalid, format!("it has {what}"));
        }
        San::Other(what) => report.say(Kind::SanOther, format!("it has {what}")),
    }
}

fn kubernetes(names: &[San], report: &mut Report<'_>) {
    let hosts: HashSet<String> = names
        .iter()
        .filter_map(|name| match name {
            San::Dns(host) => Some(host.to_ascii_lowercase()),
            San::Ip(_) | San::Other(_) => None,
        })
        .collect();
    let full = |host: &String| host.starts_with("kubernetes.default.svc.");
    if !hosts.iter().any(|host| KUBERNETES.contains(&host.as_str()) || full(host)) {
        return;
    }
    let mut missing: Vec<&str> =
        KUBERNETES.into_iter().filter(|name| !hosts.contains(*name)).collect();
    if !hosts.iter().any(full) {
        missing.push("kubernetes.default.svc.DOMAIN");
    }
    if !missing.is_empty() {
        report.say(
            Kind::SanKubernetes,
            format!("it has some of them, and lacks {}", missing.join(", ")),
        );
    }
}

fn lower(name: &San) -> San {
    match name {
        San::Dns(host) => San::Dns(host.to_ascii_lowercase()),
        San::Ip(_) | San::Other(_) => name.clone(),
    }
}

fn list(names: &[&San]) -> String {
    let shown: Vec<String> = names.iter().take(SHOWN).map(ToString::to_string).collect();
    let more = names.len().saturating_sub(SHOWN);
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}
