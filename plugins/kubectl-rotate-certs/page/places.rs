//! The matrix: one row for what places have in common, one column for each generation.

use super::Page;
use super::ends::{End, end};
use super::fold::{Folds, NAMES, Noun, how_many, who};
use super::trust::name as domain_name;
use rotation_core::facts::sighting::{Domain, Role};
use rotation_core::plan::inventory::State;
use rotation_core::tell::page::mark::Shape;
use rotation_core::tell::page::text::{Path, Shown, count};
use rotation_core::tell::page::{Markup, html};
use std::collections::BTreeMap;

/// Rows that a page shows of one CA.
const ROWS: usize = 150;
/// All states, in the order of columns.
const STATES: [State; 8] = [
    State::Current,
    State::Old,
    State::Both,
    State::New,
    State::Own,
    State::Other,
    State::Absent,
    State::Unknown,
];

/// What places of one family hold.
#[derive(Default)]
struct Line {
    cells: BTreeMap<State, Vec<String>>,
    end: End,
    noun: Option<Noun>,
}

/// The section.
pub(super) fn section(page: &Page<'_>, folds: &Folds) -> Markup {
    let mut domains: BTreeMap<Domain, BTreeMap<(String, Role), Line>> = BTreeMap::new();
    for row in &page.gathered.matrix.rows {
        let spot = folds.spot(&row.sighting.place);
        let role = row.sighting.role;
        let line = domains.entry(role.domain).or_default().entry((spot.family, role)).or_default();
        line.cells.entry(row.state).or_default().push(spot.member);
        line.end.add(row.until);
        line.noun = Some(spot.noun);
    }
    html! {
        section id="places" aria-labelledby="h-places" {
            h2 id="h-places" { "Every place" }
            (legend(&domains))
            @for (domain, lines) in &domains { (table(page, *domain, lines)) }
        }
    }
}

fn table(page: &Page<'_>, domain: Domain, lines: &BTreeMap<(String, Role), Line>) -> Markup {
    let columns: Vec<State> = STATES
        .into_iter()
        .filter(|state| lines.values().any(|line| line.cells.contains_key(state)))
        .collect();
    let amount = lines.values().flat_map(|line| line.cells.values()).map(Vec::len).sum();
    let id = format!("places-{}", domain.as_str());
    // What is not as it should be is never what a bound leaves out.
    let mut shown: Vec<_> = lines.iter().collect();
    if shown.len() > ROWS {
        shown.sort_by_key(|(_, line)| line.cells.keys().map(|state| rank(*state)).min());
    }
    html! {
        h3 id=(id) { (capital(domain_name(domain))) ": " (count(amount, "place")) }
        div class="scroll" role="region" aria-labelledby=(id) tabindex="0" {
            table class="matrix" role="table" {
                thead role="rowgroup" { tr role="row" {
                    th scope="col" role="columnheader" { "Place" }
                    @for state in &columns {
                        th scope="col" role="columnheader" class="state" { (shape(*state).draw(class(*state))) (state.as_str()) }
                    }
                    th scope="col" role="columnheader" { "Ends" }
                } }
                tbody role="rowgroup" {
                    @for ((family, role), line) in shown.iter().take(ROWS) {
                        tr role="row" {
                            th scope="row" role="rowheader" {
                                span class="name" { (Path(family)) }
                                span class="role" { (role.to_string()) }
                            }
                            @for state in &columns { (cell(*state, line)) }
                            td role="cell" data-label="ends" { (end(&line.end, page)) }
                        }
                    }
                }
            }
        }
        @if lines.len() > ROWS {
            p { (count(lines.len() - ROWS, "row")) " more, all as they should be or like those above; "
                code { "-o json" } " has every place." }
        }
    }
}

fn cell(state: State, line: &Line) -> Markup {
    html! {
        @match line.cells.get(&state) {
            None => td role="cell" class="none" {},
            Some(members) => {
                td role="cell" data-label=(state.as_str()) {
                    (shape(state).draw(class(state)))
                    span {
                        (Shown(&who(members.iter().map(String::as_str), NAMES)))
                        @if let Some(told) = how_many(members.len(), line.noun.unwrap_or(Noun::Place)) {
                            " " span class="on" { "(" (told) ")" }
                        }
                    }
                }
            }
        }
    }
}

fn legend(domains: &BTreeMap<Domain, BTreeMap<(String, Role), Line>>) -> Markup {
    let seen = |state: &State| {
        domains.values().flat_map(BTreeMap::values).any(|line| line.cells.contains_key(state))
    };
    html! {
        dl class="legend" {
            @for state in STATES.iter().filter(|state| seen(state)) {
                div { dt { (shape(*state).draw(class(*state))) (state.as_str()) } dd { (about(*state)) } }
            }
        }
    }
}

/// What a state means.
fn about(state: State) -> &'static str {
    match state {
        State::Current => "of the only generation that there is",
        State::Old => "of an older generation",
        State::Both => "of the old generation and of the new one",
        State::New => "of the newest generation",
        State::Own => "it has a CA or a key of its own, as it may",
        State::Other => "of no generation of the CA under which it belongs",
        State::Absent => "there is none, or a bundle lacks what it should contain",
        State::Unknown => "nobody could look, or nothing of its CA was seen",
    }
}

/// How a state is drawn.
pub(super) fn shape(state: State) -> Shape {
    match state {
        State::Current | State::New => Shape::Disc,
        State::Old => Shape::Circle,
        State::Both => Shape::Half,
        State::Own => Shape::Diamond,
        State::Other => Shape::Cross,
        State::Absent => Shape::Stroke,
        State::Unknown => Shape::Question,
    }
}

/// How a state is coloured, besides.
pub(super) fn class(state: State) -> &'static str {
    match state {
        State::Current | State::Own => "plain",
        State::New => "good",
        State::Old | State::Both => "warning",
        State::Other | State::Absent | State::Unknown => "bad",
    }
}

fn rank(state: State) -> u8 {
    match class(state) {
        "bad" => 0,
        "warning" => 1,
        _ => 2,
    }
}

/// A sentence begins with a capital letter.
pub(super) fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}
