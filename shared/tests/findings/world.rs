//! A small good set, which a test spoils.

use forge::{Draft, Key};
use jiff::Timestamp;
use rotation_core::facts::x509::{Certificate, San};
use rotation_core::plan::certificate::{
    Contents, Finding, Kind, LayoutRow, Pool, RowKind, Scene, SetDirectory, SetFile, judge,
};
use std::collections::{BTreeMap, BTreeSet};

/// The user that looks.
const USER: u32 = 1000;

pub(crate) struct World {
    pub(crate) ca_key: Key,
    pub(crate) server_key: Key,
    pub(crate) client_key: Key,
    pub(crate) ca: Draft,
    pub(crate) server: Draft,
    pub(crate) client: Draft,
    /// Who signs the server; `None` for the CA.
    pub(crate) signer: Option<Key>,
    /// Files besides, or in the place of those that there are.
    pub(crate) more: BTreeMap<String, Vec<u8>>,
    /// Files that are not there.
    pub(crate) gone: Vec<&'static str>,
    pub(crate) unreadable: Vec<&'static str>,
    pub(crate) modes: BTreeMap<&'static str, u32>,
    pub(crate) owners: BTreeMap<&'static str, u32>,
    pub(crate) directory: u32,
    pub(crate) pools: Vec<(String, Vec<u8>)>,
    pub(crate) names: Vec<San>,
    pub(crate) names_only: bool,
    pub(crate) purpose: Option<RowKind>,
    pub(crate) rows: Vec<LayoutRow>,
    pub(crate) at: &'static str,
    pub(crate) backwards: bool,
}

impl World {
    /// A CA, a server and a client, each with its key.
    pub(crate) fn new() -> Self {
        let (ca_key, server_key, client_key) = (Key::new(), Key::new(), Key::new());
        let ca = Draft::root("kubernetes-ca-g1", &ca_key);
        let server =
            Draft::server("kube-apiserver", &["api.example.com", "10.0.0.1"], &server_key, &ca);
        let client = Draft::client("system:kube-scheduler", &[], &client_key, &ca);
        Self {
            ca_key,
            server_key,
            client_key,
            ca,
            server,
            client,
            signer: None,
            more: BTreeMap::new(),
            gone: Vec::new(),
            unreadable: Vec::new(),
            modes: BTreeMap::new(),
            owners: BTreeMap::new(),
            directory: 0o700,
            pools: Vec::new(),
            names: Vec::new(),
            names_only: false,
            purpose: None,
            rows: Vec::new(),
            at: "2026-12-01T00:00:00Z",
            backwards: false,
        }
    }

    /// Puts a file there.
    pub(crate) fn put(&mut self, path: &str, content: impl AsRef<[u8]>) {
        self.more.insert(path.to_owned(), content.as_ref().to_vec());
    }

    /// The certificate of the server as PEM.
    pub(crate) fn server_pem(&self) -> String {
        self.server.pem(self.signer.as_ref().unwrap_or(&self.ca_key))
    }

    /// The certificate of the CA as PEM.
    pub(crate) fn ca_pem(&self) -> String {
        self.ca.pem(&self.ca_key)
    }

    /// Changes the text of a file that is there.
    pub(crate) fn rewrite(&mut self, path: &str, change: impl Fn(String) -> String) {
        let text = String::from_utf8(self.bytes()[path].clone()).expect("text");
        self.put(path, change(text));
    }

    fn bytes(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files: BTreeMap<String, Vec<u8>> = [
            ("pki/ca.crt", self.ca_pem()),
            ("pki/ca.key", self.ca_key.pem()),
            ("pki/server.crt", self.server_pem()),
            ("pki/server.key", self.server_key.pem()),
            ("pki/client.crt", self.client.pem(&self.ca_key)),
            ("pki/client.key", self.client_key.pem()),
        ]
        .into_iter()
        .map(|(path, text)| (path.to_owned(), text.into_bytes()))
        .collect();
        files.extend(self.more.clone());
        files.retain(|path, _| !self.gone.contains(&path.as_str()));
        files
    }

    fn files(&self) -> Vec<SetFile> {
        let read = |(path, bytes): (&String, &Vec<u8>)| {
            let contents = if self.unreadable.contains(&path.as_str()) {
                Contents::unreadable(path, "permission denied")
            } else {
                Contents::expected(path, bytes)
            };
            let secret = !contents.keys.is_empty();
            SetFile {
                mode: Some(self.modes.get(path.as_str()).copied().unwrap_or(if secret {
                    0o600
                } else {
                    0o644
                })),
                owner: Some(self.owners.get(path.as_str()).copied().unwrap_or(USER)),
                contents,
                path: path.clone(),
            }
        };
        let mut files: Vec<SetFile> = self.bytes().iter().map(read).collect();
        if self.backwards {
            files.reverse();
        }
        files
    }

    pub(crate) fn findings(&self) -> Vec<Finding> {
        let files = self.files();
        let pools: Vec<Pool> = self
            .pools
            .iter()
            .map(|(name, pem)| Pool { name: name.clone(), certificates: certificates(pem) })
            .collect();
        let directories = [SetDirectory { path: "pki".to_owned(), mode: self.directory }];
        judge(&Scene {
            files: &files,
            directories: &directories,
            pools: &pools,
            names: &self.names,
            names_only: self.names_only,
            purpose: self.purpose,
            rows: &self.rows,
            at: self.at.parse::<Timestamp>().expect("a time"),
            user: USER,
        })
    }

    pub(crate) fn kinds(&self) -> BTreeSet<Kind> {
        self.findings().into_iter().map(|finding| finding.kind).collect()
    }
}

fn certificates(pem: &[u8]) -> Vec<Certificate> {
    Contents::read("pool", pem).certificates.into_iter().map(|placed| placed.value).collect()
}
