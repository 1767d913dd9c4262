//! Key stores of Java and of PKCS#12: the certificates in them, and never a key.
//!
//! Certificates of a JKS need no password. Those of PKCS#12 often stand under one, which is tried only where it is none:
//! the empty one and Java's `changeit`.

mod jks;
mod pkcs12;

use super::x509::{Certificate, FILE_LIMIT};
use std::fmt;

/// Entries that are read of one store; a system's whole trust is below 200.
const ENTRY_LIMIT: usize = 10_000;

/// What a key store holds, as far as it can be seen.
#[derive(Clone, Debug)]
pub struct Keystore {
    /// In which form.
    pub form: Form,
    /// Certificates, in order.
    pub certificates: Vec<Entry>,
    /// Certificates that nobody can read.
    pub unreadable: usize,
    /// Private or secret keys, of which nothing else is known.
    pub keys: usize,
    /// Parts that stand under a password which is none of those that are tried, or under a cipher that is not read here.
    pub locked: usize,
    /// What opened parts that stand under a password.
    pub opened_by: Option<Password>,
    /// Why reading ended before the end, where it did.
    pub cut: Option<&'static str>,
}

/// A certificate in a key store.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the store calls it; chains of keys have several certificates under one name.
    pub alias: Option<String>,
    /// It.
    pub certificate: Certificate,
    /// Whether it stands there to be trusted rather than to be shown with a key.
    pub trusted: bool,
}

/// Forms of key stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Form {
    /// Java's own.
    Jks,
    /// Java's own with other ciphers.
    Jceks,
    /// RFC 7292.
    Pkcs12,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Jks => "JKS",
            Self::Jceks => "JCEKS",
            Self::Pkcs12 => "PKCS#12",
        })
    }
}

/// Passwords that keep nobody out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Password {
    /// No letter.
    Empty,
    /// The one of Java's documentation.
    Changeit,
}

impl Password {
    const ALL: [Self; 2] = [Self::Empty, Self::Changeit];

    fn letters(self) -> &'static str {
        match self {
            Self::Empty => "",
            Self::Changeit => "changeit",
        }
    }
}

/// Which form these bytes have; `None` for what is no key store.
pub fn recognise(bytes: &[u8]) -> Option<Form> {
    jks::recognise(bytes).or_else(|| pkcs12::recognise(bytes))
}

/// Reads a key store; `None` for what is none.
pub fn read(bytes: &[u8]) -> Option<Keystore> {
    let form = recognise(bytes)?;
    let mut store = Keystore::new(form);
    if bytes.len() > FILE_LIMIT {
        store.cut = Some("it is too long");
        return Some(store);
    }
    match form {
        Form::Jks | Form::Jceks => jks::read(bytes, &mut store),
        Form::Pkcs12 => pkcs12::read(bytes, &mut store),
    }
    Some(store)
}

impl Keystore {
    fn new(form: Form) -> Self {
        Self {
            form,
            certificates: Vec::new(),
            unreadable: 0,
            keys: 0,
            locked: 0,
            opened_by: None,
            cut: None,
        }
    }

    fn certificate(&mut self, alias: Option<&str>, der: &[u8], trusted: bool) {
        match Certificate::from_der(der) {
            Ok(certificate) => {
                let alias = alias.map(str::to_owned);
                self.certificates.push(Entry { alias, certificate, trusted });
            }
            Err(_) => self.unreadable += 1,
        }
    }

    /// Whether there is room for one more.
    fn has_room(&mut self) -> bool {
        let full = self.certificates.len() + self.unreadable + self.keys >= ENTRY_LIMIT;
        if full {
            self.cut = Some("it has too many entries");
        }
        !full
    }
}
