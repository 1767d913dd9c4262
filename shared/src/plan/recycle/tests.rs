//! What is decided, over scenes built from the JSON that a server sends.

use super::options::{Allowance, Options, Strategy};
use super::order::Order;
use super::plan::{Header, draw};
use super::scene::{Guard, Scene, Selection};
use crate::facts::budget::Budget;
use crate::facts::identity::{ClusterIdentity, Uid};
use crate::facts::node::Node;
use crate::facts::pace::Pace;
use crate::facts::pod::{Interner, Pod};
use crate::facts::selector::Selector;
use crate::facts::workload::{Workload, WorkloadKind};
use crate::plan::document::{Action, Plan, Probe, Replacement, SkipReason};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A scene in the making.
#[derive(Default)]
struct Builder(Scene);

impl Builder {
    fn new() -> Self {
        ["n1", "n2", "n3"].into_iter().fold(Self::default(), |scene, name| {
            scene.node(&json!({
                "metadata": {"name": name, "uid": name},
                "status": {"conditions": [{"type": "Ready", "status": "True"}]},
            }))
        })
    }

    fn node(mut self, node: &Value) -> Self {
        let node = Node::read(serde_json::from_value(node.clone()).expect("a node"));
        self.0.nodes.insert(node.name.clone(), node);
        self
    }

    /// A workload; its UID is its name.
    fn workload(mut self, kind: WorkloadKind, name: &str, more: &Value) -> Self {
        let mut object = json!({
            "metadata": {"namespace": "ns", "name": name, "uid": name, "resourceVersion": "7"},
            "spec": {"replicas": 3}, "status": {"desiredNumberScheduled": 3},
        });
        merge(&mut object, more);
        let workload = Workload::read(kind, serde_json::from_value(object).expect("a workload"));
        self.0.workloads.insert(workload.uid.clone(), workload);
        self
    }

    /// A pod that is there and not selected; its UID is its name, and its label `app` is its owner.
    fn beside(mut self, name: &str, owner: Option<(&str, &str)>, more: &Value) -> Self {
        self.0.pods.push(pod(name, owner, more));
        self
    }

    /// A selected pod.
    fn pod(self, name: &str, owner: Option<(&str, &str)>, more: &Value) -> Self {
        self.pod_in(Order::Workloads, name, owner, more)
    }

    fn pod_in(
        mut self,
        order: Order,
        name: &str,
        owner: Option<(&str, &str)>,
        more: &Value,
    ) -> Self {
        let selection =
            Selection { reason: "named".to_owned(), order, explicit: false, replaces: None };
        self.0.selected.insert(Uid::from(name), selection);
        self.beside(name, owner, more)
    }

    fn budget(mut self, name: &str, app: &str, expected: u32, required: u32, more: &Value) -> Self {
        let mut object = json!({
            "metadata": {"namespace": "ns", "name": name},
            "spec": {"minAvailable": required, "selector": {"matchLabels": {"app": app}}},
            "status": {"expectedPods": expected, "desiredHealthy": required, "currentHealthy": expected},
        });
        merge(&mut object, more);
        self.0.budgets.push(Budget::read(serde_json::from_value(object).expect("a budget"), false));
        self
    }

    fn guard(mut self, app: &str) -> Self {
        self.0.guards.push(Guard {
            name: "ns/service".to_owned(),
            namespace: "ns".into(),
            selector: Selector::from_pairs([("app", app)]),
            keep_ready: 1,
            service: Some("service".to_owned()),
        });
        self
    }

    fn draw(&self, options: &Options) -> Plan {
        let header = Header {
            tool: "t".to_owned(),
            tool_version: "0".to_owned(),
            created_at: Timestamp::UNIX_EPOCH,
            cluster: ClusterIdentity { uid: "c".into(), server: "s".into() },
        };
        draw(header, &self.0, options)
    }

    /// One line for each step and each refusal.
    fn lines(&self, options: &Options) -> Vec<String> {
        lines(&self.draw(options))
    }
}

