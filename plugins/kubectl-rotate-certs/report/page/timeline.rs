//! The time line: for each command an axis of its own, with a bar for each machine and stage, and for each wait for the
//! cluster.

use super::{NAMES, ROWS, rest};
use crate::report::account::{Account, Asked, Move, Run};
use crate::report::figures::between;
use crate::report::text;
use jiff::{SignedDuration, Timestamp};
use rotation_core::facts::words::count as plain;
use rotation_core::tell::page::mark::Mark;
use rotation_core::tell::page::text::{Shown, count};
use rotation_core::tell::page::track::{Axis, Bar};
use rotation_core::tell::page::{Markup, html, names};
use std::time::Duration;

/// Machines of a stage that have rows of their own; more of them have one together.
const MACHINES: usize = 12;

struct Row {
    name: String,
    about: String,
    from: Timestamp,
    to: Timestamp,
    mark: Option<Mark>,
    took: String,
}

/// The section.
pub(super) fn section(account: &Account) -> Markup {
    html! {
        section id="times" aria-labelledby="h-times" {
            h2 id="h-times" { "Time line" }
            @if account.runs.is_empty() { p { "Nothing was changed." } }
            @for (index, run) in account.runs.iter().enumerate() { (command(index + 1, run)) }
        }
    }
}

fn command(number: usize, run: &Run) -> Markup {
    let rows = rows(run);
    let last = rows.iter().map(|row| row.to).chain([run.last]).max().unwrap_or(run.last);
    let axis = Axis::during(run.begun, last);
    let id = format!("h-times-{number}");
    html! {
        h3 id=(id) { (number) " " (Shown(&run.verb)) ", " (super::moment(run.begun)) " UTC, " (text::took(between(run.begun, run.last))) }
        @if rows.is_empty() { p { "No machine was changed, and nothing was asked." } } @else {
            div class="scroll" role="region" aria-labelledby=(id) tabindex="0" {
                table class="ends" role="table" {
                    thead role="rowgroup" { tr role="row" {
                        th scope="col" role="columnheader" { "Who" }
                        th scope="col" role="columnheader" { "Took" }
                        th scope="col" role="columnheader" class="axis" { span class="hidden" { "When" } (axis.labels()) }
                    } }
                    tbody role="rowgroup" { @for row in rows.iter().take(ROWS) { (line(row, &axis)) } }
                }
            }
        }
        (rest(rows.len()))
    }
}

fn line(row: &Row, axis: &Axis) -> Markup {
    let title = format!("{}: {}", row.name, row.took);
    let bar =
        Bar { from: Some(row.from), to: row.to, latest: row.to, mark: row.mark, title: &title };
    html! {
        tr role="row" {
            th scope="row" role="rowheader" {
                span class="name" { (Shown(&row.name)) }
                span class="role" { (Shown(&row.about)) }
            }
            td role="cell" data-label="took" { span {} span { (row.took) } }
            td role="cell" class="axis" { (axis.bar(&bar)) }
        }
    }
}

fn rows(run: &Run) -> Vec<Row> {
    let mut rows = Vec::new();
    for moves in run.by_stage() {
        if moves.len() <= MACHINES {
            rows.extend(moves.iter().map(|one| together(&[one], run)));
        } else {
            // What restarts servers is looked at one by one; the many come after it.
            let (few, many): (Vec<&Move>, Vec<&Move>) =
                moves.iter().partition(|one| one.took.is_none() || serves(one));
            rows.extend(few.into_iter().map(|one| together(&[one], run)));
            if !many.is_empty() {
                rows.push(together(&many, run));
            }
        }
    }
    rows.extend(run.batches().filter_map(asked));
    for (at, why) in &run.stops {
        rows.push(Row {
            name: "stopped".to_owned(),
            about: why.clone(),
            from: *at,
            to: *at,
            mark: Some(Mark::Bad),
            took: String::new(),
        });
    }
    rows.sort_by_key(|row| row.from);
    rows
}

fn serves(one: &Move) -> bool {
    one.restarts.iter().any(|program| program == "etcd" || program == "kube-apiserver")
}

/// Machines that are told in one row; there is one at least.
fn together(moves: &[&Move], run: &Run) -> Row {
    let from = moves.iter().map(|one| one.begun).min().unwrap_or(run.begun);
    let ended = moves.iter().map(|one| one.ended()).collect::<Option<Vec<Timestamp>>>();
    let to = ended.and_then(|all| all.into_iter().max());
    let files: usize = moves.iter().map(|one| one.files.len()).sum();
    let mut restarts: Vec<&str> =
        moves.iter().flat_map(|one| &one.restarts).map(String::as_str).collect();
    restarts.sort_unstable();
    restarts.dedup();
    let restarts = match restarts.as_slice() {
        [] => String::new(),
        some => format!(", restarts of {}", some.join(", ")),
    };
    let stage = moves.first().map(|one| one.stage.as_str()).unwrap_or_default();
    Row {
        name: names::list(moves.iter().map(|one| one.host.as_str()), NAMES),
        about: format!("{stage}: {}{restarts}", plain(files, "file")),
        from,
        to: to.unwrap_or(run.last),
        mark: to.is_none().then_some(Mark::Bad),
        took: to.map_or("no end".to_owned(), |to| text::took(between(from, to))),
    }
}

/// The wait for gates that were asked side by side: they are written down when all of them are answered.
fn asked(batch: &[Asked]) -> Option<Row> {
    let first = batch.first()?;
    let longest = batch.iter().map(|one| one.took).max().unwrap_or(Duration::ZERO);
    let span = SignedDuration::try_from(longest).ok()?;
    let holds = batch.iter().filter(|one| one.holds()).count();
    let open = batch.iter().any(|one| !one.holds() && !one.is_waived());
    let mark = match (open, holds == batch.len()) {
        (true, _) => Some(Mark::Bad),
        (false, true) => None,
        (false, false) => Some(Mark::Warning),
    };
    let verb = if batch.len() == 1 { "holds" } else { "hold" };
    Some(Row {
        name: format!("{holds} of {} {verb}", count(batch.len(), "gate")),
        about: format!("after {}", first.stage),
        from: first.at.checked_sub(span).ok()?,
        to: first.at,
        mark,
        took: text::took(u64::try_from(longest.as_millis()).unwrap_or(u64::MAX)),
    })
}
