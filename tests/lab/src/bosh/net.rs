//! The network between the VMs: a bridge in a namespace that has no way out, a cable to each VM, and the director on
//! the namespace's own loopback.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::plan::{BLACK_HOLE, BRIDGE, Instance};
use crate::machines::{fed, wait};
use crate::process::{Identity, Launch, Processes};

/// The process that holds the namespace.
pub(super) const SWITCH: &str = "switch";

/// Makes the namespace and its bridge.
pub(super) fn start(processes: &Processes) -> Result<Identity> {
    let launch = Launch::new(SWITCH, "unshare").args(["--net", "sleep", "infinity"]).at_once();
    let record = processes.start(&launch)?;
    let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net"));
    let own = namespace("self").context("cannot read /proc/self/ns/net")?;
    wait(Duration::from_secs(10), "the network of the VMs", || {
        Ok(namespace(&record.identity.pid.to_string()).is_ok_and(|one| one != own))
    })?;
    let lines = format!(
        "link set lo up\nlink add bridge type bridge\naddr add {BRIDGE}/24 dev bridge\nlink set bridge up\n"
    );
    batch(record.identity, &lines)?;
    Ok(record.identity)
}

/// Connects a VM: a cable whose one end is `eth0` in the namespace of the process `inner`.
pub(super) fn connect(switch: Identity, instance: &Instance, inner: Identity) -> Result<()> {
    let port = port(instance);
    let lines = format!(
        "link add name {port} type veth peer name eth0 netns {}\nlink set {port} master bridge up\n",
        inner.pid
    );
    batch(switch, &lines).with_context(|| format!("cannot connect {}", instance.vm()))
}

/// Lets packets to one address vanish. A bridge forgets it when it gets its first cable: call it afterwards.
pub(super) fn dig_black_hole(switch: Identity) -> Result<()> {
    batch(
        switch,
        &format!("neigh replace {BLACK_HOLE} lladdr 02:00:00:00:00:63 dev bridge nud permanent\n"),
    )
}

/// Pulls a VM's cable, or puts it in again.
pub(super) fn plug(switch: Identity, instance: &Instance, plugged: bool) -> Result<()> {
    let state = if plugged { "up" } else { "down" };
    batch(switch, &format!("link set {} {state}\n", port(instance)))
}

/// Moves this thread, and those that it starts, into the network of the lab in `dir`.
pub(super) fn enter(dir: &Path) -> Result<()> {
    let switch = Processes::open(dir)?.find(SWITCH)?.context("the lab has no network")?;
    let path = format!("/proc/{}/ns/net", switch.identity.pid);
    let namespace =
        File::open(&path).with_context(|| format!("cannot open {path}: run it as root"))?;
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .context("cannot enter the network of the VMs: run it as root")
}

/// The bridge's end of a VM's cable.
fn port(instance: &Instance) -> String {
    format!("port{}", instance.address.rsplit('.').next().unwrap_or_default())
}

fn batch(switch: Identity, lines: &str) -> Result<()> {
    let target = switch.pid.to_string();
    fed(Command::new("nsenter").args(["--target", &target, "--net", "ip", "-batch", "-"]), lines)?;
    Ok(())
}
