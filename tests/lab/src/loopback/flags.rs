//! The command line of every component.

use std::path::Path;

use super::settings::{Component, Generation, Settings};
use crate::ports;

/// Addresses of pods, services, and what stands in the Service `kubernetes` as the API servers' own: Kubernetes
/// refuses loopback addresses there, and nothing in this form of the lab dials it.
pub(super) const PODS: &str = "10.64.0.0/10";
pub(super) const SERVICES: &str = "10.201.0.0/16";
/// The cluster's DNS Service: the tenth address of the service range, as everywhere.
pub const DNS: &str = "10.201.0.10";

/// An address of the documentation range, for API server `n`.
pub(super) fn advertised(n: u32) -> String {
    format!("192.0.2.{}", 10 + n)
}

pub(super) fn flags(settings: &Settings, dir: &Path, component: Component) -> Vec<String> {
    let base = match component {
        Component::Etcd => etcd(settings, dir),
        Component::ApiServer(n) => api_server(settings, dir, n),
        Component::ControllerManager => controller_manager(settings, dir),
        Component::Scheduler => scheduler(settings, dir),
        Component::Kwok => kwok(settings, dir),
    };
    let more = settings.flags.get(&component.to_string()).map_or(&[][..], Vec::as_slice);
    merged(base, more)
}

/// A flag given in addition replaces all of the same name: otherwise a list could only ever grow.
pub(super) fn merged(base: Vec<String>, more: &[String]) -> Vec<String> {
    let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
    let replaced: Vec<String> = more.iter().map(|flag| name(flag)).collect();
    let mut all: Vec<String> =
        base.into_iter().filter(|flag| !replaced.contains(&name(flag))).collect();
    all.extend(more.iter().cloned());
    all
}

fn etcd(settings: &Settings, dir: &Path) -> Vec<String> {
    let at = settings.block.member(0);
    let client = format!("https://{at}:{}", ports::ETCD);
    let peer = format!("https://{at}:{}", ports::ETCD_PEER);
    let pki = dir.join("pki/etcd").display().to_string();
    vec![
        "--name=lab".to_owned(),
        format!("--data-dir={}", dir.join("etcd").display()),
        // Nothing here has to survive a power cut.
        "--unsafe-no-fsync".to_owned(),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=lab={peer}"),
        "--client-cert-auth".to_owned(),
        format!("--trusted-ca-file={pki}/ca.crt"),
        format!("--cert-file={pki}/server.crt"),
        format!("--key-file={pki}/server.key"),
        "--peer-client-cert-auth".to_owned(),
        format!("--peer-trusted-ca-file={pki}/ca.crt"),
        format!("--peer-cert-file={pki}/peer.crt"),
        format!("--peer-key-file={pki}/peer.key"),
    ]
}

fn api_server(settings: &Settings, dir: &Path, n: u32) -> Vec<String> {
    let pki = dir.join("pki").display().to_string();
    vec![
        format!("--bind-address={}", settings.block.member(n)),
        format!("--secure-port={}", ports::API),
        format!("--advertise-address={}", advertised(n)),
        format!("--etcd-servers=https://{}:{}", settings.block.member(0), ports::ETCD),
        format!("--etcd-cafile={pki}/etcd/ca.crt"),
        format!("--etcd-certfile={pki}/apiserver-etcd-client.crt"),
        format!("--etcd-keyfile={pki}/apiserver-etcd-client.key"),
        format!("--client-ca-file={pki}/ca.crt"),
        format!("--tls-cert-file={pki}/apiserver.crt"),
        format!("--tls-private-key-file={pki}/apiserver.key"),
        format!("--kubelet-client-certificate={pki}/apiserver-kubelet-client.crt"),
        format!("--kubelet-client-key={pki}/apiserver-kubelet-client.key"),
        format!("--proxy-client-cert-file={pki}/front-proxy-client.crt"),
        format!("--proxy-client-key-file={pki}/front-proxy-client.key"),
        format!("--requestheader-client-ca-file={pki}/front-proxy-ca.crt"),
        "--requestheader-allowed-names=front-proxy-client".to_owned(),
        "--requestheader-username-headers=X-Remote-User".to_owned(),
        "--requestheader-group-headers=X-Remote-Group".to_owned(),
        "--requestheader-extra-headers-prefix=X-Remote-Extra-".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-key-file={pki}/sa.pub"),
        format!("--service-account-signing-key-file={pki}/sa.key"),
        format!("--service-cluster-ip-range={SERVICES}"),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--enable-bootstrap-token-auth".to_owned(),
        "--allow-privileged".to_owned(),
    ]
}

