//! The order of recycling: what others need comes first.

use crate::facts::pace::Pace;
use crate::facts::workload::WorkloadKind;
use serde::{Deserialize, Serialize};

/// The phases, in the order in which they run: each needs those above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// What the network's own pods ask: typha, operators.
    NetworkControl,
    /// Pod network, node by node.
    Network,
    /// Service addresses.
    KubeProxy,
    /// Names.
    Dns,
    /// One pod on each node: logs, credentials of clouds.
    NodeAgents,
    /// Dashboard, metrics.
    Addons,
    /// Everything else.
    Workloads,
}

impl Order {
    /// All, first to last.
    pub const ALL: [Self; 7] = [
        Self::NetworkControl,
        Self::Network,
        Self::KubeProxy,
        Self::Dns,
        Self::NodeAgents,
        Self::Addons,
        Self::Workloads,
    ];

    /// The phase's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::NetworkControl => "network-control",
            Self::Network => "network",
            Self::KubeProxy => "kube-proxy",
            Self::Dns => "dns",
            Self::NodeAgents => "node-agents",
            Self::Addons => "addons",
            Self::Workloads => "workloads",
        }
    }

    /// Where a pod of no preset belongs.
    pub fn of_kind(kind: Option<WorkloadKind>) -> Self {
        match kind {
            Some(WorkloadKind::DaemonSet) => Self::NodeAgents,
            _ => Self::Workloads,
        }
    }

    /// Nodes of the control plane come first where the API's own reachability depends on these pods.
    pub fn control_plane_first(self) -> bool {
        matches!(self, Self::Network | Self::KubeProxy)
    }
}

/// How many pods of a workload may be away at once, where the operator does not say.
pub fn default_pace(order: Order, kind: Option<WorkloadKind>, guarded: bool, pods: usize) -> Pace {
    match (order, kind) {
        _ if guarded => Pace::Count(1),
        (Order::NetworkControl | Order::Network | Order::KubeProxy, _) if pods <= 50 => {
            Pace::Count(1)
        }
        (_, Some(WorkloadKind::DaemonSet)) => Pace::Percent(10),
        _ => Pace::Count(1),
    }
}

/// The number at the end of a StatefulSet pod's name.
pub fn ordinal(name: &str) -> Option<u32> {
    name.rsplit_once('-')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_run_in_the_order_of_their_declaration() {
        assert!(Order::ALL.is_sorted());
        let names = Order::ALL.map(Order::name);
        for (order, name) in Order::ALL.into_iter().zip(names) {
            assert_eq!(serde_json::to_string(&order).expect("json"), format!("\"{name}\""));
        }
    }

    #[test]
    fn paces() {
        let daemon = Some(WorkloadKind::DaemonSet);
        for (order, kind, guarded, pods, expected) in [
            (Order::Dns, Some(WorkloadKind::Deployment), true, 5, 1),
            (Order::Network, daemon, false, 50, 1),
            (Order::Network, daemon, false, 500, 50),
            (Order::NodeAgents, daemon, false, 500, 50),
            (Order::NodeAgents, daemon, false, 5, 1),
            (Order::Workloads, Some(WorkloadKind::Deployment), false, 500, 1),
        ] {
            assert_eq!(
                default_pace(order, kind, guarded, pods).of(pods),
                expected,
                "{order:?} {pods}"
            );
        }
    }

    #[test]
    fn ordinals() {
        assert_eq!(ordinal("web-0"), Some(0));
        assert_eq!(ordinal("my-web-12"), Some(12));
        assert_eq!(ordinal("web"), None);
    }
}
