//! Certificates, keys and kubeconfigs, made by kubeadm's own phases as on a real cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::flags::{PODS, SERVICES, advertised};
use super::settings::Settings;
use crate::ports;

const KUBECONFIGS: [&str; 4] = ["admin", "super-admin", "controller-manager", "scheduler"];

/// Whose signature a spare certificate carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Authority {
    /// That of the cluster's authority.
    Same,
    /// That of another, which has the same name.
    New,
}

/// Certificates and the signing key, below `pki/`.
pub(super) fn certificates(kubeadm: &Path, settings: &Settings, dir: &Path) -> Result<()> {
    configure(settings, dir, "pki")?;
    phase(kubeadm, dir, "pki", &["certs", "all"])
}

/// A second serving certificate and signing key, below `pki-NAME/`.
pub(super) fn spare(
    kubeadm: &Path,
    settings: &Settings,
    dir: &Path,
    name: &str,
    authority: Authority,
) -> Result<PathBuf> {
    let folder = format!("pki-{name}");
    let path = dir.join(&folder);
    fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
    configure(settings, dir, &folder)?;
    match authority {
        Authority::Same => {
            for file in ["ca.crt", "ca.key"] {
                fs::copy(dir.join("pki").join(file), path.join(file))
                    .with_context(|| format!("cannot copy {file}"))?;
            }
        }
        Authority::New => phase(kubeadm, dir, &folder, &["certs", "ca"])?,
    }
    phase(kubeadm, dir, &folder, &["certs", "apiserver"])?;
    phase(kubeadm, dir, &folder, &["certs", "sa"])?;
    Ok(path)
}

/// A signing key, below `keys-NAME/`.
pub(super) fn signing_key(
    kubeadm: &Path,
    settings: &Settings,
    dir: &Path,
    name: &str,
) -> Result<PathBuf> {
    let folder = format!("keys-{name}");
    let path = dir.join(&folder);
    fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
    configure(settings, dir, &folder)?;
    phase(kubeadm, dir, &folder, &["certs", "sa"])?;
    Ok(path)
}

/// Lets every kubeconfig trust these CAs, given in base64.
pub(super) fn trust(dir: &Path, authorities: &str) -> Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    let names: Vec<String> = entries
        .filter_map(|entry| {
            Some(entry.ok()?.file_name().to_str()?.strip_suffix(".conf")?.to_owned())
        })
        .collect();
    for name in names {
        let path = dir.join(format!("{name}.conf"));
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // Beside and renamed: a component that starts meanwhile reads the one or the other.
        let half = format!("{name}.half");
        write(dir, &half, &with(&text, "certificate-authority-data: ", authorities))?;
        fs::rename(dir.join(format!("{half}.conf")), &path)
            .with_context(|| format!("cannot replace {}", path.display()))?;
    }
    Ok(())
}

fn configure(settings: &Settings, dir: &Path, folder: &str) -> Result<()> {
    fs::write(dir.join(format!("{folder}.yaml")), configuration(settings, &dir.join(folder)))
        .context("cannot write kubeadm's configuration")
}

/// A kubeconfig for each who needs one, and `server-N.conf` for each API server.
pub(super) fn kubeconfigs(kubeadm: &Path, settings: &Settings, dir: &Path) -> Result<()> {
    let made = dir.join("kubeconfigs");
    let folder = made.display().to_string();
    phase(kubeadm, dir, "pki", &["kubeconfig", "all", "--kubeconfig-dir", &folder])?;
    let servers = settings.servers();
    for name in KUBECONFIGS {
        let text = fs::read_to_string(made.join(format!("{name}.conf")))
            .with_context(|| format!("kubeadm made no {name}.conf"))?;
        // kubeadm refuses loopback addresses, and writes the advertised one into some of these files. Left
        // there, components would dial an address outside this machine.
        write(dir, name, &pointed_at(&text, &servers[0]))?;
        if name == "admin" {
            for (n, server) in servers.iter().enumerate() {
                write(dir, &format!("server-{}", n + 1), &pointed_at(&text, server))?;
            }
        }
        if name == "super-admin" {
            write(dir, "kwok", &pointed_at(&text, &servers[0]))?;
        }
    }
    fs::remove_dir_all(&made).context("cannot remove kubeadm's kubeconfigs")
}

/// Readable by its owner only: it holds a key.
fn write(dir: &Path, name: &str, text: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let path = dir.join(format!("{name}.conf"));
    fs::File::options()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

fn pointed_at(kubeconfig: &str, server: &str) -> String {
    with(kubeconfig, "server: ", server)
}

/// The kubeconfig with another value behind each `key`.
fn with(kubeconfig: &str, key: &str, value: &str) -> String {
    let lines = kubeconfig.lines().map(|line| match line.find(key) {
        Some(at) => format!("{}{key}{value}\n", &line[..at]),
        None => format!("{line}\n"),
    });
    lines.collect()
}

fn configuration(settings: &Settings, pki: &Path) -> String {
    let addresses: Vec<String> =
        (0..settings.api_servers).map(|n| settings.block.member(n).to_string()).collect();
    format!(
        "apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: {advertised}, bindPort: {port}}}
nodeRegistration: {{name: lab}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: v1.36.0
clusterName: lab
certificatesDir: {pki}
controlPlaneEndpoint: {first}:{port}
networking: {{podSubnet: {PODS}, serviceSubnet: {SERVICES}}}
apiServer: {{certSANs: [localhost, 127.0.0.1, {all}]}}
etcd: {{local: {{serverCertSANs: [{first}], peerCertSANs: [{first}]}}}}
",
        advertised = advertised(0),
        port = ports::API,
        pki = pki.display(),
        first = addresses[0],
        all = addresses.join(", "),
    )
}

fn phase(kubeadm: &Path, dir: &Path, folder: &str, words: &[&str]) -> Result<()> {
    let output = Command::new(kubeadm)
        .args(["init", "phase"])
        .args(words)
        .arg("--config")
        .arg(dir.join(format!("{folder}.yaml")))
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", kubeadm.display()))?;
    let said = [output.stdout, output.stderr].concat();
    ensure!(
        output.status.success(),
        "kubeadm init phase {} failed:\n{}",
        words.join(" "),
        String::from_utf8_lossy(&said).trim()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_line_is_rewritten() {
        let before = "clusters:\n- cluster:\n    server: https://192.0.2.10:6443\n  name: lab\n";
        let after = pointed_at(before, "https://127.64.0.1:6443");
        assert_eq!(after, before.replace("192.0.2.10", "127.64.0.1"));
    }
}
