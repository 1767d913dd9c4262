//! What is promised of every command, seen from outside by a server that records what it is asked.

use crate::harness::outcome::Outcome;
use crate::harness::sandbox::Sandbox;
use crate::harness::{Case, cases, files, world};
use double::Api;
use snapbox::str;
use std::os::unix::fs::PermissionsExt as _;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        dry_run_in_every_spelling_changes_nothing;
        unknown_flags_are_usage_errors_and_nothing_is_asked;
        what_is_wrong_with_the_command_line_is_said_before_anything_is_asked;
        without_a_terminal_and_without_yes_nothing_is_changed;
        commands_that_only_read_send_gets;
        every_change_carries_the_uid;
        files_are_for_their_owner_alone;
        times_of_a_run_never_go_back;
        no_escape_bytes_off_a_terminal;
        remote_text_is_cleaned;
    ]
}

fn sandbox(api: &Api) -> Sandbox {
    Sandbox::with(&api.kubeconfig())
}

fn said(outcome: &Outcome) -> String {
    format!("{}{}", outcome.stdout, outcome.stderr)
}

/// Peers deleted for real where an unknown word stood before the flag, or where `-q` stood beside it.
fn dry_run_in_every_spelling_changes_nothing() {
    let api = world::start();
    let sandbox = sandbox(&api);
    for spelling in ["--dry-run", "--dry-run=client", "--dry-run=server"] {
        for quiet in ["", "-q", "--quiet"] {
            for output in ["", "-o name", "-o wide", "-ojson", "--output=yaml"] {
                for (line, yes) in [
                    (format!("dns kube2iam {spelling} {quiet} {output}"), false),
                    (format!("{spelling} {quiet} dns kube2iam {output} --yes"), true),
                    (format!("{output} {quiet} --yes {spelling} dns kube2iam"), true),
                ] {
                    api.forget();
                    let outcome = sandbox.run(&line);
                    outcome.exits(3);
                    let changes: Vec<_> = api
                        .changes()
                        .into_iter()
                        .filter(|r| !(spelling.ends_with("server") && is_dry(r)))
                        .map(|r| r.line())
                        .collect();
                    assert!(changes.is_empty(), "{line} ({yes}): {changes:?}");
                    assert!(!sandbox.state().exists(), "{line}: {:?}", files(&sandbox.state()));
                }
            }
        }
    }
    // `--dry-run client` is a dry run of a target that does not exist, as kubectl has it, and never a real run.
    for line in ["dns --dry-run client --yes", "--yes --dry-run server dns"] {
        api.forget();
        sandbox.run(line).exits(2);
        assert!(api.requests().is_empty(), "{line}");
    }
}

/// A request that the server is asked not to carry out.
fn is_dry(request: &double::Recorded) -> bool {
    let body = request.json();
    let dry = |options: &serde_json::Value| options["dryRun"] == serde_json::json!(["All"]);
    dry(&body) || dry(&body["deleteOptions"])
}

fn unknown_flags_are_usage_errors_and_nothing_is_asked() {
    let api = world::start();
    let sandbox = sandbox(&api);
    for line in [
        "dns --yes --dryrun",
        "--dryrun dns --yes",
        "dns --yes --dry-run=true",
        "dns --yes --dry-run=",
        "dns --yes --no-such-flag --dry-run",
        "dns --yes -x",
        "dns --yes --timeout",
        "dns --yes --timeout=soon",
        "dns --yes --max-unavailable=some",
        "dns --yes --max-failures=0",
        "dns --yes --strategy=kill",
        "dns --yes --allow everything",
        "dns --yes -o jsonpath={.x}",
        "dns --yes --since yesterday",
    ] {
        sandbox.run(line).exits(2);
        assert!(api.requests().is_empty(), "{line}");
        assert!(!sandbox.state().exists(), "{line}");
    }
}

fn what_is_wrong_with_the_command_line_is_said_before_anything_is_asked() {
    let api = world::start();
    let sandbox = sandbox(&api);
    for (line, words) in [
        ("--yes", "nothing is named to recycle"),
        ("-A --yes", "nothing is named to recycle"),
        ("-l= --yes", "selector"),
        ("kube-dns --yes", "there is no preset `kube-dns`"),
        ("node/n --yes", "`node/n`"),
        ("deployment/ --yes", "names nothing"),
        ("dns -l a=b --yes", "two ways"),
        ("dns stale --yes", "two ways"),
        ("stale --node n --yes", "two ways"),
        ("-l a=(b --yes", "selector"),
        ("dns --presets missing.toml --yes", "missing.toml"),
        ("dns -f plan.json --yes", "cannot be used with"),
    ] {
        let outcome = sandbox.run(line);
        assert!(outcome.code == Some(2) || line.contains("missing"), "{line}: {}", outcome.text());
        assert!(
            outcome.stderr.contains(words) || words == "`node/n`",
            "{line}: {}",
            outcome.text()
        );
        assert!(outcome.stdout.is_empty(), "{line}: {}", outcome.text());
        assert!(api.requests().is_empty(), "{line}");
    }
}

