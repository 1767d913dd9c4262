//! The matrix over small worlds of forged certificates.

use super::*;
use crate::facts::credential::Digest;
use crate::facts::host::Invocation;
use crate::facts::sighting::{
    Component, Content, Domain, Held, Host, Interner, Part, Place, Role, Sighting, Token,
};
use crate::facts::x509::{Certificate, KeyPart, read_pem};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use forge::{Draft, Key};
use std::sync::Arc;

/// A CA of one generation, and what it signs.
struct Ca {
    key: Key,
    draft: Draft,
}

impl Ca {
    fn of(name: &str, from: &str) -> Self {
        let key = Key::new();
        let mut draft = Draft::root(name, &key);
        from.clone_into(&mut draft.not_before);
        Self { key, draft }
    }

    fn pair() -> (Self, Self) {
        (Self::of("old", "20260101000000Z"), Self::of("new", "20260601000000Z"))
    }

    fn certificate(&self) -> Arc<Certificate> {
        certificate(&self.draft.pem(&self.key))
    }

    fn server(&self) -> Arc<Certificate> {
        certificate(&Draft::server("s", &["s"], &Key::new(), &self.draft).pem(&self.key))
    }

    fn digest(&self) -> Digest {
        Digest::of(&self.key.spki())
    }
}

fn certificate(pem: &str) -> Arc<Certificate> {
    Interner::default().certificate(&read_pem(pem.as_bytes()).blocks[0].der).expect("a certificate")
}

fn at(host: &str, part: Part, held: Held) -> Sighting {
    domain_at(host, Domain::Cluster, part, held)
}

fn domain_at(host: &str, domain: Domain, part: Part, held: Held) -> Sighting {
    let place = Place::file(&Host::named(host), &format!("/{}", part.as_str()));
    Sighting::new(place, Role::new(Component::ApiServer, domain, part), Content::Held(held))
}

fn with(certificates: &[&Arc<Certificate>]) -> Held {
    let certificates = certificates.iter().map(|c| Arc::clone(c)).collect();
    Held { certificates, ..Held::default() }
}

fn states(matrix: &Matrix) -> Vec<(String, &'static str)> {
    matrix.rows.iter().map(|r| (r.sighting.place.to_string(), r.state.as_str())).collect()
}

fn state(sighting: Sighting, others: Vec<Sighting>) -> State {
    let place = sighting.place.clone();
    let matrix = Matrix::of([vec![sighting], others].concat(), &Named::default());
    matrix.rows.iter().find(|row| row.sighting.place == place).expect("its row").state
}

#[test]
fn one_generation_is_current() {
    let (ca, _) = Ca::pair();
    let matrix = Matrix::of(
        vec![
            at("m1", Part::Authority, with(&[&ca.certificate()])),
            at("m1", Part::Serving, with(&[&ca.server()])),
            at("m2", Part::Authority, with(&[&ca.certificate()])),
        ],
        &Named::default(),
    );
    assert!(matrix.rows.iter().all(|row| row.state == State::Current), "{:?}", states(&matrix));
    assert_eq!(matrix.certificates.len(), 2);
    let places: Vec<usize> = matrix.certificates.iter().map(|shown| shown.rows.len()).collect();
    assert_eq!(places.iter().sum::<usize>(), 3);
    assert_eq!(matrix.progress()[0].phase, Phase::Settled);
}

