//! `check`: look everywhere, judge, leave out what is excepted, tell.

use super::inspect::nothing;
use super::page;
use crate::inspect::check_args::{CheckArgs, CheckFormat};
use crate::inspect::observe::{self, Gathered};
use crate::inspect::waivers::{Waived, Waivers};
use crate::inspect::{check_document, judged, metrics};
use crate::page::Page;
use crate::verify::Report;
use jiff::Timestamp;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::words::count;
use rotation_core::plan::certificate::Severity;
use rotation_core::plan::inventory::Limits;
use rotation_core::tell::json::{self, Format};
use rotation_core::world::clock::{Clock as _, SystemClock};
use rotation_core::world::{files, survey};
use std::fmt::Write as _;

/// Runs the command.
pub(super) fn run(args: &CheckArgs, console: &Console) -> Result<Exit, Failure> {
    let at = args.sources.at.unwrap_or_else(|| SystemClock::start().now());
    page::has_place(&args.page)?;
    let waivers = waivers(args)?;
    let gathered = observe::gather(&args.sources, console, true)?;
    if gathered.is_empty() {
        return Err(nothing());
    }
    let limits = Limits { warn: args.warn, critical: args.critical };
    let findings = judged::findings(&gathered, limits, at, survey::user());
    let (findings, waived) = match &waivers {
        Some(waivers) => waivers.apply(findings, at),
        None => (findings, Vec::new()),
    };
    let figures = || metrics::of(&gathered, &findings, waived.len(), at);
    if let Some(path) = &args.textfile {
        files::publish(path, figures().as_bytes())?;
    }
    let report = Report {
        verb: "check",
        at,
        files: gathered.matrix.rows.iter().map(|row| row.sighting.place.to_string()).collect(),
        certificates: gathered.matrix.certificates.len(),
        keys: gathered.keys(),
        findings: findings.clone(),
    };
    let notes = args.notes || args.fail_on.counts(Severity::Note);
    let failed = |why: json::DocumentError| Failure::unexpected(why.to_string());
    let text = match args.output {
        CheckFormat::Text => report.text(notes),
        CheckFormat::Json => {
            let document = check_document::of(&gathered, &findings, &waived, at);
            json::document(&document, Format::Json).map_err(failed)?
        }
        CheckFormat::Junit => report.junit(),
        CheckFormat::Openmetrics => figures(),
        CheckFormat::Sarif => report.sarif().map_err(failed)?,
    };
    console.data(&text);
    let hidden = args.output == CheckFormat::Text && !notes;
    console.note(&summary(&gathered, &report, &waived, hidden, at));
    let page = Page {
        verb: "check",
        at,
        gathered: &gathered,
        findings: &findings,
        waived: &waived,
        limits,
    };
    page::write(&args.page, &page, console)?;
    let fails = findings.iter().any(|finding| args.fail_on.counts(finding.severity()));
    Ok(if fails { Exit::Findings } else { Exit::Done })
}

fn waivers(args: &CheckArgs) -> Result<Option<Waivers>, Failure> {
    let Some(path) = &args.waivers else { return Ok(None) };
    let form = "docs/rotate-certs.md shows what an exception looks like";
    let text = files::read_named(path).map_err(|why| Failure::from(why).with_hint(form))?;
    let name = path.display().to_string();
    let read = Waivers::parse(&name, &text);
    read.map(Some).map_err(|why| {
        Failure::usage(format!("cannot use the exceptions of {name}: {why}")).with_hint(form)
    })
}

/// One sentence about all of it, and the end that comes first.
fn summary(
    gathered: &Gathered,
    report: &Report,
    waived: &[Waived],
    hidden: bool,
    at: Timestamp,
) -> String {
    let mut text = format!(
        "{}, {} and {}: {}",
        count(gathered.matrix.rows.len(), "place"),
        count(report.certificates, "certificate"),
        count(report.keys, "private key"),
        report.numbers()
    );
    if hidden && report.findings.iter().any(|finding| finding.severity() == Severity::Note) {
        text.push_str(" (--notes shows them)");
    }
    if !waived.is_empty() {
        let _ = write!(text, "; {} excepted", waived.len());
    }
    let next = gathered.matrix.certificates.iter().map(|shown| shown.certificate.not_after());
    if let Some(next) = next.filter(|end| *end >= at).min() {
        let days = next.duration_since(at).as_hours() / 24;
        let days = usize::try_from(days).unwrap_or_default();
        let _ = write!(text, "; the next end is in {}", count(days, "day"));
    }
    text
}
