//! `check --watch`: what came and what went, until somebody asks to stop.

use crate::world::{Set, TOOL, World};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

#[test]
fn what_comes_and_goes_is_told_until_ctrl_c() {
    let world = World::new(&["n1"]);
    let set = Set::new();
    world.minion("n1", &set);
    let root = format!("n1={}", world.directory().join("n1").display());
    let file = world.directory().join("figures.prom");
    let mut child = Command::new(TOOL)
        .args(["check", "--watch", "1s", "--warn", "0d", "--critical", "0d", "--root", &root])
        .arg("--textfile")
        .arg(&file)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(said.next().unwrap().unwrap().contains("nothing was found"));
    assert_eq!(said.next().unwrap().unwrap(), "the next look is in 1 s; Ctrl-C ends this");
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || told.next().unwrap().unwrap();
    let kept = std::fs::read_to_string(world.path("n1:/srv/kubernetes/ca.crt")).unwrap();
    world.remove("n1:/srv/kubernetes/ca.crt");
    assert_eq!(
        next(),
        "n1:/srv/kubernetes/ca.crt: error: there is no cluster CA here [place-absent]"
    );
    assert!(next().starts_with("    on n1: restore /srv/kubernetes/ca.crt"));
    let figures = std::fs::read_to_string(&file).unwrap();
    assert!(figures.contains("place-absent"), "{figures}");
    world.write("n1:/srv/kubernetes/ca.crt", &kept);
    assert_eq!(next(), "n1:/srv/kubernetes/ca.crt: gone [place-absent]");
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn only_formats_that_can_follow_are_taken() {
    let world = World::new(&["n1"]);
    for (line, word) in [
        ("check --watch 1s -o sarif", "with `-o text` or `-o json`"),
        ("check --watch 100ms", "looks are at least `1s` apart"),
        ("check --watch soon", "`soon` is not a duration"),
        ("check --watch 1s --html p.html", "cannot be used with"),
    ] {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let outcome = world.tool(&words);
        assert_eq!(outcome.code, 2, "{}", outcome.text());
        assert!(outcome.stderr.contains(word), "{line}: {}", outcome.stderr);
    }
}
