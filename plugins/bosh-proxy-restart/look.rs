//! What was seen on a VM: plain data, without judgement. Everything in it was said by the VM and is cleaned.

use crate::monit::{MonitState, Summary};
use crate::monitrc::JobConfig;
use crate::script::Marks;
use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// A process beyond doubt within one boot: numbers are used again, a number with its start time is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ProcessId {
    /// Its number.
    pub(crate) pid: u32,
    /// When it started, in clock ticks since the boot: field 22 of `/proc/PID/stat`.
    pub(crate) start: u64,
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.pid, self.start)
    }
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// Which.
    pub(crate) id: ProcessId,
    /// Its parent's number.
    pub(crate) parent: u32,
    /// The kernel's letter for its state: `S`, `D`, `Z`.
    pub(crate) state: char,
    /// Whether it lives in the VM's own mount namespace, and in no container.
    pub(crate) on_host: bool,
    /// Its program, by `/proc/PID/exe`.
    pub(crate) exe: String,
    /// The first two words of its command line.
    pub(crate) argv: String,
}

impl Process {
    /// Whether its program belongs to a BOSH job.
    pub(crate) fn is_of_bosh(&self) -> bool {
        self.exe.starts_with("/var/vcap/")
    }

    /// The program's base name; a program that was replaced on disk since is still it.
    pub(crate) fn base(&self) -> &str {
        let exe = self.exe.strip_suffix(" (deleted)").unwrap_or(&self.exe);
        exe.rsplit('/').next().unwrap_or(exe)
    }
}

/// When a look was, by the VM alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostTime {
    /// Its clock, seconds since 1970.
    pub(crate) epoch: u64,
    /// Since its boot.
    pub(crate) uptime: Duration,
    /// Which boot.
    pub(crate) boot_id: String,
    /// Its name.
    pub(crate) host: String,
    /// Clock ticks in a second.
    pub(crate) hz: u64,
}

/// The pidfile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pidfile {
    /// Where.
    pub(crate) path: String,
    /// What it says; `None` where it is missing or empty.
    pub(crate) pid: Option<u32>,
    /// The process of that number, if there is one.
    pub(crate) process: Option<Process>,
}

/// A port that a process of the job listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listener {
    /// TCP port.
    pub(crate) port: u16,
    /// Whose.
    pub(crate) pid: u32,
}

/// A port that the job should hold, and that somebody else does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rival {
    /// TCP port.
    pub(crate) port: u16,
    /// Whose; `None` where no process was found.
    pub(crate) pid: Option<u32>,
    /// Its program.
    pub(crate) exe: String,
}

/// Lines of a log that complain in the same words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Complaint {
    /// Which log.
    pub(crate) log: String,
    /// The process that its header names.
    pub(crate) pid: Option<u32>,
    /// The words, without time.
    pub(crate) text: String,
    /// How often.
    pub(crate) count: u32,
}

/// A log, and how it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Log {
    /// Where.
    pub(crate) path: String,
    /// `living` (what the running processes said), `since` a mark, `whole`, `truncated` or `rotated`.
    pub(crate) how: String,
    /// The first complaining line.
    pub(crate) first: Option<String>,
    /// The last one.
    pub(crate) last: Option<String>,
    /// Inode, size and path: where a later look goes on.
    #[serde(skip)]
    pub(crate) mark: String,
}

/// A file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    /// What was asked for.
    pub(crate) directory: String,
    /// Where it is mounted.
    pub(crate) mount: String,
    /// Used, in percent.
    pub(crate) used: u8,
    /// Free, in KiB.
    pub(crate) free_kib: u64,
}

/// An account that `bosh ssh` made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    /// `bosh_` and 15 digits.
    pub(crate) name: String,
    /// How long ago.
    pub(crate) age: Duration,
}

/// One look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// When.
    pub(crate) at: HostTime,
    /// Monit's program is not where stemcells have it.
    pub(crate) no_monit: Option<String>,
    /// What monit says.
    pub(crate) monit: Summary,
    /// What monit is to do for the job; `None` where no monitrc names it.
    pub(crate) config: Option<JobConfig>,
    /// Jobs that monitrc files name.
    pub(crate) known_jobs: Vec<String>,
    /// Seconds between two looks of monit.
    pub(crate) poll: Option<u64>,
    /// The pidfile.
    pub(crate) pidfile: Pidfile,
    /// Processes of the job's program.
    pub(crate) processes: Vec<Process>,
    /// What they listen on.
    pub(crate) listeners: Vec<Listener>,
    /// Who else holds the job's ports.
    pub(crate) rivals: Vec<Rival>,
    /// Logs.
    pub(crate) logs: Vec<Log>,
    /// What they complain about.
    pub(crate) complaints: Vec<Complaint>,
    /// File systems.
    pub(crate) disks: Vec<Disk>,
    /// Accounts of `bosh ssh`, but for our own.
    pub(crate) accounts: Vec<Account>,
    /// What was too much to be listed.
    pub(crate) more: Vec<String>,
}

impl Look {
    /// The state of a job.
    pub(crate) fn state(&self, job: &str) -> Option<&MonitState> {
        self.monit.of(job)
    }

    /// How old a process was.
    pub(crate) fn age(&self, process: &Process) -> Duration {
        let hz = self.at.hz.max(1);
        let start = Duration::from_millis(process.id.start.saturating_mul(1000) / hz);
        self.at.uptime.saturating_sub(start)
    }

    /// Where a later look goes on in the logs.
    pub(crate) fn marks(&self) -> Marks {
        Marks { logs: self.logs.iter().map(|log| log.mark.clone()).collect(), at: self.at.epoch }
    }
}

/// A state that was seen while a restart was waited for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seen {
    /// Seconds since the restart.
    pub(crate) second: u64,
    /// Monit's word.
    pub(crate) state: String,
    /// What the pidfile said.
    pub(crate) pid: Option<u32>,
}

/// How a script ended, in its own word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Another one is at work on the VM.
    Locked,
    /// The VM is not as it was looked at: nothing was done.
    Moved,
    /// Monit refused.
    Refused,
    /// The new process stayed as long as it should.
    Ok,
    /// It was not there in time.
    Late,
    /// It was started again and again.
    Crashing,
    /// Monit gave up on it twice.
    Failing,
    /// Monit did not let go of the job.
    Stuck,
    /// A process did not end.
    Survived,
}

/// Everything that one script said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Session {
    /// The job that a look was at.
    pub(crate) job: Option<String>,
    /// A restart was still under way when this was looked at.
    pub(crate) busy: bool,
    /// The first look.
    pub(crate) before: Option<Look>,
    /// The second look.
    pub(crate) after: Option<Look>,
    /// The change was begun.
    pub(crate) begun: bool,
    /// What monit answered to it, and with which code.
    pub(crate) restart: Option<(i32, String)>,
    /// What was done besides: word, code, what.
    pub(crate) steps: Vec<(String, i32, String)>,
    /// States while waiting.
    pub(crate) states: Vec<Seen>,
    /// How it ended, and why.
    pub(crate) verdict: Option<(Verdict, String)>,
    /// Lines that are no records: what programs complained of.
    pub(crate) noise: Vec<String>,
}
