//! Certificates are made: fields decided, looked at, signed, verified. Nothing here reads or writes a file.

pub(crate) mod authority;
pub(crate) mod encode;
mod lifetime;

use crate::layout::Kind;
use authority::{Authority, AuthorityError};
use encode::{Fields, Role};
use jiff::Timestamp;
use rotation_core::facts::exit::{Exit, Fault};
use rotation_core::facts::private_key::{KeyType, PrivateKey};
use rotation_core::facts::x509::{Certificate, San, X509Error};
use rotation_core::plan::certificate::{Finding, RowKind, RowRules, Severity, lint, verify};
use sha2::{Digest as _, Sha256};

pub(crate) use lifetime::{BACK_DATED, Lifetimes, MOST_DAYS};

/// Octets of a serial number: 126 bits are random (RFC 5280, 4.1.2.2, allows 20 octets).
const SERIAL: usize = 16;
/// Octets of a key identifier (RFC 7093, 2, method 1).
const KEY_ID: usize = 20;

/// What a certificate shall say.
#[derive(Clone, Debug)]
pub(crate) struct Wish<'a> {
    /// How messages name it.
    pub(crate) place: &'a str,
    pub(crate) kind: Kind,
    pub(crate) common_name: &'a str,
    pub(crate) organizations: &'a [String],
    pub(crate) sans: &'a [San],
}

/// Why a certificate was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssueError {
    /// It would be wrong; nothing was signed.
    #[error("`{place}` would be wrong and was not signed: {}", words(.findings))]
    Lint {
        /// Which.
        place: String,
        /// What is wrong.
        findings: Vec<Finding>,
    },
    /// It was signed, and does not verify.
    #[error("`{place}` was signed and does not verify: {what}")]
    Verify {
        /// Which.
        place: String,
        /// Why.
        what: String,
    },
    /// A field cannot be written as DER.
    #[error("`{place}` cannot be encoded: {why}")]
    Encode {
        /// Which.
        place: String,
        /// Why.
        why: String,
    },
    /// A CA elsewhere signed something else than what was asked for.
    #[error("the certificate that was signed elsewhere for `{place}` cannot be used: {what}")]
    Foreign {
        /// Which.
        place: String,
        /// What is wrong.
        what: String,
    },
    /// The CA cannot sign it.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// What was just made cannot be read.
    #[error("`{place}` cannot be read again")]
    Read {
        /// Which.
        place: String,
        /// Why.
        #[source]
        source: X509Error,
    },
}

fn words(findings: &[Finding]) -> String {
    let words: Vec<String> = findings.iter().map(|f| format!("{} ({})", f.what, f.id())).collect();
    words.join("; ")
}

impl Fault for IssueError {
    fn exit(&self) -> Exit {
        match self {
            Self::Lint { .. } | Self::Foreign { .. } => Exit::Refused,
            Self::Authority(why) => why.exit(),
            Self::Verify { .. } | Self::Encode { .. } | Self::Read { .. } => Exit::Unexpected,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Lint { findings, .. } => findings.first().map(|finding| finding.fix.clone()),
            Self::Authority(why) => why.hint(),
            Self::Foreign { .. } => {
                Some("let the CA sign the request again, with all that is asked for".to_owned())
            }
            Self::Verify { .. } | Self::Encode { .. } | Self::Read { .. } => None,
        }
    }
}

/// The key that a certificate is for.
pub(crate) struct Subject<'a> {
    /// Its public half.
    pub(crate) spki: &'a [u8],
    /// Whether it is RSA.
    pub(crate) rsa: bool,
    /// The key identifier of the certificate before it, which a renewal keeps.
    pub(crate) id: Option<&'a [u8]>,
    /// The name of the certificate before it, byte by byte, which a renewal keeps.
    pub(crate) name: Option<&'a [u8]>,
    /// Since when the certificate before it is valid: what a CA has signed never begins before the CA itself.
    pub(crate) since: Option<Timestamp>,
}

impl<'a> Subject<'a> {
    /// A key of which the private half is here.
    pub(crate) fn of(key: &'a PrivateKey) -> Self {
        let (spki, rsa) = (key.spki_der(), key.kind().is_rsa());
        Self { spki, rsa, id: None, name: None, since: None }
    }

