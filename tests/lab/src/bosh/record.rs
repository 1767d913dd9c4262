//! When each proxy was up: watched from outside the VMs, in their own tables of sockets, whatever any tool says.
//!
//! One process looks at all VMs of a lab ten times a second. A proxy is up while its health port is listened
//! on. Two that were down together at any look are found: all are looked at in the same moment.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::{Record, boot, first};
use crate::process::Identity;

/// The port that a proxy answers for its health.
const HEALTH: u16 = 10256;
const EVERY: Duration = Duration::from_millis(100);

/// One change, as a line of the record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Seconds since the recorder began.
    pub at: f64,
    /// Which VM: `minion-0`.
    pub vm: String,
    /// Its group.
    pub group: String,
    /// Whether its proxy is up from here on.
    pub up: bool,
}

/// Where the record is, in the lab's directory.
pub(super) fn path(dir: &Path) -> PathBuf {
    dir.join("record.jsonl")
}

/// Records until it is killed.
pub(super) fn run(dir: &Path) -> Result<()> {
    let record = Record::read(dir)?;
    let mut file = File::options()
        .create(true)
        .append(true)
        .open(path(dir))
        .context("cannot write the record")?;
    let began = Instant::now();
    let mut firsts: BTreeMap<String, Identity> = BTreeMap::new();
    let mut states: BTreeMap<String, bool> = BTreeMap::new();
    loop {
        let at = began.elapsed().as_secs_f64();
        for instance in &record.instances {
            let vm = instance.vm();
            let mut up = firsts.get(&vm).is_some_and(|inner| boot::listens(*inner, HEALTH));
            if !up && !firsts.get(&vm).is_some_and(Identity::alive) {
                firsts.remove(&vm);
                if let Ok(found) = first(dir, &vm) {
                    up = boot::listens(found, HEALTH);
                    firsts.insert(vm.clone(), found);
                }
            }
            if states.insert(vm.clone(), up) != Some(up) {
                let change = Change { at, vm, group: instance.group.clone(), up };
                let line = serde_json::to_string(&change).context("cannot encode a change")?;
                writeln!(file, "{line}").context("cannot write the record")?;
            }
        }
        std::thread::sleep(EVERY);
    }
}

/// What was recorded in `dir`, oldest first.
pub(super) fn read(dir: &Path) -> Result<Vec<Change>> {
    let text = fs::read_to_string(path(dir)).context("the lab has no record")?;
    // The last line may not be whole yet.
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

/// The largest number of proxies of one group that were down together, by the group's name: what of it was seen at one
/// look counts as one moment.
pub fn down_together(changes: &[Change]) -> BTreeMap<String, usize> {
    let mut down: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for look in changes.chunk_by(|a, b| a.at.total_cmp(&b.at).is_eq()) {
        for change in look {
            let group = down.entry(&change.group).or_default();
            group.retain(|vm| *vm != change.vm);
            if !change.up {
                group.push(&change.vm);
            }
        }
        for (group, vms) in &down {
            let most = most.entry((*group).to_owned()).or_default();
            *most = (*most).max(vms.len());
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlaps_are_counted_within_a_group() {
        let change = |at: f64, group: &str, vm: &str, up| Change {
            at,
            vm: vm.to_owned(),
            group: group.to_owned(),
            up,
        };
        let changes = [
            change(0.0, "minion", "minion-0", true),
            change(0.0, "minion", "minion-1", true),
            change(0.0, "master", "master-0", true),
            change(1.0, "minion", "minion-0", false),
            change(1.5, "master", "master-0", false),
            change(2.0, "minion", "minion-0", true),
            change(2.0, "minion", "minion-1", false),
        ];
        let most = down_together(&changes);
        assert_eq!((most["minion"], most["master"]), (1, 1));
        let both = [&changes[..4], &changes[6..]].concat();
        assert_eq!(down_together(&both)["minion"], 2);
    }
}
