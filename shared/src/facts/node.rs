//! Nodes, and whether a DaemonSet's pod may come back on one.

use super::identity::Uid;
use super::selector::{Labels, Requirement, Selector};
use super::wire::{Condition, MatchExpression, Meta, null_as_default};
use super::workload::Placement;
use serde::Deserialize;

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

/// What a taint does to pods that do not tolerate it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value.
    #[serde(deserialize_with = "null_as_default")]
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// What a pod tolerates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Toleration {
    /// Key; empty with `Exists` tolerates everything.
    pub key: String,
    /// `Equal` (also where empty) or `Exists`.
    pub operator: String,
    /// Value.
    #[serde(deserialize_with = "null_as_default")]
    pub value: String,
    /// Effect; empty means each.
    pub effect: String,
}

impl Toleration {
    fn tolerates(&self, taint: &Taint) -> bool {
        let effect = self.effect.is_empty() || self.effect == taint.effect;
        let key = self.key.is_empty() || self.key == taint.key;
        let value = match self.operator.as_str() {
            "Exists" => true,
            _ => !self.key.is_empty() && self.value == taint.value,
        };
        effect && key && value
    }
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
        if placement.affinity.as_ref().is_some_and(|a| !a.selects(self)) {
            return Some("the node does not meet the template's node affinity".to_owned());
        }
        let intolerable = self
            .taints
            .iter()
            .find(|taint| taint.effect != "PreferNoSchedule" && !placement.tolerates(taint))?;
        Some(format!("the node is tainted `{}:{}`", intolerable.key, intolerable.effect))
    }
}

/// What the DaemonSet controller lets its pods tolerate, beside the template's own tolerations.
const ADDED_NO_EXECUTE: [&str; 2] =
    ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const ADDED_NO_SCHEDULE: [&str; 4] = [
    "node.kubernetes.io/disk-pressure",
    "node.kubernetes.io/memory-pressure",
    "node.kubernetes.io/pid-pressure",
    "node.kubernetes.io/unschedulable",
];

impl Placement {
    fn tolerates(&self, taint: &Taint) -> bool {
        let added = match (taint.key.as_str(), taint.effect.as_str()) {
            ("node.kubernetes.io/network-unavailable", "NoSchedule") => self.host_network,
            (key, "NoExecute") => ADDED_NO_EXECUTE.contains(&key),
            (key, "NoSchedule") => ADDED_NO_SCHEDULE.contains(&key),
            _ => false,
        };
        added || self.tolerations.iter().any(|t| t.tolerates(taint))
    }
}

/// Required node affinity: one of the terms must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeAffinity {
    terms: Vec<NodeTerm>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct NodeTerm {
    labels: Selector,
    comparisons: Vec<Comparison>,
    names: Option<Vec<String>>,
    /// A term without any condition selects no node.
    empty: bool,
}

/// `Gt` and `Lt` compare a label as a number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Comparison {
    key: String,
    greater: bool,
    than: i64,
}

impl NodeAffinity {
    fn selects(&self, node: &Node) -> bool {
        self.terms.iter().any(|term| {
            let number = |c: &Comparison| {
                node.labels
                    .get(c.key.as_str())
                    .and_then(|v| v.parse::<i64>().ok())
                    .is_some_and(|v| if c.greater { v > c.than } else { v < c.than })
            };
            !term.empty
                && term.labels.matches(&node.labels)
                && term.comparisons.iter().all(number)
                && term.names.as_ref().is_none_or(|names| names.iter().any(|n| **n == *node.name))
        })
    }
}

impl<'de> Deserialize<'de> for NodeAffinity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Wire {
            #[serde(deserialize_with = "null_as_default")]
            node_selector_terms: Vec<TermWire>,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct TermWire {
            #[serde(deserialize_with = "null_as_default")]
            match_expressions: Vec<MatchExpression>,
            #[serde(deserialize_with = "null_as_default")]
            match_fields: Vec<MatchExpression>,
        }
        let wire = Wire::deserialize(deserializer)?;
        let term = |term: TermWire| {
            let empty = term.match_expressions.is_empty() && term.match_fields.is_empty();
            let mut result = NodeTerm { empty, ..NodeTerm::default() };
            for MatchExpression { key, operator, values } in term.match_expressions {
                let number = values.first().and_then(|v| v.parse().ok());
                match (operator.as_str(), number) {
                    ("In", _) => result.labels.0.push(Requirement::In(key, values)),
                    ("NotIn", _) => result.labels.0.push(Requirement::NotIn(key, values)),
                    ("Exists", _) => result.labels.0.push(Requirement::Exists(key)),
                    ("DoesNotExist", _) => result.labels.0.push(Requirement::Absent(key)),
                    ("Gt", Some(than)) => {
                        result.comparisons.push(Comparison { key, greater: true, than });
                    }
                    ("Lt", Some(than)) => {
                        result.comparisons.push(Comparison { key, greater: false, than });
                    }
                    _ => result.empty = true,
                }
            }
            // `metadata.name` is the only field that the API accepts here.
            let names: Vec<String> = term.match_fields.into_iter().flat_map(|f| f.values).collect();
            result.names = (!names.is_empty()).then_some(names);
            result
        };
        Ok(Self { terms: wire.node_selector_terms.into_iter().map(term).collect() })
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
        super::super::workload::Workload::read(
            super::super::workload::WorkloadKind::DaemonSet,
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
