//! Pods that may still hold credentials of before: found by evidence, and recycled by the engine of `kubectl recycle`.

use super::api::Api;
use super::drive::Drive;
use super::journal::Event;
use super::stage::Stage;
use super::steps::Notes;
use super::work::Entry;
use jiff::Timestamp;
use rotation_core::apply::engine::{self, Happening, Limits};
use rotation_core::apply::outcome::{Outcome, Report};
use rotation_core::apply::recycle::{Manifests, Recycler};
use rotation_core::cli::failure::Failure;
use rotation_core::facts::credential::TokenSecret;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::pod::{Interner, Pod};
use rotation_core::facts::workload::WorkloadKind;
use rotation_core::look::pods;
use rotation_core::plan::document::Plan;
use rotation_core::plan::recycle::options::Options;
use rotation_core::plan::recycle::order::Order;
use rotation_core::plan::recycle::plan::{Header, draw};
use rotation_core::plan::recycle::scene::{Scene, Selection};
use rotation_core::plan::staleness::{Credentials, Evidence, judge};
use rotation_core::world::cluster::{Cluster, ClusterError, PodQuery, Scope};
use std::time::Duration;

/// Between two attempts that a budget blocks.
const RETRY: Duration = Duration::from_secs(5);

/// What pods are judged by.
pub(crate) fn credentials(
    cluster: &Cluster,
    since: Option<Timestamp>,
) -> Result<Credentials, ClusterError> {
    let roots = cluster.root_cas(&Scope::All)?;
    let key = |t: TokenSecret| ((t.namespace.clone(), t.name.clone()), t);
    Ok(Credentials {
        root_cas: roots.into_iter().map(|root| (root.namespace.clone(), root)).collect(),
        tokens: cluster.token_secrets(&Scope::All)?.into_iter().map(key).collect(),
        since,
        ..Credentials::default()
    })
}

/// Pods with old credentials, each with the reason, and the scene in which they are.
///
/// While the old generation is being dropped, what is published is written once more: its dates say nothing of pods then.
fn stale(
    cluster: &Cluster,
    since: Option<Timestamp>,
    dropping: bool,
) -> Result<(Scene, Vec<(String, String)>), ClusterError> {
    let mut credentials = credentials(cluster, since)?;
    if dropping {
        credentials.root_cas.clear();
        credentials.tokens.values_mut().for_each(|secret| secret.written = None);
    }
    let mut scene = Scene::default();
    let mut named = Vec::new();
    let query = PodQuery { namespaces: Scope::All, labels: None, fields: None };
    let mut reasons = Vec::new();
    cluster.pods(&query, &mut Interner::default(), &mut |pod: Pod| {
        if pod.mirror || pod.is_finished() || pod.deleting.is_some() {
            return;
        }
        if let Evidence::Stale(why) = judge(&pod, &credentials) {
            reasons.push((pod.uid.clone(), why.to_string()));
            scene.pods.push(pod);
        }
    })?;
    let kinds = pods::kinds_of(&scene.pods);
    scene.workloads = pods::workloads(cluster, &kinds, &Scope::All)?;
    for (pod, (uid, reason)) in scene.pods.iter().zip(reasons) {
        named.push((format!("pod {}/{}", pod.namespace, pod.name), reason.clone()));
        let kind = pod.owner.as_deref().and_then(WorkloadKind::of);
        let selection =
            Selection { reason, order: Order::of_kind(kind), explicit: false, replaces: None };
        scene.selected.insert(uid, selection);
    }
    pods::surroundings(cluster, &mut scene)?;
    Ok((scene, named))
}

