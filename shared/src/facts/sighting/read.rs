//! Bytes of a file or of a field as what they hold.

use super::{Held, Interner};
use crate::facts::x509::{Block, Certificate, Label, Request, private_part, public_part, read_pem};
use std::sync::Arc;

/// Reads PEM, or one certificate or request in DER. What is neither holds nothing.
pub fn read(bytes: &[u8], interner: &Interner) -> Held {
    let mut held = Held::default();
    // A SEQUENCE whose length takes more than one octet, as that of any certificate does: no text begins so.
    if let [0x30, 0x81..=0x84, ..] = bytes {
        if let Ok(certificate) = interner.certificate(bytes) {
            held.certificates.push(certificate);
        } else if let Ok(request) = Request::from_der(bytes) {
            held.requests.push(Arc::new(request));
        }
        return held;
    }
    for block in &read_pem(bytes).blocks {
        add(&mut held, block, interner);
    }
    held
}

fn add(held: &mut Held, block: &Block, interner: &Interner) {
    match &block.label {
        Label::Certificate => held.certificates.extend(interner.certificate(&block.der)),
        // OpenSSL's own form has more behind the certificate.
        Label::TrustedCertificate => {
            if let Ok(certificate) = Certificate::from_der(&block.der) {
                held.certificates.push(interner.share(&certificate));
            }
        }
        Label::Request => held.requests.extend(Request::from_der(&block.der).map(Arc::new)),
        Label::PublicKey | Label::Pkcs1PublicKey => held.public_keys.extend(public_part(block)),
        label if label.is_private() => held.keys.push(private_part(block)),
        Label::Pkcs8Key
        | Label::Pkcs1Key
        | Label::Sec1Key
        | Label::EncryptedKey
        | Label::RevocationList
        | Label::Parameters
        | Label::Other(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::credential::Digest;
    use crate::facts::x509::KeyPart;
    use forge::{Draft, Key};

    #[test]
    fn what_a_file_holds_and_no_private_byte() {
        let (ca_key, key) = (Key::new(), Key::new());
        let ca = Draft::root("ca", &ca_key);
        let leaf = Draft::server("s", &["s"], &key, &ca).pem(&ca_key);
        let text = format!("{leaf}{}{}", key.pem(), key.public_pem());
        let interner = Interner::default();
        let held = read(text.as_bytes(), &interner);
        assert_eq!(held.certificates.len(), 1);
        assert_eq!(held.keys, [KeyPart::Public(Digest::of(&key.spki()))]);
        assert_eq!(held.public_keys, [Digest::of(&key.spki())]);
        let der = held.certificates[0].der();
        assert!(Arc::ptr_eq(&read(der, &interner).certificates[0], &held.certificates[0]));
        assert_eq!(read(key.request(false).as_bytes(), &interner).requests.len(), 1);
        for nonsense in [&b""[..], b"\x30\x82\xff", b"words", b"-----BEGIN CERTIFICATE-----\n"] {
            assert!(read(nonsense, &interner).is_empty());
        }
    }
}
