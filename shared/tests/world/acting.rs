//! Changes: sent once, bound to an identity, answers told apart.

use crate::setup::{connect, pod};
use double::{Api, Fault};
use rotation_core::facts::workload::WorkloadKind;
use rotation_core::world::cluster::{Answer, Cluster, Request, Thing};
use serde_json::json;
use std::time::Duration;

fn evict(name: &str, uid: &str) -> Request {
    Request::Evict {
        namespace: "default".to_owned(),
        name: name.to_owned(),
        uid: uid.into(),
        grace_seconds: None,
        dry_run: false,
    }
}

fn delete(name: &str, uid: &str) -> Request {
    Request::Delete {
        thing: Thing::Pod,
        namespace: "default".to_owned(),
        name: name.to_owned(),
        uid: uid.into(),
        resource_version: None,
        grace_seconds: None,
        dry_run: false,
    }
}

fn one(cluster: &Cluster, request: Request) -> Answer {
    let mut answers = Vec::new();
    cluster.act(&[request], &mut |_, answer| answers.push(answer));
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

#[test]
fn only_the_pod_that_was_meant_is_taken() {
    let api = Api::start();
    let cluster = connect(&api);
    let uid = api.put(pod("default", "p"));
    for request in [evict("p", "another"), delete("p", "another")] {
        assert_eq!(one(&cluster, request), Answer::Replaced);
    }
    assert!(api.get("pods", "default", "p").is_some());
    assert_eq!(one(&cluster, evict("p", &uid)), Answer::Accepted);
    assert_eq!(one(&cluster, evict("p", &uid)), Answer::Gone);
    assert_eq!(one(&cluster, delete("p", &uid)), Answer::Gone);
}

#[test]
fn a_dry_run_changes_nothing() {
    let api = Api::start();
    let cluster = connect(&api);
    let uid = api.put(pod("default", "p"));
    for mut request in [evict("p", &uid), delete("p", &uid)] {
        if let Request::Evict { dry_run, .. } | Request::Delete { dry_run, .. } = &mut request {
            *dry_run = true;
        }
        assert_eq!(one(&cluster, request), Answer::Accepted);
    }
    assert!(api.get("pods", "default", "p").is_some());
}

/// What goes wrong, and what the answer has to be then.
type Row = (fn(Fault) -> Fault, fn(&Answer) -> bool);

#[test]
fn a_change_is_never_sent_twice() {
    let api = Api::start();
    let cluster = connect(&api);
    let uid = api.put(pod("default", "p"));
    cluster.version().expect("a first answer opens the connection");
    let unknown: fn(&Answer) -> bool = |a| matches!(a, Answer::Unknown { .. });
    let rows: [Row; 8] = [
        (|f| f.status(500), unknown),
        (|f| f.status(502), unknown),
        (|f| f.status(503), unknown),
        (|f| f.status(504), unknown),
        (|f| f.hang_up(), unknown),
        (|f| f.garbage(), unknown),
        (
            |f| f.status(429).header("Retry-After", "3"),
            |a| *a == Answer::Overloaded { retry_after: Some(Duration::from_secs(3)) },
        ),
        (
            |f| f.budget("b"),
            |a| matches!(a, Answer::Budget { message, retry_after: None } if message.contains("budget b needs")),
        ),
    ];
    for (index, (make, expected)) in rows.into_iter().enumerate() {
        for request in [evict("p", &uid), delete("p", &uid)] {
            let method = if matches!(request, Request::Evict { .. }) { "POST" } else { "DELETE" };
            api.forget();
            api.fault(make(Fault::on(method, "/api/v1/namespaces/default/pods/p")));
            let answer = one(&cluster, request);
            assert!(expected(&answer), "row {index} {method}: {answer:?}");
            assert_eq!(api.requests().len(), 1, "row {index} {method}");
        }
    }
    assert!(api.get("pods", "default", "p").is_some());
}

#[test]
fn a_change_whose_answer_is_lost_has_an_unknown_outcome() {
    let api = Api::start();
    let cluster = connect(&api);
    let uid = api.put(pod("default", "p"));
    api.fault(Fault::on("POST", "/api/v1/").act_and_hang_up());
    assert!(matches!(one(&cluster, evict("p", &uid)), Answer::Unknown { .. }));
    assert!(api.get("pods", "default", "p").is_none(), "it was done all the same");
}

#[test]
fn budgets_are_obeyed_and_named() {
    let api = Api::start();
    let cluster = connect(&api);
    let budget = |name: &str| {
        json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": { "namespace": "default", "name": name },
            "spec": { "selector": { "matchLabels": { "app": "web" } } },
            "status": { "disruptionsAllowed": 1, "desiredHealthy": 1, "currentHealthy": 2 },
        })
    };
    api.put(budget("web"));
    let (first, second) = (api.put(pod("default", "a")), api.put(pod("default", "b")));
    assert_eq!(one(&cluster, evict("a", &first)), Answer::Accepted);
    let answer = one(&cluster, evict("b", &second));
    assert!(
        matches!(&answer, Answer::Budget { message, .. } if message.contains("budget web needs 1")),
        "{answer:?}"
    );
    api.put(budget("too"));
    assert!(matches!(one(&cluster, evict("b", &second)), Answer::TwoBudgets { .. }));
    assert_eq!(one(&cluster, delete("b", &second)), Answer::Accepted, "a delete does not ask them");
}

#[test]
fn sixteen_connections_and_no_more() {
    let api = Api::setup().start();
    let cluster = connect(&api);
    let requests: Vec<Request> = (0..100)
        .map(|n| evict(&format!("p{n}"), &api.put(pod("default", &format!("p{n}")))))
        .collect();
    api.fault(Fault::on("POST", "/api/v1/").delay(Duration::from_millis(5)).always());
    let mut seen = vec![false; requests.len()];
    cluster.act(&requests, &mut |index, answer| {
        assert_eq!(answer, Answer::Accepted);
        seen[index] = true;
    });
    assert!(seen.into_iter().all(|s| s));
    assert_eq!(api.count("POST", "/api/v1/"), 100);
    assert!(api.connections() <= 16, "{}", api.connections());
}

#[test]
fn a_rollout_is_restarted_under_guard() {
    let api = Api::start();
    let cluster = connect(&api);
    let uid = api.put(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "namespace": "default", "name": "d" },
    }));
    let version =
        api.get("apps/deployments", "default", "d").expect("put")["metadata"]["resourceVersion"]
            .clone();
    let restart = |resource_version: &str| Request::RestartRollout {
        kind: WorkloadKind::Deployment,
        namespace: "default".to_owned(),
        name: "d".to_owned(),
        uid: uid.as_str().into(),
        resource_version: resource_version.to_owned(),
        at: "2026-01-02T03:04:05Z".parse().expect("time"),
        dry_run: false,
    };
    assert!(matches!(one(&cluster, restart("1")), Answer::Conflict { .. }));
    assert_eq!(one(&cluster, restart(version.as_str().expect("text"))), Answer::Accepted);
    let deployment = api.get("apps/deployments", "default", "d").expect("there");
    assert_eq!(
        deployment["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"],
        "2026-01-02T03:04:05Z"
    );
}

#[test]
fn a_pod_is_created_once() {
    let api = Api::start();
    let cluster = connect(&api);
    let create = || Request::Create {
        thing: Thing::Pod,
        namespace: "default".to_owned(),
        manifest: pod("default", "bare"),
        dry_run: false,
    };
    assert_eq!(one(&cluster, create()), Answer::Accepted);
    assert!(matches!(one(&cluster, create()), Answer::Conflict { .. }));
}
