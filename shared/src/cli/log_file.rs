//! Opens the file of `--log-file`.

use crate::facts::exit::{Exit, Fault};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A log file that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the log file `{}`", .0.display())]
pub struct LogFileError(PathBuf, #[source] io::Error);

impl Fault for LogFileError {
    fn exit(&self) -> Exit {
        Exit::Refused
    }

    fn hint(&self) -> Option<String> {
        Some("nothing was changed; pass a file that can be written to --log-file".to_owned())
    }
}

/// Opens it for lines at its end. A new file is for its owner only: names of pods and nodes are nobody else's.
#[expect(
    clippy::disallowed_methods,
    reason = "a log is appended to, line by line; the door to files replaces them as a whole"
)]
pub fn open(path: &Path) -> Result<File, LogFileError> {
    let mut options = File::options();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map_err(|error| LogFileError(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn lines_are_added_and_nobody_else_reads_them() {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("log");
        for line in ["a\n", "b\n"] {
            open(&path).expect("open").write_all(line.as_bytes()).expect("write");
        }
        let metadata = path.metadata().expect("file");
        assert_eq!(metadata.len(), 4);
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777, 0o600);
        let error = open(directory.path()).expect_err("a directory");
        assert!(error.to_string().starts_with("cannot open the log file"));
    }
}