    /// The same CA once more: name, key identifier and the day on which it began.
    pub(crate) fn again(key: &'a PrivateKey, old: &'a Certificate) -> Self {
        let (id, name) = (old.ski(), Some(old.subject().der()));
        Self { id, name, since: Some(old.not_before()), ..Self::of(key) }
    }
}

/// Who signs: an authority, or the key itself.
pub(crate) enum Signer<'a> {
    /// A CA.
    Authority(&'a Authority),
    /// A root signs itself.
    Itself(&'a PrivateKey),
}

impl Signer<'_> {
    fn key(&self) -> &PrivateKey {
        match self {
            Self::Authority(authority) => authority.key(),
            Self::Itself(key) => key,
        }
    }

    fn certificate(&self) -> Option<&Certificate> {
        match self {
            Self::Authority(authority) => Some(authority.certificate()),
            Self::Itself(_) => None,
        }
    }
}

/// A certificate, and what one should know about it that stops nothing.
pub(crate) struct Issued {
    /// The certificate.
    pub(crate) certificate: Certificate,
    /// Warnings.
    pub(crate) findings: Vec<Finding>,
    /// Whether it ends earlier than asked for, since its CA does.
    pub(crate) is_cut: bool,
}

/// Makes a certificate: looks at it before anything is signed, and verifies it afterwards.
pub(crate) fn issue(
    wish: &Wish<'_>,
    subject: &Subject<'_>,
    signer: &Signer<'_>,
    lifetimes: &Lifetimes,
) -> Result<Issued, IssueError> {
    let place = || wish.place.to_owned();
    let encode = |why: der::Error| IssueError::Encode { place: place(), why: why.to_string() };
    if let Signer::Authority(authority) = signer {
        authority.may_sign(wish.kind, lifetimes.now)?;
    }
    let issuer = signer.certificate();
    let validity = lifetimes.of(wish.kind, issuer, subject.since);
    let name = match subject.name {
        Some(name) => name.to_vec(),
        None => encode::name(wish.common_name, wish.organizations).map_err(encode)?,
    };
    let computed = key_id(subject.spki).map_err(encode)?;
    let subject_id = subject.id.unwrap_or(&computed);
    let issuer_id = match signer {
        Signer::Authority(authority) => authority.key_id().map_err(encode)?,
        Signer::Itself(_) => subject_id.to_vec(),
    };
    let mut serial = rotation_core::world::keys::random::<SERIAL>();
    // Positive, and always of the same length.
    serial[0] = serial[0] & 0x7f | 0x40;
    let content = encode::to_be_signed(&Fields {
        serial: &serial,
        issuer: issuer.map_or(name.as_slice(), |issuer| issuer.subject().der()),
        subject: &name,
        not_before: validity.from,
        not_after: validity.until,
        spki: subject.spki,
        rsa: subject.rsa,
        role: role(wish.kind),
        sans: wish.sans,
        subject_id,
        issuer_id: &issuer_id,
        signer: signer.key().kind(),
    })
    .map_err(encode)?;
    let read = |der: &[u8]| {
        Certificate::from_der(der).map_err(|source| IssueError::Read { place: place(), source })
    };
    // The same bytes with a signature that is none: what would be wrong is seen before the CA's key has signed it.
    let draft = read(&encode::signed(&content, signer.key().kind(), &[0; 64]).map_err(encode)?)?;
    let findings = looked_at(wish, &draft, issuer, lifetimes, subject.since)?;
    let signature = signer.key().sign(&content);
    let certificate =
        read(&encode::signed(&content, signer.key().kind(), &signature).map_err(encode)?)?;
    verified(wish, &certificate, issuer, lifetimes.now)?;
    Ok(Issued { certificate, findings, is_cut: validity.is_cut })
}

