//! A directory that is held open, and what can be done in it without following a link.

use super::SetError;
use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

/// What stands at a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Link(String),
    Other,
}

impl Kind {
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::File => "a file that was not made here",
            Self::Directory => "it is a directory",
            Self::Link(_) => "a link that was not made here",
            Self::Other => "it is neither a file nor a directory",
        }
    }
}

/// A directory of this user, held open.
pub(super) struct Directory {
    fd: OwnedFd,
    /// For messages only.
    path: PathBuf,
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Directory {
    /// Opens a directory that is this user's, and that nobody else can write to.
    pub(super) fn open(path: &Path) -> Result<Self, SetError> {
        let fd = fs::open(path, DIRECTORY, Mode::empty());
        let fd = fd.map_err(|e| SetError::io("open the directory", path, e))?;
        Self { fd, path: path.to_owned() }.checked()
    }

    fn checked(self) -> Result<Self, SetError> {
        let stat = fs::fstat(&self.fd).map_err(|e| SetError::io("look at", &self.path, e))?;
        let me = rustix::process::geteuid().as_raw();
        if stat.st_uid != me {
            return Err(SetError::Owner { path: self.path, owner: stat.st_uid, me });
        }
        let mode = Mode::from_raw_mode(stat.st_mode).bits();
        if mode & 0o022 != 0 {
            return Err(SetError::Open { path: self.path, mode });
        }
        Ok(self)
    }

    fn at(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The directory of this name in it; `None` where there is none.
    pub(super) fn enter(&self, name: &str) -> Result<Option<Self>, SetError> {
        match fs::openat(&self.fd, name, DIRECTORY, Mode::empty()) {
            Ok(fd) => Self { fd, path: self.at(name) }.checked().map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR) => match self.kind(name)? {
                Some(Kind::Link(_)) => Err(SetError::Link(self.at(name))),
                _ => Err(SetError::io("open the directory", &self.at(name), Errno::NOTDIR)),
            },
            Err(e) => Err(SetError::io("open the directory", &self.at(name), e)),
        }
    }

    /// Makes a directory that must not be there yet, for this user alone.
    pub(super) fn make(&self, name: &str) -> Result<Self, SetError> {
        fs::mkdirat(&self.fd, name, Mode::from_raw_mode(0o700))
            .map_err(|e| SetError::io("make the directory", &self.at(name), e))?;
        let made = self.enter(name)?;
        made.ok_or_else(|| SetError::io("open the directory", &self.at(name), Errno::NOENT))
    }

    pub(super) fn enter_or_make(&self, name: &str) -> Result<Self, SetError> {
        if let Some(there) = self.enter(name)? {
            return Ok(there);
        }
        let made = self.make(name)?;
        self.flush()?;
        Ok(made)
    }

    /// The directory at the end of a relative path; the empty path is this one.
    pub(super) fn enter_all(&self, path: &str) -> Result<Option<Self>, SetError> {
        let mut here = self.again()?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            match here.enter(name)? {
                Some(next) => here = next,
                None => return Ok(None),
            }
        }
        Ok(Some(here))
    }

