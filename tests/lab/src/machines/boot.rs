//! Starting one machine: its directory, its control groups, its first process.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::cgroup::Hierarchies;
use super::images::Images;
use super::net::{self, wait};
use super::plan::Machine;
use super::{kubeadm, ssh, supervised};
use crate::process::{Identity, Launch, Processes};

/// What every machine of a lab is started with.
#[derive(Debug)]
pub(super) struct Parts<'a> {
    pub(super) processes: &'a Processes,
    pub(super) current: &'a Path,
    pub(super) node: &'a Path,
    pub(super) tools: &'a Path,
    pub(super) images: &'a Images,
    pub(super) hierarchies: &'a Hierarchies,
    /// Whether the kubelet is a service of runit.
    pub(super) supervised: bool,
    /// How the lab's control groups are called, with a dot at the end.
    pub(super) prefix: &'a str,
}

/// The root of a machine, as seen from outside.
pub(super) fn root(lab: &Path, machine: &str) -> PathBuf {
    lab.join("machines").join(machine).join("root")
}

/// Starts a machine and connects it to the switch.
pub(super) fn start(
    parts: &Parts<'_>,
    switch: Identity,
    machine: &Machine,
    all: &[Machine],
) -> Result<()> {
    let lab = parts.processes.dir();
    let root = root(lab, &machine.name);
    furnish(&root, parts.images, machine, all)
        .and_then(|()| ssh::furnish(lab, &root, machine))
        .and_then(|()| if parts.supervised { supervised::furnish(&root) } else { Ok(()) })
        .with_context(|| format!("cannot prepare {}", root.display()))?;
    let usr = lab.join("machines").join(&machine.name).join("usr");
    fs::create_dir_all(usr.join("work")).context("cannot prepare the machine's /usr")?;
    links(&usr.join("changed/local/bin")).context("cannot prepare the machine's programs")?;
    let script = lab.join("machines/init.sh");
    fs::write(&script, include_str!("init.sh")).context("cannot write the machines' init.sh")?;

    // Into the control groups first: the namespace shows the groups that the process is in when it is made.
    let enter = r#"while [ "$1" != -- ]; do echo $$ >"$1" || exit; shift; done; shift; exec "$@""#;
    let doors = parts.hierarchies.make(&format!("{}{}", parts.prefix, machine.name))?;
    let launch = Launch::new(&machine.name, "sh")
        .args(["-c", enter, "enter"])
        .args(doors)
        .args(["--", "unshare", "--net", "--mount", "--uts", "--ipc", "--pid", "--cgroup"])
        .args(["--fork", "--kill-child", "sh"])
        .arg(script)
        .env("LAB_MACHINE", &machine.name)
        .env("LAB_ROOT", &root)
        .env("LAB_USR", &usr)
        .env("LAB_CURRENT", parts.current)
        .env("LAB_NODE", parts.node)
        .env("LAB_TOOLS", parts.tools)
        .env("LAB_IMAGES", &parts.images.archive)
        .env("LAB_CGROUPS", parts.hierarchies.describe())
        .at_once();
    let record = parts.processes.start(&launch)?;
    let log = parts.processes.log(&machine.name);
    let mut first = None;
    wait(Duration::from_secs(10), &format!("{} to start", machine.name), || {
        net::lives(record.identity, &machine.name, &log)?;
        first = inner(record.identity);
        Ok(first.is_some())
    })?;
    net::connect(switch, machine, first.context("no first process")?)
}

/// The first process inside: the child of the process that made the namespaces.
pub(crate) fn inner(outer: Identity) -> Option<Identity> {
    let pid = outer.pid;
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    if comm.trim() != "unshare" || !outer.alive() {
        return None;
    }
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    Identity::of(children.split_whitespace().next()?.parse().ok()?)
}

/// Waits until containerd runs in the machine and has the images.
pub(super) fn wait_ready(processes: &Processes, machine: &Machine) -> Result<()> {
    let mark = root(processes.dir(), &machine.name).join("var/lib/lab/ready");
    let log = processes.log(&machine.name);
    wait(Duration::from_mins(2), &format!("{} to have its images", machine.name), || {
        let record = processes.find(&machine.name)?.context("it was stopped")?;
        net::lives(record.identity, &machine.name, &log)?;
        Ok(mark.exists())
    })
}

