//! Readers of whatever people and machines put into files: mutated inputs are read or refused, and never end the process.
//!
//! Each target begins with good inputs and changes them, the same way in each run, for a moment; `ROTATION_MUTATIONS=N`
//! makes N rounds of each. The corpora of certificates have mutations of their own.

use forge::{Draft, Key, Random, rounds};
use rotation_core::facts::etcd::{Bolt, StoredKey, StoredKind, latest, read as read_stored};
use rotation_core::facts::keystore;
use rotation_core::facts::x509::{Certificate, Request, San, encode, read_pem};
use rotation_core::plan::certificate::{Contents, RowRules, Signer, lint_with};
use std::collections::BTreeSet;

/// Rounds of a target.
const ROUNDS: usize = 2_000;

/// Mutates seeds, looks at each, and gives the distinct things that were seen: a target that sees one thing tests nothing.
fn run<T: Ord>(seeds: &[Vec<u8>], look: impl Fn(&[u8]) -> T) -> BTreeSet<T> {
    let mut random = Random::seeded();
    let mut seen: BTreeSet<T> = seeds.iter().map(|good| look(good)).collect();
    for _ in 0..rounds(ROUNDS) {
        let begun = &seeds[random.below(seeds.len())];
        let other = &seeds[random.below(seeds.len())];
        seen.insert(look(&random.mutate(begun, other)));
    }
    seen
}

/// PEM of a CA, a server, and both with a key.
fn texts() -> Vec<Vec<u8>> {
    let (ca_key, key) = (Key::new(), Key::new());
    let ca = Draft::root("ca", &ca_key);
    let server = Draft::server("server", &["a.example.com", "10.0.0.1", "::1"], &key, &ca);
    let both = format!("{}{}{}", server.pem(&ca_key), key.pem(), ca.pem(&ca_key));
    let texts =
        [ca.pem(&ca_key), both.replace('\n', "\r\n"), format!("# {both}"), key.request(false)];
    texts.into_iter().map(String::into_bytes).collect()
}

fn ders() -> Vec<Vec<u8>> {
    let read = |text: &Vec<u8>| {
        read_pem(text).blocks.into_iter().map(|b| b.der.to_vec()).collect::<Vec<_>>()
    };
    texts().iter().flat_map(read).collect()
}

#[test]
fn pem() {
    let seen = run(&texts(), |bytes| {
        let pem = read_pem(bytes);
        for block in &pem.blocks {
            assert!(!block.der.is_empty() && block.line > 0);
            let again = read_pem(encode("CERTIFICATE", &block.der).as_bytes());
            assert_eq!(again.blocks[0].der, block.der, "what was read is written as it was");
        }
        (pem.blocks.len(), pem.oddities.len())
    });
    assert!(seen.len() > 5, "{seen:?}");
}

#[test]
fn der() {
    let seen = run(&ders(), |bytes| {
        let certificate = Certificate::from_der(bytes);
        if let Ok(certificate) = &certificate {
            assert!(bytes.starts_with(certificate.der()));
            let rules = RowRules::inferred(certificate);
            let _ = lint_with(
                "c",
                &rules,
                certificate,
                Signer::Known(certificate),
                jiff::Timestamp::UNIX_EPOCH,
            );
        }
        let request = Request::from_der(bytes).map(|request| request.is_signed());
        (certificate.is_ok(), request.is_ok())
    });
    assert_eq!(seen.len(), 3, "certificates, requests and neither: {seen:?}");
}

#[test]
fn names() {
    let seeds = [
        "kubernetes.default.svc",
        "*.example.com",
        "10.254.0.1",
        "IP:fd00::1",
        "DNS:a-b.c",
        "10.0.0.0/8",
    ];
    let seeds: Vec<Vec<u8>> = seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect();
    let seen = run(&seeds, |bytes| {
        let text = String::from_utf8_lossy(bytes);
        let parsed = San::parse(&text);
        if let Ok(name) = &parsed {
            // What is shown can be typed again, and covers itself unless it is a wildcard.
            assert_eq!(San::parse(&name.to_string()).as_ref(), Ok(name), "{text:?}");
            assert!(name.covers(name), "{name}");
        }
        parsed
            .map_err(|why| std::mem::discriminant(&why))
            .map(|name| matches!(name, San::Ip(_)))
            .ok()
    });
    assert_eq!(seen.len(), 3, "{seen:?}");
}

