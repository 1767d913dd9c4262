//! What stands between the operator and a VM: the director, its agents, host keys, links and gateways.

use crate::harness::vms::{Fleet, ends, findings, says, side_by_side};
use crate::harness::{Case, Need, cases};
use lab::bosh::Sickness;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        vms_that_cannot_be_reached: Need::Vms;
        directors_that_do_not_help: Need::Vms;
        a_gateway_that_drops_connections: Need::Vms;
    ]
}

fn vms_that_cannot_be_reached() {
    let all = [
        // `bosh stop --hard` leaves such ones.
        (Sickness::NoVm, "stopped", "stopped"),
        (Sickness::Ignored, "ignored", "ignored"),
        (Sickness::SilentAgent, "unresponsive-agent", "unresponsive"),
        (Sickness::RefusingAgent, "unresponsive-agent", "unresponsive"),
        (Sickness::WrongHostKey, "host-key", "unreachable"),
        (Sickness::NoHostKey, "host-key", "unreachable"),
        (Sickness::Refused, "unreachable", "unreachable"),
        (Sickness::HungSshd, "unreachable", "unreachable"),
        (Sickness::BlackHole, "unreachable", "unreachable"),
        (Sickness::NoRoute, "unreachable", "unreachable"),
    ];
    // One more, which is well.
    let fleet = Fleet::minions(u8::try_from(all.len()).unwrap() + 1);
    fleet.vms.set_faults(|faults| faults.agent_seconds = Some(3)).unwrap();
    for (number, (how, ..)) in all.iter().enumerate() {
        fleet.vms.make_sick(&format!("minion-{number}"), *how).unwrap();
    }
    let before = fleet.all_proxies();
    let outcome = fleet.run("verify minion --json");
    let found = outcome.exits(3).json();
    side_by_side(&all, |number, (_, code, _)| {
        let seen = findings(&found, number);
        if seen.iter().any(|one| one == code) { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    assert_eq!(findings(&found, all.len()), Vec::<String>::new());
    // Never silently: each is named, and nothing is begun.
    let refused = fleet.run("minion --canary 0 --yes");
    refused.exits(4);
    assert_eq!(fleet.all_proxies(), before);
    // By the operator's word, the one that is well is done alone.
    let words = "stopped,ignored,unresponsive,unreachable";
    fleet.run(&format!("minion --canary 0 --yes --allow {words}")).exits(0);
    let after = fleet.all_proxies();
    assert_eq!(after[..all.len()], before[..all.len()]);
    assert_ne!(after[all.len()], before[all.len()]);
}

fn directors_that_do_not_help() {
    let fleet = Fleet::minions(1);
    let before = fleet.all_proxies();
    let with = |name: &'static str, value: String| {
        let mut command = fleet.command(&fleet.sandbox, "minion --yes");
        command.env(name, value);
        fleet.sandbox.outcome(&mut command)
    };
    with("BOSH_CLIENT_SECRET", "guessed".to_owned()).exits(1).says("401");
    with("BOSH_DEPLOYMENT", "nope".to_owned()).exits(1).says("nope");
    with("BOSH_ENVIRONMENT", "https://127.0.0.1:25556".to_owned()).exits(1).says("refused");
    // Another director's CA.
    let other = double::tls::Authority::new("another").pem();
    with("BOSH_CA_CERT", other).exits(1).says("certificate");
    let unknown = fleet.run("nosuch --yes");
    assert!(matches!(unknown.code, Some(1 | 4)), "{}", unknown.text());
    unknown.says("nosuch");
    fleet.vms.set_faults(|faults| faults.locked = true).unwrap();
    fleet.run("minion --yes").exits(4).says("locked");
    fleet.vms.set_faults(|faults| faults.locked = false).unwrap();
    fleet.vms.stop_director().unwrap();
    fleet.run("minion --yes").exits(1).says("refused");
    fleet.vms.start_director().unwrap();
    assert_eq!(fleet.all_proxies(), before);
    fleet.run("verify minion").exits(0);
    // Nobody is there to ask.
    fleet.run("minion --canary 0").exits(4).says("--yes");
    assert_eq!(fleet.all_proxies(), before);
    // The operator's password is nowhere in what was left behind.
    let secret = fleet
        .vms
        .environment()
        .into_iter()
        .find(|(name, _)| *name == "BOSH_CLIENT_SECRET")
        .unwrap()
        .1;
    for file in crate::harness::files(&fleet.sandbox.path("")) {
        let text = std::fs::read(&file).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&text).contains(&secret), "{}", file.display());
    }
}

fn a_gateway_that_drops_connections() {
    let fleet = Fleet::minions(2);
    fleet.vms.set_faults(|faults| faults.gateway = true).unwrap();
    fleet.vms.overload_gateway(true).unwrap();
    let line = |line: &str| {
        let mut command = fleet.command(&fleet.sandbox, line);
        command.env("BOSH_GW_PRIVATE_KEY", fleet.vms.gateway_key());
        command
    };
    // While it drops everything, nothing is begun.
    let refused = fleet.sandbox.outcome(&mut line("minion/0 --canary 0 --yes"));
    ends(&refused, 4).unwrap();
    says(&refused, "minion/0").unwrap();
    // One that takes connections again in the middle of the tries is no trouble at all.
    let count =
        || fleet.vms.requests().unwrap().iter().filter(|one| one.starts_with("POST")).count();
    let before = count();
    let running = fleet.sandbox.begin(line("minion --canary 0 --yes"));
    crate::harness::until("the first tries", || count() > before);
    fleet.vms.overload_gateway(false).unwrap();
    running.end().exits(0);
}
