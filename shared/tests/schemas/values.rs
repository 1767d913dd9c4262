//! One value of every variant. The matches in it are exhaustive: a new variant does not compile until it stands here.

use jiff::Timestamp;
use rotation_core::apply::effect::Effect;
use rotation_core::apply::journal::{Chain, Entry, Seen};
use rotation_core::apply::outcome::{Outcome, Proof};
use rotation_core::facts::ca_bundle::CaBundle;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::identity::{ClusterIdentity, ObjectRef};
use rotation_core::facts::owner::Owner;
use rotation_core::facts::selector::Selector;
use rotation_core::plan::document::{
    Action, Phase, Plan, Probe, Replacement, SCHEMA_VERSION, SkipReason, Skipped, Step, Wave,
};
use rotation_core::plan::staleness::CredentialKey;
use rotation_core::tell::event::{Counts, Event, EventKind, Subject};
use std::time::Duration;

fn cluster() -> ClusterIdentity {
    ClusterIdentity { uid: "c".into(), server: "https://127.0.0.1:6443".into() }
}

fn target() -> ObjectRef {
    ObjectRef {
        kind: "Pod".into(),
        namespace: "kube-system".into(),
        name: "coredns-a".into(),
        uid: "u".into(),
    }
}

fn owner() -> Owner {
    Owner {
        group: "apps".into(),
        kind: "Deployment".into(),
        name: "coredns".into(),
        uid: "d".into(),
    }
}

/// The next one of its kind, so that a walk from the first meets all; `None` after the last.
fn action_after(action: Option<&Action>) -> Option<Action> {
    Some(match action {
        None => Action::EvictPod { grace_seconds: None },
        Some(Action::EvictPod { grace_seconds: None }) => {
            Action::EvictPod { grace_seconds: Some(5) }
        }
        Some(Action::EvictPod { grace_seconds: Some(_) }) => {
            Action::DeletePod { grace_seconds: None }
        }
        Some(Action::DeletePod { grace_seconds: None }) => {
            Action::DeletePod { grace_seconds: Some(0) }
        }
        Some(Action::DeletePod { grace_seconds: Some(_) }) => Action::AwaitPod,
        Some(Action::AwaitPod) => {
            Action::CreatePod { manifest_file: String::new(), manifest_sha256: String::new() }
        }
        Some(Action::CreatePod { manifest_file, .. }) if manifest_file.is_empty() => {
            Action::CreatePod {
                manifest_file: "/state/pod-u.json".into(),
                manifest_sha256: Digest::of(b"x").to_string(),
            }
        }
        Some(Action::CreatePod { .. }) => Action::RestartRollout { resource_version: "1".into() },
        Some(Action::RestartRollout { .. }) => {
            Action::RefillToken { token_sha256: Digest::of(b"x"), revive: false }
        }
        Some(Action::RefillToken { revive: false, .. }) => {
            Action::RefillToken { token_sha256: Digest::of(b"x"), revive: true }
        }
        Some(Action::RefillToken { revive: true, .. }) => Action::AwaitToken,
        Some(Action::AwaitToken) => Action::CreateToken {
            name: "n".into(),
            account: "a".into(),
            account_uid: "u".into(),
            manifest_file: String::new(),
            manifest_sha256: String::new(),
        },
        Some(Action::CreateToken { .. }) => {
            Action::RepointAccount { account: "a".into(), account_uid: "u".into(), to: "n".into() }
        }
        Some(Action::RepointAccount { .. }) => Action::DeleteSecret,
        Some(Action::DeleteSecret) => return None,
    })
}

fn probe_after(probe: Option<&Probe>) -> Option<Probe> {
    let replaced = |replacement| Probe::Replaced { replacement, min_ready_seconds: 0 };
    let namespace = || "kube-system".to_owned();
    let works = |other_than, pem: &str| Probe::TokenWorks {
        namespace: namespace(),
        secret: "s".into(),
        other_than,
        ca: CaBundle::of(pem),
    };
    Some(match probe {
        None => Probe::OthersReady {
            namespace: namespace(),
            selector: Selector::parse("k8s-app in (a,b),!c").expect("a selector"),
            at_least: 1,
        },
        Some(Probe::OthersReady { .. }) => Probe::Gone,
        Some(Probe::Gone) => replaced(Replacement::Owner { owner: owner() }),
        Some(Probe::Replaced { replacement, .. }) => match replacement {
            Replacement::Owner { .. } => {
                replaced(Replacement::Node { owner: owner(), node: "n1".into() })
            }
            Replacement::Node { .. } => replaced(Replacement::Name { owner: owner() }),
            Replacement::Name { .. } => Probe::Recreated,
        },
        Some(Probe::Recreated) => Probe::RolledOut,
        Some(Probe::RolledOut) => Probe::EndpointsReady {
            namespace: namespace(),
            service: "kube-dns".into(),
            at_least: 1,
        },
        Some(Probe::EndpointsReady { .. }) => works(None, ""),
        Some(Probe::TokenWorks { other_than: None, .. }) => {
            works(Some(Digest::of(b"x")), &double::tls::Authority::new("kubernetes").pem())
        }
        Some(Probe::TokenWorks { other_than: Some(_), .. }) => {
            Probe::AccountLists { account: "a".into(), secret: "s".into() }
        }
        Some(Probe::AccountLists { .. }) => Probe::TokenRefused,
        Some(Probe::TokenRefused) => return None,
    })
}

