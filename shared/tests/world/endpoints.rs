//! Live TLS servers, and peers that are none.

use double::tls::{Authority, Identity, Wanted};
use rotation_core::facts::endpoint::Protocol;
use rotation_core::world::endpoint::{EndpointFault, Limits, Target, look};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const SOON: Limits =
    Limits { connect: Duration::from_millis(500), handshake: Duration::from_millis(500) };

fn at(address: SocketAddr) -> Target {
    Target { host: address.ip().to_string(), port: address.port(), server_name: None }
}

/// A server that does this with its only guest.
fn peer(serve: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    std::thread::spawn(move || serve(listener.accept().expect("a guest").0));
    address
}

/// A real TLS server.
pub(crate) fn server(config: Arc<rustls::ServerConfig>) -> SocketAddr {
    peer(move |mut stream| {
        let mut connection = rustls::ServerConnection::new(config).expect("a server");
        // Its end is the guest's business.
        while connection.complete_io(&mut stream).is_ok_and(|(read, _)| read > 0) {}
    })
}

#[test]
fn a_chain_is_seen_whatever_it_is_worth() {
    let authority = Authority::new("somebody");
    for (what, identity) in [
        ("a good one", authority.localhost()),
        ("another name", authority.issue("x", &Wanted::server(&["elsewhere"]))),
        ("expired", authority.issue("x", &Wanted::server(&["localhost"]).days(-9, -3))),
        ("for clients", authority.issue("x", &Wanted::client())),
        ("a CA", Identity::self_signed("x", &Wanted::server(&["localhost"]).ca())),
    ] {
        let shown = look(&at(server(identity.server(None))), Limits::default()).expect(what);
        assert_eq!((shown.chain.len(), shown.protocol), (1, Protocol::Tls13), "{what}");
        assert_eq!(
            rotation_core::facts::x509::encode("CERTIFICATE", shown.chain[0].der()),
            identity.pem().replace("\r\n", "\n"),
            "{what}"
        );
        assert!(shown.asks.is_none(), "{what}: {shown:?}");
    }
}

#[test]
fn whose_clients_a_server_accepts_is_seen_without_a_credential() {
    let (authority, clients) = (Authority::new("servers"), Authority::new("clients"));
    let shown = look(&at(server(authority.localhost().server(Some(&clients)))), Limits::default())
        .expect("shown");
    let asked = shown.asks.expect("it asks");
    assert_eq!(asked.names.iter().map(ToString::to_string).collect::<Vec<_>>(), ["CN=clients"]);
    assert_eq!((asked.required, asked.unreadable), (Some(true), 0));
}

#[test]
fn peers_that_are_no_tls_servers_are_told_apart() {
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    assert_eq!(look(&at(closed), SOON).expect_err("closed"), EndpointFault::Refused);
    let answering = |words: &'static [u8]| {
        peer(move |mut stream| {
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(words);
            let _ = stream.read(&mut [0; 512]);
        })
    };
    for (words, expected) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], EndpointFault::PlainHttp),
        (b"SSH-2.0-OpenSSH_9.2\r\n", EndpointFault::NotTls("SSH-2.0-OpenSSH_9.2".to_owned())),
        (b"\x1b]0;title\x07hello, who is there?", EndpointFault::NotTls(String::new())),
        // A fatal alert, version 3.3: protocol_version.
        (b"\x15\x03\x03\0\x02\x02\x46", EndpointFault::OldProtocol),
    ] {
        assert_eq!(look(&at(answering(words)), SOON).expect_err("no server"), expected);
    }
    let hangs_up = peer(|mut stream| drop(stream.read(&mut [0; 16])));
    assert_eq!(look(&at(hangs_up), SOON).expect_err("gone"), EndpointFault::HungUp);
    let nameless = Target { host: "no.such.host.invalid".to_owned(), port: 1, server_name: None };
    assert_eq!(look(&nameless, SOON).expect_err("no name"), EndpointFault::UnknownHost);
    let odd = Target { host: "a b".to_owned(), port: 1, server_name: None };
    assert_eq!(look(&odd, SOON).expect_err("no name"), EndpointFault::Name("a b".to_owned()));
}

