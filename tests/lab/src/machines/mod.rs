//! The machines form: a real kubeadm cluster on this one computer.
//!
//! Each machine is a set of namespaces (network, mount, UTS, IPC, PID, control groups) with a root of its own,
//! containerd and a kubelet; a switch without a way out joins them. `kubeadm init` and `join` run unchanged:
//! static pods, etcd of three members, certificates by bootstrap, kube-proxy; `CoreDNS` comes on top. Namespaces
//! have no names and end with their processes; what is left after those is a directory and control groups.

mod addons;
mod boot;
mod cgroup;
mod image;
mod images;
mod kubeadm;
mod needs;
mod net;
mod plan;
mod prober;
mod run;

use std::ffi::OsStr;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Deserialize, Serialize};

pub use images::POD_IMAGE;
pub use needs::{Missing, advice, missing};
pub use plan::{DNS_ADDRESS, Machine, Role};
pub use prober::{Probers, Tally};

use crate::components::{Set, ensure as components};
use crate::process::{self, Identity, Owner, Processes};
use crate::talk::say;
use cgroup::Hierarchies;
use images::Images;
use kubeadm::Secrets;

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Options {
    /// The lab's name: letters, digits and dashes.
    pub name: String,
    /// 1 to 9 machines with etcd and the control plane.
    pub control_planes: u8,
    /// Up to 200 machines for pods.
    pub workers: u8,
    /// Whether the lab outlives this process; otherwise it ends with it.
    pub detached: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { name: "machines".to_owned(), control_planes: 3, workers: 2, detached: false }
    }
}

/// What another process needs to know of a lab, in its directory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    machines: Vec<Machine>,
    /// The port of 127.0.0.1 that leads to the API servers.
    port: u16,
    current: PathBuf,
}

/// A running cluster of machines.
#[derive(Debug)]
pub struct Machines {
    processes: Processes,
    record: Record,
    phases: Vec<(String, Duration)>,
    /// Whether dropping this value takes the lab down.
    owned: bool,
}

const RECORD: &str = "machines.json";

impl Machines {
    /// Brings a cluster up and returns when all nodes are Ready and names resolve.
    pub fn start(options: &Options) -> Result<Self> {
        if let Some(advice) = advice(&missing()) {
            bail!(advice);
        }
        ensure!(
            (1..=9).contains(&options.control_planes) && options.workers <= 200,
            "a lab has 1 to 9 control planes and at most 200 workers"
        );
        let current = components(Set::Current)?;
        let node = components(Set::Node)?;
        let images = Images::ensure(&current)?;
        let mut lab = Self::create(options, current)?;
        match lab.bring_up(&node, &images) {
            Ok(()) => Ok(lab),
            Err(error) => {
                let kept = lab.keep_logs();
                let told = kept.map(|dir| format!("the machines' logs are in {}", dir.display()));
                lab.owned = true;
                drop(lab);
                Err(match told {
                    Ok(told) => error.context(told),
                    Err(_) => error,
                })
            }
        }
    }

    /// A lab that is running.
    pub fn attach(name: &str) -> Result<Self> {
        let dir = process::root()?.join(name);
        let text = fs::read(dir.join(RECORD))
            .with_context(|| format!("no lab of machines called {name}: run `cargo lab up --machines`"))?;
        let record = serde_json::from_slice(&text).context("the lab's record is damaged")?;
        Ok(Self { processes: Processes::open(&dir)?, record, phases: Vec::new(), owned: false })
    }

    fn create(options: &Options, current: PathBuf) -> Result<Self> {
        let root = process::root()?;
        let dir = root.join(&options.name);
        let owner = if options.detached { Owner::Detached } else { Owner::current()? };
        let processes = process::with_root_locked(&root, || {
            process::sweep(&root, clean_up)?;
            ensure!(!dir.exists(), "a lab called {} exists: take it down first", options.name);
            Processes::create(&dir, &owner)
        })?;
        let machines = Machine::all(options.control_planes, options.workers);
        let record = Record { machines, port: 0, current };
        Ok(Self { processes, record, phases: Vec::new(), owned: !options.detached })
    }

