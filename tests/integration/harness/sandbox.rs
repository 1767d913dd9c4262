//! A home directory of its own for each test, and the tool run in it with nothing else in its environment.

use super::outcome::Outcome;
use super::{files, until};
use lab::process::Identity;
use rustix::process::Signal;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// `kubectl recycle`.
pub(crate) const TOOL: &str = env!("CARGO_BIN_EXE_kubectl-recycle");
/// `kubectl reset-sa-secrets`.
pub(crate) const RESET: &str = env!("CARGO_BIN_EXE_kubectl-reset_sa_secrets");

/// Where the tool runs.
pub(crate) struct Sandbox {
    dir: TempDir,
    kubeconfig: PathBuf,
    tool: &'static str,
}

impl Sandbox {
    /// With somebody's kubeconfig.
    pub(crate) fn new(kubeconfig: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("home")).unwrap();
        Self { dir, kubeconfig: kubeconfig.to_path_buf(), tool: TOOL }
    }

    /// With a kubeconfig of its own.
    pub(crate) fn with(kubeconfig: &str) -> Self {
        let mut sandbox = Self::new(Path::new(""));
        sandbox.kubeconfig = sandbox.path("kubeconfig");
        fs::write(&sandbox.kubeconfig, kubeconfig).unwrap();
        sandbox
    }

    /// For another tool.
    #[must_use]
    pub(crate) fn of(mut self, tool: &'static str) -> Self {
        self.tool = tool;
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where the tool keeps what it must remember.
    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Journals, oldest first.
    pub(crate) fn journals(&self) -> Vec<PathBuf> {
        let mut all = files(&self.state());
        all.retain(|path| path.extension().is_some_and(|e| e == "jsonl"));
        all
    }

    /// The tool with nothing of the caller's environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.tool);
        self.prepare(&mut command);
        command.args(arguments);
        command
    }

    /// Gives a command the sandbox's environment.
    pub(crate) fn prepare(&self, command: &mut Command) {
        command
            .env_clear()
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.state())
            .env("KUBECONFIG", &self.kubeconfig)
            .env("PATH", "/usr/bin:/bin")
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
    }

    /// Runs the tool; words are split at spaces.
    pub(crate) fn run(&self, line: &str) -> Outcome {
        self.outcome(&mut self.command(&line.split_whitespace().collect::<Vec<_>>()))
    }

    /// Runs a command that was prepared.
    pub(crate) fn outcome(&self, command: &mut Command) -> Outcome {
        Outcome::new(&command.output().unwrap(), self.dir.path().display().to_string())
    }

    /// Starts the tool and goes on.
    pub(crate) fn start(&self, line: &str) -> Running {
        self.begin(self.command(&line.split_whitespace().collect::<Vec<_>>()))
    }

    /// Starts a command that was prepared, and goes on.
    pub(crate) fn begin(&self, mut command: Command) -> Running {
        let (out, err) = (self.path("stdout"), self.path("stderr"));
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        let child = command.spawn().unwrap();
        Running { child, out, err, home: self.dir.path().display().to_string() }
    }
}

/// The tool while it runs.
pub(crate) struct Running {
    child: Child,
    out: PathBuf,
    err: PathBuf,
    home: String,
}

impl Running {
    /// Whether it still runs.
    pub(crate) fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits until stderr holds these words, or the tool has ended.
    pub(crate) fn wait_for(&mut self, words: &str) {
        until(words, || {
            let said = fs::read_to_string(&self.err).unwrap_or_default();
            if said.contains(words) {
                return true;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended without {words:?}:\n{said}");
            false
        });
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(identity) = Identity::of(self.child.id()) {
            identity.signal(signal).unwrap();
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it came to.
    pub(crate) fn end(mut self) -> Outcome {
        let status = self.child.wait().unwrap();
        Outcome {
            code: status.code(),
            stdout: fs::read_to_string(&self.out).unwrap_or_default(),
            stderr: fs::read_to_string(&self.err).unwrap_or_default(),
            home: self.home.clone(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
