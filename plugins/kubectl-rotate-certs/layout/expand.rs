//! A layout and its inputs become the list of what is wanted: each certificate, each file. Pure.

use super::hosts::{Host, Hosts};
use super::template::{TemplateError, Values};
use super::{Document, Kind, Kubeconfig, Layout, Per, Row, inputs};
use rotation_core::facts::x509::{San, SanError};
use std::collections::BTreeMap;

/// What is wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// Certificates and key pairs, each behind its signer.
    pub(crate) items: Vec<Item>,
    /// Kubeconfig files.
    pub(crate) kubeconfigs: Vec<WantedConfig>,
    /// YAML files.
    pub(crate) documents: Vec<WantedDocument>,
}

/// A certificate or key pair that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// The row, with `@host` where there is one for each machine.
    pub(crate) id: String,
    /// The row.
    pub(crate) row: String,
    /// What it is.
    pub(crate) kind: Kind,
    /// The item that signs it.
    pub(crate) signer: Option<usize>,
    /// An authority that the command line has to name.
    pub(crate) given: bool,
    /// Common name.
    pub(crate) common_name: String,
    /// Organizations.
    pub(crate) organizations: Vec<String>,
    /// Alternative names: sorted, each once.
    pub(crate) sans: Vec<San>,
    /// Files of the certificate; the same content in each.
    pub(crate) certificates: Vec<String>,
    /// Files of the private key.
    pub(crate) keys: Vec<String>,
    /// Files of the public key.
    pub(crate) public_keys: Vec<String>,
    /// Files of this authority and those before it.
    pub(crate) bundles: Vec<String>,
    /// Whether the key signs tokens, too.
    pub(crate) signs_tokens: bool,
}

/// A kubeconfig that is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedConfig {
    /// Where.
    pub(crate) path: String,
    /// The client inside.
    pub(crate) item: usize,
    /// The authority inside.
    pub(crate) authority: usize,
    /// URL of the server.
    pub(crate) server: String,
    /// Name of the cluster.
    pub(crate) cluster: String,
    /// Name of the user.
    pub(crate) user: String,
}

/// A YAML file that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WantedDocument {
    /// Where.
    pub(crate) path: String,
    /// Lines above it.
    pub(crate) comment: Vec<String>,
    /// What is in it; holes are filled, `<...>` are not.
    pub(crate) content: toml::Table,
}

/// Why nothing can be made of the layout and its inputs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExpandError {
    /// A text with holes.
    #[error("`{place}`: {source}")]
    Template {
        /// Where.
        place: String,
        /// Why.
        source: TemplateError,
    },
    /// A name that no certificate can have.
    #[error("`{place}`: {source}")]
    Name {
        /// Where.
        place: String,
        /// Why.
        source: SanError,
    },
    /// No machine is named.
    #[error("layout `{0}` has a tree of files for each machine, and none is named")]
    NoHosts(String),
    /// No machine of the control plane.
    #[error("no machine is named as one of the control plane")]
    NoControlPlane,
}

/// One tree of files: all machines share one, or each has its own.
struct Tree<'a> {
    prefix: String,
    host: Option<&'a Host>,
}

impl Tree<'_> {
    fn path(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    fn is_control_plane(&self) -> bool {
        self.host.is_none_or(|host| host.control_plane)
    }

    fn has(&self, per: Option<Per>, on_nodes: bool) -> bool {
        match per {
            Some(Per::ControlPlane) => self.is_control_plane(),
            Some(Per::Node) => true,
            None => on_nodes || self.is_control_plane(),
        }
    }
}

/// Makes the list.
///
/// `alone` says that there is one machine, named by flags: its files need no directory of its name.
pub(crate) fn expand(
    layout: &Layout,
    values: &Values,
    hosts: &Hosts,
    alone: bool,
) -> Result<Wanted, ExpandError> {
    let trees = trees(layout, hosts, alone)?;
    let values = with_hosts(values, hosts);
    let mut made =
        Making { layout, trees: &trees, values: &values, items: Vec::new(), at: BTreeMap::new() };
    for row in in_order(layout) {
        if row.when.as_ref().is_some_and(|name| values.get(name).is_empty()) {
            continue;
        }
        match row.per {
            None => made.shared(row)?,
            Some(_) => {
                for tree in trees.iter().filter(|tree| tree.has(row.per, row.on_nodes)) {
                    made.of_host(row, tree)?;
                }
            }
        }
    }
    let mut kubeconfigs = Vec::new();
    for file in &layout.kubeconfigs {
        made.kubeconfig(file, &mut kubeconfigs)?;
    }
    let documents =
        layout.documents.iter().map(|file| document(file, &values)).collect::<Result<_, _>>()?;
    Ok(Wanted { items: made.items, kubeconfigs, documents })
}

