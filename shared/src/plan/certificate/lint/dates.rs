//! Validity.

use super::{Report, Signer, Subject};
use crate::plan::certificate::{Kind, RowKind};
use jiff::SignedDuration;

const DAY: i64 = 24 * 60 * 60;
/// What is left of a leaf when its end begins to be near.
const LEAF_SOON: SignedDuration = SignedDuration::from_secs(30 * DAY);
/// The same of a CA, whose rotation takes longer.
const CA_SOON: SignedDuration = SignedDuration::from_secs(90 * DAY);
/// 2014-06-01T00:00:00Z, the month of Kubernetes' first commit.
const KUBERNETES: i64 = 1_401_580_800;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report<'_>) {
    let (certificate, rules, now) = (subject.certificate, subject.rules, subject.now);
    let (from, until) = (certificate.not_before(), certificate.not_after());
    if until < from {
        report.say(Kind::DatesInverted, format!("it is valid from {from} to {until}"));
        return;
    }
    let soon = if rules.kind == RowKind::Authority { CA_SOON } else { LEAF_SOON };
    let life = until.duration_since(from);
    // Dates of certificates are whole seconds, and valid to the end of the last one.
    if now.as_second() > until.as_second() {
        report.say(Kind::Expired, format!("it ended at {until}"));
    } else if now < from {
        report.say(Kind::NotYetValid, format!("it begins at {from}"));
    } else if until.duration_since(now) < soon.min(life / 3) {
        // A third: what lives for a day by intention does not end soon from its first moment on.
        report.say(Kind::ExpiresSoon, format!("it ends at {until}"));
    }
    if life > rules.longest() {
        let days = life.as_hours() / 24;
        let most = rules.longest().as_hours() / 24;
        report.say(
            Kind::LivesTooLong,
            format!("it is valid for {days} days; for a {} {most} are enough", rules.kind.as_str()),
        );
    }
    if from.as_second() < KUBERNETES {
        report.say(Kind::BeginsImplausibly, format!("it begins at {from}"));
    }
    let Signer::Known(issuer) = subject.signer else { return };
    if until > issuer.not_after() {
        let what = format!("it ends at {until}, and its CA at {}", issuer.not_after());
        report.say(Kind::OutlivesIssuer, what);
    }
    if from < issuer.not_before() {
        let what = format!("it begins at {from}, and its CA at {}", issuer.not_before());
        report.say(Kind::BeginsBeforeIssuer, what);
    }
}
