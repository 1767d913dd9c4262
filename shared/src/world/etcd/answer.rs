//! An answer with keys and values in it: of etcd's gateway, and of `etcdctl -w json`.

use crate::facts::etcd::{self, StoredKey};
use crate::facts::wire::{Wiped, null_as_default};
use crate::world::snapshot::Stored;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// Keys and values.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Range {
    pub(super) header: Header,
    #[serde(deserialize_with = "null_as_default")]
    kvs: Vec<KeyValue>,
    pub(super) more: bool,
}

/// As of when.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Header {
    #[serde(deserialize_with = "number")]
    pub(super) revision: u64,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KeyValue {
    key: String,
    #[serde(deserialize_with = "null_as_default")]
    value: Wiped,
    #[serde(deserialize_with = "number")]
    mod_revision: u64,
}

/// A key or a value is no base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damaged;

impl Range {
    /// Gives what API servers stored, and the last key of all.
    pub(super) fn each(self, each: &mut impl FnMut(Stored)) -> Result<Option<Vec<u8>>, Damaged> {
        let mut last = None;
        for found in self.kvs {
            let key = STANDARD.decode(&found.key).map_err(|_| Damaged)?;
            let value = STANDARD.decode(&*found.value.0).map_err(|_| Damaged)?;
            let value = Zeroizing::new(value);
            if let Some(stored) = StoredKey::of(&key) {
                let value = etcd::read(stored.kind, &value);
                each(Stored { key: stored, revision: found.mod_revision, value });
            }
            last = Some(key);
        }
        Ok(last)
    }
}

/// The gateway writes numbers of 64 bits as texts, `etcdctl` as numbers.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    Ok(match Either::deserialize(deserializer)? {
        Either::Number(number) => number,
        Either::Text(text) => text.parse().unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let key = STANDARD.encode("/registry/secrets/default/a");
        let value = STANDARD.encode("k8s:enc:aescbc:v1:one:xyz");
        for (number, three) in [("7", "3"), ("\"7\"", "\"3\"")] {
            let text = format!(
                "{{\"header\":{{\"cluster_id\":1,\"revision\":{number}}},\"kvs\":[{{\"key\":\"{key}\",\
                 \"mod_revision\":{three},\"value\":\"{value}\"}}],\"count\":1}}"
            );
            let range: Range = serde_json::from_str(&text).expect("an answer");
            assert_eq!((range.header.revision, range.more), (7, false));
            let mut all = Vec::new();
            let last =
                range.each(&mut |stored| all.push((stored.key.to_string(), stored.revision)));
            assert_eq!(last, Ok(Some(b"/registry/secrets/default/a".to_vec())));
            assert_eq!(all, [("/registry/secrets/default/a".to_owned(), 3)]);
        }
        let broken: Range = serde_json::from_str("{\"kvs\":[{\"key\":\"!\"}]}").expect("an answer");
        assert_eq!(broken.each(&mut |_| {}), Err(Damaged));
        assert!(serde_json::from_str::<Range>("{}").expect("nothing").kvs.is_empty());
    }
}
