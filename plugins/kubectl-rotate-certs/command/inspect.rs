//! `inspect`: look everywhere, put it together, show it.

use super::page;
use crate::inspect::args::{InspectArgs, InspectFormat};
use crate::inspect::observe::{self, Gathered};
use crate::inspect::{document, judged, table};
use crate::page::Page;
use jiff::Timestamp;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::plan::inventory::Limits;
use rotation_core::tell::json::Format;
use rotation_core::world::clock::{Clock as _, SystemClock};
use rotation_core::world::survey;

/// Runs the command.
pub(super) fn run(args: &InspectArgs, console: &Console) -> Result<Exit, Failure> {
    let at = args.sources.at.unwrap_or_else(|| SystemClock::start().now());
    page::has_place(args.page.html.as_deref())?;
    let judged = args.page.html.is_some();
    let interrupt = observe::interrupt(&args.sources, false)?;
    let gathered = observe::gather(&args.sources, console, judged, &interrupt)?;
    if gathered.is_empty() {
        return Err(nothing());
    }
    match args.output {
        InspectFormat::Table => show(&gathered, at, args, console, false),
        InspectFormat::Wide => show(&gathered, at, args, console, true),
        InspectFormat::Json => console.document(&document::of(&gathered, at), Format::Json)?,
        InspectFormat::Yaml => console.document(&document::of(&gathered, at), Format::Yaml)?,
    }
    console.note(&table::summary(&gathered));
    if judged {
        let limits = Limits::USUAL;
        let findings = judged::findings(&gathered, limits, at, survey::user());
        let page = Page {
            verb: "inspect",
            at,
            gathered: &gathered,
            findings: &findings,
            waived: &[],
            limits,
        };
        page::write(&args.page, &page, console)?;
    }
    Ok(Exit::Done)
}

/// There is no place of any layout: the wrong directory, most likely.
pub(super) fn nothing() -> Failure {
    Failure::refused("none of the places that are known was found")
        .with_hint("name the root of a machine's files, not a directory below it; or describe your places in a file for --places")
}

fn show(gathered: &Gathered, at: Timestamp, args: &InspectArgs, console: &Console, wide: bool) {
    console.table(&table::places(gathered, at, wide), args.no_headers);
    if !gathered.matrix.certificates.is_empty() {
        console.data("\n");
        console.table(&table::certificates(gathered, at, wide), args.no_headers);
    }
    for text in [table::generations(gathered), table::remarks(gathered)] {
        if !text.is_empty() {
            console.data(&format!("\n{text}"));
        }
    }
}
