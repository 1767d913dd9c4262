//! What makes recycling hard, on a real control plane, each thing in a namespace of its own.

use crate::harness::labs::{self, Lab};
use crate::harness::sandbox::Sandbox;
use crate::harness::{Case, cases, files, until};
use lab::world::awkward::{self, Failure};
use serde_json::json;
use snapbox::str;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_stateful_set_goes_from_the_top_and_keeps_its_names;
        an_ordered_stateful_set_is_not_left_with_a_hole;
        a_job_at_work_is_refused_unless_allowed;
        a_job_that_has_ended_needs_nothing;
        a_bare_pod_is_refused_or_made_again_from_its_manifest;
        a_paused_deployment_is_not_rolled_out;
        an_on_delete_daemon_set_is_not_rolled_out;
        a_roll_out_is_waited_for;
        a_budget_that_never_allows_is_named_before_anything_is_done;
        a_budget_that_allows_later_is_waited_for;
        two_budgets_on_one_pod_are_named;
        a_finalizer_that_holds_a_pod_is_named;
        a_replacement_that_crashes_ends_the_run_early;
        a_replacement_whose_image_is_missing_ends_the_run_early;
        a_quota_that_refuses_replacements_is_named;
        slow_pods_are_waited_for;
        a_replacement_that_never_becomes_ready_is_not_proven;
        scaled_down_during_the_wait_is_no_failure;
        a_single_dns_server_is_refused_with_three_remedies;
        a_pod_replaced_after_the_plan_is_protected_by_its_uid;
        plans_that_do_not_fit_are_refused;
    ]
}

/// Objects in a namespace, and a sandbox to work from.
fn place(lab: &Lab, namespace: &str, yaml: &str, app: &str, ready: usize) -> Sandbox {
    lab.namespace(namespace, yaml);
    if ready > 0 {
        lab.api.wait_ready(namespace, &format!("app={app}"), ready);
    }
    Sandbox::new(&lab.kubeconfig)
}

/// How many of these pods are still the same.
fn kept(before: &[String], after: &[String]) -> usize {
    before.iter().filter(|uid| after.contains(uid)).count()
}

