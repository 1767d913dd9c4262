//! `--html FILE`: the page besides, refused before anything is looked at where it could not be written.

use crate::inspect::args::PageArgs;
use crate::page::{self, Page};
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::world::files;
use std::path::Path;

/// Whether there is a place for the page.
pub(super) fn has_place(html: Option<&Path>) -> Result<(), Failure> {
    match html {
        Some(path) if path == Path::new("-") => {
            Err(Failure::usage("--html needs a file: the result itself goes to standard output")
                .with_hint("name a file, such as `--html certificates.html`"))
        }
        Some(path) => files::has_place(path).map_err(advised),
        None => Ok(()),
    }
}

/// Writes it, for this user alone: it says where private keys lie.
pub(super) fn write(args: &PageArgs, page: &Page<'_>, console: &Console) -> Result<(), Failure> {
    let Some(path) = &args.html else { return Ok(()) };
    save(path, &page::of(page), console)
}

/// The same for a page that is there.
pub(super) fn save(path: &Path, page: &str, console: &Console) -> Result<(), Failure> {
    files::replace(path, page.as_bytes()).map_err(advised)?;
    console.note(&format!("the page is in {}", path.display()));
    Ok(())
}

fn advised(why: files::FileError) -> Failure {
    Failure::from(why).with_hint("name a file in a directory that is there, with room for it")
}
