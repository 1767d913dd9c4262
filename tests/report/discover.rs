//! `discover` over trees: what it finds, that its draft is taken as it is, and that it says what it does not know.

use crate::rotation::tool;
use crate::world::{Set, TOOL, World};
use serde_json::json;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

fn drafted(world: &World, line: &str, code: i32) -> String {
    let outcome = tool(world, line);
    assert_eq!(outcome.code, code, "{}", outcome.text());
    world.file("cluster.toml", &outcome.stdout);
    outcome.stdout
}

#[test]
fn a_draft_is_taken_as_it_is() {
    let set = Set::new();
    let world = World::new(&["m1", "w1"]);
    world.master("m1", &set);
    world.node("w1", &set);
    world.process("w1", 7, 60, "/usr/bin/kubelet --node-ip=10.0.0.2");
    world.write("w1:/proc/7/cgroup", "0::/system.slice/kubelet.service\n");
    let draft = drafted(&world, "discover --root m1=m1 --root w1=w1", 0);
    for line in [
        "#   kube-apiserver (static pod, /etc/kubernetes/manifests/kube-apiserver.yaml)",
        "addresses = [\"10.0.0.1\"]",
        "addresses = [\"10.0.0.2\"]",
        "kubelet = \"systemctl restart kubelet.service\"",
    ] {
        assert!(draft.lines().any(|own| own == line), "{line}: {draft}");
    }
    assert_eq!(draft.matches("control-plane = true").count(), 1, "{draft}");
    let plan = tool(&world, "plan --offline -o json");
    assert_eq!(plan.code, 3, "{}", plan.text());
    let hosts = plan.json()["hosts"].as_array().unwrap().len();
    assert_eq!(hosts, 2);
}

#[test]
fn flags_without_a_manifest_are_found_or_asked_for() {
    let set = Set::new();
    let world = World::new(&["m1"]);
    world.master("m1", &set);
    world.remove("m1:/etc/kubernetes/manifests/kube-controller-manager.yaml");
    world.process("m1", 9, 60, "kube-controller-manager --root-ca-file=/etc/kubernetes/pki/ca.crt");
    let draft = drafted(&world, "discover --root m1=m1", 3);
    assert!(draft.contains("# CHECK: the controller manager has no manifest"), "{draft}");
    let flags = "OPTS=\"--cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt \
                 --cluster-signing-key-file=/etc/kubernetes/pki/ca.key\"\n";
    world.write("m1:/etc/default/kube-controller-manager", flags);
    world.write("m1:/etc/sv/kube-controller-manager/run", "exec kube-controller-manager $OPTS\n");
    let draft = drafted(&world, "discover --root m1=m1", 0);
    for line in [
        "flags = { kube-controller-manager = \"/etc/default/kube-controller-manager\" }",
        "kube-controller-manager = \"sv -w 2 force-restart kube-controller-manager\"",
    ] {
        assert!(draft.lines().any(|own| own == line), "{line}: {draft}");
    }
    assert_eq!(tool(&world, "plan --offline").code, 3);
}

#[test]
fn the_operators_own_file_is_renewed_too() {
    let set = Set::new();
    let world = World::new(&["m1"]);
    world.master("m1", &set);
    let other = Set::old();
    for (name, set) in [("own", &set), ("other", &other)] {
        world.kubeconfig(&format!("home:/{name}"), set, "ann", &[]);
        let path = world.path(&format!("home:/{name}"));
        let draft =
            drafted(&world, &format!("discover --root m1=m1 --kubeconfig {}", path.display()), 0);
        let listed = draft.contains(&format!("kubeconfig = \"{}\"", path.display()));
        assert_eq!(listed, name == "own", "that of another cluster is none of ours: {draft}");
        assert!(!draft.contains("client-key") && !draft.contains("PRIVATE"), "{draft}");
    }
}

