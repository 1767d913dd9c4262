//! A cluster whose rotation was left half done by somebody in a hurry: what a page is for.

use crate::world::{NOW, Outcome, Set, World};
use forge::{Draft, Key};

/// Three control planes and twelve nodes, with a bit of everything.
pub(crate) fn mixed() -> World {
    let old = Set::old();
    // Of the whole cluster only its own CA is being replaced.
    let new = Set {
        cluster: Set::new().cluster,
        front: old.front,
        etcd: old.etcd,
        tokens: old.tokens,
        clients: old.clients,
    };
    let old = Set { cluster: old.cluster, ..Set::old() };
    let both = format!("{}{}", old.cluster.pem(), new.cluster.pem());
    let workers: Vec<String> = (1..=12).map(|n| format!("w{n:02}")).collect();
    let hosts: Vec<&str> =
        ["m1", "m2", "m3"].into_iter().chain(workers.iter().map(String::as_str)).collect();
    let world = World::new(&hosts);
    for master in ["m1", "m2", "m3"] {
        world.master(master, &new);
        world.write(&format!("{master}:/etc/kubernetes/pki/ca.crt"), &both);
    }
    for worker in &workers {
        world.node(worker, &new);
        world.write(&format!("{worker}:/etc/kubernetes/pki/ca.crt"), &both);
    }
    // One control plane still shows the old one, and its key can be read by others.
    let key = Key::new();
    let stem = "m2:/etc/kubernetes/pki/apiserver";
    world.pair(stem, &old.cluster.server("kube-apiserver", &key), &key);
    world.mode("m2:/etc/kubernetes/pki/apiserver.key", 0o644);
    // Two nodes were forgotten: they know the old CA alone.
    for worker in ["w07", "w11"] {
        world.node(worker, &old);
        world.write(&format!("{worker}:/etc/kubernetes/pki/ca.crt"), &old.cluster.pem());
    }
    // One certificate of etcd ends on Saturday, one client of it in three weeks.
    let key = Key::new();
    let mut ends = Draft::server("m3", &["m3", "10.0.0.1"], &key, &new.etcd.draft);
    ends.extended(&[forge::oid::SERVER, forge::oid::CLIENT]);
    "20261205180000Z".clone_into(&mut ends.not_after);
    world.pair("m3:/etc/kubernetes/pki/etcd/peer", &ends.pem(&new.etcd.key), &key);
    let key = Key::new();
    let mut ends = Draft::client("kube-apiserver-etcd-client", &[], &key, &new.etcd.draft);
    "20261222180000Z".clone_into(&mut ends.not_after);
    world.pair("m1:/etc/kubernetes/pki/apiserver-etcd-client", &ends.pem(&new.etcd.key), &key);
    // One API server runs since before its files changed.
    world.process(
        "m1",
        812,
        60,
        "kube-apiserver --client-ca-file=/etc/kubernetes/pki/ca.crt --tls-cert-file=/etc/kubernetes/pki/apiserver.crt",
    );
    for path in ["ca.crt", "apiserver.crt"] {
        world.touch(&format!("m1:/etc/kubernetes/pki/{path}"), 1_793_491_200 + 86_400);
    }
    world
}

/// The page of a run that ended as it should, with what else was said.
#[track_caller]
pub(crate) fn page(world: &World, line: &str) -> (String, Outcome) {
    let outcome = world.run_at(&format!("{line} --html page.html"), NOW);
    let path = world.directory().join("page.html");
    let page = std::fs::read_to_string(path);
    (page.unwrap_or_else(|why| panic!("{why}: {}", outcome.text())), outcome)
}
