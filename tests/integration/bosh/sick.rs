//! VMs that are sick before anything is touched: each is found, refused, and healed where that can be done.

use crate::harness::vms::{Fleet, ends, findings, says, side_by_side};
use crate::harness::{Case, Need, cases, until};
use lab::bosh::{Monit, Options, Sickness};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        proxies_too_many_and_pidfiles_that_lie_are_healed: Need::Vms;
        what_only_a_person_can_mend_is_refused: Need::Vms;
        an_action_that_is_pending_is_waited_for_by_the_operator: Need::Vms;
        somebodys_stop_is_undone_only_by_his_word: Need::Vms;
        trouble_besides_is_told_and_no_reason_to_refuse: Need::Vms;
        twins_under_the_systems_own_monit: Need::Vms;
        one_sick_vm_holds_up_all_until_it_is_healed: Need::Vms;
    ]
}

/// Makes each VM sick in its own way; a lab as large as the list.
fn fleet(all: &[(Sickness, &str)], monit: Monit) -> Fleet {
    let minions = u8::try_from(all.len()).unwrap();
    let fleet = Fleet::start(Options { masters: 0, minions, monit, ..Options::default() });
    for (number, (how, _)) in all.iter().enumerate() {
        fleet.vms.make_sick(&format!("minion-{number}"), *how).unwrap();
    }
    // Where a pidfile is lost, monit makes the second proxy at its next look, seconds later.
    for (number, _) in all.iter().enumerate().filter(|(_, (_, code))| *code == "duplicate") {
        until("there are two proxies", || fleet.proxies(&format!("minion-{number}")).len() > 1);
    }
    fleet
}

/// `verify` finds it, the restart refuses and touches nothing, `heal` mends it.
fn found_refused_healed(all: &[(Sickness, &str)], monit: Monit) {
    let fleet = fleet(all, monit);
    let found = fleet.run("verify minion --json").exits(3).json();
    side_by_side(all, |number, (_, code)| {
        let seen = findings(&found, number);
        if !seen.iter().any(|one| one == code) {
            return Err(format!("{code} is not among {seen:?}"));
        }
        let (vm, name) = (format!("minion-{number}"), format!("minion/{number}"));
        let before = fleet.proxies(&vm);
        let refused = fleet.run_anew(&format!("{name} --canary 0 --yes"));
        ends(&refused, 4)?;
        says(&refused, &format!("bosh-proxy-restart heal {name}"))?;
        // Monit may have added one by itself meanwhile; none of those that were there has ended.
        let after = fleet.proxies(&vm);
        if !before.iter().all(|pid| after.contains(pid)) {
            return Err(format!("it was touched: {before:?} {after:?}"));
        }
        ends(&fleet.run_anew(&format!("heal {name} --yes")), 0)?;
        let healed = fleet.proxies(&vm);
        if healed.len() != 1 || before.contains(&healed[0]) {
            return Err(format!("{before:?} became {healed:?}"));
        }
        let strangers = fleet.vms.sh(&vm, "pgrep -x docker-proxy | wc -l").unwrap();
        if strangers.trim() == "0" {
            return Err("a process of somebody else was ended".to_owned());
        }
        ends(&fleet.run_anew(&format!("verify {name}")), 0)
    });
}

fn proxies_too_many_and_pidfiles_that_lie_are_healed() {
    found_refused_healed(
        &[
            (Sickness::Twin, "duplicate"),
            (Sickness::PidfileLost, "duplicate"),
            (Sickness::PidfileEmpty, "duplicate"),
            (Sickness::PidfileStranger, "pidfile-stranger"),
            (Sickness::PidRecycled, "pidfile-stranger"),
        ],
        Monit::Stemcell,
    );
}

fn twins_under_the_systems_own_monit() {
    found_refused_healed(
        &[(Sickness::Twin, "duplicate"), (Sickness::PidfileStranger, "pidfile-stranger")],
        Monit::Debian,
    );
}

fn what_only_a_person_can_mend_is_refused() {
    let all = [
        (Sickness::MonitDown, "monit-away"),
        (Sickness::MonitHung, "monit-away"),
        (Sickness::JobUnknown, "unknown-job"),
        (Sickness::DiskFull, "disk-full"),
    ];
    let fleet = fleet(&all, Monit::Stemcell);
    let found = fleet.run("verify minion --json").exits(3).json();
    side_by_side(&all, |number, (_, code)| {
        let seen = findings(&found, number);
        // The director says so before anybody looks, where it knows.
        if !seen.iter().any(|one| one == code || one == "no-job") {
            return Err(format!("{code} is not among {seen:?}"));
        }
        let downs = fleet.downs(&format!("minion-{number}"));
        ends(&fleet.run_anew(&format!("minion/{number} --canary 0 --yes")), 4)?;
        if fleet.downs(&format!("minion-{number}")) != downs {
            return Err("it was restarted".to_owned());
        }
        Ok(())
    });
}