    fn bring_up(&mut self, node: &Path, images: &Images) -> Result<()> {
        let began = Instant::now();
        let machines = self.record.machines.clone();
        let (switch, port) = net::start(&self.processes, &self.program("labpod"), &machines)?;
        self.record.port = port;
        process::write_json(&self.dir().join(RECORD), &self.record)?;

        let hierarchies = Hierarchies::read()?;
        let prefix = cgroup_prefix(self.dir());
        let parts = boot::Parts {
            processes: &self.processes,
            current: &self.record.current,
            node,
            images,
            hierarchies: &hierarchies,
            prefix: &prefix,
        };
        for machine in &machines {
            boot::start(&parts, switch, machine, &machines)?;
        }
        self.phases.push(("machines started".to_owned(), began.elapsed()));

        let secrets = Secrets::make()?;
        let (first, others) = machines.split_first().context("no machines")?;
        boot::wait_ready(&self.processes, first)?;
        self.phase("images in the first machine", began);
        kubeadm::init(self, first, &secrets, &images.version)?;
        self.phase("first control plane", began);
        self.write_kubeconfig(&first.name)?;
        addons::deploy_dns(self, images.name("coredns")?)?;
        kubeadm::write_discovery(self, first)?;
        let this = &*self;
        let turn = Mutex::new(());
        let joined = thread::scope(|scope| {
            let joins: Vec<_> = others
                .iter()
                .map(|machine| {
                    scope.spawn(|| {
                        boot::wait_ready(&this.processes, machine)?;
                        kubeadm::join(this, machine, &secrets, &turn)?;
                        Ok((machine.name.clone(), began.elapsed()))
                    })
                })
                .collect();
            joins.into_iter().map(|join| join.join().expect("a join does not panic")).collect::<Vec<Result<_>>>()
        });
        for joined in joined {
            let (name, when) = joined?;
            self.told(&format!("{name} joined"), when);
        }
        addons::wait_nodes(self, Duration::from_secs(60))?;
        self.phase("nodes Ready", began);
        addons::wait_pods(self, Duration::from_secs(60))?;
        self.phase("Service addresses and names", began);
        Ok(())
    }

    fn phase(&mut self, what: &str, began: Instant) {
        self.told(what, began.elapsed());
    }

    fn told(&mut self, what: &str, when: Duration) {
        say(&format!("{:5.1} s  {what}", when.as_secs_f64()));
        self.phases.push((what.to_owned(), when));
    }

    /// kubeadm's administrator, through the port of 127.0.0.1.
    fn write_kubeconfig(&self, first: &str) -> Result<()> {
        let admin = boot::root(self.dir(), first).join("etc/kubernetes/admin.conf");
        let text = fs::read_to_string(&admin).context("kubeadm left no admin.conf")?;
        let inside = format!("https://{}:{}", plan::SWITCH, plan::API_PORT);
        ensure!(text.contains(&inside), "admin.conf does not name {inside}");
        let text = text.replace(&inside, &format!("https://127.0.0.1:{}", self.record.port));
        write_private(&self.kubeconfig(), &text)
    }

    /// The lab's directory.
    pub fn dir(&self) -> &Path {
        self.processes.dir()
    }

    /// The machines, control planes first.
    pub fn machines(&self) -> &[Machine] {
        &self.record.machines
    }

    /// What the start was made of: each phase with the time from the beginning to its end.
    pub fn phases(&self) -> &[(String, Duration)] {
        &self.phases
    }

