//! Pods' volumes in a kubelet's directory, as kubelets lay them out, against what the API says.
#![expect(clippy::disallowed_methods, reason = "tests make the files that are read")]

use double::tls::Authority;
use jiff::Timestamp;
use rotation_core::facts::mounts::{MountsWire, PATTERNS, PodMounts, Published, of_host};
use rotation_core::facts::sighting::{
    Component, Content, Domain, Host, Interner, Part, Place, Role, Sighting,
};
use rotation_core::world::hosts::local;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A volume as kubelets write it: a directory for each state, a link to it, and links through that.
fn volume(root: &Path, uid: &str, kind: &str, name: &str, files: &[(&str, &str)], age: Duration) {
    let dir = root.join(format!("var/lib/kubelet/pods/{uid}/volumes/{kind}/{name}"));
    let state = dir.join("..2026_01_01_00_00_00.1");
    fs::create_dir_all(&state).expect("made");
    std::os::unix::fs::symlink("..2026_01_01_00_00_00.1", dir.join("..data")).expect("linked");
    for (file, text) in files {
        fs::write(state.join(file), text).expect("written");
        let written = fs::File::options().write(true).open(state.join(file)).expect("opened");
        written.set_modified(SystemTime::now() - age).expect("a time");
        std::os::unix::fs::symlink(format!("..data/{file}"), dir.join(file)).expect("linked");
    }
}

