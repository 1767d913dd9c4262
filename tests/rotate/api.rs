//! With an API: the double, over TLS, at the address and port that the trees name. No kubelet answers, so that gates that ask
//! one are waived.

use crate::run::{Outcome, TOOL, bare, outcome};
use crate::tree::{SMALL, Set, Trees};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use double::tls::Authority;
use double::tokens::Controller;
use double::{Api, Setup, kubeconfig};
use jiff::{SignedDuration, Timestamp};
use rotation_core::facts::credential::Digest;
use rotation_core::facts::x509::read_pem;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

const LEASE: (&str, &str, &str) =
    ("coordination.k8s.io/leases", "kube-system", "kubernetes-rotation");
/// What no double answers, by parts of gates' words.
const WAIVED: [&str; 5] = ["clients of the", "lets in", "every", "shows", "check"];

pub(crate) struct World {
    pub(crate) trees: Trees,
    pub(crate) api: Api,
    ca: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let (set, authority) = (Set::new(), Authority::new("double"));
        let setup = Setup::default().with("coordination.k8s.io/v1").tls(&authority.localhost());
        let (trees, api) = (Trees::of(SMALL, &set), setup.start());
        let machines = fs::read_to_string(trees.root().join("cluster.toml")).unwrap();
        trees.file("cluster.toml", &machines.replace("\"10.0.0.", "\"127.0.0."));
        let manifest = "m1:/etc/kubernetes/manifests/kube-apiserver.yaml";
        let port = format!("secure-port={}", api.port());
        trees.write(manifest, &trees.text(manifest).replace("secure-port=6443", &port));
        trees.file("double.crt", &authority.pem());
        let cluster = "certificate-authority: double.crt";
        trees.file("config", &kubeconfig(&api.url(), cluster, ""));
        Self { trees, api, ca: set.cluster.pem() }
    }

    /// Runs a verb, with seconds to wait for gates and secrets.
    fn run(&self, line: &str, seconds: usize) -> Outcome {
        self.waiving(line, seconds, &WAIVED)
    }

    /// The same, with these gates let be.
    pub(crate) fn waiving(&self, line: &str, seconds: usize, waived: &[&str]) -> Outcome {
        let mut command = Command::new(TOOL);
        bare(command.args(line.split_whitespace()), &self.trees);
        command.args(["--kubeconfig", "config", "--yes", &format!("--timeout={seconds}s")]);
        for words in waived {
            command.args(["--waive", words]);
        }
        outcome(&mut command)
    }

    fn lease(&self) -> Value {
        self.api.get(LEASE.0, LEASE.1, LEASE.2).unwrap_or_default()
    }

    /// Somebody's, renewed so many seconds ago.
    fn put_lease(&self, who: &str, ago: i64) {
        let at = Timestamp::now() - SignedDuration::from_secs(ago);
        let at = at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string();
        self.api.put(json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"namespace": LEASE.1, "name": LEASE.2},
            "spec": {"holderIdentity": who, "leaseDurationSeconds": 60, "leaseTransitions": 4,
                "acquireTime": at, "renewTime": at}}));
    }

    fn journal(&self) -> String {
        fs::read_to_string(self.trees.root().join("rotation/journal.jsonl")).unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.api.stop();
    }
}

fn locks(trees: &Trees) -> usize {
    let lock =
        |host: &&String| trees.path(&format!("{host}:/run/kubernetes-rotation.lock")).exists();
    trees.hosts.iter().filter(lock).count()
}

