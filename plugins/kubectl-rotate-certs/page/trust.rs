//! Who trusts whom: for each CA the places that trust it, and what it signed.

use super::Page;
use super::ends::{short, whose};
use super::fold::{Folds, Noun};
use super::head::{date, sentence};
use super::picture::{self, Authority, Node, Picture};
use super::places::capital;
use rotation_core::facts::sighting::{Domain, Part, Role};
use rotation_core::plan::inventory::{Age, Generation, Phase, Progress, State};
use rotation_core::tell::page::{Markup, html};
use std::collections::BTreeMap;

/// Places of one role and state, by member and what that is.
type Group = BTreeMap<(State, Role), Vec<(String, Noun)>>;

/// The section.
pub(super) fn section(page: &Page<'_>, folds: &Folds) -> Markup {
    let matrix = &page.gathered.matrix;
    html! {
        section id="trust" aria-labelledby="h-trust" {
            h2 id="h-trust" { "Who trusts whom" }
            @if matrix.progress().is_empty() { p { "No CA of a cluster was seen." } }
            @for progress in matrix.progress() { (domain(page, folds, &progress)) }
        }
    }
}

fn domain(page: &Page<'_>, folds: &Folds, progress: &Progress) -> Markup {
    let generations = page.gathered.matrix.generations.of_domain(progress.domain);
    let picture = picture_of(page, folds, progress);
    html! {
        h3 {
            (capital(name(progress.domain)))
            @if generations.len() > 1 {
                ": " span class=(tone(progress.phase)) { (adjective(progress.phase)) }
            }
        }
        @if generations.len() > 1 { (steps(progress)) }
        figure {
            (picture::draw(&picture))
        }
    }
}

/// How far a rotation is, in numbers.
fn steps(progress: &Progress) -> Markup {
    let [old, both, new] = progress.verifiers;
    let [shown_old, shown_new] = progress.presenters;
    html! {
        @if progress.phase != Phase::Settled { p class="next" { strong { "Next: " } (sentence(&progress.next())) "." } }
        dl class="steps" {
            div { dt { "trust the old one alone" } dd { (old) } }
            div { dt { "trust both" } dd { (both) } }
            div { dt { "trust the new one alone" } dd { (new) } }
            div { dt { "show the old one" } dd { (shown_old) } }
            div { dt { "show the new one" } dd { (shown_new) } }
        }
    }
}

fn picture_of(page: &Page<'_>, folds: &Folds, progress: &Progress) -> Picture {
    let generations = page.gathered.matrix.generations.of_domain(progress.domain);
    let (mut verifiers, mut presenters) = (Group::new(), Group::new());
    for row in page.gathered.matrix.of_domain(progress.domain) {
        let role = row.sighting.role;
        let side = if role.part.verifies() || role.part == Part::Authority {
            &mut verifiers
        } else if role.part.presents() || role.part == Part::TokenSigner {
            &mut presenters
        } else {
            continue;
        };
        let spot = folds.spot(&row.sighting.place);
        side.entry((row.state, role)).or_default().push((spot.member, spot.noun));
    }
    let shown = progress.presenters;
    let node = |of: fn(State, [usize; 2]) -> Option<&'static str>| {
        move |((state, role), spots): (&(State, Role), &Vec<(String, Noun)>)| Node {
            name: role.to_string(),
            who: whose(spots.iter().map(|(member, noun)| (member.as_str(), *noun))),
            links: links(*state, generations),
            wrong: of(*state, shown),
        }
    };
    Picture {
        id: progress.domain.as_str(),
        title: format!("Who trusts the {}, and what it signed", name(progress.domain)),
        is_key: progress.domain == Domain::Tokens,
        authorities: generations.iter().map(authority).collect(),
        verifiers: verifiers.iter().map(node(wrong_trust)).collect(),
        presenters: presenters.iter().map(node(wrong_show)).collect(),
    }
}

/// Which generations a state speaks of.
fn links(state: State, generations: &[Generation]) -> Vec<usize> {
    let meant = |age: Age| match state {
        State::Current => age == Age::Current,
        State::Old => age == Age::Old,
        State::New => age == Age::New,
        State::Both => true,
        State::Other | State::Own | State::Absent | State::Unknown => false,
    };
    let all = generations.iter().enumerate();
    all.filter(|(_, generation)| meant(generation.age)).map(|(index, _)| index).collect()
}

fn wrong_trust(state: State, [shown_old, shown_new]: [usize; 2]) -> Option<&'static str> {
    match state {
        State::Old if shown_new > 0 => Some("lacks the new one, which is shown"),
        State::New if shown_old > 0 => Some("lacks the old one, which is shown"),
        State::Other => Some("trusts another CA"),
        State::Absent => Some("lacks it"),
        State::Unknown => Some("was not seen"),
        State::Old | State::New | State::Both | State::Current | State::Own => None,
    }
}

fn wrong_show(state: State, _: [usize; 2]) -> Option<&'static str> {
    match state {
        State::Other => Some("is of another CA"),
        State::Absent => Some("is not there"),
        State::Unknown => Some("was not seen"),
        State::Old | State::New | State::Both | State::Current | State::Own => None,
    }
}

fn authority(generation: &Generation) -> Authority {
    let subject = generation.certificate.as_ref().map(|certificate| certificate.subject());
    let until = generation.certificate.as_ref().map(|certificate| certificate.not_after());
    let times = match (generation.since.map(date), until.map(date)) {
        (Some(since), Some(until)) => format!("{since} to {until}"),
        (Some(since), None) => format!("since {since}"),
        (None, Some(until)) => format!("until {until}"),
        (None, None) => String::new(),
    };
    Authority {
        name: subject.map_or_else(|| "a key".to_owned(), ToString::to_string),
        age: match generation.age {
            Age::Current => "current",
            Age::Old => "old",
            Age::New => "new",
        },
        is_old: generation.age == Age::Old,
        key: short(generation.key),
        times,
    }
}

/// What people call the CA, or the key, of a domain.
pub(super) fn name(domain: Domain) -> &'static str {
    match domain {
        Domain::Cluster => "CA of the cluster",
        Domain::Clients => "CA of clients",
        Domain::FrontProxy => "CA of the front proxy",
        Domain::Etcd => "CA of etcd",
        Domain::EtcdPeers => "CA of etcd's peers",
        Domain::Tokens => "key for tokens",
        Domain::Consul => "CA of Consul",
        Domain::Other => "CAs of others",
    }
}

/// What a rotation is in a phase.
pub(super) fn adjective(phase: Phase) -> &'static str {
    match phase {
        Phase::Settled => "settled",
        Phase::Accepting => "half accepted",
        Phase::Accepted => "accepted everywhere",
        Phase::Switching => "half switched",
        Phase::Switched => "switched everywhere",
        Phase::Retiring => "half retired",
        Phase::Torn => "torn",
    }
}

fn tone(phase: Phase) -> &'static str {
    match phase {
        Phase::Settled => "plain",
        Phase::Torn => "bad",
        _ => "warning",
    }
}
