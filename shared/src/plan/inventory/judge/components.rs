//! What components are told.

use super::Whole;
use crate::facts::host::Invocation;
use crate::facts::sighting::Component;
use crate::plan::certificate::{Finding, Kind};

pub(super) fn check(whole: &Whole<'_>, findings: &mut Vec<Finding>) {
    for invocation in whole.invocations {
        for (flag, value) in open_ports(invocation) {
            let what = format!("{} is told `{flag}={value}`", invocation.component.as_str());
            findings.push(Finding::new(Kind::InsecurePort, &invocation.place, what));
        }
        if invocation.component == Component::ApiServer {
            for (flag, kind) in [
                ("encryption-provider-config", Kind::SecretsUnencrypted),
                ("kubelet-certificate-authority", Kind::KubeletUnverified),
            ] {
                let old_name = format!("experimental-{flag}");
                if invocation.value(flag).is_none() && invocation.value(&old_name).is_none() {
                    findings.push(Finding::new(
                        kind,
                        &invocation.place,
                        format!("it has no `--{flag}`"),
                    ));
                }
            }
        }
    }
}

/// Flags by which a component listens without TLS beyond its own machine, or to everybody on it.
fn open_ports(invocation: &Invocation) -> Vec<(&'static str, String)> {
    let given = |flag: &'static str| invocation.value(flag).map(|value| (flag, value.to_owned()));
    let port = |flag| given(flag).filter(|(_, value)| value != "0");
    match invocation.component {
        Component::ApiServer => port("insecure-port").into_iter().collect(),
        Component::Kubelet => {
            ["read-only-port", "readOnlyPort"].into_iter().filter_map(port).collect()
        }
        Component::Etcd => ["listen-client-urls", "listen-peer-urls"]
            .into_iter()
            .filter_map(given)
            .filter(|(_, urls)| urls.split(',').any(is_open))
            .collect(),
        Component::Authority
        | Component::ControllerManager
        | Component::Scheduler
        | Component::KubeProxy
        | Component::Cni
        | Component::Admin
        | Component::Pods
        | Component::Joining
        | Component::System
        | Component::Webhook
        | Component::Aggregated
        | Component::Consul
        | Component::Other => Vec::new(),
    }
}

fn is_open(url: &str) -> bool {
    let local = ["http://127.", "http://localhost", "http://[::1]"];
    url.trim().starts_with("http://") && !local.iter().any(|prefix| url.trim().starts_with(prefix))
}
