//! What holds in every layout before anything is made of it.

use super::template::{TemplateError, holes};
use super::{Kind, Layout, Per, Row, path};
use std::collections::{BTreeMap, BTreeSet};

/// Names that stand for something in every layout.
pub(super) const BUILT_IN: [&str; 8] = [
    "generation",
    "sans",
    "host",
    "addresses",
    "host-sans",
    "control-planes",
    "machines",
    "local-endpoint",
];

/// Why a layout cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LayoutError {
    /// It is not written as one.
    #[error("{0}")]
    Syntax(String),
    /// Nothing in it.
    #[error("it has no rows")]
    Empty,
    /// Something stands there twice.
    #[error("{what} `{name}` stands there twice")]
    Twice {
        /// A row or a path.
        what: &'static str,
        /// Which.
        name: String,
    },
    /// A path that cannot be used.
    #[error("path `{path}` of `{row}` {why}")]
    Path {
        /// Whose.
        row: String,
        /// Which.
        path: String,
        /// Why.
        why: String,
    },
    /// A row that does not hold together.
    #[error("row `{row}` {why}")]
    Row {
        /// Which.
        row: String,
        /// Why.
        why: String,
    },
    /// Authorities that sign each other.
    #[error("rows sign each other in a circle: {0}")]
    Circle(String),
    /// A text with holes that cannot be filled.
    #[error("`{place}`: {source}")]
    Template {
        /// Where.
        place: String,
        /// Why.
        #[source]
        source: TemplateError,
    },
}

pub(super) fn check(layout: &Layout) -> Result<(), LayoutError> {
    if layout.rows.is_empty() {
        return Err(LayoutError::Empty);
    }
    let mut names = BTreeSet::new();
    for row in &layout.rows {
        if !names.insert(&row.name) {
            return Err(LayoutError::Twice { what: "row", name: row.name.clone() });
        }
        check_row(layout, row)?;
    }
    circles(layout)?;
    paths(layout)?;
    for file in &layout.kubeconfigs {
        check_kubeconfig(layout, file)?;
    }
    templates(layout)
}

fn wrong(row: &Row, why: impl Into<String>) -> LayoutError {
    LayoutError::Row { row: row.name.clone(), why: why.into() }
}

fn check_row(layout: &Layout, row: &Row) -> Result<(), LayoutError> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if row.name.is_empty() || !row.name.chars().all(good) {
        return Err(wrong(row, "has a name with more than small letters, digits and `-`"));
    }
    if let Some(signer) = &row.signer {
        let by = layout
            .row(signer)
            .ok_or_else(|| wrong(row, format!("is signed by `{signer}`, which is no row")))?;
        if by.kind != Kind::Authority {
            return Err(wrong(row, format!("is signed by `{signer}`, which is no authority")));
        }
        if by.when.is_some() && by.when != row.when {
            return Err(wrong(row, format!("is signed by `{signer}`, which is not always there")));
        }
    }
    let is_authority = row.kind == Kind::Authority;
    match row.kind {
        Kind::KeyPair if row.certificate.is_some() || row.signer.is_some() => {
            return Err(wrong(row, "is a key pair and has no certificate"));
        }
        Kind::KeyPair => {}
        _ if row.common_name.is_empty() && !row.given => {
            return Err(wrong(row, "has no common name"));
        }
        Kind::Server | Kind::Peer if row.sans.is_empty() => {
            return Err(wrong(row, "is a server and has no names (sans)"));
        }
        Kind::Server | Kind::Peer | Kind::Client if row.signer.is_none() => {
            return Err(wrong(row, "has no signer"));
        }
        _ => {}
    }
    let in_kubeconfig = layout.kubeconfigs.iter().any(|file| file.row == row.name);
    if row.kind != Kind::KeyPair && row.certificate.is_none() && !in_kubeconfig {
        return Err(wrong(row, "has no file for its certificate"));
    }
    if row.given && (!is_authority || row.signer.is_some()) {
        return Err(wrong(row, "cannot be given: only an authority without signer can"));
    }
    if row.bundle.is_some() && !is_authority {
        return Err(wrong(row, "has a bundle, and only authorities have"));
    }
    if row.public_key.is_some() && row.kind != Kind::KeyPair {
        return Err(wrong(row, "has a public key, and only key pairs have"));
    }
    if is_authority && row.per.is_some() {
        return Err(wrong(row, "is an authority for one machine; there is one for all"));
    }
    match &row.when {
        Some(name) if !layout.inputs.contains_key(name) => {
            Err(wrong(row, format!("depends on `{name}`, which is no input")))
        }
        _ => Ok(()),
    }
}

