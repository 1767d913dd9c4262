//! What a plan says of itself: who accepts whom at each stage, what is away and for how long, and the window.

use crate::tree::{LARGE, SMALL, Set, Trees, dated};
use forge::Draft;
use schema::Schema;
use std::fs;
use std::time::Duration;

const CA: &str = "w1:/etc/kubernetes/pki/ca.crt";

/// The CA of before it was renewed: the same key and name, and an end that is past.
fn lagging(set: &Set) -> String {
    let draft = Draft::root("kubernetes", &set.cluster.key);
    dated(draft, "20150101000000Z", "20250101000000Z").pem(&set.cluster.key)
}

#[test]
fn what_would_not_be_accepted_is_refused_by_its_name() {
    let set = Set::new();
    let trees = Trees::of(SMALL, &set);
    trees.write(CA, &lagging(&set));
    let before = trees.look();
    for verb in ["plan", "apply"] {
        trees.run(&format!("{verb} --strategy renew")).ends(
            4,
            &[
                "at stage switch, m1:/etc/kubernetes/",
                "is not accepted by w1:/etc/kubernetes/pki/ca.crt",
                "check",
            ],
        );
    }
    trees.look().is(&before, "refused");
    // With a new CA it is accepted there as well.
    trees.run("plan --strategy rolling").ends(3, &["checked, with machines a stage apart"]);
}

#[test]
fn a_plan_says_what_it_comes_to() {
    let trees = Trees::new(LARGE);
    let words = [
        "accept: ",
        "certificates are good by",
        "not seen: nobody asks the API (--offline)",
        "https://10.0.0.1:6443 is away for about 5.5s",
        "https://10.0.0.2:6443 is away for about 15s",
        "m1: kube-apiserver restarts, about 6.2s",
        "m1: etcd restarts meanwhile",
        "clients outside of the cluster that were not given the new CA fail",
        "ends at +",
    ];
    trees.run("plan").ends(3, &words);
    trees.run("plan -o markdown").ends(3, &words);
    trees
        .run("plan -o markdown")
        .ends(3, &["## estimated", "## timetable of `apply`", "> not renew: "]);
    let json = trees.run("plan -o json");
    let document: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(document["schemaVersion"], "rotation/certificates-plan/v1");
    assert_eq!(document["outlook"]["pods"]["state"], "notSeen");
    assert_eq!(document["outlook"]["stages"][0]["gaps"][0]["server"], "https://10.0.0.1:6443");
    assert_eq!(document["checked"].as_array().unwrap().len(), 5);
    for one in document["checked"].as_array().unwrap() {
        assert!(one["pairs"].as_u64().unwrap() >= one["shown"].as_u64().unwrap() * 2, "{one}");
    }
    let schema = Schema::closed(include_str!("../../docs/schemas/certificates-plan.schema.json"));
    schema.accept(&document);
    trees.run("plan --write").ends(3, &[]);
    let written = fs::read(trees.root().join("rotation/plan.json")).unwrap();
    schema.accept(&serde_json::from_slice(&written).unwrap());
    let sh = trees.run("plan -o sh");
    assert!(
        sh.stdout.starts_with("#!/bin/sh") && !sh.stdout.contains("timetable"),
        "{}",
        sh.text()
    );
}

#[test]
fn a_window_that_is_too_short_is_refused_before_anything_is_written() {
    let trees = Trees::new(SMALL);
    let before = trees.look();
    trees
        .run("plan --window 1s")
        .ends(4, &["does not fit into the window", "point of no return at +0:00"]);
    trees
        .run("apply --window 1s")
        .ends(4, &["does not fit into the window", "name a longer window"]);
    assert!(!trees.root().join("rotation").exists());
    trees.look().is(&before, "refused");
    // One that was written before is given free again.
    trees.run("plan --write").ends(3, &[]);
    trees.run("apply --window 1s").ends(4, &["does not fit into the window"]);
    trees.look().is(&before, "refused with a plan");
    trees
        .run("plan --window 3h")
        .ends(3, &["point of no return at +2:59:", "of the window are left"]);
    trees.run("apply --window 3h").ends(
        0,
        &["the window ends at ", "stage accept is reached; ", "are left of the window", "finish"],
    );
    // Done: the next command is in no window.
    let again = trees.run("apply");
    assert!(!again.ends(0, &[]).text().contains("the window ends"), "{}", again.text());
}

/// When the window ends, as it is told.
fn told(text: &str) -> &str {
    let (_, rest) = text.split_once("the window ends at ").expect("it is told");
    rest.split_whitespace().next().unwrap()
}

#[test]
fn part_way_no_step_is_begun_that_does_not_end_in_time() {
    let trees = Trees::new(SMALL);
    let first = trees.run("apply --until accept --window 1h");
    first.ends(0, &["stage accept is reached"]);
    let second = trees.run("apply --until sign");
    assert_eq!(told(&second.text()), told(&first.text()), "without the flag it is the same window");
    let accepted = trees.look();
    trees.run("apply --window 1s").ends(
        5,
        &[
            "stopped part-way",
            "`kubectl rotate-certs apply --window DURATION`, or go back with `kubectl rotate-certs rollback`",
        ],
    );
    trees.look().is(&accepted, "nothing more was changed");
    // It is over by now, and nobody goes on by accident.
    std::thread::sleep(Duration::from_millis(1100));
    trees
        .run("apply")
        .ends(5, &["stopped part-way: the window ended at ", "--window DURATION", "rollback"]);
    trees.look().is(&accepted, "nor after its end");
    let back = trees.copy();
    back.run("rollback").ends(0, &["every file is what it was"]);
    back.run("apply").ends(0, &["finish"]);
    trees.run("apply --window 1h").ends(0, &["finish"]);
}

#[test]
fn a_kill_does_not_move_the_end_of_the_window() {
    let trees = Trees::new(SMALL);
    trees.run("apply --until accept --window 2h").ends(0, &["stage accept is reached"]);
    // What a kill leaves: a command that has no end.
    let path = trees.root().join("rotation/journal.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let (killed, end) = text.trim_end().rsplit_once('\n').unwrap();
    assert!(end.contains("\"kind\":\"end\""), "{end}");
    fs::write(&path, format!("{killed}\n")).unwrap();
    let (_, until) = killed.split_once("\"until\":\"").unwrap();
    for line in ["apply --until accept", "apply --window 2h --until sign", "apply"] {
        let outcome = trees.run(line);
        outcome.ends(0, &[]);
        // To the second.
        assert!(told(&outcome.text()).starts_with(&until[..19]), "{until} {}", outcome.text());
    }
}
