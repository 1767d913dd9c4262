//! What is looked at once more before a rotation is called done.

use crate::run::{Outcome, TOOL, bare, outcome, words};
use crate::tree::{LARGE, SMALL, Shape, Trees};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

const ADMIN: &str = "m1:/etc/kubernetes/admin.conf";

/// As a `finish` leaves it that was killed after its first machine; and a kubeconfig of before.
fn half_retired() -> (Trees, String) {
    let trees = Trees::new(SMALL);
    let old = trees.text(ADMIN);
    trees.run("apply").ends(0, &["finish"]);
    let whole = trees.copy();
    whole.run("finish").ends(0, &["done"]);
    fs::remove_dir_all(trees.root().join("m1")).unwrap();
    let done = Command::new("cp").arg("-a").arg(whole.root().join("m1")).arg(trees.root()).status();
    assert!(done.unwrap().success());
    trees.run("status").ends(3, &["m1  retire", "w1  switch", "next: kubectl rotate-certs finish"]);
    (trees, old)
}

#[test]
fn a_finish_that_goes_on_proves_once_more() {
    let (trees, old) = half_retired();
    // Somebody brought a file of the old generation meanwhile, where the old CA is still trusted.
    let late = "w1:/etc/kubernetes/super-admin.conf";
    trees.write(late, &old);
    let found = [
        "w1:/etc/kubernetes/super-admin.conf: trusts the old cluster CA",
        "nothing more was dropped",
    ];
    for line in ["finish", "finish --prove"] {
        trees.run(line).ends(5, &found);
        trees.run("status").ends(3, &["w1  switch"]);
    }
    trees.copy().run("finish --waive super-admin.conf").ends(0, &["done"]);
    // That of another cluster is nobody's business.
    trees.write(late, &Trees::new(SMALL).text(ADMIN));
    trees.run("finish --prove").ends(0, &["proven"]);
    trees.run("finish").ends(0, &["done: the old generation is trusted nowhere"]);
    trees.run("finish").ends(0, &["done"]);
    trees.run("status").ends(0, &["stage retire"]);
}

/// Runs a verb while somebody puts a file back as soon as another one is written.
fn put_back(trees: &Trees, line: &str, written: &str, back: &str) -> Outcome {
    let shims = tempfile::tempdir().unwrap();
    let (kept, back) = (trees.root().join("kept"), trees.path(back));
    fs::copy(&back, &kept).unwrap();
    let shim = format!(
        "#!/bin/sh\n/usr/bin/mv \"$@\" || exit\ncase \"$*\" in *{written}) cp -p '{}' '{}' ;; esac\n",
        kept.display(),
        back.display()
    );
    let path = shims.path().join("mv");
    fs::write(&path, shim).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(TOOL);
    bare(command.args(words(line)), trees);
    let others = std::env::var("PATH").unwrap();
    outcome(command.env("PATH", format!("{}:{others}", shims.path().display())))
}

#[test]
fn what_was_put_back_meanwhile_is_found_at_the_end() {
    let trees = Trees::new(Shape { controls: 1, ..LARGE });
    let last = "w2/etc/kubernetes/kubelet.conf";
    let outcome = put_back(&trees, "apply --until accept", last, "m1:/etc/kubernetes/pki/ca.crt");
    let advice = [
        "m1:/etc/kubernetes/pki/ca.crt is not at stage accept any more",
        "somebody else writes there",
    ];
    outcome.ends(5, &advice);
    trees.run("apply").ends(0, &["finish"]);
    let outcome =
        put_back(&trees, "finish", "w2/etc/kubernetes/pki/ca.crt", "m1:/etc/kubernetes/admin.conf");
    outcome.ends(5, &["m1:/etc/kubernetes/admin.conf is not at stage retire any more"]);
    trees.run("finish").ends(0, &["done"]);
}