fn circles(layout: &Layout) -> Result<(), LayoutError> {
    for start in &layout.rows {
        let mut seen = vec![start.name.as_str()];
        let mut here = start;
        while let Some(signer) = here.signer.as_deref() {
            if seen.contains(&signer) {
                seen.push(signer);
                return Err(LayoutError::Circle(seen.join(" ← ")));
            }
            seen.push(signer);
            here = layout.row(signer).expect("signers were looked at");
        }
    }
    Ok(())
}

/// Every path with the row or file that has it.
fn all_paths(layout: &Layout) -> impl Iterator<Item = (&str, &str)> {
    let rows = layout.rows.iter().flat_map(|row| {
        let paths = [&row.certificate, &row.key, &row.public_key, &row.bundle];
        paths.into_iter().flatten().map(|path| (row.name.as_str(), path.as_str()))
    });
    let configs = layout.kubeconfigs.iter().map(|file| (file.row.as_str(), file.path.as_str()));
    let documents = layout.documents.iter().map(|file| ("document", file.path.as_str()));
    rows.chain(configs).chain(documents)
}

fn paths(layout: &Layout) -> Result<(), LayoutError> {
    let mut known = BTreeMap::new();
    for (row, path) in all_paths(layout) {
        let fail =
            |why: String| LayoutError::Path { row: row.to_owned(), path: path.to_owned(), why };
        path::check(path).map_err(|why| fail(why.to_owned()))?;
        if path == "set.json" {
            return Err(fail("is where the set describes itself".to_owned()));
        }
        if known.insert(path, row).is_some() {
            return Err(LayoutError::Twice { what: "path", name: path.to_owned() });
        }
    }
    for (path, row) in &known {
        let inside =
            |other: &&&str| other.strip_prefix(path).is_some_and(|rest| rest.starts_with('/'));
        if let Some(other) = known.keys().find(inside) {
            let why = format!("is a file, and `{other}` makes it a directory");
            return Err(LayoutError::Path {
                row: (*row).to_owned(),
                path: (*path).to_owned(),
                why,
            });
        }
    }
    Ok(())
}

fn check_kubeconfig(layout: &Layout, file: &super::Kubeconfig) -> Result<(), LayoutError> {
    let fail =
        |why: String| LayoutError::Path { row: file.row.clone(), path: file.path.clone(), why };
    let row = layout.row(&file.row).ok_or_else(|| fail("holds a row that is not there".into()))?;
    if !matches!(row.kind, Kind::Client | Kind::Peer) {
        return Err(fail("holds a row that is no client".into()));
    }
    let authority = layout.row(&file.authority);
    if authority.is_none_or(|row| row.kind != Kind::Authority) {
        return Err(fail("trusts a row that is no authority".into()));
    }
    if row.on_nodes && authority.is_some_and(|a| !a.on_nodes) && row.per != Some(Per::Node) {
        return Err(fail("is on machines that do not have its authority".into()));
    }
    Ok(())
}

