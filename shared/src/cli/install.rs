//! The link by which kubectl finds a plugin's completion.
//!
//! kubectl runs `kubectl_complete-NAME` for the plugin `kubectl-NAME`. A plugin manager installs one file for each
//! plugin; so the tool makes the link itself, beside the file it was started as, and relative, so that it follows upgrades.

use crate::facts::exit::{Exit, Fault};
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

/// Why there is no link.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// It was not started under a plugin's name.
    #[error("cannot link the completion: `{}` is not named `kubectl-...`", .0.display())]
    NotAPlugin(PathBuf),
    /// The file is nowhere.
    #[error("cannot link the completion: `{}` is not on PATH", .0.display())]
    NotFound(PathBuf),
    /// Something else has the name.
    #[error("cannot link the completion: `{}` exists already and is something else", .0.display())]
    Taken(PathBuf),
    /// The directory cannot be written.
    #[error("cannot create the link `{}`", .0.display())]
    Link(PathBuf, #[source] io::Error),
}

impl Fault for InstallError {
    fn exit(&self) -> Exit {
        match self {
            Self::NotAPlugin(_) | Self::NotFound(_) | Self::Taken(_) => Exit::Refused,
            Self::Link(..) => Exit::Unexpected,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NotAPlugin(_) => {
                Some("run it through kubectl, or print a script with `completion bash`".to_owned())
            }
            Self::NotFound(_) => Some("run it by its path".to_owned()),
            Self::Taken(link) => Some(format!(
                "look at it with `ls -l {0}`, and remove it if it is not needed",
                link.display()
            )),
            Self::Link(..) => Some("run it as the owner of that directory".to_owned()),
        }
    }
}

/// Makes the link, if it is not there yet. `program` is how this process was started.
pub fn link(program: &Path, search: Option<&OsStr>) -> Result<PathBuf, InstallError> {
    let not_a_plugin = || InstallError::NotAPlugin(program.to_owned());
    let file = program.file_name().ok_or_else(not_a_plugin)?;
    let name = file.to_str().and_then(|name| name.strip_prefix("kubectl-"));
    let name = format!("kubectl_complete-{}", name.ok_or_else(not_a_plugin)?);
    let directory =
        directory_of(program, search).ok_or_else(|| InstallError::NotFound(program.to_owned()))?;
    let link = directory.join(name);
    match std::os::unix::fs::symlink(file, &link) {
        Ok(()) => Ok(link),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match link.read_link() {
            Ok(target) if target == Path::new(file) => Ok(link),
            Ok(_) | Err(_) => Err(InstallError::Taken(link)),
        },
        Err(error) => Err(InstallError::Link(link, error)),
    }
}

/// Where the file lies that was started: a bare name was found on `PATH`.
fn directory_of(program: &Path, search: Option<&OsStr>) -> Option<PathBuf> {
    match program.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => Some(parent.to_owned()),
        _ => std::env::split_paths(search?).find(|directory| directory.join(program).is_file()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_link_beside_the_file() {
        let directory = tempfile::tempdir().expect("directory");
        let program = directory.path().join("kubectl-x");
        std::os::unix::fs::symlink("/bin/true", &program).expect("program");
        let search = Some(directory.path().as_os_str());
        // By path, by name, and again.
        for program in [program.as_path(), Path::new("kubectl-x"), program.as_path()] {
            let link = link(program, search).expect("a link");
            assert_eq!(link.file_name(), Some("kubectl_complete-x".as_ref()));
            assert_eq!(link.read_link().expect("link"), Path::new("kubectl-x"));
        }
    }

    #[test]
    fn nothing_is_overwritten() {
        let directory = tempfile::tempdir().expect("directory");
        std::os::unix::fs::symlink("other", directory.path().join("kubectl_complete-x"))
            .expect("link");
        let error = link(&directory.path().join("kubectl-x"), None).expect_err("taken");
        assert!(matches!(error, InstallError::Taken(_)), "{error}");
    }

    #[test]
    fn what_cannot_be_linked_is_said() {
        for (program, expected) in [
            ("/bin/other", "cannot link the completion: `/bin/other` is not named `kubectl-...`"),
            ("kubectl-x", "cannot link the completion: `kubectl-x` is not on PATH"),
            ("/nowhere/kubectl-x", "cannot create the link `/nowhere/kubectl_complete-x`"),
        ] {
            assert_eq!(link(Path::new(program), None).expect_err(program).to_string(), expected);
        }
    }
}
