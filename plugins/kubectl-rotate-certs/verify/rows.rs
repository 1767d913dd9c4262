//! The rows of a layout as rules for files that are there: what its templates leave open stays open.

use crate::layout::{Kind, Layout, Row};
use rotation_core::facts::x509::San;
use rotation_core::plan::certificate::{LayoutRow, RowKind, RowRules};

/// The rows of a layout.
pub(crate) fn of(layout: &Layout) -> Vec<LayoutRow> {
    let documents: Vec<String> = layout.documents.iter().map(|d| d.path.clone()).collect();
    let certificates = layout.rows.iter().filter_map(|row| certificate(layout, row, &documents));
    let kubeconfigs = layout.kubeconfigs.iter().filter_map(|config| {
        let row = layout.row(&config.row)?;
        let signer = path_of(layout, row.signer.as_deref());
        let path = config.path.clone();
        Some(LayoutRow {
            path,
            key: None,
            signer,
            beside: Vec::new(),
            optional: false,
            rules: rules(row),
        })
    });
    certificates.chain(kubeconfigs).collect()
}

fn certificate(layout: &Layout, row: &Row, documents: &[String]) -> Option<LayoutRow> {
    let path = row.certificate.clone().or_else(|| row.public_key.clone())?;
    Some(LayoutRow {
        path,
        // A CA's key may be kept elsewhere, and mostly should.
        key: row.key.clone().filter(|_| row.kind != Kind::Authority),
        signer: path_of(layout, row.signer.as_deref()),
        beside: row.bundle.iter().chain(documents).chain(row.key.iter()).cloned().collect(),
        optional: row.when.is_some(),
        rules: rules(row),
    })
}

fn path_of(layout: &Layout, row: Option<&str>) -> Option<String> {
    row.and_then(|name| layout.row(name)).and_then(|signer| signer.certificate.clone())
}

fn rules(row: &Row) -> RowRules {
    let kind = match row.kind {
        Kind::Authority => RowKind::Authority,
        Kind::Server | Kind::KeyPair => RowKind::Server,
        Kind::Client => RowKind::Client,
        Kind::Peer => RowKind::Peer,
    };
    let open = |text: &str| text.is_empty() || text.contains('{');
    let organizations = &row.organizations;
    RowRules {
        common_name: Some(row.common_name.clone()).filter(|name| !open(name)),
        organizations: (row.kind != Kind::Authority && !organizations.iter().any(|o| open(o)))
            .then(|| organizations.clone()),
        sans: row
            .sans
            .iter()
            .filter(|san| !open(san))
            .filter_map(|san| San::parse(san).ok())
            .collect(),
        ..RowRules::of(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_layout_leaves_open_is_not_asked_for() {
        let layout = Layout::embedded("kubeadm").expect("it comes along");
        let rows = of(&layout);
        let row = |path: &str| rows.iter().find(|row| row.path == path).expect(path);
        let kubelet = row("kubelet.conf");
        assert_eq!(kubelet.rules.common_name, None);
        assert_eq!(kubelet.rules.organizations.as_deref(), Some(&["system:nodes".to_owned()][..]));
        let etcd = row("pki/etcd/server.crt");
        assert_eq!(
            (etcd.rules.kind, etcd.signer.as_deref()),
            (RowKind::Peer, Some("pki/etcd/ca.crt"))
        );
        let names: Vec<String> = etcd.rules.sans.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["DNS:localhost", "IP:127.0.0.1", "IP:::1"]);
        assert_eq!(row("pki/ca.crt").key, None);
        assert_eq!(row("pki/apiserver.crt").key.as_deref(), Some("pki/apiserver.key"));
    }

    #[test]
    fn every_layout_has_rows() {
        for name in Layout::names() {
            let layout = Layout::embedded(name).expect(name);
            assert!(of(&layout).len() >= 2, "{name}");
        }
    }
}
