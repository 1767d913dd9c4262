//! A look at every place: of one control plane, beside kubeadm's list of its own files; and of a thousand machines.

use crate::certs;
use crate::measure::{self, command, median, time};
use crate::table::Table;
use crate::trees::{NOW, Set, World};
use anyhow::{Context as _, Result};
use std::path::Path;
use std::process::{Command, Stdio};

/// The tool, as it is released.
const CERTS: &str = env!("CARGO_BIN_EXE_kubectl-rotate_certs");

pub(crate) fn figures(table: &mut Table, rounds: usize) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let tool = command(Path::new(CERTS), dir.path());
    one(table, rounds, dir.path(), &tool)?;
    thousand(table, rounds.min(5), &tool)
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

fn thousand(table: &mut Table, rounds: usize, tool: &impl Fn(&[&str]) -> Command) -> Result<()> {
    let names: Vec<String> = (1..=1000).map(|n| format!("m{n:04}")).collect();
    let hosts: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::new(&hosts);
    let set = Set::new();
    for (n, host) in hosts.iter().enumerate() {
        if n < 3 {
            world.master(host, &set);
        } else {
            world.node(host, &set);
        }
    }
    let directory = world.directory();
    let roots =
        hosts.iter().map(|host| format!("--root={host}={}", directory.join(host).display()));
    let mut words = vec!["check".to_owned(), format!("--at={NOW}"), "-o=json".to_owned()];
    words.extend(roots);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let end = code(tool(&words))?;
    let fast = median(rounds, || time(tool(&words), end))?;
    table.time("check of 1,000 machines' files", fast, None, Some(3.0));
    table.memory("the same, peak memory", measure::peak(tool(&words))?, 64 << 20);
    Ok(())
}
