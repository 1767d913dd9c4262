//! A deployment of VMs for one test, and `bosh-proxy-restart` run against it.

use super::outcome::Outcome;
use super::sandbox::{Running, Sandbox};
use super::until;
use lab::bosh::{Options, Vms};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The tool.
pub(crate) const TOOL: &str = env!("CARGO_BIN_EXE_bosh-proxy-restart");

/// VMs and a home of the operator's own.
pub(crate) struct Fleet {
    pub(crate) vms: Vms,
    pub(crate) sandbox: Sandbox,
}

impl Fleet {
    /// With a monit that looks every two seconds.
    pub(crate) fn start(options: Options) -> Self {
        let vms = Vms::start(&Options { poll: 2, ..options }).unwrap();
        Self { vms, sandbox: Sandbox::new(Path::new("")) }
    }

    /// Minions alone.
    pub(crate) fn minions(count: u8) -> Self {
        Self::start(Options { masters: 0, minions: count, ..Options::default() })
    }

    /// The tool in a home of its own, so that it knows nothing of other runs. The canary's longer watch is tested once.
    pub(crate) fn command(&self, sandbox: &Sandbox, line: &str) -> Command {
        let mut command = Command::new(TOOL);
        sandbox.prepare(&mut command);
        let folder = self.vms.bosh();
        let folder = folder.parent().unwrap().display();
        command
            .envs(self.vms.environment())
            .env("PATH", format!("{folder}:/usr/bin:/bin:/usr/sbin:/sbin"))
            .args(line.split_whitespace());
        command
    }

    /// Runs the tool, as an operator who comes back.
    pub(crate) fn run(&self, line: &str) -> Outcome {
        self.sandbox.outcome(&mut self.command(&self.sandbox, line))
    }

    /// Runs the tool, as somebody who was never here.
    pub(crate) fn run_anew(&self, line: &str) -> Outcome {
        let sandbox = Sandbox::new(Path::new(""));
        sandbox.outcome(&mut self.command(&sandbox, line))
    }

    /// Starts the tool and goes on.
    pub(crate) fn begin(&self, line: &str) -> Running {
        self.sandbox.begin(self.command(&self.sandbox, line))
    }

    /// The proxies of a VM.
    pub(crate) fn proxies(&self, vm: &str) -> Vec<u32> {
        self.vms.proxies(vm).unwrap()
    }

    /// The proxies of all VMs.
    pub(crate) fn all_proxies(&self) -> Vec<Vec<u32>> {
        let vms = self.vms.instances().iter();
        vms.map(|instance| self.proxies(&instance.vm())).collect()
    }

    /// How often the proxy of a VM went down since the recorder began.
    pub(crate) fn downs(&self, vm: &str) -> usize {
        let changes = self.vms.record().unwrap();
        changes.iter().filter(|change| change.vm == vm && !change.up).count()
    }

    /// Waits until no `bosh` that was started for this deployment is left.
    pub(crate) fn calm(&self) {
        let name = self.vms.bosh().with_file_name("lab-bosh").display().to_string();
        until("every bosh has ended", || !runs(&name));
        // Nothing below it either: one that was killed leaves its ssh.
        let vms: Vec<_> = self.vms.instances().iter().map(lab::bosh::Instance::vm).collect();
        for vm in vms {
            until("every session has ended", || {
                let left = self.vms.exec(&vm, &["pgrep", "-f", "^sshd: bosh_"]).unwrap();
                !left.status.success()
            });
        }
    }
}

/// Whether a process runs that was started by this path.
fn runs(path: &str) -> bool {
    let all = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    all.map(|entry| entry.path().join("cmdline")).any(|file| {
        std::fs::read(file).is_ok_and(|text| text.starts_with(&[path.as_bytes(), b"\0"].concat()))
    })
}

/// The codes of what was found on each instance, in a document of the tool.
pub(crate) fn findings(document: &Value, index: usize) -> Vec<String> {
    let all = document["instances"].as_array().into_iter().flatten();
    let one = all.into_iter().find(|one| one["index"] == index);
    let list = one.and_then(|one| one["findings"].as_array());
    let code = |finding: &Value| finding["code"].as_str().unwrap_or_default().to_owned();
    list.into_iter().flatten().map(code).collect()
}

/// What a restart came to, in a document of the tool.
pub(crate) fn class(document: &Value, index: usize) -> String {
    let all = document["instances"].as_array().into_iter().flatten();
    let one = all.into_iter().find(|one| one["index"] == index);
    let class = one.map(|one| one["outcome"]["class"].as_str().unwrap_or("none").to_owned());
    class.unwrap_or_default()
}

/// Does it for all of them at once, and tells of all that failed.
pub(crate) fn side_by_side<T: Copy + Send + std::fmt::Debug>(
    all: &[T],
    each: impl Fn(usize, T) -> Result<(), String> + Sync,
) {
    let failures: Vec<String> = std::thread::scope(|scope| {
        let each = &each;
        let begun: Vec<_> = all
            .iter()
            .enumerate()
            .map(|(number, one)| {
                let one = *one;
                // Not all in the same moment: they would only wait for each other.
                std::thread::sleep(Duration::from_millis(100));
                (one, scope.spawn(move || each(number, one)))
            })
            .collect();
        let came_to = begun.into_iter().map(|(one, thread)| (one, thread.join()));
        came_to
            .filter_map(|(one, result)| match result {
                Ok(Ok(())) => None,
                Ok(Err(why)) => Some(format!("{one:?}: {why}")),
                Err(_) => Some(format!("{one:?}: panicked, see above")),
            })
            .collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// Fails with all that was said, unless it ended with this code.
pub(crate) fn ends(outcome: &Outcome, code: i32) -> Result<(), String> {
    if outcome.code == Some(code) {
        return Ok(());
    }
    Err(format!("not exit {code}:\n{}", outcome.text()))
}

/// Fails with all that was said, unless it says these words.
pub(crate) fn says(outcome: &Outcome, words: &str) -> Result<(), String> {
    if outcome.stderr.contains(words) || outcome.stdout.contains(words) {
        return Ok(());
    }
    Err(format!("it does not say {words:?}:\n{}", outcome.text()))
}
