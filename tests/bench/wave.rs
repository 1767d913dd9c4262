//! 500 pods of a DaemonSet, 50 at a time: ours, the controllers alone, and a roll-out.

use crate::lab_figures::home;
use crate::measure::{command, median, time};
use crate::table::Table;
use anyhow::{Context as _, Result, bail};
use lab::loopback::{Loopback, Options};
use rotation_core::facts::pod::{Interner, Pod};
use rotation_core::world::cluster::{
    Answer, Cluster, Connection, FeedEvent, PodQuery, Request, Scope, Thing,
};
use rotation_core::world::interrupt::Interrupt;
use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

const NODES: u32 = 500;

/// Pods that are away at once.
const WAVE: usize = 50;

const AGENT: &str = "apiVersion: v1
kind: Namespace
metadata: {name: agents}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: agents}
spec:
  selector: {matchLabels: {app: agent}}
  updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 10%}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      tolerations: [{operator: Exists}]
      containers:
      - {name: main, image: 'lab.local/pod:1', imagePullPolicy: Never, args: [pause]}
";

/// All three, with the limits that controllers have by default.
pub(crate) fn wave(table: &mut Table, rounds: usize) -> Result<()> {
    let lab =
        Loopback::start(&Options { nodes: NODES, fast_controllers: false, ..Options::default() })?;
    lab.wait_nodes_ready(NODES)?;
    lab.apply(AGENT)?;
    let ready = || lab.wait_pods_ready("agents", "app=agent", NODES as usize);
    ready()?;
    let home = home(&lab)?;
    let tool = command(Path::new(crate::TOOL), home.path());
    let ours = || {
        let agent = ["daemonset/agent", "-n", "agents", "--all", "--yes"];
        time(tool(&[&agent[..], &["--max-unavailable", "10%"]].concat()), 0)
    };
    let alone = || in_waves(&home.path().join("config"));
    // One after the other, so that both meet the same cluster.
    let (mut times, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        bare.push(alone()?);
        ready()?;
        times.push(ours()?);
        ready()?;
    }
    let kubectl = lab.programs().join("kubectl");
    let kubectl = command(&kubectl, home.path());
    let rolled = median(1, || {
        let begun = Instant::now();
        time(kubectl(&["rollout", "restart", "-n", "agents", "daemonset/agent"]), 0)?;
        time(kubectl(&["rollout", "status", "-n", "agents", "daemonset/agent"]), 0)?;
        Ok(begun.elapsed().as_secs_f64())
    })?;
    let middle =
        |times: &mut Vec<f64>| median(times.len(), || times.pop().context("as many as rounds"));
    let (ours, alone) = (middle(&mut times)?, middle(&mut bare)?);
    table.within(
        "500 DaemonSet pods, 50 at a time; peer: the controllers alone",
        ours,
        alone,
        Some(1.1),
    );
    table.within("the same; peer: kubectl rollout restart", ours, rolled, None);
    Ok(())
}

/// What the controllers need by themselves: each wave is deleted at once, and the next one as soon as a watch says that
/// the last replacement is Ready.
fn in_waves(kubeconfig: &Path) -> Result<f64> {
    let connection =
        Connection { kubeconfig: Some(kubeconfig.to_owned()), ..Connection::default() };
    let cluster = Cluster::connect(&connection)?;
    let query = PodQuery { namespaces: Scope::one("agents"), labels: None, fields: None };
    let begun = Instant::now();
    let mut pods: Vec<Pod> = Vec::new();
    let version = cluster.pods(&query, &mut Interner::default(), &mut |pod| pods.push(pod))?;
    let mut feed = cluster.pod_feed(&query, &version, &Interrupt::never());
    let known: HashSet<_> = pods.iter().map(|p| p.uid.clone()).collect();
    let mut back = HashSet::new();
    for (number, wave) in pods.chunks(WAVE).enumerate() {
        let delete = |pod: &Pod| Request::Delete {
            thing: Thing::Pod,
            namespace: pod.namespace.to_string(),
            name: pod.name.to_string(),
            uid: pod.uid.clone(),
            resource_version: None,
            grace_seconds: None,
            dry_run: false,
        };
        let requests: Vec<Request> = wave.iter().map(delete).collect();
        let mut refused = None;
        cluster.act(&requests, &mut |_, answer| {
            refused = Some(answer).filter(|a| *a != Answer::Accepted).or(refused.take());
        });
        if let Some(answer) = refused {
            bail!("a delete was answered by {answer:?}");
        }
        while back.len() < number * WAVE + wave.len() {
            for event in feed.wait(Duration::from_secs(30)) {
                if let FeedEvent::Now(pod) = event
                    && pod.is_ready()
                    && !known.contains(&pod.uid)
                {
                    back.insert(pod.uid);
                }
            }
            if begun.elapsed() > Duration::from_mins(10) {
                bail!("the controllers did not bring {} pods back in ten minutes", pods.len());
            }
        }
    }
    Ok(begun.elapsed().as_secs_f64())
}
