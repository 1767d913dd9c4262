//! Whether everybody is accepted by everybody at every stage. Pure.
//!
//! Machines move one after another: what one shows at a stage is looked at by others that are still a stage behind, or
//! ahead already. So what is shown at a stage must be good under what is trusted at that stage, before it, and after it.
//! In an outage nobody meets who is at another stage.

use super::stage::{Stage, Strategy, Track};
use jiff::Timestamp;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::x509::Certificate;
use rotation_core::plan::certificate::{Finding, Kind, RowKind, verify};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// What stands in a file, read once.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    /// Whether it is a kubeconfig, which trusts by one part and shows another.
    pub(crate) config: bool,
    /// Certificates that are shown, with those between them and their CA.
    pub(crate) shown: Vec<Certificate>,
    /// CAs by which others are checked.
    pub(crate) trusted: Vec<Certificate>,
    /// Private keys, by the digests of their public halves.
    pub(crate) keys: Vec<Digest>,
    /// Public keys, and those of certificates, by which tokens are checked.
    pub(crate) checks: Vec<Digest>,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpotUse {
    /// Somebody shows what is in it.
    Shows,
    /// Somebody trusts by it.
    Trusts,
    /// Tokens are signed by it.
    SignsTokens,
    /// Tokens are checked by it.
    ChecksTokens,
}

/// A file of a machine, at every stage.
#[derive(Debug)]
pub(crate) struct Spot {
    /// Its machine.
    pub(crate) host: String,
    /// Its path.
    pub(crate) path: String,
    /// What it is for.
    pub(crate) uses: Vec<SpotUse>,
    /// What it holds, in the order of [`Stage::ALL`].
    pub(crate) at: Vec<Rc<Shelf>>,
}

/// A CA and what comes after it; none for tokens.
pub(crate) struct Pair {
    /// Which.
    pub(crate) track: Track,
    /// Today's.
    pub(crate) old: Certificate,
    /// The next.
    pub(crate) new: Certificate,
}

/// What was looked at, for one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Checked {
    /// Which.
    pub(crate) stage: Stage,
    /// Places with a certificate that is shown.
    pub(crate) shown: usize,
    /// Places by which they are checked.
    pub(crate) trusts: usize,
    /// Certificates that were checked by such a place, at this stage or the ones beside it.
    pub(crate) pairs: usize,
}

/// Something that would not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// When.
    pub(crate) stage: Stage,
    /// `HOST:PATH`.
    pub(crate) place: String,
    /// Why.
    pub(crate) reason: String,
}

impl Spot {
    fn place(&self) -> String {
        format!("{}:{}", self.host, self.path)
    }

    fn at(&self, stage: Stage) -> &Shelf {
        &self.at[stage.index()]
    }

    fn is(&self, one: SpotUse) -> bool {
        self.uses.contains(&one)
    }
}

/// Everything that is looked at.
pub(crate) struct Scene<'a> {
    /// The files.
    pub(crate) spots: &'a [Spot],
    /// The CAs.
    pub(crate) pairs: &'a [Pair],
    /// How.
    pub(crate) strategy: Strategy,
    /// When.
    pub(crate) now: Timestamp,
}

/// A certificate that is shown at a stage, and what stood there before.
struct Shown<'a> {
    spot: &'a Spot,
    leaf: &'a Certificate,
    between: &'a [Certificate],
    before: Option<&'a Certificate>,
    count: usize,
}

/// What is trusted at a stage, and what was before.
struct Trusted<'a> {
    spot: &'a Spot,
    pool: &'a [Certificate],
    before: &'a [Certificate],
    count: usize,
}

/// Looks at every stage; says what was looked at, and what would not hold.
pub(crate) fn check(scene: &Scene<'_>) -> (Vec<Checked>, Vec<Violation>) {
    let mut stages = vec![Stage::Before];
    stages.extend(scene.strategy.route());
    let shelves = scene.spots.iter().flat_map(|spot| &spot.at);
    let held = shelves.flat_map(|shelf| &shelf.keys).map(|key| *key.as_bytes()).collect();
    let mut known = Known { held, ..Known::default() };
    let mut checked = Vec::new();
    let mut violations = BTreeSet::new();
    for (index, stage) in stages.iter().enumerate() {
        let beside = if outage(scene.strategy) {
            &stages[index..=index]
        } else {
            &stages[index.saturating_sub(1)..stages.len().min(index + 2)]
        };
        let mut one = Checked { stage: *stage, shown: 0, trusts: 0, pairs: 0 };
        for pair in scene.pairs {
            let shown = scene.shown(pair, *stage, &mut known);
            one.shown += shown.iter().map(|shown| shown.count).sum::<usize>();
            for other in beside {
                let trusted = scene.trusted(pair, *other);
                let places = trusted.iter().map(|trusted| trusted.count).sum::<usize>();
                if other == stage {
                    one.trusts += places;
                }
                for shown in &shown {
                    one.pairs += shown.count * places;
                    for trusted in &trusted {
                        let why = scene.refuses(shown, trusted, &mut known);
                        violations.extend(why.map(|why| Violation {
                            stage: *stage,
                            place: shown.spot.place(),
                            reason: format!(
                                "{} is not accepted by {}, as that is at stage {other}: {why}",
                                shown.leaf.subject(),
                                trusted.spot.place()
                            ),
                        }));
                    }
                }
            }
            for shown in &shown {
                violations.extend(scene.changes_too_much(shown, *stage));
            }
        }
        violations.extend(scene.keys(*stage));
        for other in beside {
            violations.extend(scene.tokens(*stage, *other));
        }
        checked.push(one);
    }
    (checked, violations.into_iter().collect())
}

