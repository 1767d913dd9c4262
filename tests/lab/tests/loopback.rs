//! The lab's own tests, on real control planes. A few seconds each once the components are compiled.

#![expect(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod loopback {
    mod awkward;
    mod dialling;
    mod sweep;
    mod tokens;
}

use std::time::Duration;

use lab::loopback::{Authority, Component, Generation, Loopback, Options};
use lab::world;

fn start(options: &Options) -> Loopback {
    Loopback::start(options).unwrap()
}

/// The runbooks' world on three nodes: daemon sets on each, two of DNS.
fn runs_the_world(lab: &Loopback) {
    lab.apply(&world::runbooks()).unwrap();
    lab.apply(&world::dns_budget()).unwrap();
    lab.static_pods("kube-controller-manager").unwrap();
    for (namespace, selector, count) in [
        ("kube-system", "k8s-app=kube-dns", 2),
        ("kube-system", "k8s-app=kube-dns-autoscaler", 1),
        ("default", "name=kube2iam", 3),
        ("kube-system", "k8s-app=fluentd-logging", 3),
        ("kube-system", "k8s-app=canal", 3),
        ("kube-system", "k8s-app=kube-proxy", 3),
        ("kube-system", "component=kube-controller-manager", 3),
        ("kube-system", "k8s-app=metrics-server", 1),
        ("kubernetes-dashboard", "k8s-app=kubernetes-dashboard", 1),
    ] {
        lab.wait_pods_ready(namespace, selector, count).unwrap();
    }
    let endpoints =
        ["get", "endpointslices", "-n", "kube-system", "-l", "kubernetes.io/service-name=kube-dns"];
    let ready = "--output=jsonpath={.items[*].endpoints[*].conditions.ready}";
    lab.wait_until(Duration::from_secs(20), "both DNS servers are in service", || {
        Ok(lab.kubectl_text(&[&endpoints[..], &[ready]].concat())? == "true true")
    })
    .unwrap();
}

