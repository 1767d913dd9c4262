//! Signals and kills: whatever happens to a run, the next one does what is left.

use super::sandbox;
use crate::harness::accounts::{self, World};
use crate::harness::sandbox::{RESET, Sandbox};
use crate::harness::{Case, Need, cases, files};
use rustix::process::Signal;
use std::process::{Command, Stdio};
use std::time::Duration;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        ctrl_c_empties_nothing_more_and_the_next_run_finishes;
        killed_after_every_journal_entry_the_next_run_finishes: Need::Program("strace", "strace");
        killed_while_replacing_no_secret_is_lost: Need::Program("strace", "strace");
        killed_while_revoking_nothing_is_revoked_twice: Need::Program("strace", "strace");
        a_canary_that_a_kill_left_is_taken_away_by_the_next_run;
        a_second_run_at_the_same_time_is_refused;
    ]
}

fn ctrl_c_empties_nothing_more_and_the_next_run_finishes() {
    let world = accounts::start();
    for number in 0..40 {
        accounts::put_token(&world.api, "default", "default", &format!("many-{number:02}"));
    }
    let many = |n: u32| world.key("default", &format!("many-{n:02}"));
    crate::harness::until("they are filled", || (0..40).all(|n| many(n) == "old"));
    world.rotate();
    world.controller.change(|c| c.delay = Duration::from_millis(50));
    let sandbox = sandbox(&world);
    let mut running = sandbox.start("-n default --recycle none --yes");
    running.wait_for("emptied");
    running.signal(Signal::INT);
    let outcome = running.end();
    outcome.exits(130).says("interrupted");
    let left = (0..40).filter(|n| many(*n) == "old").count();
    assert!(left > 0, "{}", outcome.text());
    world.controller.change(|c| c.delay = Duration::ZERO);
    sandbox.run("-n default --recycle none --yes").exits(0);
    assert!((0..40).all(|n| many(n) == "new"));
}

/// Runs the tool and kills it when it makes its Nth write durable. Its exit code, if it came to its end before.
fn killed(sandbox: &Sandbox, line: &str, nth: u32) -> Option<i32> {
    let mut command = Command::new("strace");
    sandbox.prepare(&mut command);
    command
        .args(["-f", "-qqq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e"])
        .arg(format!("inject=fdatasync,fsync:signal=KILL:when={nth}"))
        .arg(RESET)
        .args(line.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().unwrap().code()
}

fn killed_after_every_journal_entry_the_next_run_finishes() {
    for nth in 1..100 {
        let world = accounts::start();
        let (pods, secrets) = (world.uids("pods"), world.uids("secrets"));
        world.rotate();
        let sandbox = sandbox(&world);
        if killed(&sandbox, "--yes", nth) == Some(0) {
            assert!(nth > 9, "there are more entries than {nth}");
            return;
        }
        let outcome = sandbox.run("--yes");
        outcome.exits(0);
        assert_eq!(world.keys(), ["new", "new", "new", "new"], "kill {nth}:\n{}", outcome.text());
        assert_eq!(world.uids("secrets"), secrets, "kill {nth}");
        assert!(world.uids("pods").is_disjoint(&pods), "kill {nth}:\n{}", outcome.text());
        world.api.forget();
        sandbox.run("--yes").exits(0).says("nothing to reset");
        assert!(world.api.changes().is_empty(), "kill {nth}: {:?}", world.changes());
    }
    panic!("it never came to its end");
}

fn immutable(world: &World) {
    for (namespace, _, name, _) in accounts::TOKENS {
        world.api.change("secrets", namespace, name, |s| s["immutable"] = true.into());
    }
}

fn killed_while_replacing_no_secret_is_lost() {
    for nth in 1..120 {
        let world = accounts::start();
        immutable(&world);
        world.rotate();
        let sandbox = sandbox(&world);
        let ended = killed(&sandbox, "--yes -n default", nth);
        if ended == Some(0) {
            return;
        }
        for path in files(&sandbox.state()).iter().filter(|p| p.is_file()) {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "kill {nth}: {}", path.display());
        }
        let outcome = sandbox.run("--yes -n default");
        outcome.exits(0);
        assert_eq!(
            world.key("default", "deployer-by-hand"),
            "new",
            "kill {nth}:\n{}",
            outcome.text()
        );
        let account = world.api.get("serviceaccounts", "default", "default").unwrap();
        let listed = account["secrets"][0]["name"].as_str().unwrap_or_default().to_owned();
        assert_eq!(world.key("default", &listed), "new", "kill {nth}:\n{}", outcome.text());
        // No more of them than before: two, and those of other types.
        let tokens = world.api.all("secrets").into_iter().filter(|s| {
            s["metadata"]["namespace"] == "default"
                && s["type"] == "kubernetes.io/service-account-token"
        });
        assert_eq!(tokens.count(), 2, "kill {nth}:\n{}", outcome.text());
        sandbox.run("--yes -n default").exits(0).says("nothing to reset");
    }
    panic!("it never came to its end");
}

