//! The cluster on which the demo plays, in either form.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::binary;
use super::form::Form;
use super::pods::{self, Pod};
use crate::loopback::{self, Kubectl, Loopback};
use crate::machines::{self, Machines};
use crate::world;

/// How long a DNS server of a simulated node takes to become Ready: about what a real one does.
const START_UP: u32 = 3;

/// How long the cluster may take to be well again.
const PATIENCE: Duration = Duration::from_mins(2);

/// A cluster in which everything runs that the runbook touches.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) lab: Lab,
    /// `PATH` with the lab's kubectl and the plugins first.
    path: OsString,
}

#[derive(Debug)]
pub(super) enum Lab {
    Loopback(Loopback),
    Machines(Machines),
}

impl Lab {
    pub(super) fn client(&self) -> Kubectl {
        match self {
            Self::Loopback(lab) => lab.client(),
            Self::Machines(lab) => lab.client(),
        }
    }

    fn dir(&self) -> &Path {
        match self {
            Self::Loopback(lab) => lab.dir(),
            Self::Machines(lab) => lab.dir(),
        }
    }

    fn kubectl(&self) -> PathBuf {
        match self {
            Self::Loopback(lab) => lab.programs().join("kubectl"),
            Self::Machines(lab) => lab.program("kubectl"),
        }
    }
}

impl Stage {
    /// Brings the cluster up and waits until all is well.
    pub(super) fn set(name: &str, form: Form, programs: &Path) -> Result<Self> {
        let lab = match form {
            Form::Loopback => Lab::Loopback(Loopback::start(&loopback::Options {
                nodes: 3,
                name: Some(name.to_owned()),
                ..loopback::Options::default()
            })?),
            Form::Machines => Lab::Machines(
                Machines::start(&machines::Options {
                    name: name.to_owned(),
                    ..machines::Options::default()
                })
                .context(
                    "if this computer cannot have machines, `cargo demo --loopback` can do without",
                )?,
            ),
        };
        let path = path(&lab, programs)?;
        let stage = Self { lab, path };
        match &stage.lab {
            Lab::Loopback(lab) => {
                lab.apply(&world::runbooks())?;
                lab.apply(&world::slow_dns(START_UP))?;
                lab.apply(&world::dns_budget())?;
            }
            Lab::Machines(lab) => {
                lab.apply(&world::join(&[world::addons(), world::dns_budget()]))?;
            }
        }
        for workload in [
            ["deployment/kube-dns", "kube-system"],
            ["deployment/kube-dns-autoscaler", "kube-system"],
            ["daemonset/kube2iam", "default"],
            ["daemonset/fluentd-cloudwatch-v1", "kube-system"],
        ] {
            let [workload, namespace] = workload;
            let words = ["rollout", "status", workload, "--namespace", namespace, "--timeout=2m"];
            stage.lab.client().text(&words)?;
        }
        stage.wait_well()?;
        Ok(stage)
    }

    /// What one is going to see.
    pub(super) const fn scene(&self) -> &'static str {
        match self.lab {
            Lab::Loopback(_) => {
                "Two DNS servers run behind the Service kube-dns, with a budget that lets one be away, and beside \
                 them kube-dns-autoscaler, which only has a similar name. The nodes are simulated: pods are objects \
                 without programs, and a DNS pod is Ready three seconds after it \
                 started, about as a real one. So the demo \
                 does not look up names; it watches the Service's endpoints and measures how long none is Ready."
            }
            Lab::Machines(_) => {
                "Two CoreDNS servers run behind the Service kube-dns, with a budget that lets one be away, and \
                 beside them kube-dns-autoscaler, which only has a similar name. A pod on each worker looks a name \
                 up through the Service every 50 ms and counts what is lost."
            }
        }
    }

    /// Runs a line through bash, as an operator would; what it prints goes to stderr. Its exit status and how long
    /// it took.
    pub(super) fn bash(&self, line: &str) -> Result<(ExitStatus, Duration)> {
        self.run(Command::new("bash"), &self.lab.client(), line)
    }

    /// The same at the desk, from where each machine is reached by its own address, in a folder.
    pub(super) fn at_desk(&self, lab: &Machines, folder: &Path, line: &str) -> Result<ExitStatus> {
        let mut command = lab.at_desk("bash")?;
        command.current_dir(folder);
        let client = Kubectl::new(self.lab.kubectl(), lab.desk_kubeconfig());
        Ok(self.run(command, &client, line)?.0)
    }

    fn run(
        &self,
        mut bash: Command,
        client: &Kubectl,
        line: &str,
    ) -> Result<(ExitStatus, Duration)> {
        for (name, value) in client.command().get_envs() {
            match value {
                Some(value) => bash.env(name, value),
                None => bash.env_remove(name),
            };
        }
        let began = Instant::now();
        let status = bash
            .args(["-c", line])
            .env("PATH", &self.path)
            // What kubectl and the plugin keep goes when the lab goes.
            .env("KUBECACHEDIR", self.lab.dir().join("cache"))
            .env("XDG_STATE_HOME", self.lab.dir().join("state"))
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .status()
            .context("cannot run bash")?;
        Ok((status, began.elapsed()))
    }

    /// The pods that the runbook and the demo speak of.
    pub(super) fn pods(&self) -> Result<Vec<Pod>> {
        let text = self.lab.client().text(&["get", "pods", "--all-namespaces", "--output=json"])?;
        pods::read(&text)
    }

    /// Waits until every pod that matters is Ready and none is ending, and both DNS servers are in service; returns
    /// the pods.
    pub(super) fn wait_well(&self) -> Result<Vec<Pod>> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let pods = self.pods()?;
            if pods::well(&pods) && self.in_service()? == 2 {
                return Ok(pods);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("waited {} s for the cluster to be well, in vain", PATIENCE.as_secs())
    }

    /// How many DNS servers the Service sends questions to.
    fn in_service(&self) -> Result<usize> {
        let ready = "--output=jsonpath={.items[*].endpoints[*].conditions.ready}";
        let text = self.lab.client().text(&[
            "get",
            "endpointslices",
            "--namespace=kube-system",
            "--selector=kubernetes.io/service-name=kube-dns",
            ready,
        ])?;
        Ok(text.split_whitespace().filter(|word| *word == "true").count())
    }

    /// Takes the cluster down.
    pub(super) fn strike(self) -> Result<()> {
        match self.lab {
            Lab::Loopback(lab) => lab.down(),
            Lab::Machines(lab) => lab.down(),
        }
    }
}

/// kubectl finds a plugin by its name on `PATH`: in a folder of its own, so that nothing else is found with it.
fn path(lab: &Lab, programs: &Path) -> Result<OsString> {
    let folder = lab.dir().join("plugin");
    fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for name in [binary::RECYCLE, binary::CERTS] {
        std::os::unix::fs::symlink(programs.join(name), folder.join(name))
            .context("cannot link a plugin")?;
    }
    let kubectl = lab.kubectl();
    let beside = kubectl.parent().context("kubectl is in no folder")?;
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let folders = [folder, beside.to_owned()].into_iter().chain(std::env::split_paths(&inherited));
    std::env::join_paths(folders).context("PATH cannot be extended")
}
