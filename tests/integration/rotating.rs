//! A kubeadm cluster of machines with real kubelets, whose certificates are replaced in each way by ssh: killed half-way,
//! gone back to byte-identical files, brought to its end; and nothing is wrong or of before afterwards.

use crate::harness::{Case, Need, cases, files, within};
use crate::inspecting::machines::Desk;
use lab::machines::Break;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_running_cluster_is_rotated_in_each_way: Need::Machines;
    ]
}

/// The tool, as it was built for these tests.
const CERTS: &str = env!("CARGO_BIN_EXE_kubectl-rotate_certs");
/// Machines wait for each other while other tests run.
const LIMIT: Duration = Duration::from_mins(5);

/// The operator's seat, with the file of machines.
struct Seat {
    desk: Desk,
    dir: tempfile::TempDir,
}

impl Seat {
    fn new() -> Self {
        let (desk, dir) = (Desk::start("rotate"), tempfile::tempdir().unwrap());
        fs::write(dir.path().join("cluster.toml"), desk.lab.cluster_file()).unwrap();
        Self { desk, dir }
    }

    /// Each rotation has a directory of its own.
    fn command(&self, work: &str, words: &str) -> Command {
        let mut command = self.desk.lab.at_desk(CERTS).unwrap();
        let verb = words.split_whitespace();
        command.args(verb).arg("--hosts").arg(self.dir.path().join("cluster.toml"));
        command.arg("--work").arg(self.dir.path().join(work));
        command.arg("--kubeconfig").arg(self.desk.lab.desk_kubeconfig());
        command
    }

    fn run(&self, work: &str, words: &str) -> Output {
        self.command(work, words).output().unwrap()
    }

    /// Runs it, demands this exit code, and returns what it said.
    fn ends(&self, work: &str, words: &str, code: i32) -> String {
        let output = self.run(work, words);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let data = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{words}\n{said}{data}");
        said
    }

    /// Runs it until the journal has this many machines that were brought to a stage, and kills it at once.
    fn killed(&self, work: &str, words: &str, machines: usize) {
        let mut child = self
            .command(work, words)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let journal = self.dir.path().join(work).join("journal.jsonl");
        within(LIMIT, "machines are brought to a stage", || {
            let text = fs::read_to_string(&journal).unwrap_or_default();
            assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed: {text}");
            text.matches("\"done\"").count() >= machines
        });
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Every file of every machine below the directories that a rotation writes to, by what stands in it: keys too,
    /// which no failure of a test shall print.
    fn standing(&self) -> BTreeMap<PathBuf, u64> {
        let roots = self.desk.lab.machines().iter().map(|machine| &machine.name);
        let all = roots.flat_map(|name| {
            let root = self.desk.lab.root_of(name).unwrap();
            ["etc/kubernetes", "var/lib/kubelet/pki"].map(|place| root.join(place))
        });
        let content = |path: &PathBuf| {
            let mut hasher = DefaultHasher::new();
            fs::read(path).ok()?.hash(&mut hasher);
            Some(hasher.finish())
        };
        let files = all.flat_map(|place| files(&place));
        files.filter_map(|path| Some((content(&path)?, path))).map(|(c, path)| (path, c)).collect()
    }

    /// Nothing is wrong at any place, and the CAs of before are at none: no file, object, server or pod.
    fn is_well(&self, what: &str, work: &str) {
        self.desk.until(what, <[_]>::is_empty);
        let (code, document, said) = self.desk.run("inspect", &["-o", "json"]);
        assert_eq!(code, 0, "{what}: {said}");
        let document: Value = serde_json::from_str(&document).unwrap();
        let seen = |fingerprint: &Value| {
            let all = document["certificates"].as_array().unwrap();
            all.iter().find(|one| one["fingerprint"] == *fingerprint)
        };
        let plan = fs::read_to_string(self.dir.path().join(work).join("plan.json")).unwrap();
        let plan: Value = serde_json::from_str(&plan).unwrap();
        for track in plan["tracks"].as_array().unwrap() {
            assert!(seen(&track["new"]["fingerprint"]).is_some(), "{what}: {track:#}");
            assert_eq!(seen(&track["old"]["fingerprint"]), None, "{what}: {track:#}");
        }
    }
}

fn a_running_cluster_is_rotated_in_each_way() {
    let seat = Seat::new();
    seat.desk.until("a healthy cluster", <[_]>::is_empty);

    // Read-only verbs first: nothing is written, here or there.
    let before = seat.standing();
    seat.ends("first", "plan", 3);
    assert!(!seat.dir.path().join("first").exists(), "a plan was written unasked");
    assert_eq!(seat.standing(), before, "a plan changed something");

    // A new CA with both trusted in between, killed while servers show the new generation already, and gone back.
    // Without etcd, whose CA restarts every server: that is part of the others.
    seat.killed("rolling", "apply --yes --keep-pods --rotate cluster,front-proxy", 5);
    let said = seat.ends("rolling", "status", 3);
    assert!(!said.contains("PRIVATE"), "{said}");
    seat.ends("rolling", "rollback --yes --keep-pods", 0);
    assert_eq!(seat.standing(), before, "gone back");

    // The same CAs with other dates, killed in the middle of the machines and gone on with.
    seat.killed("renew-ca", "apply --yes --strategy renew-ca", 1);
    // A namespace that comes meanwhile gets the same as all others.
    seat.desk.lab.kubectl_text(&["create", "namespace", "late"]).unwrap();
    seat.ends("renew-ca", "apply --yes", 0);
    seat.desk.until("renew-ca", <[_]>::is_empty);
    seat.ends("renew-ca", "status", 0);

    seat.ends("window", "apply --yes --strategy window", 0);
    seat.is_well("window", "window");

    // Every certificate but the CAs' has ended, and the API with them: what is to be done is found without being named.
    let expire = Break::named("expire").unwrap();
    for machine in seat.desk.lab.machines() {
        expire.seed(&seat.desk.lab, &machine.name, &["366 days ago", "1 day ago"]).unwrap();
    }
    let said = seat.ends("recover", "plan", 3);
    assert!(!said.contains("error"), "{said}");
    seat.ends("recover", "apply --yes", 0);
    seat.desk.until("recover", <[_]>::is_empty);
    let plan = fs::read_to_string(seat.dir.path().join("recover/plan.json")).unwrap();
    let plan: Value = serde_json::from_str(&plan).unwrap();
    assert_eq!(plan["strategy"], "recover");
    seat.desk.lab.down().unwrap();
}
