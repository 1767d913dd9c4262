//! `kubectl rotate-certs inspect` and `check` on a real control plane: nothing is found where nothing is wrong, and each
//! mix-up is named with its place.

mod bosh;
pub(crate) mod machines;
mod rotation;
mod ssh;
pub(crate) mod sshd;

use crate::doors::save;
use crate::harness::outcome::Outcome;
use crate::harness::sandbox::Sandbox;
use crate::harness::{Case, Need, cases, until};
use base64::Engine as _;
use double::tls::Authority as Ca;
use lab::loopback::{Authority, Component, Loopback, Options};
use lab::ports::{API, CONTROLLER_MANAGER, ETCD, ETCD_PEER, SCHEDULER};
use rotation::Pod;
use serde_json::Value;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;

/// The tool.
const CERTS: &str = env!("CARGO_BIN_EXE_kubectl-rotate_certs");

pub(crate) fn cases() -> Vec<Case> {
    let mut all = cases![
        nothing_is_found_on_a_healthy_cluster_and_each_mix_up_is_named: Need::Program("curl", "curl");
    ];
    all.extend(cases![only_reads_are_sent; servers_are_asked_for_keys_with_objects_alone]);
    all.extend(rotation::cases());
    all.extend(machines::cases());
    all.extend(ssh::cases());
    all.extend(bosh::cases());
    all
}

/// A cluster, and the tool over all sources that a laptop has.
pub(crate) struct World {
    pub(crate) lab: Loopback,
    pub(crate) sandbox: Sandbox,
    live: String,
}

impl World {
    fn start() -> Self {
        let lab =
            Loopback::start(&Options { nodes: 1, api_servers: 2, ..Options::default() }).unwrap();
        let sandbox = Sandbox::new(&lab.kubeconfig()).of(CERTS);
        let block = lab.settings().block;
        let servers = [
            ("kube-apiserver", 0, API),
            ("kube-apiserver", 1, API),
            ("etcd", 0, ETCD),
            ("etcd-peer", 0, ETCD_PEER),
            ("kube-controller-manager", 0, CONTROLLER_MANAGER),
            ("kube-scheduler", 0, SCHEDULER),
        ];
        let flag = |(name, n, port): (&str, u32, u16)| {
            format!(" --endpoint {name}={}:{port}", block.member(n))
        };
        let live = servers.map(flag).concat();
        Self { lab, sandbox, live }
    }

    fn live(&self) -> &str {
        &self.live
    }

    fn check(&self, more: &str) -> Outcome {
        self.sandbox.run(&format!("check --objects{} {more}", self.live))
    }

