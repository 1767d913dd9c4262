//! The doors to live servers, to objects and to etcd's files, against a real control plane: what each of them sees is what
//! the others see.

use crate::harness::labs::{self, Rough};
use crate::harness::{Case, Need, cases, until};
use base64::Engine as _;
use lab::loopback::{Component as Part, Loopback, Options};
use lab::ports::{API, CONTROLLER_MANAGER, ETCD, ETCD_PEER, SCHEDULER};
use rotation_core::facts::sighting::{Content, Domain, Held, Interner, Place, Sighting};
use rotation_core::facts::x509::{Certificate, read_pem};
use rotation_core::look::places::{Read, Server, endpoints, etcd, snapshot};
use rotation_core::world::cluster::{Cluster, Connection, Scope};
use rotation_core::world::endpoint::Limits;
use rotation_core::world::etcd::EtcdAccess;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        live_servers_show_the_files_and_whose_clients_they_accept;
        objects_of_a_healthy_cluster_hold_its_ca;
        a_token_that_is_used_is_no_token_that_changed: Need::Program("curl", "curl");
        a_snapshot_of_a_running_etcd_says_what_the_api_says: Need::Program("curl", "curl");
        an_etcd_that_is_compacted_while_it_is_read_is_read_to_its_end: Need::Program("curl", "curl");
        encrypted_secrets_are_recognised_in_a_snapshot: Need::Program("curl", "curl");
    ]
}

fn certificate(path: &Path) -> Certificate {
    Certificate::from_der(&read_pem(&fs::read(path).unwrap()).blocks[0].der).unwrap()
}

fn server(name: &str, rough: &Rough, port: u16) -> Server {
    Server::parse(&format!("{name}={}:{port}", rough.settings().block.member(0))).unwrap()
}

fn held(sighting: &Sighting) -> &Held {
    sighting.content.held().unwrap_or_else(|| panic!("{sighting:?}"))
}

fn live_servers_show_the_files_and_whose_clients_they_accept() {
    let (_, rough) = labs::rough();
    let pki = rough.pki();
    let servers = [
        server("kube-apiserver", &rough, API),
        server("etcd", &rough, ETCD),
        server("etcd-peer", &rough, ETCD_PEER),
        server("kube-controller-manager", &rough, CONTROLLER_MANAGER),
        server("kube-scheduler", &rough, SCHEDULER),
        server("closed", &rough, 1),
    ];
    let seen = endpoints(&servers, Limits::default(), &Interner::default());
    let at = |name: &str, wanted: &str| {
        let found = seen.iter().find(|sighting| {
            matches!(&sighting.place, Place::Endpoint { server, shown, .. } if **server == *name && **shown == *wanted)
        });
        found.unwrap_or_else(|| panic!("{name} {wanted}: {seen:?}"))
    };
    for (name, file, clients) in [
        ("kube-apiserver", "apiserver.crt", vec!["ca.crt", "front-proxy-ca.crt"]),
        ("etcd", "etcd/server.crt", vec!["etcd/ca.crt"]),
        ("etcd-peer", "etcd/peer.crt", vec!["etcd/ca.crt"]),
    ] {
        assert_eq!(
            *held(at(name, "chain")).certificates[0],
            certificate(&pki.join(file)),
            "{name}"
        );
        let mut expected: Vec<Box<[u8]>> =
            clients.iter().map(|ca| certificate(&pki.join(ca)).subject().der().into()).collect();
        let mut names = held(at(name, "accepted CAs")).names.clone();
        expected.sort();
        names.sort();
        assert_eq!(names, expected, "{name}");
    }
    // They make themselves a certificate, which is under no CA of the cluster.
    for name in ["kube-controller-manager", "kube-scheduler"] {
        let chain = at(name, "chain");
        assert_eq!(
            (chain.role.domain, held(chain).certificates.len()),
            (Domain::Other, 2),
            "{name}"
        );
    }
    let Content::Unknown(unknown) = &at("closed", "chain").content else { panic!("{seen:?}") };
    assert_eq!(&*unknown.why, "connection refused");
    // A server that holds its connections and says nothing costs its limit and no more.
    rough.freeze(Part::ApiServer(0)).unwrap();
    let limit = std::time::Duration::from_millis(700);
    let seen =
        endpoints(&servers[..1], Limits { connect: limit, handshake: limit }, &Interner::default());
    rough.thaw(Part::ApiServer(0)).unwrap();
    let Content::Unknown(unknown) = &seen[0].content else { panic!("{seen:?}") };
    assert_eq!(&*unknown.why, "it takes connections and did not finish a handshake in time");
}

fn cluster(kubeconfig: &Path) -> Cluster {
    let kubeconfig = Some(kubeconfig.to_owned());
    let user_agent = "test/1".to_owned();
    Cluster::connect(&Connection { kubeconfig, user_agent, ..Connection::default() }).unwrap()
}

