//! Whose key signed it, and which key it has.

use super::{Report, Signer, Subject};
use crate::plan::certificate::{Kind, RowKind};

pub(super) fn check(subject: &Subject<'_>, report: &mut Report<'_>) {
    let certificate = subject.certificate;
    let root = matches!(subject.signer, Signer::Itself);
    match &certificate.extensions().authority_key {
        None if root => {}
        None => report.say(Kind::AkiMissing, "it has no authority key identifier"),
        Some(marked) => {
            if marked.critical {
                report.say(Kind::AkiCritical, "the authority key identifier is critical");
            }
            let key = &marked.value;
            match &key.id {
                None => report.say(Kind::AkiMissing, "its authority key identifier names no key"),
                Some(id) => {
                    let expected = match subject.signer {
                        Signer::Itself => certificate.ski(),
                        Signer::Known(issuer) => issuer.ski(),
                        Signer::Unknown => None,
                    };
                    if let Some(expected) = expected.filter(|e| *e != id.as_slice()) {
                        let what =
                            format!("it names key {}, and the CA's is {}", hex(id), hex(expected));
                        report.say(Kind::AkiMismatch, what);
                    }
                }
            }
            if let (Signer::Known(issuer), Some(serial)) = (subject.signer, &key.serial)
                && trimmed(serial) != trimmed(issuer.serial())
            {
                report.say(Kind::AkiMismatch, "it names a serial number that is not the CA's");
            } else if key.names_issuer {
                report.say(Kind::AkiNamesIssuer, "it names the CA by its issuer and serial number");
            }
        }
    }
    match (&certificate.extensions().subject_key, subject.rules.kind) {
        (None, RowKind::Authority) => {
            report.say(Kind::SkiMissingCa, "it has no subject key identifier");
        }
        (None, RowKind::Server | RowKind::Client | RowKind::Peer) => {
            report.say(Kind::SkiMissing, "it has no subject key identifier");
        }
        (Some(marked), _) if marked.critical => {
            report.say(Kind::SkiCritical, "the subject key identifier is critical");
        }
        (Some(_), _) => {}
    }
}

fn trimmed(serial: &[u8]) -> &[u8] {
    let zeros = serial.iter().take_while(|b| **b == 0).count();
    &serial[zeros..]
}

/// The first octets, as OpenSSL shows them.
fn hex(id: &[u8]) -> String {
    const SHOWN: usize = 8;
    let octets: Vec<String> = id.iter().take(SHOWN).map(|b| format!("{b:02X}")).collect();
    let more = if id.len() > SHOWN { ":…" } else { "" };
    format!("{}{more}", octets.join(":"))
}
