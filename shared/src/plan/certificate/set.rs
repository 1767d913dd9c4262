//! A whole set of files: fields, chains, keys that fit, CAs that overlap, layout, modes.

mod authorities;
mod chains;
mod files;
mod keys;
mod layout;

pub use layout::LayoutRow;

use super::contents::Contents;
use super::finding::{Finding, Kind};
use super::lint::{Signer, lint_with};
use super::rules::{RowKind, RowRules};
use crate::facts::x509::{Certificate, San, Signed};
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};

/// A file as it was read.
#[derive(Clone, Debug)]
pub struct SetFile {
    /// Its path, as it is to be shown.
    pub path: String,
    /// Permission bits; `None` where there are none to see, as for standard input.
    pub mode: Option<u32>,
    /// The user that it belongs to.
    pub owner: Option<u32>,
    /// What it holds.
    pub contents: Contents,
}

/// A directory in which there are files of the set.
#[derive(Clone, Debug)]
pub struct SetDirectory {
    /// Its path, as it is to be shown.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
}

/// What is trusted, as one bundle.
#[derive(Clone, Debug)]
pub struct Pool {
    /// What it is called: its file.
    pub name: String,
    /// Its certificates, in order.
    pub certificates: Vec<Certificate>,
}

/// Everything that a judgement looks at.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The files.
    pub files: &'a [SetFile],
    /// Directories of these files.
    pub directories: &'a [SetDirectory],
    /// Bundles under each of which each leaf must be good; without any, the set's own CAs are taken as one.
    pub pools: &'a [Pool],
    /// Names that every server must cover.
    pub names: &'a [San],
    /// Whether a server may have no other names.
    pub names_only: bool,
    /// What every leaf is for; `None` takes what each says of itself.
    pub purpose: Option<RowKind>,
    /// The rows of a layout.
    pub rows: &'a [LayoutRow],
    /// The time at which everything must be valid.
    pub at: Timestamp,
    /// The user that looks.
    pub user: u32,
}

/// 2020-01-01T00:00:00Z: no clock that is right says less.
const EARLIEST: i64 = 1_577_836_800;

/// One certificate of the set, at the first place where it stands.
struct Member<'a> {
    place: &'a str,
    file: &'a SetFile,
    certificate: &'a Certificate,
    /// Whether it signed itself, or says so and nobody can tell.
    itself: bool,
    signer: Option<&'a Certificate>,
    rules: RowRules,
}

/// Judges a set. Findings are sorted by place; the same scene gives the same findings in whatever order it was read.
pub fn judge(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if scene.at.as_second() < EARLIEST {
        findings.push(Finding::new(Kind::ClockImplausible, "clock", format!("it is {}", scene.at)));
    }
    files::check(scene, &mut findings);
    let members = members(scene);
    for member in &members {
        let signer = match (member.itself, member.signer) {
            (true, _) => Signer::Itself,
            (false, Some(signer)) => Signer::Known(signer),
            (false, None) => Signer::Unknown,
        };
        findings.extend(lint_with(
            member.place,
            &member.rules,
            member.certificate,
            signer,
            scene.at,
        ));
        if scene.names_only && member.rules.kind.serves() {
            findings.extend(unexpected(member, scene.names));
        }
    }
    chains::check(scene, &members, &mut findings);
    authorities::check(scene, &members, &mut findings);
    keys::check(scene, &members, &mut findings);
    layout::check(scene, &members, &mut findings);
    super::chain::without_second_names(&mut findings);
    findings.sort();
    // A field and its chain can say the same; once is enough.
    findings.dedup_by(|a, b| a.place == b.place && a.kind == b.kind && said_once(a.kind));
    findings
}

/// Kinds of which a place has one at most, however many ways lead to it.
fn said_once(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::SerialRepeated
            | Kind::SanInvalid
            | Kind::ExtensionMalformed
            | Kind::ExtensionRepeated
    )
}

fn unexpected(member: &Member<'_>, names: &[San]) -> Option<Finding> {
    let more: Vec<String> = member
        .certificate
        .sans()
        .iter()
        .filter(|own| !names.iter().any(|name| own.covers(name)))
        .map(ToString::to_string)
        .collect();
    (!more.is_empty()).then(|| {
        Finding::new(
            Kind::SanUnexpected,
            member.place,
            format!("it has besides: {}", more.join(", ")),
        )
    })
}

/// Every certificate once, with who signed it and what it must be.
fn members<'a>(scene: &Scene<'a>) -> Vec<Member<'a>> {
    // What stands in several files is judged where a row says what it must be, else where it stands by itself.
    let mut files: Vec<&SetFile> = scene.files.iter().collect();
    files.sort_by_key(|f| {
        (layout::row_of(scene.rows, &f.path).is_none(), f.contents.certificates.len() > 1, &f.path)
    });
    let placed =
        || files.iter().flat_map(|file| file.contents.certificates.iter().map(move |c| (*file, c)));
    let pooled = scene.pools.iter().flat_map(|pool| &pool.certificates);
    let mut by_subject: HashMap<&[u8], Vec<&Certificate>> = HashMap::new();
    // Each once: the same CA stands on every machine, and each is asked whether it signed.
    let mut met: HashSet<&[u8]> = HashSet::new();
    for certificate in placed().map(|(_, c)| &c.value).chain(pooled) {
        if met.insert(certificate.der()) {
            by_subject.entry(certificate.subject().der()).or_default().push(certificate);
        }
    }
    let mut seen: HashSet<&[u8]> = HashSet::new();
    let mut members = Vec::new();
    for (file, found) in placed() {
        let certificate = &found.value;
        if !seen.insert(certificate.der()) {
            continue;
        }
        let itself =
            certificate.is_self_issued() && certificate.signed_by(certificate) != Signed::No;
        let candidates =
            by_subject.get(certificate.issuer().der()).map(Vec::as_slice).unwrap_or_default();
        let signer = (!itself).then(|| signer(certificate, candidates)).flatten();
        let rules = rules(scene, file, certificate, itself);
        members.push(Member { place: &found.place, file, certificate, itself, signer, rules });
    }
    members
}

/// Who signed it: of several certificates of one key the one that is valid for longest, so that a renewed CA counts, and
/// of equals the root, not the cross-signed one.
fn signer<'a>(
    certificate: &Certificate,
    candidates: &[&'a Certificate],
) -> Option<&'a Certificate> {
    let signed = candidates.iter().filter(|ca| certificate.is_signed_by(ca));
    signed.copied().max_by_key(|ca| (ca.is_ca(), ca.not_after(), ca.is_self_issued()))
}

fn rules(scene: &Scene<'_>, file: &SetFile, certificate: &Certificate, root: bool) -> RowRules {
    let row = layout::row_of(scene.rows, &file.path)
        .filter(|_| !file.contents.kubeconfig || !certificate.is_ca());
    let mut rules = match (row, scene.purpose) {
        (Some(row), _) => row.rules.clone(),
        // What is asked for is meant for leaves; a CA in the same file stays one.
        (None, Some(purpose))
            if !(certificate.is_ca() && (root || purpose != RowKind::Authority)) =>
        {
            RowRules::of(purpose)
        }
        (None, _) => RowRules::inferred(certificate),
    };
    if rules.kind.serves() {
        rules.sans.extend(scene.names.iter().cloned());
    }
    rules
}
