//! A certificate before it is signed.

use crate::Key;
use crate::der::{bits, integer, named_bits, octets, oid as dotted, sequence, wrap};
use std::net::IpAddr;

/// Object identifiers.
pub mod oid {
    /// Authority key identifier.
    pub const AKI: &str = "2.5.29.35";
    /// Subject key identifier.
    pub const SKI: &str = "2.5.29.14";
    /// Basic constraints.
    pub const BASIC: &str = "2.5.29.19";
    /// Key usage.
    pub const USAGE: &str = "2.5.29.15";
    /// Extended key usage.
    pub const EXTENDED: &str = "2.5.29.37";
    /// Subject alternative names.
    pub const SAN: &str = "2.5.29.17";
    /// Name constraints.
    pub const NAME_CONSTRAINTS: &str = "2.5.29.30";
    /// Policy constraints.
    pub const POLICY_CONSTRAINTS: &str = "2.5.29.36";
    /// For servers.
    pub const SERVER: &str = "1.3.6.1.5.5.7.3.1";
    /// For clients.
    pub const CLIENT: &str = "1.3.6.1.5.5.7.3.2";
    /// For anything.
    pub const ANY: &str = "2.5.29.37.0";
    /// ECDSA with SHA-256.
    pub const ECDSA_SHA256: &str = "1.2.840.10045.4.3.2";
    /// ECDSA with SHA-1.
    pub const ECDSA_SHA1: &str = "1.2.840.10045.4.1";
}

/// An extension.
#[derive(Clone, Debug)]
pub struct Extension {
    /// Its object identifier.
    pub oid: String,
    /// Whether it is critical.
    pub critical: bool,
    /// What is in its OCTET STRING.
    pub value: Vec<u8>,
}

/// A certificate before it is signed: every field can be changed.
#[derive(Clone, Debug)]
pub struct Draft {
    /// 2 for version 3; `None` for version 1.
    pub version: Option<u8>,
    /// The octets of the serial number.
    pub serial: Vec<u8>,
    /// The algorithm that the signed part names.
    pub inner: String,
    /// The algorithm that the signature names.
    pub outer: String,
    /// Common name and organisations of who signs.
    pub issuer: (String, Vec<String>),
    /// Common name and organisations of whose it is.
    pub subject: (String, Vec<String>),
    /// `YYYYMMDDhhmmssZ`.
    pub not_before: String,
    /// The same.
    pub not_after: String,
    /// Dates in the form of the other century.
    pub other_century: bool,
    /// The SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// The octets of an `issuerUniqueID`, which nobody uses and strict readers refuse.
    pub unique_id: Option<Vec<u8>>,
    /// Its extensions.
    pub extensions: Vec<Extension>,
    /// Bytes behind it.
    pub trailing: Vec<u8>,
}

/// Dates of good drafts: valid at the end of 2026.
const FROM: &str = "20260601000000Z";
const LEAF_UNTIL: &str = "20270601000000Z";
const CA_UNTIL: &str = "20330601000000Z";

impl Draft {
    /// A root: everything as it should be.
    pub fn root(name: &str, key: &Key) -> Self {
        let mut draft = Self::empty(name, name, key);
        CA_UNTIL.clone_into(&mut draft.not_after);
        draft.set(oid::BASIC, true, sequence(&[vec![1, 1, 0xff]]));
        draft.set(oid::USAGE, true, named_bits(&[0, 5, 6]));
        draft
    }

    /// A CA under another one.
    pub fn intermediate(name: &str, key: &Key, parent: &Self) -> Self {
        Self::root(name, key).under(parent)
    }

    /// A server under a CA, with these names; addresses are taken for what they are.
    pub fn server(name: &str, names: &[&str], key: &Key, parent: &Self) -> Self {
        Self::leaf(name, &[oid::SERVER], key, parent).with_names(names)
    }

    /// A client under a CA.
    pub fn client(name: &str, organizations: &[&str], key: &Key, parent: &Self) -> Self {
        let mut draft = Self::leaf(name, &[oid::CLIENT], key, parent);
        draft.subject.1 = organizations.iter().map(|o| (*o).to_owned()).collect();
        draft
    }

    fn leaf(name: &str, usages: &[&str], key: &Key, parent: &Self) -> Self {
        let mut draft = Self::empty(name, name, key).under(parent);
        draft.set(oid::BASIC, true, sequence(&[]));
        draft.set(oid::USAGE, true, named_bits(&[0]));
        draft.extended(usages);
        draft
    }

    fn empty(name: &str, issuer: &str, key: &Key) -> Self {
        let spki = key.spki();
        let mut draft = Self {
            version: Some(2),
            serial: serial(&spki, name),
            inner: oid::ECDSA_SHA256.to_owned(),
            outer: oid::ECDSA_SHA256.to_owned(),
            issuer: (issuer.to_owned(), Vec::new()),
            subject: (name.to_owned(), Vec::new()),
            not_before: FROM.to_owned(),
            not_after: LEAF_UNTIL.to_owned(),
            other_century: false,
            spki,
            unique_id: None,
            extensions: Vec::new(),
            trailing: Vec::new(),
        };
        let id = draft.key_id();
        draft.set(oid::SKI, false, octets(&id));
        draft
    }

