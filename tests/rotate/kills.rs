//! Kills at every step by which files of machines are changed: the same command, run again, comes to the planned end; and a
//! rollback comes to the files of before.

use crate::pki;
use crate::run::{TOOL, bare, words};
use crate::snapshot::Snapshot;
use crate::tree::{SMALL, Trees};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Programs by which the script changes files.
const CHANGING: [&str; 8] = ["base64", "chmod", "chown", "ln", "mkdir", "mv", "rm", "sync"];

/// Stands before each of them on `PATH`, counts its calls, and at one of them kills the tool and its script; what writes
/// a file is killed in the middle of it as well.
const SHIM: &str = r#"#!/bin/sh
name=${0##*/}
step() {
    read -r n <"$KILL_COUNT" || n=0
    n=$((n + 1))
    echo $n >"$KILL_COUNT"
    [ $n -ne "$KILL_AT" ] && return
    [ $# -eq 0 ] || head -c 100 | "/usr/bin/$name" "$@" 2>/dev/null
    read -r _ _ _ _ group _ <"/proc/$$/stat"
    read -r _ _ _ tool _ <"/proc/$group/stat"
    kill -KILL "$tool"
    kill -s KILL -- "-$group"
}
case $name in
base64)
    if [ "$1" = -d ] && [ -f /dev/stdout ]; then
        step
        step "$@"
    fi
    ;;
*) step ;;
esac
exec "/usr/bin/$name" "$@"
"#;

/// How a command is killed.
#[derive(Clone, Copy, Debug)]
enum Kill {
    /// At this call of a program that changes files.
    Call(usize),
    /// After this line of the journal, with everything that it started.
    Line(usize),
    /// After this line of the journal; what it started goes on.
    Alone(usize),
}

/// What is begun and killed.
struct Case {
    name: &'static str,
    /// Before it begins.
    start: Trees,
    command: &'static str,
    /// What stands when it was not killed.
    end: Snapshot,
    /// What stood before the rotation.
    before: Snapshot,
    calls: usize,
    lines: usize,
}

struct Shims(tempfile::TempDir);

impl Shims {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for name in CHANGING {
            let path = dir.path().join(name);
            fs::write(&path, SHIM).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        Self(dir)
    }

    /// Runs a command until it is killed; says how many calls it made, and whether it was killed.
    fn run(&self, trees: &Trees, line: &str, kill: Kill) -> (usize, bool) {
        let count = trees.root().join("count");
        fs::write(&count, "0\n").unwrap();
        let at = if let Kill::Call(at) = kill { at } else { 0 };
        let path = std::env::var("PATH").unwrap();
        // Whatever the command started holds this lock for as long as it lives.
        let held = "exec 9>alive; flock 9; exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        bare(command.args(["-c", held, TOOL]).args(words(line)), trees);
        command.env("PATH", format!("{}:{path}", self.0.path().display()));
        command.env("KILL_COUNT", &count).env("KILL_AT", at.to_string());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let status = match kill {
            Kill::Call(_) => child.wait().unwrap(),
            Kill::Line(at) | Kill::Alone(at) => {
                let journal = trees.root().join("rotation/journal.jsonl");
                let begun = lines(&journal);
                loop {
                    if let Some(status) = child.try_wait().unwrap() {
                        break status;
                    }
                    if lines(&journal) >= begun + at {
                        let started = children(child.id());
                        child.kill().unwrap();
                        if matches!(kill, Kill::Line(_)) {
                            started.into_iter().for_each(end_group);
                        }
                        break child.wait().unwrap();
                    }
                    std::thread::sleep(Duration::from_micros(300));
                }
            }
        };
        if !matches!(kill, Kill::Alone(_)) {
            wait_for_all(trees);
        }
        let calls = fs::read_to_string(&count).unwrap().trim().parse().unwrap_or(0);
        (calls, status.signal() == Some(9))
    }
}

fn lines(journal: &PathBuf) -> usize {
    fs::read_to_string(journal).map_or(0, |text| text.matches('\n').count())
}

fn children(of: u32) -> Vec<i32> {
    let mut all: Vec<i32> = Vec::new();
    for entry in fs::read_dir(format!("/proc/{of}/task")).into_iter().flatten().flatten() {
        let text = fs::read_to_string(entry.path().join("children")).unwrap_or_default();
        all.extend(text.split_whitespace().filter_map(|word| word.parse::<i32>().ok()));
    }
    all
}

/// The tool gives each of its children a group of its own.
fn end_group(leader: i32) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if let Some(pid) = Pid::from_raw(leader) {
        let _ = kill_process_group(pid, Signal::KILL);
    }
}

fn wait_for_all(trees: &Trees) {
    let done = Command::new("flock").arg(trees.root().join("alive")).arg("true").status().unwrap();
    assert!(done.success());
}

impl Case {
    fn new(
        shims: &Shims,
        name: &'static str,
        start: Trees,
        command: &'static str,
        before: Snapshot,
    ) -> Self {
        let whole = start.copy();
        let (calls, killed) = shims.run(&whole, command, Kill::Call(0));
        assert!(!killed && calls > 10, "{name}: {calls}");
        let lines = lines(&whole.root().join("rotation/journal.jsonl"))
            - lines(&start.root().join("rotation/journal.jsonl"));
        Self { name, end: whole.look(), start, command, before, calls, lines }
    }

    /// Kills it there; then nothing is half written, and the same command comes to the same end.
    fn again(&self, shims: &Shims, kill: Kill) -> bool {
        let trees = self.start.copy();
        let (_, killed) = shims.run(&trees, self.command, kill);
        let when = format!("{}, {kill:?}", self.name);
        if !matches!(kill, Kill::Alone(_)) {
            consistent(&trees, &when);
        }
        trees.run(self.command).ends(0, &[]);
        trees.look().is(&self.end, &when);
        killed
    }

