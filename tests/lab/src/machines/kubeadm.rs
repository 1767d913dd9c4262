//! The cluster: what `kubeadm init` and `kubeadm join` make of the machines, unchanged.

use std::fs;
use std::io::Read as _;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};

use super::plan::{API_PORT, Machine, PODS, Role, SERVICES, SWITCH};
use super::run::hex;
use super::{Machines, boot};

/// What lets machines into the cluster; made anew for each lab.
#[derive(Debug)]
pub(super) struct Secrets {
    /// `abcdef.0123456789abcdef`
    token: String,
    /// Encrypts the certificates that control planes share.
    certificates: String,
}

impl Secrets {
    pub(super) fn make() -> Result<Self> {
        let mut bytes = [0_u8; 43];
        fs::File::open("/dev/urandom")
            .and_then(|mut file| file.read_exact(&mut bytes))
            .context("cannot read /dev/urandom")?;
        let hex = hex(&bytes);
        Ok(Self {
            token: format!("{}.{}", &hex[..6], &hex[6..22]),
            certificates: hex[22..].to_owned(),
        })
    }
}

/// Makes the first control plane.
pub(super) fn init(
    lab: &Machines,
    machine: &Machine,
    secrets: &Secrets,
    version: &str,
) -> Result<()> {
    let config = [
        init_configuration(machine, secrets),
        cluster_configuration(version, lab.record.audit),
        KUBELET.to_owned(),
        PROXY.to_owned(),
    ]
    .join("---\n");
    // Where kube-proxy is a service, there are no pods of it.
    let skipped = if lab.record.supervised {
        "--skip-phases=addon/coredns,addon/kube-proxy"
    } else {
        "--skip-phases=addon/coredns"
    };
    kubeadm(lab, machine, &config, &["init", LENIENT, "--upload-certs", skipped])
}

/// Lets a machine into the cluster that the first one made. Machines may join at the same time; only that one
/// etcd member is let in after the other, in the time of `turn`: a member that starts while the next one
/// is announced already counts more peers than it was told of, and ends.
pub(super) fn join(
    lab: &Machines,
    machine: &Machine,
    secrets: &Secrets,
    turn: &Mutex<()>,
) -> Result<()> {
    let config = join_configuration(machine, secrets);
    if machine.role == Role::Worker {
        return kubeadm(lab, machine, &config, &["join", LENIENT]);
    }
    let after = "etcd-join,kubelet-wait-bootstrap,control-plane-join,wait-control-plane";
    kubeadm(lab, machine, &config, &["join", LENIENT, "--skip-phases", after])?;
    {
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        kubeadm(lab, machine, &config, &["join", "phase", "etcd-join"])?;
    }
    let before = "preflight,control-plane-prepare,check-etcd,kubelet-start,etcd-join";
    kubeadm(lab, machine, &config, &["join", LENIENT, "--skip-phases", before])?;
    // This one has waited long for its API server and looks ever more rarely whether its node is there yet; a
    // new one sees it at once, 10 s earlier.
    lab.restart(&machine.name, "kubelet")
}

