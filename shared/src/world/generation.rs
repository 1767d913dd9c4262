//! The door to sets of files that only make sense together, such as a key and its certificate.
//!
//! ```text
//! DIR/current -> generations/ID        the one switch
//! DIR/generations/ID/...               whole and on disk before anything points at it
//! DIR/ca.crt -> current/ca.crt         fixed names for those who need them
//! ```
//!
//! A generation is written under a name of its own, flushed, and then one rename switches all its files. After a kill or
//! a power cut at any moment there is the old set or the new one. Old generations stay.
//!
//! Directories are held open and names are looked up in them, so that no symbolic link is followed below `DIR`, also
//! none that appears meanwhile.

mod adopt;
mod place;

pub use adopt::Found;

use super::files::Lock;
use crate::facts::exit::{Exit, Fault};
use place::{Directory, Kind};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// The name of the link to the generation in use.
pub const CURRENT: &str = "current";
/// The directory of all generations.
pub const GENERATIONS: &str = "generations";
/// What a generation is called until it is whole.
const UNFINISHED: &str = ".new-";
/// What a link is called until it replaces another.
const LINK: &str = ".link-";
const LOCK: &str = ".lock";
/// From so many files on the file system is flushed once instead of each file: one is a flush of some milliseconds.
const MANY: usize = 64;

/// Why a set could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    /// The system's word.
    #[error("cannot {doing} {path}", path = .path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's reason.
        #[source]
        source: io::Error,
    },
    /// A symbolic link where none may be.
    #[error("{path} is a symbolic link, and those are not followed here", path = .0.display())]
    Link(PathBuf),
    /// Somebody else owns it.
    #[error("{path} belongs to user {owner}, and this is user {me}", path = .path.display())]
    Owner {
        /// Where.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs this.
        me: u32,
    },
    /// Others could change what is written there.
    #[error("others than its owner can write to {path} (mode {mode:04o})", path = .path.display())]
    Open {
        /// Where.
        path: PathBuf,
        /// Its mode.
        mode: rustix::fs::RawMode,
    },
    /// Something that was not made here stands where a file is to be.
    #[error("{path} is in the way: {what}", path = .path.display())]
    InTheWay {
        /// Where.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Another process.
    #[error(transparent)]
    Locked(#[from] super::files::FileError),
}

impl SetError {
    fn io(doing: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        let source = source.into();
        if source.raw_os_error() == Some(libc::ELOOP) {
            return Self::Link(path.to_owned());
        }
        Self::Io { doing, path: path.to_owned(), source }
    }
}

impl Fault for SetError {
    fn exit(&self) -> Exit {
        match self {
            Self::Io { .. } => Exit::Unexpected,
            Self::Link(_) | Self::Owner { .. } | Self::Open { .. } | Self::InTheWay { .. } => {
                Exit::Refused
            }
            Self::Locked(why) => why.exit(),
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "make room there, or choose another place, and run again"
                }
                io::ErrorKind::ReadOnlyFilesystem => "choose a place that can be written",
                io::ErrorKind::PermissionDenied => {
                    "choose another place, or change its owner or mode"
                }
                _ => return None,
            },
            Self::Link(_) => "name the real place, or remove the link",
            Self::Owner { path, .. } => {
                return Some(format!(
                    "run `chown` for {}, or choose another place",
                    path.display()
                ));
            }
            Self::Open { path, .. } => {
                return Some(format!("run `chmod go-w {}`", path.display()));
            }
            Self::InTheWay { .. } => "move it away, or choose another place",
            Self::Locked(why) => return why.hint(),
        };
        Some(text.to_owned())
    }
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Its owner: 0600.
    Private,
    /// Everybody who gets to it: 0644.
    Public,
}

impl Mode {
    fn bits(self) -> u32 {
        match self {
            Self::Private => 0o600,
            Self::Public => 0o644,
        }
    }
}

/// A file of a generation.
#[derive(Clone, Copy)]
pub struct NewFile<'a> {
    /// Where, relative to the set; components separated by `/`, none of them `.` or `..`.
    pub path: &'a str,
    /// What is in it.
    pub content: &'a [u8],
    /// Who may read it.
    pub mode: Mode,
}

/// A directory with a set, held for this process alone.
pub struct SetDir {
    path: PathBuf,
    root: Directory,
    generations: Directory,
    _lock: Lock,
}

