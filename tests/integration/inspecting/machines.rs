//! A kubeadm cluster of machines with real kubelets: their files, their pods' volumes, and what every server shows.

use super::CERTS;
use crate::harness::sandbox::Sandbox;
use crate::harness::{Case, Need, cases};
use lab::machines::{Machines, Options};

pub(super) fn cases() -> Vec<Case> {
    cases![
        every_place_of_a_kubeadm_cluster_is_seen_and_nothing_is_wrong: Need::Machines;
    ]
}

/// The tool on a machine, as its administrator.
fn on_machine(lab: &Machines, words: &str) -> String {
    let mut command = lab.command_on("control-1", "/opt/rotate-certs").unwrap();
    command.args(words.split(' ')).args(["--kubeconfig", "/etc/kubernetes/admin.conf"]);
    let output = command.output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

fn errors(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.contains(": error: ")).collect()
}

fn every_place_of_a_kubeadm_cluster_is_seen_and_nothing_is_wrong() {
    let name = format!("t-inspect-{}", std::process::id());
    let options = Options { name, control_planes: 1, workers: 1, ..Options::default() };
    let lab = Machines::start(&options).unwrap();
    // From outside: both machines' files, and the API.
    let sandbox = Sandbox::new(&lab.kubeconfig()).of(CERTS);
    let root = |name: &str| format!(" --root {name}={}", lab.root_of(name).unwrap().display());
    let roots = format!("{}{}", root("control-1"), root("worker-1"));
    let outcome = sandbox.run(&format!("check --objects{roots}"));
    assert_eq!(errors(&outcome.stdout), [""; 0], "{}", outcome.text());
    assert!(
        outcome
            .stdout
            .contains("secret/kube-system/kubeadm-certs: warning: they were uploaded at ")
    );
    // On a machine itself: what its kubelet mounted is seen from there alone, and etcd listens there.
    std::fs::copy(CERTS, lab.root_of("control-1").unwrap().join("opt/rotate-certs")).unwrap();
    let pki = "/etc/kubernetes/pki/etcd";
    let all = format!(
        "--root / --objects --live --etcd https://127.0.0.1:2379 --etcd-cacert {pki}/ca.crt --etcd-cert {pki}/healthcheck-client.crt --etcd-key {pki}/healthcheck-client.key"
    );
    let seen = on_machine(&lab, &format!("inspect {all}"));
    for row in [
        "127.0.0.1:2379:/registry/configmaps/kube-public/cluster-info#kubeconfig",
        "etcd at 10.77.0.11:2379#accepted CAs",
        "etcd-peer at 10.77.0.11:2380#chain",
        "kube-apiserver at 10.77.0.1:6443#chain",
        "kube-apiserver at 10.77.0.11:6443#accepted CAs",
        "kube-apiserver at 10.77.0.11:6443#token keys",
        "kubelet at 10.77.0.11:10250#chain",
        "kubelet at 10.77.0.21:10250#accepted CAs",
        "pod/kube-system/kube-proxy-",
    ] {
        assert!(seen.contains(row), "{row}: {seen}");
    }
    let said = on_machine(&lab, &format!("check {all}"));
    assert_eq!(errors(&said), [""; 0], "{said}");
    lab.down().unwrap();
}
