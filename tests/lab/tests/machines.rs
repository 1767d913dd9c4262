//! The machines form, on real machines: one cluster for most of it, small ones for how they end.
//!
//! Needs root and a few packages; without them every test is skipped by name with the reason, and with `CI=true`
//! a skip is a failure.

mod machines {
    pub(crate) mod breaks;
    pub(crate) mod clients;
    pub(crate) mod dns;
    pub(crate) mod ends;
    pub(crate) mod keys;
    pub(crate) mod pods;
}

use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use lab::machines::{Machines, Options, advice, missing};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use machines::{breaks, clients, dns, ends, keys, pods};

/// Set for a child of these tests: it brings a lab of this name up and waits to be killed.
pub(crate) const CHILD: &str = "LAB_TEST_CHILD";

type Test = fn(&Machines) -> Result<()>;

fn main() -> Result<()> {
    if let Ok(name) = std::env::var(CHILD) {
        return ends::child(&name);
    }
    let arguments = Arguments::from_args();
    let missing = advice(&missing());
    let shared: [(&str, Test); 12] = [
        ("the_kubeconfig_reaches_the_cluster_from_outside", kubeconfig),
        ("machines_are_separate_and_have_no_way_out", no_way_out),
        ("the_runbooks_objects_run", pods::runs_the_world),
        ("pods_reach_a_service_across_machines", pods::services),
        ("logs_and_exec", pods::logs_and_exec),
        ("a_port_of_a_machine_can_be_reached", forward),
        ("a_kubelet_comes_back", kubelet_comes_back),
        ("deleting_dns_pods_one_by_one_loses_no_name", dns::one_by_one),
        ("the_runbooks_command_loses_names", dns::all_at_once),
        ("clients_count_what_fails", clients::count_what_fails),
        ("what_is_broken_is_mended", breaks::what_is_broken_is_mended),
        // Afterwards kube-proxy and CoreDNS hold tokens that nobody accepts, and follow nothing any more.
        ("the_signing_key_changes", keys::the_signing_key_changes),
    ];
    let lab = Shared::default();
    let conclusion = std::thread::scope(|_| {
        let lab: &'static Shared = Box::leak(Box::new(lab));
        let mut trials = Vec::new();
        let of_its_own = missing.clone();
        trials.push(Trial::ignorable_test("a_killed_owner_leaves_nothing", move || {
            run(of_its_own, ends::sweep)
        }));
        for (name, test) in shared {
            let missing = missing.clone();
            trials.push(Trial::ignorable_test(name, move || run(missing, || lab.with(test))));
        }
        trials.push(Trial::ignorable_test("down_leaves_nothing", move || {
            run(missing, || ends::down(lab.take()?))
        }));
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
            *lab = Some(start()?);
        }
        test(lab.as_ref().context("no lab")?)
    }

    /// For the one who ends it.
    fn take(&self) -> Result<Machines> {
        let lab = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        lab.map_or_else(start, Ok)
    }

    fn end(&self) {
        drop(self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take());
    }
}

fn start() -> Result<Machines> {
    Machines::start(&Options { name: name("all"), ..Options::default() })
}

pub(crate) fn name(what: &str) -> String {
    format!("t-{what}-{}", std::process::id())
}

pub(crate) fn note(text: &str) {
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
    let outside =
        lab.exec("worker-1", &["timeout", "2", "bash", "-c", "exec 3<>/dev/tcp/192.0.2.1/80"])?;
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

pub(crate) fn eventually(
    what: &str,
    limit: Duration,
    mut done: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !done()? {
        ensure!(Instant::now() < deadline, "waited {limit:?} for {what}, in vain");
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
