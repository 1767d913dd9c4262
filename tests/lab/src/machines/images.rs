//! Which images the cluster needs, and where the archive with all of them is.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::image::{self, Image, Layer};
use super::run::output;

/// What every test container runs: `http`, `cat`, `ls`, `sleep`, `prober`, ...; no shell.
pub const POD_IMAGE: &str = "lab.local/pod:1";

/// The images of one Kubernetes version, as kubeadm calls them.
#[derive(Clone, Debug)]
pub(super) struct Images {
    /// `v1.36.3`.
    pub(super) version: String,
    names: Vec<String>,
    /// The archive.
    pub(super) archive: PathBuf,
}

impl Images {
    /// Asks kubeadm for the names, and makes the archive beside the programs in `current` unless it is there.
    pub(super) fn ensure(current: &Path, tools: &Path) -> Result<Self> {
        let kubeadm = current.join("kubeadm");
        let version = output(Command::new(&kubeadm).args(["version", "-o", "short"]))?;
        let version = version.trim().to_owned();
        // Without a version it would ask the internet for the newest one.
        let names = output(Command::new(&kubeadm).args([
            "config",
            "images",
            "list",
            "--kubernetes-version",
            &version,
        ]))?;
        let names = names.split_whitespace().map(str::to_owned).collect();
        let tool = iptables()?;
        let etcdctl = Layer {
            files: vec![("usr/local/bin/etcdctl".to_owned(), tools.join("etcdctl"))],
            links: Vec::new(),
        };
        // What does not come from `current` is part of the archive's name: an upgrade makes a new one.
        let mut hash = DefaultHasher::new();
        for (path, source) in tool.files.iter().chain(&etcdctl.files) {
            let data = fs::metadata(source)?;
            (path, data.len(), data.modified()?).hash(&mut hash);
        }
        let archive = current.join(format!("images-{:016x}.tar", hash.finish()));
        let images = Self { version, names, archive };
        if !images.archive.is_file() {
            images.write(current, tool, etcdctl)?;
        }
        Ok(images)
    }

    /// The name of the image whose last part is `part`: `pause`, `coredns`.
    pub(super) fn name(&self, part: &str) -> Result<&str> {
        self.names
            .iter()
            .find(|name| {
                name.rsplit('/').next().is_some_and(|last| last.split(':').next() == Some(part))
            })
            .map(String::as_str)
            .with_context(|| format!("kubeadm names no image for {part}"))
    }

    fn write(&self, current: &Path, nft: Layer, etcdctl: Layer) -> Result<()> {
        const COMPONENTS: [&str; 5] =
            ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"];
        const POD: [&str; 7] = ["pause", "http", "get", "cat", "ls", "sleep", "false"];
        let bin = |name: &str| format!("usr/local/bin/{name}");
        let program = |name: &str, links: &[&str]| Layer {
            files: vec![(bin(name), current.join(name))],
            links: links.iter().map(|link| (bin(link), name.to_owned())).collect(),
        };
        let layers = [
            program("kubelab", &COMPONENTS),
            nft,
            program("coredns", &[]),
            program("labpod", &POD),
            etcdctl,
        ];
        let image = |names: Vec<&str>, layers: &[usize], run: &[&str]| Image {
            names: names.into_iter().map(str::to_owned).collect(),
            layers: layers.to_vec(),
            entrypoint: run.iter().map(|word| (*word).to_owned()).collect(),
        };
        let mut control = Vec::new();
        for part in &COMPONENTS[1..4] {
            control.push(self.name(part)?);
        }
        image::write(
            &self.archive,
            &layers,
            &[
                image(control, &[0], &["/usr/local/bin/kubelab"]),
                image(vec![self.name("etcd")?], &[0, 4], &["/usr/local/bin/kubelab"]),
                image(vec![self.name("kube-proxy")?], &[0, 1], &["/usr/local/bin/kube-proxy"]),
                image(vec![self.name("coredns")?], &[2], &["/usr/local/bin/coredns"]),
                image(vec![self.name("pause")?], &[3], &["/usr/local/bin/pause"]),
                image(vec![POD_IMAGE], &[3], &["/usr/local/bin/labpod"]),
            ],
        )
    }
}

/// kube-proxy runs the system's `iptables`: one program of many names, with its extensions and the libraries that its
/// loader names. Not `nft`: on kernels up to 6.18 at least, a set that is made anew in the transaction that takes the old
/// one away can be empty afterwards, and then a restarted kube-proxy has no Services.
fn iptables() -> Result<Layer> {
    let tool = super::needs::find("xtables-nft-multi")
        .context("iptables is not installed: run `apt-get install iptables`")?;
    let mut files = vec![("usr/sbin/xtables-nft-multi".to_owned(), tool.clone())];
    let mut programs = vec![tool];
    for directory in ["/usr/lib/x86_64-linux-gnu/xtables", "/usr/lib/aarch64-linux-gnu/xtables"] {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry?.path();
            files.push((path.display().to_string(), path.clone()));
            programs.push(path);
        }
    }
    // Extensions name libraries of their own.
    let libraries = output(Command::new("ldd").args(&programs))?;
    for line in libraries.lines() {
        // `libmnl.so.0 => /lib/.../libmnl.so.0 (0x...)`, and the loader itself without an arrow.
        let path = line.split("=>").last().unwrap_or(line).split_whitespace().next();
        // A line that ends with a colon names whose libraries follow.
        let path = path.filter(|path| path.starts_with('/') && !path.ends_with(':'));
        if let Some(path) = path.filter(|path| !files.iter().any(|(known, _)| known == path)) {
            files.push((path.to_owned(), PathBuf::from(path)));
        }
    }
    let names = ["iptables", "ip6tables"]
        .into_iter()
        .flat_map(|tool| ["", "-save", "-restore"].map(|end| format!("usr/sbin/{tool}{end}")));
    let links = names.map(|name| (name, "xtables-nft-multi".to_owned())).collect();
    Ok(Layer { files, links })
}
