//! VMs as BOSH makes them: the layout of `/var/vcap`, a real sshd, a real monit or the double of the stemcells' one, a
//! proxy as a monit job; before them a director, and a `bosh` that goes through both.
//!
//! Each VM is a set of namespaces with an address of its own on a bridge without a way out. The `bosh` is a double,
//! since the real one is in no package registry: it asks the director over TLS and runs the real `ssh -tt` just as
//! the real one does, and is held to recordings of it. Namespaces have no names and end with their processes.
//!
//! A program that starts such a lab calls [`play`] first: it is mounted under the names of the VMs' programs.

mod boot;
mod cli;
mod director;
mod faults;
mod inside;
mod monit;
mod needs;
mod net;
mod plan;
mod proxy;
mod record;
mod role;
mod sick;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

pub use faults::{Faults, HostKey, InstanceFaults};
pub(crate) use needs::all as all_missing;
pub use needs::{advice, missing};
pub use plan::{BLACK_HOLE, DEPLOYMENT, Instance, Layout, Monit, NOBODY, Options};
pub use record::{Change, down_together};
pub use role::play;
pub use sick::Sickness;

use crate::machines::{inner, lives, output, wait};
use crate::process::{Identity, Launch, Owner, Processes, write_json};
use crate::talk::say;
use crate::{labs, loopback};

const RECORD: &str = "bosh.json";
const DIRECTOR: &str = "director";
const RECORDER: &str = "recorder";

/// What another process needs to know of a lab, in its directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Record {
    options: Options,
    instances: Vec<Instance>,
    gateway: Instance,
    /// The password of the director's client.
    secret: String,
}

impl Record {
    pub(crate) fn read(dir: &Path) -> Result<Self> {
        let text = fs::read(dir.join(RECORD)).with_context(|| {
            format!("{} has no BOSH VMs: start some with `cargo lab bosh up`", dir.display())
        })?;
        serde_json::from_slice(&text).context("cannot read the record of the lab's VMs")
    }
}

/// VMs that run, with their director.
#[derive(Debug)]
pub struct Vms {
    processes: Processes,
    record: Record,
    /// Whether dropping this value takes the lab down.
    owned: bool,
}

impl Vms {
    /// Brings VMs up and returns when each lets people in and its monit says that all its jobs run.
    pub fn start(options: &Options) -> Result<Self> {
        if let Some(advice) = advice(&missing(options.monit)) {
            bail!(advice);
        }
        let began = Instant::now();
        let name = options.name.clone().unwrap_or_else(loopback::unused_name);
        let record = Record {
            options: options.clone(),
            instances: Instance::all(options.masters, options.minions)?,
            gateway: Instance::gateway()?,
            secret: plan::hex(&plan::random::<12>()?),
        };
        // Until it is up, a detached lab too belongs to whoever brings it up: killed half-way, it is swept.
        let (processes, ()) = labs::create(&name, &Owner::current()?, |_, _| Ok(()))?;
        let mut lab = Self { processes, record, owned: true };
        if let Err(error) = lab.bring_up() {
            lab.owned = false;
            loopback::keep_logs(&lab.processes)?;
            return Err(error.context(format!("the VMs of lab {name} did not come up")));
        }
        if options.detached {
            lab.processes.set_owner(&Owner::Detached)?;
            say(&format!("{name} is up in {:.1} s", began.elapsed().as_secs_f64()));
        }
        lab.owned = !options.detached;
        Ok(lab)
    }

    /// VMs that run already, by the lab's name. Dropping the value leaves them alone.
    pub fn open(name: &str) -> Result<Self> {
        let dir = labs::find(name)?;
        let record = Record::read(&dir)?;
        Ok(Self { processes: Processes::open(&dir)?, record, owned: false })
    }

    /// The lab's directory.
    pub fn dir(&self) -> &Path {
        self.processes.dir()
    }

    /// What was asked for.
    pub fn options(&self) -> &Options {
        &self.record.options
    }

    /// The instances of the deployment, masters first.
    pub fn instances(&self) -> &[Instance] {
        &self.record.instances
    }

    /// The instance whose VM is called so: `minion-0`.
    pub fn instance(&self, vm: &str) -> Result<&Instance> {
        let names = || self.instances().iter().map(Instance::vm).collect::<Vec<_>>().join(", ");
        let all = self.instances().iter().chain([&self.record.gateway]);
        all.into_iter()
            .find(|one| one.vm() == vm)
            .with_context(|| format!("no VM is called {vm}: the VMs are {}", names()))
    }

    /// The `bosh` to be called: the double, or somebody's real one in the network of the VMs.
    pub fn bosh(&self) -> PathBuf {
        self.dir().join(role::FOLDER).join("bosh")
    }

