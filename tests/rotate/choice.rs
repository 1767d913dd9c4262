//! Which strategy is taken where none is named, and why not a gentler one.

use crate::pki::{self, Held};
use crate::snapshot::{Snapshot, Thing};
use crate::tree::{Ca, LARGE, SMALL, Set, Shape, Trees, dated};
use jiff::{SignedDuration, Timestamp};
use rotation_core::facts::x509::Certificate;
use std::fs;

const CA: &str = "m1:/etc/kubernetes/pki/ca.crt";
const LEAF: &str = "m1:/etc/kubernetes/pki/apiserver.crt";
const MANAGER: &str = "m1:/etc/kubernetes/manifests/kube-controller-manager.yaml";

/// A date so many days from now, as certificates write it.
fn day(offset: i64) -> String {
    let at = Timestamp::now() + SignedDuration::from_hours(24 * offset);
    at.strftime("%Y%m%d%H%M%SZ").to_string()
}

fn leaves(from: i64, until: i64) -> Set {
    let word = |offset| -> &'static str { day(offset).leak() };
    Set { dates: (word(from), word(until)), ..Set::new() }
}

fn ending(name: &str, from: i64, until: i64) -> Ca {
    let mut ca = Ca::new(name);
    ca.draft = dated(ca.draft, &day(from), &day(until));
    ca
}

fn first(snapshot: &Snapshot, place: &str) -> Certificate {
    let Thing::File(bytes) = &snapshot.0[place].thing else { panic!("{place} is no file") };
    Held::read(bytes).unwrap().certificates.remove(0)
}

#[test]
fn certificates_that_are_due_are_renewed_and_nothing_else() {
    let trees = Trees::of(LARGE, &leaves(-350, 15));
    trees
        .run("plan")
        .ends(3, &[", renew\n", "note: renew, since ", "certificates are near their end"]);
    let before = trees.look();
    trees.run("apply").ends(0, &["done"]);
    let after = trees.look();
    assert_eq!(before.0[CA], after.0[CA]);
    assert!(first(&after, LEAF).not_after() > first(&before, LEAF).not_after());
    trees.run("finish").ends(0, &["nothing to drop"]);
}

#[test]
fn what_is_named_gets_a_new_key_whatever_is_due() {
    let trees = Trees::of(LARGE, &leaves(-350, 15));
    trees.run("plan --rotate etcd").ends(
        3,
        &[
            ", rolling\n  etcd: CN=etcd-ca becomes",
            "note: rolling, since --rotate names etcd, whose key is to be replaced",
            "note: not renew: it keeps the key that is to be replaced",
            "note: not renew-ca: it keeps the key that is to be replaced",
        ],
    );
}

#[test]
fn a_ca_that_ends_is_renewed_by_itself() {
    let set = Set { etcd: ending("etcd-ca", -3500, 100), ..leaves(-100, 200) };
    let trees = Trees::of(LARGE, &set);
    let before = trees.look();
    trees.run("plan").ends(
        3,
        &[
            ", renew-ca\n  etcd: CN=etcd-ca becomes CN=etcd-ca\n  note: renew-ca, since the etcd CA CN=etcd-ca ends at",
            "note: not renew: the CA would end when it does today",
        ],
    );
    trees.run("apply").ends(0, &["done"]);
    let after = trees.look();
    let place = "m2:/etc/kubernetes/pki/etcd/ca.crt";
    let (old, new) = (first(&before, place), first(&after, place));
    assert!(old.key_digest() == new.key_digest() && old.not_after() < new.not_after());
    assert_eq!(before.0[CA], after.0[CA]);
}

#[test]
fn what_has_ended_is_recovered_without_asking_anybody() {
    let trees = Trees::of(LARGE, &leaves(-400, -30));
    trees.run("plan").ends(
        3,
        &[
            ", recover\n",
            "note: recover, since CN=",
            "has ended, so that no API server serves",
            "note: not renew: CN=",
            "note: not rolling: CN=",
        ],
    );
    trees.run("apply").ends(0, &["done"]);
    let now = Timestamp::now();
    assert!(first(&trees.look(), LEAF).not_after() > now);
    // The CA as well.
    let set = Set { cluster: ending("kubernetes", -4000, -10), ..leaves(-400, -30) };
    let trees = Trees::of(SMALL, &set);
    trees.run("plan").ends(3, &[", recover\n", "since the cluster CA CN=kubernetes has ended"]);
}