#[test]
fn servers_are_asked_at_the_ports_that_their_flags_name() {
    let world = World::new();
    world.run("apply --until accept", 0).ends(0, &["stage accept is reached"]);
    let ready = format!("kube-apiserver at 127.0.0.1:{} is ready", world.api.port());
    let held = |line: &str| line.contains(&ready) && line.contains(r#""verdict":"holds""#);
    assert!(world.journal().lines().any(held), "{}", world.journal());
    assert!(world.api.count("GET", "/readyz") > 0);
}

#[test]
fn a_lease_says_who_works_here_and_is_given_back() {
    let world = World::new();
    world.run("apply --until accept", 0).ends(0, &[]);
    let lease = world.lease();
    assert_eq!(lease["spec"]["holderIdentity"], "", "{lease}");
    assert!(lease["spec"]["acquireTime"].is_string() && lease["spec"]["renewTime"].is_string());
    let changes = world.api.changes();
    let (first, last) = (changes.first().unwrap(), changes.last().unwrap());
    assert!(first.method == "POST" && first.path.ends_with("/leases"), "before anything else");
    assert!(last.path.ends_with("/kubernetes-rotation"), "after everything else");
    world.run("rollback", 0).ends(0, &["every file is what it was"]);
    assert_eq!(world.lease()["spec"]["holderIdentity"], "");
    // Who asks no API takes none.
    world.api.forget();
    world.trees.run("apply --until accept").ends(0, &[]);
    assert_eq!(world.api.requests().len(), 0);
}

#[test]
fn a_lease_of_somebody_else_is_respected_until_it_ends() {
    let world = World::new();
    world.trees.run("plan --write").ends(3, &[]);
    let before = world.trees.look();
    world.put_lease("bob@desk", 20);
    for line in ["apply", "rollback", "finish"] {
        let words = [
            "another rotation of this cluster is at work, by bob@desk since ",
            "its lease is over at",
        ];
        world.run(line, 0).ends(4, &words);
        assert_eq!((locks(&world.trees), world.api.changes().len()), (0, 0), "{line}");
    }
    world.trees.look().is(&before, "refused");
    world.put_lease("bob@desk", 61);
    world
        .run("apply --until accept", 0)
        .ends(0, &["is taken over from bob@desk, who has not renewed it since "]);
    let lease = world.lease();
    assert_eq!(lease["spec"]["holderIdentity"], "");
    assert_eq!(lease["spec"]["leaseTransitions"], 5);
    world.run("rollback", 0).ends(0, &[]);
}

#[test]
fn without_a_right_to_leases_the_marks_on_the_machines_hold() {
    let world = World::new();
    for verb in ["get", "create", "patch"] {
        world.api.deny(verb, "leases");
    }
    let words = [
        "no lease kube-system/kubernetes-rotation is taken",
        "leases is forbidden",
        "stage accept is reached",
    ];
    world.run("apply --until accept", 0).ends(0, &words);
    assert_eq!((locks(&world.trees), world.lease()), (2, Value::Null));
}

/// How tokens name a key.
fn key_id(pem: &[u8]) -> String {
    let der = &read_pem(pem).blocks[0].der;
    URL_SAFE_NO_PAD.encode(Digest::of(der).as_bytes())
}

/// The key that signed the token of a secret.
fn signed_by(api: &Api, name: &str) -> Option<String> {
    let secret = api.get("secrets", "default", name)?;
    let token = String::from_utf8(STANDARD.decode(secret["data"]["token"].as_str()?).ok()?).ok()?;
    let header = URL_SAFE_NO_PAD.decode(token.split('.').next()?).ok()?;
    let header: Value = serde_json::from_slice(&header).ok()?;
    Some(header["kid"].as_str()?.to_owned())
}

#[test]
fn tokens_of_the_old_key_are_renewed_with_it() {
    let world = World::new();
    let api = &world.api;
    for name in ["app-token", "fixed-token"] {
        api.put(json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {"namespace": "default", "name": name,
                "annotations": {"kubernetes.io/service-account.name": "app"}}, "data": {}}));
    }
    api.put(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": "default", "name": "app"}}));
    let old = key_id(&world.trees.read("m1:/etc/kubernetes/pki/sa.pub"));
    let controller = api.controller(Controller {
        key: old.clone(),
        ca: world.ca.clone(),
        delay: Duration::ZERO,
        stopped: false,
        publishes: true,
        generates: false,
        stuck: BTreeSet::new(),
    });
    let limit = Instant::now() + Duration::from_mins(1);
    while ["app-token", "fixed-token"].iter().any(|name| signed_by(api, name).is_none()) {
        assert!(Instant::now() < limit, "secrets are filled");
        std::thread::sleep(Duration::from_millis(20));
    }
    api.change("secrets", "default", "fixed-token", |secret| secret["immutable"] = true.into());
    let born = api.get("secrets", "default", "app-token").unwrap()["metadata"]["uid"].clone();
    world.run("apply --rotate cluster,tokens --until accept", 0).ends(0, &["stage accept"]);
    let new = key_id(&fs::read(world.trees.root().join("rotation/new-tokens.pub")).unwrap());
    assert_ne!(old, new);
    controller.change(|controller| controller.key = new.clone());

    world
        .run("apply --keep-secrets --keep-pods", 0)
        .ends(0, &["go on with `kubectl rotate-certs finish`"]);
    assert_eq!(signed_by(api, "app-token"), Some(old.clone()));
    let named = [
        "secret/default/app-token#token: holds a token that the old key signed",
        "kubectl reset-sa-secrets -A",
    ];
    world.run("finish", 0).ends(4, &named);

    let left = "secret/fixed-token (default) keeps the token of the old key: it is immutable";
    let outcome = world.run("apply --keep-pods", 30);
    outcome.ends(0, &["1 of 1 token secret of the old key renewed", left]);
    assert_eq!(signed_by(api, "app-token"), Some(new));
    assert_eq!(signed_by(api, "fixed-token"), Some(old));
    assert_eq!(api.get("secrets", "default", "app-token").unwrap()["metadata"]["uid"], born);
    let journal = world.journal();
    assert!(journal.contains("about to renew secret/app-token in default"), "{journal}");
    for secret in api.all("secrets") {
        let token = secret["data"]["token"].as_str().unwrap_or("no token").to_owned();
        let text =
            String::from_utf8(STANDARD.decode(&token).unwrap_or_default()).unwrap_or_default();
        let signature =
            text.rsplit('.').next().filter(|part| !part.is_empty()).unwrap_or("no token");
        for said in [&journal, &outcome.stderr, &outcome.stdout] {
            assert!(!said.contains(signature) && !said.contains(&token));
        }
    }
    assert!(
        api.all("serviceaccounts").iter().all(|one| one["metadata"]["name"] == "app"),
        "no canary is left"
    );
}

