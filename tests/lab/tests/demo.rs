//! The demo, in the form that needs no root: it proves itself, prints its table, and leaves nothing.

#![expect(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lab::process::{Record, records};
use rustix::process::{Pid, Signal, kill_process};

fn demo(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(["demo", "--loopback"]).env("XDG_STATE_HOME", state).stdin(Stdio::null());
    command
}

/// What is in the directory of labs: each with what runs in it.
fn labs(state: &Path) -> Vec<Record> {
    let Ok(entries) = std::fs::read_dir(state.join("rotation-lab")) else {
        return Vec::new();
    };
    let dirs = entries.flatten().map(|entry| entry.path());
    dirs.filter(|path| path.is_dir()).flat_map(|dir| records(&dir).unwrap()).collect()
}

fn nothing_left(state: &Path) {
    let left: Vec<_> = std::fs::read_dir(state.join("rotation-lab")).unwrap().flatten().collect();
    assert!(left.iter().all(|entry| entry.file_name() == ".lock"), "{left:?}");
}

#[test]
fn it_shows_what_the_runbook_loses_and_recycle_does_not() {
    let state = tempfile::tempdir().unwrap();
    let output = demo(state.path()).output().unwrap();
    let talk = String::from_utf8(output.stderr).unwrap();
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{talk}\n{table}");

    assert!(table.is_ascii() && table.lines().all(|line| line.len() <= 80), "{table}");
    let cells = |row: &str| -> Vec<String> {
        let line = table.lines().find(|line| line.starts_with(row));
        let line = line.unwrap_or_else(|| panic!("no row {row:?} in\n{table}"));
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    let [_, runbook, ours] = &cells("time without a Ready DNS server")[..] else {
        panic!("{table}");
    };
    assert!(runbook != "0.0 s" && ours == "0.0 s", "{table}");
    assert_eq!(cells("kube-dns-autoscaler")[1..], ["deleted", "left alone"]);
    assert_eq!(cells("replacements Ready when it ended")[2], "8 of 8");
    assert_eq!(cells("exit code tells")[1..], ["no", "yes"]);

    assert!(talk.contains("simulated nodes"), "{talk}");
    assert!(talk.contains("8 pods recycled and Ready"), "{talk}");
    nothing_left(state.path());
}

#[test]
fn an_interrupt_takes_everything_down() {
    let state = tempfile::tempdir().unwrap();
    let child = demo(state.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let limit = Instant::now() + Duration::from_mins(20);
    let running = loop {
        let running = labs(state.path());
        if running.iter().any(|record| record.name == "kube-apiserver") {
            break running;
        }
        assert!(Instant::now() < limit, "the API server was never started");
        std::thread::sleep(Duration::from_millis(20));
    };
    let pid = Pid::from_raw(child.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    let talk = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{talk}");
    assert!(talk.ends_with("Nothing is left running.\n") && output.stdout.is_empty(), "{talk}");
    assert!(running.iter().all(|record| !record.identity.alive()), "still there");
    nothing_left(state.path());
}
