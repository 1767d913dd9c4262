//! Where labs live, and the sweep: whatever a dead owner left running is stopped at the next start.

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use rustix::fs::{FlockOperation, flock};

use super::{owner, stop_all};
use crate::talk::say;

/// How long the logs of a lab that failed are kept.
const KEEP_LOGS: Duration = Duration::from_hours(24);

/// A lab that was swept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swept {
    /// Its directory.
    pub dir: PathBuf,
}

/// The directory that holds one directory per lab: `$XDG_STATE_HOME/rotation-lab` or `~/.local/state/rotation-lab`.
pub fn root() -> Result<PathBuf> {
    let absolute =
        |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .context("neither XDG_STATE_HOME nor HOME is set: set one of them to say where labs keep their files")?;
    let root = base.join("rotation-lab");
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&root)
        .with_context(|| format!("cannot make {}", root.display()))?;
    Ok(root)
}

/// Runs `work` while no other process makes, sweeps or numbers labs under `root`.
pub fn with_root_locked<T>(root: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let path = root.join(".lock");
    let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    flock(&file, FlockOperation::LockExclusive)
        .with_context(|| format!("cannot lock {}", path.display()))?;
    work()
}

/// Stops and removes every lab under `root` whose owner is gone. Call it with the root locked.
///
/// `clean_up` is told of each lab after its processes ended and before its directory goes: mounts and
/// namespaces are not this module's to know. If it fails the directory stays, and the next sweep tries again.
pub fn sweep(root: &Path, clean_up: impl Fn(&Path) -> Result<()>) -> Result<Vec<Swept>> {
    let entries = fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))?;
    let mut swept = Vec::new();
    for entry in entries {
        let dir = entry.with_context(|| format!("cannot read {}", root.display()))?.path();
        if !dir.join("run").is_dir() {
            forget_old_logs(&dir);
            continue;
        }
        if owner(&dir).is_some_and(|owner| owner.lives()) {
            continue;
        }
        say(&format!("the owner of {} is gone: stopping what it left", dir.display()));
        stop_all(&dir)?;
        clean_up(&dir)?;
        fs::remove_dir_all(&dir).with_context(|| format!("cannot remove {}", dir.display()))?;
        swept.push(Swept { dir });
    }
    Ok(swept)
}

/// A lab that failed leaves its logs and nothing else.
fn forget_old_logs(dir: &Path) {
    let made = fs::metadata(dir.join("log")).and_then(|data| data.modified());
    if made
        .is_ok_and(|made| SystemTime::now().duration_since(made).is_ok_and(|age| age > KEEP_LOGS))
    {
        let _ = fs::remove_dir_all(dir);
    }
}
