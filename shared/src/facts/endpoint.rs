//! What a TLS server shows to anybody who asks, without being believed.

use super::x509::{Certificate, Name};
use std::fmt;

/// What came to light in one handshake.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The address that answered.
    pub address: std::net::SocketAddr,
    /// The newest version that both sides speak.
    pub protocol: Protocol,
    /// The certificates as the server sends them: its own first.
    pub chain: Vec<Certificate>,
    /// Certificates among them that nobody can read, each with the reason.
    pub unreadable: Vec<String>,
    /// What it asks of clients; `None` where it wants no certificate of them.
    pub asks: Option<Asked>,
}

/// A server's request for a client certificate.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Names of the CAs that it says it accepts. Empty: it does not say, which leaves all of them possible.
    pub names: Vec<Name>,
    /// Names among them that nobody can read.
    pub unreadable: usize,
    /// Whether it ends the connection of a client without one; `None` where it said nothing either way in time.
    pub required: Option<bool>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "TLS 1.2",
            Self::Tls13 => "TLS 1.3",
        })
    }
}
