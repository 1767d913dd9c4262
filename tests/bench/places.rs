//! A look at every place: of one control plane, beside kubeadm's list of its own files; and of a thousand machines.

use crate::certs;
use crate::measure::{self, command, median, time};
use crate::replay;
use crate::table::Table;
use crate::trees::{NOW, Set, World};
use anyhow::{Context as _, Result};
use base64::Engine as _;
use lab::machines::{Machines, Role};
use std::path::Path;
use std::process::{Command, Stdio};

/// The tool, as it is released.
const CERTS: &str = env!("CARGO_BIN_EXE_kubectl-rotate_certs");

pub(crate) fn figures(table: &mut Table, rounds: usize) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let tool = command(Path::new(CERTS), dir.path());
    one(table, rounds, dir.path(), &tool)?;
    let hosts = Hosts::new();
    thousand(table, rounds.min(5), &hosts, &tool)?;
    whole(table, rounds.min(5), &hosts, dir.path())?;
    by_ssh(table, rounds.min(5), &hosts, dir.path())
}

/// A thousand machines, three of them with a control plane.
struct Hosts {
    names: Vec<String>,
    world: World,
}

impl Hosts {
    fn new() -> Self {
        let names: Vec<String> = (1..=1000).map(|n| format!("m{n:04}")).collect();
        let hosts: Vec<&str> = names.iter().map(String::as_str).collect();
        let (world, set) = (World::new(&hosts), Set::new());
        for (n, host) in hosts.iter().enumerate() {
            if n < 3 {
                world.master(host, &set);
            } else {
                world.node(host, &set);
            }
        }
        Self { names, world }
    }

    fn check(&self, source: impl Fn(&str) -> String) -> Vec<String> {
        let words = ["check".to_owned(), format!("--at={NOW}"), "-o=json".to_owned()];
        words.into_iter().chain(self.names.iter().map(|name| source(name))).collect()
    }

    fn root(&self, name: &str) -> String {
        format!("--root={name}={}", self.world.directory().join(name).display())
    }
}

/// What it ends with: findings are no failure of a bench.
fn code(mut command: Command) -> Result<i32> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    status.code().context("it was killed")
}

fn one(
    table: &mut Table,
    rounds: usize,
    dir: &Path,
    tool: &impl Fn(&[&str]) -> Command,
) -> Result<()> {
    let programs = lab::components::ensure(lab::components::Set::Current)?;
    let kubeadm = programs.join("kubeadm");
    let kubeadm = command(&kubeadm, dir);
    let pki = dir.join("root/etc/kubernetes/pki");
    std::fs::create_dir_all(pki.parent().context("a directory above")?)?;
    certs::kubeadm_all(&kubeadm, &pki, "RSA-2048")?;
    let config = pki.with_extension("yaml").display().to_string();
    let root = dir.join("root").display().to_string();
    let ours = || tool(&["check", "--root", &root, "-o", "json"]);
    let end = code(ours())?;
    let theirs = || kubeadm(&["certs", "check-expiration", "--config", &config]);
    // In turns, so that both meet the same machine.
    let peer = median(rounds, || time(theirs(), 0))?;
    let fast = median(rounds, || time(ours(), end))?;
    let what = "check of one control plane's files; peer: kubeadm certs check-expiration --config";
    table.faster(what, fast, peer, 2.0);
    Ok(())
}

fn thousand(
    table: &mut Table,
    rounds: usize,
    hosts: &Hosts,
    tool: &impl Fn(&[&str]) -> Command,
) -> Result<()> {
    let words = hosts.check(|name| hosts.root(name));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let end = code(tool(&words))?;
    let fast = median(rounds, || time(tool(&words), end))?;
    table.time("check of 1,000 machines' files", fast, None, Some(3.0));
    table.memory("the same, peak memory", measure::peak(tool(&words))?, 64 << 20);
    Ok(())
}

