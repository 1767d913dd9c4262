//! One row for each place, one line for each certificate.

use super::generations::{Generations, Named};
use super::issuers::Issuers;
use super::phase::{self, Progress};
use super::state::{self, State};
use crate::facts::sighting::{Domain, Part, Sighting};
use crate::facts::x509::Certificate;
use jiff::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;

/// All places with their states.
#[derive(Debug)]
pub struct Matrix {
    /// Sorted by place.
    pub rows: Vec<Row>,
    /// Every certificate once, what ends first first. Those that only a system's bundle holds are left out.
    pub certificates: Vec<Shown>,
    /// The generations of each domain.
    pub generations: Generations,
}

/// One place.
#[derive(Debug)]
pub struct Row {
    /// What was seen.
    pub sighting: Sighting,
    /// Where it belongs.
    pub state: State,
    /// When the first of its certificates or tokens ends; for a bundle, of those that the domain has.
    pub until: Option<Timestamp>,
}

/// One certificate, and where it was found.
#[derive(Debug)]
pub struct Shown {
    /// The certificate.
    pub certificate: Arc<Certificate>,
    /// Indices of [`Matrix::rows`].
    pub rows: Vec<usize>,
}

impl Matrix {
    /// Puts everything together. The same sightings give the same matrix in whatever order they came.
    pub fn of(mut sightings: Vec<Sighting>, named: &Named) -> Self {
        sightings.sort_by(|a, b| (&a.place, a.role).cmp(&(&b.place, b.role)));
        let issuers = Issuers::of(sightings.iter());
        let generations = Generations::of(&sightings, &issuers, named);
        let row = |sighting: Sighting| {
            let state = state::of(&sighting, &generations, &issuers);
            let until = until(&sighting, &generations);
            Row { sighting, state, until }
        };
        let rows: Vec<Row> = sightings.into_iter().map(row).collect();
        let certificates = certificates(&rows, &generations);
        Self { rows, certificates, generations }
    }

    /// How far each domain's rotation is.
    pub fn progress(&self) -> Vec<Progress> {
        self.generations.domains().map(|(domain, _)| phase::of(domain, &self.rows)).collect()
    }

    /// The rows of a domain.
    pub fn of_domain(&self, domain: Domain) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.sighting.role.domain == domain)
    }
}

/// Certificates of a bundle that the domain does not know are somebody else's.
fn counts(sighting: &Sighting, certificate: &Certificate, generations: &Generations) -> bool {
    sighting.role.part != Part::Bundle
        || generations.age(sighting.role.domain, certificate.key_digest()).is_some()
}

fn until(sighting: &Sighting, generations: &Generations) -> Option<Timestamp> {
    let held = sighting.content.held()?;
    let certificates = held.certificates.iter().filter(|c| counts(sighting, c, generations));
    let tokens = held.tokens.iter().filter_map(|token| token.claims.as_ref()?.expires);
    certificates.map(|certificate| certificate.not_after()).chain(tokens).min()
}

fn certificates(rows: &[Row], generations: &Generations) -> Vec<Shown> {
    let mut by_address: HashMap<*const Certificate, usize> = HashMap::new();
    let mut list: Vec<Shown> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        for certificate in row.sighting.content.held().into_iter().flat_map(|h| &h.certificates) {
            if !counts(&row.sighting, certificate, generations) {
                continue;
            }
            let at = *by_address.entry(Arc::as_ptr(certificate)).or_insert_with(|| {
                list.push(Shown { certificate: Arc::clone(certificate), rows: Vec::new() });
                list.len() - 1
            });
            if list[at].rows.last() != Some(&index) {
                list[at].rows.push(index);
            }
        }
    }
    merge(list)
}

/// Sources that do not share an interner bring the same certificate twice.
fn merge(list: Vec<Shown>) -> Vec<Shown> {
    let mut merged: Vec<Shown> = Vec::new();
    let mut sorted = list;
    sorted.sort_by_cached_key(|shown| {
        (shown.certificate.not_after(), shown.certificate.fingerprint())
    });
    for shown in sorted {
        match merged.last_mut() {
            Some(same) if same.certificate == shown.certificate => same.rows.extend(shown.rows),
            _ => merged.push(shown),
        }
    }
    for shown in &mut merged {
        shown.rows.sort_unstable();
        shown.rows.dedup();
    }
    merged
}
