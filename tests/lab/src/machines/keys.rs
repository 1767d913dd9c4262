//! The key that signs the tokens of service accounts, changed on every control plane.

use std::time::Duration;

use anyhow::{Context as _, Result};

use super::plan::Role;
use super::{Machine, Machines, net, run};
use crate::loopback::OldTokens;

/// Where kubeadm keeps it.
const PKI: &str = "/etc/kubernetes/pki";

impl Machines {
    /// A new signing key for the whole control plane: API servers and controller managers are killed together and
    /// started again by their kubelets, seconds later. No token secret is touched.
    ///
    /// A second change within minutes takes longer: kubelets hold back what ended often.
    pub fn rotate_signing_key(&self, old: OldTokens) -> Result<()> {
        let planes: Vec<&Machine> =
            self.machines().iter().filter(|machine| machine.role == Role::ControlPlane).collect();
        let first = planes.first().context("a lab of machines has a control plane")?;
        let made = "rm -rf /root/next && kubeadm init phase certs sa --cert-dir /root/next";
        run::output(self.command_on(&first.name, "sh")?.args(["-c", made]))?;
        let read = |path: &str| run::output(self.command_on(&first.name, "cat")?.arg(path));
        let private = read("/root/next/sa.key")?;
        let mut public = read("/root/next/sa.pub")?;
        if old == OldTokens::Accepted {
            // Both signers' tokens are accepted: the file may hold several keys.
            public.push_str(&read(&format!("{PKI}/sa.pub"))?);
        }
        for machine in &planes {
            for (file, text) in [("sa.pub", &public), ("sa.key", &private)] {
                // Beside and renamed, readable by root only.
                let script = format!(
                    "umask 077; cat > {PKI}/{file}.new && mv {PKI}/{file}.new {PKI}/{file}"
                );
                let mut command = self.command_on(&machine.name, "sh")?;
                run::fed(command.args(["-c", &script]), text)?;
            }
        }
        for machine in &planes {
            // The machine's own processes and no others: it is a PID namespace.
            let script = "pkill -KILL -x kube-apiserver; pkill -KILL -x kube-controller";
            let _ = self.exec(&machine.name, &["sh", "-c", script])?;
        }
        for machine in &planes {
            self.wait_ready(machine)?;
        }
        Ok(())
    }

    /// Waits until a control plane's own API server and controller manager say that they are ready.
    fn wait_ready(&self, machine: &Machine) -> Result<()> {
        let server = format!("--server=https://{}:6443", machine.address());
        let api =
            ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", &server, "get", "--raw=/readyz"];
        let manager = ["pgrep", "-x", "kube-controller"];
        let what = format!("the control plane of {}", machine.name);
        net::wait(Duration::from_mins(3), &what, || {
            Ok(self.exec(&machine.name, &api)?.status.success()
                && self.exec(&machine.name, &manager)?.status.success())
        })
    }
}
