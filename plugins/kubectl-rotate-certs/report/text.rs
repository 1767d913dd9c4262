//! The report for people, on a terminal.

use super::account::{Account, Asked, Ending, Move, Run, State};
use super::figures::{self, between};
use super::notices::{self, Weight};
use crate::rotate::document::Authority;
use jiff::Timestamp;
use rotation_core::facts::duration::human;
use rotation_core::facts::words::{count, time};
use rotation_core::tell::clean;
use rotation_core::tell::page::names;
use rotation_core::tell::table::Tone;
use std::fmt::Write as _;
use std::time::Duration;

/// Names that are told one by one.
const NAMES: usize = 6;

/// The report.
pub(crate) fn of(account: &Account) -> String {
    let mut out = String::new();
    head(account, &mut out);
    replaced(account, &mut out);
    for (index, run) in account.runs.iter().enumerate() {
        command(index + 1, run, &mut out);
    }
    notices(account, &mut out);
    sums(account, &mut out);
    journal(account, &mut out);
    out
}

/// How far it is, in words.
pub(crate) fn state(account: &Account) -> String {
    match account.state() {
        State::NotBegun => "nothing was changed".to_owned(),
        State::Complete => "complete".to_owned(),
        State::Back => "rolled back".to_owned(),
        State::At(stage) => format!("at stage {stage}"),
        State::Between => "between two stages".to_owned(),
        State::Unknown => "nobody can say".to_owned(),
    }
}

/// What that means.
pub(crate) fn meaning(account: &Account) -> &'static str {
    match account.state() {
        State::NotBegun | State::Back => "every file is what it was",
        State::Complete => account.plan.end().about(),
        State::At(stage) => stage.about(),
        State::Between => "`kubectl rotate-certs status` looks at the machines themselves",
        State::Unknown => {
            "the journal is damaged; `kubectl rotate-certs status` looks at the machines themselves"
        }
    }
}

/// Milliseconds, as people say them.
pub(crate) fn took(millis: u64) -> String {
    human(Duration::from_millis(millis))
}

fn head(account: &Account, out: &mut String) {
    let plan = &account.plan;
    let strategy = plan.strategy.as_str();
    line(
        out,
        &format!("rotation {}, {strategy}: {}: {}", plan.id, state(account), meaning(account)),
    );
    if let Some((from, to)) = account.span() {
        let commands = count(account.runs.len(), "command");
        line(out, &format!("from {} to {}, {commands}", time(from), time(to)));
    }
    for note in &plan.notes {
        line(out, &format!("note: {note}"));
    }
}

fn replaced(account: &Account, out: &mut String) {
    for one in &account.plan.tracks {
        line(out, &format!("\n{}:", one.track));
        for (word, authority) in [("old", &one.old), ("new", &one.new)] {
            line(out, &format!("  {word} {}", authority_words(authority)));
        }
    }
    let files = account.certificates.len();
    if files > 0 {
        let hosts = account.certificates.iter().map(|one| one.host.as_str());
        let hosts = names::list(hosts, NAMES);
        line(
            out,
            &format!(
                "\nother certificates in {} on {hosts}; `-o json` has each",
                count(files, "file")
            ),
        );
    }
}

fn authority_words(one: &Authority) -> String {
    let until = one.not_after.map(|at| format!(", until {}", time(at))).unwrap_or_default();
    let name = if one.subject.is_empty() { "a key" } else { &one.subject };
    format!("{name}{until}, SHA-256 {}", one.fingerprint)
}

fn command(number: usize, run: &Run, out: &mut String) {
    let ending = match run.ending() {
        Ending::Done => "done".to_owned(),
        Ending::Failed(code) => format!("code {code}, {}", notices::words(code)),
        Ending::Killed => "killed".to_owned(),
        Ending::Open => "no end is written".to_owned(),
    };
    let stage = run.end.map(|(_, stage)| format!(", stage {stage}")).unwrap_or_default();
    line(
        out,
        &format!(
            "\n{number} {} by {} with {}: {ending}{stage}, {}",
            run.verb,
            run.who,
            run.tool_version,
            took(between(run.begun, run.last))
        ),
    );
    if let Some(words) = window(run) {
        line(out, &format!("  {words}"));
    }
    let mut rows: Vec<(Timestamp, String)> = Vec::new();
    rows.extend(run.moves.iter().map(|one| (one.begun, of_move(one))));
    rows.extend(run.batches().filter_map(|batch| Some((batch.first()?.at, of_gates(batch)))));
    rows.extend(run.changed.iter().map(|(at, what)| (*at, what.clone())));
    rows.extend(run.stops.iter().map(|(at, why)| (*at, format!("stopped: {why}"))));
    // Side by side stays as it was written.
    rows.sort_by_key(|(at, _)| *at);
    for (at, text) in rows {
        line(out, &format!("  {} {text}", time(at)));
    }
}

