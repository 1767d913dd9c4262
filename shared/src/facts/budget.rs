//! Disruption budgets: whether a pod may be evicted, and when it never may.

use super::pod::Pod;
use super::selector::Selector;
use super::wire::{LabelSelector, Meta};
use serde::Deserialize;

/// A PodDisruptionBudget.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Namespace.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
    /// What it protects; `None` protects nothing.
    pub selector: Option<Selector>,
    /// `minAvailable: 2` or `maxUnavailable: 0`, as written.
    pub rule: Box<str>,
    /// Evictions that it allows now.
    pub allowed: u32,
    /// Healthy pods now.
    pub healthy: u32,
    /// Healthy pods that must remain.
    pub required: u32,
    /// Pods that it counts.
    pub expected: u32,
    /// `unhealthyPodEvictionPolicy: AlwaysAllow`: unready pods may always go.
    pub always_allows_unready: bool,
}

impl Budget {
    /// Whether it counts this pod.
    pub fn protects(&self, pod: &Pod) -> bool {
        *self.namespace == *pod.namespace
            && self.selector.as_ref().is_some_and(|s| s.matches(&pod.labels))
    }

    /// It can never allow an eviction, however healthy its pods are.
    pub fn never_allows(&self) -> bool {
        self.expected > 0 && self.required >= self.expected
    }

    /// `namespace/name (minAvailable: 2)`.
    pub fn describe(&self) -> String {
        format!("{}/{} ({})", self.namespace, self.name, self.rule)
    }

    /// What is read of a listed budget.
    ///
    /// `beta`: in `policy/v1beta1` an empty selector protects nothing, in `policy/v1` everything.
    pub fn read(wire: BudgetWire, beta: bool) -> Self {
        let BudgetWire { metadata, spec, status } = wire;
        let selector = spec.selector.map(|s| s.selector()).filter(|s| !(beta && s.is_empty()));
        let rule = match (spec.min_available, spec.max_unavailable) {
            (Some(min), _) => format!("minAvailable: {}", plain(&min)),
            (None, Some(max)) => format!("maxUnavailable: {}", plain(&max)),
            (None, None) => "no rule".to_owned(),
        };
        Self {
            namespace: metadata.namespace.into(),
            name: metadata.name.into(),
            selector,
            rule: rule.into(),
            allowed: status.disruptions_allowed,
            healthy: status.current_healthy,
            required: status.desired_healthy,
            expected: status.expected_pods,
            always_allows_unready: spec.unhealthy_pod_eviction_policy == "AlwaysAllow",
        }
    }
}

fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A listed budget.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct BudgetWire {
    metadata: Meta,
    spec: BudgetSpec,
    status: BudgetStatus,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BudgetSpec {
    selector: Option<LabelSelector>,
    min_available: Option<serde_json::Value>,
    max_unavailable: Option<serde_json::Value>,
    unhealthy_pod_eviction_policy: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct BudgetStatus {
    disruptions_allowed: u32,
    current_healthy: u32,
    desired_healthy: u32,
    expected_pods: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget(json: &str, beta: bool) -> Budget {
        Budget::read(serde_json::from_str(json).expect("a budget"), beta)
    }

    #[test]
    fn an_empty_selector_means_opposite_things() {
        let json = r#"{"spec":{"selector":{},"maxUnavailable":0}}"#;
        assert!(budget(json, false).selector.is_some());
        assert!(budget(json, true).selector.is_none());
        assert!(budget(r#"{"spec":{}}"#, false).selector.is_none());
    }

    #[test]
    fn deadlocks_are_known_beforehand() {
        for (status, never) in [
            (r#"{"desiredHealthy":2,"expectedPods":2,"currentHealthy":2}"#, true),
            (r#"{"desiredHealthy":1,"expectedPods":2,"currentHealthy":1}"#, false),
            (r#"{"desiredHealthy":0,"expectedPods":0}"#, false),
        ] {
            let json = format!(r#"{{"spec":{{"minAvailable":"100%"}},"status":{status}}}"#);
            assert_eq!(budget(&json, false).never_allows(), never, "{status}");
        }
    }

    #[test]
    fn the_rule_is_shown_as_written() {
        assert_eq!(&*budget(r#"{"spec":{"minAvailable":"50%"}}"#, false).rule, "minAvailable: 50%");
        assert_eq!(&*budget(r#"{"spec":{"maxUnavailable":0}}"#, false).rule, "maxUnavailable: 0");
    }
}