    fn secret(&self, name: &str) -> Value {
        let text = self.lab.kubectl_text(&["get", "secret", name, "-o", "json"]).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

fn encode(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// A token secret, and what joining nodes read, as kubeadm writes it.
fn objects(ca: &str) -> String {
    let kubeconfig = format!(
        "apiVersion: v1\n    kind: Config\n    clusters:\n    - name: \"\"\n      cluster:\n        server: https://x\n        certificate-authority-data: {}\n",
        encode(ca)
    );
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: cluster-info\n  namespace: kube-public\ndata:\n  kubeconfig: |\n    {kubeconfig}"
    )
}

const TOKEN: &str = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: token\n  namespace: default\n  annotations:\n    kubernetes.io/service-account.name: default\ntype: kubernetes.io/service-account-token\n";

fn nothing_is_found_on_a_healthy_cluster_and_each_mix_up_is_named() {
    let world = World::start();
    let ca = fs::read_to_string(world.lab.pki().join("ca.crt")).unwrap();
    until("the account is there", || {
        world.lab.kubectl_text(&["get", "serviceaccount", "default"]).is_ok()
    });
    world.lab.apply(TOKEN).unwrap();
    world.lab.apply(&objects(&ca)).unwrap();
    until("the token is filled", || world.secret("token").pointer("/data/token").is_some());
    let seen = world.sandbox.run("inspect --objects");
    for row in ["kube-apiserver at 127.", "#token keys", "secret/default/token#token"] {
        assert!(seen.stdout.contains(row), "{row}: {}", seen.text());
    }
    world.check("").exits(0).says("0 errors, 0 warnings");
    mix_ups(&world, &ca);
    webhooks(&world);
    volumes(&world, &ca);
    blind(&world);
    world.check("").exits(0).says("0 errors, 0 warnings");
}

/// Each by itself, and mended again.
fn mix_ups(world: &World, ca: &str) {
    let lab = &world.lab;
    let other = Ca::new("kubernetes").pem();
    let found = |outcome: &Outcome, words: &str| {
        outcome.exits(3);
        assert!(outcome.stdout.contains(words), "{words}: {}", outcome.text());
    };
    // What joining nodes read is of another generation.
    lab.apply(&objects(&other)).unwrap();
    found(&world.check(""), "configmap/kube-public/cluster-info#kubeconfig");
    lab.apply(&objects(ca)).unwrap();
    // A kubelet says no more that it lives.
    lab.apply("apiVersion: coordination.k8s.io/v1\nkind: Lease\nmetadata: {name: gone, namespace: kube-node-lease}\nspec: {holderIdentity: gone, leaseDurationSeconds: 40, renewTime: '2026-01-01T00:00:00.000000Z'}\n").unwrap();
    let words = "lease/kube-node-lease/gone#renewTime: warning: gone has not renewed it for";
    found(&world.check(""), words);
    lab.kubectl_text(&["delete", "lease", "gone", "-n", "kube-node-lease"]).unwrap();
    // A secret keeps the CA before this one: the controller manager would mend it.
    lab.stop(Component::ControllerManager).unwrap();
    let change = |ca: &str| {
        let patch = format!("{{\"data\":{{\"ca.crt\":\"{}\"}}}}", encode(ca));
        lab.kubectl_text(&["patch", "secret", "token", "-p", &patch]).unwrap();
    };
    change(&other);
    let outcome = world.sandbox.run("check --objects");
    found(&outcome, "secret/default/token#ca.crt");
    // etcd's snapshot is from before it was mended.
    let dir = tempfile::tempdir().unwrap();
    let snapshot = save(lab, dir.path());
    change(ca);
    let outcome =
        world.sandbox.run(&format!("check --objects --etcd-snapshot {}", snapshot.display()));
    found(
        &outcome,
        "snapshot.db:/registry/secrets/default/token#ca.crt: warning: secret/default/token#ca.crt holds something else [stored-differs]",
    );
    lab.start_component(Component::ControllerManager).unwrap();
    // The running etcd agrees; a client that it does not accept sees nothing of it.
    let pki = lab.pki().join("etcd").display().to_string();
    let etcd = format!(
        "--etcd https://{}:{ETCD} --etcd-cacert {pki}/ca.crt",
        lab.settings().block.member(0)
    );
    let ours =
        format!("--etcd-cert {pki}/healthcheck-client.crt --etcd-key {pki}/healthcheck-client.key");
    let outcome = world.sandbox.run(&format!("check --notes --objects {etcd} {ours}"));
    outcome.exits(0);
    assert!(
        outcome.stdout.contains("Secrets in it are not encrypted [secrets-stored-open]"),
        "{}",
        outcome.text()
    );
    let outcome = world.sandbox.run(&format!("check --objects {etcd}"));
    found(&outcome, "#objects: warning: cannot reach https://");
    // A balancer's address that nobody listed.
    let balancer = format!("kube-apiserver=127.9.9.9:{}", forwarded(lab));
    let outcome = world.sandbox.run(&format!("check --objects --endpoint {balancer}"));
    found(&outcome, "CN=kube-apiserver does not bear 127.9.9.9 [san-not-covering]");
    // One API server of two shows a leaf of a CA that nobody trusts.
    let spare = lab.spare_pki("elsewhere", Authority::New).unwrap();
    let flag = |name: &str, file: &str| format!("--{name}={}", spare.join(file).display());
    let flags =
        [flag("tls-cert-file", "apiserver.crt"), flag("tls-private-key-file", "apiserver.key")];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    lab.set_flags(Component::ApiServer(1), &flags).unwrap();
    lab.kill(Component::ApiServer(1)).unwrap();
    lab.start_component(Component::ApiServer(1)).unwrap();
    let second = format!("kube-apiserver at {}:{API}#chain", lab.settings().block.member(1));
    until("it shows the other one", || {
        world.check("").stdout.contains(&format!("{second}: error: "))
    });
    // One API server of two checks tokens by another key.
    let key = flag("service-account-key-file", "sa.pub");
    lab.restart_with(Component::ApiServer(1), &[&key]).unwrap();
    let outcome = world.check("");
    outcome.exits(3);
    let second = format!("kube-apiserver at {}:{API}#token keys", lab.settings().block.member(1));
    assert!(outcome.stdout.contains(&second), "{}", outcome.text());
    lab.restart_with(Component::ApiServer(1), &[]).unwrap();
}

/// A port of another address of this machine, behind which the first API server stands.
fn forwarded(lab: &Loopback) -> u16 {
    let listener = TcpListener::bind("127.9.9.9:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let to = format!("{}:{API}", lab.settings().block.member(0));
    std::thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(&to).unwrap();
            let (mut from_near, mut to_far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from_near, &mut to_far));
            let (mut from_far, mut to_near) = (far, near);
            std::thread::spawn(move || std::io::copy(&mut from_far, &mut to_near));
        }
    });
    port
}

