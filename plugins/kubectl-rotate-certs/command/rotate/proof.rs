//! What stands between the stages: pods that hold old credentials, and the proof that nobody needs the old generation.

use super::came;
use crate::TOOL;
use crate::rotate::consumers::Consumer;
use crate::rotate::document::Plan;
use crate::rotate::drive::Drive;
use crate::rotate::gates;
use crate::rotate::generation::each_block;
use crate::rotate::journal::Event;
use crate::rotate::offender::Offender;
use crate::rotate::old::certificate;
use crate::rotate::pods;
use crate::rotate::reach::{self, Machine};
use crate::rotate::stage::{Stage, Track};
use crate::rotate::tokens;
use crate::rotate::work::Work;
use jiff::Timestamp;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::sighting::{Content, Interner, Place, Sighting};
use rotation_core::facts::x509::Certificate;
use rotation_core::world::cluster::Scope;
use rotation_core::world::hosts::change;

/// Objects that Kubernetes keeps up to date by itself, or that are gates of their own.
const KEPT: [&str; 3] = ["kube-root-ca.crt", "cluster-info", "extension-apiserver-authentication"];

/// When it is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before anything is dropped.
    Before,
    /// A command that dropped was stopped part-way: servers are between two stages, and are asked afterwards.
    Dropping,
    /// Everything was exchanged at once, and servers were asked a moment ago.
    Exchanged,
}

/// Pods that read their credentials once get new ones.
pub(super) fn refresh(drive: &mut Drive<'_>) -> Result<(), Failure> {
    if drive.api.is_none() || !feeds_pods(drive.plan) {
        return Ok(());
    }
    drive.may_go_on()?;
    let estimated = drive.watch.as_ref().map(|watch| watch.pods).unwrap_or_default();
    if !estimated.is_zero() {
        drive.in_time("recycling pods", estimated)?;
    }
    let since = since(drive.work, drive.plan)?;
    pods::recycle(drive, since)
}

/// Since when pods that started hold nothing of before.
pub(super) fn since(work: &Work, plan: &Plan) -> Result<Option<Timestamp>, Failure> {
    Ok(pods::since(&work.history()?.entries, feeding(plan)))
}

/// Stages after which pods hold something of before.
fn feeding(plan: &Plan) -> &'static [Stage] {
    if plan.route().contains(&Stage::Accept) {
        &[Stage::Accept, Stage::Sign]
    } else {
        &[Stage::Retire]
    }
}

/// Pods that began while both were trusted trust both as long as they live, which matters where the old key is in other
/// hands: they are recycled once more, or told of.
pub(super) fn forget(drive: &mut Drive<'_>, recycle: bool) -> Result<(), Failure> {
    let Some(api) = drive.api.clone().filter(|_| drive.plan.track(Track::Cluster).is_some()) else {
        return Ok(());
    };
    let since = pods::since(&drive.work.history()?.entries, &[Stage::Retire]);
    if recycle {
        let again = format!("run `{} finish --recycle-pods` again", TOOL.name);
        return pods::recycle(drive, since).map_err(|why| why.with_hint(again));
    }
    match pods::holding(&api, since, false)?.len() {
        0 => {}
        held => drive.console.note(&format!(
            "pods that trust the old CA too, in memory, until they start anew: {held}; if its key may be in other hands, run \
             `{} finish --recycle-pods`",
            TOOL.name
        )),
    }
    Ok(())
}

/// Whether pods hold anything that this rotation replaces.
pub(super) fn feeds_pods(plan: &Plan) -> bool {
    let cluster = plan.track(Track::Cluster);
    cluster.is_some_and(|track| track.old.fingerprint != track.new.fingerprint)
        || plan.track(Track::Tokens).is_some()
}