fn skip_reason_after(reason: Option<SkipReason>) -> Option<SkipReason> {
    use SkipReason as R;
    Some(match reason {
        None => R::Fresh,
        Some(R::Fresh) => R::Unknown,
        Some(R::Unknown) => R::Finished,
        Some(R::Finished) => R::Static,
        Some(R::Static) => R::Bare,
        Some(R::Bare) => R::Orphan,
        Some(R::Orphan) => R::Job,
        Some(R::Job) => R::Unfit,
        Some(R::Unfit) => R::NodeNotReady,
        Some(R::NodeNotReady) => R::LastReady,
        Some(R::LastReady) => R::Blocked,
        Some(R::Blocked) => R::TwoBudgets,
        Some(R::TwoBudgets) => R::BudgetNeverAllows,
        Some(R::BudgetNeverAllows) => R::NoRollout,
        Some(R::NoRollout) => R::ControlPlane,
        Some(R::ControlPlane) => R::Foreign,
        Some(R::Foreign) => R::Invalid,
        Some(R::Invalid) => R::Terminating,
        Some(R::Terminating) => R::OwnCredential,
        Some(R::OwnCredential) => R::DeadName,
        Some(R::DeadName) => R::OtherType,
        Some(R::OtherType) => R::Immutable,
        Some(R::Immutable) => return None,
    })
}

fn outcome_after(outcome: Option<&Outcome>) -> Option<Outcome> {
    let some = || Some("x".to_owned());
    Some(match outcome {
        None => Outcome::Done { proof: Proof::default(), millis: 0, changed: false },
        Some(Outcome::Done { proof: Proof { note: None, .. }, .. }) => Outcome::Done {
            proof: Proof {
                replacement: some(),
                replacement_uid: some(),
                node: some(),
                note: some(),
            },
            millis: 1,
            changed: true,
        },
        Some(Outcome::Done { .. }) => Outcome::Failed {
            reason: "CrashLoopBackOff".into(),
            message: "m".into(),
            changed: true,
        },
        Some(Outcome::Failed { .. }) => Outcome::Unproven { waiting_for: "w".into() },
        Some(Outcome::Unproven { .. }) => Outcome::Blocked { by: "b".into() },
        Some(Outcome::Blocked { .. }) => Outcome::UnderWay { changed: true },
        Some(Outcome::UnderWay { .. }) => Outcome::NotBegun { why: "w".into() },
        Some(Outcome::NotBegun { .. }) => return None,
    })
}

fn steps() -> Vec<Step> {
    let probes: Vec<Probe> =
        std::iter::successors(probe_after(None), |p| probe_after(Some(p))).collect();
    let step = |(index, action): (usize, Action)| Step {
        id: format!("1.1.{index}"),
        target: if index == 1 {
            ObjectRef { kind: "Node".into(), namespace: String::new(), ..target() }
        } else {
            target()
        },
        node: (index != 1).then(|| "n1".to_owned()),
        reason: "named".into(),
        expect: if index == 0 { probes.clone() } else { Vec::new() },
        action,
        verify: probes.clone(),
        undo: "none".into(),
        replaces: (index == 0).then(|| "kubectl delete pod".to_owned()),
    };
    std::iter::successors(action_after(None), |a| action_after(Some(a)))
        .enumerate()
        .map(step)
        .collect()
}

/// A plan with everything in it.
pub(crate) fn plan() -> Plan {
    let skipped = |reason| Skipped { target: target(), reason, message: "m".into(), refused: true };
    Plan {
        phases: vec![Phase {
            name: "dns".into(),
            waves: vec![Wave {
                name: "kube-system/coredns (Deployment)".into(),
                max_unavailable: 1,
                max_failures: 1,
                steps: steps(),
            }],
        }],
        skipped: std::iter::successors(skip_reason_after(None), |r| skip_reason_after(Some(*r)))
            .map(skipped)
            .collect(),
        notes: vec!["n".into()],
        ..empty_plan()
    }
}

