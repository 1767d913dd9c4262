//! Is the replacement really there? Judged from a fresh look, again and again, until it is or cannot be.

use super::pods::Pods;
use crate::facts::identity::Uid;
use crate::facts::node::Node;
use crate::facts::pod::{Owner, Pod, Trouble};
use crate::facts::selector::Selector;
use crate::facts::workload::{Workload, WorkloadKind};
use crate::plan::document::Replacement;
use jiff::{SignedDuration, Timestamp};
use std::collections::{HashMap, HashSet};

/// What is looked at while a wave is under way.
#[derive(Debug, Default)]
pub struct Sight {
    /// Pods, as of now.
    pub pods: Pods,
    /// Controllers by UID, as of now.
    pub workloads: HashMap<Uid, Workload>,
    /// Nodes by name, as of now.
    pub nodes: HashMap<Box<str>, Node>,
    /// The API server's time.
    pub now: Timestamp,
}

/// A pod that was made to go.
#[derive(Clone, Debug)]
pub struct Departed {
    /// Its UID.
    pub uid: Uid,
    /// Its name.
    pub name: Box<str>,
    /// Its namespace.
    pub namespace: Box<str>,
    /// When it was first seen to be gone.
    pub gone_since: Option<Timestamp>,
}

/// Pods that cannot stand for a replacement.
#[derive(Debug, Default)]
pub struct Roster {
    /// Those that were there when the run began.
    pub known: HashSet<Uid>,
    /// New ones that already stand for another departed pod: two pods are not replaced by one.
    pub claimed: HashSet<Uid>,
}

/// What is known of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is Ready: its UID and name.
    Ready {
        /// UID of the new pod.
        uid: Uid,
        /// Its name.
        name: Box<str>,
    },
    /// None is wanted any more, and why.
    NotWanted(String),
    /// Not yet, and what is missing.
    Waiting(String),
    /// Waiting will not help.
    Hopeless(Trouble),
}

/// How long a reason must last before waiting is called hopeless.
///
/// An image pull or a crash is retried by the kubelet, a missing secret may be on its way, and a pod may be
/// unschedulable only while the old one still holds its place.
fn patience(trouble: &Trouble) -> SignedDuration {
    match &*trouble.reason {
        "InvalidImageName" | "ErrImageNeverPull" => SignedDuration::ZERO,
        "CrashLoopBackOff" if trouble.restarts >= 3 => SignedDuration::ZERO,
        "ImagePullBackOff" => SignedDuration::from_secs(10),
        _ => SignedDuration::from_secs(30),
    }
}

/// Judges whether `departed` has been replaced.
pub fn judge(
    departed: &Departed,
    replacement: &Replacement,
    min_ready_seconds: u32,
    sight: &Sight,
    roster: &Roster,
) -> Verdict {
    if let Some(old) = sight.pods.get(&departed.uid) {
        return Verdict::Waiting(match old.deleting {
            Some(_) if !old.finalizers.is_empty() => {
                format!("it to end; finalizer `{}` holds it", old.finalizers[0])
            }
            Some(until) if sight.now > until + SignedDuration::from_secs(60) => {
                format!("it to end; it should have been gone at {until}, its node may be unable to")
            }
            Some(_) => "it to end".to_owned(),
            None => "it to go".to_owned(),
        });
    }
    let owner = replacement.owner();
    let may_stand = |p: &&Pod| p.uid != departed.uid && p.deleting.is_none() && !p.is_finished();
    let mut candidates: Vec<&Pod> = match replacement {
        Replacement::Owner { owner } => family(owner, sight)
            .filter(may_stand)
            .filter(|p| !roster.known.contains(&p.uid) && !roster.claimed.contains(&p.uid))
            .collect(),
        Replacement::Node { owner, node } => {
            let there = sight.pods.on(node).filter(may_stand);
            there.filter(|p| belongs_to(p, owner, sight)).collect()
        }
        Replacement::Name { owner } => family(owner, sight)
            .filter(may_stand)
            .filter(|p| p.name == departed.name && *p.namespace == *departed.namespace)
            .collect(),
    };
    candidates.sort_by(|a, b| (a.created, &a.name).cmp(&(b.created, &b.name)));
    // Clocks differ, and a server tells its own in whole seconds: where no time is asked for, none is compared.
    let long_enough = |since: Timestamp| {
        min_ready_seconds == 0
            || sight.now.duration_since(since)
                >= SignedDuration::from_secs(min_ready_seconds.into())
    };
    if let Some(ready) = candidates.iter().find(|p| p.ready_since.is_some_and(long_enough)) {
        return Verdict::Ready { uid: ready.uid.clone(), name: ready.name.clone() };
    }
    if let Some(why) = not_wanted(departed, replacement, candidates.is_empty(), sight) {
        return Verdict::NotWanted(why);
    }
    let Some(candidate) = candidates.first() else {
        return Verdict::Waiting(format!(
            "{} `{}` to create its replacement",
            owner.kind, owner.name
        ));
    };
    if let Some(trouble) = candidate.trouble.as_deref() {
        let since = departed.gone_since.unwrap_or(sight.now).max(candidate.created);
        if sight.now.duration_since(since) >= patience(trouble) {
            return Verdict::Hopeless(trouble.clone());
        }
        return Verdict::Waiting(format!("`{}`, which reports {}", candidate.name, trouble.reason));
    }
    Verdict::Waiting(if candidate.ready_since.is_some() {
        format!("`{}` to be Ready for {min_ready_seconds}s", candidate.name)
    } else {
        format!("`{}` to be Ready", candidate.name)
    })
}

