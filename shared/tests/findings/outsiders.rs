//! The 21 defects on which nine checkers of others were measured, by their numbers there.

use super::world::World;
use forge::{Draft, Key, oid};
use rotation_core::facts::x509::San;
use rotation_core::plan::certificate::{Kind, RowKind};

/// A number, what must be found, and how the defect is made.
type Defect = (u8, Kind, fn(&mut World));

pub(crate) const DEFECTS: &[Defect] = &[
    (1, Kind::AkiMissing, |w| w.server.without(oid::AKI)),
    (2, Kind::SkiMissingCa, |w| w.ca.without(oid::SKI)),
    (3, Kind::CertSignMissing, |w| w.ca.usage(&[0, 6])),
    (4, Kind::UsagesMissingCa, |w| w.ca.without(oid::USAGE)),
    (5, Kind::ConstraintsNotCritical, |w| w.ca.mark(oid::BASIC, false)),
    (6, Kind::OutlivesIssuer, |w| w.ca.not_after = "20270101000000Z".into()),
    (7, Kind::EnciphermentPointless, |w| w.server.usage(&[0, 2])),
    (8, Kind::KeyWeak, |w| w.server.spki = Key::rsa_spki(1024, &[1, 0, 1])),
    (9, Kind::SanMissing, |w| w.server.without(oid::SAN)),
    (10, Kind::ExtendedMissing, |w| w.server.without(oid::EXTENDED)),
    (11, Kind::ExtendedWrong, |w| {
        w.server.extended(&[oid::CLIENT]);
        w.purpose = Some(RowKind::Server);
    }),
    (12, Kind::Expired, |w| w.at = "2028-01-01T00:00:00Z"),
    (13, Kind::NotYetValid, |w| w.at = "2026-01-01T00:00:00Z"),
    (14, Kind::SubjectIsIssuer, |w| w.server.subject = w.ca.subject.clone()),
    (15, Kind::SignedByAnother, |w| w.signer = Some(Key::new())),
    (16, Kind::CertSignOnLeaf, |w| w.server.usage(&[0, 5])),
    (17, Kind::PathLengthExceeded, |w| {
        w.ca.set(oid::BASIC, true, forge::der::sequence(&[vec![1, 1, 0xff], vec![2, 1, 0]]));
        let key = Key::new();
        let between = Draft::intermediate("between", &key, &w.ca);
        w.put("pki/between.crt", between.pem(&w.ca_key));
        w.server = w.server.clone().under(&between);
        w.signer = Some(key);
    }),
    (18, Kind::LivesTooLong, |w| w.server.not_after = "21260601000000Z".into()),
    (19, Kind::BeginsImplausibly, |w| {
        // What rcgen makes when nobody tells it otherwise.
        w.server.not_before = "19750101000000Z".into();
        w.server.not_after = "40960101000000Z".into();
        w.server.subject.0 = "rcgen self signed cert".into();
        w.server.issuer = w.server.subject.clone();
        let names = w.server.extensions.iter().find(|e| e.oid == oid::SAN).cloned();
        w.server.extensions = names.into_iter().collect();
        w.signer = None;
    }),
    (20, Kind::SerialGuessable, |w| w.server.serial = vec![1]),
    (21, Kind::SanNotCovering, |w| w.names = vec![San::Dns("other.example.com".into())]),
];
