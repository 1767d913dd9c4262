//! The process that watches over the demo: the work is done by a child in a process group of its own, so that on
//! Ctrl-C everything the child started can be ended at once, and nothing new is started meanwhile.

use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::form::Form;
use super::tell::tell;
use crate::process::Processes;
use crate::{labs, loopback};

pub(super) fn run(wanted: Option<Form>) -> Result<ExitCode> {
    // Before the child is there: a signal in between must not leave it alone.
    let mut signals = Signals::new(heard()).context("cannot listen for Ctrl-C")?;
    let name = format!("demo-{}", std::process::id());
    let this = std::env::current_exe().context("cannot find the program that runs")?;
    let mut child = Command::new(this)
        .args(["demo", "--as", &name])
        .args(wanted.map(Form::flag))
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .context("cannot start the demo")?;
    let (code, interrupted) = loop {
        if let Some(signal) = signals.pending().next() {
            tell("Interrupted: everything is being taken down.");
            end(&mut child)?;
            break (128 + signal, true);
        }
        if let Some(status) = child.try_wait().context("cannot wait for the demo")? {
            break (code(status), false);
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    // A child that ended by itself has cleaned up by itself.
    if let Ok(dir) = labs::find(&name) {
        loopback::take_down(&Processes::open(&dir)?)
            .with_context(|| format!("lab {name} is not down: `cargo lab down --name {name}`"))?;
    }
    if interrupted {
        tell("Nothing is left running.");
    }
    Ok(u8::try_from(code).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Kills the child and what it runs in the foreground: compilers, kubectl, the plugin.
fn end(child: &mut Child) -> Result<()> {
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // Not waited for yet: the number is still the child's.
    if let Some(group) = group {
        let _ = kill_process_group(group, Signal::KILL);
    }
    child.wait().context("cannot wait for the demo")?;
    Ok(())
}

fn code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

/// The signals that end the demo; one that the caller has ignored (`nohup`) stays ignored.
fn heard() -> impl Iterator<Item = i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    [SIGINT, SIGTERM, SIGHUP].into_iter().filter(move |signal| ignored & (1 << (signal - 1)) == 0)
}
