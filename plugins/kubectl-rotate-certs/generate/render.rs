//! Decide: what was made becomes files. Pure.

use super::existing::Existing;
use super::make::Made;
use super::{set, yaml};
use crate::layout::expand::{Item, Wanted, WantedConfig};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::x509::{Certificate, encode};
use rotation_core::world::generation::Mode;
use std::fmt::Write as _;
use zeroize::Zeroizing;

/// A file to be written; its content is wiped when it is let go.
pub(crate) struct File {
    /// Where in the set.
    pub(crate) path: String,
    /// What is in it.
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// Who may read it.
    pub(crate) mode: Mode,
}

fn public(path: String, text: String) -> File {
    File { path, content: Zeroizing::new(text.into_bytes()), mode: Mode::Public }
}

fn private(path: String, text: &str) -> File {
    File { path, content: Zeroizing::new(text.as_bytes().to_vec()), mode: Mode::Private }
}

/// PEM of a certificate.
pub(crate) fn pem(certificate: &Certificate) -> String {
    encode("CERTIFICATE", certificate.der())
}

/// All files of a generation, the description of the set last.
pub(crate) fn files(
    wanted: &Wanted,
    made: &[Made],
    existing: &Existing,
    describe: &set::About<'_>,
    now: Timestamp,
) -> Result<Vec<File>, Failure> {
    let mut files = Vec::new();
    for (at, (item, made)) in wanted.items.iter().zip(made).enumerate() {
        of_item(item, made, &mut files)?;
        let old = existing.items.get(at).map(|old| old.pool.as_slice()).unwrap_or_default();
        bundles(item, made, old, now, &mut files);
    }
    for config in &wanted.kubeconfigs {
        if let Some(text) = kubeconfig(config, made) {
            files.push(private(config.path.clone(), &text));
        }
    }
    let is_whole = made.iter().all(|made| made.request.is_none());
    for document in wanted.documents.iter().filter(|_| is_whole) {
        let pem = |name: &str| part(wanted, made, name);
        let body = yaml::document(&document.content, &pem)
            .map_err(|why| Failure::refused(format!("cannot write `{}`: {why}", document.path)))?;
        let mut text = Zeroizing::new(String::with_capacity(body.len() + 1024));
        for line in &document.comment {
            let _ = writeln!(text, "# {line}");
        }
        text.push_str(&body);
        files.push(private(document.path.clone(), &text));
    }
    let description = set::describe(wanted, made, describe);
    let text =
        rotation_core::tell::json::document(&description, rotation_core::tell::json::Format::Json)
            .map_err(|why| Failure::unexpected(why.to_string()))?;
    files.push(public(set::FILE.to_owned(), text));
    Ok(files)
}

/// The file that what is beside it is named after.
fn file_of(item: &Item) -> String {
    let path = item.certificates.first().or(item.keys.first());
    path.cloned().unwrap_or_else(|| item.id.replace('@', "-"))
}

/// Where the key of a request waits for its certificate.
pub(crate) fn waiting_key(item: &Item) -> String {
    item.keys.first().cloned().unwrap_or_else(|| beside(&file_of(item), ".key"))
}

fn of_item(item: &Item, made: &Made, files: &mut Vec<File>) -> Result<(), Failure> {
    if let Some(certificate) = &made.certificate {
        for path in &item.certificates {
            files.push(public(path.clone(), pem(certificate)));
        }
    }
    if let Some(key) = &made.key {
        for path in &item.keys {
            files.push(private(path.clone(), &key.to_pem()));
        }
        for path in &item.public_keys {
            files.push(public(path.clone(), encode("PUBLIC KEY", key.spki_der())));
        }
    }
    if let Some(request) = &made.request {
        let path = beside(&file_of(item), ".csr");
        files.push(public(path, encode("CERTIFICATE REQUEST", request)));
        // What will lie in a kubeconfig only has no file of its own yet.
        if let Some(key) = made.key.as_ref().filter(|_| item.keys.is_empty()) {
            files.push(private(waiting_key(item), &key.to_pem()));
        }
    }
    if let Some(crossed) = &made.crossed {
        let path = item.certificates.first().ok_or_else(|| {
            Failure::refused(format!("`{}` has no file for its certificate", item.id))
        })?;
        files.push(public(crossed_path(path), pem(crossed)));
    }
    Ok(())
}

