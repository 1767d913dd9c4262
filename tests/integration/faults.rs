//! What a real server shows rarely: answers that get lost, expired watches, too much to do, controllers that are gone.

use crate::harness::sandbox::Sandbox;
use crate::harness::{Case, cases, world};
use double::{Api, Fault};
use serde_json::json;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        an_answer_that_gets_lost_is_looked_after_and_not_repeated_blindly;
        a_watch_that_expires_is_begun_anew;
        a_server_with_too_much_to_do_is_asked_again;
        an_orphan_is_refused_unless_allowed;
        a_controller_of_a_foreign_kind_is_trusted_to_replace_its_pods;
        a_pod_replaced_between_look_and_change_is_left_alone;
        a_bare_pod_that_somebody_deletes_again_is_not_waited_for_and_comes_back_on_the_next_run;
        garbage_is_no_success;
    ]
}

const EVICTIONS: &str = "/api/v1/namespaces/kube-system/pods/coredns";

fn sandbox(api: &Api) -> Sandbox {
    Sandbox::with(&api.kubeconfig())
}

fn uids(api: &Api) -> Vec<String> {
    let pods = api.all("pods");
    pods.iter().map(|p| p["metadata"]["uid"].as_str().unwrap_or_default().to_owned()).collect()
}

fn an_answer_that_gets_lost_is_looked_after_and_not_repeated_blindly() {
    let api = world::start();
    let before = uids(&api);
    api.fault(Fault::on("POST", EVICTIONS).act_and_hang_up());
    sandbox(&api).run("dns --yes").exits(0);
    assert_eq!(uids(&api).iter().filter(|uid| before.contains(uid)).count(), 2, "kube2iam's");
    // The replacement of the first is not evicted for it.
    assert_eq!(api.count("POST", EVICTIONS), 2, "{:?}", api.changes());
}

fn a_watch_that_expires_is_begun_anew() {
    let api = world::start();
    let gone = r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}"#;
    api.fault(
        Fault::on("GET", "/api/v1/namespaces/kube-system/pods")
            .query("watch=")
            .lines(&[gone])
            .times(2),
    );
    api.fault(Fault::on("GET", "/api/v1/namespaces/kube-system/pods").query("watch=").status(410));
    sandbox(&api).run("dns --yes").exits(0);
}

fn a_server_with_too_much_to_do_is_asked_again() {
    let api = world::start();
    api.fault(Fault::on("POST", EVICTIONS).status(429).header("Retry-After", "1").times(2));
    let outcome = sandbox(&api).run("dns --yes");
    outcome.exits(0).says("the API server has too much to do");
    assert_eq!(api.count("POST", EVICTIONS), 4);
}

fn owned_by(api: &Api, kind: &str, group: &str) {
    let owner = json!({"apiVersion": group, "kind": kind, "name": "gone", "uid": "gone", "controller": true});
    api.put(world::pod("default", "lonely", "node-1", &json!({"app": "lonely"}), &owner));
}

fn an_orphan_is_refused_unless_allowed() {
    let api = world::start();
    owned_by(&api, "ReplicaSet", "apps/v1");
    let sandbox = sandbox(&api);
    sandbox
        .run("-l app=lonely --yes")
        .exits(4)
        .says("its ReplicaSet `gone` is gone, nobody would create it again");
    assert!(api.changes().is_empty());
}

fn a_controller_of_a_foreign_kind_is_trusted_to_replace_its_pods() {
    let api = world::start();
    owned_by(&api, "Rollout", "argoproj.io/v1alpha1");
    sandbox(&api).run("pod/lonely --yes").exits(0);
    assert!(api.get("pods", "default", "lonely").is_none());
}

fn a_pod_replaced_between_look_and_change_is_left_alone() {
    let api = world::start();
    // A StatefulSet's pod keeps its name: only the UID tells.
    let conflict = json!({"kind": "Status", "status": "Failure", "reason": "Conflict", "code": 409,
        "message": "Operation cannot be fulfilled on pods \"coredns-1\": Precondition failed: UID in precondition: a, UID in object meta: b"});
    api.fault(Fault::on("POST", EVICTIONS).answer(409, conflict.to_string()));
    let name = "coredns-1";
    let moved = api.clone();
    std::thread::spawn(move || {
        while moved.count("POST", EVICTIONS) == 0 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        moved.remove("pods", "kube-system", name);
    });
    sandbox(&api).run("dns --yes").exits(0);
    assert_eq!(api.count("POST", EVICTIONS), 2);
}

fn a_bare_pod_that_somebody_deletes_again_is_not_waited_for_and_comes_back_on_the_next_run() {
    let api = world::start();
    let mut pod = world::pod("default", "bare", "node-1", &json!({"app": "bare"}), &json!(null));
    pod["metadata"]["ownerReferences"] = json!([]);
    api.put(pod);
    let deleter = api.clone();
    let first = uids(&api);
    let outcome = std::thread::scope(|scope| {
        let rival = scope.spawn(move || {
            crate::harness::until("the new pod", || {
                deleter.get("pods", "default", "bare").is_some() && uids(&deleter) != first
            });
            // Seen by the run before it goes.
            std::thread::sleep(std::time::Duration::from_millis(300));
            deleter.remove("pods", "default", "bare");
        });
        let sandbox = sandbox(&api);
        let outcome = sandbox.run("pod/bare --allow bare --yes");
        rival.join().unwrap();
        outcome.exits(5).says("(Deleted): it was created again, and somebody deleted it");
        // Its manifest was kept: the next run makes it once more.
        let ready = api.clone();
        scope.spawn(move || {
            crate::harness::until("the pod", || ready.get("pods", "default", "bare").is_some());
            ready.change("pods", "default", "bare", |pod| {
                pod["status"] = json!({"phase": "Running", "conditions":
                    [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
            });
        });
        sandbox.run("pod/bare --allow bare --yes")
    });
    outcome.exits(0);
    assert!(api.get("pods", "default", "bare").is_some());
}

fn garbage_is_no_success() {
    for fault in [
        Fault::on("GET", "/api/v1/namespaces/kube-system/pods").garbage().always(),
        Fault::on("GET", "/api/v1/namespaces/kube-system/pods")
            .answer(200, "{\"items\": 7}")
            .always(),
        Fault::on("GET", "/api/v1/namespaces/kube-system/pods").status(500).always(),
        Fault::on("GET", "/apis/apps/v1").hang_up().always(),
        Fault::on("GET", "/api/v1/namespaces/kube-system")
            .answer(200, "<html>a proxy's page</html>")
            .always(),
    ] {
        let api = world::start();
        api.fault(fault.clone());
        let sandbox = sandbox(&api);
        let outcome = sandbox.run("dns --yes --request-timeout 5s");
        outcome.exits(1).never_says("recycled").never_says("nothing to recycle");
        assert!(api.changes().is_empty(), "{fault:?}");
        assert!(!sandbox.state().exists(), "{fault:?}");
    }
}
