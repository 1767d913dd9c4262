//! Who uses the cluster from outside: files that are renewed with all others, and people who have to be told.

use crate::pki::{Held, authority};
use crate::tree::{LARGE, Set, Shape, Trees};
use forge::Key;
use std::fs;

const PLACE: &str = "w2:/etc/prometheus";

/// A monitoring system with a bundle, a certificate and a key of its own, and one that nobody can reach.
fn with_consumers(more: &str) -> (Trees, String) {
    let (set, key) = (Set::new(), Key::new());
    let trees = Trees::of(Shape { controls: 1, ..LARGE }, &set);
    let other = crate::tree::Ca::new("internet").pem();
    trees.write(&format!("{PLACE}/ca.crt"), &format!("# mine\n{other}{}", set.cluster.pem()));
    let names = ["prometheus.example", "10.9.9.9"];
    trees.write(&format!("{PLACE}/server.crt"), &set.peer(&set.cluster, &names, &key));
    trees.write(&format!("{PLACE}/server.key"), &key.pem());
    let machines = fs::read_to_string(trees.root().join("cluster.toml")).unwrap();
    let consumer = "[[consumer]]\nname = \"prometheus\"\nca = \"/etc/prometheus/ca.crt\"\ncertificate = \
                    \"/etc/prometheus/server.crt\"\nkey = \"/etc/prometheus/server.key\"\nhost = \"w2\"\nrestart = \
                    \"systemctl reload prometheus\"\n";
    trees.file("cluster.toml", &format!("{machines}{consumer}{more}"));
    (trees, other)
}

#[test]
fn bundles_and_certificates_of_consumers_follow() {
    let (trees, other) = with_consumers("");
    let (bundle, leaf) = (format!("{PLACE}/ca.crt"), format!("{PLACE}/server.crt"));
    let told = "w2: restart consumer-prometheus: systemctl reload prometheus";
    trees
        .run("plan")
        .ends(3, &["w2: /etc/prometheus/ca.crt", "w2: /etc/prometheus/server.key", told]);
    let before = trees.look();
    let (old, first) = (authority(&before, "m1:/etc/kubernetes/pki/ca.crt"), trees.read(&leaf));
    trees.run("apply --until accept").ends(0, &[]);
    let held = Held::read(&trees.read(&bundle)).unwrap();
    assert_eq!(held.certificates.len(), 3, "its own, the old one, the new one");
    assert_eq!(trees.read(&leaf), first, "its certificate is the old one until servers switch");
    trees.run("apply").ends(0, &[]);
    let switched = authority(&trees.look(), &leaf);
    let was = authority(&before, &leaf);
    assert_eq!(switched.sans(), was.sans());
    assert_eq!(switched.subject().der(), was.subject().der());
    let usages = |one: &rotation_core::facts::x509::Certificate| {
        one.extended().map(|usages| (usages.server, usages.client))
    };
    assert_eq!(usages(&switched), usages(&was));
    assert!(!switched.is_signed_by(&old));
    trees.run("finish").ends(0, &["done"]);
    let held = Held::read(&trees.read(&bundle)).unwrap();
    assert!(trees.text(&bundle).starts_with(&format!("# mine\n{other}")));
    assert!(held.certificates.iter().all(|ca| ca.key_digest() != old.key_digest()));
    assert!(switched.is_signed_by(&held.certificates[1]));
    let key = Held::read(&trees.read(&format!("{PLACE}/server.key"))).unwrap().keys[0];
    assert_eq!(key, switched.key_digest());
    fs::remove_dir_all(trees.root().join("rotation")).unwrap();
    fs::remove_file(trees.path(&leaf)).unwrap();
    trees
        .run("plan")
        .ends(4, &["`/etc/prometheus/server.crt` of consumer `prometheus` is not there on `w2`"]);
}

#[test]
fn who_cannot_be_reached_is_named_until_somebody_speaks_for_it() {
    let manual = "[[consumer]]\nname = \"billing\"\nmanual = true\nwho = \"ann\"\n";
    let (trees, _) = with_consumers(manual);
    trees.run("plan").ends(3, &["nobody can reach consumer `billing`: after stage accept, and before stage switch, ann has to"]);
    trees.run("apply").ends(0, &[]);
    trees
        .run("finish")
        .ends(4, &["consumer `billing`: nobody can reach it", "--renewed 'billing'"]);
    trees.copy().run("finish --waive billing").ends(0, &["done"]);
    trees
        .run("finish --renewed shipping")
        .ends(4, &["has no consumer `shipping` with `manual = true`"]);
    trees.run("finish --prove --renewed billing").ends(0, &["proven"]);
    // It is written down: nobody has to say it twice.
    trees.run("finish").ends(0, &["done"]);
}
