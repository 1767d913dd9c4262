//! Interprets plans of recycling: steps become requests, probes are answered from pods that a feed keeps current.

use super::answers::{FORBIDS_TOO_MUCH, believe_later, effect};
use super::effect::{Effect, Expectation, Remark, Verified};
use super::engine::Interpreter;
use super::outcome::Proof;
use crate::facts::identity::{ObjectRef, Uid};
use crate::facts::pod::{Interner, Pod};
use crate::facts::words;
use crate::facts::workload::{Workload, WorkloadKind};
use crate::plan::document::{Action, Plan, Probe, Replacement, Step};
use crate::plan::recycle::pods::Pods;
use crate::plan::recycle::replacement::{Departed, Roster, Sight, Verdict, judge, others_ready};
use crate::plan::recycle::rollout::{Progress, progress};
use crate::world::clock::Clock;
use crate::world::cluster::{
    Answer, Cluster, ClusterError, FeedEvent, PodFeed, PodQuery, Request, Scope, Thing,
};
use crate::world::interrupt::Interrupt;
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Controllers are listed again at most this often, and at least this often while something is waited for.
const WORKLOADS_EVERY: Duration = Duration::from_secs(1);
/// Nodes change rarely, and a list of them is large.
const NODES_EVERY: Duration = Duration::from_secs(15);
/// A controller that has not created a pod after so long is asked why.
const ASK_WHY_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// A reason that lasts so long is believed: a quota may be exceeded only while the old pod ends.
const BELIEVE_AFTER: SignedDuration = SignedDuration::from_secs(20);

/// Pods that are created again, by the digest under which a plan names them.
pub type Manifests = HashMap<String, serde_json::Value>;

/// Recycles pods of one cluster.
pub struct Recycler<'a> {
    cluster: &'a Cluster,
    clock: &'a dyn Clock,
    interrupt: &'a Interrupt,
    scope: Scope,
    kinds: BTreeSet<WorkloadKind>,
    watches_nodes: bool,
    manifests: Manifests,
    feed: PodFeed,
    sight: Sight,
    roster: Roster,
    departed: HashMap<Uid, Departed>,
    /// Pods that were made to go, whether or not the feed has told so.
    taken: HashSet<Uid>,
    /// New pods by the one that they stand for.
    claims: HashMap<Uid, Uid>,
    /// Namespace and name of pods that came while this run was at work, and went again.
    came_and_went: HashSet<(Arc<str>, Box<str>)>,
    /// Generations of workloads whose template this run touched.
    touched: HashMap<Uid, i64>,
    endpoints: HashMap<(String, String), (Duration, usize)>,
    causes: HashMap<Uid, (Duration, Option<String>)>,
    workloads_at: Duration,
    nodes_at: Duration,
    stirred: bool,
    /// When the server was last away.
    away_at: Option<Duration>,
    remarks: Vec<Remark>,
}

impl<'a> Recycler<'a> {
    /// Looks at everything that the plan speaks of, and begins to follow it.
    pub fn start(
        cluster: &'a Cluster,
        clock: &'a dyn Clock,
        interrupt: &'a Interrupt,
        plan: &Plan,
        manifests: Manifests,
    ) -> Result<Self, ClusterError> {
        // Steps of other kinds are other interpreters' work.
        let ours = |s: &&Step| s.target.kind != "Secret";
        let namespaces: BTreeSet<String> =
            plan.steps().filter(ours).map(|s| s.target.namespace.clone()).collect();
        let scope = Scope::These(namespaces.into_iter().collect());
        let query = PodQuery { namespaces: scope.clone(), labels: None, fields: None };
        let mut interner = Interner::default();
        let mut pods = Pods::default();
        let version = cluster.pods(&query, &mut interner, &mut |pod: Pod| pods.insert(pod))?;
        let feed = cluster.pod_feed(&query, &version, interrupt);
        let known = pods.iter().map(|p| p.uid.clone()).collect();
        let mut recycler = Self {
            cluster,
            clock,
            interrupt,
            scope,
            kinds: kinds(plan),
            watches_nodes: plan.steps().flat_map(|s| &s.verify).any(is_by_node),
            manifests,
            feed,
            sight: Sight { pods, ..Sight::default() },
            roster: Roster { known, claimed: HashSet::new() },
            departed: HashMap::new(),
            taken: HashSet::new(),
            claims: HashMap::new(),
            came_and_went: HashSet::new(),
            touched: HashMap::new(),
            endpoints: HashMap::new(),
            causes: HashMap::new(),
            workloads_at: Duration::ZERO,
            nodes_at: Duration::ZERO,
            stirred: false,
            away_at: None,
            remarks: Vec::new(),
        };
        recycler.read_workloads()?;
        if recycler.watches_nodes {
            recycler.read_nodes()?;
        }
        recycler.sight.now = recycler.now();
        Ok(recycler)
    }