/// The window that a command had, and how much of it was left.
pub(crate) fn window(run: &Run) -> Option<String> {
    let (begin, until) = run.window?;
    let left = until.duration_since(run.last);
    let how = if left.is_negative() { "over for" } else { "at its end left" };
    let words = human(left.unsigned_abs());
    Some(format!("window from {} to {}, {how} {words}", time(begin), time(until)))
}

/// One machine's way to a stage.
pub(crate) fn of_move(one: &Move) -> String {
    let files = count(one.files.len(), "file");
    let restarts = match one.restarts.as_slice() {
        [] => String::new(),
        some => format!(", restarts of {}", some.join(", ")),
    };
    let took = one.took.map_or("no end is written".to_owned(), human);
    format!("{}: {}: {files}{restarts}: {took}", one.stage, one.host)
}

/// Gates that were asked side by side.
pub(crate) fn of_gates(batch: &[Asked]) -> String {
    let holds = batch.iter().filter(|one| one.holds()).count();
    let longest = batch.iter().map(|one| one.took).max().unwrap_or_default();
    let stage = batch.first().map(|one| format!("{}: ", one.stage)).unwrap_or_default();
    let waived = batch.iter().filter(|one| one.is_waived()).count();
    let waived = if waived > 0 { format!(", {waived} waived") } else { String::new() };
    format!("{stage}{holds} of {} hold{waived}: {}", count(batch.len(), "gate"), human(longest))
}

fn notices(account: &Account, out: &mut String) {
    let notices = notices::of(account);
    if notices.is_empty() {
        return;
    }
    line(out, "\nwhat did not go straight on:");
    for notice in notices {
        let (word, tone) = match notice.severity {
            Weight::Error => ("error", Tone::Bad),
            Weight::Warning => ("warning", Tone::Warning),
            Weight::Note => ("note", Tone::Faint),
        };
        let at = notice.at.map(|at| format!("{} ", time(at))).unwrap_or_default();
        let what = clean::line(&notice.what);
        let _ = writeln!(out, "  {at}{}: {what}", tone.paint(word));
    }
}

fn sums(account: &Account, out: &mut String) {
    let sums = figures::of(account);
    if account.runs.is_empty() {
        return;
    }
    let waived = if sums.waived > 0 { format!(", {} waived", sums.waived) } else { String::new() };
    line(
        out,
        &format!(
            "\n{} from first to last, {} at work: {} restarts with their files, {} files alone, {} until the cluster followed, {} pods recycled",
            took(sums.total),
            took(sums.at_work),
            took(sums.restarting),
            took(sums.writing),
            took(sums.propagation),
            took(sums.pods)
        ),
    );
    line(
        out,
        &format!(
            "{}, {}, {}{waived}",
            count(sums.files, "file"),
            count(sums.restarts, "restart"),
            count(sums.gates, "gate")
        ),
    );
}

fn journal(account: &Account, out: &mut String) {
    let journal = &account.journal;
    let whole = if account.is_whole() { "whole" } else { "NOT WHOLE" };
    line(
        out,
        &format!(
            "journal: {whole}, {}, SHA-256 {}",
            count(journal.entries, "line"),
            journal.digest
        ),
    );
}

/// A line in which nobody else's text does anything.
fn line(out: &mut String, text: &str) {
    let (blank, text) = match text.strip_prefix('\n') {
        Some(rest) => ("\n", rest),
        None => ("", text),
    };
    let _ = writeln!(out, "{blank}{}", clean::line(text));
}

#[cfg(test)]
mod tests {
    use super::of;
    use crate::report::read::tests::account;

    #[test]
    fn a_window_is_told_with_what_was_left_of_it() {
        for (words, told) in [
            (
                "begin apply;window 10 3610;intent m1 accept;end 5 before",
                Some(
                    "  window from 1970-01-01T00:00:10Z to 1970-01-01T01:00:10Z, at its end left 59m40s\n",
                ),
            ),
            (
                "begin apply;window 10 15;end 5 before",
                Some("  window from 1970-01-01T00:00:10Z to 1970-01-01T00:00:15Z, over for 5.0s\n"),
            ),
            ("begin apply;end 0 switch", None),
        ] {
            let text = of(&account(words));
            match told {
                Some(told) => assert!(text.contains(told), "{text}"),
                None => assert!(!text.contains("window from"), "{text}"),
            }
        }
    }
}
