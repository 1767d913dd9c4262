//! `--strategy rollout`: the workload's own controller replaces the pods, after its template was touched.

use super::options::Options;
use super::scene::{Maker, Scene, Selection};
use crate::facts::identity::Uid;
use crate::facts::pod::Pod;
use crate::facts::workload::{UpdateStrategy, Workload, WorkloadKind};
use crate::plan::document::{Action, Phase, Plan, Probe, SkipReason, Skipped, Step, Wave};
use std::collections::{BTreeMap, HashSet};

/// Draws one step for each workload of a selected pod.
pub(super) fn draw(plan: &mut Plan, scene: &Scene, options: &Options) {
    let mut workloads: BTreeMap<_, (&Workload, &Selection)> = BTreeMap::new();
    for pod in &scene.pods {
        let Some(selection) = scene.selected.get(&pod.uid) else {
            continue;
        };
        match scene.maker(pod) {
            Maker::Known { top, .. } => {
                let key = (selection.order, top.namespace.clone(), top.kind, top.name.clone());
                workloads.entry(key).or_insert((top, selection));
            }
            Maker::Nobody | Maker::Gone(_) | Maker::Foreign(_) => plan.skipped.push(Skipped {
                target: pod.reference(),
                reason: SkipReason::NoRollout,
                message: "no workload above it can be rolled out; `--strategy auto` recycles the pod itself".to_owned(),
                refused: true,
            }),
        }
    }
    let mut seen: HashSet<Uid> = HashSet::new();
    for ((order, ..), (workload, selection)) in workloads {
        if !seen.insert(workload.uid.clone()) {
            continue;
        }
        if let Some(why) = why_not(workload) {
            plan.skipped.push(Skipped {
                target: workload.reference(),
                reason: SkipReason::NoRollout,
                message: format!("{why}; `--strategy auto` recycles its pods one by one"),
                refused: true,
            });
            continue;
        }
        if plan.phases.last().is_none_or(|p| p.name != order.name()) {
            plan.phases.push(Phase { name: order.name().to_owned(), waves: Vec::new() });
        }
        let number = plan.phases.len();
        let phase = &mut plan.phases[number - 1];
        let id = format!("{number}.{}.1", phase.waves.len() + 1);
        phase.waves.push(Wave {
            name: format!("{}/{} ({})", workload.namespace, workload.name, workload.kind.as_str()),
            max_unavailable: 1,
            max_failures: options.max_failures.max(1),
            steps: vec![Step {
                id,
                target: workload.reference(),
                node: None,
                reason: selection.reason.clone(),
                expect: Vec::new(),
                action: Action::RestartRollout {
                    resource_version: workload.resource_version.to_string(),
                },
                verify: verify(workload, scene),
                undo: format!("kubectl rollout undo {}", workload.reference().kubectl_name()),
                replaces: selection.replaces.clone(),
            }],
        });
    }
}

/// The roll-out is over, and a guarded Service among whose pods this workload's are has ready endpoints.
fn verify(workload: &Workload, scene: &Scene) -> Vec<Probe> {
    let below = |pod: &&Pod| match scene.maker(pod) {
        Maker::Known { top, .. } => top.uid == workload.uid,
        Maker::Nobody | Maker::Gone(_) | Maker::Foreign(_) => false,
    };
    let guard = scene.pods.iter().filter(below).find_map(|pod| scene.guard(pod));
    let endpoints = guard.and_then(|guard| {
        Some(Probe::EndpointsReady {
            namespace: guard.namespace.to_string(),
            service: guard.service.clone()?,
            at_least: guard.keep_ready.max(1),
        })
    });
    [Probe::RolledOut].into_iter().chain(endpoints).collect()
}