    /// Kills it there; then a rollback comes to the files of before.
    fn back(&self, shims: &Shims, kill: Kill) -> bool {
        let trees = self.start.copy();
        let (_, killed) = shims.run(&trees, self.command, kill);
        trees.run("rollback").ends(0, &[]);
        trees.look().is(&self.before, &format!("{}, {kill:?}, back", self.name));
        killed
    }
}

/// Every certificate and key is whole, all that is named is there, and at most one pair of a machine is between its key and
/// its certificate.
fn consistent(trees: &Trees, when: &str) {
    let seen = trees.look();
    pki::named_files_are_there(&seen, when);
    let unpaired = pki::unpaired(&pki::all(&seen, when));
    for host in &trees.hosts {
        let of_host = unpaired.iter().filter(|stem| stem.starts_with(&format!("{host}:")));
        assert!(of_host.count() <= 1, "{when}: {unpaired:?}");
    }
}

/// Kills a command at every `stride`th place, on all cores; says how often it was really killed.
fn each(case: &Case, shims: &Shims, stride: usize, back: bool) -> usize {
    let calls = (1..=case.calls).step_by(stride).map(Kill::Call);
    let journal = (1..case.lines).map(Kill::Line);
    let alone = (1..case.lines).step_by(3).filter(|_| !back).map(Kill::Alone);
    let points: Vec<Kill> = calls.chain(journal).chain(alone).collect();
    let (next, killed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let was =
                        if back { case.back(shims, *point) } else { case.again(shims, *point) };
                    killed.fetch_add(usize::from(was), Ordering::Relaxed);
                }
            });
        }
    });
    let killed = killed.into_inner();
    // The last line of a journal is a race with the end of the command.
    assert!(killed * 10 >= points.len() * 9, "{}: {killed} of {}", case.name, points.len());
    killed
}

fn planned(line: &str) -> (Trees, Snapshot) {
    let trees = Trees::new(SMALL);
    trees.run(line).ends(3, &[]);
    let before = trees.look();
    (trees, before)
}

/// What is killed: every so many calls where the same command is run again, and where a rollback follows; and before it.
struct Wave {
    name: &'static str,
    plan: &'static str,
    before: &'static [&'static str],
    command: &'static str,
    again: usize,
    back: Option<usize>,
}

const WAVES: [Wave; 7] = [
    Wave { name: "apply", plan: "", before: &[], command: "apply", again: 2, back: Some(6) },
    Wave { name: "finish", plan: "", before: &["apply"], command: "finish", again: 2, back: None },
    Wave {
        name: "rollback",
        plan: " --rotate cluster,tokens",
        before: &["apply"],
        command: "rollback",
        again: 3,
        back: None,
    },
    Wave {
        name: "window",
        plan: " --strategy window",
        before: &[],
        command: "apply",
        again: 3,
        back: Some(6),
    },
    Wave {
        name: "renew",
        plan: " --strategy renew",
        before: &[],
        command: "apply",
        again: 2,
        back: Some(4),
    },
    Wave {
        name: "renew-ca",
        plan: " --strategy renew-ca",
        before: &[],
        command: "apply",
        again: 2,
        back: Some(6),
    },
    Wave {
        name: "recover",
        plan: " --strategy recover",
        before: &[],
        command: "apply",
        again: 3,
        back: None,
    },
];

#[test]
fn whatever_is_killed_goes_on_and_goes_back() {
    let shims = Shims::new();
    let mut killed = 0;
    for wave in WAVES {
        let (start, before) = planned(&format!("plan --write{}", wave.plan));
        for line in wave.before {
            start.run(line).ends(0, &[]);
        }
        let case = Case::new(&shims, wave.name, start, wave.command, before);
        if wave.command == "rollback" {
            case.end.is(&case.before, "after a rollback");
        }
        let mut here = each(&case, &shims, wave.again, false);
        if let Some(stride) = wave.back {
            here += each(&case, &shims, stride, true);
        }
        println!(
            "{}: killed {here} times, of {} calls and {} lines",
            wave.name, case.calls, case.lines
        );
        killed += here;
    }
    assert!(killed >= 300, "{killed}");
}

/// Whoever is killed while a plan is written has a whole one afterwards, or none: no key of it is lost.
#[test]
fn a_kill_while_the_plan_is_written_leaves_a_plan_or_none() {
    let traced = |trees: &Trees, at: usize| {
        let when = format!("inject=?rename,?renameat,?renameat2:signal=KILL:when={at}");
        let renames = "trace=?rename,?renameat,?renameat2";
        let strace = ["strace", "-o", "/dev/null", "-e", renames, "-e", &when, "--"];
        trees.run_by(&strace, "apply --until accept")
    };
    let able = Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !able.is_ok_and(|output| output.status.success()) {
        return;
    }
    let origin = Trees::new(SMALL);
    let before = origin.look();
    let mut killed = 0;
    for at in (1..80).step_by(6) {
        let trees = origin.copy();
        if traced(&trees, at).code != -1 {
            break;
        }
        killed += 1;
        trees.look().is(&before, "no machine was changed");
        trees.run("apply").ends(0, &["finish"]);
        trees.run("finish").ends(0, &["done"]);
        let (seen, when) = (trees.look(), format!("the plan's file {at}"));
        assert_eq!(pki::unpaired(&pki::all(&seen, &when)), Vec::<String>::new());
        assert_eq!(pki::authorities(&pki::all(&seen, &when)).len(), 1, "{when}");
    }
    assert!(killed >= 3, "{killed}");
}
