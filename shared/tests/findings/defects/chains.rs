//! Defects of chains, and of CAs beside each other.

use super::{Defect, alone, with};
use forge::der::sequence;
use forge::{Draft, Key, oid};
use rotation_core::plan::certificate::Kind;

pub(super) fn defects() -> Vec<Defect> {
    vec![
        with(Kind::PathLengthExceeded, &[Kind::PathLengthNoBridge], |w| {
            w.ca.set(oid::BASIC, true, sequence(&[vec![1, 1, 0xff], vec![2, 1, 0]]));
            let key = Key::new();
            let between = Draft::intermediate("between", &key, &w.ca);
            w.put("pki/between.crt", between.pem(&w.ca_key));
            w.server = w.server.clone().under(&between);
            w.signer = Some(key);
        }),
        alone(Kind::IssuerNotFound, |w| {
            let key = Key::new();
            w.server = w.server.clone().under(&Draft::root("another-ca", &key));
            w.signer = Some(key);
        }),
        alone(Kind::SignedByAnother, |w| w.signer = Some(Key::new())),
        with(Kind::SignatureUnchecked, &[Kind::SignatureWeak], |w| {
            w.server.inner = oid::ECDSA_SHA1.into();
            w.server.outer = oid::ECDSA_SHA1.into();
        }),
        with(Kind::IssuerExpired, &[Kind::OutlivesIssuer], |w| {
            // In a pool, so that the CA itself is not judged.
            w.ca.not_after = "20261001000000Z".into();
            w.pools = vec![("old-ca.crt".into(), w.ca_pem().into_bytes())];
            w.gone = vec!["pki/ca.crt", "pki/ca.key"];
        }),
        with(Kind::ChainBroken, &[Kind::CertificateStrict], |w| {
            // Between leaf and root there is one that strict verifiers do not read.
            let key = Key::new();
            let mut between = Draft::intermediate("between", &key, &w.ca);
            between.unique_id = Some(vec![1, 2, 3]);
            w.put("pki/between.crt", between.pem(&w.ca_key));
            w.server = w.server.clone().under(&between);
            w.signer = Some(key);
        }),
        alone(Kind::SelfSignedLeaf, |w| {
            let key = Key::new();
            let mut own = Draft::server("self", &["self.example.com"], &key, &w.ca);
            own.issuer = own.subject.clone();
            own.without(oid::AKI);
            w.put("pki/self.crt", own.pem(&key));
            w.put("pki/self.key", key.pem());
        }),
        with(Kind::AmbiguousIssuer, &[Kind::AkiMissing, Kind::CasShareSubject], |w| {
            w.server.without(oid::AKI);
            let key = Key::new();
            let mut other = w.ca.clone();
            other.spki = key.spki();
            other.serial[1] ^= 1;
            other.set(oid::SKI, false, forge::der::octets(&other.key_id()));
            w.put("pki/new-ca.crt", other.pem(&key));
        }),
        alone(Kind::CasShareSubject, |w| {
            let key = Key::new();
            let other = Draft::root("kubernetes-ca-g1", &key);
            w.put("pki/new-ca.crt", other.pem(&key));
        }),
        alone(Kind::CasShareKeyId, |w| {
            let key = Key::new();
            let mut other = Draft::root("kubernetes-ca-g2", &key);
            other.set(oid::SKI, false, forge::der::octets(&w.ca.key_id()));
            w.put("pki/new-ca.crt", other.pem(&key));
        }),
        alone(Kind::CaRenewed, |w| {
            let mut renewed = w.ca.clone();
            renewed.serial[1] ^= 1;
            renewed.not_after = "20350601000000Z".into();
            w.put("pki/new-ca.crt", renewed.pem(&w.ca_key));
        }),
        alone(Kind::LeafInPool, |w| {
            let bundle = format!("{}{}", w.ca_pem(), w.server_pem());
            w.pools = vec![("bundle.crt".into(), bundle.into_bytes())];
        }),
        alone(Kind::EtcdSharesCa, |w| w.put("pki/etcd/ca.crt", w.ca_pem())),
        alone(Kind::SerialRepeated, |w| w.client.serial = w.server.serial.clone()),
    ]
}
