//! Which CAs are trusted: the kubeconfig's, the flag's and the rotation's, all together.

use super::connection::Connection;
use super::fault::ClusterError;
use base64::Engine as _;
use kube::config::Cluster;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::Path;

/// Certificates to trust, or `None` for those of this machine.
pub(super) fn roots(
    connection: &Connection,
    cluster: &Cluster,
) -> Result<Option<Vec<Vec<u8>>>, ClusterError> {
    let mut roots = Vec::new();
    if let Some(data) = cluster.certificate_authority_data.as_deref().filter(|d| !d.is_empty()) {
        let what = "certificate-authority-data of the kubeconfig";
        let pem = base64::engine::general_purpose::STANDARD
            .decode(data.trim())
            .map_err(|_| material(what.to_owned(), "it is not base64"))?;
        certificates(what.to_owned(), &pem, &mut roots)?;
    } else if let Some(path) = cluster.certificate_authority.as_deref().filter(|p| !p.is_empty()) {
        from_file("certificate authority", Path::new(path), &mut roots)?;
    }
    let own = !roots.is_empty();
    if let Some(path) = &connection.certificate_authority {
        from_file("certificate authority", path, &mut roots)?;
    }
    for path in &connection.extra_ca {
        from_file("extra certificate authority", path, &mut roots)?;
    }
    if roots.is_empty() {
        return Ok(None);
    }
    if !own && connection.certificate_authority.is_none() {
        // Only extra ones: they are trusted besides what would have been trusted without them.
        roots
            .extend(rustls_native_certs::load_native_certs().certs.into_iter().map(|c| c.to_vec()));
    }
    Ok(Some(roots))
}

fn from_file(what: &str, path: &Path, roots: &mut Vec<Vec<u8>>) -> Result<(), ClusterError> {
    let what = format!("{what} {}", path.display());
    let pem = read(path).map_err(|e| material(what.clone(), io_reason(&e)))?;
    certificates(what, &pem, roots)
}

fn certificates(what: String, pem: &[u8], roots: &mut Vec<Vec<u8>>) -> Result<(), ClusterError> {
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        match certificate {
            Ok(der) => roots.push(der.to_vec()),
            Err(_) => return Err(material(what, "its PEM is broken")),
        }
    }
    let mut store = rustls::RootCertStore::empty();
    for der in &roots[before..] {
        if store.add(CertificateDer::from(der.as_slice())).is_err() {
            return Err(material(what, "it holds a certificate that cannot be read"));
        }
    }
    if store.is_empty() {
        return Err(material(what, "it holds no certificate"));
    }
    Ok(())
}

fn material(what: String, reason: impl Into<String>) -> ClusterError {
    ClusterError::Material { what, reason: reason.into() }
}

#[expect(clippy::disallowed_methods, reason = "the files that a kubeconfig names are part of it")]
pub(super) fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    std::fs::read(path)
}

/// The system's reason in lower case and without its number.
pub(super) fn io_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}
