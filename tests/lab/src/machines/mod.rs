//! The machines form: a real kubeadm cluster on this one computer.
//!
//! Each machine is a set of namespaces (network, mount, UTS, IPC, PID, control groups) with a root of its own,
//! containerd and a kubelet; a switch without a way out joins them. `kubeadm init` and `join` run unchanged:
//! static pods, etcd of three members, certificates by bootstrap, kube-proxy; `CoreDNS` comes on top. Namespaces
//! have no names and end with their processes; what is left after those is a directory and control groups.

mod addons;
mod boot;
mod breaks;
mod cgroup;
mod clients;
mod cluster_file;
mod image;
mod images;
mod inside;
mod keys;
mod kubeadm;
mod mixups;
mod needs;
mod net;
mod plan;
mod prober;
mod run;
mod ssh;
mod start;
mod state;
mod supervised;
mod watches;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

pub(crate) use boot::inner;
pub use breaks::Break;
pub use clients::{ALONE, Clients, Counted, Kind, NAMESPACE as CLIENTS, Scope, Tally as Requests};
pub use images::POD_IMAGE;
pub use mixups::{MixUp, MixUps};
pub(crate) use needs::find;
pub use needs::{Missing, advice, missing, missing_for_tests, packages};
pub(crate) use net::{lives, wait};
pub use plan::{DNS_ADDRESS, Machine, Role};
pub use prober::{Probers, Tally};
pub(crate) use run::{fed, output};
pub use state::control_groups;
pub(crate) use state::{clean_up, status};

use crate::components::{Set, ensure as components};
use crate::loopback::Kubectl;
use crate::process::{Identity, Owner, Processes};
use crate::talk::say;
use crate::{labs, loopback};
use images::Images;
use state::Record;

/// How long nodes and pods may take to become Ready: seconds on a quiet machine, minutes where others build beside it.
const SETTLE: Duration = Duration::from_mins(5);

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Options {
    /// The lab's name: letters, digits and dashes.
    pub name: String,
    /// 1 to 9 machines with etcd and the control plane.
    pub control_planes: u8,
    /// Up to 200 machines for pods.
    pub workers: u8,
    /// The control plane, the kubelets and kube-proxy as services of runit, not as pods: a cluster that kubeadm did not
    /// make.
    pub supervised: bool,
    /// API servers write audit logs.
    pub audit: bool,
    /// Whether the lab outlives this process; otherwise it ends with it.
    pub detached: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "machines".to_owned(),
            control_planes: 3,
            workers: 2,
            supervised: false,
            audit: false,
            detached: false,
        }
    }
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

impl Machines {
    /// Brings a cluster up and returns when all nodes are Ready and names resolve.
    pub fn start(options: &Options) -> Result<Self> {
        let supervisor = options.supervised.then(needs::missing_for_supervision);
        let gone = [missing(), supervisor.unwrap_or_default()].concat();
        if let Some(advice) = advice(&gone) {
            bail!(advice);
        }
        ensure!(
            (1..=9).contains(&options.control_planes) && (1..=99).contains(&options.workers),
            "a lab of machines has 1 to 9 control planes and 1 to 99 workers"
        );
        let current = components(Set::Current)?;
        let node = components(Set::Node)?;
        let tools = components(Set::Tools)?;
        let images = Images::ensure(&current, &tools)?;
        // Until it is up, a detached lab too belongs to whoever brings it up: killed half-way, it is swept.
        let (processes, ()) = labs::create(&options.name, &Owner::current()?, |_, _| Ok(()))?;
        let machines = Machine::all(options.control_planes, options.workers);
        let (supervised, audit) = (options.supervised, options.audit);
        let record = Record { machines, supervised, audit, port: 0, current };
        let mut lab = Self { processes, record, phases: Vec::new(), owned: true };
        if let Err(error) = lab.bring_up(&node, &tools, &images) {
            lab.owned = false;
            lab.keep_logs()?;
            return Err(
                error.context(format!("the machines of lab {} did not come up", options.name))
            );
        }
        if options.detached {
            lab.processes.set_owner(&Owner::Detached)?;
        }
        lab.owned = !options.detached;
        Ok(lab)
    }

    /// A lab of machines that runs already, by name. Dropping it leaves the lab alone.
    pub fn open(name: &str) -> Result<Self> {
        let dir = labs::find(name)?;
        let record = Record::read(&dir).with_context(|| {
            format!("lab {name} has no machines: start one with `cargo lab up --machines`")
        })?;
        Ok(Self { processes: Processes::open(&dir)?, record, phases: Vec::new(), owned: false })
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
        self.dir().join("admin.conf")
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

    /// kubectl as the administrator.
    pub fn client(&self) -> Kubectl {
        Kubectl::new(self.program("kubectl"), self.kubeconfig())
    }

    /// Runs kubectl and gives back whatever happened.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        self.client().output(arguments)
    }

    /// Runs kubectl; an error if it fails, what it printed otherwise.
    pub fn kubectl_text(&self, arguments: &[&str]) -> Result<String> {
        self.client().text(arguments)
    }

    /// Applies objects, as the server itself merges them.
    pub fn apply(&self, yaml: &str) -> Result<()> {
        let words = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        self.client().with_input(&words, yaml).map(drop)
    }

    /// The machines that do not run, by name.
    pub fn dead(&self) -> Vec<&str> {
        let names = self.machines().iter().map(|machine| machine.name.as_str());
        names.filter(|name| self.inner(name).is_err()).collect()
    }

    /// Takes the lab down: processes, control groups, directory.
    pub fn down(mut self) -> Result<()> {
        self.owned = false;
        loopback::take_down(&self.processes)
    }

    fn machine(&self, name: &str) -> Result<&Machine> {
        let names =
            || self.machines().iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
        self.machines()
            .iter()
            .find(|machine| machine.name == name)
            .with_context(|| format!("no machine is called {name}: the machines are {}", names()))
    }

    fn inner(&self, machine: &str) -> Result<Identity> {
        inner(self.identity(machine)?).with_context(|| {
            format!("{machine} does not run (see {})", self.processes.log(machine).display())
        })
    }

    fn identity(&self, process: &str) -> Result<Identity> {
        let record = self.processes.find(process)?;
        Ok(record.with_context(|| format!("{process} was not started"))?.identity)
    }

    /// Takes the lab down but for its logs, the machines' own among them.
    fn keep_logs(&self) -> Result<()> {
        for machine in self.machines() {
            for log in self.logs(&machine.name).unwrap_or_default() {
                let file = log.file_stem().unwrap_or_default().to_string_lossy();
                // The machine's own output is there already.
                if file != machine.name {
                    let _ = fs::copy(&log, self.processes.log(&format!("{}-{file}", machine.name)));
                }
            }
        }
        loopback::keep_logs(&self.processes)
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        if !self.owned {
            return;
        }
        let result = if thread::panicking() {
            self.keep_logs()
        } else {
            loopback::take_down(&self.processes)
        };
        if let Err(error) = result {
            say(&format!("could not take the lab down: {error:#}"));
        }
    }
}
