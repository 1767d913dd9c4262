//! Why a connection failed, told apart: during a rotation most failures are certificates.

use rustls::{AlertDescription, CertificateError};
use std::error::Error;
use std::fmt;
use std::io;

/// Why there is no connection, or none any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectFault {
    /// Nobody listens there.
    Refused,
    /// No way to that host.
    Unreachable,
    /// The name has no address.
    UnknownHost,
    /// No connection in time.
    TimedOut,
    /// The other side hung up, in the handshake or later.
    HungUp,
    /// The proxy did not connect us.
    Proxy(String),
    /// The server's certificate was issued by a CA that is not trusted.
    UnknownIssuer,
    /// The issuer has the name of a trusted CA, and another key.
    OtherKey,
    /// The server's certificate has expired; the dates in words.
    Expired(String),
    /// The server's certificate is not valid yet; the dates in words.
    NotYetValid(String),
    /// The server's certificate is for other names.
    WrongName {
        /// The name that was asked for.
        wanted: String,
        /// The names that it is for.
        names: Vec<String>,
    },
    /// The server shows a certificate that is not for servers.
    WrongPurpose,
    /// The server shows a CA certificate as its own.
    CaAsServer,
    /// The server's certificate is signed in a way that is no longer accepted.
    WeakSignature,
    /// The server's certificate is unusable in another way.
    BadCertificate(String),
    /// Our client certificate was refused.
    ClientCertificate(String),
    /// No algorithm in common.
    NoCommonAlgorithm,
    /// The other side does not speak TLS.
    NotTls,
    /// The other side does not speak HTTP.
    NotHttp,
    /// Anything else.
    Other(String),
}

impl fmt::Display for ConnectFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("connection refused"),
            Self::Unreachable => f.write_str("no route to the host"),
            Self::UnknownHost => f.write_str("the host name cannot be resolved"),
            Self::TimedOut => f.write_str("no connection in time"),
            Self::HungUp => f.write_str("the server closed the connection"),
            Self::Proxy(what) => write!(f, "the proxy did not connect: {what}"),
            Self::UnknownIssuer => {
                f.write_str("its certificate was issued by a CA that is not trusted")
            }
            Self::OtherKey => f.write_str(
                "its certificate was issued by a CA of the same name as the trusted one, but with another key",
            ),
            Self::Expired(when) => write!(f, "its certificate has expired: {when}"),
            Self::NotYetValid(when) => write!(f, "its certificate is not valid yet: {when}"),
            Self::WrongName { wanted, names } if names.is_empty() => {
                write!(f, "its certificate is not for `{wanted}`; it names no host at all")
            }
            Self::WrongName { wanted, names } => {
                write!(f, "its certificate is not for `{wanted}`, but for {}", names.join(", "))
            }
            Self::WrongPurpose => f.write_str("its certificate is not meant for servers"),
            Self::CaAsServer => f.write_str("it shows a CA certificate as its own"),
            Self::WeakSignature => {
                f.write_str("its certificate is signed with an algorithm that is not accepted")
            }
            Self::BadCertificate(what) => write!(f, "its certificate is not usable: {what}"),
            Self::ClientCertificate(what) => {
                write!(f, "it refuses the client certificate ({what})")
            }
            Self::NoCommonAlgorithm => f.write_str("no TLS algorithm in common"),
            Self::NotTls => f.write_str("it does not speak TLS"),
            Self::NotHttp => f.write_str("it does not speak HTTP"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl ConnectFault {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Refused => {
                "check that the API server runs, and the address and port in the kubeconfig"
            }
            Self::Unreachable | Self::TimedOut => {
                "check the address in the kubeconfig, firewalls, and whether a proxy is needed (--proxy-url)"
            }
            Self::UnknownHost => {
                "check the server name in the kubeconfig and the name service of this machine"
            }
            Self::HungUp => {
                "the server may be restarting, or a load balancer has no server behind it; run again"
            }
            Self::Proxy(_) => "check --proxy-url, HTTPS_PROXY and NO_PROXY",
            Self::UnknownIssuer => {
                "the kubeconfig's CA is not the server's; after a rotation pass the new CA with --certificate-authority FILE"
            }
            Self::OtherKey => {
                "the cluster's CA was made anew under the same name; pass the new CA with --certificate-authority FILE"
            }
            Self::Expired(_) => "the API server needs a new certificate",
            Self::NotYetValid(_) => "compare the clocks of this machine and of the API server",
            Self::WrongName { .. } => {
                "pass one of the certificate's names with --tls-server-name, or issue the certificate for this address"
            }
            Self::WrongPurpose => {
                "the API server's certificate needs the extended key usage `serverAuth`"
            }
            Self::CaAsServer => {
                "issue a certificate for the server by that CA, or pass --insecure-skip-tls-verify to look all the same"
            }
            Self::WeakSignature => {
                "issue the certificate anew, with SHA-256 and RSA of 2048 bits or P-256"
            }
            Self::BadCertificate(_) => {
                "look at it with `openssl s_client -connect HOST:PORT -showcerts`"
            }
            Self::ClientCertificate(_) => {
                "the client certificate has expired, or its CA is no longer trusted; get a new kubeconfig"
            }
            Self::NoCommonAlgorithm => {
                "a P-521 or very old server key is not supported; use RSA or P-256"
            }
            Self::NotTls => {
                "check whether the server address should begin with http://, or names another port"
            }
            Self::NotHttp => {
                "check whether the server address should begin with https://, or names another port"
            }
            Self::Other(_) => return None,
        };
        Some(text.to_owned())
    }

    /// Whether it can go away by itself within seconds, as when an API server restarts.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Refused | Self::HungUp | Self::Unreachable)
    }

    /// Finds the cause in a chain of errors.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Self {
        let mut next = Some(error);
        let mut last = None;
        let mut found = None;
        while let Some(error) = next {
            if let Some(tls) = error.downcast_ref::<rustls::Error>() {
                return tls_fault(tls);
            }
            if let Some(io) = error.downcast_ref::<io::Error>() {
                // An `io::Error` hides what it wraps from `source`.
                if let Some(inner) = io.get_ref() {
                    found = found.or_else(|| io_fault(io));
                    next = Some(inner);
                    continue;
                }
                if let Some(fault) = io_fault(io) {
                    return fault;
                }
            }
            let text = error.to_string();
            if text.contains("dns error") {
                return Self::UnknownHost;
            }
            if text.contains("tunnel error") || text.contains("SOCKS error") {
                found = Some(Self::Proxy(text.clone()));
            }
            if text.contains("connection closed before message completed")
                || text.contains("unexpected EOF")
                || text.contains("handshake eof")
            {
                found = found.or(Some(Self::HungUp));
            }
            if text.starts_with("invalid HTTP") {
                found = found.or(Some(Self::NotHttp));
            }
            last = Some(text);
            next = error.source();
        }
        found.unwrap_or_else(|| Self::Other(last.unwrap_or_default()))
    }
}

