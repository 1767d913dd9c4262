//! What only all places together show: torn rotations, places that lag behind, keys that nobody checks by.
//!
//! Certificates by themselves are judged by [`certificate::judge`](crate::plan::certificate::judge); this is about where
//! they are.

mod components;
mod elsewhere;
mod keys;
mod places;
mod rotation;

use super::matrix::{Matrix, Row};
use crate::facts::host::{Invocation, Misled};
use crate::plan::certificate::{Finding, Kind};
use jiff::{SignedDuration, Timestamp};

/// What is judged.
#[derive(Clone, Copy, Debug)]
pub struct Whole<'a> {
    /// All places.
    pub matrix: &'a Matrix,
    /// Components and what they are told.
    pub invocations: &'a [Invocation],
    /// Links that lead elsewhere.
    pub misled: &'a [Misled],
    /// Machines with the seconds that their clocks are ahead.
    pub clocks: &'a [(String, i64)],
    /// As of when.
    pub at: Timestamp,
}

/// What is left of a certificate when its end is near.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A warning from here on.
    pub warn: SignedDuration,
    /// An error from here on.
    pub critical: SignedDuration,
}

impl Limits {
    /// Where nobody says anything else.
    pub const USUAL: Self = Self {
        warn: SignedDuration::from_hours(30 * 24),
        critical: SignedDuration::from_hours(7 * 24),
    };
}

/// Judges the whole. Findings are sorted by place, and each is said once.
pub fn judge(whole: &Whole<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    places::check(whole, &mut findings);
    rotation::check(whole, &mut findings);
    keys::check(whole, &mut findings);
    components::check(whole, &mut findings);
    elsewhere::check(whole, &mut findings);
    findings.sort();
    findings.dedup();
    findings
}

/// What ends soon, at one place for each certificate: the first one.
pub fn dates(matrix: &Matrix, limits: Limits, at: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    for shown in &matrix.certificates {
        let certificate = &shown.certificate;
        let left = certificate.not_after().duration_since(at);
        let Some(row) = shown.rows.first().and_then(|index| matrix.rows.get(*index)) else {
            continue;
        };
        if left < SignedDuration::ZERO || left > limits.warn.max(limits.critical) {
            continue;
        }
        let kind =
            if left <= limits.critical { Kind::ExpiresCritically } else { Kind::ExpiresSoon };
        let days = left.as_hours() / 24;
        let elsewhere = match shown.rows.len() {
            1 => String::new(),
            more => format!(", here and in {} other places", more - 1),
        };
        let what = format!(
            "{} ends at {}, in {days} days{elsewhere}",
            certificate.subject(),
            certificate.not_after()
        );
        findings.push(Finding::new(kind, &row.sighting.place.to_string(), what));
    }
    findings
}

/// A finding about a place.
fn about(row: &Row, kind: Kind, what: impl Into<String>) -> Finding {
    Finding::new(kind, &row.sighting.place.to_string(), what)
}
