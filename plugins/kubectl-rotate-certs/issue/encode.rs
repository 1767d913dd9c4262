//! What is signed, as bytes: certificates (RFC 5280) and requests (RFC 2986). Every field is set on purpose.

use der::asn1::{Any, BitString, OctetString, Uint};
use der::oid::AssociatedOid;
use der::{Decode as _, Encode as _, Sequence, ValueOrd};
use jiff::Timestamp;
use rotation_core::facts::private_key::KeyType;
use rotation_core::facts::x509::San;
use spki::{AlgorithmIdentifierOwned, ObjectIdentifier, SubjectPublicKeyInfoOwned};
use std::net::IpAddr;
use x509_cert::attr::Attributes;
use x509_cert::der::flagset::FlagSet;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages,
    SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::name::Name;
use x509_cert::request::{CertReqInfo, ExtensionReq, Version};
use x509_cert::time::Validity;

const RSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const CLIENT_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
/// From this second on, dates are written with four digits of the year (RFC 5280, 4.1.2.5).
const YEAR_2050: i64 = 2_524_608_000;

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Signs certificates; how many authorities may stand below it, where that is limited.
    Authority(Option<u8>),
    /// Is presented.
    Leaf {
        /// By a server.
        server: bool,
        /// By a client.
        client: bool,
    },
}

/// The fields of a certificate.
pub(crate) struct Fields<'a> {
    /// Twenty octets at most, positive.
    pub(crate) serial: &'a [u8],
    /// DER of the issuer's name, byte by byte as the issuer's own certificate has it.
    pub(crate) issuer: &'a [u8],
    /// DER of the subject's name.
    pub(crate) subject: &'a [u8],
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// The public key.
    pub(crate) spki: &'a [u8],
    /// Whether that is an RSA key.
    pub(crate) rsa: bool,
    pub(crate) role: Role,
    pub(crate) sans: &'a [San],
    /// Key identifiers of the subject and of the issuer.
    pub(crate) subject_id: &'a [u8],
    pub(crate) issuer_id: &'a [u8],
    /// The kind of key that will sign.
    pub(crate) signer: KeyType,
}

/// A `TBSCertificate`. Names and keys are kept as the bytes that they are.
#[derive(Sequence)]
struct ToBeSigned {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial: Uint,
    signature: AlgorithmIdentifierOwned,
    issuer: Any,
    validity: Validity,
    subject: Any,
    spki: Any,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Extensions,
}

#[derive(Sequence)]
struct Signed {
    content: Any,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

/// The part of a certificate that is signed.
pub(crate) fn to_be_signed(fields: &Fields<'_>) -> der::Result<Vec<u8>> {
    ToBeSigned {
        version: 2,
        serial: Uint::new(fields.serial)?,
        signature: algorithm(fields.signer),
        issuer: Any::from_der(fields.issuer)?,
        validity: Validity::new(time(fields.not_before)?, time(fields.not_after)?),
        subject: Any::from_der(fields.subject)?,
        spki: Any::from_der(fields.spki)?,
        extensions: extensions(fields)?,
    }
    .to_der()
}

/// The signed part, its algorithm and its signature as one: a certificate or a request.
pub(crate) fn signed(content: &[u8], signer: KeyType, signature: &[u8]) -> der::Result<Vec<u8>> {
    let content = Any::from_der(content)?;
    let signature = BitString::from_bytes(signature)?;
    Signed { content, algorithm: algorithm(signer), signature }.to_der()
}

fn algorithm(signer: KeyType) -> AlgorithmIdentifierOwned {
    match signer {
        // RFC 4055, 5: the parameters are there, and NULL.
        KeyType::Rsa(_) => {
            AlgorithmIdentifierOwned { oid: RSA_SHA256, parameters: Some(Any::null()) }
        }
        // RFC 5758, 3.2: there are none.
        KeyType::P256 => AlgorithmIdentifierOwned { oid: ECDSA_SHA256, parameters: None },
        KeyType::P384 => AlgorithmIdentifierOwned { oid: ECDSA_SHA384, parameters: None },
    }
}

fn time(at: Timestamp) -> der::Result<x509_cert::time::Time> {
    let seconds = u64::try_from(at.as_second()).map_err(|_| der::ErrorKind::DateTime)?;
    let since = std::time::Duration::from_secs(seconds);
    if at.as_second() < YEAR_2050 {
        der::asn1::UtcTime::from_unix_duration(since).map(Into::into)
    } else {
        der::asn1::GeneralizedTime::from_unix_duration(since).map(Into::into)
    }
}

fn extensions(fields: &Fields<'_>) -> der::Result<Extensions> {
    let authority = BasicConstraints {
        ca: matches!(fields.role, Role::Authority(_)),
        path_len_constraint: match fields.role {
            Role::Authority(limit) => limit,
            Role::Leaf { .. } => None,
        },
    };
    let mut all = vec![
        extension(&authority, true)?,
        extension(&KeyUsage(usages(fields.role, fields.rsa)), true)?,
    ];
    if let Role::Leaf { server, client } = fields.role {
        let purposes = [(server, SERVER_AUTH), (client, CLIENT_AUTH)];
        let purposes = purposes.into_iter().filter_map(|(wanted, oid)| wanted.then_some(oid));
        all.push(extension(&ExtendedKeyUsage(purposes.collect()), false)?);
    }
    let id = SubjectKeyIdentifier(OctetString::new(fields.subject_id)?);
    all.push(extension(&id, false)?);
    let issuer = AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::new(fields.issuer_id)?),
        ..AuthorityKeyIdentifier::default()
    };
    all.push(extension(&issuer, false)?);
    if !fields.sans.is_empty() {
        all.push(extension(&alternative_names(fields.sans)?, false)?);
    }
    Ok(all)
}

