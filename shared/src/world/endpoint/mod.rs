//! The door to live TLS servers: what they show is looked at, and nothing is believed or proven.
//!
//! A look is one handshake without a credential and without any verification, so that a server is seen as it is even
//! where no client would accept it. Nothing but the handshake is sent. Each look has its limits: a peer that is silent,
//! slow or no TLS server costs no more than those.

mod fault;
mod handshake;
mod notes;

pub use fault::EndpointFault;

use crate::facts::endpoint::Shown;
use handshake::Deadline;
use rustls::pki_types::ServerName;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::Duration;

/// Where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A name or an address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The name that is asked for, where it is not the host: servers with several certificates choose by it.
    pub server_name: Option<String>,
}

/// How long a look may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Until there is a connection, the look-up of the name included.
    pub connect: Duration,
    /// From there to the end of the handshake.
    pub handshake: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(3), handshake: Duration::from_secs(5) }
    }
}

/// Looks once.
pub fn look(target: &Target, limits: Limits) -> Result<Shown, EndpointFault> {
    let named = target.server_name.as_deref().unwrap_or(&target.host);
    let name = ServerName::try_from(named.to_owned())
        .map_err(|_| EndpointFault::Name(named.to_owned()))?;
    let until = Deadline::after(limits.connect);
    let (address, stream) = connect(target, until)?;
    handshake::shake(address, &stream, name, Deadline::after(limits.handshake))
}

/// The first address of the host that takes a connection.
fn connect(target: &Target, until: Deadline) -> Result<(SocketAddr, TcpStream), EndpointFault> {
    let mut fault = EndpointFault::UnknownHost;
    for address in addresses(target, until)? {
        let left = until.left().ok_or(EndpointFault::NoConnection)?;
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok((address, stream)),
            Err(why) => fault = EndpointFault::connecting(&why),
        }
    }
    Err(fault)
}

fn addresses(target: &Target, until: Deadline) -> Result<Vec<SocketAddr>, EndpointFault> {
    let host = target.host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, target.port)]);
    }
    // The system's look-up knows no limit: it is left behind where it takes longer than ours.
    let (answer, answers) = mpsc::channel();
    let question = (host.to_owned(), target.port);
    std::thread::spawn(move || {
        let found = question.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // Nobody may be there any more to hear it.
        let _ = answer.send(found);
    });
    match answers.recv_timeout(until.left().unwrap_or_default()) {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(_)) => Err(EndpointFault::UnknownHost),
        Err(_) => Err(EndpointFault::NameUnanswered),
    }
}
