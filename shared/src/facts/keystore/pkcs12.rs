//! PKCS#12 (RFC 7292): a sequence of safes, each in the clear or under a password, each a sequence of bags.
//!
//! A small reader of our own over the DER that is here anyway: only certificates are wanted, and the ciphers of today's
//! stores (PBES2, RFC 8018) come with what reads encrypted keys. Those of before 2020, RC2 with 40 bits and Triple DES,
//! would need three more libraries to see a certificate that stands beside it in PEM nearly always; they count as locked.

use super::{Form, Keystore, Password};
use crate::facts::x509::der::{SEQUENCE, content, element};
use der::Decode as _;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use zeroize::Zeroizing;

/// Object identifiers, in DER without their head.
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
const SIGNED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
const ENCRYPTED_DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 6];
const X509_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 22, 1];
const FRIENDLY_NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 20];
/// Marks certificates that Java trusts.
const TRUSTED_USAGE: &[u8] = &[0x60, 0x86, 0x48, 1, 0x86, 0xf9, 0x66, 0xad, 0xca, 0x7b, 1, 1];
/// The head of all kinds of bags; one octet follows.
const BAGS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1];

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const BMP_STRING: u8 = 0x1e;
const SET: u8 = 0x31;
/// `[0]`, with something inside.
const TAGGED: u8 = 0xa0;
/// `[0]` in the place of the tag of an OCTET STRING.
const TAGGED_OCTETS: u8 = 0x80;

/// Bags within bags.
const DEPTH: usize = 4;
/// Rounds of a key derivation that are waited for: Java makes 10,000, OpenSSL 2,048.
const ROUNDS: u32 = 1_000_000;

pub(super) fn recognise(bytes: &[u8]) -> Option<Form> {
    let (store, _) = content(bytes, SEQUENCE)?;
    let (version, rest) = content(store, INTEGER)?;
    let (safe, _) = content(rest, SEQUENCE)?;
    let (kind, _) = content(safe, OID)?;
    (version == [3] && (kind == DATA || kind == SIGNED_DATA)).then_some(Form::Pkcs12)
}

pub(super) fn read(bytes: &[u8], store: &mut Keystore) {
    if safes(bytes, store).is_none() && store.cut.is_none() {
        store.cut = Some("it is cut off or damaged");
    }
}

fn safes(bytes: &[u8], store: &mut Keystore) -> Option<()> {
    let (all, _) = content(bytes, SEQUENCE)?;
    let (_, all) = element(all)?;
    let (authenticated, _) = content(all, SEQUENCE)?;
    let Some(safes) = plain(authenticated) else {
        // Sealed with a certificate's key instead of a password.
        store.locked += 1;
        return Some(());
    };
    let (mut safes, _) = content(safes, SEQUENCE)?;
    while !safes.is_empty() {
        let (safe, rest) = content(safes, SEQUENCE)?;
        safes = rest;
        if let Some(bags) = plain(safe) {
            self::bags(bags, store, 0)?;
            continue;
        }
        match opened(safe) {
            Some((bags, password)) => {
                store.opened_by = store.opened_by.max(Some(password));
                self::bags(&bags, store, 0)?;
            }
            None => store.locked += 1,
        }
    }
    Some(())
}

/// What stands in the clear in a `ContentInfo`.
fn plain(info: &[u8]) -> Option<&[u8]> {
    let (kind, rest) = content(info, OID)?;
    let (inside, _) = content(rest, TAGGED)?;
    (kind == DATA).then(|| content(inside, OCTETS)).flatten().map(|(data, _)| data)
}

/// What stands under a password that keeps nobody out.
fn opened(info: &[u8]) -> Option<(Zeroizing<Vec<u8>>, Password)> {
    let (kind, rest) = content(info, OID)?;
    let (inside, _) = content(rest, TAGGED)?;
    if kind != ENCRYPTED_DATA {
        return None;
    }
    let (data, _) = content(inside, SEQUENCE)?;
    let (_, rest) = content(data, INTEGER)?;
    let (info, _) = content(rest, SEQUENCE)?;
    let (_, rest) = content(info, OID)?;
    let (algorithm, rest) = element(rest)?;
    let (sealed, _) = content(rest, TAGGED_OCTETS)?;
    let scheme = EncryptionScheme::from_der(algorithm.whole).ok()?;
    if !is_affordable(&scheme) {
        return None;
    }
    Password::ALL.into_iter().find_map(|password| {
        let opened = Zeroizing::new(scheme.decrypt(password.letters(), sealed).ok()?);
        // A wrong password leaves good padding once in 256 times.
        content(&opened, SEQUENCE)?;
        Some((opened, password))
    })
}

/// What a file asks for must not keep us for ever.
fn is_affordable(scheme: &EncryptionScheme) -> bool {
    match scheme {
        EncryptionScheme::Pbes2(parameters) => match &parameters.kdf {
            Kdf::Pbkdf2(parameters) => parameters.iteration_count <= ROUNDS,
            _ => false,
        },
        _ => false,
    }
}

fn bags(bytes: &[u8], store: &mut Keystore, depth: usize) -> Option<()> {
    let (mut bags, _) = content(bytes, SEQUENCE)?;
    while !bags.is_empty() {
        let (bag, rest) = content(bags, SEQUENCE)?;
        bags = rest;
        if !store.has_room() {
            return None;
        }
        let (kind, rest) = content(bag, OID)?;
        let (value, attributes) = content(rest, TAGGED)?;
        match kind.strip_prefix(BAGS) {
            Some([1 | 2 | 5]) => store.keys += 1,
            Some([3]) => certificate(value, attributes, store)?,
            Some([6]) if depth < DEPTH => self::bags(value, store, depth + 1)?,
            _ => {}
        }
    }
    Some(())
}

fn certificate(value: &[u8], attributes: &[u8], store: &mut Keystore) -> Option<()> {
    let (bag, _) = content(value, SEQUENCE)?;
    let (kind, rest) = content(bag, OID)?;
    if kind != X509_CERTIFICATE {
        store.unreadable += 1;
        return Some(());
    }
    let (inside, _) = content(rest, TAGGED)?;
    let (der, _) = content(inside, OCTETS)?;
    let alias = attribute(attributes, FRIENDLY_NAME)
        .and_then(|values| content(values, BMP_STRING))
        .map(|(letters, _)| utf16(letters));
    let trusted = attribute(attributes, TRUSTED_USAGE).is_some();
    store.certificate(alias.as_deref(), der, trusted);
    Some(())
}

/// The values of an attribute of a bag, if it has it.
fn attribute<'a>(attributes: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    let (mut all, _) = content(attributes, SET)?;
    while !all.is_empty() {
        let (attribute, rest) = content(all, SEQUENCE)?;
        all = rest;
        let (kind, values) = content(attribute, OID)?;
        if kind == wanted {
            return content(values, SET).map(|(values, _)| values);
        }
    }
    None
}

fn utf16(letters: &[u8]) -> String {
    let units = letters.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}