/// Since when pods that started are sure to have read what a stage publishes: the first time that all namespaces had it
/// after files were written for that stage.
pub(crate) fn since(history: &[Entry], stages: &[Stage]) -> Option<Timestamp> {
    let mut found = None;
    let mut waits = false;
    for entry in history {
        match &entry.event {
            Event::Intent { stage, files, .. } if stages.contains(stage) && !files.is_empty() => {
                waits = true;
            }
            Event::Gate { stage, verdict, .. }
                if waits && stages.contains(stage) && verdict != "fails" =>
            {
                found = Some(entry.at);
            }
            Event::Phase { stage } if waits && !stages.contains(stage) && found.is_some() => {
                waits = false;
            }
            // Who asks again later, with nothing left to write, asks of what was there already.
            Event::End { .. } if found.is_some() => waits = false,
            _ => {}
        }
    }
    found
}

/// What pods still hold credentials of before, each with the reason.
pub(crate) fn holding(
    api: &Api,
    since: Option<Timestamp>,
    dropping: bool,
) -> Result<Vec<(String, String)>, Failure> {
    let found = api.ask(None, |cluster| stale(cluster, since, dropping))?;
    Ok(found.1)
}

/// When a pod started is told in whole seconds, rounded down: what is made in the second in which everything was published
/// would seem to be older. How long that second lasts.
fn until_next_second(since: Timestamp, now: Timestamp) -> Duration {
    let next = Timestamp::from_second(since.as_second().saturating_add(1)).unwrap_or(since);
    Duration::try_from(next.duration_since(now)).unwrap_or(Duration::ZERO)
}

