//! Kubernetes objects as API servers write them into etcd.
//!
//! ```text
//! k8s\0 and a protobuf message           since 1.6: kind, version, and the object
//! {"kind":...}                           older servers, and servers that are told to
//! k8s:enc:PROVIDER:v1:KEYNAME:...        encrypted at rest
//! ```

use crate::facts::protobuf::{self, Value};
use crate::facts::wire::{Wiped, null_as_default};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use zeroize::Zeroizing;

const PROTOBUF: &[u8] = b"k8s\0";
const SEALED: &[u8] = b"k8s:enc:";

/// Kinds of objects that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StoredKind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

impl StoredKind {
    /// As it stands in paths.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::ConfigMap => "configmaps",
        }
    }
}

impl fmt::Display for StoredKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        })
    }
}

/// Which object a key stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StoredKey {
    /// Kind.
    pub kind: StoredKind,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl StoredKey {
    /// `PREFIX/secrets/NAMESPACE/NAME`, whatever the prefix of the API servers is; a group before `secrets` would be a
    /// resource of somebody else's.
    pub fn of(key: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(key).ok()?;
        let mut parts = text.rsplit('/');
        let (name, namespace, kind) = (parts.next()?, parts.next()?, parts.next()?);
        let kind = match kind {
            "secrets" => StoredKind::Secret,
            "configmaps" => StoredKind::ConfigMap,
            _ => return None,
        };
        let whose = parts.next()?;
        // Groups have a dot, and so has OpenShift's prefix, which is that of core resources.
        let core = !whose.contains('.') || whose == "kubernetes.io";
        (core && !name.is_empty() && !namespace.is_empty()).then(|| Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}

impl fmt::Display for StoredKey {
    /// As API servers name it unless they are told another prefix.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/registry/{}/{}/{}", self.kind.plural(), self.namespace, self.name)
    }
}

/// How an object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Encoding {
    /// Protobuf.
    Protobuf,
    /// JSON.
    Json,
}

/// With what an object is encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sealed {
    /// `aescbc`, `aesgcm`, `secretbox`, `kms`, ...
    pub provider: String,
    /// The key's name in the API servers' configuration.
    pub key: String,
}

/// What stands under a key.
pub enum StoredValue {
    /// It can be read by whoever reads the disk.
    Open {
        /// How it is written.
        encoding: Encoding,
        /// `type`, of a Secret.
        kind: String,
        /// `metadata.uid`.
        uid: String,
        /// `data` and `binaryData`, decoded; wiped when they are let go.
        data: BTreeMap<String, Zeroizing<Vec<u8>>>,
    },
    /// It is encrypted.
    Sealed(Sealed),
    /// It is none of these, or damaged.
    Unreadable(&'static str),
}

impl fmt::Debug for StoredValue {
    /// Without content.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { encoding, kind, data, .. } => {
                let keys: Vec<_> = data.keys().collect();
                write!(f, "Open({encoding:?}, {kind}, {keys:?})")
            }
            Self::Sealed(sealed) => write!(f, "{sealed:?}"),
            Self::Unreadable(why) => write!(f, "Unreadable({why})"),
        }
    }
}

/// Reads a value.
pub fn read(kind: StoredKind, value: &[u8]) -> StoredValue {
    if let Some(message) = value.strip_prefix(PROTOBUF) {
        return protobuf(kind, message)
            .unwrap_or(StoredValue::Unreadable("its protobuf is damaged or of another kind"));
    }
    if let Some(rest) = value.strip_prefix(SEALED) {
        return sealed(rest)
            .map_or(StoredValue::Unreadable("its encryption has no name"), StoredValue::Sealed);
    }
    if value.first() == Some(&b'{') {
        return json(kind, value)
            .unwrap_or(StoredValue::Unreadable("its JSON is damaged or of another kind"));
    }
    StoredValue::Unreadable("it is neither protobuf nor JSON nor encrypted by an API server")
}

/// `PROVIDER:v1:KEYNAME:` with anything behind.
fn sealed(rest: &[u8]) -> Option<Sealed> {
    let mut parts = rest.splitn(4, |byte| *byte == b':');
    let (provider, version, key) = (parts.next()?, parts.next()?, parts.next()?);
    parts.next()?;
    let word = |bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).ok()?;
        let plain = text.len() <= 253 && text.chars().all(|letter| letter.is_ascii_graphic());
        (plain && !text.is_empty()).then(|| text.to_owned())
    };
    let known = version.first() == Some(&b'v');
    known.then_some(())?;
    Some(Sealed { provider: word(provider)?, key: word(key)? })
}

/// The message around every object: type, and the object's own message.
fn protobuf(kind: StoredKind, message: &[u8]) -> Option<StoredValue> {
    let named = protobuf::last_bytes(message, 1)?;
    let wanted = kind.to_string();
    if protobuf::last_text(named, 1)? != "v1" || protobuf::last_text(named, 2)? != wanted {
        return None;
    }
    let object = protobuf::last_bytes(message, 2)?;
    let uid = protobuf::last_text(protobuf::last_bytes(object, 1)?, 5).unwrap_or_default();
    let mut data = BTreeMap::new();
    let mut secret_kind = String::new();
    for field in protobuf::fields(object) {
        match (kind, field.ok()?) {
            (_, (2, Value::Bytes(entry))) | (StoredKind::ConfigMap, (3, Value::Bytes(entry))) => {
                let key = protobuf::last_text(entry, 1).unwrap_or_default().to_owned();
                let value = protobuf::last_bytes(entry, 2).unwrap_or_default();
                data.insert(key, Zeroizing::new(value.to_vec()));
            }
            (StoredKind::Secret, (3, Value::Bytes(words))) => {
                secret_kind = String::from_utf8_lossy(words).into_owned();
            }
            _ => {}
        }
    }
    let encoding = Encoding::Protobuf;
    Some(StoredValue::Open { encoding, kind: secret_kind, uid: uid.to_owned(), data })
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Object {
    api_version: String,
    kind: String,
    metadata: Metadata,
    #[serde(rename = "type", deserialize_with = "null_as_default")]
    secret_kind: String,
    #[serde(deserialize_with = "null_as_default")]
    data: BTreeMap<String, Wiped>,
    #[serde(deserialize_with = "null_as_default")]
    binary_data: BTreeMap<String, Wiped>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    uid: String,
}

fn json(kind: StoredKind, value: &[u8]) -> Option<StoredValue> {
    use base64::Engine as _;
    let object: Object = serde_json::from_slice(value).ok()?;
    if object.api_version != "v1" || object.kind != kind.to_string() {
        return None;
    }
    let decoded = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).ok();
    let mut data = BTreeMap::new();
    for (key, Wiped(text)) in &object.data {
        let bytes = match kind {
            StoredKind::Secret => decoded(text)?,
            StoredKind::ConfigMap => text.as_bytes().to_vec(),
        };
        data.insert(key.clone(), Zeroizing::new(bytes));
    }
    for (key, Wiped(text)) in &object.binary_data {
        data.insert(key.clone(), Zeroizing::new(decoded(text)?));
    }
    let Object { secret_kind, metadata, .. } = object;
    Some(StoredValue::Open { encoding: Encoding::Json, kind: secret_kind, uid: metadata.uid, data })
}
