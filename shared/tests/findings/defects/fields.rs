//! Defects of one certificate's fields.

use super::{Defect, alone, with};
use forge::der::{integer, named_bits, octets, oid as dotted, sequence, wrap};
use forge::{Extension, Key, oid};
use rotation_core::facts::x509::San;
use rotation_core::plan::certificate::{Kind, RowKind};

pub(super) fn defects() -> Vec<Defect> {
    let mut all = form();
    all.extend(identifiers());
    all.extend(usages());
    all.extend(names());
    all.extend(keys());
    all.extend(dates());
    all
}

fn form() -> Vec<Defect> {
    vec![
        alone(Kind::CertificateTrailing, |w| w.server.trailing = vec![0, 0]),
        alone(Kind::CertificateStrict, |w| w.server.unique_id = Some(vec![1, 2, 3])),
        alone(Kind::VersionOld, |w| w.server.version = Some(1)),
        with(Kind::SerialNotPositive, &[], |w| w.server.serial = vec![0x80, 1, 2, 3, 4, 5, 6, 7]),
        with(Kind::SerialTooLong, &[], |w| w.server.serial = vec![1; 21]),
        alone(Kind::SerialGuessable, |w| w.server.serial = vec![1]),
        alone(Kind::SignatureMismatch, |w| w.server.inner = "1.2.840.10045.4.3.3".into()),
        with(Kind::SignatureWeak, &[Kind::SignatureUnchecked], |w| {
            w.server.inner = oid::ECDSA_SHA1.into();
            w.server.outer = oid::ECDSA_SHA1.into();
        }),
        alone(Kind::SignatureWeakRoot, |w| {
            w.ca.inner = oid::ECDSA_SHA1.into();
            w.ca.outer = oid::ECDSA_SHA1.into();
        }),
        with(Kind::SignatureUncommon, &[Kind::SignatureUnchecked], |w| {
            w.server.inner = "1.2.3.4".into();
            w.server.outer = "1.2.3.4".into();
        }),
        alone(Kind::DateEncoding, |w| w.server.other_century = true),
        with(Kind::IssuerEmpty, &[Kind::IssuerNotFound], |w| w.server.issuer.0 = String::new()),
        with(Kind::SubjectEmptyCa, &[Kind::IssuerEmpty], |w| {
            w.ca.subject.0 = String::new();
            w.ca.issuer.0 = String::new();
            w.gone = vec!["pki/server.crt", "pki/server.key", "pki/client.crt", "pki/client.key"];
        }),
        alone(Kind::SubjectIsIssuer, |w| w.server.subject = w.ca.subject.clone()),
        alone(Kind::ExtensionRepeated, |w| {
            let again = w.server.extensions[0].clone();
            w.server.extensions.push(again);
        }),
        with(Kind::ExtensionMalformed, &[Kind::SanMissing], |w| {
            w.server.set(oid::SAN, false, vec![0x30, 0x7f]);
        }),
        alone(Kind::ExtensionUnknownCritical, |w| {
            w.server.extensions.push(Extension {
                oid: "1.2.3.4".into(),
                critical: true,
                value: vec![5, 0],
            });
        }),
    ]
}

fn identifiers() -> Vec<Defect> {
    vec![
        alone(Kind::AkiMissing, |w| w.server.without(oid::AKI)),
        alone(Kind::AkiCritical, |w| w.server.mark(oid::AKI, true)),
        alone(Kind::AkiMismatch, |w| {
            w.server.set(oid::AKI, false, sequence(&[wrap(0x80, &[7; 20])]));
        }),
        alone(Kind::AkiNamesIssuer, |w| {
            let name = sequence(&[wrap(
                0x31,
                &sequence(&[dotted("2.5.4.3"), wrap(0x0c, w.ca.subject.0.as_bytes())]),
            )]);
            let parts = [
                wrap(0x80, &w.ca.key_id()),
                wrap(0xa1, &wrap(0xa4, &name)),
                wrap(0x82, &w.ca.serial),
            ];
            w.server.set(oid::AKI, false, sequence(&parts));
        }),
        alone(Kind::SkiMissingCa, |w| w.ca.without(oid::SKI)),
        alone(Kind::SkiMissing, |w| w.server.without(oid::SKI)),
        alone(Kind::SkiCritical, |w| w.server.mark(oid::SKI, true)),
    ]
}