/// Nobody needs the old generation any more: before it is dropped, or where it was dropped at once.
pub(super) fn prove(drive: &mut Drive<'_>, moment: Moment) -> Result<(), Failure> {
    let stage = if moment == Moment::Exchanged { Stage::Retire } else { Stage::Switch };
    if moment == Moment::Before {
        let gates = gates::after(stage, drive.plan, drive.cluster);
        drive.gates(&gates, stage, Timestamp::UNIX_EPOCH)?;
    }
    let machines = reach::look(&drive.cluster.machines, drive.interrupt)?;
    let sightings = sightings(drive)?;
    let mut offenders = files(drive, &machines);
    offenders.extend(objects(drive, &sightings));
    offenders.extend(of_pods(drive, moment)?);
    if moment == Moment::Before {
        offenders.extend(came::unknown(drive, &machines, &sightings)?);
    }
    if moment != Moment::Exchanged {
        offenders.extend(out_of_reach(drive)?);
    }
    let let_be = if moment == Moment::Dropping { let_be(drive)? } else { Vec::new() };
    let mut open = 0;
    for offender in &offenders {
        let text = format!("{}: {}", offender.place, offender.why);
        let gate = format!("{} does not need the old generation", offender.place);
        let waived = let_be.contains(&gate)
            || drive.waived.iter().any(|word| !word.is_empty() && text.contains(word.as_str()));
        drive.note(Event::Gate {
            stage,
            gate,
            verdict: if waived { "waived" } else { "fails" }.to_owned(),
            message: offender.why.clone(),
            took: 0,
        })?;
        if !waived {
            open += 1;
            drive.console.warn(&format!("{text}; {}", offender.mend));
        }
    }
    if open == 0 {
        return Ok(());
    }
    drive.note(Event::Stopped { why: format!("{open} still need the old generation") })?;
    let (dropped, exit, verb) = match moment {
        Moment::Before => ("; nothing was dropped", Exit::Refused, "finish"),
        Moment::Dropping => ("; nothing more was dropped", Exit::Partly, "finish"),
        Moment::Exchanged => (", which is trusted nowhere any more", Exit::Partly, "apply"),
    };
    Err(Failure::refused(format!("{open} still need the old generation{dropped}"))
        .with_exit(exit)
        .with_hint(format!(
            "mend each as it is said above and run `{} {verb}` again; --waive WORDS lets one be that you have looked at",
            TOOL.name
        )))
}

/// Who was let be when the drop began: that is not asked for again in the middle of it.
fn let_be(drive: &Drive<'_>) -> Result<Vec<String>, Failure> {
    let history = drive.work.history()?.entries.into_iter();
    let waived = history.filter_map(|entry| match entry.event {
        Event::Gate { gate, verdict, .. } if verdict == "waived" => Some(gate),
        _ => None,
    });
    Ok(waived.collect())
}

/// What the journal says of a consumer that somebody has spoken for.
pub(super) fn has_new(consumer: &str) -> String {
    format!("consumer `{consumer}` has the new generation")
}

/// Consumers that nobody can reach, as long as nobody has spoken for them.
fn out_of_reach(drive: &Drive<'_>) -> Result<Vec<Offender>, Failure> {
    let history = drive.work.history()?;
    let said = |name: &str| {
        let wanted = has_new(name);
        history.entries.iter().any(|entry| {
            matches!(&entry.event, Event::Gate { gate, verdict, .. } if *gate == wanted && verdict == "holds")
        })
    };
    let all = drive.cluster.consumers.iter();
    let silent = all.filter(|one| one.machine.is_none() && !said(&one.name));
    let offender = |one: &Consumer| Offender {
        place: format!("consumer `{}`", one.name),
        why: "nobody can reach it, and nobody has said that it has the new generation".to_owned(),
        mend: format!(
            "ask {}, then say so with --renewed '{}'",
            one.who.as_deref().unwrap_or("whoever runs it"),
            one.name
        ),
    };
    Ok(silent.map(offender).collect())
}

/// Certificates of the old CAs.
pub(super) struct Olds<'a>(Vec<(Track, Certificate, &'a crate::rotate::document::TrackPlan)>);

impl<'a> Olds<'a> {
    pub(super) fn of(drive: &Drive<'a>) -> Self {
        let read = |one: &'a crate::rotate::document::TrackPlan| {
            let path = drive.work.beside(&format!("old-{}.crt", one.track));
            let bytes = rotation_core::world::files::read(&path).ok()?;
            let ca = crate::rotate::old::certificates(bytes.as_bytes()).into_iter().next()?;
            Some((one.track, ca, one))
        };
        Self(drive.plan.tracks.iter().filter_map(read).collect())
    }

    /// Which old CA signed it, or is it.
    pub(super) fn needs(&self, found: &Certificate) -> Option<String> {
        // Under one key and one name whoever trusts the old certificate trusts the new one.
        let mut others = self.0.iter().filter(|(_, _, plan)| plan.old.key != plan.new.key);
        others.find_map(|(track, ca, plan)| {
            if found.is_ca() && found.key_digest() == plan.old.key {
                return Some(format!("trusts the old {track} CA"));
            }
            (!found.is_ca() && found.is_signed_by(ca))
                .then(|| format!("is signed by the old {track} CA: {}", found.subject()))
        })
    }
}

