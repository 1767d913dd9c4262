//! A root CA that is rotated: the phase is told, and pods that still hold the one before.

use super::World;
use crate::harness::{Case, cases, until};
use lab::loopback::Roots;
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

pub(super) fn cases() -> Vec<Case> {
    cases![
        a_rotation_of_the_root_ca_is_followed_and_old_containers_are_named;
    ]
}

/// A pod, and the file with its CA in a kubelet's directory.
pub(super) struct Pod {
    file: PathBuf,
    pub(super) place: String,
}

impl Pod {
    /// Makes one, and writes what a kubelet would.
    pub(super) fn start(world: &World) -> Self {
        let pod = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  namespace: default\nspec:\n  containers:\n  - name: c\n    image: none\n";
        world.lab.apply(pod).unwrap();
        let read = || {
            let text = world.lab.kubectl_text(&["get", "pod", "p", "-o", "json"]).unwrap();
            serde_json::from_str::<Value>(&text).unwrap()
        };
        until("the pod runs", || {
            read().pointer("/status/containerStatuses/0/state/running").is_some()
        });
        let pod = read();
        let uid = pod["metadata"]["uid"].as_str().unwrap();
        let volume = pod.pointer("/spec/volumes/0/name").and_then(Value::as_str).unwrap();
        let dir =
            format!("node/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~projected/{volume}");
        let dir = world.sandbox.path(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self { file: dir.join("ca.crt"), place: format!("pod/default/p#{volume}/ca.crt") }
    }

    pub(super) fn holds(&self, ca: &str) {
        fs::write(&self.file, ca).unwrap();
    }
}

fn a_rotation_of_the_root_ca_is_followed_and_old_containers_are_named() {
    let world = World::start();
    let lab = &world.lab;
    let own = fs::read_to_string(lab.pki().join("ca.crt")).unwrap();
    until("the account is there", || {
        lab.kubectl_text(&["get", "serviceaccount", "default"]).is_ok()
    });
    let pod = Pod::start(&world);
    pod.holds(&own);
    let look = format!("--objects --root node{}", world.live());
    let inspect = || world.sandbox.run(&format!("inspect {look}"));
    let before = inspect();
    assert!(before.stdout.contains("cluster: current CN=kubernetes"), "{}", before.text());
    // Starts are told in whole seconds: what is that close together is one moment.
    std::thread::sleep(Duration::from_secs(4));
    // Both CAs are published, and the kubelet writes them: whoever runs has read the one before.
    let ca = lab.second_ca("next").unwrap();
    lab.publish(&ca, Roots::Both).unwrap();
    pod.holds(&fs::read_to_string(ca.file(Roots::Both)).unwrap());
    let outcome = world.sandbox.run(&format!("check {look}"));
    outcome.exits(3);
    for words in [
        "[rotation-unfinished]",
        &format!("{}: error: container c started at ", pod.place),
        "run `kubectl recycle pod/p -n default`",
    ] {
        assert!(
            outcome.stdout.contains(words),
            "{words}: {}{}",
            outcome.text(),
            world.sandbox.run(&format!("inspect {look} -o wide")).stdout
        );
    }
    let seen = inspect();
    for words in
        ["cluster: old CN=kubernetes", "cluster: new CN=kubernetes", "cluster: accepting: "]
    {
        assert!(seen.stdout.contains(words), "{words}: {}", seen.text());
    }
    // A pod that is younger than that is not named.
    lab.kubectl_text(&["delete", "pod", "p", "--force"]).unwrap();
    let pod = Pod::start(&world);
    pod.holds(&fs::read_to_string(ca.file(Roots::Both)).unwrap());
    world.sandbox.run(&format!("check {look}")).never_says("kubectl recycle pod/p");
}
