//! Bringing machines up: as much at once as the order of things allows.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use super::cgroup::Hierarchies;
use super::images::Images;
use super::kubeadm::Secrets;
use super::state::{self, RECORD};
use super::{Machines, SETTLE, addons, boot, kubeadm, net, plan, ssh, supervised, watches};
use crate::process::write_json;
use crate::talk::say;

impl Machines {
    pub(super) fn bring_up(&mut self, node: &Path, tools: &Path, images: &Images) -> Result<()> {
        let began = Instant::now();
        watches::make_room();
        let machines = self.record.machines.clone();
        let (switch, port) = net::start(&self.processes, &self.program("labpod"), &machines)?;
        self.record.port = port;
        write_json(&self.dir().join(RECORD), &self.record)?;

        let hierarchies = Hierarchies::read()?;
        let prefix = state::prefix(self.dir());
        let parts = boot::Parts {
            processes: &self.processes,
            current: &self.record.current,
            node,
            tools,
            images,
            hierarchies: &hierarchies,
            supervised: self.record.supervised,
            prefix: &prefix,
        };
        ssh::make_key(self.dir())?;
        for machine in &machines {
            boot::start(&parts, switch, machine, &machines)?;
        }
        self.phase("machines started", began);

        let secrets = Secrets::make()?;
        let (first, others) = machines.split_first().context("no machines")?;
        boot::wait_ready(&self.processes, first)?;
        self.phase("images in the first machine", began);
        kubeadm::init(self, first, &secrets, &images.version)?;
        self.phase("first control plane", began);
        self.write_kubeconfig(&first.name)?;
        kubeadm::write_discovery(self, first)?;
        let this = &*self;
        let turn = Mutex::new(());
        let dns = images.name("coredns")?;
        let joined = thread::scope(|scope| {
            let dns = scope.spawn(|| addons::deploy_dns(this, dns));
            let joins: Vec<_> = others
                .iter()
                .map(|machine| {
                    scope.spawn(|| {
                        boot::wait_ready(&this.processes, machine)?;
                        kubeadm::join(this, machine, &secrets, &turn)?;
                        let what = format!("{} joined", machine.name);
                        anyhow::Ok((told(&what, began), what))
                    })
                })
                .collect();
            let joined = joins.into_iter().map(|join| join.join().expect("a join does not panic"));
            let joined = joined.collect::<Result<Vec<_>>>()?;
            dns.join().expect("creating objects does not panic")?;
            anyhow::Ok(joined)
        })?;
        self.phases.extend(joined.into_iter().map(|(when, what)| (what, when)));
        if self.record.supervised {
            supervised::convert(self)?;
            self.phase("services instead of static pods", began);
        }
        addons::wait_nodes(self, SETTLE)?;
        self.phase("nodes Ready", began);
        addons::wait_pods(self, SETTLE)?;
        self.phase("Service addresses and names", began);
        Ok(())
    }

    fn phase(&mut self, what: &str, began: Instant) {
        self.phases.push((what.to_owned(), told(what, began)));
    }

    /// kubeadm's administrator, through the port of 127.0.0.1.
    fn write_kubeconfig(&self, first: &str) -> Result<()> {
        let admin = boot::root(self.dir(), first).join("etc/kubernetes/admin.conf");
        let text = fs::read_to_string(&admin).context("kubeadm left no admin.conf")?;
        let inside = format!("https://{}:{}", plan::SWITCH, plan::API_PORT);
        ensure!(text.contains(&inside), "admin.conf does not name {inside}");
        write_private(&self.desk_kubeconfig(), &text)?;
        let text = text.replace(&inside, &format!("https://127.0.0.1:{}", self.record.port));
        write_private(&self.kubeconfig(), &text)
    }
}

/// Says what is done, and gives back how long it took from the beginning.
fn told(what: &str, began: Instant) -> Duration {
    let when = began.elapsed();
    say(&format!("{:5.1} s  {what}", when.as_secs_f64()));
    when
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
