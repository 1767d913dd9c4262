//! The sets in use: real servers start on them and talk to each other, and to clients.

use super::shop::{CA, EC, Shop};
use crate::harness::{Case, cases, until};
use lab::loopback::{Component, Loopback, Options};
use std::fs;
use std::time::Duration;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_control_plane_starts_on_the_kubeadm_set;
        an_api_server_and_clients_on_the_salt_and_bosh_sets;
    ]
}

const PLANE: [Component; 4] =
    [Component::Etcd, Component::ApiServer(0), Component::ControllerManager, Component::Scheduler];

fn address(lab: &Loopback) -> String {
    lab.servers()[0].trim_start_matches("https://").to_owned()
}

/// kubeadm's own files are replaced in their place: its names are read from its certificates, its files are kept.
fn a_control_plane_starts_on_the_kubeadm_set() {
    let lab = Loopback::start(&Options { nodes: 1, ..Options::default() }).unwrap();
    let shop = Shop::new();
    let dir = lab.dir().display().to_string();
    let endpoint = address(&lab);
    let host = endpoint.split(':').next().unwrap();
    for component in PLANE.into_iter().chain([Component::Kwok]).rev() {
        lab.stop(component).unwrap();
    }
    let before = fs::read_to_string(lab.pki().join("ca.crt")).unwrap();
    let done = shop.generate(&format!(
        "--layout kubeadm --node-name lab --advertise-address {host} --endpoint {endpoint} \
         --api-service-address 10.201.0.1 --key-type ecdsa-p256 --keep-sans --force-regen -o {dir}"
    ));
    done.exits(0).says("the files that were there are kept as generation found-");
    assert_ne!(fs::read_to_string(lab.pki().join("ca.crt")).unwrap(), before);
    // Two files of the lab's own that no layout has: they trust the CA before.
    for (from, to) in [("super-admin.conf", "kwok.conf"), ("admin.conf", "server-1.conf")] {
        fs::copy(lab.dir().join(from), lab.dir().join(to)).unwrap();
    }
    for component in PLANE {
        lab.start_component(component).unwrap();
    }
    lab.wait_api_server(0).unwrap();
    lab.start_component(Component::Kwok).unwrap();
    // The controller manager talks to the API server, and signs with the new key.
    lab.kubectl_text(&["create", "namespace", "fresh"]).unwrap();
    until("the namespace has the new CA", || {
        let map = [
            "get",
            "configmap",
            "kube-root-ca.crt",
            "-n",
            "fresh",
            "-o",
            "jsonpath={.data.ca\\.crt}",
        ];
        let text = lab.kubectl_text(&map).unwrap_or_default();
        !text.is_empty() && text.trim() != before.trim()
    });
    until("there is an account for pods", || {
        lab.kubectl_text(&["get", "serviceaccount", "default", "-n", "fresh"]).is_ok()
    });
    // The scheduler finds a node, kwok plays the kubelet.
    lab.apply(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: probe, namespace: fresh}\nspec:\n  containers:\n  - {name: c, image: x}\n",
    )
    .unwrap();
    lab.wait_pods_ready("fresh", "", 1).unwrap();
    lab.down().unwrap();
}

fn an_api_server_and_clients_on_the_salt_and_bosh_sets() {
    let lab = Loopback::start(&Options { nodes: 0, ..Options::default() }).unwrap();
    let shop = Shop::new();
    let endpoint = address(&lab);
    let host = endpoint.split(':').next().unwrap();
    shop.generate(&format!("--layout salt --san {host} -o salt")).exits(0);
    let at = |name: &str| shop.path("salt/pki/default").join(name).display().to_string();
    let old_ca = lab.pki().join("ca.crt").display().to_string();
    // The controller manager and the scheduler still show certificates of the old CA: both are trusted.
    let both = fs::read_to_string(at("ca.crt")).unwrap() + &fs::read_to_string(&old_ca).unwrap();
    let both = shop.write("both.crt", &both).display().to_string();
    let serve = |certificate: &str, key: &str| {
        let server = Component::ApiServer(0);
        // The lab's own files do not trust these sets: who does waits until it is ready.
        lab.kill(server).unwrap();
        let flags = [
            &*format!("--tls-cert-file={certificate}"),
            &format!("--tls-private-key-file={key}"),
            &format!("--client-ca-file={both}"),
        ];
        lab.set_flags(server, &flags).unwrap();
        lab.start_component(server).unwrap();
    };
    let kubectl = lab.programs().join("kubectl").display().to_string();
    let ask = |more: &str| {
        let line = format!(
            "{kubectl} --server=https://{endpoint} {more} get --raw /api/v1/namespaces/kube-system"
        );
        shop.try_run(&line)
    };
    serve(&at("server.crt"), &at("server.key"));
    let client = format!(
        "--certificate-authority={} --client-certificate={} --client-key={}",
        at("ca.crt"),
        at("kubecfg.crt"),
        at("kubecfg.key")
    );
    let answered = |client: &str| {
        let limit = Duration::from_mins(3);
        lab.wait_until(limit, "the API server answers", || Ok(ask(client).0)).unwrap();
    };
    answered(&client);
    let (good, text) = ask(&client.replace(&at("ca.crt"), &old_ca));
    assert!(!good && text.contains("certificate"), "who trusts only the old CA is warned: {text}");

    shop.openssl_ca("bosh", EC, CA);
    let subnet = host.rsplit_once('.').unwrap().0;
    shop.generate(&format!(
        "--layout bosh --ca-cert bosh.crt --ca-key bosh.key --subnet {subnet}.0/24 -o bosh"
    ))
    .exits(0);
    let at = |name: &str| shop.path("bosh").join(name).display().to_string();
    serve(&at("kubernetes.pem"), &at("kubernetes-key.pem"));
    let client = client.replace("salt/pki/default/ca.crt", "bosh/ca.pem");
    answered(&client);
    lab.down().unwrap();
}