    fn read_workloads(&mut self) -> Result<(), ClusterError> {
        let found = self.cluster.workloads_of(&self.kinds, &self.scope)?;
        self.sight.workloads = found.into_iter().map(|w| (w.uid.clone(), w)).collect();
        self.workloads_at = self.clock.uptime();
        Ok(())
    }

    fn read_nodes(&mut self) -> Result<(), ClusterError> {
        let nodes = self.cluster.nodes()?;
        self.sight.nodes = nodes.into_iter().map(|n| (n.name.clone(), n)).collect();
        self.nodes_at = self.clock.uptime();
        Ok(())
    }

    fn hear(&mut self, event: FeedEvent) {
        match event {
            FeedEvent::Now(pod) => self.sight.pods.insert(pod),
            FeedEvent::Gone { uid, .. } => self.gone(&uid),
            FeedEvent::Listed { namespace, present } => {
                let missing: Vec<Uid> = self
                    .sight
                    .pods
                    .iter()
                    .filter(|p| namespace.as_ref().is_none_or(|n| *n == p.namespace))
                    .filter(|p| !present.contains(&p.uid))
                    .map(|p| p.uid.clone())
                    .collect();
                for uid in &missing {
                    self.gone(uid);
                }
            }
            FeedEvent::Lost { message } => {
                self.away_at = Some(self.clock.uptime());
                self.remarks.push(Remark::Lost(message));
            }
            FeedEvent::Back => {
                self.away_at = Some(self.clock.uptime());
                self.remarks.push(Remark::Back);
            }
        }
        self.stirred = true;
    }

    fn gone(&mut self, uid: &Uid) {
        if let Some(pod) = self.sight.pods.get(uid)
            && !self.roster.known.contains(uid)
        {
            self.came_and_went.insert((Arc::clone(&pod.namespace), pod.name.clone()));
        }
        self.sight.pods.remove(uid);
        let now = self.now();
        if let Some(departed) = self.departed.get_mut(uid) {
            departed.gone_since.get_or_insert(now);
        }
    }

    fn departed(&mut self, target: &ObjectRef) -> Departed {
        let gone = (!self.sight.pods.contains(&target.uid)).then(|| self.now());
        self.departed
            .entry(target.uid.clone())
            .or_insert_with(|| Departed {
                uid: target.uid.clone(),
                name: target.name.as_str().into(),
                namespace: target.namespace.as_str().into(),
                gone_since: gone,
            })
            .clone()
    }

    fn replaced(&mut self, step: &Step, replacement: &Replacement, min_ready: u32) -> Verified {
        let uid = &step.target.uid;
        let claimed = self.claims.get(uid).and_then(|new| self.sight.pods.get(new));
        if let Some(new) = claimed.filter(|new| new.is_ready()) {
            return Verified::Holds(proof(new));
        }
        let departed = self.departed(&step.target);
        match judge(&departed, replacement, min_ready, &self.sight, &self.roster) {
            Verdict::Ready { uid: new, .. } => {
                self.roster.claimed.insert(new.clone());
                let proof = self.sight.pods.get(&new).map(proof).unwrap_or_default();
                self.claims.insert(uid.clone(), new);
                Verified::Holds(proof)
            }
            Verdict::NotWanted(why) => {
                Verified::Holds(Proof { note: Some(why), ..Proof::default() })
            }
            Verdict::Hopeless(trouble) => {
                let place = if trouble.container.is_empty() {
                    String::new()
                } else {
                    format!(" in container `{}`", trouble.container)
                };
                let message = format!(
                    "its replacement reports {}{place}: {}",
                    trouble.reason, trouble.message
                );
                Verified::Never {
                    reason: trouble.reason.to_string(),
                    message: message.trim_end_matches(": ").to_owned(),
                }
            }
            Verdict::Waiting(what) => self.why_none(&departed, replacement, what),
        }
    }

