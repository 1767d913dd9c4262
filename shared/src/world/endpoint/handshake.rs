//! One handshake, within its time.

use super::fault::EndpointFault;
use super::notes::{Listener, Noted, Notes};
use crate::facts::endpoint::{Asked, Protocol, Shown};
use crate::facts::x509::{Certificate, Name};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ProtocolVersion};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of an answer that are kept to recognise who speaks.
const FIRST: usize = 24;
/// How long a server may take to say what it thinks of a client without a certificate.
const VERDICT: Duration = Duration::from_millis(500);

/// A moment after which nothing is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Instant);

#[expect(clippy::disallowed_methods, reason = "limits of this door are measured at this door")]
impl Deadline {
    pub(super) fn after(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// What is left; `None` where nothing is.
    pub(super) fn left(self) -> Option<Duration> {
        let left = self.0.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    fn sooner(self, limit: Duration) -> Self {
        Self(self.0.min(Instant::now() + limit))
    }
}

/// A connection that is read and written until a moment and no longer.
struct Timed<'a> {
    stream: &'a TcpStream,
    until: Deadline,
    first: Vec<u8>,
}

impl Timed<'_> {
    fn left(&self) -> io::Result<Option<Duration>> {
        self.until.left().map(Some).ok_or_else(|| io::ErrorKind::TimedOut.into())
    }
}

impl Read for Timed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        let length = self.stream.read(buffer)?;
        let room = FIRST - self.first.len();
        self.first.extend(&buffer[..length.min(room)]);
        Ok(length)
    }
}

impl Write for Timed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Shakes hands, and says what was seen even where the server then sends a client without a certificate away.
pub(super) fn shake(
    address: SocketAddr,
    stream: &TcpStream,
    name: ServerName<'static>,
    until: Deadline,
) -> Result<Shown, EndpointFault> {
    let notes = Arc::new(Notes::default());
    let mut connection = connection(&notes, name)?;
    let mut timed = Timed { stream, until, first: Vec::with_capacity(FIRST) };
    let ended = to_the_end(&mut connection, &mut timed);
    let Noted { chain, names } = notes.take();
    let required = match &ended {
        // Without a chain nothing was shown; with one, and without a request, it broke for another reason.
        Err(fault) if chain.is_empty() || names.is_none() => return Err(fault.clone()),
        Ok(()) if names.is_none() => None,
        Ok(()) => verdict(&mut connection, &mut timed),
        Err(fault) => sent_away(fault),
    };
    connection.send_close_notify();
    // The other side may have closed already.
    let _ = connection.write_tls(&mut timed);
    let protocol = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => Protocol::Tls13,
        _ => Protocol::Tls12,
    };
    let mut shown = Shown {
        address,
        protocol,
        chain: Vec::new(),
        unreadable: Vec::new(),
        asks: names.map(|names| asked(&names, required)),
    };
    for der in &chain {
        match Certificate::from_der(der) {
            Ok(certificate) => shown.chain.push(certificate),
            Err(why) => shown.unreadable.push(why.to_string()),
        }
    }
    Ok(shown)
}

fn connection(
    notes: &Arc<Notes>,
    name: ServerName<'static>,
) -> Result<ClientConnection, EndpointFault> {
    let fail = |e: rustls::Error| EndpointFault::Other(e.to_string());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier: Arc<Notes> = Arc::clone(notes);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(fail)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(Listener(Arc::clone(notes))));
    config.resumption = rustls::client::Resumption::disabled();
    ClientConnection::new(Arc::new(config), name).map_err(fail)
}

/// Turns until the handshake is over.
fn to_the_end(
    connection: &mut ClientConnection,
    timed: &mut Timed<'_>,
) -> Result<(), EndpointFault> {
    while connection.is_handshaking() || connection.wants_write() {
        turn(connection, timed)?;
    }
    Ok(())
}

/// Sends what is to be sent, else hears what comes.
fn turn(connection: &mut ClientConnection, timed: &mut Timed<'_>) -> Result<(), EndpointFault> {
    if connection.wants_write() {
        // A server that has already said no resets what comes after that: its word is still to be read.
        match connection.write_tls(timed) {
            Ok(_) => return Ok(()),
            Err(why) if EndpointFault::io(&why) == EndpointFault::HungUp => {}
            Err(why) => return Err(EndpointFault::io(&why)),
        }
    }
    let length = connection.read_tls(timed).map_err(|why| EndpointFault::io(&why))?;
    if length == 0 {
        return Err(EndpointFault::HungUp);
    }
    match connection.process_new_packets() {
        Ok(_) => Ok(()),
        Err(why) => Err(EndpointFault::tls(&why, &timed.first)),
    }
}

/// Whether a client without a certificate is sent away. TLS 1.3 has said so only after its handshake, TLS 1.2 in it.
fn verdict(connection: &mut ClientConnection, timed: &mut Timed<'_>) -> Option<bool> {
    if connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return Some(false);
    }
    timed.until = timed.until.sooner(VERDICT);
    match turn(connection, timed) {
        // Tickets are for those who may come again.
        Ok(()) => Some(false),
        Err(fault) => sent_away(&fault),
    }
}

/// Whether a connection that ended so was ended for the lack of a certificate.
fn sent_away(fault: &EndpointFault) -> Option<bool> {
    let said_no = matches!(
        fault,
        // OpenSSL calls it a failure of the handshake in TLS 1.2.
        EndpointFault::Alert(_) | EndpointFault::NoCommonAlgorithm | EndpointFault::HungUp
    );
    said_no.then_some(true)
}

fn asked(names: &[Vec<u8>], required: Option<bool>) -> Asked {
    let read: Vec<_> = names.iter().filter_map(|der| Name::from_der(der)).collect();
    Asked { unreadable: names.len() - read.len(), names: read, required }
}
