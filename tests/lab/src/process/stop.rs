//! Stopping: TERM, up to five seconds, KILL.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::process::Signal;

use super::{Identity, MARK, records, remove_file};

/// An API server with open watches may take a minute to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// Stops all of these together and returns when none is left.
pub(super) fn stop(processes: &[Identity]) -> Result<()> {
    for process in processes {
        process.signal(Signal::TERM)?;
        process.signal(Signal::CONT)?; // one that was frozen would not hear it
    }
    if gone(processes, PATIENCE) {
        return Ok(());
    }
    for process in processes {
        process.signal(Signal::KILL)?;
    }
    gone(processes, PATIENCE);
    Ok(())
}

fn gone(processes: &[Identity], within: Duration) -> bool {
    let limit = Instant::now() + within;
    while processes.iter().any(Identity::alive) {
        if Instant::now() >= limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    true
}

/// Stops everything that the lab in `dir` started: first what is recorded, last started first, then whatever
/// else carries the lab's mark.
pub fn stop_all(dir: &Path) -> Result<()> {
    let recorded = records(dir)?;
    // Clients before servers: a controller that loses its API server only fills a log, but an API server waits
    // for its clients' watches.
    for record in recorded.iter().rev() {
        let how = if record.at_once { Signal::KILL } else { Signal::TERM };
        record.identity.signal(how)?;
        record.identity.signal(Signal::CONT)?;
        gone(&[record.identity], Duration::from_millis(20));
    }
    let all: Vec<Identity> = recorded.iter().map(|record| record.identity).collect();
    stop(&all)?;
    stop(&marked(dir))?;
    for record in &recorded {
        remove_file(&dir.join("run").join(format!("{}.json", record.name)))?;
    }
    Ok(())
}

/// Kills everything that the lab in `dir` started, without asking it to end first.
pub(super) fn kill_all(dir: &Path) -> Result<()> {
    let recorded = records(dir)?;
    let mut all: Vec<Identity> = recorded.iter().map(|record| record.identity).collect();
    for process in &all {
        process.signal(Signal::KILL)?;
    }
    let rest = marked(dir);
    for process in &rest {
        process.signal(Signal::KILL)?;
    }
    all.extend(rest);
    gone(&all, PATIENCE);
    for record in &recorded {
        remove_file(&dir.join("run").join(format!("{}.json", record.name)))?;
    }
    Ok(())
}

/// Every process whose environment names `dir` as its lab. Those of other users cannot be read, and are not ours.
fn marked(dir: &Path) -> Vec<Identity> {
    let mark = [MARK.as_bytes(), b"=", dir.as_os_str().as_encoded_bytes()].concat();
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id())
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|text| text.split(|byte| *byte == 0).any(|entry| entry == mark))
        })
        .filter_map(Identity::of)
        .collect()
}