    /// A controller that creates no pod writes down why.
    fn why_none(
        &mut self,
        departed: &Departed,
        replacement: &Replacement,
        what: String,
    ) -> Verified {
        let Some(gone_for) = departed.gone_since.map(|since| self.sight.now.duration_since(since))
        else {
            return Verified::Waiting(what);
        };
        if gone_for < ASK_WHY_AFTER || !what.ends_with("to create its replacement") {
            return Verified::Waiting(what);
        }
        match self.cause(replacement, departed) {
            Some(message) if gone_for >= BELIEVE_AFTER => {
                Verified::Never { reason: "FailedCreate".to_owned(), message }
            }
            Some(message) => Verified::Waiting(format!("{what}; {message}")),
            None => Verified::Waiting(what),
        }
    }

    /// The newest `FailedCreate` since the pod went, of the controller that creates pods itself.
    fn cause(&mut self, replacement: &Replacement, departed: &Departed) -> Option<String> {
        let owner = replacement.owner();
        let now = self.clock.uptime();
        if let Some((at, cause)) = self.causes.get(&owner.uid)
            && now.saturating_sub(*at) < Duration::from_secs(5)
        {
            return cause.clone();
        }
        let below = |w: &&Workload| {
            w.uid == owner.uid || w.owner.as_ref().is_some_and(|o| o.uid == owner.uid)
        };
        let makers: Vec<ObjectRef> =
            self.sight.workloads.values().filter(below).map(Workload::reference).collect();
        let since = departed.gone_since.unwrap_or(Timestamp::UNIX_EPOCH);
        let cause = makers
            .iter()
            // What cannot be asked is not known; the wait goes on to its limit.
            .filter_map(|maker| self.cluster.events_for(maker).ok())
            .flatten()
            .find(|w| w.reason == "FailedCreate" && w.last.is_none_or(|last| last >= since))
            .map(|w| w.message);
        self.causes.insert(owner.uid.clone(), (now, cause.clone()));
        cause
    }

    fn endpoints_ready(&mut self, namespace: &str, service: &str, at_least: u32) -> Verified {
        let key = (namespace.to_owned(), service.to_owned());
        let now = self.clock.uptime();
        let fresh = self
            .endpoints
            .get(&key)
            .filter(|(at, _)| now.saturating_sub(*at) < Duration::from_millis(200));
        let ready = match fresh {
            Some((_, ready)) => *ready,
            None => match self.cluster.ready_endpoints(namespace, service) {
                Ok(ready) => {
                    let ready = ready.unwrap_or(0);
                    self.endpoints.insert(key, (now, ready));
                    ready
                }
                Err(error) => {
                    return Verified::Waiting(format!("the endpoints of `{service}`: {error}"));
                }
            },
        };
        if ready >= at_least as usize {
            Verified::Holds(Proof::default())
        } else {
            Verified::Waiting(format!(
                "`{service}` to have {} ready, of {ready}",
                words::count(at_least as usize, "endpoint")
            ))
        }
    }

    fn recreated(&self, step: &Step) -> Verified {
        let target = &step.target;
        let same = |p: &&Pod| {
            *p.namespace == *target.namespace && *p.name == *target.name && p.uid != target.uid
        };
        match self.sight.pods.iter().find(same) {
            Some(pod) if pod.is_ready() => Verified::Holds(proof(pod)),
            Some(pod) => match &pod.trouble {
                Some(trouble) => {
                    Verified::Waiting(format!("it to be Ready; it reports {}", trouble.reason))
                }
                None => Verified::Waiting("it to be Ready".to_owned()),
            },
            // Nobody makes it a second time.
            None if self.came_and_went.iter().any(|(namespace, name)| {
                **namespace == *target.namespace && **name == *target.name
            }) =>
            {
                Verified::Never {
                    reason: "Deleted".to_owned(),
                    message: "it was created again, and somebody deleted it".to_owned(),
                }
            }
            None => Verified::Waiting("it to be created".to_owned()),
        }
    }

    fn rolled_out(&self, target: &ObjectRef) -> Verified {
        let Some(since) = self.touched.get(&target.uid) else {
            return Verified::Waiting("its template to be touched".to_owned());
        };
        let Some(workload) = self.sight.workloads.get(&target.uid) else {
            let message = format!("{} `{}` was deleted", target.kind, target.name);
            return Verified::Never { reason: "Deleted".to_owned(), message };
        };
        match progress(workload, *since) {
            Progress::Done => Verified::Holds(Proof::default()),
            Progress::Waiting(what) => Verified::Waiting(what),
            Progress::Failed(message) => {
                Verified::Never { reason: "ProgressDeadlineExceeded".to_owned(), message }
            }
        }
    }

