//! What is wrong, where, and what to type.

use super::Page;
use super::fold::{Folds, NAMES, Noun, how_many, who};
use super::head::{mark, sentence};
use rotation_core::plan::certificate::{Finding, Kind};
use rotation_core::tell::page::mark::{Mark, tag};
use rotation_core::tell::page::text::{Path, Shown, count, number};
use rotation_core::tell::page::{Markup, html};
use std::collections::{BTreeMap, HashMap};

/// Places that one way of saying it names.
const PLACES: usize = 8;
/// Ways of saying it that one kind shows.
const WAYS: usize = 6;
/// Exceptions that a page shows.
const WAIVED: usize = 200;

/// All findings of one kind.
struct Group<'a> {
    kind: Kind,
    amount: usize,
    /// Whether it is about no single place: then it comes first.
    is_whole: bool,
    ways: Vec<Way<'a>>,
}

/// One sentence about some of the places, and what to do there.
struct Way<'a> {
    what: String,
    fix: String,
    places: BTreeMap<(String, Noun), Vec<String>>,
    only: Option<&'a Finding>,
}

/// The section.
pub(super) fn section(page: &Page<'_>, folds: &Folds) -> Markup {
    let groups = groups(page.findings, folds);
    html! {
        section id="findings" aria-labelledby="h-findings" {
            h2 id="h-findings" { "What is wrong" }
            @if groups.is_empty() { p class="calm" { (tag(Mark::Good, "Nothing was found.")) } }
            ol class="findings" { @for group in &groups { (item(group)) } }
            @if !page.waived.is_empty() { (waived(page)) }
        }
    }
}

fn item(group: &Group<'_>) -> Markup {
    let severity = group.kind.severity();
    html! {
        li class={ "finding " (mark(severity).class()) } {
            p class="severity" {
                (tag(mark(severity), severity.as_str()))
                @if group.amount > 1 { span class="on" { "\u{a0}×\u{a0}" (number(group.amount)) } }
            }
            div {
                h3 { (sentence(group.kind.about())) " " span class="id" { (group.kind.id()) } }
                @for way in group.ways.iter().take(WAYS) {
                    div class="way" {
                        p { @for (index, place) in way.places.iter().take(PLACES).enumerate() {
                            @if index > 0 { br; }
                            (where_is(place))
                        } }
                        @if way.places.len() > PLACES { p class="on" { "and " (count(way.places.len() - PLACES, "place")) " more" } }
                        p class="what" { (Shown(way.only.map_or(&way.what, |only| &only.what))) }
                        @if !group.is_told_above() {
                            p class="fix" { (sentence(way.only.map_or(&way.fix, |only| &only.fix))) }
                        }
                    }
                }
                @if let Some(left) = group.left() {
                    p class="what" { (count(left, "finding")) " more of this kind; " code { "kubectl rotate-certs check" } " tells each of them." }
                }
            }
        }
    }
}

fn where_is(((family, noun), members): (&(String, Noun), &Vec<String>)) -> Markup {
    let told = who(members.iter().map(String::as_str), NAMES);
    html! {
        span class="name" { (Path(family)) }
        @if members.iter().any(|member| !member.is_empty()) {
            span class="on" {
                " on " (Shown(&told))
                @if let Some(told) = how_many(members.len(), *noun) { " (" (told) ")" }
            }
        }
    }
}

/// The worst first; what is of no single place before the places, but for what the head of the page says already.
fn groups<'a>(findings: &'a [Finding], folds: &Folds) -> Vec<Group<'a>> {
    let mut by_kind: HashMap<Kind, usize> = HashMap::new();
    let mut ways: HashMap<(Kind, String, String), usize> = HashMap::new();
    let mut groups: Vec<Group<'a>> = Vec::new();
    for finding in findings {
        let kind = finding.kind;
        let at = *by_kind.entry(kind).or_insert_with(|| {
            let is_whole = !folds.is_place(&finding.place);
            groups.push(Group { kind, amount: 0, is_whole, ways: Vec::new() });
            groups.len() - 1
        });
        let group = &mut groups[at];
        group.amount += 1;
        let spot = folds.of_text(&finding.place);
        let what = spot.in_general(&finding.what, &finding.place);
        let fix = spot.in_general(&finding.fix, &finding.place);
        let key = (kind, what.clone(), fix.clone());
        let way = match ways.get(&key) {
            Some(at) => &mut group.ways[*at],
            // Of the rest nothing but their number is told.
            None if group.ways.len() >= WAYS => continue,
            None => {
                ways.insert(key, group.ways.len());
                group.ways.push(Way { what, fix, places: BTreeMap::new(), only: Some(finding) });
                group.ways.last_mut().expect("it was just put there")
            }
        };
        if !way.places.is_empty() {
            way.only = None;
        }
        way.places.entry((spot.family, spot.noun)).or_default().push(spot.member);
    }
    groups.sort_by_key(|group| (group.kind.severity(), group.is_told_above(), !group.is_whole));
    groups
}

impl Group<'_> {
    /// How far a rotation is, and what comes next, is the verdict: here only its numbers are left to say.
    fn is_told_above(&self) -> bool {
        matches!(self.kind, Kind::RotationTorn | Kind::RotationUnfinished)
    }

    /// Findings of which nothing is told.
    fn left(&self) -> Option<usize> {
        let told = self.ways.iter().flat_map(|way| way.places.values());
        self.amount.checked_sub(told.map(Vec::len).sum()).filter(|left| *left > 0)
    }
}

fn waived(page: &Page<'_>) -> Markup {
    html! {
        details open {
            summary { "Left out by exceptions: " (count(page.waived.len(), "finding")) }
            ul class="waived" {
                @for waived in page.waived.iter().take(WAIVED) {
                    li {
                        span class="name" { (Shown(&waived.finding.place)) } ": " (Shown(&waived.finding.what))
                        span class="on" { " (" (waived.finding.id()) ", until " (waived.until) ": " (Shown(&waived.reason)) ")" }
                    }
                }
                @if page.waived.len() > WAIVED { li { (count(page.waived.len() - WAIVED, "finding")) " more" } }
            }
        }
    }
}
