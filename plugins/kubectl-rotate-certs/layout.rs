//! Layouts: which certificates a cluster has, who signs them and where they lie, as data.

mod check;
pub(crate) mod expand;
pub(crate) mod hosts;
pub(crate) mod inputs;
pub(crate) mod path;
pub(crate) mod template;

pub(crate) use check::LayoutError;

use inputs::Input;
use rotation_core::facts::private_key::KeyType;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The layouts that come with the tool: name and text.
const EMBEDDED: [(&str, &str); 4] = [
    ("salt", include_str!("layouts/salt.toml")),
    ("bosh", include_str!("layouts/bosh.toml")),
    ("cfcr", include_str!("layouts/cfcr.toml")),
    ("kubeadm", include_str!("layouts/kubeadm.toml")),
];

/// A layout.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Layout {
    /// Its name.
    #[serde(skip)]
    pub(crate) name: String,
    /// What it is for.
    pub(crate) about: String,
    /// Where the set lies below the output directory: a template.
    #[serde(default)]
    pub(crate) directory: String,
    /// Which keys are made unless the command says otherwise.
    pub(crate) key_type: KeyType,
    /// What the command line has to say.
    #[serde(default)]
    pub(crate) inputs: BTreeMap<String, Input>,
    /// Its certificates and key pairs.
    #[serde(rename = "row")]
    pub(crate) rows: Vec<Row>,
    /// Its kubeconfig files.
    #[serde(default, rename = "kubeconfig")]
    pub(crate) kubeconfigs: Vec<Kubeconfig>,
    /// Its YAML files: pillars, variables.
    #[serde(default, rename = "document")]
    pub(crate) documents: Vec<Document>,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// A certificate that signs others.
    Authority,
    /// The certificate of a server.
    Server,
    /// The certificate of a client.
    Client,
    /// The certificate of a server that is also a client, as members of etcd are.
    Peer,
    /// Two keys without a certificate.
    KeyPair,
}

/// For which machines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Per {
    /// One for each machine of the control plane.
    ControlPlane,
    /// One for each machine.
    Node,
}

/// A certificate, or a pair of keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Row {
    /// How the command line names it.
    pub(crate) name: String,
    /// What it is.
    pub(crate) kind: Kind,
    /// The row that signs it; an authority without one signs itself.
    #[serde(default)]
    pub(crate) signer: Option<String>,
    /// An authority that is never made here: the command line has to name one.
    #[serde(default)]
    pub(crate) given: bool,
    /// One for each machine, or one for all.
    #[serde(default)]
    pub(crate) per: Option<Per>,
    /// Only where this input is set.
    #[serde(default)]
    pub(crate) when: Option<String>,
    /// Common name: a template.
    #[serde(default)]
    pub(crate) common_name: String,
    /// Organizations: templates.
    #[serde(default)]
    pub(crate) organizations: Vec<String>,
    /// Subject alternative names: templates, each for one name or for a list of them.
    #[serde(default)]
    pub(crate) sans: Vec<String>,
    /// Where the certificate lies.
    #[serde(default)]
    pub(crate) certificate: Option<String>,
    /// Where its private key lies.
    #[serde(default)]
    pub(crate) key: Option<String>,
    /// Where a pair's public key lies.
    #[serde(default)]
    pub(crate) public_key: Option<String>,
    /// Where this authority and those before it lie together.
    #[serde(default)]
    pub(crate) bundle: Option<String>,
    /// Whether machines outside of the control plane get it too; never the key of an authority.
    #[serde(default)]
    pub(crate) on_nodes: bool,
    /// Whether the same key signs tokens of service accounts.
    #[serde(default)]
    pub(crate) signs_tokens: bool,
}

/// A kubeconfig with everything embedded.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Kubeconfig {
    /// Where it lies.
    pub(crate) path: String,
    /// The client row inside.
    pub(crate) row: String,
    /// The authority row that the server is trusted by.
    pub(crate) authority: String,
    /// Where the server is: a template.
    pub(crate) server: String,
    /// Name of the cluster: a template.
    pub(crate) cluster: String,
    /// Name of the user: a template.
    pub(crate) user: String,
}

/// A YAML file. In its texts, `<ROW.certificate>`, `<ROW.key>`, `<ROW.public-key>` and `<ROW.signer>` stand for PEM.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Document {
    /// Where it lies.
    pub(crate) path: String,
    /// Lines above it, as comments.
    #[serde(default)]
    pub(crate) comment: Vec<String>,
    /// Only these keys where this input is set, else not at all.
    #[serde(default)]
    pub(crate) when: BTreeMap<String, String>,
    /// What is in it.
    pub(crate) content: toml::Table,
}

impl Layout {
    /// The names of those that come with the tool.
    pub(crate) fn names() -> [&'static str; 4] {
        EMBEDDED.map(|(name, _)| name)
    }

    /// One that comes with the tool.
    pub(crate) fn embedded(name: &str) -> Option<Self> {
        let (_, text) = EMBEDDED.iter().find(|(known, _)| *known == name)?;
        Some(Self::parse(name, text).expect("the embedded layouts are tested"))
    }

    /// Reads a layout.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, LayoutError> {
        let mut layout: Self = toml::from_str(text)
            .map_err(|why| LayoutError::Syntax(why.to_string().trim_end().to_owned()))?;
        name.clone_into(&mut layout.name);
        check::check(&layout)?;
        Ok(layout)
    }

    /// A row by name.
    pub(crate) fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Whether its files lie in a tree for each machine.
    pub(crate) fn is_per_host(&self) -> bool {
        self.rows.iter().any(|row| row.per.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_layout_that_comes_along_is_good() {
        for name in Layout::names() {
            let layout = Layout::embedded(name).expect(name);
            assert_eq!(layout.name, name);
            assert!(!layout.about.is_empty(), "{name}");
            for (input, is) in &layout.inputs {
                assert!(!is.about.is_empty(), "{name}: {input}");
            }
        }
        assert!(Layout::embedded("nothing").is_none());
    }
}
