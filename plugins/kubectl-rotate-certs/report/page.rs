//! The page of `report --html`: for a change ticket, and for whoever asks years later.

mod head;
mod timeline;

use super::account::{Account, Asked, Named, Run};
use super::notices::{self, Weight};
use super::text;
use crate::TOOL;
use crate::rotate::document::Authority;
use crate::rotate::stage::Track;
use jiff::Timestamp;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::duration::human;
use rotation_core::tell::page::mark::{Mark, tag};
use rotation_core::tell::page::text::{Path, Shown, count};
use rotation_core::tell::page::{Markup, frame, html, names};
use std::collections::{BTreeMap, BTreeSet};

/// Rows of a table.
const ROWS: usize = 150;
/// Names that are told one by one.
const NAMES: usize = 6;
/// Digits of a digest that people compare; the document has all of them.
const DIGITS: usize = 16;

/// The page.
pub(crate) fn of(account: &Account) -> String {
    let body = html! {
        (head::head(account))
        main {
            (troubles(account))
            (replaced(account))
            (timeline::section(account))
            (gates(account))
            (commands(account))
        }
        (head::foot(account))
    };
    let title = format!("Rotation {}: {}", account.plan.id, text::state(account));
    frame::document(&title, &format!("{} {}", TOOL.name, TOOL.version), &body)
}

fn mark(weight: Weight) -> Mark {
    match weight {
        Weight::Error => Mark::Bad,
        Weight::Warning => Mark::Warning,
        Weight::Note => Mark::Note,
    }
}

fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%Y-%m-%d %H:%M:%S").to_string()) } }
}

fn short(digest: Digest) -> String {
    digest.to_string().chars().take(DIGITS).collect()
}

fn troubles(account: &Account) -> Markup {
    let notices = notices::of(account);
    html! {
        section id="troubles" aria-labelledby="h-troubles" {
            h2 id="h-troubles" { "What did not go straight on" }
            @if notices.is_empty() { p class="calm" { "Nothing: every command ended as it should, and every gate held." } }
            ul class="findings" {
                @for notice in notices.iter().take(ROWS) {
                    @let mark = mark(notice.severity);
                    li class={ "finding " (mark.class()) } {
                        div class="severity" { (tag(mark, word(notice.severity))) }
                        div {
                            p class="what" { (Shown(&notice.what)) }
                            @if let Some(at) = notice.at { p class="on" { (moment(at)) " UTC" } }
                        }
                    }
                }
            }
            (rest(notices.len()))
        }
    }
}

fn word(weight: Weight) -> &'static str {
    match weight {
        Weight::Error => "error",
        Weight::Warning => "warning",
        Weight::Note => "note",
    }
}

fn rest(rows: usize) -> Markup {
    html! {
        @if rows > ROWS { p { (count(rows - ROWS, "row")) " more; " code { "-o json" } " has all of them." } }
    }
}

/// The CAs and keys, and then the certificates of each kind of file.
fn replaced(account: &Account) -> Markup {
    let files = files(account);
    html! {
        section id="replaced" aria-labelledby="h-replaced" {
            h2 id="h-replaced" { "What replaces what" }
            table class="matrix" role="table" {
                thead role="rowgroup" { tr role="row" {
                    @for name in ["What", "Old", "New"] { th scope="col" role="columnheader" { (name) } }
                } }
                tbody role="rowgroup" {
                    @for one in &account.plan.tracks {
                        tr role="row" {
                            th scope="row" role="rowheader" { (kind(one.track)) }
                            td role="cell" data-label="old" { span {} span { (authority(&one.old)) } }
                            td role="cell" data-label="new" { span {} span { (authority(&one.new)) } }
                        }
                    }
                    @for ((path, _, _), file) in files.iter().take(ROWS) {
                        tr role="row" {
                            th scope="row" role="rowheader" {
                                span class="name" { (Path(path)) }
                                span class="role" { (Shown(&names::list(file.hosts.iter().copied(), NAMES))) }
                            }
                            td role="cell" data-label="old" { span {} span { (certificates(&file.old)) } }
                            td role="cell" data-label="new" { span {} span { (certificates(&file.new)) } }
                        }
                    }
                }
            }
            (rest(files.len()))
        }
    }
}

fn kind(track: Track) -> &'static str {
    match track {
        Track::Cluster => "CA of the cluster",
        Track::FrontProxy => "CA of the front proxy",
        Track::Etcd => "CA of etcd",
        Track::Tokens => "Key for tokens",
    }
}

fn authority(one: &Authority) -> Markup {
    html! {
        @if one.subject.is_empty() { "key" } @else { span class="name" { (Shown(&one.subject)) } }
        span class="role" {
            "SHA-256 " code { (short(one.fingerprint)) }
            @if let Some(at) = one.not_after { " · until " (day(at)) }
        }
    }
}

fn certificates(all: &[&Named]) -> Markup {
    // In the order of machines, so that the old one and the new one of a row are the same machine's.
    let mut seen = BTreeSet::new();
    let all: Vec<&Named> =
        all.iter().copied().filter(|one| seen.insert(*one.fingerprint.as_bytes())).collect();
    html! {
        @if all.is_empty() { "none" }
        @if let [first, others @ ..] = all.as_slice() {
            span class="name" { (Shown(&first.subject)) }
            span class="role" {
                @if others.is_empty() { "SHA-256 " code { (short(first.fingerprint)) } }
                @else { (count(all.len(), "certificate")) }
                " · until " (day(first.not_after))
            }
        }
    }
}

