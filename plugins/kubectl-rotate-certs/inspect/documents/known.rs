//! What stands at the entries of documents by right: data.

use crate::inspect::places::Is;
use rotation_core::facts::host::fits;
use rotation_core::facts::sighting::{Component, Domain, Part, Role};
use rotation_core::facts::x509::San;
use serde::Deserialize;

/// What stands at entries of one form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Known {
    /// The last parts of the entry's pointer.
    at: String,
    is: Is,
    /// The entry beside it with its private key.
    #[serde(default)]
    key: Option<String>,
    /// The entry beside it with the CA that signed it.
    #[serde(default)]
    signer: Option<String>,
    /// Entries that must be beside it.
    #[serde(default)]
    pub(super) beside: Vec<String>,
    #[serde(default)]
    names: Vec<String>,
    /// The layout by which `generate` makes such a document.
    #[serde(skip)]
    pub(super) layout: String,
}

/// All of them.
pub(super) struct Table(Vec<Known>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    document: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    layout: String,
    entries: Vec<Known>,
}

impl Table {
    /// What comes with the tool.
    pub(super) fn embedded() -> Self {
        let file: Result<File, _> = toml::from_str(include_str!("../../places/documents.toml"));
        let file = file.unwrap_or_else(|why| unreachable!("the table of documents: {why}"));
        let of_group = |group: Group| {
            let layout = group.layout;
            group.entries.into_iter().map(move |known| Known { layout: layout.clone(), ..known })
        };
        Self(file.document.into_iter().flat_map(of_group).collect())
    }

    /// What stands at this pointer; `None` for what is somebody's own.
    pub(super) fn at(&self, pointer: &str) -> Option<&Known> {
        self.0.iter().find(|known| ends_with(pointer, &known.at))
    }

    /// Whether a map at this pointer holds something.
    pub(super) fn below(&self, pointer: &str) -> Option<&Known> {
        ["certificate", "ca", "private_key", "public_key"]
            .into_iter()
            .find_map(|part| self.at(&format!("{pointer}/{part}")))
    }
}

impl Known {
    pub(super) fn role(&self) -> Role {
        self.is.role()
    }

    /// Names that every such certificate needs.
    pub(super) fn sans(&self) -> Vec<San> {
        self.names.iter().filter_map(|name| San::parse(name).ok()).collect()
    }
}

/// Entries beside a certificate: with its private key, and with the CA that signed it.
pub(super) fn beside(known: Option<&Known>, pointer: &str) -> (Option<String>, Option<String>) {
    // Variables of BOSH have these names, whoever uses them.
    let usual = |name: &str| pointer.ends_with("/certificate").then(|| name.to_owned());
    let key = known.and_then(|known| known.key.clone()).or_else(|| usual("private_key"));
    let signer = known.and_then(|known| known.signer.clone()).or_else(|| usual("ca"));
    (key, signer)
}

/// The role of what is somebody's own.
pub(super) const ANYTHING: Role = Role::new(Component::Other, Domain::Other, Part::Anything);

/// Whether the last parts of a pointer fit a pattern.
fn ends_with(pointer: &str, pattern: &str) -> bool {
    let count = pattern.split('/').count();
    let parts: Vec<&str> = pointer.split('/').skip(1).collect();
    parts.len() >= count && fits(pattern, &parts[parts.len() - count..].join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    #[test]
    fn the_end_of_a_pointer_decides() {
        let table = Table::embedded();
        for (pointer, expected) in [
            ("/kubernetes/certs/ca.crt", Some("cluster CA")),
            ("/kubo_ca/private_key", Some("cluster CA key")),
            ("/x/0/tls-etcd-v0-29-0/certificate", Some("etcd serving")),
            ("/tls-etcdctl-root/certificate", Some("kube-apiserver etcd client")),
            ("/service-account-key/public_key", Some("tokens' verifying key")),
            (
                "/instance_groups/name=worker/jobs/name=kubelet/properties/tls/kubernetes/ca",
                Some("kubelet trust"),
            ),
            ("/ca.crt", None),
            ("/my/certificate", None),
        ] {
            let role = table.at(pointer).map(|known| known.role().to_string());
            assert_eq!(role.as_deref(), expected, "{pointer}");
        }
        assert!(table.below("/tls-kubelet").is_some() && table.below("/password").is_none());
    }

    #[test]
    fn what_the_table_names_is_there() {
        for known in Table::embedded().0 {
            assert!(Layout::embedded(&known.layout).is_some(), "{}", known.layout);
            assert_eq!(known.sans().len(), known.names.len(), "{}", known.at);
        }
    }
}
