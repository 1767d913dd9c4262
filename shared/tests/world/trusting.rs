//! Certificates: what is trusted, and why a connection failed.

use crate::setup::{Files, error};
use double::tls::{Authority, Identity, Wanted};
use double::{Api, kubeconfig};
use rotation_core::facts::exit::Fault as _;
use rotation_core::world::cluster::{Cluster, ClusterError, ConnectFault, Connection};
use std::net::TcpListener;

/// Asks a server of this identity, trusting that CA.
fn fault(identity: &Identity, trusted: &str) -> ConnectFault {
    let api = Api::setup().tls(identity).start();
    let files = Files::with(&kubeconfig(&api.url(), "certificate-authority: ca.pem", ""));
    files.write("ca.pem", trusted);
    let cluster = Cluster::connect(&files.connection()).expect("a client");
    fault_of(&cluster)
}

fn fault_of(cluster: &Cluster) -> ConnectFault {
    match cluster.version() {
        Err(error @ ClusterError::Connect { .. }) => {
            assert!(error.hint().is_some(), "{error}");
            let ClusterError::Connect { fault, .. } = error else { unreachable!() };
            fault
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_certificate_fault_has_its_name() {
    let ca = Authority::new("kubernetes");
    let local = Wanted::server(&["127.0.0.1"]);
    let issue = |wanted: &Wanted| ca.issue("kube-apiserver", wanted);
    assert_eq!(fault(&issue(&local), &Authority::new("other").pem()), ConnectFault::UnknownIssuer);
    assert_eq!(fault(&issue(&local), &Authority::new("kubernetes").pem()), ConnectFault::OtherKey);
    let expired = fault(&issue(&local.clone().days(-10, -2)), &ca.pem());
    assert!(
        matches!(&expired, ConnectFault::Expired(when) if when.contains("valid until 20") && when.contains("T00:00:00Z")),
        "{expired:?}"
    );
    let early = fault(&issue(&local.clone().days(3, 9)), &ca.pem());
    assert!(
        matches!(&early, ConnectFault::NotYetValid(when) if when.contains("valid from 20")),
        "{early:?}"
    );
    assert_eq!(
        fault(&issue(&Wanted::server(&["kubernetes.default.svc", "10.0.0.1"])), &ca.pem()),
        ConnectFault::WrongName {
            wanted: "127.0.0.1".to_owned(),
            names: vec!["kubernetes.default.svc".to_owned(), "10.0.0.1".to_owned()],
        }
    );
    assert!(matches!(
        fault(&issue(&Wanted::server(&[])), &ca.pem()),
        ConnectFault::WrongName { names, .. } if names.is_empty()
    ));
    assert_eq!(fault(&issue(&Wanted::client()), &ca.pem()), ConnectFault::WrongPurpose);
    let itself = Identity::self_signed("kube-apiserver", &local.clone().ca());
    assert_eq!(fault(&itself, &itself.pem()), ConnectFault::CaAsServer);
}

#[test]
fn a_refused_client_certificate_is_said_to_be_one() {
    let ca = Authority::new("kubernetes");
    let api = Api::setup().mutual_tls(&ca.localhost(), &ca).start();
    let files = Files::new();
    files.write("ca.pem", &ca.pem());
    let other = Authority::new("old").issue("jane", &Wanted::client());
    let expired = ca.issue("jane", &Wanted::client().days(-9, -2));
    for (name, client) in [("none", None), ("other", Some(&other)), ("expired", Some(&expired))] {
        let user = client.map_or(String::new(), |client| {
            files.write("c.pem", &client.pem());
            files.write("k.pem", &client.key_pem());
            "client-certificate: c.pem\nclient-key: k.pem".to_owned()
        });
        files.write("config", &kubeconfig(&api.url(), "certificate-authority: ca.pem", &user));
        let cluster = Cluster::connect(&files.connection()).expect("a client");
        let fault = fault_of(&cluster);
        assert!(matches!(fault, ConnectFault::ClientCertificate(_)), "{name}: {fault:?}");
    }
}

#[test]
fn other_ends_of_a_connection_are_told_apart() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("bound").port();
    drop(silent);
    let at = |url: &str| {
        let files = Files::with(&kubeconfig(url, "", ""));
        fault_of(&Cluster::connect(&files.connection()).expect("a client"))
    };
    assert_eq!(at(&format!("https://127.0.0.1:{port}")), ConnectFault::Refused);
    assert_eq!(at("https://no-such-host.invalid:6443"), ConnectFault::UnknownHost);
    let plain = Api::start();
    assert_eq!(at(&plain.url().replace("http:", "https:")), ConnectFault::NotTls);
    let tls = Api::setup().tls(&Authority::new("x").localhost()).start();
    assert_eq!(at(&tls.url().replace("https:", "http:")), ConnectFault::NotHttp);
    let hangs_up = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = hangs_up.local_addr().expect("bound").port();
    std::thread::spawn(move || while hangs_up.accept().is_ok() {});
    assert_eq!(at(&format!("https://127.0.0.1:{port}")), ConnectFault::HungUp);
}

#[test]
fn old_and_new_ca_are_trusted_together() {
    let (old, new) = (Authority::new("kubernetes"), Authority::new("kubernetes"));
    let files = Files::new();
    let (old_file, new_file) =
        (files.write("old.pem", &old.pem()), files.write("new.pem", &new.pem()));
    for authority in [&old, &new] {
        let api = Api::setup().tls(&authority.localhost()).start();
        files.write("config", &kubeconfig(&api.url(), "certificate-authority: old.pem", ""));
        for connection in [
            Connection { certificate_authority: Some(new_file.clone()), ..files.connection() },
            Connection { extra_ca: vec![new_file.clone()], ..files.connection() },
            Connection {
                extra_ca: vec![new_file.clone(), old_file.clone()],
                kubeconfig: Some(files.write("bare", &kubeconfig(&api.url(), "", ""))),
                ..files.connection()
            },
        ] {
            Cluster::connect(&connection).expect("a client").version().expect("trusted");
        }
    }
}

#[test]
fn a_bundle_in_the_kubeconfig_and_the_server_name() {
    let (old, new) = (Authority::new("kubernetes"), Authority::new("kubernetes"));
    let identity = new.issue("kube-apiserver", &Wanted::server(&["kubernetes"]));
    let api = Api::setup().tls(&identity).start();
    let data = base64(&format!("text\n{}{}", old.pem(), new.pem()));
    let cluster = format!("certificate-authority-data: {data}\ntls-server-name: kubernetes");
    let files = Files::with(&kubeconfig(&api.url(), &cluster, ""));
    Cluster::connect(&files.connection()).expect("a client").version().expect("trusted");
    let connection = Connection { server: Some(api.url()), ..files.connection() };
    assert!(
        matches!(
            fault_of(&Cluster::connect(&connection).expect("a client")),
            ConnectFault::WrongName { .. }
        ),
        "the kubeconfig's name is for the kubeconfig's address"
    );
    let connection = Connection { tls_server_name: Some("kubernetes".to_owned()), ..connection };
    Cluster::connect(&connection).expect("a client").version().expect("trusted");
    let connection =
        Connection { insecure_skip_tls_verify: true, tls_server_name: None, ..connection };
    Cluster::connect(&connection).expect("a client").version().expect("not looked at");
}

fn base64(text: &str) -> String {
    const SIGNS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut encoded = String::new();
    for part in text.as_bytes().chunks(3) {
        let bits = part.iter().fold(0_usize, |bits, b| bits << 8 | usize::from(*b))
            << (8 * (3 - part.len()));
        for sign in 0..4 {
            encoded.push(if sign > part.len() {
                '='
            } else {
                char::from(SIGNS[bits >> (18 - 6 * sign) & 63])
            });
        }
    }
    encoded
}

#[test]
fn unusable_material_is_named() {
    let ca = Authority::new("kubernetes");
    let (one, two) = (ca.issue("a", &Wanted::client()), ca.issue("b", &Wanted::client()));
    let files = Files::new();
    files.write("ca.pem", &ca.pem());
    files.write("c.pem", &one.pem());
    files.write("k.pem", &two.key_pem());
    files.write("empty", "");
    let rows = [
        ("certificate-authority: gone.pem", "", "gone.pem: no such file"),
        ("certificate-authority: empty", "", "it holds no certificate"),
        ("certificate-authority-data: '%%%'", "", "it is not base64"),
        (
            "",
            "client-certificate: c.pem\nclient-key: k.pem",
            "the key does not belong to the certificate",
        ),
        ("", "client-certificate: c.pem", "there is none"),
        ("", "client-certificate: c.pem\nclient-key: gone.pem", "gone.pem: no such file"),
        ("", "client-certificate: c.pem\nclient-key: c.pem", "no private key"),
        ("", "tokenFile: gone", "gone: no such file"),
        ("", "tokenFile: empty", "it is empty"),
    ];
    for (cluster, user, expected) in rows {
        files.write("config", &kubeconfig("https://127.0.0.1:1", cluster, user));
        let error = error(Cluster::connect(&files.connection()));
        assert!(
            matches!(&error, ClusterError::Material { .. }) && error.to_string().contains(expected),
            "{cluster} {user}: {error}"
        );
    }
}