    pub(super) fn enter_all_or_make(&self, path: &str) -> Result<Self, SetError> {
        let mut here = self.again()?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            here = match here.enter(name)? {
                Some(next) => next,
                None => here.make(name)?,
            };
        }
        Ok(here)
    }

    fn again(&self) -> Result<Self, SetError> {
        let fd = self.fd.try_clone().map_err(|e| SetError::io("open", &self.path, e))?;
        Ok(Self { fd, path: self.path.clone() })
    }

    pub(super) fn names(&self) -> Result<Vec<String>, SetError> {
        let fail = |e| SetError::io("list", &self.path, e);
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name().to_string_lossy().into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        Ok(names)
    }

    pub(super) fn kind(&self, name: &str) -> Result<Option<Kind>, SetError> {
        let fail = |e| SetError::io("look at", &self.at(name), e);
        let stat = match fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(fail(e)),
        };
        Ok(Some(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => {
                let target = fs::readlinkat(&self.fd, name, Vec::new()).map_err(fail)?;
                Kind::Link(target.to_string_lossy().into_owned())
            }
            _ => Kind::Other,
        }))
    }

    /// Creates a file that must not be there yet; on disk when this returns, if `flush`.
    pub(super) fn create(
        &self,
        name: &str,
        content: &[u8],
        mode: u32,
        flush: bool,
    ) -> Result<(), SetError> {
        let fail = |e: std::io::Error| SetError::io("write", &self.at(name), e);
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = fs::openat(&self.fd, name, flags, Mode::from_raw_mode(0o600));
        let mut file = std::fs::File::from(fd.map_err(|e| fail(e.into()))?);
        file.write_all(content).map_err(fail)?;
        // The umask has its say on creation; the mode of a key is not its business.
        fs::fchmod(file.as_fd(), Mode::from_raw_mode(mode)).map_err(|e| fail(e.into()))?;
        if flush { file.sync_all().map_err(fail) } else { Ok(()) }
    }

    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, SetError> {
        let fail = |e: std::io::Error| SetError::io("read", &self.at(name), e);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = match fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(e) => return Err(fail(e.into())),
        };
        let mut content = Vec::new();
        std::fs::File::from(fd).read_to_end(&mut content).map_err(fail)?;
        Ok(Some(content))
    }

    pub(super) fn link(&self, target: &str, name: &str) -> Result<(), SetError> {
        fs::symlinkat(target, &self.fd, name).map_err(|e| SetError::io("link", &self.at(name), e))
    }

    pub(super) fn rename(&self, old: &str, new: &str) -> Result<(), SetError> {
        self.rename_into(old, self, new)
    }

    pub(super) fn rename_into(&self, old: &str, to: &Self, new: &str) -> Result<(), SetError> {
        fs::renameat(&self.fd, old, &to.fd, new).map_err(|e| SetError::io("name", &to.at(new), e))
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), SetError> {
        let removed = fs::unlinkat(&self.fd, name, AtFlags::empty());
        removed.map_err(|e| SetError::io("remove", &self.at(name), e))
    }

    pub(super) fn remove_if_there(&self, name: &str) -> Result<(), SetError> {
        if self.kind(name)?.is_some() { self.remove(name) } else { Ok(()) }
    }

    pub(super) fn remove_tree(&self, name: &str) -> Result<(), SetError> {
        if self.kind(name)? != Some(Kind::Directory) {
            return self.remove(name);
        }
        if let Some(inner) = self.enter(name)? {
            for entry in inner.names()? {
                inner.remove_tree(&entry)?;
            }
        }
        let removed = fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR);
        removed.map_err(|e| SetError::io("remove", &self.at(name), e))
    }

    pub(super) fn flush(&self) -> Result<(), SetError> {
        match fs::fsync(&self.fd) {
            // Some file systems have nothing to flush for a directory.
            Ok(()) | Err(Errno::INVAL) => Ok(()),
            Err(e) => Err(SetError::io("flush", &self.path, e)),
        }
    }

    /// Everything below, at once.
    #[cfg(target_os = "linux")]
    pub(super) fn flush_file_system(&self, _: &BTreeSet<String>) -> Result<(), SetError> {
        fs::syncfs(&self.fd).map_err(|e| SetError::io("flush", &self.path, e))
    }

    /// Everything below, one by one: only Linux flushes a file system and tells whether that worked.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn flush_file_system(&self, directories: &BTreeSet<String>) -> Result<(), SetError> {
        for path in directories.iter().rev().map(String::as_str).chain([""]) {
            let place = self.enter_all_or_make(path)?;
            for name in place.names()? {
                if place.kind(&name)? == Some(Kind::File) {
                    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                    fs::openat(&place.fd, &name, flags, Mode::empty())
                        .and_then(|fd| fs::fsync(fd))
                        .map_err(|e| SetError::io("flush", &place.at(&name), e))?;
                }
            }
            place.flush()?;
        }
        Ok(())
    }
}