fn a_stateful_set_goes_from_the_top_and_keeps_its_names() {
    let lab = labs::current();
    let sandbox = place(lab, "sts", &awkward::stateful_set(), "ordered", 3);
    let before = lab.api.uids("sts", "app=ordered");
    sandbox.run("sts/ordered -n sts --yes").is(str![[r#"
exit 0
--- stdout
NAMESPACE  POD  RESULT  REPLACEMENT  TIME
sts  ordered-2  recycled  ordered-2  [TOOK]
sts  ordered-1  recycled  ordered-1  [TOOK]
sts  ordered-0  recycled  ordered-0  [TOOK]
--- stderr
[CLOCK] kubectl recycle: recycle 3 pods of kubernetes-admin@lab ([SERVER])
[CLOCK] workloads: 3 steps
[CLOCK] pod/ordered-2 (sts): to be evicted
[CLOCK] pod/ordered-2 (sts): evicted
[CLOCK] pod/ordered-2 (sts): replaced by ordered-2 on node [..], Ready after [TOOK]
[CLOCK] pod/ordered-1 (sts): to be evicted
[CLOCK] pod/ordered-1 (sts): evicted
[CLOCK] pod/ordered-1 (sts): replaced by ordered-1 on node [..], Ready after [TOOK]
[CLOCK] pod/ordered-0 (sts): to be evicted
[CLOCK] pod/ordered-0 (sts): evicted
[CLOCK] pod/ordered-0 (sts): replaced by ordered-0 on node [..], Ready after [TOOK]
[CLOCK] workloads: over
[CLOCK] 3 pods recycled and Ready in [TOOK]

"#]]);
    assert_eq!(kept(&before, &lab.api.uids("sts", "app=ordered")), 0);
}

fn an_ordered_stateful_set_is_not_left_with_a_hole() {
    let lab = labs::current();
    let sandbox = place(lab, "hole", &awkward::stateful_set(), "ordered", 3);
    let unready = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    lab.api.patch("/api/v1/namespaces/hole/pods/ordered-0/status", &unready);
    let before = lab.api.uids("hole", "app=ordered");
    sandbox.run("pod/ordered-2 -n hole --yes").is(str![[r#"
exit 4
--- stdout
--- stderr
error: 1 pod cannot be recycled, nothing was changed: pod/ordered-2 (hole): StatefulSet `ordered` would not create it again while `ordered-0` is not Ready
hint: run `kubectl recycle pod/ordered-2 --namespace hole --dry-run` to see what could be

"#]]);
    assert_eq!(kept(&before, &lab.api.uids("hole", "app=ordered")), 3);
    // All of it: the unready one goes first, and blocks nothing any more.
    let outcome = sandbox.run("sts/ordered -n hole --yes");
    outcome.exits(0);
    let began: Vec<String> = outcome.lines("to be evicted");
    assert!(began[0].contains("ordered-0") && began[1].contains("ordered-2"), "{began:?}");
}

fn a_job_at_work_is_refused_unless_allowed() {
    let lab = labs::current();
    let sandbox = place(lab, "work", &awkward::job(), "at-work", 1);
    let before = lab.api.uids("work", "app=at-work");
    sandbox.run("-l app=at-work -n work --yes").is(str![[r#"
exit 4
--- stdout
--- stderr
error: 1 pod cannot be recycled, nothing was changed: pod/at-work-[ID] (work): it works for Job `at-work`, and its work would be lost; `--allow jobs` recycles it all the same
hint: run `kubectl recycle -l app=at-work --namespace work --dry-run` to see what could be

"#]]);
    assert_eq!(lab.api.uids("work", "app=at-work"), before);
    let outcome = sandbox.run("job/at-work -n work --allow jobs --yes");
    outcome.exits(0).says("Z 1 pod gone, with no replacement to wait for in ");
    until("the Job makes another pod", || {
        let after = lab.api.uids("work", "app=at-work");
        !after.is_empty() && kept(&before, &after) == 0
    });
}

fn a_job_that_has_ended_needs_nothing() {
    let lab = labs::current();
    let sandbox = place(lab, "ended", &awkward::finished_job(), "finished", 0);
    until("the Job is done", || {
        let list = lab.api.get("/api/v1/namespaces/ended/pods");
        list.pointer("/items/0/status/phase") == Some(&json!("Succeeded"))
    });
    sandbox.run("job/finished -n ended --yes").exits(0).says("it has ended and holds nothing");
}

fn a_bare_pod_is_refused_or_made_again_from_its_manifest() {
    let lab = labs::current();
    let secret = "hunter2-in-the-environment";
    let pod = awkward::bare_pod().replace(
        "args: [pause]",
        &format!("args: [pause], env: [{{name: PASSWORD, value: {secret}}}]"),
    );
    let sandbox = place(lab, "bare", &pod, "bare", 1);
    let before = lab.api.uids("bare", "app=bare");
    sandbox.run("pod/bare -n bare --yes").is(str![[r#"
exit 4
--- stdout
--- stderr
error: 1 pod cannot be recycled, nothing was changed: pod/bare (bare): no controller would create it again; `--allow bare` recycles it all the same
hint: run `kubectl recycle pod/bare --namespace bare --dry-run` to see what could be

"#]]);
    assert!(!sandbox.state().exists());
    sandbox.run("pod/bare -n bare --allow bare --yes").is(str![[r#"
exit 0
--- stdout
NAMESPACE  POD  RESULT  REPLACEMENT  TIME
bare  bare  recycled  <none>  [TOOK]
bare  bare  recycled  bare  [TOOK]
--- stderr
[CLOCK] kubectl recycle: recycle 1 pod of kubernetes-admin@lab ([SERVER])
[CLOCK] workloads: 2 steps
[CLOCK] pod/bare (bare): to be deleted
[CLOCK] pod/bare (bare): deleted
[CLOCK] pod/bare (bare): gone on node [..], after [TOOK]
[CLOCK] pod/bare (bare): to be created again
[CLOCK] pod/bare (bare): created again
[CLOCK] pod/bare (bare): replaced by bare on node [..], Ready after [TOOK]
[CLOCK] workloads: over
[CLOCK] 1 pod recycled and Ready in [TOOK]

"#]]);
    lab.api.wait_ready("bare", "app=bare", 1);
    assert_eq!(kept(&before, &lab.api.uids("bare", "app=bare")), 0);
    let again = lab.api.get("/api/v1/namespaces/bare/pods/bare");
    assert_eq!(again.pointer("/spec/containers/0/env/0/value"), Some(&json!(secret)));
    // Its manifest, which holds what the pod holds, was kept only as long as it was needed.
    for path in files(&sandbox.state()).into_iter().filter(|path| path.is_file()) {
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains(secret), "{}", path.display());
    }
}

fn a_paused_deployment_is_not_rolled_out() {
    let lab = labs::current();
    let sandbox = place(lab, "paused", &awkward::pausable_deployment(), "paused", 2);
    lab.apply(&awkward::paused_deployment().replace("namespace: default", "namespace: paused"));
    sandbox.run("deploy/paused -n paused --strategy rollout --yes").is(str![[r#"
exit 4
--- stdout
--- stderr
error: 1 workload cannot be recycled, nothing was changed: deployment.apps/paused (paused): Deployment `paused` is paused: a roll-out would do nothing; `--strategy auto` recycles its pods one by one
hint: run `kubectl recycle deploy/paused --strategy rollout --namespace paused --dry-run` to see what could be

"#]]);
    let before = lab.api.uids("paused", "app=paused");
    sandbox.run("deploy/paused -n paused --yes").exits(0);
    assert_eq!(kept(&before, &lab.api.uids("paused", "app=paused")), 0);
}

fn an_on_delete_daemon_set_is_not_rolled_out() {
    let lab = labs::current();
    let sandbox = place(lab, "on-delete", &awkward::on_delete_daemon_set(), "on-delete", 3);
    let before = lab.api.uids("on-delete", "app=on-delete");
    sandbox
        .run("ds/on-delete -n on-delete --strategy rollout --yes")
        .exits(4)
        .says("is updated OnDelete: a roll-out would do nothing");
    assert_eq!(lab.api.uids("on-delete", "app=on-delete"), before);
}

fn a_roll_out_is_waited_for() {
    let lab = labs::current();
    let sandbox = place(lab, "roll", &awkward::slow_to_be_ready(1), "slow-to-be-ready", 3);
    let before = lab.api.uids("roll", "app=slow-to-be-ready");
    sandbox.run("deploy/slow-to-be-ready -n roll --strategy rollout --yes").is(str![[r#"
exit 0
--- stdout
NAMESPACE  POD  RESULT  REPLACEMENT  TIME
roll  slow-to-be-ready  recycled  <none>  [TOOK]
--- stderr
[CLOCK] kubectl recycle: recycle 1 workload of kubernetes-admin@lab ([SERVER])
[CLOCK] workloads: 1 step
[CLOCK] deployment.apps/slow-to-be-ready (roll): to be rolled out
[CLOCK] deployment.apps/slow-to-be-ready (roll): roll-out begun
[CLOCK] deployment.apps/slow-to-be-ready (roll): rolled out, after [TOOK]
[CLOCK] workloads: over
[CLOCK] 1 workload recycled and Ready in [TOOK]

"#]]);
    let after = lab.api.pods("roll", "app=slow-to-be-ready");
    let new: Vec<_> = after.iter().filter(|pod| !pod.going).collect();
    assert!(new.len() == 3 && new.iter().all(|p| p.ready && !before.contains(&p.uid)), "{after:?}");
}

fn a_budget_that_never_allows_is_named_before_anything_is_done() {
    for (lab, name) in [(labs::current(), "never"), (labs::old(), "never")] {
        let sandbox = place(lab, name, &awkward::budget_that_never_allows(), "guarded", 2);
        until("the budget counts its pods", || {
            let budget = lab
                .api
                .get(&format!("/apis/policy/v1/namespaces/{name}/poddisruptionbudgets/guarded"));
            budget["status"]["expectedPods"] == 2
        });
        let before = lab.api.uids(name, "app=guarded");
        sandbox.run(&format!("deploy/guarded -n {name} --yes")).is(str![[r#"
exit 4
--- stdout
--- stderr
error: 2 pods cannot be recycled, nothing was changed: pod/guarded-[ID] ([..]): budget [..]/guarded (maxUnavailable: 0) keeps 2 of 2 pods and never allows an eviction; `--allow over-budget` recycles it all the same; pod/guarded-[ID] ([..]): budget [..]/guarded (maxUnavailable: 0) keeps 2 of 2 pods and never allows an eviction; `--allow over-budget` recycles it all the same
hint: run `kubectl recycle deploy/guarded --namespace [..] --dry-run` to see what could be

"#]]);
        assert_eq!(lab.api.uids(name, "app=guarded"), before);
        sandbox.run(&format!("deploy/guarded -n {name} --allow over-budget --yes")).exits(0);
        assert_eq!(kept(&before, &lab.api.uids(name, "app=guarded")), 0);
    }
}

fn a_budget_that_allows_later_is_waited_for() {
    let lab = labs::current();
    // Two that are Ready beside one that is not: two must remain, and one of three might go.
    let objects = lab::world::join(&[
        awkward::budget_that_never_allows().replace("maxUnavailable: 0", "minAvailable: 2"),
        awkward::never_ready()
            .replace("app: never-ready", "app: guarded")
            .replace("replicas: 2", "replicas: 1"),
    ]);
    let sandbox = place(lab, "later", &objects, "guarded", 0);
    until("two pods are Ready", || {
        lab.api.pods("later", "app=guarded").iter().filter(|p| p.ready).count() == 2
    });
    until("the budget counts three pods", || {
        let budget = lab.api.get("/apis/policy/v1/namespaces/later/poddisruptionbudgets/guarded");
        budget["status"]["expectedPods"] == 3 && budget["status"]["currentHealthy"] == 2
    });
    let mut running = sandbox.start("deploy/guarded -n later --yes");
    running.wait_for("blocked by");
    let relaxed = json!({"spec": {"minAvailable": 1}});
    lab.api.patch("/apis/policy/v1/namespaces/later/poddisruptionbudgets/guarded", &relaxed);
    let outcome = running.end();
    outcome.exits(0);
    assert_eq!(
        outcome.lines("blocked by").first().map(String::as_str),
        Some(
            "[CLOCK] pod/guarded-[ID] (later): blocked by Cannot evict pod as it would violate the pod's disruption budget. The disruption budget guarded needs 2 healthy pods and has 2 currently"
        )
    );
}

fn two_budgets_on_one_pod_are_named() {
    let lab = labs::current();
    let sandbox = place(lab, "twice", &awkward::two_budgets(), "twice", 2);
    until("both budgets count their pods", || {
        let list = lab.api.get("/apis/policy/v1/namespaces/twice/poddisruptionbudgets");
        list["items"]
            .as_array()
            .is_some_and(|all| all.iter().all(|b| b["status"]["expectedPods"] == 2))
    });
    sandbox
        .run("deploy/twice -n twice --yes")
        .exits(4)
        .says("two budgets protect it, twice/twice-one (maxUnavailable: 1) and twice/twice-two (maxUnavailable: 1)");
    sandbox.run("deploy/twice -n twice --yes --allow over-budget").exits(0);
}

fn a_finalizer_that_holds_a_pod_is_named() {
    let lab = labs::current();
    let sandbox = place(lab, "held", &awkward::finalizer(), "held", 2);
    let pods = lab.api.pods("held", "app=held");
    sandbox.run(&format!("pod/{} -n held --yes --timeout 3s", pods[0].name)).is(str![[r#"
exit 6
--- stdout
NAMESPACE  POD  RESULT  REPLACEMENT  TIME
held  held-[ID]  not proven  <none>  <none>
--- stderr
[CLOCK] kubectl recycle: recycle 1 pod of kubernetes-admin@lab ([SERVER])
[CLOCK] workloads: 1 step
[CLOCK] pod/held-[ID] (held): to be evicted
[CLOCK] pod/held-[ID] (held): evicted
[CLOCK] pod/held-[ID] (held): failed (Unproven): not seen in time: it to end; finalizer `lab.local/hold` holds it
[CLOCK] nothing more is begun: phase `workloads` failed: held/held (Deployment)
[CLOCK] workloads: over
[CLOCK] 1 pod recycled, and not every replacement was seen to be Ready in time; run the same command again to go on (journal [JOURNAL])

"#]]);
    // The next run waits for the same one, and sees it go.
    let mut running = sandbox.start(&format!("pod/{} -n held --yes", pods[0].name));
    running.wait_for("finalizer `lab.local/hold` holds it");
    let path = format!("/api/v1/namespaces/held/pods/{}", pods[0].name);
    lab.api.patch(&path, &json!({"metadata": {"finalizers": null}}));
    running.end().exits(0);
    for pod in lab.api.pods("held", "app=held") {
        let path = format!("/api/v1/namespaces/held/pods/{}", pod.name);
        lab.api.patch(&path, &json!({"metadata": {"finalizers": null}}));
    }
}

fn broken_replacement(namespace: &str, failure: Failure) -> crate::harness::outcome::Outcome {
    let lab = labs::current();
    let sandbox = place(lab, namespace, &awkward::fragile(), "fragile", 3);
    lab.apply(
        &awkward::spring_trap(failure)
            .replace("namespace: default", &format!("namespace: {namespace}")),
    );
    let before = lab.api.uids(namespace, "app=fragile");
    let outcome = sandbox.run(&format!("deploy/fragile -n {namespace} --yes"));
    assert_eq!(kept(&before, &lab.api.uids(namespace, "app=fragile")), 2, "only one was lost");
    outcome
}

fn a_replacement_that_crashes_ends_the_run_early() {
    broken_replacement("crash", Failure::Crash).is(str![[r#"
exit 5
--- stdout
NAMESPACE  POD  RESULT  REPLACEMENT  TIME
crash  fragile-[ID]  failed: CrashLoopBackOff  <none>  <none>
crash  fragile-[ID]  not begun  <none>  <none>
crash  fragile-[ID]  not begun  <none>  <none>
--- stderr
[CLOCK] kubectl recycle: recycle 3 pods of kubernetes-admin@lab ([SERVER])
[CLOCK] workloads: 3 steps
[CLOCK] pod/fragile-[ID] (crash): to be evicted
[CLOCK] pod/fragile-[ID] (crash): evicted
[CLOCK] pod/fragile-[ID] (crash): failed (CrashLoopBackOff): its replacement reports CrashLoopBackOff in container `main`: back-off [TOOK] restarting failed container
[CLOCK] nothing more is begun: phase `workloads` failed: crash/fragile (Deployment)
[CLOCK] workloads: over
[CLOCK] 0 of 3 pods done in [TOOK]; run the same command again to go on (journal [JOURNAL])

"#]]);
}

fn a_replacement_whose_image_is_missing_ends_the_run_early() {
    broken_replacement("pull", Failure::Pull)
        .exits(5)
        .says("failed (ImagePullBackOff)")
        .says("nothing more is begun");
}

fn a_quota_that_refuses_replacements_is_named() {
    let lab = labs::current();
    lab.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: tight}\n");
    until("the account is there", || {
        lab.api.get("/api/v1/namespaces/tight/serviceaccounts/default")["kind"] == "ServiceAccount"
    });
    lab.apply(&awkward::tight());
    lab.api.wait_ready("tight", "app=tight", 2);
    lab.apply(&awkward::tight_quota());
    until("the quota counts", || {
        lab.api.get("/api/v1/namespaces/tight/resourcequotas/tight")["status"]["used"]["pods"]
            == "2"
    });
    let outcome = Sandbox::new(&lab.kubeconfig).run("deploy/tight -n tight --yes");
    outcome.exits(5).says("failed (FailedCreate)").says("exceeded quota: tight");
    assert_eq!(outcome.lines("to be evicted").len(), 1, "the second is not begun");
}

fn slow_pods_are_waited_for() {
    let lab = labs::current();
    let objects = lab::world::join(&[awkward::slow_to_end(3), awkward::slow_to_be_ready(3)]);
    let sandbox = place(lab, "slow", &objects, "slow-to-be-ready", 3);
    lab.api.wait_ready("slow", "app=slow-to-end", 2);
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| {
            Sandbox::new(&lab.kubeconfig)
                .run("deploy/slow-to-end -n slow --yes --max-unavailable 2")
        });
        let two = sandbox.run("deploy/slow-to-be-ready -n slow --yes --max-unavailable 3");
        (one.join().unwrap(), two)
    });
    one.exits(0).says("waiting for it to end");
    two.exits(0).says("to be Ready");
    assert!(lab.api.pods("slow", "app=slow-to-be-ready").iter().all(|p| p.ready));
}

fn a_replacement_that_never_becomes_ready_is_not_proven() {
    let lab = labs::current();
    let sandbox = place(lab, "never-ready", &awkward::never_ready(), "never-ready", 0);
    until("two pods run", || lab.api.pods("never-ready", "").len() == 2);
    let line = "deploy/never-ready -n never-ready --yes --timeout 2s";
    // One is lost at most, unless more are allowed to be.
    sandbox.run(line).exits(5).says("nothing more is begun");
    sandbox.run(&format!("{line} --all --max-failures 3")).is(str![[r#"
exit 6
--- stdout
NAMESPACE  POD  RESULT  REPLACEMENT  TIME
never-ready  never-ready-[ID]  not proven  <none>  <none>
never-ready  never-ready-[ID]  not proven  <none>  <none>
--- stderr
[CLOCK] kubectl recycle: recycle 2 pods of kubernetes-admin@lab ([SERVER])
[CLOCK] workloads: 2 steps
[CLOCK] pod/never-ready-[ID] (never-ready): to be evicted
[CLOCK] pod/never-ready-[ID] (never-ready): evicted
[CLOCK] pod/never-ready-[ID] (never-ready): failed (Unproven): not seen in time: `never-ready-[ID]` to be Ready
[CLOCK] pod/never-ready-[ID] (never-ready): to be evicted
[CLOCK] pod/never-ready-[ID] (never-ready): evicted
[CLOCK] pod/never-ready-[ID] (never-ready): failed (Unproven): not seen in time: `never-ready-[ID]` to be Ready
[CLOCK] workloads: over
[CLOCK] 2 pods recycled, and not every replacement was seen to be Ready in time; run the same command again to go on (journal [JOURNAL])

"#]]);
}

fn scaled_down_during_the_wait_is_no_failure() {
    let lab = labs::current();
    let sandbox = place(lab, "scaled", &awkward::slow_to_be_ready(3), "slow-to-be-ready", 3);
    let name = lab.api.pods("scaled", "app=slow-to-be-ready")[0].name.clone();
    let mut running = sandbox.start(&format!("pod/{name} -n scaled --yes"));
    running.wait_for("evicted");
    lab.kubectl
        .text(&["scale", "deployment/slow-to-be-ready", "--replicas=2", "-n", "scaled"])
        .unwrap();
    running.end().exits(0);
}

fn a_single_dns_server_is_refused_with_three_remedies() {
    let lab = labs::old();
    let _world = lab.world();
    let scale = |count: usize| {
        let replicas = format!("--replicas={count}");
        lab.kubectl
            .text(&["scale", "deployment/kube-dns", &replicas, "-n", "kube-system"])
            .unwrap();
        lab.api.wait_ready("kube-system", "k8s-app=kube-dns", count);
    };
    scale(1);
    let before = lab.api.uids("kube-system", "k8s-app=kube-dns");
    let sandbox = Sandbox::new(&lab.kubeconfig);
    sandbox.run("dns --yes").is(str![[r#"
exit 4
--- stdout
--- stderr
error: 1 pod cannot be recycled, nothing was changed: pod/kube-dns-[ID] (kube-system): it is the only pod behind `kube-system/kube-dns`: scale its workload to 2 first, or `--strategy rollout` starts a second one before this one goes, or `--allow last-ready` accepts the outage
hint: run `kubectl recycle dns --dry-run` to see what could be

"#]]);
    assert_eq!(lab.api.uids("kube-system", "k8s-app=kube-dns"), before);
    // The second and the third; the first is to scale.
    sandbox.run("dns --yes --strategy rollout").exits(0);
    lab.api.wait_ready("kube-system", "k8s-app=kube-dns", 1);
    let second = lab.api.uids("kube-system", "k8s-app=kube-dns");
    assert_eq!(kept(&before, &second), 0);
    sandbox.run("dns --yes --all --allow last-ready").exits(0);
    assert_eq!(kept(&second, &lab.api.uids("kube-system", "k8s-app=kube-dns")), 0);
    scale(2);
}

fn a_pod_replaced_after_the_plan_is_protected_by_its_uid() {
    let lab = labs::current();
    let sandbox = place(lab, "moved", &awkward::stateful_set(), "ordered", 3);
    let plan = sandbox.run("sts/ordered -n moved --dry-run -o json");
    plan.exits(3);
    std::fs::write(sandbox.path("plan.json"), &plan.stdout).unwrap();
    let before = lab.api.pods("moved", "app=ordered");
    lab.api.delete("/api/v1/namespaces/moved/pods/ordered-1");
    until("the same name is another pod", || {
        let pods = lab.api.pods("moved", "app=ordered");
        pods.len() == 3 && pods.iter().all(|p| p.ready) && pods[1].uid != before[1].uid
    });
    let replaced = lab.api.pods("moved", "app=ordered")[1].uid.clone();
    let outcome = sandbox.run("-f plan.json --yes");
    outcome.exits(0);
    let after = lab.api.pods("moved", "app=ordered");
    assert_eq!(after[1].uid, replaced, "{}", outcome.text());
    assert!(after[0].uid != before[0].uid && after[2].uid != before[2].uid, "{}", outcome.text());
    // From standard input, with nothing left to do.
    let mut command = sandbox.command(&["-f", "-", "--yes"]);
    command.stdin(std::fs::File::open(sandbox.path("plan.json")).unwrap());
    sandbox.outcome(&mut command).exits(0);
    assert_eq!(lab.api.pods("moved", "app=ordered"), after);
}

fn plans_that_do_not_fit_are_refused() {
    let (lab, other) = (labs::current(), labs::old());
    let sandbox = place(lab, "plans", &awkward::replica_set(), "lone", 2);
    let plan = sandbox.run("rs/lone -n plans --dry-run -o json").stdout;
    let before = lab.api.uids("plans", "app=lone");
    let elsewhere = Sandbox::new(&other.kubeconfig);
    for (text, code, words) in [
        (plan.as_str(), 4, "was made for another cluster"),
        (
            &plan.replace("rotation/plan/v1", "rotation/plan/v9"),
            2,
            "its schemaVersion is `rotation/plan/v9`",
        ),
        (&plan.replace("kubectl recycle", "kubectl other"), 2, "`kubectl other` made it"),
        (&plan[..plan.len() / 2], 2, "it is no plan"),
        ("", 2, "it is no plan"),
        ("{}", 2, "schemaVersion"),
        (&plan.replace("evictPod", "formatDisk"), 2, "formatDisk"),
        (
            &plan.replace("\"othersReady\"", "\"x\"").replace("\"replaced\"", "\"wished\""),
            2,
            "wished",
        ),
    ] {
        std::fs::write(elsewhere.path("plan.json"), text).unwrap();
        elsewhere.run("-f plan.json --yes").exits(code).says(words);
        assert!(!elsewhere.state().exists());
    }
    elsewhere.run("-f missing.json --yes").exits(1).says("missing.json");
    assert_eq!(lab.api.uids("plans", "app=lone"), before);
}
