//! Which strategy a rotation takes when none is named: the gentlest that serves its purpose and is possible. Pure.

use super::stage::{Strategy, Track};
use jiff::{SignedDuration, Timestamp};
use rotation_core::facts::words::{count, time};
use std::collections::BTreeMap;

/// A certificate that ends within this time is due: what `check` warns of.
const LEAF_DUE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A CA is due earlier: certificates that it signs end with it.
const AUTHORITY_DUE: SignedDuration = SignedDuration::from_hours(180 * 24);
/// What lives for a short time by design, such as a kubelet's certificate of a day, is due in the last tenth of its life.
const LAST_PART: i32 = 10;
/// The old CA must outlive a rotation that trusts both: the runbooks' window of three hours.
const ROLLING_NEEDS: SignedDuration = SignedDuration::from_hours(3);

/// All, the gentlest first.
const GENTLEST: [Strategy; 5] =
    [Strategy::Renew, Strategy::RenewCa, Strategy::Rolling, Strategy::Recover, Strategy::Window];

/// From when to when something is good, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Life {
    /// In words, with its place.
    pub(crate) what: String,
    /// From when.
    pub(crate) from: Timestamp,
    /// To when.
    pub(crate) until: Timestamp,
}

/// What is known of a CA, or of the key that signs tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrackFacts {
    /// Which.
    pub(crate) track: Track,
    /// The CA's own life; a key has none.
    pub(crate) authority: Option<Life>,
    /// Whether its private key is on a machine.
    pub(crate) has_key: bool,
    /// Certificates that it signed.
    pub(crate) leaves: Vec<Life>,
}

/// What the decision rests on.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// When.
    pub(crate) now: Timestamp,
    /// Whether `--rotate` names the tracks: their keys are to be replaced then.
    pub(crate) named: bool,
    /// The tracks that can take part.
    pub(crate) tracks: Vec<TrackFacts>,
    /// What has ended and without which no API server answers, or trusts anybody.
    pub(crate) dead: Vec<String>,
    /// Whether the key of a server's certificate signs tokens as well.
    pub(crate) coupled: bool,
    /// Strategies that were tried and refused, with the reason.
    pub(crate) refused: BTreeMap<Strategy, String>,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// How.
    pub(crate) strategy: Strategy,
    /// What.
    pub(crate) tracks: Vec<Track>,
    /// Why so, and why in no gentler way.
    pub(crate) notes: Vec<String>,
}

/// What a rotation is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// The keys that were named are replaced.
    Keys,
    /// The cluster lives again.
    Life,
    /// CAs get a later end.
    Authorities,
    /// Certificates get a later end.
    Leaves,
    /// Nothing is due: everything is replaced, since that was asked for.
    Everything,
}

impl Life {
    fn is_due(&self, within: SignedDuration, now: Timestamp) -> bool {
        let life = self.until.duration_since(self.from) / LAST_PART;
        self.until.duration_since(now) < within.min(life)
    }

    fn words(&self) -> String {
        format!("{} ends at {}", self.what, time(self.until))
    }
}

impl TrackFacts {
    fn due_authority(&self, now: Timestamp) -> Option<&Life> {
        self.authority.as_ref().filter(|life| life.is_due(AUTHORITY_DUE, now))
    }

    fn due_leaves(&self, now: Timestamp) -> impl Iterator<Item = &Life> {
        self.leaves.iter().filter(move |life| life.is_due(LEAF_DUE, now))
    }

    fn has_ended(&self, now: Timestamp) -> bool {
        self.authority.iter().chain(&self.leaves).any(|life| life.until <= now)
    }
}

impl Facts {
    fn purpose(&self) -> Purpose {
        let any = |due: &dyn Fn(&TrackFacts) -> bool| self.tracks.iter().any(due);
        if self.named {
            Purpose::Keys
        } else if !self.dead.is_empty() {
            Purpose::Life
        } else if any(&|track| track.due_authority(self.now).is_some()) {
            Purpose::Authorities
        } else if any(&|track| track.due_leaves(self.now).next().is_some()) {
            Purpose::Leaves
        } else {
            Purpose::Everything
        }
    }

    /// The tracks that the purpose needs: nothing else is touched.
    fn scope(&self, purpose: Purpose) -> Vec<&TrackFacts> {
        let needs = |track: &&TrackFacts| match purpose {
            Purpose::Keys | Purpose::Everything => true,
            Purpose::Life => track.has_ended(self.now),
            Purpose::Authorities => track.due_authority(self.now).is_some(),
            Purpose::Leaves => track.due_leaves(self.now).next().is_some(),
        };
        let needed: Vec<&TrackFacts> = self.tracks.iter().filter(needs).collect();
        if needed.is_empty() { self.tracks.iter().collect() } else { needed }
    }