/// Pillars of Salt and variables of BOSH hold PEM inside YAML; kubeconfig files hold it in base64.
#[test]
fn documents() {
    let pem = String::from_utf8(texts().remove(0)).expect("text");
    let indented = pem.replace('\n', "\n        ");
    let pillar = format!("kubernetes:\n  certs:\n    \"ca.crt\": |\n        {indented}\n");
    let vars = format!(
        "kubernetes_tls:\n  certificate: |\n        {indented}\n  private_key: |\n        x\n"
    );
    let data: String =
        encode("X", pem.as_bytes()).lines().filter(|l| !l.starts_with('-')).collect();
    let config = format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n    certificate-authority-data: {data}\nusers: []\n"
    );
    let seeds: Vec<Vec<u8>> = [pillar, vars, config].into_iter().map(String::into_bytes).collect();
    for path in ["pillar.sls", "vars.yml", "admin.conf"] {
        let seen = run(&seeds, |bytes| {
            let contents = Contents::read(path, bytes);
            for finding in &contents.findings {
                assert!(finding.place.starts_with(path), "{finding:?}");
            }
            (contents.certificates.len(), contents.kubeconfig, contents.findings.len())
        });
        assert!(seen.len() > 3, "{path}: {seen:?}");
    }
}

/// Key stores of Java, by hand: the format says what it says in a few lines.
fn key_stores() -> Vec<Vec<u8>> {
    let text =
        |text: &str| [&[0, u8::try_from(text.len()).expect("short")], text.as_bytes()].concat();
    let block = |bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).expect("short").to_be_bytes();
        [&length[..], bytes].concat()
    };
    let der = &ders()[0];
    let certificate = [text("X.509"), block(der)].concat();
    let head = |kind: u8| [vec![0, 0, 0, kind], text("alias"), vec![0; 8]].concat();
    let key = [head(1), block(b"a key"), vec![0, 0, 0, 1], certificate.clone()].concat();
    let trusted = [head(2), certificate].concat();
    let begin = |magic: [u8; 4]| [&magic[..], &[0, 0, 0, 2, 0, 0, 0, 2]].concat();
    let jks = [begin([0xfe, 0xed, 0xfe, 0xed]), key, trusted.clone()].concat();
    let jceks = [begin([0xce; 4]), trusted, head(3)].concat();
    vec![jks, jceks, pkcs12(der)]
}

/// A store of PKCS#12 with one certificate, in the clear.
fn pkcs12(der: &[u8]) -> Vec<u8> {
    use forge::der::{integer, octets, oid, sequence, tagged};
    let data = || oid("1.2.840.113549.1.7.1");
    let bag = sequence(&[oid("1.2.840.113549.1.9.22.1"), tagged(0, &octets(der))]);
    let safe = sequence(&[sequence(&[oid("1.2.840.113549.1.12.10.1.3"), tagged(0, &bag)])]);
    let safes = sequence(&[sequence(&[data(), tagged(0, &octets(&safe))])]);
    sequence(&[integer(&[3]), sequence(&[data(), tagged(0, &octets(&safes))])])
}

#[test]
fn stores() {
    let seen = run(&key_stores(), |bytes| {
        let store = keystore::read(bytes)?;
        assert!(store.certificates.len() + store.keys <= bytes.len());
        Some((store.form, store.certificates.len(), store.cut))
    });
    assert!(seen.len() > 6, "{seen:?}");
}

#[test]
fn snapshots() {
    use forge::bolt::{change, database, object, revision};
    let entry = |n: u64| {
        let key = format!("/registry/secrets/ns/s{}", n % 9);
        let value = object("Secret", "uid", &[("ca.crt", &[b'x'; 90])], "Opaque");
        (revision(n, n.is_multiple_of(5)), change(&key, n, &value))
    };
    let seeds = [20, 60].map(|count| database(1024, &(1..count).map(entry).collect::<Vec<_>>()));
    let seen = run(&seeds, |bytes| {
        let mut count = 0;
        let read = Bolt::open(bytes).and_then(|bolt| {
            latest(
                &bolt,
                |key| StoredKey::of(key).is_some(),
                |change| {
                    let _ = read_stored(StoredKind::Secret, change.value);
                    count += 1;
                },
            )
        });
        let what = read.map_err(|error| error.to_string().replace(char::is_numeric, ""));
        assert!(count <= 60, "each key once: {count}");
        (what.err(), count)
    });
    assert!(seen.len() > 8, "{seen:?}");
}