/// Recycles them; those that nobody would make again, or that may not go, are named and left.
pub(crate) fn recycle(drive: &mut Drive<'_>, since: Option<Timestamp>) -> Result<(), Failure> {
    let Some(api) = drive.api.clone() else { return Ok(()) };
    let (console, interrupt, clock, timeout) =
        (drive.console, drive.interrupt, drive.clock, drive.timeout);
    let now = rotation_core::world::clock::Clock::now(&clock);
    interrupt.pause(since.map_or(Duration::ZERO, |since| until_next_second(since, now)));
    let locked = std::cell::RefCell::new(&mut drive.locked);
    let done: Result<Option<(Plan, Report)>, ClusterError> = api.ask(None, |cluster| {
        let (scene, _) = stale(cluster, since, false)?;
        if scene.selected.is_empty() {
            return Ok(None);
        }
        let header = Header {
            tool: console.tool.name.to_owned(),
            tool_version: console.tool.version.to_owned(),
            created_at: cluster.now(rotation_core::world::clock::Clock::now(&clock)),
            cluster: cluster.identity()?,
        };
        let plan = draw(header, &scene, &Options::default());
        let mut recycler =
            Recycler::start(cluster, &clock, interrupt, &plan, Manifests::default())?;
        let mut locked = locked.borrow_mut();
        let mut journal = Notes::of(&mut locked, "recycle", "recycled");
        let limits = Limits { each: timeout, retry: RETRY };
        let report = engine::apply(&plan, &mut recycler, &mut journal, limits, &mut |happening| {
            if let Happening::Blocked(step, by, _) = happening {
                console.note(&format!("{} waits: {by}", step.target.kubectl_name()));
            }
        });
        Ok(Some((plan, report)))
    });
    let Some((plan, report)) = done? else { return Ok(()) };
    for left in &plan.skipped {
        let (name, namespace) = (left.target.kubectl_name(), &left.target.namespace);
        // The engine speaks of a flag of the command that it was made for.
        let command = format!("; `kubectl recycle {name} -n {namespace} --allow ");
        let why = left.message.replace("; `--allow ", &command);
        console.warn(&format!("{name} ({namespace}) is left alone: {why}"));
    }
    for step in plan.steps() {
        let why = match report.of(step) {
            Some(Outcome::Failed { message, .. }) => message.clone(),
            Some(Outcome::Unproven { waiting_for }) => format!("still waiting for {waiting_for}"),
            Some(Outcome::Blocked { by }) => format!("blocked by {by}"),
            _ => continue,
        };
        let target = &step.target;
        console.warn(&format!("{} ({}): {why}", target.kubectl_name(), target.namespace));
    }
    let done = report.outcomes.values().filter(|o| matches!(o, Outcome::Done { .. })).count();
    console.note(&format!("{done} of {} pods with old credentials recycled", plan.steps().count()));
    if interrupt.is_asked() {
        return Err(Failure::unexpected("interrupted between two pods")
            .with_exit(Exit::Interrupted)
            .with_hint(format!("go on with `{} apply`", console.tool.name)));
    }
    if done < plan.steps().count() {
        return Err(Failure::refused("not every pod with old credentials came back")
            .with_exit(Exit::Partly)
            .with_hint(format!(
                "look at them, then run `{0} apply` again; `{0} apply --keep-pods` leaves them to you, and `{0} finish` waits for them",
                console.tool.name
            )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pod_is_made_in_the_second_in_which_everything_was_published() {
        for (since, now, wait) in [
            ("2026-11-30T02:31:25.7Z", "2026-11-30T02:31:25.75Z", 250),
            ("2026-11-30T02:31:25Z", "2026-11-30T02:31:25Z", 1000),
            ("2026-11-30T02:31:25.7Z", "2026-11-30T02:31:26Z", 0),
            ("2026-11-30T02:31:25.7Z", "2026-11-30T03:31:26Z", 0),
        ] {
            let at = |word: &str| word.parse::<Timestamp>().expect("a time");
            let pause = until_next_second(at(since), at(now));
            assert_eq!(pause, Duration::from_millis(wait), "{since} {now}");
        }
    }

    #[test]
    fn pods_are_old_until_everything_was_published() {
        let at = |second: i64| Timestamp::from_second(second).expect("a time");
        let intent = |second, stage, files: usize| Entry {
            at: at(second),
            event: Event::Intent {
                stage,
                host: "m1".to_owned(),
                files: vec!["x".to_owned(); files],
                restarts: Vec::new(),
            },
        };
        let gate = |second, stage, verdict: &str| Entry {
            at: at(second),
            event: Event::Gate {
                stage,
                gate: String::new(),
                verdict: verdict.to_owned(),
                message: String::new(),
                took: 0,
            },
        };
        let phase = |second, stage| Entry { at: at(second), event: Event::Phase { stage } };
        let stages = [Stage::Accept, Stage::Sign];
        assert_eq!(since(&[], &stages), None);
        let mut history = vec![
            phase(1, Stage::Accept),
            intent(2, Stage::Accept, 1),
            gate(3, Stage::Accept, "fails"),
            gate(4, Stage::Accept, "holds"),
        ];
        assert_eq!(since(&history, &stages), Some(at(4)));
        history.extend([
            phase(5, Stage::Switch),
            intent(6, Stage::Switch, 1),
            gate(7, Stage::Switch, "holds"),
        ]);
        assert_eq!(since(&history, &stages), Some(at(4)));
        // Asked again, with nothing left to write: pods that came since are not old.
        history.extend([
            phase(8, Stage::Accept),
            intent(9, Stage::Accept, 0),
            gate(10, Stage::Accept, "holds"),
        ]);
        assert_eq!(since(&history, &stages), Some(at(4)));
        let end =
            |second| Entry { at: at(second), event: Event::End { exit: 0, stage: Stage::Retire } };
        let last = [Stage::Retire];
        let mut history = vec![
            phase(1, Stage::Retire),
            intent(2, Stage::Retire, 1),
            gate(3, Stage::Retire, "holds"),
            end(4),
            phase(5, Stage::Retire),
            intent(6, Stage::Retire, 0),
            gate(7, Stage::Retire, "holds"),
        ];
        assert_eq!(since(&history, &last), Some(at(3)));
        history.extend([intent(8, Stage::Retire, 1), gate(9, Stage::Retire, "holds")]);
        assert_eq!(since(&history, &last), Some(at(9)));
    }
}
