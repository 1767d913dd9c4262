//! Long-lived processes: started in a session of their own, recorded, stopped, and found again after a crash.
//!
//! A process is known by its PID **and** the time it started ([`Identity`]); nothing is ever signalled by PID
//! alone, so a number that the kernel gave to somebody else is safe. Each lab has a directory; what it started
//! is recorded there, and carries the directory's name in its environment, so that a process whose record was
//! never written (its starter was killed in between) is found as well.

mod identity;
mod stop;
mod sweep;

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

pub use identity::Identity;
pub use stop::stop_all;
pub use sweep::{Swept, root, sweep, with_root_locked};

/// Set in every process of a lab: the lab's directory.
pub const MARK: &str = "ROTATION_LAB_DIR";

/// Who is answerable for a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Owner {
    /// The lab ends with this process.
    Process(Identity),
    /// The lab lives until somebody takes it down.
    Detached,
}

impl Owner {
    /// The process that calls this.
    pub fn current() -> Result<Self> {
        Ok(Self::Process(Identity::current()?))
    }

    /// Whether the lab has a right to run.
    pub fn lives(&self) -> bool {
        match self {
            Self::Process(identity) => identity.alive(),
            Self::Detached => true,
        }
    }
}

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The name it is known by in the lab, e.g. `kube-apiserver`; also of its log file.
    pub name: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Set in its environment, beside what it inherits.
    pub environment: Vec<(String, OsString)>,
    /// Killed without being asked first: everything it started ends with it.
    pub at_once: bool,
}

impl Launch {
    /// A process called `name` that runs `program`.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), program: program.into(), ..Self::default() }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Makes it one that is killed without being asked first.
    #[must_use]
    pub fn at_once(mut self) -> Self {
        self.at_once = true;
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }
}

/// A started process as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The name it is known by in the lab.
    pub name: String,
    /// Which process it is.
    pub identity: Identity,
    /// Counts up within a lab; processes are stopped in reverse.
    pub order: u32,
    /// Whether it is killed without being asked first.
    #[serde(default)]
    pub at_once: bool,
}

/// The processes of one lab.
#[derive(Debug)]
pub struct Processes {
    dir: PathBuf,
    /// Children of this process, to be reaped; empty where another process started them.
    children: Mutex<Vec<Child>>,
}

impl Processes {
    /// Makes the lab directory `dir` (0700) and records who owns it. Call it with the root locked
    /// ([`with_root_locked`]), otherwise a sweep may meet the directory half-made.
    pub fn create(dir: &Path, owner: &Owner) -> Result<Self> {
        for folder in [dir.to_path_buf(), dir.join("run"), dir.join("log")] {
            fs::DirBuilder::new()
                .mode(0o700)
                .create(&folder)
                .with_context(|| format!("cannot make the lab's directory {}", folder.display()))?;
        }
        write_json(&dir.join("owner.json"), owner)?;
        Self::open(dir)
    }

    /// The processes of a lab that exists.
    pub fn open(dir: &Path) -> Result<Self> {
        ensure!(dir.join("run").is_dir(), "no lab in {}: see `cargo lab status`", dir.display());
        Ok(Self { dir: dir.to_path_buf(), children: Mutex::default() })
    }

    /// The lab's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the process called `name` writes what it says; a process started again appends.
    pub fn log(&self, name: &str) -> PathBuf {
        self.dir.join("log").join(format!("{name}.log"))
    }

    /// Starts a process in a session of its own, so that no terminal and no Ctrl-C reaches it.
    pub fn start(&self, launch: &Launch) -> Result<Record> {
        self.start_with(launch, Stdio::null())
    }

    /// Starts a process that has `stdin`, say a socket that was opened for it.
    pub fn start_with(&self, launch: &Launch, stdin: Stdio) -> Result<Record> {
        if let Some(running) = self.find(&launch.name)? {
            ensure!(!running.identity.alive(), "{} runs already: stop it first", launch.name);
        }
        let log = self.log(&launch.name);
        let out = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write the log {}", log.display()))?;
        // setsid(1) execs: the process keeps the PID it has now.
        let child = Command::new("setsid")
            .arg(&launch.program)
            .args(&launch.arguments)
            .envs(launch.environment.iter().map(|(name, value)| (name, value)))
            .env(MARK, &self.dir)
            .current_dir("/")
            .stdin(stdin)
            .stdout(out.try_clone().context("cannot share the log")?)
            .stderr(out)
            .spawn()
            .with_context(|| format!("cannot start {} through setsid", launch.program.display()))?;
        let identity =
            Identity::of(child.id()).with_context(|| format!("{} ended at once", launch.name))?;
        self.children.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(child);
        let order = self.records()?.iter().map(|record| record.order + 1).max().unwrap_or(0);
        let record = Record { name: launch.name.clone(), identity, order, at_once: launch.at_once };
        write_json(&self.record_path(&launch.name), &record)?;
        Ok(record)
    }

    /// Everything that was started and not stopped, in the order of starting; some may have died by themselves.
    pub fn records(&self) -> Result<Vec<Record>> {
        records(&self.dir)
    }

    /// The record of the process called `name`.
    pub fn find(&self, name: &str) -> Result<Option<Record>> {
        Ok(self.records()?.into_iter().find(|record| record.name == name))
    }

    /// Whether the process called `name` runs.
    pub fn runs(&self, name: &str) -> bool {
        self.reap();
        self.find(name).ok().flatten().is_some_and(|record| record.identity.alive())
    }

    /// Stops the process called `name`: TERM, up to five seconds, KILL. One that is not there is no error.
    pub fn stop(&self, name: &str) -> Result<()> {
        if let Some(record) = self.find(name)? {
            stop::stop(&[record.identity])?;
            self.reap();
            remove_file(&self.record_path(name))?;
        }
        Ok(())
    }

    /// Stops everything, last started first.
    pub fn stop_all(&self) -> Result<()> {
        let stopped = stop_all(&self.dir);
        self.reap();
        stopped
    }

    /// Kills everything at once: for a lab whose data nobody will look at again.
    pub fn kill_all(&self) -> Result<()> {
        let killed = stop::kill_all(&self.dir);
        self.reap();
        killed
    }

    /// Hands the lab over.
    pub fn set_owner(&self, owner: &Owner) -> Result<()> {
        write_json(&self.dir.join("owner.json"), owner)
    }

    fn record_path(&self, name: &str) -> PathBuf {
        self.dir.join("run").join(format!("{name}.json"))
    }

    /// Takes the exit status of children that ended; without it they stay as zombies.
    fn reap(&self) {
        let mut children = self.children.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        children.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }
}

/// Who owns the lab in `dir`; `None` where nothing readable says so.
pub fn owner(dir: &Path) -> Option<Owner> {
    serde_json::from_slice(&fs::read(dir.join("owner.json")).ok()?).ok()
}

/// What is recorded in the lab directory `dir`, in the order of starting.
pub fn records(dir: &Path) -> Result<Vec<Record>> {
    let run = dir.join("run");
    let entries = match fs::read_dir(&run) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", run.display())),
    };
    let mut found: Vec<Record> = entries
        .filter_map(|entry| fs::read(entry.ok()?.path()).ok())
        .filter_map(|text| serde_json::from_slice(&text).ok())
        .collect();
    found.sort_by_key(|record| record.order);
    Ok(found)
}

/// Writes beside and renames, so that nobody ever reads half a record.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let half = path.with_extension("half");
    fs::write(&half, serde_json::to_vec(value).context("cannot encode a record")?)
        .and_then(|()| fs::rename(&half, path))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn remove_file(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