/// Three masters and two workers with all that there is: each by ssh, the API, every server, and etcd.
pub(crate) fn masters(table: &mut Table, rounds: usize, lab: &Machines) -> Result<()> {
    let pki = lab.root_of("control-1")?.join("etc/kubernetes/pki/etcd");
    let file = |flag: &str, name: &str| format!("--{flag}={}", pki.join(name).display());
    let mut words = vec![
        "check".to_owned(),
        "-o=json".to_owned(),
        "--objects".to_owned(),
        "--live".to_owned(),
        format!("--kubeconfig={}", lab.desk_kubeconfig().display()),
        "--etcd=https://10.77.0.11:2379".to_owned(),
        file("etcd-cacert", "ca.crt"),
        file("etcd-cert", "healthcheck-client.crt"),
        file("etcd-key", "healthcheck-client.key"),
    ];
    words.extend(lab.ssh_options().iter().map(|option| format!("--ssh-option={option}")));
    for (what, all, goal) in [
        ("check of 3 masters with everything: ssh, API, servers, etcd", false, Some(1.0)),
        ("the same with 2 workers", true, None),
    ] {
        let machines = lab.machines().iter().filter(|one| all || one.role == Role::ControlPlane);
        let machines: Vec<String> =
            machines.map(|one| format!("--ssh={}={}", one.name, one.address())).collect();
        let tool = || -> Result<Command> {
            let mut command = lab.at_desk(CERTS)?;
            command.args(&words).args(&machines).stdin(Stdio::null());
            Ok(command)
        };
        let end = code(tool()?)?;
        let fast = median(rounds, || time(tool()?, end))?;
        table.time(what, fast, None, goal);
    }
    Ok(())
}

/// The objects of a cluster besides, from a server in this process.
fn whole(table: &mut Table, rounds: usize, hosts: &Hosts, dir: &Path) -> Result<()> {
    let api = double::Api::start();
    let ca = double::tls::Authority::new("kubernetes").pem();
    let ca = base64::engine::general_purpose::STANDARD.encode(ca);
    for n in 0..5_000 {
        let names = [
            ("$NAMESPACE", format!("team-{}", n % 200)),
            ("$NAME", format!("pod-{n}")),
            ("$UID", format!("uid-{n}")),
            ("$NODE", format!("m{:04}", n % 1000 + 1)),
            ("$CREATED", "2026-11-01T00:00:00Z".to_owned()),
            ("$APP", "app".to_owned()),
            ("$OWNERUID", "owner".to_owned()),
            ("$OWNERKIND", "ReplicaSet".to_owned()),
            ("$OWNER", "app-1".to_owned()),
        ];
        let mut pod = include_str!("objects/pod.json").to_owned();
        for (name, value) in &names {
            pod = pod.replace(name, value);
        }
        let mut pod: serde_json::Value = serde_json::from_str(&pod).context("a pod")?;
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        api.put(pod);
    }
    for n in 0..2_000 {
        api.put(serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": { "namespace": format!("team-{}", n % 200), "name": format!("secret-{n}") },
            "data": { "ca.crt": ca },
        }));
    }
    std::fs::write(dir.join("config"), api.kubeconfig())?;
    let tool = command(Path::new(CERTS), dir);
    let mut words = hosts.check(|name| hosts.root(name));
    words.push("--objects".to_owned());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let end = code(tool(&words))?;
    let fast = median(rounds, || time(tool(&words), end))?;
    let what = "5,000 pods, 2,000 secrets and 1,000 machines' files: check --objects";
    table.time(what, fast, None, Some(3.0));
    table.memory("the same, peak memory", measure::peak(tool(&words))?, 64 << 20);
    Ok(())
}

/// Machines whose ssh answers after 50 ms with what its script says: see [`replay`].
fn by_ssh(table: &mut Table, rounds: usize, hosts: &Hosts, dir: &Path) -> Result<()> {
    let (programs, answers) = (dir.join("programs"), dir.join("answers"));
    std::fs::create_dir(&programs)?;
    std::fs::create_dir(&answers)?;
    std::os::unix::fs::symlink(std::env::current_exe()?, programs.join("ssh"))?;
    for name in &hosts.names {
        let root = hosts.world.directory().join(name);
        std::fs::write(answers.join(name), replay::answer(&root)?)?;
    }
    let tool = command(Path::new(CERTS), dir);
    let words = hosts.check(|name| format!("--ssh={name}"));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ours = || {
        let mut command = tool(&words);
        command.env("PATH", &programs).env(replay::ANSWERS, &answers);
        command
    };
    let end = code(ours())?;
    let fast = median(rounds, || time(ours(), end))?;
    table.time("check of 1,000 machines by ssh, each after 50 ms", fast, None, Some(10.0));
    table.memory("the same, peak memory", measure::peak(ours())?, 64 << 20);
    Ok(())
}
