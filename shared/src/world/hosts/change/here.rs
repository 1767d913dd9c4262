//! What stands at a path of this machine or of a tree of files, read without a shell: as the script says it, only sooner.
#![expect(
    clippy::disallowed_methods,
    reason = "this is a door: files are opened here for reading alone"
)]

use super::{Looked, State};
use crate::facts::credential::Digest;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use zeroize::Zeroizing;

/// Looks; what cannot be read is said to be denied.
pub(super) fn look(root: &Path, path: &str) -> Looked {
    let path = root.join(path.trim_start_matches('/'));
    match fs::symlink_metadata(&path) {
        Ok(found) => Looked {
            state: state(&path, &found).unwrap_or_else(|why| unread(&why)),
            mode: format!("{:o}", found.mode() & 0o7777),
            owner: format!("{}:{}", found.uid(), found.gid()),
        },
        Err(why) => Looked { state: unread(&why), mode: String::new(), owner: String::new() },
    }
}

fn state(path: &Path, found: &Metadata) -> io::Result<State> {
    if found.is_symlink() {
        let target = fs::read_link(path)?;
        return Ok(State::Link(target.to_string_lossy().into_owned()));
    }
    if found.is_dir() {
        return Ok(State::Other("directory".to_owned()));
    }
    if !found.is_file() {
        return Ok(State::Other("special".to_owned()));
    }
    // Nothing is waited for, should something else have come in its place.
    let flags = libc::O_NONBLOCK | libc::O_NOFOLLOW;
    let mut file = File::options().read(true).custom_flags(flags).open(path)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.read_to_end(&mut bytes)?;
    Ok(State::File(Digest::of(&bytes)))
}

fn unread(why: &io::Error) -> State {
    match why.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => State::Absent,
        _ => State::Other("denied".to_owned()),
    }
}
