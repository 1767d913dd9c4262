//! What runs on real kubelets: Services across machines, logs and commands, the runbooks' objects.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use lab::machines::{self, DNS_ADDRESS, Machines};
use lab::world;

use crate::eventually;

pub(crate) fn services(lab: &Machines) -> Result<()> {
    let pod = |name: &str, node: &str| {
        format!(
            "apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: web}}}}
spec:
  nodeName: {node}
  terminationGracePeriodSeconds: 0
  containers:
  - name: web
    image: {}
    imagePullPolicy: Never
    args: [http, ':8080']
    readinessProbe: {{httpGet: {{path: /healthz, port: 8080}}, periodSeconds: 1}}
",
            machines::POD_IMAGE
        )
    };
    let service = "apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
";
    lab.apply(&[&pod("web-1", "worker-1"), &pod("web-2", "worker-2"), service].join("---\n"))?;
    lab.kubectl_text(&[
        "wait",
        "--for=condition=Ready",
        "pod/web-1",
        "pod/web-2",
        "--timeout=30s",
    ])?;
    // Both answer, to both, by the name and the address of the Service; a moment after they are ready.
    for from in ["web-1", "web-2"] {
        let mut seen = BTreeSet::new();
        eventually("both pods to answer", Duration::from_secs(20), || {
            let url = "http://web.default.svc.cluster.local/";
            let said = lab.kubectl(&["exec", from, "--", "get", url])?;
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            seen.extend(said.split_whitespace().next().map(str::to_owned));
            Ok(seen.len() == 2)
        })
        .with_context(|| format!("from {from} {seen:?} answered"))?;
    }
    // The short name too, through the search list that the kubelet hands out.
    lab.kubectl_text(&["exec", "web-1", "--", "get", "http://web/healthz"])?;
    let resolv = lab.kubectl_text(&["exec", "web-1", "--", "cat", "/etc/resolv.conf"])?;
    ensure!(resolv.contains(&format!("nameserver {DNS_ADDRESS}")), "{resolv}");
    Ok(())
}

pub(crate) fn logs_and_exec(lab: &Machines) -> Result<()> {
    lab.apply(&format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: talker}}
spec:
  nodeName: worker-2
  terminationGracePeriodSeconds: 0
  containers: [{{name: main, image: '{}', imagePullPolicy: Never, args: [http, ':8080']}}]
",
        machines::POD_IMAGE
    ))?;
    lab.kubectl_text(&["wait", "--for=condition=Ready", "pod/talker", "--timeout=30s"])?;
    let said = lab.kubectl_text(&["logs", "talker"])?;
    ensure!(said.contains("serving on :8080"), "{said}");
    let token = "/var/run/secrets/kubernetes.io/serviceaccount";
    let files = lab.kubectl_text(&["exec", "talker", "--", "ls", token])?;
    ensure!(files.contains("token") && files.contains("ca.crt"), "{files}");
    let failed = lab.kubectl(&["exec", "talker", "--", "false"])?;
    ensure!(failed.status.code() == Some(1), "{failed:?}");
    let expiry = lab.exec("control-3", &["kubeadm", "certs", "check-expiration"])?;
    ensure!(expiry.status.success(), "{expiry:?}");
    Ok(())
}

/// Agents on the workers, canal on every machine, DNS and its autoscaler from the start.
pub(crate) fn runs_the_world(lab: &Machines) -> Result<()> {
    lab.apply(&world::addons())?;
    lab.apply(&world::dns_budget())?;
    for (namespace, selector, count) in [
        ("kube-system", "k8s-app=kube-dns", 2),
        ("kube-system", "k8s-app=kube-dns-autoscaler", 1),
        ("default", "name=kube2iam", 2),
        ("kube-system", "k8s-app=fluentd-logging", 2),
        ("kube-system", "k8s-app=canal", 5),
        ("kube-system", "k8s-app=kube-proxy", 5),
        ("kube-system", "component=kube-controller-manager", 3),
        ("kube-system", "k8s-app=metrics-server", 1),
        ("kubernetes-dashboard", "k8s-app=kubernetes-dashboard", 1),
    ] {
        lab.wait_pods_ready(namespace, selector, count)?;
    }
    Ok(())
}
