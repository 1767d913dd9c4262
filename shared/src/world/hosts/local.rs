//! The door to a machine's files below a directory: this machine's own root, a mounted image, a copied tree.
//!
//! Links are followed as the machine itself would: absolute ones begin at the directory, and none leads out of it.
//! Everything is bounded: the size of a file, links in a row, names of a directory. Nothing is opened that could wait.
#![expect(
    clippy::disallowed_methods,
    reason = "this is a door: files are opened here for reading alone"
)]

use crate::facts::host::{FileFault, FileSeen, HOST_FILE_LIMIT, HostSeen, ProcessSeen, name_fits};
use jiff::Timestamp;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};
use zeroize::Zeroizing;

/// Links in a row, as Linux itself follows.
const LINKS: usize = 40;
/// Names of one directory that a pattern looks at.
const NAMES: usize = 10_000;
/// Where the system can, not even the time of the last access changes.
#[cfg(target_os = "linux")]
const UNSEEN: i32 = libc::O_NOATIME;
#[cfg(not(target_os = "linux"))]
const UNSEEN: i32 = 0;

/// Whether a directory can be looked at; otherwise why not.
pub fn directory(root: &Path) -> Result<(), FileFault> {
    fs::read_dir(root).map(|_| ()).map_err(|why| match why.kind() {
        ErrorKind::NotADirectory => FileFault::Other("it is no directory".to_owned()),
        _ => fault(&why),
    })
}

/// Looks at files by patterns of absolute paths, in which `*` stands for a part of a name.
pub fn look(root: &Path, patterns: &[String]) -> HostSeen {
    let mut seen = HostSeen::default();
    for pattern in patterns {
        if seen.files.contains_key(pattern) {
            continue;
        }
        if pattern.contains('*') {
            expand(root, pattern, &mut seen);
        } else {
            seen.files.insert(pattern.clone(), file(root, pattern));
        }
    }
    seen
}

/// A pattern's files; a directory that may not be listed is in the result under the pattern itself.
fn expand(root: &Path, pattern: &str, seen: &mut HostSeen) {
    let mut found: Vec<String> = vec![String::new()];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let mut next = Vec::new();
        for above in found {
            if !part.contains('*') {
                next.push(format!("{above}/{part}"));
                continue;
            }
            match names(root, &above) {
                Ok(names) => next.extend(
                    names.iter().filter(|n| name_fits(part, n)).map(|n| format!("{above}/{n}")),
                ),
                Err(FileFault::Absent | FileFault::Special) => {}
                Err(fault) => {
                    seen.files.insert(pattern.to_owned(), FileSeen::fault(fault));
                }
            }
        }
        found = next;
    }
    for path in found {
        let file = file(root, &path);
        // A name in the middle of a pattern need not be there in every directory.
        if file.is_there() && !matches!(file.content, Err(FileFault::Directory)) {
            seen.files.entry(path).or_insert(file);
        }
    }
}

fn names(root: &Path, directory: &str) -> Result<Vec<String>, FileFault> {
    let real = resolve(root, directory, &mut Link::default())?;
    let mut names = Vec::new();
    for entry in fs::read_dir(real).map_err(|why| fault(&why))? {
        let name = entry.map_err(|why| fault(&why))?.file_name();
        // A name that is no text cannot be asked for by any program that we know.
        names.extend(name.into_string());
        if names.len() > NAMES {
            return Err(FileFault::Other(format!("it has more than {NAMES} entries")));
        }
    }
    names.sort();
    Ok(names)
}

/// The link at a path itself, as opposed to those of directories above it.
#[derive(Default)]
struct Link {
    target: Option<String>,
    modified: Option<Timestamp>,
}

/// Follows links inside of the root, one name at a time; the result is a path on this machine without any.
fn resolve(root: &Path, path: &str, link: &mut Link) -> Result<PathBuf, FileFault> {
    let mut real = PathBuf::new();
    let mut todo: Vec<std::ffi::OsString> = parts(Path::new(path));
    let mut links = 0;
    while let Some(name) = todo.pop() {
        if name == ".." {
            real.pop();
            continue;
        }
        let next = root.join(&real).join(&name);
        let found = fs::symlink_metadata(&next).map_err(|why| fault(&why))?;
        if !found.is_symlink() {
            real.push(name);
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(FileFault::Loop);
        }
        let target = fs::read_link(&next).map_err(|why| fault(&why))?;
        if todo.is_empty() {
            link.target.get_or_insert_with(|| target.to_string_lossy().into_owned());
            link.modified = link.modified.max(modified(&found));
        }
        if target.is_absolute() {
            real = PathBuf::new();
        }
        todo.extend(parts(&target));
    }
    Ok(root.join(real))
}

