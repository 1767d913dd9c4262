//! Counts Ready endpoints of the Service `kube-dns` and measures how long there is none: by a watch, so that
//! nothing between two looks is missed.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::loopback::Kubectl;

/// A running watch.
#[derive(Debug)]
pub(super) struct Watch {
    kubectl: Child,
    seen: Arc<Mutex<Seen>>,
}

/// What was counted so far.
#[derive(Debug, Default)]
struct Seen {
    /// Ready endpoints of each slice.
    slices: BTreeMap<String, usize>,
    /// Since when there is none.
    none_since: Option<Instant>,
    without: Duration,
    longest: Duration,
    ended: bool,
}

impl Seen {
    fn take(&mut self, event: &Value, now: Instant) {
        let slice = &event["object"];
        let name = slice["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        if event["type"] == "DELETED" {
            self.slices.remove(&name);
        } else {
            let endpoints = slice["endpoints"].as_array().map_or(&[][..], Vec::as_slice);
            let is_ready = |one: &&Value| one["conditions"]["ready"] != false;
            self.slices.insert(name, endpoints.iter().filter(is_ready).count());
        }
        if self.ready() > 0 {
            self.close(now);
        } else if self.none_since.is_none() {
            self.none_since = Some(now);
        }
    }

    fn close(&mut self, now: Instant) {
        if let Some(since) = self.none_since.take() {
            let gap = now.saturating_duration_since(since);
            self.without += gap;
            self.longest = self.longest.max(gap);
        }
    }

    fn ready(&self) -> usize {
        self.slices.values().sum()
    }
}

impl Watch {
    /// Starts watching and returns once an endpoint is Ready.
    pub(super) fn start(client: &Kubectl) -> Result<Self> {
        let mut kubectl = client
            .command()
            .args(["get", "endpointslices", "--namespace=kube-system"])
            .arg("--selector=kubernetes.io/service-name=kube-dns")
            .args(["--watch", "--output-watch-events", "--output=json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start kubectl to watch endpoints")?;
        let pipe = kubectl.stdout.take().context("kubectl has no stdout")?;
        let seen = Arc::<Mutex<Seen>>::default();
        let writer = Arc::clone(&seen);
        std::thread::spawn(move || {
            let events = serde_json::Deserializer::from_reader(BufReader::new(pipe));
            for event in events.into_iter::<Value>().map_while(Result::ok) {
                let now = Instant::now();
                lock(&writer).take(&event, now);
            }
            lock(&writer).ended = true;
        });
        let watch = Self { kubectl, seen };
        let limit = Instant::now() + Duration::from_secs(20);
        while lock(&watch.seen).ready() == 0 {
            ensure!(Instant::now() < limit, "no endpoint of the Service kube-dns is Ready");
            std::thread::sleep(Duration::from_millis(10));
        }
        // What was before the first Ready one is no loss.
        let mut seen = lock(&watch.seen);
        (seen.without, seen.longest) = (Duration::ZERO, Duration::ZERO);
        drop(seen);
        Ok(watch)
    }

    /// Stops; for how long there was no Ready endpoint, in all and at a stretch.
    pub(super) fn stop(self) -> Result<(Duration, Duration)> {
        let mut seen = lock(&self.seen);
        ensure!(
            !seen.ended,
            "the watch of the endpoints ended early, and what it missed is not known"
        );
        seen.close(Instant::now());
        Ok((seen.without, seen.longest))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(kind: &str, name: &str, ready: &[bool]) -> Value {
        let endpoints: Vec<_> =
            ready.iter().map(|ready| json!({"conditions": {"ready": ready}})).collect();
        json!({"type": kind, "object": {"metadata": {"name": name}, "endpoints": endpoints}})
    }

    #[test]
    fn gaps_are_between_the_last_and_the_next_ready_endpoint_of_all_slices() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        seen.take(&event("ADDED", "a", &[true, true]), at(0));
        seen.take(&event("MODIFIED", "a", &[false, true]), at(10));
        seen.take(&event("ADDED", "b", &[true]), at(20));
        seen.take(&event("MODIFIED", "a", &[]), at(30));
        assert_eq!(seen.without, Duration::ZERO);
        seen.take(&event("DELETED", "b", &[true]), at(100));
        seen.take(&event("MODIFIED", "a", &[false]), at(150));
        seen.take(&event("MODIFIED", "a", &[true]), at(400));
        seen.take(&event("MODIFIED", "a", &[false]), at(500));
        seen.close(at(600));
        assert_eq!(seen.without, Duration::from_millis(400));
        assert_eq!(seen.longest, Duration::from_millis(300));
    }
}
