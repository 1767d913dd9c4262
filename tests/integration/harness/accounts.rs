//! A small cluster in the API double whose pods use token secrets: of the controller's making and made by hand.

use super::until;
use super::world;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use double::tls::Authority;
use double::tokens::{Controller, Running};
use double::{Api, Setup};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Secrets that were there before the pods.
const BEFORE: &str = "2025-12-01T00:00:00Z";

/// Token secrets of the world: namespace, account, name, and whether the account lists it.
pub(crate) const TOKENS: [(&str, &str, &str, bool); 4] = [
    ("default", "default", "default-token-aaaaa", true),
    ("default", "deployer", "deployer-by-hand", false),
    ("kube-system", "default", "default-token-bbbbb", true),
    ("kube-system", "canal", "canal-token-ccccc", true),
];

/// The cluster, and what fills its tokens.
pub(crate) struct World {
    pub(crate) api: Api,
    pub(crate) controller: Running,
    /// The CA that is published, as PEM.
    pub(crate) ca: String,
}

impl Drop for World {
    /// Its controller looks fifty times a second: those of a hundred tests that are over would slow down all others.
    fn drop(&mut self) {
        self.api.stop();
    }
}

/// Everything as it should be, signed with the key `old`.
pub(crate) fn start() -> World {
    fill(Setup::default())
}

/// The same for a server that was set up otherwise.
pub(crate) fn fill(setup: Setup) -> World {
    let api = setup.start();
    let ca = Authority::new("kubernetes").pem();
    for node in ["node-1", "node-2"] {
        api.put(json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}}));
    }
    for (namespace, account, name, listed) in TOKENS {
        if api.get("serviceaccounts", namespace, account).is_none() {
            let secrets = if listed { json!([{"name": name}]) } else { json!([]) };
            api.put(json!({"apiVersion": "v1", "kind": "ServiceAccount", "secrets": secrets,
                "metadata": {"namespace": namespace, "name": account, "uid": format!("{namespace}-{account}")}}));
        }
        put_token(&api, namespace, account, name);
    }
    for (namespace, name, kind) in [
        ("default", "web-tls", "kubernetes.io/tls"),
        ("default", "registry", "kubernetes.io/dockerconfigjson"),
        ("kube-system", "bootstrap-token-abcdef", "bootstrap.kubernetes.io/token"),
        ("kube-system", "sh.helm.release.v1.x.v1", "helm.sh/release.v1"),
    ] {
        api.put(json!({"apiVersion": "v1", "kind": "Secret", "type": kind,
            "metadata": {"namespace": namespace, "name": name}, "data": {"x": "aHVudGVyMg=="}}));
    }
    world::deployment(&api, "default", "app", "app", "app", 1);
    mounts(&api, "default", "app-1", "default-token-aaaaa", true);
    world::deployment(&api, "default", "ci", "app", "ci", 1);
    mounts(&api, "default", "ci-1", "deployer-by-hand", false);
    api.put(json!({"apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"namespace": "kube-system", "name": "canal", "uid": "ds-canal", "generation": 1},
        "spec": {"selector": {"matchLabels": {"k8s-app": "canal"}}, "template": {}},
        "status": {"desiredNumberScheduled": 2, "numberReady": 2, "observedGeneration": 1}}));
    for node in ["node-1", "node-2"] {
        let owner = world::owner("DaemonSet", "canal", "ds-canal");
        let name = format!("canal-{node}");
        api.put(world::pod("kube-system", &name, node, &json!({"k8s-app": "canal"}), &owner));
        mounts(&api, "kube-system", &name, "canal-token-ccccc", true);
    }
    let count = AtomicUsize::new(0);
    api.when_gone(move |api, gone| {
        world::again(api, &admitted(api, gone), count.fetch_add(1, Ordering::SeqCst));
    });
    let controller = api.controller(Controller {
        key: "old".to_owned(),
        ca: ca.clone(),
        delay: Duration::ZERO,
        stopped: false,
        publishes: true,
        generates: false,
        stuck: BTreeSet::new(),
    });
    let world = World { api, controller, ca };
    until("every secret is filled", || {
        TOKENS.iter().all(|(ns, _, name, _)| world.token(ns, name).is_some())
    });
    world.api.forget();
    world
}

