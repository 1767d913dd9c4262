//! Files: the only place that reads and writes them.
//!
//! What is written here can matter after a power cut: a journal's line is on disk before the call returns. Directories
//! are made for their owner alone, files too; a symbolic link is never followed to write.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the door: files are read and written here and nowhere else"
)]

use crate::facts::exit::{Exit, Fault};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// More than any plan, preset table or journal of ours; a larger file is a mistake.
const LARGEST: u64 = 256 << 20;

/// What went wrong with a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be used.
    #[error("cannot {what} `{path}`", path = path.display())]
    Io {
        /// What was tried, for example `read`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what it should be.
    #[error("cannot use `{path}`: {why}", path = path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        why: String,
    },
    /// Another process holds the lock.
    #[error("another run is under way: {holder} (lock `{path}`)", path = path.display())]
    Held {
        /// The lock.
        path: PathBuf,
        /// Who holds it, as it wrote itself down.
        holder: String,
    },
}

impl Fault for FileError {
    fn exit(&self) -> Exit {
        match self {
            Self::Io { .. } | Self::Kind { .. } => Exit::Unexpected,
            Self::Held { .. } => Exit::Refused,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    Some("make room on that file system, then run it again".to_owned())
                }
                io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                    Some("journals are kept under $XDG_STATE_HOME, or ~/.local/state; point XDG_STATE_HOME to a directory of your own".to_owned())
                }
                _ => None,
            },
            Self::Kind { .. } => None,
            Self::Held { .. } => Some("wait until it has ended, or end it; a lock of a dead process is no lock".to_owned()),
        }
    }
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io { what, path, source }
}

/// Reads a text file; `-` is standard input.
pub fn read_text(path: &Path) -> Result<String, FileError> {
    let fail = |source| io_error("read", path)(source);
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        io::stdin().lock().take(LARGEST + 1).read_to_string(&mut text)
    } else {
        let file = File::open(path).map_err(fail)?;
        let kind = file.metadata().map_err(fail)?;
        if kind.is_dir() {
            return Err(FileError::Kind {
                path: path.to_owned(),
                why: "it is a directory".to_owned(),
            });
        }
        file.take(LARGEST + 1).read_to_string(&mut text)
    };
    if read.map_err(fail)? as u64 > LARGEST {
        return Err(FileError::Kind { path: path.to_owned(), why: "it is too large".to_owned() });
    }
    Ok(text)
}

/// Makes a directory that only its owner may enter, and those above it.
///
/// An existing one that others may write to is refused: somebody else could have put something into it.
pub fn private_dir(path: &Path) -> Result<(), FileError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(io_error("create directory", path))?;
    let meta = fs::symlink_metadata(path).map_err(io_error("look at", path))?;
    let kind = |why: &str| FileError::Kind { path: path.to_owned(), why: why.to_owned() };
    if !meta.is_dir() {
        return Err(kind("it is not a directory"));
    }
    if meta.permissions().mode() & 0o022 != 0 {
        return Err(kind("others may write to it; run `chmod go-w` on it"));
    }
    Ok(())
}

/// Names in a directory that end so, sorted; none where there is no such directory.
pub fn names_ending(directory: &Path, suffix: &str) -> Result<Vec<PathBuf>, FileError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read directory", directory)(error)),
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(io_error("read directory", directory))?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(suffix)) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Writes a new file for its owner alone, on disk before it returns; an existing one is never touched.
pub fn write_new(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut file = create_new(path)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(io_error("write", path))?;
    sync_parent(path)
}

fn create_new(path: &Path) -> Result<File, FileError> {
    // `create_new` does not follow a link that somebody may have put there.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(io_error("create", path))
}

/// A new name is on disk only when its directory is.
fn sync_parent(path: &Path) -> Result<(), FileError> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|d| d.sync_all()).map_err(io_error("write directory", parent))
}

