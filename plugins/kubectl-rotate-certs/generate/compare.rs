//! Decide: which names of today's certificates would be lost, and which come. Pure.

use crate::layout::Kind;
use crate::layout::expand::Item;
use rotation_core::facts::x509::{Certificate, San};
use std::collections::BTreeSet;

/// How the names of one certificate change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// Which.
    pub(crate) id: String,
    /// Names that it has today and would have no more.
    pub(crate) missing: Vec<San>,
    /// Names that it does not have today.
    pub(crate) added: Vec<San>,
}

impl Change {
    /// Compares; `None` where nothing changes.
    pub(crate) fn of(item: &Item, today: &Certificate) -> Option<Self> {
        // The names of authorities and clients are compared by nobody.
        if !matches!(item.kind, Kind::Server | Kind::Peer) {
            return None;
        }
        let old: BTreeSet<San> = today.sans().iter().map(normal).collect();
        let new: BTreeSet<San> = item.sans.iter().map(normal).collect();
        let missing: Vec<San> =
            old.iter().filter(|o| !new.iter().any(|n| n.covers(o))).cloned().collect();
        let added: Vec<San> = new.difference(&old).cloned().collect();
        let nothing = missing.is_empty() && added.is_empty();
        (!nothing).then(|| Self { id: item.id.clone(), missing, added })
    }
}

/// Letters of names are compared without case.
fn normal(san: &San) -> San {
    match san {
        San::Dns(name) => San::Dns(name.trim_end_matches('.').to_ascii_lowercase()),
        other => other.clone(),
    }
}

/// The names that may be lost, and whether each is one of today's.
pub(crate) fn lost(changes: &[Change], may_go: &BTreeSet<San>) -> Vec<(String, Vec<San>)> {
    let mut all = Vec::new();
    for change in changes {
        let names: Vec<San> =
            change.missing.iter().filter(|san| !may_go.contains(*san)).cloned().collect();
        if !names.is_empty() {
            all.push((change.id.clone(), names));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_go_is_named() {
        let san = |text: &str| San::parse(text).expect(text);
        let change = Change {
            id: "server".into(),
            missing: vec![san("old.example"), san("10.0.0.9")],
            added: vec![san("new.example")],
        };
        let all = [change];
        let may = |names: &[&str]| names.iter().map(|name| san(name)).collect::<BTreeSet<_>>();
        assert_eq!(
            lost(&all, &may(&[])),
            [("server".into(), vec![san("old.example"), san("10.0.0.9")])]
        );
        assert_eq!(lost(&all, &may(&["old.example"])), [("server".into(), vec![san("10.0.0.9")])]);
        assert_eq!(lost(&all, &may(&["old.example", "10.0.0.9"])), []);
    }
}
