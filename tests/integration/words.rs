//! What is said: help, version, completion, formats, terminals, and what must never be said.

use crate::harness::sandbox::{Sandbox, TOOL};
use crate::harness::{Case, Need, cases, files, world};
use double::Api;
use serde_json::{Value, json};
use snapbox::str;
use std::process::{Command, Stdio};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        help_fits_eighty_columns;
        version;
        completion_by_the_protocol;
        a_plan_in_every_format;
        a_result_in_every_format;
        narrow_terminals_are_filled_and_not_overrun: Need::Program("script", "bsdutils");
        a_person_is_asked_and_only_yes_is_yes: Need::Program("script", "bsdutils");
        no_secret_is_ever_said_or_kept;
    ]
}

fn sandbox(api: &Api) -> Sandbox {
    Sandbox::with(&api.kubeconfig())
}

fn help_fits_eighty_columns() {
    let api = world::start();
    let sandbox = sandbox(&api);
    for line in ["--help", "-h", "presets --help", "completion --help"] {
        let mut command = sandbox.command(&line.split(' ').collect::<Vec<_>>());
        let outcome = sandbox.outcome(command.env("COLUMNS", "80"));
        outcome.exits(0);
        for text in outcome.stdout.lines() {
            assert!(text.chars().count() <= 100, "{line}: {text}");
        }
    }
    let mut command = sandbox.command(&["-h"]);
    sandbox.outcome(command.env("COLUMNS", "80")).is(str![[r#"
exit 0
--- stdout
Recreate pods that hold stale credentials, and wait until they are really back

Usage: kubectl recycle [OPTIONS] [TARGET]...
       kubectl recycle [OPTIONS] [TARGET]... <COMMAND>

Commands:
  presets  What each preset matches here and now
  completion  Completion for shells and for kubectl
  help  Print this message or the help of the given subcommand(s)

Arguments:
  [TARGET]...  Presets, KIND/NAME, or `stale`

Options:
  -f, --filename <PLAN>  Apply this plan instead of making one; `-` reads
                                it from standard input
      --strategy <STRATEGY>  How pods are made to go [default: auto]
                                [possible values: auto, evict, delete, rollout]
      --max-unavailable <N|N%>  Pods of one workload that may be away at once: a
                                number or a percentage
      --max-failures <N>  Failed pods after which a workload is left, and
                                later phases are not begun [default: 1]
      --grace-period <SECONDS>  Seconds that a pod gets to end; the pod's own by
                                default
      --allow <WHAT>  What would be refused otherwise: bare, jobs,
                                unfit, unreachable, last-ready,
                                unready-over-budget, over-budget, control-plane
      --timeout <DURATION>  Longest wait for one pod: for its budget, and
                                again for its replacement [default: 5m]
      --resolve[=<NAME>]  After DNS pods: ask the DNS Service for this
                                name from here, too; on a node of the cluster
                                that is done anyway
      --dry-run[=<MODE>]  Change nothing: `client` shows what would be
                                done, `server` also lets the server check each
                                change [possible values: none, client, server]
  -y, --yes  Do not ask before changing anything
  -h, --help  Print help (see more with '--help')
  -V, --version  Print version

Selection:
  -A, --all-namespaces[=<BOOL>]
          All namespaces; `-n` then does not matter
  -l, --selector <SELECTOR>
          Labels: `app=a`, `app!=a`, `app in (a,b)`, `app notin (a)`, `app`,
          `!app`; all of them must match
      --node <NODE>
          Pods on this node, in all namespaces unless -n names one
      --all
          Also pods that are fresh, or not known to be stale
      --since <TIME>
          Credentials changed at this time: pods started after it are fresh
      --ignore-not-found
          A target that matches nothing is no error
      --presets <FILE>
          More presets: a TOML file of `[[preset]]` tables, as docs/recycle.md
          describes them

Output:
  -o, --output <FORMAT>  Format of the result: name, wide, json or yaml
  -q, --quiet  Tell failures and warnings only

Connection, as in kubectl:
      --kubeconfig <FILE>  Kubeconfig file; default: the files of `$KUBECONFIG`,
                           else `~/.kube/config`
      --context <NAME>  Context of the kubeconfig
  -n, --namespace <NAME>  Namespace; default: the context's

Examples:
  # For the runbook's grep and xargs: new DNS pods, one at a time
  kubectl recycle dns

  # In a script: presets in their order, no question, an exit code to trust
  kubectl recycle dns kube2iam fluentd --yes

  # What would be done, and why
  kubectl recycle stale -A --dry-run

  # A plan now, the change later: only the pods that the plan names
  kubectl recycle canal --dry-run -o json > plan.json
  kubectl recycle -f plan.json --yes

Exit codes:
  0  done, or nothing to do  4  refused: nothing (more) was changed
  1  unexpected error  5  partly done: run it again
  2  wrong command line  6  done, but not seen to be Ready in time
  3  --dry-run: changes pending  130  interrupted: run it again

Flags stand behind `recycle`: kubectl takes none before a plugin's name.
--- stderr

"#]]);
    assert!(api.requests().is_empty());
}

fn version() {
    let api = world::start();
    sandbox(&api).run("--version").is(str![[r#"
exit 0
--- stdout
kubectl recycle 0.1.0
--- stderr

"#]]);
}

fn completion_by_the_protocol() {
    let api = world::start();
    let sandbox = sandbox(&api);
    let complete = |words: &[&str]| {
        let outcome = sandbox.outcome(&mut sandbox.command(&[&["__complete"], words].concat()));
        outcome.exits(0);
        outcome.stdout
    };
    assert_eq!(
        complete(&["ku"]).lines().map(|l| l.split('\t').next().unwrap_or("")).collect::<Vec<_>>(),
        ["kube-router", "kube-proxy", "kube2iam", ":4"]
    );
    assert!(complete(&["--strat"]).starts_with("--strategy\t"));
    assert!(complete(&["--strategy", ""]).contains("rollout\t"));
    assert!(complete(&["--dry-run="]).contains("server"));
    assert!(complete(&["--no-such-flag", ""]).ends_with('\n'));
    for shell in ["bash", "zsh", "fish"] {
        sandbox.run(&format!("completion {shell}")).exits(0);
    }
    assert!(api.requests().is_empty());
    assert!(!sandbox.state().exists());
}

fn a_plan_in_every_format() {
    let api = world::start();
    let sandbox = sandbox(&api);
    sandbox.run("dns kube2iam --dry-run").is(str![[r#"
exit 3
--- stdout
PHASE  NAMESPACE  NAME  ACTION  REASON
dns  kube-system  coredns-1  evict  preset dns, behind Service `kube-dns`
dns  kube-system  coredns-2  evict  preset dns, behind Service `kube-dns`
node-agents  default  kube2iam-node-1  delete  preset kube2iam, labelled `name=kube2iam`
node-agents  default  kube2iam-node-2  delete  preset kube2iam, labelled `name=kube2iam`
--- stderr
nothing was changed (dry run); run `kubectl recycle dns kube2iam --yes` to do it

"#]]);
    sandbox.run("dns kube2iam --dry-run -o wide --no-headers").is(str![[r#"
exit 3
--- stdout
dns  kube-system  coredns-1  node-1  evict  kube-system/kube-dns (Service)  preset dns, behind Service `kube-dns`
dns  kube-system  coredns-2  node-2  evict  kube-system/kube-dns (Service)  preset dns, behind Service `kube-dns`
node-agents  default  kube2iam-node-1  node-1  delete  default/kube2iam (DaemonSet)  preset kube2iam, labelled `name=kube2iam`
node-agents  default  kube2iam-node-2  node-2  delete  default/kube2iam (DaemonSet)  preset kube2iam, labelled `name=kube2iam`
--- stderr
nothing was changed (dry run); run `kubectl recycle dns kube2iam --yes` to do it

"#]]);
    sandbox.run("dns kube2iam --dry-run -o name").is(str![[r#"
exit 3
--- stdout
pod/coredns-1
pod/coredns-2
pod/kube2iam-node-1
pod/kube2iam-node-2
--- stderr
nothing was changed (dry run); run `kubectl recycle dns kube2iam --yes` to do it

"#]]);
    let json = sandbox.run("dns kube2iam --dry-run -o json");
    let document = json.json();
    assert_eq!(document["schemaVersion"], "rotation/plan/v1");
    assert_eq!(document.pointer("/phases/0/waves/0/steps/0/action/do"), Some(&json!("evictPod")));
    assert!(
        document
            .pointer("/phases/0/waves/0/steps/0/replaces")
            .and_then(Value::as_str)
            .unwrap()
            .contains("grep kube-dns")
    );
    let yaml = sandbox.run("dns kube2iam --dry-run -o yaml");
    assert!(yaml.stdout.starts_with("schemaVersion: rotation/plan/v1\n"), "{}", yaml.text());
}

fn a_result_in_every_format() {
    for (format, first) in [
        ("name", "pod/coredns-1\n"),
        ("json", "{\n"),
        ("yaml", "schemaVersion: rotation/recycle-result/v1\n"),
        ("wide", "NAMESPACE"),
    ] {
        let api = world::start();
        let outcome = sandbox(&api).run(&format!("dns --yes -q -o {format}"));
        outcome.exits(0);
        assert!(outcome.stdout.starts_with(first), "{format}: {}", outcome.text());
        assert_eq!(outcome.stderr, "", "{format}");
    }
    // A script that asks for a document gets one, also where nothing is to be done.
    let api = world::start();
    let sandbox = sandbox(&api);
    sandbox.run("dns --yes").exits(0);
    let document = sandbox.run("dns --yes -o json").json();
    assert_eq!((&document["exitCode"], &document["steps"]), (&json!(0), &json!([])));
}

/// Runs the tool on a terminal of its own.
fn on_terminal(sandbox: &Sandbox, columns: u32, line: &str, answer: &str) -> (Option<i32>, String) {
    use std::io::Write as _;
    let mut command = Command::new("script");
    sandbox.prepare(&mut command);
    let inner = format!("stty cols {columns} rows 24; exec {TOOL} {line}");
    command.args(["-qec", &inner, "/dev/null"]).env("TERM", "xterm").env("SHELL", "/bin/sh");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let answer = answer.to_owned();
    let writer = std::thread::spawn(move || {
        // Held open: the end of the input would be the end of the terminal.
        let _ = stdin.write_all(answer.as_bytes());
        stdin
    });
    let output = child.wait_with_output().unwrap();
    drop(writer.join());
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What is seen, without colours and movements.
fn seen(text: &str) -> String {
    let escape = regex::Regex::new("\u{1b}\\[[0-9;?]*[A-Za-z]").unwrap();
    escape.replace_all(text, "").replace('\r', "")
}

fn narrow_terminals_are_filled_and_not_overrun() {
    for columns in [80, 40] {
        let api = world::start();
        let sandbox = sandbox(&api);
        // Seven columns have no room in forty.
        let lines =
            if columns == 80 { &["presets", "dns --dry-run -o wide"][..] } else { &["presets"] };
        for line in lines {
            let (_, text) = on_terminal(&sandbox, columns, line, "");
            for row in seen(&text)
                .lines()
                .filter(|row| row.starts_with(|c: char| c.is_uppercase() || c == 'd'))
            {
                assert!(row.chars().count() <= columns as usize, "{columns}, {line}: {row}");
            }
        }
        let (code, text) = on_terminal(&sandbox, columns, "dns --yes", "");
        assert_eq!(code, Some(0), "{text}");
        assert!(seen(&text).contains("2 pods recycled and Ready"), "{text:?}");
        let (code, text) = on_terminal(&sandbox, columns, "dns --yes --all --color=never", "");
        assert!(
            code == Some(0) && !text.contains("\u{1b}[3") && !text.contains("\u{1b}[1m"),
            "{text:?}"
        );
    }
}

fn a_person_is_asked_and_only_yes_is_yes() {
    let api = world::start();
    let sandbox = sandbox(&api);
    let (code, text) = on_terminal(&sandbox, 80, "dns", "n\n");
    assert_eq!(code, Some(4), "{text}");
    let text = seen(&text);
    for words in [
        "is about to recycle 2 pods",
        "pod/coredns-1 (kube-system)",
        "context:   double",
        "continue? (y/N)",
        "not confirmed; nothing was changed",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(api.changes().is_empty() && !sandbox.state().exists());
    let (code, text) = on_terminal(&sandbox, 80, "dns", "yes\n");
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(api.changes().len(), 2);
}

fn no_secret_is_ever_said_or_kept() {
    const TOKEN: &str = "hunter2-of-the-kubeconfig";
    let api = world::fill(Api::setup().token(TOKEN));
    // What the cluster hands out, and a pod that holds it.
    let held = "hunter2-of-the-secret";
    api.put(json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"namespace": "default", "name": "default-token-abcde",
            "annotations": {"kubernetes.io/service-account.name": "default"}},
        "data": {"token": "aHVudGVyMi1vZi10aGUtc2VjcmV0", "ca.crt": "aHVudGVyMi1vZi10aGUtc2VjcmV0"}}));
    world::deployment(&api, "default", "app", "app", "app", 1);
    api.change("pods", "default", "app-1", |pod| {
        pod["spec"]["volumes"] =
            json!([{"name": "t", "secret": {"secretName": "default-token-abcde"}}]);
        pod["spec"]["containers"][0]["env"] = json!([{"name": "PASSWORD", "value": held}]);
    });
    let config = double::kubeconfig(&api.url(), "", &format!("token: {TOKEN}"));
    let sandbox = Sandbox::with(&config);
    let mut said = String::new();
    for line in [
        "stale -A --yes -v 9 --log-file log.jsonl -o json",
        "dns kube2iam --yes -v 9 --log-file log.jsonl",
        "deployment/app --yes --all -v 9 -o yaml --log-file log.jsonl",
        "deployment/app --dry-run=server -v 9 -o json",
        "presets -v 9 -o yaml",
        "pod/none --yes -v 9",
        "dns --yes --all --strategy rollout -v 9 --timeout 1s",
    ] {
        let outcome = sandbox.run(line);
        assert!(outcome.stderr.contains("GET /"), "{line}: {}", outcome.text());
        said.extend([outcome.stdout, outcome.stderr]);
    }
    // A kubeconfig that cannot be read, and a token that is refused.
    std::fs::write(sandbox.path("kubeconfig"), config.replace("token:", "\ttoken:")).unwrap();
    said.push_str(&sandbox.run("dns --yes -v 9").stderr);
    said.push_str(
        &sandbox
            .run(&format!(
                "dns --yes -v 9 --kubeconfig /dev/null --server {} --token {TOKEN}x",
                api.url()
            ))
            .stderr,
    );
    for path in files(&sandbox.path("")) {
        if path.is_file() && !path.ends_with("kubeconfig") {
            said.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
        }
    }
    assert!(said.len() > 5000 && said.contains("\"kind\":\"intent\""), "{said}");
    for secret in ["hunter2", "aHVudGVyMi1v"] {
        let at =
            said.find(secret).map(|at| &said[at.saturating_sub(300)..(at + 100).min(said.len())]);
        assert_eq!(at, None, "{secret}");
    }
}
