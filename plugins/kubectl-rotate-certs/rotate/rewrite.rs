//! Files of certificates and keys, written anew: some blocks are exchanged, everything else stays as it is.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rotation_core::facts::kubeconfig::Kubeconfig;
use rotation_core::facts::x509::{Block, read_pem};
use zeroize::Zeroizing;

/// The content of a file; it may hold a key.
pub(crate) type Text = Zeroizing<String>;

/// What becomes of a block.
pub(crate) enum Fate {
    /// It stays.
    Stays,
    /// This stands there instead.
    Becomes(Zeroizing<String>),
    /// It goes.
    Goes,
}

/// Why a file cannot be written anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RewriteError {
    /// It is no text.
    #[error("it is no text")]
    NotText,
    /// Its YAML is folded, or written in another way than `KEY: BASE64`.
    #[error("its data is not written in one line each")]
    Folded,
}

/// Exchanges blocks of PEM; `more` is added at the end.
pub(crate) fn pem(
    bytes: &[u8],
    fate: &dyn Fn(&Block) -> Fate,
    more: &[String],
) -> Result<Text, RewriteError> {
    let text = std::str::from_utf8(bytes).map_err(|_| RewriteError::NotText)?;
    let read = read_pem(bytes);
    let mut lines = text.split_inclusive('\n').enumerate();
    let mut out = Zeroizing::new(String::with_capacity(text.len() * 2 + 64));
    while let Some((index, line)) = lines.next() {
        let block = read.blocks.iter().find(|block| block.line == index + 1);
        let Some(block) = block else {
            out.push_str(line);
            continue;
        };
        let instead = match fate(block) {
            Fate::Stays => {
                out.push_str(line);
                continue;
            }
            Fate::Becomes(text) => Some(text),
            Fate::Goes => None,
        };
        for (_, rest) in lines.by_ref() {
            if rest.trim_start().starts_with("-----END ") {
                break;
            }
        }
        if let Some(instead) = instead {
            out.push_str(&instead);
        }
    }
    for text in more {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(text);
    }
    Ok(out)
}

/// Exchanges what is embedded in a kubeconfig, which was read before; both functions get PEM and give PEM, or nothing where
/// it stays.
pub(crate) fn kubeconfig(
    bytes: &[u8],
    config: &Kubeconfig,
    authority: &dyn Fn(&[u8]) -> Option<Text>,
    client: &dyn Fn(&[u8]) -> Option<Text>,
) -> Result<Text, RewriteError> {
    let text = std::str::from_utf8(bytes).map_err(|_| RewriteError::NotText)?;
    let mut out = Zeroizing::new(text.to_owned());
    let mut exchange = |word: &str, with: &dyn Fn(&[u8]) -> Option<Text>| {
        let Ok(held) = STANDARD.decode(word.trim()) else { return Ok(()) };
        let held = Zeroizing::new(held);
        let Some(new) = with(&held) else { return Ok(()) };
        if !out.contains(word) {
            return Err(RewriteError::Folded);
        }
        let new = Zeroizing::new(STANDARD.encode(new.as_bytes()));
        out = Zeroizing::new(out.replace(word, &new));
        Ok(())
    };
    for cluster in &config.clusters {
        if let Some(data) = &cluster.cluster.certificate_authority_data {
            exchange(data, authority)?;
        }
    }
    for user in &config.users {
        if let Some(data) = &user.user.client_certificate_data {
            exchange(data, client)?;
        }
        if let Some(data) = &user.user.client_key_data {
            exchange(&data.0, client)?;
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rotation_core::facts::x509::encode;

    #[test]
    fn blocks_are_exchanged_and_the_rest_stays() {
        let (a, b) = (encode("CERTIFICATE", b"aaa"), encode("CERTIFICATE", b"bbb"));
        let text = format!("# mine\n{a}between\n{b}# end");
        let keep = |_: &Block| Fate::Stays;
        assert_eq!(*pem(text.as_bytes(), &keep, &[]).expect("text"), text);
        let more = pem(text.as_bytes(), &keep, &["new\n".to_owned()]).expect("text");
        assert_eq!(*more, format!("{text}\nnew\n"));
        let fate = |block: &Block| match &**block.der {
            b"aaa" => Fate::Becomes(Zeroizing::new("A\n".to_owned())),
            _ => Fate::Goes,
        };
        assert_eq!(*pem(text.as_bytes(), &fate, &[]).expect("text"), "# mine\nA\nbetween\n# end");
        assert_eq!(pem(b"\xff", &keep, &[]), Err(RewriteError::NotText));
    }

    #[test]
    fn a_kubeconfig_keeps_its_form() {
        let text = "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: Q0E=\n    server: x\n  name: c\n\
                    users:\n- name: u\n  user:\n    client-certificate-data: Q1JU\n    client-key-data: S0VZ\n";
        let swap = |from: &'static [u8], to: &'static str| {
            move |held: &[u8]| (held == from).then(|| Zeroizing::new(to.to_owned()))
        };
        let config = |text| Kubeconfig::read(text).expect("a kubeconfig");
        let (ca, key) = (swap(b"CA", "BOTH"), swap(b"KEY", "NEW"));
        let new = kubeconfig(text.as_bytes(), &config(text), &ca, &key);
        let new = new.expect("a kubeconfig");
        assert_eq!(*new, text.replace("Q0E=", "Qk9USA==").replace("S0VZ", "TkVX"));
        let folded = "clusters:\n- cluster:\n    certificate-authority-data: >-\n      Q0\n      E=\n  name: c\n";
        let all = |_: &[u8]| Some(Zeroizing::new("x".to_owned()));
        let result = kubeconfig(folded.as_bytes(), &config(folded), &all, &all);
        assert!(matches!(result, Err(RewriteError::Folded)) || result.is_ok_and(|t| *t == folded));
    }
}