    /// A kubeconfig of the cluster's administrator, for any program of this computer.
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir().join("kubeconfig")
    }

    /// The root of a machine as seen from outside: its files, but nothing that is mounted inside (`/usr`, `/run`).
    pub fn root_of(&self, machine: &str) -> Result<PathBuf> {
        self.machine(machine)?;
        Ok(boot::root(self.dir(), machine))
    }

    /// A program of the lab: `kubectl`, `kubeadm`, `labpod`.
    pub fn program(&self, name: &str) -> PathBuf {
        self.record.current.join(name)
    }

    /// `kubectl` with the cluster's kubeconfig.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new(self.program("kubectl"));
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }

    /// Runs `kubectl` and returns what it printed; anything but success is an error.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        run::output(self.kubectl_command().args(arguments))
    }

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

    /// The machines that do not run, by name.
    pub fn dead(&self) -> Vec<&str> {
        let names = self.machines().iter().map(|machine| machine.name.as_str());
        names.filter(|name| self.inner(name).is_err()).collect()
    }

    /// Takes the lab down: processes, control groups, directory.
    pub fn down(mut self) -> Result<()> {
        self.owned = false;
        take_down(&self.processes)
    }

    /// Leaves the lab running when this value is dropped; it was started detached, or somebody sweeps it later.
    pub fn leave(mut self) {
        self.owned = false;
    }

    fn machine(&self, name: &str) -> Result<&Machine> {
        let names = || self.machines().iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
        self.machines()
            .iter()
            .find(|machine| machine.name == name)
            .with_context(|| format!("no machine is called {name}: the machines are {}", names()))
    }

    fn inner(&self, machine: &str) -> Result<Identity> {
        boot::inner(self.identity(machine)?)
            .with_context(|| format!("{machine} does not run (see {})", self.processes.log(machine).display()))
    }

    fn identity(&self, process: &str) -> Result<Identity> {
        let record = self.processes.find(process)?;
        Ok(record.with_context(|| format!("{process} was not started"))?.identity)
    }

    /// Copies the machines' logs beside the lab's directory, where a failed start leaves them.
    fn keep_logs(&self) -> Result<PathBuf> {
        let name = self.dir().file_name().context("a lab without a name")?.to_string_lossy();
        let kept = self.dir().with_file_name(format!("{name}.failed"));
        let _ = fs::remove_dir_all(&kept);
        for machine in self.machines() {
            let into = kept.join("log").join(&machine.name);
            fs::create_dir_all(&into)?;
            for log in self.logs(&machine.name)? {
                if let Some(file) = log.file_name() {
                    let _ = fs::copy(&log, into.join(file));
                }
            }
        }
        Ok(kept)
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        if self.owned
            && let Err(error) = take_down(&self.processes)
        {
            say(&format!("cannot take the lab down: {error:#}"));
        }
    }
}

fn take_down(processes: &Processes) -> Result<()> {
    processes.stop_all()?;
    clean_up(processes.dir())?;
    fs::remove_dir_all(processes.dir())
        .with_context(|| format!("cannot remove {}", processes.dir().display()))
}

/// Removes what the machines of the lab in `dir` leave when their processes have ended: control groups.
/// Namespaces and mounts ended with the processes. Does nothing for a lab without machines.
pub fn clean_up(dir: &Path) -> Result<()> {
    if !dir.join("machines").is_dir() {
        return Ok(());
    }
    let mounts = fs::read_to_string("/proc/self/mounts").context("cannot read /proc/self/mounts")?;
    let dir_text = dir.to_string_lossy();
    ensure!(
        !mounts.lines().any(|line| line.split(' ').nth(1).is_some_and(|at| Path::new(at).starts_with(dir))),
        "something is mounted under {dir_text}: unmount it before the directory is removed"
    );
    Hierarchies::read()?.remove(&cgroup_prefix(dir), Instant::now() + Duration::from_secs(5))
}

/// The control groups of the lab in `dir` that exist; for tests and for a person who looks.
pub fn control_groups(dir: &Path) -> Result<Vec<PathBuf>> {
    Hierarchies::read()?.groups(&cgroup_prefix(dir))
}

/// Two labs of the same name may live under different roots: the directory decides.
fn cgroup_prefix(dir: &Path) -> String {
    let mut hash = DefaultHasher::new();
    dir.hash(&mut hash);
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    format!("lab-{name}-{:08x}.", hash.finish() & 0xffff_ffff)
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = fs::File::options()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot make {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