fn pod(uid: &str, volumes: &serde_json::Value, started: &str) -> PodMounts {
    let wire: MountsWire = serde_json::from_value(json!({
        "metadata": { "namespace": "ns", "name": format!("pod-{uid}"), "uid": uid },
        "spec": {
            "volumes": volumes,
            "containers": [
                { "name": "reads", "volumeMounts": [{ "name": "sa", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" }] },
                { "name": "other", "volumeMounts": null },
            ],
        },
        "status": { "containerStatuses": [
            { "name": "reads", "state": { "running": { "startedAt": started } } },
            { "name": "other", "state": { "running": { "startedAt": started } } },
        ] },
    }))
    .expect("a pod");
    wire.mounts().expect("it has a volume")
}

fn object(kind: &str, name: &str, changed: Timestamp) -> Sighting {
    let place = Place::Object {
        kind: kind.into(),
        namespace: "ns".into(),
        name: name.into(),
        field: "ca.crt".into(),
    };
    let role = Role::new(Component::Pods, Domain::Cluster, Part::Trust);
    let seen = Sighting::new(place, role, Content::Absent);
    Sighting { modified: Some(changed), ..seen }
}

#[test]
fn containers_that_started_before_the_ca_changed_are_named_with_their_command() {
    let dir = tempfile::tempdir().expect("a directory");
    let ca = Authority::new("kubernetes").pem();
    let hour = Duration::from_hours(1);
    let now = Timestamp::now();
    let ago = |hours: i64| now - jiff::SignedDuration::from_hours(hours);
    let projected = json!([{ "name": "sa", "projected": { "sources": [
        { "serviceAccountToken": { "path": "token" } }, { "configMap": { "name": "kube-root-ca.crt" } },
    ] } }]);
    let secret = json!([{ "name": "sa", "secret": { "secretName": "token-1" } }]);
    // Every state was written an hour ago: by the renewal of a token, in projected volumes.
    let files = [("ca.crt", ca.as_str()), ("token", "eyJh.eyJi.c2ln")];
    for uid in ["old", "new", "stranger"] {
        volume(dir.path(), uid, "kubernetes.io~projected", "sa", &files, hour);
    }
    volume(dir.path(), "secret", "kubernetes.io~secret", "sa", &files, hour);
    volume(dir.path(), "secret", "kubernetes.io~secret", "own-tls", &files, hour);
    let pods = [
        pod("old", &projected, &ago(9).to_string()),
        pod("new", &projected, &ago(3).to_string()),
        pod("secret", &secret, &ago(9).to_string()),
    ];
    let patterns = PATTERNS.map(str::to_owned);
    let seen = local::look(dir.path(), &patterns);
    let stale = |published: &[Sighting]| {
        let found = of_host(
            &Host::named("w1"),
            &seen,
            &pods,
            &Published::of(published),
            &Interner::default(),
        );
        let mut stale = Vec::new();
        for sighting in &found.sightings {
            for reader in sighting.stale_readers() {
                let mend = reader.mend.as_deref().unwrap_or_default();
                stale.push(format!("{}: {}: {mend}", sighting.place, reader.name));
            }
        }
        assert!(found.behind.is_empty(), "{found:?}");
        (found.sightings.iter().map(|s| s.place.to_string()).collect::<Vec<_>>(), stale)
    };
    let (places, none) = stale(&[]);
    let all = [
        "w1:pod/ns/pod-new#sa/ca.crt",
        "w1:pod/ns/pod-new#sa/token",
        "w1:pod/ns/pod-old#sa/ca.crt",
        "w1:pod/ns/pod-old#sa/token",
        "w1:pod/ns/pod-secret#sa/ca.crt",
        "w1:pod/ns/pod-secret#sa/token",
        // The API does not know whose it is.
        "w1:pod//stranger#sa/ca.crt",
        "w1:pod//stranger#sa/token",
    ];
    assert_eq!(places, all);
    // Without the API only a secret's volume has a time that says something.
    let of_secret = [
        "w1:pod/ns/pod-secret#sa/ca.crt: container reads: kubectl recycle pod/pod-secret -n ns",
        "w1:pod/ns/pod-secret#sa/token: container reads: kubectl recycle pod/pod-secret -n ns",
    ];
    assert_eq!(none, of_secret);
    // The CA was published 6 hours ago: who started 9 hours ago read the one before.
    let root = object("configmap", "kube-root-ca.crt", ago(6));
    let of_old = "w1:pod/ns/pod-old#sa/ca.crt: container reads: kubectl recycle pod/pod-old -n ns";
    let (_, stale_now) = stale(std::slice::from_ref(&root));
    assert_eq!(stale_now, [&[of_old][..], &of_secret].concat());
    // The secret is as old as the cluster.
    let mut token = object("secret", "token-1", ago(90));
    let ca = token.clone();
    if let Place::Object { field, .. } = &mut token.place {
        *field = "token".into();
    }
    let (_, stale_now) = stale(&[root, ca, token]);
    assert_eq!(stale_now, [of_old]);
}

#[test]
fn what_cannot_be_read_is_not_silent() {
    let dir = tempfile::tempdir().expect("a directory");
    let base = dir.path().join("var/lib/kubelet/pods/u/volumes/kubernetes.io~projected/sa/ca.crt");
    fs::create_dir_all(base.parent().expect("a directory")).expect("made");
    std::os::unix::fs::symlink("..data/ca.crt", base.clone()).expect("linked");
    std::os::unix::fs::symlink("ca.crt", base.with_file_name("..data")).expect("linked");
    let seen = local::look(dir.path(), &PATTERNS.map(str::to_owned));
    let found = of_host(&Host::only(), &seen, &[], &Published::default(), &Interner::default());
    let [found] = &found.sightings[..] else { panic!("{found:?}") };
    assert!(matches!(found.content, Content::Unknown(_)), "{found:?}");
}

#[test]
fn a_volume_that_lags_behind_its_object_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let (old, new) = (Authority::new("kubernetes").pem(), Authority::new("kubernetes").pem());
    let now = Timestamp::now().to_string();
    let secret = json!([{ "name": "sa", "secret": { "secretName": "token-1" } }]);
    for (uid, ca) in [("lags", &old), ("follows", &new)] {
        let files = [("ca.crt", ca.as_str())];
        volume(dir.path(), uid, "kubernetes.io~secret", "sa", &files, Duration::ZERO);
    }
    let pods = [pod("lags", &secret, &now), pod("follows", &secret, &now)];
    let interner = Interner::default();
    let mut object = object("secret", "token-1", Timestamp::now());
    object.content = Content::read(new.as_bytes(), &interner);
    let seen = local::look(dir.path(), &PATTERNS.map(str::to_owned));
    let published = Published::of([&object]);
    let found = of_host(&Host::only(), &seen, &pods, &published, &interner);
    let behind: Vec<_> = found.behind.iter().map(|(a, b)| format!("{a} {b}")).collect();
    assert_eq!(behind, ["pod/ns/pod-lags#sa/ca.crt secret/ns/token-1#ca.crt"]);
}

#[test]
fn a_secret_of_somebody_s_own_is_no_account_s() {
    let dir = tempfile::tempdir().expect("a directory");
    let hour = Duration::from_hours(1);
    let ca = Authority::new("an application").pem();
    volume(dir.path(), "app", "kubernetes.io~secret", "sa", &[("ca.crt", ca.as_str())], hour);
    let secret = json!([{ "name": "sa", "secret": { "secretName": "own-tls" } }]);
    let started = Timestamp::now() - jiff::SignedDuration::from_hours(9);
    let pods = [pod("app", &secret, &started.to_string())];
    let seen = local::look(dir.path(), &PATTERNS.map(str::to_owned));
    let mut object = object("secret", "own-tls", Timestamp::now());
    object.role = Role::new(Component::Other, Domain::Other, Part::Anything);
    for published in [Published::default(), Published::of([&object])] {
        let found = of_host(&Host::only(), &seen, &pods, &published, &Interner::default());
        let [found] = &found.sightings[..] else { panic!("{found:?}") };
        assert_eq!(found.role, object.role);
        // It may well read its files again by itself.
        assert!(found.readers.is_empty(), "{found:?}");
    }
}