/// Secrets and ConfigMaps as tests make them.
fn with_objects(lab: &labs::Lab, namespace: &str) {
    let there = lab.api.get(&format!("/api/v1/namespaces/{namespace}"));
    if there["kind"] == "Namespace" {
        return;
    }
    lab.namespace(namespace, "");
    let path = format!("/api/v1/namespaces/{namespace}/secrets");
    let annotations = json!({ "kubernetes.io/service-account.name": "default" });
    lab.api.post(
        &path,
        &json!({
            "metadata": { "name": "token", "annotations": annotations },
            "type": "kubernetes.io/service-account-token",
        }),
    );
    let pair = double::tls::Authority::new("an application").localhost();
    let encode = |text: String| base64::engine::general_purpose::STANDARD.encode(text);
    lab.api.post(
        &path,
        &json!({
            "metadata": { "name": "tls" }, "type": "kubernetes.io/tls",
            "data": { "tls.crt": encode(pair.pem()), "tls.key": encode(pair.key_pem()) },
        }),
    );
    // More than etcd gives in one answer.
    for n in 0..40 {
        let secret = json!({ "metadata": { "name": format!("many-{n}") }, "stringData": { "ca.crt": pair.pem() } });
        lab.api.post(&path, &secret);
    }
    // Written several times, and deleted: only the last one counts.
    for name in ["kept", "gone"] {
        lab.api.post(
            &path,
            &json!({ "metadata": { "name": name }, "stringData": { "ca.crt": pair.pem() } }),
        );
        for round in 0..3 {
            let change = json!({ "stringData": { "round": round.to_string() } });
            lab.api.patch(&format!("{path}/{name}"), &change);
        }
    }
    lab.api.delete(&format!("{path}/gone"));
    until("the token is filled", || {
        lab.api.get(&format!("{path}/token")).pointer("/data/token").is_some()
    });
}

/// Fingerprints and digests of what is held, by namespace, name and field; for fields of Secrets and ConfigMaps.
fn fields(sightings: &[Sighting]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for sighting in sightings {
        let key = match &sighting.place {
            Place::Object { kind, namespace, name, field } => {
                format!("{kind}s/{namespace}/{name}#{field}")
            }
            Place::EtcdKey { key, field, .. } => {
                format!("{}#{field}", key.trim_start_matches("/registry/"))
            }
            _ => continue,
        };
        if !key.starts_with("secrets/") && !key.starts_with("configmaps/") {
            continue;
        }
        let text = match &sighting.content {
            Content::Held(held) => {
                let certificates = held.certificates.iter().map(|c| c.fingerprint().to_string());
                let tokens = held.tokens.iter().map(|token| token.digest.to_string());
                let keys = held.keys.iter().map(|key| format!("{key:?}"));
                certificates.chain(tokens).chain(keys).collect::<Vec<_>>().join(" ")
            }
            other => format!("{other:?}"),
        };
        all.insert(key, text);
    }
    all
}

