//! The token controller of a controller manager, and what an API server says to a token.
//!
//! Tokens look like real ones and are signed by nobody: the last part names the key. As with real ones, the same key,
//! secret and account give the same bytes.

use crate::Api;
use crate::fault::status;
use crate::http::Recorded;
use crate::respond::Reply;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const TYPE: &str = "kubernetes.io/service-account-token";
const NAME: &str = "kubernetes.io/service-account.name";
const UID: &str = "kubernetes.io/service-account.uid";
const INVALID: &str = "kubernetes.io/legacy-token-invalid-since";

/// How the controller manager is at the moment.
#[derive(Clone, Debug)]
pub struct Controller {
    /// The key that it signs with.
    pub key: String,
    /// The CA that it writes and publishes, as PEM.
    pub ca: String,
    /// How long it takes for each secret.
    pub delay: Duration,
    /// It does nothing.
    pub stopped: bool,
    /// It publishes its CA in every namespace (since 1.20).
    pub publishes: bool,
    /// Each account gets a secret by itself, and lists it (before 1.24).
    pub generates: bool,
    /// Secrets that it never fills.
    pub stuck: BTreeSet<String>,
}

/// A running controller.
#[derive(Clone)]
pub struct Running(Arc<Mutex<Controller>>);

impl Running {
    /// Changes how it is from now on, as a restart with other flags does.
    pub fn change(&self, change: impl FnOnce(&mut Controller)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn now(&self) -> Controller {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A token as the controller writes it.
pub fn token(key: &str, namespace: &str, secret: &str, account: &str, uid: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(&json!({ "alg": "RS256", "kid": key }));
    let payload = part(&json!({
        "iss": "kubernetes/serviceaccount",
        "kubernetes.io/serviceaccount/namespace": namespace,
        "kubernetes.io/serviceaccount/secret.name": secret,
        "kubernetes.io/serviceaccount/service-account.name": account,
        "kubernetes.io/serviceaccount/service-account.uid": uid,
        "sub": format!("system:serviceaccount:{namespace}:{account}"),
    }));
    format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(format!("signed with {key}")))
}

impl Api {
    /// A controller manager that takes care of tokens and of `kube-root-ca.crt`.
    pub fn controller(&self, controller: Controller) -> Running {
        let running = Running(Arc::new(Mutex::new(controller)));
        let (api, at_work) = (self.clone(), running.clone());
        std::thread::spawn(move || {
            while !api.is_stopped() {
                work(&api, &at_work);
                let contents = api.0.store.lock();
                drop(api.0.store.wait(contents, Duration::from_millis(20)));
            }
        });
        running
    }

    /// Whether this API server accepts a token.
    pub fn accepts(&self, token: &str) -> bool {
        user_of(self, token).is_some()
    }

    /// This API server accepts tokens signed with these keys only.
    pub fn accept(&self, keys: &[&str]) {
        self.state().accepted = Some(keys.iter().map(|k| (*k).to_owned()).collect());
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn work(api: &Api, running: &Running) {
    if running.now().stopped {
        return;
    }
    if running.now().publishes {
        publish(api, &running.now());
    }
    if running.now().generates {
        generate(api);
    }
    for secret in api.all("secrets") {
        if secret["type"] == TYPE && !running.now().stopped {
            care(api, running, &secret);
        }
    }
}

fn publish(api: &Api, controller: &Controller) {
    for namespace in api.all("namespaces") {
        let name = text(&namespace, "/metadata/name");
        let map = api.get("configmaps", name, "kube-root-ca.crt").unwrap_or_else(|| {
            json!({ "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": { "namespace": name, "name": "kube-root-ca.crt" } })
        });
        if map["data"]["ca.crt"] != controller.ca.as_str() && map["immutable"] != true {
            let mut map = map;
            map["data"] = json!({ "ca.crt": controller.ca });
            api.put(map);
        }
    }
}

fn generate(api: &Api) {
    for mut account in api.all("serviceaccounts") {
        let (namespace, name) = (
            text(&account, "/metadata/namespace").to_owned(),
            text(&account, "/metadata/name").to_owned(),
        );
        let listed = account["secrets"].as_array().cloned().unwrap_or_default();
        let valid = |entry: &Value| {
            let secret = api.get("secrets", &namespace, entry["name"].as_str().unwrap_or_default());
            secret.is_some_and(|s| s["type"] == TYPE)
        };
        if listed.iter().any(valid) {
            continue;
        }
        let number = api.0.store.lock().version;
        let secret = format!("{name}-token-{:05}", number % 100_000);
        api.put(json!({ "apiVersion": "v1", "kind": "Secret", "type": TYPE,
            "metadata": { "namespace": namespace, "name": secret,
                "annotations": { NAME: name, UID: text(&account, "/metadata/uid") } } }));
        let mut kept: Vec<Value> = listed
            .into_iter()
            .filter(|e| {
                api.get("secrets", &namespace, e["name"].as_str().unwrap_or_default()).is_some()
            })
            .collect();
        kept.push(json!({ "name": secret }));
        account["secrets"] = kept.into();
        api.put(account);
    }
}

fn care(api: &Api, running: &Running, secret: &Value) {
    let (namespace, name) = (text(secret, "/metadata/namespace"), text(secret, "/metadata/name"));
    let annotation =
        |key: &str| secret["metadata"]["annotations"][key].as_str().unwrap_or_default();
    let account = api.get("serviceaccounts", namespace, annotation(NAME));
    let uid = account.as_ref().map(|a| text(a, "/metadata/uid").to_owned()).unwrap_or_default();
    let other = !annotation(UID).is_empty() && annotation(UID) != uid;
    if account.is_none() || other {
        api.remove("secrets", namespace, name);
        return;
    }
    let controller = running.now();
    let ca = STANDARD.encode(&controller.ca);
    let empty = secret["data"]["token"].as_str().unwrap_or_default().is_empty();
    let old_ca = secret["data"]["ca.crt"] != ca.as_str();
    if secret["immutable"] == true || controller.stuck.contains(name) || !(empty || old_ca) {
        return;
    }
    std::thread::sleep(controller.delay);
    let controller = running.now();
    // Somebody was faster: the next look decides.
    let now = api.get("secrets", namespace, name);
    let same =
        |now: &Value| now["metadata"]["resourceVersion"] == secret["metadata"]["resourceVersion"];
    let Some(mut now) = now.filter(same).filter(|_| !controller.stopped) else { return };
    now["metadata"]["annotations"][UID] = uid.clone().into();
    now["data"]["ca.crt"] = STANDARD.encode(&controller.ca).into();
    now["data"]["namespace"] = STANDARD.encode(namespace).into();
    if empty {
        let token = token(&controller.key, namespace, name, annotation(NAME), &uid);
        now["data"]["token"] = STANDARD.encode(token).into();
    }
    api.put(now);
}

/// Answers a TokenReview.
pub(crate) fn review(api: &Api, request: &Recorded) -> Reply {
    let mut body = request.json();
    let shown = body["spec"]["token"].as_str().unwrap_or_default().to_owned();
    let user = user_of(api, &shown);
    body["status"] = match user {
        Some(user) => json!({ "authenticated": true, "user": { "username": user } }),
        // Some authenticators quote what they were shown.
        None => {
            json!({ "authenticated": false, "error": format!("[invalid bearer token {shown}]") })
        }
    };
    // A real server does not send it back.
    body["spec"] = json!({});
    Reply::json(201, &body)
}

fn user_of(api: &Api, shown: &str) -> Option<String> {
    let mut parts = shown.split('.');
    let mut part = || -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok()
    };
    let (header, payload) = (part()?, part()?);
    let key = header["kid"].as_str().unwrap_or_default();
    let accepted = api.state().accepted.clone();
    if accepted.is_some_and(|keys: BTreeSet<String>| !keys.contains(key)) {
        return None;
    }
    let claim = |name: &str| {
        payload[format!("kubernetes.io/serviceaccount/{name}")]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let namespace = claim("namespace");
    let secret = api.get("secrets", &namespace, &claim("secret.name"))?;
    let account = api.get("serviceaccounts", &namespace, &claim("service-account.name"))?;
    let same = secret["data"]["token"] == STANDARD.encode(shown).as_str();
    let valid = secret["metadata"]["labels"][INVALID].is_null();
    let same_account = text(&account, "/metadata/uid") == claim("service-account.uid");
    (same && valid && same_account).then(|| payload["sub"].as_str().unwrap_or_default().to_owned())
}

/// Why a change of a secret is not allowed.
pub(crate) fn forbids(found: &Value, patch: &Value) -> Option<Reply> {
    (found["immutable"] == true && !patch["data"].is_null()).then(|| {
        let message = format!(
            "Secret \"{}\" is invalid: data: Forbidden: field is immutable when `immutable` is set",
            text(found, "/metadata/name")
        );
        Reply::json(422, &status(422, "Invalid", &message, &json!({})))
    })
}
