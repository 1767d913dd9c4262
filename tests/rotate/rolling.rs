//! A rolling rotation from its plan to its end.

use crate::pki::{self, Held};
use crate::snapshot::{Snapshot, Thing};
use crate::tree::{LARGE, SMALL, Shape, Trees};
use rotation_core::facts::x509::{Certificate, encode};
use snapbox::str;
use std::process::Command;

/// The CAs of a control plane, with the stems of the leaves that each signs.
const TRACKS: [(&str, &[&str]); 3] = [
    ("ca", &["apiserver", "apiserver-kubelet-client"]),
    ("front-proxy-ca", &["front-proxy-client"]),
    ("etcd/ca", &["etcd/server", "etcd/peer", "etcd/healthcheck-client", "apiserver-etcd-client"]),
];

fn pki_of(host: &str, name: &str) -> String {
    format!("{host}:/etc/kubernetes/pki/{name}")
}

fn todays(snapshot: &Snapshot) -> Vec<Certificate> {
    let of =
        |(ca, _): &(&str, &[&str])| pki::authority(snapshot, &pki_of("m1", &format!("{ca}.crt")));
    TRACKS.iter().map(of).collect()
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is the text of a whole plan")]
fn a_plan_shows_every_change_and_writes_nothing() {
    let trees = Trees::new(Shape { controls: 1, workers: 1, whole: true });
    let before = trees.look();
    trees.run("plan").prints(str![[r#"
exit 3
--- stdout
rotation GENERATION, rolling
  cluster: CN=kubernetes becomes CN=kubernetes-GENERATION
  front-proxy: CN=front-proxy-ca becomes CN=front-proxy-ca-GENERATION
  etcd: CN=etcd-ca becomes CN=etcd-ca-GENERATION
  note: rolling, since nothing is near its end, so that cluster, front-proxy, etcd are replaced, keys and all
  note: not renew: no certificate is near its end: the first, CN=front-proxy-client in m1:/etc/kubernetes/pki/front-proxy-client.crt ends at 2027-06-01T00:00:00Z
  note: not renew-ca: no CA is near its end: the first, the cluster CA CN=kubernetes ends at 2049-01-01T00:00:00Z
  note: `m1` runs the only API server, which is away while it or its etcd restarts, at accept and at retire: nobody else answers then

stage accept: old and new are trusted
  m1: /etc/kubernetes/pki/rotation-signer.key: - becomes DIGEST (key of the CA that signs)
  m1: /etc/kubernetes/pki/rotation-signer.crt: - becomes DIGEST (the CA that signs)
  m1: /etc/kubernetes/manifests/kube-controller-manager.yaml: DIGEST becomes DIGEST (flags of the controller manager)
  m1: /etc/kubernetes/admin.conf: DIGEST becomes DIGEST (kubeconfig)
  m1: /etc/kubernetes/controller-manager.conf: DIGEST becomes DIGEST (kubeconfig)
  m1: /etc/kubernetes/kubelet.conf: DIGEST becomes DIGEST (kubeconfig)
  m1: /etc/kubernetes/pki/ca.crt: DIGEST becomes DIGEST (trusted cluster CA)
  m1: /etc/kubernetes/pki/etcd/ca.crt: DIGEST becomes DIGEST (trusted etcd CA)
  m1: /etc/kubernetes/pki/front-proxy-ca.crt: DIGEST becomes DIGEST (trusted front-proxy CA)
  m1: /etc/kubernetes/scheduler.conf: DIGEST becomes DIGEST (kubeconfig)
  m1: /etc/kubernetes/super-admin.conf: DIGEST becomes DIGEST (kubeconfig)
  m1: restart etcd: ended, and started by its supervisor
  m1: restart kube-apiserver: ended, and started by its supervisor
  m1: restart kube-controller-manager: started anew by its manifest
  m1: restart kube-scheduler: ended, and started by its supervisor
  w1: /etc/kubernetes/kubelet.conf: DIGEST becomes DIGEST (kubeconfig)
  w1: /etc/kubernetes/pki/ca.crt: DIGEST becomes DIGEST (trusted cluster CA)
  w1: /home/ci/.kube/config: DIGEST becomes DIGEST (kubeconfig)

stage sign: tokens are signed by the new key
  nothing changes

stage switch: everybody presents the new generation
  m1: /etc/kubernetes/pki/rotation-signer.key: DIGEST becomes DIGEST (key of the CA that signs)
  m1: /etc/kubernetes/pki/rotation-signer.crt: DIGEST becomes DIGEST (the CA that signs)
  m1: /var/lib/kubelet/pki/kubelet-client-DATE.pem: - becomes DIGEST (certificate and key of the kubelet)
  m1: /etc/kubernetes/admin.conf: DIGEST becomes DIGEST (kubeconfig)
  m1: /etc/kubernetes/controller-manager.conf: DIGEST becomes DIGEST (kubeconfig)
  m1: /etc/kubernetes/pki/apiserver.key: DIGEST becomes DIGEST (certificate or its key)
  m1: /etc/kubernetes/pki/apiserver.crt: DIGEST becomes DIGEST (certificate or its key)
  m1: /etc/kubernetes/pki/apiserver-etcd-client.key: DIGEST becomes DIGEST (certificate or its key)
  m1: /etc/kubernetes/pki/apiserver-etcd-client.crt: DIGEST becomes DIGEST (certificate or its key)
  m1: /etc/kubernetes/pki/apiserver-kubelet-client.key: DIGEST becomes DIGEST (certificate or its key)
  m1: /etc/kubernetes/pki/apiserver-kubelet-client.crt: DIGEST becomes DIGEST (certificate or its key)
  m1: /etc/kubernetes/pki/etcd/healthcheck-client.key: DIGEST becomes DIGEST (certificate or its key)
  m1: /etc/kubernetes/pki/etcd/healthcheck-client.crt: DIGEST becomes DIGEST (certificate or its key)
  m1: /etc/kubernetes/pki/etcd/peer.key: DIGEST becomes DIGEST (certificate or its key)
  m1: /etc/kubernetes/pki/etcd/peer.crt: DIGEST becomes DIGEST (certificate or its key)
  m1: /etc/kubernetes/pki/etcd/server.key: DIGEST becomes DIGEST (certificate or its key)
  m1: /etc/kubernetes/pki/etcd/server.crt: DIGEST becomes DIGEST (certificate or its key)
  m1: /etc/kubernetes/pki/front-proxy-client.key: DIGEST becomes DIGEST (certificate or its key)
  m1: /etc/kubernetes/pki/front-proxy-client.crt: DIGEST becomes DIGEST (certificate or its key)
  m1: /etc/kubernetes/scheduler.conf: DIGEST becomes DIGEST (kubeconfig)
  m1: /etc/kubernetes/super-admin.conf: DIGEST becomes DIGEST (kubeconfig)
  m1: /var/lib/kubelet/pki/kubelet-client-current.pem: -> /var/lib/kubelet/pki/kubelet-client-OLD.pem becomes -> /var/lib/kubelet/pki/kubelet-client-DATE.pem (link to the kubelet's certificate)
  m1: restart kube-controller-manager: ended, and started by its supervisor
  m1: restart kube-scheduler: ended, and started by its supervisor
  w1: /var/lib/kubelet/pki/kubelet-client-DATE.pem: - becomes DIGEST (certificate and key of the kubelet)
  w1: /home/ci/.kube/config: DIGEST becomes DIGEST (kubeconfig)
  w1: /var/lib/kubelet/pki/kubelet-client-current.pem: -> /var/lib/kubelet/pki/kubelet-client-OLD.pem becomes -> /var/lib/kubelet/pki/kubelet-client-DATE.pem (link to the kubelet's certificate)

stage retire: the old generation is trusted nowhere
  m1: /etc/kubernetes/admin.conf: DIGEST becomes DIGEST (kubeconfig)
  m1: /etc/kubernetes/controller-manager.conf: DIGEST becomes DIGEST (kubeconfig)
  m1: /etc/kubernetes/kubelet.conf: DIGEST becomes DIGEST (kubeconfig)
  m1: /etc/kubernetes/pki/ca.key: DIGEST becomes DIGEST (key of the cluster CA)
  m1: /etc/kubernetes/pki/ca.crt: DIGEST becomes DIGEST (trusted cluster CA)
  m1: /etc/kubernetes/pki/etcd/ca.key: DIGEST becomes DIGEST (key of the etcd CA)
  m1: /etc/kubernetes/pki/etcd/ca.crt: DIGEST becomes DIGEST (trusted etcd CA)
  m1: /etc/kubernetes/pki/front-proxy-ca.key: DIGEST becomes DIGEST (key of the front-proxy CA)
  m1: /etc/kubernetes/pki/front-proxy-ca.crt: DIGEST becomes DIGEST (trusted front-proxy CA)
  m1: /etc/kubernetes/scheduler.conf: DIGEST becomes DIGEST (kubeconfig)
  m1: /etc/kubernetes/super-admin.conf: DIGEST becomes DIGEST (kubeconfig)
  m1: /etc/kubernetes/manifests/kube-controller-manager.yaml: DIGEST becomes DIGEST (flags of the controller manager)
  m1: /etc/kubernetes/pki/rotation-signer.crt: DIGEST becomes - (the CA that signs)
  m1: /etc/kubernetes/pki/rotation-signer.key: DIGEST becomes - (key of the CA that signs)
  m1: restart etcd: ended, and started by its supervisor
  m1: restart kube-apiserver: ended, and started by its supervisor
  m1: restart kube-controller-manager: started anew by its manifest
  m1: restart kube-scheduler: ended, and started by its supervisor
  w1: /etc/kubernetes/kubelet.conf: DIGEST becomes DIGEST (kubeconfig)
  w1: /etc/kubernetes/pki/ca.crt: DIGEST becomes DIGEST (trusted cluster CA)
  w1: /home/ci/.kube/config: DIGEST becomes DIGEST (kubeconfig)

checked, with machines a stage apart
  before: 14 certificates are good by 11 bundles, 172 pairs in all
  accept: 14 certificates are good by 11 bundles, 258 pairs in all
  sign: 14 certificates are good by 11 bundles, 258 pairs in all
  switch: 14 certificates are good by 11 bundles, 258 pairs in all
  retire: 14 certificates are good by 11 bundles, 172 pairs in all

pods
  not seen: nobody asks the API (--offline): pods that read their credentials once need new ones before the old generation is dropped

estimated
  accept: about 25s
    m1: etcd restarts meanwhile
    m1: kube-apiserver restarts, about 6.2s
    m1: kube-controller-manager restarts, about 15s
    m1: kube-scheduler restarts, about 1.1s
    https://10.0.0.1:6443 is away for about 5.5s
    each API server's own address is away for about 5.5 s while it restarts; clients with another address go on
  switch: about 14s
    m1: kube-controller-manager restarts, about 1.5s
    m1: kube-scheduler restarts, about 11s
    an `exec`, `attach` or `port-forward` that is open through an API server ends as it takes its new client certificate
    clients outside of the cluster that were not given the new CA fail on their next new connection (x509)
  retire: about 55s
    m1: etcd restarts meanwhile
    m1: kube-apiserver restarts, about 16s
    m1: kube-controller-manager restarts, about 15s
    m1: kube-scheduler restarts, about 21s
    https://10.0.0.1:6443 is away for about 15s
    each API server's own address is away for about 15.5 s while it restarts; clients with another address go on
    clients whose certificate is of the old CA get 401, on open connections as well

timetable of `apply`
    +0:00   +0:24  accept: m1
    +0:24   +0:25  accept: w1
    +0:25   +0:39  switch: m1
    +0:39   +0:40  switch: w1
  ends at +0:40
--- stderr

"#]]);
    trees.look().is(&before, "after a plan");
    assert!(
        !trees.root().join("rotation").exists(),
        "a plan that is not written leaves no directory"
    );
}

#[test]
fn a_rotation_leaves_nothing_of_the_old_generation_and_nothing_of_itself() {
    let trees = Trees::new(Shape { controls: 3, ..LARGE });
    let before = trees.look();
    let old = todays(&before);
    trees.run("apply").ends(0, &["go on with `kubectl rotate-certs finish`"]);
    trees.run("status").ends(
        3,
        &[
            "m3  switch",
            "w2  switch",
            "stage switch: everybody presents the new generation",
            "next: kubectl rotate-certs finish",
        ],
    );
    let switched = trees.look();
    everything_fits(&switched, "switched");
    everybody_presents(&switched, &old);

    trees.run("finish").ends(0, &["done: the old generation is trusted nowhere"]);
    trees.run("status").ends(0, &["stage retire", "nothing: the rotation is complete"]);
    let after = trees.look();
    everything_fits(&after, "finished");
    everybody_presents(&after, &old);
    nothing_is_left_of(&after, &old);
    only_what_should_differ(&before, &after);
    for (index, (ca, leaves)) in TRACKS.iter().enumerate() {
        let old = trees.root().join(format!("old-{index}.crt"));
        std::fs::write(&old, encode("CERTIFICATE", todays(&before)[index].der())).unwrap();
        for leaf in *leaves {
            verified(
                &trees,
                &pki_of("m1", &format!("{ca}.crt")),
                old.to_str().unwrap(),
                &pki_of("m1", leaf),
            );
        }
    }

    trees.run("apply").ends(0, &["done"]);
    trees.look().is(&after, "applied once more");
    assert_eq!(pki::authorities(&pki::all(&after, "finished")).len(), 3, "no third CA");
}

#[test]
fn keys_that_sign_tokens_are_rotated_with_the_rest() {
    let trees = Trees::new(SMALL);
    let before = trees.look();
    let (signer, checks) = (pki_of("m1", "sa.key"), pki_of("m1", "sa.pub"));
    let (old_key, old_public) = (trees.read(&signer), trees.text(&checks));
    trees.run("apply --rotate cluster,tokens --until accept").ends(0, &["stage accept"]);
    assert_eq!(trees.read(&signer), old_key, "tokens are signed by the old key still");
    assert!(trees.text(&checks).starts_with(&old_public) && trees.text(&checks) != old_public);
    trees.run("apply --until sign").ends(0, &["stage sign"]);
    assert_ne!(trees.read(&signer), old_key);
    trees.run("apply").ends(0, &["finish"]);
    assert!(trees.text(&checks).contains(&old_public), "old tokens are good still");
    trees.run("finish").ends(0, &["done"]);
    assert!(!trees.text(&checks).contains(&old_public));
    let (public, key) = (trees.path(&checks), trees.path(&signer));
    let mine = Command::new("openssl").args(["pkey", "-pubout", "-in"]).arg(key).output();
    if let Ok(mine) = mine {
        assert_eq!(mine.stdout, std::fs::read(public).unwrap(), "the new key checks what it signs");
    }
    only_what_should_differ(&before, &trees.look());
}

/// Keys fit, everything is whole, and what manifests name is there.
#[track_caller]
fn everything_fits(snapshot: &Snapshot, when: &str) {
    let all = pki::all(snapshot, when);
    assert_eq!(pki::unpaired(&all), Vec::<String>::new(), "{when}");
    pki::named_files_are_there(snapshot, when);
}

/// No file that is in use shows a leaf of the old generation; the kubelets' old files lie where no link leads.
#[track_caller]
fn everybody_presents(snapshot: &Snapshot, old: &[Certificate]) {
    let all = pki::all(snapshot, "presented");
    let found: Vec<&str> = pki::leaves(&all, old).map(|(place, _)| place).collect();
    let unused = |place: &&str| !place.contains("/kubelet-client-2026-11-01");
    assert_eq!(found.into_iter().filter(unused).collect::<Vec<_>>(), Vec::<&str>::new());
}

/// Not one old CA, wherever it stood.
#[track_caller]
fn nothing_is_left_of(snapshot: &Snapshot, old: &[Certificate]) {
    for (place, held) in pki::all(snapshot, "finished") {
        for ca in old {
            assert!(
                held.certificates.iter().all(|one| one.key_digest() != ca.key_digest()),
                "{place}"
            );
            assert!(held.keys.iter().all(|key| *key != ca.key_digest()), "{place}");
        }
    }
    // Nor in a file that nobody knew.
    for ca in old {
        let pem = encode("CERTIFICATE", ca.der());
        let line = pem.lines().nth(2).unwrap();
        for (place, bytes) in snapshot.files() {
            assert!(!bytes.windows(line.len()).any(|window| window == line.as_bytes()), "{place}");
        }
    }
}

/// Nothing is new but the kubelets' files, nothing is gone; modes, owners and everything without a certificate stay.
#[track_caller]
fn only_what_should_differ(before: &Snapshot, after: &Snapshot) {
    for difference in before.differences(after) {
        let (place, what) = difference.split_once(' ').unwrap();
        let kubelet = place.contains("/pki/kubelet-client-2") && what == "is new";
        let changed = what == "has changed"
            && !place.contains("/manifests/")
            && !place.contains("config.yaml");
        assert!(kubelet || changed, "{difference}");
        if changed {
            let (one, two) = (&before.0[place], &after.0[place]);
            assert_eq!((one.mode, one.owner), (two.mode, two.owner), "{place}");
            assert_eq!(
                std::mem::discriminant(&one.thing),
                std::mem::discriminant(&two.thing),
                "{place} is what it was: a file or a link"
            );
        }
    }
    let renewed = after.0.iter().filter(|(place, _)| place.contains("/pki/kubelet-client-2026"));
    for (place, entry) in renewed {
        let Thing::File(bytes) = &entry.thing else { panic!("{place} is no file") };
        assert_eq!(
            (entry.mode & 0o777, entry.owner),
            (0o600, (0, 0)).max((0o600, entry.owner)),
            "{place}"
        );
        assert_eq!(Held::read(bytes).unwrap().keys.len(), 1, "{place}");
    }
}

/// By the tool's own verifier and by openssl, where there is one: good under the new CA, and not under the old.
#[track_caller]
fn verified(trees: &Trees, ca: &str, old: &str, stem: &str) {
    let (ca, leaf) = (trees.path(ca), trees.path(&format!("{stem}.crt")));
    let (ca, leaf) = (ca.display(), leaf.display());
    trees.tool(&format!("verify --ca {ca} {leaf}")).ends(0, &[]);
    trees.tool(&format!("verify --ca {old} {leaf}")).ends(3, &[]);
    let openssl = |ca: &str| {
        let run = Command::new("openssl")
            .args(["verify", "-x509_strict", "-CAfile", ca, &leaf.to_string()])
            .output();
        run.ok().map(|output| output.status.success())
    };
    if let Some(good) = openssl(&ca.to_string()) {
        assert!(good, "{leaf} under the new CA");
        assert_eq!(openssl(old), Some(false), "{leaf} under the old CA");
    }
}
