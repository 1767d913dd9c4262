//! The command line: `cargo lab up|down|status|...`, see `cargo lab --help`.
//!
//! What another program may read goes to stdout, everything said to a person to stderr.

mod bosh;
mod breaks;
mod clients;
mod components;
mod machines;
mod secrets;
mod status;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Parser, Subcommand};

use self::components::Change;
use crate::demo::Demo;
use crate::loopback::{Generation, Loopback, Options};
use crate::process::{self, Processes};
use crate::talk::say;
use crate::{labs, loopback};

/// Real Kubernetes clusters on this machine, for tests and for trying things out.
///
/// Compiled from source once (minutes; needs Go), then up in seconds. Nothing is installed, nothing outside
/// 127.0.0.0/8 is ever dialled.
#[derive(Debug, Parser)]
#[command(name = "lab", bin_name = "cargo lab", version)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Bring a lab up; prints the path of its kubeconfig.
    Up(Up),
    /// Take a lab down and remove its files.
    Down(Down),
    /// Say which labs there are and what runs in them: PIDs, memory, addresses.
    Status,
    /// Print the path of a lab's kubeconfig.
    Kubeconfig(Named),
    /// Print the file of machines with which `kubectl rotate-certs` reaches a lab's machines from the desk.
    ClusterFile(Named),
    /// Print the log of a component, or without one the paths of all logs.
    Logs(Logs),
    /// Run a command with KUBECONFIG and PATH set for a lab.
    Exec(Exec),
    /// Let the pods of the runbooks' world mount token secrets, or make awkward or many ones.
    Tokens(secrets::Tokens),
    /// Put another signing key or another root CA into use, as a rotation does.
    Rotate(secrets::Rotate),
    /// Say what the API server answers to the program in each pod, with the credential that it holds.
    Inside(Named),
    /// Stop a component.
    Stop(components::Which),
    /// Start a component that was stopped.
    Start(components::Which),
    /// Stop the clock of a component: it holds its connections and does nothing.
    Freeze(components::Which),
    /// Let a frozen component go on.
    Thaw(components::Which),
    /// Restart the controller manager with kube's own limits, or slower ones; the lab's are lifted by default.
    Slow(components::Slow),
    /// Show what the runbook's command breaks and what `kubectl recycle` does instead; cleans up after itself.
    Demo(Demo),
    /// Make something wrong with certificates on machines, on purpose, and put it right again.
    MixUp(machines::MixUpArgs),
    /// Break something on a machine, on purpose: its certificates, cable, clock, disk, or all of its processes.
    #[command(subcommand)]
    Break(breaks::Verb),
    /// Mend what `break` has broken.
    Mend(breaks::Mend),
    /// Clients on machines that behave like real ones, and count every request that fails.
    #[command(subcommand)]
    Clients(clients::Verb),
    /// VMs as BOSH makes them, with a director and a `bosh` before them. Needs root.
    #[command(subcommand)]
    Bosh(bosh::Verb),
    /// Print the Debian packages that machines, BOSH VMs and tests need and that are not installed, one a line.
    Packages,
}

#[derive(Debug, Args)]
struct Named {
    /// Which lab, where there are several.
    #[arg(long, default_value = "default", value_name = "NAME")]
    name: String,
}

#[derive(Debug, Args)]
struct Up {
    #[command(flatten)]
    named: Named,
    /// Which Kubernetes: 1.36, or old (1.24, which makes token secrets by itself).
    #[arg(long, default_value_t, value_name = "1.36|old")]
    kubernetes: Generation,
    /// How many simulated nodes.
    #[arg(long, default_value_t = 3, value_name = "N")]
    nodes: u32,
    /// How many API servers.
    #[arg(long, default_value_t = 1, value_name = "N")]
    api_servers: u32,
    /// Real machines with kubelets instead of simulated nodes: a kubeadm cluster. Needs root.
    #[arg(long, conflicts_with_all = ["kubernetes", "nodes", "api_servers"])]
    machines: bool,
    /// How many machines with a control plane.
    #[arg(long, default_value_t = 3, value_name = "N", requires = "machines")]
    control_planes: u8,
    /// How many machines for pods.
    #[arg(long, default_value_t = 2, value_name = "N", requires = "machines")]
    workers: u8,
    /// Components as services of runit, not as pods: a cluster that kubeadm did not make. Needs the package runit.
    #[arg(long, requires = "machines")]
    supervised: bool,
    /// API servers write down who asked them for what: /var/log/audit/audit.log on their machines.
    #[arg(long, requires = "machines")]
    audit: bool,
    /// Put the runbooks' objects into it: kube-dns, kube2iam, fluentd, canal, kube-proxy, dashboard, metrics-server.
    #[arg(long)]
    world: bool,
}

#[derive(Debug, Args)]
struct Down {
    #[command(flatten)]
    named: Named,
    /// Take all labs down, those of running tests too.
    #[arg(long, conflicts_with = "name")]
    all: bool,
}

#[derive(Debug, Args)]
struct Logs {
    #[command(flatten)]
    named: Named,
    /// Those of a machine, e.g. control-1, or of the switch between the machines.
    #[arg(long, value_name = "MACHINE")]
    machine: Option<String>,
    /// Which component, e.g. kube-apiserver.
    component: Option<String>,
}