fn trees<'a>(layout: &Layout, hosts: &'a Hosts, alone: bool) -> Result<Vec<Tree<'a>>, ExpandError> {
    if !layout.is_per_host() {
        return Ok(vec![Tree { prefix: String::new(), host: None }]);
    }
    if hosts.machines.is_empty() {
        return Err(ExpandError::NoHosts(layout.name.clone()));
    }
    if !hosts.machines.iter().any(|host| host.control_plane) {
        return Err(ExpandError::NoControlPlane);
    }
    let prefix = |host: &Host| if alone { String::new() } else { format!("{}/", host.name) };
    Ok(hosts.machines.iter().map(|host| Tree { prefix: prefix(host), host: Some(host) }).collect())
}

/// Signers first.
fn in_order(layout: &Layout) -> Vec<&Row> {
    let depth = |row: &Row| {
        let mut depth = 0;
        let mut here = row;
        while let Some(signer) = here.signer.as_deref().and_then(|name| layout.row(name)) {
            depth += 1;
            here = signer;
        }
        depth
    };
    let mut rows: Vec<&Row> = layout.rows.iter().collect();
    rows.sort_by_key(|row| depth(row));
    rows
}

/// What machines stand for in every row.
fn with_hosts(values: &Values, hosts: &Hosts) -> Values {
    let mut values = values.clone();
    let named = |wanted: &dyn Fn(&Host) -> bool| {
        let mut names = Vec::new();
        for host in hosts.machines.iter().filter(|host| wanted(host)) {
            names.push(host.name.clone());
            names.extend(host.addresses.iter().map(ToString::to_string));
            names.extend(host.sans.iter().cloned());
        }
        names
    };
    values.set("control-planes", named(&|host| host.control_plane));
    values.set("machines", named(&|_| true));
    let mut sans = values.get("sans").to_vec();
    sans.extend(hosts.sans.iter().cloned());
    values.set("sans", sans);
    let endpoint = values.get("endpoint").first().cloned();
    let first = hosts.machines.iter().find(|host| host.control_plane).map(local_endpoint);
    if let Some(host) = endpoint.as_deref().map(inputs::server).and_then(Result::ok) {
        values.set("endpoint-host", vec![host]);
    } else {
        values.set("endpoint-host", Vec::new());
        values.set("endpoint", first.into_iter().collect());
    }
    values
}

/// The API server of a machine itself.
fn local_endpoint(host: &Host) -> String {
    match host.addresses.first() {
        Some(std::net::IpAddr::V6(address)) => format!("[{address}]:6443"),
        Some(address) => format!("{address}:6443"),
        None => format!("{}:6443", host.name),
    }
}

/// What a machine stands for in its own rows.
fn with_host(values: &Values, host: Option<&Host>) -> Values {
    let mut values = values.clone();
    if let Some(host) = host {
        values.set("host", vec![host.name.clone()]);
        values.set("addresses", host.addresses.iter().map(ToString::to_string).collect());
        values.set("host-sans", host.sans.clone());
        values.set("local-endpoint", vec![local_endpoint(host)]);
    }
    values
}

struct Making<'a> {
    layout: &'a Layout,
    trees: &'a [Tree<'a>],
    values: &'a Values,
    items: Vec<Item>,
    /// Where the item of a row and of a machine's name is.
    at: BTreeMap<(String, Option<String>), usize>,
}