fn io_fault(error: &io::Error) -> Option<ConnectFault> {
    use io::ErrorKind as K;
    match error.kind() {
        K::ConnectionRefused => Some(ConnectFault::Refused),
        K::TimedOut => Some(ConnectFault::TimedOut),
        K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown => {
            Some(ConnectFault::Unreachable)
        }
        K::UnexpectedEof | K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => {
            Some(ConnectFault::HungUp)
        }
        _ => None,
    }
}

fn tls_fault(error: &rustls::Error) -> ConnectFault {
    match error {
        rustls::Error::InvalidCertificate(certificate) => certificate_fault(certificate),
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
                ConnectFault::NoCommonAlgorithm
            }
            AlertDescription::CertificateExpired => {
                ConnectFault::ClientCertificate("it has expired".to_owned())
            }
            AlertDescription::UnknownCA => {
                ConnectFault::ClientCertificate("its CA is not known there".to_owned())
            }
            AlertDescription::CertificateRequired => {
                ConnectFault::ClientCertificate("there is none, and one is required".to_owned())
            }
            AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::AccessDenied => {
                ConnectFault::ClientCertificate(format!("{alert:?}"))
            }
            other => ConnectFault::Other(format!("TLS alert {other:?}")),
        },
        rustls::Error::InvalidMessage(_) => ConnectFault::NotTls,
        rustls::Error::PeerIncompatible(_) => ConnectFault::NoCommonAlgorithm,
        other => ConnectFault::Other(other.to_string()),
    }
}

fn certificate_fault(error: &CertificateError) -> ConnectFault {
    let date = |time: &rustls::pki_types::UnixTime| {
        i64::try_from(time.as_secs())
            .ok()
            .and_then(|s| jiff::Timestamp::from_second(s).ok())
            .map_or_else(|| "an impossible date".to_owned(), |t| t.to_string())
    };
    match error {
        CertificateError::UnknownIssuer => ConnectFault::UnknownIssuer,
        CertificateError::BadSignature => ConnectFault::OtherKey,
        CertificateError::ExpiredContext { time, not_after } => ConnectFault::Expired(format!(
            "valid until {}, and it is {}",
            date(not_after),
            date(time)
        )),
        CertificateError::Expired => ConnectFault::Expired("no dates given".to_owned()),
        CertificateError::NotValidYetContext { time, not_before } => ConnectFault::NotYetValid(
            format!("valid from {}, and it is {}", date(not_before), date(time)),
        ),
        CertificateError::NotValidYet => ConnectFault::NotYetValid("no dates given".to_owned()),
        CertificateError::NotValidForNameContext { expected, presented } => {
            ConnectFault::WrongName {
                wanted: expected.to_str().into_owned(),
                names: presented.iter().map(|name| plain_name(name)).collect(),
            }
        }
        CertificateError::NotValidForName => {
            ConnectFault::WrongName { wanted: "this server".to_owned(), names: Vec::new() }
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            ConnectFault::WrongPurpose
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            ConnectFault::WeakSignature
        }
        CertificateError::Other(other) => {
            let text = other.to_string();
            if text.contains("CaUsedAsEndEntity") {
                ConnectFault::CaAsServer
            } else {
                ConnectFault::BadCertificate(text)
            }
        }
        other => ConnectFault::BadCertificate(other.to_string()),
    }
}

/// rustls writes names as `DnsName("x")` and `IpAddress(1.2.3.4)`.
fn plain_name(name: &str) -> String {
    name.split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'))
        .map_or(name, |inner| inner.trim_matches('"'))
        .to_owned()
}
