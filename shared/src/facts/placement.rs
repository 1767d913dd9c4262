//! Where a DaemonSet's template lets its pods run: names, labels, affinity, taints.

use super::selector::{Labels, Requirement, Selector};
use super::wire::{MatchExpression, null_as_default};
use serde::Deserialize;

/// Where a DaemonSet's template lets its pods run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// `spec.nodeName`: one node only.
    pub node_name: Box<str>,
    /// `spec.nodeSelector`.
    pub node_selector: Selector,
    /// Required node affinity.
    pub affinity: Option<NodeAffinity>,
    /// Tolerations of the template.
    pub tolerations: Vec<Toleration>,
    /// Pods of the host's network also tolerate a node without network.
    pub host_network: bool,
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
    /// Whether a pod may run in spite of the taint.
    pub fn tolerates(&self, taint: &Taint) -> bool {
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
    /// Whether a node of this name and these labels is meant.
    pub fn selects(&self, name: &str, labels: &Labels) -> bool {
        self.terms.iter().any(|term| {
            let number = |c: &Comparison| {
                labels
                    .get(c.key.as_str())
                    .and_then(|v| v.parse::<i64>().ok())
                    .is_some_and(|v| if c.greater { v > c.than } else { v < c.than })
            };
            !term.empty
                && term.labels.matches(labels)
                && term.comparisons.iter().all(number)
                && term.names.as_ref().is_none_or(|names| names.iter().any(|n| **n == *name))
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
