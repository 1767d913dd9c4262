//! The real kubectl of the lab, pointed at it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, bail};

/// A kubectl with a kubeconfig.
#[derive(Clone, Debug)]
pub struct Kubectl {
    pub(super) program: PathBuf,
    pub(super) kubeconfig: PathBuf,
}

impl Kubectl {
    pub(crate) fn new(program: PathBuf, kubeconfig: PathBuf) -> Self {
        Self { program, kubeconfig }
    }

    /// The command without arguments yet. What the caller's environment says about clusters is taken away.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        self.point(&mut command);
        command
    }

    /// A line for the shell in which `kubectl` is this one: a runbook's command as it is written.
    pub fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", line]);
        self.point(&mut command);
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let own = self.program.parent().map(PathBuf::from);
        // A folder with a colon in its name cannot be on a PATH: then the line finds no kubectl and says so.
        if let Ok(path) =
            std::env::join_paths(own.into_iter().chain(std::env::split_paths(&inherited)))
        {
            command.env("PATH", path);
        }
        command
    }

    fn point(&self, command: &mut Command) {
        command.env("KUBECONFIG", &self.kubeconfig).env_remove("KUBECTL_EXTERNAL_DIFF");
        for proxy in ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            command.env_remove(proxy);
        }
    }

    /// Runs it and gives back whatever happened.
    pub fn output(&self, arguments: &[&str]) -> Result<Output> {
        self.command()
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {}", self.program.display()))
    }

    /// Runs it; an error if it fails, what it printed otherwise.
    pub fn text(&self, arguments: &[&str]) -> Result<String> {
        checked(arguments, &self.output(arguments)?)
    }

    /// Runs it with `input` on its stdin.
    pub fn with_input(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut child = self
            .command()
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        let mut stdin = child.stdin.take().context("kubectl has no stdin")?;
        let input = input.to_owned();
        // Beside, so that a long answer cannot block a long question.
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().context("cannot wait for kubectl")?;
        let _ = writer.join();
        checked(arguments, &output)
    }
}

fn checked(arguments: &[&str], output: &Output) -> Result<String> {
    if !output.status.success() {
        bail!(
            "kubectl {} failed ({}): {}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
