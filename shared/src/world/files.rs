//! The door to files: durable, private from the first moment, never through a symbolic link.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the door: files are read and written here and nowhere else"
)]

use crate::facts::exit::{Exit, Fault};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

/// Why a file could not be used: what was meant, where, and the system's reason.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {path}", path = path.display())]
pub struct FileError {
    doing: &'static str,
    path: PathBuf,
    kind: Kind,
    #[source]
    source: io::Error,
}

/// What one can do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Locked,
    Full,
    ReadOnly,
    Denied,
    Link,
    Other,
}

impl FileError {
    fn new(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let kind = match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Kind::Full,
            ErrorKind::ReadOnlyFilesystem => Kind::ReadOnly,
            ErrorKind::PermissionDenied => Kind::Denied,
            ErrorKind::ResourceBusy | ErrorKind::WouldBlock => Kind::Locked,
            _ if source.raw_os_error() == Some(libc::ELOOP) => Kind::Link,
            _ => Kind::Other,
        };
        Self { doing, path: path.to_owned(), kind, source }
    }

    fn link(doing: &'static str, path: &Path) -> Self {
        let source = io::Error::other("it is a symbolic link, and those are not followed here");
        Self { kind: Kind::Link, ..Self::new(doing, path, source) }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is no such file.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == ErrorKind::NotFound
    }

    /// Whether another process holds the lock.
    pub fn is_locked(&self) -> bool {
        self.kind == Kind::Locked
    }
}

impl Fault for FileError {
    fn exit(&self) -> Exit {
        match self.kind {
            Kind::Locked => Exit::Refused,
            Kind::Full | Kind::ReadOnly | Kind::Denied | Kind::Link | Kind::Other => {
                Exit::Unexpected
            }
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self.kind {
            Kind::Locked => "wait until it has ended, or look at what it does",
            Kind::Full => "make room there, or choose another place, and run again",
            Kind::ReadOnly => "choose a place that can be written",
            Kind::Denied => "choose another place, or change its owner or mode",
            Kind::Link => "name the real place, or remove the link",
            Kind::Other => return None,
        };
        Some(text.to_owned())
    }
}

/// Makes a directory and those above it, for this user alone; one that is there is left as it is.
pub fn private_directory(path: &Path) -> Result<(), FileError> {
    let fail = |e| FileError::new("make the directory", path, e);
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(fail)?;
    let meta = fs::symlink_metadata(path).map_err(fail)?;
    if meta.is_symlink() {
        return Err(FileError::link("use the directory", path));
    }
    Ok(())
}

/// Makes a directory for this user alone; refused where there is something of its name.
pub fn new_private_directory(path: &Path) -> Result<(), FileError> {
    let fail = |e| FileError::new("make the directory", path, e);
    DirBuilder::new().mode(0o700).create(path).map_err(fail)
}

/// Names of what is in a directory of our own; none where it cannot be read.
pub fn names(path: &Path) -> Vec<std::ffi::OsString> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}

/// Removes a directory of our own with what is in it, as far as that is possible.
pub fn remove_directory(path: &Path) {
    let _ = fs::remove_dir_all(path);
}

/// Reads text; `None` where there is no file.
pub fn read_if_there(path: &Path) -> Result<Option<String>, FileError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(FileError::new("read", path, e)),
    }
}

/// Reads text.
pub fn read(path: &Path) -> Result<String, FileError> {
    fs::read_to_string(path).map_err(|e| FileError::new("read", path, e))
}

/// Reads text that a person names: a file, or standard input for `-`.
pub fn read_named(path: &Path) -> Result<String, FileError> {
    if path.as_os_str() != "-" {
        return read(path);
    }
    let mut text = String::new();
    let read = io::stdin().lock().read_to_string(&mut text);
    read.map_err(|e| FileError::new("read", Path::new("standard input"), e))?;
    Ok(text)
}

/// Files of a directory whose names end so, sorted; none where there is no such directory.
pub fn names_ending(directory: &Path, suffix: &str) -> Result<Vec<PathBuf>, FileError> {
    let fail = |e| FileError::new("list", directory, e);
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(fail(e)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(fail)?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(suffix)) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Replaces a file as a whole: after a crash there is the old content or the new, never a part.
///
/// The new file is private; the rename is on disk when this returns.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), FileError> {
    replace_with(path, content, 0o600)
}

