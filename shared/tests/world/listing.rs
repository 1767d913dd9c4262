//! Reads: pages, repeats, time-outs, old versions.

use crate::setup::{connect, everything, list, listed, names, pod};
use double::{Api, Fault};
use rotation_core::facts::identity::ObjectRef;
use rotation_core::facts::selector::Selector;
use rotation_core::facts::version::ServerVersion;
use rotation_core::facts::workload::WorkloadKind;
use rotation_core::world::cluster::{
    Access, Cluster, ClusterError, Connection, PodQuery, PolicyVersion, Scope,
};
use serde_json::json;
use std::time::{Duration, Instant};

fn with_pods(api: &Api, count: usize) {
    for number in 0..count {
        api.put(pod("default", &format!("p{number:03}")));
    }
}

#[test]
fn pages_are_read_to_the_end() {
    let api = Api::setup().pages_of(10).start();
    with_pods(&api, 35);
    let (pods, _) = list(&connect(&api), &everything());
    assert_eq!(pods.len(), 35);
    let requests = api.requests();
    assert_eq!(requests.len(), 4);
    assert!(requests.iter().all(|r| r.parameter("limit") == "500"));
}

/// What a real API server of 1.36 sent for the same four pods, in both forms: one with every kind of reference, ephemeral
/// container and finalizer, one that crashes, one of a DaemonSet, one that fits nowhere.
const PODS: (&[u8], &[u8]) = (include_bytes!("pods.json"), include_bytes!("pods.pb"));

#[test]
fn pods_are_asked_for_in_protobuf_and_are_the_same_in_both_forms() {
    let api = Api::start();
    api.fault(Fault::on("GET", "/api/v1/pods").answer(200, PODS.0));
    api.fault(Fault::on("GET", "/api/v1/pods").answer(200, PODS.1));
    let cluster = connect(&api);
    let [(json, at), (protobuf, later)] = [(), ()].map(|()| list(&cluster, &everything()));
    assert_eq!(names(&json), ["broken", "ds-758zw", "everything", "homeless"]);
    for (one, other) in json.iter().zip(&protobuf) {
        assert_eq!(format!("{one:#?}"), format!("{other:#?}"));
    }
    assert_eq!((json.len(), format!("{at:?}")), (protobuf.len(), format!("{later:?}")));
    let everything = &protobuf[2];
    assert_eq!(everything.shape.secrets.len(), 16);
    assert!(everything.deleting.is_some() && everything.shape.secrets.iter().any(|s| s.optional));
    let accepted = "application/vnd.kubernetes.protobuf, application/json";
    assert!(api.requests().iter().all(|r| r.headers.get("accept").is_some_and(|a| a == accepted)));
}