fn an_action_that_is_pending_is_waited_for_by_the_operator() {
    let fleet = Fleet::minions(1);
    fleet.vms.make_sick("minion-0", Sickness::ActionPending).unwrap();
    fleet.run("minion --canary 0 --yes").exits(4).says("pending");
    let found = fleet.run("verify minion --json").exits(3).json();
    assert!(findings(&found, 0).iter().any(|code| code == "action-pending"), "{found:#}");
    assert_eq!(fleet.downs("minion-0"), 1, "another restart was sent");
    fleet.vms.set_knob("minion-0", "start-delay", None).unwrap();
    until("that action is over", || fleet.vms.monit_says("minion-0").unwrap().ends_with("running"));
    fleet.run("minion --canary 0 --yes --all").exits(0);
    assert_eq!(fleet.downs("minion-0"), 2);
}

fn somebodys_stop_is_undone_only_by_his_word() {
    let all = [(Sickness::Unmonitored, ""), (Sickness::Stopped, "")];
    let fleet = fleet(&all, Monit::Stemcell);
    side_by_side(&all, |number, _| {
        let vm = format!("minion-{number}");
        let before = fleet.proxies(&vm);
        let refused = fleet.run_anew(&format!("minion/{number} --canary 0 --yes"));
        ends(&refused, 4)?;
        says(&refused, "--start-stopped")?;
        if fleet.proxies(&vm) != before {
            return Err("it was touched".to_owned());
        }
        ends(&fleet.run_anew(&format!("minion/{number} --canary 0 --yes --start-stopped")), 0)?;
        let now = fleet.proxies(&vm);
        if now.len() == 1 && now != before { Ok(()) } else { Err(format!("{before:?} {now:?}")) }
    });
}

fn trouble_besides_is_told_and_no_reason_to_refuse() {
    let mut all = vec![
        (Sickness::Noise, ""),
        (Sickness::LeftoverAccount, "leftover-accounts"),
        (Sickness::ClockOff, "clock-off"),
    ];
    if !clock_can_be_set() {
        all.pop();
    }
    let fleet = fleet(&all, Monit::Stemcell);
    let found = fleet.run("verify minion --json").json();
    side_by_side(&all, |number, (how, code)| {
        let seen = findings(&found, number);
        if !code.is_empty() && !seen.iter().any(|one| one == code) {
            return Err(format!("{code} is not among {seen:?}"));
        }
        let restarted = fleet.run_anew(&format!("minion/{number} --canary 0 --yes"));
        ends(&restarted, 0)?;
        // Nothing that a VM says reaches the terminal as it is.
        if restarted.text().contains('\u{1b}') {
            return Err(format!("an escape came through:\n{}", restarted.text()));
        }
        if how == Sickness::LeftoverAccount {
            let left = fleet.vms.sh(&format!("minion-{number}"), "id bosh_0123456789abcde");
            left.map_err(|error| format!("somebody's account was removed: {error:#}"))?;
        }
        Ok(())
    });
}

/// A clock of its own needs a library; without it the rest is tested all the same, and the lab's own test says why.
fn clock_can_be_set() -> bool {
    let folder = format!("/usr/lib/{}-linux-gnu/faketime", std::env::consts::ARCH);
    std::path::Path::new(&folder).is_dir()
}

fn one_sick_vm_holds_up_all_until_it_is_healed() {
    let fleet = Fleet::start(Options { masters: 1, minions: 2, ..Options::default() });
    let before = fleet.all_proxies();
    fleet.vms.make_sick("minion-1", Sickness::Twin).unwrap();
    until("a second proxy", || fleet.proxies("minion-1").len() == 2);
    let refused = fleet.run("--canary 0 --yes");
    refused.exits(4).says("minion/1").says("heal would, on minion/1, end PID");
    assert_eq!(fleet.all_proxies()[..2], before[..2], "others were touched");
    fleet.run("heal minion/1 --yes").exits(0);
    fleet.run("--canary 0 --yes").exits(0);
    for (old, new) in before.iter().zip(fleet.all_proxies()) {
        assert!(new.len() == 1 && *old != new, "{before:?} {new:?}");
    }
}