/// Whether nobody meets who is at another stage.
fn outage(strategy: Strategy) -> bool {
    matches!(strategy, Strategy::Window | Strategy::Recover)
}

type Fingerprint = [u8; 32];

/// What was worked out already: a thousand machines show certificates to the same few pools.
#[derive(Default)]
struct Known {
    /// Keys that are on a machine. A certificate whose key is on none is somebody else's copy, of which the notes tell.
    held: BTreeSet<Fingerprint>,
    signers: BTreeMap<(Track, Fingerprint), bool>,
    verdicts: BTreeMap<(Fingerprint, Vec<Fingerprint>, Vec<Fingerprint>), Option<Finding>>,
}

fn fingerprint(certificate: &Certificate) -> Fingerprint {
    *certificate.fingerprint().as_bytes()
}

impl Known {
    fn is_of(&mut self, pair: &Pair, leaf: &Certificate) -> bool {
        let held = &self.held;
        let of = || {
            !leaf.is_ca()
                && held.contains(leaf.key_digest().as_bytes())
                && (leaf.is_issued_by(&pair.old) || leaf.is_issued_by(&pair.new))
        };
        *self.signers.entry((pair.track, fingerprint(leaf))).or_insert_with(of)
    }

    /// Why a certificate is not good under a pool.
    fn verdict(
        &mut self,
        leaf: &Certificate,
        pool: &[Certificate],
        between: &[Certificate],
        now: Timestamp,
    ) -> Option<Finding> {
        let key = (
            fingerprint(leaf),
            pool.iter().map(fingerprint).collect(),
            between.iter().map(fingerprint).collect(),
        );
        let judged = || verify(leaf, pool, between, purpose(leaf), &[], now).err();
        self.verdicts.entry(key).or_insert_with(judged).clone()
    }
}

fn purpose(leaf: &Certificate) -> RowKind {
    match leaf.extended() {
        Some(usages) if usages.server && usages.client => RowKind::Peer,
        Some(usages) if usages.server => RowKind::Server,
        Some(_) | None => RowKind::Client,
    }
}