#[test]
fn without_the_key_of_the_ca_nothing_is_renewed() {
    let trees = Trees::of(SMALL, &leaves(-350, 15));
    fs::remove_file(trees.path("m1:/etc/kubernetes/pki/ca.key")).unwrap();
    let text = trees.text(MANAGER);
    let unsigned: String =
        text.split_inclusive('\n').filter(|line| !line.contains("cluster-signing-")).collect();
    trees.write(MANAGER, &unsigned);
    trees
        .run("plan")
        .ends(3, &[", rolling\n", "note: not renew: the key of the cluster CA is on no machine"]);
}

#[test]
fn an_outage_is_planned_by_default_and_taken_when_asked_for() {
    let trees = Trees::new(SMALL);
    // It runs, and nobody knows where its flags stand.
    fs::remove_file(trees.path(MANAGER)).unwrap();
    let flags = "kube-controller-manager --cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt \
                 --cluster-signing-key-file=/etc/kubernetes/pki/ca.key --root-ca-file=/etc/kubernetes/pki/ca.crt";
    let line: String = flags.split_whitespace().flat_map(|word| [word, "\0"]).collect();
    trees.write("m1:/proc/4711/cmdline", &line);
    trees.write(
        "m1:/proc/4711/stat",
        "4711 (kube-controller) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 0 0\n",
    );
    trees.write("m1:/proc/stat", "btime 1793491200\n");
    trees
        .run("plan")
        .ends(3, &[", window\n", "note: not rolling: the controller manager on `m1` signs with"]);
    let before = trees.look();
    trees.run("apply").ends(
        4,
        &[
            "without an outage this is not possible",
            "nothing says where its flags stand",
            "--strategy auto",
        ],
    );
    trees.look().is(&before, "refused");
    trees.run("apply --strategy auto").ends(0, &["done"]);
    trees.run("apply --strategy auto").ends(0, &["done"]);
}

#[test]
fn a_serving_key_that_signs_tokens_is_replaced_with_them_at_once() {
    let trees = Trees::new(SMALL);
    let serving = trees.sign_by_serving_key();
    for line in [
        "apply --rotate tokens",
        "apply --rotate tokens --strategy window",
        "plan --rotate tokens --strategy rolling",
    ] {
        trees.run(line).ends(4, &["signs tokens as well", "leave `tokens` out"]);
    }
    trees
        .run("plan --rotate cluster,tokens")
        .ends(3, &[", window\n", "note: not rolling: the key of a server's"]);
    let old = trees.read(&format!("m1:{serving}"));
    trees.run("apply --rotate cluster,tokens --strategy window").ends(0, &["done"]);
    assert_ne!(trees.read(&format!("m1:{serving}")), old);
    assert_eq!(pki::unpaired(&pki::all(&trees.look(), "at once")), Vec::<String>::new());
    trees.run("rollback").ends(0, &[]);
    assert_eq!(trees.read(&format!("m1:{serving}")), old);
}

#[test]
fn a_key_for_tokens_cannot_be_renewed() {
    let trees = Trees::new(SMALL);
    for strategy in ["renew", "renew-ca", "recover"] {
        trees
            .run(&format!("apply --rotate tokens --strategy {strategy}"))
            .ends(4, &["a key for tokens has no end that could be moved"]);
    }
    trees.run("plan --rotate tokens").ends(3, &[", rolling\n"]);
}

#[test]
fn the_only_api_server_is_announced() {
    let one = Trees::new(Shape { controls: 1, workers: 1, whole: true });
    one.run("plan").ends(
        3,
        &["note: `m1` runs the only API server, which is away", "at accept and at retire"],
    );
    let words = one.run("plan --rotate front-proxy");
    assert!(!words.stdout.contains("the only API server"), "{}", words.text());
    let two = Trees::new(LARGE).run("plan");
    assert!(!two.stdout.contains("the only API server"), "{}", two.text());
}
