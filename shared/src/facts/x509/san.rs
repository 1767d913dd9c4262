//! Names under which a peer is reached: subject alternative names (RFC 5280, 4.2.1.6), and names as people type them.

use std::fmt;
use std::net::IpAddr;

/// Characters of a host name (RFC 1034, 3.1, without the last dot).
const NAME_LIMIT: usize = 253;
/// Characters of a label.
const LABEL_LIMIT: usize = 63;
/// Characters of somebody's input that an error repeats.
const SHOWN: usize = 64;

/// One name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum San {
    /// A host name, `dNSName`. Parsed ones are in lower case and without a trailing dot; read ones are as they stand.
    Dns(String),
    /// An address, `iPAddress`.
    Ip(IpAddr),
    /// Another kind of name, or one that cannot be read: e-mail, URI, directory. The text says which and what.
    Other(String),
}

/// Why a text is no name of a peer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SanError {
    /// It says nothing.
    #[error("a name is empty")]
    Empty,
    /// It has too many characters.
    #[error("a name is longer than {NAME_LIMIT} characters")]
    TooLong,
    /// A label is empty, too long, or has characters that no host name has (RFC 1123, 2.1).
    #[error("`{name}` is no host name: `{label}` is no label of one")]
    Label {
        /// The name.
        name: String,
        /// What is wrong in it.
        label: String,
    },
    /// A range where an address is meant.
    #[error("`{0}` is a range of addresses; name each address")]
    Range(String),
    /// A wildcard anywhere but as the whole first label of at least three.
    #[error(
        "`{0}` has a wildcard that clients do not understand; it must be the whole first label of three or more"
    )]
    Wildcard(String),
    /// Numbers and dots that are no address.
    #[error("`{0}` is neither an address nor a host name")]
    Address(String),
}

impl San {
    /// A name as it is typed: `kubernetes.default`, `*.example.com`, `10.0.0.1`, `::1`, also with `DNS:` or `IP:` first.
    ///
    /// One label is enough. Labels follow RFC 1123, 2.1, as names of nodes do; an underscore, which Go takes, is none.
    pub fn parse(text: &str) -> Result<Self, SanError> {
        let text = text.trim();
        if let Some(address) = text.strip_prefix("IP:") {
            let address = address.trim();
            return address.parse().map(Self::Ip).map_err(|_| not_an_address(address));
        }
        let name = if let Some(name) = text.strip_prefix("DNS:") {
            name.trim()
        } else {
            let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
            if let Ok(address) = bare.parse() {
                return Ok(Self::Ip(address));
            }
            text
        };
        if name.contains('/') {
            return Err(SanError::Range(short(name)));
        }
        dns(name).map(Self::Dns)
    }

    /// Whether a certificate with this name may be shown by a peer that is reached under the other name (RFC 9525, 6.3).
    ///
    /// A wildcard stands for exactly one label. Letters are compared without case.
    pub fn covers(&self, peer: &Self) -> bool {
        match (self, peer) {
            (Self::Ip(a), Self::Ip(b)) => a == b,
            (Self::Dns(own), Self::Dns(peer)) => {
                let own = own.trim_end_matches('.');
                if own.eq_ignore_ascii_case(peer) {
                    return true;
                }
                let rest = own.strip_prefix("*.");
                let parent = peer.split_once('.').map(|(_, parent)| parent);
                matches!((rest, parent), (Some(rest), Some(parent)) if rest.contains('.') && rest.eq_ignore_ascii_case(parent))
            }
            (Self::Other(a), Self::Other(b)) => a == b,
            (Self::Dns(_) | Self::Ip(_) | Self::Other(_), _) => false,
        }
    }
}

impl fmt::Display for San {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => write!(f, "DNS:{name}"),
            Self::Ip(address) => write!(f, "IP:{address}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

fn not_an_address(text: &str) -> SanError {
    if text.contains('/') { SanError::Range(short(text)) } else { SanError::Address(short(text)) }
}

fn short(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}

/// A host name in lower case and without its last dot.
fn dns(name: &str) -> Result<String, SanError> {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    if name.is_empty() {
        return Err(SanError::Empty);
    }
    if name.len() > NAME_LIMIT {
        return Err(SanError::TooLong);
    }
    let labels: Vec<&str> = name.split('.').collect();
    for (index, label) in labels.iter().enumerate() {
        if label.contains('*') {
            if index == 0 && *label == "*" && labels.len() > 2 {
                continue;
            }
            return Err(SanError::Wildcard(short(&name)));
        }
        if !is_label(label) {
            return Err(SanError::Label { name: short(&name), label: short(label) });
        }
    }
    // `1.2.3.400`: resolvers read it as an address, so no client ever compares it with a name.
    if labels.last().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit())) {
        return Err(SanError::Address(short(&name)));
    }
    Ok(name)
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_LIMIT).contains(&label.len())
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_as_they_are_typed() {
        let dns = |name: &str| Ok(San::Dns(name.to_owned()));
        let ip = |address: &str| Ok(San::Ip(address.parse().expect("an address")));
        let label = |name: &str, label: &str| {
            Err(SanError::Label { name: name.into(), label: label.into() })
        };
        for (text, expected) in [
            ("kubernetes", dns("kubernetes")),
            (" Kubernetes.Default.svc. ", dns("kubernetes.default.svc")),
            ("DNS:api.example", dns("api.example")),
            ("node_1.x", label("node_1.x", "node_1")),
            ("*.example.com", dns("*.example.com")),
            ("10.254.0.1", ip("10.254.0.1")),
            ("IP:10.254.0.1", ip("10.254.0.1")),
            ("::1", ip("::1")),
            ("[fd00::1]", ip("fd00::1")),
            ("", Err(SanError::Empty)),
            (".", Err(SanError::Empty)),
            ("10.0.0.0/8", Err(SanError::Range("10.0.0.0/8".into()))),
            ("IP:10.0.0.0/8", Err(SanError::Range("10.0.0.0/8".into()))),
            ("10.0.0.256", Err(SanError::Address("10.0.0.256".into()))),
            ("DNS:10.0.0.1", Err(SanError::Address("10.0.0.1".into()))),
            ("IP:x", Err(SanError::Address("x".into()))),
            ("a..b", label("a..b", "")),
            ("-a.b", label("-a.b", "-a")),
            ("grün.example", label("grün.example", "grün")),
            ("*.com", Err(SanError::Wildcard("*.com".into()))),
            ("*", Err(SanError::Wildcard("*".into()))),
            ("a*.b.c", Err(SanError::Wildcard("a*.b.c".into()))),
            ("a.*.c", Err(SanError::Wildcard("a.*.c".into()))),
        ] {
            assert_eq!(San::parse(text), expected, "{text}");
        }
        assert_eq!(San::parse(&"a.".repeat(200)), Err(SanError::TooLong));
        let long = "a".repeat(64);
        assert_eq!(San::parse(&long), label(&long, &long));
    }

    #[test]
    fn what_a_name_covers() {
        for (own, peer, covers) in [
            ("kubernetes", "kubernetes", true),
            ("KUBERNETES.default", "kubernetes.default", true),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "a.b.example.com", false),
            ("*.com", "example.com", false),
            ("a.example.com", "*.example.com", false),
        ] {
            let (own, peer) = (San::Dns(own.into()), San::Dns(peer.into()));
            assert_eq!(own.covers(&peer), covers, "{own} {peer}");
        }
        let address = San::parse("10.0.0.1").expect("an address");
        assert!(address.covers(&address));
        assert!(
            !San::Dns("10.0.0.1".into()).covers(&address),
            "an address as a name is compared by nobody"
        );
    }
}
