//! What the system must have for BOSH VMs: asked before anything is started.

use std::path::Path;

use super::plan::Monit;
use crate::machines::{self, Missing, find};

/// Programs and the Debian packages that have them.
const PROGRAMS: [(&str, &str); 10] = [
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("pivot_root", "util-linux"),
    ("ip", "iproute2"),
    ("ps", "procps"),
    ("sshd", "openssh-server"),
    ("ssh", "openssh-client"),
    ("sudo", "sudo"),
    ("useradd", "passwd"),
];

/// All that is missing on this system, in a fixed order; VMs can be started when it is empty.
pub fn missing(monit: Monit) -> Vec<Missing> {
    let mut missing = Vec::new();
    if !rustix::process::geteuid().is_root() {
        missing.push(Missing::Root);
    }
    for (what, package) in PROGRAMS {
        if find(what).is_none() {
            missing.push(Missing::Package { what, package });
        }
    }
    if monit == Monit::Debian && find("monit").is_none() {
        missing.push(Missing::Package { what: "monit", package: "monit" });
    }
    missing
}

/// A library that gives a VM a clock of its own, and the package that has it.
pub(super) fn clock() -> Result<String, Missing> {
    let folder = format!("/usr/lib/{}-linux-gnu/faketime", std::env::consts::ARCH);
    let path = format!("{folder}/libfaketime.so.1");
    if Path::new(&path).exists() {
        return Ok(path);
    }
    Err(Missing::Package { what: "libfaketime", package: "libfaketime" })
}

/// Everything that any lab of BOSH VMs may need.
pub(crate) fn all() -> Vec<Missing> {
    let mut all = missing(Monit::Debian);
    all.extend(clock().err());
    all
}

/// What is missing and what to type, in one sentence; `None` when nothing is.
pub fn advice(missing: &[Missing]) -> Option<String> {
    machines::advice(missing).map(|text| text.replace("machines need", "BOSH VMs need"))
}