impl SetDir {
    /// Opens the directory, which is made where it is missing, and takes it for this process.
    ///
    /// What an interrupted run left unfinished is removed.
    pub fn open(path: &Path) -> Result<Self, SetError> {
        super::files::private_directory(path)?;
        let root = Directory::open(path)?;
        let lock = Lock::take(&path.join(LOCK))?;
        let generations = root.enter_or_make(GENERATIONS)?;
        for name in generations.names()? {
            if name.starts_with(UNFINISHED) {
                generations.remove_tree(&name)?;
            }
        }
        for name in root.names()? {
            if name.starts_with(LINK) {
                root.remove(&name)?;
            }
        }
        Ok(Self { path: path.to_owned(), root, generations, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The generation in use.
    pub fn current(&self) -> Result<Option<String>, SetError> {
        match self.root.kind(CURRENT)? {
            None => Ok(None),
            Some(Kind::Link(target)) => {
                let id = target.strip_prefix(&format!("{GENERATIONS}/")).map(str::to_owned);
                let id = id.filter(|id| !id.is_empty() && !id.contains('/'));
                let strange = "a link that does not lead to a generation";
                id.map(Some).ok_or_else(|| self.in_the_way(CURRENT, strange))
            }
            Some(_) => Err(self.in_the_way(CURRENT, "it is no link that was made here")),
        }
    }

    /// All whole generations, sorted.
    pub fn generations(&self) -> Result<Vec<String>, SetError> {
        let mut names = self.generations.names()?;
        names.retain(|name| !name.starts_with('.'));
        names.sort();
        Ok(names)
    }

    /// Writes a generation: when this returns, it is whole and on disk, and nothing points at it yet.
    pub fn write(&self, id: &str, files: &[NewFile<'_>]) -> Result<(), SetError> {
        let unfinished = format!("{UNFINISHED}{id}");
        let home = self.generations.make(&unfinished)?;
        let each = files.len() < MANY;
        let mut directories = BTreeSet::new();
        for file in files {
            let (above, name) = file.path.rsplit_once('/').unwrap_or(("", file.path));
            let place = home.enter_all_or_make(above)?;
            let mut prefix = above;
            while !prefix.is_empty() && directories.insert(prefix.to_owned()) {
                prefix = prefix.rsplit_once('/').map_or("", |(above, _)| above);
            }
            place.create(name, file.content, file.mode.bits(), each)?;
        }
        if each {
            for path in directories.iter().rev() {
                home.enter_all_or_make(path)?.flush()?;
            }
            home.flush()?;
        } else {
            home.flush_file_system(&directories)?;
        }
        self.generations.rename(&unfinished, id)?;
        self.generations.flush()
    }

    /// Whether [`SetDir::link`] could give these paths their fixed names: asked before anything is written.
    pub fn check(&self, paths: &[&str]) -> Result<(), SetError> {
        for path in paths {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            let Some(place) = self.root.enter_all(above)? else { continue };
            match place.kind(name)? {
                None => {}
                Some(Kind::Link(there)) if there == link_target(path) => {}
                Some(Kind::File) if self.is_adopted(path)? => {}
                Some(kind) => return Err(self.in_the_way(path, kind.words())),
            }
        }
        Ok(())
    }

    /// Gives these paths of generations fixed names in the directory, as links through [`CURRENT`].
    ///
    /// A name whose file was adopted (see [`SetDir::adopt`]) becomes a link; anything else there is left and refused.
    pub fn link(&self, paths: &[&str]) -> Result<(), SetError> {
        let mut directories = BTreeSet::new();
        for path in paths {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            let place = self.root.enter_all_or_make(above)?;
            let target = link_target(path);
            match place.kind(name)? {
                Some(Kind::Link(there)) if there == target => continue,
                None => place.link(&target, name)?,
                Some(Kind::File) if self.is_adopted(path)? => self.swap(&place, &target, name)?,
                Some(kind) => return Err(self.in_the_way(path, kind.words())),
            }
            directories.insert(above);
        }
        for above in directories {
            self.root.enter_all_or_make(above)?.flush()?;
        }
        self.root.flush()
    }

    /// Makes a generation the one in use, with one rename; it is on disk when this returns.
    pub fn switch(&self, id: &str) -> Result<(), SetError> {
        self.current()?;
        self.swap(&self.root, &format!("{GENERATIONS}/{id}"), CURRENT)?;
        self.root.flush()
    }

    /// Removes fixed names that lead nowhere any more.
    pub fn unlink(&self, paths: &[&str]) -> Result<(), SetError> {
        for path in paths {
            let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
            let Some(place) = self.root.enter_all(above)? else { continue };
            if place.kind(name)? == Some(Kind::Link(link_target(path))) {
                place.remove(name)?;
                place.flush()?;
            }
        }
        Ok(())
    }

    /// Reads a file of a generation; `None` where it has none.
    pub fn read(&self, id: &str, path: &str) -> Result<Option<Vec<u8>>, SetError> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let Some(home) = self.generations.enter(id)? else { return Ok(None) };
        let Some(place) = home.enter_all(above)? else { return Ok(None) };
        place.read(name)
    }

    fn swap(&self, place: &Directory, target: &str, name: &str) -> Result<(), SetError> {
        let beside = format!("{LINK}{}", std::process::id());
        self.root.remove_if_there(&beside)?;
        self.root.link(target, &beside)?;
        self.root.rename_into(&beside, place, name)
    }

    fn in_the_way(&self, path: &str, what: &'static str) -> SetError {
        SetError::InTheWay { path: self.path.join(path), what }
    }
}

/// From a fixed name to its file, through the one link that is switched.
fn link_target(path: &str) -> String {
    let up = "../".repeat(path.matches('/').count());
    format!("{up}{CURRENT}/{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_through_the_switch() {
        assert_eq!(link_target("ca.crt"), "current/ca.crt");
        assert_eq!(link_target("pki/etcd/ca.crt"), "../../current/pki/etcd/ca.crt");
    }
}