    /// The purpose in words.
    fn why(&self, purpose: Purpose, scope: &[&TrackFacts]) -> String {
        let names: Vec<&str> = scope.iter().map(|track| track.track.as_str()).collect();
        let names = names.join(", ");
        match purpose {
            Purpose::Keys => format!("--rotate names {names}, whose key is to be replaced"),
            Purpose::Life => format!("{} has ended, so that no API server serves", self.dead[0]),
            Purpose::Authorities => {
                let ends = scope.iter().filter_map(|track| track.due_authority(self.now));
                first(ends).map(Life::words).unwrap_or_default()
            }
            Purpose::Leaves => {
                let due: Vec<&Life> =
                    scope.iter().flat_map(|track| track.due_leaves(self.now)).collect();
                let words = first(due.iter().copied()).map(Life::words).unwrap_or_default();
                match due.len() {
                    0 | 1 => words,
                    many => format!("{} are near their end: {words}", count(many, "certificate")),
                }
            }
            Purpose::Everything => {
                format!("nothing is near its end, so that {names} are replaced, keys and all")
            }
        }
    }

    /// Why a strategy would not do what the rotation is for.
    fn serves(&self, strategy: Strategy, purpose: Purpose) -> Result<(), String> {
        let same_key = !strategy.has_new_key();
        let no = |why: &str| Err(why.to_owned());
        let leaves = || first(self.tracks.iter().flat_map(|track| &track.leaves));
        let authorities = || first(self.tracks.iter().filter_map(|track| track.authority.as_ref()));
        match (purpose, strategy) {
            (Purpose::Keys, _) if same_key => no("it keeps the key that is to be replaced"),
            (Purpose::Authorities, Strategy::Renew) => no("the CA would end when it does today"),
            (Purpose::Leaves, Strategy::RenewCa) => no("certificates would end when they do today"),
            (Purpose::Everything, Strategy::Renew) => Err(match leaves() {
                Some(life) => {
                    format!("no certificate is near its end: the first, {}", life.words())
                }
                None => "there is no certificate to renew".to_owned(),
            }),
            (Purpose::Everything, Strategy::RenewCa) => Err(match authorities() {
                Some(life) => format!("no CA is near its end: the first, {}", life.words()),
                None => "there is no CA to renew".to_owned(),
            }),
            (purpose, Strategy::Recover) if purpose != Purpose::Life => {
                no("nothing has ended that the API needs")
            }
            _ => Ok(()),
        }
    }

    /// Why a strategy cannot be gone through.
    fn possible(&self, strategy: Strategy, scope: &[&TrackFacts]) -> Result<(), String> {
        if let Some(why) = self.refused.get(&strategy) {
            return Err(why.clone());
        }
        let between = !matches!(strategy, Strategy::Recover | Strategy::Window);
        if let Some(dead) = self.dead.first().filter(|_| between) {
            return Err(format!(
                "{dead} has ended: no API server can be asked whether a stage was reached"
            ));
        }
        let tracks: Vec<Track> = scope.iter().map(|track| track.track).collect();
        tokens_fit(strategy, &tracks, self.coupled)?;
        if !strategy.has_new_key()
            && let Some(track) = scope.iter().find(|track| !track.has_key)
        {
            return Err(format!(
                "the key of the {} CA is on no machine, so that nothing can be signed by it",
                track.track
            ));
        }
        if strategy == Strategy::Rolling {
            let short = |track: &&&TrackFacts| {
                track
                    .authority
                    .as_ref()
                    .is_some_and(|life| life.until.duration_since(self.now) < ROLLING_NEEDS)
            };
            if let Some(life) = scope.iter().find(short).and_then(|track| track.authority.as_ref())
            {
                return Err(format!(
                    "{}, before everybody could be brought to trust another one",
                    life.words()
                ));
            }
        }
        Ok(())
    }
}

/// Whether the key that signs tokens can be replaced in this way, where it is among the tracks.
pub(crate) fn tokens_fit(
    strategy: Strategy,
    tracks: &[Track],
    coupled: bool,
) -> Result<(), String> {
    if !tracks.contains(&Track::Tokens) {
        return Ok(());
    }
    if !strategy.has_new_key() {
        return Err("a key for tokens has no end that could be moved".to_owned());
    }
    let together = strategy == Strategy::Window && tracks.contains(&Track::Cluster);
    if coupled && !together {
        return Err(
            "the key of a server's certificate signs tokens as well: both can only be replaced at once, by strategy window \
             with `cluster` and `tokens`; leave `tokens` out of --rotate, and the key is kept, and so is every token"
                .to_owned(),
        );
    }
    Ok(())
}

