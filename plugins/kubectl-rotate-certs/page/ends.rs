//! Every certificate by its end, on one axis of time.

use super::Page;
use super::fold::{Folds, NAMES, Noun};
use super::head::{date, left, moment_day};
use jiff::{SignedDuration, Timestamp};
use rotation_core::facts::credential::Digest;
use rotation_core::facts::sighting::Place;
use rotation_core::plan::inventory::Shown as Found;
use rotation_core::tell::page::mark::Mark;
use rotation_core::tell::page::text::{Shown, count};
use rotation_core::tell::page::track::{Axis, Bar};
use rotation_core::tell::page::{Markup, html, names};
use std::collections::{BTreeSet, HashMap};

/// Rows that a page shows.
const ROWS: usize = 150;
/// From how many certificates on those that differ by numbers alone are one row.
const MANY: usize = 60;
/// Digits of a key's digest that people compare.
const DIGITS: usize = 12;

/// When the first and the last of several end.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct End {
    range: Option<(Timestamp, Timestamp)>,
}

/// Certificates that are the same for each machine.
struct Row<'a> {
    subject: String,
    issuer: String,
    certificates: Vec<&'a Found>,
    end: End,
}

impl End {
    /// One more.
    pub(super) fn add(&mut self, at: Option<Timestamp>) {
        let Some(at) = at else { return };
        self.range = Some(match self.range {
            None => (at, at),
            Some((first, last)) => (first.min(at), last.max(at)),
        });
    }
}

/// A day or two, and how bad that is.
pub(super) fn end(end: &End, page: &Page<'_>) -> Markup {
    let Some((first, last)) = end.range else { return html! {} };
    let mark = mark(first, page);
    html! {
        @if let Some(mark) = mark { (mark.shape().draw(mark.class())) }
        span {
            (moment_day(first))
            @if date(first) != date(last) { " to " (moment_day(last)) }
            @if mark.is_some() { " " strong { (left(first.duration_since(page.at))) } }
        }
    }
}

/// The section.
pub(super) fn section(page: &Page<'_>, folds: &Folds) -> Markup {
    let rows = rows(page, folds);
    let ends: Vec<Timestamp> = rows.iter().filter_map(|row| Some(row.end.range?.1)).collect();
    let over = rows.iter().any(|row| row.end.range.is_some_and(|(first, _)| first < page.at));
    let axis = Axis::ahead(page.at, ends.into_iter().max().unwrap_or(page.at), over);
    html! {
        section id="ends" aria-labelledby="h-ends" {
            h2 id="h-ends" { "When what ends" }
            @if rows.is_empty() { p { "No certificate was seen." } } @else {
                div class="scroll" role="region" aria-labelledby="h-ends" tabindex="0" {
                    table class="ends" role="table" {
                        thead role="rowgroup" { tr role="row" {
                            th scope="col" role="columnheader" { "Certificate" }
                            th scope="col" role="columnheader" { "Ends" }
                            th scope="col" role="columnheader" class="axis" { span class="hidden" { "Time left" } (axis.labels()) }
                        } }
                        tbody role="rowgroup" { @for row in rows.iter().take(ROWS) { (line(row, &axis, page, folds)) } }
                    }
                }
            }
            @if rows.len() > ROWS {
                p { (count(rows.len() - ROWS, "row")) " more, all of which end later; " code { "-o json" } " has every certificate." }
            }
        }
    }
}

fn line(row: &Row<'_>, axis: &Axis, page: &Page<'_>, folds: &Folds) -> Markup {
    let Some((first, last)) = row.end.range else { return html! {} };
    let title = format!("ends {}", left(first.duration_since(page.at)));
    let bar = Bar { from: None, to: first, latest: last, mark: mark(first, page), title: &title };
    html! {
        tr role="row" {
            th scope="row" role="rowheader" {
                span class="name" { (Shown(&row.subject)) }
                span class="role" { (about(row, page, folds)) }
            }
            td role="cell" data-label="ends" { (end(&row.end, page)) }
            td role="cell" class="axis" { (axis.bar(&bar)) }
        }
    }
}

