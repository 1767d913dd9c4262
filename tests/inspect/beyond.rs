//! Clusters that are large, slow or at odds with themselves, from an API server in this process.

use crate::world::{Ca, NOW, Outcome, Set, World};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use double::{Api, Fault};
use forge::{Draft, Key};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::Duration;

/// A machine besides, and the tool over the API.
fn run(world: &World, api: &Api, line: &str) -> Outcome {
    world.file("config", &api.kubeconfig());
    tool(world, line)
}

fn tool(world: &World, line: &str) -> Outcome {
    let line = format!("{line} --kubeconfig config --at {NOW}");
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    world.tool(&words)
}

fn config_map(namespace: &str, ca: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "namespace": namespace, "name": "kube-root-ca.crt" }, "data": { "ca.crt": ca },
    })
}

fn secret(namespace: &str, name: &str, ca: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": { "namespace": namespace, "name": name }, "data": { "ca.crt": STANDARD.encode(ca) },
    })
}

/// Finding ids at places.
fn findings(outcome: &Outcome) -> Vec<(String, String)> {
    let mut findings = outcome.findings();
    findings.sort();
    findings
}

#[track_caller]
fn what_of<'a>(document: &'a Value, place: &str) -> &'a str {
    let findings = document["findings"].as_array().unwrap();
    let finding = findings.iter().find(|finding| finding["place"] == place);
    finding.unwrap_or_else(|| panic!("{place}: {document:#}"))["what"].as_str().unwrap()
}

#[test]
fn thousands_of_namespaces() {
    let api = Api::setup().pages_of(500).start();
    let ca = Set::new().cluster.pem();
    for namespace in ["default", "kube-system"] {
        api.put(config_map(namespace, &ca));
    }
    for n in 0..3000 {
        let namespace = format!("ns-{n:04}");
        api.put(config_map(&namespace, &ca));
        api.put(secret(&namespace, "app", &ca));
    }
    let world = World::new(&["n1"]);
    let seen = run(&world, &api, "inspect --objects -o json");
    assert_eq!(seen.code, 0, "{}", seen.stderr);
    let document = seen.json();
    let places = document["places"].as_array().unwrap();
    let of = |end: &str| {
        let current = places.iter().filter(|place| place["state"] == "current");
        current.filter(|place| place["place"].as_str().unwrap().ends_with(end)).count()
    };
    assert_eq!((of("/kube-root-ca.crt#ca.crt"), of("/app#ca.crt")), (3002, 3000));
    let outcome = run(&world, &api, "check --objects");
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    // The one that is of another CA is the one that is told, on a page that is no longer for it.
    let other = Set::old().cluster.pem();
    api.put(config_map("ns-1500", &other));
    let outcome = run(&world, &api, "check --objects -o json --html page.html");
    assert_eq!(outcome.code, 3, "{}", outcome.stderr);
    let places: Vec<String> = findings(&outcome).into_iter().map(|(_, place)| place).collect();
    assert!(
        places.contains(&"configmap/ns-1500/kube-root-ca.crt#ca.crt".to_owned()),
        "{}",
        outcome.text()
    );
    assert!(places.len() < 5, "{places:?}");
    let page = std::fs::read_to_string(world.directory().join("page.html")).unwrap();
    assert!(page.contains("ns-1500") && page.len() < 100_000, "{} bytes", page.len());
}

