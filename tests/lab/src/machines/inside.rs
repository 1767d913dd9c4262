//! What a person or a test does on one machine: commands, restarts, ports, logs.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result};

use super::{Machines, net, run};

impl Machines {
    /// A program on a machine, to be given arguments and run.
    pub fn command_on(&self, machine: &str, program: impl AsRef<OsStr>) -> Result<Command> {
        self.machine(machine)?;
        let inner = self.inner(machine)?;
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &inner.pid.to_string()])
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--"])
            // The environment of a login on the machine, not of whoever calls.
            .args(["/usr/bin/env", "-i", "HOME=/root", "TERM=dumb"])
            .arg("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .arg(program);
        Ok(command)
    }

    /// Runs a command on a machine and returns its exit status and what it printed.
    pub fn exec(&self, machine: &str, words: &[&str]) -> Result<Output> {
        let (program, arguments) = words.split_first().context("no command given")?;
        self.command_on(machine, program)?
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("cannot run {program} on {machine}"))
    }

    /// Ends `kubelet` or `containerd` on a machine; it is started again at once, as by `systemctl restart`.
    pub fn restart(&self, machine: &str, service: &str) -> Result<()> {
        // The machine's first process notes the PID, which is one of the machine's own.
        let script = r#"kill "$(cat "/run/lab/$0.pid")""#;
        run::output(self.command_on(machine, "sh")?.args(["-c", script, service]))
            .with_context(|| format!("cannot restart {service} on {machine}"))?;
        Ok(())
    }

    /// The PID of the process that holds the switch's network namespace, for `nsenter`.
    pub fn switch(&self) -> Result<u32> {
        Ok(self.identity(net::SWITCH_PROCESS)?.pid)
    }

    /// Makes a TCP port of a machine reachable: returns the port of 127.0.0.1 that leads to it.
    pub fn forward(&self, machine: &str, port: u16) -> Result<u16> {
        let target = format!("{}:{port}", self.machine(machine)?.address());
        let switch = self.identity(net::SWITCH_PROCESS)?;
        net::forward(&self.processes, switch, &self.program("labpod"), &target)
    }

    /// The log files of a machine (`kubelet`, `containerd`, `kubeadm`, `images`, ...), or of the switch.
    pub fn logs(&self, machine: &str) -> Result<Vec<PathBuf>> {
        if machine == net::SWITCH_PROCESS {
            return Ok(vec![self.processes.log(machine)]);
        }
        let folder = self.root_of(machine)?.join("var/log");
        let mut logs: Vec<_> = fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|kind| kind == "log"))
            .collect();
        logs.push(self.processes.log(machine));
        logs.sort();
        Ok(logs)
    }
}
