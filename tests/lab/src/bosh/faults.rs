//! What is wrong before a VM is reached: with the director, an agent, an address. The director and the double of its
//! client read it anew at each request, so that it can change in the middle of something.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::process::write_json;

const FILE: &str = "faults.json";

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Faults {
    /// A deploy holds the deployment.
    pub locked: bool,
    /// Connections to VMs go through the gateway.
    pub gateway: bool,
    /// Seconds that the director waits for a silent agent when it sets up ssh; 45 where nothing is said.
    pub agent_seconds: Option<u64>,
    /// By the name of the VM: `minion-0`.
    pub instances: BTreeMap<String, InstanceFaults>,
}

/// What is wrong with one instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InstanceFaults {
    /// It has no VM.
    pub without_vm: bool,
    /// Somebody told the director to ignore it.
    pub ignored: bool,
    /// Its agent does not answer.
    pub silent_agent: bool,
    /// Its agent fails to set up ssh.
    pub refusing_agent: bool,
    /// What the agent says of its host key.
    pub host_key: Option<HostKey>,
    /// The address that the director has of it.
    pub address: Option<String>,
}

/// What an agent may say of its host key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HostKey {
    /// A well-formed key, and not that of its sshd.
    Wrong,
    /// None.
    Missing,
}

impl Faults {
    /// Those of the lab in `dir`.
    pub(super) fn read(dir: &Path) -> Result<Self> {
        match fs::read(dir.join(FILE)) {
            Ok(text) => serde_json::from_slice(&text).context("cannot read the lab's faults"),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).context("cannot read the lab's faults"),
        }
    }

    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        write_json(&dir.join(FILE), self)
    }

    /// Those of one VM.
    pub(super) fn of(&self, vm: &str) -> InstanceFaults {
        self.instances.get(vm).cloned().unwrap_or_default()
    }
}
