//! Chains: from a leaf to a pool of CAs, at a time, for a purpose, under names.
//!
//! webpki builds the paths and checks signatures, validity, names and name constraints. It trusts whatever is in the
//! pool; what it does not look at there (validity, basic constraints, path length) is looked at here, and a path that
//! fails makes it try the next one.

use super::finding::{Finding, Kind, Severity};
use super::lint::{Signer, lint_with};
use super::rules::{RowKind, RowRules};
use crate::facts::x509::{Certificate, KeyUsages, San, Signed, TRUSTED};
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use std::cell::RefCell;
use std::collections::HashSet;
use std::time::Duration;
use webpki::{EndEntityCert, Error, KeyUsage, VerifiedPath, anchor_from_trusted_cert};

/// What else a path must satisfy: it is given the CAs of the path, the leaf's signer first, the root last.
pub type Accept<'a> = &'a dyn Fn(&[&Certificate]) -> Result<(), Finding>;

/// What is asked about a leaf.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The leaf.
    pub leaf: &'a Certificate,
    /// Its place, for findings.
    pub place: &'a str,
    /// What is trusted.
    pub pool: &'a [Certificate],
    /// What may stand between.
    pub intermediates: &'a [Certificate],
    /// What it is used for.
    pub purpose: RowKind,
    /// Names under which it is reached.
    pub names: &'a [San],
    /// When.
    pub at: Timestamp,
    /// What else the path must satisfy.
    pub accept: Option<Accept<'a>>,
}

/// Whether a leaf is good under a pool: the way of the generator, after it signed.
pub fn verify(
    leaf: &Certificate,
    pool: &[Certificate],
    intermediates: &[Certificate],
    purpose: RowKind,
    names: &[San],
    at: Timestamp,
) -> Result<(), Finding> {
    let place = leaf.subject().to_string();
    let question =
        Question { leaf, place: &place, pool, intermediates, purpose, names, at, accept: None };
    question.answer().map(|_| ())
}

/// Everything about one leaf under one pool: its fields, its chain, and the fields of each CA of the chain. A path with a
/// CA that has an error is left for another one.
pub fn examine(question: &Question<'_>, rules: &RowRules) -> Vec<Finding> {
    let lints = |cas: &[&Certificate]| {
        for (index, ca) in cas.iter().enumerate() {
            let signer = match cas.get(index + 1) {
                Some(signer) => Signer::Known(signer),
                None if ca.is_self_issued() => Signer::Itself,
                None => Signer::Unknown,
            };
            let rules = RowRules::of(RowKind::Authority);
            let findings = lint_with(question.place, &rules, ca, signer, question.at);
            if let Some(finding) = findings.into_iter().find(|f| f.severity() == Severity::Error) {
                let what = format!("its CA {}: {}", ca.subject(), finding.what);
                return Err(Finding { what, ..finding });
            }
        }
        question.accept.map_or(Ok(()), |accept| accept(cas))
    };
    let (signer, broken) = match (Question { accept: Some(&lints), ..*question }).answer() {
        Ok(path) => (path.first().copied(), None),
        Err(finding) => (None, Some(finding)),
    };
    let signer = signer.map_or(Signer::Unknown, Signer::Known);
    let mut findings = lint_with(question.place, rules, question.leaf, signer, question.at);
    // What both say is said once.
    findings.extend(broken.filter(|broken| findings.iter().all(|f| f.kind != broken.kind)));
    without_second_names(&mut findings);
    findings
}

/// That a strict reader refuses a certificate is left out where another error of the same place says why.
pub(super) fn without_second_names(findings: &mut Vec<Finding>) {
    let explained: HashSet<String> = findings
        .iter()
        .filter(|f| f.severity() == Severity::Error && f.kind != Kind::CertificateStrict)
        .map(|f| f.place.clone())
        .collect();
    findings.retain(|f| f.kind != Kind::CertificateStrict || !explained.contains(&f.place));
}

