//! Rotations that were left half done and whose plan is lost: they are gone on with, or gone back, and no third CA is made.

use crate::pki;
use crate::tree::{Ca, LARGE, SMALL, Set, Shape, Trees, dated};
use rotation_core::facts::credential::Digest;
use std::fs;
use std::process::Command;

const CA: &str = "m1:/etc/kubernetes/pki/ca.crt";
const KEY: &str = "m1:/etc/kubernetes/pki/ca.key";

/// The directory goes; a start of each machine takes the mark away.
fn lose(trees: &Trees) {
    fs::remove_dir_all(trees.root().join("rotation")).unwrap();
    for host in &trees.hosts {
        let _ = fs::remove_file(trees.path(&format!("{host}:/run/kubernetes-rotation.lock")));
    }
}

/// A machine as it is in another copy.
fn take(trees: &Trees, host: &str, from: &Trees) {
    fs::remove_dir_all(trees.root().join(host)).unwrap();
    let run = Command::new("cp").arg("-a").arg(from.root().join(host)).arg(trees.root()).status();
    assert!(run.unwrap().success());
}

/// The CAs of a kubeadm cluster that stand somewhere.
fn authorities(trees: &Trees) -> Vec<Digest> {
    pki::authorities(&pki::all(&trees.look(), "now"))
}

/// Goes on to the end; then there is no trace of two generations, and nothing else has changed.
#[track_caller]
fn ends_whole(trees: &Trees, line: &str, note: &str, kept: &[Digest]) {
    trees.run("plan").ends(3, &[note, "no CA is made"]);
    let before = trees.look();
    trees.run(line).ends(0, &["go on with `kubectl rotate-certs finish`"]);
    trees.run("rollback").ends(0, &[]);
    trees.look().is(&before, "a way back to what was found");
    trees.run("apply").ends(0, &[]);
    trees.run("finish").ends(0, &["done"]);
    let after = trees.look();
    let all = pki::all(&after, "ended");
    assert_eq!(pki::authorities(&all), kept, "no third CA, and one is left of each");
    assert_eq!(pki::unpaired(&all), Vec::<String>::new());
    pki::named_files_are_there(&after, "ended");
    assert!(!after.0.keys().any(|place| place.contains("rotation-signer")));
}

#[track_caller]
fn refused(trees: &Trees, line: &str, words: &[&str]) {
    let before = trees.look();
    trees.run(line).ends(4, words);
    trees.look().is(&before, line);
    assert!(!trees.root().join("rotation").exists(), "{line}");
}

#[test]
fn with_extended_bundles_alone_the_way_on_needs_the_new_key() {
    let trees = Trees::new(SMALL);
    let (before, olds) = (trees.look(), authorities(&trees));
    trees.run("apply --until accept").ends(0, &[]);
    let both = authorities(&trees);
    let new: Vec<Digest> = both.iter().copied().filter(|ca| !olds.contains(ca)).collect();
    let key = new_key(&trees);
    lose(&trees);
    let words = [
        "was left half done, and the key of `CN=kubernetes-",
        "is on no machine",
        "go to `CN=kubernetes` with `kubectl rotate-certs apply --back`",
    ];
    refused(&trees, "apply", &words);
    refused(&trees, "plan", &words);
    refused(&trees, "apply --strategy renew", &["two generations of the cluster CA are in use"]);

    // Whoever kept the key brings it back.
    let with_key = trees.copy();
    with_key.write(KEY, &key);
    ends_whole(&with_key, "apply", "this plan goes on to `CN=kubernetes-", &new);

    trees.run("plan --back").ends(3, &["this plan goes back to `CN=kubernetes`"]);
    trees.run("apply --back").ends(0, &["finish"]);
    trees.run("finish").ends(0, &["done"]);
    trees.look().is(&before, "back");
    refused_back(&trees);
}

fn refused_back(trees: &Trees) {
    fs::remove_dir_all(trees.root().join("rotation")).unwrap();
    refused(trees, "apply --back", &["no rotation was left half done"]);
}