fn controller_manager(settings: &Settings, dir: &Path) -> Vec<String> {
    let pki = dir.join("pki").display().to_string();
    let mut flags = vec![
        format!("--bind-address={}", settings.block.member(0)),
        format!("--secure-port={}", ports::CONTROLLER_MANAGER),
        format!("--client-ca-file={pki}/ca.crt"),
        format!("--requestheader-client-ca-file={pki}/front-proxy-ca.crt"),
        format!("--root-ca-file={pki}/ca.crt"),
        format!("--service-account-private-key-file={pki}/sa.key"),
        format!("--cluster-signing-cert-file={pki}/ca.crt"),
        format!("--cluster-signing-key-file={pki}/ca.key"),
        "--use-service-account-credentials".to_owned(),
        "--controllers=*,bootstrapsigner,tokencleaner".to_owned(),
        // Nodes get no ranges of their own: kwok would take pod addresses from them, and run out.
        "--allocate-node-cidrs=false".to_owned(),
        "--cluster-name=lab".to_owned(),
        "--leader-elect=false".to_owned(),
        // It would be made below /usr otherwise.
        format!("--flex-volume-plugin-dir={}", dir.join("flexvolume").display()),
    ];
    if settings.kubernetes == Generation::Old {
        flags.push("--feature-gates=LegacyServiceAccountTokenNoAutoGeneration=false".to_owned());
    }
    flags.extend(as_client("controller-manager", settings, dir));
    flags
}

fn scheduler(settings: &Settings, dir: &Path) -> Vec<String> {
    let mut flags = vec![
        format!("--bind-address={}", settings.block.member(0)),
        format!("--secure-port={}", ports::SCHEDULER),
        "--leader-elect=false".to_owned(),
    ];
    flags.extend(as_client("scheduler", settings, dir));
    flags
}

fn as_client(name: &str, settings: &Settings, dir: &Path) -> Vec<String> {
    let file = dir.join(format!("{name}.conf")).display().to_string();
    let mut flags = vec![
        format!("--kubeconfig={file}"),
        format!("--authentication-kubeconfig={file}"),
        format!("--authorization-kubeconfig={file}"),
    ];
    if settings.fast_controllers {
        flags.extend(["--kube-api-qps=1000".to_owned(), "--kube-api-burst=2000".to_owned()]);
    }
    flags
}

fn kwok(settings: &Settings, dir: &Path) -> Vec<String> {
    let at = settings.block.member(0);
    vec![
        format!("--kubeconfig={}", dir.join("kwok.conf").display()),
        format!("--config={}", dir.join("stages.yaml").display()),
        "--manage-all-nodes=true".to_owned(),
        format!("--node-ip={at}"),
        format!("--node-port={}", ports::KWOK),
        format!("--server-address={at}:{}", ports::KWOK),
        format!("--cidr={PODS}"),
        "--node-lease-duration-seconds=40".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_given_again_replaces_the_labs_own() {
        let base = ["--a=1", "--b", "--c=3"].map(str::to_owned).to_vec();
        let more = ["--a=2", "--a=3", "--b=false"].map(str::to_owned);
        assert_eq!(merged(base, &more), ["--c=3", "--a=2", "--a=3", "--b=false"]);
    }
}
