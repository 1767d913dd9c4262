//! Kinds and sizes of keys (NIST SP 800-131A r2, SP 800-57 part 1 r5).

use super::{Report, Subject};
use crate::facts::x509::KeyKind;
use crate::plan::certificate::{Kind, RowKind};

/// Below this, signatures are disallowed (SP 800-131A r2).
const SMALLEST: u32 = 2048;
/// From this on, an RSA key is good beyond 2030 (SP 800-57).
const LASTING: u32 = 3072;
/// The largest that Go's TLS and ring take.
const LARGEST: u32 = 8192;
/// 2031-01-01T00:00:00Z.
const END_OF_112_BITS: i64 = 1_924_992_000;
/// The smallest exponent that every verifier takes (FIPS 186-5, A.1.1).
const EXPONENT: u64 = 65_537;

pub(super) fn check(subject: &Subject<'_>, report: &mut Report<'_>) {
    let certificate = subject.certificate;
    match certificate.key() {
        KeyKind::Rsa(bits) => rsa(*bits, subject, report),
        KeyKind::P256 | KeyKind::P384 => {}
        key @ (KeyKind::P521 | KeyKind::Ed25519) => {
            report.say(Kind::KeyUncommon, format!("its key is {key}"));
        }
        KeyKind::Other(what) => report.say(Kind::KeyUnsupported, format!("its key is {what}")),
    }
}

fn rsa(bits: u32, subject: &Subject<'_>, report: &mut Report<'_>) {
    let certificate = subject.certificate;
    if bits < SMALLEST {
        report.say(Kind::KeyWeak, format!("its key is RSA {bits}"));
    } else if !bits.is_multiple_of(8) {
        report.say(Kind::KeyOddSize, format!("its key is RSA {bits}"));
    } else if bits > LARGEST {
        report.say(Kind::KeyUncommon, format!("its key is RSA {bits}"));
    } else if bits < LASTING
        && subject.rules.kind == RowKind::Authority
        && certificate.not_after().as_second() >= END_OF_112_BITS
    {
        let until = certificate.not_after();
        report.say(
            Kind::KeyTooLongInUse,
            format!("its key is RSA {bits}, and it is valid until {until}"),
        );
    }
    if let Some(exponent) = certificate.exponent().filter(|e| *e < EXPONENT || e.is_multiple_of(2))
    {
        report.say(Kind::KeyExponent, format!("its public exponent is {exponent}"));
    }
}