impl Making<'_> {
    fn shared(&mut self, row: &Row) -> Result<(), ExpandError> {
        let trees: Vec<&Tree<'_>> =
            self.trees.iter().filter(|tree| tree.has(None, row.on_nodes)).collect();
        // The key of an authority, and what signs tokens, stays on the control plane.
        let secret: Vec<&Tree<'_>> = match row.kind {
            Kind::Authority | Kind::KeyPair => {
                trees.iter().copied().filter(|tree| tree.is_control_plane()).collect()
            }
            Kind::Server | Kind::Client | Kind::Peer => trees.clone(),
        };
        let values = self.values.clone();
        self.item(row, None, &values, &trees, &secret)
    }

    fn of_host(&mut self, row: &Row, tree: &Tree<'_>) -> Result<(), ExpandError> {
        let values = with_host(self.values, tree.host);
        let host = tree.host.map(|host| host.name.clone());
        self.item(row, host, &values, &[tree], &[tree])
    }

    fn item(
        &mut self,
        row: &Row,
        host: Option<String>,
        values: &Values,
        trees: &[&Tree<'_>],
        secret: &[&Tree<'_>],
    ) -> Result<(), ExpandError> {
        let id =
            host.as_ref().map_or_else(|| row.name.clone(), |host| format!("{}@{host}", row.name));
        let template = |source| ExpandError::Template { place: id.clone(), source };
        let mut sans = Vec::new();
        for text in &row.sans {
            for name in values.fill_list(text).map_err(template)? {
                let san = San::parse(&name);
                sans.push(san.map_err(|source| ExpandError::Name { place: id.clone(), source })?);
            }
        }
        sans.sort();
        sans.dedup();
        let mut organizations = Vec::new();
        for text in &row.organizations {
            organizations.extend(values.fill_list(text).map_err(template)?);
        }
        let paths = |path: &Option<String>, trees: &[&Tree<'_>]| -> Vec<String> {
            path.iter().flat_map(|path| trees.iter().map(|tree| tree.path(path))).collect()
        };
        let signer =
            row.signer.as_ref().and_then(|name| self.at.get(&(name.clone(), None)).copied());
        let item = Item {
            row: row.name.clone(),
            kind: row.kind,
            signer,
            given: row.given,
            common_name: values.fill(&row.common_name).map_err(template)?,
            organizations,
            sans,
            certificates: paths(&row.certificate, trees),
            keys: if row.given { Vec::new() } else { paths(&row.key, secret) },
            public_keys: paths(&row.public_key, trees),
            bundles: paths(&row.bundle, trees),
            signs_tokens: row.signs_tokens,
            id,
        };
        self.at.insert((row.name.clone(), host), self.items.len());
        self.items.push(item);
        Ok(())
    }

    fn kubeconfig(
        &self,
        file: &Kubeconfig,
        all: &mut Vec<WantedConfig>,
    ) -> Result<(), ExpandError> {
        let Some(row) = self.layout.row(&file.row) else { return Ok(()) };
        let Some(authority) = self.at.get(&(file.authority.clone(), None)).copied() else {
            return Ok(());
        };
        for tree in self.trees.iter().filter(|tree| tree.has(row.per, row.on_nodes)) {
            let host = row.per.and(tree.host).map(|host| host.name.clone());
            let Some(item) = self.at.get(&(file.row.clone(), host)).copied() else { continue };
            let values = with_host(self.values, tree.host);
            let filled_in = |text: &str| {
                values
                    .fill(text)
                    .map_err(|source| ExpandError::Template { place: file.path.clone(), source })
            };
            all.push(WantedConfig {
                path: tree.path(&file.path),
                item,
                authority,
                server: filled_in(&file.server)?,
                cluster: filled_in(&file.cluster)?,
                user: filled_in(&file.user)?,
            });
        }
        Ok(())
    }
}

fn document(file: &Document, values: &Values) -> Result<WantedDocument, ExpandError> {
    let missing = |key: &str| file.when.get(key).is_some_and(|name| values.get(name).is_empty());
    let mut content = toml::Table::new();
    for (key, value) in &file.content {
        if !missing(key) {
            content.insert(key.clone(), filled(value, values, &file.path)?);
        }
    }
    Ok(WantedDocument { path: file.path.clone(), comment: file.comment.clone(), content })
}

fn filled(value: &toml::Value, values: &Values, place: &str) -> Result<toml::Value, ExpandError> {
    Ok(match value {
        toml::Value::String(text) => {
            let text = values.fill(text);
            toml::Value::String(
                text.map_err(|source| ExpandError::Template { place: place.to_owned(), source })?,
            )
        }
        toml::Value::Table(table) => {
            let mut made = toml::Table::new();
            for (key, value) in table {
                made.insert(key.clone(), filled(value, values, place)?);
            }
            toml::Value::Table(made)
        }
        other => other.clone(),
    })
}
