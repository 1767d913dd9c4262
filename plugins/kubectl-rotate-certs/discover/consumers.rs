//! The operator's own kubeconfig files: whoever uses one of the old generation is locked out when that is dropped.

use super::probe::key;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rotation_core::cli::console::Console;
use rotation_core::facts::kubeconfig::Kubeconfig;
use rotation_core::facts::x509::{Certificate, read_pem};
use rotation_core::world::files;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// A kubeconfig with a certificate inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    /// Where it really is.
    pub(crate) path: PathBuf,
    /// Fingerprints of the CAs in it.
    pub(crate) authorities: BTreeSet<[u8; 32]>,
}

/// The files that kubectl would read, as far as there is something in them to renew.
pub(crate) fn own(named: Option<&Path>, console: &Console) -> Vec<Own> {
    let environment = &console.environment;
    let listed = environment.kubeconfig.as_ref().map(|list| std::env::split_paths(list).collect());
    let usual = || environment.home.iter().map(|home| home.join(".kube/config")).collect();
    let paths: Vec<PathBuf> = match named {
        Some(path) => vec![path.to_owned()],
        None => listed.unwrap_or_else(usual),
    };
    let mut found: Vec<Own> = paths.iter().filter_map(|path| embedded(path)).collect();
    found.dedup_by(|one, other| one.path == other.path);
    found
}

fn embedded(path: &Path) -> Option<Own> {
    // A rotation replaces the file itself, not a link to it.
    let path = std::fs::canonicalize(path).ok()?;
    let bytes = files::read_secret_if_there(&path).ok()??;
    let config = Kubeconfig::read(std::str::from_utf8(&bytes).ok()?)?;
    let client = config.users.iter().any(|user| user.user.client_certificate_data.is_some());
    let data =
        || config.clusters.iter().filter_map(|c| c.cluster.certificate_authority_data.as_ref());
    if !client && data().next().is_none() {
        return None;
    }
    let pem = data().filter_map(|data| STANDARD.decode(data.trim()).ok());
    let blocks = pem.flat_map(|pem| read_pem(&pem).blocks);
    let certificates = blocks.filter_map(|block| Certificate::from_der(&block.der).ok());
    Some(Own { path, authorities: certificates.map(|one| key(one.fingerprint())).collect() })
}