impl<'a> Scene<'a> {
    /// Certificates of a track that are shown at a stage, each once.
    fn shown(&self, pair: &Pair, stage: Stage, known: &mut Known) -> Vec<Shown<'a>> {
        let mut found: BTreeMap<(Fingerprint, Option<Fingerprint>), Shown<'a>> = BTreeMap::new();
        for spot in self.spots.iter().filter(|spot| spot.is(SpotUse::Shows)) {
            let of = |shelf: &'a Shelf, known: &mut Known| -> Vec<&'a Certificate> {
                shelf.shown.iter().filter(|leaf| known.is_of(pair, leaf)).collect()
            };
            let spot: &'a Spot = spot;
            let before = of(spot.at(Stage::Before), known);
            for (index, leaf) in of(spot.at(stage), known).into_iter().enumerate() {
                let before = before.get(index).copied();
                let key = (fingerprint(leaf), before.map(fingerprint));
                let between = &spot.at(stage).shown;
                let shown = Shown { spot, leaf, between, before, count: 0 };
                found.entry(key).or_insert(shown).count += 1;
            }
        }
        found.into_values().collect()
    }

    /// Pools in which a track's CA is trusted, at a stage, each once.
    fn trusted(&self, pair: &Pair, stage: Stage) -> Vec<Trusted<'a>> {
        let mut found: BTreeMap<(Vec<Fingerprint>, Vec<Fingerprint>), Trusted<'a>> =
            BTreeMap::new();
        for spot in self.spots.iter().filter(|spot| spot.is(SpotUse::Trusts)) {
            let spot: &'a Spot = spot;
            let (pool, before) = (&spot.at(stage).trusted, &spot.at(Stage::Before).trusted);
            if !before.iter().any(|ca| ca.key_digest() == pair.old.key_digest()) {
                continue;
            }
            let prints = |pool: &[Certificate]| pool.iter().map(fingerprint).collect();
            let trusted = Trusted { spot, pool, before, count: 0 };
            found.entry((prints(pool), prints(before))).or_insert(trusted).count += 1;
        }
        found.into_values().collect()
    }

    /// Why what is shown is not accepted there. What is not accepted today, and stays, is not the plan's doing.
    fn refuses(
        &self,
        shown: &Shown<'_>,
        trusted: &Trusted<'_>,
        known: &mut Known,
    ) -> Option<String> {
        let finding = known.verdict(shown.leaf, trusted.pool, shown.between, self.now)?;
        if let Some(before) = shown.before {
            let stays = before == shown.leaf || finding.kind == Kind::CertificateStrict;
            let was = known.verdict(before, trusted.before, shown.between, self.now);
            if stays && was.is_some_and(|was| was.kind == finding.kind) {
                return None;
            }
        }
        Some(finding.what)
    }

    /// A certificate that takes another one's place has its name, all its names, its purposes, and begins before now.
    fn changes_too_much(&self, shown: &Shown<'_>, stage: Stage) -> Option<Violation> {
        let (old, new) = (shown.before?, shown.leaf);
        if old == new {
            return None;
        }
        let lost = old.sans().iter().find(|name| !new.sans().contains(name));
        let usages =
            |leaf: &Certificate| leaf.extended().map(|usages| (usages.server, usages.client));
        let reason = if let Some(name) = lost {
            format!("the new certificate has no name {name}")
        } else if old.subject() != new.subject() {
            format!("{} would be called {}", old.subject(), new.subject())
        } else if usages(old) != usages(new) && old.extended().is_some() {
            "the new certificate has other purposes".to_owned()
        } else if new.not_before() > self.now || new.not_after() <= self.now {
            format!("the new certificate is good from {} to {}", new.not_before(), new.not_after())
        } else {
            return None;
        };
        Some(Violation { stage, place: shown.spot.place(), reason })
    }

    /// Certificates beside keys that do not fit, where those of today do.
    fn keys(&self, stage: Stage) -> Vec<Violation> {
        let mut by_stem: BTreeMap<(&str, &str), Vec<&Spot>> = BTreeMap::new();
        for spot in self.spots {
            by_stem.entry((spot.host.as_str(), stem(&spot.path))).or_default().push(spot);
        }
        let fits = |spots: &[&Spot], stage: Stage| {
            let leaf = spots.iter().flat_map(|spot| &spot.at(stage).shown).find(|one| !one.is_ca());
            let keys: Vec<&Digest> = spots.iter().flat_map(|spot| &spot.at(stage).keys).collect();
            let leaf = leaf.filter(|_| !keys.is_empty())?;
            Some(keys.contains(&&leaf.key_digest()))
        };
        by_stem
            .values()
            .filter(|spots| {
                fits(spots, Stage::Before) == Some(true) && fits(spots, stage) != Some(true)
            })
            .map(|spots| Violation {
                stage,
                place: spots[0].place(),
                reason: "the key beside the certificate is another one's".to_owned(),
            })
            .collect()
    }

    /// Tokens that are signed at a stage are good wherever they are checked at another. An API server may have several
    /// files by which it checks them.
    fn tokens(&self, stage: Stage, other: Stage) -> Vec<Violation> {
        let signed = |stage: Stage| -> BTreeSet<&Fingerprint> {
            let signers = self.spots.iter().filter(|spot| spot.is(SpotUse::SignsTokens));
            signers.flat_map(|spot| &spot.at(stage).keys).map(Digest::as_bytes).collect()
        };
        let (now, before) = (signed(stage), signed(Stage::Before));
        let mut hosts: BTreeMap<&str, Vec<&Spot>> = BTreeMap::new();
        for spot in self.spots.iter().filter(|spot| spot.is(SpotUse::ChecksTokens)) {
            hosts.entry(&spot.host).or_default().push(spot);
        }
        let mut violations = Vec::new();
        for spots in hosts.values() {
            let checks = |key: &Fingerprint, stage: Stage| {
                let shelves = spots.iter().map(|spot| spot.at(stage));
                shelves
                    .flat_map(|shelf| shelf.checks.iter().chain(&shelf.keys))
                    .any(|one| one.as_bytes() == key)
            };
            let bad = |key: &&&Fingerprint| {
                let as_today = before.contains(**key) && !checks(key, Stage::Before);
                !checks(key, other) && !as_today
            };
            violations.extend(now.iter().find(bad).map(|_| Violation {
                stage,
                place: spots[0].place(),
                reason: format!(
                    "as it is at stage {other}, it does not check the tokens that are signed at stage {stage}"
                ),
            }));
        }
        violations
    }
}

/// What a certificate and its key have in common; of a file with both, itself.
fn stem(path: &str) -> &str {
    let ends = ["-key.pem", ".key", ".crt", ".pem"];
    ends.iter().find_map(|end| path.strip_suffix(end)).unwrap_or(path)
}