/// Why touching the template would do nothing.
fn why_not(workload: &Workload) -> Option<String> {
    let kind = workload.kind.as_str();
    let name = &workload.name;
    match (workload.kind, workload.strategy) {
        (WorkloadKind::ReplicaSet | WorkloadKind::ReplicationController | WorkloadKind::Job, _) => {
            Some(format!("a {kind} has no roll-out"))
        }
        (_, UpdateStrategy::OnDelete) => {
            Some(format!("{kind} `{name}` is updated OnDelete: a roll-out would do nothing"))
        }
        _ if workload.paused => {
            Some(format!("{kind} `{name}` is paused: a roll-out would do nothing"))
        }
        _ if workload.desired == 0 => Some(format!("{kind} `{name}` wants no pods")),
        (_, UpdateStrategy::RollingUpdate | UpdateStrategy::Recreate | UpdateStrategy::None) => {
            None
        }
    }
}

/// Whether a roll-out is over, as `kubectl rollout status` sees it.
pub fn progress(workload: &Workload, since_generation: i64) -> Progress {
    let Workload { desired, updated, replicas, available, .. } = *workload;
    let Workload { observed_generation, generation, .. } = *workload;
    if workload.progress_deadline_exceeded && observed_generation >= generation {
        return Progress::Failed("its progress deadline has passed".to_owned());
    }
    if generation < since_generation || observed_generation < generation {
        return Progress::Waiting("the controller to see the change".to_owned());
    }
    if updated < desired {
        return Progress::Waiting(format!("new pods: {updated} of {desired}"));
    }
    // Those count as available, too, for as long as they are there.
    if replicas > updated {
        return Progress::Waiting(format!("old pods to go: {}", replicas - updated));
    }
    if available < desired {
        return Progress::Waiting(format!("new pods to be available: {available} of {desired}"));
    }
    Progress::Done
}

/// How far a roll-out is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not yet, and for what.
    Waiting(String),
    /// Over.
    Done,
    /// It cannot succeed.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_is_over_when_no_old_pod_counts_any_more() {
        let waiting = |text: &str| Progress::Waiting(text.to_owned());
        let failed = || Progress::Failed("its progress deadline has passed".to_owned());
        let cases = [
            (
                "not seen",
                1,
                r#""observedGeneration":1,"replicas":3,"updatedReplicas":3,"availableReplicas":3"#,
                waiting("the controller to see the change"),
            ),
            (
                "half",
                2,
                r#""observedGeneration":2,"replicas":4,"updatedReplicas":2,"availableReplicas":3"#,
                waiting("new pods: 2 of 3"),
            ),
            (
                "one old pod is left, and available",
                2,
                r#""observedGeneration":2,"replicas":4,"updatedReplicas":3,"availableReplicas":3"#,
                waiting("old pods to go: 1"),
            ),
            (
                "not available",
                2,
                r#""observedGeneration":2,"replicas":3,"updatedReplicas":3,"availableReplicas":2"#,
                waiting("new pods to be available: 2 of 3"),
            ),
            (
                "over",
                2,
                r#""observedGeneration":2,"replicas":3,"updatedReplicas":3,"availableReplicas":3"#,
                Progress::Done,
            ),
            (
                "too late",
                2,
                r#""observedGeneration":2,"conditions":[{"type":"Progressing","status":"False","reason":"ProgressDeadlineExceeded"}]"#,
                failed(),
            ),
        ];
        for (name, generation, status, expected) in cases {
            let json = format!(
                r#"{{"metadata":{{"name":"d","uid":"u","generation":{generation}}},"spec":{{"replicas":3}},"status":{{{status}}}}}"#
            );
            let workload =
                Workload::read(WorkloadKind::Deployment, serde_json::from_str(&json).expect(name));
            assert_eq!(progress(&workload, 2), expected, "{name}");
        }
        let set = r#"{"metadata":{"name":"d","uid":"u","generation":2},"status":{"observedGeneration":2,
            "desiredNumberScheduled":2,"updatedNumberScheduled":2,"numberAvailable":2}}"#;
        let set = Workload::read(WorkloadKind::DaemonSet, serde_json::from_str(set).expect("json"));
        assert_eq!(progress(&set, 2), Progress::Done);
    }
}
