//! Nodes, and whether a DaemonSet's pod may come back on one.

use super::identity::Uid;
use super::placement::{Placement, Taint};
use super::selector::Labels;
use super::wire::{Condition, Meta, null_as_default};
use serde::Deserialize;
use std::net::IpAddr;

/// What the node's Ready condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeHealth {
    /// The kubelet reports and is well.
    Ready,
    /// The kubelet reports and is not well.
    NotReady,
    /// The kubelet does not report: it cannot confirm that a pod is gone.
    Unreachable,
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    /// Name.
    pub name: Box<str>,
    /// Identity.
    pub uid: Uid,
    /// Labels.
    pub labels: Labels,
    /// Taints.
    pub taints: Vec<Taint>,
    /// Ready condition.
    pub health: NodeHealth,
    /// Cordoned.
    pub unschedulable: bool,
    /// Addresses inside of the cluster, then those from outside; names are left out.
    pub addresses: Vec<IpAddr>,
}

impl Node {
    /// What is read of a listed node.
    pub fn read(wire: NodeWire) -> Self {
        let ready = wire.status.conditions.iter().find(|c| c.kind == "Ready");
        Self {
            name: wire.metadata.name.into(),
            uid: Uid(wire.metadata.uid.into()),
            labels: wire.metadata.labels,
            taints: wire.spec.taints,
            health: match ready.map(|c| c.status.as_str()) {
                Some("True") => NodeHealth::Ready,
                Some("False") => NodeHealth::NotReady,
                _ => NodeHealth::Unreachable,
            },
            unschedulable: wire.spec.unschedulable,
            addresses: ["InternalIP", "ExternalIP"]
                .into_iter()
                .flat_map(|kind| wire.status.addresses.iter().filter(move |a| a.kind == kind))
                .filter_map(|a| a.address.parse().ok())
                .collect(),
        }
    }

    /// Carries the label or the taint of a control plane, in any of its spellings.
    pub fn is_control_plane(&self) -> bool {
        const KEYS: [&str; 2] =
            ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];
        KEYS.iter().any(|key| {
            self.labels.contains_key(*key) || self.taints.iter().any(|taint| taint.key == *key)
        })
    }

    /// Why the DaemonSet controller would not put a pod here, or `None` where it would.
    ///
    /// The controller's own rule: name, selector, required affinity, and taints `NoSchedule` and `NoExecute` against
    /// the template's tolerations plus those that the controller adds.
    pub fn unfit_for(&self, placement: &Placement) -> Option<String> {
        if !placement.node_name.is_empty() && placement.node_name != self.name {
            return Some(format!("its template names node `{}`", placement.node_name));
        }
        if !placement.node_selector.matches(&self.labels) {
            return Some(format!("the node lacks `{}`", placement.node_selector));
        }
        if placement.affinity.as_ref().is_some_and(|a| !a.selects(&self.name, &self.labels)) {
            return Some("the node does not meet the template's node affinity".to_owned());
        }
        let intolerable = self
            .taints
            .iter()
            .find(|taint| taint.effect != "PreferNoSchedule" && !placement.tolerates(taint))?;
        Some(format!("the node is tainted `{}:{}`", intolerable.key, intolerable.effect))
    }
}

/// A listed node.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NodeWire {
    metadata: Meta,
    spec: NodeSpec,
    status: NodeStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NodeSpec {
    #[serde(deserialize_with = "null_as_default")]
    taints: Vec<Taint>,
    unschedulable: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct NodeStatus {
    #[serde(deserialize_with = "null_as_default")]
    conditions: Vec<Condition>,
    #[serde(deserialize_with = "null_as_default")]
    addresses: Vec<Address>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Address {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(json: &str) -> Node {
        Node::read(serde_json::from_str(json).expect("a node"))
    }

    fn placement(json: &str) -> Placement {
        let json = format!(
            r#"{{"metadata":{{"name":"d","uid":"u"}},"spec":{{"template":{{"spec":{json}}}}}}}"#
        );
        let wire = serde_json::from_str(&json).expect("a template");
        crate::facts::workload::Workload::read(
            crate::facts::workload::WorkloadKind::DaemonSet,
            wire,
        )
        .placement
    }

    #[test]
    fn fits_as_the_controller_decides() {
        let unreachable = r#"{"spec":{"taints":[{"key":"node.kubernetes.io/unreachable","effect":"NoSchedule"}]}}"#;
        let evicting = r#"{"spec":{"taints":[{"key":"node.kubernetes.io/unreachable","effect":"NoExecute"}]}}"#;
        let cordoned = r#"{"spec":{"unschedulable":true,"taints":[{"key":"node.kubernetes.io/unschedulable","effect":"NoSchedule"}]}}"#;
        let plain = r#"{"metadata":{"name":"n1","labels":{"os":"linux","n":"7"}}}"#;
        let no_network = r#"{"spec":{"taints":[{"key":"node.kubernetes.io/network-unavailable","effect":"NoSchedule"}]}}"#;
        let preferred = r#"{"spec":{"taints":[{"key":"x","effect":"PreferNoSchedule"}]}}"#;
        let affinity = |op: &str, values: &str| {
            format!(
                r#"{{"affinity":{{"nodeAffinity":{{"requiredDuringSchedulingIgnoredDuringExecution":
                {{"nodeSelectorTerms":[{{"matchExpressions":[{{"key":"n","operator":"{op}","values":{values}}}]}}]}}}}}}}}"#
            )
        };
        for (node_json, placement_json, fits) in [
            (unreachable, "{}", false),
            (unreachable, r#"{"tolerations":[{"operator":"Exists"}]}"#, true),
            (unreachable, r#"{"tolerations":[{"operator":"Exists","effect":"NoExecute"}]}"#, false),
            (evicting, "{}", true),
            (cordoned, "{}", true),
            (no_network, "{}", false),
            (no_network, r#"{"hostNetwork":true}"#, true),
            (preferred, "{}", true),
            (plain, r#"{"nodeSelector":{"os":"linux"}}"#, true),
            (plain, r#"{"nodeSelector":{"os":"windows"}}"#, false),
            (plain, r#"{"nodeName":"n2"}"#, false),
            (plain, &affinity("In", r#"["7"]"#), true),
            (plain, &affinity("NotIn", r#"["7"]"#), false),
            (plain, &affinity("Gt", r#"["6"]"#), true),
            (plain, &affinity("Lt", r#"["6"]"#), false),
        ] {
            let unfit = node(node_json).unfit_for(&placement(placement_json));
            assert_eq!(unfit.is_none(), fits, "{node_json} {placement_json}: {unfit:?}");
        }
    }

    #[test]
    fn health_is_the_ready_condition() {
        for (status, expected) in [
            ("True", NodeHealth::Ready),
            ("False", NodeHealth::NotReady),
            ("Unknown", NodeHealth::Unreachable),
        ] {
            let json = format!(
                r#"{{"status":{{"conditions":[{{"type":"Ready","status":"{status}"}}]}}}}"#
            );
            assert_eq!(node(&json).health, expected);
        }
        assert_eq!(node("{}").health, NodeHealth::Unreachable);
    }
}
