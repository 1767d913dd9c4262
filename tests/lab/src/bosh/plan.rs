//! Which VMs a deployment has, and how they are called. Addresses are the same in every lab: none can reach another.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The only deployment.
pub const DEPLOYMENT: &str = "kubernetes";
/// Where the director listens, in the network of the VMs.
pub(super) const DIRECTOR: &str = "127.0.0.1:25555";
/// The bridge between the VMs.
pub(super) const BRIDGE: &str = "192.0.2.1";
/// Nobody has this address, and packets to it vanish.
pub const BLACK_HOLE: &str = "192.0.2.99";
/// Nobody has this address, and it is soon said so.
pub const NOBODY: &str = "192.0.2.98";
/// The VM through which connections go where a gateway is asked for.
pub(super) const GATEWAY: &str = "jumpbox";
/// The account on it.
pub(super) const GATEWAY_USER: &str = "jumpbox";

/// How the job lies on a VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Layout {
    /// 18F's kubernetes-release: job `proxy`, whose control script becomes the proxy.
    #[default]
    #[value(name = "18f")]
    Gov,
    /// CFCR's kubo-release: job `kube-proxy`, whose control script stays and has the proxy as a child.
    #[value(name = "cfcr")]
    Cfcr,
}

impl Layout {
    /// The name of the monit job.
    pub fn job(self) -> &'static str {
        match self {
            Self::Gov => "proxy",
            Self::Cfcr => "kube-proxy",
        }
    }

    /// Where the job's PID is written, on the VM.
    pub fn pidfile(self) -> &'static str {
        match self {
            Self::Gov => "/var/vcap/sys/run/proxy/proxy.pid",
            Self::Cfcr => "/var/vcap/sys/run/kubernetes/kube-proxy.pid",
        }
    }

    /// The folder of the proxy's own logs, on the VM.
    pub fn logs(self) -> &'static str {
        match self {
            Self::Gov => "/var/vcap/sys/log/proxy",
            Self::Cfcr => "/var/vcap/sys/log/kube-proxy",
        }
    }

    /// The control script, on the VM.
    pub(super) fn control(self) -> &'static str {
        match self {
            Self::Gov => "/var/vcap/jobs/kubernetes-minion/bin/proxy_ctl",
            Self::Cfcr => "/var/vcap/jobs/kube-proxy/bin/kube_proxy_ctl",
        }
    }
}

/// Which monit the VMs have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Monit {
    /// The double of the one that stemcells have.
    #[default]
    #[value(name = "5.2.5")]
    Stemcell,
    /// The real one of the system's own package.
    #[value(name = "debian")]
    Debian,
}

/// What is wanted.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Options {
    /// The lab's name: letters, digits and dashes; `None` for one that nobody else has.
    pub name: Option<String>,
    /// VMs of the group `master`, at most 9.
    pub masters: u8,
    /// VMs of the group `minion`, at most 60.
    pub minions: u8,
    /// How the job lies on them.
    pub layout: Layout,
    /// Which monit they have.
    pub monit: Monit,
    /// Seconds between two looks of monit.
    pub poll: u32,
    /// Seconds that monit gives a start.
    pub start_timeout: u32,
    /// Whether the lab outlives this process; otherwise it ends with it.
    pub detached: bool,
    /// A real `bosh`, to be used instead of the double.
    pub real: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: None,
            masters: 2,
            minions: 3,
            layout: Layout::default(),
            monit: Monit::default(),
            // A stemcell looks every 10 seconds.
            poll: 10,
            start_timeout: 60,
            detached: false,
            real: std::env::var_os("BOSH_LAB_REAL").map(PathBuf::from),
        }
    }
}

/// An instance and its VM, as they are planned and recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// `master`, `minion`; the gateway is in a group of its own and no instance of the deployment.
    pub group: String,
    /// The number within the group, from 0.
    pub index: u8,
    /// Its UUID.
    pub id: String,
    /// `z1` to `z3`.
    pub az: String,
    /// The agent's UUID.
    pub agent: String,
    /// Its address in the network of the VMs.
    pub address: String,
}

impl Instance {
    /// As `bosh` calls it: `minion/UUID`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.group, self.id)
    }

    /// As the VM calls itself, and the lab it: `minion-0`.
    pub fn vm(&self) -> String {
        if self.group == GATEWAY {
            return GATEWAY.to_owned();
        }
        format!("{}-{}", self.group, self.index)
    }

    pub(super) fn all(masters: u8, minions: u8) -> Result<Vec<Self>> {
        ensure!(
            masters <= 9 && minions <= 60 && masters + minions > 0,
            "a lab of BOSH VMs has up to 9 masters and up to 60 minions, and at least one VM"
        );
        let mut all = Vec::new();
        for (group, count) in [("master", masters), ("minion", minions)] {
            for index in 0..count {
                all.push(Self::new(group, index, all.len())?);
            }
        }
        Ok(all)
    }

    /// The VM that is the gateway.
    pub(super) fn gateway() -> Result<Self> {
        Ok(Self { address: "192.0.2.5".to_owned(), ..Self::new(GATEWAY, 0, 0)? })
    }

    fn new(group: &str, index: u8, number: usize) -> Result<Self> {
        Ok(Self {
            group: group.to_owned(),
            index,
            id: uuid()?,
            az: format!("z{}", index % 3 + 1),
            agent: uuid()?,
            address: format!("192.0.2.{}", 11 + number),
        })
    }
}

/// A random UUID, version 4.
fn uuid() -> Result<String> {
    let mut bytes = random::<16>()?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let text = hex(&bytes);
    let part = |from: usize, to: usize| &text[from..to];
    Ok([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-"))
}

/// Bytes that nobody guesses.
pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(bytes)
}

/// Bytes as hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_masters_and_three_minions() {
        let all = Instance::all(2, 3).unwrap();
        let vms: Vec<_> = all.iter().map(Instance::vm).collect();
        assert_eq!(vms, ["master-0", "master-1", "minion-0", "minion-1", "minion-2"]);
        assert_eq!(all[4].address, "192.0.2.15");
        assert_eq!(all[4].az, "z3");
        assert_eq!(all[4].id.len(), 36);
        assert!(Instance::all(0, 0).is_err());
    }
}
