//! Which machines a lab has, and their addresses. The numbers are the same in every lab: none can reach another.

use serde::{Deserialize, Serialize};

/// The switch between the machines; API servers are reached through it, as through a load balancer.
pub(super) const SWITCH: &str = "10.77.0.1";
/// Where the API servers listen, on every control plane and on the switch.
pub(super) const API_PORT: u16 = 6443;
/// The pods of all machines.
pub(super) const PODS: &str = "10.200.0.0/16";
/// The Service addresses.
pub(super) const SERVICES: &str = "10.201.0.0/16";
/// The Service address of the cluster's DNS, the tenth of the range as kubeadm takes it.
pub const DNS_ADDRESS: &str = "10.201.0.10";

/// What a machine is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// etcd, API server, controller manager and scheduler as static pods.
    ControlPlane,
    /// Pods of the cluster only.
    Worker,
}

/// One machine, as it is planned and recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The name of the machine and of its node: `control-1`, `worker-2`.
    pub name: String,
    /// What it is for.
    pub role: Role,
    number: u8,
}

impl Machine {
    /// All machines of a lab, control planes first.
    pub(super) fn all(control_planes: u8, workers: u8) -> Vec<Self> {
        let make = |role, kind: &str, base: u8, count: u8| {
            let name = move |n| format!("{kind}-{n}");
            (1..=count)
                .map(move |n| Self { name: name(n), role, number: base + n })
                .collect::<Vec<_>>()
        };
        let mut all = make(Role::ControlPlane, "control", 10, control_planes);
        all.extend(make(Role::Worker, "worker", 20, workers));
        all
    }

    /// Its address on the switch.
    pub fn address(&self) -> String {
        format!("10.77.0.{}", self.number)
    }

    /// The range of its pods.
    pub(super) fn pods(&self) -> String {
        format!("10.200.{}.0/24", self.number)
    }

    /// The port of the switch that it is connected to.
    pub(super) fn port(&self) -> String {
        format!("port{}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses() {
        let all = Machine::all(3, 2);
        let names: Vec<_> = all.iter().map(|machine| machine.name.as_str()).collect();
        assert_eq!(names, ["control-1", "control-2", "control-3", "worker-1", "worker-2"]);
        assert_eq!(all[2].address(), "10.77.0.13");
        assert_eq!(all[4].pods(), "10.200.22.0/24");
    }
}
