//! Why a server could not be looked at.

use rustls::AlertDescription;
use std::fmt;
use std::io;

/// Why there is nothing to see; each kind of peer that is no healthy TLS server has its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointFault {
    /// What stands where a name should is none.
    Name(String),
    /// The name has no address.
    UnknownHost,
    /// Nobody answered in time which address the name has.
    NameUnanswered,
    /// Nobody listens there.
    Refused,
    /// No way to that host.
    Unreachable,
    /// The connection was not taken in time.
    NoConnection,
    /// The connection was taken, and then nothing came, or too slowly.
    Silent,
    /// The other side closed the connection.
    HungUp,
    /// It speaks HTTP without TLS.
    PlainHttp,
    /// It speaks something else, which begins so.
    NotTls(String),
    /// It speaks only versions of TLS before 1.2.
    OldProtocol,
    /// No algorithm in common.
    NoCommonAlgorithm,
    /// It ended the handshake with this alert.
    Alert(String),
    /// Anything else.
    Other(String),
}

impl fmt::Display for EndpointFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{name}` is neither a host name nor an address"),
            Self::UnknownHost => f.write_str("the host name cannot be resolved"),
            Self::NameUnanswered => f.write_str("the host name was not resolved in time"),
            Self::Refused => f.write_str("connection refused"),
            Self::Unreachable => f.write_str("no route to the host"),
            Self::NoConnection => f.write_str("no connection in time"),
            Self::Silent => {
                f.write_str("it takes connections and did not finish a handshake in time")
            }
            Self::HungUp => f.write_str("it closed the connection"),
            Self::PlainHttp => f.write_str("it speaks HTTP without TLS"),
            Self::NotTls(begin) if begin.is_empty() => f.write_str("it does not speak TLS"),
            Self::NotTls(begin) => write!(f, "it does not speak TLS: its answer begins `{begin}`"),
            Self::OldProtocol => f.write_str("it speaks only versions of TLS before 1.2"),
            Self::NoCommonAlgorithm => f.write_str("no TLS algorithm in common"),
            Self::Alert(alert) => write!(f, "it ended the handshake: {alert}"),
            Self::Other(what) => f.write_str(what),
        }
    }
}

impl EndpointFault {
    pub(super) fn connecting(error: &io::Error) -> Self {
        match Self::io(error) {
            Self::Silent => Self::NoConnection,
            other => other,
        }
    }

    pub(super) fn io(error: &io::Error) -> Self {
        use io::ErrorKind as K;
        match error.kind() {
            K::ConnectionRefused => Self::Refused,
            K::TimedOut | K::WouldBlock => Self::Silent,
            K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown => Self::Unreachable,
            K::UnexpectedEof | K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => {
                Self::HungUp
            }
            _ => Self::Other(crate::world::words(error)),
        }
    }

    /// What rustls made of the peer's words, of which the first are known.
    pub(super) fn tls(error: &rustls::Error, first: &[u8]) -> Self {
        match error {
            rustls::Error::AlertReceived(alert) => match alert {
                AlertDescription::ProtocolVersion => Self::OldProtocol,
                AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
                    Self::NoCommonAlgorithm
                }
                other => Self::Alert(words(*other)),
            },
            rustls::Error::InvalidMessage(_) if !is_record(first) => Self::stranger(first),
            rustls::Error::PeerIncompatible(
                rustls::PeerIncompatible::ServerDoesNotSupportTls12Or13
                | rustls::PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
            ) => Self::OldProtocol,
            rustls::Error::PeerIncompatible(_) => Self::NoCommonAlgorithm,
            other => Self::Other(format!("the handshake failed: {other}")),
        }
    }

    fn stranger(first: &[u8]) -> Self {
        if first.starts_with(b"HTTP/") {
            return Self::PlainHttp;
        }
        let text = first.iter().take_while(|b| b.is_ascii_graphic() || **b == b' ');
        Self::NotTls(text.map(|b| char::from(*b)).collect::<String>().trim_end().to_owned())
    }
}

/// Whether these can be the first bytes of a TLS record: its type, and 3 for the major version.
fn is_record(first: &[u8]) -> bool {
    matches!(first, [20..=23, 3, ..])
}

/// `CertificateRequired` as `certificate required`.
fn words(alert: AlertDescription) -> String {
    let name = alert.as_str().map_or_else(|| format!("{alert:?}"), str::to_owned);
    let mut words = String::new();
    let mut before = ' ';
    for letter in name.chars() {
        if letter.is_uppercase() && before.is_lowercase() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
        before = letter;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_told_apart() {
        use rustls::{Error, InvalidMessage};
        let invalid = Error::InvalidMessage(InvalidMessage::InvalidContentType);
        for (first, expected) in [
            (&b"HTTP/1.1 400 Bad Request"[..], "it speaks HTTP without TLS"),
            (b"SSH-2.0-OpenSSH_9", "it does not speak TLS: its answer begins `SSH-2.0-OpenSSH_9`"),
            (b"\0\0\0", "it does not speak TLS"),
            (b"220 mail \r\n", "it does not speak TLS: its answer begins `220 mail`"),
        ] {
            assert_eq!(EndpointFault::tls(&invalid, first).to_string(), expected);
        }
        let record = EndpointFault::tls(&invalid, &[22, 3, 3]);
        assert!(matches!(record, EndpointFault::Other(_)), "{record:?}");
    }

    #[test]
    fn alerts_are_words() {
        let alert = |a| EndpointFault::tls(&rustls::Error::AlertReceived(a), &[]).to_string();
        assert_eq!(
            alert(AlertDescription::UnrecognisedName),
            "it ended the handshake: unrecognised name"
        );
        assert_eq!(
            alert(AlertDescription::ProtocolVersion),
            "it speaks only versions of TLS before 1.2"
        );
        assert_eq!(alert(AlertDescription::HandshakeFailure), "no TLS algorithm in common");
        assert_eq!(alert(AlertDescription::UnknownCA), "it ended the handshake: unknown ca");
    }
}
