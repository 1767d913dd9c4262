//! Java's own key stores. All numbers are big-endian; text is a length of two bytes and that many bytes.
//!
//! ```text
//! magic, version (1 or 2), count, then for each entry:
//!   1, alias, milliseconds, length and encrypted key, count of certificates, certificates    a key and its chain
//!   2, alias, milliseconds, certificate                                                      a trusted certificate
//!   3, alias, milliseconds, a sealed Java object                                             a secret key, JCEKS alone
//! certificate: kind (version 2), length and DER
//! at the end 20 bytes, a digest over the password and all of this
//! ```

use super::{Form, Keystore};

const JKS: u32 = 0xfeed_feed;
const JCEKS: u32 = 0xcece_cece;

pub(super) fn recognise(bytes: &[u8]) -> Option<Form> {
    let mut rest = Rest(bytes);
    let form = match rest.number()? {
        JKS => Form::Jks,
        JCEKS => Form::Jceks,
        _ => return None,
    };
    matches!(rest.number()?, 1 | 2).then_some(form)
}

pub(super) fn read(bytes: &[u8], store: &mut Keystore) {
    if entries(&mut Rest(bytes), store).is_none() && store.cut.is_none() {
        store.cut = Some("it is cut off or damaged");
    }
}

fn entries(rest: &mut Rest<'_>, store: &mut Keystore) -> Option<()> {
    let (_, version, count) = (rest.number()?, rest.number()?, rest.number()?);
    for _ in 0..count {
        if !store.has_room() {
            return None;
        }
        let kind = rest.number()?;
        let alias = rest.text()?;
        // When it was put there.
        rest.take(8)?;
        match kind {
            1 => {
                store.keys += 1;
                rest.block()?;
                for _ in 0..rest.number()? {
                    certificate(rest, version, &alias, false, store)?;
                }
            }
            2 => certificate(rest, version, &alias, true, store)?,
            3 => {
                store.keys += 1;
                store.cut = Some("what follows a secret key is not read here");
                return None;
            }
            _ => return None,
        }
    }
    Some(())
}

fn certificate(
    rest: &mut Rest<'_>,
    version: u32,
    alias: &str,
    trusted: bool,
    store: &mut Keystore,
) -> Option<()> {
    if !store.has_room() {
        return None;
    }
    if version == 2 && rest.text()? != "X.509" {
        store.unreadable += 1;
        rest.block()?;
        return Some(());
    }
    store.certificate(Some(alias), rest.block()?, trusted);
    Some(())
}

/// What is not read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4)?.try_into().ok().map(u32::from_be_bytes)
    }

    fn block(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(usize::try_from(length).ok()?)
    }

    /// Java's own UTF-8 differs only in letters that no alias has.
    fn text(&mut self) -> Option<String> {
        let length = self.take(2)?.try_into().ok().map(u16::from_be_bytes)?;
        Some(String::from_utf8_lossy(self.take(length.into())?).into_owned())
    }
}