/// Whether a certificate that a CA elsewhere signed is what was asked for; with its warnings.
pub(crate) fn accept(
    wish: &Wish<'_>,
    certificate: &Certificate,
    issuer: &Certificate,
    lifetimes: &Lifetimes,
) -> Result<Vec<Finding>, IssueError> {
    let fail = |what: String| IssueError::Foreign { place: wish.place.to_owned(), what };
    let warnings =
        looked_at(wish, certificate, Some(issuer), lifetimes, None).map_err(|why| match why {
            IssueError::Lint { findings, .. } => fail(words(&findings)),
            other => other,
        })?;
    verified(wish, certificate, Some(issuer), lifetimes.now).map_err(|why| match why {
        IssueError::Verify { what, .. } => fail(what),
        other => other,
    })?;
    Ok(warnings)
}

fn role(kind: Kind) -> Role {
    match kind {
        // No limit: one would forbid to bridge to the next CA by a cross-signed certificate.
        Kind::Authority => Role::Authority(None),
        Kind::Server => Role::Leaf { server: true, client: false },
        Kind::Peer => Role::Leaf { server: true, client: true },
        Kind::Client | Kind::KeyPair => Role::Leaf { server: false, client: true },
    }
}

/// What a row has to be, in the words of those who look at certificates.
pub(crate) fn row_kind(kind: Kind) -> RowKind {
    match kind {
        Kind::Authority => RowKind::Authority,
        Kind::Server => RowKind::Server,
        Kind::Peer => RowKind::Peer,
        Kind::Client | Kind::KeyPair => RowKind::Client,
    }
}

fn looked_at(
    wish: &Wish<'_>,
    draft: &Certificate,
    issuer: Option<&Certificate>,
    lifetimes: &Lifetimes,
    since: Option<Timestamp>,
) -> Result<Vec<Finding>, IssueError> {
    let rules = RowRules {
        common_name: Some(wish.common_name.to_owned()),
        organizations: Some(wish.organizations.to_vec()),
        sans: wish.sans.to_vec(),
        lifetime: Some(lifetimes.longest(wish.kind, since)),
        ..RowRules::of(row_kind(wish.kind))
    };
    let all = lint(wish.place, &rules, draft, issuer, lifetimes.now);
    let (errors, warnings): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|finding| finding.severity() == Severity::Error);
    if errors.is_empty() {
        Ok(warnings)
    } else {
        Err(IssueError::Lint { place: wish.place.to_owned(), findings: errors })
    }
}

fn verified(
    wish: &Wish<'_>,
    certificate: &Certificate,
    issuer: Option<&Certificate>,
    now: Timestamp,
) -> Result<(), IssueError> {
    let fail = |what: String| IssueError::Verify { place: wish.place.to_owned(), what };
    let Some(issuer) = issuer else {
        let good = certificate.is_self_signed();
        return if good { Ok(()) } else { Err(fail("its own key did not sign it".to_owned())) };
    };
    if !certificate.is_signed_by(issuer) {
        return Err(fail("the CA's key did not sign it".to_owned()));
    }
    let pool = std::slice::from_ref(issuer);
    verify(certificate, pool, &[], row_kind(wish.kind), wish.sans, now).map_err(|f| fail(f.what))
}

/// The leftmost 160 bits of the SHA-256 of the public key itself (RFC 7093, 2, method 1).
pub(crate) fn key_id(spki: &[u8]) -> der::Result<Vec<u8>> {
    let info = spki::SubjectPublicKeyInfoRef::try_from(spki).map_err(|_| der::ErrorKind::Failed)?;
    let key = info.subject_public_key.raw_bytes();
    Ok(Sha256::digest(key)[..KEY_ID].to_vec())
}

/// A request for a certificate, signed by its key.
pub(crate) fn request(wish: &Wish<'_>, key: &PrivateKey) -> Result<Vec<u8>, IssueError> {
    let encode =
        |why: der::Error| IssueError::Encode { place: wish.place.to_owned(), why: why.to_string() };
    let name = encode::name(wish.common_name, wish.organizations).map_err(encode)?;
    let content = encode::request(&name, key.spki_der(), wish.sans).map_err(encode)?;
    encode::signed(&content, key.kind(), &key.sign(&content)).map_err(encode)
}

/// How a key's kind is called in documents.
pub(crate) fn kind_words(kind: KeyType) -> String {
    kind.to_string()
}
