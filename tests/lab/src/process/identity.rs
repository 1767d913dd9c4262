//! Which process is meant: a PID and the moment it started.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use anyhow::{Context as _, Result};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A process that cannot be mistaken for a later one with the same PID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// Its PID.
    pub pid: u32,
    /// When it started, in clock ticks after boot: field 22 of `/proc/PID/stat`.
    pub started: u64,
}

impl Identity {
    /// The process that has this PID now; `None` where there is none, or only its exit status is left.
    ///
    /// A killed program's first thread may be gone while others still close its sockets: until the last one is
    /// done, the process is there, and so are its ports.
    pub fn of(pid: u32) -> Option<Self> {
        let (state, threads, started) =
            stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
        (threads > 1 || !matches!(state, 'Z' | 'X')).then_some(Self { pid, started })
    }

    /// This process.
    pub fn current() -> Result<Self> {
        Self::of(std::process::id())
            .context("cannot read /proc/self/stat: the lab needs Linux with /proc mounted")
    }

    /// Whether it still runs.
    pub fn alive(&self) -> bool {
        Self::of(self.pid).as_ref() == Some(self)
    }

    /// Sends a signal, to this process and no other; `false` if it is gone.
    pub fn signal(&self, signal: Signal) -> Result<bool> {
        let Some(handle) = self.handle()? else {
            return Ok(false);
        };
        match pidfd_send_signal(&handle, signal) {
            Ok(()) => Ok(true),
            Err(error) if error == rustix::io::Errno::SRCH => Ok(false),
            Err(error) => Err(io::Error::from(error))
                .with_context(|| format!("cannot signal process {}", self.pid)),
        }
    }

    /// Whether all of its threads are stopped: each stops when it is next on a processor, not with the signal.
    pub fn stands_still(&self) -> bool {
        let Ok(threads) = fs::read_dir(format!("/proc/{}/task", self.pid)) else { return false };
        threads.flatten().all(|thread| {
            let line = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // One that ended in between does nothing any more.
            stat(&line).is_none_or(|(state, ..)| matches!(state, 'T' | 't' | 'Z' | 'X'))
        })
    }

    /// Opened first and looked at afterwards: once the descriptor is there, it stays with the process, whatever
    /// the kernel does with the number.
    fn handle(&self) -> Result<Option<OwnedFd>> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Ok(None);
        };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => Ok(self.alive().then_some(handle)),
            Err(error) if error == rustix::io::Errno::SRCH => Ok(None),
            Err(error) => Err(io::Error::from(error))
                .with_context(|| format!("cannot get hold of process {}", self.pid)),
        }
    }
}

/// State, threads and start time. The name in between may hold anything, parentheses and spaces too.
fn stat(text: &str) -> Option<(char, u64, u64)> {
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let threads = fields.nth(16)?.parse().ok()?;
    Some((state, threads, fields.nth(1)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let line = "7 (a) (b c) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 10 20";
        assert_eq!(stat(line), Some(('S', 1, 98765)));
        assert_eq!(stat("garbage"), None);
    }

    #[test]
    fn another_start_time_is_another_process() {
        let me = Identity::current().unwrap();
        assert!(me.alive());
        let other = Identity { started: me.started + 1, ..me };
        assert!(!other.alive());
        // Were it delivered, this test would end here.
        assert!(!other.signal(Signal::KILL).unwrap());
    }
}
