//! The rows of a layout: which files there must be, who signs them, and which CA a kubeconfig trusts.

use super::{Member, Scene};
use crate::facts::x509::Certificate;
use crate::plan::certificate::{Finding, Kind, RowKind, RowRules};

/// One certificate that a layout has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayoutRow {
    /// Its path below the set's directory.
    pub path: String,
    /// The path of its private key; `None` where there is none, or where it is kept elsewhere.
    pub key: Option<String>,
    /// The path of the CA that signs it; `None` for a root, and for a CA that is given.
    pub signer: Option<String>,
    /// Other files that hold it as well: bundles, pillars, variables.
    pub beside: Vec<String>,
    /// Whether a set may do without it.
    pub optional: bool,
    /// What its certificate must be.
    pub rules: RowRules,
}

/// The row of a file.
pub(super) fn row_of<'a>(rows: &'a [LayoutRow], path: &str) -> Option<&'a LayoutRow> {
    // The longest path wins: `etcd/ca.crt` ends with `ca.crt` as well.
    rows.iter().filter(|row| is_at(path, &row.path)).max_by_key(|row| row.path.len())
}

/// The row whose private key lies there.
pub(super) fn row_with_key<'a>(rows: &'a [LayoutRow], path: &str) -> Option<&'a LayoutRow> {
    let fits = |row: &&LayoutRow| row.key.as_deref().is_some_and(|key| is_at(path, key));
    rows.iter().filter(fits).max_by_key(|row| row.key.as_ref().map_or(0, String::len))
}

/// The path of the certificate that belongs to a key: in the same tree, where a set has one for each machine.
pub(super) fn certificate_of_key(rows: &[LayoutRow], path: &str) -> Option<String> {
    let row = row_with_key(rows, path)?;
    let tree = path.strip_suffix(row.key.as_deref()?)?;
    Some(format!("{tree}{}", row.path))
}

fn is_at(path: &str, below: &str) -> bool {
    path == below || path.strip_suffix(below).is_some_and(|rest| rest.ends_with('/'))
}

pub(super) fn check(scene: &Scene<'_>, members: &[Member<'_>], findings: &mut Vec<Finding>) {
    kubeconfigs(scene, members, findings);
    if scene.rows.is_empty() {
        return;
    }
    let there = |path: &str| scene.files.iter().any(|f| row_path(scene, &f.path) == Some(path));
    for row in scene.rows.iter().filter(|row| !row.optional) {
        if !there(&row.path) {
            findings.push(Finding::new(
                Kind::RowMissing,
                &row.path,
                format!("there is no {}", row.path),
            ));
        }
        if let Some(key) = &row.key
            && !scene.files.iter().any(|f| is_at(&f.path, key))
        {
            findings.push(Finding::new(Kind::RowMissing, key, format!("there is no {key}")));
        }
    }
    for member in members {
        let Some(row) = row_of(scene.rows, &member.file.path) else { continue };
        let (Some(wanted), Some(signer)) = (&row.signer, member.signer) else { continue };
        let at_wanted = scene.files.iter().filter(|f| row_path(scene, &f.path) == Some(wanted));
        let keys: Vec<&[u8]> =
            at_wanted.flat_map(|f| &f.contents.certificates).map(|c| c.value.spki_der()).collect();
        if !keys.is_empty() && !keys.contains(&signer.spki_der()) {
            let what =
                format!("it is signed by {}, and not by the CA in {wanted}", signer.subject());
            findings.push(Finding::new(Kind::RowSigner, member.place, what));
        }
    }
    for file in scene.files.iter().filter(|f| !f.contents.is_empty() && !f.contents.kubeconfig) {
        let beside = |row: &LayoutRow| row.beside.iter().any(|path| is_at(&file.path, path));
        let known = row_of(scene.rows, &file.path).is_some()
            || row_with_key(scene.rows, &file.path).is_some()
            || scene.rows.iter().any(beside);
        if !known {
            findings.push(Finding::new(
                Kind::RowUnexpected,
                &file.path,
                "no row of the layout has this file",
            ));
        }
    }
}

fn row_path<'a>(scene: &Scene<'a>, path: &str) -> Option<&'a str> {
    row_of(scene.rows, path).map(|row| row.path.as_str())
}

/// A kubeconfig trusts a CA of the set, if the set has any that signs servers.
///
/// Of several certificates of one CA (renewed, cross-signed) each does: a verifier takes name and key from it.
fn kubeconfigs(scene: &Scene<'_>, members: &[Member<'_>], findings: &mut Vec<Finding>) {
    let one_ca = |a: &Certificate, b: &Certificate| {
        a.subject() == b.subject() && a.spki_der() == b.spki_der()
    };
    let signers: Vec<_> = members
        .iter()
        .filter(|m| m.rules.kind == RowKind::Server)
        .filter_map(|m| m.signer)
        .collect();
    let signs_servers = |ca: &&Member<'_>| {
        ca.certificate.is_ca() && signers.iter().any(|signer| one_ca(signer, ca.certificate))
    };
    let cas: Vec<_> =
        members.iter().filter(signs_servers).map(|m| m.certificate.fingerprint()).collect();
    let pooled: Vec<_> =
        scene.pools.iter().flat_map(|p| &p.certificates).map(Certificate::fingerprint).collect();
    if cas.is_empty() && pooled.is_empty() {
        return;
    }
    for file in
        scene.files.iter().filter(|f| f.contents.kubeconfig && !f.contents.trusted.is_empty())
    {
        if !file.contents.trusted.iter().any(|ca| cas.contains(ca) || pooled.contains(ca)) {
            let what = "none of the CAs that it trusts signs the servers of the set";
            findings.push(Finding::new(Kind::KubeconfigCaStale, &file.path, what));
        }
    }
}
