//! `report`: the evidence of a rotation, from its directory alone.

use crate::command::page;
use crate::report::args::{ReportArgs, ReportFormat};
use crate::report::{self, document, junit, text};
use crate::rotate::work::Work;
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::tell::json::Format;

/// Tells.
pub(crate) fn run(args: &ReportArgs, console: &Console) -> Result<Exit, Failure> {
    page::has_place(args.html.as_deref())?;
    let account = report::read(&Work::of(&args.directory()))?;
    match args.output {
        ReportFormat::Text => console.data(&text::of(&account)),
        ReportFormat::Json => console.document(&document::of(&account), Format::Json)?,
        ReportFormat::Junit => console.data(&junit::of(&account)),
    }
    if let Some(path) = &args.html {
        page::save(path, &report::page::of(&account), console)?;
    }
    if account.is_whole() {
        return Ok(Exit::Done);
    }
    console.warn(
        "the journal is not whole: what is told of this rotation is not all of it, or not true",
    );
    Ok(Exit::Findings)
}
