//! What a layout wants to know from the command line, each value checked as what it is.

use super::template::Values;
use rotation_core::facts::x509::San;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// Addresses of a subnet that go into one certificate: what a /22 has. Each takes six bytes of every handshake.
pub(crate) const SUBNET_LIMIT: u64 = 1024;

/// An input of a layout.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Input {
    /// What it is, for people.
    pub(crate) about: String,
    /// What it has to be.
    pub(crate) kind: InputKind,
    /// Its value where none is given.
    #[serde(default)]
    pub(crate) default: Option<String>,
    /// Whether it may be left out.
    #[serde(default)]
    pub(crate) optional: bool,
}

/// What an input has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum InputKind {
    /// A word that may become part of a path.
    Name,
    /// A host name or an address.
    Host,
    /// An address.
    Address,
    /// A subnet, which stands for each of its addresses.
    Subnet,
    /// A host and a port.
    Server,
    /// Set or not.
    Flag,
}

/// Why the inputs do not fit the layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InputError {
    /// The layout has no such input.
    #[error("layout `{layout}` does not know `{name}`; it knows {known}")]
    Unknown {
        /// The layout.
        layout: String,
        /// The input.
        name: String,
        /// Those it has.
        known: String,
    },
    /// Needed and not given.
    #[error("layout `{layout}` needs `--{name}`: {about}")]
    Missing {
        /// The layout.
        layout: String,
        /// The input.
        name: String,
        /// What it is.
        about: String,
    },
    /// Not what it has to be.
    #[error("`{name}` cannot be `{value}`: {why}")]
    Wrong {
        /// The input.
        name: String,
        /// What was given.
        value: String,
        /// Why not.
        why: String,
    },
}

/// The values of all inputs.
pub(crate) fn values(
    layout: &super::Layout,
    given: &BTreeMap<String, String>,
) -> Result<Values, InputError> {
    let mut values = Values::default();
    for name in given.keys() {
        if !layout.inputs.contains_key(name) {
            let known: Vec<&str> = layout.inputs.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let layout = layout.name.clone();
            return Err(InputError::Unknown { layout, name: name.clone(), known });
        }
    }
    for (name, input) in &layout.inputs {
        let parsed = match given.get(name).or(input.default.as_ref()) {
            Some(text) => parse(input.kind, text).map_err(|why| InputError::Wrong {
                name: name.clone(),
                value: text.clone(),
                why,
            })?,
            None if input.optional || input.kind == InputKind::Flag => Vec::new(),
            None => {
                return Err(InputError::Missing {
                    layout: layout.name.clone(),
                    name: name.clone(),
                    about: input.about.clone(),
                });
            }
        };
        values.set(name, parsed);
    }
    Ok(values)
}

fn parse(kind: InputKind, text: &str) -> Result<Vec<String>, String> {
    let one = |value: String| Ok(vec![value]);
    match kind {
        InputKind::Name => {
            let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if text.is_empty() || text.starts_with('.') || !text.chars().all(good) {
                return Err("a name has letters, digits, `-`, `_` and `.` only".to_owned());
            }
            one(text.to_owned())
        }
        InputKind::Host => match San::parse(text).map_err(|why| why.to_string())? {
            San::Dns(name) => one(name),
            San::Ip(address) => one(address.to_string()),
            San::Other(_) => Err("it is neither an address nor a host name".to_owned()),
        },
        InputKind::Address => match text.parse::<IpAddr>() {
            Ok(address) => one(address.to_string()),
            Err(_) => Err("it is no address".to_owned()),
        },
        InputKind::Subnet => subnet(text),
        InputKind::Server => server(text).map(|_| vec![text.to_owned()]),
        InputKind::Flag => match text {
            "true" => one("true".to_owned()),
            "false" => Ok(Vec::new()),
            _ => Err("it is `true` or `false`".to_owned()),
        },
    }
}