#[test]
fn stored_values() {
    use forge::bolt::object;
    let json = br#"{"kind":"Secret","apiVersion":"v1","metadata":{"uid":"u"},"data":{"a":"eA=="},"type":"Opaque"}"#;
    let seeds = [
        object("Secret", "uid", &[("ca.crt", b"x"), ("token", b"y")], "Opaque"),
        object("ConfigMap", "uid", &[("ca.crt", b"x")], ""),
        json.to_vec(),
        b"k8s:enc:aescbc:v1:key:and so on".to_vec(),
    ];
    let seen = run(&seeds, |bytes| {
        [StoredKind::Secret, StoredKind::ConfigMap].map(|kind| {
            let text = format!("{:?}", read_stored(kind, bytes));
            text.split('(').next().unwrap_or_default().to_owned()
        })
    });
    assert!(seen.len() > 4, "{seen:?}");
}

#[test]
fn values() {
    use rotation_core::facts::sighting::{Content, Interner};
    let pem = texts().remove(1);
    let data = encode("X", &pem).lines().filter(|l| !l.starts_with('-')).collect::<String>();
    let kubeconfig = format!(
        "clusters:\n- cluster:\n    certificate-authority-data: {data}\nusers:\n- user:\n    client-key-data: {data}\n    token: t\n"
    );
    let mut seeds = vec![pem, kubeconfig.into_bytes(), b"eyJhIjoxfQ.eyJzdWIiOiJhIn0.c2ln".to_vec()];
    seeds.extend(key_stores());
    seeds.extend(ders());
    let seen = run(&seeds, |bytes| {
        let content = Content::read(bytes, &Interner::default());
        let held = content
            .held()
            .map(|held| (held.certificates.len(), held.keys.len(), held.tokens.len()));
        // What the quick look passes over holds nothing.
        assert!(Content::is_likely_in(bytes) || held == Some((0, 0, 0)), "{content:?}");
        held
    });
    assert!(seen.len() > 8, "{seen:?}");
}

fn of<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

/// Objects as API servers list them: a strange field is passed over or refused, and ends nothing.
#[test]
fn objects() {
    use rotation_core::facts::mounts::MountsWire;
    use rotation_core::facts::objects::{
        ApiServiceWire, ConfigMapWire, CrdWire, SecretWire, SigningRequestWire, WebhooksWire,
    };
    use rotation_core::facts::sighting::Interner;
    let pem = String::from_utf8(texts().remove(1)).expect("text");
    let data =
        encode("X", pem.as_bytes()).lines().filter(|l| !l.starts_with('-')).collect::<String>();
    let meta = r#""metadata":{"name":"n","namespace":"ns","uid":"u","creationTimestamp":"2026-01-01T00:00:00Z","managedFields":[{"time":"2026-01-01T00:00:01Z"}]}"#;
    let client =
        format!(r#"{{"caBundle":"{data}","service":{{"namespace":"a","name":"b","port":443}}}}"#);
    let seeds = [
        format!(r#"{{{meta},"type":"kubernetes.io/service-account-token","data":{{"ca.crt":"{data}","token":"ZQ=="}}}}"#),
        format!(r#"{{{meta},"data":{{"ca.crt":{}}}}}"#, serde_json::Value::from(pem)),
        format!(r#"{{{meta},"webhooks":[{{"clientConfig":{client}}},{{"clientConfig":{{"url":"https://a:1/b"}}}}]}}"#),
        format!(r#"{{{meta},"spec":{client}}}"#),
        format!(r#"{{{meta},"spec":{{"conversion":{{"webhook":{{"clientConfig":{client}}}}}}}}}"#),
        format!(r#"{{{meta},"spec":{{"request":"{data}","signerName":"s"}},"status":{{"certificate":"{data}"}}}}"#),
        format!(r#"{{{meta},"spec":{{"volumes":[{{"name":"v","secret":{{"secretName":"s"}}}}],"containers":[{{"name":"c","volumeMounts":[{{"name":"v"}}]}}]}},"status":{{"containerStatuses":[{{"name":"c","state":{{"running":{{"startedAt":"2026-01-01T00:00:00Z"}}}}}}]}}}}"#),
    ]
    .map(String::into_bytes);
    let seen = run(&seeds, |bytes| {
        let interner = Interner::default();
        [
            of::<SecretWire>(bytes).map(|w| w.sightings(&interner).len()),
            of::<ConfigMapWire>(bytes).map(|w| w.sightings(&interner).len()),
            of::<WebhooksWire>(bytes).map(|w| w.bundles("w", &interner).callees.len()),
            of::<ApiServiceWire>(bytes).map(|w| w.bundles(&interner).sightings.len()),
            of::<CrdWire>(bytes).map(|w| w.bundles(&interner).sightings.len()),
            of::<SigningRequestWire>(bytes).map(|w| w.sightings(&interner).len()),
            of::<MountsWire>(bytes).map(|w| usize::from(w.mounts().is_some())),
        ]
    });
    assert!(seen.len() > 8, "{seen:?}");
}