#[test]
fn what_is_not_known_is_said() {
    let set = Set::new();
    let world = World::new(&["m1", "w1"]);
    world.master("m1", &set);
    fs::create_dir_all(world.directory().join("w1")).unwrap();
    let draft = drafted(&world, "discover --root m1=m1 --root w1=w1", 3);
    assert!(draft.contains("# CHECK: nobody said its address"), "{draft}");
    for (line, code, why) in [
        ("discover --root w1=w1", 4, "no machine runs a control plane"),
        ("discover --root m1", 2, "--root NAME=DIR"),
        ("discover --root m1=none", 1, "cannot look at none"),
        ("discover --ssh m1=-oProxyCommand=x", 2, "no name of a machine"),
        ("discover --kubeconfig none", 1, "none"),
    ] {
        let outcome = tool(&world, line);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (code, ""), "{}", outcome.text());
        assert!(outcome.stderr.contains(why), "{why}: {}", outcome.text());
        assert!(outcome.stderr.contains("hint: ") || code == 2, "{}", outcome.text());
    }
}

/// A cluster of an API that says who is a node, and where an API server answers.
fn api(nodes: &[(&str, &str, bool)]) -> double::Api {
    let api = double::Api::start();
    for (name, address, control_plane) in nodes {
        let labels = if *control_plane {
            json!({"node-role.kubernetes.io/control-plane": ""})
        } else {
            json!({})
        };
        api.put(json!({
            "kind": "Node", "metadata": {"name": name, "labels": labels},
            "status": {"addresses": [{"type": "InternalIP", "address": address}]},
        }));
    }
    api
}

#[test]
fn machines_of_an_api_are_drafted_and_nothing_is_changed() {
    let world = World::new(&[]);
    let api = api(&[("w1", "10.0.0.2", false), ("m1", "10.0.0.1", true)]);
    world.file("kubeconfig", &api.kubeconfig());
    let draft = drafted(&world, "discover --kubeconfig kubeconfig", 0);
    assert!(draft.find("name = \"m1\"") < draft.find("name = \"w1\""), "{draft}");
    assert_eq!(draft.matches("not looked at: `--probe`").count(), 2, "{draft}");
    assert!(api.changes().is_empty());
    // Nobody is a control plane, and no API server has an address.
    let api = self::api(&[("w1", "10.0.0.2", false)]);
    world.file("kubeconfig", &api.kubeconfig());
    assert_eq!(tool(&world, "discover --kubeconfig kubeconfig").code, 4);
}

/// An `ssh` that knows one machine, by its name alone, and runs what it is given here.
const SSH: &str = "#!/bin/sh
for last; do before=$host host=$command command=$last; done
if [ \"$host\" = m1 ]; then exec sh -c \"$command\"; fi
echo \"ssh: connect to host $host port 22: Connection refused\" >&2
exit 255
";

#[test]
fn machines_are_reached_by_whatever_name_ssh_knows() {
    let world = World::new(&["bin"]);
    let api = api(&[("w1", "10.0.0.2", false), ("m1", "10.0.0.1", true)]);
    world.file("kubeconfig", &api.kubeconfig());
    world.write("bin:/ssh", SSH);
    fs::set_permissions(world.path("bin:/ssh"), Permissions::from_mode(0o755)).unwrap();
    let words = ["-c", "PATH=bin:$PATH exec \"$0\" discover --kubeconfig kubeconfig --probe", TOOL];
    let outcome = world.outcome(Command::new("sh").args(words));
    assert_eq!(outcome.code, 3, "{}", outcome.text());
    let draft = &outcome.stdout;
    assert!(draft.contains("\nssh = \"m1\"\n"), "{draft}");
    let why =
        "# CHECK: it could not be looked at: connect to host 10.0.0.2 port 22: Connection refused";
    assert!(draft.contains(why), "{draft}");
    // Without any draft, the reason is told all the same.
    let words = ["-c", "PATH=bin:$PATH exec \"$0\" discover --ssh w9=10.0.0.9", TOOL];
    let outcome = world.outcome(Command::new("sh").args(words));
    assert_eq!(outcome.code, 4, "{}", outcome.text());
    assert!(outcome.stderr.contains("cannot look at `w9`: connect to host"), "{}", outcome.text());
}
