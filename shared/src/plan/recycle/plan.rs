//! Draws the plan: phases by need, waves by workload, steps by what is safe first.

use super::choice::{Choice, choose};
use super::options::{Allowance, Options, Strategy};
use super::order::{Order, default_pace, ordinal};
use super::rollout;
use super::scene::{Guard, Maker, Scene, Selection};
use crate::facts::identity::ClusterIdentity;
use crate::facts::pod::Pod;
use crate::facts::workload::WorkloadKind;
use crate::plan::document::{
    Action, Phase, Plan, Probe, SCHEMA_VERSION, SkipReason, Skipped, Step, Wave,
};
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What the plan says of itself.
#[derive(Clone, Debug)]
pub struct Header {
    /// Tool, for example `kubectl recycle`.
    pub tool: String,
    /// Its version.
    pub tool_version: String,
    /// The API server's time.
    pub created_at: Timestamp,
    /// The cluster.
    pub cluster: ClusterIdentity,
}

/// Pods of one wave, before they become steps.
struct Group<'a> {
    name: String,
    kind: Option<WorkloadKind>,
    ordered: bool,
    guard: Option<&'a Guard>,
    /// Pods that the workload wants: what a percentage is taken of.
    pods: usize,
    members: Vec<(&'a Pod, &'a Selection, Choice)>,
}

/// Draws the plan.
///
/// Deterministic: the same scene gives the same plan, whatever the order in which pods were listed.
pub fn draw(header: Header, scene: &Scene, options: &Options) -> Plan {
    let Header { tool, tool_version, created_at, cluster } = header;
    let mut plan = Plan {
        schema_version: SCHEMA_VERSION.to_owned(),
        tool,
        tool_version,
        created_at,
        cluster,
        phases: Vec::new(),
        skipped: Vec::new(),
        notes: Vec::new(),
    };
    if options.strategy == Strategy::Rollout {
        rollout::draw(&mut plan, scene, options);
        return plan;
    }

    let mut selected: Vec<(&Pod, &Selection)> =
        scene.pods.iter().filter_map(|p| Some((p, scene.selected.get(&p.uid)?))).collect();
    selected.sort_by(|(a, _), (b, _)| (&a.namespace, &a.name).cmp(&(&b.namespace, &b.name)));

    let mut groups: BTreeMap<(Order, String), Group<'_>> = BTreeMap::new();
    for (pod, selection) in selected {
        let guard = scene.guard(pod);
        let choice = match only_ready(pod, guard, scene, options)
            .map_or_else(|| choose(pod, selection, scene, options), Err)
        {
            Ok(choice) => choice,
            Err(skipped) => {
                plan.skipped.push(skipped);
                continue;
            }
        };
        let mut group = group_of(pod, guard, scene);
        groups
            .entry((selection.order, group.name.clone()))
            .or_insert_with(|| {
                group.members.clear();
                group
            })
            .members
            .push((pod, selection, choice));
    }

    for ((order, _), group) in groups {
        if plan.phases.last().is_none_or(|p| p.name != order.name()) {
            plan.phases.push(Phase { name: order.name().to_owned(), waves: Vec::new() });
        }
        let phase = plan.phases.len();
        let wave = plan.phases[phase - 1].waves.len() + 1;
        let wave = wave_of(order, group, &format!("{phase}.{wave}"), scene, options);
        plan.phases[phase - 1].waves.push(wave);
    }
    plan
}

/// The one pod of a guarded service cannot go without an outage.
fn only_ready(
    pod: &Pod,
    guard: Option<&Guard>,
    scene: &Scene,
    options: &Options,
) -> Option<Skipped> {
    let guard = guard.filter(|g| g.keep_ready > 0 && pod.is_ready())?;
    let others = scene
        .pods
        .iter()
        .any(|p| p.uid != pod.uid && p.deleting.is_none() && !p.is_finished() && guard.covers(p));
    if others || options.allows(Allowance::LastReady) {
        return None;
    }
    let name = &guard.name;
    Some(Skipped {
        target: pod.reference(),
        reason: SkipReason::LastReady,
        message: format!(
            "it is the only pod behind `{name}`: scale its workload to 2 first, or `--strategy rollout` starts a second \
             one before this one goes, or `--allow last-ready` accepts the outage"
        ),
        refused: true,
    })
}

