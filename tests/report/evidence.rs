//! `report`: what it tells of real rotations, in each format, and what it says of a journal that somebody changed.

use crate::rotation::{done, machines, rotated, tool};
use crate::world::World;
use schema::Schema;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

fn journal(world: &World) -> PathBuf {
    world.directory().join("rotation/journal.jsonl")
}

fn document(world: &World) -> Value {
    let value = tool(world, "report -o json").json();
    let schema = include_str!("../../docs/schemas/certificates-report.schema.json");
    Schema::closed(schema).accept(&value);
    value
}

#[test]
fn a_rotation_is_told_from_its_directory_alone() {
    let world = rotated();
    let before = document(&world);
    // Years later: nothing but the directory is there.
    for gone in ["m1", "w1"] {
        fs::remove_dir_all(world.directory().join(gone)).unwrap();
    }
    fs::remove_file(world.directory().join("cluster.toml")).unwrap();
    let told = document(&world);
    assert_eq!(told, before, "the same directory gives the same report");
    assert_eq!(
        (told["state"].as_str(), told["stage"].as_str()),
        (Some("complete"), Some("retire"))
    );
    let verbs: Vec<&str> =
        told["commands"].as_array().unwrap().iter().map(|c| c["verb"].as_str().unwrap()).collect();
    assert_eq!(verbs, ["apply", "rollback", "apply", "finish"]);
    let kinds: Vec<&str> =
        told["notices"].as_array().unwrap().iter().map(|n| n["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["rollback"]);
    let tracks: Vec<&str> =
        told["replaced"].as_array().unwrap().iter().map(|t| t["track"].as_str().unwrap()).collect();
    assert_eq!(tracks, ["cluster", "front-proxy", "etcd"]);
    // Each leaf by its own fingerprint, old and new.
    let leaf = told["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["path"] == "/etc/kubernetes/pki/apiserver.crt");
    let leaf = leaf.unwrap_or_else(|| panic!("{told:#}"));
    assert_eq!(leaf["old"][0]["subject"], leaf["new"][0]["subject"]);
    assert_ne!(leaf["old"][0]["fingerprint"], leaf["new"][0]["fingerprint"]);
    let text = done(&world, "report").stdout;
    for line in [
        "rolling: complete: the old generation is trusted nowhere",
        "3 apply by ",
        "journal: whole, ",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(tool(&world, "report -o junit").stdout.contains(" failures=\"0\""));
}

#[test]
fn what_is_printed_holds_no_key() {
    let world = rotated();
    done(&world, "report --html page.html");
    let page = fs::read_to_string(world.directory().join("page.html")).unwrap();
    let mut all = page.clone();
    for format in ["text", "json", "junit"] {
        all.push_str(&done(&world, &format!("report -o {format}")).stdout);
    }
    // Every line of every key of both generations, and what kubeconfigs hold of them.
    let mut keys = 0;
    for entry in fs::read_dir(world.directory().join("rotation/contents")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let secret = text.split("PRIVATE KEY-----").nth(1).into_iter().flat_map(str::lines);
        let inside = text.lines().filter_map(|line| line.trim().strip_prefix("client-key-data: "));
        for line in secret.chain(inside).filter(|line| line.len() > 30) {
            keys += 1;
            assert!(!all.contains(line), "a piece of a key");
        }
    }
    assert!(keys > 10, "{keys}");
    assert!(!all.contains("PRIVATE KEY"));
    let mode = fs::metadata(world.directory().join("page.html")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_kill_in_the_middle_is_told() {
    let world = machines();
    done(&world, "apply --offline --yes --until accept");
    // As a kill leaves it: the last machine's way and the command have no end, and one line is torn.
    let text = fs::read_to_string(journal(&world)).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let cut = lines.iter().rposition(|line| line.contains("\"kind\":\"done\"")).unwrap();
    fs::write(journal(&world), format!("{}{}", lines[..cut].concat(), &lines[cut][..20])).unwrap();
    let told = document(&world);
    assert_eq!(told["state"], "between");
    assert_eq!(told["commands"][0]["ending"], "open");
    assert_eq!(told["journal"]["torn"], true);
    assert!(tool(&world, "report -o junit").stdout.contains("no end is written"));
    // It is gone on from, and then it is over.
    done(&world, "apply --offline --yes");
    let told = document(&world);
    assert_eq!(told["commands"][0]["ending"], "killed");
    assert_eq!(told["state"], "under-way");
    let weights: Vec<&str> = told["notices"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n["severity"].as_str().unwrap())
        .collect();
    assert!(!weights.contains(&"error"), "{told:#}");
    assert!(tool(&world, "report -o junit").stdout.contains(" failures=\"0\""));
}

#[test]
fn what_somebody_changed_is_seen_and_named() {
    let world = rotated();
    let text = fs::read_to_string(journal(&world)).unwrap();
    for (changed, where_to) in [
        (
            text.replacen("\"verb\":\"rollback\"", "\"verb\":\"apply\"", 1),
            "does not follow the line before it",
        ),
        (text.split_inclusive('\n').skip(1).collect(), "line 1 does not follow"),
        (format!("no journal\n{text}"), "line 1 cannot be read"),
    ] {
        fs::write(journal(&world), changed).unwrap();
        for format in ["text", "json", "junit"] {
            let outcome = tool(&world, &format!("report -o {format}"));
            assert_eq!(outcome.code, 3, "{}", outcome.text());
            assert!(outcome.stdout.contains(where_to), "{}", outcome.text());
            assert!(outcome.stderr.contains("the journal is not whole"), "{}", outcome.text());
        }
        assert_eq!(document(&world)["state"], "unknown");
    }
    // Another rotation's journal is whole by itself, and not this one's.
    let other = rotated();
    fs::write(journal(&world), fs::read(journal(&other)).unwrap()).unwrap();
    let outcome = tool(&world, "report");
    assert_eq!(outcome.code, 3, "{}", outcome.text());
    assert!(outcome.stdout.contains("the journal speaks of rotation"), "{}", outcome.text());
}

#[test]
fn where_there_is_nothing_to_tell() {
    let world = machines();
    let outcome = tool(&world, "report");
    assert_eq!(outcome.code, 4, "{}", outcome.text());
    assert!(outcome.stderr.contains("there is no rotation in `rotation`"), "{}", outcome.text());
    // A plan alone.
    assert_eq!(tool(&world, "plan --write --offline").code, 3);
    let told = document(&world);
    assert_eq!(told["state"], "not-begun");
    assert!(told.get("begun").is_none() && told["commands"].as_array().unwrap().is_empty());
    let outcome = done(&world, "report");
    assert!(outcome.stdout.contains("nothing was changed"), "{}", outcome.text());
    for (line, code) in [("report --html -", 2), ("report --html no/such/page.html", 1)] {
        let outcome = tool(&world, line);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (code, ""), "{}", outcome.text());
    }
}
