//! How long a plan takes, and what is away meanwhile. Pure.
//!
//! The figures were measured on a kubeadm cluster of Kubernetes 1.36.3 with three control planes, on a machine with two
//! processors, while clients asked all the time; where something was not measured, that is said. They are for planning:
//! `apply` measures, and believes what it measured.

use super::document::{ComponentPlan, HostPlan, Plan};
use super::groups;
use super::orders;
use super::stage::{Stage, Track};
use super::standing::previous;
use rotation_core::world::hosts::change::Way;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Connecting to a machine and writing its files; the files alone took 0.02 to 0.05 s. Not measured over slow networks.
const FILES: Duration = Duration::from_secs(1);
/// An API server that is asked to end, and killed 1.5 s later: ready again after 5.5 to 6.2 s.
const API_SERVER: Duration = Duration::from_millis(6_200);
/// Its own address meanwhile: 4.8 to 5.5 s.
const API_SERVER_GAP: Duration = Duration::from_millis(5_500);
/// An API server whose manifest changed: ready after 37 s, 36 s of them away.
const API_SERVER_MANIFEST: Duration = Duration::from_secs(37);
/// Its own address meanwhile.
const API_SERVER_MANIFEST_GAP: Duration = Duration::from_secs(36);
/// A member of etcd, from its end until it is healthy: 1.7 to 2.5 s. On a control plane etcd and API server together took
/// about 6 s.
const ETCD: Duration = Duration::from_millis(2_500);
/// A controller manager that is asked to end: 0.6 to 1.5 s.
const CONTROLLER_MANAGER: Duration = Duration::from_millis(1_500);
/// One whose manifest changed: 10.5 to 15.7 s.
const MANIFEST: Duration = Duration::from_millis(15_700);
/// A scheduler that is asked to end: 0.8 to 1.1 s.
const SCHEDULER: Duration = Duration::from_millis(1_100);
/// A kubelet, until its lease is renewed: 0.4 to 0.5 s.
const KUBELET: Duration = Duration::from_millis(500);
/// `logs` and `exec` of its node meanwhile: 1 to 3 s.
const KUBELET_GAP: Duration = Duration::from_secs(3);
/// Anything else, and any supervisor's command. Not measured.
const OTHER: Duration = Duration::from_secs(10);
/// A kubelet counts the ends of a container, those that were asked for as well: at the second it waits 10 s, then 20 s. It
/// forgets them after ten minutes, which is not counted on.
const BACK_OFF: [Duration; 3] = [Duration::ZERO, Duration::from_secs(10), Duration::from_secs(20)];

/// Nodes say that they live every 10 s.
const LEASE: Duration = Duration::from_secs(10);
/// A root CA is published in all namespaces 13.6 to 15.6 s after a controller manager's restart.
const PUBLISHED: Duration = Duration::from_millis(15_600);
/// A kubelet that is not restarted reads its CA again within 58 s.
const KUBELET_READS: Duration = Duration::from_mins(1);
/// An API server reads the CA of kubelets again within 296 s.
const API_SERVER_READS: Duration = Duration::from_mins(5);
/// A pod that is recycled, until its replacement is Ready: its own start, which nobody knows. Not measured.
const POD: Duration = Duration::from_secs(10);

/// Something that is done without a pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Step {
    /// For which stage.
    pub(crate) stage: Stage,
    /// What.
    pub(crate) work: Work,
    /// How long.
    #[serde(serialize_with = "seconds")]
    pub(crate) takes: Duration,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "kind", rename_all_fields = "camelCase")]
pub(crate) enum Work {
    /// Machines are brought to the stage, all at once.
    Machines {
        /// Which.
        machines: Vec<String>,
    },
    /// The cluster follows.
    Gates,
    /// Pods are recycled.
    Pods {
        /// How many.
        count: usize,
    },
}

/// Something that is restarted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Restarted {
    /// When.
    pub(crate) stage: Stage,
    /// Whose.
    pub(crate) machine: String,
    /// What.
    pub(crate) program: String,
    /// How long until it runs again.
    #[serde(serialize_with = "seconds")]
    pub(crate) takes: Duration,
    /// How long those see it who ask it by its own address.
    #[serde(serialize_with = "seconds")]
    pub(crate) gap: Duration,
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// Pods that are recycled, as far as their number is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PodLoad {
    /// All.
    pub(crate) count: usize,
    /// Those of the workload that takes longest: workloads go side by side, their pods one after the other.
    pub(crate) longest: usize,
}

