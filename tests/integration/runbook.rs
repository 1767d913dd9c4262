//! What the runbooks do by hand, on both generations: presets, names, and what must not be touched.

use crate::harness::api::{Pod, Watcher};
use crate::harness::labs::{self, Lab, WORLD};
use crate::harness::outcome::Outcome;
use crate::harness::sandbox::Sandbox;
use crate::harness::{Case, cases};
use lab::world::awkward;
use snapbox::str;
use std::collections::BTreeSet;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        dns_is_never_away_and_its_autoscaler_is_untouched;
        dns_is_never_away_on_the_old_generation;
        the_runbooks_three_in_one_command;
        kube2iam_is_found_by_pod_label_and_by_controller_name;
        canal_goes_node_by_node;
        kube_proxy_as_daemon_set_and_as_static_pods;
        dashboard_and_metrics_server;
        presets_say_what_they_match_here;
        every_kind_by_name;
        labels_nodes_and_all_namespaces;
        what_started_after_a_time_is_fresh;
        nothing_that_matches_is_no_success;
        user_presets_are_used_and_broken_ones_are_usage_errors;
    ]
}

/// Pods that are new, and those of before that are gone, in the runbooks' world.
fn changed(lab: &Lab, before: &BTreeSet<Pod>) -> (usize, Vec<String>) {
    let after = lab.all();
    let is_in = |pod: &Pod, all: &BTreeSet<Pod>| all.iter().any(|p| p.uid == pod.uid);
    let mut gone: Vec<String> = before
        .iter()
        .filter(|pod| !is_in(pod, &after))
        .map(|pod| pod.name.split('-').take(2).collect::<Vec<_>>().join("-"))
        .collect();
    gone.sort();
    (after.iter().filter(|pod| !is_in(pod, before)).count(), gone)
}

fn dns(lab: &Lab) -> Outcome {
    let _world = lab.world();
    let sandbox = Sandbox::new(&lab.kubeconfig);
    let before = lab.api.uids("kube-system", "k8s-app=kube-dns");
    let autoscaler = lab.api.uids("kube-system", "k8s-app=kube-dns-autoscaler");
    let watcher = Watcher::of_endpoints(&lab.api, "kube-system", "kube-dns");
    let outcome = sandbox.run("dns --yes");
    let (least, seen) = watcher.least();
    let after = lab.api.uids("kube-system", "k8s-app=kube-dns");
    assert!(
        after.len() == 2 && after.iter().all(|uid| !before.contains(uid)),
        "{}",
        outcome.text()
    );
    assert!(least >= 1, "at least one was there, in {seen} changes");
    assert_eq!(lab.api.uids("kube-system", "k8s-app=kube-dns-autoscaler"), autoscaler);
    sandbox.run("dns --yes").exits(0).says("nothing to recycle");
    assert_eq!(lab.api.uids("kube-system", "k8s-app=kube-dns"), after);
    sandbox.run("dns --yes --all").exits(0);
    assert!(lab.api.uids("kube-system", "k8s-app=kube-dns").iter().all(|uid| !after.contains(uid)));
    outcome
}

