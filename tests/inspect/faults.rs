//! Bad input: each is told at its place, and all else goes on.

use crate::world::{Outcome, Set, World};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

fn master() -> World {
    let world = World::new(&["m1"]);
    world.master("m1", &Set::new());
    world
}

/// What is found at a place.
#[track_caller]
fn found(world: &World, id: &str, place: &str, said: &str) {
    found_in(&world.run("check -o json"), id, place, said);
}

fn found_in(outcome: &Outcome, id: &str, place: &str, said: &str) {
    let document = outcome.json();
    let findings = document["findings"].as_array().unwrap();
    let fits =
        |f: &&serde_json::Value| f["id"] == id && f["place"].as_str().unwrap().starts_with(place);
    let finding = findings.iter().find(fits).unwrap_or_else(|| panic!("{}", outcome.text()));
    assert!(finding["what"].as_str().unwrap().contains(said), "{finding:#}");
    assert_eq!(outcome.code, 3, "{}", outcome.text());
}

#[test]
fn a_pipe_keeps_nobody() {
    let world = master();
    let path = world.path("m1:/etc/kubernetes/pki/ca.crt");
    fs::remove_file(&path).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    found(&world, "place-unknown", "/etc/kubernetes/pki/ca.crt", "no regular file");
}

#[test]
fn a_circle_of_links_ends() {
    let world = master();
    world.link("m1:/etc/kubernetes/pki/ca.crt", "ca.other");
    world.link("m1:/etc/kubernetes/pki/ca.other", "ca.crt");
    found(&world, "place-unknown", "/etc/kubernetes/pki/ca.crt", "in a circle");
}

#[test]
fn a_gigantic_file_is_not_read() {
    let world = master();
    let file = fs::File::create(world.path("m1:/etc/kubernetes/pki/apiserver.crt")).unwrap();
    file.set_len(1 << 40).unwrap();
    found(&world, "place-unknown", "/etc/kubernetes/pki/apiserver.crt", "1099511627776 bytes");
}

#[test]
fn a_directory_in_the_place_of_a_file() {
    let world = master();
    world.remove("m1:/etc/kubernetes/pki/sa.pub");
    fs::create_dir(world.path("m1:/etc/kubernetes/pki/sa.pub")).unwrap();
    found(&world, "place-unknown", "/etc/kubernetes/pki/sa.pub", "a directory");
}

#[test]
fn an_unreadable_file_names_the_right_that_is_missing() {
    let world = master();
    world.mode("m1:/etc/kubernetes/pki/ca.crt", 0o000);
    found_in(
        &world.run_as_nobody("check -o json"),
        "place-unknown",
        "/etc/kubernetes/pki/ca.crt",
        "missing right: read /etc/kubernetes/pki/ca.crt",
    );
}

#[test]
fn nonsense_is_no_certificate() {
    let world = master();
    world.write("m1:/etc/kubernetes/pki/apiserver.crt", "nonsense");
    found(&world, "file-empty", "/etc/kubernetes/pki/apiserver.crt", "holds no certificate");
    world.write(
        "m1:/etc/kubernetes/pki/apiserver.crt",
        "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
    );
    found(&world, "pem-broken", "/etc/kubernetes/pki/apiserver.crt", "not base64");
    world.write("m1:/etc/kubernetes/admin.conf", "{ no: [yaml");
    found(&world, "place-unknown", "/etc/kubernetes/admin.conf", "no YAML");
    world.write("m1:/etc/kubernetes/manifests/etcd.yaml", "\t{");
    found(&world, "place-unknown", "/etc/kubernetes/manifests/etcd.yaml", "no YAML");
}

