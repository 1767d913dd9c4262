//! A kubeadm cluster of machines with real kubelets and real sshds: nothing is wrong where nothing is, and each thing that
//! the lab makes wrong is named, with its place and what to do.

use super::CERTS;
use crate::harness::{Case, Need, cases};
use lab::machines::{Machines, MixUp, MixUps, Options};
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, Instant};

pub(super) fn cases() -> Vec<Case> {
    cases![
        every_place_of_a_kubeadm_cluster_is_seen_and_each_mix_up_is_named: Need::Machines;
    ]
}

const MACHINES: [&str; 3] = ["control-1", "control-2", "worker-1"];

/// What an operator's seat sees: each machine by ssh, the API, every server by its own address, and etcd.
pub(crate) struct Desk {
    pub(crate) lab: Machines,
    sources: Vec<String>,
}

impl Desk {
    pub(crate) fn start(what: &str) -> Self {
        let name = format!("t-{what}-{}", std::process::id());
        let options = Options { name, control_planes: 2, workers: 1, ..Options::default() };
        let lab = Machines::start(&options).unwrap();
        let address = |name: &str| {
            let machine = lab.machines().iter().find(|machine| machine.name == name).unwrap();
            machine.address()
        };
        let mut sources: Vec<String> =
            MACHINES.iter().map(|name| format!("--ssh={name}={}", address(name))).collect();
        sources.extend(lab.ssh_options().iter().map(|option| format!("--ssh-option={option}")));
        let pki = lab.root_of("control-1").unwrap().join("etc/kubernetes/pki/etcd");
        let file = |flag: &str, name: &str| format!("--{flag}={}", pki.join(name).display());
        sources.extend([
            "--objects".to_owned(),
            "--live".to_owned(),
            format!("--kubeconfig={}", lab.desk_kubeconfig().display()),
            format!("--etcd=https://{}:2379", address("control-1")),
            file("etcd-cacert", "ca.crt"),
            file("etcd-cert", "healthcheck-client.crt"),
            file("etcd-key", "healthcheck-client.key"),
        ]);
        Self { lab, sources }
    }

