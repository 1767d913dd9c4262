//! Machines whose components run under runit: what kubeadm makes is taken, and made into services.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::plan::PODS;
use super::{Machines, net, run};

/// The kubelet as a service; its PID stands where those of other machines stand.
const KUBELET: &str = "#!/bin/sh
exec >>/var/log/kubelet.log 2>&1
echo $$ >/run/lab/kubelet.pid
exec sh /etc/lab/kubelet
";
/// What runs as a service, on one machine or another.
pub(super) const SERVICES: [&str; 6] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
];
/// Makes a kubeconfig with a certificate of the cluster CA.
const FOR_PROXY: &str = "kubeadm kubeconfig user --client-name system:kube-proxy --config /etc/lab/kubeadm.yaml 2>/dev/null";

/// What a machine has before it starts: a kubelet that is a service already.
pub(super) fn furnish(root: &Path) -> Result<()> {
    let run = root.join("etc/sv/kubelet/run");
    fs::create_dir_all(root.join("etc/sv/kubelet"))?;
    fs::create_dir_all(root.join("etc/service"))?;
    fs::write(&run, KUBELET)?;
    fs::set_permissions(&run, fs::Permissions::from_mode(0o755))?;
    Ok(symlink("/etc/sv/kubelet", root.join("etc/service/kubelet"))?)
}

/// Ends the static pods of all machines and starts services in their place.
pub(super) fn convert(lab: &Machines) -> Result<()> {
    let first = lab.machines().first().context("no machines")?;
    let proxy = run::output(lab.command_on(&first.name, "sh")?.args(["-c", FOR_PROXY]))
        .context("cannot make kube-proxy's kubeconfig")?;
    let shell = |machine: &str, script: &str| -> Result<_> {
        let mut command = lab.command_on(machine, "sh")?;
        command.args(["-c", script, "sh", PODS]);
        Ok(command)
    };
    thread::scope(|scope| {
        let (proxy, shell) = (proxy.as_str(), &shell);
        let turns: Vec<_> = lab
            .machines()
            .iter()
            .map(|machine| {
                scope.spawn(move || {
                    let keep = "umask 077; cat >/etc/kubernetes/kube-proxy.conf";
                    run::fed(&mut shell(&machine.name, keep)?, proxy)?;
                    run::output(&mut shell(&machine.name, include_str!("supervised.sh"))?)
                        .with_context(|| format!("cannot make services on {}", machine.name))
                })
            })
            .collect();
        let mut turns = turns.into_iter().map(|turn| turn.join().expect("no turn panics"));
        turns.try_for_each(|done| done.map(drop))
    })?;
    net::wait(Duration::from_mins(2), "the API servers to be services", || {
        Ok(lab.kubectl(&["get", "--raw=/readyz"])?.status.success())
    })
}
