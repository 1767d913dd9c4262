//! Certificates for tests, good ones and bad ones.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::sync::Arc;

/// A certificate authority.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key.
pub struct Identity {
    certificate: Certificate,
    key: KeyPair,
}

/// What a certificate is to say.
#[derive(Clone)]
pub struct Wanted {
    names: Vec<String>,
    days: (i64, i64),
    usage: Option<ExtendedKeyUsagePurpose>,
    ca: bool,
}

impl Wanted {
    /// For a server of these names and addresses, valid from yesterday to next year.
    pub fn server(names: &[&str]) -> Self {
        Self {
            names: names.iter().map(|n| (*n).to_owned()).collect(),
            days: (-1, 365),
            usage: Some(ExtendedKeyUsagePurpose::ServerAuth),
            ca: false,
        }
    }

    /// For a client.
    pub fn client() -> Self {
        Self { usage: Some(ExtendedKeyUsagePurpose::ClientAuth), ..Self::server(&[]) }
    }

    /// Valid from so many to so many days from now.
    #[must_use]
    pub fn days(mut self, from: i64, to: i64) -> Self {
        self.days = (from, to);
        self
    }

    /// Says that it is itself a CA.
    #[must_use]
    pub fn ca(mut self) -> Self {
        self.ca = true;
        self
    }

    fn parameters(&self, subject: &str) -> CertificateParams {
        let mut parameters =
            CertificateParams::new(self.names.clone()).expect("names that certificates can hold");
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, subject);
        parameters.distinguished_name = name;
        let now = jiff::Timestamp::now();
        let day = |days: i64| {
            let at = now + jiff::SignedDuration::from_hours(24 * days);
            let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
            let part = |n: i8| u8::try_from(n).expect("months and days are positive");
            rcgen::date_time_ymd(date.year().into(), part(date.month()), part(date.day()))
        };
        (parameters.not_before, parameters.not_after) = (day(self.days.0), day(self.days.1));
        parameters.extended_key_usages.extend(self.usage.clone());
        if self.ca {
            parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            parameters.key_usages =
                vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        }
        parameters
    }
}

impl Authority {
    /// A CA of this name, with a key of its own.
    pub fn new(name: &str) -> Self {
        let wanted = Wanted { usage: None, ..Wanted::server(&[]) }.ca();
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(wanted.parameters(name), key).expect("a certificate"))
    }

    /// Its certificate.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Issues a certificate.
    pub fn issue(&self, subject: &str, wanted: &Wanted) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let certificate =
            wanted.parameters(subject).signed_by(&key, &self.0).expect("a certificate");
        Identity { certificate, key }
    }

    /// A server on this machine.
    pub fn localhost(&self) -> Identity {
        self.issue("kube-apiserver", &Wanted::server(&["127.0.0.1", "localhost"]))
    }
}

impl Identity {
    /// A certificate that is signed with its own key.
    pub fn self_signed(subject: &str, wanted: &Wanted) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = wanted.parameters(subject).self_signed(&key).expect("a certificate");
        Self { certificate, key }
    }

    /// The certificate.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// The key.
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// Settings of a server that shows it, and that asks for certificates of these clients.
    pub fn server(&self, clients: Option<&Authority>) -> Arc<rustls::ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("TLS 1.2 and 1.3");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = rustls::RootCertStore::empty();
                roots.add(authority.0.der().clone()).expect("a CA");
                let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
                    roots.into(),
                    provider,
                )
                .build()
                .expect("a verifier");
                builder.with_client_cert_verifier(verifier)
            }
        };
        let chain = vec![CertificateDer::from(self.certificate.der().to_vec())];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()));
        builder.with_single_cert(chain, key).expect("key and certificate").into()
    }
}