    /// Exit code, stdout and stderr.
    pub(crate) fn run(&self, verb: &str, more: &[&str]) -> (i32, String, String) {
        let mut command = self.lab.at_desk(CERTS).unwrap();
        let output = command.arg(verb).args(&self.sources).args(more).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// Findings that are more than notes: id, place, what to do.
    fn findings(&self) -> Vec<[String; 3]> {
        let (code, document, said) = self.run("check", &["-o", "json"]);
        assert!([0, 3].contains(&code), "{code}: {said}");
        let document: Value = serde_json::from_str(&document).unwrap();
        let findings = document["findings"].as_array().unwrap();
        let bad = findings.iter().filter(|finding| finding["severity"] != "note");
        let word = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
        bad.map(|f| [word(f, "id"), word(f, "place"), word(f, "fix")]).collect()
    }

    /// Looks until it is so: kubelets and API servers take a moment to follow their files.
    pub(crate) fn until(
        &self,
        what: &str,
        so: impl Fn(&[[String; 3]]) -> bool,
    ) -> Vec<[String; 3]> {
        let since = Instant::now();
        loop {
            let findings = self.findings();
            if so(&findings) {
                return findings;
            }
            if since.elapsed() > Duration::from_mins(5) {
                // What a finding on the whole is made of.
                let (_, seen, _) = self.run("inspect", &[]);
                panic!("{what}: {findings:#?}\n{seen}");
            }
        }
    }
}

/// Places of a mix-up are whole, or the end of one where a part is a pod's random name.
fn is_of(finding: &[String; 3], mixup: &MixUp) -> bool {
    let [id, place, fix] = finding;
    *id == mixup.finding && place.ends_with(&mixup.place) && !fix.is_empty()
}

/// What etcd says through its container is what it says by its port.
fn through_its_container(desk: &Desk) {
    let (code, seen, said) = desk.run("inspect", &["--etcd-in-container", "control-2"]);
    assert_eq!(code, 0, "{said}");
    let rows = |source: &str| -> Vec<String> {
        let own = seen.lines().filter_map(|line| line.strip_prefix(source));
        own.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let (port, container) =
        (rows("10.77.0.11:2379:/registry/"), rows("etcd on control-2:/registry/"));
    assert!(!port.is_empty(), "{seen}");
    assert_eq!(port, container, "{seen}");
    // A worker has none.
    let (code, seen, said) = desk.run("inspect", &["--etcd-in-container", "worker-1"]);
    assert_eq!(code, 0, "{said}");
    assert!(seen.contains("etcd at worker-1#objects: no etcd runs there"), "{seen}");
}

fn every_place_of_a_kubeadm_cluster_is_seen_and_each_mix_up_is_named() {
    let desk = Desk::start("inspect");
    let (code, seen, said) = desk.run("inspect", &[]);
    assert_eq!(code, 0, "{said}");
    for row in [
        "10.77.0.11:2379:/registry/configmaps/kube-public/cluster-info#kubeconfig",
        "etcd at 10.77.0.11:2379#accepted CAs",
        "etcd-peer at 10.77.0.12:2380#chain",
        "kube-apiserver at 10.77.0.1:6443#chain",
        "kube-apiserver at 10.77.0.12:6443#accepted CAs",
        "kube-apiserver at 10.77.0.11:6443#token keys",
        "kubelet at 10.77.0.11:10250#chain",
        "kubelet at 10.77.0.21:10250#accepted CAs",
        "worker-1:pod/kube-system/kube-proxy-",
        "control-2:/etc/kubernetes/pki/apiserver.crt",
        "worker-1:/var/lib/kubelet/pki/kubelet-client-current.pem",
    ] {
        assert!(seen.contains(row), "{row}: {seen}");
    }
    through_its_container(&desk);
    desk.until("a healthy cluster", <[_]>::is_empty);
    let (code, stdout, said) = desk.run("check", &[]);
    assert_eq!((code, stdout.as_str()), (0, ""), "{said}");
    assert!(said.contains("0 errors, 0 warnings") && said.contains("--notes"), "{said}");

    let mixups = MixUps::prepare(&desk.lab).unwrap();
    let mut before: Option<MixUp> = None;
    for mixup in MixUp::all() {
        mixups.seed(&mixup).unwrap();
        desk.until(&mixup.name, |findings| {
            let old = before.as_ref().is_some_and(|old| findings.iter().any(|f| is_of(f, old)));
            findings.iter().any(|finding| is_of(finding, &mixup)) && !old
        });
        mixups.mend(&mixup).unwrap();
        before = Some(mixup);
    }
    desk.until("all is put right", <[_]>::is_empty);

    // On a machine itself, without ssh.
    let own = |machine: &str| {
        let own = desk.lab.root_of(machine).unwrap().join("opt/rotate-certs");
        // By another process: no other test's child may have it open to write when it is run.
        assert!(Command::new("cp").arg(CERTS).arg(own).status().unwrap().success());
    };
    own("worker-1");
    let local =
        desk.lab.exec("worker-1", &["/opt/rotate-certs", "inspect", "--root", "/"]).unwrap();
    let local = String::from_utf8(local.stdout).unwrap();
    for row in ["/etc/kubernetes/pki/ca.crt", "/var/lib/kubelet/pki/kubelet-client-current.pem"] {
        assert!(local.contains(row), "{row}: {local}");
    }
    own("control-1");
    let inside = ["/opt/rotate-certs", "inspect", "--root", "/", "--etcd-in-container", "/"];
    let local = desk.lab.exec("control-1", &inside).unwrap();
    let local = String::from_utf8(local.stdout).unwrap();
    let row = "etcd on localhost:/registry/configmaps/kube-public/cluster-info#kubeconfig";
    assert!(local.contains(row), "{local}");
    desk.lab.down().unwrap();
}
