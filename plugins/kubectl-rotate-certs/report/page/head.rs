//! What is seen first, and what is said last.

use super::{mark, moment};
use crate::TOOL;
use crate::report::account::{Account, Ending, Run, State};
use crate::report::notices::{self, Weight};
use crate::report::{figures, text};
use rotation_core::tell::page::mark::{Mark, tag};
use rotation_core::tell::page::text::{Sentence, Shown, count, number};
use rotation_core::tell::page::{Markup, html};

/// The head of the page.
pub(super) fn head(account: &Account) -> Markup {
    let plan = &account.plan;
    html! {
        header {
            p class="kicker" { (TOOL.name) " report" }
            h1 { "Rotation of certificates" }
            p class="about" {
                span class="name" { (Shown(&plan.id)) } " · " (plan.strategy.as_str())
                @if let Some((from, to)) = account.span() { " · " (moment(from)) " to " (moment(to)) " UTC" }
            }
        }
        (verdict(account))
        (sums(account))
        nav aria-label="Parts of this page" {
            a href="#troubles" { "What did not go straight on" }
            a href="#replaced" { "What replaces what" }
            a href="#times" { "Time line" }
            a href="#gates" { "What the cluster was asked" }
            a href="#commands" { "Who did it" }
        }
    }
}

/// The one thing that must be seen.
fn verdict(account: &Account) -> Markup {
    let notices = notices::of(account);
    let amount = |weight| notices.iter().filter(|one| one.severity == weight).count();
    let worst = match account.state() {
        _ if !account.is_whole() => Mark::Bad,
        State::Complete => Mark::Good,
        State::Back | State::NotBegun | State::At(_) => Mark::Note,
        State::Between | State::Unknown => Mark::Warning,
    };
    let class = if amount(Weight::Error) > 0 { Mark::Bad.class() } else { worst.class() };
    html! {
        section class={ "verdict " (class) } aria-label="How it stands" {
            p class="result" {
                (tag(worst, &text::state(account)))
                @for weight in [Weight::Error, Weight::Warning] {
                    @if amount(weight) > 0 { " " (tag(mark(weight), &count(amount(weight), super::word(weight)))) }
                }
            }
            ul {
                li { (Sentence(text::meaning(account))) }
                @if !account.is_whole() { li { "The journal is not whole: what is told here is not all of it, or not true." } }
                @for note in &account.plan.notes { li { (Shown(note)) } }
            }
        }
    }
}

fn sums(account: &Account) -> Markup {
    let sums = figures::of(account);
    html! {
        dl class="figures" {
            @for (name, amount) in [
                ("machines", account.plan.hosts.len()),
                ("files", sums.files),
                ("restarts", sums.restarts),
                ("gates", sums.gates),
                ("waived", sums.waived),
            ] {
                @if amount > 0 || name != "waived" { div { dt { (name) } dd { (number(amount)) } } }
            }
            @for (name, millis) in [
                ("at work", sums.at_work),
                ("restarts with their files", sums.restarting),
                ("files alone", sums.writing),
                ("until the cluster followed", sums.propagation),
                ("pods recycled", sums.pods),
            ] {
                @if millis > 0 { div { dt { (name) } dd { (text::took(millis)) } } }
            }
        }
    }
}

/// How a command came out.
pub(super) fn ending(run: &Run) -> Markup {
    let stage = run.end.map(|(_, stage)| format!("stage {stage}"));
    let (mark, words) = match run.ending() {
        Ending::Done => (Mark::Good, "done".to_owned()),
        Ending::Failed(code) => (Mark::Bad, format!("code {code}, {}", notices::words(code))),
        Ending::Killed => (Mark::Bad, "killed".to_owned()),
        Ending::Open => (Mark::Bad, "no end is written".to_owned()),
    };
    html! { (tag(mark, &words)) @if let Some(stage) = stage { span class="role" { (stage) } } }
}

/// What makes it evidence.
pub(super) fn foot(account: &Account) -> Markup {
    let journal = &account.journal;
    html! {
        footer {
            p {
                "Made by " (TOOL.name) " " (TOOL.version) " from the plan and the journal of the rotation: "
                (count(journal.entries, "line")) ", each with the digest of the line before it, "
                @if account.is_whole() { "and whole. " } @else { strong { "and not whole. " } }
                "SHA-256 of the journal: " code { (journal.digest.to_string()) }
            }
            p {
                "There is no private key and no token on this page: keys are known by the SHA-256 of their public part. "
                "It runs no script and fetches nothing."
            }
        }
    }
}
