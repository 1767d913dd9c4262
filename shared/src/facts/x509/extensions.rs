//! The extensions of a certificate (RFC 5280, 4.2) that rules need, and the names of all others.

use super::name::Name;
use super::san::San;
use std::net::IpAddr;
use x509_parser::extensions::{self as parsed, GeneralName, ParsedExtension, X509Extension};

/// An extension and its mark: whether who does not understand it must refuse the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked<T> {
    /// Critical.
    pub critical: bool,
    /// What it says.
    pub value: T,
}

/// Basic constraints (4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority {
    /// Whether it may sign certificates.
    pub is_ca: bool,
    /// How many CAs may stand between it and a leaf.
    pub path_length: Option<u32>,
    /// Critical.
    pub critical: bool,
}

/// Whose key signed (4.2.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityKey {
    /// The signer's subject key identifier.
    pub id: Option<Vec<u8>>,
    /// Whether it also, or only, names the signer's own issuer and serial number.
    pub names_issuer: bool,
    /// The signer's serial number, as it is encoded.
    pub serial: Option<Vec<u8>>,
}

/// Key usages (4.2.1.3), bit by bit as they are numbered there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsages(pub u16);

impl KeyUsages {
    /// Signatures of TLS handshakes.
    pub const DIGITAL_SIGNATURE: Self = Self(1);
    /// Keys of sessions, enciphered with RSA.
    pub const KEY_ENCIPHERMENT: Self = Self(1 << 2);
    /// Signatures of certificates.
    pub const KEY_CERT_SIGN: Self = Self(1 << 5);
    /// Signatures of revocation lists.
    pub const CRL_SIGN: Self = Self(1 << 6);

    /// Whether it has all of these.
    pub fn has(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }

    /// Both together.
    #[must_use]
    pub fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Names of the set bits.
    pub fn names(self) -> Vec<&'static str> {
        const NAMES: [&str; 9] = [
            "digitalSignature",
            "nonRepudiation",
            "keyEncipherment",
            "dataEncipherment",
            "keyAgreement",
            "keyCertSign",
            "cRLSign",
            "encipherOnly",
            "decipherOnly",
        ];
        NAMES
            .iter()
            .enumerate()
            .filter(|(bit, _)| self.0 >> bit & 1 == 1)
            .map(|(_, n)| *n)
            .collect()
    }
}

/// Extended key usages (4.2.1.12).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExtendedUsages {
    /// `serverAuth`.
    pub server: bool,
    /// `clientAuth`.
    pub client: bool,
    /// `anyExtendedKeyUsage`.
    pub any: bool,
    /// All others, by name or object identifier.
    pub others: Vec<String>,
}

impl ExtendedUsages {
    /// Names of all.
    pub fn names(&self) -> Vec<&str> {
        let known = [
            (self.server, "serverAuth"),
            (self.client, "clientAuth"),
            (self.any, "anyExtendedKeyUsage"),
        ];
        let known = known.into_iter().filter(|(set, _)| *set).map(|(_, name)| name);
        known.chain(self.others.iter().map(String::as_str)).collect()
    }
}

/// Name constraints (4.2.1.10), as far as it matters whether they are fit to be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraints {
    /// How many subtrees are permitted.
    pub permitted: usize,
    /// How many are excluded.
    pub excluded: usize,
    /// Subtrees that are no valid ones, in words.
    pub unfit: Vec<String>,
}

/// An extension that nothing here looks into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// Its object identifier.
    pub oid: String,
    /// Critical.
    pub critical: bool,
}

/// All of a certificate's extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Authority key identifier.
    pub authority_key: Option<Marked<AuthorityKey>>,
    /// Subject key identifier.
    pub subject_key: Option<Marked<Vec<u8>>>,
    /// Basic constraints.
    pub authority: Option<Authority>,
    /// Key usages.
    pub usages: Option<Marked<KeyUsages>>,
    /// Extended key usages.
    pub extended: Option<Marked<ExtendedUsages>>,
    /// Subject alternative names.
    pub sans: Option<Marked<Vec<San>>>,
    /// Name constraints.
    pub constraints: Option<Marked<Constraints>>,
    /// `requireExplicitPolicy` and the like: `None` where there is no such extension.
    pub policy_constraints: Option<Marked<()>>,
    /// Extensions that are known and of no matter here, and those that nobody knows.
    pub others: Vec<Unknown>,
    /// Extensions whose content cannot be read, by object identifier.
    pub malformed: Vec<String>,
    /// Extensions that are there more than once, by object identifier; the first one counts.
    pub repeated: Vec<String>,
}

/// Known extensions that nothing here judges; critical or not, verifiers process them.
const HARMLESS: [&str; 9] = [
    "2.5.29.32",               // certificate policies
    "2.5.29.33",               // policy mappings
    "2.5.29.54",               // inhibit any policy
    "2.5.29.31",               // CRL distribution points
    "2.5.29.18",               // issuer alternative name
    "2.5.29.9",                // subject directory attributes
    "1.3.6.1.5.5.7.1.1",       // authority information access
    "1.3.6.1.5.5.7.1.11",      // subject information access
    "1.3.6.1.4.1.11129.2.4.2", // signed certificate timestamps
];

