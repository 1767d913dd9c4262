//! What API servers themselves are clients of: an aggregated API server and an admission webhook, with a CA of their
//! own in `caBundle`. The aggregated one lets nobody in but the front proxy, and hears all the time who that is.

use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use double::tls::{Authority, Wanted};
use serde_json::{Value, json};

use super::super::images::POD_IMAGE;
use super::super::{Machines, net};
use super::objects::NAMESPACE;

/// The namespace whose new config maps the webhook is asked about.
pub(super) const ASKED: &str = "clients-webhook";
/// What the aggregated API server answers.
const ANSWERS: &str = "/apis/answers.lab.local/v1/answers";

/// The two, which are pods of a Deployment and a Service each.
const SERVERS: [&str; 2] = ["aggregated", "webhook"];
const REPLICAS: usize = 2;

/// Starts both, and returns when each of `servers` gets answers of them.
pub(super) fn start(lab: &Machines, servers: &[String]) -> Result<()> {
    let authority = Authority::new("servers of the lab");
    let objects: Vec<Value> =
        SERVERS.iter().flat_map(|name| [secret(name, &authority), deployment(name)]).collect();
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
    lab.apply(&filled(include_str!("extended.yaml")))?;
    lab.apply(&list.to_string())?;
    for name in SERVERS {
        lab.wait_pods_ready(NAMESPACE, &format!("app={name}"), REPLICAS)?;
    }
    let registrations = filled(include_str!("registrations.yaml"))
        .replace("CA_BUNDLE", &STANDARD.encode(authority.pem()));
    lab.apply(&registrations).context("cannot register the aggregated API server")?;
    let create = ["-n", ASKED, "create", "configmap", "asked", "--dry-run=server"];
    for server in servers {
        net::wait(Duration::from_mins(1), &format!("{server} to reach both"), || {
            let kubectl = |words: &[&str]| super::through(lab, server, words);
            Ok(kubectl(&["get", "--raw", ANSWERS])? && kubectl(&create)?)
        })?;
    }
    Ok(())
}

/// Takes both out of the API servers' way; their pods go with the namespace.
pub(super) fn stop(lab: &Machines) -> Result<()> {
    for (kind, name) in [
        // First, as no namespace can go while a registered API server does not answer.
        ("apiservice", "v1.answers.lab.local"),
        ("validatingwebhookconfiguration", "lab-webhook"),
        ("namespace", ASKED),
    ] {
        lab.kubectl_text(&["delete", kind, name, "--ignore-not-found"])?;
    }
    let binding = ["delete", "rolebinding", "lab:aggregated", "--ignore-not-found"];
    lab.kubectl_text(&[&binding[..], &["-n", "kube-system"]].concat()).map(drop)
}

fn filled(text: &str) -> String {
    text.replace("NAMESPACE", NAMESPACE).replace("ASKED", ASKED)
}

fn secret(name: &str, authority: &Authority) -> Value {
    let host = format!("{name}.{NAMESPACE}.svc");
    let identity = authority.issue(&host, &Wanted::server(&[&host]));
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "stringData": { "tls.crt": identity.pem(), "tls.key": identity.key_pem() },
    })
}

fn deployment(name: &str) -> Value {
    let account = if name == "aggregated" { "aggregated" } else { "default" };
    let labels = json!({ "app": name });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": NAMESPACE },
        "spec": {
            "replicas": REPLICAS,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "serviceAccountName": account,
                    "terminationGracePeriodSeconds": 10,
                    "containers": [{
                        "name": name,
                        "image": POD_IMAGE,
                        "imagePullPolicy": "Never",
                        "args": [name, ":8443", "/tls"],
                        "readinessProbe": {
                            "httpGet": { "path": "/healthz", "port": 8443, "scheme": "HTTPS" },
                            "periodSeconds": 1,
                        },
                        "volumeMounts": [{ "name": "tls", "mountPath": "/tls", "readOnly": true }],
                    }],
                    "volumes": [{ "name": "tls", "secret": { "secretName": name } }],
                },
            },
        },
    })
}
