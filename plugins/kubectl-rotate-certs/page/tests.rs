//! Sections of a page over small clusters of forged certificates.

use super::{Page, ends, findings, fold::Folds, head, places, trust};
use crate::inspect::observe::Gathered;
use forge::{Draft, Key};
use jiff::{SignedDuration, Timestamp};
use rotation_core::facts::sighting::{
    Component, Content, Domain, Held, Host, Interner, Part, Place, Role, Sighting,
};
use rotation_core::facts::x509::read_pem;
use rotation_core::plan::certificate::{Finding, Kind};
use rotation_core::plan::inventory::{Beyond, Limits, Matrix, Named};
use rotation_core::tell::page::Markup;
use std::collections::HashMap;

/// As of when pages are made.
const NOW: &str = "2026-12-01T00:00:00Z";

/// A CA of one generation.
struct Ca(Key, Draft);

impl Ca {
    fn of(name: &str, from: &str) -> Self {
        let key = Key::new();
        let mut draft = Draft::root(name, &key);
        from.clone_into(&mut draft.not_before);
        Self(key, draft)
    }

    fn pem(&self) -> String {
        self.1.pem(&self.0)
    }

    /// A server's certificate that ends then.
    fn server(&self, name: &str, until: &str) -> String {
        let mut draft = Draft::server(name, &[name], &Key::new(), &self.1);
        until.clone_into(&mut draft.not_after);
        draft.pem(&self.0)
    }
}

const LATE: &str = "20270601000000Z";

fn at(host: &str, path: &str, part: Part, pem: &str) -> Sighting {
    let interner = Interner::default();
    let blocks = read_pem(pem.as_bytes()).blocks;
    let certificates = blocks.iter().map(|block| interner.certificate(&block.der).unwrap());
    let held = Held { certificates: certificates.collect(), ..Held::default() };
    let role = Role::new(Component::ApiServer, Domain::Cluster, part);
    Sighting::new(Place::file(&Host::named(host), path), role, Content::Held(held))
}