/// The same for a file that is no secret: others read it, as a monitoring agent does. The umask is not asked.
pub fn publish(path: &Path, content: &[u8]) -> Result<(), FileError> {
    replace_with(path, content, 0o644)
}

/// Whether [`replace`] has a place for this file, as far as can be seen: said before the work that would be lost.
pub fn has_place(path: &Path) -> Result<(), FileError> {
    let fail = |e| FileError::new("write", path, e);
    refuse_link("write", path)?;
    let (directory, _) = split(path).map_err(fail)?;
    if path.is_dir() {
        return Err(fail(ErrorKind::IsADirectory.into()));
    }
    let directory = fs::metadata(directory).map_err(fail)?;
    if directory.is_dir() { Ok(()) } else { Err(fail(ErrorKind::NotADirectory.into())) }
}

fn replace_with(path: &Path, content: &[u8], mode: u32) -> Result<(), FileError> {
    let fail = |e| FileError::new("write", path, e);
    refuse_link("write", path)?;
    let (directory, name) = split(path).map_err(fail)?;
    let mut beside = None;
    for number in 0..100_u32 {
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{number}", std::process::id()));
        let candidate = directory.join(hidden);
        match private(OpenOptions::new().write(true).create_new(true)).open(&candidate) {
            Ok(file) => {
                beside = Some((candidate, file));
                break;
            }
            // The trace of a crash.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(fail(e)),
        }
    }
    let Some((beside, mut file)) = beside else {
        return Err(fail(io::Error::other("too many unfinished copies beside it")));
    };
    let written = file
        .write_all(content)
        .and_then(|()| file.set_permissions(fs::Permissions::from_mode(mode)))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if let Err(e) = written {
        let _ = fs::remove_file(&beside);
        return Err(fail(e));
    }
    sync_directory(directory).map_err(fail)
}

/// Removes a file; one that is not there is no error.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(FileError::new("remove", path, e)),
        _ => Ok(()),
    }
}

/// Creates a file that must not be there yet, durably.
pub fn create_new(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let fail = |e| FileError::new("create", path, e);
    let (directory, _) = split(path).map_err(fail)?;
    let mut file =
        private(OpenOptions::new().write(true).create_new(true)).open(path).map_err(fail)?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_directory(directory))
        .map_err(fail)
}

/// A file that only grows, and that no other process appends to.
#[derive(Debug)]
pub struct AppendFile {
    path: PathBuf,
    file: File,
    length: u64,
}

impl AppendFile {
    /// Opens it for this process alone, and makes it, for this user alone, if it is not there.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let fail = |e| FileError::new("open", path, e);
        refuse_link("open", path)?;
        let (directory, _) = split(path).map_err(fail)?;
        let file = private(OpenOptions::new().read(true).append(true).create(true))
            .open(path)
            .map_err(fail)?;
        let opened = file.metadata().map_err(fail)?;
        if !opened.is_file() {
            return Err(fail(io::Error::other("it is not a regular file")));
        }
        lock(&file, path)?;
        sync_directory(directory).map_err(fail)?;
        Ok(Self { path: path.to_owned(), file, length: opened.len() })
    }

    /// What is in it.
    pub fn read(&mut self) -> Result<String, FileError> {
        let mut text = String::new();
        self.file
            .seek(io::SeekFrom::Start(0))
            .and_then(|_| self.file.read_to_string(&mut text))
            .map_err(|e| FileError::new("read", &self.path, e))?;
        Ok(text)
    }

    /// Appends, and returns when it is on disk. What could not be written whole is taken back.
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => {
                self.length += bytes.len() as u64;
                Ok(())
            }
            Err(e) => {
                let _ = self.file.set_len(self.length);
                Err(FileError::new("append to", &self.path, e))
            }
        }
    }

    /// Cuts off what stands behind the last line feed: the trace of a kill in the middle of a write.
    pub fn cut_torn_line(&mut self) -> Result<(), FileError> {
        let text = self.read()?;
        let whole = text.rfind('\n').map_or(0, |at| at + 1) as u64;
        if whole < self.length {
            self.file
                .set_len(whole)
                .and_then(|()| self.file.sync_data())
                .map_err(|e| FileError::new("repair", &self.path, e))?;
            self.length = whole;
        }
        Ok(())
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Holds a name for this process; given back when dropped, or when the process ends in whatever way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock; the error says which process holds it.
    pub fn take(path: &Path) -> Result<Self, FileError> {
        refuse_link("lock", path)?;
        let fail = |e| FileError::new("lock", path, e);
        let mut options = OpenOptions::new();
        let mut file = private(options.read(true).write(true).create(true).truncate(false))
            .open(path)
            .map_err(fail)?;
        lock(&file, path)?;
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .and_then(|()| file.sync_data())
            .map_err(fail)?;
        Ok(Self { _file: file })
    }
}

