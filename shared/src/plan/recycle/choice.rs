//! What is done to one pod, or why it is left alone.

use super::options::{Allowance, Options, Strategy};
use super::order::ordinal;
use super::scene::{Maker, Scene, Selection};
use crate::facts::node::NodeHealth;
use crate::facts::pod::{Owner, Pod};
use crate::facts::workload::{Workload, WorkloadKind};
use crate::plan::document::{Action, Replacement, SkipReason, Skipped};

/// What is done to a pod.
#[derive(Clone, Debug)]
pub struct Choice {
    /// The change.
    pub action: Action,
    /// How its replacement is recognised; `None` where only its end is awaited.
    pub replacement: Option<Replacement>,
    /// It must be created again by us.
    pub recreate: bool,
    /// `minReadySeconds` of its controller.
    pub min_ready_seconds: u32,
}

/// Why something is not done: the reason, what would allow it, and the words.
struct Refusal {
    reason: SkipReason,
    allowance: Option<Allowance>,
    message: String,
}

impl Refusal {
    fn unless(allowance: Allowance, reason: SkipReason, message: String) -> Self {
        Self { reason, allowance: Some(allowance), message }
    }

    fn skipped(self, pod: &Pod) -> Skipped {
        let Self { reason, allowance, message } = self;
        let message = match allowance {
            Some(allowance) => {
                format!("{message}; `--allow {}` recycles it all the same", allowance.word())
            }
            None => message,
        };
        Skipped { target: pod.reference(), reason, message, refused: true }
    }
}

/// Decides about one pod.
pub fn choose(
    pod: &Pod,
    selection: &Selection,
    scene: &Scene,
    options: &Options,
) -> Result<Choice, Skipped> {
    if let Some(remark) = untouchable(pod, selection) {
        return Err(remark);
    }
    decide(pod, scene, options).map_err(|refusal| refusal.skipped(pod))
}

/// What no option changes.
fn untouchable(pod: &Pod, selection: &Selection) -> Option<Skipped> {
    let (reason, message, refused) = if pod.mirror {
        let message =
            "a static pod: deleting it touches no container, only its node can restart it";
        (SkipReason::Static, message, selection.explicit)
    } else if pod.is_finished() {
        (SkipReason::Finished, "it has ended and holds nothing", false)
    } else {
        return None;
    };
    Some(Skipped { target: pod.reference(), reason, message: message.to_owned(), refused })
}

fn decide(pod: &Pod, scene: &Scene, options: &Options) -> Result<Choice, Refusal> {
    if is_control_plane(pod) && !options.allows(Allowance::ControlPlane) {
        let message =
            "it belongs to the control plane, without which nothing is replaced".to_owned();
        return Err(Refusal::unless(Allowance::ControlPlane, SkipReason::ControlPlane, message));
    }
    let maker = scene.maker(pod);
    let forced = must_be_forced(pod, &maker, scene, options)?;
    let (replacement, recreate, min_ready_seconds) = match maker {
        Maker::Nobody | Maker::Gone(_) => {
            bare(&maker, options)?;
            (None, true, 0)
        }
        Maker::Foreign(owner) => (Some(Replacement::Owner { owner: owner.clone() }), false, 0),
        Maker::Known { direct, top } => {
            (known(pod, direct, top, scene, options)?, false, direct.min_ready_seconds)
        }
    };
    let daemon =
        matches!(maker, Maker::Known { direct, .. } if direct.kind == WorkloadKind::DaemonSet);
    let delete = match options.strategy {
        Strategy::Delete => true,
        Strategy::Auto => daemon || recreate || forced,
        Strategy::Evict | Strategy::Rollout => false,
    };
    let grace_seconds = if forced { Some(0) } else { options.grace_seconds };
    let action = if pod.deleting.is_some() && !forced {
        Action::AwaitPod
    } else if delete || over_budget(pod, scene, options)? {
        Action::DeletePod { grace_seconds }
    } else {
        Action::EvictPod { grace_seconds }
    };
    Ok(Choice { action, replacement, recreate, min_ready_seconds })
}

/// Whether the pod's node cannot confirm its end, so that only a delete without grace removes it.
fn must_be_forced(
    pod: &Pod,
    maker: &Maker<'_>,
    scene: &Scene,
    options: &Options,
) -> Result<bool, Refusal> {
    let Some(node) = pod.node.as_deref().and_then(|name| scene.nodes.get(name)) else {
        return Ok(false);
    };
    let trouble = match node.health {
        NodeHealth::Ready => return Ok(false),
        NodeHealth::NotReady => "is not Ready",
        NodeHealth::Unreachable => "does not report",
    };
    let message =
        format!("its node `{}` {trouble} and cannot confirm that a pod is gone", node.name);
    match (options.allows(Allowance::Unreachable), may_be_forced(maker)) {
        (true, true) => Ok(true),
        (true, false) => Err(Refusal {
            reason: SkipReason::NodeNotReady,
            allowance: None,
            message: format!("{message}, and a second one could write to the same volume"),
        }),
        (false, _) => {
            Err(Refusal::unless(Allowance::Unreachable, SkipReason::NodeNotReady, message))
        }
    }
}

