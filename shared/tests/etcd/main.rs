//! Snapshots of etcd, laid out as bbolt does: read whole, and every kind of damage is named.
#![expect(clippy::disallowed_methods, reason = "tests make the files that are read")]

use forge::bolt::{change, database, object, revision};
use rotation_core::facts::etcd::{
    Bolt, BoltError, Encoding, Sealed, StoredKey, StoredKind, StoredValue, latest, read,
};
use rotation_core::world::snapshot::{self, SnapshotError};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn secret(text: &str) -> Vec<u8> {
    object("Secret", "uid-1", &[("ca.crt", text.as_bytes()), ("token", b"t")], "Opaque")
}

/// Many changes: of some keys the last one counts, others were deleted, others are of no interest.
fn history() -> Entries {
    let mut entries = Vec::new();
    let mut main = 1;
    let mut put = |key: &str, value: Option<Vec<u8>>| {
        main += 1;
        let (deleted, value) = (value.is_none(), value.unwrap_or_default());
        entries.push((revision(main, deleted), change(key, main, &value)));
    };
    for round in 0..3 {
        for n in 0..300 {
            let text = format!("{round} {}", "x".repeat(n));
            put(&format!("/registry/secrets/ns-{}/s{n}", n % 7), Some(secret(&text)));
        }
        put(&format!("/registry/leases/kube-system/l{round}"), Some(vec![7; 5_000]));
    }
    put("/registry/secrets/ns-0/s0", None);
    put(
        "/registry/configmaps/kube-system/huge",
        Some(object("ConfigMap", "u", &[("a", &vec![b'y'; 700_000])], "")),
    );
    put("/registry/secrets/ns-1/s1", None);
    put("/registry/secrets/ns-1/s1", Some(secret("again")));
    entries
}

/// Changes for which a few small pages are enough.
fn few() -> Entries {
    let entry = |n: u64| {
        let text = "x".repeat(if n == 9 { 3_000 } else { 30 });
        let key = format!("/registry/secrets/ns/s{n}");
        (revision(n, false), change(&key, n, &secret(&text)))
    };
    (1..40).map(entry).collect()
}

fn seen(bytes: &[u8]) -> Result<BTreeMap<String, (u64, usize)>, BoltError> {
    let bolt = Bolt::open(bytes)?;
    let mut all = BTreeMap::new();
    latest(
        &bolt,
        |key| StoredKey::of(key).is_some(),
        |change| {
            let key = String::from_utf8_lossy(change.key).into_owned();
            let before = all.insert(key, (change.revision, change.value.len()));
            assert_eq!(before, None, "each key comes once");
        },
    )?;
    Ok(all)
}

#[test]
fn the_latest_change_of_each_key_counts() {
    for page_size in [1024, 4096, 65_536] {
        let all = seen(&database(page_size, &history())).expect("a database");
        assert_eq!(all.len(), 300 - 1 + 1, "{page_size}");
        assert!(!all.contains_key("/registry/secrets/ns-0/s0"));
        assert!(all["/registry/secrets/ns-1/s1"].0 > 900, "made again after it was deleted");
        assert!(all["/registry/configmaps/kube-system/huge"].1 > 700_000, "over many pages");
        let of_last_round = |(revision, _): &(u64, usize)| *revision > 600;
        assert!(all.values().all(of_last_round), "{all:?}");
    }
    assert_eq!(seen(&database(4096, &[])), Ok(BTreeMap::new()));
}

#[test]
fn damage_is_named() {
    let good = database(4096, &history());
    let words = |bytes: &[u8]| seen(bytes).expect_err("damaged").to_string();
    for (length, expected) in [
        (0, "it is no etcd database".to_owned()),
        (100, format!("it is cut off: it has 100 bytes of {}", good.len())),
        (
            good.len() - 1,
            format!("it is cut off: it has {} bytes of {}", good.len() - 1, good.len()),
        ),
    ] {
        assert_eq!(words(&good[..length]), expected);
    }
    assert_eq!(words(b"SQLite format 3\0 and so on"), "it is no etcd database");
    // A meta page that is damaged is no loss: there are two.
    for page in [0, 1] {
        let mut bytes = good.clone();
        bytes[page * 4096 + 30] ^= 1;
        assert_eq!(seen(&bytes).expect("the other one").len(), 300, "{page}");
    }
    let mut bytes = good.clone();
    bytes[30] ^= 1;
    bytes[4096 + 30] ^= 1;
    assert_eq!(words(&bytes), "it is no etcd database");
    // Every page but the free ones, each field of its head.
    let good = database(1024, &few());
    let mut told = std::collections::BTreeSet::new();
    for page in 3..good.len() / 1024 {
        for (at, value) in [(0, 0xee), (8, 0x10), (11, 0xff), (15, 0xff), (16, 0xff), (27, 0xff)] {
            let mut bytes = good.clone();
            bytes[page * 1024 + at] = value;
            if let Err(error) = seen(&bytes) {
                told.insert(error.to_string().replace(&page.to_string(), "N"));
            }
        }
    }
    for expected in [
        "says that it is another one",
        "is neither branch nor leaf",
        "longer than anything",
        "beyond its end",
    ] {
        assert!(told.iter().any(|words| words.contains(expected)), "{expected}: {told:?}");
    }
}

#[test]
fn a_circle_ends() {
    let mut bytes = database(4096, &history());
    // Every branch leads to itself.
    let mut branches = 0;
    for page in 3..bytes.len() / 4096 {
        let at = page * 4096;
        if bytes[at + 8] == 1 && bytes[at..at + 8] == (page as u64).to_le_bytes() {
            let count = usize::from(u16::from_le_bytes([bytes[at + 10], bytes[at + 11]]));
            for child in 0..count {
                let place = at + 16 + 16 * child + 8;
                bytes[place..place + 8].copy_from_slice(&(page as u64).to_le_bytes());
            }
            branches += 1;
        }
    }
    assert!(branches > 1);
    assert!(seen(&bytes).expect_err("a circle").to_string().ends_with("is named twice"));
}