fn objects_of_a_healthy_cluster_hold_its_ca() {
    let (lab, rough) = labs::rough();
    with_objects(lab, "doors");
    let seen = cluster(&lab.kubeconfig).sightings(&Scope::All, &Interner::default()).sightings;
    let unknown: Vec<_> = seen.iter().filter(|s| s.content.held().is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let ca = certificate(&rough.pki().join("ca.crt"));
    let is_trust = |s: &&Sighting| {
        s.role.domain == Domain::Cluster
            && s.role.part == rotation_core::facts::sighting::Part::Trust
    };
    let trusts: Vec<_> = seen.iter().filter(is_trust).collect();
    assert!(trusts.iter().all(|s| *held(s).certificates[0] == ca), "{trusts:?}");
    let places: Vec<String> = trusts.iter().map(|s| s.place.to_string()).collect();
    for expected in [
        "configmap/doors/kube-root-ca.crt#ca.crt",
        "configmap/kube-system/kube-root-ca.crt#ca.crt",
        "configmap/kube-system/extension-apiserver-authentication#client-ca-file",
        "secret/doors/token#ca.crt",
    ] {
        assert!(places.iter().any(|place| place == expected), "{expected}: {places:?}");
    }
}

/// The API server writes into the labels of a token secret that its token was used: that is no change of what it holds.
fn a_token_that_is_used_is_no_token_that_changed() {
    let (lab, rough) = labs::rough();
    with_objects(lab, "doors");
    let path = "/api/v1/namespaces/doors/secrets/token";
    let secret = || lab.api.get(path);
    let evidence = || {
        let cluster = cluster(&lab.kubeconfig);
        let scope = Scope::one("doors");
        let sightings = cluster.sightings(&scope, &Interner::default()).sightings;
        let of_secret = |s: &&Sighting| s.place.to_string().starts_with("secret/doors/token#");
        let seen = sightings.iter().find(of_secret).and_then(|s| s.modified);
        let secrets = cluster.token_secrets(&scope).unwrap();
        let tokens = cluster.account_tokens(&scope, None).unwrap();
        (seen, secrets[0].written, tokens[0].written)
    };
    let before = evidence();
    assert!(before.0.is_some() && before.1.is_some() && before.2.is_some(), "{before:?}");
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    let encoded = secret().pointer("/data/token").and_then(Value::as_str).unwrap().to_owned();
    let token = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
    let bearer = format!("Authorization: Bearer {}", String::from_utf8(token).unwrap());
    let used =
        || secret()["metadata"]["labels"]["kubernetes.io/legacy-token-last-used"].is_string();
    until("its use is written down", || {
        let asked = Command::new("curl")
            .args(["--silent", "--output", "/dev/null", "--header", &bearer, "--cacert"])
            .arg(rough.pki().join("ca.crt"))
            .arg(format!("https://{}:{API}/api", rough.settings().block.member(0)))
            .status();
        asked.unwrap().success() && used()
    });
    assert_eq!(evidence(), before, "{:#}", secret()["metadata"]["managedFields"]);
}

/// What etcd's own gateway answers.
fn gateway(lab: &Loopback, path: &str, request: &str) -> Vec<u8> {
    let pki = lab.pki().join("etcd");
    let address = format!("https://{}:{}", lab.settings().block.member(0), ETCD);
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--data", request])
        .arg("--cacert")
        .arg(pki.join("ca.crt"))
        .arg("--cert")
        .arg(pki.join("healthcheck-client.crt"))
        .arg("--key")
        .arg(pki.join("healthcheck-client.key"))
        .arg(format!("{address}{path}"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A snapshot as `etcdctl snapshot save` writes it, over etcd's own gateway.
pub(crate) fn save(lab: &Loopback, to: &Path) -> PathBuf {
    let answer = gateway(lab, "/v3/maintenance/snapshot", "{}");
    let mut bytes = Vec::new();
    for part in serde_json::Deserializer::from_slice(&answer).into_iter::<Value>() {
        let part = part.unwrap();
        let blob = part.pointer("/result/blob").and_then(Value::as_str).unwrap_or_default();
        bytes.extend(base64::engine::general_purpose::STANDARD.decode(blob).unwrap());
    }
    let database = &bytes[..bytes.len() - 32];
    assert_eq!(bytes[bytes.len() - 32..], *Sha256::digest(database), "etcd's own checksum");
    let path = to.join("snapshot.db");
    fs::write(&path, bytes).unwrap();
    path
}

fn access(rough: &Rough) -> EtcdAccess {
    let pki = rough.pki().join("etcd");
    EtcdAccess {
        endpoint: format!("https://{}:{ETCD}", rough.settings().block.member(0)),
        ca: Some(pki.join("ca.crt")),
        certificate: Some(pki.join("healthcheck-client.crt")),
        key: Some(pki.join("healthcheck-client.key")),
        prefix: None,
    }
}

fn read(path: &Path) -> Read {
    snapshot(path, &Interner::default())
        .unwrap_or_else(|error| panic!("{error}: {:?}", std::error::Error::source(&error)))
}

fn a_snapshot_of_a_running_etcd_says_what_the_api_says() {
    let (lab, rough) = labs::rough();
    with_objects(lab, "doors");
    let dir = tempfile::tempdir().unwrap();
    let path = save(&rough, dir.path());
    let stored = read(&path);
    assert!(stored.checked && stored.open_secrets >= 3 && stored.sealed_secrets.is_empty());
    assert_eq!(stored.encodings.len(), 1, "{:?}", stored.encodings);
    let api =
        fields(&cluster(&lab.kubeconfig).sightings(&Scope::All, &Interner::default()).sightings);
    assert_eq!(fields(&stored.sightings), api);
    assert!(api.contains_key("secrets/doors/kept#ca.crt"), "{api:?}");
    assert_eq!(api.keys().filter(|key| key.starts_with("secrets/doors/many-")).count(), 40);
    assert!(!api.contains_key("secrets/doors/gone#ca.crt"));
    // The running etcd says the same.
    let pki = rough.pki().join("etcd");
    let access = access(&rough);
    let running = etcd(&access, &Interner::default()).unwrap();
    assert_eq!(fields(&running.sightings), api);
    assert_eq!(running.open_secrets, stored.open_secrets);
    let refused = |change: &dyn Fn(&mut EtcdAccess)| {
        let mut access = access.clone();
        change(&mut access);
        etcd(&access, &Interner::default()).expect_err("refused").to_string()
    };
    let cluster_ca = rough.pki().join("ca.crt");
    for (words, change) in [
        ("was issued by a CA that is not trusted", &|a: &mut EtcdAccess| {
            a.ca = Some(cluster_ca.clone());
        }),
        ("client certificate", &|a: &mut EtcdAccess| a.certificate = None),
        ("client certificate", &|a: &mut EtcdAccess| {
            a.certificate = Some(rough.pki().join("apiserver-kubelet-client.crt"));
            a.key = Some(rough.pki().join("apiserver-kubelet-client.key"));
        }),
        ("does not belong to the certificate", &|a: &mut EtcdAccess| {
            a.key = Some(pki.join("server.key"));
        }),
        ("not found", &|a: &mut EtcdAccess| a.key = Some("none".into())),
        ("connection refused", &|a: &mut EtcdAccess| a.endpoint = "https://127.0.0.1:1".into()),
        ("is no address", &|a: &mut EtcdAccess| a.endpoint = "127.0.0.1:2379".into()),
    ] as [(&str, &dyn Fn(&mut EtcdAccess)); 7]
    {
        let said = refused(change);
        assert!(said.contains(words), "{words}: {said}");
    }
    // etcd's own file, copied while it runs: it may be torn, but never more than that.
    let copy = dir.path().join("db");
    fs::copy(rough.dir().join("etcd/member/snap/db"), &copy).unwrap();
    match snapshot(&copy, &Interner::default()) {
        Ok(stored) => assert!(!stored.checked && stored.open_secrets >= 3),
        Err(error) => assert!(std::error::Error::source(&error).is_some(), "{error}"),
    }
    let whole = fs::read(&path).unwrap();
    fs::write(&copy, &whole[..whole.len() / 2]).unwrap();
    let error = snapshot(&copy, &Interner::default()).expect_err("half of it");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.starts_with("it is cut off: it has "), "{cause}");
}

/// Between two answers etcd forgets the moment of which the first one was.
fn an_etcd_that_is_compacted_while_it_is_read_is_read_to_its_end() {
    let (lab, rough) = labs::rough();
    with_objects(lab, "doors");
    let revision = || {
        let request = json!({ "key": base64::engine::general_purpose::STANDARD.encode("/") });
        let answer = gateway(&rough, "/v3/kv/range", &request.to_string());
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        answer.pointer("/header/revision").and_then(Value::as_str).unwrap().to_owned()
    };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut compactions = 0;
    rotation_core::world::etcd::read(&access(&rough), |stored| {
        if seen.is_empty() {
            let before = revision();
            let name = format!("written-meanwhile-{}", std::process::id());
            let secret = json!({ "metadata": { "name": name }, "stringData": { "a": "b" } });
            lab.api.post("/api/v1/namespaces/doors/secrets", &secret);
            let now = revision();
            assert_ne!(before, now);
            let request = json!({ "revision": now, "physical": true });
            gateway(&rough, "/v3/kv/compaction", &request.to_string());
            compactions += 1;
        }
        *seen.entry(stored.key.to_string()).or_default() += 1;
    })
    .unwrap();
    assert_eq!(compactions, 1);
    assert!(seen.values().all(|times| *times == 1), "{seen:?}");
    for n in 0..40 {
        let key = format!("/registry/secrets/doors/many-{n}");
        assert!(seen.contains_key(&key), "{key}: {seen:?}");
    }
}

fn encrypted_secrets_are_recognised_in_a_snapshot() {
    // Its own: what is encrypted can be read by no API server that does not know the key.
    let lab = Loopback::start(&Options { nodes: 0, ..Options::default() }).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("encryption.yaml");
    let key = base64::engine::general_purpose::STANDARD.encode([7; 32]);
    fs::write(&config, format!("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n- resources: [secrets]\n  providers:\n  - secretbox:\n      keys:\n      - name: of-today\n        secret: {key}\n  - identity: {{}}\n")).unwrap();
    let flag = format!("--encryption-provider-config={}", config.display());
    lab.restart_with(Part::ApiServer(0), &[&flag]).unwrap();
    lab.kubectl_text(&["create", "secret", "generic", "s", "--from-literal=ca.crt=x"]).unwrap();
    let stored = read(&save(&lab, dir.path()));
    let expected = BTreeMap::from([(("secretbox".to_owned(), "of-today".to_owned()), 1)]);
    assert_eq!(stored.sealed_secrets, expected);
    let sealed = stored.sightings.iter().find(|s| matches!(s.content, Content::Sealed { .. }));
    let place = sealed.map(|s| s.place.to_string());
    assert_eq!(place.as_deref(), Some("snapshot.db:/registry/secrets/*#secretbox:of-today"));
}
