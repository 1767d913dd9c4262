//! Values of any kind as what they hold: beside PEM and DER also key stores, kubeconfig files and tokens.

use super::{Content, Held, Interner, Token, Unknown, read};
use crate::facts::keystore;
use crate::facts::kubeconfig::{Kubeconfig, NamedCluster, NamedUser};
use base64::Engine as _;
use zeroize::Zeroizing;

/// Bytes that a token may have; those of service accounts have a thousand.
const TOKEN_LIMIT: usize = 16 << 10;
const PEM: &[u8] = b"-----BEGIN ";
/// What only kubeconfig files say.
const KUBECONFIG: &[u8] = b"certificate-authority-data";

impl Content {
    /// Reads PEM, DER, key stores, kubeconfig files and tokens; anything else holds nothing.
    pub fn read(bytes: &[u8], interner: &Interner) -> Self {
        if let Some(store) = keystore::read(bytes) {
            return of_store(&store, interner);
        }
        let mut held = Held::default();
        if contains(bytes, KUBECONFIG) && kubeconfig(bytes, &mut held, interner).is_some() {
            return Self::Held(held);
        }
        match token(bytes) {
            Some(token) => held.tokens.push(Token::read(token)),
            None => held = read(bytes, interner),
        }
        Self::Held(held)
    }

    /// Whether [`Self::read`] can find anything in these bytes: a quick look, so that nothing else is kept in memory.
    pub fn is_likely_in(bytes: &[u8]) -> bool {
        contains(bytes, PEM)
            || is_der(bytes)
            || keystore::recognise(bytes).is_some()
            || token(bytes).is_some()
            || contains(bytes, KUBECONFIG)
    }
}

fn of_store(store: &keystore::Keystore, interner: &Interner) -> Content {
    if store.certificates.is_empty() && store.locked > 0 {
        let why = format!("the {} store stands under a password or an old cipher", store.form);
        return Content::Unknown(Unknown { why: why.into(), right: None });
    }
    let certificates = store.certificates.iter().map(|entry| interner.share(&entry.certificate));
    Content::Held(Held { certificates: certificates.collect(), ..Held::default() })
}

/// `None` where it is none after all.
fn kubeconfig(bytes: &[u8], held: &mut Held, interner: &Interner) -> Option<()> {
    let text = std::str::from_utf8(bytes).ok()?;
    let config = Kubeconfig::read(text)?;
    let embedded = |data: &str, held: &mut Held| {
        let decoded = base64::engine::general_purpose::STANDARD.decode(data.trim());
        let inside = read(&decoded.map(Zeroizing::new).unwrap_or_default(), interner);
        held.certificates.extend(inside.certificates);
        held.keys.extend(inside.keys);
    };
    for NamedCluster { cluster, .. } in config.clusters {
        embedded(&cluster.certificate_authority_data.unwrap_or_default(), held);
    }
    for NamedUser { user, .. } in config.users {
        embedded(&user.client_certificate_data.unwrap_or_default(), held);
        embedded(&user.client_key_data.unwrap_or_default().0, held);
        held.tokens.extend(user.token.filter(|t| !t.0.is_empty()).map(|t| Token::read(&t.0)));
    }
    Some(())
}

/// A JWT: three parts of base64url, the first of which begins like JSON.
fn token(bytes: &[u8]) -> Option<&str> {
    if bytes.len() > TOKEN_LIMIT || !bytes.trim_ascii_start().starts_with(b"ey") {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let parts = text.split('.').count();
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    (parts == 3 && plain).then_some(text)
}

/// A SEQUENCE whose length takes more than one octet, as that of any certificate does.
fn is_der(bytes: &[u8]) -> bool {
    matches!(bytes, [0x30, 0x81..=0x84, ..])
}

fn contains(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::x509::read_pem;
    use double::tls::Authority;

    fn held(bytes: &[u8]) -> Held {
        let content = Content::read(bytes, &Interner::default());
        let found = content.held().expect("held").clone();
        assert!(Content::is_likely_in(bytes) || found.is_empty(), "the quick look sees as much");
        found
    }

    #[test]
    fn whatever_holds_certificates_is_read() {
        let authority = Authority::new("kubernetes");
        let identity = authority.localhost();
        let pem = format!("# both\n{}{}{}", authority.pem(), identity.pem(), identity.key_pem());
        let der = read_pem(authority.pem().as_bytes()).blocks.remove(0).der;
        let found = held(pem.as_bytes());
        assert_eq!((found.certificates.len(), found.keys.len()), (2, 1));
        assert_eq!(held(&der).certificates.len(), 1);
        let data = |pem: &str| base64::engine::general_purpose::STANDARD.encode(pem);
        let config = format!(
            "apiVersion: v1\nclusters:\n- name: ''\n  cluster:\n    certificate-authority-data: {}\n    server: https://x\nusers:\n- name: u\n  user:\n    client-key-data: {}\n    token: abc\n",
            data(&authority.pem()),
            data(&identity.key_pem())
        );
        let found = held(config.as_bytes());
        assert_eq!((found.certificates.len(), found.keys.len(), found.tokens.len()), (1, 1, 1));
        let found = held(b"eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln\n");
        assert_eq!(found.tokens[0].claims.as_ref().expect("a JWT").subject, "a");
    }

    #[test]
    fn anything_else_holds_nothing() {
        for bytes in [&b""[..], b"password", b"eyes.on.me.now", b"0", b"\x30\x82", b"ey\xff.a.b"] {
            assert!(held(bytes).is_empty(), "{bytes:?}");
        }
    }

    #[test]
    fn a_store_under_a_password_is_not_empty_but_unknown() {
        // A safe of encrypted data in a cipher that nobody knows.
        use forge::der::{integer, octets, oid, sequence, tagged};
        let sealed = sequence(&[
            oid("1.2.840.113549.1.7.6"),
            tagged(0, &sequence(&[integer(&[0]), sequence(&[])])),
        ]);
        let safes = tagged(0, &octets(&sequence(&[sealed])));
        let store = sequence(&[integer(&[3]), sequence(&[oid("1.2.840.113549.1.7.1"), safes])]);
        let content = Content::read(&store, &Interner::default());
        let Content::Unknown(Unknown { why, .. }) = content else { panic!("{content:?}") };
        assert_eq!(&*why, "the PKCS#12 store stands under a password or an old cipher");
    }
}