fn killed_while_revoking_nothing_is_revoked_twice() {
    for nth in 1..120 {
        let world = accounts::start();
        let old = world.token("default", "default-token-aaaaa").unwrap();
        let sandbox = sandbox(&world);
        let line = "--revoke --yes -n default --service-account default";
        let ended = killed(&sandbox, line, nth);
        if ended == Some(0) {
            return;
        }
        // Killed with its last entry written: all was done, and the next run is a revocation of its own.
        let complete = files(&sandbox.state()).iter().any(|path| {
            std::fs::read_to_string(path)
                .is_ok_and(|text| text.contains(r#""kind":"end","exit":0"#))
        });
        let outcome = sandbox.run(line);
        outcome.exits(0);
        assert!(!world.accepts(&old), "kill {nth}:\n{}", outcome.text());
        if complete {
            continue;
        }
        // One new secret, whoever of the two made it.
        let made = world.api.requests().into_iter().filter(|r| {
            r.method == "POST"
                && r.path == "/api/v1/namespaces/default/secrets"
                && r.body.contains("rotation-tools/replaces")
        });
        let names: std::collections::BTreeSet<String> = made
            .map(|r| r.json()["metadata"]["name"].as_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(names.len(), 1, "kill {nth}: {names:?}\n{}", outcome.text());
    }
    panic!("it never came to its end");
}

fn a_canary_that_a_kill_left_is_taken_away_by_the_next_run() {
    let world = accounts::start();
    world.rotate();
    world.controller.change(|c| c.stopped = true);
    let sandbox = sandbox(&world);
    let running = sandbox.start("--yes");
    crate::harness::until("the canary is there", || {
        world.api.all("secrets").iter().any(|s| s.to_string().contains("canary"))
    });
    running.signal(Signal::KILL);
    assert_eq!(running.end().code, None);
    world.controller.change(|c| c.stopped = false);
    sandbox.run("--yes").exits(0);
    for resource in ["serviceaccounts", "secrets"] {
        let left: Vec<String> = world
            .api
            .all(resource)
            .iter()
            .filter(|o| o.to_string().contains("canary"))
            .map(ToString::to_string)
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn a_second_run_at_the_same_time_is_refused() {
    let world = accounts::start();
    world.rotate();
    // The first one cannot end.
    world.controller.change(|c| _ = c.stuck.insert("deployer-by-hand".to_owned()));
    let sandbox = sandbox(&world);
    let mut first = sandbox.start("--yes --recycle none");
    first.wait_for("deployer-by-hand (default): emptied");
    let pid = first.pid().to_string();
    sandbox.run("--yes").exits(4).says(&pid);
    world.controller.change(|c| c.stuck.clear());
    first.wait_for("proven to work");
    first.end().exits(0);
}