fn dns_is_never_away_and_its_autoscaler_is_untouched() {
    dns(labs::current()).is(str![[r#"
exit 0
--- stdout
NAMESPACE  POD  RESULT  REPLACEMENT  TIME
kube-system  kube-dns-[ID]  recycled  kube-dns-[ID]  [TOOK]
kube-system  kube-dns-[ID]  recycled  kube-dns-[ID]  [TOOK]
--- stderr
[CLOCK] kubectl recycle: recycle 2 pods of kubernetes-admin@lab ([SERVER])
[CLOCK] dns: 2 steps
[CLOCK] pod/kube-dns-[ID] (kube-system): to be evicted
[CLOCK] pod/kube-dns-[ID] (kube-system): evicted
[CLOCK] pod/kube-dns-[ID] (kube-system): replaced by kube-dns-[ID] on node [..], Ready after [TOOK]
[CLOCK] pod/kube-dns-[ID] (kube-system): to be evicted
[CLOCK] pod/kube-dns-[ID] (kube-system): evicted
[CLOCK] pod/kube-dns-[ID] (kube-system): replaced by kube-dns-[ID] on node [..], Ready after [TOOK]
DNS has Ready endpoints; it was not asked for a name, since this machine is no node of the cluster (--resolve asks from here)
[CLOCK] dns: over
[CLOCK] 2 pods recycled and Ready in [TOOK]

"#]]);
}

fn dns_is_never_away_on_the_old_generation() {
    dns(labs::old()).is(str![[r#"
exit 0
--- stdout
NAMESPACE  POD  RESULT  REPLACEMENT  TIME
kube-system  kube-dns-[ID]  recycled  kube-dns-[ID]  [TOOK]
kube-system  kube-dns-[ID]  recycled  kube-dns-[ID]  [TOOK]
--- stderr
[CLOCK] kubectl recycle: recycle 2 pods of kubernetes-admin@lab ([SERVER])
[CLOCK] dns: 2 steps
[CLOCK] pod/kube-dns-[ID] (kube-system): to be evicted
[CLOCK] pod/kube-dns-[ID] (kube-system): evicted
[CLOCK] pod/kube-dns-[ID] (kube-system): replaced by kube-dns-[ID] on node [..], Ready after [TOOK]
[CLOCK] pod/kube-dns-[ID] (kube-system): to be evicted
[CLOCK] pod/kube-dns-[ID] (kube-system): evicted
[CLOCK] pod/kube-dns-[ID] (kube-system): replaced by kube-dns-[ID] on node [..], Ready after [TOOK]
DNS has Ready endpoints; it was not asked for a name, since this machine is no node of the cluster (--resolve asks from here)
[CLOCK] dns: over
[CLOCK] 2 pods recycled and Ready in [TOOK]

"#]]);
}

fn the_runbooks_three_in_one_command() {
    for lab in [labs::current(), labs::old()] {
        let _world = lab.world();
        let sandbox = Sandbox::new(&lab.kubeconfig);
        let before = lab.all();
        let outcome = sandbox.run("dns kube2iam fluentd --yes -o json");
        outcome.exits(0);
        let document = outcome.json();
        assert_eq!(document["schemaVersion"], "rotation/recycle-result/v1");
        assert_eq!(document["exitCode"], 0);
        assert_eq!(document["steps"].as_array().map(Vec::len), Some(8), "{document}");
        let (new, gone) = changed(lab, &before);
        assert_eq!(new, 8);
        let mut expected = vec!["fluentd-cloudwatch"; 3];
        expected.extend(["kube-dns"; 2]);
        assert_eq!(
            gone.iter().filter(|name| !name.starts_with("kube2iam")).collect::<Vec<_>>(),
            expected
        );
        // Names first, then what runs on each node.
        let phases: Vec<String> =
            outcome.lines("steps").iter().map(|l| l.replace("[CLOCK] ", "")).collect();
        assert_eq!(phases, ["dns: 2 steps", "node-agents: 6 steps"]);
        for (namespace, selector, count) in WORLD {
            lab.api.wait_ready(namespace, selector, *count);
        }
        sandbox.run("dns kube2iam fluentd --yes").exits(0).says("nothing to recycle");
    }
}

/// Its DaemonSet is labelled `app`, its pods `name`; the runbook looked for neither.
fn kube2iam_is_found_by_pod_label_and_by_controller_name() {
    let lab = labs::current();
    let _world = lab.world();
    for line in [
        "kube2iam",
        "-l name=kube2iam",
        "-n default -l name=kube2iam",
        "daemonset/kube2iam",
        "ds/kube2iam -n default",
        "daemonsets.apps/kube2iam",
    ] {
        let before = lab.api.uids("default", "name=kube2iam");
        Sandbox::new(&lab.kubeconfig).run(&format!("{line} --yes --max-unavailable 100%")).exits(0);
        let after = lab.api.uids("default", "name=kube2iam");
        assert!(after.len() == 3 && after.iter().all(|uid| !before.contains(uid)), "{line}");
    }
    // The DaemonSet's own label is on none of its pods.
    Sandbox::new(&lab.kubeconfig).run("-l app=kube2iam --yes").exits(4).says("there is no pod");
}

fn canal_goes_node_by_node() {
    let lab = labs::current();
    let _world = lab.world();
    let outcome = Sandbox::new(&lab.kubeconfig).run("canal --yes");
    outcome.is(str![[r#"
exit 0
--- stdout
NAMESPACE  POD  RESULT  REPLACEMENT  TIME
kube-system  canal-[ID]  recycled  canal-[ID]  [TOOK]
kube-system  canal-[ID]  recycled  canal-[ID]  [TOOK]
kube-system  canal-[ID]  recycled  canal-[ID]  [TOOK]
--- stderr
[CLOCK] kubectl recycle: recycle 3 pods of kubernetes-admin@lab ([SERVER])
[CLOCK] network: 3 steps
[CLOCK] pod/canal-[ID] (kube-system): to be deleted
[CLOCK] pod/canal-[ID] (kube-system): deleted
[CLOCK] pod/canal-[ID] (kube-system): replaced by canal-[ID] on node [..], Ready after [TOOK]
[CLOCK] pod/canal-[ID] (kube-system): to be deleted
[CLOCK] pod/canal-[ID] (kube-system): deleted
[CLOCK] pod/canal-[ID] (kube-system): replaced by canal-[ID] on node [..], Ready after [TOOK]
[CLOCK] pod/canal-[ID] (kube-system): to be deleted
[CLOCK] pod/canal-[ID] (kube-system): deleted
[CLOCK] pod/canal-[ID] (kube-system): replaced by canal-[ID] on node [..], Ready after [TOOK]
[CLOCK] network: over
[CLOCK] 3 pods recycled and Ready in [TOOK]

"#]]);
}

fn kube_proxy_as_daemon_set_and_as_static_pods() {
    let lab = labs::current();
    {
        let _world = lab.world();
        let before = lab.api.uids("kube-system", "k8s-app=kube-proxy");
        Sandbox::new(&lab.kubeconfig).run("kube-proxy --yes").exits(0);
        let after = lab.api.uids("kube-system", "k8s-app=kube-proxy");
        assert!(after.len() == 3 && after.iter().all(|uid| !before.contains(uid)));
    }
    let (lab, rough) = labs::rough();
    rough.static_pods("kube-proxy").unwrap();
    let before = lab.api.uids("kube-system", "component=kube-proxy");
    let sandbox = Sandbox::new(&lab.kubeconfig);
    sandbox.run("kube-proxy --yes").is(str![[r#"
exit 0
--- stdout
--- stderr
left alone: pod/kube-proxy-node-0 (kube-system): a static pod: deleting it touches no container, only its node can restart it
left alone: pod/kube-proxy-node-1 (kube-system): a static pod: deleting it touches no container, only its node can restart it
left alone: pod/kube-proxy-node-2 (kube-system): a static pod: deleting it touches no container, only its node can restart it
nothing to recycle

"#]]);
    // Named by itself it is an error.
    let node = &lab.api.pods("kube-system", "component=kube-proxy")[0].name;
    sandbox.run(&format!("pod/{node} -n kube-system --yes")).is(str![[r#"
exit 4
--- stdout
--- stderr
error: 1 pod cannot be recycled, nothing was changed: pod/kube-proxy-node-0 (kube-system): a static pod: deleting it touches no container, only its node can restart it
hint: run `kubectl recycle pod/kube-proxy-node-0 --namespace kube-system --dry-run` to see what could be

"#]]);
    assert_eq!(lab.api.uids("kube-system", "component=kube-proxy"), before);
    assert!(!sandbox.state().exists());
}

fn dashboard_and_metrics_server() {
    for lab in [labs::current(), labs::old()] {
        let _world = lab.world();
        let before = lab.all();
        let outcome = Sandbox::new(&lab.kubeconfig).run("dashboard metrics-server --yes");
        outcome.exits(0);
        let (new, gone) = changed(lab, &before);
        assert_eq!(new, 3, "{}", outcome.text());
        assert_eq!(gone, ["dashboard-metrics", "kubernetes-dashboard", "metrics-server"]);
    }
}

fn presets_say_what_they_match_here() {
    let lab = labs::current();
    let _world = lab.world();
    let sandbox = Sandbox::new(&lab.kubeconfig);
    sandbox.run("presets").is(str![[r#"
exit 0
--- stdout
PRESET  PODS  READY  MATCHES
dns  2  2  kube-system/deployment.apps/kube-dns
nodelocaldns  0  0  -
canal  3  3  kube-system/daemonset.apps/canal
calico  0  0  -
flannel  0  0  -
weave  0  0  -
cilium  0  0  -
kube-router  0  0  -
aws-node  0  0  -
kindnet  0  0  -
kube-proxy  3  3  kube-system/daemonset.apps/kube-proxy
dashboard  2  2  kubernetes-dashboard/deployment.apps/dashboard-metrics-scraper, kubernetes-dashboard/deployment.apps/kubernetes-dashboard
metrics-server  1  1  kube-system/deployment.apps/metrics-server
kube2iam  3  3  default/daemonset.apps/kube2iam
fluentd  3  3  kube-system/daemonset.apps/fluentd-cloudwatch-v1
konnectivity  0  0  -
control-addons  0  0  -
--- stderr

"#]]);
    sandbox.run("presets -o name").exits(0);
    let document = sandbox.run("presets -o json").json();
    assert_eq!(document["schemaVersion"], "rotation/recycle-presets/v1");
    let rows = document["presets"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|r| r["definition"]["name"] == name).unwrap().clone();
    assert_eq!((&row("dns")["pods"], &row("dns")["ready"]), (&2.into(), &2.into()));
    assert_eq!(
        row("dns")["workloads"],
        serde_json::json!(["kube-system/deployment.apps/kube-dns"])
    );
    assert_eq!(row("weave")["pods"], 0);
    assert!(!sandbox.state().exists());
    let names = sandbox.run("presets -o name").stdout;
    assert_eq!(names.lines().count(), rows.len());
}

fn every_kind_by_name() {
    let lab = labs::old();
    let objects = lab::world::join(&[
        awkward::replica_set(),
        awkward::stateful_set(),
        awkward::on_delete_daemon_set(),
        awkward::apart(3),
    ]);
    lab.namespace("kinds", &objects);
    for (selector, count) in
        [("app=lone", 2), ("app=ordered", 3), ("app=on-delete", 3), ("app=apart", 3)]
    {
        lab.api.wait_ready("kinds", selector, count);
    }
    let sandbox = Sandbox::new(&lab.kubeconfig);
    for (target, selector) in [
        ("replicaset/lone", "app=lone"),
        ("rs/lone", "app=lone"),
        ("sts/ordered", "app=ordered"),
        ("statefulset/ordered", "app=ordered"),
        // Two of them never share a node: the replacement finds a place only once the old one is gone.
        ("deployment/apart", "app=apart"),
        ("Deployments/apart", "app=apart"),
        // No roll-out would touch these.
        ("daemonset/on-delete", "app=on-delete"),
    ] {
        let before = lab.api.pods("kinds", selector);
        let outcome = sandbox.run(&format!("{target} -n kinds --all --yes"));
        outcome.exits(0);
        let after = lab.api.pods("kinds", selector);
        assert_eq!(after.len(), before.len(), "{target}");
        assert!(after.iter().all(|a| a.ready && before.iter().all(|b| a.uid != b.uid)), "{target}");
    }
    let before = lab.api.pods("kinds", "app=lone");
    sandbox.run(&format!("pod/{} -n kinds --all --yes", before[0].name)).exits(0);
    let after = lab.api.uids("kinds", "app=lone");
    assert!(!after.contains(&before[0].uid) && after.contains(&before[1].uid));
}

fn labels_nodes_and_all_namespaces() {
    let lab = labs::old();
    for name in ["here", "there"] {
        lab.namespace(name, &awkward::apart(3).replace("apart", "spread"));
    }
    for name in ["here", "there"] {
        lab.api.wait_ready(name, "app=spread", 3);
    }
    let uids = || [lab.api.uids("here", "app=spread"), lab.api.uids("there", "app=spread")];
    let kept =
        |before: &[String], after: &[String]| before.iter().filter(|b| after.contains(b)).count();
    let sandbox = Sandbox::new(&lab.kubeconfig);

    let before = uids();
    sandbox.run("-l app=spread -n here --yes").exits(0);
    let after = uids();
    assert_eq!((kept(&before[0], &after[0]), kept(&before[1], &after[1])), (0, 3));

    sandbox.run("-l app=spread -A --all --yes").exits(0);
    let third = uids();
    assert_eq!((kept(&after[0], &third[0]), kept(&after[1], &third[1])), (0, 0));

    sandbox.run("-l app=spread --node node-1 -n there --all --yes").exits(0);
    let fourth = uids();
    assert_eq!((kept(&third[0], &fourth[0]), kept(&third[1], &fourth[1])), (3, 2));
    sandbox.run("-l app=nobody -n here --yes").is(str![[r#"
exit 4
--- stdout
--- stderr
error: there is no pod labelled `app=nobody` in namespace here; nothing was changed
hint: run `kubectl recycle presets` to see what each preset matches here, or pass --ignore-not-found

"#]]);
    sandbox.run("--node nowhere --yes").is(str![[r#"
exit 4
--- stdout
--- stderr
error: there is no pod on node `nowhere`; nothing was changed
hint: run `kubectl recycle presets` to see what each preset matches here, or pass --ignore-not-found

"#]]);
}

fn what_started_after_a_time_is_fresh() {
    let lab = labs::old();
    lab.namespace("since", &awkward::replica_set());
    lab.api.wait_ready("since", "app=lone", 2);
    let before = lab.api.uids("since", "app=lone");
    let sandbox = Sandbox::new(&lab.kubeconfig);
    sandbox
        .run("rs/lone -n since --since 2020-01-01T00:00:00Z --yes")
        .exits(0)
        .says("nothing to recycle");
    assert_eq!(lab.api.uids("since", "app=lone"), before);
    sandbox.run("rs/lone -n since --since 2099-01-01T00:00:00Z --yes").exits(0);
    assert!(lab.api.uids("since", "app=lone").iter().all(|uid| !before.contains(uid)));
}

fn nothing_that_matches_is_no_success() {
    let lab = labs::old();
    let sandbox = Sandbox::new(&lab.kubeconfig);
    sandbox.run("weave deployment/nobody --yes").is(str![[r#"
exit 4
--- stdout
--- stderr
error: preset `weave` matches no pod in kube-system; there is no deployment/nobody in namespace default; nothing was changed
hint: run `kubectl recycle presets` to see what each preset matches here, or pass --ignore-not-found

"#]]);
    sandbox.run("weave deployment/nobody --yes --ignore-not-found").is(str![[r#"
exit 0
--- stdout
--- stderr
preset `weave` matches no pod in kube-system
there is no deployment/nobody in namespace default
nothing to recycle

"#]]);
    assert!(!sandbox.state().exists());
}

fn user_presets_are_used_and_broken_ones_are_usage_errors() {
    let lab = labs::old();
    lab.namespace("mine", &awkward::replica_set());
    lab.api.wait_ready("mine", "app=lone", 2);
    let sandbox = Sandbox::new(&lab.kubeconfig);
    let preset = "[[preset]]\nname = \"lone\"\nabout = \"mine\"\norder = \"addons\"\nnamespaces = [\"mine\"]\nlabels = [\"app=lone\"]\n";
    std::fs::write(sandbox.path("mine.toml"), preset).unwrap();
    let before = lab.api.uids("mine", "app=lone");
    sandbox.run("lone --presets mine.toml --yes").exits(0);
    assert!(lab.api.uids("mine", "app=lone").iter().all(|uid| !before.contains(uid)));
    for broken in [
        "[[preset]",
        "[[preset]]\nname = \"x\"\n",
        &preset.replace("order", "odrer"),
        &preset.replace("app=lone", "app in ("),
    ] {
        std::fs::write(sandbox.path("broken.toml"), broken).unwrap();
        let outcome = sandbox.run("lone --presets broken.toml --yes");
        outcome.exits(2).says("broken.toml");
    }
}
