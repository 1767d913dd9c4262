//! The CA of a running cluster replaced under its clients: stage by stage with the tool, and as a runbook does it, on two
//! clusters that are alike.

use crate::places;
use crate::table::Table;
use anyhow::{Context as _, Result, ensure};
use lab::machines::{ALONE, CLIENTS, Clients, Counted, Kind, Machines, Options, Role, Scope};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The tool, as it is released.
const CERTS: &str = env!("CARGO_BIN_EXE_kubectl-rotate_certs");
/// The load balancer before the lab's API servers.
const ENDPOINT: &str = "10.77.0.1:6443";
/// How long an operator waits for an API server.
const PATIENCE: Duration = Duration::from_mins(5);
/// Clients are watched so long after the last step: who fails then goes on failing.
const AFTERWARDS: Duration = Duration::from_secs(10);

/// What a way cost.
struct Cost {
    seconds: f64,
    counted: Counted,
    /// Kinds of clients of which some request failed after the last step.
    failing: u64,
}

pub(crate) fn figures(table: &mut Table, rounds: usize) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let lab = cluster("ours")?;
    places::masters(table, rounds, &lab)?;
    let ours = cost(lab, |lab| by_stages(table, lab, folder.path()))?;
    let theirs = cost(cluster("runbook")?, |lab| by_runbook(lab, folder.path()))?;
    let what = "a new CA for 3 control planes and 2 workers; peer: the runbook's steps";
    table.time(what, ours.seconds, Some(theirs.seconds), None);
    let all = |cost: &Cost| (cost.counted.all().requests, cost.counted.all().failed);
    let ((asked, failed), (of, lost)) = (all(&ours), all(&theirs));
    table.counts("the same, requests of clients meanwhile", asked, of, None);
    table.counts(
        "the same, of which failed at kubelets' own ports",
        kubelets(&ours.counted),
        kubelets(&theirs.counted),
        None,
    );
    let others = failed - kubelets(&ours.counted);
    table.counts(
        "the same, of which failed elsewhere",
        others,
        lost - kubelets(&theirs.counted),
        Some(0),
    );
    for kind in Kind::ALL {
        let (mine, other) = (ours.counted.kind(kind), theirs.counted.kind(kind));
        if other.requests > 0 {
            let what = format!("the same, longest time without an answer, {}", kind.name());
            table.time(&what, mine.gap.as_secs_f64(), Some(other.gap.as_secs_f64()), None);
        }
    }
    table.counts(
        "kinds of clients that go on failing afterwards",
        ours.failing,
        theirs.failing,
        Some(0),
    );
    Ok(())
}

/// Who asks a kubelet by its own port while it restarts is refused.
fn kubelets(counted: &Counted) -> u64 {
    let rows = counted
        .rows()
        .filter(|(kind, target, _)| *kind == Kind::Scrape && target.ends_with(":10250"));
    rows.map(|(_, _, tally)| tally.failed).sum()
}

fn cluster(what: &str) -> Result<Machines> {
    let name = format!("bench-{what}-{}", std::process::id());
    Machines::start(&Options { name, ..Options::default() })
}

fn cost(lab: Machines, way: impl FnOnce(&Machines) -> Result<()>) -> Result<Cost> {
    let clients = Clients::start(&lab, Scope::Core)?;
    let began = Instant::now();
    way(&lab)?;
    let seconds = began.elapsed().as_secs_f64();
    let counted = clients.settle()?;
    std::thread::sleep(AFTERWARDS);
    let later = clients.read()?.since(&counted);
    let failing = Kind::ALL.into_iter().filter(|kind| later.kind(*kind).failed > 0).count();
    eprintln!("{}", counted.targets());
    clients.stop()?;
    lab.down()?;
    Ok(Cost { seconds, counted, failing: failing.try_into()? })
}

