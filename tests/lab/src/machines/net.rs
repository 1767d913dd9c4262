//! The switch: a bridge in a network namespace of its own that has no way out, and a cable to every machine.
//!
//! The namespace has no name and lives as long as the one process in it, which is the load balancer before
//! the API servers. That process also holds a listening socket of the world outside, made before it entered
//! the namespace: through it a kubeconfig on 127.0.0.1 reaches the API servers.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::plan::{API_PORT, Machine, Role, SWITCH};
use super::run::fed;
use crate::process::{Identity, Launch, Processes};

/// The switch's process in the lab's records.
pub(super) const SWITCH_PROCESS: &str = "switch";

/// Starts the switch and returns the port of 127.0.0.1 that leads to the API servers.
pub(super) fn start(
    processes: &Processes,
    labpod: &Path,
    machines: &[Machine],
) -> Result<(Identity, u16)> {
    let (listener, port) = listen()?;
    let targets = machines
        .iter()
        .filter(|machine| machine.role == Role::ControlPlane)
        .map(|machine| format!("{}:{API_PORT}", machine.address()));
    let launch = Launch::new(SWITCH_PROCESS, "unshare")
        .arg("--net")
        .arg(labpod)
        .args(["forward", "-", &format!(":{API_PORT}"), "--", "/readyz"])
        .args(targets)
        .at_once();
    let record = processes.start_with(&launch, Stdio::from(listener))?;
    let own = namespace("self")?;
    wait(Duration::from_secs(5), "the switch's namespace", || {
        Ok(namespace(&record.identity.pid.to_string())? != own)
    })?;
    let mut lines = format!(
        "link set lo up\nlink add bridge type bridge\naddr add {SWITCH}/24 dev bridge\nlink set bridge up\n"
    );
    for machine in machines {
        let _ = writeln!(lines, "route add {} via {}", machine.pods(), machine.address());
    }
    batch(record.identity, &lines)?;
    Ok((record.identity, port))
}

/// Connects a machine: a cable whose one end is `eth0` in the namespace of the process `inner`.
pub(super) fn connect(switch: Identity, machine: &Machine, inner: Identity) -> Result<()> {
    let port = machine.port();
    let lines = format!(
        "link add name {port} type veth peer name eth0 netns {}\nlink set {port} master bridge up\n",
        inner.pid
    );
    batch(switch, &lines).with_context(|| format!("cannot connect {}", machine.name))
}

/// What a machine does to its own end: addresses and routes, for `ip -batch`.
pub(super) fn inside(machine: &Machine, all: &[Machine]) -> String {
    let mut lines = format!(
        "addr add {}/24 dev eth0\nlink set eth0 up\nroute add default via {SWITCH}\n",
        machine.address()
    );
    for other in all.iter().filter(|other| *other != machine) {
        let _ = writeln!(lines, "route add {} via {}", other.pods(), other.address());
    }
    lines
}

/// Carries connections to a new port of 127.0.0.1 to `target` behind the switch; returns the port.
pub(super) fn forward(
    processes: &Processes,
    switch: Identity,
    labpod: &Path,
    target: &str,
) -> Result<u16> {
    let (listener, port) = listen()?;
    let launch = Launch::new(format!("forward-{port}"), "nsenter")
        .args(["--target", &switch.pid.to_string(), "--net"])
        .arg(labpod)
        .args(["forward", "-", "--", target])
        .at_once();
    processes.start_with(&launch, Stdio::from(listener))?;
    Ok(port)
}

/// A socket keeps the network namespace that it was made in, whoever holds it.
fn listen() -> Result<(OwnedFd, u16)> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on 127.0.0.1")?;
    let port = listener.local_addr().context("a socket without an address")?.port();
    Ok((listener.into(), port))
}

/// Lines for `ip` in the switch's network.
pub(super) fn batch(switch: Identity, lines: &str) -> Result<()> {
    let target = switch.pid.to_string();
    fed(Command::new("nsenter").args(["--target", &target, "--net", "ip", "-batch", "-"]), lines)?;
    Ok(())
}

fn namespace(process: &str) -> Result<std::path::PathBuf> {
    let link = format!("/proc/{process}/ns/net");
    fs::read_link(&link).with_context(|| format!("cannot read {link}: the process has ended"))
}

/// Asks again and again until it is so.
pub(crate) fn wait(
    limit: Duration,
    what: &str,
    mut done: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !done()? {
        if Instant::now() > deadline {
            bail!("waited {} s for {what}, in vain", limit.as_secs());
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Whether a process is still there to be waited for.
pub(crate) fn lives(identity: Identity, name: &str, log: &Path) -> Result<()> {
    if identity.alive() {
        return Ok(());
    }
    let said = fs::read_to_string(log).unwrap_or_default();
    let last = said.trim().lines().last().unwrap_or("it said nothing").to_owned();
    bail!("{name} ended: {last} (see {})", log.display())
}
