//! Small clusters of forged certificates, with exactly one thing wrong.

use super::chains::{Pair, Scene, Shelf, Spot, SpotUse, check};
use super::stage::{Stage, Strategy, Track};
use forge::{Draft, Key};
use jiff::Timestamp;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::x509::Certificate;
use std::rc::Rc;

const NOW: &str = "2026-12-01T00:00:00Z";
const SERVER: &str = "m1:/pki/server.crt";

struct Ca(Key, Draft);

impl Ca {
    fn new(name: &str) -> Self {
        let key = Key::new();
        let draft = Draft::root(name, &key);
        Self(key, draft)
    }

    fn certificate(&self) -> Certificate {
        read(&self.1.sign(&self.0))
    }

    /// The same CA, as it was before it was renewed.
    fn ended(&self) -> Certificate {
        let mut draft = self.1.clone();
        draft.not_before = "20200101000000Z".to_owned();
        draft.not_after = "20260901000000Z".to_owned();
        read(&draft.sign(&self.0))
    }

    fn server(&self, names: &[&str], key: &Key) -> Certificate {
        read(&Draft::server("server", names, key, &self.1).sign(&self.0))
    }
}

fn read(der: &[u8]) -> Certificate {
    Certificate::from_der(der).expect("a certificate")
}

fn digest(key: &Key) -> Digest {
    Digest::of(&key.spki())
}

fn spot(path: &str, at: [Shelf; 5]) -> Spot {
    let (host, path) = path.split_once(':').expect("HOST:PATH");
    let at: Vec<Rc<Shelf>> = at.into_iter().map(Rc::new).collect();
    let mut uses = Vec::new();
    uses.extend(at[0].shown.iter().any(|one| !one.is_ca()).then_some(SpotUse::Shows));
    uses.extend((!at[0].trusted.is_empty()).then_some(SpotUse::Trusts));
    uses.extend(path.ends_with("sa.key").then_some(SpotUse::SignsTokens));
    uses.extend(path.ends_with("sa.pub").then_some(SpotUse::ChecksTokens));
    Spot { host: host.to_owned(), path: path.to_owned(), uses, at }
}

fn shows(certificate: &Certificate) -> Shelf {
    Shelf { shown: vec![certificate.clone()], ..Shelf::default() }
}

fn trusts(cas: &[&Certificate]) -> Shelf {
    let trusted = cas.iter().map(|ca| (*ca).clone()).collect();
    Shelf { trusted, ..Shelf::default() }
}

fn holds(key: &Key) -> Shelf {
    Shelf { keys: vec![digest(key)], ..Shelf::default() }
}

fn checks(keys: &[&Key]) -> Shelf {
    Shelf { checks: keys.iter().map(|key| digest(key)).collect(), ..Shelf::default() }
}

/// Two generations of a server and its CA.
struct Two {
    old: Ca,
    new: Ca,
    keys: (Key, Key),
}

impl Two {
    fn make() -> Self {
        Self { old: Ca::new("old"), new: Ca::new("new"), keys: (Key::new(), Key::new()) }
    }

    /// Certificate, key and trust, as they are to be.
    fn good(&self) -> Vec<Spot> {
        let names = ["a.example", "10.0.0.1"];
        let old = || shows(&self.old.server(&names, &self.keys.0));
        let new = || shows(&self.new.server(&names, &self.keys.1));
        let key = |new: bool| holds(if new { &self.keys.1 } else { &self.keys.0 });
        vec![
            spot(SERVER, [old(), old(), old(), new(), new()]),
            spot("m1:/pki/server.key", [key(false), key(false), key(false), key(true), key(true)]),
            self.trust("obbbn"),
        ]
    }

    /// A bundle with the old CA, the new one, or both at each stage.
    fn trust(&self, stages: &str) -> Spot {
        let (old, new) = (self.old.certificate(), self.new.certificate());
        let mut shelves = stages.chars().map(|letter| match letter {
            'o' => trusts(&[&old]),
            'n' => trusts(&[&new]),
            _ => trusts(&[&old, &new]),
        });
        spot("w1:/pki/ca.crt", [(); 5].map(|()| shelves.next().expect("five letters")))
    }

    fn told(&self, spots: &[Spot], strategy: Strategy) -> Vec<String> {
        let pair = Pair {
            track: Track::Cluster,
            old: self.old.certificate(),
            new: self.new.certificate(),
        };
        told(spots, &[pair], strategy)
    }
}

fn told(spots: &[Spot], pairs: &[Pair], strategy: Strategy) -> Vec<String> {
    let now: Timestamp = NOW.parse().expect("a time");
    let (_, violations) = check(&Scene { spots, pairs, strategy, now });
    violations.iter().map(|one| format!("{} {} {}", one.stage, one.place, one.reason)).collect()
}

#[track_caller]
fn says(told: &[String], expected: &[&str]) {
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        for word in expected.split(" ... ") {
            assert!(told.contains(word), "no `{word}` in {told}");
        }
    }
}

#[test]
fn what_is_trusted_comes_before_what_is_shown_and_goes_after_it() {
    let two = Two::make();
    says(&two.told(&two.good(), Strategy::Rolling), &[]);
    for (stages, expected) in [
        // Two machines meet of which one has not moved yet.
        ("ooobn", &["switch m1:/pki/server.crt ... w1:/pki/ca.crt, as that is at stage sign"][..]),
        // And of which one has moved on already.
        ("obbnn", &["sign m1:/pki/server.crt ... w1:/pki/ca.crt, as that is at stage switch"][..]),
        (
            "obbbo",
            &[
                "switch m1:/pki/server.crt ... as that is at stage retire",
                "retire m1:/pki/server.crt ... as that is at stage retire",
            ][..],
        ),
    ] {
        let mut spots = two.good();
        spots[2] = two.trust(stages);
        says(&two.told(&spots, Strategy::Rolling), expected);
    }
    // In an outage nobody meets who is at another stage.
    let mut spots = two.good();
    spots[2] = two.trust("ooonn");
    says(&two.told(&spots, Strategy::Window), &[]);
    spots[2] = two.trust("ooooo");
    says(&two.told(&spots, Strategy::Window), &["retire m1:/pki/server.crt ... stage retire"]);
}

