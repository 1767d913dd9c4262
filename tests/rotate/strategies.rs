//! What each strategy changes, and what it leaves alone.

use crate::pki::{self, Held};
use crate::snapshot::{Snapshot, Thing};
use crate::tree::{Ca, LARGE, SMALL, Set, Trees, dated};
use rotation_core::facts::x509::Certificate;

const CA: &str = "m1:/etc/kubernetes/pki/ca.crt";
const KEY: &str = "m1:/etc/kubernetes/pki/ca.key";
const LEAF: &str = "m1:/etc/kubernetes/pki/apiserver.crt";

fn first(snapshot: &Snapshot, place: &str) -> Certificate {
    let Thing::File(bytes) = &snapshot.0[place].thing else { panic!("{place} is no file") };
    Held::read(bytes).unwrap().certificates.remove(0)
}

#[track_caller]
fn fits(snapshot: &Snapshot) {
    assert_eq!(pki::unpaired(&pki::all(snapshot, "afterwards")), Vec::<String>::new());
    pki::named_files_are_there(snapshot, "afterwards");
}

#[test]
fn renew_makes_new_leaves_and_leaves_cas_alone() {
    let trees = Trees::new(LARGE);
    let before = trees.look();
    trees.run("apply --strategy renew").ends(0, &["done"]);
    let after = trees.look();
    fits(&after);
    let changed = before.differences(&after);
    for place in [CA, KEY, "m2:/etc/kubernetes/pki/etcd/ca.crt", "w1:/etc/kubernetes/pki/ca.crt"] {
        assert_eq!(before.0[place], after.0[place], "{place}");
    }
    assert!(
        changed.iter().all(|line| !line.contains("/manifests/") && !line.contains("/sa.")),
        "{changed:#?}"
    );
    let ca = first(&before, CA);
    let old: Vec<String> = pki::leaves(&pki::all(&before, "before"), std::slice::from_ref(&ca))
        .map(|(place, leaf)| format!("{place} {:?}", leaf.key_digest()))
        .collect();
    let now = pki::all(&after, "after");
    let now: Vec<String> = pki::leaves(&now, &[ca])
        .filter(|(place, _)| !place.contains("/kubelet-client-2026-11-01"))
        .map(|(place, leaf)| format!("{place} {:?}", leaf.key_digest()))
        .collect();
    assert!(now.iter().all(|leaf| !old.contains(leaf)), "each leaf has a new key");
    trees.run("status").ends(0, &["the rotation is complete"]);
    trees.run("finish").ends(0, &["nothing to drop"]);
    trees.run("rollback").ends(0, &[]);
    trees.look().is(&before, "renewed and rolled back");
}

#[test]
fn renew_ca_gives_new_dates_under_the_same_key_and_name() {
    let trees = Trees::new(LARGE);
    let before = trees.look();
    trees.run("apply --strategy renew-ca").ends(0, &["done"]);
    let after = trees.look();
    fits(&after);
    for place in
        [CA, "m2:/etc/kubernetes/pki/front-proxy-ca.crt", "m2:/etc/kubernetes/pki/etcd/ca.crt"]
    {
        let (old, new) = (first(&before, place), first(&after, place));
        assert_eq!(old.key_digest(), new.key_digest(), "{place}");
        assert_eq!(old.subject().der(), new.subject().der(), "{place}");
        assert_eq!(old.ski(), new.ski(), "{place}");
        // What the CA signed before does not begin before it now.
        assert_eq!(new.not_before(), old.not_before(), "{place}");
        assert!(new.not_after() > old.not_after(), "{place}");
    }
    for place in [KEY, LEAF, "w1:/var/lib/kubelet/pki/kubelet-client-current.pem"] {
        assert_eq!(before.0[place], after.0[place], "{place}");
    }
    assert!(first(&after, LEAF).is_signed_by(&first(&after, CA)));
    trees.run("rollback").ends(0, &[]);
    trees.look().is(&before, "renewed and rolled back");
}

#[test]
fn window_exchanges_everything_at_once() {
    let trees = Trees::new(LARGE);
    let before = trees.look();
    trees.run("apply --strategy window").ends(0, &["done"]);
    let after = trees.look();
    fits(&after);
    let old = first(&before, CA);
    assert!(
        !first(&after, LEAF).is_signed_by(&old)
            && first(&after, LEAF).is_signed_by(&first(&after, CA))
    );
    assert_eq!(pki::authorities(&pki::all(&after, "after")).len(), 3);
    trees.run("status").ends(0, &["the rotation is complete"]);
    trees.run("rollback").ends(0, &[]);
    trees.look().is(&before, "a window and the way back");
}

#[test]
fn recover_renews_leaves_that_have_expired() {
    let set = Set { dates: ("20240101000000Z", "20241231000000Z"), ..Set::new() };
    let trees = Trees::of(LARGE, &set);
    let before = trees.look();
    trees.run("apply --strategy recover").ends(0, &["done"]);
    let after = trees.look();
    fits(&after);
    assert_eq!(before.0[CA], after.0[CA], "the CA is good still");
    assert!(first(&after, LEAF).not_after() > first(&before, LEAF).not_after());
    let ca = trees.path(CA);
    let leaf = trees.path(LEAF);
    trees.tool(&format!("verify --ca {} {}", ca.display(), leaf.display())).ends(0, &[]);
}

#[test]
fn recover_renews_a_ca_that_has_expired() {
    let mut cluster = Ca::new("kubernetes");
    cluster.draft = dated(cluster.draft, "20140101000000Z", "20240101000000Z");
    let set = Set { cluster, dates: ("20230101000000Z", "20231231000000Z"), ..Set::new() };
    let trees = Trees::of(SMALL, &set);
    let before = trees.look();
    trees.run("apply --strategy recover").ends(0, &["done"]);
    let after = trees.look();
    fits(&after);
    let (old, new) = (first(&before, CA), first(&after, CA));
    assert_eq!((old.key_digest(), old.subject().der()), (new.key_digest(), new.subject().der()));
    assert!(new.not_after() > old.not_after());
    assert_eq!(before.0[KEY], after.0[KEY]);
    let (ca, leaf) = (trees.path(CA), trees.path(LEAF));
    trees.tool(&format!("verify --ca {} {}", ca.display(), leaf.display())).ends(0, &[]);
}