/// Whether the pod's controller is `owner`, or stands below it.
fn belongs_to(pod: &Pod, owner: &Owner, sight: &Sight) -> bool {
    let Some(direct) = pod.owner.as_deref() else {
        return false;
    };
    direct.uid == owner.uid
        || sight
            .workloads
            .get(&direct.uid)
            .and_then(|w| w.owner.as_ref())
            .is_some_and(|above| above.uid == owner.uid)
}

/// Pods whose controller is `owner`, or stands below it.
fn family<'a>(owner: &'a Owner, sight: &'a Sight) -> impl Iterator<Item = &'a Pod> {
    let below = |w: &&Workload| w.owner.as_ref().is_some_and(|above| above.uid == owner.uid);
    let makers = sight.workloads.values().filter(below).map(|w| &w.uid);
    std::iter::once(&owner.uid).chain(makers).flat_map(|uid| sight.pods.of(uid))
}

/// The controller is gone, scaled down, or does not want this node any more.
fn not_wanted(
    departed: &Departed,
    replacement: &Replacement,
    none_is_there: bool,
    sight: &Sight,
) -> Option<String> {
    let owner = replacement.owner();
    let Some(workload) = sight.workloads.get(&owner.uid) else {
        // A controller of a foreign kind is never in sight; one of Kubernetes' own that is missing was deleted.
        return WorkloadKind::of(owner)
            .is_some()
            .then(|| format!("{} `{}` was deleted", owner.kind, owner.name));
    };
    if workload.deleting {
        return Some(format!("{} `{}` is being deleted", owner.kind, owner.name));
    }
    match replacement {
        Replacement::Node { node, .. } => {
            let Some(node) = sight.nodes.get(node.as_str()) else {
                return Some(format!("node `{node}` is gone"));
            };
            node.unfit_for(&workload.placement)
                .map(|why| format!("{} `{}` no longer wants it: {why}", owner.kind, owner.name))
        }
        Replacement::Name { .. } => {
            let number = super::order::ordinal(&departed.name)?;
            (number >= workload.desired).then(|| scaled(workload))
        }
        Replacement::Owner { owner } => {
            let ready = family(owner, sight).filter(|p| p.is_ready());
            // One that is there and not yet Ready for long enough is wanted: it is the replacement.
            let full = none_is_there && ready.count() >= workload.desired as usize;
            (workload.desired == 0 || full).then(|| scaled(workload))
        }
    }
}

fn scaled(workload: &Workload) -> String {
    format!(
        "{} `{}` has all the {} pods it wants",
        workload.kind.as_str(),
        workload.name,
        workload.desired
    )
}

