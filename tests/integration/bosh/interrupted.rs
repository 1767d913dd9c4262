//! Runs that are interrupted, killed or cut off at any moment, and the runs after them.

use crate::harness::sandbox::Sandbox;
use crate::harness::vms::{Fleet, ends, side_by_side};
use crate::harness::{Case, Need, cases, until};
use lab::bosh::Options;
use rustix::process::Signal;
use std::path::Path;
use std::time::{Duration, Instant};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        killed_at_any_moment_each_is_restarted_once: Need::Vms;
        interrupted_at_any_moment_each_is_restarted_once: Need::Vms;
        killed_in_the_middle_only_the_rest_is_done: Need::Vms;
        a_link_that_breaks_in_the_cycle: Need::Vms;
    ]
}

/// Moments in tenths of a second after the start: before the look, in it, in the restart, in the wait, after the proof.
/// Which of them a moment meets differs from machine to machine; the promise is the same in all.
const MOMENTS: [u64; 8] = [1, 8, 16, 24, 32, 48, 80, 130];

/// Ends the tool at each moment, runs it again until it is content, and counts restarts in the VM's own record.
fn once_whenever(signal: Signal, code: Option<i32>) {
    let fleet = Fleet::minions(u8::try_from(MOMENTS.len()).unwrap());
    side_by_side(&MOMENTS, |number, moment| {
        let (vm, sandbox) = (format!("minion-{number}"), Sandbox::new(Path::new("")));
        let line = format!("minion/{number} --canary 0 --yes");
        let began = Instant::now();
        let mut running = sandbox.begin(fleet.command(&sandbox, &line));
        while began.elapsed() < Duration::from_millis(100 * moment) && running.runs() {
            std::thread::sleep(Duration::from_millis(10));
        }
        running.signal(signal);
        let ended = running.end();
        // It may have been done before the signal came, or not have begun to listen for any.
        let unborn = ended.code.is_none() && ended.stderr.is_empty();
        if ended.code != code && ended.code != Some(0) && !unborn {
            return Err(format!("not {code:?} after the signal:\n{}", ended.text()));
        }
        if ended.code == Some(0) {
            return once(&fleet, &vm);
        }
        // What it began on the VM goes on there: until that is over, the next run is refused or says that it is.
        let mut last = None;
        until("a run that is content", || {
            let again = sandbox.outcome(&mut fleet.command(&sandbox, &line));
            let content = again.code == Some(0);
            last = Some(again);
            content || !matches!(last.as_ref().and_then(|l| l.code), Some(4..=6))
        });
        ends(&last.ok_or("no run")?, 0)?;
        once(&fleet, &vm)
    });
}

/// One proxy, which was restarted once, by the VM's own record.
fn once(fleet: &Fleet, vm: &str) -> Result<(), String> {
    match (fleet.proxies(vm).len(), fleet.downs(vm)) {
        (1, 1) => Ok(()),
        (proxies, downs) => Err(format!("{proxies} proxies, restarted {downs} times")),
    }
}

fn killed_at_any_moment_each_is_restarted_once() {
    once_whenever(Signal::KILL, None);
}

fn interrupted_at_any_moment_each_is_restarted_once() {
    once_whenever(Signal::INT, Some(130));
}

fn killed_in_the_middle_only_the_rest_is_done() {
    let fleet = Fleet::start(Options { masters: 1, minions: 2, ..Options::default() });
    let before = fleet.all_proxies();
    let mut running = fleet.begin("--canary 0 --yes");
    // In the middle of the second.
    until("the first minion is down", || {
        assert!(running.runs(), "it ended");
        fleet.downs("minion-0") + fleet.downs("minion-1") == 1
    });
    running.signal(Signal::KILL);
    running.end();
    fleet.calm();
    fleet.run("--canary 0 --yes").exits(0).says("done already");
    for (old, new) in before.iter().zip(fleet.all_proxies()) {
        assert!(new.len() == 1 && *old != new, "{before:?} {new:?}");
    }
    for vm in ["master-0", "minion-0", "minion-1"] {
        assert_eq!(fleet.downs(vm), 1, "{vm}");
    }
}

fn a_link_that_breaks_in_the_cycle() {
    let fleet = Fleet::minions(1);
    let before = fleet.proxies("minion-0");
    let running = fleet.begin("minion/0 --canary 0 --yes");
    until("the proxy is down", || fleet.downs("minion-0") == 1);
    fleet.vms.break_sessions("minion-0").unwrap();
    running.end().exits(0);
    let after = fleet.proxies("minion-0");
    assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
    assert_eq!(fleet.downs("minion-0"), 1, "a second restart was sent");
}
