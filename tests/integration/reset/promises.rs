//! What is promised of the command, seen from outside.

use super::sandbox;
use crate::harness::accounts;
use crate::harness::sandbox::{RESET, Sandbox};
use crate::harness::{Case, cases, files};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use double::Recorded;
use schema::Schema;
use std::os::unix::fs::PermissionsExt as _;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        dry_run_in_every_spelling_changes_nothing;
        without_yes_nothing_is_changed;
        wrong_words_are_usage_errors_and_nothing_is_asked;
        checking_sends_gets_and_reviews_only;
        no_token_byte_is_anywhere;
        every_change_is_bound_to_what_was_seen;
        files_are_for_their_owner_alone;
        other_secrets_are_never_read_or_touched;
        documents_have_their_schemas;
    ]
}

fn is_dry(request: &Recorded) -> bool {
    let body = request.json();
    request.query.contains("dryRun=All")
        || body["dryRun"].is_array()
        || body["deleteOptions"]["dryRun"].is_array()
}

fn dry_run_in_every_spelling_changes_nothing() {
    let world = accounts::start();
    world.rotate();
    let sandbox = sandbox(&world);
    for spelling in ["--dry-run", "--dry-run=client", "--dry-run=server"] {
        for output in ["", "-q", "-o name", "-o json", "--output=yaml"] {
            for line in [
                format!("{spelling} {output}"),
                format!("--yes {spelling} {output}"),
                format!("{output} --yes --mode replace -n default {spelling}"),
            ] {
                world.api.forget();
                sandbox.run(&line).exits(3);
                let changes: Vec<String> =
                    world.api.changes().iter().filter(|r| !is_dry(r)).map(Recorded::line).collect();
                assert!(changes.is_empty(), "{line}: {changes:?}");
                assert!(!sandbox.state().exists(), "{line}");
            }
        }
    }
    assert_eq!(world.keys(), ["old", "old", "old", "old"]);
}

fn without_yes_nothing_is_changed() {
    let world = accounts::start();
    world.rotate();
    let sandbox = sandbox(&world);
    sandbox.run("").exits(4).says("not on a terminal, and no --yes; nothing was changed");
    assert!(world.api.changes().is_empty(), "not even a canary: {:?}", world.api.changes());
    assert!(!sandbox.state().exists());
}

fn wrong_words_are_usage_errors_and_nothing_is_asked() {
    let world = accounts::start();
    let sandbox = sandbox(&world);
    for line in [
        "--yes --dryrun",
        "--yes --mode delete",
        "--yes --recycle all",
        "--yes --allow everything",
        "--yes --allow bare",
        "--yes --timeout soon",
        "--yes -l a=(b",
        "--yes -l=",
        "--yes --revoke --mode refill",
        "-f plan.json --all --yes",
        "check --yes",
        "restore",
    ] {
        sandbox.run(line).exits(2);
        assert!(world.api.requests().is_empty(), "{line}");
    }
}

fn checking_sends_gets_and_reviews_only() {
    let world = accounts::start();
    world.rotate();
    let sandbox = sandbox(&world);
    for line in [
        "check",
        "check -A -o wide",
        "check -o json",
        "check -n default deployer-by-hand",
        "--help",
        "--version",
    ] {
        world.api.forget();
        sandbox.run(line);
        for request in world.api.requests() {
            assert!(
                request.method == "GET" || request.path.ends_with("reviews"),
                "{line}: {}",
                request.line()
            );
        }
    }
    assert!(!sandbox.state().exists());
}

