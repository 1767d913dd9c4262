//! Presets: what `kubectl recycle dns` means, as data; their place in the order counts for every tool that recycles.

use super::order::Order;
use crate::facts::pod::Pod;
use crate::facts::selector::Selector;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

const EMBEDDED: &str = include_str!("presets.toml");

/// Words that mean something else on the command line.
pub const RESERVED: [&str; 3] = ["stale", "presets", "completion"];

/// One preset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Preset {
    /// The word on the command line.
    pub name: String,
    /// What it is, for people.
    pub about: String,
    /// Place in the order.
    pub order: Order,
    /// Where its pods are.
    pub namespaces: Vec<String>,
    /// A Service whose selector finds the pods.
    #[serde(default)]
    pub service: Option<String>,
    /// Label selectors, any of which finds them.
    #[serde(default)]
    pub labels: Vec<Selector>,
    /// Name patterns of the workload at the top, any of which finds them.
    #[serde(default)]
    pub controllers: Vec<String>,
    /// Name patterns of workloads that are never meant.
    #[serde(default)]
    pub except: Vec<String>,
    /// Name patterns of workloads that the others ask, and that therefore go first.
    #[serde(default)]
    pub first: Vec<String>,
    /// Ready pods that remain whenever one is taken.
    #[serde(default)]
    pub keep_ready: u32,
    /// The runbook line that it replaces.
    #[serde(default)]
    pub replaces: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    preset: Vec<Preset>,
}

/// All presets, in the order in which they are shown.
#[derive(Clone, Debug)]
pub struct Presets(Vec<Preset>);

impl Presets {
    /// Those that come with the tool.
    pub fn embedded() -> Self {
        Self(parse(EMBEDDED).expect("the embedded table is tested"))
    }

    /// Adds the user's own; one of the same name replaces the tool's.
    pub fn extend(&mut self, text: &str) -> Result<(), String> {
        for preset in parse(text)? {
            self.0.retain(|p| p.name != preset.name);
            self.0.push(preset);
        }
        Ok(())
    }

    /// By name.
    pub fn get(&self, name: &str) -> Option<&Preset> {
        self.0.iter().find(|p| p.name == name)
    }

    /// All.
    pub fn iter(&self) -> impl Iterator<Item = &Preset> {
        self.0.iter()
    }
}

fn parse(text: &str) -> Result<Vec<Preset>, String> {
    let file: File = toml::from_str(text).map_err(|e| e.to_string().trim_end().to_owned())?;
    let mut names = BTreeSet::new();
    for preset in &file.preset {
        let name = &preset.name;
        if RESERVED.contains(&name.as_str()) || name.contains('/') || name.is_empty() {
            return Err(format!("a preset cannot be named `{name}`"));
        }
        if !names.insert(name) {
            return Err(format!("preset `{name}` stands there twice"));
        }
        if preset.namespaces.is_empty() {
            return Err(format!("preset `{name}` names no namespace"));
        }
        if preset.service.is_none() && preset.labels.is_empty() && preset.controllers.is_empty() {
            return Err(format!("preset `{name}` has neither service nor labels nor controllers"));
        }
        if preset.labels.iter().any(Selector::is_empty) {
            return Err(format!(
                "preset `{name}` has an empty label selector, which selects every pod"
            ));
        }
    }
    Ok(file.preset)
}

/// How a pod was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// By the Service's selector.
    Service(String),
    /// By this label selector.
    Labels(String),
    /// By its controller's name.
    Controller(String),
}

impl Found {
    /// For the plan and for people.
    pub fn words(&self) -> String {
        match self {
            Self::Service(name) => format!("behind Service `{name}`"),
            Self::Labels(selector) => format!("labelled `{selector}`"),
            Self::Controller(name) => format!("made by `{name}`"),
        }
    }
}

impl Preset {
    /// Whether a pod is meant, and how one knows.
    ///
    /// `workload` is the name of the workload at the top, `service` the selector of the preset's Service there.
    pub fn finds(
        &self,
        pod: &Pod,
        workload: Option<&str>,
        service: Option<&Selector>,
    ) -> Option<Found> {
        let namespace = self.namespaces.iter().any(|n| **n == *pod.namespace);
        let named = |patterns: &[String]| {
            workload.is_some_and(|name| patterns.iter().any(|pattern| matches(pattern, name)))
        };
        if !namespace || named(&self.except) {
            return None;
        }
        if let Some(name) = &self.service
            && service.is_some_and(|selector| selector.matches(&pod.labels))
        {
            return Some(Found::Service(name.clone()));
        }
        if let Some(selector) = self.labels.iter().find(|s| s.matches(&pod.labels)) {
            return Some(Found::Labels(selector.to_string()));
        }
        if named(&self.controllers) {
            return workload.map(|name| Found::Controller(name.to_owned()));
        }
        None
    }

    /// The place in the order of a pod of this workload.
    pub fn order_of(&self, workload: Option<&str>) -> Order {
        let first = |name: &str| self.first.iter().any(|pattern| matches(pattern, name));
        if workload.is_some_and(first) { Order::NetworkControl } else { self.order }
    }
}