/// What a joining machine trusts, as an administrator would hand it over: the cluster's CA and address.
pub(super) fn write_discovery(lab: &Machines, first: &Machine) -> Result<()> {
    let path = boot::root(lab.dir(), &first.name).join("etc/kubernetes/admin.conf");
    let admin = fs::read_to_string(&path).context("kubeadm left no admin.conf")?;
    let authority = admin
        .lines()
        .find_map(|line| line.trim().strip_prefix("certificate-authority-data: "))
        .context("admin.conf names no certificate authority")?;
    let text = format!(
        "apiVersion: v1
kind: Config
clusters:
- name: \"\"
  cluster: {{server: \"https://{SWITCH}:{API_PORT}\", certificate-authority-data: {authority}}}
"
    );
    for machine in lab.machines().iter().filter(|machine| *machine != first) {
        fs::write(boot::root(lab.dir(), &machine.name).join(DISCOVERY), &text)
            .with_context(|| format!("cannot tell {} of the cluster", machine.name))?;
    }
    Ok(())
}

/// What kubeadm would check is a whole system: swap, kernel configuration, systemd, the registry.
const LENIENT: &str = "--ignore-preflight-errors=all";

const DISCOVERY: &str = "etc/lab/discovery.conf";

fn kubeadm(lab: &Machines, machine: &Machine, config: &str, arguments: &[&str]) -> Result<()> {
    let root = boot::root(lab.dir(), &machine.name);
    let path = "etc/lab/kubeadm.yaml";
    fs::write(root.join(path), config).context("cannot write kubeadm's configuration")?;
    let log = root.join("var/log/kubeadm.log");
    let file = fs::File::options()
        .create(true)
        .append(true)
        .open(&log)
        .with_context(|| format!("cannot make {}", log.display()))?;
    let status = lab
        .command_on(&machine.name, "kubeadm")?
        .args(arguments)
        .args(["--config", &format!("/{path}"), "-v=1"])
        .stdin(Stdio::null())
        .stdout(file.try_clone().context("cannot share a log")?)
        .stderr(file)
        .status()
        .context("cannot run kubeadm")?;
    if !status.success() {
        let said = fs::read_to_string(&log).unwrap_or_default();
        let errors: Vec<_> = said.lines().filter(|line| line.contains("rror")).collect();
        let last = errors[errors.len().saturating_sub(5)..].join("\n");
        bail!(
            "kubeadm {} failed on {} (see {}): {last}",
            arguments[0],
            machine.name,
            log.display()
        );
    }
    Ok(())
}

/// For `kubeadm init phase`: a set of certificates for this machine in a directory of its own.
pub(super) fn another_set(machine: &Machine, directory: &str) -> Result<String> {
    // Phases that only make certificates do not look at the version, but ask the world outside without one.
    let cluster =
        format!("{}certificatesDir: {directory}\n", cluster_configuration("v1.36.0", false));
    Ok([init_configuration(machine, &Secrets::make()?), cluster].join("---\n"))
}

fn registration(machine: &Machine) -> String {
    format!(
        "nodeRegistration:
  name: {}
  criSocket: unix:///run/containerd/containerd.sock
  imagePullPolicy: Never
  kubeletExtraArgs: [{{name: node-ip, value: {}}}]
",
        machine.name,
        machine.address()
    )
}

fn init_configuration(machine: &Machine, secrets: &Secrets) -> String {
    format!(
        "apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
bootstrapTokens: [{{token: {}, ttl: 24h0m0s}}]
certificateKey: {}
localAPIEndpoint: {{advertiseAddress: {}, bindPort: {API_PORT}}}
{}",
        secrets.token,
        secrets.certificates,
        machine.address(),
        registration(machine)
    )
}

fn join_configuration(machine: &Machine, secrets: &Secrets) -> String {
    let control = match machine.role {
        Role::Worker => String::new(),
        Role::ControlPlane => format!(
            "controlPlane: {{certificateKey: {}, localAPIEndpoint: {{advertiseAddress: {}, bindPort: {API_PORT}}}}}\n",
            secrets.certificates,
            machine.address()
        ),
    };
    format!(
        "apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
discovery:
  file: {{kubeConfigPath: /{DISCOVERY}}}
  tlsBootstrapToken: {}
{control}{}",
        secrets.token,
        registration(machine)
    )
}

/// Where an API server that audits finds what it is to write down.
pub(super) const AUDIT_POLICY: &str = "etc/lab/audit.yaml";

/// Who asked for what, and never what was answered.
pub(super) const AUDIT_METADATA: &str =
    "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n";

/// What an API server that audits is told besides.
fn audit() -> String {
    format!(
        "
  extraArgs:
  - {{name: audit-policy-file, value: /{AUDIT_POLICY}}}
  - {{name: audit-log-path, value: /var/log/audit/audit.log}}
  extraVolumes:
  - {{name: audit-policy, hostPath: /{AUDIT_POLICY}, mountPath: /{AUDIT_POLICY}, readOnly: true, pathType: File}}
  - {{name: audit-log, hostPath: /var/log/audit, mountPath: /var/log/audit, pathType: DirectoryOrCreate}}"
    )
}

fn cluster_configuration(version: &str, audits: bool) -> String {
    let audit = if audits { audit() } else { String::new() };
    // The certificates are also good for 127.0.0.1: that is how the world outside reaches the API servers.
    format!(
        "apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: {version}
clusterName: lab
controlPlaneEndpoint: {SWITCH}:{API_PORT}
networking: {{podSubnet: {PODS}, serviceSubnet: {SERVICES}}}
apiServer:
  certSANs: [127.0.0.1, localhost, {SWITCH}]{audit}
etcd:
  local:
    extraArgs:
    - {{name: unsafe-no-fsync, value: \"true\"}}
    - {{name: max-learners, value: \"2\"}}
"
    )
}

/// What a test's kubelet does otherwise than a real one: it looks more often, and never evicts for a full disk.
const KUBELET: &str = "apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
localStorageCapacityIsolation: false
evictionHard: {memory.available: 0%, nodefs.available: 0%, imagefs.available: 0%, nodefs.inodesFree: 0%}
nodeStatusUpdateFrequency: 2s
oomScoreAdj: 0
maxOpenFiles: 20000
syncFrequency: 5s
fileCheckFrequency: 1s
serializeImagePulls: false
";

/// The connection tracking settings are the whole system's: 0 leaves them alone.
const PROXY: &str = "apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
oomScoreAdj: 0
";