impl Extensions {
    pub(super) fn of(list: &[X509Extension<'_>]) -> Self {
        let mut known = Self::default();
        let mut seen: Vec<String> = Vec::new();
        for extension in list {
            let oid = extension.oid.to_id_string();
            if seen.contains(&oid) {
                if !known.repeated.contains(&oid) {
                    known.repeated.push(oid);
                }
                continue;
            }
            known.take(extension, &oid);
            seen.push(oid);
        }
        known
    }

    /// Whether an extension is one that verifiers must refuse if it is critical.
    pub fn is_unknown(unknown: &Unknown) -> bool {
        !HARMLESS.contains(&unknown.oid.as_str())
    }

    fn take(&mut self, extension: &X509Extension<'_>, oid: &str) {
        let critical = extension.critical;
        match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(key) => {
                let value = AuthorityKey {
                    id: key.key_identifier.as_ref().map(|id| id.0.to_vec()),
                    names_issuer: key.authority_cert_issuer.is_some()
                        || key.authority_cert_serial.is_some(),
                    serial: key.authority_cert_serial.map(<[u8]>::to_vec),
                };
                self.authority_key = Some(Marked { critical, value });
            }
            ParsedExtension::SubjectKeyIdentifier(id) => {
                self.subject_key = Some(Marked { critical, value: id.0.to_vec() });
            }
            ParsedExtension::BasicConstraints(basic) => {
                self.authority = Some(Authority {
                    is_ca: basic.ca,
                    path_length: basic.path_len_constraint,
                    critical,
                });
            }
            ParsedExtension::KeyUsage(usage) => {
                self.usages = Some(Marked { critical, value: KeyUsages(usage.flags) });
            }
            ParsedExtension::ExtendedKeyUsage(usage) => {
                self.extended = Some(Marked { critical, value: extended(usage) });
            }
            ParsedExtension::SubjectAlternativeName(names) => {
                let value = names.general_names.iter().map(san).collect();
                self.sans = Some(Marked { critical, value });
            }
            ParsedExtension::NameConstraints(constraints) => {
                self.constraints = Some(Marked { critical, value: subtrees(constraints) });
            }
            ParsedExtension::PolicyConstraints(_) => {
                self.policy_constraints = Some(Marked { critical, value: () });
            }
            ParsedExtension::ParseError { .. } => self.malformed.push(oid.to_owned()),
            _ => self.others.push(Unknown { oid: oid.to_owned(), critical }),
        }
    }
}

fn extended(usage: &parsed::ExtendedKeyUsage<'_>) -> ExtendedUsages {
    let named = [
        (usage.code_signing, "codeSigning"),
        (usage.email_protection, "emailProtection"),
        (usage.time_stamping, "timeStamping"),
        (usage.ocsp_signing, "OCSPSigning"),
    ];
    let named = named.into_iter().filter(|(set, _)| *set).map(|(_, name)| name.to_owned());
    ExtendedUsages {
        server: usage.server_auth,
        client: usage.client_auth,
        any: usage.any,
        others: named
            .chain(usage.other.iter().map(x509_parser::asn1_rs::Oid::to_id_string))
            .collect(),
    }
}

pub(super) fn san(name: &GeneralName<'_>) -> San {
    match name {
        GeneralName::DNSName(name) => San::Dns((*name).to_owned()),
        GeneralName::IPAddress(octets) => address(octets).map_or_else(
            || San::Other(format!("an IP address of {} octets", octets.len())),
            San::Ip,
        ),
        GeneralName::RFC822Name(address) => San::Other(format!("email:{address}")),
        GeneralName::URI(uri) => San::Other(format!("URI:{uri}")),
        GeneralName::DirectoryName(name) => San::Other(format!("directory:{}", Name::of(name))),
        GeneralName::OtherName(oid, _) => San::Other(format!("other name {}", oid.to_id_string())),
        GeneralName::RegisteredID(oid) => {
            San::Other(format!("registered ID {}", oid.to_id_string()))
        }
        GeneralName::X400Address(_) => San::Other("an X.400 address".to_owned()),
        GeneralName::EDIPartyName(_) => San::Other("an EDI party name".to_owned()),
        GeneralName::Invalid(tag, _) => {
            San::Other(format!("a name of kind {} that cannot be read", tag.0))
        }
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    <[u8; 4]>::try_from(octets)
        .map(IpAddr::from)
        .or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from))
        .ok()
}

fn subtrees(constraints: &parsed::NameConstraints<'_>) -> Constraints {
    let permitted = constraints.permitted_subtrees.as_deref().unwrap_or_default();
    let excluded = constraints.excluded_subtrees.as_deref().unwrap_or_default();
    let unfit = permitted.iter().chain(excluded).filter_map(|tree| unfit(&tree.base)).collect();
    Constraints { permitted: permitted.len(), excluded: excluded.len(), unfit }
}

/// What is wrong with a subtree: an address without a whole mask, a host name that is none.
fn unfit(base: &GeneralName<'_>) -> Option<String> {
    match base {
        GeneralName::IPAddress(octets) => {
            let half = octets.len() / 2;
            let mask = &octets[half..];
            let ones: u32 = mask.iter().map(|b| b.count_ones()).sum();
            let leading = mask.iter().take_while(|b| **b == 0xff).count() * 8
                + mask.iter().find(|b| **b != 0xff).map_or(0, |b| b.leading_ones() as usize);
            let fits = matches!(octets.len(), 8 | 32) && ones as usize == leading;
            (!fits).then(|| "an address whose mask is none".to_owned())
        }
        GeneralName::DNSName(name) => {
            let fits = name.is_ascii()
                && !name.contains('*')
                && !name.starts_with('.')
                && !name.contains("..");
            (!fits)
                .then(|| format!("`{}` is no host name", name.chars().take(64).collect::<String>()))
        }
        GeneralName::Invalid(..) => Some("a name that cannot be read".to_owned()),
        _ => None,
    }
}
