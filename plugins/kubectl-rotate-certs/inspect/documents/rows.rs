//! What belongs together in documents: a certificate with its key, its CA, its purpose and its names.

use super::known::{Known, Table, beside};
use super::node::Node;
use super::variables::{Declared, Reference, Variables, declared};
use rotation_core::facts::sighting::Part;
use rotation_core::plan::certificate::{LayoutRow, RowKind, RowRules, SetFile};
use std::collections::HashMap;

/// Rows for the values that stand in documents themselves: document and pointer, beside the file that each is.
pub(super) fn of(
    own: &[(String, String)],
    files: &[SetFile],
    table: &Table,
    manifests: &[&Node],
    variables: &Variables,
) -> Vec<LayoutRow> {
    let by_path: HashMap<&str, &SetFile> =
        files.iter().map(|file| (file.path.as_str(), file)).collect();
    let there = |path: String| by_path.contains_key(path.as_str()).then_some(path);
    let declared: Vec<Declared> =
        manifests.iter().flat_map(|manifest| declared(manifest, variables)).collect();
    let certificate = |name: &str| {
        let reference = Reference { variable: name, keys: "certificate" };
        let (file, _) = variables.get(reference)?;
        there(format!("{file}#{}", reference.pointer()))
    };
    let wanted: HashMap<String, &Declared> = declared
        .iter()
        .filter_map(|declared| Some((certificate(&declared.name)?, declared)))
        .collect();
    let row = |(name, pointer): &(String, String)| {
        let path = format!("{name}#{pointer}");
        let (parent, _) = pointer.rsplit_once('/')?;
        let known = table.at(pointer);
        let (key, signer) = beside(known, pointer);
        let sibling = |entry: Option<String>| there(format!("{name}#{parent}/{}", entry?));
        let wanted = wanted.get(&path).copied();
        let signer = wanted
            .and_then(|declared| certificate(declared.ca.as_deref()?))
            .or_else(|| sibling(signer))
            // A CA that signs itself has itself beside it.
            .filter(|signer| *signer != path);
        let key = sibling(key);
        let rules = rules(by_path.get(path.as_str())?, known, wanted);
        let row = LayoutRow { path, key, signer, beside: Vec::new(), optional: true, rules };
        (row.key.is_some() || row.signer.is_some() || known.is_some()).then_some(row)
    };
    own.iter().filter_map(row).collect()
}

/// What the certificate must be: what it says itself, as far as that is what it is used for.
fn rules(file: &SetFile, known: Option<&Known>, declared: Option<&Declared>) -> RowRules {
    let first = file.contents.certificates.first().map(|found| &found.value);
    let mut rules = first.map_or(RowRules::of(RowKind::Server), RowRules::inferred);
    let used = match known.map(|known| known.role().part) {
        Some(Part::Authority) => Some(RowKind::Authority),
        Some(Part::Serving) => Some(RowKind::Server),
        Some(Part::Client) => Some(RowKind::Client),
        _ => None,
    };
    if let Some(used) = declared.and_then(|declared| declared.kind).or(used)
        && rules.kind != used
        && (rules.kind != RowKind::Peer || used == RowKind::Authority)
    {
        rules.kind = used;
    }
    rules.sans = known.map(Known::sans).unwrap_or_default();
    let names = declared.map(|declared| declared.names.clone()).unwrap_or_default();
    rules
        .sans
        .extend(names.into_iter().filter(|name| !rules.sans.contains(name)).collect::<Vec<_>>());
    rules
}
