//! What a lab of machines leaves for others to see: its record, its control groups, its memory.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::cgroup::{self, Hierarchies};
use super::plan::Machine;
use super::{boot, net};
use crate::process::Identity;

pub(super) const RECORD: &str = "machines.json";

/// What another process needs to know of a lab, in its directory.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Record {
    pub(super) machines: Vec<Machine>,
    /// Whether a supervisor runs what kubeadm would have made pods.
    #[serde(default)]
    pub(super) supervised: bool,
    /// Whether API servers write audit logs.
    #[serde(default)]
    pub(super) audit: bool,
    /// The port of 127.0.0.1 that leads to the API servers.
    pub(super) port: u16,
    pub(super) current: PathBuf,
}

impl Record {
    pub(super) fn read(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(dir.join(RECORD)).ok()?).ok()
    }
}

/// What `lab status` says about the process `name` of the lab in `dir`: its address and its memory in KiB.
pub(crate) fn status(dir: &Path, name: &str, outer: Identity) -> Option<(String, u64)> {
    let record = Record::read(dir)?;
    if name == net::SWITCH_PROCESS {
        return Some((format!("127.0.0.1:{}", record.port), memory(outer.pid)?));
    }
    let machine = record.machines.iter().find(|machine| machine.name == name)?;
    boot::inner(outer)?;
    // Its pods are in its control group too, in namespaces below its own.
    let used = cgroup::processes(&prefix(dir), name).ok()?.into_iter().filter_map(memory).sum();
    Some((machine.address(), used))
}

fn memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Removes what the machines of the lab in `dir` leave when their processes have ended: control groups.
/// Namespaces and mounts ended with the processes. Does nothing for a lab without machines.
pub(crate) fn clean_up(dir: &Path) -> Result<()> {
    if !dir.join("machines").is_dir() {
        return Ok(());
    }
    Hierarchies::read()?.remove(&prefix(dir), Instant::now() + Duration::from_secs(5))
}

/// The control groups of the lab in `dir` that exist; for tests and for a person who looks.
pub fn control_groups(dir: &Path) -> Result<Vec<PathBuf>> {
    Hierarchies::read()?.groups(&prefix(dir))
}

/// Two labs of the same name may live under different roots: the directory decides.
pub(super) fn prefix(dir: &Path) -> String {
    let mut hash = DefaultHasher::new();
    dir.hash(&mut hash);
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    format!("lab-{name}-{:08x}.", hash.finish() & 0xffff_ffff)
}
