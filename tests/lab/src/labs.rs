//! The labs on this machine: made, listed, found by name, removed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::process::{self, Owner, Processes};

/// Sweeps what dead owners left, then makes the directory of a new lab and lets `fill` put into it what must be
/// there before another process may look (its block of addresses, for one).
pub fn create<T>(
    name: &str,
    owner: &Owner,
    fill: impl FnOnce(&Processes, &Path) -> Result<T>,
) -> Result<(Processes, T)> {
    check_name(name)?;
    let root = process::root()?;
    process::with_root_locked(&root, || {
        process::sweep(&root, clean_up)?;
        let dir = root.join(name);
        if dir.exists() {
            // Logs of one that failed, or a lab that lives.
            ensure!(
                !dir.join("run").is_dir(),
                "lab {name:?} exists: `cargo lab down --name {name}` removes it"
            );
            fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        }
        let processes = Processes::create(&dir, owner)?;
        let filled = fill(&processes, &root)?;
        Ok((processes, filled))
    })
}

/// The directories of all labs, sorted by name.
pub fn all() -> Result<Vec<PathBuf>> {
    let root = process::root()?;
    let entries = fs::read_dir(&root).with_context(|| format!("cannot read {}", root.display()))?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|dir| dir.join("run").is_dir())
        .collect();
    found.sort();
    Ok(found)
}

/// The directory of the lab called `name`.
pub fn find(name: &str) -> Result<PathBuf> {
    check_name(name)?;
    let dir = process::root()?.join(name);
    if !dir.join("run").is_dir() {
        let others = all()?;
        let names: Vec<_> = others.iter().filter_map(|dir| dir.file_name()?.to_str()).collect();
        let hint = if names.is_empty() {
            "start one with `cargo lab up`".to_owned()
        } else {
            format!("there is: {}", names.join(", "))
        };
        bail!("no lab is called {name:?}: {hint}");
    }
    Ok(dir)
}

/// Stops and removes the labs whose owners are gone.
pub fn sweep() -> Result<()> {
    let root = process::root()?;
    process::with_root_locked(&root, || process::sweep(&root, clean_up).map(drop))
}

/// Removes the directory of a lab whose processes are stopped.
pub fn remove(dir: &Path) -> Result<()> {
    clean_up(dir)?;
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", dir.display()))
        }
        _ => Ok(()),
    }
}

/// What must be undone before a lab's directory may be deleted. Deleting through a mount would delete what is
/// mounted, so while there is one the directory stays.
fn clean_up(dir: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let below = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .find(|at| Path::new(at).starts_with(dir));
    if let Some(at) = below {
        bail!("{at} is still mounted: `umount {at}`, then run this again");
    }
    crate::machines::clean_up(dir)
}

/// A name is a directory and part of what people type.
fn check_name(name: &str) -> Result<()> {
    let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ensure!(
        !name.is_empty() && name.len() <= 40 && name.chars().all(fine) && !name.starts_with('-'),
        "a lab cannot be called {name:?}: use at most 40 of a-z, 0-9 and -"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_directories() {
        for good in ["default", "t-123-0", "a"] {
            check_name(good).unwrap();
        }
        for bad in ["", "-x", "..", "a/b", "A", &"x".repeat(41)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }
}
