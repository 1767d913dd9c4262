//! A healthy deployment: the default command, beside the runbook's; both monits, both releases.

use crate::harness::vms::{Fleet, class};
use crate::harness::{Case, Need, cases, until};
use lab::bosh::{Layout, Monit, Options, down_together};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        five_one_by_one_and_the_runbook_all_at_once: Need::Vms;
        the_systems_own_monit: Need::Vms;
        the_other_release_under_both_monits: Need::Vms;
        any_job_of_monit: Need::Vms;
    ]
}

fn five_one_by_one_and_the_runbook_all_at_once() {
    let fleet = Fleet::start(Options::default());
    let before = fleet.all_proxies();
    fleet.run("verify").exits(0);
    assert_eq!(fleet.all_proxies(), before, "verify changed something");
    fleet.run("--dry-run").exits(3);
    assert_eq!(fleet.all_proxies(), before, "--dry-run changed something");

    let document = fleet.run("--yes --json --log-file record.log").exits(0).json();
    let after = fleet.all_proxies();
    for (old, new) in before.iter().zip(&after) {
        assert!(new.len() == 1 && old != new, "{before:?} {after:?}");
    }
    for one in document["instances"].as_array().unwrap() {
        assert_eq!(one["outcome"]["class"], "ok", "{one:#}");
    }
    // What the VMs themselves saw.
    let changes = fleet.vms.record().unwrap();
    let most = down_together(&changes);
    assert_eq!((most["master"], most["minion"]), (1, 1), "{changes:?}");
    let downs = changes.iter().filter(|change| !change.up).map(|change| change.group.as_str());
    let groups: Vec<_> = downs.collect();
    assert_eq!(groups, ["master", "master", "minion", "minion", "minion"]);
    fleet.run("verify").exits(0);

    // The runbook's line on the same VMs, with proxies that take their time, as real ones may: on a busy machine those
    // of the lab could be up again before the next one's turn.
    for vm in ["minion-0", "minion-1", "minion-2"] {
        fleet.vms.set_knob(vm, "start-delay", Some("15")).unwrap();
    }
    let mut runbook = fleet.command(&fleet.sandbox, "");
    runbook = {
        let mut command = std::process::Command::new(fleet.vms.bosh());
        command.env_clear();
        command.envs(runbook.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.args(["ssh", "minion", "-c", "sudo /var/vcap/bosh/bin/monit restart proxy"]);
        command
    };
    fleet.sandbox.outcome(&mut runbook).exits(0);
    until("the minions' proxies were down", || {
        let changes = fleet.vms.record().unwrap();
        down_together(&changes)["minion"] == 3
    });
}

/// Also what is the same for both monits: one proxy, and another one than before.
fn restart_and_verify(fleet: &Fleet) {
    let before = fleet.proxies("minion-0");
    let document = fleet.run("minion/0 --canary 0 --yes --json").exits(0).json();
    assert_eq!(class(&document, 0), "ok", "{document:#}");
    let after = fleet.proxies("minion-0");
    assert!(after.len() == 1 && after != before, "{before:?} {after:?}");
    fleet.run("verify minion").exits(0);
    assert_eq!(fleet.downs("minion-0"), 1);
}

fn one(layout: Layout, monit: Monit) -> Fleet {
    Fleet::start(Options { masters: 0, minions: 1, layout, monit, ..Options::default() })
}

fn the_systems_own_monit() {
    restart_and_verify(&one(Layout::Gov, Monit::Debian));
}

fn the_other_release_under_both_monits() {
    std::thread::scope(|scope| {
        for monit in [Monit::Stemcell, Monit::Debian] {
            scope.spawn(move || restart_and_verify(&one(Layout::Cfcr, monit)));
        }
    });
}

fn any_job_of_monit() {
    let fleet = Fleet::minions(1);
    let pid = || fleet.vms.read("minion-0", "/var/vcap/sys/run/kubelet/kubelet.pid").unwrap();
    let (before, proxies) = (pid(), fleet.proxies("minion-0"));
    fleet.run("minion/0 --job kubelet --canary 0 --yes").exits(0);
    assert_ne!(pid(), before);
    assert_eq!(fleet.proxies("minion-0"), proxies);
}