/// A token secret without a token.
pub(crate) fn put_token(api: &Api, namespace: &str, account: &str, name: &str) {
    api.put(
        json!({"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
        "metadata": {"namespace": namespace, "name": name, "creationTimestamp": BEFORE,
            "labels": {"team": "a"},
            "annotations": {"kubernetes.io/service-account.name": account}},
        "data": {"extra": "ZXh0cmE="}}),
    );
}

/// Lets a pod mount a secret, as admission does it or as a template does.
pub(crate) fn mounts(api: &Api, namespace: &str, pod: &str, secret: &str, injected: bool) {
    let volume = if injected { secret } else { "credentials" };
    api.change("pods", namespace, pod, |pod| {
        pod["spec"]["volumes"] = json!([{"name": volume, "secret": {"secretName": secret}}]);
    });
}

/// A pod as admission lets it in anew: with the first token that its account lists, where the old one was admission's.
fn admitted(api: &Api, gone: &Value) -> Value {
    let mut pod = gone.clone();
    let namespace = gone["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    for volume in pod["spec"]["volumes"].as_array_mut().into_iter().flatten() {
        let secret = volume["secret"]["secretName"].as_str().unwrap_or_default().to_owned();
        let account = secret.split("-token-").next().unwrap_or_default();
        let listed = api.get("serviceaccounts", &namespace, account);
        let first = listed.and_then(|a| a["secrets"][0]["name"].as_str().map(str::to_owned));
        if let (true, Some(first)) = (volume["name"] == secret.as_str(), first) {
            *volume = json!({"name": first, "secret": {"secretName": first}});
        }
    }
    pod
}

impl World {
    /// The token in a secret.
    pub(crate) fn token(&self, namespace: &str, name: &str) -> Option<String> {
        let secret = self.api.get("secrets", namespace, name)?;
        let text = secret["data"]["token"].as_str().filter(|t| !t.is_empty())?;
        String::from_utf8(STANDARD.decode(text).ok()?).ok()
    }

    /// The key that the token in a secret is signed with.
    pub(crate) fn key(&self, namespace: &str, name: &str) -> String {
        let Some(token) = self.token(namespace, name) else { return "none".to_owned() };
        let header = token.split('.').next().unwrap_or_default();
        let json = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
        let header: Value = serde_json::from_slice(&json).unwrap();
        header["kid"].as_str().unwrap_or_default().to_owned()
    }

    /// Keys of the world's secrets, in their order.
    pub(crate) fn keys(&self) -> [String; 4] {
        TOKENS.map(|(namespace, _, name, _)| self.key(namespace, name))
    }

    /// UIDs of all objects of a resource.
    pub(crate) fn uids(&self, resource: &str) -> BTreeSet<String> {
        let uid = |o: &Value| o["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        self.api.all(resource).iter().map(uid).collect()
    }

    /// The signing key is replaced at once: the API server accepts the new one only.
    pub(crate) fn rotate(&self) {
        self.controller.change(|c| "new".clone_into(&mut c.key));
        self.api.accept(&["new"]);
    }

    /// Whether the API server accepts a token.
    pub(crate) fn accepts(&self, token: &str) -> bool {
        self.api.accepts(token)
    }

    /// Changes that were asked for beside those of canaries.
    pub(crate) fn changes(&self) -> Vec<String> {
        let canary = |r: &double::Recorded| {
            r.path.contains("canary") || r.body.contains("reset-sa-secrets-canary")
        };
        self.api.changes().into_iter().filter(|r| !canary(r)).map(|r| r.line()).collect()
    }
}