/// A section of the page of these.
fn section(
    sightings: Vec<Sighting>,
    findings: &[Finding],
    of: fn(&Page<'_>, &Folds) -> Markup,
) -> String {
    let mut hosts: Vec<Host> = Vec::new();
    for sighting in &sightings {
        let host = sighting.place.host().map(Host::named).unwrap();
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    let gathered = Gathered {
        matrix: Matrix::of(sightings, &Named::default()),
        told: Vec::new(),
        misled: Vec::new(),
        files: Vec::new(),
        clocks: Vec::new(),
        beyond: Beyond::default(),
        hosts,
        rows: Vec::new(),
        entries: HashMap::new(),
    };
    let day = |days: i64| SignedDuration::from_hours(24 * days);
    let page = Page {
        verb: "inspect",
        at: NOW.parse::<Timestamp>().unwrap(),
        gathered: &gathered,
        findings,
        waived: &[],
        limits: Limits { warn: day(30), critical: day(7) },
    };
    of(&page, &Folds::of(&gathered)).into_string()
}

/// What is read, without marks.
fn text(page: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in page.chars() {
        match c {
            '<' => inside = true,
            '>' => {
                inside = false;
                text.push(' ');
            }
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text.split([' ', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn says(page: &str, all: &[&str]) {
    let text = text(page);
    for words in all {
        assert!(text.contains(words), "{words}: {text}");
    }
}

/// Three machines that trust by `bundles`, and show what `signers` signed.
fn cluster(bundles: [&str; 3], signers: [&Ca; 3]) -> Vec<Sighting> {
    let hosts = ["m1", "m2", "m3"];
    let trust = hosts.iter().zip(bundles).map(|(host, pem)| at(host, "/ca.crt", Part::Trust, pem));
    let shown = hosts.iter().zip(signers).map(|(host, ca)| {
        at(host, "/server.crt", Part::Serving, &ca.server(&format!("server-{host}"), LATE))
    });
    trust.chain(shown).collect()
}

#[test]
fn a_matrix_has_a_column_for_each_state_and_a_row_for_each_family() {
    let (old, new) = (Ca::of("old", "20260101000000Z"), Ca::of("new", "20260601000000Z"));
    let (one, other) = (old.pem(), new.pem());
    let both = format!("{one}{other}");
    for (bundles, signers, all, none) in [
        (
            [&one, &one, &one],
            [&old, &old, &old],
            vec!["Place current Ends", "kube-apiserver trust m1 to m3 (3 machines)"],
            vec!["old", "new"],
        ),
        (
            [&one, &both, &both],
            [&old, &old, &old],
            vec!["Place old both Ends", "m1 m2 and m3", "of an older generation"],
            vec!["of the newest generation"],
        ),
        (
            [&one, &both, &other],
            [&old, &new, &new],
            vec!["Place old both new Ends", "m1 m2 m3", "m1 m2 and m3"],
            vec!["current"],
        ),
    ] {
        let bundles = bundles.map(String::as_str);
        let page = section(cluster(bundles, signers), &[], places::section);
        says(&page, &all);
        says(&page, &["CA of the cluster: 6 places", "/ ca.crt", "/ server.crt"]);
        let head = text(page.split("<tbody").next().unwrap());
        for word in none {
            assert!(!head.contains(word), "{word}: {head}");
        }
    }
}

#[test]
fn trust_is_told_by_phase_and_number() {
    let (old, new) = (Ca::of("old", "20260101000000Z"), Ca::of("new", "20260601000000Z"));
    let (one, other) = (old.pem(), new.pem());
    let both = format!("{one}{other}");
    let numbers = |[a, b, c, d, e]: [usize; 5]| {
        format!(
            "trust the old one alone {a} trust both {b} trust the new one alone {c} show the old one {d} show the new one {e}"
        )
    };
    for (bundles, signers, phase, counted, wrong) in [
        ([&one, &both, &both], [&old, &old, &old], "half accepted", [1, 2, 0, 3, 0], None),
        ([&both, &both, &both], [&old, &old, &old], "accepted everywhere", [0, 3, 0, 3, 0], None),
        ([&both, &both, &both], [&old, &old, &new], "half switched", [0, 3, 0, 2, 1], None),
        ([&both, &both, &both], [&new, &new, &new], "switched everywhere", [0, 3, 0, 0, 3], None),
        ([&other, &both, &both], [&new, &new, &new], "half retired", [0, 2, 1, 0, 3], None),
        (
            [&one, &both, &both],
            [&old, &old, &new],
            "torn",
            [1, 2, 0, 2, 1],
            Some("lacks the new one, which is shown"),
        ),
        (
            [&other, &both, &both],
            [&old, &new, &new],
            "torn",
            [0, 2, 1, 1, 2],
            Some("lacks the old one, which is shown"),
        ),
    ] {
        let page = section(cluster(bundles.map(String::as_str), signers), &[], trust::section);
        says(&page, &[&format!("CA of the cluster: {phase} Next:"), &numbers(counted)]);
        for sentence in ["lacks the new one, which is shown", "lacks the old one, which is shown"] {
            assert_eq!(text(&page).contains(sentence), wrong == Some(sentence), "{phase}");
        }
    }
    let settled = section(cluster([&one; 3], [&old; 3]), &[], trust::section);
    assert!(!settled.contains("Next:") && settled.contains("CN=old"), "{settled}");
    says(&section(Vec::new(), &[], trust::section), &["No CA of a cluster was seen."]);
}

#[test]
fn ends_are_marked_by_how_near_they_are() {
    let ca = Ca::of("ca", "20260101000000Z");
    for (until, words, mark) in [
        ("20261130120000Z", "2026-11-30 12 hours ago", "bad"),
        ("20261205000000Z", "2026-12-05 in 4 days", "bad"),
        ("20261208000000Z", "2026-12-08 in 7 days", "bad"),
        ("20261209000000Z", "2026-12-09 in 8 days", "warning"),
        ("20261231000000Z", "2026-12-31 in 30 days", "warning"),
        ("20270101000000Z", "CN=s signed by CN=ca", ""),
    ] {
        let seen = vec![at("m1", "/server.crt", Part::Serving, &ca.server("s", until))];
        let page = section(seen, &[], ends::section);
        says(&page, &[words, "server.crt on m1"]);
        for class in ["bad", "warning"] {
            let marked = page.contains(&format!("shape {class}"));
            assert_eq!(marked, class == mark, "{until} {class}: {page}");
        }
    }
    // The same for each machine, and one that ends before the others.
    let hosts: Vec<String> = (1..=9).map(|n| format!("m{n}")).collect();
    let each = |host: &String| {
        let until = if host == "m4" { "20261203000000Z" } else { LATE };
        at(host, "/server.crt", Part::Serving, &ca.server(host, until))
    };
    let page = section(hosts.iter().map(each).collect(), &[], ends::section);
    let text = text(&page);
    let (near, far) = (text.find("CN=m4 signed by").unwrap(), text.find("8 certificates").unwrap());
    assert!(near < far && text.contains("on m1 to m3 and m5 to m9"), "{text}");
}

#[test]
fn findings_are_grouped_and_what_the_head_says_comes_last_of_its_kind() {
    let (old, new) = (Ca::of("old", "20260101000000Z"), Ca::of("new", "20260601000000Z"));
    let one = old.pem();
    let both = format!("{one}{}", new.pem());
    let seen = cluster([&one, &one, &both], [&old, &new, &new]);
    let finding = |kind, place: &str, what: &str, fix: &str| {
        let finding = Finding::new(kind, place, what.to_owned());
        Finding { fix: fix.to_owned(), ..finding }
    };
    let torn = finding(Kind::RotationTorn, "generations of cluster", "it is torn: 3", "bring both");
    let lacks = |host: &str| {
        let place = format!("{host}:/ca.crt");
        finding(Kind::TrustLacksCa, &place, "it lacks CN=new", "put it in")
    };
    let mode = finding(Kind::KeyMode, "m1:/server.crt", "its mode is 644", "run `chmod 600 x`");
    let all = [torn.clone(), lacks("m1"), lacks("m2"), lacks("m3"), mode];
    let page = section(seen.clone(), &all, findings::section);
    let text = text(&page);
    let place = |words: &str| text.find(words).unwrap_or_else(|| panic!("{words}: {text}"));
    assert!(place("trust-lacks-ca") < place("rotation-torn"), "{text}");
    assert!(place("key-mode") < place("rotation-torn"), "{text}");
    says(
        &page,
        &["error \u{a0}×\u{a0}3", "ca.crt on m1 to m3 (3 machines) it lacks CN=new put it in"],
    );
    says(&page, &["it is torn: 3", "run chmod 600 x"]);
    // The verdict says what comes next: once on the page is enough.
    assert!(!text.contains("bring both"), "{text}");
    let head = section(seen.clone(), &all, |page, _| head::head(page));
    says(&head, &["The CA of the cluster is torn. Next: bring both CAs", "5 errors", "m1 to m3"]);
    let calm = section(seen, &[], findings::section);
    says(&calm, &["Nothing was found."]);
    assert!(!calm.contains("<li"), "{calm}");
}
