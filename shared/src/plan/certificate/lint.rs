//! The fields of one certificate against the rules of RFC 5280, of Kubernetes and of its own row.

mod dates;
mod form;
mod identifiers;
mod keys;
mod names;
mod subject;
mod usages;

use super::finding::{Finding, Kind, Severity};
use super::rules::RowRules;
use crate::facts::x509::Certificate;
use jiff::Timestamp;

/// Who signed a certificate, as far as is known.
#[derive(Clone, Copy, Debug)]
pub enum Signer<'a> {
    /// It signed itself: a root.
    Itself,
    /// This CA.
    Known(&'a Certificate),
    /// Somebody who is not here.
    Unknown,
}

/// One certificate with all that its rules look at.
struct Subject<'a> {
    certificate: &'a Certificate,
    rules: &'a RowRules,
    signer: Signer<'a>,
    now: Timestamp,
}

/// Findings about one place.
struct Report<'a> {
    place: &'a str,
    findings: Vec<Finding>,
}

impl Report<'_> {
    fn say(&mut self, kind: Kind, what: impl Into<String>) {
        self.findings.push(Finding::new(kind, self.place, what));
    }
}

/// Judges everything but the signature; without an issuer it is taken for a self-signed root.
///
/// It works the same on a certificate that is not signed yet, with any bits in the place of the signature, so that what
/// a CA must not sign is found before its key is used.
pub fn lint(
    place: &str,
    rules: &RowRules,
    certificate: &Certificate,
    issuer: Option<&Certificate>,
    now: Timestamp,
) -> Vec<Finding> {
    lint_with(place, rules, certificate, issuer.map_or(Signer::Itself, Signer::Known), now)
}

/// The same where the signer may be unknown.
pub fn lint_with(
    place: &str,
    rules: &RowRules,
    certificate: &Certificate,
    signer: Signer<'_>,
    now: Timestamp,
) -> Vec<Finding> {
    let subject = Subject { certificate, rules, signer, now };
    let mut report = Report { place, findings: Vec::new() };
    form::check(&subject, &mut report);
    identifiers::check(&subject, &mut report);
    usages::check(&subject, &mut report);
    names::check(&subject, &mut report);
    subject::check(&subject, &mut report);
    keys::check(&subject, &mut report);
    dates::check(&subject, &mut report);
    // What is named above needs no second name.
    if !report.findings.iter().any(|f| f.severity() == Severity::Error)
        && let Some(why) = certificate.strictly_refused()
    {
        report.say(Kind::CertificateStrict, format!("rustls says {why}"));
    }
    report.findings
}