#[test]
fn todays_generation_runs_pods_and_makes_no_token_secrets() {
    let lab = start(&Options { nodes: 3, ..Options::default() });
    runs_the_world(&lab);
    let version = lab.kubectl_text(&["version", "--output=json"]).unwrap();
    assert!(version.contains(r#""minor": "36""#), "{version}");
    assert_eq!(lab.kubectl_text(&["get", "secrets", "-A", "--output=name"]).unwrap(), "");
    // The administrator is kubeadm's, through RBAC, and not beyond it.
    assert!(std::fs::read_to_string(lab.kubeconfig()).unwrap().contains("kubernetes-admin"));
    let dir = lab.dir().to_path_buf();
    let processes = lab.processes().records().unwrap();
    lab.down().unwrap();
    assert!(!dir.exists());
    assert!(processes.iter().all(|record| !record.identity.alive()));
}

#[test]
fn the_old_generation_makes_token_secrets_by_itself() {
    let lab = start(&Options { kubernetes: Generation::Old, nodes: 3, ..Options::default() });
    runs_the_world(&lab);
    lab.kubectl_text(&["create", "namespace", "fresh"]).unwrap();
    let token = |namespace: &str| {
        let secrets = lab.kubectl_text(&["get", "secrets", "-n", namespace, "--output=name"])?;
        Ok::<_, anyhow::Error>(
            secrets.lines().find(|name| name.contains("/default-token-")).map(str::to_owned),
        )
    };
    for namespace in ["default", "kube-system", "fresh"] {
        lab.wait_until(Duration::from_secs(20), "a token", || Ok(token(namespace)?.is_some()))
            .unwrap();
    }
    // The runbook's delete: another one takes its place.
    let before = token("default").unwrap().unwrap();
    lab.kubectl_text(&["delete", &before]).unwrap();
    lab.wait_until(Duration::from_secs(20), "a new token", || {
        Ok(token("default")?.is_some_and(|name| name != before))
    })
    .unwrap();
}

#[test]
fn several_api_servers_serve_one_cluster_and_one_may_go() {
    let lab = start(&Options { api_servers: 3, nodes: 1, ..Options::default() });
    assert_eq!(lab.servers().len(), 3);
    let uid = |n| {
        let client = lab.client_with(lab.kubeconfig_of(n));
        client.text(&["get", "namespace", "kube-system", "--output=jsonpath={.metadata.uid}"])
    };
    let same = uid(0).unwrap();
    assert!(!same.is_empty());
    assert_eq!((uid(1).unwrap(), uid(2).unwrap()), (same.clone(), same.clone()));
    lab.kill(Component::ApiServer(1)).unwrap();
    assert!(uid(1).is_err());
    assert_eq!(uid(2).unwrap(), same);
    lab.start_component(Component::ApiServer(1)).unwrap();
    lab.wait_api_server(1).unwrap();
    assert_eq!(uid(1).unwrap(), same);
}

#[test]
fn components_restart_with_other_flags_and_certificates_freeze_and_thaw() {
    let lab = start(&Options { nodes: 1, ..Options::default() });
    let profile = || lab.kubectl(&["get", "--raw=/debug/pprof/"]).unwrap().status.success();
    assert!(profile());
    lab.restart_with(Component::ApiServer(0), &["--profiling=false"]).unwrap();
    assert!(!profile(), "the flag was not taken");
    // Another certificate of the same authority, and then one of another: the administrator trusts only the first.
    for (name, authority, trusted) in
        [("renewed", Authority::Same, true), ("foreign", Authority::New, false)]
    {
        let spare = lab.spare_pki(name, authority).unwrap();
        let certificate = format!("--tls-cert-file={}", spare.join("apiserver.crt").display());
        let key = format!("--tls-private-key-file={}", spare.join("apiserver.key").display());
        lab.kill(Component::ApiServer(0)).unwrap();
        lab.set_flags(Component::ApiServer(0), &[&certificate, &key]).unwrap();
        lab.start_component(Component::ApiServer(0)).unwrap();
        if trusted {
            lab.wait_api_server(0).unwrap();
        } else {
            lab.wait_until(Duration::from_secs(20), "the foreign certificate is refused", || {
                let output = lab.kubectl(&["get", "--raw=/readyz"])?;
                Ok(String::from_utf8_lossy(&output.stderr).contains("certificate"))
            })
            .unwrap();
        }
    }
    lab.restart_with(Component::ApiServer(0), &[]).unwrap();
    lab.freeze(Component::ApiServer(0)).unwrap();
    let frozen = lab.kubectl(&["--request-timeout=1s", "get", "nodes"]).unwrap();
    assert!(!frozen.status.success());
    lab.thaw(Component::ApiServer(0)).unwrap();
    assert!(lab.kubectl(&["get", "nodes"]).unwrap().status.success());
    // A handle of somebody else, by name; dropping it leaves the lab alone.
    let other = Loopback::open(&lab.name()).unwrap();
    assert_eq!(other.servers(), lab.servers());
    other.stop(Component::Scheduler).unwrap();
    drop(other);
    assert!(!lab.runs(Component::Scheduler) && lab.runs(Component::ApiServer(0)));
}

#[test]
fn two_labs_at_once_do_not_meet() {
    let (one, two) = std::thread::scope(|scope| {
        let one = scope.spawn(|| start(&Options { nodes: 1, ..Options::default() }));
        let two = start(&Options { nodes: 2, ..Options::default() });
        (one.join().unwrap(), two)
    });
    assert_ne!(one.servers(), two.servers());
    one.kubectl_text(&["create", "namespace", "only-here"]).unwrap();
    let namespaces = two.kubectl_text(&["get", "namespaces", "--output=name"]).unwrap();
    assert!(!namespaces.contains("only-here"), "{namespaces}");
    one.down().unwrap();
    assert!(two.kubectl(&["get", "nodes"]).unwrap().status.success());
}