#[test]
fn dates_say_which_one_is_new() {
    let (old, new) = Ca::pair();
    let trusting = |host: &str, cas: &[&Ca]| {
        let certificates: Vec<_> = cas.iter().map(|ca| ca.certificate()).collect();
        at(host, Part::Trust, with(&certificates.iter().collect::<Vec<_>>()))
    };
    let foreign = Ca::of("foreign", "20260301000000Z");
    let matrix = Matrix::of(
        vec![
            trusting("a", &[&old]),
            trusting("b", &[&new, &old]),
            trusting("c", &[&new]),
            at("d", Part::Serving, with(&[&old.server()])),
            at("e", Part::Serving, with(&[&new.server(), &new.certificate()])),
            at("f", Part::Serving, with(&[&foreign.server()])),
            at("g", Part::Trust, Held::default()),
            Sighting::absent(
                Place::file(&Host::named("h"), "/x"),
                Role::new(Component::Kubelet, Domain::Cluster, Part::Trust),
            ),
            Sighting::unknown(
                Place::file(&Host::named("i"), "/x"),
                Role::new(Component::Kubelet, Domain::Cluster, Part::Trust),
                "permission denied",
            ),
        ],
        &Named::default(),
    );
    let found: Vec<&str> = matrix.rows.iter().map(|row| row.state.as_str()).collect();
    let expected = ["old", "both", "new", "old", "new", "other", "other", "absent", "unknown"];
    assert_eq!(found, expected, "{:?}", states(&matrix));
    let progress = matrix.progress();
    assert_eq!(progress[0].phase, Phase::Torn);
    assert_eq!((progress[0].verifiers, progress[0].presenters), ([1, 1, 1], [1, 1]));
}

#[test]
fn who_names_the_generations_is_believed() {
    let (old, new) = Ca::pair();
    let named = Named { old: vec![new.digest()], new: vec![old.digest()] };
    let sightings = vec![
        at("a", Part::Trust, with(&[&old.certificate()])),
        at("b", Part::Trust, with(&[&new.certificate()])),
    ];
    let matrix = Matrix::of(sightings.clone(), &named);
    assert_eq!(states(&matrix).iter().map(|s| s.1).collect::<Vec<_>>(), ["new", "old"]);
    // One name alone: what it does not name is of no generation.
    let named = Named { old: Vec::new(), new: vec![new.digest()] };
    let matrix = Matrix::of(sightings, &named);
    assert_eq!(states(&matrix).iter().map(|s| s.1).collect::<Vec<_>>(), ["other", "new"]);
}

#[test]
fn a_renewed_ca_is_the_same_generation() {
    let (ca, _) = Ca::pair();
    let mut renewed = ca.draft.clone();
    "20260901000000Z".clone_into(&mut renewed.not_before);
    let renewed = certificate(&renewed.pem(&ca.key));
    let matrix = Matrix::of(
        vec![
            at("a", Part::Trust, with(&[&ca.certificate()])),
            at("b", Part::Trust, with(&[&renewed])),
        ],
        &Named::default(),
    );
    assert!(matrix.rows.iter().all(|row| row.state == State::Current), "{:?}", states(&matrix));
}

#[test]
fn keys_belong_where_their_certificates_do() {
    let (old, new) = Ca::pair();
    let key = Key::new();
    let leaf = certificate(&Draft::server("s", &["s"], &key, &new.draft).pem(&new.key));
    let others = || {
        vec![
            at("m1", Part::Trust, with(&[&old.certificate(), &new.certificate()])),
            at("m1", Part::Serving, with(&[&leaf])),
        ]
    };
    let held = |digest| Held { keys: vec![KeyPart::Public(digest)], ..Held::default() };
    let key_of_leaf = held(Digest::of(&key.spki()));
    assert_eq!(state(at("m1", Part::ServingKey, key_of_leaf), others()), State::New);
    let key_of_ca = held(old.digest());
    assert_eq!(state(at("m1", Part::AuthorityKey, key_of_ca), others()), State::Old);
    let nobodys = held(Digest::of(b"x"));
    assert_eq!(state(at("m1", Part::ServingKey, nobodys), others()), State::Other);
}