fn day(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%Y-%m-%d").to_string()) } }
}

/// A path, and the subjects of the certificates that go and that come.
type Key<'a> = (&'a str, Vec<String>, Vec<String>);

/// A file of several machines whose certificates are for the same subjects.
#[derive(Default)]
struct Files<'a> {
    hosts: Vec<&'a str>,
    old: Vec<&'a Named>,
    new: Vec<&'a Named>,
}

/// Each machine has certificates of its own: what differs by the machine's name alone is one row.
fn files(account: &Account) -> BTreeMap<Key<'_>, Files<'_>> {
    let mut files: BTreeMap<Key<'_>, Files<'_>> = BTreeMap::new();
    for one in &account.certificates {
        let subjects = |all: &[Named]| -> Vec<String> {
            all.iter().map(|named| named.subject.replace(&one.host, "#")).collect()
        };
        let row =
            files.entry((one.path.as_str(), subjects(&one.old), subjects(&one.new))).or_default();
        row.hosts.push(&one.host);
        row.old.extend(&one.old);
        row.new.extend(&one.new);
    }
    files
}

fn gates(account: &Account) -> Markup {
    // What did not hold comes first: the rest is the same word again and again.
    let mut gates: Vec<&Asked> = account.runs.iter().flat_map(|run| &run.gates).collect();
    gates.sort_by_key(|gate| (gate.holds(), gate.at));
    html! {
        section id="gates" aria-labelledby="h-gates" {
            h2 id="h-gates" { "What the cluster was asked" }
            @if gates.is_empty() { p { "Nothing: no API was asked." } } @else {
                table class="matrix" role="table" {
                    thead role="rowgroup" { tr role="row" {
                        @for name in ["Gate", "Answer", "After", "Took"] { th scope="col" role="columnheader" { (name) } }
                    } }
                    tbody role="rowgroup" { @for gate in gates.iter().take(ROWS) { (gate_row(gate)) } }
                }
            }
            (rest(gates.len()))
        }
    }
}

fn gate_row(gate: &Asked) -> Markup {
    let mark = match (gate.holds(), gate.is_waived()) {
        (true, _) => Mark::Good,
        (false, true) => Mark::Warning,
        (false, false) => Mark::Bad,
    };
    html! {
        tr role="row" {
            th scope="row" role="rowheader" {
                (Shown(&gate.gate))
                @if !gate.message.is_empty() { span class="role" { (Shown(&gate.message)) } }
            }
            td role="cell" data-label="answer" { span {} span { (tag(mark, &gate.verdict)) } }
            td role="cell" data-label="after" { span {} span { (gate.stage.as_str()) " " span class="role" { (moment(gate.at)) } } }
            td role="cell" data-label="took" { span {} span { (human(gate.took)) } }
        }
    }
}

fn commands(account: &Account) -> Markup {
    html! {
        section id="commands" aria-labelledby="h-commands" {
            h2 id="h-commands" { "Who did it" }
            @if account.runs.is_empty() { p { "No command has changed anything." } } @else {
                table class="matrix" role="table" {
                    thead role="rowgroup" { tr role="row" {
                        @for name in ["Command", "By", "When, UTC", "Took", "Result"] {
                            th scope="col" role="columnheader" { (name) }
                        }
                    } }
                    tbody role="rowgroup" {
                        @for (index, run) in account.runs.iter().enumerate().take(ROWS) { (command_row(index + 1, run)) }
                    }
                }
            }
            (rest(account.runs.len()))
        }
    }
}

fn command_row(number: usize, run: &Run) -> Markup {
    html! {
        tr role="row" {
            th scope="row" role="rowheader" { (number) " " (Shown(&run.verb)) span class="role" { "version " (Shown(&run.tool_version)) } }
            td role="cell" data-label="by" { span {} span class="name" { (Shown(&run.who)) } }
            td role="cell" data-label="when" { span {} span { (moment(run.begun)) } }
            td role="cell" data-label="took" { span {} span { (text::took(super::figures::between(run.begun, run.last))) } }
            td role="cell" data-label="result" {
                span {}
                span { (head::ending(run)) @if let Some(words) = text::window(run) { br; (words) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::read::tests::{TROUBLED, account};
    use std::fmt::Write as _;

    #[test]
    fn a_page_tells_all_of_it_and_holds_nothing_that_runs() {
        let mut account = account(TROUBLED);
        account.runs[0].who = "<script>alert(1)</script>".to_owned();
        let page = of(&account);
        for told in [
            "at stage switch",
            "What replaces what",
            "&lt;script&gt;alert(1)",
            "w1 was on its way to stage accept, and no end is written; it was brought to an end later",
            "waived after stage accept: Shows: m",
            "1 of 1 gate holds",
            "killed",
        ] {
            assert!(page.contains(told), "{told}: {page}");
        }
        for bad in ["<script>", " style=\"", "url(", "http:", "https:", " src="] {
            assert!(!page.contains(bad), "{bad}");
        }
    }

    #[test]
    fn a_thousand_machines_are_no_thousand_rows() {
        let mut words = "begin apply".to_owned();
        for n in 0..1000 {
            let _ = write!(words, ";intent w{n} accept;done w{n} accept 900");
        }
        words.push_str(";end 0 accept");
        let page = of(&account(&words));
        assert!(page.contains("w0 to "), "machines that count on are told by their ends");
        assert!(page.len() < 200_000, "{} bytes", page.len());
    }
}
