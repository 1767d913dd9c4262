//! What API servers would make of whom they call, and what else only several sources show together.

use crate::endpoints::server;
use crate::setup::connect;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use double::Api;
use double::tls::{Authority, Wanted};
use jiff::Timestamp;
use rotation_core::facts::sighting::{
    Component, Content, Domain, Interner, Part, Place, Role, Sighting,
};
use rotation_core::look::places::callees;
use rotation_core::plan::inventory::{Beyond, judge_beyond};
use rotation_core::world::cluster::Scope;
use rotation_core::world::endpoint::Limits;
use serde_json::{Value, json};
use std::net::SocketAddr;

const WEBHOOKS: &str = "admissionregistration.k8s.io/v1";

/// A configuration with one webhook.
fn webhook(name: &str, bundle: &str, more: &Value) -> Value {
    let mut client = json!({ "caBundle": STANDARD.encode(bundle) });
    for (key, value) in more.as_object().expect("fields") {
        client[key] = value.clone();
    }
    json!({
        "apiVersion": WEBHOOKS, "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": name }, "webhooks": [{ "clientConfig": client }],
    })
}

fn at_url(address: SocketAddr) -> Value {
    json!({ "url": format!("https://{address}/validate") })
}

#[test]
fn a_bundle_that_does_not_verify_what_is_served_is_named() {
    let api = Api::setup().with(WEBHOOKS).start();
    let (old, new) = (Authority::new("guards"), Authority::new("guards"));
    let serves = |wanted: &Wanted| server(new.issue("guard", wanted).server(None));
    let localhost = || serves(&Wanted::server(&["127.0.0.1"]));
    api.put(webhook("good", &new.pem(), &at_url(localhost())));
    api.put(webhook("both", &format!("{}{}", old.pem(), new.pem()), &at_url(localhost())));
    api.put(webhook("stale", &old.pem(), &at_url(localhost())));
    api.put(webhook("elsewhere", &new.pem(), &at_url(serves(&Wanted::server(&["x.example.com"])))));
    api.put(webhook(
        "ended",
        &new.pem(),
        &at_url(serves(&Wanted::server(&["127.0.0.1"]).days(-9, -2))),
    ));
    let pinned = new.issue("pinned", &Wanted::server(&["127.0.0.1"]));
    api.put(webhook("pinned", &pinned.pem(), &at_url(server(pinned.server(None)))));
    // Behind a Service the name that must be borne is the Service's.
    let behind = serves(&Wanted::server(&["guard.default.svc"]));
    let service = json!({ "service": { "namespace": "default", "name": "guard", "port": 8443 } });
    api.put(webhook("service", &new.pem(), &service));
    api.put(json!({
        "kind": "Service", "metadata": { "namespace": "default", "name": "guard" },
        "spec": { "ports": [{ "name": "metrics", "port": 1 }, { "name": "https", "port": 8443 }] },
    }));
    api.put(json!({
        "kind": "Endpoints", "metadata": { "namespace": "default", "name": "guard" },
        "subsets": [{ "addresses": [{ "ip": "127.0.0.1" }], "ports": [{ "name": "metrics", "port": 1 }, { "name": "https", "port": behind.port() }] }],
    }));
    let nobody = json!({ "service": { "namespace": "default", "name": "nobody" } });
    api.put(webhook("nobody", &new.pem(), &nobody));
    let cluster = connect(&api);
    let interner = Interner::default();
    let objects = cluster.sightings(&Scope::All, &interner);
    let called = callees(&cluster, objects.callees, Limits::default(), &interner);
    let unknown: Vec<String> = called
        .iter()
        .flat_map(|called| &called.sightings)
        .filter_map(|sighting| match &sighting.content {
            Content::Unknown(unknown) => Some(format!("{}: {}", sighting.place, unknown.why)),
            _ => None,
        })
        .collect();
    let expected = "webhook at nobody.default.svc#chain: its Service has no ready endpoint";
    assert_eq!(unknown, [expected]);
    let beyond = Beyond { called, ..Beyond::default() };
    let findings = judge_beyond(objects.sightings.iter(), &beyond, Timestamp::now());
    let told: Vec<String> =
        findings.iter().map(|f| format!("{} {}: {}", f.kind, f.place, f.what)).collect();
    let named = |name: &str, words: &str| {
        let place = format!("bundle-does-not-verify validatingwebhookconfiguration/{name}#");
        assert!(
            told.iter().any(|t| t.starts_with(&place) && t.contains(words)),
            "{name}: {told:#?}"
        );
    };
    named("stale", "did not sign it");
    named("elsewhere", "127.0.0.1");
    named("ended", "CN=guard");
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told.iter().all(|t| t.contains("webhook at 127.0.0.1:")), "{told:#?}");
}

#[test]
fn sources_that_disagree_are_named() {
    let interner = Interner::default();
    let content = |pem: &str| Content::read(pem.as_bytes(), &interner);
    let (one, other) = (Authority::new("a").pem(), Authority::new("a").pem());
    let trust = Role::new(Component::Pods, Domain::Cluster, Part::Trust);
    let said = |name: &str, pem: &str| {
        let place = Place::Object {
            kind: "secret".into(),
            namespace: "ns".into(),
            name: name.into(),
            field: "ca.crt".into(),
        };
        Sighting::new(place, trust, content(pem))
    };
    let kept = |name: &str, content: Content| {
        let key = format!("/registry/secrets/ns/{name}");
        let place =
            Place::EtcdKey { source: "s.db".into(), key: key.into(), field: "ca.crt".into() };
        Sighting::new(place, trust, content)
    };
    let sealed = || Content::Sealed { provider: "kubeadm".into(), key: "k".into() };
    let uploaded = Sighting::new(
        Place::Object {
            kind: "secret".into(),
            namespace: "kube-system".into(),
            name: "kubeadm-certs".into(),
            field: "".into(),
        },
        Role::new(Component::Authority, Domain::Cluster, Part::AuthorityKey),
        sealed(),
    );
    let sightings = [
        said("same", &one),
        kept("same", content(&format!("# twice\n{one}{one}"))),
        said("differs", &one),
        kept("differs", content(&other)),
        said("sealed", &one),
        kept("sealed", sealed()),
        kept("gone", content(&one)),
        uploaded,
    ];
    let behind = vec![(sightings[0].place.clone(), sightings[1].place.clone())];
    let beyond = Beyond {
        behind,
        stored: vec![("s.db".to_owned(), 3, 4), ("t.db".to_owned(), 0, 9)],
        ..Beyond::default()
    };
    let findings = judge_beyond(sightings.iter(), &beyond, Timestamp::now());
    let told: Vec<String> =
        findings.iter().map(|f| format!("{} {}: {}", f.kind, f.place, f.what)).collect();
    assert_eq!(
        told,
        [
            "mount-behind secret/ns/same#ca.crt: it holds something else than s.db:/registry/secrets/ns/same#ca.crt",
            "secrets-stored-open s.db: 3 of 7 Secrets in it are not encrypted",
            "stored-differs s.db:/registry/secrets/ns/differs#ca.crt: secret/ns/differs#ca.crt holds something else",
            "ca-keys-uploaded secret/kube-system/kubeadm-certs: they were uploaded",
        ]
    );
}