fn usages() -> Vec<Defect> {
    vec![
        with(Kind::NotACa, &[Kind::LeafInPool], |w| {
            w.ca.without(oid::BASIC);
            w.pools = vec![("old-ca.crt".into(), w.ca_pem().into_bytes())];
            w.gone = vec![
                "pki/ca.key",
                "pki/server.crt",
                "pki/server.key",
                "pki/client.crt",
                "pki/client.key",
            ];
            w.purpose = Some(RowKind::Authority);
        }),
        with(Kind::LeafIsCa, &[], |w| {
            w.server.set(oid::BASIC, true, sequence(&[vec![1, 1, 0xff]]));
            w.rows = super::files::rows();
        }),
        alone(Kind::ConstraintsNotCritical, |w| w.ca.mark(oid::BASIC, false)),
        alone(Kind::ConstraintsMissing, |w| w.server.without(oid::BASIC)),
        with(Kind::PathLengthOnLeaf, &[], |w| {
            w.server.set(oid::BASIC, true, sequence(&[integer(&[0])]));
        }),
        alone(Kind::PathLengthNoBridge, |w| {
            w.ca.set(oid::BASIC, true, sequence(&[vec![1, 1, 0xff], integer(&[0])]));
        }),
        alone(Kind::UsagesMissingCa, |w| w.ca.without(oid::USAGE)),
        alone(Kind::CertSignMissing, |w| w.ca.usage(&[0, 6])),
        alone(Kind::UsagesMissing, |w| w.server.without(oid::USAGE)),
        alone(Kind::UsagesEmpty, |w| w.server.usage(&[])),
        alone(Kind::UsagesNotCritical, |w| w.server.mark(oid::USAGE, false)),
        alone(Kind::CertSignOnLeaf, |w| w.server.usage(&[0, 5])),
        alone(Kind::SignatureUsageMissing, |w| w.server.usage(&[4])),
        alone(Kind::EnciphermentPointless, |w| w.server.usage(&[0, 2])),
        with(Kind::EnciphermentMissing, &[], |w| {
            w.server.spki = Key::rsa_spki(3072, &[1, 0, 1]);
            w.gone = vec!["pki/server.key", "pki/client.key", "pki/ca.key"];
        }),
        alone(Kind::ExtendedMissing, |w| w.server.without(oid::EXTENDED)),
        with(Kind::ExtendedEmpty, &[], |w| w.server.extended(&[])),
        with(Kind::ExtendedAny, &[], |w| w.server.extended(&[oid::ANY])),
        alone(Kind::ExtendedCritical, |w| w.server.mark(oid::EXTENDED, true)),
        with(Kind::ExtendedWrong, &[], |w| {
            w.gone = vec!["pki/server.crt", "pki/server.key"];
            w.client = w.client.clone().with_names(&["api.example.com"]);
            w.purpose = Some(RowKind::Server);
        }),
        with(Kind::ExtendedMore, &[], |w| {
            w.client.extended(&[oid::CLIENT, "1.3.6.1.5.5.7.3.3"]);
        }),
        with(Kind::ExtendedOnRoot, &[], |w| w.ca.extended(&[oid::SERVER, oid::CLIENT])),
        alone(Kind::NameConstraintsOnLeaf, |w| {
            w.server.set(oid::NAME_CONSTRAINTS, true, permitted(b"example.com"));
        }),
        alone(Kind::NameConstraintsUnmarked, |w| {
            w.ca.set(oid::NAME_CONSTRAINTS, false, permitted(b"example.com"));
        }),
        with(Kind::NameConstraintsUnfit, &[], |w| {
            w.ca.set(oid::NAME_CONSTRAINTS, true, sequence(&[]));
        }),
        alone(Kind::NameConstraintsViolated, |w| {
            w.ca.set(oid::NAME_CONSTRAINTS, true, permitted(b"example.org"));
        }),
        alone(Kind::PolicyConstraintsUnmarked, |w| {
            w.ca.set(oid::POLICY_CONSTRAINTS, false, sequence(&[wrap(0x80, &[0])]));
        }),
    ]
}

/// Name constraints that permit one domain.
fn permitted(domain: &[u8]) -> Vec<u8> {
    sequence(&[wrap(0xa0, &sequence(&[wrap(0x82, domain)]))])
}

