//! What a person or a test does on one VM: commands, files, services.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result};

use super::{Vms, boot, first};
use crate::machines;

impl Vms {
    /// A program on a VM, to be given arguments and run.
    pub fn command_on(&self, vm: &str, program: impl AsRef<OsStr>) -> Result<Command> {
        self.instance(vm)?;
        Ok(boot::command(first(self.dir(), vm)?, program))
    }

    /// Runs a command on a VM and returns its exit status and what it printed.
    pub fn exec(&self, vm: &str, words: &[&str]) -> Result<Output> {
        let (program, arguments) = words.split_first().context("no command given")?;
        self.command_on(vm, program)?
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {program} on {vm}"))
    }

    /// Runs a script of the shell on a VM; an error if it fails, what it printed otherwise.
    pub fn sh(&self, vm: &str, script: &str) -> Result<String> {
        machines::output(self.command_on(vm, "bash")?.args(["-c", script]))
    }

    /// A VM's root as seen from outside, with everything that is mounted inside, while it runs.
    pub fn root_of(&self, vm: &str) -> Result<PathBuf> {
        Ok(PathBuf::from(format!("/proc/{}/root", first(self.dir(), vm)?.pid)))
    }

    /// A file of a VM.
    pub fn read(&self, vm: &str, path: &str) -> Result<String> {
        let path = self.root_of(vm)?.join(path.trim_start_matches('/'));
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// The processes on a VM whose program is the proxy's, oldest first, by the VM's own PIDs.
    pub fn proxies(&self, vm: &str) -> Result<Vec<u32>> {
        let script = "for p in /proc/[0-9]*; do case $(readlink $p/exe) in \
                      /var/vcap/packages/kubernetes/bin/kube-proxy*) echo \"$(cut -d' ' -f22 $p/stat) ${p#/proc/}\" ;; \
                      esac; done | sort -n | cut -d' ' -f2";
        let said = self.sh(vm, script)?;
        Ok(said.lines().filter_map(|line| line.parse().ok()).collect())
    }

    /// What monit says of the job, in one line of its summary.
    pub fn monit_says(&self, vm: &str) -> Result<String> {
        let said = self.sh(vm, "/var/vcap/bosh/bin/monit summary 2>&1")?;
        let job = self.options().layout.job();
        let quoted = format!("'{job}'");
        let mine = |line: &&str| {
            let mut words = line.split_whitespace();
            words.any(|word| word == quoted) || line.split_whitespace().next() == Some(job)
        };
        Ok(said.lines().find(mine).unwrap_or(said.trim()).trim().to_owned())
    }

    /// Keeps a service of a VM down (`sshd`, `monit`), or lets it come up again.
    pub fn set_service(&self, vm: &str, service: &str, up: bool) -> Result<()> {
        let down = boot::root(self.dir(), vm).join("var/vcap/lab/down").join(service);
        if up {
            return remove(&down);
        }
        fs::write(&down, "").with_context(|| format!("cannot write {}", down.display()))?;
        let script = format!(
            "while pid=$(cat /run/lab/{service}.pid 2>/dev/null); do kill -9 \"$pid\"; sleep 0.05; done 2>/dev/null; true"
        );
        self.sh(vm, &script).map(drop)
    }

    /// Makes a VM's next proxies sick in one way, or well again.
    pub fn set_knob(&self, vm: &str, knob: &str, value: Option<&str>) -> Result<()> {
        let path = boot::root(self.dir(), vm).join("var/vcap/lab/proxy").join(knob);
        match value {
            Some(value) => {
                fs::write(&path, value).with_context(|| format!("cannot write {}", path.display()))
            }
            None => remove(&path),
        }
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