fn group_of<'a>(pod: &Pod, guard: Option<&'a Guard>, scene: &Scene) -> Group<'a> {
    let (name, kind, ordered, pods) = match scene.maker(pod) {
        Maker::Known { top, .. } => (
            format!("{}/{} ({})", top.namespace, top.name, top.kind.as_str()),
            Some(top.kind),
            top.ordered,
            top.desired as usize,
        ),
        Maker::Foreign(owner) => {
            (format!("{}/{} ({})", pod.namespace, owner.name, owner.kind), None, false, 1)
        }
        Maker::Nobody | Maker::Gone(_) => {
            (format!("{}/{} (Pod)", pod.namespace, pod.name), None, false, 1)
        }
    };
    // Workloads behind one guarded service share its pace, or each of them could take a pod at the same time.
    let name = guard.map_or(name, |g| format!("{} (Service)", g.name));
    Group { name, kind, ordered, guard, pods, members: Vec::new() }
}

fn wave_of(order: Order, group: Group<'_>, id: &str, scene: &Scene, options: &Options) -> Wave {
    let Group { name, kind, ordered, guard, pods, mut members } = group;
    let pace =
        options.max_unavailable.unwrap_or_else(|| default_pace(order, kind, guard.is_some(), pods));
    let control_plane = |pod: &Pod| {
        let node = pod.node.as_deref().and_then(|n| scene.nodes.get(n));
        order.control_plane_first() && node.is_some_and(crate::facts::node::Node::is_control_plane)
    };
    members.sort_by_cached_key(|(pod, ..)| {
        // Unready pods first: they need no budget while enough are healthy, and nothing is lost with them.
        let ready = pod.is_ready();
        // Highest ordinal first, as a StatefulSet itself rolls; of unready ones the lowest, which blocks the others.
        let number = ordinal(&pod.name).filter(|_| kind == Some(WorkloadKind::StatefulSet));
        let number = number.map(|n| if ready { i64::from(u32::MAX - n) } else { i64::from(n) });
        (ready, number, !control_plane(pod), pod.node.clone(), pod.name.clone())
    });
    let mut steps = Vec::new();
    for (pod, selection, choice) in &members {
        let number = steps.len() + 1;
        let id = format!("{id}.{number}");
        steps.extend(steps_of(pod, selection, choice, guard, options, &id));
    }
    Wave {
        name,
        // An ordered StatefulSet makes its pods one by one whatever is asked for.
        max_unavailable: if ordered { 1 } else { u32::try_from(pace.of(pods)).unwrap_or(u32::MAX) },
        max_failures: options.max_failures.max(1),
        steps,
    }
}

fn steps_of(
    pod: &Pod,
    selection: &Selection,
    choice: &Choice,
    guard: Option<&Guard>,
    options: &Options,
    id: &str,
) -> Vec<Step> {
    let mut expect = Vec::new();
    let mut verify = vec![match &choice.replacement {
        Some(replacement) => Probe::Replaced {
            replacement: replacement.clone(),
            min_ready_seconds: choice.min_ready_seconds,
        },
        None => Probe::Gone,
    }];
    if let Some(guard) = guard.filter(|g| g.keep_ready > 0) {
        // Who accepts the outage waits for nobody.
        if !options.allows(Allowance::LastReady) {
            expect.push(Probe::OthersReady {
                namespace: guard.namespace.to_string(),
                selector: guard.selector.clone(),
                at_least: guard.keep_ready,
            });
        }
        if let Some(service) = &guard.service {
            verify.push(Probe::EndpointsReady {
                namespace: guard.namespace.to_string(),
                service: service.clone(),
                at_least: guard.keep_ready,
            });
        }
    }
    let step = Step {
        id: id.to_owned(),
        target: pod.reference(),
        node: pod.node.as_deref().map(str::to_owned),
        reason: selection.reason.clone(),
        expect,
        action: choice.action.clone(),
        verify,
        undo: "none needed: the controller makes a pod of the same template".to_owned(),
        replaces: selection.replaces.clone(),
    };
    if !choice.recreate {
        return vec![step];
    }
    let create = Step {
        id: format!("{id}b"),
        expect: vec![Probe::Gone],
        // The file is written, and its digest filled in, before anything is changed.
        action: Action::CreatePod { manifest_file: String::new(), manifest_sha256: String::new() },
        verify: vec![Probe::Recreated],
        undo: "delete the pod".to_owned(),
        ..step.clone()
    };
    vec![Step { undo: "the next step creates it again".to_owned(), ..step }, create]
}