/// The host of `host:port`.
pub(crate) fn server(text: &str) -> Result<String, String> {
    let (host, port) = text.rsplit_once(':').ok_or("it has no port; write HOST:PORT")?;
    port.parse::<u16>().map_err(|_| "its port is no number from 0 to 65535".to_owned())?;
    if host.contains(':') && !host.starts_with('[') {
        return Err("an IPv6 address stands in brackets: [::1]:6443".to_owned());
    }
    match San::parse(host).map_err(|why| why.to_string())? {
        San::Dns(name) => Ok(name),
        San::Ip(address) => Ok(address.to_string()),
        San::Other(_) => Err("it is neither an address nor a host name".to_owned()),
    }
}

/// Every address of a subnet that a machine can have: without network and broadcast address.
fn subnet(text: &str) -> Result<Vec<String>, String> {
    let (address, length) = text.split_once('/').ok_or("it is no subnet; write ADDRESS/LENGTH")?;
    let address: Ipv4Addr = address.parse().map_err(|_| {
        "only IPv4 subnets are written out; name IPv6 addresses with --san or --hosts".to_owned()
    })?;
    let length: u32 =
        length.parse().ok().filter(|n| *n <= 32).ok_or("its length is no number from 0 to 32")?;
    let size = 1_u64 << (32 - length);
    if size > SUBNET_LIMIT {
        return Err(format!(
            "it has {size} addresses, and at most {SUBNET_LIMIT} go into one certificate; name the machines with --hosts"
        ));
    }
    let first = u64::from(address.to_bits()) & !(size - 1);
    if first != u64::from(address.to_bits()) {
        let first = Ipv4Addr::from_bits(u32::try_from(first).unwrap_or_default());
        return Err(format!("it does not begin at {address}; write {first}/{length}"));
    }
    let used = if size > 2 { first + 1..first + size - 1 } else { first..first + size };
    Ok(used
        .filter_map(|n| u32::try_from(n).ok())
        .map(|n| Ipv4Addr::from_bits(n).to_string())
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_written_out_to_a_limit() {
        assert_eq!(subnet("10.9.20.0/24").expect("a subnet").len(), 254);
        assert_eq!(subnet("10.9.20.0/30"), Ok(vec!["10.9.20.1".into(), "10.9.20.2".into()]));
        assert_eq!(subnet("10.9.20.7/32"), Ok(vec!["10.9.20.7".into()]));
        assert_eq!(subnet("10.9.20.6/31").expect("two").len(), 2);
        for (text, part) in [
            ("10.0.0.0/8", "16777216 addresses, and at most 1024"),
            ("0.0.0.0/0", "4294967296 addresses"),
            ("10.9.20.5/24", "write 10.9.20.0/24"),
            ("10.9.20.0", "no subnet"),
            ("10.9.20.0/33", "0 to 32"),
            ("fd00::/120", "IPv4"),
        ] {
            let why = subnet(text).expect_err(text);
            assert!(why.contains(part), "{text}: {why}");
        }
    }

    #[test]
    fn each_kind_takes_only_what_it_is() {
        for (kind, text, good) in [
            (InputKind::Name, "default", true),
            (InputKind::Name, "../up", false),
            (InputKind::Name, "..", false),
            (InputKind::Name, "", false),
            (InputKind::Host, "kubernetes.api", true),
            (InputKind::Host, "10.0.0.1", true),
            (InputKind::Host, "a b", false),
            (InputKind::Address, "10.254.0.1", true),
            (InputKind::Address, "kubernetes", false),
            (InputKind::Server, "lb.example:6443", true),
            (InputKind::Server, "[::1]:6443", true),
            (InputKind::Server, "::1:6443", false),
            (InputKind::Server, "lb.example", false),
            (InputKind::Flag, "yes", false),
        ] {
            assert_eq!(parse(kind, text).is_ok(), good, "{kind:?} {text}");
        }
    }
}
