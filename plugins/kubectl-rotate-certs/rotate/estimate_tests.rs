//! Estimates of small plans.

use super::document::{ComponentPlan, FilePlan, HostPlan, Plan, SCHEMA_VERSION};
use super::estimate::{Pace, PodLoad, Work, noticed, restarts, steps};
use super::stage::{Stage, Strategy};
use jiff::Timestamp;
use rotation_core::facts::credential::Digest;
use rotation_core::world::hosts::change::{State, Way};
use std::collections::BTreeMap;

fn file(path: &str, versions: [&str; 5]) -> FilePlan {
    FilePlan {
        path: path.to_owned(),
        what: "trusted cluster CA".to_owned(),
        mode: "600".to_owned(),
        owner: "0:0".to_owned(),
        settings: false,
        versions: versions.map(|word| State::File(Digest::of(word.as_bytes()))).to_vec(),
    }
}

fn component(program: &str, file: &str) -> ComponentPlan {
    ComponentPlan {
        program: program.to_owned(),
        way: Way::Kill,
        files: vec![file.to_owned()],
        manifest: None,
    }
}

fn host(name: &str, control_plane: bool, components: Vec<ComponentPlan>) -> HostPlan {
    let files = vec![
        file("/ca.crt", ["o", "b", "b", "b", "n"]),
        file("/etcd.crt", ["o", "b", "b", "b", "n"]),
    ];
    HostPlan { name: name.to_owned(), control_plane, files, components, ports: BTreeMap::new() }
}

fn plan(strategy: Strategy, hosts: Vec<HostPlan>) -> Plan {
    Plan {
        schema_version: SCHEMA_VERSION.to_owned(),
        id: "x".to_owned(),
        tool: "x".to_owned(),
        tool_version: "1".to_owned(),
        created_at: Timestamp::UNIX_EPOCH,
        strategy,
        notes: Vec::new(),
        tracks: Vec::new(),
        root_ca: Vec::new(),
        checked: Vec::new(),
        hosts,
    }
}

/// Three control planes whose etcd and API server read etcd's CA once, and seven workers.
fn cluster(strategy: Strategy) -> Plan {
    let servers = || vec![component("etcd", "/etcd.crt"), component("kube-apiserver", "/etcd.crt")];
    let controls = (1..=3).map(|n| host(&format!("m{n}"), true, servers()));
    let workers =
        (1..=7).map(|n| host(&format!("w{n}"), false, vec![component("kubelet", "/ca.crt")]));
    plan(strategy, controls.chain(workers).collect())
}

const QUIET: Pace = Pace { at_once: 5, gates: false, pods: PodLoad { count: 0, longest: 0 } };

fn told(plan: &Plan, from: Stage, to: Stage, pace: Pace) -> Vec<String> {
    let restarted = restarts(plan);
    let steps = steps(plan, &restarted, from, to, pace);
    let each = steps.iter();
    each.map(|step| format!("{} {:.1}", step.work.words(), step.takes.as_secs_f64())).collect()
}

#[test]
fn machines_go_as_apply_takes_them() {
    let rolling = cluster(Strategy::Rolling);
    assert_eq!(
        told(&rolling, Stage::Before, Stage::Accept, QUIET),
        ["m1 7.2", "m2 7.2", "m3 7.2", "w1, w5 and 3 machines between them 1.5", "w6, w7 1.5"]
    );
    assert!(told(&rolling, Stage::Accept, Stage::Sign, QUIET).is_empty());
    let outage = cluster(Strategy::Window);
    assert_eq!(told(&outage, Stage::Before, Stage::Retire, QUIET)[0], "m1, m2, m3 7.2");
}

#[test]
fn ends_that_were_asked_for_are_counted_by_kubelets() {
    let rolling = cluster(Strategy::Rolling);
    let of = |program: &str| -> Vec<(Stage, String)> {
        let all = restarts(&rolling);
        let own = all.iter().filter(|one| one.machine == "m1" && one.program == program);
        own.map(|one| {
            (one.stage, format!("{:.1}/{:.1}", one.takes.as_secs_f64(), one.gap.as_secs_f64()))
        })
        .collect()
    };
    assert_eq!(
        of("kube-apiserver"),
        [(Stage::Accept, "6.2/5.5".to_owned()), (Stage::Retire, "16.2/15.5".to_owned())]
    );
    // It comes back while the API server does.
    assert_eq!(of("etcd")[0], (Stage::Accept, "0.0/2.5".to_owned()));
}

#[test]
fn the_cluster_follows_and_pods_are_recycled_before_the_switch() {
    let rolling = cluster(Strategy::Rolling);
    let pace = Pace { gates: true, pods: PodLoad { count: 40, longest: 12 }, ..QUIET };
    let accept = told(&rolling, Stage::Before, Stage::Accept, pace);
    assert_eq!(accept[accept.len() - 1], "the cluster follows 10.0");
    assert_eq!(told(&rolling, Stage::Accept, Stage::Sign, pace), ["40 pods recycled 120.0"]);
    assert!(told(&rolling, Stage::Sign, Stage::Accept, pace).is_empty(), "not on the way back");
}

#[test]
fn clients_are_told_what_they_will_see() {
    let rolling = cluster(Strategy::Rolling);
    let restarted = restarts(&rolling);
    let told = noticed(&rolling, &restarted, Stage::Before, Stage::Accept);
    assert!(told[0].contains("away for about 5.5 s while it restarts"), "{told:?}");
    assert!(told[1].contains("fail for about 3.0 s on each node"), "{told:?}");
    assert!(noticed(&rolling, &restarted, Stage::Accept, Stage::Sign).is_empty());
    assert!(matches!(
        steps(&rolling, &restarted, Stage::Before, Stage::Accept, QUIET)[0].work,
        Work::Machines { .. }
    ));
}