    fn request(&self, step: &Step) -> Result<Option<Request>, String> {
        let ObjectRef { kind, namespace, name, uid } = step.target.clone();
        Ok(Some(match &step.action {
            Action::EvictPod { grace_seconds } => Request::Evict {
                namespace,
                name,
                uid,
                grace_seconds: *grace_seconds,
                dry_run: false,
            },
            Action::DeletePod { grace_seconds } => Request::Delete {
                thing: Thing::Pod,
                namespace,
                name,
                uid,
                resource_version: None,
                grace_seconds: *grace_seconds,
                dry_run: false,
            },
            Action::AwaitPod => return Ok(None),
            Action::CreatePod { manifest_file, manifest_sha256 } => {
                let manifest = self.manifests.get(manifest_sha256).cloned();
                let manifest =
                    manifest.ok_or_else(|| format!("manifest {manifest_file} is not at hand"))?;
                Request::Create { thing: Thing::Pod, namespace, manifest, dry_run: false }
            }
            Action::RestartRollout { resource_version } => Request::RestartRollout {
                kind: WorkloadKind::parse(&kind)
                    .ok_or_else(|| format!("a {kind} has no roll-out"))?,
                namespace,
                name,
                uid,
                resource_version: resource_version.clone(),
                at: self.now(),
                dry_run: false,
            },
            Action::RefillToken { .. }
            | Action::AwaitToken
            | Action::CreateToken { .. }
            | Action::RepointAccount { .. }
            | Action::DeleteSecret => {
                return Err("tokens are not this interpreter's work".to_owned());
            }
        }))
    }
}

