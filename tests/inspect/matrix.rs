//! What `inspect` shows.

use crate::world::{Set, World};
use forge::Key;
use serde_json::Value;
use snapbox::str;

/// A minion of which everything is fixed but the keys.
fn minion() -> (World, Set) {
    let set = Set::new();
    let world = World::new(&["n1"]);
    world.minion("n1", &set);
    (world, set)
}

fn places(document: &Value) -> Vec<(String, String)> {
    let text = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
    let places = document["places"].as_array().unwrap().iter();
    places.map(|item| (text(item, "place"), text(item, "state"))).collect()
}

#[test]
fn the_table_has_a_row_for_each_place() {
    let (world, _) = minion();
    let outcome = world.run("inspect");
    let mut shown = outcome.text();
    // The key is another one in each run.
    let at = shown.find(", key ").unwrap() + 6;
    shown.replace_range(at..at + 12, "KEY");
    let assert = snapbox::Assert::new().action_env("SNAPSHOTS").normalize_paths(false);
    assert.eq(
        shown,
        str![[r#"
exit 0
--- stdout
PLACE                                                ROLE            IS        UNTIL
/etc/ssl/certs/ca-certificates.crt                   system bundle   current   2033-06-01
/etc/ssl/certs/kubernetes.pem                        system trust    current   2033-06-01
/srv/kubernetes/ca.crt                               cluster CA      current   2033-06-01
/usr/local/share/ca-certificates/kubernetes-ca.crt   system trust    current   2033-06-01
/var/lib/kubelet/ca.crt                              kubelet trust   current   2033-06-01

CERTIFICATE        SIGNED BY   UNTIL        PLACES
CN=kubernetes-g2   itself      2033-06-01   5

cluster: current CN=kubernetes-g2, key KEY, since 2026-06-01
--- stderr
5 places, 1 certificate and 0 private keys

"#]],
    );
}

#[test]
fn two_generations_are_told_apart_or_named() {
    let (old, new) = (Set::old(), Set::new());
    let world = World::new(&["n1", "n2"]);
    world.minion("n1", &new);
    world.minion("n2", &old);
    let document = world.run("inspect -o json").json();
    let states = places(&document);
    assert_eq!(states.len(), 10);
    for (place, state) in &states {
        assert_eq!(state, if place.starts_with("n1:") { "new" } else { "old" }, "{place}");
    }
    assert_eq!(document["domains"][0]["phase"], "torn");
    // The operator's word counts more than dates.
    world.file("old.crt", &new.cluster.pem());
    world.file("new.crt", &old.cluster.pem());
    let document = world.run("inspect -o json --old old.crt --new new.crt").json();
    for (place, state) in places(&document) {
        assert_eq!(state, if place.starts_with("n1:") { "old" } else { "new" }, "{place}");
    }
    let table = world.run("inspect");
    assert!(table.stdout.contains("cluster: torn: "), "{}", table.text());
    assert!(table.stdout.contains("cluster: next: bring both CAs"), "{}", table.text());
}

#[test]
fn every_layout_is_found_by_its_marks() {
    let set = Set::new();
    let world = World::new(&["kubeadm", "node", "salt", "minion", "bosh", "cfcr", "k3s"]);
    world.master("kubeadm", &set);
    world.node("node", &set);
    world.salt_master("salt", &set);
    world.minion("minion", &set);
    world.bosh_master("bosh", &set);
    world.cfcr_master("cfcr", &set);
    world.k3s("k3s", &set);
    let document = world.run("inspect -o json").json();
    let places = places(&document);
    for place in [
        "kubeadm:/etc/kubernetes/pki/etcd/peer.crt",
        "kubeadm:/etc/kubernetes/scheduler.conf#client-certificate-data",
        "node:/var/lib/kubelet/pki/kubelet-client-current.pem",
        "node:/etc/kubernetes/kubelet.conf#certificate-authority-data",
        "salt:/var/salt/k8s-helper/pki/default/kubecfg.key",
        "minion:/etc/ssl/certs/kubernetes.pem",
        "bosh:/var/vcap/jobs/kubernetes-master/certs/kubernetes.pem",
        "cfcr:/var/vcap/jobs/kubelet/config/kubelet.pem",
        "k3s:/var/lib/rancher/k3s/agent/client-kubelet.crt",
    ] {
        assert!(places.iter().any(|(p, _)| p == place), "{place} is not among {places:#?}");
    }
    assert!(places.iter().all(|(_, state)| state == "current"), "{places:#?}");
    let kinds: Vec<&Value> =
        document["places"].as_array().unwrap().iter().map(|p| &p["kind"]).collect();
    assert!(kinds.iter().all(|kind| *kind == "file"));
}

/// The set that `generate` makes is whole where it lies.
#[test]
fn a_generated_set_is_as_it_should_be() {
    let world = World::new(&["m1"]);
    let words = "generate --layout kubeadm --node-name m1 --advertise-address 10.0.0.1 --key-type ecdsa-p256 \
                 -q -o set";
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    let made = world.tool(&words);
    assert_eq!(made.code, 0, "{}", made.text());
    world.path("m1:/etc/x");
    let (from, to) =
        (world.directory().join("set/current/."), world.directory().join("m1/etc/kubernetes"));
    let copied = std::process::Command::new("cp").arg("-rL").args([from, to]).status().unwrap();
    assert!(copied.success());
    let words = ["check", "--root=m1", "-o=json"].map(str::to_owned);
    let outcome = world.tool(&words);
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    assert_eq!(outcome.json()["findings"].as_array().unwrap().len(), 0, "{}", outcome.text());
    assert_eq!(outcome.json()["places"], 37);
}

#[test]
fn files_that_flags_and_kubeconfigs_name_are_places_too() {
    let set = Set::new();
    let world = World::new(&["m1"]);
    world.master("m1", &set);
    world.process(
        "m1",
        900,
        60,
        "/usr/bin/kubelet --kubeconfig=/opt/k/kubelet.conf --client-ca-file /opt/k/ca.crt",
    );
    world.write(
        "m1:/opt/k/kubelet.conf",
        "kind: Config\nclusters:\n- name: k\n  cluster: {certificate-authority: ca.crt}\nusers:\n- name: u\n  \
         user: {client-certificate: pki/kubelet.crt, client-key: pki/kubelet.key, tokenFile: /opt/k/token}\n",
    );
    let key = Key::new();
    world.pair(
        "m1:/opt/k/pki/kubelet",
        &set.cluster.client("system:node:m1", &["system:nodes"], &key),
        &key,
    );
    world.write("m1:/opt/k/ca.crt", &set.cluster.pem());
    world.write("m1:/opt/k/token", "not-a-jwt");
    let document = world.run("inspect -o json").json();
    let all = document["places"].as_array().unwrap();
    let of = |place: &str| {
        all.iter().find(|p| p["place"] == place).unwrap_or_else(|| panic!("{place}: {document:#}"))
    };
    assert_eq!(of("/opt/k/pki/kubelet.crt")["state"], "current");
    assert_eq!(of("/opt/k/pki/kubelet.key")["part"], "client-key");
    assert_eq!(of("/opt/k/token")["part"], "token");
    let ca = of("/opt/k/ca.crt");
    assert_eq!(
        (&ca["part"], &ca["readers"][0]["name"]),
        (&"trust".into(), &"kubelet (PID 900)".into())
    );
    assert!(!document.to_string().contains("not-a-jwt"), "a token is never shown");
    let components = document["components"].as_array().unwrap();
    assert!(components.iter().any(|c| c["place"] == "kubelet (PID 900)"), "{components:#?}");
}

#[test]
fn no_private_byte_is_shown() {
    let set = Set::new();
    let world = World::new(&["m1"]);
    world.master("m1", &set);
    let secret: Vec<String> = [&set.cluster.key, &set.tokens]
        .iter()
        .flat_map(|key| key.pem().lines().skip(1).map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.len() > 20 && !line.starts_with("---"))
        .collect();
    // What all keys of one kind begin with is no secret.
    let common = Key::new().pem();
    let secret: Vec<&str> =
        secret.iter().map(String::as_str).filter(|line| !common.contains(*line)).collect();
    assert!(secret.len() >= 2);
    for verb in [
        "inspect",
        "inspect -o wide",
        "inspect -o json",
        "inspect -o yaml",
        "check",
        "check -o json",
        "check -o junit",
        "check -o sarif",
        "check -o openmetrics",
    ] {
        let outcome = world.run(verb);
        let text = outcome.text();
        assert!(outcome.code == 0, "{verb}: {text}");
        assert!(!secret.iter().any(|line| text.contains(line)), "{verb}");
        assert!(!text.contains("PRIVATE KEY"), "{verb}");
    }
}

#[test]
fn wide_says_who_uses_what_and_where_each_certificate_is() {
    let (world, _) = minion();
    let outcome = world.run("inspect -o wide --no-headers");
    let certificates = outcome.stdout.lines().find(|line| line.contains("itself")).unwrap();
    assert!(
        certificates.contains("/srv/kubernetes/ca.crt, /usr/local/share"),
        "{}",
        outcome.text()
    );
    assert!(!outcome.stdout.contains("USED BY"));
}

#[test]
fn yaml_says_the_same_as_json() {
    let (world, _) = minion();
    let yaml = world.run("inspect -o yaml");
    assert!(
        yaml.stdout.starts_with("schemaVersion: rotation/certificate-inventory/v1\n"),
        "{}",
        yaml.text()
    );
    let json = world.run("inspect -o json");
    assert_eq!(yaml.stdout.matches("place: ").count(), json.stdout.matches("\"place\": ").count());
}