fn names() -> Vec<Defect> {
    vec![
        alone(Kind::SanMissing, |w| w.server.without(oid::SAN)),
        with(Kind::SanEmpty, &[], |w| w.server.set(oid::SAN, false, sequence(&[]))),
        alone(Kind::SanNotCovering, |w| w.names = vec![San::Dns("other.example.com".into())]),
        alone(Kind::SanUnexpected, |w| {
            w.names = vec![San::Dns("api.example.com".into())];
            w.names_only = true;
        }),
        alone(Kind::SanIpAsDns, |w| {
            w.server.set(oid::SAN, false, sequence(&[wrap(0x82, b"10.0.0.1")]));
        }),
        alone(Kind::SanInvalid, |w| w.server = w.server.clone().with_names(&["not_a.name"])),
        alone(Kind::SanDuplicate, |w| {
            w.server = w.server.clone().with_names(&["a.example.com", "A.example.com"]);
        }),
        alone(Kind::SanWildcard, |w| w.server = w.server.clone().with_names(&["*.example.com"])),
        alone(Kind::SanOther, |w| {
            w.server.set(
                oid::SAN,
                false,
                sequence(&[wrap(0x82, b"a.example.com"), wrap(0x81, b"a@example.com")]),
            );
        }),
        alone(Kind::SanCritical, |w| w.server.mark(oid::SAN, true)),
        alone(Kind::SanUnmarked, |w| {
            w.server.subject.0 = String::new();
            w.server.mark(oid::SAN, false);
        }),
        alone(Kind::SanKubernetes, |w| {
            w.server = w
                .server
                .clone()
                .with_names(&["kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]);
        }),
        alone(Kind::CommonNameUncovered, |w| w.server.subject.0 = "other.example.com".into()),
        alone(Kind::NodeGroupMissing, |w| w.client.subject.0 = "system:node:node-1".into()),
        alone(Kind::MastersGroup, |w| w.client.subject.1 = vec!["system:masters".into()]),
    ]
}

fn keys() -> Vec<Defect> {
    const NO_KEYS: [&str; 3] = ["pki/server.key", "pki/client.key", "pki/ca.key"];
    vec![
        with(Kind::KeyWeak, &[Kind::EnciphermentMissing], |w| {
            w.server.spki = Key::rsa_spki(1024, &[1, 0, 1]);
            w.gone = NO_KEYS.to_vec();
        }),
        alone(Kind::KeyUnsupported, |w| {
            w.server.spki = Key::ec_spki("1.2.840.10045.3.1.1", &[4; 49]);
            w.gone = NO_KEYS.to_vec();
        }),
        alone(Kind::KeyUncommon, |w| {
            w.server.spki = Key::ec_spki("1.3.132.0.35", &[4; 133]);
            w.gone = NO_KEYS.to_vec();
        }),
        alone(Kind::KeyOddSize, |w| {
            w.server.spki = Key::rsa_spki(2052, &[1, 0, 1]);
            w.server.usage(&[0, 2]);
            w.gone = NO_KEYS.to_vec();
        }),
        alone(Kind::KeyExponent, |w| {
            w.server.spki = Key::rsa_spki(3072, &[3]);
            w.server.usage(&[0, 2]);
            w.gone = NO_KEYS.to_vec();
        }),
        with(Kind::KeyTooLongInUse, &[], |w| {
            // Nobody has its key: it is signed by another one, and looked at alone.
            w.ca.spki = Key::rsa_spki(2048, &[1, 0, 1]);
            w.ca.without(oid::SKI);
            w.ca.set(oid::SKI, false, octets(&[1; 20]));
            let parent = forge::Draft::root("another-ca", &w.ca_key);
            w.ca = w.ca.clone().under(&parent);
            w.put("pki/another-ca.crt", parent.pem(&w.ca_key));
            w.gone = vec![
                "pki/ca.key",
                "pki/server.crt",
                "pki/server.key",
                "pki/client.crt",
                "pki/client.key",
            ];
        }),
    ]
}

fn dates() -> Vec<Defect> {
    vec![
        alone(Kind::Expired, |w| w.server.not_after = "20261001000000Z".into()),
        alone(Kind::NotYetValid, |w| w.server.not_before = "20270101000000Z".into()),
        alone(Kind::ExpiresSoon, |w| w.server.not_after = "20261215000000Z".into()),
        with(Kind::DatesInverted, &[Kind::ChainBroken], |w| {
            w.server.not_before = "20270601000000Z".into();
            w.server.not_after = "20260601000000Z".into();
        }),
        alone(Kind::LivesTooLong, |w| w.server.not_after = "20300601000000Z".into()),
        with(Kind::BeginsImplausibly, &[Kind::LivesTooLong], |w| {
            w.ca.not_before = "19750101000000Z".into();
        }),
        alone(Kind::OutlivesIssuer, |w| {
            w.ca.not_after = "20270401000000Z".into();
            w.client.not_after = "20270401000000Z".into();
        }),
        alone(Kind::BeginsBeforeIssuer, |w| w.server.not_before = "20260531000000Z".into()),
        with(Kind::ClockImplausible, &[Kind::NotYetValid], |w| w.at = "2001-01-01T00:00:00Z"),
    ]
}

#[test]
fn bits_are_numbered_as_the_rfc_does() {
    assert_eq!(named_bits(&[0, 5, 6]), [3, 2, 1, 0b1000_0110]);
}
