//! Objects that hold certificates, keys or tokens: where each is seen, what is forbidden, what is not offered.

use crate::setup::connect;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use double::tls::Authority;
use double::{Api, Fault};
use rotation_core::facts::sighting::{Content, Interner, Sighting};
use rotation_core::world::cluster::Scope;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const GROUPS: [&str; 4] = [
    "admissionregistration.k8s.io/v1",
    "apiregistration.k8s.io/v1",
    "apiextensions.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
];

fn object(api_version: &str, kind: &str, namespace: &str, name: &str, more: &Value) -> Value {
    let mut object = json!({
        "apiVersion": api_version, "kind": kind,
        "metadata": { "name": name, "creationTimestamp": "2026-01-01T00:00:00Z" },
    });
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    }
    for (key, value) in more.as_object().expect("fields") {
        object[key] = value.clone();
    }
    object
}

fn secret(name: &str, kind: &str, data: &[(&str, &[u8])]) -> Value {
    let data: BTreeMap<&str, String> = data.iter().map(|(k, v)| (*k, STANDARD.encode(v))).collect();
    object("v1", "Secret", "default", name, &json!({ "type": kind, "data": data }))
}

fn config_map(namespace: &str, name: &str, data: &Value) -> Value {
    object("v1", "ConfigMap", namespace, name, &json!({ "data": data }))
}

/// One line for each: place, role, what is there.
fn lines(mut sightings: Vec<Sighting>) -> String {
    sightings.sort_by(|a, b| a.place.cmp(&b.place));
    let line = |sighting: Sighting| {
        let content = match &sighting.content {
            Content::Held(held) => {
                let counts = [
                    (held.certificates.len(), "certificate"),
                    (held.keys.len(), "key"),
                    (held.tokens.len(), "token"),
                    (held.requests.len(), "request"),
                ];
                let some = counts.iter().filter(|(count, _)| *count > 0);
                some.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>().join(" ")
            }
            Content::Sealed { provider, .. } => format!("sealed by {provider}"),
            Content::Absent => "absent".to_owned(),
            Content::Unknown(unknown) => {
                format!("unknown ({})", unknown.right.as_deref().unwrap_or(&unknown.why))
            }
        };
        format!("{} | {} | {content}\n", sighting.place, sighting.role)
    };
    sightings.into_iter().map(line).collect()
}

