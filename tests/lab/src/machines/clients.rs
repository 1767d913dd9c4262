//! Clients that behave like real ones, and count every request that fails: from before a change to after it.
//!
//! Each kind differs in when it reads its credentials and the CA, and whether it keeps its connection. Pods go to
//! the API server through the Service `kubernetes`, whose addresses nobody checks for health, as in any cluster; at
//! the desk there is a balancer, or each API server's own address. Nothing is tried a second time, but by `retry` and
//! `failover`: what they count is what clients feel that were written with care.
//!
//! Counters begin at 0 in each process. Every process writes them twice a second to a file of its own on its machine
//! (`/var/log/clients`), which is read from outside: sums survive the pods, and need no API server to be read. A
//! process that is killed without being asked takes at most its last half second with it.

mod desk;
mod extended;
mod files;
mod objects;
mod table;
mod tally;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::net::wait;
use super::plan::{API_PORT, Role};
use super::run::output;
use super::{Machines, SETTLE};
pub use objects::{ALONE, NAMESPACE};
pub use tally::{Counted, Kind, Tally};

/// A request that has no answer after 5 s has failed; half a second passes between two lines.
const SETTLES: Duration = Duration::from_millis(5800);

/// Which clients are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Those of the API servers and kubelets.
    #[default]
    Core,
    /// An aggregated API server and an admission webhook too, and clients of both.
    Extended,
}

/// Running clients.
#[derive(Debug)]
pub struct Clients<'a> {
    lab: &'a Machines,
    /// Whether dropping this value removes them.
    owned: bool,
}

impl<'a> Clients<'a> {
    /// Starts one or more clients of each kind, and returns when each has had an answer. They are removed when this
    /// is dropped.
    pub fn start(lab: &'a Machines, scope: Scope) -> Result<Self> {
        ensure!(
            !desk::run(lab),
            "clients run in this lab already: end them with `cargo lab clients stop --name {}`",
            lab.dir().file_name().unwrap_or_default().display()
        );
        let this = Self { lab, owned: true };
        this.remove_pods()?;
        for folder in this.folders()? {
            // Of clients before: their sums are history now.
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        lab.apply(&objects::accounts()).context("cannot make the clients' accounts")?;
        this.wait_allowed()?;
        if scope == Scope::Extended {
            extended::start(lab, &this.servers())?;
        }
        desk::start(lab, scope, &this.servers())?;
        lab.apply(&objects::pods(lab).to_string()).context("cannot start the clients' pods")?;
        this.wait_answered(scope)?;
        Ok(this)
    }

    /// Those that were started before and left running, or what they have counted.
    pub fn open(lab: &'a Machines) -> Self {
        Self { lab, owned: false }
    }

    /// Lets them run on when this is dropped.
    pub fn leave(mut self) {
        self.owned = false;
    }

    /// What they have counted so far; up to half a second old.
    pub fn read(&self) -> Result<Counted> {
        files::read(&self.folders()?)
    }

    /// Waits until every request that began before now has ended, then reads.
    pub fn settle(&self) -> Result<Counted> {
        std::thread::sleep(SETTLES);
        self.read()
    }

    /// Ends and removes them, and returns what they counted in all; it can be read again until others are started.
    pub fn stop(mut self) -> Result<Counted> {
        self.owned = false;
        std::thread::sleep(SETTLES);
        desk::stop(self.lab)?;
        self.remove_pods()?;
        self.read()
    }

    /// Where their files are: on each machine, and of the desk's in the lab's own directory.
    fn folders(&self) -> Result<Vec<PathBuf>> {
        let inside = objects::LOGS.trim_start_matches('/');
        let mut folders = vec![desk::logs(self.lab)];
        for machine in self.lab.machines() {
            folders.push(self.lab.root_of(&machine.name)?.join(inside));
        }
        Ok(folders)
    }

    /// The API servers by their own addresses.
    fn servers(&self) -> Vec<String> {
        let planes =
            self.lab.machines().iter().filter(|machine| machine.role == Role::ControlPlane);
        planes.map(|machine| format!("https://{}:{API_PORT}", machine.address())).collect()
    }

    /// Each API server hears of rights by itself, and the first request counts.
    fn wait_allowed(&self) -> Result<()> {
        for server in self.servers() {
            let what = format!("the clients' rights at {server}");
            wait(Duration::from_secs(30), &what, || {
                for (account, verb, what) in objects::RIGHTS {
                    let user = format!("--as=system:serviceaccount:{NAMESPACE}:{account}");
                    let words = ["-n", NAMESPACE, "auth", "can-i", verb, what, &user];
                    if !through(self.lab, &server, &words)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            })?;
        }
        Ok(())
    }

    /// Waits until all of them run, and each target has given an answer.
    fn wait_answered(&self, scope: Scope) -> Result<()> {
        let wanted = objects::processes(self.lab) + desk::processes(scope);
        wait(SETTLE, "an answer to each client", || {
            let counted = self.read()?;
            Ok(counted.running() == wanted && counted.rows().all(|row| row.2.succeeded() > 0))
        })
        .with_context(|| match self.read() {
            Ok(counted) => format!("{}see `kubectl get pods -n {NAMESPACE}`", counted.targets()),
            Err(error) => format!("{error:#}"),
        })
    }

    fn remove_pods(&self) -> Result<()> {
        extended::stop(self.lab)?;
        let words = ["delete", "namespace", NAMESPACE, "--ignore-not-found"];
        self.lab.kubectl_text(&words).context("cannot remove the clients' pods").map(drop)
    }
}

impl Drop for Clients<'_> {
    fn drop(&mut self) {
        if self.owned {
            // The lab may be gone already.
            let _ = desk::stop(self.lab);
            let _ = self.remove_pods();
        }
    }
}

/// Whether kubectl, at the desk and through one API server, succeeds.
fn through(lab: &Machines, server: &str, words: &[&str]) -> Result<bool> {
    let mut command = lab.at_desk(lab.program("kubectl"))?;
    command.arg("--kubeconfig").arg(lab.desk_kubeconfig()).args(["--server", server]).args(words);
    Ok(output(&mut command).is_ok())
}