/// Names of a path, the last one first.
fn parts(path: &Path) -> Vec<std::ffi::OsString> {
    let name = |component: Component<'_>| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().rev().filter_map(name).collect()
}

fn file(root: &Path, path: &str) -> FileSeen {
    let mut link = Link::default();
    let mut seen = match resolve(root, path, &mut link) {
        Ok(real) => read(&real).unwrap_or_else(|why| FileSeen::fault(fault(&why))),
        Err(fault) => FileSeen::fault(fault),
    };
    seen.link = link.target;
    seen.modified = seen.modified.max(link.modified);
    seen
}

fn read(path: &Path) -> io::Result<FileSeen> {
    // What a file is, is asked before it is opened: opening a device can already do something.
    let found = fs::symlink_metadata(path)?;
    let content = if found.is_dir() {
        Err(FileFault::Directory)
    } else if !found.is_file() {
        Err(FileFault::Special)
    } else if found.len() > HOST_FILE_LIMIT as u64 {
        Err(FileFault::TooLarge(found.len()))
    } else {
        bytes(path).map_err(|why| fault(&why)).flatten()
    };
    Ok(FileSeen {
        link: None,
        mode: Some(found.mode() & 0o7777),
        user: Some(found.uid()),
        modified: modified(&found),
        content,
    })
}

fn bytes(path: &Path) -> io::Result<Result<Zeroizing<Vec<u8>>, FileFault>> {
    let file = match open(path, UNSEEN) {
        // Only the owner may leave the time of the last access as it is.
        Err(why) if why.kind() == ErrorKind::PermissionDenied => open(path, 0)?,
        opened => opened?,
    };
    if !file.metadata()?.is_file() {
        return Ok(Err(FileFault::Special));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(HOST_FILE_LIMIT as u64 + 1).read_to_end(&mut bytes)?;
    // It can have grown since it was looked at; files of /proc say that they are empty.
    let length = bytes.len();
    Ok(if length > HOST_FILE_LIMIT { Err(FileFault::TooLarge(length as u64)) } else { Ok(bytes) })
}

fn open(path: &Path, more: i32) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW | more;
    File::options().read(true).custom_flags(flags).open(path)
}

fn modified(found: &fs::Metadata) -> Option<Timestamp> {
    Timestamp::from_second(found.mtime()).ok()
}

fn fault(why: &io::Error) -> FileFault {
    match why.kind() {
        // A file where a directory is meant: there is nothing below it.
        ErrorKind::NotFound | ErrorKind::NotADirectory => FileFault::Absent,
        ErrorKind::PermissionDenied => FileFault::Denied,
        _ if why.raw_os_error() == Some(libc::ELOOP) => FileFault::Loop,
        _ => {
            let text = why.to_string();
            FileFault::Other(text.split(" (os error").next().unwrap_or(&text).to_owned())
        }
    }
}

/// Processes of the tree, where it has a `/proc`: those whose command line fits.
pub fn processes(root: &Path, wanted: impl Fn(&[String]) -> bool) -> Vec<ProcessSeen> {
    let proc = root.join("proc");
    let Ok(entries) = fs::read_dir(&proc) else { return Vec::new() };
    let boot = text(&proc.join("stat")).and_then(|stat| boot_time(&stat));
    let mut found = Vec::new();
    for entry in entries.filter_map(Result::ok) {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Some(line) = text(&entry.path().join("cmdline")) else { continue };
        let arguments = arguments(&line);
        if !wanted(&arguments) {
            continue;
        }
        let started = text(&entry.path().join("stat")).zip(boot);
        let started = started.and_then(|(stat, boot)| started_at(&stat, boot));
        found.push(ProcessSeen { pid, started, arguments });
    }
    found.sort_by_key(|process| process.pid);
    found
}

fn text(path: &Path) -> Option<String> {
    let bytes = bytes(path).ok()?.ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Words of `/proc/PID/cmdline`.
pub(super) fn arguments(line: &str) -> Vec<String> {
    line.split('\0').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// `btime` of `/proc/stat`.
pub(super) fn boot_time(stat: &str) -> Option<i64> {
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

/// The 22nd field of `/proc/PID/stat`, in ticks since the boot. Linux shows 100 of them a second on every platform.
pub(super) fn started_at(stat: &str, boot: i64) -> Option<Timestamp> {
    const TICKS: i64 = 100;
    // A program's name stands in brackets, and may have brackets and blanks of its own.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: i64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    Timestamp::from_second(boot.checked_add(ticks / TICKS)?).ok()
}