#[test]
fn every_pair_is_counted() {
    let two = Two::make();
    let mut spots = two.good();
    spots.push(Spot { host: "w2".to_owned(), ..two.trust("obbbn") });
    let pair =
        Pair { track: Track::Cluster, old: two.old.certificate(), new: two.new.certificate() };
    let now = NOW.parse().expect("a time");
    let scene = Scene { spots: &spots, pairs: &[pair], strategy: Strategy::Rolling, now };
    let counts: Vec<(usize, usize, usize)> =
        check(&scene).0.iter().map(|one| (one.shown, one.trusts, one.pairs)).collect();
    assert_eq!(counts, [(1, 2, 4), (1, 2, 6), (1, 2, 6), (1, 2, 6), (1, 2, 4)]);
}

#[test]
fn a_new_certificate_keeps_what_the_old_one_had() {
    let two = Two::make();
    let old = two.old.server(&["a.example", "10.0.0.1"], &two.keys.0);
    let with = |new: &Certificate| {
        let mut spots = two.good();
        let (old, new) = (|| shows(&old), || shows(new));
        spots[0] = spot(SERVER, [old(), old(), old(), new(), new()]);
        two.told(&spots, Strategy::Rolling)
    };
    let signed = |draft: &Draft| read(&draft.sign(&two.new.0));
    let draft = Draft::server("server", &["a.example", "10.0.0.1"], &two.keys.1, &two.new.1);
    says(&with(&signed(&draft)), &[]);
    let names = draft.clone().with_names(&["a.example"]);
    says(
        &with(&signed(&names)),
        &["switch ... no name IP:10.0.0.1", "retire ... no name IP:10.0.0.1"],
    );
    let mut renamed = draft.clone();
    renamed.subject.0 = "other".to_owned();
    assert!(with(&signed(&renamed))[0].contains("CN=server would be called CN=other"));
    let mut purposes = draft.clone();
    purposes.extended(&[forge::oid::SERVER, forge::oid::CLIENT]);
    assert!(with(&signed(&purposes))[0].contains("has other purposes"));
    let mut late = draft;
    late.not_before = "20270101000000Z".to_owned();
    assert!(with(&signed(&late)).iter().any(|line| line.contains("is good from 2027-01-01")));
    // A key that is another one's.
    let other = two.new.server(&["a.example", "10.0.0.1"], &Key::new());
    says(
        &with(&other),
        &["switch m1:/pki/server.crt the key beside", "retire m1:/pki/server.crt the key beside"],
    );
}

#[test]
fn what_is_not_accepted_today_is_not_the_plans_doing() {
    let two = Two::make();
    let (ended, new) = (two.old.ended(), two.new.certificate());
    let both = || trusts(&[&ended, &new]);
    let mut spots = two.good();
    let lags = spot("w9:/ca.crt", [trusts(&[&ended]), both(), both(), both(), trusts(&[&new])]);
    spots.push(lags);
    says(&two.told(&spots, Strategy::Rolling), &[]);
    // But what is new must be accepted by all.
    let pair =
        Pair { track: Track::Cluster, old: two.old.certificate(), new: two.old.certificate() };
    let names = ["a.example", "10.0.0.1"];
    let old = || shows(&two.old.server(&names, &two.keys.0));
    let renewed = || shows(&two.old.server(&names, &two.keys.1));
    spots[0] = spot(SERVER, [old(), old(), old(), renewed(), renewed()]);
    spots[2] = two.trust("ooooo");
    let ends = || trusts(&[&ended]);
    spots[3] = spot("w9:/ca.crt", [ends(), ends(), ends(), ends(), ends()]);
    says(
        &told(&spots, &[pair], Strategy::Renew),
        &["switch m1:/pki/server.crt ... w9:/ca.crt, as that is at stage before", "stage switch"],
    );
}

#[test]
fn tokens_are_checked_by_the_key_that_signs_them() {
    let (old, new) = (Key::new(), Key::new());
    let signer = || {
        let (o, n) = (|| holds(&old), || holds(&new));
        spot("m1:/pki/sa.key", [o(), o(), n(), n(), n()])
    };
    let verifier = |stages: &str| {
        let mut shelves = stages.chars().map(|letter| match letter {
            'o' => checks(&[&old]),
            'n' => checks(&[&new]),
            _ => checks(&[&old, &new]),
        });
        spot("m2:/pki/sa.pub", [(); 5].map(|()| shelves.next().expect("five letters")))
    };
    let told = |stages: &str| told(&[signer(), verifier(stages)], &[], Strategy::Rolling);
    says(&told("obbbn"), &[]);
    says(&told("oobbn"), &["sign m2:/pki/sa.pub as it is at stage accept"]);
    says(&told("obnnn"), &["accept m2:/pki/sa.pub as it is at stage sign"]);
    // One of several files is enough.
    let mut second = verifier("nnnnn");
    second.path = "/pki/next.pub".to_owned();
    let spots = [signer(), verifier("ooooo"), second];
    let now = NOW.parse().expect("a time");
    let scene = Scene { spots: &spots, pairs: &[], strategy: Strategy::Rolling, now };
    assert_eq!(check(&scene).1, []);
    assert_eq!(Stage::ALL.len(), scene.spots[0].at.len());
}