fn without_a_terminal_and_without_yes_nothing_is_changed() {
    let api = world::start();
    let sandbox = sandbox(&api);
    sandbox.run("dns").is(str![[r#"
exit 4
--- stdout
--- stderr
error: cannot ask whether to recycle 2 pods: not on a terminal, and no --yes; nothing was changed
hint: look at what would be done with --dry-run, then run it again with --yes

"#]]);
    assert!(api.changes().is_empty(), "{:?}", api.changes());
    assert!(!sandbox.state().exists());
}

fn commands_that_only_read_send_gets() {
    let api = world::start();
    let sandbox = sandbox(&api);
    for line in [
        "presets",
        "presets -o wide",
        "presets -o json",
        "presets -o name",
        "--version",
        "--help",
        "completion bash",
    ] {
        api.forget();
        sandbox.run(line).exits(0);
        let other: Vec<_> =
            api.requests().into_iter().filter(|r| r.method != "GET").map(|r| r.line()).collect();
        assert!(other.is_empty(), "{line}: {other:?}");
        assert!(!sandbox.state().exists(), "{line}");
        if !line.starts_with("presets") || line.ends_with("name") {
            assert!(api.requests().is_empty(), "{line} asks nobody");
        }
    }
    // A run that is not confirmed asks for its rights and no more.
    api.forget();
    sandbox.run("dns kube2iam stale-not").exits(2);
    sandbox.run("dns kube2iam").exits(4);
    for request in api.requests() {
        assert!(
            request.method == "GET" || request.path.ends_with("/selfsubjectaccessreviews"),
            "{}",
            request.line()
        );
    }
}

fn every_change_carries_the_uid() {
    let api = world::start();
    let sandbox = sandbox(&api);
    sandbox.run("dns kube2iam --yes").exits(0);
    sandbox.run("dns --all --strategy delete --yes").exits(0);
    let changes = api.changes();
    assert_eq!(changes.len(), 6, "{changes:?}");
    for request in changes {
        let body = request.json();
        let options =
            if request.path.ends_with("/eviction") { &body["deleteOptions"] } else { &body };
        let uid = options["preconditions"]["uid"].as_str().unwrap_or_default();
        assert!(uid.starts_with("uid-"), "{}: {}", request.line(), request.body);
    }
}

fn files_are_for_their_owner_alone() {
    let api = world::start();
    let sandbox = sandbox(&api);
    sandbox.run("dns --yes --log-file log.jsonl").exits(0);
    let found = files(&sandbox.path(""));
    let mine: Vec<_> = found.iter().filter(|p| p.starts_with(sandbox.state())).collect();
    assert!(mine.len() >= 5, "{mine:?}");
    for path in mine.into_iter().chain([&sandbox.state(), &sandbox.path("log.jsonl")]) {
        let mode = std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let wanted = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode, wanted, "{}: {mode:o}", path.display());
    }
}

/// The server's clock and this machine's are seldom the same: one of them tells all of a run.
fn times_of_a_run_never_go_back() {
    let api = world::start();
    let sandbox = sandbox(&api);
    for run in 0..8 {
        // Each run begins in another part of a second, which a server's date does not have.
        std::thread::sleep(std::time::Duration::from_millis(130));
        let log = format!("{run}.jsonl");
        sandbox.run(&format!("dns --yes --all --log-file {log}")).exits(0);
        let text = std::fs::read_to_string(sandbox.path(&log)).unwrap();
        let at = |line: &str| -> jiff::Timestamp {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["at"].as_str().unwrap().parse().unwrap()
        };
        let times: Vec<_> = text.lines().map(at).collect();
        assert!(times.len() > 3 && times.is_sorted(), "{text}");
    }
}

fn no_escape_bytes_off_a_terminal() {
    let api = world::start();
    let sandbox = sandbox(&api);
    for line in [
        "presets",
        "dns --dry-run",
        "dns --dry-run -o wide",
        "dns --yes",
        "dns --all --yes -v 9",
        "nothing --yes",
        "--help",
        "deployment/none --yes",
    ] {
        let outcome = sandbox.run(line);
        assert!(!said(&outcome).contains('\u{1b}'), "{line}: {}", outcome.text());
        // Nor where they are forbidden.
        let mut command = sandbox.command(&line.split(' ').collect::<Vec<_>>());
        let outcome = sandbox.outcome(command.env("NO_COLOR", "1").env("CLICOLOR_FORCE", "1"));
        assert!(!said(&outcome).contains('\u{1b}'), "{line}: {}", outcome.text());
    }
}

fn remote_text_is_cleaned() {
    let api = world::start();
    let hostile = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}evil\r\nroot@host:~# ";
    api.fault(
        double::Fault::on("POST", "/api/v1/namespaces/kube-system/pods")
            .answer(
                403,
                serde_json::json!({"kind": "Status", "status": "Failure", "reason": "Forbidden",
                "message": format!("no {hostile} rights"), "code": 403})
                .to_string(),
            )
            .always(),
    );
    let sandbox = sandbox(&api);
    for line in ["dns --yes", "dns --yes -o json", "dns --dry-run=server", "dns --yes -v 9"] {
        let outcome = sandbox.run(line);
        assert!(
            outcome.stderr.contains("evil") && outcome.stderr.contains("no "),
            "{line}: {}",
            outcome.text()
        );
        let dirty = said(&outcome)
            .chars()
            .any(|c| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c));
        assert!(!dirty, "{line}: {:?}", said(&outcome));
        assert!(!outcome.stderr.contains("\nroot@host"), "{line}: {}", outcome.text());
    }
}
