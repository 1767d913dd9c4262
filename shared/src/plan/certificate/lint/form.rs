//! Version, serial number, algorithms, encodings.

use super::{Report, Signer, Subject};
use crate::facts::x509::{Extensions, Strength};
use crate::plan::certificate::Kind;

/// A serial number of up to this many bits was counted, not drawn: kubeadm's have 63, and of those one in two thousand
/// million is so small.
const COUNTED: usize = 32;
/// RFC 5280, 4.1.2.2.
const LONGEST: usize = 20;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report<'_>) {
    let certificate = subject.certificate;
    if certificate.trailing() > 0 {
        report.say(
            Kind::CertificateTrailing,
            format!("{} bytes follow the certificate", certificate.trailing()),
        );
    }
    if certificate.version() != 3 {
        report.say(Kind::VersionOld, format!("it is of version {}", certificate.version()));
    }
    serial(certificate.serial(), matches!(subject.signer, Signer::Itself), report);
    if !certificate.algorithms_agree() {
        report.say(
            Kind::SignatureMismatch,
            "the algorithms of the signed part and of the signature differ",
        );
    }
    let algorithm = certificate.signature_algorithm();
    match (algorithm.strength(), subject.signer) {
        (Strength::Good, _) => {}
        (Strength::Weak, Signer::Itself) => {
            report.say(Kind::SignatureWeakRoot, format!("it is signed with {algorithm}"));
        }
        (Strength::Weak, Signer::Known(_) | Signer::Unknown) => {
            report.say(Kind::SignatureWeak, format!("it is signed with {algorithm}"));
        }
        (Strength::Unknown, _) => {
            report.say(Kind::SignatureUncommon, format!("it is signed with {algorithm}"));
        }
    }
    if !certificate.dates_well_encoded() {
        report.say(Kind::DateEncoding, "a date is not in the form that its year asks for");
    }
    let extensions = certificate.extensions();
    for oid in &extensions.repeated {
        report.say(Kind::ExtensionRepeated, format!("extension {oid} is there twice"));
    }
    for oid in &extensions.malformed {
        report.say(Kind::ExtensionMalformed, format!("extension {oid} cannot be read"));
    }
    for unknown in extensions.others.iter().filter(|o| o.critical && Extensions::is_unknown(o)) {
        report
            .say(Kind::ExtensionUnknownCritical, format!("extension {} is critical", unknown.oid));
    }
}

/// A root's number tells it from nothing: 0 was usual once, and is borne by roots that everybody trusts.
fn serial(octets: &[u8], root: bool, report: &mut Report<'_>) {
    let zeros = octets.iter().take_while(|b| **b == 0).count();
    let rest = &octets[zeros..];
    if rest.is_empty() {
        let kind = if root { Kind::SerialGuessable } else { Kind::SerialNotPositive };
        report.say(kind, "the serial number is 0");
    } else if octets[0] & 0x80 != 0 {
        report.say(Kind::SerialNotPositive, "the serial number is negative");
    } else if octets.len() > LONGEST {
        report.say(Kind::SerialTooLong, format!("the serial number has {} octets", octets.len()));
    } else if rest.len() * 8 - rest[0].leading_zeros() as usize <= COUNTED {
        let number = rest.iter().fold(0_u64, |sum, octet| sum << 8 | u64::from(*octet));
        report.say(Kind::SerialGuessable, format!("the serial number is {number}"));
    }
}
