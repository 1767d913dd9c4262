//! What a kubeconfig holds: each piece of data by itself, or the file that it names.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rotation_core::facts::kubeconfig::Kubeconfig;
use rotation_core::facts::sighting::Part;
use rotation_core::facts::wire::Wiped;
use zeroize::Zeroizing;

/// One piece.
pub(crate) struct Piece {
    /// `certificate-authority-data`, with the name of its cluster or user where there are several.
    pub(crate) entry: String,
    /// What it is.
    pub(crate) part: Part,
    /// The data itself, or the path of a file.
    pub(crate) source: Source,
}

/// Where a piece is.
pub(crate) enum Source {
    /// In the file: these bytes.
    Here(Zeroizing<Vec<u8>>),
    /// In the file, and not readable.
    Damaged,
    /// In another file, absolute.
    File(String),
    /// A program is asked for it at each use; it is not asked here.
    Program,
}

/// Reads a kubeconfig that lies at `path`; `None` for what is none. The parser's words are not told: they may hold a key.
pub(crate) fn read(path: &str, bytes: &[u8]) -> Option<Vec<Piece>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let document = Kubeconfig::read(text)?;
    let mut pieces = Vec::new();
    let several = document.clusters.len() > 1;
    for cluster in document.clusters {
        let name = if several { cluster.name.as_str() } else { "" };
        let value = cluster.cluster;
        let data = value.certificate_authority_data.map(|text| Wiped(Zeroizing::new(text)));
        let either = (data, value.certificate_authority);
        add(&mut pieces, path, name, "certificate-authority", Part::Trust, either);
    }
    let several = document.users.len() > 1;
    for user in document.users {
        let name = if several { user.name.as_str() } else { "" };
        let value = user.user;
        let certificate = value.client_certificate_data.map(|text| Wiped(Zeroizing::new(text)));
        let either = (certificate, value.client_certificate);
        add(&mut pieces, path, name, "client-certificate", Part::Client, either);
        let either = (value.client_key_data, value.client_key);
        add(&mut pieces, path, name, "client-key", Part::ClientKey, either);
        let entry = |field: &str| entry(name, field);
        if let Some(token) = value.token {
            let bytes = Zeroizing::new(token.0.as_bytes().to_vec());
            let source = Source::Here(bytes);
            pieces.push(Piece { entry: entry("token"), part: Part::Token, source });
        } else if let Some(file) = value.token_file {
            let source = Source::File(beside(path, &file));
            pieces.push(Piece { entry: entry("tokenFile"), part: Part::Token, source });
        }
        if value.exec.is_some() {
            let source = Source::Program;
            pieces.push(Piece { entry: entry("exec"), part: Part::Token, source });
        }
    }
    Some(pieces)
}

/// Data wins over a file, as in kubectl.
fn add(
    pieces: &mut Vec<Piece>,
    path: &str,
    name: &str,
    field: &str,
    part: Part,
    (data, file): (Option<Wiped>, Option<String>),
) {
    if let Some(data) = data.filter(|data| !data.0.is_empty()) {
        let source = STANDARD
            .decode(data.0.trim())
            .map_or(Source::Damaged, |bytes| Source::Here(Zeroizing::new(bytes)));
        pieces.push(Piece { entry: entry(name, &format!("{field}-data")), part, source });
    } else if let Some(file) = file.filter(|file| !file.is_empty()) {
        let source = Source::File(beside(path, &file));
        pieces.push(Piece { entry: entry(name, field), part, source });
    }
}

fn entry(name: &str, field: &str) -> String {
    if name.is_empty() { field.to_owned() } else { format!("{name}.{field}") }
}

/// Relative paths begin at the kubeconfig.
pub(crate) fn beside(path: &str, file: &str) -> String {
    if file.starts_with('/') {
        return file.to_owned();
    }
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let mut parts: Vec<&str> = directory.split('/').collect();
    for part in file.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                if parts.len() > 1 {
                    parts.pop();
                }
            }
            name => parts.push(name),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(text: &str) -> Vec<(String, String)> {
        let pieces = read("/etc/kubernetes/admin.conf", text.as_bytes()).expect("a kubeconfig");
        let source = |piece: &Piece| match &piece.source {
            Source::Here(bytes) => format!("here {}", String::from_utf8_lossy(bytes)),
            Source::Damaged => "damaged".to_owned(),
            Source::File(path) => format!("file {path}"),
            Source::Program => "program".to_owned(),
        };
        pieces.iter().map(|piece| (piece.entry.clone(), source(piece))).collect()
    }

    #[test]
    fn data_and_files() {
        let text = "\
kind: Config
clusters:
- name: k
  cluster: {certificate-authority-data: Y2E=, certificate-authority: /unused}
users:
- name: a
  user: {client-certificate: ../pki/a.crt, client-key: a.key}
- name: b
  user: {client-certificate-data: '!', token: abc}
- name: c
  user: {tokenFile: /t, exec: {command: x}}
";
        let expected = [
            ("certificate-authority-data", "here ca"),
            ("a.client-certificate", "file /etc/pki/a.crt"),
            ("a.client-key", "file /etc/kubernetes/a.key"),
            ("b.client-certificate-data", "damaged"),
            ("b.token", "here abc"),
            ("c.tokenFile", "file /t"),
            ("c.exec", "program"),
        ];
        let expected = expected.map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(seen(text), expected);
    }

    #[test]
    fn what_is_none_is_none() {
        assert!(read("/x", b"\xff").is_none());
        assert!(read("/x", b"{ a").is_none());
        assert_eq!(read("/x", b"kind: Pod").expect("an empty one").len(), 0);
    }

    #[test]
    fn relative_paths_begin_at_the_file() {
        for (file, expected) in [
            ("a", "/etc/a"),
            ("./a", "/etc/a"),
            ("../../../a", "/a"),
            ("/a", "/a"),
            ("b/../a", "/etc/a"),
        ] {
            assert_eq!(beside("/etc/x.conf", file), expected);
        }
    }
}
