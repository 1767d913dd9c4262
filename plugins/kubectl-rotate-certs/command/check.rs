//! `check`: look everywhere, judge, leave out what is excepted, tell.

use super::inspect::nothing;
use super::{page, watch};
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
use rotation_core::plan::certificate::{Finding, Severity};
use rotation_core::plan::inventory::Limits;
use rotation_core::tell::json::{self, Format};
use rotation_core::world::clock::{Clock as _, SystemClock};
use rotation_core::world::interrupt::Interrupt;
use rotation_core::world::{files, survey};
use std::fmt::Write as _;

/// Runs the command.
pub(super) fn run(args: &CheckArgs, console: &Console) -> Result<Exit, Failure> {
    page::has_place(args.page.html.as_deref())?;
    if args.watch.is_some() && !matches!(args.output, CheckFormat::Text | CheckFormat::Json) {
        return Err(Failure::usage("--watch tells what changes: with `-o text` or `-o json`")
            .with_hint("figures that follow are in the file of --textfile"));
    }
    let interrupt = observe::interrupt(&args.sources, args.watch.is_some())?;
    let look = Look::take(args, console, &interrupt)?;
    look.tell(args, console)?;
    match args.watch {
        Some(pause) => watch::run(args, console, &interrupt, pause, look),
        None => Ok(look.exit(args)),
    }
}

/// What was seen and found at a moment.
pub(super) struct Look {
    at: Timestamp,
    gathered: Gathered,
    /// What counts.
    pub(super) findings: Vec<Finding>,
    waived: Vec<Waived>,
    limits: Limits,
}

impl Look {
    /// Looks everywhere, and leaves out what is excepted.
    pub(super) fn take(
        args: &CheckArgs,
        console: &Console,
        interrupt: &Interrupt,
    ) -> Result<Self, Failure> {
        let at = args.sources.at.unwrap_or_else(|| SystemClock::start().now());
        let waivers = waivers(args)?;
        let gathered = observe::gather(&args.sources, console, true, interrupt)?;
        if gathered.is_empty() {
            return Err(nothing());
        }
        let limits = Limits { warn: args.warn, critical: args.critical };
        let findings = judged::findings(&gathered, limits, at, survey::user());
        let (findings, waived) = match &waivers {
            Some(waivers) => waivers.apply(findings, at),
            None => (findings, Vec::new()),
        };
        Ok(Self { at, gathered, findings, waived, limits })
    }

    fn figures(&self) -> String {
        metrics::of(&self.gathered, &self.findings, self.waived.len(), self.at)
    }

    /// The figures for node-exporter, where they are wanted.
    pub(super) fn publish(&self, args: &CheckArgs) -> Result<(), Failure> {
        match &args.textfile {
            Some(path) => Ok(files::publish(path, self.figures().as_bytes())?),
            None => Ok(()),
        }
    }

    /// The document of `-o json`.
    pub(super) fn document(&self) -> Result<String, Failure> {
        let document = check_document::of(&self.gathered, &self.findings, &self.waived, self.at);
        json::document(&document, Format::Json).map_err(|why| Failure::unexpected(why.to_string()))
    }

    /// These findings of it, for people and for pipelines.
    pub(super) fn report(&self, findings: Vec<Finding>) -> Report {
        let rows = self.gathered.matrix.rows.iter();
        Report {
            verb: "check",
            at: self.at,
            files: rows.map(|row| row.sighting.place.to_string()).collect(),
            certificates: self.gathered.matrix.certificates.len(),
            keys: self.gathered.keys(),
            findings,
        }
    }

    fn tell(&self, args: &CheckArgs, console: &Console) -> Result<(), Failure> {
        self.publish(args)?;
        let report = self.report(self.findings.clone());
        let text = match args.output {
            CheckFormat::Text => report.text(args.shows_notes()),
            CheckFormat::Json => self.document()?,
            CheckFormat::Junit => report.junit(),
            CheckFormat::Openmetrics => self.figures(),
            CheckFormat::Sarif => {
                report.sarif().map_err(|why| Failure::unexpected(why.to_string()))?
            }
        };
        console.data(&text);
        let hidden = args.output == CheckFormat::Text && !args.shows_notes();
        console.note(&summary(&self.gathered, &report, &self.waived, hidden, self.at));
        let page = Page {
            verb: "check",
            at: self.at,
            gathered: &self.gathered,
            findings: &self.findings,
            waived: &self.waived,
            limits: self.limits,
        };
        page::write(&args.page, &page, console)
    }

    fn exit(&self, args: &CheckArgs) -> Exit {
        let fails = self.findings.iter().any(|finding| args.fail_on.counts(finding.severity()));
        if fails { Exit::Findings } else { Exit::Done }
    }
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
