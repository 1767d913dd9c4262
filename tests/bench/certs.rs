//! A complete PKI, beside kubeadm's; and the leaves of a thousand machines.

use crate::measure;
use crate::table::Table;
use anyhow::{Context as _, Result};
use std::cell::Cell;
use std::fmt::Write as _;
use std::path::Path;

/// The tool, as it is released.
const CERTS: &str = env!("CARGO_BIN_EXE_kubectl-rotate_certs");

pub(crate) fn certs(table: &mut Table, rounds: usize) -> Result<()> {
    let programs = lab::components::ensure(lab::components::Set::Current)?;
    let kubeadm = programs.join("kubeadm");
    let dir = tempfile::tempdir()?;
    let ours = measure::command(Path::new(CERTS), dir.path());
    let theirs = measure::command(&kubeadm, dir.path());
    for (kind, name) in [("rsa-2048", "RSA-2048"), ("ecdsa-p256", "ECDSA-P256")] {
        let count = Cell::new(0);
        let place = |who: &str| {
            count.set(count.get() + 1);
            dir.path().join(format!("{who}-{kind}-{}", count.get()))
        };
        // Each key is luck: a prime is soon found or late. One after the other, so that both meet the same machine.
        let mut pairs = Vec::new();
        for _ in 0..rounds {
            pairs.push((
                one(&ours, &place("ours"), kind)?,
                kubeadm_all(&theirs, &place("kubeadm"), name)?,
            ));
        }
        let middle = |pick: fn(&(f64, f64)) -> f64| {
            let mut all: Vec<f64> = pairs.iter().map(pick).collect();
            all.sort_by(f64::total_cmp);
            all[all.len() / 2]
        };
        let what = format!(
            "a whole kubeadm PKI with kubeconfigs, {kind}; peer: kubeadm init phase certs, kubeconfig"
        );
        table.faster(&what, middle(|p| p.0), middle(|p| p.1), 2.0);
    }
    thousand(table, &ours, dir.path(), rounds)
}

fn one(tool: &impl Fn(&[&str]) -> std::process::Command, out: &Path, kind: &str) -> Result<f64> {
    let out = out.display().to_string();
    let words = [
        "generate",
        "--layout",
        "kubeadm",
        "--node-name",
        "m1",
        "--advertise-address",
        "10.0.0.1",
        "--key-type",
        kind,
        "-o",
        &out,
    ];
    measure::time(tool(&words), 0)
}

pub(crate) fn kubeadm_all(
    tool: &impl Fn(&[&str]) -> std::process::Command,
    out: &Path,
    kind: &str,
) -> Result<f64> {
    std::fs::create_dir(out).context("a directory")?;
    let config = out.with_extension("yaml");
    let text = format!(
        "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n\
         localAPIEndpoint: {{advertiseAddress: 10.0.0.1, bindPort: 6443}}\nnodeRegistration: {{name: m1}}\n---\n\
         apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nkubernetesVersion: v1.36.0\n\
         encryptionAlgorithm: {kind}\ncertificatesDir: {}\n",
        out.display()
    );
    std::fs::write(&config, text).context("kubeadm's configuration")?;
    let config = config.display().to_string();
    let folder = out.display().to_string();
    let certs = measure::time(tool(&["init", "phase", "certs", "all", "--config", &config]), 0)?;
    let words =
        ["init", "phase", "kubeconfig", "all", "--config", &config, "--kubeconfig-dir", &folder];
    Ok(certs + measure::time(tool(&words), 0)?)
}

fn thousand(
    table: &mut Table,
    tool: &impl Fn(&[&str]) -> std::process::Command,
    dir: &Path,
    rounds: usize,
) -> Result<()> {
    let mut text =
        "[[host]]\nname = 'm1'\naddresses = ['10.0.0.1']\ncontrol-plane = true\n".to_owned();
    for n in 0..1000 {
        let _ = write!(
            text,
            "[[host]]\nname = 'w{n}'\naddresses = ['10.1.{}.{}']\n",
            n / 250,
            n % 250 + 1
        );
    }
    let hosts = dir.join("hosts.toml");
    std::fs::write(&hosts, text).context("a hosts file")?;
    let hosts = hosts.display().to_string();
    let count = Cell::new(0);
    let words = |out: &str| {
        let words = [
            "generate",
            "--layout",
            "kubeadm",
            "--hosts",
            &hosts,
            "--key-type",
            "ecdsa-p256",
            "-o",
            out,
        ];
        tool(&words)
    };
    let fresh = || {
        count.set(count.get() + 1);
        dir.join(format!("many-{}", count.get())).display().to_string()
    };
    let rounds = rounds.min(5);
    let time = measure::median(rounds, || measure::time(words(&fresh()), 0))?;
    table.time("1,000 machines' leaves, ecdsa-p256, on disk", time, None, Some(1.0));
    let mut peaks =
        (0..rounds).map(|_| measure::peak(words(&fresh()))).collect::<Result<Vec<u64>>>()?;
    peaks.sort_unstable();
    table.memory("the most memory meanwhile", peaks[peaks.len() / 2], 32 << 20);
    Ok(())
}
