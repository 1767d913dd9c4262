//! The door to files that are looked at and never changed: sets of certificates and whatever lies beside them.
//!
//! Everything is bounded: the size of a file, how many there are, how deep directories go. Links are followed, since
//! fixed names of sets are links and so are the kubelet's; a link that leads in a circle ends at the depth.
#![expect(
    clippy::disallowed_methods,
    reason = "this is a door: files are opened here for reading alone"
)]

use crate::facts::x509::FILE_LIMIT;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// Directories below each other.
const DEPTH: usize = 8;
/// Files of one survey.
const FILES: usize = 50_000;
/// The link to the generation of a set that is in use, and the directory of all of them.
const SET: (&str, &str) = ("current", "generations");

/// What a file holds, or why it cannot be read, in the system's words. It is wiped when it is let go.
pub type Bytes = Result<Zeroizing<Vec<u8>>, String>;

/// A file.
#[derive(Debug)]
pub struct Surveyed {
    /// Its path, as it was named or found.
    pub path: PathBuf,
    /// Whether it was named, not found in a directory.
    pub named: bool,
    /// Permission bits, owner; `None` for standard input.
    pub owner: Option<Owner>,
    /// Its bytes, at most one more than [`FILE_LIMIT`]; or why they cannot be read, in the system's words.
    pub bytes: Bytes,
}

/// Who may do what with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user that it belongs to.
    pub user: u32,
    /// Permission bits, without the kind of file.
    pub mode: u32,
}

/// Files, and the directories in which they were found.
#[derive(Debug, Default)]
pub struct Survey {
    /// In the order in which they were named, those of a directory sorted.
    pub files: Vec<Surveyed>,
    /// Directories with their owners.
    pub directories: Vec<(PathBuf, Owner)>,
}

/// Why there is nothing to look at.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// It is not there, or not to be seen.
    #[error("cannot look at {path}", path = .0.display())]
    Missing(PathBuf, #[source] io::Error),
    /// There is too much.
    #[error("{path} holds more than {FILES} files, or directories more than {DEPTH} deep", path = .0.display())]
    TooMany(PathBuf),
}

impl crate::facts::exit::Fault for SurveyError {
    fn exit(&self) -> crate::facts::exit::Exit {
        crate::facts::exit::Exit::Unexpected
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Missing(..) => {
                "name a file or a directory that is there, `-` for standard input".to_owned()
            }
            Self::TooMany(_) => "name the directories of the certificates themselves".to_owned(),
        })
    }
}

/// The user that this process is.
pub fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Looks at files, directories, or standard input for `-`.
///
/// In a directory with a set of generations only the one in use is looked at. Names that begin with a dot are left out.
pub fn survey(paths: &[PathBuf]) -> Result<Survey, SurveyError> {
    let mut survey = Survey::default();
    for path in paths {
        if path.as_os_str() == "-" {
            survey.standard_input();
            continue;
        }
        let found = fs::metadata(path).map_err(|e| SurveyError::Missing(path.clone(), e))?;
        if found.is_dir() {
            survey.directory(path, path, 0)?;
        } else {
            survey.file(path, true);
        }
    }
    Ok(survey)
}

impl Survey {
    fn standard_input(&mut self) {
        let bytes = bounded(io::stdin().lock());
        self.files.push(Surveyed { path: "-".into(), named: true, owner: None, bytes });
    }

    fn directory(&mut self, path: &Path, named: &Path, depth: usize) -> Result<(), SurveyError> {
        let (current, generations) = SET;
        let live = path.join(current);
        if live.is_symlink() && path.join(generations).is_dir() && live.is_dir() {
            return self.directory(&live, named, depth + 1);
        }
        if depth > DEPTH {
            return Err(SurveyError::TooMany(named.to_owned()));
        }
        let fail = |e| SurveyError::Missing(path.to_owned(), e);
        self.directories.push((path.to_owned(), owner(&fs::metadata(path).map_err(fail)?)));
        let mut entries = fs::read_dir(path)
            .map_err(fail)?
            .map(|entry| entry.map(|e| e.file_name()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(fail)?;
        entries.sort();
        for name in entries {
            if name.to_string_lossy().starts_with('.') {
                continue;
            }
            let below = path.join(&name);
            if self.files.len() == FILES {
                return Err(SurveyError::TooMany(named.to_owned()));
            }
            if below.is_dir() {
                self.directory(&below, named, depth + 1)?;
            } else {
                self.file(&below, false);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, named: bool) {
        let (bytes, owner) = match read(path) {
            Ok((bytes, owner)) => (bytes, Some(owner)),
            Err(why) => (Err(words(&why)), None),
        };
        self.files.push(Surveyed { path: path.to_owned(), named, owner, bytes });
    }
}

/// What a file holds, once it is known to be one: a pipe or a device could keep us for ever.
fn read(path: &Path) -> io::Result<(Bytes, Owner)> {
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok((bounded(file), owner(&found)))
}

fn bounded(reader: impl io::Read) -> Bytes {
    let mut bytes = Zeroizing::new(Vec::new());
    let limit = FILE_LIMIT as u64 + 1;
    reader.take(limit).read_to_end(&mut bytes).map_err(|e| words(&e))?;
    Ok(bytes)
}

fn owner(found: &fs::Metadata) -> Owner {
    Owner { user: found.uid(), mode: found.mode() & 0o7777 }
}

/// The system's reason without its number.
fn words(why: &io::Error) -> String {
    let text = why.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
