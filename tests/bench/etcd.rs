//! A snapshot of etcd as large as people have them.

use crate::measure::{command, median, peak, time};
use crate::table::Table;
use anyhow::{Context as _, Result};
use forge::bolt::{Database, change, object, revision};
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read as _, Write as _};
use std::path::Path;

/// The tool, as it is released.
const CERTS: &str = env!("CARGO_BIN_EXE_kubectl-rotate_certs");
/// Bytes of the snapshot.
const SIZE: u64 = 1 << 30;
/// Bytes of most values: those of pods.
const POD: usize = 6_000;

/// 1 GiB of changes: pods for the most part, Secrets and `ConfigMaps` in between, most keys changed several times.
pub(crate) fn figures(table: &mut Table, rounds: usize) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("snapshot.db");
    write(&path).context("cannot write a snapshot")?;
    let tool = command(Path::new(CERTS), dir.path());
    let path = path.display().to_string();
    let ours = || tool(&["inspect", "--etcd-snapshot", &path, "-o", "json"]);
    let fast = median(rounds, || time(ours(), 0))?;
    table.time(
        "a snapshot of etcd of 1 GiB: inspect, its checksum compared",
        fast,
        None,
        Some(10.0),
    );
    table.memory("the same, peak memory", peak(ours())?, 64 << 20);
    Ok(())
}

fn write(path: &Path) -> Result<()> {
    let authority = double::tls::Authority::new("kubernetes").pem();
    let pod = vec![b'p'; POD];
    let mut database = Database::new(BufWriter::with_capacity(1 << 20, File::create(path)?), 4096)?;
    let mut number = 0_u64;
    let mut size = 0_u64;
    while size < SIZE {
        number += 1;
        let (key, value) = match number % 20 {
            0 => (
                format!("/registry/secrets/ns-{}/token", number % 2_000),
                object("Secret", "u", &[("ca.crt", authority.as_bytes())], "Opaque"),
            ),
            1 => (
                format!("/registry/configmaps/ns-{}/kube-root-ca.crt", number % 2_000),
                object("ConfigMap", "u", &[("ca.crt", authority.as_bytes())], ""),
            ),
            _ => (format!("/registry/pods/ns/pod-{}", number % 5_000), pod.clone()),
        };
        let change = change(&key, number, &value);
        size += change.len().next_multiple_of(4096) as u64;
        database.put(revision(number, false), change)?;
    }
    database.finish()?.flush()?;
    let mut hash = Sha256::new();
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut piece = vec![0; 1 << 20];
    loop {
        match reader.read(&mut piece)? {
            0 => break,
            length => hash.update(&piece[..length]),
        }
    }
    File::options().append(true).open(path)?.write_all(&hash.finalize())?;
    Ok(())
}