/// Where the certificate that the CA before signed lies: `ca.crt` has `ca-cross.crt` beside it.
fn crossed_path(path: &str) -> String {
    let (stem, end) = split_end(path);
    format!("{stem}-cross{end}")
}

fn beside(path: &str, end: &str) -> String {
    format!("{}{end}", split_end(path).0)
}

fn split_end(path: &str) -> (&str, &str) {
    let name = path.rsplit('/').next().unwrap_or(path);
    match name.rfind('.').filter(|at| *at > 0) {
        Some(at) => path.split_at(path.len() - name.len() + at),
        None => (path, ""),
    }
}

/// The new CA, then those of today that have not ended: what every verifier has to trust during a rotation.
fn bundles(item: &Item, made: &Made, old: &[Certificate], now: Timestamp, files: &mut Vec<File>) {
    let Some(new) = &made.certificate else { return };
    let mut text = pem(new);
    for before in old.iter().filter(|old| *old != new && old.not_after() > now) {
        text.push_str(&pem(before));
    }
    for path in &item.bundles {
        files.push(public(path.clone(), text.clone()));
    }
}

/// What `<ROW.part>` stands for in a document.
fn part(wanted: &Wanted, made: &[Made], name: &str) -> Option<Zeroizing<String>> {
    let (row, part) = name.rsplit_once('.')?;
    let at = wanted.items.iter().position(|item| item.row == row)?;
    let (item, this) = (&wanted.items[at], made.get(at)?);
    let certificate = |of: &Made| of.certificate.as_ref().map(|c| Zeroizing::new(pem(c)));
    match part {
        "certificate" => certificate(this),
        "signer" => certificate(made.get(item.signer?)?),
        "key" => this.key.as_ref().map(rotation_core::facts::private_key::PrivateKey::to_pem),
        "public-key" => {
            this.key.as_ref().map(|key| Zeroizing::new(encode("PUBLIC KEY", key.spki_der())))
        }
        _ => None,
    }
}

/// A kubeconfig as kubeadm writes it, with everything inside.
fn kubeconfig(config: &WantedConfig, made: &[Made]) -> Option<Zeroizing<String>> {
    let client = made.get(config.item)?;
    let authority = made.get(config.authority)?.certificate.as_ref()?;
    let (certificate, key) = (client.certificate.as_ref()?, client.key.as_ref()?);
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let context = quoted(&format!("{}@{}", config.user, config.cluster));
    let (cluster, user, server) =
        (quoted(&config.cluster), quoted(&config.user), quoted(&config.server));
    let ca = STANDARD.encode(pem(authority));
    let cert = STANDARD.encode(pem(certificate));
    let key_pem = key.to_pem();
    let mut secret = Zeroizing::new(vec![0_u8; key_pem.len().div_ceil(3) * 4]);
    let length = STANDARD.encode_slice(key_pem.as_bytes(), &mut secret).ok()?;
    let mut text = Zeroizing::new(String::with_capacity(16 << 10));
    let _ = write!(
        text,
        "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    certificate-authority-data: {ca}\n    server: {server}\n  name: {cluster}\n\
         contexts:\n- context:\n    cluster: {cluster}\n    user: {user}\n  name: {context}\ncurrent-context: {context}\npreferences: {{}}\n\
         users:\n- name: {user}\n  user:\n    client-certificate-data: {cert}\n    client-key-data: "
    );
    text.extend(secret[..length].iter().map(|byte| char::from(*byte)));
    text.push('\n');
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_beside_a_certificate() {
        assert_eq!(crossed_path("pki/etcd/ca.crt"), "pki/etcd/ca-cross.crt");
        assert_eq!(beside("a.b/ca", ".csr"), "a.b/ca.csr");
        assert_eq!(beside("server.crt", ".csr"), "server.csr");
    }
}
