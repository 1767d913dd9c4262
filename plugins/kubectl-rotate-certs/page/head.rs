//! What is said first: how it stands, what is to be done, what ends next.

use super::Page;
use super::fold::NAMES;
use super::trust;
use crate::TOOL;
use jiff::{SignedDuration, Timestamp};
use rotation_core::facts::sighting::Host;
use rotation_core::plan::certificate::Severity;
use rotation_core::plan::inventory::Phase;
use rotation_core::tell::page::mark::{Mark, tag};
use rotation_core::tell::page::text::{Sentence, Shown, count, number};
use rotation_core::tell::page::{Markup, html, names};

/// What stands in the browser's title, and under what a printed page is filed.
pub(super) fn title(page: &Page<'_>) -> String {
    format!("Certificates, {}: {}", date(page.at), numbers(page).join(", "))
}

/// The head of the page.
pub(super) fn head(page: &Page<'_>) -> Markup {
    let gathered = page.gathered;
    let machines = names::list(gathered.hosts.iter().map(Host::name), NAMES);
    let of = if machines.is_empty() { "one machine or cluster".to_owned() } else { machines };
    html! {
        header {
            p class="kicker" { (TOOL.name) " " (page.verb) }
            h1 { "Certificates, keys and tokens" }
            p class="about" {
                (Shown(&of)) " · as of " (moment(page.at))
            }
        }
        (verdict(page))
        (figures(page))
        nav aria-label="Parts of this page" {
            a href="#findings" { "What is wrong" }
            a href="#trust" { "Who trusts whom" }
            a href="#ends" { "When what ends" }
            a href="#places" { "Every place" }
            @if gathered.unknown() > 0 { a href="#unread" { "What was not read" } }
        }
    }
}

/// The one thing that must be seen.
fn verdict(page: &Page<'_>) -> Markup {
    let worst = page.findings.iter().map(|finding| mark(finding.severity())).min();
    let class = worst.map_or("good", Mark::class);
    html! {
        section class={ "verdict " (class) } aria-label="How it stands" {
            p class="result" {
                @if page.findings.is_empty() { (tag(Mark::Good, "Nothing is wrong")) }
                @for severity in [Severity::Error, Severity::Warning, Severity::Note] {
                    @let found = amount(page, severity);
                    @if found > 0 { (tag(mark(severity), &count(found, severity.as_str()))) " " }
                }
            }
            ul {
                @for progress in page.gathered.matrix.progress() {
                    @if progress.phase != Phase::Settled {
                        li {
                            strong { "The " (trust::name(progress.domain)) " is " (trust::adjective(progress.phase)) ". " }
                            "Next: " (progress.next()) "."
                        }
                    }
                }
                @if let Some(next) = next_end(page) {
                    li {
                        "The next end is " (moment_day(next.1)) ", " (left(next.1.duration_since(page.at))) ": "
                        span class="name" { (Shown(&next.0)) } "."
                    }
                }
                @let unknown = page.gathered.unknown();
                @if unknown > 0 {
                    li { (count(unknown, "place")) " could not be read: nothing is said of what is there." }
                }
                @if !page.waived.is_empty() {
                    li { (count(page.waived.len(), "finding")) " left out by exceptions, at the end of the list." }
                }
            }
        }
    }
}

fn figures(page: &Page<'_>) -> Markup {
    let gathered = page.gathered;
    let machines = gathered.hosts.len();
    html! {
        dl class="figures" {
            @for (name, amount) in [
                ("machines", machines),
                ("places", gathered.matrix.rows.len()),
                ("certificates", gathered.matrix.certificates.len()),
                ("private keys", gathered.keys()),
            ] {
                @if amount > 0 || name != "machines" { div { dt { (name) } dd { (number(amount)) } } }
            }
        }
    }
}

/// What a reader of a ticket must know about the page itself.
pub(super) fn foot(page: &Page<'_>) -> Markup {
    html! {
        footer {
            p {
                "Made by " (TOOL.name) " " (TOOL.version) ", as of " (moment(page.at)) ". "
                "What ends within " (days(page.limits.warn)) " is a warning, within "
                (days(page.limits.critical)) " an error."
            }
            p {
                "There is no private key and no token on this page: keys are known by the SHA-256 of their public part. "
                "It runs no script and fetches nothing."
            }
        }
    }
}

fn next_end(page: &Page<'_>) -> Option<(String, Timestamp)> {
    // What ends first stands first.
    let certificates = page.gathered.matrix.certificates.iter().map(|shown| &shown.certificate);
    certificates
        .filter(|certificate| certificate.not_after() >= page.at)
        .map(|certificate| (certificate.subject().to_string(), certificate.not_after()))
        .next()
}

fn amount(page: &Page<'_>, severity: Severity) -> usize {
    page.findings.iter().filter(|finding| finding.severity() == severity).count()
}

fn numbers(page: &Page<'_>) -> Vec<String> {
    let all = [Severity::Error, Severity::Warning, Severity::Note];
    let some = all.map(|severity| (amount(page, severity), severity));
    let told: Vec<String> = some
        .into_iter()
        .filter(|(amount, _)| *amount > 0)
        .map(|(amount, severity)| count(amount, severity.as_str()))
        .collect();
    if told.is_empty() { vec!["nothing is wrong".to_owned()] } else { told }
}

/// The mark of a severity.
pub(super) fn mark(severity: Severity) -> Mark {
    match severity {
        Severity::Error => Mark::Bad,
        Severity::Warning => Mark::Warning,
        Severity::Note => Mark::Note,
    }
}

/// A day, as people say it.
pub(super) fn date(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// A day for people and for programs.
pub(super) fn moment_day(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (date(at)) } }
}

fn moment(at: Timestamp) -> Markup {
    html! { time datetime=(at) { (at.strftime("%Y-%m-%d %H:%M").to_string()) " UTC" } }
}

/// `in 12 days`, `3 hours ago`.
pub(super) fn left(span: SignedDuration) -> String {
    let hours = span.as_hours();
    let whole = usize::try_from(hours.unsigned_abs()).unwrap_or(usize::MAX);
    let amount = if whole < 48 { count(whole, "hour") } else { count(whole / 24, "day") };
    if span < SignedDuration::ZERO { format!("{amount} ago") } else { format!("in {amount}") }
}

fn days(span: SignedDuration) -> String {
    left(span).trim_start_matches("in ").to_owned()
}

/// A sentence of ours.
pub(super) fn sentence(text: &str) -> Markup {
    html! { (Sentence(text)) }
}
