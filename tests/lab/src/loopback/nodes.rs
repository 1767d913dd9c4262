//! Nodes that fall silent, and the mirrors of static pods.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::Loopback;
use crate::world;

/// How a node is doing, as its conditions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// Ready.
    Ready,
    /// Its kubelet says that it is not ready.
    NotReady,
    /// Its kubelet says nothing.
    Unreachable,
}

impl Loopback {
    /// Changes how a node is doing, and waits until the controllers have tainted it accordingly. Its pods are left
    /// as they are: only what is deleted finds out that nobody makes a new one there.
    pub fn set_node(&self, name: &str, health: Health) -> Result<()> {
        let (label, status, taint) = match health {
            Health::Ready => ("lab.local/silent-", "True", None),
            Health::NotReady => {
                ("lab.local/silent=yes", "False", Some("node.kubernetes.io/not-ready"))
            }
            Health::Unreachable => {
                ("lab.local/silent=yes", "Unknown", Some("node.kubernetes.io/unreachable"))
            }
        };
        self.kubectl_text(&["label", "--overwrite", "node", name, label])?;
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        let patch = format!(
            r#"{{"status":{{"conditions":[{{"type":"Ready","status":"{status}","reason":"Lab","message":"as asked","lastHeartbeatTime":"{now}","lastTransitionTime":"{now}"}}]}}}}"#
        );
        self.kubectl_text(&["patch", "node", name, "--subresource=status", "--patch", &patch])?;
        self.wait_until(
            Duration::from_secs(20),
            &format!("node {name} has the taints of its state"),
            || {
                let taints = self.kubectl_text(&[
                    "get",
                    "node",
                    name,
                    "--output=jsonpath={.spec.taints[*].key}",
                ])?;
                Ok(match taint {
                    Some(taint) => taints.split(' ').any(|key| key == taint),
                    None => !taints.contains("node.kubernetes.io/"),
                })
            },
        )
    }

    /// Makes the mirrors of a static pod called `name`, one on each node, and waits until they run.
    pub fn static_pods(&self, name: &str) -> Result<()> {
        let nodes = self.kubectl_text(&[
            "get",
            "nodes",
            "--output=jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{\"\\n\"}{end}",
        ])?;
        let mut pods = Vec::new();
        for line in nodes.lines() {
            let (node, uid) = line.split_once(' ').context("a node without a UID")?;
            pods.push(world::mirror_pod(name, node, uid));
        }
        if pods.is_empty() {
            bail!("this lab has no nodes: a static pod needs one");
        }
        // Created, not applied: mirrors are not to carry a person's fields.
        self.client().with_input(&["create", "-f", "-"], &world::join(&pods))?;
        self.wait_pods_ready("kube-system", &format!("component={name}"), pods.len())
    }
}
