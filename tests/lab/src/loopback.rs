//! A control plane on loopback addresses with simulated nodes: real etcd, API servers, controller manager and
//! scheduler; kwok plays the kubelets. Needs no root.
//!
//! Everything listens on an address block of the lab's own and keeps its files in the lab's directory. Dropping
//! the handle takes the lab down, also when a test panics; if even that does not happen, the next start does.

mod controllers;
mod flags;
mod inside;
mod keys;
mod kubectl;
mod nodes;
mod pki;
mod proxy;
mod roots;
mod secrets;
mod settings;
mod stages;
mod start;
mod wait;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::process::Signal;

pub use controllers::Pace;
pub use flags::DNS;
pub use inside::{Answer, Client, Credential, Inside, Reads};
pub use keys::{OldTokens, SigningKey};
pub use kubectl::Kubectl;
pub use nodes::Health;
pub use pki::Authority;
pub use proxy::Proxy;
pub use roots::{Roots, SecondCa};
pub use secrets::TokenSecret;
pub use settings::{Component, Generation, Options, Settings};
pub(crate) use start::{keep_logs, unused_name};

use crate::machines::wait;
use crate::process::{Identity, Owner, Processes, owner};
use crate::{components, labs};

/// A running lab.
#[derive(Debug)]
pub struct Loopback {
    processes: Processes,
    settings: Mutex<Settings>,
    /// The programs of today's generation: etcd, kwok, kubeadm, kubectl.
    current: PathBuf,
    /// The control plane's programs.
    plane: PathBuf,
    /// Whether dropping this takes the lab down.
    ours: bool,
}

impl Loopback {
    /// Brings a lab up and returns when it is ready: every API server, the controllers, the nodes.
    pub fn start(options: &Options) -> Result<Self> {
        start::start(options)
    }

    /// A lab that runs already, by name. Dropping it leaves the lab alone.
    pub fn open(name: &str) -> Result<Self> {
        let dir = labs::find(name)?;
        let settings = Settings::read(&dir)?;
        let current = components::ensure(components::Set::Current)?;
        let plane = match settings.kubernetes {
            Generation::Current => current.clone(),
            Generation::Old => components::ensure(components::Set::Old)?,
        };
        Ok(Self {
            processes: Processes::open(&dir)?,
            settings: Mutex::new(settings),
            current,
            plane,
            ours: false,
        })
    }

    /// The lab's name.
    pub fn name(&self) -> String {
        self.dir().file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Where its files are.
    pub fn dir(&self) -> &Path {
        self.processes.dir()
    }

    /// Certificates and keys, laid out as kubeadm does in `/etc/kubernetes/pki`.
    pub fn pki(&self) -> PathBuf {
        self.dir().join("pki")
    }

    /// The administrator's kubeconfig, pointing at the first API server.
    pub fn kubeconfig(&self) -> PathBuf {
        self.dir().join("admin.conf")
    }

    /// The administrator's kubeconfig for API server `n`, counted from 0.
    pub fn kubeconfig_of(&self, n: u32) -> PathBuf {
        self.dir().join(format!("server-{}.conf", n + 1))
    }

    /// The URL of every API server.
    pub fn servers(&self) -> Vec<String> {
        self.recorded().servers()
    }

    /// The directory of programs with kubectl in it, for a `PATH`.
    pub fn programs(&self) -> &Path {
        &self.current
    }

    /// What it is made of.
    pub fn settings(&self) -> Settings {
        self.recorded().clone()
    }

    /// Where a component writes what it says.
    pub fn log(&self, component: Component) -> PathBuf {
        self.processes.log(&component.to_string())
    }

    /// The processes, with PIDs.
    pub fn processes(&self) -> &Processes {
        &self.processes
    }

    /// kubectl as the administrator, at the first API server.
    pub fn client(&self) -> Kubectl {
        self.client_with(self.kubeconfig())
    }

    /// kubectl with another kubeconfig.
    pub fn client_with(&self, kubeconfig: impl Into<PathBuf>) -> Kubectl {
        Kubectl { program: self.current.join("kubectl"), kubeconfig: kubeconfig.into() }
    }

    /// Runs kubectl and gives back whatever happened.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<Output> {
        self.client().output(arguments)
    }

    /// Runs kubectl; an error if it fails, what it printed otherwise.
    pub fn kubectl_text(&self, arguments: &[&str]) -> Result<String> {
        self.client().text(arguments)
    }

    /// Applies objects, as the server itself merges them: fast, and nothing is left in annotations.
    pub fn apply(&self, yaml: &str) -> Result<()> {
        self.client()
            .with_input(&["apply", "--server-side", "--force-conflicts", "-f", "-"], yaml)
            .map(drop)
    }

    /// Stops a component: TERM, five seconds, KILL.
    pub fn stop(&self, component: Component) -> Result<()> {
        self.processes.stop(&component.to_string())
    }