/// Nobody would create it again.
fn bare(maker: &Maker<'_>, options: &Options) -> Result<(), Refusal> {
    if options.allows(Allowance::Bare) {
        return Ok(());
    }
    let (reason, message) = match maker {
        Maker::Gone(owner) => (
            SkipReason::Orphan,
            format!("its {} `{}` is gone, nobody would create it again", owner.kind, owner.name),
        ),
        Maker::Nobody | Maker::Known { .. } | Maker::Foreign(_) => {
            (SkipReason::Bare, "no controller would create it again".to_owned())
        }
    };
    Err(Refusal::unless(Allowance::Bare, reason, message))
}

/// A control plane that runs as ordinary pods carries the same labels as a static one.
fn is_control_plane(pod: &Pod) -> bool {
    const COMPONENTS: [&str; 4] =
        ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"];
    let label = |key: &str| pod.labels.get(key).map(|value| &**value);
    label("tier") == Some("control-plane")
        || ["component", "k8s-app", "app"].iter().any(|key| {
            label(key).is_some_and(|value| COMPONENTS.contains(&value))
                && *pod.namespace == *"kube-system"
        })
}

/// Without the kubelet's word a StatefulSet's pod may still run: two of them would write to one volume.
fn may_be_forced(maker: &Maker<'_>) -> bool {
    matches!(maker, Maker::Known { direct, .. }
        if matches!(direct.kind, WorkloadKind::ReplicaSet | WorkloadKind::ReplicationController | WorkloadKind::DaemonSet))
}

/// What a controller of a known kind does after its pod is gone.
fn known(
    pod: &Pod,
    direct: &Workload,
    top: &Workload,
    scene: &Scene,
    options: &Options,
) -> Result<Option<Replacement>, Refusal> {
    let owner: Owner = top.as_owner();
    Ok(match direct.kind {
        WorkloadKind::Job => {
            if !options.allows(Allowance::Jobs) {
                let message =
                    format!("it works for Job `{}`, and its work would be lost", direct.name);
                return Err(Refusal::unless(Allowance::Jobs, SkipReason::Job, message));
            }
            None
        }
        WorkloadKind::DaemonSet => {
            let node = pod.node.as_deref().and_then(|name| scene.nodes.get(name));
            let unfit = node.and_then(|n| n.unfit_for(&direct.placement));
            match unfit {
                Some(why) if !options.allows(Allowance::Unfit) => {
                    let message =
                        format!("DaemonSet `{}` would not put it back: {why}", direct.name);
                    return Err(Refusal::unless(Allowance::Unfit, SkipReason::Unfit, message));
                }
                Some(_) => None,
                None => pod
                    .node
                    .as_deref()
                    .map(|node| Replacement::Node { owner, node: node.to_owned() }),
            }
        }
        WorkloadKind::StatefulSet => {
            if let Some(lower) = blocking_lower(pod, direct, scene) {
                let message = format!(
                    "StatefulSet `{}` would not create it again while `{lower}` is not Ready",
                    direct.name
                );
                return Err(Refusal { reason: SkipReason::Blocked, allowance: None, message });
            }
            Some(Replacement::Name { owner })
        }
        WorkloadKind::Deployment
        | WorkloadKind::ReplicaSet
        | WorkloadKind::ReplicationController => Some(Replacement::Owner { owner }),
    })
}

/// A lower pod of an ordered StatefulSet that is not Ready and that this run does not mend.
fn blocking_lower<'a>(pod: &Pod, set: &Workload, scene: &'a Scene) -> Option<&'a str> {
    let number = ordinal(&pod.name)?;
    scene
        .pods
        .iter()
        .filter(|p| set.ordered && p.owner.as_ref().is_some_and(|o| o.uid == set.uid))
        .find(|p| {
            ordinal(&p.name).is_some_and(|n| n < number)
                && !p.is_ready()
                && !scene.selected.contains_key(&p.uid)
        })
        .map(|p| &*p.name)
}

/// Whether the pod must be deleted because its budget can never let it be evicted; an error where that is not allowed.
fn over_budget(pod: &Pod, scene: &Scene, options: &Options) -> Result<bool, Refusal> {
    let budgets: Vec<_> = scene.budgets.iter().filter(|b| b.protects(pod)).collect();
    let allowed = options.allows(Allowance::OverBudget)
        || (options.allows(Allowance::UnreadyOverBudget) && !pod.is_ready());
    let allowance =
        if pod.is_ready() { Allowance::OverBudget } else { Allowance::UnreadyOverBudget };
    let (reason, message) = match budgets.as_slice() {
        [] => return Ok(false),
        [budget] => {
            let unready_passes = !pod.is_ready() && budget.always_allows_unready;
            if !budget.never_allows() || unready_passes {
                return Ok(false);
            }
            let message = format!(
                "budget {} keeps {} of {} pods and never allows an eviction",
                budget.describe(),
                budget.required,
                budget.expected
            );
            (SkipReason::BudgetNeverAllows, message)
        }
        [one, two, ..] => {
            let message = format!(
                "two budgets protect it, {} and {}: the API refuses every eviction",
                one.describe(),
                two.describe()
            );
            (SkipReason::TwoBudgets, message)
        }
    };
    if allowed { Ok(true) } else { Err(Refusal::unless(allowance, reason, message)) }
}
