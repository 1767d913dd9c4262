//! Verdicts: what `verify` finds, chain and fields together, against what is expected.

use super::cases::{self, Case, Expected, Kind, Verdict, certificate};
use anyhow::{Context as _, ensure};
use jiff::SignedDuration;
use rotation_core::facts::x509::{Certificate, San};
use rotation_core::plan::certificate::{
    Finding, Kind as FindingKind, Question, RowKind, RowRules, Severity, examine, verify,
};
use std::collections::BTreeMap;

/// The differences that there are, each with its reason.
const DIFFERENCES: &str = include_str!("differences.toml");

/// The errors of a case; none means that it is good.
fn errors(case: &Case) -> Vec<Finding> {
    let leaf = match certificate(&case.peer_certificate) {
        Ok(leaf) => leaf,
        Err(why) => {
            return vec![Finding::new(
                FindingKind::CertificateUnparsable,
                &case.id,
                why.to_string(),
            )];
        }
    };
    // What cannot be read cannot be part of a chain.
    let read =
        |pems: &[String]| pems.iter().filter_map(|pem| certificate(pem).ok()).collect::<Vec<_>>();
    let (pool, intermediates) = (read(&case.trusted_certs), read(&case.untrusted_intermediates));
    let purpose = match case.validation_kind {
        Kind::Server => RowKind::Server,
        Kind::Client => RowKind::Client,
    };
    let names: Vec<San> = case.expected_peer_name.iter().map(cases::Peer::san).collect();
    let longest = |cas: &[&Certificate]| {
        let between = cas[..cas.len() - 1].iter().filter(|ca| !ca.is_self_issued()).count();
        match case.max_chain_depth {
            Some(most) if between > most => {
                Err(Finding::new(FindingKind::PathLengthExceeded, &case.id, "too many CAs"))
            }
            _ => Ok(()),
        }
    };
    let question = Question {
        leaf: &leaf,
        place: &case.id,
        pool: &pool,
        intermediates: &intermediates,
        purpose,
        names: if purpose == RowKind::Server { &names } else { &[] },
        at: case.validation_time.unwrap_or_else(jiff::Timestamp::now),
        accept: Some(&longest),
    };
    let findings = examine(&question, &RowRules::of(purpose));
    findings.into_iter().filter(|f| f.severity() == Severity::Error).collect()
}

fn agrees(case: &Case, errors: &[Finding]) -> bool {
    errors.is_empty() == (case.expected_result == Expected::Success)
}

/// All of BetterTLS: its chains are about paths and name constraints, and so is this; their fields are not judged.
pub(crate) fn better_tls() -> anyhow::Result<()> {
    let (root, chains) = cases::better_tls()?;
    ensure!(chains.len() == 9572, "{} cases", chains.len());
    let pool = [Certificate::from_der(&root)?];
    // The day after it was made: all but what is expired on purpose is valid then.
    let at = pool[0].not_before() + SignedDuration::from_hours(24);
    let mut wrong = Vec::new();
    for chain in &chains {
        let ders = chain.ders()?;
        let read: Vec<Certificate> =
            ders.iter().filter_map(|der| Certificate::from_der(der).ok()).collect();
        let (leaf, intermediates) = read.split_first().context("a leaf")?;
        let names =
            [chain.hostname.parse().map_or_else(|_| San::Dns(chain.hostname.clone()), San::Ip)];
        let verdict = verify(leaf, &pool, intermediates, RowKind::Server, &names, at);
        if verdict.is_ok() != (chain.expected == Verdict::Accept) {
            wrong.push(format!(
                "{} {} expects {:?}: {verdict:?}",
                chain.suite, chain.id, chain.expected
            ));
        }
    }
    eprintln!("better_tls: {} of {} agree", chains.len() - wrong.len(), chains.len());
    wrong.truncate(20);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// x509-limbo with chain and fields: each difference is on the list, with its reason, and nothing else is.
pub(crate) fn limbo() -> anyhow::Result<()> {
    let explained: BTreeMap<String, String> =
        toml::from_str(DIFFERENCES).context("the list of differences")?;
    let cases = cases::limbo()?;
    ensure!(cases.len() == 208, "{} cases", cases.len());
    let mut unexplained = Vec::new();
    let mut found = Vec::new();
    for case in &cases {
        let errors = errors(case);
        if agrees(case, &errors) {
            continue;
        }
        found.push(case.id.as_str());
        if !explained.contains_key(&case.id) {
            let errors: Vec<String> =
                errors.iter().map(|f| format!("{}: {}", f.kind, f.what)).collect();
            unexplained.push(format!(
                "{} expects {:?}; errors: {}",
                case.id,
                case.expected_result,
                errors.join("; ")
            ));
        }
    }
    eprintln!("limbo: {} of {} agree", cases.len() - found.len(), cases.len());
    ensure!(unexplained.is_empty(), "not on the list:\n{}", unexplained.join("\n"));
    let gone: Vec<&String> = explained.keys().filter(|id| !found.contains(&id.as_str())).collect();
    ensure!(gone.is_empty(), "on the list, and no difference any more: {gone:?}");
    Ok(())
}