fn no_token_byte_is_anywhere() {
    let world = accounts::start();
    let sandbox = sandbox(&world);
    let mut tokens: Vec<String> = Vec::new();
    let mut collect = || {
        for secret in world.api.all("secrets") {
            if let Some(text) = secret["data"]["token"].as_str() {
                tokens.push(text.to_owned());
                tokens.push(String::from_utf8(STANDARD.decode(text).unwrap()).unwrap());
            }
        }
    };
    collect();
    let mut said = String::new();
    let mut run = |line: &str| {
        let outcome = sandbox.run(line);
        said.extend([outcome.stdout, outcome.stderr]);
    };
    run("check -A -o json -v 9");
    world.rotate();
    run("check -A -o wide -v 9 --log-file log.jsonl");
    run("--dry-run=server -o yaml -v 9");
    run("--yes -v 9 --log-file log.jsonl -o json");
    run("--revoke --all --yes -n kube-system -v 9 --log-file log.jsonl --no-backup");
    // Refused by the server, which quotes what it was shown.
    world.api.accept(&["nothing"]);
    run("--yes -v 9 -o json");
    run("check -o yaml -v 9");
    collect();
    for path in files(&sandbox.path("")).iter().filter(|p| p.is_file()) {
        said.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
    }
    assert!(
        said.contains("\"kind\":\"intent\"") && said.contains("POST /apis/authentication"),
        "{said}"
    );
    assert!(tokens.len() > 8);
    for token in &tokens {
        // Neither the whole, nor the part that proves it.
        let signature = token.rsplit('.').next().unwrap();
        for secret in [token.as_str(), &token[..token.len() / 2], signature] {
            assert!(
                secret.len() < 16 || !said.contains(secret),
                "a token is in what was said or kept"
            );
        }
    }
    // The process itself: no dump of its memory, nothing on its command line.
    world.api.accept(&["new"]);
    world.controller.change(|c| c.stopped = true);
    world.api.forget();
    let another = Sandbox::with(&world.api.kubeconfig()).of(RESET);
    let mut running = another.start("--revoke --all --yes --timeout 30s");
    crate::harness::until("it waits for the canary", || {
        world.api.changes().iter().any(|r| r.body.contains("kubernetes.io/service-account-token"))
    });
    let of = |name: &str| {
        std::fs::read_to_string(format!("/proc/{}/{name}", running.pid())).unwrap_or_default()
    };
    let limits = of("limits");
    let core =
        limits.lines().find(|l| l.starts_with("Max core file size")).unwrap_or_default().to_owned();
    assert!(core.split_whitespace().nth(4) == Some("0"), "{core}");
    let command = of("cmdline");
    assert!(tokens.iter().all(|token| !command.contains(token)));
    running.signal(rustix::process::Signal::INT);
    running.wait_for("interrupted before anything was reset");
    running.end().exits(130);
}

fn every_change_is_bound_to_what_was_seen() {
    let world = accounts::start();
    world.api.change("secrets", "default", "default-token-aaaaa", |s| s["immutable"] = true.into());
    world.rotate();
    sandbox(&world).run("--yes").exits(0);
    let mut seen = std::collections::BTreeSet::new();
    for request in world.api.changes() {
        let body = request.json();
        match request.method.as_str() {
            "DELETE" => assert!(body["preconditions"]["uid"].is_string(), "{}", request.line()),
            "PATCH" => {
                assert!(body["metadata"]["uid"].is_string(), "{}", request.line());
                assert!(body["metadata"]["resourceVersion"].is_string(), "{}", request.line());
            }
            "POST" if request.path.ends_with("/eviction") => {
                assert!(
                    body["deleteOptions"]["preconditions"]["uid"].is_string(),
                    "{}",
                    request.line()
                );
            }
            "POST" => {}
            other => panic!("{other} {}", request.path),
        }
        seen.insert(request.method);
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

fn files_are_for_their_owner_alone() {
    let world = accounts::start();
    world.api.change("secrets", "default", "deployer-by-hand", |s| s["immutable"] = true.into());
    world.rotate();
    let sandbox = sandbox(&world);
    sandbox.run("--yes --log-file log.jsonl").exits(0);
    let mine = files(&sandbox.state());
    assert!(mine.iter().any(|p| p.extension().is_some_and(|e| e == "backup")), "{mine:?}");
    for path in mine.iter().chain([&sandbox.state(), &sandbox.path("log.jsonl")]) {
        let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if path.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
    }
}

fn other_secrets_are_never_read_or_touched() {
    let world = accounts::start();
    world.rotate();
    let others = |world: &accounts::World| {
        let all = world.api.all("secrets");
        all.into_iter()
            .filter(|s| s["type"] != "kubernetes.io/service-account-token")
            .collect::<Vec<_>>()
    };
    let before = others(&world);
    let sandbox = sandbox(&world);
    sandbox.run("-A --yes").exits(0);
    sandbox.run("-A --mode replace --all --yes").exits(0);
    assert_eq!(others(&world), before);
    for request in world.api.requests() {
        for name in ["web-tls", "registry", "bootstrap-token", "sh.helm"] {
            assert!(!request.path.contains(name), "{}", request.line());
        }
        // Lists of other types ask for a table, which has no content.
        if request.query.contains("type%21%3D") {
            assert!(request.headers["accept"].contains("as=Table"), "{:?}", request.headers);
        }
    }
}

fn documents_have_their_schemas() {
    let world = accounts::start();
    world.api.change("secrets", "default", "deployer-by-hand", |s| s["immutable"] = true.into());
    world.rotate();
    let sandbox = sandbox(&world);
    let accept = |name: &str, value: &serde_json::Value| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join(format!("docs/schemas/{name}.schema.json"));
        Schema::closed(&std::fs::read_to_string(path).unwrap()).accept(value);
    };
    accept("token-check", &sandbox.run("check -A -o json").json());
    accept("plan", &sandbox.run("--dry-run -o json").json());
    let result = sandbox.run("--yes -o json").json();
    assert_eq!(result["schemaVersion"], "rotation/reset-result/v1");
    accept("reset-result", &result);
    for path in sandbox.journals() {
        for line in std::fs::read_to_string(path).unwrap().lines() {
            accept("journal", &serde_json::from_str(line).unwrap());
        }
    }
}
