//! Gates that do not hold: servers, nodes and namespaces that do not follow. Nothing goes on, each is named, and once it has
//! followed the same command goes on.

use crate::api::World;
use crate::tree::{SMALL, Set, Trees, dated};
use double::Fault;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// What no double answers, but for the gates of this test.
const KUBELETS: [&str; 5] = ["clients of the", "lets in", "shows", "check", "every API group"];

fn waived(and: &[&'static str]) -> Vec<&'static str> {
    [&KUBELETS[..], and].concat()
}

#[test]
fn an_api_server_that_does_not_come_back_stops_the_run_and_the_next_one_goes_on() {
    let world = World::new();
    let waived = waived(&["every namespace", "every node", "every token secret"]);
    world.trees.run("plan --write").ends(3, &[]);
    world.api.fault(Fault::on("GET", "/readyz").status(500).always());
    let ready = format!("kube-apiserver at 127.0.0.1:{} is ready", world.api.port());
    let outcome = world.waiving("apply --until accept", 0, &waived);
    outcome.ends(5, &[&ready, "apply"]);
    world.api.mend();
    world.waiving("apply --until accept", 0, &waived).ends(0, &["stage accept is reached"]);
    // The same on the way on, and on the way back.
    world.api.fault(Fault::on("GET", "/readyz").status(500).always());
    world.waiving("apply --keep-pods", 0, &waived).ends(5, &[&ready]);
    world.api.mend();
    world.waiving("rollback", 0, &waived).ends(0, &["every file is what it was"]);
}

fn publish(world: &World, namespace: &str, ca: &str) {
    world
        .api
        .put(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
    world.api.put(json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"ca.crt": ca},
        "metadata": {"namespace": namespace, "name": "kube-root-ca.crt"}}));
}

#[test]
fn a_namespace_created_in_the_middle_has_to_follow() {
    let world = World::new();
    let waived = waived(&["every node", "every token secret"]);
    let ca = |world: &World| world.trees.text("m1:/etc/kubernetes/pki/ca.crt");
    let old = ca(&world);
    publish(&world, "before", &old);
    let gate = "every namespace publishes the CA of stage accept";
    world.waiving("apply --until accept", 0, &waived).ends(5, &[gate, "before"]);
    // The controller manager has followed, and somebody makes one more of an old copy.
    publish(&world, "before", &ca(&world));
    publish(&world, "middle", &old);
    world.waiving("apply --until accept", 0, &waived).ends(5, &[gate, "middle"]);
    publish(&world, "middle", &ca(&world));
    world.waiving("apply --until accept", 0, &waived).ends(0, &["stage accept is reached"]);
}

fn says_that_it_lives(world: &World, node: &str, at: Timestamp) {
    let at = at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
    world.api.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node}}));
    world.api.put(json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"namespace": "kube-node-lease", "name": node},
        "spec": {"holderIdentity": node, "renewTime": at}}));
}

#[test]
fn a_kubelet_that_does_not_come_back_is_named() {
    let world = World::new();
    let waived = waived(&["every namespace", "every token secret"]);
    let now = Timestamp::now();
    says_that_it_lives(&world, "m1", now + SignedDuration::from_mins(10));
    says_that_it_lives(&world, "w1", now - SignedDuration::from_mins(10));
    let outcome = world.waiving("apply --until accept", 0, &waived);
    outcome.ends(5, &["every node says that it lives", "1 of 2 nodes are behind: w1"]);
    says_that_it_lives(&world, "w1", now + SignedDuration::from_mins(10));
    world.waiving("apply --until accept", 0, &waived).ends(0, &["stage accept is reached"]);
}

#[test]
fn a_ca_that_would_end_during_the_run_is_not_trusted_beside_another() {
    let mut set = Set::new();
    let until = Timestamp::now() + SignedDuration::from_hours(2);
    let until = until.strftime("%Y%m%d%H%M%SZ").to_string();
    set.cluster.draft = dated(set.cluster.draft, "20200101000000Z", &until);
    set.dates = ("20260601000000Z", until.leak());
    let trees = Trees::of(SMALL, &set);
    let before = trees.look();
    let why = "before everybody could be brought to trust another one";
    trees.run("apply --rotate cluster").ends(4, &["not rolling: the cluster CA", why]);
    trees.look().is(&before, "refused");
}

#[test]
fn a_gate_that_is_let_be_is_written_down() {
    let world = World::new();
    let old = world.trees.text("m1:/etc/kubernetes/pki/ca.crt");
    publish(&world, "behind", &old);
    let waived = waived(&["every node", "every token secret", "every namespace"]);
    world.waiving("apply --until accept", 0, &waived).ends(0, &["stage accept is reached"]);
    let journal = std::fs::read_to_string(world.trees.root().join("rotation/journal.jsonl"));
    let journal = journal.unwrap();
    let entries = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let waived = entries.filter(|entry| {
        let event = &entry["entry"]["event"];
        event["verdict"] == "waived"
            && event["gate"].as_str().unwrap().starts_with("every namespace")
    });
    assert!(waived.count() > 0, "it is written down: {journal}");
}
