//! Restarts that go wrong, or take their time, on VMs that were healthy before.

use crate::harness::vms::{Fleet, class, ends, findings, side_by_side};
use crate::harness::{Case, Need, cases};
use lab::bosh::{Monit, Options, Sickness};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        slow_deaf_and_failing_starts: Need::Vms;
        the_same_under_the_systems_own_monit: Need::Vms;
        logs_that_are_rotated_between_two_looks: Need::Vms;
        the_first_failure_stops_the_rest: Need::Vms;
        a_deploy_that_starts_in_the_middle_stops_the_rest: Need::Vms;
    ]
}

/// How the proxy is sick, the exit code, and the classes that may be told.
type Expected = (Sickness, i32, &'static [&'static str]);

fn come_to(all: &[Expected], monit: Monit) {
    let minions = u8::try_from(all.len()).unwrap();
    let fleet = Fleet::start(Options { masters: 0, minions, monit, ..Options::default() });
    for (number, (how, ..)) in all.iter().enumerate() {
        fleet.vms.make_sick(&format!("minion-{number}"), *how).unwrap();
    }
    side_by_side(all, |number, (_, code, classes)| {
        let restarted = fleet.run_anew(&format!("minion/{number} --canary 0 --yes --json"));
        let proxies = fleet.proxies(&format!("minion-{number}")).len();
        // On a machine that is too busy for monit's limits monit itself starts a second one, as it does on real VMs; that
        // it is found is what is promised.
        if code == 0 && restarted.code == Some(5) && proxies > 1 {
            let came_to = class(&restarted.json(), number);
            return if came_to == "duplicate" { Ok(()) } else { Err(restarted.text()) };
        }
        ends(&restarted, code)?;
        let came_to = class(&restarted.json(), number);
        if !classes.contains(&came_to.as_str()) {
            return Err(format!("class {came_to}:\n{}", restarted.text()));
        }
        if code == 0 && proxies != 1 {
            return Err(format!("there are {proxies} proxies:\n{}", restarted.text()));
        }
        Ok(())
    });
}

fn slow_deaf_and_failing_starts() {
    come_to(
        &[
            (Sickness::SlowStart60, 0, &["ok", "warn"]),
            (Sickness::IgnoresTerm, 0, &["ok", "warn"]),
            (Sickness::SlowStart8, 0, &["ok", "warn"]),
            (Sickness::ExitsAtStart, 5, &["not-running"]),
            (Sickness::CrashLoop, 5, &["not-running"]),
            (Sickness::PortTaken, 5, &["bind-errors"]),
            (Sickness::PortTakenBriefly, 0, &["warn"]),
        ],
        Monit::Stemcell,
    );
}

fn the_same_under_the_systems_own_monit() {
    come_to(
        &[
            (Sickness::IgnoresTerm, 0, &["ok", "warn"]),
            (Sickness::SlowStart8, 0, &["ok", "warn"]),
            (Sickness::ExitsAtStart, 5, &["not-running"]),
            (Sickness::PortTaken, 5, &["bind-errors"]),
            (Sickness::PortTakenBriefly, 0, &["warn"]),
        ],
        Monit::Debian,
    );
}

fn logs_that_are_rotated_between_two_looks() {
    let fleet = Fleet::minions(2);
    // Complaints that are moved away with the log must be found all the same.
    side_by_side(&[true, false], |number, truncate| {
        let (vm, name) = (format!("minion-{number}"), format!("minion/{number}"));
        fleet.vms.make_sick(&vm, Sickness::PortTaken).map_err(|error| format!("{error:#}"))?;
        let sandbox = crate::harness::sandbox::Sandbox::new(std::path::Path::new(""));
        let line = format!("{name} --canary 0 --yes --json");
        let running = sandbox.begin(fleet.command(&sandbox, &line));
        let log = "/var/vcap/sys/log/proxy/kube-proxy.stderr.log";
        crate::harness::until("the new proxy complains", || {
            fleet.vms.read(&vm, log).is_ok_and(|text| text.contains("metrics server failed"))
        });
        fleet.vms.rotate_logs(&vm, truncate).map_err(|error| format!("{error:#}"))?;
        let ended = running.end();
        ends(&ended, 5)?;
        let came_to = class(&ended.json(), number);
        if came_to == "bind-errors" { Ok(()) } else { Err(ended.text()) }
    });
}

fn the_first_failure_stops_the_rest() {
    // Monit waits for a start that fails, and sees nothing else meanwhile.
    let fleet =
        Fleet::start(Options { masters: 0, minions: 3, start_timeout: 8, ..Options::default() });
    let before = fleet.all_proxies();
    fleet.vms.make_sick("minion-1", Sickness::ExitsAtStart).unwrap();
    fleet.run("minion --canary 0 --yes").exits(5);
    let after = fleet.all_proxies();
    assert_ne!(after[0], before[0]);
    assert_eq!(after[2], before[2], "it went on after a failure");
    // Mended, the same command does the rest and nothing again.
    fleet.vms.make_well("minion-1").unwrap();
    crate::harness::until("monit has started it", || {
        let said = fleet.vms.monit_says("minion-1").unwrap();
        fleet.proxies("minion-1").len() == 1 && said.ends_with("running")
    });
    fleet.run("minion --canary 0 --yes").exits(0);
    let last = fleet.all_proxies();
    assert_eq!(last[0], after[0], "what was done was done again");
    assert_ne!(last[2], before[2]);
}

fn a_deploy_that_starts_in_the_middle_stops_the_rest() {
    let fleet = Fleet::minions(3);
    let before = fleet.all_proxies();
    let mut running = fleet.begin("minion --canary 0 --yes");
    running.wait_for("restarting proxy");
    fleet.vms.set_faults(|faults| faults.locked = true).unwrap();
    running.end().exits(5).says("locked");
    let after = fleet.all_proxies();
    assert_ne!(after[0], before[0]);
    assert_eq!(after[2], before[2]);
    fleet.run("minion --canary 0 --yes").exits(4).says("locked");
    assert_eq!(fleet.all_proxies(), after);
    let found = fleet.run("verify minion --json").exits(0).json();
    assert!(findings(&found, 0).is_empty(), "{found:#}");
    fleet.vms.set_faults(|faults| faults.locked = false).unwrap();
    fleet.run("minion --canary 0 --yes").exits(0);
    assert_eq!(fleet.all_proxies()[0], after[0], "what was done was done again");
}
