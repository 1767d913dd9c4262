//! The root CA: which one the controller manager publishes, and which one signed what the API servers present.
//!
//! The CA of clients stays the lab's own throughout, so that nobody needs another client certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::settings::Component;
use super::{Authority, Loopback, pki};

/// The CAs that are published as the cluster's, in `kube-root-ca.crt` and in every token secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The lab's own, as at its start.
    Old,
    /// The old and the new one.
    Both,
    /// The new one.
    New,
}

/// A second CA, which has the name of the first.
#[derive(Clone, Debug)]
pub struct SecondCa {
    folder: PathBuf,
    own: PathBuf,
}

impl SecondCa {
    /// The file with these CAs.
    pub fn file(&self, roots: Roots) -> PathBuf {
        match roots {
            Roots::Old => self.own.join("ca.crt"),
            Roots::Both => self.folder.join("both.crt"),
            Roots::New => self.folder.join("ca.crt"),
        }
    }
}

impl Loopback {
    /// Makes a second CA called `name`, or finds it, and lets every kubeconfig of the lab trust it beside the first.
    /// Whoever read a kubeconfig before trusts the first only.
    pub fn second_ca(&self, name: &str) -> Result<SecondCa> {
        let ca = SecondCa { folder: self.dir().join(format!("pki-{name}")), own: self.pki() };
        if ca.file(Roots::Both).exists() {
            return Ok(ca);
        }
        self.spare_pki(name, Authority::New)?;
        let both = read(&ca.file(Roots::Old))? + &read(&ca.file(Roots::New))?;
        let bundle = ca.file(Roots::Both);
        fs::write(&bundle, &both).with_context(|| format!("cannot write {}", bundle.display()))?;
        pki::trust(self.dir(), &STANDARD.encode(both))?;
        // It goes on trusting what it read at its start; the next question starts another one.
        self.stop_proxy()?;
        Ok(ca)
    }

    /// Lets the controller manager publish these CAs: it is restarted. Returns when `default` and `kube-system` have
    /// them; token secrets may follow a little later.
    pub fn publish(&self, ca: &SecondCa, roots: Roots) -> Result<()> {
        let file = ca.file(roots);
        let flag = format!("--root-ca-file={}", file.display());
        self.also_flags(Component::ControllerManager, &[&flag])?;
        self.restart(Component::ControllerManager)?;
        let wanted = read(&file)?;
        for namespace in ["default", "kube-system"] {
            let words = [
                "get",
                "configmap/kube-root-ca.crt",
                "--namespace",
                namespace,
                "--output=jsonpath={.data.ca\\.crt}",
            ];
            self.wait_until(Duration::from_mins(3), "the root CA is published", || {
                self.revive(Component::ControllerManager)?;
                Ok(self.kubectl(&words)?.stdout == wanted.as_bytes())
            })?;
        }
        Ok(())
    }

    /// Lets API server `n` present a certificate of the second CA: it is restarted, and whoever trusts the first one
    /// only can make no new connection.
    pub fn present(&self, n: u32, ca: &SecondCa) -> Result<()> {
        let file = |name: &str| ca.folder.join(name).display().to_string();
        let certificate = format!("--tls-cert-file={}", file("apiserver.crt"));
        let key = format!("--tls-private-key-file={}", file("apiserver.key"));
        self.also_flags(Component::ApiServer(n), &[&certificate, &key])?;
        self.restart(Component::ApiServer(n))?;
        self.wait_api_server(n)
    }

    /// The whole way at once: every API server presents a certificate of the second CA, the lab's own clients are
    /// restarted with kubeconfigs that trust it, and `roots` are published.
    pub fn rotate_ca(&self, ca: &SecondCa, roots: Roots) -> Result<()> {
        for n in 0..self.settings().api_servers {
            self.present(n, ca)?;
        }
        for component in [Component::Scheduler, Component::Kwok] {
            if self.runs(component) {
                self.restart(component)?;
            }
        }
        self.publish(ca, roots)
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