#[test]
fn a_system_bundle_contains_or_lacks() {
    let (ca, foreign) = Ca::pair();
    let trust = || vec![at("m1", Part::Trust, with(&[&ca.certificate()]))];
    let bundle = |cas: &[&Arc<Certificate>]| at("m1", Part::Bundle, with(cas));
    let found = bundle(&[&foreign.certificate(), &ca.certificate()]);
    assert_eq!(state(found, trust()), State::Current);
    assert_eq!(state(bundle(&[&foreign.certificate()]), trust()), State::Absent);
    let matrix = Matrix::of(
        [trust(), vec![bundle(&[&foreign.certificate(), &ca.certificate()])]].concat(),
        &Named::default(),
    );
    assert_eq!(matrix.certificates.len(), 1, "the system's own CAs are not shown");
}

#[test]
fn an_intermediate_is_of_its_root() {
    let (root, _) = Ca::pair();
    let key = Key::new();
    let draft = Draft::intermediate("between", &key, &root.draft);
    let between = certificate(&draft.pem(&root.key));
    let leaf = certificate(&Draft::server("s", &["s"], &Key::new(), &draft).pem(&key));
    let trust = vec![at("m1", Part::Trust, with(&[&root.certificate()]))];
    let chain = at("m1", Part::Serving, with(&[&leaf, &between]));
    assert_eq!(state(chain, trust), State::Current);
}

#[test]
fn tokens_are_known_by_the_key_that_they_name() {
    let (one, other) = (Key::new(), Key::new());
    let public = |key: &Key| Held { public_keys: vec![Digest::of(&key.spki())], ..Held::default() };
    let verifier = |host: &str, key: &Key, second| {
        let mut sighting = domain_at(host, Domain::Tokens, Part::TokenVerifier, public(key));
        sighting.modified = jiff::Timestamp::from_second(second).ok();
        sighting
    };
    let token = |key: &Key| {
        let id = URL_SAFE_NO_PAD.encode(Digest::of(&key.spki()).as_bytes());
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"ES256","kid":"{id}"}}"#));
        let text = format!("{header}.{}.c2ln", URL_SAFE_NO_PAD.encode("{}"));
        let held = Held { tokens: vec![Token::read(&text)], ..Held::default() };
        domain_at("pod", Domain::Tokens, Part::Token, held)
    };
    let verifiers = || vec![verifier("m1", &one, 1), verifier("m2", &other, 2)];
    assert_eq!(state(token(&one), verifiers()), State::Old);
    assert_eq!(state(token(&other), verifiers()), State::New);
    assert_eq!(state(token(&Key::new()), verifiers()), State::Other);
    assert_eq!(state(token(&one), vec![verifier("m1", &one, 1)]), State::Current);
}

/// Servers publish their keys without a date.
#[test]
fn of_keys_without_dates_the_rare_one_is_left_behind() {
    for _ in 0..8 {
        let (usual, rare) = (Key::new(), Key::new());
        let verifier = |host: &str, key: &Key| {
            let keys = Held { public_keys: vec![Digest::of(&key.spki())], ..Held::default() };
            domain_at(host, Domain::Tokens, Part::TokenVerifier, keys)
        };
        let others = vec![verifier("m1", &usual), verifier("m3", &usual)];
        assert_eq!(state(verifier("m2", &rare), others), State::Old);
    }
}

#[test]
fn names_of_cas_count_where_only_names_are_seen() {
    let (old, new) = Ca::pair();
    let trust = || vec![at("m1", Part::Trust, with(&[&old.certificate(), &new.certificate()]))];
    let accepted = |cas: &[&Ca]| {
        let names = cas.iter().map(|ca| ca.certificate().subject().der().into()).collect();
        at("m1", Part::AcceptedNames, Held { names, ..Held::default() })
    };
    assert_eq!(state(accepted(&[&old]), trust()), State::Old);
    assert_eq!(state(accepted(&[&old, &new]), trust()), State::Both);
}