#[test]
fn another_database_is_not_etcds() {
    let mut bytes = database(4096, &[]);
    let at = bytes.windows(3).rposition(|window| window == b"key").expect("the bucket");
    bytes[at..at + 3].copy_from_slice(b"ke_");
    let error = seen(&bytes).expect_err("no bucket");
    assert_eq!(error.to_string(), "it is a bbolt database without etcd's bucket `key`");
}

#[test]
fn keys_of_secrets_and_configmaps_whatever_the_prefix() {
    let of = |text: &str| {
        StoredKey::of(text.as_bytes()).map(|k| format!("{} {}/{}", k.kind, k.namespace, k.name))
    };
    assert_eq!(of("/registry/secrets/ns/a.b").as_deref(), Some("Secret ns/a.b"));
    assert_eq!(of("/kubernetes.io/secrets/ns/a").as_deref(), Some("Secret ns/a"));
    assert_eq!(of("/a/b/configmaps/ns/a").as_deref(), Some("ConfigMap ns/a"));
    for other in [
        "/registry/secrets/a",
        "/registry/x.example.com/secrets/ns/a",
        "/registry/pods/ns/a",
        "",
        "/registry/secrets/ns/",
    ] {
        assert_eq!(of(other), None, "{other}");
    }
}

#[test]
fn values_in_all_forms() {
    let json = br#"{"kind":"Secret","apiVersion":"v1","metadata":{"uid":"uid-1"},"data":{"ca.crt":"eA==","token":"dA=="},"type":"Opaque"}"#;
    for (bytes, expected) in [(secret("x"), Encoding::Protobuf), (json.to_vec(), Encoding::Json)] {
        let StoredValue::Open { encoding, kind, uid, data } = read(StoredKind::Secret, &bytes)
        else {
            panic!("{expected:?}");
        };
        assert_eq!((encoding, kind.as_str(), uid.as_str()), (expected, "Opaque", "uid-1"));
        let text: Vec<_> =
            data.iter().map(|(key, value)| (key.as_str(), value.as_slice())).collect();
        assert_eq!(text, [("ca.crt", &b"x"[..]), ("token", b"t")]);
    }
    let json = br#"{"kind":"ConfigMap","apiVersion":"v1","data":{"ca.crt":"x"},"binaryData":{"b":"eA=="}}"#;
    let StoredValue::Open { data, .. } = read(StoredKind::ConfigMap, json) else { panic!("json") };
    assert_eq!(data.len(), 2);
    assert!(data.values().all(|value| value.as_slice() == b"x"));
    let sealed = |provider: &str, key: &str| Sealed { provider: provider.into(), key: key.into() };
    for (bytes, expected) in [
        (&b"k8s:enc:aescbc:v1:key1:\x00\xff:::"[..], sealed("aescbc", "key1")),
        (b"k8s:enc:secretbox:v1:k:", sealed("secretbox", "k")),
        (b"k8s:enc:kms:v2:vault:\x0a", sealed("kms", "vault")),
    ] {
        let StoredValue::Sealed(found) = read(StoredKind::Secret, bytes) else { panic!("sealed") };
        assert_eq!(found, expected);
    }
    for (kind, bytes) in [
        (StoredKind::ConfigMap, &secret("x")[..]),
        (StoredKind::Secret, b"k8s\0\xff\xff"),
        (StoredKind::Secret, b"k8s:enc:aescbc"),
        (StoredKind::Secret, b"k8s:enc:\x1b[31m:v1:k:"),
        (StoredKind::Secret, b"{"),
        (StoredKind::Secret, br#"{"kind":"Secret","apiVersion":"v2","data":{}}"#),
        (StoredKind::Secret, b""),
        (StoredKind::Secret, b"text"),
    ] {
        let value = read(kind, bytes);
        assert!(matches!(value, StoredValue::Unreadable(_)), "{value:?}");
    }
    let shown = format!("{:?}", read(StoredKind::Secret, &secret("private")));
    assert!(!shown.contains("private"), "{shown}");
}

fn file(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    std::fs::write(dir.join(name), bytes).expect("written");
    dir.join(name)
}

#[test]
fn files_with_and_without_a_checksum() {
    let dir = tempfile::tempdir().expect("a directory");
    let good = database(4096, &history());
    let sum = Sha256::digest(&good);
    let saved = [good.clone(), sum.to_vec()].concat();
    let count = |path: &Path| {
        let mut count = 0;
        snapshot::read(path, |_| count += 1).map(|whole| (count, whole.checked))
    };
    assert_eq!(count(&file(dir.path(), "copy", &good)).expect("a copy"), (300, false));
    assert_eq!(count(&file(dir.path(), "saved", &saved)).expect("saved"), (300, true));
    let mut changed = saved.clone();
    let at = changed.windows(8).position(|w| w == b"xxxxxxxx").expect("a value");
    changed[at] = b'z';
    let error = count(&file(dir.path(), "changed", &changed)).expect_err("changed");
    assert!(matches!(error, SnapshotError::Sum(_)), "{error}");
    let cut = file(dir.path(), "cut", &saved[..saved.len() / 2]);
    assert!(matches!(
        count(&cut).expect_err("cut"),
        SnapshotError::Content(_, BoltError::Truncated { .. })
    ));
    for path in [dir.path().join("none"), dir.path().to_owned(), "/dev/zero".into()] {
        assert!(matches!(count(&path).expect_err("no file"), SnapshotError::File(..)));
    }
}
