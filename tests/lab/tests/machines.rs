//! The machines form, on real machines: one cluster for most of it, small ones for how they end.
//!
//! Needs root and a few packages; without them every test is skipped by name with the reason, and with `CI=true`
//! a skip is a failure.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lab::labs;
use lab::machines::{self, DNS_ADDRESS, Machines, Options, Probers};
use lab::process::MARK;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde_json::Value;

/// The name under which the cluster's own API server resolves.
const API: &str = "kubernetes.default.svc.cluster.local";

/// Set for a child of these tests: it brings a lab of this name up and waits to be killed.
const CHILD: &str = "LAB_TEST_CHILD";

type Test = fn(&Machines) -> Result<()>;
type Own = fn() -> Result<()>;

fn main() -> Result<()> {
    if let Ok(name) = std::env::var(CHILD) {
        return child(&name);
    }
    let arguments = Arguments::from_args();
    let missing = machines::advice(&machines::missing());
    let shared: [(&str, Test); 8] = [
        ("the_kubeconfig_reaches_the_cluster_from_outside", kubeconfig),
        ("machines_are_separate_and_have_no_way_out", no_way_out),
        ("pods_reach_a_service_across_machines", services),
        ("logs_and_exec", logs_and_exec),
        ("a_port_of_a_machine_can_be_reached", forward),
        ("a_kubelet_comes_back", kubelet_comes_back),
        ("deleting_dns_pods_one_by_one_loses_no_name", one_by_one),
        ("deleting_all_dns_pods_at_once_loses_names", all_at_once),
    ];
    let own: [(&str, Own); 2] =
        [("down_leaves_nothing", down), ("a_killed_owner_leaves_nothing", sweep)];
    let lab = Shared::default();
    let conclusion = std::thread::scope(|_| {
        let lab: &'static Shared = Box::leak(Box::new(lab));
        let mut trials = Vec::new();
        for (name, test) in own {
            let missing = missing.clone();
            trials.push(Trial::ignorable_test(name, move || run(missing, test)));
        }
        for (name, test) in shared {
            let missing = missing.clone();
            trials.push(Trial::ignorable_test(name, move || run(missing, || lab.with(test))));
        }
        // One after the other: they look at the same cluster, and the computer is small.
        let conclusion =
            libtest_mimic::run(&Arguments { test_threads: Some(1), ..arguments }, trials);
        lab.end();
        conclusion
    });
    conclusion.exit()
}

fn run(missing: Option<String>, test: impl FnOnce() -> Result<()>) -> Result<Completion, Failed> {
    let began = Instant::now();
    match missing {
        Some(reason) if std::env::var_os("CI").is_some_and(|ci| ci == "true") => {
            Err(format!("skipped, which is a failure with CI=true: {reason}").into())
        }
        Some(reason) => Ok(Completion::ignored_with(reason)),
        None => {
            test().map_err(|error| format!("{error:#}"))?;
            note(&format!("{:.1} s", began.elapsed().as_secs_f64()));
            Ok(Completion::Completed)
        }
    }
}

/// The cluster that most tests share: brought up by the first that needs it.
#[derive(Default)]
struct Shared(std::sync::Mutex<Option<Machines>>);

impl Shared {
    fn with(&self, test: Test) -> Result<()> {
        let mut lab = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if lab.is_none() {
            *lab = Some(Machines::start(&Options { name: name("all"), ..Options::default() })?);
        }
        test(lab.as_ref().context("no lab")?)
    }

    fn end(&self) {
        drop(self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
    }
}

fn name(what: &str) -> String {
    format!("t-{what}-{}", std::process::id())
}

fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "    {text}");
}

fn kubeconfig(lab: &Machines) -> Result<()> {
    let nodes = lab.kubectl_text(&["get", "nodes", "-o", "name"])?;
    ensure!(nodes.lines().count() == 5, "{nodes}");
    let config = std::fs::read_to_string(lab.kubeconfig())?;
    ensure!(config.contains("server: https://127.0.0.1:"), "{config}");
    for (what, when) in lab.phases() {
        note(&format!("{:5.1} s {what}", when.as_secs_f64()));
    }
    Ok(())
}