#[test]
fn an_aggregated_api_that_hangs() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let api = Api::setup().with("apiregistration.k8s.io/v1").start();
    let ca = Set::new().cluster.pem();
    api.put(config_map("default", &ca));
    api.put(json!({
        "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
        "metadata": { "name": "v1beta1.metrics.k8s.io" },
        "spec": {
            "group": "metrics.k8s.io", "version": "v1beta1", "caBundle": STANDARD.encode(&ca),
            "service": { "namespace": "kube-system", "name": "metrics", "port": 443 },
        },
    }));
    api.put(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "namespace": "kube-system", "name": "metrics" },
        "spec": { "clusterIP": "10.96.0.7", "ports": [{ "port": 443, "targetPort": port }] },
    }));
    api.put(json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": { "namespace": "kube-system", "name": "metrics" },
        "subsets": [{ "addresses": [{ "ip": "127.0.0.1" }], "ports": [{ "port": port }] }],
    }));
    let world = World::new(&["n1"]);
    let outcome = run(&world, &api, "check --objects --live -o json");
    assert_eq!(outcome.code, 3, "{}", outcome.text());
    let place = format!("aggregated API at 127.0.0.1:{port} as metrics.kube-system.svc#chain");
    let what = what_of(&outcome.json(), &place).to_owned();
    assert!(what.contains("did not finish a handshake in time"), "{what}");
    // The list of them hangs: what else there is is shown.
    api.fault(
        Fault::on("GET", "/apis/apiregistration.k8s.io/v1").always().delay(Duration::from_secs(30)),
    );
    let outcome = run(&world, &api, "inspect --objects --request-timeout 1s -o json");
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    let document = outcome.json();
    let places = document["places"].as_array().unwrap();
    let state = |name: &str| {
        let place = places.iter().find(|place| place["place"].as_str().unwrap().starts_with(name));
        place.unwrap_or_else(|| panic!("{name}: {document:#}"))["state"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(state("configmap/default/kube-root-ca.crt"), "current");
    assert_eq!(state("apiservice/"), "unknown");
}

/// More names than anybody reads: a certificate of more than a megabyte.
fn large(ca: &Ca) -> (String, Key) {
    let key = Key::new();
    let names: Vec<String> = (0..40_000).map(|n| format!("host-{n:05}.example.com")).collect();
    let mut all: Vec<&str> = names.iter().map(String::as_str).collect();
    all.extend(["kubernetes", "10.0.0.1"]);
    let pem = Draft::server("kube-apiserver", &all, &key, &ca.draft).pem(&ca.key);
    assert!(pem.len() > 1_000_000, "{}", pem.len());
    (pem, key)
}

#[test]
fn a_certificate_of_a_megabyte() {
    let set = Set::new();
    let (pem, key) = large(&set.cluster);
    let world = World::new(&["m1"]);
    world.master("m1", &set);
    world.pair("m1:/etc/kubernetes/pki/apiserver", &pem, &key);
    let api = Api::start();
    api.put(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": { "namespace": "default", "name": "large" },
        "data": { "tls.crt": STANDARD.encode(&pem), "tls.key": STANDARD.encode(key.pem()) },
    }));
    for line in ["inspect", "inspect -o wide", "check --notes"] {
        let outcome = run(&world, &api, &format!("{line} --root m1 --objects"));
        let text = outcome.text();
        assert!(text.len() < 100_000, "{line}: {} bytes", text.len());
        assert!(
            line.starts_with("check") || outcome.stdout.contains("secret/default/large#tls.crt"),
            "{text}"
        );
    }
    let outcome = run(&world, &api, "inspect --root m1 --objects -o json --html page.html");
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let document = outcome.json();
    let places = document["places"].as_array().unwrap();
    for name in ["/etc/kubernetes/pki/apiserver.crt", "secret/default/large#tls.crt"] {
        let place = places.iter().find(|place| place["place"] == name).unwrap();
        assert_ne!(place["state"], "unknown", "{place}");
        assert_eq!(place["certificates"].as_array().map(Vec::len), Some(1), "{place}");
    }
    let page = std::fs::read_to_string(world.directory().join("page.html")).unwrap();
    assert!(page.len() < 200_000, "{} bytes", page.len());
}

/// A key as an API server publishes it, under the name that it gives it.
fn published(key: &Key) -> String {
    use sha2::{Digest as _, Sha256};
    let name = URL_SAFE_NO_PAD.encode(Sha256::digest(key.spki()));
    json!({ "keys": [{ "kty": "EC", "kid": name }] }).to_string()
}

#[test]
fn one_of_three_api_servers_answers_differently() {
    let ca = double::tls::Authority::new("kubernetes");
    let other = double::tls::Authority::new("kubernetes");
    let (tokens, others) = (Key::new(), Key::new());
    let start = |ca: &double::tls::Authority, key: &Key| {
        let api = Api::setup().tls(&ca.localhost()).start();
        for namespace in ["default", "kube-system"] {
            api.put(config_map(namespace, &ca.pem()));
        }
        let keys = Fault::on("GET", "/openid/v1/jwks").always();
        api.fault(keys.answer(200, published(key)));
        api
    };
    let look = |servers: &[Api]| {
        let world = World::new(&["n1"]);
        let trust = format!("certificate-authority-data: {}", STANDARD.encode(ca.pem()));
        world.file("config", &double::kubeconfig(&servers[0].url(), &trust, "token: t"));
        let named = servers
            .iter()
            .map(|server| format!("--endpoint=kube-apiserver=127.0.0.1:{}", server.port()));
        let words = ["check", "--objects", "-o=json", "--kubeconfig=config"].map(str::to_owned);
        let words: Vec<String> = words.into_iter().chain(named).collect();
        findings(&world.tool(&words))
    };
    let first = start(&ca, &tokens);
    let healthy = look(&[first.clone(), start(&ca, &tokens), start(&ca, &tokens)]);
    let known: Vec<&str> = healthy.iter().map(|(id, _)| id.as_str()).collect();
    for (second_ca, second_key, expected) in [
        // Nor is it asked for its keys, then.
        (&other, &tokens, vec![("place-foreign", "chain"), ("place-unknown", "token keys")]),
        (&ca, &others, vec![("place-behind", "token keys")]),
    ] {
        let second = start(second_ca, second_key);
        let mut found = look(&[first.clone(), second.clone(), start(&ca, &tokens)]);
        // Certificates of this double lack some fields, on all of them.
        found.retain(|(id, _)| !known.contains(&id.as_str()) && id != "rotation-torn");
        let place = |shown| format!("kube-apiserver at 127.0.0.1:{}#{shown}", second.port());
        let expected = expected.into_iter().map(|(id, shown)| (id.to_owned(), place(shown)));
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
}
