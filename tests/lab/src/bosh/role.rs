//! The programs of the VMs and of their director. None of them is a file of its own: the program that starts a lab is
//! mounted, or linked, under their names and plays them. So a test never meets one that is older than itself, and
//! nothing has to be compiled or installed besides.

use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::{cli, director, monit, proxy, record};

/// Where the lab's own programs are in its directory.
pub(super) const FOLDER: &str = "bin";

/// Plays the program under whose name this one was started; `None` where it is its own.
///
/// Call it first in `main` of every program that starts labs of BOSH VMs.
pub fn play() -> Option<ExitCode> {
    let name = PathBuf::from(std::env::args_os().next()?);
    let end = |result: Result<()>| match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr().lock(), "{error:#}");
            ExitCode::FAILURE
        }
    };
    Some(match name.file_name()?.as_bytes() {
        b"kube-proxy" => proxy::run().unwrap_or(ExitCode::FAILURE),
        // Jobs that do nothing, and a process that only looks like a proxy.
        b"kubelet" | b"docker-proxy" => end(sleep()),
        b"port-holder" => end(proxy::hold()),
        b"monit-actual" => monit::run(),
        b"lab-director" => end(lab(&name).and_then(|dir| director::run(&dir))),
        b"lab-recorder" => end(lab(&name).and_then(|dir| record::run(&dir))),
        b"lab-bosh" => cli::run(&name),
        _ => return None,
    })
}

/// The directory of the lab whose program this is.
pub(super) fn lab(program: &Path) -> Result<PathBuf> {
    let folder = program.parent().and_then(Path::parent);
    Ok(folder.context("the lab's program was called without its path")?.to_owned())
}

/// The program to be played in another role.
pub(super) fn program() -> Result<PathBuf> {
    std::env::current_exe().context("the lab does not know its own program")
}

fn sleep() -> Result<()> {
    let seconds = std::env::args().nth(1).and_then(|word| word.parse().ok());
    std::thread::sleep(std::time::Duration::from_secs(seconds.context("for how many seconds?")?));
    Ok(())
}