    /// Kills a component at once, as a power cut would.
    pub fn kill(&self, component: Component) -> Result<()> {
        self.signal(component, Signal::KILL)?;
        self.processes.stop(&component.to_string())
    }

    /// Starts a component that was stopped, and does not wait: see [`Self::wait_api_server`].
    pub fn start_component(&self, component: Component) -> Result<()> {
        start::launch(self, component)
    }

    /// Starts a component anew with these flags beside the lab's own; a flag replaces those of the same name. They
    /// hold for later starts as well. Waits until an API server is ready again.
    ///
    /// It is killed: asked to end, an API server waits for its clients' watches, five seconds in every test.
    pub fn restart_with(&self, component: Component, flags: &[&str]) -> Result<()> {
        if self.runs(component) {
            self.kill(component)?;
        }
        self.set_flags(component, flags)?;
        self.start_component(component)?;
        if let Component::ApiServer(n) = component {
            self.wait_api_server(n)?;
        }
        Ok(())
    }

    /// Sets the flags that a component gets beside the lab's own, from its next start on.
    pub fn set_flags(&self, component: Component, flags: &[&str]) -> Result<()> {
        let mut settings = self.recorded();
        let more = flags.iter().map(|&flag| flag.to_owned()).collect();
        settings.flags.insert(component.to_string(), more);
        settings.write(self.dir())
    }

    /// Sets these flags from a component's next start on, and leaves those of other names as they are.
    pub fn also_flags(&self, component: Component, flags: &[&str]) -> Result<()> {
        let more: Vec<String> = flags.iter().map(|&flag| flag.to_owned()).collect();
        let before = self.recorded().flags.get(&component.to_string()).cloned();
        let all = flags::merged(before.unwrap_or_default(), &more);
        self.set_flags(component, &all.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// Kills a component and starts it with the flags that it has now.
    fn restart(&self, component: Component) -> Result<()> {
        if self.runs(component) {
            self.kill(component)?;
        }
        self.start_component(component)
    }

    /// The values of a flag that a component has beside the lab's own.
    fn flags_named(&self, component: Component, name: &str) -> Vec<String> {
        let settings = self.recorded();
        let all = settings.flags.get(&component.to_string());
        let value = |flag: &String| {
            flag.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')).map(str::to_owned)
        };
        all.into_iter().flatten().filter_map(value).collect()
    }

    fn recorded(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kubeadm(&self) -> PathBuf {
        self.current.join("kubeadm")
    }

    /// Another serving certificate (`apiserver.crt`, `apiserver.key`) and another signing key (`sa.key`, `sa.pub`),
    /// in a directory of their own, beside the authority (`ca.crt`, `ca.key`) that signed the certificate. To be
    /// put into use with [`Self::restart_with`].
    pub fn spare_pki(&self, name: &str, authority: Authority) -> Result<PathBuf> {
        pki::spare(&self.kubeadm(), &self.settings(), self.dir(), name, authority)
    }

    /// Stops the clock of a component: it holds its connections and answers nothing, until [`Self::thaw`].
    pub fn freeze(&self, component: Component) -> Result<()> {
        self.signal(component, Signal::STOP)?;
        let identity = self.identity(component)?;
        wait(Duration::from_secs(10), &format!("{component} to stand still"), || {
            Ok(identity.stands_still())
        })
    }

    /// Lets a frozen component go on.
    pub fn thaw(&self, component: Component) -> Result<()> {
        self.signal(component, Signal::CONT)
    }

    /// Whether a component runs.
    pub fn runs(&self, component: Component) -> bool {
        self.processes.runs(&component.to_string())
    }

    fn signal(&self, component: Component, signal: Signal) -> Result<()> {
        self.identity(component)?.signal(signal)?;
        Ok(())
    }

    fn identity(&self, component: Component) -> Result<Identity> {
        let record = self.processes.find(&component.to_string())?;
        let record = record.with_context(|| format!("{component} does not run in this lab"))?;
        Ok(record.identity)
    }

    /// Takes the lab down and removes its files.
    pub fn down(mut self) -> Result<()> {
        self.ours = false;
        take_down(&self.processes)
    }
}

/// Nothing of a lab outlives it, so there is nothing to save: its processes are killed at once.
pub(crate) fn take_down(processes: &Processes) -> Result<()> {
    processes.kill_all()?;
    labs::remove(processes.dir())
}

impl Drop for Loopback {
    fn drop(&mut self) {
        let mine = || match owner(self.dir()) {
            Some(Owner::Process(owner)) => {
                Owner::current().is_ok_and(|me| me == Owner::Process(owner))
            }
            _ => true,
        };
        // A child of the owner that inherited this value must not end what its parent works with.
        if !self.ours || !mine() {
            return;
        }
        let result = if std::thread::panicking() {
            keep_logs(&self.processes)
        } else {
            take_down(&self.processes)
        };
        if let Err(error) = result {
            crate::talk::say(&format!("could not take the lab down: {error:#}"));
        }
    }
}
