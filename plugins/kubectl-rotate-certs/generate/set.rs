//! What a set says about itself, in `set.json` and in the report: names, dates and digests, never a key.

use super::compare::Change;
use super::make::Made;
use crate::issue;
use crate::layout::Kind;
use crate::layout::expand::{Item, Wanted};
use jiff::Timestamp;
use rotation_core::facts::private_key::PrivateKey;
use rotation_core::facts::x509::{Certificate, San};
use serde::Serialize;

/// The file's name in a generation.
pub(crate) const FILE: &str = "set.json";
/// The version of its form.
pub(crate) const SCHEMA_VERSION: &str = "rotation/certificate-set/v1";

/// What is known of the set as a whole.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    /// The layout.
    pub(crate) layout: &'a str,
    /// The generation.
    pub(crate) generation: &'a str,
    /// When it was made.
    pub(crate) made_at: Timestamp,
    /// The generation before it.
    pub(crate) replaces: Option<&'a str>,
    /// How names change.
    pub(crate) changes: &'a [Change],
}

/// Which files there are, in the order of their names.
fn files(wanted: &Wanted) -> Vec<String> {
    let of_items = wanted.items.iter().flat_map(|item| {
        item.certificates.iter().chain(&item.keys).chain(&item.public_keys).chain(&item.bundles)
    });
    let others =
        wanted.kubeconfigs.iter().map(|c| &c.path).chain(wanted.documents.iter().map(|d| &d.path));
    let mut all: Vec<String> = of_items.chain(others).cloned().collect();
    all.sort();
    all
}

/// The document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Set {
    schema_version: &'static str,
    tool: String,
    layout: String,
    generation: String,
    made_at: Timestamp,
    replaces: Option<String>,
    files: Vec<String>,
    items: Vec<Entry>,
}

/// An item of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    name: String,
    kind: &'static str,
    source: &'static str,
    certificates: Vec<String>,
    keys: Vec<String>,
    public_keys: Vec<String>,
    bundles: Vec<String>,
    key_type: Option<String>,
    key_sha256: Option<String>,
    subject: Option<String>,
    issuer: Option<String>,
    serial: Option<String>,
    sha256: Option<String>,
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    sans: Vec<String>,
    sans_missing: Vec<String>,
    sans_added: Vec<String>,
}

/// Describes a set.
pub(crate) fn describe(wanted: &Wanted, made: &[Made], about: &About<'_>) -> Set {
    let entry = |(item, made): (&Item, &Made)| entry(item, made, about.changes);
    Set {
        schema_version: SCHEMA_VERSION,
        tool: format!("{} {}", crate::TOOL.file, crate::TOOL.version),
        layout: about.layout.to_owned(),
        generation: about.generation.to_owned(),
        made_at: about.made_at,
        replaces: about.replaces.map(str::to_owned),
        files: files(wanted),
        items: wanted.items.iter().zip(made).map(entry).collect(),
    }
}

/// How documents call a kind.
pub(crate) fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Authority => "authority",
        Kind::Server => "server",
        Kind::Client => "client",
        Kind::Peer => "peer",
        Kind::KeyPair => "keyPair",
    }
}

fn entry(item: &Item, made: &Made, changes: &[Change]) -> Entry {
    let certificate = made.certificate.as_ref();
    let change = changes.iter().find(|change| change.id == item.id);
    let words = |sans: &[San]| -> Vec<String> { sans.iter().map(ToString::to_string).collect() };
    Entry {
        name: item.id.clone(),
        kind: kind_word(item.kind),
        source: made.how,
        certificates: item.certificates.clone(),
        keys: if made.key.is_some() { item.keys.clone() } else { Vec::new() },
        public_keys: item.public_keys.clone(),
        bundles: item.bundles.clone(),
        key_type: made.key.as_ref().map(|key| issue::kind_words(key.kind())),
        key_sha256: certificate
            .map(|c| c.key_digest().to_string())
            .or_else(|| made.key.as_ref().map(PrivateKey::spki_sha256)),
        subject: certificate.map(|c| c.subject().to_string()),
        issuer: certificate.map(|c| c.issuer().to_string()),
        serial: certificate.map(Certificate::serial_text),
        sha256: certificate.map(|c| c.fingerprint().to_string()),
        not_before: certificate.map(Certificate::not_before),
        not_after: certificate.map(Certificate::not_after),
        sans: certificate.map(|c| words(c.sans())).unwrap_or_default(),
        sans_missing: change.map(|c| words(&c.missing)).unwrap_or_default(),
        sans_added: change.map(|c| words(&c.added)).unwrap_or_default(),
    }
}