impl Interpreter for Recycler<'_> {
    fn expect(&mut self, step: &Step) -> Expectation {
        let target = &step.target;
        for probe in &step.expect {
            match probe {
                Probe::OthersReady { namespace, selector, at_least } => {
                    // An unready pod serves nobody: nothing is lost with it.
                    if !self.sight.pods.get(&target.uid).is_some_and(Pod::is_ready) {
                        continue;
                    }
                    let mut except = self.taken.clone();
                    except.insert(target.uid.clone());
                    let ready = others_ready(namespace, selector, &except, &self.sight);
                    if ready < *at_least as usize {
                        return Expectation::Wait(format!(
                            "{} beside it to be Ready",
                            words::count(*at_least as usize, "other pod")
                        ));
                    }
                }
                Probe::Gone => {
                    if self.sight.pods.contains(&target.uid) {
                        return Expectation::Wait("the old one to be gone".to_owned());
                    }
                }
                // Asked of the keeper of tokens before this.
                Probe::TokenWorks { .. } => {}
                Probe::Replaced { .. }
                | Probe::Recreated
                | Probe::RolledOut
                | Probe::AccountLists { .. }
                | Probe::TokenRefused
                | Probe::EndpointsReady { .. } => {
                    return Expectation::Moved(
                        "the plan expects something that cannot hold before its step".to_owned(),
                    );
                }
            }
        }
        self.taken.insert(target.uid.clone());
        Expectation::Holds
    }

    fn act(&mut self, steps: &[&Step]) -> Vec<Effect> {
        let mut effects: Vec<Option<Effect>> = steps.iter().map(|_| None).collect();
        let mut requests = Vec::new();
        let mut places = Vec::new();
        for (place, step) in steps.iter().enumerate() {
            self.departed(&step.target);
            match self.request(step) {
                Ok(Some(request)) => {
                    requests.push(request);
                    places.push(place);
                }
                Ok(None) => effects[place] = Some(Effect::Made),
                Err(message) => {
                    effects[place] =
                        Some(Effect::Refused { reason: "Invalid".to_owned(), message });
                }
            }
        }
        let mut unanswered = false;
        self.cluster.act(&requests, &mut |index, answer| {
            unanswered |= matches!(answer, Answer::Unknown { .. });
            effects[places[index]] = Some(effect(answer));
        });
        let now = self.clock.uptime();
        if unanswered {
            self.away_at = Some(now);
        }
        // The rights were there before the first change.
        if self.away_at.is_some_and(|at| now.saturating_sub(at) < FORBIDS_TOO_MUCH) {
            effects.iter_mut().flatten().for_each(believe_later);
        }
        for (step, effect) in steps.iter().zip(&effects) {
            match (effect, &step.action) {
                (Some(Effect::Made), Action::RestartRollout { .. }) => {
                    let seen =
                        self.sight.workloads.get(&step.target.uid).map_or(0, |w| w.generation);
                    self.touched.insert(step.target.uid.clone(), seen + 1);
                }
                (Some(Effect::Made), _) => {}
                // It stays: it counts among the Ready ones again.
                _ => {
                    self.taken.remove(&step.target.uid);
                }
            }
        }
        let unanswered = || Effect::Unclear("an answer that did not come".to_owned());
        effects.into_iter().map(|e| e.unwrap_or_else(unanswered)).collect()
    }

    fn verify(&mut self, step: &Step) -> Verified {
        let mut sum = Proof::default();
        for probe in &step.verify {
            let verified = match probe {
                Probe::Replaced { replacement, min_ready_seconds } => {
                    self.replaced(step, replacement, *min_ready_seconds)
                }
                Probe::Gone => match self.sight.pods.get(&step.target.uid) {
                    None => Verified::Holds(Proof::default()),
                    Some(_) => Verified::Waiting("it to end".to_owned()),
                },
                Probe::Recreated => self.recreated(step),
                Probe::RolledOut => self.rolled_out(&step.target),
                Probe::EndpointsReady { namespace, service, at_least } => {
                    self.endpoints_ready(namespace, service, *at_least)
                }
                Probe::OthersReady { .. }
                | Probe::TokenWorks { .. }
                | Probe::AccountLists { .. }
                | Probe::TokenRefused => Verified::Never {
                    reason: "Invalid".to_owned(),
                    message: "the plan asks of a pod what makes no sense after its step".to_owned(),
                },
            };
            match verified {
                Verified::Holds(proof) => sum = merge(sum, proof),
                Verified::Waiting(_) | Verified::Never { .. } => return verified,
            }
        }
        Verified::Holds(sum)
    }

    fn wait(&mut self, limit: Duration) {
        for event in self.feed.wait(limit) {
            self.hear(event);
        }
        let now = self.clock.uptime();
        let since = now.saturating_sub(self.workloads_at);
        // A failed read leaves what was seen before; the feed says that the server is away.
        if since >= WORKLOADS_EVERY
            && (self.stirred || since >= 2 * WORKLOADS_EVERY)
            && self.read_workloads().is_ok()
        {
            self.stirred = false;
        }
        if self.watches_nodes && now.saturating_sub(self.nodes_at) >= NODES_EVERY {
            let _ = self.read_nodes();
        }
        self.sight.now = self.now();
    }

    fn elapsed(&self) -> Duration {
        self.clock.uptime()
    }

    /// The API server's time: what it stamps is compared with it.
    fn now(&self) -> Timestamp {
        self.cluster.now(self.clock.now())
    }

    fn interrupted(&self) -> bool {
        self.interrupt.is_asked()
    }

    fn remarks(&mut self) -> Vec<Remark> {
        std::mem::take(&mut self.remarks)
    }
}

/// Kinds of controllers that have to be seen for this plan.
fn kinds(plan: &Plan) -> BTreeSet<WorkloadKind> {
    let mut kinds = BTreeSet::new();
    for step in plan.steps() {
        kinds.extend(WorkloadKind::ALL.into_iter().find(|k| k.as_str() == step.target.kind));
        for probe in &step.verify {
            if let Probe::Replaced { replacement, .. } = probe {
                kinds.extend(WorkloadKind::of(replacement.owner()));
            }
        }
    }
    // A Deployment's pods name their ReplicaSet.
    if kinds.contains(&WorkloadKind::Deployment) {
        kinds.insert(WorkloadKind::ReplicaSet);
    }
    kinds
}

fn is_by_node(probe: &Probe) -> bool {
    matches!(probe, Probe::Replaced { replacement: Replacement::Node { .. }, .. })
}

fn proof(new: &Pod) -> Proof {
    Proof {
        replacement: Some(new.name.to_string()),
        replacement_uid: Some(new.uid.to_string()),
        node: new.node.as_deref().map(str::to_owned),
        note: None,
    }
}

fn merge(one: Proof, two: Proof) -> Proof {
    Proof {
        replacement: one.replacement.or(two.replacement),
        replacement_uid: one.replacement_uid.or(two.replacement_uid),
        node: one.node.or(two.node),
        note: one.note.or(two.note),
    }
}