fn no_way_out(lab: &Machines) -> Result<()> {
    let text = |words: &[&str]| -> Result<String> {
        let output = lab.exec("control-2", words)?;
        ensure!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    ensure!(text(&["hostname"])?.trim() == "control-2");
    ensure!(
        !Path::new("/etc/kubernetes/admin.conf").exists(),
        "this computer got a cluster's files"
    );
    ensure!(text(&["ls", "/etc/kubernetes"])?.contains("admin.conf"));
    let outside = lab.exec("worker-1", &["bash", "-c", "exec 3<>/dev/tcp/192.0.2.1/80"])?;
    ensure!(!outside.status.success(), "an address outside was reached");
    // Every interface of the switch's namespace is the loopback, the bridge, or a port to a machine.
    let links = Command::new("nsenter")
        .args(["--target", &lab.switch()?.to_string(), "--net", "ip", "-o", "link"])
        .output()?;
    let links = String::from_utf8_lossy(&links.stdout).into_owned();
    let names: Vec<_> = links.lines().filter_map(|line| line.split(' ').nth(1)).collect();
    ensure!(
        names.len() == 7
            && names
                .iter()
                .all(|name| ["lo:", "bridge:"].contains(name) || name.starts_with("port")),
        "{names:?}"
    );
    Ok(())
}

fn services(lab: &Machines) -> Result<()> {
    let pod = |name: &str, node: &str| {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: web}}}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 0
  containers:
  - name: web
    image: {}
    imagePullPolicy: Never
    args: [http, ':8080']
    readinessProbe: {{httpGet: {{path: /healthz, port: 8080}}, periodSeconds: 1}}
",
            machines::POD_IMAGE
        )
    };
    let service = "apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
";
    lab.apply(&[&pod("web-1", "worker-1"), &pod("web-2", "worker-2"), service].join("---\n"))?;
    lab.kubectl_text(&[
        "wait",
        "--for=condition=Ready",
        "pod/web-1",
        "pod/web-2",
        "--timeout=30s",
    ])?;
    // Both answer, to both, by the name and the address of the Service; a moment after they are ready.
    for from in ["web-1", "web-2"] {
        let mut seen = std::collections::BTreeSet::new();
        eventually("both pods to answer", Duration::from_secs(20), || {
            let url = "http://web.default.svc.cluster.local/";
            let said = lab.kubectl(&["exec", from, "--", "get", url])?;
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            seen.extend(said.split_whitespace().next().map(str::to_owned));
            Ok(seen.len() == 2)
        })
        .with_context(|| format!("from {from} {seen:?} answered"))?;
    }
    // The short name too, through the search list that the kubelet hands out.
    lab.kubectl_text(&["exec", "web-1", "--", "get", "http://web/healthz"])?;
    let resolv = lab.kubectl_text(&["exec", "web-1", "--", "cat", "/etc/resolv.conf"])?;
    ensure!(resolv.contains(&format!("nameserver {DNS_ADDRESS}")), "{resolv}");
    Ok(())
}

fn logs_and_exec(lab: &Machines) -> Result<()> {
    lab.apply(&format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: talker}}
spec:
  nodeName: worker-2
  terminationGracePeriodSeconds: 0
  containers: [{{name: main, image: '{}', imagePullPolicy: Never, args: [http, ':8080']}}]
",
        machines::POD_IMAGE
    ))?;
    lab.kubectl_text(&["wait", "--for=condition=Ready", "pod/talker", "--timeout=30s"])?;
    let said = lab.kubectl_text(&["logs", "talker"])?;
    ensure!(said.contains("serving on :8080"), "{said}");
    let token = "/var/run/secrets/kubernetes.io/serviceaccount";
    let files = lab.kubectl_text(&["exec", "talker", "--", "ls", token])?;
    ensure!(files.contains("token") && files.contains("ca.crt"), "{files}");
    let failed = lab.kubectl(&["exec", "talker", "--", "false"])?;
    ensure!(failed.status.code() == Some(1), "{failed:?}");
    let expiry = lab.exec("control-3", &["kubeadm", "certs", "check-expiration"])?;
    ensure!(expiry.status.success(), "{expiry:?}");
    Ok(())
}

fn forward(lab: &Machines) -> Result<()> {
    let port = lab.forward("control-2", 6443)?;
    let server = format!("--server=https://127.0.0.1:{port}");
    let ready = lab.kubectl_text(&[&server, "get", "--raw=/readyz"])?;
    ensure!(ready == "ok", "{ready}");
    Ok(())
}

