//! Nodes that take nothing back, or cannot confirm that a pod is gone.

use crate::harness::labs::{self, Rough};
use crate::harness::sandbox::Sandbox;
use crate::harness::{Case, cases};
use lab::loopback::Health;
use lab::world::awkward;
use snapbox::str;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_daemon_set_pod_stays_where_its_node_is_tainted;
        a_cordoned_node_takes_daemon_set_pods_back;
        pods_on_silent_nodes_are_left_alone;
    ]
}

/// Puts the nodes in order again, also after a failure.
struct Mended<'a>(&'a Rough);

impl Drop for Mended<'_> {
    fn drop(&mut self) {
        let _ = self.0.kubectl(&["taint", "nodes", "--all", "lab.local/reserved-"]);
        let _ = self.0.kubectl(&["uncordon", "node-0", "node-1", "node-2"]);
        for node in ["node-0", "node-1", "node-2"] {
            let _ = self.0.set_node(node, Health::Ready);
        }
    }
}

fn a_daemon_set_pod_stays_where_its_node_is_tainted() {
    let (lab, rough) = labs::rough();
    let _mended = Mended(&rough);
    lab.namespace("tainted", &awkward::on_delete_daemon_set());
    lab.api.wait_ready("tainted", "app=on-delete", 3);
    lab.apply(&awkward::tainted_node("node-1"));
    let before = lab.api.pods("tainted", "app=on-delete");
    let sandbox = Sandbox::new(&lab.kubeconfig);
    sandbox.run("ds/on-delete -n tainted --yes").is(str![[r#"
exit 5
--- stdout
NAMESPACE  POD  RESULT  REPLACEMENT  TIME
tainted  on-delete-[ID]  recycled  on-delete-[ID]  [TOOK]
tainted  on-delete-[ID]  recycled  on-delete-[ID]  [TOOK]
--- stderr
[CLOCK] kubectl recycle: recycle 2 pods of kubernetes-admin@lab ([SERVER])
[CLOCK] pod/on-delete-[ID] (tainted): skipped (unfit): DaemonSet `on-delete` would not put it back: the node is tainted `lab.local/reserved:NoSchedule`; `--allow unfit` recycles it all the same
[CLOCK] node-agents: 2 steps
[CLOCK] pod/on-delete-[ID] (tainted): to be deleted
[CLOCK] pod/on-delete-[ID] (tainted): deleted
[CLOCK] pod/on-delete-[ID] (tainted): replaced by on-delete-[ID] on node [..], Ready after [TOOK]
[CLOCK] pod/on-delete-[ID] (tainted): to be deleted
[CLOCK] pod/on-delete-[ID] (tainted): deleted
[CLOCK] pod/on-delete-[ID] (tainted): replaced by on-delete-[ID] on node [..], Ready after [TOOK]
[CLOCK] node-agents: over
[CLOCK] 2 of 2 pods done in [TOOK], 1 pod left alone; run the same command again to go on (journal [JOURNAL])

"#]]);
    let kept: Vec<String> = lab
        .api
        .pods("tainted", "app=on-delete")
        .into_iter()
        .filter(|pod| before.iter().any(|b| b.uid == pod.uid))
        .map(|pod| pod.node)
        .collect();
    assert_eq!(kept, ["node-1"]);
    // Told to, it goes and does not come back.
    let outcome = sandbox.run("ds/on-delete -n tainted --yes --allow unfit");
    outcome.exits(0).says("1 pod gone, with no replacement to wait for in ");
    let left: Vec<String> =
        lab.api.pods("tainted", "app=on-delete").into_iter().map(|pod| pod.node).collect();
    assert!(!left.contains(&"node-1".to_owned()) && left.len() == 2, "{left:?}");
}

fn a_cordoned_node_takes_daemon_set_pods_back() {
    let (lab, rough) = labs::rough();
    let _mended = Mended(&rough);
    lab.namespace("cordoned", &awkward::on_delete_daemon_set());
    lab.api.wait_ready("cordoned", "app=on-delete", 3);
    lab.apply(&awkward::cordoned_node("node-2"));
    let before = lab.api.uids("cordoned", "app=on-delete");
    Sandbox::new(&lab.kubeconfig).run("ds/on-delete -n cordoned --yes").exits(0);
    let after = lab.api.uids("cordoned", "app=on-delete");
    assert!(after.len() == 3 && before.iter().all(|uid| !after.contains(uid)));
}

fn pods_on_silent_nodes_are_left_alone() {
    let (lab, rough) = labs::rough();
    let _mended = Mended(&rough);
    lab.namespace("silent", &awkward::apart(3));
    lab.api.wait_ready("silent", "app=apart", 3);
    rough.set_node("node-0", Health::NotReady).unwrap();
    rough.set_node("node-1", Health::Unreachable).unwrap();
    let before = lab.api.pods("silent", "app=apart");
    let sandbox = Sandbox::new(&lab.kubeconfig);
    sandbox.run("-l app=apart --node node-1 -n silent --yes").is(str![[r#"
exit 4
--- stdout
--- stderr
error: 1 pod cannot be recycled, nothing was changed: pod/apart-[ID] (silent): its node `node-1` does not report and cannot confirm that a pod is gone; `--allow unreachable` recycles it all the same
hint: run `kubectl recycle -l app=apart --node node-1 --namespace silent --dry-run` to see what could be

"#]]);
    sandbox
        .run("-l app=apart --node node-0 -n silent --yes")
        .exits(4)
        .says("its node `node-0` is not Ready and cannot confirm that a pod is gone");
    let uids =
        |pods: &[crate::harness::api::Pod]| pods.iter().map(|p| p.uid.clone()).collect::<Vec<_>>();
    assert_eq!(uids(&lab.api.pods("silent", "app=apart")), uids(&before));
}
