//! Paths and queries of requests.

use crate::facts::selector::Selector;
use std::fmt::Write as _;

/// Which namespaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of them, with one request.
    All,
    /// These, with one request each.
    These(Vec<String>),
}

impl Scope {
    /// One namespace.
    pub fn one(namespace: impl Into<String>) -> Self {
        Self::These(vec![namespace.into()])
    }

    /// Namespaces as they stand in a path; `None` is all of them. No namespace is named twice.
    pub(super) fn parts(&self) -> Vec<Option<&str>> {
        match self {
            Self::All => vec![None],
            Self::These(names) => {
                let mut names: Vec<Option<&str>> = names.iter().map(|n| Some(n.as_str())).collect();
                names.sort_unstable();
                names.dedup();
                names
            }
        }
    }
}

/// Which pods.
#[derive(Clone, Debug)]
pub struct PodQuery<'a> {
    /// Where.
    pub namespaces: Scope,
    /// With which labels.
    pub labels: Option<&'a Selector>,
    /// `fieldSelector`, for example `spec.nodeName=n1`.
    pub fields: Option<String>,
}

/// A collection: prefix of the group, namespace, plural.
pub(super) fn collection(prefix: &str, namespace: Option<&str>, plural: &str) -> String {
    match namespace {
        Some(namespace) => format!("{prefix}/namespaces/{}/{plural}", encode(namespace)),
        None => format!("{prefix}/{plural}"),
    }
}

/// A collection, and conditions on what of it.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub(super) path: String,
    conditions: String,
}

impl Listing {
    pub(super) fn new(path: String) -> Self {
        Self { path, conditions: String::new() }
    }

    pub(super) fn with(mut self, key: &str, value: &str) -> Self {
        let _ = write!(self.conditions, "&{key}={}", encode(value));
        self
    }

    pub(super) fn labels(self, selector: Option<&Selector>) -> Self {
        match selector.filter(|s| !s.is_empty()) {
            Some(selector) => self.with("labelSelector", &selector.to_string()),
            None => self,
        }
    }

    pub(super) fn fields(self, fields: Option<&str>) -> Self {
        match fields.filter(|f| !f.is_empty()) {
            Some(fields) => self.with("fieldSelector", fields),
            None => self,
        }
    }

    /// The listing's path with its conditions and these first parameters.
    pub(super) fn asking(&self, first: &str) -> String {
        format!("{}?{first}{}", self.path, self.conditions)
    }
}

/// Percent-encodes everything but the unreserved characters.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_encoded() {
        let selector = Selector::parse("a in (x,y),!b").expect("selector");
        let listing = Listing::new(collection("/api/v1", Some("kube-system"), "pods"))
            .labels(Some(&selector))
            .fields(Some("spec.nodeName=n/1"));
        assert_eq!(
            listing.asking("limit=500"),
            "/api/v1/namespaces/kube-system/pods?limit=500&labelSelector=a%20in%20%28x%2Cy%29%2C%21b&fieldSelector=spec.nodeName%3Dn%2F1"
        );
    }

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        assert_eq!(
            collection("/api/v1", Some("../secrets?x"), "pods"),
            "/api/v1/namespaces/..%2Fsecrets%3Fx/pods"
        );
    }
}
