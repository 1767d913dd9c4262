//! The programs a lab runs: compiled from pinned sources once, then found in a cache outside the clone.
//!
//! A cache directory is named after everything that decides what is in it (module files, sources, compiler,
//! flags), so it never goes stale and two checkouts share it where they agree. It is built beside its final
//! name and renamed into place: a build that was killed leaves nothing that looks finished.

mod build;
mod recipe;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest as _, Sha256};

use crate::talk::say;

/// Which programs are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Today's Kubernetes: etcd, every control-plane component, kubelet, kube-proxy, kubeadm, kubectl, kwok
    /// with its stages (in `stages/`), `CoreDNS`, and the program that every test container runs.
    Current,
    /// The control plane of the generation that still makes token secrets by itself; the rest comes from
    /// [`Set::Current`].
    Old,
    /// What a machine with a kubelet needs besides: containerd, its shim, `ctr`, runc, and in `cni/` the
    /// network plug-ins.
    Node,
    /// What people use on a machine: `crictl`, and `etcdctl`, which the image of etcd has in it.
    Tools,
}

impl Set {
    /// The name of the module folder and of the cache directory.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Old => "old",
            Self::Node => "node",
            Self::Tools => "tools",
        }
    }

    fn sources(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("go").join(self.name())
    }
}

/// The directory that holds the programs of `set`, compiled now if they are not there yet.
///
/// Safe to call from several processes at once: one builds, the others wait for it and say so.
pub fn ensure(set: Set) -> Result<PathBuf> {
    let sources = set.sources();
    let steps = recipe::steps(set, &sources)?;
    let cache = cache_root()?;
    let wanted = place(set, &cache, &sources, &steps)?;
    if wanted.is_dir() {
        return Ok(wanted);
    }
    fs::create_dir_all(&cache)
        .with_context(|| format!("cannot make the cache directory {}", cache.display()))?;
    let _lock = lock(&cache.join(format!("{}.lock", set.name())), set)?;
    if wanted.is_dir() {
        return Ok(wanted);
    }
    let half = cache.join(format!("{}.half", set.name()));
    remove(&half)?; // we hold the lock: whoever made it is dead
    fs::create_dir(&half).with_context(|| format!("cannot make {}", half.display()))?;
    build::run(set, &sources, &steps, &half)?;
    fs::rename(&half, &wanted)
        .with_context(|| format!("cannot move the programs to {}", wanted.display()))?;
    say(&format!("the {} programs are in {}", set.name(), wanted.display()));
    Ok(wanted)
}

/// Whether [`ensure`] would find the programs of `set` compiled.
pub fn compiled(set: Set) -> Result<bool> {
    let sources = set.sources();
    Ok(place(set, &cache_root()?, &sources, &recipe::steps(set, &sources)?)?.is_dir())
}

/// The directory whose name says all that decides what is in it.
fn place(set: Set, cache: &Path, sources: &Path, steps: &[recipe::Step]) -> Result<PathBuf> {
    let compiler = build::compiler(sources)?;
    Ok(cache.join(format!("{}-{}", set.name(), key(sources, &compiler, steps)?)))
}

fn cache_root() -> Result<PathBuf> {
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set: set one of them to say where compiled programs go")?;
    Ok(base.join("rotation-lab"))
}

/// Waits for whoever is building the same set; the lock goes with the process that holds it.
fn lock(path: &Path, set: Set) -> Result<File> {
    let file =
        File::create(path).with_context(|| format!("cannot make the lock {}", path.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        say(&format!("another process compiles the {} programs: waiting for it", set.name()));
        flock(&file, FlockOperation::LockExclusive)
            .with_context(|| format!("cannot lock {}", path.display()))?;
    }
    Ok(file)
}

/// The first 16 hexadecimal digits of the hash over all that decides what the programs are.
fn key(sources: &Path, compiler: &str, steps: &[recipe::Step]) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(format!("{compiler}\n{steps:?}\n"));
    for path in source_files(sources)? {
        let name = path.strip_prefix(sources).unwrap_or(&path);
        let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        hash.update(format!("{}\n{}\n", name.display(), content.len()));
        hash.update(&content);
    }
    Ok(hash.finalize().iter().take(8).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    }))
}

fn source_files(sources: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![sources.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).with_context(|| {
            format!(
                "the lab's Go sources are not at {}: build the lab in its clone again",
                folder.display()
            )
        })?;
        for entry in entries {
            let path = entry?.path();
            let named = |name| path.file_name().is_some_and(|file| file == name);
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "go")
                || named("go.mod")
                || named("go.sum")
            {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_follows_sources_compiler_and_flags() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("go.mod"), "module x\n").unwrap();
        let steps = || vec![recipe::Step::default()];
        let first = key(folder.path(), "go1.26", &steps()).unwrap();
        assert_eq!(first.len(), 16);
        assert_eq!(first, key(folder.path(), "go1.26", &steps()).unwrap());
        assert_ne!(first, key(folder.path(), "go1.27", &steps()).unwrap());
        assert_ne!(first, key(folder.path(), "go1.26", &[]).unwrap());
        fs::write(folder.path().join("notes.txt"), "no source\n").unwrap();
        assert_eq!(first, key(folder.path(), "go1.26", &steps()).unwrap());
        fs::write(folder.path().join("main.go"), "package main\n").unwrap();
        assert_ne!(first, key(folder.path(), "go1.26", &steps()).unwrap());
    }
}