/// `*` stands for any text, also for none.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices()
                .map(|(i, _)| i)
                .chain([rest.len()])
                .any(|i| matches(tail, &rest[i..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::pod::Interner;

    fn pod(namespace: &str, labels: &str) -> Pod {
        let json = format!(
            r#"{{"metadata":{{"namespace":"{namespace}","name":"p","uid":"u","labels":{labels}}}}}"#
        );
        Pod::read(serde_json::from_str(&json).expect("json"), &mut Interner::default())
            .expect("pod")
    }

    #[test]
    fn patterns() {
        for (pattern, name, expected) in [
            ("coredns", "coredns", true),
            ("coredns", "coredns-a", false),
            ("coredns*", "coredns", true),
            ("*-autoscaler", "kube-dns-autoscaler", true),
            ("*-autoscaler", "kube-dns", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "acb", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn the_set_is_whole() {
        let presets = Presets::embedded();
        let names: Vec<&str> = presets.iter().map(|p| p.name.as_str()).collect();
        for name in [
            "dns",
            "nodelocaldns",
            "canal",
            "calico",
            "flannel",
            "weave",
            "cilium",
            "kube-proxy",
            "dashboard",
            "metrics-server",
            "kube2iam",
            "fluentd",
            "konnectivity",
        ] {
            assert!(names.contains(&name), "{name}");
        }
        for preset in presets.iter() {
            assert!(!preset.about.is_empty() && preset.about.len() <= 110, "{}", preset.name);
            assert!(preset.first.is_empty() || preset.order == Order::Network, "{}", preset.name);
        }
    }

    #[test]
    fn the_runbooks_pods_are_found_and_the_autoscaler_is_not() {
        let presets = Presets::embedded();
        let service = Selector::parse("k8s-app=kube-dns").expect("selector");
        for (preset, namespace, labels, workload, found) in [
            ("dns", "kube-system", r#"{"k8s-app":"kube-dns"}"#, "coredns", true),
            ("dns", "kube-system", r#"{"k8s-app":"kube-dns"}"#, "kube-dns-v20", true),
            ("dns", "kube-system", "{}", "coredns", true),
            (
                "dns",
                "kube-system",
                r#"{"k8s-app":"kube-dns-autoscaler"}"#,
                "kube-dns-autoscaler",
                false,
            ),
            // Some distributions give the autoscaler the Service's own label.
            ("dns", "kube-system", r#"{"k8s-app":"kube-dns"}"#, "coredns-autoscaler", false),
            ("dns", "default", r#"{"k8s-app":"kube-dns"}"#, "coredns", false),
            ("kube2iam", "default", r#"{"name":"kube2iam"}"#, "kube2iam", true),
            ("kube2iam", "default", "{}", "kube2iam", true),
            (
                "fluentd",
                "kube-system",
                r#"{"k8s-app":"fluentd-logging"}"#,
                "fluentd-cloudwatch-v1",
                true,
            ),
            ("canal", "kube-system", r#"{"k8s-app":"canal"}"#, "canal", true),
            ("kube-proxy", "kube-system", r#"{"k8s-app":"kube-proxy"}"#, "kube-proxy", true),
            (
                "dashboard",
                "kube-system",
                r#"{"k8s-app":"kubernetes-dashboard"}"#,
                "kubernetes-dashboard",
                true,
            ),
        ] {
            let preset = presets.get(preset).expect("known");
            let result = preset.finds(&pod(namespace, labels), Some(workload), Some(&service));
            // Only the DNS preset names a Service.
            let result = if preset.service.is_some() {
                result
            } else {
                preset.finds(&pod(namespace, labels), Some(workload), None)
            };
            assert_eq!(result.is_some(), found, "{} {labels} {workload}", preset.name);
        }
    }

    #[test]
    fn the_users_table_extends_and_replaces() {
        let mut presets = Presets::embedded();
        let count = presets.iter().count();
        let mine = "[[preset]]\nname='mine'\nabout='x'\norder='addons'\nnamespaces=['a']\nlabels=['a=b']\n\
                    [[preset]]\nname='dns'\nabout='other'\norder='dns'\nnamespaces=['a']\ncontrollers=['x']\n";
        presets.extend(mine).expect("valid");
        assert_eq!(presets.iter().count(), count + 1);
        assert_eq!(presets.get("dns").expect("dns").about, "other");
    }

    #[test]
    fn a_bad_table_says_what_is_wrong() {
        let base = "about='x'\norder='dns'\n";
        for (text, said) in [
            (
                format!("[[preset]]\nname='stale'\n{base}namespaces=['a']\nlabels=['a']"),
                "cannot be named `stale`",
            ),
            (format!("[[preset]]\nname='a'\n{base}namespaces=[]\nlabels=['a']"), "no namespace"),
            (format!("[[preset]]\nname='a'\n{base}namespaces=['a']"), "neither service nor labels"),
            (
                format!("[[preset]]\nname='a'\n{base}namespaces=['a']\nlabels=['']"),
                "selects every pod",
            ),
            (
                format!("[[preset]]\nname='a'\n{base}namespaces=['a']\nlabels=['a in b']"),
                "not a label condition",
            ),
            (format!("[[preset]]\nname='a'\n{base}namespaces=['a']\nlabel=['a']"), "unknown field"),
            ("[[preset]".to_owned(), "TOML"),
        ] {
            let error = Presets::embedded().extend(&text).expect_err(&text);
            assert!(error.contains(said), "{error}");
        }
    }
}