#[derive(Debug, Args)]
struct Exec {
    #[command(flatten)]
    named: Named,
    /// On a machine, e.g. control-1.
    #[arg(long, value_name = "MACHINE")]
    machine: Option<String>,
    /// With this computer's files in the network of the machines, where each is reached by its own address.
    #[arg(long, conflicts_with = "machine")]
    desk: bool,
    /// The command and its arguments, after `--`.
    #[arg(required = true, last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Cli {
    /// Does what is asked.
    pub fn run(self) -> Result<ExitCode> {
        match self.verb {
            Verb::Demo(demo) => return demo.run(),
            Verb::Up(up) => up.run(),
            Verb::Down(down) => down.run(),
            Verb::Status => out(&status::table()?),
            Verb::Kubeconfig(named) => {
                let dir = labs::find(&named.name)?;
                out(&format!("{}\n", dir.join("admin.conf").display()))
            }
            Verb::ClusterFile(named) => {
                out(&crate::machines::Machines::open(&named.name)?.cluster_file())
            }
            Verb::Logs(logs) => logs.run(),
            Verb::Exec(exec) => exec.run(),
            Verb::Tokens(tokens) => tokens.run(),
            Verb::Rotate(rotate) => rotate.run(),
            Verb::Inside(named) => out(&secrets::inside(&named)?),
            Verb::Stop(which) => which.run(Change::Stop),
            Verb::Start(which) => which.run(Change::Start),
            Verb::Freeze(which) => which.run(Change::Freeze),
            Verb::Thaw(which) => which.run(Change::Thaw),
            Verb::Slow(slow) => slow.run(),
            Verb::MixUp(arguments) => out(&machines::mix_up(&arguments)?),
            Verb::Break(verb) => verb.run(),
            Verb::Mend(mend) => mend.run(),
            Verb::Clients(verb) => verb.run(),
            Verb::Bosh(verb) => verb.run(),
            Verb::Packages => out(&machines::packages()),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Up {
    fn run(self) -> Result<()> {
        let name = &self.named.name;
        let kubeconfig = if self.machines {
            let options = crate::machines::Options {
                name: name.clone(),
                control_planes: self.control_planes,
                workers: self.workers,
                supervised: self.supervised,
                audit: self.audit,
                detached: true,
            };
            machines::up(&options, self.world)?
        } else {
            let lab = Loopback::start(&Options {
                kubernetes: self.kubernetes,
                nodes: self.nodes,
                api_servers: self.api_servers,
                name: Some(name.clone()),
                detached: true,
                ..Options::default()
            })?;
            if self.world {
                lab.apply(&crate::world::runbooks())?;
            }
            lab.kubeconfig()
        };
        let named = if name == "default" { String::new() } else { format!(" --name {name}") };
        say(&format!("use it: cargo lab exec{named} -- kubectl get pods -A"));
        say(&format!("end it: cargo lab down{named}"));
        out(&format!("{}\n", kubeconfig.display()))
    }
}

impl Down {
    fn run(self) -> Result<()> {
        let dirs = if self.all { labs::all()? } else { vec![labs::find(&self.named.name)?] };
        for dir in dirs {
            loopback::take_down(&Processes::open(&dir)?)?;
            say(&format!("{} is down", dir.file_name().unwrap_or_default().display()));
        }
        labs::sweep()
    }
}

impl Logs {
    fn run(self) -> Result<()> {
        if let Some(machine) = &self.machine {
            let component = self.component.as_deref();
            return out(&machines::logs(&self.named.name, machine, component)?);
        }
        let dir = labs::find(&self.named.name)?.join("log");
        let entries =
            std::fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
        let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.sort();
        let Some(component) = self.component else {
            let lines: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
            return out(&format!("{}\n", lines.join("\n")));
        };
        let Some(path) =
            paths.iter().find(|path| path.file_stem().is_some_and(|stem| stem == &*component))
        else {
            let names: Vec<_> =
                paths.iter().filter_map(|path| path.file_stem()?.to_str()).collect();
            bail!("no component is called {component:?}: there is {}", names.join(", "));
        };
        let mut file =
            std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        match io::copy(&mut file, &mut io::stdout().lock()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(error).context("cannot write to stdout")
            }
            _ => Ok(()),
        }
    }
}

impl Exec {
    /// Becomes the command, so that its exit code, signals and terminal are its own.
    fn run(self) -> Result<()> {
        if let Some(machine) = &self.machine {
            return machines::exec(&self.named.name, machine, &self.command);
        }
        if self.desk {
            return machines::at_desk(&self.named.name, &self.command);
        }
        let name = &self.named.name;
        let dir = labs::find(name)?;
        ensure!(
            process::owner(&dir).is_some_and(|owner| owner.lives()),
            "lab {name} has lost its owner: `cargo lab down --name {name}`"
        );
        let programs = crate::components::ensure(crate::components::Set::Current)?;
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(programs).chain(std::env::split_paths(&inherited));
        let path = std::env::join_paths(folders).context("PATH cannot be extended")?;
        let mut words = self.command.iter();
        let program = words.next().context("no command")?;
        let error = Command::new(program)
            .args(words)
            .env("KUBECONFIG", dir.join("admin.conf"))
            .env("PATH", path)
            .exec();
        Err(error).with_context(|| format!("cannot run {}", program.display()))
    }
}

/// Writes to stdout. Whoever closed it has read enough.
fn out(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}
