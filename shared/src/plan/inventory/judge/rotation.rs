//! Generations beside each other: how far a rotation is, who lacks the new one, who lags behind.

use super::{Whole, about};
use crate::facts::sighting::{Domain, Part};
use crate::facts::words::count;
use crate::plan::certificate::{Finding, Kind};
use crate::plan::inventory::{Age, Generation, Phase, Progress, Row, State};

pub(super) fn check(whole: &Whole<'_>, findings: &mut Vec<Finding>) {
    for progress in whole.matrix.progress() {
        if whole.matrix.generations.of_domain(progress.domain).len() < 2 {
            continue;
        }
        phase(&progress, findings);
        for row in whole.matrix.of_domain(progress.domain) {
            place(whole, &progress, row, findings);
        }
    }
}

fn phase(progress: &Progress, findings: &mut Vec<Finding>) {
    let kind = match progress.phase {
        Phase::Settled => return,
        Phase::Torn => Kind::RotationTorn,
        Phase::Accepting
        | Phase::Accepted
        | Phase::Switching
        | Phase::Switched
        | Phase::Retiring => Kind::RotationUnfinished,
    };
    let [old, both, new] = progress.verifiers;
    let [shown_old, shown_new] = progress.presenters;
    let what = format!(
        "it is {}: the old one alone is trusted in {}, both in {both}, the new one alone in {new}; the old one is \
         shown in {}, the new one in {shown_new}",
        progress.phase.as_str(),
        count(old, "place"),
        count(shown_old, "place"),
    );
    let place = format!("generations of {}", progress.domain.as_str());
    let finding = Finding::new(kind, &place, what);
    findings.push(Finding { fix: progress.phase.next().to_owned(), ..finding });
}

fn place(whole: &Whole<'_>, progress: &Progress, row: &Row, findings: &mut Vec<Finding>) {
    let part = row.sighting.role.part;
    let trusts = part.verifies() || part == Part::Authority;
    let [shown_old, shown_new] = progress.presenters;
    let lacking = match row.state {
        State::Old if trusts && shown_new > 0 => Some((Age::New, shown_new)),
        State::New if trusts && shown_old > 0 => Some((Age::Old, shown_old)),
        _ => None,
    };
    if let Some((age, number)) = lacking {
        let generation =
            whole.matrix.generations.of_domain(progress.domain).iter().rev().find(|g| g.age == age);
        let name = generation.map(|g| called(g, progress.domain)).unwrap_or_default();
        let what = format!(
            "it lacks {name}, under which something is shown in {}",
            count(number, "place")
        );
        findings.push(about(row, Kind::TrustLacksCa, what));
        return;
    }
    if row.state != State::Old {
        return;
    }
    let kin = |other: &&Row| other.sighting.role == row.sighting.role && other.state.has_new();
    let newer: Vec<&Row> = whole.matrix.of_domain(progress.domain).filter(kin).collect();
    if let Some(first) = newer.first() {
        let more = match newer.len() {
            1 => String::new(),
            many => format!(" and {} of its kind", count(many - 1, "other")),
        };
        let what =
            format!("it is of the old generation; {}{more} of the new one", first.sighting.place);
        findings.push(about(row, Kind::PlaceBehind, what));
    }
}

fn called(generation: &Generation, domain: Domain) -> String {
    let digest: String = generation.key.to_string().chars().take(12).collect();
    match &generation.certificate {
        Some(ca) if domain != Domain::Tokens => format!("{} (key {digest})", ca.subject()),
        _ => format!("the key {digest}"),
    }
}