fn lock(file: &File, path: &Path) -> Result<(), FileError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let holder = holder_of(file);
            let who =
                holder.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"));
            let source = io::Error::new(ErrorKind::ResourceBusy, format!("{who} is using it"));
            Err(FileError::new("lock", path, source))
        }
        Err(TryLockError::Error(e)) => Err(FileError::new("lock", path, e)),
    }
}

/// The process that the kernel names as the holder, else the one that wrote its number into the file.
fn holder_of(file: &File) -> Option<u32> {
    let inode = file.metadata().ok()?.ino();
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    // `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`
    let listed = locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip(4);
        let pid = words.next()?.parse().ok()?;
        let of = words.next()?.rsplit(':').next()?.parse::<u64>().ok()?;
        (of == inode).then_some(pid)
    });
    let written = || {
        let mut text = String::new();
        let mut file = file;
        file.seek(io::SeekFrom::Start(0)).ok()?;
        file.take(32).read_to_string(&mut text).ok()?;
        text.trim().parse().ok()
    };
    listed.or_else(written)
}

/// For this user alone, and never through a link, even one that appears after the look at it.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options.mode(0o600).custom_flags(libc::O_NOFOLLOW)
}

fn refuse_link(doing: &'static str, path: &Path) -> Result<(), FileError> {
    match fs::symlink_metadata(path) {
        Ok(meta) if meta.is_symlink() => Err(FileError::link(doing, path)),
        Ok(_) => Ok(()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(FileError::new(doing, path, e)),
    }
}

fn split(path: &Path) -> io::Result<(&Path, &std::ffi::OsStr)> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "it names no file"))?;
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    Ok((directory, name))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        // Some file systems have nothing to sync for a directory.
        Err(e) if e.kind() == ErrorKind::InvalidInput => Ok(()),
        other => other,
    }
}

/// Bytes that may be secret: wiped when they are let go.
pub type Secret = zeroize::Zeroizing<Vec<u8>>;

/// Bytes that a file with keys or certificates may have: a system's whole bundle is below 1 MiB.
const SECRET_LIMIT: u64 = 16 << 20;

fn read_secret_from(
    path: &Path,
    length: u64,
    mut source: impl io::Read,
) -> Result<Secret, FileError> {
    let fail = |e| FileError::new("read", path, e);
    // All room at once: what grows leaves copies behind that nobody wipes.
    let room = usize::try_from(length.min(SECRET_LIMIT)).unwrap_or(0);
    let mut bytes = Secret::new(Vec::with_capacity(room.max(64 << 10) + 1));
    source.by_ref().take(SECRET_LIMIT + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > SECRET_LIMIT {
        return Err(fail(io::Error::other("it is longer than any file of keys or certificates")));
    }
    Ok(bytes)
}

/// Reads bytes that may be secret; `None` where there is no file, or a directory.
pub fn read_secret_if_there(path: &Path) -> Result<Option<Secret>, FileError> {
    match File::open(path) {
        Ok(file) => {
            let meta = file.metadata().map_err(|e| FileError::new("read", path, e))?;
            if meta.is_dir() {
                return Ok(None);
            }
            read_secret_from(path, meta.len(), file).map(Some)
        }
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(FileError::new("read", path, e)),
    }
}

/// Reads bytes that may be secret from what a person names: a file, or standard input for `-`.
pub fn read_secret_named(path: &Path) -> Result<Secret, FileError> {
    if path.as_os_str() == "-" {
        return read_secret_from(Path::new("standard input"), 0, io::stdin().lock());
    }
    let there = read_secret_if_there(path)?;
    let why = if path.is_dir() { ErrorKind::IsADirectory } else { ErrorKind::NotFound };
    there.ok_or_else(|| FileError::new("read", path, why.into()))
}

/// Where a symbolic link leads; `None` where there is none.
pub fn link_target(path: &Path) -> Result<Option<PathBuf>, FileError> {
    match fs::read_link(path) {
        Ok(target) => Ok(Some(target)),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::InvalidInput) => Ok(None),
        Err(e) => Err(FileError::new("look at", path, e)),
    }
}