/// A plan with nothing in it.
pub(crate) fn empty_plan() -> Plan {
    Plan {
        schema_version: SCHEMA_VERSION.into(),
        tool: "kubectl recycle".into(),
        tool_version: "0.1.0".into(),
        created_at: "2026-01-01T00:00:00.5Z".parse().expect("time"),
        cluster: cluster(),
        phases: Vec::new(),
        skipped: Vec::new(),
        notes: Vec::new(),
    }
}

/// The lines of a journal with every entry in it.
pub(crate) fn journal() -> String {
    let at = Timestamp::UNIX_EPOCH;
    let plan = plan();
    let step = plan.steps().next().expect("a step");
    let digest = Digest::of(b"x");
    let seen = vec![
        Seen { key: CredentialKey::RootCa { namespace: "n".into() }, digest },
        Seen { key: CredentialKey::Token { namespace: "n".into(), name: "t".into() }, digest },
    ];
    let mut entries = vec![Entry::run(at, &plan, vec!["d".into()], seen), Entry::intent(at, step)];
    for effect in [
        Effect::Made,
        Effect::Blocked { by: "b".into(), retry_after: None },
        Effect::Refused { reason: "r".into(), message: "m".into() },
        Effect::Unclear("u".into()),
    ] {
        entries.push(Entry::effect(at, step, &effect));
    }
    let outcomes = std::iter::successors(outcome_after(None), |o| outcome_after(Some(o)));
    entries.extend(outcomes.map(|outcome| Entry::outcome(at, step, &outcome)));
    entries.extend(Exit::ALL.map(|exit| Entry::end(at, exit.code())));
    Chain::default().lines(&entries).expect("lines")
}

/// Every event, with and without what may be absent.
pub(crate) fn events() -> Vec<Event> {
    let subject = || Subject::new("pod/coredns-a", "kube-system");
    let some = || Some("x".to_owned());
    let second = Duration::from_millis(1500);
    let done = |field: fn() -> Option<String>| EventKind::StepDone {
        subject: subject(),
        outcome: "replaced".into(),
        old: field(),
        new: field(),
        node: field(),
        proof: field(),
        took: second,
    };
    let failed = |hint| EventKind::StepFailed {
        subject: subject(),
        reason: "CrashLoopBackOff".into(),
        message: "m".into(),
        hint,
        changed: true,
    };
    let mut kinds = vec![
        EventKind::RunStarted {
            tool: "kubectl recycle".into(),
            version: "0.1.0".into(),
            place: "https://api".into(),
            what: "recycle 1 pod".into(),
            steps: 1,
        },
        EventKind::PhaseStarted { phase: "dns".into(), steps: 1 },
        EventKind::PhaseEnded { phase: "dns".into() },
        EventKind::StepStarted { subject: Subject::new("node/n1", ""), doing: "d".into() },
        EventKind::StepChanged { subject: subject(), done: "evicted".into() },
        EventKind::StepWaiting { subject: subject(), waiting_for: "w".into(), since: second },
        EventKind::StepBlocked { subject: subject(), by: "b".into(), since: second },
        done(|| None),
        done(|| Some("x".to_owned())),
        failed(None),
        failed(some()),
        EventKind::StepSkipped { subject: subject(), reason: "static".into(), message: "m".into() },
        EventKind::Note { message: "m".into() },
        EventKind::Warning { message: "m".into() },
        EventKind::ConnectionLost { cause: "c".into() },
        EventKind::ConnectionBack { after: second },
        EventKind::Stopping { message: "m".into() },
    ];
    kinds.extend(Exit::ALL.map(|exit| EventKind::RunEnded {
        exit: exit.code(),
        counts: Counts { done: 1, failed: 1, skipped: 1, left: 1 },
        message: "m".into(),
    }));
    for kind in &kinds {
        is_listed(kind);
    }
    let event = |kind| Event { at: Timestamp::UNIX_EPOCH, elapsed: second, kind };
    kinds.into_iter().map(event).collect()
}

/// Does not compile when a kind is added: then add it to [`events`] and to the schema.
fn is_listed(kind: &EventKind) {
    match kind {
        EventKind::RunStarted { .. }
        | EventKind::PhaseStarted { .. }
        | EventKind::PhaseEnded { .. }
        | EventKind::StepStarted { .. }
        | EventKind::StepChanged { .. }
        | EventKind::StepWaiting { .. }
        | EventKind::StepBlocked { .. }
        | EventKind::StepDone { .. }
        | EventKind::StepFailed { .. }
        | EventKind::StepSkipped { .. }
        | EventKind::Note { .. }
        | EventKind::Warning { .. }
        | EventKind::ConnectionLost { .. }
        | EventKind::ConnectionBack { .. }
        | EventKind::Stopping { .. }
        | EventKind::RunEnded { .. } => {}
    }
}