fn pod(name: &str, owner: Option<(&str, &str)>, more: &Value) -> Pod {
    let owners: Vec<Value> = owner
        .into_iter()
        .map(|(kind, name)| {
            let group = match kind {
                "Job" => "batch/v1",
                "ReplicationController" => "v1",
                "Rollout" => "argoproj.io/v1alpha1",
                _ => "apps/v1",
            };
            json!({"apiVersion": group, "kind": kind, "name": name, "uid": name, "controller": true})
        })
        .collect();
    let mut object = json!({
        "metadata": {"namespace": "ns", "name": name, "uid": name, "ownerReferences": owners,
            "labels": {"app": owner.map_or(name, |(_, name)| name)},
            "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"nodeName": "n1"},
        "status": {"phase": "Running", "conditions":
            [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
    });
    merge(&mut object, more);
    Pod::read(serde_json::from_value(object).expect("a pod"), &mut Interner::default())
        .expect("a name")
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (into, more) => *into = more.clone(),
    }
}

fn lines(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for phase in &plan.phases {
        for wave in &phase.waves {
            for step in &wave.steps {
                let action = match &step.action {
                    Action::EvictPod { grace_seconds: None } => "evict".to_owned(),
                    Action::EvictPod { grace_seconds: Some(s) } => format!("evict in {s}"),
                    Action::DeletePod { grace_seconds: None } => "delete".to_owned(),
                    Action::DeletePod { grace_seconds: Some(s) } => format!("delete in {s}"),
                    Action::AwaitPod => "wait".to_owned(),
                    Action::CreatePod { .. } => "create".to_owned(),
                    Action::RestartRollout { resource_version } => {
                        format!("roll out {resource_version}")
                    }
                    Action::RefillToken { .. }
                    | Action::AwaitToken
                    | Action::CreateToken { .. }
                    | Action::RepointAccount { .. }
                    | Action::DeleteSecret => panic!("no plan of pods holds it"),
                };
                lines.push(format!("{action} {}", step.target.name));
            }
        }
    }
    let skipped = plan.skipped.iter().map(|s| {
        let word = if s.refused { "refused" } else { "left" };
        format!("{word} {}: {:?}", s.target.name, s.reason)
    });
    lines.extend(skipped);
    lines
}

fn allowing(what: &[Allowance]) -> Options {
    Options { allow: what.iter().copied().collect(), ..Options::default() }
}

fn with(strategy: Strategy) -> Options {
    Options { strategy, ..Options::default() }
}

const NONE: Value = Value::Null;

fn unready() -> Value {
    json!({"status": {"conditions": []}})
}

fn on(node: &str) -> Value {
    json!({"spec": {"nodeName": node}})
}

fn one(kind: WorkloadKind) -> Builder {
    Builder::new().workload(kind, "w", &NONE).pod("p", Some((kind.as_str(), "w")), &NONE)
}

#[test]
fn who_makes_a_pod_again_decides_what_is_done() {
    let foreign = || Builder::new().pod("p", Some(("Rollout", "r")), &NONE);
    let orphan = || Builder::new().pod("p", Some(("ReplicaSet", "gone")), &NONE);
    let bare = || Builder::new().pod("p", None, &NONE);
    for (what, scene, options, expected) in [
        ("ReplicaSet", one(WorkloadKind::ReplicaSet), allowing(&[]), &["evict p"][..]),
        ("old style", one(WorkloadKind::ReplicationController), allowing(&[]), &["evict p"]),
        ("StatefulSet", one(WorkloadKind::StatefulSet), allowing(&[]), &["evict p"]),
        // A drain leaves these alone for ever, and an eviction of one means nothing to its controller.
        ("DaemonSet", one(WorkloadKind::DaemonSet), allowing(&[]), &["delete p"]),
        ("DaemonSet, evicted", one(WorkloadKind::DaemonSet), with(Strategy::Evict), &["evict p"]),
        ("deleted", one(WorkloadKind::ReplicaSet), with(Strategy::Delete), &["delete p"]),
        ("Job", one(WorkloadKind::Job), allowing(&[]), &["refused p: Job"]),
        ("Job, allowed", one(WorkloadKind::Job), allowing(&[Allowance::Jobs]), &["evict p"]),
        ("somebody else's", foreign(), allowing(&[]), &["evict p"]),
        ("orphan", orphan(), allowing(&[]), &["refused p: Orphan"]),
        ("orphan, allowed", orphan(), allowing(&[Allowance::Bare]), &["delete p", "create p"]),
        ("bare", bare(), allowing(&[]), &["refused p: Bare"]),
        ("bare, allowed", bare(), allowing(&[Allowance::Bare]), &["delete p", "create p"]),
    ] {
        assert_eq!(scene.lines(&options), expected, "{what}");
    }
}

#[test]
fn what_no_option_changes() {
    let all: Vec<Allowance> = Allowance::WORDS.iter().map(|(allowance, _)| *allowance).collect();
    let mirror = json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}});
    let finished = json!({"status": {"phase": "Succeeded", "conditions": []}});
    for (what, more, expected) in [
        ("a static pod", &mirror, "left p: Static"),
        ("one that has ended", &finished, "left p: Finished"),
    ] {
        let scene = Builder::new().pod("p", None, more);
        assert_eq!(scene.lines(&allowing(&all)), [expected], "{what}");
    }
    // Named by itself, a static pod is an error and not a remark.
    let mut scene = Builder::new().pod("p", None, &mirror);
    scene.0.selected.get_mut(&Uid::from("p")).expect("selected").explicit = true;
    assert_eq!(scene.lines(&Options::default()), ["refused p: Static"]);
}