/// Files that came since the plan was drawn, or that it does not know. Those of the plan are at their stage.
fn files(drive: &Drive<'_>, machines: &[Machine]) -> Vec<Offender> {
    let olds = Olds::of(drive);
    let mut offenders = Vec::new();
    for machine in machines {
        let host = drive.plan.hosts.iter().find(|host| host.name == machine.name);
        for (path, file) in &machine.seen.files {
            let Ok(bytes) = &file.content else { continue };
            let known = host.is_some_and(|host| {
                host.files.iter().any(|file| {
                    let stages = file.stages_of(&state(bytes));
                    file.path == *path
                        || stages.contains(&Stage::Switch)
                        || stages.contains(&Stage::Retire)
                })
            });
            if known {
                continue;
            }
            let mut why = None;
            each_block(bytes, &mut |block| {
                why =
                    why.take().or_else(|| certificate(block).and_then(|found| olds.needs(&found)));
            });
            if let Some(why) = why {
                offenders.push(Offender {
                    place: format!("{}:{path}", machine.name),
                    why,
                    mend: "renew it, or remove it if nobody uses it".to_owned(),
                });
            }
        }
    }
    offenders
}

fn state(bytes: &[u8]) -> change::State {
    change::State::File(rotation_core::facts::credential::Digest::of(bytes))
}

/// What objects hold; nothing where the API is not to be asked.
fn sightings(drive: &Drive<'_>) -> Result<Vec<Sighting>, Failure> {
    let Some(api) = &drive.api else { return Ok(Vec::new()) };
    let interner = Interner::default();
    Ok(api.ask(None, |cluster| Ok(cluster.sightings(&Scope::All, &interner)))?.sightings)
}

/// Secrets, webhooks, aggregated APIs and such, that somebody else keeps.
fn objects(drive: &Drive<'_>, sightings: &[Sighting]) -> Vec<Offender> {
    let olds = Olds::of(drive);
    let mut offenders = Vec::new();
    let old_key = drive.plan.track(Track::Tokens).map(tokens::old_key_id);
    for sighting in sightings {
        let Place::Object { kind, name, field, .. } = &sighting.place else { continue };
        // Nobody can say that it does not need the old generation.
        if let (Content::Unknown(unknown), "*") = (&sighting.content, &**name) {
            offenders.push(Offender {
                place: format!("every {kind}"),
                why: format!("cannot be looked at: {}", unknown.why),
                mend: "take the role `inspect-look`, or waive it".to_owned(),
            });
            continue;
        }
        // The token controller keeps the CA of token secrets; a request is only the trace of a certificate.
        let kept = KEPT.contains(&&**name)
            || (&**kind == "secret" && &**field == "ca.crt")
            || kind.starts_with("certificatesigningrequest");
        if kept {
            continue;
        }
        let Some(held) = sighting.content.held() else { continue };
        let signed_by_old =
            held.tokens.iter().filter_map(|token| token.claims.as_ref()?.key_id.as_ref());
        if old_key.as_ref().is_some_and(|old| signed_by_old.into_iter().any(|id| id == old)) {
            offenders.push(Offender {
                place: sighting.place.to_string(),
                why: "holds a token that the old key signed".to_owned(),
                mend: "kubectl reset-sa-secrets -A".to_owned(),
            });
            continue;
        }
        // Whoever trusts both is served: only who trusts the old one alone, or shows one of it, is not.
        let both = held.certificates.iter().any(|found| {
            drive.plan.tracks.iter().any(|track| track.new.fingerprint == found.fingerprint())
        });
        let why = held
            .certificates
            .iter()
            .filter(|found| !(both && found.is_ca()))
            .find_map(|found| olds.needs(found));
        if let Some(why) = why {
            offenders.push(Offender {
                place: sighting.place.to_string(),
                why,
                mend: "put the new CA into it, or let its owner renew it".to_owned(),
            });
        }
    }
    offenders
}

fn of_pods(drive: &Drive<'_>, moment: Moment) -> Result<Vec<Offender>, Failure> {
    let Some(api) = drive.api.as_ref().filter(|_| feeds_pods(drive.plan)) else {
        return Ok(Vec::new());
    };
    let since = since(drive.work, drive.plan)?;
    let holding = pods::holding(api, since, moment == Moment::Dropping)?;
    Ok(holding
        .into_iter()
        .map(|(place, why)| {
            let words = place.trim_start_matches("pod ").split_once('/');
            let (namespace, name) = words.unwrap_or(("default", ""));
            Offender {
                mend: format!("kubectl recycle -n {namespace} pod/{name} (--allow bare where nobody makes it again)"),
                place,
                why: format!("may hold the credentials of before: {why}"),
            }
        })
        .collect())
}
