//! Which certificates stand in which file instead of which: read from the contents beside the plan, as far as they are
//! still there. Keys that lie among them are let go unread.

use super::account::{Named, Renewed};
use crate::rotate::document::{FilePlan, HostPlan, Plan};
use crate::rotate::stage::Stage;
use crate::rotate::work::Work;
use rotation_core::facts::credential::Digest;
use rotation_core::plan::certificate::Contents;
use rotation_core::world::hosts::change::State;
use std::collections::BTreeMap;

/// Files whose certificates are others at the end than they were before.
pub(super) fn renewed(work: &Work, plan: &Plan) -> Vec<Renewed> {
    let mut known = BTreeMap::new();
    let mut renewed = Vec::new();
    for host in &plan.hosts {
        for file in host.files.iter().filter(|file| file.changes()) {
            let mut at = |stage| content(work, host, file, stage, &mut known);
            let (old, new) = (at(Stage::Before), at(plan.end()));
            let without = |these: &[Named], others: &[Named]| -> Vec<Named> {
                let gone = |one: &&Named| !others.iter().any(|o| o.fingerprint == one.fingerprint);
                these.iter().filter(gone).cloned().collect()
            };
            let (gone, come) = (without(&old, &new), without(&new, &old));
            if gone.is_empty() && come.is_empty() {
                continue;
            }
            renewed.push(Renewed {
                host: host.name.clone(),
                path: file.path.clone(),
                what: file.what.clone(),
                old: gone,
                new: come,
            });
        }
    }
    renewed
}

fn content(
    work: &Work,
    host: &HostPlan,
    file: &FilePlan,
    stage: Stage,
    known: &mut BTreeMap<[u8; 32], Vec<Named>>,
) -> Vec<Named> {
    let digest = match file.at(stage) {
        State::File(digest) => *digest,
        State::Link(target) => match linked(host, file, target, stage) {
            Some(digest) => digest,
            None => return Vec::new(),
        },
        State::Absent | State::Other(_) => return Vec::new(),
    };
    let read = || {
        let Ok(bytes) = work.content(&digest) else { return Vec::new() };
        let certificates = Contents::read(&file.path, &bytes).certificates.into_iter();
        certificates
            .map(|placed| Named {
                subject: placed.value.subject().to_string(),
                fingerprint: placed.value.fingerprint(),
                not_after: placed.value.not_after(),
            })
            .collect()
    };
    known.entry(*digest.as_bytes()).or_insert_with(read).clone()
}

/// What stands where a link leads, if the plan has it.
fn linked(host: &HostPlan, file: &FilePlan, target: &str, stage: Stage) -> Option<Digest> {
    let directory = file.path.rsplit_once('/')?.0;
    let path =
        if target.starts_with('/') { target.to_owned() } else { format!("{directory}/{target}") };
    match host.files.iter().find(|other| other.path == path)?.at(stage) {
        State::File(digest) => Some(*digest),
        State::Absent | State::Link(_) | State::Other(_) => None,
    }
}