#[test]
fn names_and_subjects_that_a_terminal_would_obey() {
    let world = master();
    let set = Set::new();
    let key = forge::Key::new();
    let evil = set.cluster.client("\u{1b}[2J\u{202e}evil", &[], &key);
    world.kubeconfig_of(
        "m1:/etc/cni/net.d/a\n\u{1b}[31mkubeconfig",
        &set.cluster.pem(),
        &evil,
        &key.pem(),
    );
    for verb in [
        "inspect",
        "inspect -o wide",
        "inspect -o json",
        "inspect -o yaml",
        "check",
        "check -o openmetrics",
        "check -o junit",
    ] {
        let outcome = world.run(verb);
        let text = outcome.text();
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{verb}: {text:?}");
    }
    let places = world.run("inspect -o json").json();
    let place = "/etc/cni/net.d/a\n\u{1b}[31mkubeconfig#client-certificate-data";
    let all = places["places"].as_array().unwrap();
    assert!(all.iter().any(|p| p["place"] == place), "{places:#}");
}

#[test]
fn thousands_of_certificates_in_one_bundle() {
    let world = World::new(&["n1"]);
    let set = Set::new();
    world.minion("n1", &set);
    let many: String = std::iter::repeat_n(set.etcd.pem(), 4_000).collect();
    world.write("n1:/etc/ssl/certs/ca-certificates.crt", &format!("{many}{}", set.cluster.pem()));
    let outcome = world.run("check");
    assert_eq!(outcome.code, 0, "{}", outcome.text());
}

#[test]
fn there_is_nothing_to_look_at() {
    let world = World::new(&["m1"]);
    let outcome = world.run("inspect");
    assert_eq!(outcome.code, 4, "{}", outcome.text());
    assert!(
        outcome.stderr.contains("none of the places that are known was found"),
        "{}",
        outcome.text()
    );
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for (line, code, word) in [
        ("inspect", 2, "name a source"),
        ("check --root nowhere", 1, "cannot look at nowhere: there is no such file"),
        ("check --root m1 --root m1", 2, "needs a name"),
        ("check --root m1 --places nothing", 2, "one of kubeadm, kubelet, salt"),
        ("check --root m1 --old nowhere.crt", 1, "nowhere.crt"),
    ] {
        let outcome = world.tool(&words(line));
        assert_eq!(outcome.code, code, "{line}: {}", outcome.text());
        assert!(outcome.stderr.contains(word), "{line}: {}", outcome.text());
        assert_eq!(outcome.stdout, "", "{line}");
    }
}

#[test]
fn places_of_ones_own() {
    let world = World::new(&["m1"]);
    let set = Set::new();
    world.write("m1:/opt/x/ca.crt", &set.cluster.pem());
    world.file(
        "places.toml",
        "about = \"mine\"\n[[machine]]\nname = \"m\"\nmarks = [\"/opt/x\"]\nfiles = [\n  \
         { path = \"/opt/x/ca.crt\", is = \"authority cluster authority\", required = true },\n  \
         { path = \"/opt/x/server.crt\", is = \"kube-apiserver cluster serving\", required = true },\n]\n",
    );
    let outcome = world.run("check --places places.toml -o json");
    assert_eq!(outcome.findings(), [("place-absent".to_owned(), "/opt/x/server.crt".to_owned())]);
    world.file("places.toml", "about = \"mine\"\n");
    let outcome = world.run("check --places places.toml");
    assert_eq!(outcome.code, 2, "{}", outcome.text());
    assert!(
        outcome.stderr.contains("cannot use the places of `places.toml`"),
        "{}",
        outcome.text()
    );
}

fn print_of(directory: &Path, into: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        let content = if meta.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        let times = (meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec());
        into.insert(
            path.clone(),
            format!("{} {:o} {times:?} {content:?}", meta.ino(), meta.mode()),
        );
        if meta.is_dir() {
            print_of(&path, into);
        }
    }
}

/// Seen from outside: inodes, modes, times and contents are the same before and after.
#[test]
fn nothing_is_changed() {
    let world = master();
    world.minion("m1", &Set::old());
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    print_of(&world.directory(), &mut before);
    assert!(before.len() > 40);
    for verb in ["inspect", "check", "check -o sarif"] {
        world.run(verb);
    }
    print_of(&world.directory(), &mut after);
    assert_eq!(before, after);
}