#[test]
fn a_control_plane_in_pods_is_refused_unless_it_is_named() {
    for labels in [json!({"tier": "control-plane"}), json!({"component": "etcd"})] {
        let more = json!({"metadata": {"namespace": "kube-system", "labels": labels}});
        let scene = || {
            let workload = json!({"metadata": {"namespace": "kube-system"}});
            Builder::new().workload(WorkloadKind::DaemonSet, "w", &workload).pod(
                "p",
                Some(("DaemonSet", "w")),
                &more,
            )
        };
        assert_eq!(scene().lines(&Options::default()), ["refused p: ControlPlane"]);
        assert_eq!(scene().lines(&allowing(&[Allowance::ControlPlane])), ["delete p"]);
    }
    // The same word elsewhere is somebody's own etcd.
    let more = json!({"metadata": {"labels": {"app": "etcd"}}});
    let scene = Builder::new().workload(WorkloadKind::StatefulSet, "w", &NONE).pod(
        "p-0",
        Some(("StatefulSet", "w")),
        &more,
    );
    assert_eq!(scene.lines(&Options::default()), ["evict p-0"]);
}

#[test]
fn a_daemon_set_pod_is_refused_where_it_would_not_come_back() {
    let tainted = json!({"metadata": {"name": "n1", "uid": "n1"},
        "spec": {"taints": [{"key": "reserved", "effect": "NoSchedule"}]},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    let scene = || one(WorkloadKind::DaemonSet).node(&tainted);
    assert_eq!(scene().lines(&Options::default()), ["refused p: Unfit"]);
    let plan = scene().draw(&allowing(&[Allowance::Unfit]));
    assert_eq!(lines(&plan), ["delete p"]);
    // Nothing comes back, so that nothing is waited for but its end.
    assert_eq!(plan.steps().next().expect("a step").verify, [Probe::Gone]);

    let cordoned = json!({"metadata": {"name": "n1", "uid": "n1"}, "spec": {"unschedulable": true},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    assert_eq!(
        one(WorkloadKind::DaemonSet).node(&cordoned).lines(&Options::default()),
        ["delete p"]
    );
}

#[test]
fn a_node_that_cannot_confirm_an_end_is_left_alone() {
    for (status, trouble) in [("False", "is not Ready"), ("Unknown", "does not report")] {
        let node = json!({"metadata": {"name": "n1", "uid": "n1"},
            "status": {"conditions": [{"type": "Ready", "status": status}]}});
        let scene = |kind| one(kind).node(&node);
        let plan = scene(WorkloadKind::ReplicaSet).draw(&Options::default());
        assert_eq!(plan.skipped[0].reason, SkipReason::NodeNotReady);
        let message = &plan.skipped[0].message;
        assert!(message.contains(trouble) && message.contains("--allow unreachable"), "{message}");
        let allowed = allowing(&[Allowance::Unreachable]);
        assert_eq!(scene(WorkloadKind::ReplicaSet).lines(&allowed), ["delete in 0 p"]);
        // Two of a StatefulSet would write to one volume: no option allows that.
        assert_eq!(scene(WorkloadKind::StatefulSet).lines(&allowed), ["refused p: NodeNotReady"]);
    }
}

#[test]
fn a_stateful_set_goes_from_the_top_and_never_behind_an_unready_one() {
    let set = |more: &Value| Builder::new().workload(WorkloadKind::StatefulSet, "w", more);
    let of = Some(("StatefulSet", "w"));
    let ready = set(&NONE).pod("w-0", of, &NONE).pod("w-10", of, &NONE).pod("w-9", of, &NONE);
    assert_eq!(ready.lines(&Options::default()), ["evict w-10", "evict w-9", "evict w-0"]);
    let pace = Options { max_unavailable: Some(Pace::Count(3)), ..Options::default() };
    assert_eq!(
        ready.draw(&pace).phases[0].waves[0].max_unavailable,
        1,
        "one by one, whatever is asked"
    );

    let blocked = set(&NONE).beside("w-0", of, &unready()).pod("w-1", of, &NONE);
    let plan = blocked.draw(&Options::default());
    assert_eq!(lines(&plan), ["refused w-1: Blocked"]);
    assert!(plan.skipped[0].message.contains("`w-0`"), "{}", plan.skipped[0].message);
    // One that this run mends blocks nothing, and goes first; of several the lowest.
    let mended =
        set(&NONE).pod("w-0", of, &unready()).pod("w-1", of, &unready()).pod("w-2", of, &NONE);
    assert_eq!(mended.lines(&Options::default()), ["evict w-0", "evict w-1", "evict w-2"]);
    let parallel = json!({"spec": {"podManagementPolicy": "Parallel"}});
    let parallel = set(&parallel).beside("w-0", of, &unready()).pod("w-1", of, &NONE);
    assert_eq!(parallel.lines(&Options::default()), ["evict w-1"]);
}

#[test]
fn budgets_that_never_allow_are_refused_by_name() {
    let scene = |pod: &Value| {
        Builder::new().workload(WorkloadKind::ReplicaSet, "w", &NONE).pod(
            "p",
            Some(("ReplicaSet", "w")),
            pod,
        )
    };
    let never = |pod: &Value| scene(pod).budget("tight", "w", 3, 3, &NONE);
    let plan = never(&NONE).draw(&Options::default());
    assert_eq!(lines(&plan), ["refused p: BudgetNeverAllows"]);
    let message = &plan.skipped[0].message;
    assert!(
        message.contains("ns/tight (minAvailable: 3)") && message.contains("--allow over-budget"),
        "{message}"
    );
    assert_eq!(never(&NONE).lines(&allowing(&[Allowance::OverBudget])), ["delete p"]);
    assert_eq!(never(&NONE).lines(&with(Strategy::Delete)), ["delete p"]);
    // The weaker permission is for pods that serve nobody.
    let weaker = allowing(&[Allowance::UnreadyOverBudget]);
    assert_eq!(never(&NONE).lines(&weaker), ["refused p: BudgetNeverAllows"]);
    assert_eq!(never(&unready()).lines(&weaker), ["delete p"]);
    let always = json!({"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}});
    let passes = scene(&unready()).budget("tight", "w", 3, 3, &always);
    assert_eq!(passes.lines(&Options::default()), ["evict p"]);
    // One that allows nothing just now is waited for.
    assert_eq!(
        scene(&NONE).budget("busy", "w", 3, 2, &NONE).lines(&Options::default()),
        ["evict p"]
    );
    let two = scene(&NONE).budget("one", "w", 3, 1, &NONE).budget("two", "w", 3, 1, &NONE);
    assert_eq!(two.lines(&Options::default()), ["refused p: TwoBudgets"]);
    assert_eq!(two.lines(&allowing(&[Allowance::OverBudget])), ["delete p"]);
}

#[test]
fn the_only_pod_of_a_service_is_kept_and_the_remedies_are_named() {
    let deployment = || Builder::new().workload(WorkloadKind::ReplicaSet, "w", &NONE).guard("w");
    let of = Some(("ReplicaSet", "w"));
    let single = || deployment().pod("p", of, &NONE);
    let plan = single().draw(&Options::default());
    assert_eq!(lines(&plan), ["refused p: LastReady"]);
    for remedy in ["scale its workload to 2", "--strategy rollout", "--allow last-ready"] {
        assert!(plan.skipped[0].message.contains(remedy), "{}", plan.skipped[0].message);
    }
    let accepted = single().draw(&allowing(&[Allowance::LastReady]));
    assert_eq!(lines(&accepted), ["evict p"]);
    assert!(accepted.steps().all(|s| s.expect.is_empty()), "nobody is waited for: {accepted:?}");
    // An unready one serves nobody; a second one, even unready, will take over.
    assert_eq!(deployment().pod("p", of, &unready()).lines(&Options::default()), ["evict p"]);
    let two = deployment().pod("p", of, &NONE).beside("q", of, &unready());
    assert_eq!(two.lines(&Options::default()), ["evict p"]);
    let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:30Z"}});
    let two = deployment().pod("p", of, &NONE).beside("q", of, &going);
    assert_eq!(two.lines(&Options::default()), ["refused p: LastReady"]);
}

#[test]
fn workloads_behind_one_service_share_a_pace_and_are_proven_by_it() {
    let plan = Builder::new()
        .workload(WorkloadKind::ReplicaSet, "one", &NONE)
        .workload(WorkloadKind::ReplicaSet, "two", &NONE)
        .guard("dns")
        .pod("a", Some(("ReplicaSet", "one")), &json!({"metadata": {"labels": {"app": "dns"}}}))
        .pod("b", Some(("ReplicaSet", "two")), &json!({"metadata": {"labels": {"app": "dns"}}}))
        .draw(&Options::default());
    let [wave] = plan.phases[0].waves.as_slice() else { panic!("one wave: {plan:?}") };
    assert_eq!((wave.name.as_str(), wave.max_unavailable), ("ns/service (Service)", 1));
    for step in &wave.steps {
        assert!(matches!(&step.expect[..], [Probe::OthersReady { at_least: 1, .. }]), "{step:?}");
        assert!(
            matches!(&step.verify[..], [Probe::Replaced { .. }, Probe::EndpointsReady { .. }]),
            "{step:?}"
        );
    }
}

#[test]
fn a_deployment_is_known_by_its_own_name_and_a_daemon_set_by_its_node() {
    let owned = json!({"metadata": {"ownerReferences":
        [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "d", "uid": "d", "controller": true}]}});
    let plan = Builder::new()
        .workload(WorkloadKind::Deployment, "d", &NONE)
        .workload(WorkloadKind::ReplicaSet, "rs", &owned)
        .pod("p", Some(("ReplicaSet", "rs")), &NONE)
        .draw(&Options::default());
    assert_eq!(plan.phases[0].waves[0].name, "ns/d (Deployment)");
    let replacement = |plan: &Plan| match &plan.steps().next().expect("a step").verify[0] {
        Probe::Replaced { replacement, .. } => replacement.clone(),
        other => panic!("{other:?}"),
    };
    assert!(
        matches!(replacement(&plan), Replacement::Owner { owner } if *owner.uid.as_str() == *"d")
    );
    let daemon = one(WorkloadKind::DaemonSet).draw(&Options::default());
    assert!(matches!(replacement(&daemon), Replacement::Node { node, .. } if node == "n1"));
    let set = one(WorkloadKind::StatefulSet).draw(&Options::default());
    assert!(matches!(replacement(&set), Replacement::Name { .. }));
}

#[test]
fn phases_come_in_their_order_and_the_network_begins_at_the_control_plane() {
    let master = json!({"metadata": {"name": "n3", "uid": "n3",
        "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    let canal = Some(("DaemonSet", "canal"));
    let plan = Builder::new()
        .node(&master)
        .workload(WorkloadKind::DaemonSet, "canal", &NONE)
        .workload(
            WorkloadKind::DaemonSet,
            "agents",
            &json!({"status": {"desiredNumberScheduled": 40}}),
        )
        .workload(WorkloadKind::ReplicaSet, "dns", &NONE)
        .pod_in(Order::NodeAgents, "agent-a", Some(("DaemonSet", "agents")), &NONE)
        .pod_in(Order::Dns, "dns-a", Some(("ReplicaSet", "dns")), &NONE)
        .pod_in(Order::Network, "canal-a", canal, &on("n1"))
        .pod_in(Order::Network, "canal-b", canal, &on("n2"))
        .pod_in(Order::Network, "canal-c", canal, &on("n3"))
        .draw(&Options::default());
    let phases: Vec<&str> = plan.phases.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(phases, ["network", "dns", "node-agents"]);
    let names: Vec<&str> = plan.steps().map(|s| s.target.name.as_str()).collect();
    assert_eq!(names, ["canal-c", "canal-a", "canal-b", "dns-a", "agent-a"]);
    let paces: Vec<u32> = plan.phases.iter().map(|p| p.waves[0].max_unavailable).collect();
    assert_eq!(
        paces,
        [1, 1, 4],
        "one network pod and one DNS pod at a time, a tenth of the agents"
    );
}

#[test]
fn the_order_of_the_list_does_not_matter_and_the_operators_pace_holds() {
    let of = Some(("ReplicaSet", "w"));
    let scene = |names: [&str; 3]| {
        names.into_iter().fold(
            Builder::new().workload(WorkloadKind::ReplicaSet, "w", &NONE),
            |s, name| {
                let more = if name == "c" { unready() } else { NONE };
                s.pod(name, of, &more)
            },
        )
    };
    let plan = scene(["a", "b", "c"]).draw(&Options::default());
    assert_eq!(lines(&plan), ["evict c", "evict a", "evict b"], "unready ones first");
    assert_eq!(scene(["c", "b", "a"]).draw(&Options::default()).digest(), plan.digest());
    for (pace, expected) in [(Pace::Count(2), 2), (Pace::Percent(100), 3), (Pace::Percent(1), 1)] {
        let options =
            Options { max_unavailable: Some(pace), max_failures: 2, ..Options::default() };
        let wave = &scene(["a", "b", "c"]).draw(&options).phases[0].waves[0];
        assert_eq!((wave.max_unavailable, wave.max_failures), (expected, 2), "{pace:?}");
    }
}

#[test]
fn a_pod_that_goes_already_is_awaited_and_grace_is_passed_on() {
    let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:30Z"}});
    let scene = Builder::new().workload(WorkloadKind::ReplicaSet, "w", &NONE).pod(
        "p",
        Some(("ReplicaSet", "w")),
        &going,
    );
    assert_eq!(scene.lines(&Options::default()), ["wait p"]);
    let grace = Options { grace_seconds: Some(5), ..Options::default() };
    assert_eq!(one(WorkloadKind::ReplicaSet).lines(&grace), ["evict in 5 p"]);
    assert_eq!(one(WorkloadKind::DaemonSet).lines(&grace), ["delete in 5 p"]);
}

#[test]
fn a_roll_out_touches_each_workload_once_or_says_why_not() {
    let options = with(Strategy::Rollout);
    let on_delete = json!({"spec": {"updateStrategy": {"type": "OnDelete"}}});
    for (what, kind, more, expected) in [
        ("Deployment", WorkloadKind::Deployment, &NONE, "roll out 7 w"),
        ("DaemonSet", WorkloadKind::DaemonSet, &NONE, "roll out 7 w"),
        ("StatefulSet", WorkloadKind::StatefulSet, &NONE, "roll out 7 w"),
        ("OnDelete", WorkloadKind::DaemonSet, &on_delete, "refused w: NoRollout"),
        (
            "paused",
            WorkloadKind::Deployment,
            &json!({"spec": {"paused": true}}),
            "refused w: NoRollout",
        ),
        (
            "none wanted",
            WorkloadKind::Deployment,
            &json!({"spec": {"replicas": 0}}),
            "refused w: NoRollout",
        ),
        ("ReplicaSet", WorkloadKind::ReplicaSet, &NONE, "refused w: NoRollout"),
        ("Job", WorkloadKind::Job, &NONE, "refused w: NoRollout"),
    ] {
        let of = Some((kind.as_str(), "w"));
        let scene =
            Builder::new().workload(kind, "w", more).pod("a", of, &NONE).pod("b", of, &NONE);
        let plan = scene.draw(&options);
        assert_eq!(lines(&plan), [expected], "{what}");
        assert!(plan.steps().all(|s| s.verify == [Probe::RolledOut]), "{what}");
    }
    let bare = Builder::new().pod("p", None, &NONE);
    assert_eq!(bare.lines(&options), ["refused p: NoRollout"]);
}