/// What ends first.
fn first<'a>(lives: impl Iterator<Item = &'a Life>) -> Option<&'a Life> {
    lives.min_by_key(|life| (life.until, life.what.as_str()))
}

/// Decides; where nothing is possible, the reasons, one for each strategy.
pub(crate) fn decide(facts: &Facts) -> Result<Decision, Vec<String>> {
    let purpose = facts.purpose();
    let scope = facts.scope(purpose);
    let mut reasons = Vec::new();
    for strategy in GENTLEST {
        let name = strategy.as_str();
        let fits = facts.serves(strategy, purpose);
        if let Err(why) = fits.and_then(|()| facts.possible(strategy, &scope)) {
            reasons.push(format!("not {name}: {why}"));
            continue;
        }
        let mut notes = vec![format!("{name}, since {}", facts.why(purpose, &scope))];
        notes.append(&mut reasons);
        notes.extend(later(facts, purpose, strategy));
        let tracks = scope.iter().map(|track| track.track).collect();
        return Ok(Decision { strategy, tracks, notes });
    }
    Err(reasons)
}

/// What is left to do afterwards.
fn later(facts: &Facts, purpose: Purpose, strategy: Strategy) -> Option<String> {
    if (purpose, strategy) != (Purpose::Authorities, Strategy::RenewCa) {
        return None;
    }
    let due = facts.tracks.iter().flat_map(|track| track.due_leaves(facts.now)).count();
    let near = match due {
        0 => return None,
        1 => "1 certificate is near its end too".to_owned(),
        many => format!("{many} certificates are near their end too"),
    };
    Some(format!(
        "{near}, and can only outlive a CA that is renewed: renew what is due by a rotation after this one"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-30T00:00:00Z";

    fn life(what: &str, from: &str, until: &str) -> Life {
        let day = |text: &str| format!("{text}T00:00:00Z").parse().expect("a day");
        Life { what: what.to_owned(), from: day(from), until: day(until) }
    }

    /// A CA of this end with one certificate of that end.
    fn ca(track: Track, end: &str, leaf: &str) -> TrackFacts {
        TrackFacts {
            track,
            authority: Some(life(&format!("{track} CA"), "2020-01-01", end)),
            has_key: true,
            leaves: vec![life(&format!("leaf of {track}"), "2026-01-01", leaf)],
        }
    }

    fn facts(tracks: Vec<TrackFacts>) -> Facts {
        Facts {
            now: NOW.parse().expect("a time"),
            named: false,
            tracks,
            dead: Vec::new(),
            coupled: false,
            refused: BTreeMap::new(),
        }
    }

    fn fresh() -> Vec<TrackFacts> {
        vec![
            ca(Track::Cluster, "2040-01-01", "2027-06-01"),
            ca(Track::Etcd, "2040-01-01", "2027-06-01"),
        ]
    }

    fn tokens() -> TrackFacts {
        TrackFacts { track: Track::Tokens, authority: None, has_key: true, leaves: Vec::new() }
    }

    /// `STRATEGY TRACK,...`, then each reason for it.
    fn told(facts: &Facts) -> Vec<String> {
        match decide(facts) {
            Err(reasons) => [vec!["none".to_owned()], reasons].concat(),
            Ok(decision) => {
                let tracks: Vec<&str> = decision.tracks.iter().map(|t| t.as_str()).collect();
                let head = format!("{} {}", decision.strategy.as_str(), tracks.join(","));
                [vec![head], decision.notes].concat()
            }
        }
    }

    #[track_caller]
    fn is(facts: &Facts, expected: &[&str]) {
        let told = told(facts);
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(expected), "`{expected}` in {told}");
        }
    }

    #[test]
    fn what_is_due_decides_where_nothing_is_named() {
        is(
            &facts(fresh()),
            &[
                "rolling cluster,etcd",
                "rolling, since nothing is near its end",
                "not renew: no certificate is near its end: the first, leaf of cluster ends at 2027-06-01T00:00:00Z",
                "not renew-ca: no CA is near its end: the first, cluster CA ends at 2040-01-01T00:00:00Z",
            ],
        );
        // Only leaves, and only where they are due.
        let mut one = facts(fresh());
        one.tracks[1] = ca(Track::Etcd, "2040-01-01", "2026-12-20");
        is(&one, &["renew etcd", "renew, since leaf of etcd ends at 2026-12-20T00:00:00Z"]);
        one.tracks[1].leaves.push(life("other", "2026-01-01", "2026-12-10"));
        is(
            &one,
            &[
                "renew etcd",
                "renew, since 2 certificates are near their end: other ends at 2026-12-10",
            ],
        );
        // A CA before its leaves.
        let mut one = facts(fresh());
        one.tracks[0] = ca(Track::Cluster, "2027-03-01", "2026-12-20");
        is(
            &one,
            &[
                "renew-ca cluster",
                "renew-ca, since cluster CA ends at 2027-03-01T00:00:00Z",
                "not renew: the CA would end when it does today",
                "1 certificate is near its end too",
            ],
        );
        // What lives for a day only is not due all the time.
        let mut one = facts(fresh());
        one.tracks[0].leaves.push(life("short", "2026-11-29", "2026-12-01"));
        assert_eq!(told(&one)[0], "rolling cluster,etcd");
        one.now = "2026-11-30T22:00:00Z".parse().expect("a time");
        assert_eq!(told(&one)[0], "renew cluster");
    }

    #[test]
    fn what_is_named_gets_a_new_key() {
        let mut named = Facts { named: true, ..facts(vec![tokens()]) };
        is(
            &named,
            &[
                "rolling tokens",
                "rolling, since --rotate names tokens",
                "not renew: it keeps the key that is to be replaced",
                "not renew-ca: it keeps the key that is to be replaced",
            ],
        );
        // Also where only leaves are due.
        named.tracks = vec![ca(Track::Cluster, "2040-01-01", "2026-12-20"), tokens()];
        assert_eq!(told(&named)[0], "rolling cluster,tokens");
        named.coupled = true;
        let told = told(&named);
        assert_eq!(told[0], "window cluster,tokens");
        assert!(told[4].contains("signs tokens as well"), "{told:#?}");
        // Kept, where it is not named.
        is(
            &Facts { coupled: true, named: true, ..facts(fresh()) },
            &["rolling cluster,etcd", "rolling", "not renew", "not renew-ca"],
        );
    }

    #[test]
    fn what_has_ended_is_recovered() {
        let mut ended = facts(fresh());
        ended.tracks[0] = ca(Track::Cluster, "2040-01-01", "2026-11-01");
        // A client's certificate alone does not take the API away.
        assert_eq!(told(&ended)[0], "renew cluster");
        ended.dead = vec!["CN=kube-apiserver".to_owned()];
        is(
            &ended,
            &[
                "recover cluster",
                "recover, since CN=kube-apiserver has ended",
                "not renew: CN=kube-apiserver has ended: no API server can be asked",
                "not renew-ca: CN=kube-apiserver has ended",
                "not rolling: CN=kube-apiserver has ended",
            ],
        );
        ended.tracks[0].has_key = false;
        let reasons = told(&ended);
        assert_eq!(reasons[0], "window cluster");
        assert!(reasons[5].starts_with("not recover: the key of the cluster CA is on no machine"));
        // A key that is to be replaced is not recovered.
        let named = Facts { named: true, ..ended };
        assert_eq!(told(&named)[0], "window cluster,etcd");
    }

    #[test]
    fn what_is_not_possible_gives_way_to_the_next() {
        let mut keyless = facts(fresh());
        keyless.tracks[0] =
            TrackFacts { has_key: false, ..ca(Track::Cluster, "2027-03-01", "2027-02-01") };
        is(
            &keyless,
            &[
                "rolling cluster",
                "rolling, since cluster CA ends at",
                "not renew: the CA would end",
                "not renew-ca: the key of the cluster CA is on no machine",
            ],
        );
        keyless.tracks[0] =
            TrackFacts { has_key: false, ..ca(Track::Cluster, "2040-01-01", "2026-12-20") };
        assert_eq!(told(&keyless)[0], "rolling cluster");
        // It would end on the way.
        keyless.tracks[0] =
            TrackFacts { has_key: false, ..ca(Track::Cluster, "2026-11-30", "2026-11-30") };
        keyless.now = "2026-11-29T22:00:00Z".parse().expect("a time");
        let reasons = told(&keyless);
        assert_eq!(reasons[0], "window cluster");
        assert!(reasons[4].contains("before everybody could be brought"), "{reasons:#?}");
        // Whatever else was refused when it was tried.
        let mut refused = facts(fresh());
        refused.refused.insert(Strategy::Rolling, "it cannot be split".to_owned());
        let reasons = told(&refused);
        assert_eq!(reasons[0], "window cluster,etcd");
        assert!(reasons.contains(&"not rolling: it cannot be split".to_owned()));
        refused.refused.insert(Strategy::Window, "nor so".to_owned());
        let reasons = told(&refused);
        assert_eq!((reasons[0].as_str(), reasons.len()), ("none", 6));
    }
}
