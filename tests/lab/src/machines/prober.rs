//! Probers: pods that look names up through the cluster's DNS without a pause, and count what is lost.
//!
//! One pod on each worker starts a lookup of every name every 50 ms, whether the ones before have ended or
//! not, as an application would with the settings `timeout:2 attempts:2` in its resolv.conf: IPv4 and IPv6
//! are asked together over a new socket, an attempt that has no answer after 2 s is repeated once, one that is
//! refused at once.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::Machines;
use super::images::POD_IMAGE;
use super::net::wait;
use super::plan::Role;

/// What probers have counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lookups that have ended, one way or the other.
    pub lookups: u64,
    /// Lookups that ended in an error after all attempts: an application would have failed.
    pub failed: u64,
    /// Lookups that succeeded, but took 1.9 s or more: at least one attempt had no answer.
    pub slow: u64,
    /// The longest time between two consecutive starts of lookups that succeeded, on any worker.
    pub gap: Duration,
}

impl Tally {
    fn read(line: &str) -> Option<Self> {
        let number = |name: &str| {
            let word =
                line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
            word?.parse::<u64>().ok()
        };
        Some(Self {
            lookups: number("lookups")?,
            failed: number("failed")?,
            slow: number("slow")?,
            gap: Duration::from_millis(number("gap_ms")?),
        })
    }

    fn add(&mut self, other: Self) {
        self.lookups += other.lookups;
        self.failed += other.failed;
        self.slow += other.slow;
        self.gap = self.gap.max(other.gap);
    }

    /// What was counted after `earlier`. The gap is the longest one of all, as it cannot be told apart.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            lookups: self.lookups - earlier.lookups,
            failed: self.failed - earlier.failed,
            slow: self.slow - earlier.slow,
            gap: self.gap,
        }
    }
}

/// Running probers, one on each worker; they are removed when this is dropped.
#[derive(Debug)]
pub struct Probers<'a> {
    lab: &'a Machines,
    pods: Vec<String>,
}

impl<'a> Probers<'a> {
    /// Starts probers for full names (`kubernetes.default.svc.cluster.local`) and waits until each has
    /// counted.
    pub fn start(lab: &'a Machines, names: &[&str]) -> Result<Self> {
        let workers = lab.machines().iter().filter(|machine| machine.role == Role::Worker);
        let mut probers = Self { lab, pods: Vec::new() };
        let mut manifests = Vec::new();
        for worker in workers {
            let pod = format!("prober-{}", worker.name);
            manifests.push(manifest(&pod, &worker.name, names));
            probers.pods.push(pod);
        }
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": manifests });
        lab.client()
            .with_input(&["create", "-f", "-"], &list.to_string())
            .context("cannot start the probers: is a set of them running?")?;
        let asked = probers.pods.len();
        wait(Duration::from_secs(30), "the probers to count", || {
            Ok(probers.lines().iter().filter(|tally| tally.lookups > 0).count() == asked)
        })?;
        Ok(probers)
    }

    /// What they have counted so far; up to half a second old.
    pub fn read(&self) -> Result<Tally> {
        let lines = self.lines();
        ensure!(lines.len() == self.pods.len(), "a prober does not answer: see `kubectl get pods`");
        let mut sum = Tally::default();
        for tally in lines {
            sum.add(tally);
        }
        Ok(sum)
    }

    /// Waits until every lookup that began before now has ended, then reads.
    pub fn settle(&self) -> Result<Tally> {
        // Two attempts of 2 s, and half a second between two lines.
        std::thread::sleep(Duration::from_millis(4700));
        self.read()
    }

    /// Removes them and returns what they counted.
    pub fn stop(self) -> Result<Tally> {
        self.settle()
    }

    fn lines(&self) -> Vec<Tally> {
        let mut found = Vec::new();
        for pod in &self.pods {
            let Ok(log) = self.lab.kubectl_text(&["logs", "--tail=20", pod]) else {
                continue;
            };
            found.extend(log.lines().rev().find_map(Tally::read));
        }
        found
    }
}

impl Drop for Probers<'_> {
    fn drop(&mut self) {
        let pods = self.pods.iter().map(String::as_str);
        let words: Vec<_> = ["delete", "pod", "--ignore-not-found", "--grace-period=1"]
            .into_iter()
            .chain(pods)
            .collect();
        let _ = self.lab.kubectl(&words); // the lab may be gone already
    }
}

fn manifest(name: &str, node: &str, names: &[&str]) -> serde_json::Value {
    let mut words = vec!["prober".to_owned(), "50ms".to_owned()];
    // With the dot at the end the search list of resolv.conf is left out: one name, one question.
    words.extend(names.iter().map(|name| format!("{}.", name.trim_end_matches('.'))));
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": "default", "labels": { "app": "prober" } },
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 1,
            "dnsConfig": { "options": [{ "name": "timeout", "value": "2" }, { "name": "attempts", "value": "2" }] },
            "containers": [{ "name": "prober", "image": POD_IMAGE, "imagePullPolicy": "Never", "args": words }],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_prober() {
        let tally =
            Tally::read("2026-01-01T00:00:00Z lookups=120 failed=3 slow=1 gap_ms=5150").unwrap();
        assert_eq!(
            tally,
            Tally { lookups: 120, failed: 3, slow: 1, gap: Duration::from_millis(5150) }
        );
        assert_eq!(Tally::read("2026-01-01T00:00:00Z error: no such host"), None);
    }
}
