//! The findings for scripts.

use super::observe::Gathered;
use super::waivers::Waived;
use crate::TOOL;
use jiff::Timestamp;
use jiff::civil::Date;
use rotation_core::facts::sighting::Domain;
use rotation_core::plan::certificate::{Finding, Severity};
use rotation_core::plan::inventory::Phase;
use serde::Serialize;

/// The version of the document.
const SCHEMA_VERSION: &str = "rotation/certificate-check/v1";

/// The document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    schema_version: &'static str,
    tool: &'static str,
    tool_version: &'static str,
    at: Timestamp,
    places: usize,
    unknown: usize,
    certificates: usize,
    keys: usize,
    domains: Vec<DomainItem>,
    findings: Vec<Item<'a>>,
    waived: Vec<WaivedItem<'a>>,
}

#[derive(Serialize)]
struct DomainItem {
    domain: Domain,
    phase: Phase,
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'static str,
    severity: Severity,
    place: &'a str,
    what: &'a str,
    fix: &'a str,
}

#[derive(Serialize)]
struct WaivedItem<'a> {
    id: &'static str,
    place: &'a str,
    what: &'a str,
    until: Date,
    reason: &'a str,
}

/// The document of what was found.
pub(crate) fn of<'a>(
    gathered: &Gathered,
    findings: &'a [Finding],
    waived: &'a [Waived],
    at: Timestamp,
) -> Document<'a> {
    let progress = gathered.matrix.progress();
    Document {
        schema_version: SCHEMA_VERSION,
        tool: TOOL.name,
        tool_version: TOOL.version,
        at,
        places: gathered.matrix.rows.len(),
        unknown: gathered.unknown(),
        certificates: gathered.matrix.certificates.len(),
        keys: gathered.keys(),
        domains: progress.iter().map(|p| DomainItem { domain: p.domain, phase: p.phase }).collect(),
        findings: findings
            .iter()
            .map(|finding| Item {
                id: finding.id(),
                severity: finding.severity(),
                place: &finding.place,
                what: &finding.what,
                fix: &finding.fix,
            })
            .collect(),
        waived: waived
            .iter()
            .map(|waived| WaivedItem {
                id: waived.finding.id(),
                place: &waived.finding.place,
                what: &waived.finding.what,
                until: waived.until,
                reason: &waived.reason,
            })
            .collect(),
    }
}