#[test]
fn a_plan_lists_pods_that_would_be_recycled_and_those_that_stay() {
    let world = World::new();
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-1", "namespace": "default",
        "uid": "set-1"}, "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}}});
    world.api.put(set);
    let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "set-1", "controller": true}]);
    let mirror = json!({"kubernetes.io/config.mirror": "x"});
    for (name, owners, annotations, mounts) in [
        ("web-1-a", owner.clone(), json!({}), true),
        ("web-1-b", owner, json!({}), true),
        ("bare", json!([]), json!({}), true),
        ("static", json!([]), mirror, true),
        ("nothing", json!([]), json!({}), false),
    ] {
        let token = json!([{"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}},
            {"configMap": {"name": "kube-root-ca.crt"}}]}}]);
        world.api.put(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", "uid": name, "labels": {"app": "web"},
                "ownerReferences": owners, "annotations": annotations, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"volumes": if mounts { token } else { json!([]) }},
            "status": {"phase": "Running"}}));
    }
    let mut command = Command::new(TOOL);
    bare(command.args(["plan", "--kubeconfig", "config"]), &world.trees);
    outcome(&mut command).ends(
        3,
        &[
            "2 of 5 pods would be recycled, of 1 workload",
            "default/web-1 (ReplicaSet): 2 pods, holds the root CA and a token of its own",
            "pod default/bare stays: no controller would create it again",
            "`finish` names it",
            "pod default/static stays: a static pod",
            "sign: 2 pods recycled",
        ],
    );
    assert_eq!(world.api.changes().len(), 0, "it only looks");
}