fn kubelet_comes_back(lab: &Machines) -> Result<()> {
    let pid = || -> Result<String> {
        let output = lab.exec("worker-1", &["cat", "/run/lab/kubelet.pid"])?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let before = pid()?;
    ensure!(!before.is_empty(), "no kubelet on worker-1");
    lab.restart("worker-1", "kubelet")?;
    eventually("another kubelet", Duration::from_secs(15), || {
        let now = pid()?;
        Ok(!now.is_empty() && now != before)
    })?;
    eventually("the new kubelet to serve", Duration::from_secs(30), || {
        let health = ["get", "--raw=/api/v1/nodes/worker-1/proxy/healthz"];
        Ok(lab.kubectl(&health)?.status.success())
    })
}

fn eventually(what: &str, limit: Duration, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !done()? {
        ensure!(Instant::now() < deadline, "waited {limit:?} for {what}, in vain");
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// The DNS pods that are not ending, and whether each is Ready.
fn dns_pods(lab: &Machines) -> Result<Vec<(String, bool)>> {
    let words = ["get", "pods", "-n", "kube-system", "-l", "k8s-app=kube-dns", "-o", "json"];
    let list: Value = serde_json::from_str(&lab.kubectl_text(&words)?)?;
    let pods = list["items"].as_array().context("no list")?;
    Ok(pods
        .iter()
        .filter(|pod| pod["metadata"]["deletionTimestamp"].is_null())
        .map(|pod| {
            let conditions = pod["status"]["conditions"].as_array();
            let ready = conditions.is_some_and(|all| {
                all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
            });
            (pod["metadata"]["name"].as_str().unwrap_or_default().to_owned(), ready)
        })
        .collect())
}

/// Waits until two pods are Ready and none of them is one of `old`; returns them.
fn replaced(lab: &Machines, old: &[String]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    eventually("two DNS pods to be Ready", Duration::from_mins(1), || {
        let pods = dns_pods(lab)?;
        let done =
            pods.len() == 2 && pods.iter().all(|(name, ready)| *ready && !old.contains(name));
        names = pods.into_iter().map(|(name, _)| name).collect();
        Ok(done)
    })?;
    Ok(names)
}

fn one_by_one(lab: &Machines) -> Result<()> {
    let old = replaced(lab, &[])?;
    let probers = Probers::start(lab, &[API])?;
    for n in 1..=old.len() {
        lab.kubectl_text(&["delete", "pod", "-n", "kube-system", &old[n - 1], "--wait=false"])?;
        replaced(lab, &old[..n])?;
    }
    let tally = probers.stop()?;
    note(&format!("{tally:?}"));
    ensure!(tally.lookups > 100 && tally.failed == 0, "{tally:?}");
    Ok(())
}

/// What the runbook's pipeline does.
fn all_at_once(lab: &Machines) -> Result<()> {
    let old = replaced(lab, &[])?;
    let probers = Probers::start(lab, &[API])?;
    let mut words = vec!["delete", "pod", "-n", "kube-system"];
    words.extend(old.iter().map(String::as_str));
    lab.kubectl_text(&words)?;
    replaced(lab, &old)?;
    let tally = probers.stop()?;
    note(&format!("{tally:?}"));
    ensure!(tally.failed > 0 && tally.gap > Duration::from_millis(500), "{tally:?}");
    Ok(())
}

/// What a small lab is made of, while it runs.
fn small(name: &str) -> Options {
    Options { name: name.to_owned(), control_planes: 1, workers: 1, detached: false }
}

fn down() -> Result<()> {
    let lab = Machines::start(&small(&name("down")))?;
    let dir = lab.dir().to_owned();
    ensure!(marked(&dir) > 5, "nothing carries the lab's mark");
    ensure!(!machines::control_groups(&dir)?.is_empty());
    let began = Instant::now();
    lab.down()?;
    let took = began.elapsed();
    note(&format!("down in {:.1} s", took.as_secs_f64()));
    ensure!(took < Duration::from_secs(10), "{took:?}");
    nothing_left(&dir)
}

fn sweep() -> Result<()> {
    let name = name("sweep");
    let mut child = Command::new(std::env::current_exe()?)
        .env(CHILD, &name)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the child")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
    ensure!(line.trim() == "up", "the child said {line:?}");
    let dir = labs::find(&name)?;
    child.kill()?;
    child.wait()?;
    ensure!(marked(&dir) > 5, "the lab died with its owner, without a sweep");
    let began = Instant::now();
    labs::sweep()?;
    let took = began.elapsed();
    note(&format!("swept in {:.1} s", took.as_secs_f64()));
    ensure!(took < Duration::from_secs(10), "{took:?}");
    nothing_left(&dir)
}

fn child(name: &str) -> Result<()> {
    let lab = Machines::start(&small(name))?;
    writeln!(std::io::stdout(), "up")?;
    std::thread::sleep(Duration::from_mins(2));
    drop(lab);
    Ok(())
}

/// How many processes of this computer belong to the lab in `dir`.
fn marked(dir: &Path) -> usize {
    let mark = format!("{MARK}={}", dir.display());
    let processes = std::fs::read_dir("/proc").expect("/proc is there");
    let environments =
        processes.filter_map(|entry| std::fs::read(entry.ok()?.path().join("environ")).ok());
    environments
        .filter(|text| text.split(|byte| *byte == 0).any(|one| one == mark.as_bytes()))
        .count()
}

fn nothing_left(dir: &Path) -> Result<()> {
    ensure!(marked(dir) == 0, "processes are left");
    ensure!(!dir.exists(), "{} is left", dir.display());
    let groups = machines::control_groups(dir)?;
    ensure!(groups.is_empty(), "control groups are left: {groups:?}");
    let text = dir.to_string_lossy();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        // A process that still held one of the machines' namespaces would show their mounts.
        let mounts = std::fs::read_to_string(entry.path().join("mountinfo")).unwrap_or_default();
        ensure!(!mounts.contains(&*text), "{} has mounts of the lab", entry.path().display());
    }
    Ok(())
}
