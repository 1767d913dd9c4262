//! Distinguished names.

use std::fmt;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::X509Name;

/// A distinguished name: what is compared, and what people read.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// The DER of the whole name. Chains are built by comparing it byte for byte, as Go and rustls do.
    der: Box<[u8]>,
    text: Box<str>,
    common_names: Vec<String>,
    organizations: Vec<String>,
}

impl Name {
    pub(super) fn of(name: &X509Name<'_>) -> Self {
        let texts = |values: Vec<&x509_parser::x509::AttributeTypeAndValue<'_>>| {
            values.into_iter().map(|v| v.as_str().unwrap_or("?").to_owned()).collect()
        };
        Self {
            der: name.as_raw().into(),
            text: name.to_string().into(),
            common_names: texts(name.iter_common_name().collect()),
            organizations: texts(name.iter_organization().collect()),
        }
    }

    /// Reads DER; `None` for what is no name, or has more behind it.
    pub fn from_der(bytes: &[u8]) -> Option<Self> {
        let (rest, name) = X509Name::from_der(bytes).ok()?;
        rest.is_empty().then(|| Self::of(&name))
    }

    /// The DER of the whole name.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        // An empty SEQUENCE.
        *self.der == [0x30, 0]
    }

    /// The last common name, which is the one that Kubernetes takes for the user.
    pub fn common_name(&self) -> Option<&str> {
        self.common_names.last().map(String::as_str)
    }

    /// Organisations, which Kubernetes takes for groups.
    pub fn organizations(&self) -> Vec<&str> {
        self.organizations.iter().map(String::as_str).collect()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() { f.write_str("(no name)") } else { f.write_str(&self.text) }
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.text)
    }
}
