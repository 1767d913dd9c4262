//! Which pods `apply` would recycle, and which it cannot: asked page by page, by the same engine, and nothing is changed.
//!
//! Of pods only numbers are kept, by workload; those that stay behind are named, as far as there is room.

use super::estimate::PodLoad;
use super::pods;
use jiff::Timestamp;
use rotation_core::facts::budget::Budget;
use rotation_core::facts::pod::{Interner, Pod};
use rotation_core::facts::words::count;
use rotation_core::facts::workload::WorkloadKind;
use rotation_core::look::pods::workloads;
use rotation_core::plan::document::SkipReason;
use rotation_core::plan::recycle::options::Options;
use rotation_core::plan::recycle::order::Order;
use rotation_core::plan::recycle::plan::{Header, draw};
use rotation_core::plan::recycle::scene::{Scene, Selection};
use rotation_core::plan::staleness::{Credentials, Evidence, judge};
use rotation_core::world::cluster::{Cluster, ClusterError, PodQuery, Scope};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Pods that are decided about together.
const PAGE: usize = 500;
/// Pods that stay behind and are named; more are counted.
const NAMED: usize = 100;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Forecast {
    /// Pods that were looked at.
    pub(crate) seen: usize,
    /// Pods that are recycled.
    pub(crate) recycled: usize,
    /// The same by workload: what it is called, how many, and why the first one.
    pub(crate) workloads: BTreeMap<String, Recycled>,
    /// Pods that hold credentials of today and stay, by reason.
    pub(crate) left: BTreeMap<String, usize>,
    /// The first of them.
    pub(crate) named: Vec<Left>,
}

/// Pods of a workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Recycled {
    /// How many.
    pub(crate) pods: usize,
    /// What they hold.
    pub(crate) reason: String,
}

/// A pod that stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Left {
    /// `NAMESPACE/NAME`.
    pub(crate) pod: String,
    /// What it holds.
    pub(crate) holds: String,
    /// Why it stays.
    pub(crate) why: String,
    /// Whether `finish` names it; a static pod it does not, which is restarted with its machine's files.
    pub(crate) named_by_finish: bool,
}

impl Forecast {
    /// How much there is to do.
    pub(crate) fn load(&self) -> PodLoad {
        let longest = self.workloads.values().map(|one| one.pods).max().unwrap_or_default();
        PodLoad { count: self.recycled, longest }
    }

    fn left(&mut self, pod: String, holds: String, reason: &str, why: String) {
        *self.left.entry(reason.to_owned()).or_default() += 1;
        if self.named.len() < NAMED {
            let named_by_finish = reason != STATIC;
            self.named.push(Left { pod, holds, why, named_by_finish });
        }
    }

    /// For people.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "{} of {} would be recycled, of {}",
            self.recycled,
            count(self.seen, "pod"),
            count(self.workloads.len(), "workload")
        )];
        let mut namespaces: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (name, one) in &self.workloads {
            let sum = namespaces.entry(name.split('/').next().unwrap_or_default()).or_default();
            *sum = (sum.0 + one.pods, sum.1 + 1);
        }
        let few = self.workloads.len() <= 20;
        if few {
            let each = self.workloads.iter();
            lines.extend(
                each.map(|(name, one)| {
                    format!("{name}: {}, {}", count(one.pods, "pod"), one.reason)
                }),
            );
        } else {
            lines.extend(namespaces.iter().map(|(name, (pods, workloads))| {
                format!("{name}: {} of {}", count(*pods, "pod"), count(*workloads, "workload"))
            }));
        }
        lines.extend(self.named.iter().map(|left| {
            let then = if left.named_by_finish { "; `finish` names it" } else { "" };
            format!("pod {} stays: {}; it {}{then}", left.pod, left.why, left.holds)
        }));
        let rest = self.left.values().sum::<usize>().saturating_sub(self.named.len());
        if rest > 0 {
            let reasons: Vec<String> =
                self.left.iter().map(|(reason, pods)| format!("{reason} {pods}")).collect();
            lines.push(format!("and {rest} more: {} in all", reasons.join(", ")));
        }
        lines
    }
}

/// A static pod.
const STATIC: &str = "static";

/// Asks; `since` is when everything was published, where that is done already; `local` is this machine's time.
pub(crate) fn ask(
    cluster: &Cluster,
    since: Option<Timestamp>,
    local: Timestamp,
) -> Result<Forecast, ClusterError> {
    // What is published later is younger than every pod of now.
    cluster.version()?;
    let now = cluster.now(local);
    let credentials = pods::credentials(cluster, Some(since.unwrap_or(now)))?;
    let header = Header {
        tool: String::new(),
        tool_version: String::new(),
        created_at: now,
        cluster: cluster.identity()?,
    };
    let mut budgets: HashMap<Box<str>, Vec<Budget>> = HashMap::new();
    for budget in cluster.budgets(&Scope::All)? {
        budgets.entry(budget.namespace.clone()).or_default().push(budget);
    }
    let nodes = cluster.nodes()?.into_iter().map(|node| (node.name.clone(), node)).collect();
    let kinds = WorkloadKind::ALL.into_iter().collect();
    let scene =
        Scene { nodes, workloads: workloads(cluster, &kinds, &Scope::All)?, ..Scene::default() };
    let mut work =
        Work { header, credentials, scene, budgets, namespace: None, found: Forecast::default() };
    let query = PodQuery { namespaces: Scope::All, labels: None, fields: None };
    cluster.pods(&query, &mut Interner::default(), &mut |pod| work.take(pod))?;
    work.decide();
    Ok(work.found)
}

