//! Processes are stopped, found again, and never mistaken.

use std::time::{Duration, Instant};

use super::*;

fn lab(root: &Path, owner: &Owner) -> Processes {
    Processes::create(&root.join("lab"), owner).unwrap()
}

fn dead() -> Owner {
    let me = Identity::current().unwrap();
    Owner::Process(Identity { started: me.started.wrapping_sub(1), ..me })
}

fn sleeper(name: &str) -> Launch {
    Launch::new(name, "sleep").arg("600")
}

#[test]
fn what_is_started_is_recorded_and_stopped() {
    let root = tempfile::tempdir().unwrap();
    let lab = lab(root.path(), &Owner::current().unwrap());
    let first = lab.start(&sleeper("first")).unwrap();
    let second = lab.start(&sleeper("second")).unwrap();
    assert_eq!(lab.records().unwrap(), [first.clone(), second.clone()]);
    assert!(lab.start(&sleeper("first")).unwrap_err().to_string().contains("runs already"));
    lab.stop("first").unwrap();
    assert!(!first.identity.alive() && second.identity.alive());
    lab.stop("first").unwrap();
    lab.stop_all().unwrap();
    assert!(!second.identity.alive());
    assert_eq!(lab.records().unwrap(), []);
}

#[test]
fn one_that_ignores_term_is_killed() {
    let root = tempfile::tempdir().unwrap();
    let lab = lab(root.path(), &Owner::current().unwrap());
    let deaf = Launch::new("deaf", "sh")
        .args(["-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]);
    let record = lab.start(&deaf).unwrap();
    let limit = Instant::now() + Duration::from_secs(10);
    while fs::read_to_string(lab.log("deaf")).unwrap().is_empty() {
        assert!(Instant::now() < limit, "the shell never came up");
        std::thread::sleep(Duration::from_millis(10));
    }
    let began = Instant::now();
    lab.stop("deaf").unwrap();
    assert!(!record.identity.alive());
    assert!(began.elapsed() >= Duration::from_secs(4), "it was not given time");
}

#[test]
fn a_recycled_pid_is_not_touched() {
    let root = tempfile::tempdir().unwrap();
    let lab = lab(root.path(), &Owner::current().unwrap());
    let stranger = Command::new("sleep").arg("600").spawn().unwrap();
    let now = Identity::of(stranger.id()).unwrap();
    let before = Identity { started: now.started - 1, ..now };
    let record = Record { name: "old".to_owned(), identity: before, order: 0, at_once: false };
    write_json(&lab.record_path("old"), &record).unwrap();
    lab.stop_all().unwrap();
    assert!(now.alive());
    now.signal(rustix::process::Signal::KILL).unwrap();
    let mut stranger = stranger;
    stranger.wait().unwrap();
}

#[test]
fn a_lab_without_its_owner_is_swept_and_others_are_left() {
    let root = tempfile::tempdir().unwrap();
    let orphan = Processes::create(&root.path().join("orphan"), &dead()).unwrap();
    let mine = Processes::create(&root.path().join("mine"), &Owner::current().unwrap()).unwrap();
    let kept = Processes::create(&root.path().join("kept"), &Owner::Detached).unwrap();
    let recorded = orphan.start(&sleeper("recorded")).unwrap();
    // Its starter was killed between starting and recording.
    let lost = orphan.start(&sleeper("lost")).unwrap();
    fs::remove_file(orphan.record_path("lost")).unwrap();
    let others = [mine.start(&sleeper("a")).unwrap(), kept.start(&sleeper("b")).unwrap()];

    let swept = with_root_locked(root.path(), || sweep(root.path(), |_| Ok(()))).unwrap();
    assert_eq!(swept, [Swept { dir: root.path().join("orphan") }]);
    assert!(!recorded.identity.alive() && !lost.identity.alive());
    assert!(!root.path().join("orphan").exists());
    assert!(others.iter().all(|record| record.identity.alive()));
    mine.stop_all().unwrap();
    kept.stop_all().unwrap();
}

#[test]
fn a_frozen_process_is_stopped_too() {
    let root = tempfile::tempdir().unwrap();
    let lab = lab(root.path(), &Owner::current().unwrap());
    let record = lab.start(&sleeper("frozen")).unwrap();
    record.identity.signal(rustix::process::Signal::STOP).unwrap();
    let began = Instant::now();
    lab.stop("frozen").unwrap();
    assert!(!record.identity.alive() && began.elapsed() < Duration::from_secs(4));
}
