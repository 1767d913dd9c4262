//! What one certificate is for, and what follows from that for its fields.

use crate::facts::x509::{Certificate, ExtendedUsages, KeyKind, KeyUsages, San};
use jiff::SignedDuration;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RowKind {
    /// It signs others.
    Authority,
    /// It is shown by a server.
    Server,
    /// It is shown by a client.
    Client,
    /// It is shown by both, as etcd's are.
    Peer,
}

/// What a certificate must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowRules {
    /// What it is for.
    pub kind: RowKind,
    /// Its common name, exactly; `None` for any.
    pub common_name: Option<String>,
    /// Its organisations, exactly; `None` for any.
    pub organizations: Option<Vec<String>>,
    /// Names that it must cover.
    pub sans: Vec<San>,
    /// The longest life; `None` for a year, ten years for a CA.
    pub lifetime: Option<SignedDuration>,
}

const DAY: i64 = 24 * 60 * 60;
/// A year, and the day that a leap year, back-dating and the edges of days need.
const LEAF_LIFE: SignedDuration = SignedDuration::from_secs(366 * DAY);
/// Ten years with their leap days, and the same day.
const CA_LIFE: SignedDuration = SignedDuration::from_secs((3653 + 1) * DAY);

impl RowRules {
    /// Rules that ask for nothing but the kind.
    pub fn of(kind: RowKind) -> Self {
        Self { kind, common_name: None, organizations: None, sans: Vec::new(), lifetime: None }
    }

    /// What the certificate itself says that it is for; who says nothing is a server if it has names.
    pub fn inferred(certificate: &Certificate) -> Self {
        let extended = certificate.extended();
        let server = extended.is_some_and(|e| e.server || e.any);
        let client = extended.is_some_and(|e| e.client || e.any);
        let signs = certificate.usages().is_some_and(|u| u.has(KeyUsages::KEY_CERT_SIGN));
        let nameless = certificate.sans().is_empty();
        let kind = match (server, client) {
            _ if certificate.is_ca() => RowKind::Authority,
            (true, true) => RowKind::Peer,
            (false, true) => RowKind::Client,
            (false, false) if signs && nameless => RowKind::Authority,
            (false, false) if nameless => RowKind::Client,
            (true | false, false) => RowKind::Server,
        };
        Self::of(kind)
    }

    /// The longest life.
    pub fn longest(&self) -> SignedDuration {
        self.lifetime.unwrap_or(match self.kind {
            RowKind::Authority => CA_LIFE,
            RowKind::Server | RowKind::Client | RowKind::Peer => LEAF_LIFE,
        })
    }

    /// Key usages for a key of this kind.
    pub fn usages(&self, key: &KeyKind) -> KeyUsages {
        let signature = KeyUsages::DIGITAL_SIGNATURE;
        match self.kind {
            RowKind::Authority => {
                signature.with(KeyUsages::KEY_CERT_SIGN).with(KeyUsages::CRL_SIGN)
            }
            RowKind::Server | RowKind::Client | RowKind::Peer if key.enciphers() => {
                signature.with(KeyUsages::KEY_ENCIPHERMENT)
            }
            RowKind::Server | RowKind::Client | RowKind::Peer => signature,
        }
    }

    /// Extended key usages; `None` for a CA.
    pub fn extended(&self) -> Option<ExtendedUsages> {
        let (server, client) = match self.kind {
            RowKind::Authority => return None,
            RowKind::Server => (true, false),
            RowKind::Client => (false, true),
            RowKind::Peer => (true, true),
        };
        Some(ExtendedUsages { server, client, ..ExtendedUsages::default() })
    }
}

impl RowKind {
    /// Whether a peer reaches it by a name.
    pub fn serves(self) -> bool {
        matches!(self, Self::Server | Self::Peer)
    }

    /// As it is said.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authority => "CA",
            Self::Server => "server",
            Self::Client => "client",
            Self::Peer => "server and client",
        }
    }
}
