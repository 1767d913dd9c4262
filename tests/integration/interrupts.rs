//! Signals, kills and broken files: whatever happens to a run, the next one ends what is left.

use crate::harness::labs;
use crate::harness::sandbox::{Sandbox, TOOL};
use crate::harness::{Case, Need, cases, files, until, world};
use double::{Api, Fault};
use lab::world::awkward;
use rustix::process::Signal;
use snapbox::str;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        ctrl_c_once_ends_what_is_under_way_and_the_next_run_finishes;
        ctrl_c_twice_ends_at_once;
        killed_after_every_journal_entry_the_next_run_finishes: Need::Program("strace", "strace");
        killed_between_delete_and_create_a_bare_pod_is_not_lost: Need::Program("strace", "strace");
        a_torn_journal_is_read_in_silence_and_a_damaged_one_with_a_warning;
        a_state_directory_that_cannot_be_written_refuses_before_anything: Need::Root;
        a_full_disk_refuses_before_anything: Need::Root;
        a_second_run_at_the_same_time_is_refused_and_names_the_first;
        a_closed_pipe_is_no_crash;
    ]
}

fn ctrl_c_once_ends_what_is_under_way_and_the_next_run_finishes() {
    let lab = labs::current();
    lab.namespace("ctrl-c", &awkward::slow_to_be_ready(2));
    lab.api.wait_ready("ctrl-c", "app=slow-to-be-ready", 3);
    let before = lab.api.uids("ctrl-c", "app=slow-to-be-ready");
    let sandbox = Sandbox::new(&lab.kubeconfig);
    let mut running = sandbox.start("deploy/slow-to-be-ready -n ctrl-c --yes");
    running.wait_for("evicted");
    running.signal(Signal::INT);
    running.end().is(str![[r#"
exit 130
--- stdout
NAMESPACE  POD  RESULT  REPLACEMENT  TIME
ctrl-c  slow-to-be-ready-[ID]  under way  <none>  <none>
ctrl-c  slow-to-be-ready-[ID]  not begun  <none>  <none>
ctrl-c  slow-to-be-ready-[ID]  not begun  <none>  <none>
--- stderr
[CLOCK] kubectl recycle: recycle 3 pods of kubernetes-admin@lab ([SERVER])
[CLOCK] workloads: 3 steps
[CLOCK] pod/slow-to-be-ready-[ID] (ctrl-c): to be evicted
[CLOCK] pod/slow-to-be-ready-[ID] (ctrl-c): evicted
[CLOCK] pod/slow-to-be-ready-[ID] (ctrl-c): skipped (interrupted): changed, and not looked after any more
[CLOCK] nothing more is begun: interrupted
[CLOCK] workloads: over
[CLOCK] interrupted after [TOOK]: 0 of 3 pods done; run the same command again to go on (journal [JOURNAL])

"#]]);
    // The one that was evicted may still be on its way out.
    until("one of three pods to be gone", || {
        let middle = lab.api.uids("ctrl-c", "app=slow-to-be-ready");
        before.iter().filter(|uid| middle.contains(uid)).count() == 2
    });
    let outcome = sandbox.run("deploy/slow-to-be-ready -n ctrl-c --yes");
    outcome.exits(0);
    let after = lab.api.uids("ctrl-c", "app=slow-to-be-ready");
    assert!(
        after.len() == 3 && before.iter().all(|uid| !after.contains(uid)),
        "{}",
        outcome.text()
    );
    assert_eq!(outcome.lines("to be evicted").len(), 2, "each goes once:\n{}", outcome.text());
}

fn ctrl_c_twice_ends_at_once() {
    let api = world::start();
    // Nothing answers any more: only the second signal can end this.
    api.fault(
        Fault::on("POST", "/api/v1/namespaces/kube-system/pods")
            .delay(std::time::Duration::from_secs(20)),
    );
    let sandbox = Sandbox::with(&api.kubeconfig());
    let mut running = sandbox.start("dns --yes");
    running.wait_for("to be evicted");
    running.signal(Signal::INT);
    std::thread::sleep(std::time::Duration::from_millis(300));
    running.signal(Signal::INT);
    let began = std::time::Instant::now();
    running.end().exits(130);
    assert!(began.elapsed().as_secs() < 15, "it waited for an answer");
}

/// Runs the tool and kills it when it makes its Nth write durable. Whether it came to its end before.
fn killed(sandbox: &Sandbox, line: &str, nth: u32) -> Option<i32> {
    let mut command = Command::new("strace");
    sandbox.prepare(&mut command);
    command
        .args(["-f", "-qqq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e"])
        .arg(format!("inject=fdatasync,fsync:signal=KILL:when={nth}"))
        .arg(TOOL)
        .args(line.split_whitespace())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().unwrap().code()
}

fn killed_after_every_journal_entry_the_next_run_finishes() {
    for nth in 1..100 {
        let api = world::start();
        let uids = || -> Vec<String> {
            let pods = api.all("pods");
            pods.iter()
                .map(|p| p["metadata"]["uid"].as_str().unwrap_or_default().to_owned())
                .collect()
        };
        let before = uids();
        let sandbox = Sandbox::with(&api.kubeconfig());
        let ended = killed(&sandbox, "dns kube2iam --yes", nth);
        if ended == Some(0) {
            assert!(nth > 9, "there are more entries than {nth}");
            return;
        }
        let sent = api.changes().len();
        let outcome = sandbox.run("dns kube2iam --yes");
        outcome.exits(0);
        let after = uids();
        assert_eq!(after.len(), 4, "kill {nth}");
        assert!(before.iter().all(|uid| !after.contains(uid)), "kill {nth}:\n{}", outcome.text());
        // Each pod goes once: what was replaced before the kill is fresh in the second run.
        let sent = (sent, api.changes().len());
        assert!(sent.1 <= 5, "kill {nth}: {sent:?} changes\n{}", outcome.text());
        sandbox.run("dns kube2iam --yes").exits(0).says("nothing to recycle");
    }
    panic!("it never came to its end");
}

fn killed_between_delete_and_create_a_bare_pod_is_not_lost() {
    for nth in 1..100 {
        let api = world::start();
        let mut pod = world::pod(
            "default",
            "bare",
            "node-1",
            &serde_json::json!({"app": "bare"}),
            &serde_json::Value::Null,
        );
        pod["metadata"]["ownerReferences"] = serde_json::json!([]);
        api.put(pod);
        // As a kubelet does.
        let becomes_ready = api.clone();
        std::thread::spawn(move || {
            while becomes_ready.connections() < usize::MAX {
                becomes_ready.change("pods", "default", "bare", |pod| {
                    pod["status"] = serde_json::json!({"phase": "Running", "conditions":
                        [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
                });
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        });
        let sandbox = Sandbox::with(&api.kubeconfig());
        let ended = killed(&sandbox, "pod/bare --allow bare --yes", nth);
        if ended == Some(0) {
            return;
        }
        // What a manifest holds is its owner's alone, also after a crash.
        for path in files(&sandbox.state()).iter().filter(|path| path.is_file()) {
            let mode = fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "kill {nth}: {}", path.display());
        }
        if api.get("pods", "default", "bare").is_none() {
            sandbox.run("dns --dry-run").says("was deleted by an earlier run that was cut off");
        }
        let outcome = sandbox.run("pod/bare --allow bare --yes");
        assert!(
            api.get("pods", "default", "bare").is_some(),
            "kill {nth}: the pod is gone, and nobody makes it again:\n{}",
            outcome.text()
        );
        outcome.exits(0);
    }
}

fn run_once(api: &Api) -> (Sandbox, std::path::PathBuf) {
    let sandbox = Sandbox::with(&api.kubeconfig());
    sandbox.run("dns --yes").exits(0);
    let [journal] = <[_; 1]>::try_from(sandbox.journals()).unwrap();
    (sandbox, journal)
}

fn a_torn_journal_is_read_in_silence_and_a_damaged_one_with_a_warning() {
    let api = world::start();
    let (sandbox, journal) = run_once(&api);
    let text = fs::read_to_string(&journal).unwrap();
    fs::write(&journal, &text[..text.len() - 20]).unwrap();
    sandbox.run("dns --yes").exits(0).says("nothing to recycle").never_says("damaged");
    fs::write(&journal, text.replacen("\"kind\":\"intent\"", "\"kind\":\"intend\"", 1)).unwrap();
    sandbox.run("dns --yes --dry-run").says("is damaged: line 2 cannot be read");
    fs::write(&journal, [0xff, 0xfe, 0x00, b'\n']).unwrap();
    // A journal that is lost costs history, not the ability to go on.
    sandbox.run("dns --yes").exits(0).says("warning:");
}

fn a_state_directory_that_cannot_be_written_refuses_before_anything() {
    let api = world::start();
    let sandbox = Sandbox::with(&api.kubeconfig());
    fs::write(sandbox.state(), "a file where a directory should be").unwrap();
    sandbox.run("dns --yes").exits(1);
    assert!(api.changes().is_empty());
    fs::remove_file(sandbox.state()).unwrap();
    fs::create_dir(sandbox.state()).unwrap();
    let status = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "ro,size=4k", "tmpfs"])
        .arg(sandbox.state())
        .status()
        .unwrap();
    assert!(status.success());
    let outcome = sandbox.run("dns --yes");
    // Looking needs no directory.
    let dry = sandbox.run("dns --dry-run");
    let status = Command::new("umount").arg(sandbox.state()).status().unwrap();
    assert!(status.success());
    assert!(matches!(outcome.code, Some(1 | 4)), "{}", outcome.text());
    outcome.says("Read-only file system");
    dry.exits(3);
    assert!(api.changes().is_empty());
}

fn a_full_disk_refuses_before_anything() {
    let api = world::start();
    let sandbox = Sandbox::with(&api.kubeconfig());
    fs::create_dir(sandbox.state()).unwrap();
    let status = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
        .arg(sandbox.state())
        .status()
        .unwrap();
    assert!(status.success());
    fs::set_permissions(sandbox.state(), fs::Permissions::from_mode(0o700)).unwrap();
    let filler = sandbox.state().join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    drop(file);
    let outcome = sandbox.run("dns --yes");
    let status = Command::new("umount").arg(sandbox.state()).status().unwrap();
    assert!(status.success());
    assert!(matches!(outcome.code, Some(1 | 4)), "{}", outcome.text());
    outcome.says("No space left on device");
    assert!(api.changes().is_empty());
}

fn a_second_run_at_the_same_time_is_refused_and_names_the_first() {
    let api = world::start();
    api.fault(
        Fault::on("POST", "/api/v1/namespaces/kube-system/pods")
            .delay(std::time::Duration::from_secs(5)),
    );
    let sandbox = Sandbox::with(&api.kubeconfig());
    let mut first = sandbox.start("dns --yes");
    first.wait_for("to be evicted");
    let pid = first.pid().to_string();
    sandbox.run("kube2iam --yes").exits(4).says(&pid);
    assert_eq!(api.count("DELETE", "/"), 0);
    first.end().exits(0);
    // A lock that was left by a kill is no lock.
    assert!(files(&sandbox.state()).iter().any(|p| p.ends_with("lock")));
    sandbox.run("kube2iam --yes").exits(0);
}

/// `kubectl recycle presets | head -1`
fn a_closed_pipe_is_no_crash() {
    let api = world::start();
    let sandbox = Sandbox::with(&api.kubeconfig());
    for line in ["presets", "dns --dry-run -o json", "--help", "completion bash", "dns --yes"] {
        let mut child = sandbox
            .command(&line.split(' ').collect::<Vec<_>>())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked") && !said.contains("internal error"), "{line}: {said}");
        assert!(!said.contains("Broken pipe"), "{line}: {said}");
        let code = if line.contains("dry-run") { 3 } else { 0 };
        assert_eq!(output.status.code(), Some(code), "{line}: {said}");
    }
    until("the pods are new all the same", || api.all("pods").len() == 4);
}
