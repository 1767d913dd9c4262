//! Places by themselves: whether they could be looked at, are there, are links, are newer than who reads them.

use super::{Whole, about};
use crate::facts::sighting::{Content, Domain, Part};
use crate::facts::words::time;
use crate::plan::certificate::{Finding, Kind};
use crate::plan::inventory::State;

/// Seconds between two clocks that are worth a word: certificates are back-dated by minutes, tokens are not.
const CLOCK: i64 = 60;

pub(super) fn check(whole: &Whole<'_>, findings: &mut Vec<Finding>) {
    for row in &whole.matrix.rows {
        let sighting = &row.sighting;
        let role = sighting.role;
        match &sighting.content {
            Content::Unknown(unknown) => {
                let what = match &unknown.right {
                    Some(right) => format!("{}; missing right: {right}", unknown.why),
                    None => unknown.why.to_string(),
                };
                findings.push(about(row, Kind::PlaceUnknown, what));
            }
            // That is as it should be.
            Content::Sealed { .. } => {}
            Content::Absent => {
                findings.push(about(row, Kind::PlaceAbsent, format!("there is no {role} here")));
            }
            Content::Held(_) if role.part == Part::Bundle && row.state == State::Absent => {
                let domain = role.domain.as_str();
                let what = format!("none of its certificates is the {domain} CA");
                findings.push(about(row, Kind::BundleLacksCa, what));
            }
            Content::Held(held) => {
                let tells = matches!(
                    role.part,
                    Part::Serving | Part::Client | Part::Trust | Part::Authority
                );
                if row.state == State::Other && tells && !held.certificates.is_empty() {
                    let subject = held.certificates[0].subject();
                    let what = format!("{subject} is not of the {} CA", role.domain.as_str());
                    findings.push(about(row, Kind::PlaceForeign, what));
                }
                if row.state == State::Other
                    && role.part == Part::Token
                    && role.domain == Domain::Tokens
                {
                    tokens(whole, row, findings);
                }
                expired(whole, row, findings);
            }
        }
        for reader in sighting.stale_readers() {
            let (Some(started), Some(modified)) = (reader.started, sighting.modified) else {
                continue;
            };
            let what = format!(
                "{} started at {}, and the file changed at {}",
                reader.name,
                time(started),
                time(modified)
            );
            let finding = about(row, Kind::ProcessStale, what);
            findings.push(match &reader.mend {
                Some(mend) => Finding { fix: format!("run `{mend}`"), ..finding },
                None => finding,
            });
        }
    }
    for link in whole.misled {
        let what = match &link.leads {
            Some(leads) => format!("it leads to {leads}, not to {}", link.expected),
            None => format!("it is no link to {}", link.expected),
        };
        let finding = Finding::new(Kind::LinkElsewhere, &link.place, what);
        findings.push(Finding { fix: finding.fix.replace("TARGET", &link.expected), ..finding });
    }
    for (host, ahead) in whole.clocks.iter().filter(|(_, ahead)| ahead.abs() > CLOCK) {
        let way = if *ahead > 0 { "ahead of" } else { "behind" };
        let what = format!("its clock is {} s {way} this machine's", ahead.abs());
        findings.push(Finding::new(Kind::ClockDiffers, host, what));
    }
}

/// Tokens by whose key nobody is known, where keys are known at all.
fn tokens(whole: &Whole<'_>, row: &crate::plan::inventory::Row, findings: &mut Vec<Finding>) {
    if whole.matrix.generations.of_domain(Domain::Tokens).is_empty() {
        return;
    }
    let held = row.sighting.content.held();
    for token in held.into_iter().flat_map(|held| &held.tokens) {
        // Old controller managers name no key: only a signature would tell.
        if let Some(id) = token.claims.as_ref().and_then(|claims| claims.key_id.as_deref()) {
            let what = format!("its key is {}", crate::facts::jwt::short(id));
            findings.push(about(row, Kind::TokenKeyUnknown, what));
        }
    }
}

fn expired(whole: &Whole<'_>, row: &crate::plan::inventory::Row, findings: &mut Vec<Finding>) {
    let held = row.sighting.content.held();
    for token in held.into_iter().flat_map(|held| &held.tokens) {
        let expires = token.claims.as_ref().and_then(|claims| claims.expires);
        if let Some(expires) = expires.filter(|expires| *expires < whole.at) {
            findings.push(about(row, Kind::TokenExpired, format!("it ended at {}", time(expires))));
        }
    }
}