/// A file that only grows.
#[derive(Debug)]
pub struct Appender {
    file: File,
    path: PathBuf,
}

impl Appender {
    /// Begins a new file.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        let file = create_new(path)?;
        sync_parent(path)?;
        Ok(Self { file, path: path.to_owned() })
    }

    /// Appends text; it is on disk when this returns.
    pub fn append(&mut self, text: &str) -> io::Result<()> {
        self.file.write_all(text.as_bytes())?;
        self.file.sync_data()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A lock that ends with the process that holds it, however that ends.
#[derive(Debug)]
pub struct Lock {
    // Held as long as it is open.
    _file: File,
}

impl Lock {
    /// Takes the lock, and writes down who holds it; fails at once where another process has it.
    pub fn take(path: &Path, holder: &str) -> Result<Self, FileError> {
        let fail = |source| io_error("lock", path)(source);
        let open = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path);
        let mut file = open.map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Who holds it is only told; an unreadable name changes nothing.
                let _ = (&file).take(200).read_to_string(&mut text);
                let holder = if text.trim().is_empty() {
                    "of another process".to_owned()
                } else {
                    text.trim().to_owned()
                };
                return Err(FileError::Held { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(fail(source)),
        }
        let write =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{holder}"));
        write.map_err(fail)?;
        Ok(Self { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn directories_and_files_are_their_owners_alone() {
        let base = tempfile::tempdir().expect("a directory");
        let dir = base.path().join("a/b");
        private_dir(&dir).expect("made");
        private_dir(&dir).expect("there already");
        write_new(&dir.join("x"), b"y").expect("written");
        assert_eq!((mode(&dir), mode(&dir.join("x"))), (0o700, 0o600));
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).expect("chmod");
        let error = private_dir(&dir).expect_err("others may write").to_string();
        assert!(error.contains("others may write to it"), "{error}");
    }

    #[test]
    fn an_existing_file_or_link_is_never_written_to() {
        let base = tempfile::tempdir().expect("a directory");
        let (victim, link) = (base.path().join("victim"), base.path().join("link"));
        fs::write(&victim, "mine").expect("written");
        std::os::unix::fs::symlink(&victim, &link).expect("linked");
        for path in [&victim, &link] {
            assert!(write_new(path, b"x").is_err());
            assert!(Appender::create(path).is_err());
        }
        assert_eq!(fs::read_to_string(&victim).expect("read"), "mine");
    }

    #[test]
    fn what_is_appended_stays() {
        let base = tempfile::tempdir().expect("a directory");
        let path = base.path().join("journal");
        let mut appender = Appender::create(&path).expect("new");
        appender.append("a\n").expect("appended");
        appender.append("b\n").expect("appended");
        assert_eq!(read_text(appender.path()).expect("read"), "a\nb\n");
        assert_eq!(names_ending(base.path(), "nal").expect("listed"), [path]);
        assert!(names_ending(&base.path().join("none"), "x").expect("listed").is_empty());
    }

    #[test]
    fn a_second_holder_is_told_who_holds_it() {
        let base = tempfile::tempdir().expect("a directory");
        let path = base.path().join("lock");
        let held = Lock::take(&path, "process 1, since noon").expect("free");
        let error = Lock::take(&path, "process 2").expect_err("held");
        assert_eq!(error.exit(), Exit::Refused);
        assert!(error.to_string().contains("process 1, since noon"), "{error}");
        drop(held);
        Lock::take(&path, "process 2").expect("free again");
    }

    #[test]
    fn a_full_disk_is_told_with_what_helps() {
        let full = FileError::Io {
            what: "write",
            path: "/x".into(),
            source: io::ErrorKind::StorageFull.into(),
        };
        assert!(full.hint().expect("a hint").contains("make room"));
        let error = read_text(Path::new("/")).expect_err("a directory").to_string();
        assert!(error.contains("it is a directory"), "{error}");
    }
}