/// Under which circumstances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Machines without a control plane that are changed at a time.
    pub(crate) at_once: usize,
    /// Whether anybody asks the API.
    pub(crate) gates: bool,
    /// Pods.
    pub(crate) pods: PodLoad,
}

/// How often each component was restarted before.
type Before = BTreeMap<(String, String), usize>;

/// Everything that is restarted on the route, stage by stage.
pub(crate) fn restarts(plan: &Plan) -> Vec<Restarted> {
    let mut before = Before::new();
    let mut all = Vec::new();
    for stage in plan.route() {
        for host in &plan.hosts {
            all.extend(of_host(host, previous(plan.route(), *stage), *stage, &mut before));
        }
    }
    all
}

fn of_host(host: &HostPlan, from: Stage, to: Stage, before: &mut Before) -> Vec<Restarted> {
    let restarts = orders::restarts(host, from, to);
    let has = |name: &str| restarts.iter().any(|one| one.component.program == name);
    // An API server comes back while its etcd does.
    let with_etcd = has("etcd") && has("kube-apiserver");
    let mut found = Vec::new();
    for restart in &restarts {
        let key = (host.name.clone(), restart.component.program.clone());
        let earlier = before.entry(key).or_default();
        let (takes, gap) = figures(restart.component, &restart.way);
        let waits = match &restart.way {
            Way::Kill if is_container(&restart.component.program) => {
                *earlier += 1;
                BACK_OFF[(*earlier - 1).min(BACK_OFF.len() - 1)]
            }
            // A changed manifest is another pod, of which nothing is counted yet.
            Way::Wait => {
                *earlier = 0;
                Duration::ZERO
            }
            Way::Kill | Way::Run(_) | Way::Tell(_) => Duration::ZERO,
        };
        let within = with_etcd && restart.component.program == "etcd";
        found.push(Restarted {
            stage: to,
            machine: host.name.clone(),
            program: restart.component.program.clone(),
            takes: if within { Duration::ZERO } else { takes + waits },
            gap: if gap.is_zero() { gap } else { gap + waits },
        });
    }
    found
}

/// Whether a kubelet runs it, so that it counts its ends.
fn is_container(program: &str) -> bool {
    !matches!(program, "kubelet" | "kube-proxy")
}

fn figures(component: &ComponentPlan, way: &Way) -> (Duration, Duration) {
    let none = Duration::ZERO;
    match (component.program.as_str(), way) {
        ("kube-apiserver" | "etcd", Way::Wait) => (API_SERVER_MANIFEST, API_SERVER_MANIFEST_GAP),
        ("kube-apiserver", _) => (API_SERVER, API_SERVER_GAP),
        ("etcd", _) => (ETCD, ETCD),
        ("kubelet", _) => (KUBELET, KUBELET_GAP),
        (_, Way::Wait) => (MANIFEST, none),
        ("kube-controller-manager", Way::Kill) => (CONTROLLER_MANAGER, none),
        ("kube-scheduler", Way::Kill) => (SCHEDULER, none),
        _ => (OTHER, none),
    }
}

/// The way from one stage to the next, step by step; `restarted` is everything that [`restarts`] says of the plan.
pub(crate) fn steps(
    plan: &Plan,
    restarted: &[Restarted],
    from: Stage,
    to: Stage,
    pace: Pace,
) -> Vec<Step> {
    let stays = |host: &HostPlan| host.files.iter().all(|file| file.at(from) == file.at(to));
    let step = |work: Work, takes: Duration| Step { stage: to, work, takes };
    let mut steps = Vec::new();
    for group in groups::of(plan, None, pace.at_once, from, to) {
        let group: Vec<&HostPlan> = group.into_iter().filter(|host| !stays(host)).collect();
        if group.is_empty() {
            continue;
        }
        let machines = group.iter().map(|host| host.name.clone()).collect();
        let takes = group.iter().map(|host| machine(host, restarted, to)).max();
        steps.push(step(Work::Machines { machines }, takes.unwrap_or_default()));
    }
    if pace.gates && !steps.is_empty() {
        steps.push(step(Work::Gates, gates(plan, from, to)));
    }
    // Pods are recycled on the way forward alone: before servers show the new generation, or after it came at once.
    let rolls = plan.route().contains(&Stage::Accept);
    let at = if rolls { Stage::Sign } else { plan.end() };
    if pace.pods.count > 0 && to == at && from < to {
        steps.push(step(Work::Pods { count: pace.pods.count }, pods(pace.pods)));
    }
    steps
}