#[test]
fn errors_in_protobuf_are_told_like_others() {
    let api = Api::start();
    let status =
        b"k8s\0\n\x0c\n\x02v1\x12\x06Status\x12\x1c\x12\x07Failure\x1a\x06it is!\"\x09Forbidden";
    api.fault(Fault::on("GET", "/api/v1/pods").answer(403, status));
    match listed(&connect(&api), &everything()) {
        Err(ClusterError::Api { code: 403, reason, message }) => {
            assert_eq!((reason.as_str(), message.as_str()), ("Forbidden", "it is!"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn protobuf_that_is_cut_or_of_another_kind_is_an_error() {
    let api = Api::start();
    let cluster = connect(&api);
    let mut inside = PODS.1.to_vec();
    // The length of the second pod's name.
    let at = inside.windows(8).position(|w| w == b"ds-758zw").expect("its name") - 1;
    inside[at] = 0xff;
    let other = PODS
        .1
        .to_vec()
        .splice(0..20, *b"k8s\0\n\x0f\n\x02v1\x12\x09PodLists\x12")
        .collect::<Vec<_>>();
    for body in [&PODS.1[..PODS.1.len() / 2], &inside, &other, b"k8s\0"] {
        api.fault(Fault::on("GET", "/api/v1/pods").answer(200, body));
        let error = listed(&cluster, &everything()).expect_err("damaged");
        assert!(matches!(error, ClusterError::Unreadable { .. }), "{error:?}");
    }
}

#[test]
fn a_list_that_expires_half_way_is_begun_anew_and_tells_each_pod_once() {
    let api = Api::setup().pages_of(10).start();
    with_pods(&api, 35);
    let expired = r#"{"kind":"Status","reason":"Expired","message":"too old","code":410}"#;
    api.fault(Fault::on("GET", "/api/v1/pods").query("continue=").after(1).answer(410, expired));
    let (pods, _) = list(&connect(&api), &everything());
    assert_eq!(pods.len(), 35);
    assert_eq!(api.requests().len(), 3 + 4);
}

#[test]
fn selectors_and_scopes_reach_the_server() {
    let api = Api::start();
    with_pods(&api, 2);
    api.put(pod("kube-system", "dns"));
    let mut other = pod("kube-system", "other");
    other["metadata"]["labels"]["app"] = "other".into();
    api.put(other);
    let cluster = connect(&api);
    let selector = Selector::parse("app in (web,x),!gone").expect("selector");
    let query = PodQuery {
        namespaces: Scope::These(vec![
            "kube-system".into(),
            "default".into(),
            "kube-system".into(),
        ]),
        labels: Some(&selector),
        fields: Some("spec.nodeName=n1".to_owned()),
    };
    let (pods, version) = list(&cluster, &query);
    // Two namespaces are read side by side: which comes first is nobody's promise.
    let mut found = names(&pods);
    found.sort_unstable();
    assert_eq!(found, ["dns", "p000", "p001"]);
    assert!(version.date.is_some());
    assert_eq!(api.requests().len(), 2, "a namespace that is named twice is read once");
}

#[test]
fn reads_are_tried_again_within_bounds() {
    let api = Api::start();
    let cluster = connect(&api);
    api.fault(Fault::on("GET", "/version").status(503).times(2));
    api.fault(Fault::on("GET", "/version").hang_up());
    assert_eq!(cluster.version().expect("at last").minor, 33);
    assert_eq!(api.requests().len(), 4);

    api.forget();
    api.fault(Fault::on("GET", "/version").status(500).always());
    let error = cluster.version().expect_err("never");
    assert!(matches!(error, ClusterError::Api { code: 500, .. }), "{error:?}");
    assert_eq!(api.requests().len(), 5);
}

#[test]
fn an_overloaded_server_says_when_to_come_back() {
    let api = Api::start();
    let cluster = connect(&api);
    api.fault(Fault::on("GET", "/version").status(429).header("Retry-After", "1"));
    let begun = Instant::now();
    cluster.version().expect("at last");
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn what_cannot_get_better_is_not_tried_again() {
    let api = Api::start();
    let cluster = connect(&api);
    for code in [400, 401, 403, 404, 410, 422] {
        api.forget();
        api.fault(Fault::on("GET", "/version").status(code));
        assert!(cluster.version().is_err());
        assert_eq!(api.requests().len(), 1, "{code}");
    }
}

#[test]
fn a_request_has_its_limit() {
    let api = Api::start();
    let files = crate::setup::Files::with(&api.kubeconfig());
    let connection =
        Connection { request_timeout: Some(Duration::from_millis(200)), ..files.connection() };
    let cluster = Cluster::connect(&connection).expect("a client");
    api.fault(Fault::on("GET", "/version").delay(Duration::from_secs(5)).always());
    let begun = Instant::now();
    let error = cluster.version().expect_err("late");
    assert!(matches!(error, ClusterError::TimedOut { .. }), "{error:?}");
    assert!(begun.elapsed() < Duration::from_secs(2), "and is not repeated");
}

#[test]
fn what_is_no_api_server_is_said_to_be_none() {
    let api = Api::start();
    let cluster = connect(&api);
    for (code, body) in
        [(200, "<html>login</html>"), (302, ""), (404, "nothing here"), (502, "<html>")]
    {
        api.fault(Fault::on("GET", "/version").answer(code, body).times(5));
        let error = cluster.version().expect_err(body);
        assert!(matches!(error, ClusterError::NotAnApiServer { .. }), "{code} {error:?}");
        while cluster.version().is_err() {}
    }
    api.fault(Fault::on("GET", "/version").garbage().times(5));
    let error = cluster.version().expect_err("garbage");
    assert!(matches!(error, ClusterError::Connect { .. }), "{error:?}");
    while cluster.version().is_err() {}
    api.fault(Fault::on("GET", "/api/v1/pods").answer(200, r#"{"kind":"PodList"}"#));
    let error = cluster
        .pods(&everything(), &mut rotation_core::facts::pod::Interner::default(), &mut |_| {})
        .expect_err("no items");
    assert!(matches!(error, ClusterError::Unreadable { .. }), "{error:?}");
}

#[test]
fn an_error_is_said_in_kubectls_words() {
    let api = Api::start();
    api.deny("list", "nodes");
    let error = connect(&api).nodes().expect_err("denied");
    let ClusterError::Api { code, reason, message } = &error else { panic!("{error:?}") };
    assert_eq!((*code, reason.as_str()), (403, "Forbidden"));
    assert!(message.contains("cannot list"), "{message}");
}

#[test]
fn identity_version_and_time() {
    let api = Api::setup().version("", "", "v1.23.13").start();
    let cluster = connect(&api);
    assert_eq!(cluster.server_time(), None);
    assert_eq!(cluster.identity().expect("identity").uid.as_str(), "uid-of-kube-system");
    assert_eq!(cluster.version().expect("version"), ServerVersion { major: 1, minor: 23 });
    let time = cluster.server_time().expect("a date");
    assert!(time.ahead.as_secs().abs() < 2, "{time:?}");
    assert_eq!(cluster.namespaces().expect("list"), ["default", "kube-system"]);
}

#[test]
fn abilities_are_probed() {
    let api = Api::start();
    let abilities = connect(&api).abilities().expect("abilities");
    assert_eq!(abilities.eviction, Some(PolicyVersion::V1));
    assert_eq!(abilities.budgets, Some(PolicyVersion::V1));

    let api = Api::setup().without("policy/v1").with("policy/v1beta1").start();
    let cluster = connect(&api);
    let abilities = cluster.abilities().expect("abilities");
    assert_eq!(abilities.eviction, Some(PolicyVersion::V1Beta1));
    api.put(json!({
        "apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget",
        "metadata": { "namespace": "default", "name": "b" }, "spec": { "selector": {}, "minAvailable": 1 },
    }));
    let budgets = cluster.budgets(&Scope::All).expect("budgets");
    assert!(budgets[0].selector.is_none(), "in v1beta1 an empty selector protects nothing");

    let api = Api::setup().without("policy/v1").start();
    assert!(connect(&api).budgets(&Scope::All).expect("none").is_empty());
}

#[test]
fn permissions_are_asked_once_each() {
    let api = Api::start();
    api.deny("create", "pods/eviction");
    let access = |verb: &str, subresource: &str| Access {
        verb: verb.to_owned(),
        group: String::new(),
        resource: "pods".to_owned(),
        subresource: subresource.to_owned(),
        namespace: Some("default".to_owned()),
    };
    let wanted = [access("list", ""), access("create", "eviction"), access("list", "")];
    let denied = connect(&api).denied(&wanted).expect("answers");
    assert_eq!(denied, [access("create", "eviction")]);
    assert_eq!(denied[0].describe(), "create pods/eviction in namespace default");
    assert_eq!(api.requests().len(), 2);
}

#[test]
fn every_other_kind_is_read() {
    let api = Api::start();
    let meta = |name: &str| json!({ "namespace": "default", "name": name });
    api.put(json!({ "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta("d") }));
    api.put(json!({ "apiVersion": "v1", "kind": "ReplicationController", "metadata": meta("r") }));
    api.put(json!({ "apiVersion": "v1", "kind": "Service", "metadata": meta("s"), "spec": { "selector": { "a": "b" } } }));
    api.put(json!({ "apiVersion": "v1", "kind": "Endpoints", "metadata": meta("s"), "subsets": [{ "addresses": [{ "ip": "1" }] }] }));
    api.put(json!({ "apiVersion": "v1", "kind": "Secret", "metadata": meta("t"), "type": "kubernetes.io/service-account-token", "data": { "token": "eA==" } }));
    api.put(
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": meta("o"), "type": "Opaque" }),
    );
    api.put(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("kube-root-ca.crt"), "data": { "ca.crt": "x" } }));
    api.put(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("other") }));
    api.put(json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": "n" } }));
    for (name, at) in [("e1", "2026-01-01T00:00:00Z"), ("e2", "2026-01-02T00:00:00Z")] {
        api.put(json!({ "apiVersion": "v1", "kind": "Event", "metadata": meta(name), "type": "Warning",
            "involvedObject": { "uid": "u" }, "reason": name, "message": "m", "lastTimestamp": at }));
    }
    let cluster = connect(&api);
    let scope = Scope::one("default");
    assert_eq!(cluster.workloads(WorkloadKind::DaemonSet, &scope).expect("list").len(), 1);
    assert_eq!(
        cluster.workloads(WorkloadKind::ReplicationController, &Scope::All).expect("list").len(),
        1
    );
    assert!(cluster.service("default", "s").expect("read").is_some());
    assert!(cluster.service("default", "none").expect("read").is_none());
    assert_eq!(cluster.services(&scope).expect("list").len(), 1);
    assert_eq!(cluster.ready_endpoints("default", "s").expect("read"), Some(1));
    assert_eq!(cluster.token_secrets(&scope).expect("list").len(), 1);
    assert_eq!(cluster.root_cas(&Scope::All).expect("list").len(), 1);
    assert_eq!(cluster.nodes().expect("list").len(), 1);
    let object = ObjectRef {
        kind: "ReplicaSet".to_owned(),
        namespace: "default".to_owned(),
        name: "x".to_owned(),
        uid: "u".into(),
    };
    let warnings = cluster.events_for(&object).expect("list");
    assert_eq!(warnings.iter().map(|w| w.reason.as_str()).collect::<Vec<_>>(), ["e2", "e1"]);
    assert_eq!(cluster.pod_manifest("default", "none").expect("read"), None);
}