/// A webhook shows another CA's certificate than its bundle says; live servers are those that the API names.
fn webhooks(world: &World) {
    let (one, other) = (Ca::new("guards"), Ca::new("guards"));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = one.localhost().server(None);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut connection = rustls::ServerConnection::new(config.clone()).unwrap();
            while connection.complete_io(&mut stream).is_ok_and(|(read, _)| read > 0) {}
        }
    });
    let webhook = |name: &str, bundle: &str| {
        format!(
            "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata:\n  name: {name}\nwebhooks:\n- name: {name}.example.com\n  sideEffects: None\n  admissionReviewVersions: [v1]\n  failurePolicy: Ignore\n  clientConfig:\n    url: https://{address}/\n    caBundle: {}\n---\n",
            encode(bundle)
        )
    };
    let objects = format!("{}{}", webhook("good", &one.pem()), webhook("stale", &other.pem()));
    world.lab.apply(&objects).unwrap();
    let outcome = world.sandbox.run("check --objects --live");
    outcome.exits(3);
    let line = format!(
        "webhooks[0].clientConfig.caBundle: error: webhook at {address}#chain shows CN=kube-apiserver: "
    );
    assert!(
        outcome.stdout.contains(&format!("validatingwebhookconfiguration/stale#{line}")),
        "{}",
        outcome.text()
    );
    assert!(!outcome.stdout.contains("validatingwebhookconfiguration/good"), "{}", outcome.text());
    world.lab.kubectl_text(&["delete", "validatingwebhookconfiguration", "good", "stale"]).unwrap();
}

/// A pod's volume on its node lags behind.
fn volumes(world: &World, ca: &str) {
    let pod = Pod::start(world);
    let check = || world.sandbox.run("check --objects --root node");
    pod.holds(ca);
    check().never_says(&pod.place);
    pod.holds(&Ca::new("kubernetes").pem());
    let outcome = check();
    outcome.exits(3);
    let words = format!(
        "{}: warning: it holds something else than configmap/default/kube-root-ca.crt#ca.crt [mount-behind]",
        pod.place
    );
    assert!(outcome.stdout.contains(&words), "{}", outcome.text());
    world.lab.kubectl_text(&["delete", "pod", "p", "--force"]).unwrap();
}

/// What may not be listed, and who does not answer.
fn blind(world: &World) {
    let outcome = world.sandbox.run("check --objects --as nobody");
    outcome.exits(3);
    for right in ["list secrets", "list configmaps", "list apiservices", "list clustertrustbundles"]
    {
        let words = format!("missing right: {right}");
        // A kind that the server does not offer is no missing right.
        let offered =
            right != "list clustertrustbundles" || outcome.stdout.contains("clustertrustbundle");
        assert!(!offered || outcome.stdout.contains(&words), "{right}: {}", outcome.text());
    }
    // The role of the documents is enough.
    let roles = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rbac.yaml");
    world.lab.apply(&fs::read_to_string(roles).unwrap()).unwrap();
    let bind = [
        "create",
        "clusterrolebinding",
        "inspector",
        "--clusterrole=inspect-look",
        "--user=inspector",
    ];
    world.lab.kubectl_text(&bind).unwrap();
    let look = "check --objects --live --as inspector --root node";
    until("the rights are there", || !world.sandbox.run(look).stdout.contains("missing right"));
    let outcome = world.sandbox.run("inspect --objects --live --server https://127.0.0.1:1");
    outcome.exits(0);
    let words = "unknown: kube-apiserver at 127.0.0.1:1#objects: cannot reach the API server";
    assert!(outcome.stdout.contains(words), "{}", outcome.text());
    world.sandbox.run("inspect").exits(2).says("there is nothing to look at");
    fs::write(world.sandbox.path("no.db"), "text").unwrap();
    world.sandbox.run("inspect --etcd-snapshot no.db").exits(1).says("it is no etcd database");
}

fn only_reads_are_sent() {
    let api = double::Api::start();
    let ca = Ca::new("kubernetes").pem();
    api.put(serde_json::json!({
        "kind": "Secret", "metadata": { "namespace": "default", "name": "s" },
        "type": "Opaque", "data": { "ca.crt": encode(&ca), "password": encode("hunter2") },
    }));
    let sandbox = Sandbox::with(&api.kubeconfig()).of(CERTS);
    fs::create_dir(sandbox.path("node")).unwrap();
    for line in
        ["inspect --objects --live --root node -o json", "check --objects --live --root node"]
    {
        let outcome = sandbox.run(line);
        assert!(
            outcome.stdout.contains("secret/default/s#ca.crt") || line.starts_with("check"),
            "{}",
            outcome.text()
        );
        outcome.never_says("hunter2").never_says(&encode("hunter2"));
    }
    assert!(api.requests().len() > 10 && api.changes().is_empty());
    assert!(sandbox.journals().is_empty(), "nothing is remembered");
}

/// A look at live servers sends them no credential; which keys they check tokens by is asked with one.
fn servers_are_asked_for_keys_with_objects_alone() {
    let ca = Ca::new("kubernetes");
    let api = double::Api::setup().tls(&ca.localhost()).start();
    let cluster = format!("certificate-authority-data: {}", encode(&ca.pem()));
    let sandbox = Sandbox::with(&double::kubeconfig(&api.url(), &cluster, "token: t")).of(CERTS);
    for (line, asked) in [("inspect --live", false), ("inspect --objects --live", true)] {
        api.forget();
        let outcome = sandbox.run(line);
        assert!(outcome.stdout.contains("kube-apiserver at 127.0.0.1"), "{}", outcome.text());
        let keys = |request: &double::Recorded| request.path.starts_with("/openid/");
        assert_eq!(api.requests().iter().any(keys), asked, "{line}");
    }
}