/// Pods: workloads side by side.
pub(crate) fn pods(load: PodLoad) -> Duration {
    POD.saturating_mul(u32::try_from(load.longest).unwrap_or(u32::MAX))
}

/// A machine: its files, and its restarts one after the other.
pub(crate) fn machine(host: &HostPlan, restarted: &[Restarted], to: Stage) -> Duration {
    let own = restarted.iter().filter(|one| one.stage == to && one.machine == host.name);
    FILES + own.map(|one| one.takes).sum::<Duration>()
}

/// How long the cluster takes to follow a stage.
fn gates(plan: &Plan, from: Stage, to: Stage) -> Duration {
    if plan.track(Track::Cluster).is_none() {
        return LEASE;
    }
    let changes = |host: &HostPlan, name: &str| {
        host.files.iter().any(|file| file.what == name && file.at(from) != file.at(to))
    };
    let restarts = |host: &HostPlan, program: &str| {
        orders::restarts(host, from, to).iter().any(|one| one.component.program == program)
    };
    let trust = format!("trusted {} CA", Track::Cluster);
    let trusts = |host: &&HostPlan| changes(host, &trust);
    let mut takes = LEASE;
    if plan.hosts.iter().filter(trusts).any(|host| !restarts(host, "kubelet")) {
        takes = takes.max(KUBELET_READS);
    }
    if plan.hosts.iter().any(|host| restarts(host, "kube-controller-manager")) {
        takes = takes.max(PUBLISHED);
    }
    takes
}

/// What clients notice of a stage, in sentences.
pub(crate) fn noticed(plan: &Plan, restarted: &[Restarted], from: Stage, to: Stage) -> Vec<String> {
    let mut told = Vec::new();
    let gap = |programs: &[&str]| {
        let own = restarted.iter().filter(|one| one.stage == to);
        own.filter(|one| programs.contains(&one.program.as_str())).map(|one| one.gap).max()
    };
    let words = |gap: Duration| format!("about {:.1} s", gap.as_secs_f64());
    if let Some(gap) = gap(&["kube-apiserver", "etcd"]) {
        told.push(format!(
            "each API server's own address is away for {} while it restarts; clients with another address go on",
            words(gap)
        ));
    }
    if let Some(gap) = gap(&["kubelet"]) {
        told.push(format!(
            "`logs` and `exec` fail for {} on each node whose kubelet restarts",
            words(gap)
        ));
    }
    let changes = |path: &str| {
        let files = plan.hosts.iter().flat_map(|host| &host.files);
        files.filter(|file| file.path.ends_with(path)).any(|file| file.at(from) != file.at(to))
    };
    if changes("apiserver-kubelet-client.crt") {
        told.push(
            "an `exec`, `attach` or `port-forward` that is open through an API server ends as it takes its new client \
             certificate"
                .to_owned(),
        );
    }
    let has = |track| plan.track(track).is_some() && plan.strategy.has_new_key();
    if has(Track::Cluster) && to == Stage::Switch {
        told.push(
            "clients outside of the cluster that were not given the new CA fail on their next new connection (x509)".to_owned(),
        );
    }
    if has(Track::Cluster) && to == Stage::Retire {
        told.push(
            "clients whose certificate is of the old CA get 401, on open connections as well"
                .to_owned(),
        );
    }
    if has(Track::Tokens) && to == Stage::Retire {
        told.push("tokens that the old key signed get 401".to_owned());
    }
    let reads = API_SERVER_READS.as_secs() / 60;
    if has(Track::Cluster) && changes("kubelet-server-current.pem") {
        told.push(format!("API servers follow a new CA of kubelets within {reads} minutes"));
    }
    told
}
