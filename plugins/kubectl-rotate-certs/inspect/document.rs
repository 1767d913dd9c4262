//! The matrix for scripts.

use super::observe::Gathered;
use crate::TOOL;
use jiff::Timestamp;
use rotation_core::facts::credential::Digest;
use rotation_core::facts::jwt::Claims;
use rotation_core::facts::sighting::{
    Component, Content, Domain, Part, PlaceKind, Reader, Sighting,
};
use rotation_core::facts::x509::{Certificate, KeyPart};
use rotation_core::plan::inventory::{Age, Matrix, Phase, Progress, Row, Shown, State};
use serde::Serialize;

/// The version of the document.
const SCHEMA_VERSION: &str = "rotation/certificate-inventory/v1";

/// The document.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document<'a> {
    schema_version: &'static str,
    tool: &'static str,
    tool_version: &'static str,
    at: Timestamp,
    domains: Vec<DomainItem>,
    places: Vec<PlaceItem<'a>>,
    certificates: Vec<CertificateItem>,
    components: Vec<ComponentItem<'a>>,
}

/// A component that runs, or is to run.
#[derive(Serialize)]
struct ComponentItem<'a> {
    place: &'a str,
    component: Component,
    files: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DomainItem {
    domain: Domain,
    phase: Phase,
    next: String,
    trusting: Trusting,
    showing: Showing,
    generations: Vec<GenerationItem>,
}

/// Places that trust.
#[derive(Serialize)]
struct Trusting {
    old: usize,
    both: usize,
    new: usize,
}

/// Places that show something.
#[derive(Serialize)]
struct Showing {
    old: usize,
    new: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GenerationItem {
    age: Age,
    key: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<Digest>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlaceItem<'a> {
    place: String,
    kind: PlaceKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    component: Component,
    domain: Domain,
    part: Part,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unknown: Option<UnknownItem<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed: Option<SealedItem<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    certificates: Vec<Digest>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    keys: Vec<KeyItem>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    public_keys: Vec<Digest>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tokens: Vec<TokenItem<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    requests: Vec<Digest>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    readers: Vec<ReaderItem<'a>>,
}

#[derive(Serialize)]
struct UnknownItem<'a> {
    why: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    right: Option<&'a str>,
}

#[derive(Serialize)]
struct SealedItem<'a> {
    provider: &'a str,
    key: &'a str,
}

/// A private key, by what is public of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase", untagged)]
enum KeyItem {
    Public { key: Digest },
    Hidden { hidden: &'static str },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TokenItem<'a> {
    digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReaderItem<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<Timestamp>,
    reloads: bool,
    stale: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CertificateItem {
    fingerprint: Digest,
    subject: String,
    issuer: String,
    serial: String,
    not_before: Timestamp,
    not_after: Timestamp,
    key: Digest,
    key_type: String,
    ca: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sans: Vec<String>,
    places: Vec<String>,
}

/// The document of what was gathered.
pub(crate) fn of(gathered: &Gathered, at: Timestamp) -> Document<'_> {
    let matrix = &gathered.matrix;
    Document {
        schema_version: SCHEMA_VERSION,
        tool: TOOL.name,
        tool_version: TOOL.version,
        at,
        domains: matrix.progress().iter().map(|progress| domain(matrix, progress)).collect(),
        places: matrix.rows.iter().map(|row| place(matrix, row)).collect(),
        components: gathered
            .told
            .iter()
            .map(|told| ComponentItem {
                place: &told.place,
                component: told.component,
                files: &told.files,
            })
            .collect(),
        certificates: matrix.certificates.iter().map(|shown| certificate(matrix, shown)).collect(),
    }
}

fn domain(matrix: &Matrix, progress: &Progress) -> DomainItem {
    let [old, both, new] = progress.verifiers;
    let [shown_old, shown_new] = progress.presenters;
    let generations = matrix.generations.of_domain(progress.domain).iter();
    DomainItem {
        domain: progress.domain,
        phase: progress.phase,
        next: progress.next(),
        trusting: Trusting { old, both, new },
        showing: Showing { old: shown_old, new: shown_new },
        generations: generations
            .map(|generation| GenerationItem {
                age: generation.age,
                key: generation.key,
                since: generation.since,
                certificate: generation.certificate.as_ref().map(|c| c.fingerprint()),
            })
            .collect(),
    }
}

fn place<'a>(matrix: &Matrix, row: &'a Row) -> PlaceItem<'a> {
    let sighting = &row.sighting;
    let (unknown, sealed) = match &sighting.content {
        Content::Unknown(unknown) => {
            (Some(UnknownItem { why: &unknown.why, right: unknown.right.as_deref() }), None)
        }
        Content::Sealed { provider, key } => (None, Some(SealedItem { provider, key })),
        Content::Held(_) | Content::Absent => (None, None),
    };
    let held = sighting.content.held();
    PlaceItem {
        place: sighting.place.to_string(),
        kind: sighting.place.kind(),
        host: sighting.place.host(),
        component: sighting.role.component,
        domain: sighting.role.domain,
        part: sighting.role.part,
        state: row.state,
        until: row.until,
        modified: sighting.modified,
        link: sighting.link.as_deref(),
        unknown,
        sealed,
        certificates: fingerprints(matrix, sighting),
        keys: held.map(|held| held.keys.iter().map(key).collect()).unwrap_or_default(),
        public_keys: held.map(|held| held.public_keys.clone()).unwrap_or_default(),
        tokens: held
            .into_iter()
            .flat_map(|held| &held.tokens)
            .map(|t| token(t.digest, t.claims.as_ref()))
            .collect(),
        requests: held
            .into_iter()
            .flat_map(|held| &held.requests)
            .map(|r| r.key_digest())
            .collect(),
        readers: readers(sighting),
    }
}