fn templates(layout: &Layout) -> Result<(), LayoutError> {
    let known = |name: &str| {
        BUILT_IN.contains(&name)
            || layout.inputs.contains_key(name)
            || (name == "endpoint-host" && layout.inputs.contains_key("endpoint"))
    };
    let look = |place: &str, text: &str| -> Result<(), LayoutError> {
        let fail = |source| LayoutError::Template { place: place.to_owned(), source };
        let names = holes(text).map_err(fail)?;
        match names.into_iter().find(|name| !known(name)) {
            Some(name) => Err(fail(TemplateError::Unknown(name.to_owned()))),
            None => Ok(()),
        }
    };
    look("directory", &layout.directory)?;
    for row in &layout.rows {
        let texts = row.organizations.iter().chain(&row.sans).chain([&row.common_name]);
        for text in texts {
            look(&row.name, text)?;
        }
    }
    for file in &layout.kubeconfigs {
        for text in [&file.server, &file.cluster, &file.user] {
            look(&file.path, text)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::Layout;

    const CA: &str =
        "[[row]]\nname='ca'\nkind='authority'\ncommon-name='x'\ncertificate='ca.crt'\n";
    const LEAF: &str =
        "[[row]]\nname='leaf'\nkind='server'\nsigner='ca'\ncommon-name='x'\nsans=['a']\n";

    fn refused(rest: &str) -> String {
        let text = format!("about='x'\nkey-type='ecdsa-p256'\n{rest}");
        Layout::parse("x", &text).map_or_else(|why| why.to_string(), |_| "good".to_owned())
    }

    #[test]
    fn what_does_not_hold_together_is_named() {
        let with = |more: &str| refused(&format!("{CA}{more}"));
        let leaf = |more: &str| with(&format!("{LEAF}{more}"));
        for (got, expected) in [
            (leaf("certificate='leaf.crt'\nkey='leaf.key'\n"), "good"),
            (refused("row=[]"), "it has no rows"),
            (with(CA), "row `ca` stands there twice"),
            (leaf("certificate='ca.crt'"), "path `ca.crt` stands there twice"),
            (
                leaf("certificate='/etc/x'"),
                "path `/etc/x` of `leaf` is absolute; paths lie below the output directory",
            ),
            (leaf("certificate='../x'"), "path `../x` of `leaf` leads outside, or nowhere"),
            (
                leaf("certificate='ca.crt/x'"),
                "path `ca.crt` of `ca` is a file, and `ca.crt/x` makes it a directory",
            ),
            (
                leaf("certificate='set.json'"),
                "path `set.json` of `leaf` is where the set describes itself",
            ),
            (leaf(""), "row `leaf` has no file for its certificate"),
            (
                leaf("certificate='l'\nbundle='x'"),
                "row `leaf` has a bundle, and only authorities have",
            ),
            (
                leaf("certificate='l'\ngiven=true"),
                "row `leaf` cannot be given: only an authority without signer can",
            ),
            (leaf("certificate='l'\nwhen='x'"), "row `leaf` depends on `x`, which is no input"),
            (
                leaf("certificate='l'\norganizations=['{x}']"),
                "`leaf`: `{x}` stands for nothing that is known",
            ),
            (
                leaf("certificate='l'\norganizations=['{x']"),
                "`leaf`: `{x` has a brace that is not closed",
            ),
            (
                with("[[row]]\nname='s'\nkind='server'\nsigner='ca'\ncommon-name='x'"),
                "row `s` is a server and has no names (sans)",
            ),
            (with("[[row]]\nname='s'\nkind='client'\ncommon-name='x'"), "row `s` has no signer"),
            (
                with("[[row]]\nname='s'\nkind='client'\nsigner='no'\ncommon-name='x'"),
                "row `s` is signed by `no`, which is no row",
            ),
            (
                refused(
                    "[[row]]\nname='a'\nkind='authority'\nsigner='b'\ncommon-name='x'\ncertificate='a'\n[[row]]\nname='b'\nkind='authority'\nsigner='a'\ncommon-name='x'\ncertificate='b'",
                ),
                "rows sign each other in a circle: a ← b ← a",
            ),
        ] {
            let got = got.strip_suffix(": ").unwrap_or(&got);
            assert_eq!(got, expected);
        }
        assert!(refused("strange=1").contains("unknown field"));
    }
}