struct Work {
    header: Header,
    credentials: Credentials,
    scene: Scene,
    budgets: HashMap<Box<str>, Vec<Budget>>,
    /// The namespace of the page.
    namespace: Option<Arc<str>>,
    found: Forecast,
}

impl Work {
    fn take(&mut self, pod: Pod) {
        self.found.seen += 1;
        if pod.is_finished() || pod.deleting.is_some() {
            return;
        }
        if !matches!(judge(&pod, &self.credentials), Evidence::Stale(_)) {
            return;
        }
        let holds = holds(&pod);
        if pod.mirror {
            let name = format!("{}/{}", pod.namespace, pod.name);
            let why = "a static pod, which only its node restarts".to_owned();
            self.found.left(name, holds, STATIC, why);
            return;
        }
        let elsewhere = self.namespace.as_ref().is_some_and(|own| *own != pod.namespace);
        if elsewhere || self.scene.pods.len() >= PAGE {
            self.decide();
        }
        self.namespace = Some(Arc::clone(&pod.namespace));
        let order = Order::of_kind(pod.owner.as_deref().and_then(WorkloadKind::of));
        let selection = Selection { reason: holds, order, explicit: false, replaces: None };
        self.scene.selected.insert(pod.uid.clone(), selection);
        self.scene.pods.push(pod);
    }

    /// Decides about a page, keeps the numbers and lets the pods go.
    fn decide(&mut self) {
        let Some(namespace) = self.namespace.take() else { return };
        if let Some(own) = self.budgets.get_mut(&*namespace) {
            std::mem::swap(&mut self.scene.budgets, own);
        }
        let plan = draw(self.header.clone(), &self.scene, &Options::default());
        if let Some(own) = self.budgets.get_mut(&*namespace) {
            std::mem::swap(&mut self.scene.budgets, own);
        }
        for wave in plan.phases.iter().flat_map(|phase| &phase.waves) {
            let Some(first) = wave.steps.first() else { continue };
            self.found.recycled += wave.steps.len();
            let blank = || Recycled { pods: 0, reason: first.reason.clone() };
            self.found.workloads.entry(wave.name.clone()).or_insert_with(blank).pods +=
                wave.steps.len();
        }
        for skipped in plan.skipped {
            let pod = self.scene.pods.iter().find(|pod| *pod.name == *skipped.target.name);
            let holds = pod.map(holds).unwrap_or_default();
            let name = format!("{}/{}", skipped.target.namespace, skipped.target.name);
            self.found.left(name, holds, word(skipped.reason), skipped.message);
        }
        self.scene.pods.clear();
        self.scene.selected.clear();
    }
}

fn word(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Static => STATIC,
        SkipReason::Bare => "bare",
        SkipReason::Job => "of a job",
        SkipReason::ControlPlane => "of the control plane",
        _ => "other",
    }
}

/// What of today's generation a pod holds.
fn holds(pod: &Pod) -> String {
    let ca = pod.shape.mounts_root_ca().then_some("the root CA");
    let token = pod.shape.bound_token.then_some("a token of its own");
    let secret = (ca.is_none() && token.is_none()).then_some("a token secret");
    let held: Vec<&str> = [ca, token, secret].into_iter().flatten().collect();
    format!("holds {}", held.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forecast(workloads: usize, left: usize) -> Forecast {
        let mut found = Forecast { seen: 1000, ..Forecast::default() };
        for index in 0..workloads {
            let name = format!("ns{}/w{index} (Deployment)", index % 3);
            let one = Recycled { pods: index + 1, reason: "holds the root CA".to_owned() };
            found.recycled += one.pods;
            found.workloads.insert(name, one);
        }
        for index in 0..left {
            let name = format!("ns/p{index}");
            found.left(
                name,
                "holds a token secret".to_owned(),
                "bare",
                "nobody makes it".to_owned(),
            );
        }
        found
    }

    #[test]
    fn only_what_is_shown_is_kept() {
        let few = forecast(2, 1);
        assert_eq!(few.load(), PodLoad { count: 3, longest: 2 });
        assert_eq!(
            few.lines(),
            [
                "3 of 1000 pods would be recycled, of 2 workloads",
                "ns0/w0 (Deployment): 1 pod, holds the root CA",
                "ns1/w1 (Deployment): 2 pods, holds the root CA",
                "pod ns/p0 stays: nobody makes it; it holds a token secret; `finish` names it",
            ]
        );
        let many = forecast(30, 250);
        let lines = many.lines();
        assert_eq!(lines[1], "ns0: 145 pods of 10 workloads");
        assert_eq!((lines.len(), many.named.len()), (1 + 3 + NAMED + 1, NAMED));
        assert_eq!(lines[lines.len() - 1], "and 150 more: bare 250 in all");
    }
}