#[test]
fn what_has_a_ca_of_its_own_is_its_own() {
    let (ca, own) = Ca::pair();
    let trust = || vec![at("m1", Part::Trust, with(&[&ca.certificate()]))];
    let webhook = |ca: &Ca| domain_at("w", Domain::Other, Part::Trust, with(&[&ca.certificate()]));
    assert_eq!(state(webhook(&own), trust()), State::Own);
    assert_eq!(state(webhook(&ca), trust()), State::Current);
}

#[test]
fn the_order_of_sightings_changes_nothing() {
    let (old, new) = Ca::pair();
    let sightings = vec![
        at("a", Part::Trust, with(&[&old.certificate()])),
        at("b", Part::Trust, with(&[&new.certificate()])),
        at("c", Part::Serving, with(&[&new.server()])),
    ];
    let forward = Matrix::of(sightings.clone(), &Named::default());
    let backward = Matrix::of(sightings.into_iter().rev().collect(), &Named::default());
    assert_eq!(states(&forward), states(&backward));
    let order = |m: &Matrix| {
        m.certificates
            .iter()
            .map(|s| (s.certificate.fingerprint(), s.rows.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(order(&forward), order(&backward));
}

/// Ids of what is found in the whole, with places.
fn judged(
    sightings: Vec<Sighting>,
    invocations: &[Invocation],
    clocks: &[(String, i64)],
) -> Vec<String> {
    let matrix = Matrix::of(sightings, &Named::default());
    let at = "2026-12-01T00:00:00Z".parse().expect("a time");
    let whole = Whole { matrix: &matrix, invocations, misled: &[], clocks, at };
    judge(&whole).iter().map(|finding| format!("{} {}", finding.id(), finding.place)).collect()
}

#[test]
fn tokens_of_keys_that_nobody_knows_and_tokens_that_ended() {
    let (known, other) = (Key::new(), Key::new());
    let public = Held { public_keys: vec![Digest::of(&known.spki())], ..Held::default() };
    let token = |host: &str, key: &Key, payload: &str| {
        let id = URL_SAFE_NO_PAD.encode(Digest::of(&key.spki()).as_bytes());
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"ES256","kid":"{id}"}}"#));
        let text = format!("{header}.{}.c2ln", URL_SAFE_NO_PAD.encode(payload));
        let held = Held { tokens: vec![Token::read(&text)], ..Held::default() };
        domain_at(host, Domain::Tokens, Part::Token, held)
    };
    let found = judged(
        vec![
            domain_at("m1", Domain::Tokens, Part::TokenVerifier, public),
            token("good", &known, r#"{"exp":1900000000}"#),
            token("ended", &known, r#"{"exp":1700000000}"#),
            token("foreign", &other, "{}"),
        ],
        &[],
        &[],
    );
    assert_eq!(found, ["token-expired ended:/token", "token-key-unknown foreign:/token"]);
}

#[test]
fn what_components_are_told() {
    let told = |component: Component, settings: &[(&str, &str)]| Invocation {
        place: component.as_str().to_owned(),
        component,
        settings: settings.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
        files: Vec::new(),
    };
    let found = judged(
        Vec::new(),
        &[
            told(Component::ApiServer, &[("insecure-port", "8080"), ("insecure-port", "0")]),
            told(Component::Kubelet, &[("readOnlyPort", "10255")]),
            told(
                Component::Etcd,
                &[("listen-client-urls", "http://127.0.0.1:2379,http://10.0.0.1:2379")],
            ),
            told(
                Component::Etcd,
                &[("listen-client-urls", "http://127.0.0.1:2379,https://10.0.0.1:2379")],
            ),
        ],
        &[("m1".to_owned(), -600), ("m2".to_owned(), 30)],
    );
    let expected = [
        "insecure-port etcd",
        "kubelet-serving-unverified kube-apiserver",
        "secrets-unencrypted kube-apiserver",
        "insecure-port kubelet",
        "clock-differs m1",
    ];
    assert_eq!(
        found.iter().collect::<std::collections::BTreeSet<_>>(),
        expected.map(str::to_owned).iter().collect()
    );
}