/// Ready pods of a namespace that a selector names, beside these.
pub fn others_ready(
    namespace: &str,
    selector: &Selector,
    except: &HashSet<Uid>,
    sight: &Sight,
) -> usize {
    let counts = |p: &&Pod| {
        !except.contains(&p.uid)
            && p.is_ready()
            && &*p.namespace == namespace
            && selector.matches(&p.labels)
    };
    sight.pods.iter().filter(counts).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::pod::Interner;
    use crate::facts::workload::Workload;

    const NOW: &str = "2026-01-01T12:00:00Z";

    fn pod(name: &str, uid: &str, owner: (&str, &str), rest: &str) -> Pod {
        let (kind, owner) = owner;
        let json = format!(
            r#"{{"metadata":{{"namespace":"ns","name":"{name}","uid":"{uid}","creationTimestamp":"2026-01-01T11:59:00Z",
               "ownerReferences":[{{"apiVersion":"apps/v1","kind":"{kind}","name":"{owner}","uid":"{owner}","controller":true}}]}},
               "spec":{{"nodeName":"n1"}},"status":{{"phase":"Running",{rest}}}}}"#
        );
        Pod::read(serde_json::from_str(&json).expect("json"), &mut Interner::default())
            .expect("pod")
    }

    const READY: &str = r#""conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T11:59:50Z"}]"#;
    const UNREADY: &str = r#""conditions":[]"#;

    fn waiting(reason: &str, restarts: u32) -> String {
        format!(
            r#""containerStatuses":[{{"name":"c","restartCount":{restarts},"state":{{"waiting":{{"reason":"{reason}"}}}}}}]"#
        )
    }

    fn workload(kind: WorkloadKind, name: &str, desired: u32) -> Workload {
        let json = format!(
            r#"{{"metadata":{{"namespace":"ns","name":"{name}","uid":"{name}"}},
               "spec":{{"replicas":{desired}}},"status":{{"desiredNumberScheduled":{desired}}}}}"#
        );
        Workload::read(kind, serde_json::from_str(&json).expect("json"))
    }

    fn sight(pods: Vec<Pod>, workloads: Vec<Workload>) -> Sight {
        let node: crate::facts::node::NodeWire =
            serde_json::from_str(r#"{"metadata":{"name":"n1","uid":"n"}}"#).expect("json");
        Sight {
            pods: pods.into_iter().collect(),
            workloads: workloads.into_iter().map(|w| (w.uid.clone(), w)).collect(),
            nodes: [("n1".into(), Node::read(node))].into(),
            now: NOW.parse().expect("time"),
        }
    }

    fn departed(name: &str) -> Departed {
        Departed {
            uid: "old".into(),
            name: name.into(),
            namespace: "ns".into(),
            gone_since: Some("2026-01-01T11:59:10Z".parse().expect("time")),
        }
    }

    fn owner(kind: WorkloadKind, name: &str) -> Owner {
        workload(kind, name, 1).as_owner()
    }

    fn by_owner() -> Replacement {
        Replacement::Owner { owner: owner(WorkloadKind::ReplicaSet, "rs") }
    }

    fn verdict(replacement: &Replacement, name: &str, min_ready: u32, sight: &Sight) -> Verdict {
        judge(
            &departed(name),
            replacement,
            min_ready,
            sight,
            &Roster { known: ["known".into()].into(), claimed: ["claimed".into()].into() },
        )
    }

    #[test]
    fn a_replica_set_is_judged_by_new_pods_alone() {
        let rs = || vec![workload(WorkloadKind::ReplicaSet, "rs", 3)];
        let of = ("ReplicaSet", "rs");
        for (what, pods, ready) in [
            ("none yet", vec![], false),
            ("one that was there before", vec![pod("a", "known", of, READY)], false),
            ("one that replaces another", vec![pod("a", "claimed", of, READY)], false),
            ("not Ready", vec![pod("a", "new", of, UNREADY)], false),
            ("somebody else's", vec![pod("a", "new", ("ReplicaSet", "other"), READY)], false),
            ("Ready", vec![pod("a", "new", of, READY)], true),
            (
                "old one still there",
                vec![pod("x", "old", of, READY), pod("a", "new", of, READY)],
                false,
            ),
        ] {
            let verdict = verdict(&by_owner(), "x", 0, &sight(pods, rs()));
            assert_eq!(matches!(verdict, Verdict::Ready { .. }), ready, "{what}: {verdict:?}");
        }
    }

    #[test]
    fn min_ready_seconds_are_waited_for() {
        let pods = || vec![pod("a", "new", ("ReplicaSet", "rs"), READY)];
        let rs = || vec![workload(WorkloadKind::ReplicaSet, "rs", 3)];
        assert!(matches!(
            verdict(&by_owner(), "x", 10, &sight(pods(), rs())),
            Verdict::Ready { .. }
        ));
        assert!(matches!(verdict(&by_owner(), "x", 11, &sight(pods(), rs())), Verdict::Waiting(_)));
    }

    /// The API server tells its time in whole seconds, and kubelets stamp conditions with their own clocks.
    #[test]
    fn a_clock_that_is_behind_makes_no_replacement_unwanted() {
        let of = ("ReplicaSet", "rs");
        let pods = vec![pod("a", "known", of, READY), pod("b", "new", of, READY)];
        let mut sight = sight(pods, vec![workload(WorkloadKind::ReplicaSet, "rs", 2)]);
        sight.now = "2026-01-01T11:59:49Z".parse().expect("time");
        assert!(matches!(verdict(&by_owner(), "x", 0, &sight), Verdict::Ready { .. }));
        // Ready, and not yet for long enough: it is still the replacement.
        assert!(matches!(verdict(&by_owner(), "x", 5, &sight), Verdict::Waiting(_)));
    }

    #[test]
    fn scaled_down_or_deleted_means_not_wanted() {
        let known = || vec![pod("a", "known", ("ReplicaSet", "rs"), READY)];
        for workloads in [
            vec![],
            vec![workload(WorkloadKind::ReplicaSet, "rs", 0)],
            vec![workload(WorkloadKind::ReplicaSet, "rs", 1)],
        ] {
            let verdict = verdict(&by_owner(), "x", 0, &sight(known(), workloads));
            assert!(matches!(verdict, Verdict::NotWanted(_)), "{verdict:?}");
        }
    }

    #[test]
    fn a_daemon_set_is_judged_on_its_node_and_a_stateful_set_by_its_name() {
        let ds =
            Replacement::Node { owner: owner(WorkloadKind::DaemonSet, "ds"), node: "n1".into() };
        let set = || vec![workload(WorkloadKind::DaemonSet, "ds", 2)];
        let new = || pod("a", "new", ("DaemonSet", "ds"), READY);
        assert!(matches!(verdict(&ds, "x", 0, &sight(vec![new()], set())), Verdict::Ready { .. }));
        let elsewhere = Pod { node: Some("n2".into()), ..new() };
        assert!(matches!(
            verdict(&ds, "x", 0, &sight(vec![elsewhere], set())),
            Verdict::Waiting(_)
        ));

        let sts = Replacement::Name { owner: owner(WorkloadKind::StatefulSet, "web") };
        let web = |n| vec![workload(WorkloadKind::StatefulSet, "web", n)];
        let same = || vec![pod("web-1", "new", ("StatefulSet", "web"), READY)];
        assert!(matches!(verdict(&sts, "web-1", 0, &sight(same(), web(2))), Verdict::Ready { .. }));
        assert!(matches!(verdict(&sts, "web-0", 0, &sight(same(), web(2))), Verdict::Waiting(_)));
        assert!(matches!(verdict(&sts, "web-1", 0, &sight(vec![], web(1))), Verdict::NotWanted(_)));
    }

    #[test]
    fn a_node_that_no_longer_fits_ends_the_wait() {
        let ds =
            Replacement::Node { owner: owner(WorkloadKind::DaemonSet, "ds"), node: "n1".into() };
        let mut sight = sight(vec![], vec![workload(WorkloadKind::DaemonSet, "ds", 1)]);
        let tainted = r#"{"metadata":{"name":"n1","uid":"n"},"spec":{"taints":[{"key":"x","effect":"NoSchedule"}]}}"#;
        sight.nodes.insert("n1".into(), Node::read(serde_json::from_str(tainted).expect("json")));
        assert!(matches!(verdict(&ds, "x", 0, &sight), Verdict::NotWanted(_)));
        sight.nodes.clear();
        assert!(matches!(verdict(&ds, "x", 0, &sight), Verdict::NotWanted(_)));
    }

    #[test]
    fn what_waiting_cannot_mend_ends_the_wait() {
        for (reason, restarts, hopeless) in [
            ("CrashLoopBackOff", 3, true),
            ("ErrImageNeverPull", 0, true),
            ("ImagePullBackOff", 0, true),
            ("CreateContainerConfigError", 0, true),
        ] {
            let pods = vec![pod("a", "new", ("ReplicaSet", "rs"), &waiting(reason, restarts))];
            let mut sight = sight(pods, vec![workload(WorkloadKind::ReplicaSet, "rs", 3)]);
            let verdict_now = verdict(&by_owner(), "x", 0, &sight);
            assert_eq!(
                matches!(verdict_now, Verdict::Hopeless(_)),
                hopeless,
                "{reason}: {verdict_now:?}"
            );
            // The same reason a second after the old pod went is not believed yet, unless nothing can mend it.
            sight.now = "2026-01-01T11:59:11Z".parse().expect("time");
            let early = verdict(&by_owner(), "x", 0, &sight);
            let at_once = matches!(reason, "CrashLoopBackOff" | "ErrImageNeverPull");
            assert_eq!(matches!(early, Verdict::Hopeless(_)), at_once, "{reason}: {early:?}");
        }
    }

    #[test]
    fn a_finalizer_is_named() {
        let mut old = pod("x", "old", ("ReplicaSet", "rs"), READY);
        old.deleting = Some("2026-01-01T12:00:30Z".parse().expect("time"));
        old.finalizers = Box::new(["example.org/hold".into()]);
        let verdict = verdict(&by_owner(), "x", 0, &sight(vec![old], vec![]));
        assert!(
            matches!(&verdict, Verdict::Waiting(w) if w.contains("example.org/hold")),
            "{verdict:?}"
        );
    }
}