/// With the tool: `apply`, the one pod that nobody makes again, `finish`.
fn by_stages(table: &mut Table, lab: &Machines, folder: &Path) -> Result<()> {
    let folder = folder.join("stages");
    fs::create_dir(&folder)?;
    fs::write(folder.join("cluster.toml"), lab.cluster_file())?;
    let run = |program: &str, words: &str| -> Result<Vec<u8>> {
        let mut command = lab.at_desk(program)?;
        command.args(words.split_whitespace()).current_dir(&folder).stdin(Stdio::null());
        let output = command.env("KUBECONFIG", lab.desk_kubeconfig()).output()?;
        ensure!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(output.stdout)
    };
    let before = processor_time();
    let began = Instant::now();
    run(CERTS, "apply --rotate cluster,front-proxy --yes")?;
    run(crate::TOOL, &format!("pod/{ALONE} -n {CLIENTS} --allow bare --yes"))?;
    run(CERTS, "finish --yes")?;
    let (took, spent) = (began.elapsed().as_secs_f64(), processor_time() - before);
    let report: Value = serde_json::from_slice(&run(CERTS, "report -o json")?)?;
    let sum = |name: &str| -> Result<f64> {
        let millis =
            report["figures"][name].as_u64().with_context(|| format!("no figure {name}"))?;
        Ok(Duration::from_millis(millis).as_secs_f64())
    };
    let needed = sum("restarting")? + sum("writing")? + sum("propagation")? + sum("pods")?;
    let what = "a rolling rotation; peer: its restarts, files, pods and waiting for the cluster";
    table.within(what, sum("atWork")?, needed, Some(1.05));
    for name in ["restarting", "writing", "propagation", "pods"] {
        table.time(&format!("of which {name}"), sum(name)?, None, None);
    }
    table.time(
        "processor time of the tool and its ssh; peer: the rotation",
        spent,
        Some(took),
        None,
    );
    Ok(())
}

/// Seconds of processor time of children that have ended.
fn processor_time() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in brackets: fields 16 and 17 are those of children, in ticks.
    let fields: Vec<&str> =
        text.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|word| word.parse::<f64>().ok());
    (ticks(13).unwrap_or(0.0) + ticks(14).unwrap_or(0.0)) / 100.0
}

/// As the runbooks have it: new certificates made beforehand, all masters at once, all nodes at once, all secrets of
/// kube-system, then the pods of the network and of DNS by name.
fn by_runbook(lab: &Machines, folder: &Path) -> Result<()> {
    let folder = folder.join("runbook");
    fs::create_dir(&folder)?;
    let hosts = format!(
        "sans = ['127.0.0.1', 'localhost', '10.77.0.1']\n[inputs]\nendpoint = '{ENDPOINT}'\n\
         api-service-address = '10.201.0.1'\n{}",
        lab.cluster_file()
    );
    fs::write(folder.join("hosts.toml"), hosts)?;
    let made = Command::new(CERTS)
        .args(["generate", "--layout", "kubeadm", "--hosts", "hosts.toml", "-o", "out"])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()?;
    ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    put_in_place(lab, &folder, Role::ControlPlane)?;
    let admin = fs::read_to_string(folder.join("out/current/control-1/admin.conf"))?;
    become_administrator(lab, &admin)?;
    let until = Instant::now() + PATIENCE;
    while !lab.kubectl(&["get", "--raw=/readyz"])?.status.success() {
        ensure!(Instant::now() < until, "the API server did not come back");
        std::thread::sleep(Duration::from_secs(1));
    }
    put_in_place(lab, &folder, Role::Worker)?;
    let lines = [
        "kubectl delete secrets -n kube-system --all",
        "kubectl get pods -n kube-system | grep kube-proxy | awk '{ print $1 }' | xargs kubectl delete pods -n kube-system",
        "kubectl get pods -n kube-system | grep kube-dns | awk '{ print $1 }' | xargs kubectl delete pods -n kube-system",
    ];
    for line in lines {
        // Their exit codes tell little, and nobody looks at them.
        lab.client().shell(line).stdin(Stdio::null()).output()?;
    }
    Ok(())
}

/// The new files on all machines of a role, whose kubelets and containers end and start.
fn put_in_place(lab: &Machines, folder: &Path, role: Role) -> Result<()> {
    let machines = lab.machines().iter().filter(|machine| machine.role == role);
    for machine in machines {
        let there = lab.root_of(&machine.name)?.join("etc/kubernetes");
        let made = folder.join("out/current").join(&machine.name);
        let copied = Command::new("cp").arg("-rL").arg(made.join(".")).arg(&there).status()?;
        ensure!(copied.success(), "cannot copy to {}", machine.name);
        let script = "rm -f /var/lib/kubelet/pki/kubelet-client-*; \
                      for p in etcd kube-apiserver kube-controller kube-scheduler; do pkill -KILL -x $p; done; true";
        lab.exec(&machine.name, &["sh", "-c", script])?;
        lab.restart(&machine.name, "kubelet")?;
    }
    Ok(())
}

/// The administrator's new file, for the desk and through the port by which this computer reaches the machines.
fn become_administrator(lab: &Machines, admin: &str) -> Result<()> {
    let before = fs::read_to_string(lab.kubeconfig())?;
    let server = before.split("server: ").nth(1).and_then(|rest| rest.lines().next());
    let inside = format!("\"https://{ENDPOINT}\"");
    fs::write(lab.kubeconfig(), admin.replace(&inside, server.context("a kubeconfig")?))?;
    fs::write(lab.desk_kubeconfig(), admin)?;
    Ok(())
}
