//! Files that another tool wrote at the fixed names: they become a generation before anything replaces them.

use super::place::Kind;
use super::{Mode, NewFile, SetDir, SetError};

/// What stands at fixed names and was not made here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The paths of files.
    pub files: Vec<String>,
}

impl SetDir {
    /// Which of these fixed names are files, not links that were made here.
    pub fn foreign(&self, paths: &[&str]) -> Result<Found, SetError> {
        let mut files = Vec::new();
        for path in paths {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            let Some(place) = self.root.enter_all(above)? else { continue };
            if place.kind(name)? == Some(Kind::File) {
                files.push((*path).to_owned());
            }
        }
        Ok(Found { files })
    }

    /// Makes files that stand at fixed names the generation `id`, and that the one in use; names and contents stay.
    ///
    /// Whoever reads a fixed name meanwhile reads the same content before and after, so nothing is ever torn.
    pub fn adopt(&self, id: &str, found: &Found) -> Result<(), SetError> {
        let mut contents = Vec::new();
        for path in &found.files {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            let content = match self.root.enter_all(above)? {
                Some(place) => place.read(name)?,
                None => None,
            };
            contents.push((path, zeroize::Zeroizing::new(content.unwrap_or_default())));
        }
        // Which of them are secret is not known here.
        let files: Vec<NewFile<'_>> = contents
            .iter()
            .map(|(path, content)| NewFile { path, content, mode: Mode::Private })
            .collect();
        self.write(id, &files)?;
        self.switch(id)?;
        let paths: Vec<&str> = found.files.iter().map(String::as_str).collect();
        self.link(&paths)
    }

    /// Whether the file at this fixed name is what the generation in use holds: then a link says the same.
    pub(super) fn is_adopted(&self, path: &str) -> Result<bool, SetError> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(id) = self.current()? else { return Ok(false) };
        let kept = self.read(&id, path)?.map(zeroize::Zeroizing::new);
        let there = match self.root.enter_all(above)? {
            Some(place) => place.read(name)?.map(zeroize::Zeroizing::new),
            None => None,
        };
        Ok(kept.is_some() && kept == there)
    }
}
