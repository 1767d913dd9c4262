//! The schemas of x509-limbo and of BetterTLS, as far as they are used.

use anyhow::Context as _;
use base64::Engine as _;
use bzip2::read::BzDecoder;
use flate2::read::GzDecoder;
use rotation_core::facts::x509::{Certificate, San, X509Error, read_pem};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read as _;

#[derive(Deserialize)]
pub(crate) struct Limbo {
    pub(crate) testcases: Vec<Case>,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) validation_kind: Kind,
    pub(crate) trusted_certs: Vec<String>,
    pub(crate) untrusted_intermediates: Vec<String>,
    pub(crate) peer_certificate: String,
    pub(crate) validation_time: Option<jiff::Timestamp>,
    pub(crate) expected_result: Expected,
    pub(crate) expected_peer_name: Option<Peer>,
    pub(crate) max_chain_depth: Option<usize>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Kind {
    Server,
    Client,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Expected {
    Success,
    Failure,
}

#[derive(Deserialize)]
pub(crate) struct Peer {
    kind: String,
    value: String,
}

impl Peer {
    /// The name, as a client asks for it: also such as nobody could type.
    pub(crate) fn san(&self) -> San {
        match (self.kind.as_str(), self.value.parse()) {
            ("IP", Ok(address)) => San::Ip(address),
            ("DNS", _) => San::Dns(self.value.clone()),
            _ => San::Other(self.value.clone()),
        }
    }
}

/// The one certificate of a PEM text.
pub(crate) fn certificate(pem: &str) -> Result<Certificate, X509Error> {
    let read = read_pem(pem.as_bytes());
    let block = read.blocks.first().ok_or_else(|| X509Error::Structure("no block".to_owned()))?;
    Certificate::from_der(&block.der)
}

/// The cases of x509-limbo.
pub(crate) fn limbo() -> anyhow::Result<Vec<Case>> {
    let packed = super::file("x509-limbo-208.json.gz")?;
    let limbo: Limbo =
        serde_json::from_reader(GzDecoder::new(packed.as_slice())).context("limbo")?;
    Ok(limbo.testcases)
}

/// BetterTLS as Netflix exports it: suites by name, certificates in base64, all under one root.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BetterTls {
    suites: BTreeMap<String, Suite>,
    trust_root: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Suite {
    test_cases: Vec<Chain>,
}

/// One case of BetterTLS.
#[derive(Deserialize)]
pub(crate) struct Chain {
    pub(crate) id: usize,
    pub(crate) suite: String,
    /// The leaf, and whatever the server sends with it.
    certificates: Vec<String>,
    pub(crate) hostname: String,
    pub(crate) expected: Verdict,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Verdict {
    Accept,
    Reject,
}

impl Chain {
    /// The certificates, the leaf first.
    pub(crate) fn ders(&self) -> anyhow::Result<Vec<Vec<u8>>> {
        self.certificates.iter().map(|text| decode(text)).collect()
    }
}

fn decode(text: &str) -> anyhow::Result<Vec<u8>> {
    base64::engine::general_purpose::STANDARD.decode(text).context("base64")
}

/// The root and the cases of BetterTLS.
pub(crate) fn better_tls() -> anyhow::Result<(Vec<u8>, Vec<Chain>)> {
    let packed = super::file("bettertls-9572.json.bz2")?;
    let mut text = Vec::new();
    BzDecoder::new(packed.as_slice()).read_to_end(&mut text).context("bzip2")?;
    let all: BetterTls = serde_json::from_slice(&text).context("BetterTLS")?;
    let chains = all.suites.into_values().flat_map(|suite| suite.test_cases).collect();
    Ok((decode(&all.trust_root)?, chains))
}
