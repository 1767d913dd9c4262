//! Asks a DNS server one question: does it answer at all?
//!
//! Only whether the server answers is looked at, not what: `NXDOMAIN` proves a working server as well as an address does,
//! `SERVFAIL` and silence do not.

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

/// The name that every cluster has.
pub const NAME: &str = "kubernetes.default.svc.cluster.local";

/// How long one try waits; resolvers on the way answer within milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The server answered: with this many records, or that there is no such name.
    Answer {
        /// Records in the answer.
        records: u16,
    },
    /// The server answered that it could not.
    Failure {
        /// `RCODE`, RFC 1035 section 4.1.1.
        code: u8,
    },
    /// Nothing came in time, or the way is closed.
    Silence,
}

/// Asks for the address of `name`, up to `tries` times.
pub fn ask(server: IpAddr, port: u16, name: &str, tries: u16) -> Heard {
    (0..tries.max(1))
        .map(|id| once(server, port, name, id))
        .find_map(Result::ok)
        .unwrap_or(Heard::Silence)
}

fn once(server: IpAddr, port: u16, name: &str, id: u16) -> io::Result<Heard> {
    let any: SocketAddr = match server {
        IpAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
        IpAddr::V6(_) => ([0_u16; 8], 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect((server, port))?;
    socket.send(&question(id, name))?;
    let mut buffer = [0; 512];
    let length = socket.recv(&mut buffer)?;
    read(&buffer[..length], id).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// A query of type A, class IN, with recursion desired (RFC 1035 section 4.1).
fn question(id: u16, name: &str) -> Vec<u8> {
    let mut packet = id.to_be_bytes().to_vec();
    packet.extend([0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.split('.').filter(|label| !label.is_empty()) {
        let label = &label.as_bytes()[..label.len().min(63)];
        packet.push(u8::try_from(label.len()).unwrap_or(63));
        packet.extend(label);
    }
    packet.extend([0, 0, 1, 0, 1]);
    packet
}

/// The answer to the question of this id; `None` for anything else.
fn read(packet: &[u8], id: u16) -> Option<Heard> {
    let word = |at: usize| Some(u16::from_be_bytes([*packet.get(at)?, *packet.get(at + 1)?]));
    let flags = word(2)?;
    let is_response = flags & 0x8000 != 0;
    if word(0)? != id || !is_response {
        return None;
    }
    let code = (flags & 0xf) as u8;
    Some(match code {
        0 | 3 => Heard::Answer { records: word(6)? },
        _ => Heard::Failure { code },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server on loopback that answers one question with these flags, or not at all.
    fn server(flags: Option<u16>) -> (IpAddr, u16) {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let address = socket.local_addr().expect("bound");
        std::thread::spawn(move || {
            let mut buffer = [0; 512];
            let (length, from) = socket.recv_from(&mut buffer).expect("a question");
            let Some(flags) = flags else { return };
            let mut answer = buffer[..length].to_vec();
            answer[2..4].copy_from_slice(&flags.to_be_bytes());
            socket.send_to(&answer, from).expect("sent");
        });
        (address.ip(), address.port())
    }

    #[test]
    fn an_answer_is_any_word_of_a_working_server() {
        for (flags, expected) in [
            (Some(0x8180), Heard::Answer { records: 0 }),
            (Some(0x8183), Heard::Answer { records: 0 }),
            (Some(0x8182), Heard::Failure { code: 2 }),
            (None, Heard::Silence),
        ] {
            let (ip, port) = server(flags);
            assert_eq!(ask(ip, port, NAME, 1), expected, "{flags:?}");
        }
    }

    #[test]
    fn a_stranger_s_packet_is_no_answer() {
        assert_eq!(read(&[0, 1, 0x81, 0x80, 0, 1, 0, 0], 2), None);
        assert_eq!(read(&[0, 2, 0x01, 0x00, 0, 1, 0, 0], 2), None);
        assert_eq!(read(&[0, 2], 2), None);
    }

    #[test]
    fn the_question_is_rfc_1035s() {
        let packet = question(7, "a.bc");
        assert_eq!(
            packet,
            [0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1, b'a', 2, b'b', b'c', 0, 0, 1, 0, 1]
        );
    }
}