/// The key of the new CA, which stands in the rotation's directory alone at first.
fn new_key(trees: &Trees) -> String {
    let text = fs::read_to_string(trees.root().join("rotation/plan.json")).unwrap();
    let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
    let files = plan["hosts"][0]["files"].as_array().unwrap();
    let file = files.iter().find(|file| file["path"] == "/etc/kubernetes/pki/ca.key").unwrap();
    let digest = file["versions"][4]["file"].as_str().unwrap();
    fs::read_to_string(trees.root().join("rotation/contents").join(digest)).unwrap()
}

/// Two control planes and two workers, whose one CA is the cluster's.
const FOUR: Shape = Shape { whole: false, ..LARGE };

#[test]
fn with_some_machines_switched_the_others_follow() {
    let trees = Trees::new(FOUR);
    let olds = authorities(&trees);
    trees.run("apply --until accept").ends(0, &[]);
    let new: Vec<Digest> =
        authorities(&trees).iter().copied().filter(|ca| !olds.contains(ca)).collect();
    let accepted = trees.copy();
    trees.run("apply").ends(0, &[]);
    for host in ["m2", "w1"] {
        take(&trees, host, &accepted);
    }
    lose(&trees);
    let back = trees.copy();
    ends_whole(&trees, "apply", "this plan goes on to `CN=kubernetes-", &new);
    back.run("apply --back").ends(0, &["finish"]);
    back.run("finish").ends(0, &["done"]);
    assert_eq!(authorities(&back), olds, "the other direction, by the old keys");
}

#[test]
fn with_all_switched_the_old_one_is_only_dropped() {
    let trees = Trees::new(FOUR);
    let olds = authorities(&trees);
    trees.run("apply").ends(0, &[]);
    let new: Vec<Digest> =
        authorities(&trees).iter().copied().filter(|ca| !olds.contains(ca)).collect();
    let finished = trees.copy();
    finished.run("finish").ends(0, &["done"]);
    // One machine was finished already.
    take(&trees, "w1", &finished);
    lose(&trees);
    ends_whole(&trees, "apply", "this plan goes on to `CN=kubernetes-", &new);
}

#[test]
fn each_ca_goes_where_its_key_is() {
    let trees = Trees::new(Shape { controls: 1, ..LARGE });
    trees.run("apply").ends(0, &[]);
    lose(&trees);
    // The keys of two of the new CAs were in the rotation's directory alone.
    let words = ["of the front-proxy CA from `CN=front-proxy-ca` to", "is on no machine", "--back"];
    refused(&trees, "apply", &words);
    trees.run("apply --rotate cluster").ends(0, &["finish"]);
    trees.run("finish").ends(0, &["done"]);
    fs::remove_dir_all(trees.root().join("rotation")).unwrap();
    trees.run("apply --rotate front-proxy,etcd --back").ends(0, &["finish"]);
    trees.run("finish").ends(0, &["done"]);
    let all = pki::all(&trees.look(), "ended");
    assert_eq!((pki::authorities(&all).len(), pki::unpaired(&all)), (3, Vec::new()));
}

#[test]
fn without_either_key_nothing_is_begun() {
    let trees = Trees::new(SMALL);
    trees.run("apply --until accept").ends(0, &[]);
    let accepted = trees.copy();
    trees.run("apply").ends(0, &[]);
    take(&trees, "w1", &accepted);
    lose(&trees);
    for name in ["ca.key", "rotation-signer.key"] {
        fs::remove_file(trees.path(&format!("m1:/etc/kubernetes/pki/{name}"))).unwrap();
    }
    let words = [
        "is on no machine: w1:",
        "put the key of one of the two CAs",
        "a third generation is never made",
    ];
    refused(&trees, "apply", &words);
    refused(&trees, "apply --back", &["the key of `CN=kubernetes` is on no machine: m1:"]);
}

#[test]
fn a_ca_of_somebody_elses_clients_is_not_dropped_unasked() {
    let set = Set::new();
    for (from, until) in
        [("20100101000000Z", "20490101000000Z"), ("20250101000000Z", "20490101000000Z")]
    {
        let trees = Trees::of(SMALL, &set);
        let mut corporate = Ca::new("Corporate Clients");
        corporate.draft = dated(corporate.draft, from, until);
        trees.write(CA, &format!("{}{}", trees.text(CA), corporate.pem()));
        let words = ["nothing shows that `CN=Corporate Clients` was one of this cluster", CA];
        refused(&trees, "apply", &words);
    }
}
