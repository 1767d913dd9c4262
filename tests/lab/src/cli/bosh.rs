//! The verbs for a lab of BOSH VMs.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};

use super::out;
use crate::bosh::{Layout, Monit, Options, Sickness, Vms, down_together};
use crate::talk::say;

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Bring VMs up, with a director; prints the path of `bosh`.
    Up(Up),
    /// Take the VMs down and remove their files.
    Down(Named),
    /// Say which VMs there are, what monit says of the job and which proxies run.
    Status(Named),
    /// Run a command with `bosh` on PATH and the director in the environment, or with --vm on a VM.
    Exec(Exec),
    /// Print what a shell needs to use `bosh`: `eval "$(cargo lab bosh env)"`.
    Env(Named),
    /// Make a VM sick.
    Sick(Sick),
    /// Make a VM well again, as far as that is one step: knobs, faults, services.
    Well(Vm),
    /// Have a deploy hold the deployment, or end it.
    Lock(Lock),
    /// Print when each proxy went up and down, and how many of a group were down together.
    Record(Named),
}

#[derive(Debug, Args)]
pub(super) struct Named {
    /// Which lab, where there are several.
    #[arg(long, default_value = "bosh", value_name = "NAME")]
    name: String,
}

#[derive(Debug, Args)]
pub(super) struct Up {
    #[command(flatten)]
    named: Named,
    /// How many VMs of the group master.
    #[arg(long, default_value_t = 2, value_name = "N")]
    masters: u8,
    /// How many VMs of the group minion.
    #[arg(long, default_value_t = 3, value_name = "N")]
    minions: u8,
    /// Which release the job is of.
    #[arg(long, value_enum, default_value = "18f")]
    layout: Layout,
    /// Which monit: a double of the stemcells', or the system's own.
    #[arg(long, value_enum, default_value = "5.2.5")]
    monit: Monit,
    /// Seconds between two looks of monit; stemcells have 10.
    #[arg(long, default_value_t = 10, value_name = "SECONDS")]
    poll: u32,
    /// Seconds that monit gives a start.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    start_timeout: u32,
    /// A real bosh, to be used instead of the double.
    #[arg(long, env = "BOSH_LAB_REAL", value_name = "PATH")]
    real: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct Vm {
    #[command(flatten)]
    named: Named,
    /// Which VM, e.g. minion-0.
    vm: String,
}

#[derive(Debug, Args)]
pub(super) struct Sick {
    #[command(flatten)]
    vm: Vm,
    /// In which way.
    how: Sickness,
}

#[derive(Debug, Args)]
pub(super) struct Lock {
    #[command(flatten)]
    named: Named,
    /// End it.
    #[arg(long)]
    off: bool,
}

#[derive(Debug, Args)]
pub(super) struct Exec {
    #[command(flatten)]
    named: Named,
    /// On a VM, e.g. minion-0.
    #[arg(long, value_name = "VM")]
    vm: Option<String>,
    /// The command and its arguments, after `--`.
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Verb {
    /// Does what is asked.
    pub(super) fn run(self) -> Result<()> {
        match self {
            Self::Up(up) => up.run(),
            Self::Down(named) => {
                Vms::open(&named.name)?.down()?;
                say(&format!("{} is down", named.name));
                Ok(())
            }
            Self::Status(named) => status(&Vms::open(&named.name)?),
            Self::Exec(exec) => exec.run(),
            Self::Env(named) => {
                let lab = Vms::open(&named.name)?;
                let mut text = String::new();
                for (name, value) in lab.environment() {
                    let _ = writeln!(text, "export {name}='{value}'");
                }
                let folder = lab.bosh();
                let folder = folder.parent().context("bosh is in no folder")?;
                let _ = writeln!(text, "export PATH='{}':\"$PATH\"", folder.display());
                out(&text)
            }
            Self::Sick(sick) => Vms::open(&sick.vm.named.name)?.make_sick(&sick.vm.vm, sick.how),
            Self::Well(vm) => Vms::open(&vm.named.name)?.make_well(&vm.vm),
            Self::Lock(lock) => {
                Vms::open(&lock.named.name)?.set_faults(|faults| faults.locked = !lock.off)
            }
            Self::Record(named) => record(&Vms::open(&named.name)?),
        }
    }
}

impl Up {
    fn run(self) -> Result<()> {
        let lab = Vms::start(&Options {
            name: Some(self.named.name.clone()),
            masters: self.masters,
            minions: self.minions,
            layout: self.layout,
            monit: self.monit,
            poll: self.poll,
            start_timeout: self.start_timeout,
            detached: true,
            real: self.real,
        })?;
        let named = match self.named.name.as_str() {
            "bosh" => String::new(),
            name => format!(" --name {name}"),
        };
        say(&format!("use it: cargo lab bosh exec{named} -- bosh instances --ps"));
        say(&format!("end it: cargo lab bosh down{named}"));
        out(&format!("{}\n", lab.bosh().display()))
    }
}

impl Exec {
    /// Becomes the command, so that its exit code, signals and terminal are its own.
    fn run(self) -> Result<()> {
        let lab = Vms::open(&self.named.name)?;
        let (program, arguments) = self.command.split_first().context("no command")?;
        let mut command = if let Some(vm) = &self.vm {
            lab.command_on(vm, program)?
        } else {
            let inherited = std::env::var_os("PATH").unwrap_or_default();
            let bosh = lab.bosh();
            let folder = bosh.parent().context("bosh is in no folder")?.to_owned();
            let folders = std::iter::once(folder).chain(std::env::split_paths(&inherited));
            let path = std::env::join_paths(folders).context("PATH cannot be extended")?;
            let mut command = Command::new(program);
            command.envs(lab.environment()).env("PATH", path);
            command
        };
        let error = command.args(arguments).exec();
        Err(error).with_context(|| format!("cannot run {}", program.display()))
    }
}

fn status(lab: &Vms) -> Result<()> {
    let mut text = format!(
        "{:<10} {:<44} {:<12} {:<3} {:<16} MONIT\n",
        "VM", "INSTANCE", "ADDRESS", "AZ", "PROXIES"
    );
    for instance in lab.instances() {
        let vm = instance.vm();
        let proxies = lab
            .proxies(&vm)
            .map(|pids| pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
        let says = lab.monit_says(&vm);
        let _ = writeln!(
            text,
            "{vm:<10} {:<44} {:<12} {:<3} {:<16} {}",
            instance.name(),
            instance.address,
            instance.az,
            proxies.unwrap_or_else(|_| "-".to_owned()),
            says.unwrap_or_else(|error| format!("{error:#}"))
        );
    }
    out(&text)
}

fn record(lab: &Vms) -> Result<()> {
    let changes = lab.record()?;
    let mut text = String::new();
    for change in &changes {
        let state = if change.up { "up" } else { "down" };
        let _ = writeln!(text, "{:9.2} s  {:<10} {state}", change.at, change.vm);
    }
    for (group, most) in down_together(&changes) {
        let _ = writeln!(text, "{group}: at most {most} down together");
    }
    out(&text)
}