fn world(api: &Api) {
    let authority = Authority::new("kubernetes");
    let (ca, identity) = (authority.pem(), authority.localhost());
    let bundle = STANDARD.encode(&ca);
    let jwt = format!(
        "{}.{}.c2ln",
        URL_SAFE_NO_PAD.encode("{\"alg\":\"RS256\"}"),
        URL_SAFE_NO_PAD.encode("{\"sub\":\"a\"}")
    );
    let client = json!({ "clientConfig": { "caBundle": bundle } });
    for namespace in ["default", "kube-system", "fresh"] {
        api.put(object("v1", "Namespace", "", namespace, &json!({})));
    }
    api.put(secret(
        "token",
        "kubernetes.io/service-account-token",
        &[("ca.crt", ca.as_bytes()), ("token", jwt.as_bytes()), ("namespace", b"default")],
    ));
    api.put(secret(
        "unfilled",
        "kubernetes.io/service-account-token",
        &[("ca.crt", ca.as_bytes())],
    ));
    api.put(secret(
        "tls",
        "kubernetes.io/tls",
        &[("tls.crt", identity.pem().as_bytes()), ("tls.key", identity.key_pem().as_bytes())],
    ));
    api.put(secret(
        "ours",
        "Opaque",
        &[
            ("pair.pem", format!("{}{}", identity.pem(), identity.key_pem()).as_bytes()),
            ("password", b"hunter2"),
            ("trust.jks", b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\0"),
        ],
    ));
    api.put(secret("chart", "helm.sh/release.v1", &[("release", ca.as_bytes())]));
    let mut uploaded = secret("kubeadm-certs", "Opaque", &[("ca.key", b"\x01\x02")]);
    uploaded["metadata"]["namespace"] = "kube-system".into();
    api.put(uploaded);
    api.put(config_map("default", "kube-root-ca.crt", &json!({ "ca.crt": ca })));
    api.put(config_map(
        "kube-system",
        "kube-root-ca.crt",
        &json!({ "ca.crt": format!("{ca}{}", Authority::new("kubernetes").pem()) }),
    ));
    api.put(config_map("default", "somebodys", &json!({ "ca.crt": ca })));
    api.put(config_map(
        "kube-system",
        "extension-apiserver-authentication",
        &json!({ "client-ca-file": ca }),
    ));
    let kubeconfig =
        format!("clusters:\n- name: ''\n  cluster:\n    certificate-authority-data: {bundle}\n");
    api.put(config_map("kube-public", "cluster-info", &json!({ "kubeconfig": kubeconfig })));
    api.put(object(
        "admissionregistration.k8s.io/v1",
        "ValidatingWebhookConfiguration",
        "",
        "guard",
        &json!({ "webhooks": [{ "clientConfig": {} }, client] }),
    ));
    api.put(object(
        "apiregistration.k8s.io/v1",
        "APIService",
        "",
        "v1.metrics",
        &json!({ "spec": { "caBundle": bundle } }),
    ));
    api.put(object(
        "apiregistration.k8s.io/v1",
        "APIService",
        "",
        "v1.",
        &json!({ "spec": { "service": null } }),
    ));
    api.put(object(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "",
        "things.x.io",
        &json!({ "spec": { "conversion": { "webhook": client } } }),
    ));
    api.put(object("certificates.k8s.io/v1beta1", "ClusterTrustBundle", "", "servers", &json!({ "spec": { "signerName": "kubernetes.io/kube-apiserver-serving", "trustBundle": ca } })));
    let signed = STANDARD.encode(identity.pem());
    api.put(object("certificates.k8s.io/v1beta1", "CertificateSigningRequest", "", "csr-1", &json!({ "spec": { "signerName": "kubernetes.io/kubelet-serving", "request": "" }, "status": { "certificate": signed } })));
}

#[test]
fn every_object_that_holds_something_is_seen_and_nothing_is_sent_but_lists() {
    let api = GROUPS.iter().fold(Api::setup(), |setup, group| setup.with(group)).start();
    world(&api);
    let found = connect(&api).sightings(&Scope::All, &Interner::default()).sightings;
    assert!(!format!("{found:?}").contains("hunter2"));
    assert_eq!(
        lines(found),
        "\
apiservice/v1.metrics#spec.caBundle | aggregated trust | 1 certificate
certificatesigningrequest/csr-1#status.certificate | kubelet content | 1 certificate
clustertrustbundle/servers#spec.trustBundle | pods trust | 1 certificate
configmap/default/kube-root-ca.crt#ca.crt | pods trust | 1 certificate
configmap/fresh/kube-root-ca.crt#ca.crt | pods trust | absent
configmap/kube-public/cluster-info#kubeconfig | joining trust | 1 certificate
configmap/kube-system/extension-apiserver-authentication#client-ca-file | aggregated trust | 1 certificate
configmap/kube-system/kube-root-ca.crt#ca.crt | pods trust | 2 certificate
customresourcedefinition/things.x.io#spec.conversion.webhook.clientConfig.caBundle | webhook trust | 1 certificate
secret/default/ours#pair.pem | other content | 1 certificate 1 key
secret/default/tls#tls.crt | other serving | 1 certificate
secret/default/tls#tls.key | other serving key | 1 key
secret/default/token#ca.crt | pods trust | 1 certificate
secret/default/token#token | pods token | 1 token
secret/default/unfilled#ca.crt | pods trust | 1 certificate
secret/default/unfilled#token | pods token | absent
secret/kube-system/kubeadm-certs | cluster CA key | sealed by kubeadm
validatingwebhookconfiguration/guard#webhooks[1].clientConfig.caBundle | webhook trust | 1 certificate
"
    );
    assert!(api.requests().iter().all(|r| r.method == "GET"), "only reads are sent");
}

#[test]
fn what_is_forbidden_of_one_kind_hides_no_other() {
    let api = GROUPS.iter().fold(Api::setup(), |setup, group| setup.with(group)).start();
    world(&api);
    api.deny("list", "secrets");
    api.deny("list", "apiservices");
    // A server of old that has nothing of this group.
    api.fault(Fault::on("GET", "/apis/apiextensions.k8s.io/v1/").status(404).always());
    api.fault(
        Fault::on("GET", "/apis/admissionregistration.k8s.io/v1/mutating").status(418).always(),
    );
    let found = lines(connect(&api).sightings(&Scope::All, &Interner::default()).sightings);
    for line in [
        "secret/* | other content | unknown (list secrets)\n",
        "apiservice/* | other content | unknown (list apiservices)\n",
        "mutatingwebhookconfiguration/* | other content | unknown (scripted 418)\n",
        "configmap/default/kube-root-ca.crt#ca.crt | pods trust | 1 certificate\n",
    ] {
        assert!(found.contains(line), "{line}{found}");
    }
    assert!(!found.contains("customresourcedefinition") && !found.contains("secret/default"));
}

#[test]
fn of_some_namespaces_only_what_is_in_them_is_asked_for() {
    let api = Api::start();
    world(&api);
    api.deny("list", "secrets");
    let scope = Scope::These(vec!["default".into(), "kube-public".into()]);
    let found = lines(connect(&api).sightings(&scope, &Interner::default()).sightings);
    assert_eq!(
        found,
        "\
configmap/default/kube-root-ca.crt#ca.crt | pods trust | 1 certificate
configmap/kube-public/cluster-info#kubeconfig | joining trust | 1 certificate
secret/default/* | other content | unknown (list secrets in namespace default)
secret/kube-public/* | other content | unknown (list secrets in namespace kube-public)
"
    );
}

#[test]
fn a_label_that_changes_is_no_change_of_the_data() {
    let api = Api::start();
    let ca = Authority::new("kubernetes").pem();
    let mut token =
        secret("token", "kubernetes.io/service-account-token", &[("ca.crt", ca.as_bytes())]);
    token["metadata"]["managedFields"] = json!([
        { "manager": "kube-controller-manager", "time": "2026-02-01T00:00:00Z", "fieldsV1": { "f:data": { "f:ca.crt": {} } } },
        { "manager": "kube-apiserver", "time": "2026-03-01T00:00:00Z", "fieldsV1": { "f:metadata": { "f:labels": {} } } },
    ]);
    api.put(token);
    let found = connect(&api).sightings(&Scope::All, &Interner::default()).sightings;
    let expected = "2026-02-01T00:00:00Z".parse().ok();
    assert!(!found.is_empty() && found.iter().all(|s| s.modified == expected), "{found:?}");
}
