//! Looks that are begun while the director still answers: they make it faster, and nothing else different.

use crate::harness::vms::{Fleet, findings};
use crate::harness::{Case, Need, cases};
use lab::bosh::{Options, Sickness};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        no_account_stays_anywhere_beside_a_silent_agent: Need::Vms;
        a_record_that_is_missing_or_wrong_changes_nothing: Need::Vms;
        more_vms_than_may_be_looked_at_at_once: Need::Vms;
    ]
}

/// Accounts of `bosh ssh` on each VM, once all sessions have ended.
fn accounts(fleet: &Fleet) -> Vec<String> {
    fleet.calm();
    let vms = fleet.vms.instances().iter().map(lab::bosh::Instance::vm);
    vms.map(|vm| {
        let mut left = String::new();
        // It is removed after the session has ended, and not waited for.
        for _ in 0..50 {
            left = fleet.vms.sh(&vm, "grep -o '^bosh_[^:]*' /etc/passwd || true").unwrap();
            if left.trim().is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        left.trim().to_owned()
    })
    .collect()
}

fn no_account_stays_anywhere_beside_a_silent_agent() {
    let fleet = Fleet::minions(3);
    fleet.vms.make_sick("minion-2", Sickness::SilentAgent).unwrap();
    // Who asked it for an account would wait for longer than a loaded computer needs for all the rest.
    fleet.vms.set_faults(|faults| faults.agent_seconds = Some(600)).unwrap();
    let began = Instant::now();
    let found = fleet.run("verify minion --json").exits(3).json();
    assert!(began.elapsed() < Duration::from_mins(9), "{:?}", began.elapsed());
    assert_eq!(findings(&found, 2), ["unresponsive-agent"]);
    for healthy in [0, 1] {
        assert!(findings(&found, healthy).is_empty(), "{found:#}");
    }
    fleet.run("minion --canary 0 --yes").exits(4).says("minion/2");
    assert_eq!(accounts(&fleet), ["", "", ""]);
}

/// A `bosh` that answers `curl` as this shell script does, and everything else as it is.
fn with_curl(fleet: &Fleet, name: &str, script: &str) -> PathBuf {
    let path = fleet.sandbox.path(name);
    let real = fleet.vms.bosh();
    let text = format!(
        "#!/bin/sh\nfor word in \"$@\"; do\nif [ \"$word\" = curl ]; then {script}; fi\ndone\nexec '{}' \"$@\"\n",
        real.display()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn a_record_that_is_missing_or_wrong_changes_nothing() {
    let fleet = Fleet::start(Options { masters: 1, minions: 2, ..Options::default() });
    fleet.vms.make_sick("minion-1", Sickness::LeftoverAccount).unwrap();
    let seen = |bosh: &str| {
        let mut document = fleet.run(&format!("verify --json{bosh}")).exits(0).json();
        // What differs from look to look.
        document["tookSeconds"] = 0.into();
        let codes = |index| findings(&document, index);
        let names = document["instances"].as_array().unwrap().iter();
        let names: Vec<String> = names.map(|one| one["instance"].to_string()).collect();
        (names, codes(0), codes(1), fleet.run(&format!("verify --json --strict{bosh}")).code)
    };
    let usual = seen("");
    assert_eq!((usual.0.len(), usual.3), (3, Some(3)));
    let stranger = r#"[{\"job\":\"minion\",\"id\":\"nobody\",\"index\":0,\"cid\":\"vm-1\"}]"#;
    let stranger =
        format!("echo '{{\"Tables\":null,\"Blocks\":[\"{stranger}\"],\"Lines\":null}}'; exit 0");
    for (name, script) in [
        // A version that does not know it.
        ("unknown", "echo \"Unknown command\" >&2; exit 1"),
        ("garbage", "head -c 1000 /dev/urandom; exit 0"),
        // One that hangs is not waited for.
        ("hangs", "exec sleep 600"),
        ("stranger", stranger.as_str()),
    ] {
        let bosh = with_curl(&fleet, name, script);
        let began = Instant::now();
        assert_eq!(seen(&format!(" --bosh {}", bosh.display())), usual, "{name}");
        assert!(began.elapsed() < Duration::from_mins(9), "{name}: {:?}", began.elapsed());
    }
}

fn more_vms_than_may_be_looked_at_at_once() {
    let fleet = Fleet::minions(10);
    let found = fleet.run("verify minion --json").exits(0).json();
    assert_eq!(found["instances"].as_array().map(Vec::len), Some(10));
    for index in 0..10 {
        assert!(findings(&found, index).is_empty(), "{found:#}");
    }
    assert_eq!(accounts(&fleet), [""; 10]);
}
