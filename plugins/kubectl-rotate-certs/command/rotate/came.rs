//! The part of the proof that asks audit logs: who came to API servers with a certificate that nobody knows.

use super::proof::Olds;
use crate::rotate::clients;
use crate::rotate::cluster_file::{Named, Where};
use crate::rotate::draw;
use crate::rotate::drive::Drive;
use crate::rotate::generation::each_block;
use crate::rotate::journal::Event;
use crate::rotate::offender::Offender;
use crate::rotate::old::certificate;
use crate::rotate::pods;
use crate::rotate::reach::Machine;
use crate::rotate::stage::{Stage, Track};
use rotation_core::cli::failure::Failure;
use rotation_core::facts::sighting::Sighting;
use rotation_core::facts::words::count;
use rotation_core::facts::x509::Certificate;
use rotation_core::world::beside;
use rotation_core::world::hosts::change::{self, ChangeError};
use rotation_core::world::hosts::ssh;
use std::collections::{BTreeSet, HashSet};

/// Who came with a certificate that nobody knows since everybody was to have a new one.
pub(super) fn unknown(
    drive: &mut Drive<'_>,
    machines: &[Machine],
    sightings: &[Sighting],
) -> Result<Vec<Offender>, Failure> {
    let exchanged =
        drive.plan.track(Track::Cluster).is_some_and(|track| track.old.key != track.new.key);
    let since = pods::since(&drive.work.history()?.entries, &[Stage::Switch]);
    let Some(since) = since.filter(|_| exchanged) else { return Ok(Vec::new()) };
    let servers: Vec<&Named> =
        drive.cluster.machines.iter().filter(|one| one.place == Where::ControlPlane).collect();
    let written = since.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    let told = beside::each(&servers, ssh::CONNECTIONS, |one| {
        change::clients(&one.carrier, &written, drive.interrupt)
    });
    let mut offenders = Vec::new();
    let mut seen = Vec::new();
    let mut remarks = Vec::new();
    for (server, told) in servers.iter().zip(told) {
        match told {
            Ok(Some(came)) => {
                if came.read_from > written {
                    remarks.push(format!("{} is read from {} on", server.name, came.read_from));
                }
                seen.extend(came.clients);
            }
            Ok(None) => {
                remarks.push(format!("{} writes none that names certificates", server.name));
            }
            Err(ChangeError::Order { why, .. }) => offenders.push(Offender {
                place: format!("audit log of `{}`", server.name),
                why: format!("cannot be looked at: {why}"),
                mend: format!(
                    "mend that, or go on without it by --waive 'audit log of `{}`'",
                    server.name
                ),
            }),
            Err(why) => return Err(draw::failed(&server.name, &why)),
        }
    }
    let certificates: BTreeSet<&str> = seen.iter().map(|one| one.certificate.as_str()).collect();
    remarks
        .insert(0, format!("{} came since {written}Z", count(certificates.len(), "certificate")));
    let doubtful = clients::doubtful(&seen, &held(drive, machines, sightings));
    drive.note(Event::Gate {
        stage: Stage::Switch,
        gate: "clients in audit logs show the new generation".to_owned(),
        verdict: if doubtful.is_empty() { "holds" } else { "fails" }.to_owned(),
        message: remarks.join("; "),
        took: 0,
    })?;
    offenders.extend(doubtful);
    Ok(offenders)
}

/// SHA-256 of the certificates that stand anywhere and need nothing of the old generation.
fn held(drive: &Drive<'_>, machines: &[Machine], sightings: &[Sighting]) -> HashSet<String> {
    let olds = Olds::of(drive);
    let mut held = HashSet::new();
    let mut keep = |found: &Certificate| {
        if !found.is_ca() && olds.needs(found).is_none() {
            held.insert(found.fingerprint().to_string());
        }
    };
    for file in machines.iter().flat_map(|machine| machine.seen.files.values()) {
        let Ok(bytes) = &file.content else { continue };
        each_block(bytes, &mut |block| {
            if let Some(found) = certificate(block) {
                keep(&found);
            }
        });
    }
    for found in sightings.iter().filter_map(|one| one.content.held()) {
        found.certificates.iter().for_each(|found| keep(found));
    }
    held
}
