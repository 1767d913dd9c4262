//! A lab whose maker was killed is gone after the next start, and another's is not touched.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use lab::process::{Record, records};

fn command(state: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(words).env("XDG_STATE_HOME", state).stdin(Stdio::null());
    command
}

fn run(state: &Path, words: &[&str]) -> Output {
    command(state, words).output().unwrap()
}

/// Waits until the lab has started its API server, then kills whoever is bringing it up.
fn killed_half_way(state: &Path, name: &str) -> Vec<Record> {
    let mut maker: Child =
        command(state, &["up", "--name", name]).stderr(Stdio::null()).spawn().unwrap();
    let dir = state.join("rotation-lab").join(name);
    let limit = Instant::now() + Duration::from_mins(20);
    loop {
        let found = records(&dir).unwrap();
        if found.iter().any(|record| record.name == "kube-apiserver") {
            maker.kill().unwrap();
            maker.wait().unwrap();
            return found;
        }
        assert!(maker.try_wait().unwrap().is_none(), "`lab up` ended by itself");
        assert!(Instant::now() < limit, "the API server was never started");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_a_killed_maker_left_is_swept_at_the_next_start() {
    let state = tempfile::tempdir().unwrap();
    let left = killed_half_way(state.path(), "killed");
    assert!(left.iter().all(|record| record.identity.alive()), "nothing was left to sweep");
    let status = run(state.path(), &["status"]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("owner gone"));

    let up = run(state.path(), &["up", "--name", "next", "--nodes", "1"]);
    let said = String::from_utf8_lossy(&up.stderr).into_owned();
    assert!(up.status.success(), "{said}");
    assert!(said.contains("is gone: stopping what it left"), "{said}");
    assert!(left.iter().all(|record| !record.identity.alive()), "still there");
    assert!(!state.path().join("rotation-lab/killed").exists());
    // stdout is the kubeconfig's path and nothing else.
    let path = String::from_utf8(up.stdout).unwrap();
    assert_eq!(Path::new(path.trim_end()), state.path().join("rotation-lab/next/admin.conf"));

    // One that was brought up as a lab of its own outlives its maker.
    let exec = run(
        state.path(),
        &["exec", "--name", "next", "--", "kubectl", "get", "nodes", "--output=name"],
    );
    assert_eq!(String::from_utf8_lossy(&exec.stdout), "node/node-0\n");
    let code = run(state.path(), &["exec", "--name", "next", "--", "sh", "-c", "exit 7"]);
    assert_eq!(code.status.code(), Some(7));
    let logs = run(state.path(), &["logs", "--name", "next", "etcd"]);
    assert!(!logs.stdout.is_empty());
    assert!(run(state.path(), &["down", "--name", "next"]).status.success());
    assert!(records(&state.path().join("rotation-lab/next")).unwrap().is_empty());
}

#[test]
fn wrong_input_is_named_with_the_next_command() {
    let state = tempfile::tempdir().unwrap();
    let said = |words: &[&str]| {
        let output = run(state.path(), words);
        assert!(!output.status.success() && output.stdout.is_empty(), "{words:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert_eq!(
        said(&["down"]),
        "error: no lab is called \"default\": start one with `cargo lab up`\n"
    );
    assert!(said(&["up", "--name", "../x"]).contains("use at most 40 of a-z, 0-9 and -"));
    assert!(said(&["up", "--api-servers", "0"]).contains("use 1 to 9"));
    assert!(said(&["up", "--kubernetes", "1.2"]).contains("1.36, or old"));
    assert!(said(&["kubeconfig", "--name", "nowhere"]).contains("cargo lab up"));
    assert_eq!(
        fs::read_dir(state.path().join("rotation-lab"))
            .unwrap()
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .count(),
        0
    );
}

#[test]
fn verbs_rotate_slow_and_ask() {
    let state = tempfile::tempdir().unwrap();
    let run = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let output = run(state.path(), &words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{line}: {said}");
        (String::from_utf8(output.stdout).unwrap(), said)
    };
    run("up --name v --kubernetes old --nodes 1 --world");
    run("tokens --name v");
    run("tokens --name v --awkward default --namespaces 2");
    let (table, _) = run("inside --name v");
    assert!(table.starts_with("NAMESPACE "), "{table}");
    let canal = |table: &str| {
        let line = table.lines().find(|line| line.contains(" canal-")).unwrap();
        line.split("  ")
            .filter(|cell| !cell.is_empty())
            .skip(3)
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(", ")
    };
    assert_eq!(canal(&table), "accepted, accepted");
    let (_, said) = run("rotate signing-key --name v --keep-old");
    assert!(said.contains("signed with key-1, those before are accepted"), "{said}");
    assert_eq!(canal(&run("inside --name v").0), "accepted, accepted");
    run("rotate signing-key --name v");
    run("rotate signing-key --name v");
    assert_eq!(canal(&run("inside --name v").0), "refused, refused");
    run("slow --name v");
    run("stop --name v kube-controller-manager");
    run("start --name v kube-controller-manager");
    run("freeze --name v kube-controller-manager");
    run("thaw --name v kube-controller-manager");
    run("rotate root-ca --name v --publish both");
    // The controller manager writes the CA into token secrets a little after it publishes it. What pods read at their
    // start outlives the command that looked.
    let begun = Instant::now();
    let seen = loop {
        let seen = canal(&run("inside --name v").0);
        if seen == "server not trusted, refused" || begun.elapsed() > Duration::from_mins(2) {
            break seen;
        }
        std::thread::sleep(Duration::from_millis(500));
    };
    assert_eq!(seen, "server not trusted, refused");
    let kept = fs::metadata(state.path().join("rotation-lab/v/inside.json")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&kept.permissions()) & 0o777, 0o600);
    run("down --name v");
}
