//! Act: the files become a generation, and the one in use.

use crate::generate::{render, set};
use rotation_core::cli::console::Console;
use rotation_core::cli::failure::Failure;
use rotation_core::world::files;
use rotation_core::world::generation::{GENERATIONS, NewFile, SetDir};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What is to be written.
pub(super) struct Job<'a> {
    pub(super) directory: &'a Path,
    pub(super) generation: &'a str,
    pub(super) files: &'a [render::File],
    pub(super) fixed_names: bool,
    pub(super) switch: bool,
}

/// What was written.
pub(super) struct Done {
    directory: PathBuf,
    generation: String,
    switched: bool,
    /// Older generations that are kept.
    kept: Vec<String>,
    adopted: Option<String>,
}

/// The generation in use, without touching anything.
pub(super) fn current(directory: &Path) -> Result<Option<String>, Failure> {
    Ok(files::link_target(&directory.join("current"))?.and_then(|target| {
        target.to_string_lossy().strip_prefix(&format!("{GENERATIONS}/")).map(str::to_owned)
    }))
}

/// Writes. `look` sees under the lock whether somebody else was faster; it is told whether foreign files are there.
pub(super) fn write(
    job: &Job<'_>,
    look: impl FnOnce(bool) -> Result<(), Failure>,
) -> Result<Done, Failure> {
    let set = SetDir::open(job.directory)?;
    let paths: Vec<&str> = job.files.iter().map(|file| file.path.as_str()).collect();
    let fixed: Vec<&str> =
        paths.iter().copied().filter(|path| job.fixed_names && *path != set::FILE).collect();
    let foreign = set.foreign(&fixed)?;
    let before = set.current()?;
    look(!foreign.files.is_empty() && before.is_none())?;
    let mut adopted = None;
    if before.is_none() && !foreign.files.is_empty() && job.switch {
        let id = format!("found-{}", job.generation);
        set.adopt(&id, &foreign)?;
        adopted = Some(id);
    }
    if job.switch {
        set.check(&fixed)?;
    }
    let files: Vec<NewFile<'_>> = job
        .files
        .iter()
        .map(|file| NewFile { path: &file.path, content: &file.content, mode: file.mode })
        .collect();
    set.write(job.generation, &files)?;
    if job.switch {
        set.link(&fixed)?;
        set.switch(job.generation)?;
        let gone = no_longer(&set, before.as_deref(), &fixed)?;
        set.unlink(&gone.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    read_again(&set, job)?;
    let mut kept = set.generations()?;
    kept.retain(|id| id != job.generation);
    Ok(Done {
        directory: job.directory.to_owned(),
        generation: job.generation.to_owned(),
        switched: job.switch,
        kept,
        adopted,
    })
}

/// The parts of `set.json` that matter to the next generation.
#[derive(Deserialize)]
struct Described {
    #[serde(default)]
    files: Vec<String>,
}

/// Fixed names that the generation before had, and this one does not.
fn no_longer(set: &SetDir, before: Option<&str>, now: &[&str]) -> Result<Vec<String>, Failure> {
    let Some(before) = before else { return Ok(Vec::new()) };
    let Some(text) = set.read(before, set::FILE)? else { return Ok(Vec::new()) };
    // A description that cannot be read costs tidiness only.
    let described = serde_json::from_slice(&text).unwrap_or(Described { files: Vec::new() });
    let gone =
        |path: &String| crate::layout::path::check(path).is_ok() && !now.contains(&path.as_str());
    Ok(described.files.into_iter().filter(gone).collect())
}

/// What was acknowledged is what is there.
fn read_again(set: &SetDir, job: &Job<'_>) -> Result<(), Failure> {
    for file in job.files {
        let there = set.read(job.generation, &file.path)?.map(zeroize::Zeroizing::new);
        if there.as_ref().map(|t| t.as_slice()) != Some(file.content.as_slice()) {
            return Err(Failure::unexpected(format!(
                "{} does not hold what was written to it",
                job.directory.join(GENERATIONS).join(job.generation).join(&file.path).display()
            )));
        }
    }
    if job.switch && set.current()?.as_deref() != Some(job.generation) {
        return Err(Failure::unexpected(
            "the new generation was written and is not the one in use",
        ));
    }
    Ok(())
}

impl Done {
    /// Says where it is.
    pub(super) fn tell(&self, console: &Console) {
        let place = self.directory.join(GENERATIONS).join(&self.generation);
        if let Some(id) = &self.adopted {
            console.note(&format!("the files that were there are kept as generation {id}"));
        }
        if self.switched {
            console.note(&format!(
                "{} -> {}",
                self.directory.join("current").display(),
                place.display()
            ));
        } else {
            console.note(&format!(
                "keys and requests are in {}; nothing was switched",
                place.display()
            ));
        }
        if !self.kept.is_empty() {
            console.note(&format!("kept: {}", self.kept.join(", ")));
        }
    }
}