/// RFC 5280, 4.2.1.3; only an RSA key enciphers keys (RFC 8813, 3).
fn usages(role: Role, rsa: bool) -> FlagSet<KeyUsages> {
    match role {
        Role::Authority(_) => {
            KeyUsages::DigitalSignature | KeyUsages::KeyCertSign | KeyUsages::CRLSign
        }
        Role::Leaf { .. } if rsa => KeyUsages::DigitalSignature | KeyUsages::KeyEncipherment,
        Role::Leaf { .. } => KeyUsages::DigitalSignature.into(),
    }
}

fn alternative_names(sans: &[San]) -> der::Result<SubjectAltName> {
    let mut names = Vec::new();
    for san in sans {
        names.push(match san {
            San::Dns(name) => GeneralName::DnsName(der::asn1::Ia5String::new(name)?),
            San::Ip(IpAddr::V4(ip)) => GeneralName::IpAddress(OctetString::new(ip.octets())?),
            San::Ip(IpAddr::V6(ip)) => GeneralName::IpAddress(OctetString::new(ip.octets())?),
            San::Other(_) => return Err(der::ErrorKind::Failed.into()),
        });
    }
    Ok(SubjectAltName(names))
}

fn extension<T: AssociatedOid + der::Encode>(value: &T, critical: bool) -> der::Result<Extension> {
    let extn_value = OctetString::new(value.to_der()?)?;
    Ok(Extension { extn_id: T::OID, critical, extn_value })
}

/// A name: its organizations first, as Go and OpenSSL write it, then its common name; all in UTF-8.
pub(crate) fn name(common_name: &str, organizations: &[String]) -> der::Result<Vec<u8>> {
    #[derive(Sequence, ValueOrd)]
    struct Attribute {
        oid: ObjectIdentifier,
        value: Any,
    }
    let mut parts: Vec<der::asn1::SetOfVec<Attribute>> = Vec::new();
    let organizations = organizations.iter().map(|o| (ORGANIZATION, o.as_str()));
    for (oid, text) in organizations.chain([(COMMON_NAME, common_name)]) {
        let value = Any::from_der(&text.to_owned().to_der()?)?;
        let mut part = der::asn1::SetOfVec::new();
        part.insert(Attribute { oid, value })?;
        parts.push(part);
    }
    parts.to_der()
}

/// The signed part of a request for a certificate with these names (RFC 2986).
pub(crate) fn request(subject: &[u8], spki: &[u8], sans: &[San]) -> der::Result<Vec<u8>> {
    let mut attributes = Attributes::new();
    if !sans.is_empty() {
        let wanted = ExtensionReq(vec![extension(&alternative_names(sans)?, false)?]);
        attributes.insert(wanted.try_into()?)?;
    }
    CertReqInfo {
        version: Version::V1,
        subject: Name::from_der(subject)?,
        public_key: SubjectPublicKeyInfoOwned::from_der(spki)?,
        attributes,
    }
    .to_der()
}