/// Everything that the machine finds in its own directories.
fn furnish(root: &Path, images: &Images, machine: &Machine, all: &[Machine]) -> Result<()> {
    for folder in [
        ".outside",
        "dev",
        "etc/cni/net.d",
        "etc/containerd",
        "etc/kubernetes/manifests",
        "etc/lab",
        "home",
        "opt/lab/current",
        "opt/lab/node",
        "opt/lab/tools",
        "proc",
        "root",
        "run",
        "sys",
        "tmp",
        "usr",
        "var/lib/containerd",
        "var/lib/etcd",
        "var/lib/kubelet",
        "var/lib/lab",
        "var/log/containers",
        "var/log/pods",
        "var/tmp",
    ] {
        fs::create_dir_all(root.join(folder))?;
    }
    symlink("../run", root.join("var/run"))?;
    for folder in ["bin", "sbin", "lib", "lib64"] {
        // Today's systems have links into /usr; on others the directories themselves are mounted.
        if let Ok(target) = fs::read_link(Path::new("/").join(folder)) {
            symlink(target, root.join(folder))?;
        }
    }
    let mut hosts = "127.0.0.1 localhost\n".to_owned();
    for other in all {
        let _ = writeln!(hosts, "{} {}", other.address(), other.name);
    }
    let files = [
        (kubeadm::AUDIT_POLICY, kubeadm::AUDIT_METADATA.to_owned()),
        ("opt/lab/images", String::new()), // the archive is mounted over it
        ("etc/hosts", hosts),
        ("etc/hostname", format!("{}\n", machine.name)),
        (
            "etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\nsshd:x:100:65534::/run/sshd:/bin/false\n\
             nobody:x:65534:65534::/:/bin/false\n"
                .to_owned(),
        ),
        ("etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n".to_owned()),
        ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n".to_owned()),
        ("etc/resolv.conf", "# no name server: the lab has no way out\n".to_owned()),
        ("etc/lab/kubelet", include_str!("kubelet.sh").to_owned()),
        ("etc/lab/network", net::inside(machine, all)),
        ("etc/containerd/config.toml", containerd(images.name("pause")?)),
        ("etc/cni/net.d/10-lab.conflist", network(&machine.pods())),
        (
            "etc/crictl.yaml",
            "runtime-endpoint: unix:///run/containerd/containerd.sock\n".to_owned(),
        ),
    ];
    for (path, content) in files {
        fs::write(root.join(path), content)?;
    }
    Ok(())
}

/// The lab's programs under the names and in the folder where an administrator would have put them.
fn links(bin: &Path) -> Result<()> {
    fs::create_dir_all(bin)?;
    for name in ["kubelet", "kubeadm", "kubectl"] {
        symlink(Path::new("/opt/lab/current").join(name), bin.join(name))?;
    }
    for name in ["containerd", "containerd-shim-runc-v2", "ctr", "runc"] {
        symlink(Path::new("/opt/lab/node").join(name), bin.join(name))?;
    }
    symlink("/opt/lab/tools/crictl", bin.join("crictl"))?;
    Ok(())
}

fn containerd(pause: &str) -> String {
    // restrict_oom_score_adj: not every root may lower a process's score below its own.
    format!(
        r#"version = 3
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{pause}"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = false
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["/opt/lab/node/cni"]
  conf_dir = "/etc/cni/net.d"
"#
    )
}

/// Each pod has a cable of its own to its machine, so that everything it sends is routed and kube-proxy's
/// rules see it. On a bridge the answer of a pod to its neighbour would go past them.
fn network(pods: &str) -> String {
    format!(
        r#"{{"cniVersion":"1.0.0","name":"lab","plugins":[{{"type":"ptp","ipMasq":false,
"ipam":{{"type":"host-local","ranges":[[{{"subnet":"{pods}"}}]],"routes":[{{"dst":"0.0.0.0/0"}}]}}}}]}}
"#
    )
}