    /// What `bosh` needs in its environment, but for `HOME` and `PATH`.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("BOSH_ENVIRONMENT", format!("https://{}", plan::DIRECTOR)),
            ("BOSH_CA_CERT", director::ca(self.dir()).display().to_string()),
            ("BOSH_CLIENT", director::CLIENT.to_owned()),
            ("BOSH_CLIENT_SECRET", self.record.secret.clone()),
            ("BOSH_DEPLOYMENT", DEPLOYMENT.to_owned()),
        ]
    }

    /// The key that opens the gateway, for `BOSH_GW_PRIVATE_KEY`.
    pub fn gateway_key(&self) -> PathBuf {
        self.dir().join("gateway-key")
    }

    /// What the recorder saw of the proxies, oldest first.
    pub fn record(&self) -> Result<Vec<Change>> {
        record::read(self.dir())
    }

    /// Every request that the director was sent, oldest first: `POST /deployments/kubernetes/ssh`.
    pub fn requests(&self) -> Result<Vec<String>> {
        let log = self.processes.log(DIRECTOR);
        let text =
            fs::read_to_string(&log).with_context(|| format!("cannot read {}", log.display()))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// Ends the director.
    pub fn stop_director(&self) -> Result<()> {
        self.processes.stop(DIRECTOR)
    }

    /// Starts the director, and waits until it listens.
    pub fn start_director(&self) -> Result<()> {
        let program = self.dir().join(role::FOLDER).join("lab-director");
        let ca = director::ca(self.dir());
        if ca.exists() {
            fs::remove_file(&ca).context("cannot remove the CA of the director before")?;
        }
        let record = self.processes.start(&Launch::new(DIRECTOR, program).at_once())?;
        let log = self.processes.log(DIRECTOR);
        wait(Duration::from_secs(20), "the director", || {
            lives(record.identity, DIRECTOR, &log)?;
            Ok(ca.exists())
        })
    }

    /// Takes the lab down: processes, namespaces with them, directory.
    pub fn down(mut self) -> Result<()> {
        self.owned = false;
        loopback::take_down(&self.processes)
    }

    fn bring_up(&mut self) -> Result<()> {
        let dir = self.dir().to_owned();
        write_json(&dir.join(RECORD), &self.record)?;
        self.link_programs()?;
        output(
            std::process::Command::new("ssh-keygen")
                .args(["-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", "", "-f"])
                .arg(self.gateway_key()),
        )?;
        let switch = net::start(&self.processes)?;
        let all: Vec<&Instance> =
            self.record.instances.iter().chain([&self.record.gateway]).collect();
        for instance in &all {
            boot::start(&self.processes, switch, &self.record.options, instance)?;
        }
        net::dig_black_hole(switch)?;
        self.start_director()?;
        for instance in &all {
            boot::wait_ready(&self.processes, &self.record.options, instance)?;
        }
        let program = dir.join(role::FOLDER).join("lab-recorder");
        let recorder = self.processes.start(&Launch::new(RECORDER, program).at_once())?;
        let log = self.processes.log(RECORDER);
        wait(Duration::from_secs(20), "the recorder", || {
            lives(recorder.identity, RECORDER, &log)?;
            let seen = record::read(&dir).unwrap_or_default();
            Ok(seen.iter().filter(|change| change.up).count() >= self.record.instances.len())
        })
    }

    /// The lab's own programs are links to this one; `bosh` is a script, so that it knows its lab by its path.
    fn link_programs(&self) -> Result<()> {
        let folder = self.dir().join(role::FOLDER);
        fs::create_dir_all(&folder).context("cannot make the folder of the lab's programs")?;
        let program = role::program()?;
        for name in ["lab-director", "lab-recorder", "lab-bosh"] {
            std::os::unix::fs::symlink(&program, folder.join(name))
                .with_context(|| format!("cannot make the link {name}"))?;
        }
        let shown =
            |path: &Path| format!("'{}'", path.display().to_string().replace('\'', r"'\''"));
        let script = match &self.record.options.real {
            None => format!("#!/bin/sh\nexec {} \"$@\"\n", shown(&folder.join("lab-bosh"))),
            // The real one knows nothing of the network of the VMs.
            Some(real) => format!(
                "#!/bin/sh\nswitch=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/' {})\n\
                 exec nsenter --target \"$switch\" --net {} \"$@\"\n",
                shown(&self.dir().join("run").join(format!("{}.json", net::SWITCH))),
                shown(real)
            ),
        };
        boot::write(&folder, "bosh", 0o755, &script)
    }
}

impl Drop for Vms {
    fn drop(&mut self) {
        if !self.owned {
            return;
        }
        let result = if thread::panicking() {
            loopback::keep_logs(&self.processes)
        } else {
            loopback::take_down(&self.processes)
        };
        if let Err(error) = result {
            say(&format!("could not take the lab down: {error:#}"));
        }
    }
}

/// The first process inside a VM of the lab in `dir`.
pub(crate) fn first(dir: &Path, vm: &str) -> Result<Identity> {
    let processes = Processes::open(dir)?;
    let record = processes.find(vm)?.with_context(|| format!("{vm} was not started"))?;
    inner(record.identity)
        .with_context(|| format!("{vm} does not run (see {})", processes.log(vm).display()))
}