/// Of a system's bundle only what its domain knows.
fn fingerprints(matrix: &Matrix, sighting: &Sighting) -> Vec<Digest> {
    let certificates = sighting.content.held().into_iter().flat_map(|held| &held.certificates);
    let counts = |certificate: &&std::sync::Arc<Certificate>| {
        let age = matrix.generations.age(sighting.role.domain, certificate.key_digest());
        sighting.role.part != Part::Bundle || age.is_some()
    };
    certificates.filter(counts).map(|certificate| certificate.fingerprint()).collect()
}

fn key(part: &KeyPart) -> KeyItem {
    match part {
        KeyPart::Public(key) => KeyItem::Public { key: *key },
        KeyPart::Encrypted => KeyItem::Hidden { hidden: "encrypted" },
        KeyPart::Unknown => KeyItem::Hidden { hidden: "unknown" },
        KeyPart::Unreadable => KeyItem::Hidden { hidden: "unreadable" },
    }
}

fn token(digest: Digest, claims: Option<&Claims>) -> TokenItem<'_> {
    TokenItem {
        digest,
        key_id: claims.and_then(|claims| claims.key_id.as_deref()),
        issuer: claims.map(|claims| claims.issuer.as_str()).filter(|text| !text.is_empty()),
        subject: claims.map(|claims| claims.subject.as_str()).filter(|text| !text.is_empty()),
        issued: claims.and_then(|claims| claims.issued),
        expires: claims.and_then(|claims| claims.expires),
    }
}

fn readers(sighting: &Sighting) -> Vec<ReaderItem<'_>> {
    let stale: Vec<&Reader> = sighting.stale_readers().collect();
    let is_stale = |reader: &Reader| stale.iter().any(|other| std::ptr::eq(*other, reader));
    sighting
        .readers
        .iter()
        .map(|reader| ReaderItem {
            name: &reader.name,
            started: reader.started,
            reloads: reader.reloads,
            stale: is_stale(reader),
        })
        .collect()
}

fn certificate(matrix: &Matrix, shown: &Shown) -> CertificateItem {
    let certificate = &shown.certificate;
    let places = shown.rows.iter().filter_map(|index| matrix.rows.get(*index));
    CertificateItem {
        fingerprint: certificate.fingerprint(),
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: certificate.serial_text(),
        not_before: certificate.not_before(),
        not_after: certificate.not_after(),
        key: certificate.key_digest(),
        key_type: certificate.key().to_string(),
        ca: certificate.is_ca(),
        sans: certificate.sans().iter().map(ToString::to_string).collect(),
        places: places.map(|row| row.sighting.place.to_string()).collect(),
    }
}