impl<'a> Question<'a> {
    /// The CAs of a good path, the leaf's signer first; or the most specific reason why there is none.
    pub fn answer(&self) -> Result<Vec<&'a Certificate>, Finding> {
        if self.purpose == RowKind::Authority {
            return self.authority();
        }
        let der = CertificateDer::from(self.leaf.der());
        let leaf = EndEntityCert::try_from(&der)
            .map_err(|why| self.finding(Kind::CertificateStrict, format!("rustls says {why:?}")))?;
        let wanted: &[KeyUsage] = match self.purpose {
            RowKind::Server | RowKind::Authority => &[KeyUsage::server_auth()],
            RowKind::Client => &[KeyUsage::client_auth()],
            RowKind::Peer => &[KeyUsage::server_auth(), KeyUsage::client_auth()],
        };
        let mut path = Vec::new();
        for usage in wanted {
            path = self.path(&leaf, *usage)?;
        }
        for name in self.names {
            self.name(&leaf, name)?;
        }
        Ok(path)
    }

    fn finding(&self, kind: Kind, what: impl Into<String>) -> Finding {
        Finding::new(kind, self.place, what)
    }

    fn path(
        &self,
        leaf: &EndEntityCert<'_>,
        usage: KeyUsage,
    ) -> Result<Vec<&'a Certificate>, Finding> {
        let roots: Vec<CertificateDer<'_>> =
            self.pool.iter().map(|ca| CertificateDer::from(ca.der())).collect();
        // What cannot be an anchor cannot be trusted; if that was the only one, no issuer is found.
        let anchors: Vec<TrustAnchor<'_>> =
            roots.iter().filter_map(|der| anchor_from_trusted_cert(der).ok()).collect();
        let between: Vec<CertificateDer<'_>> =
            self.intermediates.iter().map(|ca| CertificateDer::from(ca.der())).collect();
        let seconds = u64::try_from(self.at.as_second()).unwrap_or(0);
        let time = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let refused = RefCell::new(None);
        let check = |path: &VerifiedPath<'_>| {
            let cas = self.cas(path);
            let verdict =
                self.anchor(&cas).and_then(|()| self.accept.map_or(Ok(()), |accept| accept(&cas)));
            verdict.map_err(|finding| {
                refused.borrow_mut().get_or_insert(finding);
                Error::UnknownIssuer
            })
        };
        let result =
            leaf.verify_for_usage(TRUSTED, &anchors, &between, time, usage, None, Some(&check));
        match result {
            Ok(path) => Ok(self.cas(&path)),
            Err(why) => Err(refused.into_inner().unwrap_or_else(|| self.explain(&why))),
        }
    }

    /// The CAs of a path as facts: the leaf's signer first.
    fn cas(&self, path: &VerifiedPath<'_>) -> Vec<&'a Certificate> {
        let anchor = path.anchor();
        let between = path
            .intermediate_certificates()
            .filter_map(|cert| self.intermediates.iter().find(|ca| ca.der() == &*cert.der()));
        // An anchor is its subject and its key, without the outer SEQUENCE of either.
        let root = self.pool.iter().find(|ca| {
            ca.subject().der().ends_with(&anchor.subject)
                && ca.spki_der().ends_with(&anchor.subject_public_key_info)
                && self.validity(ca).is_ok()
        });
        let root = root.or_else(|| {
            self.pool.iter().find(|ca| {
                ca.subject().der().ends_with(&anchor.subject)
                    && ca.spki_der().ends_with(&anchor.subject_public_key_info)
            })
        });
        between.chain(root).collect()
    }

    fn validity(&self, ca: &Certificate) -> Result<(), Finding> {
        if self.at < ca.not_before() || self.at.as_second() > ca.not_after().as_second() {
            let what = format!(
                "its CA {} is valid from {} to {}",
                ca.subject(),
                ca.not_before(),
                ca.not_after()
            );
            return Err(self.finding(Kind::IssuerExpired, what));
        }
        Ok(())
    }

    /// What webpki does not look at in the pool: validity, basic constraints, key usage, path length.
    fn anchor(&self, cas: &[&Certificate]) -> Result<(), Finding> {
        let Some((root, between)) = cas.split_last() else { return Ok(()) };
        self.validity(root)?;
        // A certificate of version 1 cannot say that it is a CA; who put it into the pool said it.
        if root.version() == 3 && !root.is_ca() {
            return Err(
                self.finding(Kind::NotACa, format!("{} signed it and is no CA", root.subject()))
            );
        }
        if root.usages().is_some_and(|u| !u.has(KeyUsages::KEY_CERT_SIGN)) {
            let what = format!("{} signed it and may not", root.subject());
            return Err(self.finding(Kind::CertSignMissing, what));
        }
        let below = between.iter().filter(|ca| !ca.is_self_issued()).count();
        let allowed = root.authority().and_then(|a| a.path_length);
        if allowed.is_some_and(|allowed| below > allowed as usize) {
            let what = format!("{} allows fewer CAs below it than there are", root.subject());
            return Err(self.finding(Kind::PathLengthExceeded, what));
        }
        Ok(())
    }

    fn name(&self, leaf: &EndEntityCert<'_>, name: &San) -> Result<(), Finding> {
        let missing = || self.finding(Kind::SanNotCovering, format!("it does not cover {name}"));
        let server = match name {
            // Nobody is reached under a wildcard: it is asked for by who wants it in the certificate.
            San::Dns(host) if host.starts_with('*') => {
                let covered = self.leaf.sans().iter().any(|own| own.covers(name));
                return if covered { Ok(()) } else { Err(missing()) };
            }
            San::Dns(host) => ServerName::try_from(host.as_str()).map_err(|_| missing())?,
            San::Ip(address) => ServerName::from(*address),
            San::Other(_) => return Err(missing()),
        };
        leaf.verify_is_valid_for_subject_name(&server).map_err(|_| missing())
    }

    /// A CA's own chain: it is in the pool, or signed by one that is, and so on.
    fn authority(&self) -> Result<Vec<&'a Certificate>, Finding> {
        let mut path = Vec::new();
        let mut current = self.leaf;
        let mut below = 0;
        // No chain is longer than all that there is.
        for _ in 0..=self.intermediates.len() {
            if let Some(known) = self.pool.iter().find(|ca| *ca == current) {
                return self.validity(known).map(|()| path);
            }
            let signs =
                |ca: &&Certificate| ca.subject() == current.issuer() && current.is_signed_by(ca);
            let Some(signer) =
                self.pool.iter().find(signs).or_else(|| self.intermediates.iter().find(signs))
            else {
                return Err(self.explain(&Error::UnknownIssuer));
            };
            self.anchor(&[signer])?;
            below += usize::from(!current.is_self_issued());
            if signer
                .authority()
                .and_then(|a| a.path_length)
                .is_some_and(|allowed| below > allowed as usize)
            {
                let what = format!("{} allows fewer CAs below it than there are", signer.subject());
                return Err(self.finding(Kind::PathLengthExceeded, what));
            }
            path.push(signer);
            if self.pool.contains(signer) {
                return Ok(path);
            }
            current = signer;
        }
        Err(self.finding(Kind::ChainBroken, "its chain goes in a circle"))
    }

    /// The most specific reason, looked for in the facts where webpki says little.
    fn explain(&self, why: &Error) -> Finding {
        let leaf = self.leaf;
        let (kind, what) = match why {
            Error::CertExpired { .. } if self.at.as_second() > leaf.not_after().as_second() => {
                (Kind::Expired, format!("it ended at {}", leaf.not_after()))
            }
            Error::CertNotValidYet { .. } if self.at < leaf.not_before() => {
                (Kind::NotYetValid, format!("it begins at {}", leaf.not_before()))
            }
            Error::CertExpired { .. } | Error::CertNotValidYet { .. } => (
                Kind::IssuerExpired,
                format!("a CA between it and the pool is not valid at {}", self.at),
            ),
            Error::CaUsedAsEndEntity => {
                (Kind::LeafIsCa, "its basic constraints say that it is a CA".to_owned())
            }
            Error::EndEntityUsedAsCa => {
                (Kind::NotACa, format!("{} signed it and is no CA", leaf.issuer()))
            }
            Error::PathLenConstraintViolated => (
                Kind::PathLengthExceeded,
                "a CA above it allows fewer CAs below it than there are".to_owned(),
            ),
            Error::NameConstraintViolation => {
                (Kind::NameConstraintsViolated, "a CA above it does not allow its names".to_owned())
            }
            Error::EmptyEkuExtension => {
                (Kind::ExtendedEmpty, "its extended key usage is empty".to_owned())
            }
            Error::RequiredEkuNotFoundContext(_) if leaf.extended().is_some_and(|e| e.any) => {
                (Kind::ExtendedAny, "its extended key usage is anyExtendedKeyUsage".to_owned())
            }
            Error::RequiredEkuNotFoundContext(_) if leaf.extended().is_none() => {
                (Kind::ExtendedMissing, "it has no extended key usage".to_owned())
            }
            Error::RequiredEkuNotFoundContext(_) => {
                let purpose = self.purpose.as_str();
                (
                    Kind::ExtendedWrong,
                    format!("it, or a CA above it, is not for use as a {purpose}"),
                )
            }
            Error::UnsupportedCriticalExtension
                if leaf.extensions().authority_key.as_ref().is_some_and(|m| m.critical) =>
            {
                (Kind::AkiCritical, "the authority key identifier is critical".to_owned())
            }
            Error::UnsupportedCriticalExtension
                if leaf.extensions().subject_key.as_ref().is_some_and(|m| m.critical) =>
            {
                (Kind::SkiCritical, "the subject key identifier is critical".to_owned())
            }
            Error::UnsupportedCriticalExtension => (
                Kind::ExtensionUnknownCritical,
                "a critical extension in its chain is not known".to_owned(),
            ),
            _ => return self.search(why),
        };
        self.finding(kind, what)
    }

    fn search(&self, why: &Error) -> Finding {
        let leaf = self.leaf;
        let named: Vec<&Certificate> = self
            .pool
            .iter()
            .chain(self.intermediates)
            .filter(|ca| ca.subject() == leaf.issuer())
            .collect();
        if named.is_empty() {
            return self
                .finding(Kind::IssuerNotFound, format!("it was signed by {}", leaf.issuer()));
        }
        let answers: Vec<Signed> = named.iter().map(|ca| leaf.signed_by(ca)).collect();
        if !answers.contains(&Signed::Yes) {
            if answers.contains(&Signed::Unchecked) {
                let what = format!("it is signed with {}", leaf.signature_algorithm());
                return self.finding(Kind::SignatureUnchecked, what);
            }
            let what = format!("{} is there, and its key did not sign it", leaf.issuer());
            return self.finding(Kind::SignedByAnother, what);
        }
        self.finding(Kind::ChainBroken, format!("rustls says {why}"))
    }
}
