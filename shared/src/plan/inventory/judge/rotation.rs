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
    findings.push(Finding { fix: progress.next(), ..finding });
}

fn place(whole: &Whole<'_>, progress: &Progress, row: &Row, findings: &mut Vec<Finding>) {
    let part = row.sighting.role.part;
    let trusts = part.verifies() || part == Part::Authority;
    // Keys and tokens that no server knows are findings of their own.
    let shows = part.presents() && progress.domain != Domain::Tokens;
    for rift in Rift::of(progress) {
        let name = || {
            let generations = whole.matrix.generations.of_domain(progress.domain);
            let generation = generations.iter().rev().find(|g| g.age == rift.age);
            generation.map(|g| called(g, progress.domain)).unwrap_or_default()
        };
        if trusts && row.state == rift.lacking() && !rift.is_of_showers() {
            let number = count(rift.shown, "place");
            let what = format!("it lacks {}, under which something is shown in {number}", name());
            findings.push(about(row, Kind::TrustLacksCa, what));
            return;
        }
        if shows && rift.is_shown(row.state) && rift.is_of_showers() {
            let lacked = count(rift.lacked, "place");
            let what = format!("it is of {}, which {lacked} that trust others do not have", name());
            let is_ahead = rift.age == Age::New;
            let kind = if is_ahead { Kind::ShownUntrusted } else { Kind::PlaceBehind };
            findings.push(about(row, kind, what));
            return;
        }
    }
    if row.state != State::Old {
        return;
    }
    let kin = |other: &&Row| other.sighting.role == row.sighting.role && other.state.has_new();
    let newer: Vec<&Row> = whole.matrix.of_domain(progress.domain).filter(kin).collect();
    let same = |other: &&Row| other.sighting.role == row.sighting.role && other.state == State::Old;
    let older = whole.matrix.of_domain(progress.domain).filter(same).count();
    // Where most are old, the new ones are ahead: a rotation has only begun, or something strange came in.
    if let Some(first) = newer.first().filter(|_| newer.len() >= older) {
        let more = match newer.len() {
            1 => String::new(),
            many => format!(" and {} of its kind", count(many - 1, "other")),
        };
        let what =
            format!("it is of the old generation; {}{more} of the new one", first.sighting.place);
        findings.push(about(row, Kind::PlaceBehind, what));
    }
}

/// A generation that is shown somewhere, and that places lack that should trust it.
struct Rift {
    age: Age,
    /// How many places show it.
    shown: usize,
    /// How many places trust the other one alone.
    lacked: usize,
}

impl Rift {
    fn of(progress: &Progress) -> impl Iterator<Item = Self> {
        let [old, _, new] = progress.verifiers;
        let [shown_old, shown_new] = progress.presenters;
        [(Age::New, shown_new, old), (Age::Old, shown_old, new)]
            .into_iter()
            .map(|(age, shown, lacked)| Self { age, shown, lacked })
            .filter(|rift| rift.shown > 0 && rift.lacked > 0)
    }

    /// The fewer ones are what has to be changed: one that shows too early, or a few that trust too little.
    fn is_of_showers(&self) -> bool {
        self.shown < self.lacked
    }

    /// The state of places that lack it.
    fn lacking(&self) -> State {
        if self.age == Age::New { State::Old } else { State::New }
    }

    fn is_shown(&self, state: State) -> bool {
        if self.age == Age::New { state.has_new() } else { state.has_old() }
    }
}

fn called(generation: &Generation, domain: Domain) -> String {
    let digest: String = generation.key.to_string().chars().take(12).collect();
    match &generation.certificate {
        Some(ca) if domain != Domain::Tokens => format!("{} (key {digest})", ca.subject()),
        _ => format!("the key {digest}"),
    }
}
