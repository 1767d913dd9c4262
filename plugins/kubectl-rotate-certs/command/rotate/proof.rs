//! What stands between the stages: pods that hold old credentials, and the proof that nobody needs the old generation.

use crate::TOOL;
use crate::rotate::document::Plan;
use crate::rotate::drive::Drive;
use crate::rotate::gates;
use crate::rotate::generation::each_block;
use crate::rotate::journal::Event;
use crate::rotate::old::certificate;
use crate::rotate::pods;
use crate::rotate::reach;
use crate::rotate::stage::{Stage, Track};
use crate::rotate::work::Work;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::exit::Exit;
use rotation_core::facts::sighting::{Interner, Place};
use rotation_core::facts::x509::Certificate;
use rotation_core::world::cluster::Scope;

/// Stages after which pods hold something of before.
const FEEDS_PODS: [Stage; 2] = [Stage::Accept, Stage::Sign];
/// Objects that Kubernetes keeps up to date by itself, or that are gates of their own.
const KEPT: [&str; 3] = ["kube-root-ca.crt", "cluster-info", "extension-apiserver-authentication"];

/// Somebody who still needs the old generation.
struct Offender {
    place: String,
    why: String,
    mend: String,
}

/// Pods that read their credentials once get new ones.
pub(super) fn refresh(drive: &mut Drive<'_>) -> Result<(), Failure> {
    if drive.api.is_none() || !feeds_pods(drive.plan) {
        return Ok(());
    }
    let estimated = drive.watch.as_ref().map(|watch| watch.pods).unwrap_or_default();
    if !estimated.is_zero() {
        drive.in_time("recycling pods", estimated)?;
    }
    let since = since(drive.work)?;
    pods::recycle(drive, since)
}

/// Since when pods that started hold nothing of before.
pub(super) fn since(work: &Work) -> Result<Option<Timestamp>, Failure> {
    Ok(pods::since(&work.history()?.entries, &FEEDS_PODS))
}

/// Whether pods hold anything that this rotation replaces.
pub(super) fn feeds_pods(plan: &Plan) -> bool {
    let has = |track| plan.track(track).is_some();
    plan.strategy.has_new_key() && (has(Track::Cluster) || has(Track::Tokens))
}

/// Nobody needs the old generation any more.
pub(super) fn prove(drive: &mut Drive<'_>) -> Result<(), Failure> {
    let gates = gates::after(Stage::Switch, drive.plan, drive.cluster);
    drive.gates(&gates, Stage::Switch, Timestamp::UNIX_EPOCH)?;
    let mut offenders = files(drive)?;
    offenders.extend(objects(drive)?);
    offenders.extend(of_pods(drive)?);
    let mut open = 0;
    for offender in &offenders {
        let text = format!("{}: {}", offender.place, offender.why);
        let waived =
            drive.waived.iter().any(|word| !word.is_empty() && text.contains(word.as_str()));
        drive.note(Event::Gate {
            stage: Stage::Switch,
            gate: format!("{} does not need the old generation", offender.place),
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
    Err(Failure::refused(format!("{open} still need the old generation; nothing was dropped"))
        .with_exit(Exit::Refused)
        .with_hint(format!(
            "mend each as it is said above and run `{} finish` again; --waive WORDS lets one be that you have looked at",
            TOOL.name
        )))
}

/// Certificates of the old CAs.
struct Olds<'a>(Vec<(Track, Certificate, &'a crate::rotate::document::TrackPlan)>);

impl<'a> Olds<'a> {
    fn of(drive: &Drive<'a>) -> Self {
        let read = |one: &'a crate::rotate::document::TrackPlan| {
            let path = drive.work.beside(&format!("old-{}.crt", one.track));
            let bytes = rotation_core::world::files::read(&path).ok()?;
            let ca = crate::rotate::old::certificates(bytes.as_bytes()).into_iter().next()?;
            Some((one.track, ca, one))
        };
        Self(drive.plan.tracks.iter().filter_map(read).collect())
    }

    /// Which old CA signed it, or is it.
    fn needs(&self, found: &Certificate) -> Option<String> {
        self.0.iter().find_map(|(track, ca, plan)| {
            if found.is_ca() && found.key_digest() == plan.old.key && plan.old.key != plan.new.key {
                return Some(format!("trusts the old {track} CA"));
            }
            (!found.is_ca() && found.is_signed_by(ca))
                .then(|| format!("is signed by the old {track} CA: {}", found.subject()))
        })
    }
}

/// Files that came since the plan was drawn, or that it does not know. Those of the plan are at their stage.
fn files(drive: &Drive<'_>) -> Result<Vec<Offender>, Failure> {
    let machines = reach::look(&drive.cluster.machines, drive.interrupt)?;
    let olds = Olds::of(drive);
    let mut offenders = Vec::new();
    for machine in &machines {
        let host = drive.plan.hosts.iter().find(|host| host.name == machine.name);
        for (path, file) in &machine.seen.files {
            let Ok(bytes) = &file.content else { continue };
            let known = host.is_some_and(|host| {
                host.files.iter().any(|file| {
                    file.path == *path || file.stages_of(&state(bytes)).contains(&Stage::Switch)
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
    Ok(offenders)
}

fn state(bytes: &[u8]) -> rotation_core::world::hosts::change::State {
    rotation_core::world::hosts::change::State::File(rotation_core::facts::credential::Digest::of(
        bytes,
    ))
}

/// Secrets, webhooks, aggregated APIs and such, that somebody else keeps.
fn objects(drive: &Drive<'_>) -> Result<Vec<Offender>, Failure> {
    let Some(api) = &drive.api else { return Ok(Vec::new()) };
    let olds = Olds::of(drive);
    let interner = Interner::default();
    let seen = api.ask(None, |cluster| Ok(cluster.sightings(&Scope::All, &interner)))?;
    let mut offenders = Vec::new();
    // RFC 7515, 4.1.4, as Kubernetes makes it: the digest of the public key.
    let old_key = drive
        .plan
        .track(Track::Tokens)
        .map(|track| URL_SAFE_NO_PAD.encode(track.old.key.as_bytes()));
    for sighting in &seen.sightings {
        let Place::Object { kind, name, field, .. } = &sighting.place else { continue };
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
    Ok(offenders)
}

fn of_pods(drive: &Drive<'_>) -> Result<Vec<Offender>, Failure> {
    let Some(api) = drive.api.as_ref().filter(|_| feeds_pods(drive.plan)) else {
        return Ok(Vec::new());
    };
    let since = since(drive.work)?;
    let holding = pods::holding(api, since)?;
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
