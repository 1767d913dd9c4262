//! The file of machines with which `kubectl rotate-certs` reaches them from the desk.

use std::fmt::Write as _;

use super::Machines;
use super::plan::Role;
use super::supervised::SERVICES;

impl Machines {
    /// `cluster.toml`: each machine by ssh, and the two kubeconfigs of this computer as consumers.
    pub fn cluster_file(&self) -> String {
        let mut text = String::from("[ssh]\noptions = [\n");
        for option in self.ssh_options() {
            let _ = writeln!(text, "    '{option}',");
        }
        text += "]\n";
        if self.record.supervised {
            text += "\n[restart]\n";
            for service in SERVICES {
                let _ = writeln!(text, "{service} = 'sv -w 2 force-restart {service}'");
            }
        }
        for (name, kubeconfig) in [("desk", self.desk_kubeconfig()), ("lab", self.kubeconfig())] {
            let place = kubeconfig.display();
            let _ = writeln!(text, "\n[[consumer]]\nname = '{name}'\nkubeconfig = '{place}'");
        }
        for machine in self.machines() {
            let (name, address) = (&machine.name, machine.address());
            let control = machine.role == Role::ControlPlane;
            let _ = writeln!(
                text,
                "\n[[host]]\nname = '{name}'\naddresses = ['{address}']\ncontrol-plane = {control}"
            );
            if control && self.record.supervised {
                text +=
                    "flags = { kube-controller-manager = '/etc/sv/kube-controller-manager/run' }\n";
            }
        }
        text
    }
}
