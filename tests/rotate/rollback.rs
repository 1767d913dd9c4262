//! The way back, from every stage, to the files of before.

use crate::snapshot::{Snapshot, Thing};
use crate::tree::{LARGE, SMALL, Trees};

/// Everything as it was, the rotation's own traces on the machines included.
#[track_caller]
fn back(trees: &Trees, before: &Snapshot, when: &str) {
    trees.run("rollback").ends(0, &["every file is what it was"]);
    trees.look().is(before, when);
    trees.run("status").ends(0, &["stage before", "next: kubectl rotate-certs apply"]);
}

#[test]
fn from_each_stage_every_file_is_what_it_was() {
    let origin = Trees::new(LARGE);
    let before = origin.look();
    for line in ["apply --until accept", "apply --rotate cluster,tokens --until sign", "apply"] {
        let trees = origin.copy();
        trees.run(line).ends(0, &[]);
        assert!(!trees.look().differences(&before).is_empty(), "{line}");
        back(&trees, &before, line);
        // And forward again, to the generation that was drawn once.
        trees.run("apply").ends(0, &["finish"]);
        back(&trees, &before, &format!("{line}, twice"));
    }
}

#[test]
fn one_may_go_back_to_a_stage_in_between() {
    let trees = Trees::new(SMALL);
    trees.run("apply --until accept").ends(0, &[]);
    let accepted = trees.look();
    trees.run("apply").ends(0, &[]);
    trees.run("rollback --to accept").ends(0, &["stage accept is reached"]);
    // The lock on the machines stays, since the rotation goes on.
    trees.look().is(&accepted, "back at accept");
    trees.run("status").ends(3, &["next: kubectl rotate-certs apply"]);
}

#[test]
fn there_is_no_way_back_once_the_old_generation_is_retired() {
    let trees = Trees::new(SMALL);
    trees.run("apply").ends(0, &[]);
    trees.run("finish").ends(0, &[]);
    let after = trees.look();
    trees.run("rollback").ends(4, &["the old generation is retired"]);
    let mut now = trees.look();
    now.0.retain(|place, _| !place.ends_with("/run/kubernetes-rotation.lock"));
    now.is(&after, "nothing was changed");
}

#[test]
fn modes_owners_and_links_of_odd_files_come_back() {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
    let trees = Trees::new(SMALL);
    let odd = trees.path("m1:/etc/kubernetes/pki/apiserver.key");
    std::fs::set_permissions(&odd, std::fs::Permissions::from_mode(0o640)).unwrap();
    if rustix::process::geteuid().is_root() {
        chown(&odd, Some(123), Some(456)).unwrap();
    }
    // The certificate of the server is a link that leads elsewhere.
    let (place, real) = ("m1:/etc/kubernetes/pki/apiserver.crt", "m1:/srv/apiserver.crt");
    let text = trees.text(place);
    trees.write(real, &text);
    std::fs::remove_file(trees.path(place)).unwrap();
    symlink("/srv/apiserver.crt", trees.path(place)).unwrap();
    let before = trees.look();
    trees.run("apply").ends(0, &[]);
    let after = trees.look();
    assert_eq!(after.0[place].thing, Thing::Link("/srv/apiserver.crt".to_owned()));
    assert_ne!(trees.text(real), text);
    let key = &after.0["m1:/etc/kubernetes/pki/apiserver.key"];
    assert_eq!(
        (key.mode & 0o777, key.owner),
        (0o640, before.0["m1:/etc/kubernetes/pki/apiserver.key"].owner)
    );
    back(&trees, &before, "odd files");
}
