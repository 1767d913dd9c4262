//! What holds at all times: no key is shown, and who only looks writes nothing.

use crate::run::{TOOL, bare, words};
use crate::tree::{SMALL, Shape, Trees};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Lines of all private keys below a directory, those within kubeconfigs and those within base64 as well.
fn secrets(directory: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            found.extend(secrets(&path));
        } else if let Ok(text) = fs::read_to_string(&path) {
            keys_of(&text, &mut found);
            for line in text.lines().filter(|line| line.contains("client-key-data: ")) {
                let (_, word) = line.split_once("client-key-data: ").unwrap();
                found.insert(word.to_owned());
                keys_of(&String::from_utf8(STANDARD.decode(word).unwrap()).unwrap(), &mut found);
            }
        }
    }
    found
}

fn keys_of(text: &str, found: &mut BTreeSet<String>) {
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("-----") {
            inside = line.contains("BEGIN") && line.contains("PRIVATE KEY");
        } else if inside {
            found.insert(line.to_owned());
            // As a part of a text that is written in base64 once more; what stands at its ends depends on its neighbours.
            let again = STANDARD.encode(line);
            found.insert(again[..again.len() - 8].to_owned());
        }
    }
}

#[track_caller]
fn shows_none(text: &str, secrets: &BTreeSet<String>, what: &str) {
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "{what} shows a part of a key");
    }
}

#[test]
fn who_only_looks_writes_nothing() {
    let trees = Trees::new(SMALL);
    let before = trees.look();
    for line in ["plan", "plan -o json", "plan -o sh", "plan -o markdown", "plan --strategy window"]
    {
        trees.run(line).ends(3, &[]);
    }
    trees.run("status").ends(4, &["there is no rotation in `rotation`"]);
    trees.look().is(&before, "planned");
    let names = |trees: &Trees| -> BTreeSet<_> {
        fs::read_dir(trees.root()).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    assert!(!names(&trees).contains("rotation".as_ref() as &std::ffi::OsStr));
    trees.run("apply --until accept").ends(0, &[]);
    let (work, accepted) = (trees.root().join("rotation"), trees.look());
    let listed = |path: &Path| -> Vec<String> {
        let run =
            Command::new("find").arg(path).args(["-printf", "%p %s %T@ %C@\n"]).output().unwrap();
        String::from_utf8(run.stdout).unwrap().lines().map(str::to_owned).collect()
    };
    let kept = listed(&work);
    for line in ["status", "status -o json", "plan", "plan -o json"] {
        trees.run(line).ends(3, &[]);
    }
    assert_eq!(listed(&work), kept, "the rotation's directory");
    trees.look().is(&accepted, "looked at");
}

#[test]
fn no_key_is_printed_planned_or_written_down() {
    let trees = Trees::new(Shape { controls: 1, workers: 1, whole: true });
    let mut all = secrets(trees.root());
    let mut told = Vec::new();
    for line in [
        "plan --rotate cluster,etcd,front-proxy,tokens --write",
        "plan -o json",
        "plan -o sh",
        "plan -o markdown",
        "apply",
        "status",
        "status -o json",
        "rollback --to accept",
        "apply",
        "finish",
    ] {
        let outcome = trees.run(line);
        assert!([0, 3].contains(&outcome.code), "{}", outcome.text());
        told.push((line, outcome.text()));
        all.extend(secrets(trees.root()));
    }
    assert!(all.len() > 100, "keys were found to look for");
    for (line, text) in &told {
        shows_none(text, &all, line);
    }
    for name in ["plan.json", "journal.jsonl"] {
        let text = fs::read_to_string(trees.root().join("rotation").join(name)).unwrap();
        shows_none(&text, &all, name);
    }
}

#[test]
fn what_is_kept_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let trees = Trees::new(SMALL);
    trees.run("apply").ends(0, &[]);
    let mut todo = vec![trees.root().join("rotation")];
    while let Some(path) = todo.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        assert_eq!(meta.permissions().mode() & 0o077, 0, "{}", path.display());
        if meta.is_dir() {
            todo.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
}

#[test]
fn no_argument_and_no_environment_of_a_child_holds_a_key() {
    let trees = Trees::new(SMALL);
    let mut command = Command::new(TOOL);
    bare(command.args(words("apply")), &trees);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let root = trees.root().display().to_string();
    let mut seen: BTreeSet<String> = BTreeSet::new();
    while child.try_wait().unwrap().is_none() {
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let path = entry.path();
            let here = fs::read_link(path.join("cwd")).is_ok_and(|cwd| cwd.starts_with(&root));
            if here {
                for name in ["cmdline", "environ"] {
                    seen.insert(
                        String::from_utf8_lossy(&fs::read(path.join(name)).unwrap_or_default())
                            .into_owned(),
                    );
                }
            }
        }
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(seen.iter().any(|line| line.starts_with("/bin/sh")), "scripts were seen");
    let secrets = secrets(trees.root());
    for text in seen {
        shows_none(&text, &secrets, "a child");
    }
}
