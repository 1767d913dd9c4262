//! What `check` says, in each format, and when it fails.

use crate::world::{Set, World};
use schema::Schema;
use snapbox::str;
use std::os::unix::fs::PermissionsExt as _;

/// A minion whose bundle was not rebuilt: an error; and whose link is a copy: a warning.
fn sick() -> World {
    let set = Set::new();
    let world = World::new(&["n1", "n2"]);
    world.minion("n1", &set);
    world.minion("n2", &set);
    world.write("n2:/etc/ssl/certs/ca-certificates.crt", &Set::old().etcd.pem());
    world.write("n2:/etc/ssl/certs/kubernetes.pem", &set.cluster.pem());
    world
}

#[test]
fn each_finding_says_where_what_and_what_to_type() {
    sick().run("check").is(str![[r#"
exit 3
--- stdout
n2:/etc/ssl/certs/ca-certificates.crt: error: none of its certificates is the cluster CA [bundle-lacks-ca]
    on n2: run `update-ca-certificates` on that machine
n2:/etc/ssl/certs/kubernetes.pem: warning: it is no link to /usr/local/share/ca-certificates/kubernetes-ca.crt [link-elsewhere]
    on n2: make it a link with `ln -sfn /usr/local/share/ca-certificates/kubernetes-ca.crt /etc/ssl/certs/kubernetes.pem`
--- stderr
10 places, 1 certificate and 0 private keys: 1 error, 1 warning, 0 notes; the next end is in 2374 days

"#]]);
}

#[test]
fn the_threshold_decides_the_exit_code() {
    let world = sick();
    assert_eq!(world.run("check --fail-on error").code, 3);
    world.file(
        "w.toml",
        "[[waiver]]\nid = \"bundle-lacks-ca\"\nplace = \"n2:*\"\nuntil = \"2026-12-31\"\nreason = \"rebuilt on Monday\"\n",
    );
    let outcome = world.run("check --fail-on error --waivers w.toml");
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    assert!(outcome.stderr.contains("; 1 excepted; "), "{}", outcome.text());
    let outcome = world.run("check --waivers w.toml -o json");
    assert_eq!(outcome.code, 3);
    let document = outcome.json();
    assert_eq!(document["waived"][0]["id"], "bundle-lacks-ca");
    assert_eq!(document["waived"][0]["reason"], "rebuilt on Monday");
    assert_eq!(document["findings"].as_array().unwrap().len(), 1);
    let outcome = world.run_at("check --waivers w.toml -o json", "2027-01-01T00:00:00Z");
    let ids: Vec<String> = outcome.findings().into_iter().map(|(id, _)| id).collect();
    assert!(
        ids.contains(&"waiver-expired".to_owned()) && ids.contains(&"bundle-lacks-ca".to_owned()),
        "{ids:?}"
    );
}

#[test]
fn a_bad_file_of_exceptions_is_refused() {
    let world = sick();
    world.file("w.toml", "[[waiver]]\nid = \"nothing\"\nuntil = \"2026-12-31\"\nreason = \"r\"\n");
    let outcome = world.run("check --waivers w.toml");
    assert_eq!(outcome.code, 2, "{}", outcome.text());
    assert!(outcome.stderr.contains("there is no finding `nothing`"), "{}", outcome.text());
    assert_eq!(outcome.stdout, "");
}

#[test]
fn pipelines_read_junit_and_sarif() {
    let world = sick();
    let junit = world.run("check -o junit");
    assert!(
        junit.stdout.contains("name=\"kubectl rotate-certs check\" tests=\"10\" failures=\"2\""),
        "{}",
        junit.text()
    );
    let sarif = world.run("check -o sarif").json();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(results[0]["ruleId"], "bundle-lacks-ca");
}

#[test]
fn figures_are_openmetrics() {
    let world = sick();
    let outcome = world.run("check -o openmetrics --textfile out.prom");
    assert_eq!(outcome.code, 3);
    let text = &outcome.stdout;
    assert!(text.ends_with("# EOF\n"));
    for line in [
        "rotation_findings{severity=\"error\"} 1",
        "rotation_finding{id=\"link-elsewhere\",severity=\"warning\"} 1",
        "rotation_places{domain=\"cluster\",state=\"absent\"} 1",
        "rotation_places{domain=\"cluster\",state=\"current\"} 9",
        "rotation_phase{domain=\"cluster\",phase=\"settled\"} 1",
        "rotation_check_timestamp_seconds 1796083200",
    ] {
        assert!(text.lines().any(|own| own == line), "{line}: {text}");
    }
    // Each family is said once, and its samples follow it: what the format asks for.
    let mut families = std::collections::BTreeSet::new();
    let mut current = "";
    for line in text.lines().filter(|line| *line != "# EOF") {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            current = rest.split(' ').next().unwrap();
            assert!(families.insert(current), "{line}");
        } else {
            let name = line.trim_start_matches("# UNIT ").trim_start_matches("# HELP ");
            assert!(name.starts_with(current), "{line}");
        }
    }
    let path = world.directory().join("out.prom");
    assert_eq!(&std::fs::read_to_string(&path).unwrap(), text);
    assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn quiet_says_nothing_about_what_is_well() {
    let set = Set::new();
    let world = World::new(&["n1"]);
    world.minion("n1", &set);
    let outcome = world.run("check --quiet");
    assert_eq!((outcome.code, outcome.stdout.as_str(), outcome.stderr.as_str()), (0, "", ""));
}

#[test]
fn limits_are_the_commands_own() {
    let set = Set::new();
    let world = World::new(&["m1"]);
    world.master("m1", &set);
    // Leaves end in 182 days.
    assert_eq!(world.run("check").code, 0);
    let outcome = world.run("check --warn 200d -o json");
    assert!(outcome.findings().iter().all(|(id, _)| id == "expires-soon"), "{}", outcome.text());
    assert_eq!(outcome.code, 3);
    let outcome = world.run("check --critical 190d -o json");
    assert!(
        outcome.findings().iter().all(|(id, _)| id == "expires-critically"),
        "{}",
        outcome.text()
    );
    assert_eq!(world.run("check --warn 1y").code, 2);
}

/// Every field that is written is declared, and what is always there is required.
#[test]
fn documents_are_as_their_schemas_say() {
    let (old, set) = (Set::old(), Set::new());
    let world = World::new(&["m1", "n1", "n2"]);
    world.master("m1", &set);
    world.minion("n1", &set);
    world.minion("n2", &old);
    world.process("m1", 812, 60, "kube-apiserver --etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt");
    world.link("n1:/srv/kubernetes/server.crt", "server.crt");
    world.write(
        "m1:/etc/cni/net.d/calico-kubeconfig",
        "kind: Config\nusers:\n- name: u\n  user: {token: a.b.c}\n",
    );
    world.file(
        "w.toml",
        "[[waiver]]\nid = \"trust-lacks-ca\"\nuntil = \"2026-12-31\"\nreason = \"r\"\n[[waiver]]\nid = \"rotation-torn\"\nuntil = \"2026-12-31\"\nreason = \"r\"\n",
    );
    let check = world.run("check -o json --waivers w.toml").json();
    assert!(!check["waived"].as_array().unwrap().is_empty(), "{check:#}");
    Schema::closed(include_str!("../../docs/schemas/certificate-check.schema.json")).accept(&check);
    let inventory = world.run("inspect -o json").json();
    let schema = include_str!("../../docs/schemas/certificate-inventory.schema.json");
    Schema::closed(schema).accept(&inventory);
    let some = |field: &str| {
        inventory["places"].as_array().unwrap().iter().any(|p| p.get(field).is_some())
    };
    for field in [
        "host",
        "until",
        "modified",
        "link",
        "unknown",
        "certificates",
        "keys",
        "publicKeys",
        "tokens",
        "readers",
    ] {
        assert!(some(field), "no place has {field}");
    }
}
