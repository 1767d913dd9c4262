//! Machines that cannot be reached: at the beginning, in the middle, for ever.

use crate::tree::{SMALL, Trees};
use std::fs;

/// A machine by ssh at an address of this computer where nobody listens.
const NOBODY: &str = "\n[[host]]\nname = \"w2\"\naddresses = [\"127.0.9.9\"]\n";

#[test]
fn nothing_is_changed_before_every_machine_was_reached() {
    let trees = Trees::new(SMALL);
    let text = fs::read_to_string(trees.root().join("cluster.toml")).unwrap();
    let fast = "[ssh]\noptions = [\"ConnectTimeout=3\", \"BatchMode=yes\"]\n";
    trees.file("cluster.toml", &format!("{fast}{text}{NOBODY}"));
    let before = trees.look();
    for line in ["plan", "apply"] {
        let seen = trees.run(line);
        assert!(seen.code != 0 && seen.code != 3, "{}", seen.text());
        assert!(seen.stderr.contains("w2"), "{}", seen.text());
        assert!(seen.stderr.contains("hint: "), "{}", seen.text());
    }
    trees.look().is(&before, "nothing was changed");
    assert!(!trees.root().join("rotation").exists());
}

#[test]
fn one_that_is_lost_on_the_way_is_waited_for() {
    let trees = Trees::new(SMALL);
    trees.run("apply --until accept").ends(0, &[]);
    let (there, away) = (trees.root().join("w1"), trees.root().join("away"));
    fs::rename(&there, &away).unwrap();
    // An empty directory is a machine whose disk was lost.
    fs::create_dir(&there).unwrap();
    let first = trees.text("m1:/etc/kubernetes/pki/ca.crt");
    for line in ["apply", "rollback", "finish"] {
        let seen = trees.run(line);
        assert_eq!(seen.code, 4, "{line}: {}", seen.text());
        assert!(seen.stderr.contains("w1"), "{line}: {}", seen.text());
    }
    assert_eq!(trees.text("m1:/etc/kubernetes/pki/ca.crt"), first, "nothing was changed");
    fs::remove_dir_all(&there).unwrap();
    fs::rename(&away, &there).unwrap();
    trees.run("apply").ends(0, &["finish"]);
    trees.run("finish").ends(0, &["the old generation is trusted nowhere"]);
}