/// By whom it is signed, and where it is.
fn about(row: &Row<'_>, page: &Page<'_>, folds: &Folds) -> Markup {
    let places: BTreeSet<usize> =
        row.certificates.iter().flat_map(|found| &found.rows).copied().collect();
    let sightings =
        || places.iter().filter_map(|at| page.gathered.matrix.rows.get(*at)).map(|r| &r.sighting);
    let machines = names::list(
        sightings()
            .filter_map(|sighting| match &sighting.place {
                Place::File { host, .. } | Place::Mount { host, .. } => Some(host.name()),
                _ => None,
            })
            .filter(|name| !name.is_empty()),
        NAMES,
    );
    let place = match places.len() {
        1 => sightings()
            .next()
            .map(|sighting| folds.spot(&sighting.place).family)
            .unwrap_or_default(),
        amount => count(amount, "place"),
    };
    html! {
        @if row.certificates.len() > 1 { (count(row.certificates.len(), "certificate")) ", " }
        @if row.subject == row.issuer { "signed by itself" } @else { "signed by " (Shown(&row.issuer)) }
        @if let [found] = row.certificates.as_slice() {
            ", key " code { (short(found.certificate.key_digest())) }
        }
        " · " (Shown(&place))
        @if !machines.is_empty() { " on " (Shown(&machines)) }
    }
}

fn rows<'a>(page: &'a Page<'_>, folds: &Folds) -> Vec<Row<'a>> {
    let all = &page.gathered.matrix.certificates;
    let rows = grouped(page, all, |text| folds.without_hosts(text));
    if rows.len() <= MANY {
        return rows;
    }
    // Numbers in names: of users, of pods, of moments.
    grouped(page, all, |text| without_numbers(&folds.without_hosts(text)))
}

/// What ends soon is never among what ends later.
type Key = (String, String, Option<Digest>, Option<Mark>);

fn grouped<'a>(
    page: &Page<'_>,
    all: &'a [Found],
    general: impl Fn(&str) -> String,
) -> Vec<Row<'a>> {
    let mut by_key: HashMap<Key, usize> = HashMap::new();
    let mut rows: Vec<Row<'_>> = Vec::new();
    for found in all {
        let certificate = &found.certificate;
        let subject = general(&certificate.subject().to_string());
        let issuer = general(&certificate.issuer().to_string());
        let own = certificate.is_ca().then(|| certificate.key_digest());
        let key = (subject.clone(), issuer.clone(), own, mark(certificate.not_after(), page));
        let at = *by_key.entry(key).or_insert_with(|| {
            rows.push(Row { subject, issuer, certificates: Vec::new(), end: End::default() });
            rows.len() - 1
        });
        rows[at].certificates.push(found);
        rows[at].end.add(Some(certificate.not_after()));
    }
    for row in &mut rows {
        // One is told by its own name.
        if let [only] = row.certificates.as_slice() {
            row.subject = only.certificate.subject().to_string();
            row.issuer = only.certificate.issuer().to_string();
        }
    }
    rows
}

fn without_numbers(text: &str) -> String {
    let mut general = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if !c.is_ascii_digit() => general.push(c),
            _ if general.ends_with('#') => {}
            _ => general.push('#'),
        }
    }
    general
}

fn mark(at: Timestamp, page: &Page<'_>) -> Option<Mark> {
    match at.duration_since(page.at) {
        left if left < SignedDuration::ZERO || left <= page.limits.critical => Some(Mark::Bad),
        left if left <= page.limits.warn => Some(Mark::Warning),
        _ => None,
    }
}

/// What people compare of a digest.
pub(super) fn short(digest: Digest) -> String {
    digest.to_string().chars().take(DIGITS).collect()
}

/// Machines of some places, in few words; other places by their number.
pub(super) fn whose<'a>(spots: impl Iterator<Item = (&'a str, Noun)>) -> String {
    let (mut machines, mut others) = (Vec::new(), 0_usize);
    for (member, noun) in spots {
        if noun == Noun::Machine && !member.is_empty() {
            machines.push(member);
        } else {
            others += 1;
        }
    }
    let named = names::list(machines.iter().copied(), 3);
    match (named.is_empty(), others) {
        (true, others) => count(others, "place"),
        (false, 0) => named,
        (false, others) => format!("{named}; {} elsewhere", count(others, "place")),
    }
}