#[test]
fn a_silent_or_slow_peer_costs_no_more_than_its_limit() {
    let silent = peer(|mut stream| drop(stream.read_to_end(&mut Vec::new())));
    // A byte at a time keeps every single read going, and never ends.
    let drips = peer(|mut stream| {
        let record = [&[22, 3, 3, 0x40, 0][..], &[0; 300]].concat();
        for byte in record {
            std::thread::sleep(Duration::from_millis(20));
            if stream.write_all(&[byte]).is_err() {
                return;
            }
        }
    });
    // Its queue is full: connections are not taken at all.
    let full = TcpListener::bind("127.0.0.1:0").expect("a port");
    let full_at = full.local_addr().expect("bound");
    let guests: Vec<_> = (0..200)
        .map_while(|_| TcpStream::connect_timeout(&full_at, Duration::from_millis(50)).ok())
        .collect();
    for (what, address, expected) in [
        ("silent", silent, EndpointFault::Silent),
        ("slow", drips, EndpointFault::Silent),
        ("full", full_at, EndpointFault::NoConnection),
    ] {
        if what == "full" && guests.len() == 200 {
            continue;
        }
        let begun = Instant::now();
        assert_eq!(look(&at(address), SOON).expect_err(what), expected, "{what}");
        assert!(begun.elapsed() < Duration::from_millis(1500), "{what}: {:?}", begun.elapsed());
    }
}

/// `openssl s_server`, ended with the test.
struct Openssl {
    child: Child,
    address: SocketAddr,
    _files: tempfile::TempDir,
}

impl Openssl {
    fn start(identity: &Identity, clients: &[&Authority], flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = |name: &str| dir.path().join(name).display().to_string();
        std::fs::write(path("crt"), identity.pem()).expect("written");
        std::fs::write(path("key"), identity.key_pem()).expect("written");
        let all: String = clients.iter().map(|c| c.pem()).collect();
        std::fs::write(path("ca"), all).expect("written");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
        let child = Command::new("openssl")
            .args(["s_server", "-quiet", "-accept", &port.to_string()])
            .args(["-cert", &path("crt"), "-key", &path("key")])
            .args(if clients.is_empty() { vec![] } else { vec!["-CAfile".to_owned(), path("ca")] })
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("openssl is installed");
        let this = Self { child, address: port, _files: dir };
        let begun = Instant::now();
        while TcpStream::connect(port).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "openssl s_server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        this
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn openssl_shows_all_of_it() {
    let authority = Authority::new("servers");
    let (old, new) = (Authority::new("old clients"), Authority::new("new clients"));
    let identity = authority.localhost();
    for (flags, protocol, required) in [
        (&["-verify", "3"][..], Protocol::Tls13, Some(false)),
        (&["-Verify", "3"], Protocol::Tls13, Some(true)),
        (&["-verify", "3", "-tls1_2"], Protocol::Tls12, Some(false)),
        (&["-Verify", "3", "-tls1_2"], Protocol::Tls12, Some(true)),
    ] {
        let running = Openssl::start(&identity, &[&old, &new], flags);
        let shown = look(&at(running.address), Limits::default()).expect("shown");
        assert_eq!(shown.protocol, protocol, "{flags:?}");
        let asked = shown.asks.expect("it asks");
        let mut names: Vec<_> = asked.names.iter().map(ToString::to_string).collect();
        names.sort();
        assert_eq!(names, ["CN=new clients", "CN=old clients"], "{flags:?}");
        assert_eq!(asked.required, required, "{flags:?}");
    }
    let running = Openssl::start(&identity, &[], &[]);
    assert!(look(&at(running.address), Limits::default()).expect("shown").asks.is_none());
    let old_only = Openssl::start(&identity, &[], &["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]);
    assert_eq!(look(&at(old_only.address), SOON).expect_err("too old"), EndpointFault::OldProtocol);
    let strange = Openssl::start(&identity, &[], &["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-CCM"]);
    assert_eq!(look(&at(strange.address), SOON).expect_err("no"), EndpointFault::NoCommonAlgorithm);
}
