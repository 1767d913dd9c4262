//! VMs that BOSH made: a real sshd on each, real sudo, a director, and the double of `bosh`.

use crate::harness::outcome::Outcome;
use crate::harness::vms::{Fleet, says};
use crate::harness::{Case, Need, cases};
use crate::trees::Set;
use forge::Key;
use lab::bosh::{Options, Sickness};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

pub(crate) fn cases() -> Vec<Case> {
    cases![vms_of_a_deployment_are_looked_at_through_bosh: Need::Vms]
}

const AT: &str = "--at 2026-12-01T00:00:00Z";

fn put(fleet: &Fleet, vm: &str, path: &str, text: &str) {
    let path = fleet.vms.root_of(vm).unwrap().join(path.trim_start_matches('/'));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    // Root's alone: it is read by sudo.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Jobs of CFCR's manifest.
fn furnish(fleet: &Fleet, vm: &str, set: &Set) {
    let job = |job: &str, name: &str, text: &str| {
        put(fleet, vm, &format!("/var/vcap/jobs/{job}/config/{name}"), text);
    };
    let key = Key::new();
    job("kubelet", "kubelet-client-ca.pem", &set.cluster.pem());
    job("kubelet", "kubelet.pem", &set.cluster.server("kubelet", &key));
    job("kubelet", "kubelet-key.pem", &key.pem());
    if !vm.starts_with("master") {
        return;
    }
    let key = Key::new();
    job("kube-apiserver", "kubernetes-ca.pem", &set.cluster.pem());
    job("kube-apiserver", "kubernetes.pem", &set.cluster.server("kubernetes", &key));
    job("kube-apiserver", "kubernetes-key.pem", &key.pem());
    job("kube-apiserver", "service-account-public-key.pem", &set.tokens.public_pem());
    job("kube-controller-manager", "ca.pem", &set.cluster.pem());
    job("kube-controller-manager", "service-account-private-key.pem", &set.tokens.pem());
}

fn command(fleet: &Fleet, line: &str) -> Command {
    let mut command = Command::new(super::CERTS);
    fleet.sandbox.prepare(&mut command);
    let folder = fleet.vms.bosh();
    let folder = folder.parent().unwrap().display();
    command
        .envs(fleet.vms.environment())
        .env("PATH", format!("{folder}:/usr/bin:/bin:/usr/sbin:/sbin"))
        .args(line.split_whitespace());
    command
}

fn run(fleet: &Fleet, line: &str) -> Outcome {
    fleet.sandbox.outcome(&mut command(fleet, &format!("{line} {AT}")))
}

fn vms_of_a_deployment_are_looked_at_through_bosh() {
    let fleet = Fleet::start(Options { masters: 2, minions: 2, ..Options::default() });
    let (old, new) = (Set::old(), Set::new());
    for vm in ["master-0", "master-1", "minion-0", "minion-1"] {
        furnish(&fleet, vm, &new);
    }
    run(&fleet, "check --bosh").exits(0).says("nothing was found");
    let seen = run(&fleet, "inspect --bosh=master,minion/0");
    seen.exits(0);
    says(&seen, "master/1:/var/vcap/jobs/kube-apiserver/config/kubernetes-key.pem").unwrap();
    says(&seen, "minion/0:/var/vcap/jobs/kubelet/config/kubelet.pem").unwrap();
    assert!(!seen.stdout.contains("minion/1"), "{}", seen.text());

    // One kubelet trusts the old CA; one API server has another key than its certificate.
    let trust = "/var/vcap/jobs/kubelet/config/kubelet-client-ca.pem";
    put(&fleet, "minion-1", trust, &old.cluster.pem());
    let found = run(&fleet, "check --bosh");
    found.exits(3);
    says(&found, &format!("minion/1:{trust}: error: ")).unwrap();
    says(&found, "on minion/1: ").unwrap();
    put(&fleet, "minion-1", trust, &new.cluster.pem());
    let path = "/var/vcap/jobs/kube-apiserver/config/kubernetes-key.pem";
    let before = fleet.vms.read("master-1", path).unwrap();
    put(&fleet, "master-1", path, &Key::new().pem());
    let found = run(&fleet, "check --bosh");
    found.exits(3);
    says(&found, &format!("master/1:{path}: error: ")).unwrap();
    put(&fleet, "master-1", path, &before);

    // One does not answer, and the others are shown.
    fleet.vms.set_faults(|faults| faults.agent_seconds = Some(3)).unwrap();
    fleet.vms.make_sick("minion-1", Sickness::SilentAgent).unwrap();
    let seen = run(&fleet, "inspect --bosh");
    seen.exits(0);
    says(&seen, "its agent did not let anybody in").unwrap();
    says(&seen, "minion/0:/var/vcap/jobs/kubelet/config/kubelet.pem").unwrap();
    fleet.vms.make_well("minion-1").unwrap();

    run(&fleet, "inspect --bosh=nosuch").exits(2).says("its groups are master, minion");
    run(&fleet, "inspect --bosh --bosh-cli /no/such/bosh").exits(1).says("--bosh-cli PATH");
    let all = run(&fleet, "inspect --bosh -o json");
    assert!(!all.text().contains("PRIVATE KEY"), "{}", all.text());
    run(&fleet, "check --bosh").exits(0);
}