    /// Signed by this CA: its name and its key identifier.
    #[must_use]
    pub fn under(mut self, parent: &Self) -> Self {
        self.issuer.clone_from(&parent.subject);
        self.set(oid::AKI, false, sequence(&[wrap(0x80, &parent.key_id())]));
        self
    }

    /// With these names and no others.
    #[must_use]
    pub fn with_names(mut self, names: &[&str]) -> Self {
        let names: Vec<Vec<u8>> = names
            .iter()
            .map(|name| match name.parse() {
                Ok(IpAddr::V4(address)) => wrap(0x87, &address.octets()),
                Ok(IpAddr::V6(address)) => wrap(0x87, &address.octets()),
                Err(_) => wrap(0x82, name.as_bytes()),
            })
            .collect();
        let critical = self.subject.0.is_empty();
        self.set(oid::SAN, critical, sequence(&names));
        self
    }

    /// With these extended usages and no others.
    pub fn extended(&mut self, usages: &[&str]) {
        let usages: Vec<Vec<u8>> = usages.iter().map(|usage| dotted(usage)).collect();
        self.set(oid::EXTENDED, false, sequence(&usages));
    }

    /// With these bits of the key usage, numbered as in RFC 5280.
    pub fn usage(&mut self, set: &[u8]) {
        self.set(oid::USAGE, true, named_bits(set));
    }

    /// Puts an extension, in the place of the one that is there.
    pub fn set(&mut self, oid: &str, critical: bool, value: Vec<u8>) {
        let new = Extension { oid: oid.to_owned(), critical, value };
        match self.extensions.iter_mut().find(|e| e.oid == oid) {
            Some(old) => *old = new,
            None => self.extensions.push(new),
        }
    }

    /// Takes an extension away.
    pub fn without(&mut self, oid: &str) {
        self.extensions.retain(|e| e.oid != oid);
    }

    /// Marks an extension that is there.
    pub fn mark(&mut self, oid: &str, critical: bool) {
        let extension = self.extensions.iter_mut().find(|e| e.oid == oid).expect("it is there");
        extension.critical = critical;
    }

    /// A key identifier of 20 octets.
    pub fn key_id(&self) -> Vec<u8> {
        ring::digest::digest(&ring::digest::SHA256, &self.spki).as_ref()[..20].to_vec()
    }

    /// The certificate, signed by this key.
    pub fn sign(&self, key: &Key) -> Vec<u8> {
        let body = self.body();
        let signature = key.sign(&body);
        let mut der = sequence(&[body, sequence(&[dotted(&self.outer)]), bits(&signature)]);
        der.extend(&self.trailing);
        der
    }

    /// The same as PEM.
    pub fn pem(&self, key: &Key) -> String {
        crate::key::pem("CERTIFICATE", &self.sign(key))
    }

    fn body(&self) -> Vec<u8> {
        let mut parts = Vec::new();
        if let Some(version) = self.version {
            parts.push(wrap(0xa0, &integer(&[version])));
        }
        parts.push(integer(&self.serial));
        parts.push(sequence(&[dotted(&self.inner)]));
        parts.push(name(&self.issuer));
        parts.push(sequence(&[self.date(&self.not_before), self.date(&self.not_after)]));
        parts.push(name(&self.subject));
        parts.push(self.spki.clone());
        if let Some(octets) = &self.unique_id {
            parts.push(wrap(0x81, &[&[0], octets.as_slice()].concat()));
        }
        if !self.extensions.is_empty() {
            let extensions: Vec<Vec<u8>> = self.extensions.iter().map(Extension::der).collect();
            parts.push(wrap(0xa3, &sequence(&extensions)));
        }
        sequence(&parts)
    }

    /// UTCTime to 2049, GeneralizedTime from 2050, or the other way round for the years that both can write.
    fn date(&self, text: &str) -> Vec<u8> {
        let year: u32 = text[..4].parse().expect("a year");
        let short = (1950..2050).contains(&year);
        if short == self.other_century {
            wrap(0x18, text.as_bytes())
        } else {
            wrap(0x17, &text.as_bytes()[2..])
        }
    }
}

impl Extension {
    fn der(&self) -> Vec<u8> {
        let mut parts = vec![dotted(&self.oid)];
        if self.critical {
            parts.push(vec![1, 1, 0xff]);
        }
        parts.push(octets(&self.value));
        sequence(&parts)
    }
}

/// Sixteen octets that are each key's and each name's own.
fn serial(spki: &[u8], name: &str) -> Vec<u8> {
    let digest = ring::digest::digest(&ring::digest::SHA256, &[spki, name.as_bytes()].concat());
    let mut octets = digest.as_ref()[..16].to_vec();
    // Positive, and of full length.
    octets[0] = octets[0] & 0x7f | 0x40;
    octets
}

fn name((common_name, organizations): &(String, Vec<String>)) -> Vec<u8> {
    let part =
        |oid: &str, text: &str| wrap(0x31, &sequence(&[dotted(oid), wrap(0x0c, text.as_bytes())]));
    let mut parts: Vec<Vec<u8>> = organizations.iter().map(|o| part("2.5.4.10", o)).collect();
    if !common_name.is_empty() {
        parts.push(part("2.5.4.3", common_name));
    }
    sequence(&parts)
}
