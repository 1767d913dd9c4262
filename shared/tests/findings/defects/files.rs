//! Defects of files, keys and layouts.

use super::{Defect, alone, with};
use crate::world::World;
use forge::{Draft, Key};
use rotation_core::facts::x509::encode;
use rotation_core::plan::certificate::{Kind, LayoutRow, RowKind, RowRules};

pub(super) fn defects() -> Vec<Defect> {
    vec![
        alone(Kind::FileUnreadable, |w| {
            w.put("pki/more.crt", "");
            w.unreadable.push("pki/more.crt");
        }),
        alone(Kind::FileEmpty, |w| w.put("pki/more.crt", "\n")),
        alone(Kind::FileTooLarge, |w| w.put("pki/more.crt", vec![b' '; (16 << 20) + 1])),
        alone(Kind::PemBroken, |w| {
            w.rewrite("pki/ca.crt", |t| format!("{t}{}", t.replace("MII", "M!I")));
        }),
        alone(Kind::PemUnterminated, |w| {
            w.rewrite("pki/ca.crt", |t| format!("{t}-----BEGIN CERTIFICATE-----\nMII"));
        }),
        alone(Kind::PemByteOrderMark, |w| w.rewrite("pki/ca.crt", |t| format!("\u{feff}{t}"))),
        alone(Kind::PemIndented, |w| {
            w.rewrite("pki/ca.crt", |t| t.replace('\n', "\n  ").replacen("--", "  --", 1));
        }),
        alone(Kind::PemCarriageReturns, |w| w.rewrite("pki/ca.crt", |t| t.replace('\n', "\r\n"))),
        alone(Kind::PemTextOutside, |w| {
            w.rewrite("pki/ca.crt", |t| format!("{t}trailing garbage\n"));
        }),
        alone(Kind::PemTrustedCertificate, |w| {
            w.rewrite("pki/ca.crt", |t| t.replace(" CERTIFICATE", " TRUSTED CERTIFICATE"));
        }),
        alone(Kind::PemUnknownBlock, |w| {
            w.rewrite("pki/ca.crt", |t| format!("{t}{}", encode("PKCS7", b"0")));
        }),
        alone(Kind::FileIsDer, |w| {
            w.put("pki/server.crt", w.server.sign(&w.ca_key));
        }),
        alone(Kind::CertificateUnparsable, |w| {
            w.put("pki/more.crt", encode("CERTIFICATE", &[0x30, 3, 2, 1, 1]));
        }),
        alone(Kind::RequestUnparsable, |w| {
            w.put("pki/more.csr", encode("CERTIFICATE REQUEST", &[0x30, 3, 2, 1, 1]));
        }),
        alone(Kind::RequestUnsigned, |w| w.put("pki/server.csr", w.server_key.request(true))),
        alone(Kind::CertificateDuplicate, |w| w.rewrite("pki/ca.crt", |t| format!("{t}{t}"))),
        alone(Kind::KeyUnreadable, |w| {
            w.put("pki/more.key", encode("PRIVATE KEY", &[0x30, 3, 2, 1, 1]));
        }),
        alone(Kind::KeyEncrypted, |w| {
            w.put("pki/server.key", encode("ENCRYPTED PRIVATE KEY", &[0x30, 3, 2, 1, 1]));
        }),
        alone(Kind::KeyDoesNotFit, |w| w.put("pki/server.key", Key::new().pem())),
        alone(Kind::KeyMissing, |w| w.gone.push("pki/server.key")),
        alone(Kind::KeyWithoutCertificate, |w| w.put("pki/more.key", Key::new().pem())),
        alone(Kind::KeyShared, |w| {
            let other = Draft::client("system:kube-controller-manager", &[], &w.client_key, &w.ca);
            w.put("pki/manager.crt", other.pem(&w.ca_key));
            w.put("pki/manager.key", w.client_key.pem());
        }),
        alone(Kind::KeySignsTokens, |w| {
            w.put("pki/sa.key", w.server_key.pem());
            w.put("pki/sa.pub", w.server_key.public_pem());
        }),
        alone(Kind::KeyBesideCertificate, |w| {
            w.gone.push("pki/client.key");
            let both = format!("{}{}", w.client.pem(&w.ca_key), w.client_key.pem());
            w.put("pki/client.crt", both);
        }),
        alone(Kind::PublicKeyDoesNotFit, |w| {
            w.put("pki/sa.key", Key::new().pem());
            w.put("pki/sa.pub", Key::new().public_pem());
        }),
        alone(Kind::KeyMode, |w| {
            w.modes.insert("pki/server.key", 0o640);
        }),
        alone(Kind::CertificateMode, |w| {
            w.modes.insert("pki/server.crt", 0o664);
        }),
        alone(Kind::DirectoryMode, |w| w.directory = 0o775),
        alone(Kind::FileOwner, |w| {
            w.owners.insert("pki/server.crt", 4242);
        }),
    ]
}

/// Kubeconfig files, and rows of layouts.
pub(super) fn more_defects() -> Vec<Defect> {
    vec![
        alone(Kind::KubeconfigUnreadable, |w| {
            w.put("pki/admin.conf", "kind: Config\nclusters:\n  - [\n");
        }),
        alone(Kind::KubeconfigCaStale, |w| {
            let key = Key::new();
            let other = Draft::root("another-ca", &key).pem(&key);
            w.put("pki/scheduler.conf", kubeconfig(w, &other));
        }),
        alone(Kind::RowMissing, |w| {
            w.rows = rows();
            w.rows.push(authority("front-proxy-ca.crt"));
        }),
        alone(Kind::RowSigner, |w| {
            w.rows = rows();
            w.rows.push(authority("other-ca.crt"));
            w.rows[2].signer = Some("other-ca.crt".into());
            let key = Key::new();
            w.put("pki/other-ca.crt", Draft::root("another-ca", &key).pem(&key));
        }),
        alone(Kind::RowUnexpected, |w| {
            w.rows = rows();
            let key = Key::new();
            w.put("pki/unheard-of.crt", Draft::client("somebody", &[], &key, &w.ca).pem(&w.ca_key));
            w.put("pki/unheard-of.key", key.pem());
        }),
        with(Kind::CommonNameWrong, &[], |w| {
            w.rows = rows();
            w.rows[2].rules.common_name = Some("system:kube-controller-manager".into());
        }),
        alone(Kind::OrganizationWrong, |w| {
            w.rows = rows();
            w.rows[2].rules.organizations = Some(vec!["kubeadm:cluster-admins".into()]);
        }),
    ]
}

fn authority(path: &str) -> LayoutRow {
    row(path, None, None, RowKind::Authority)
}

fn row(path: &str, key: Option<&str>, signer: Option<&str>, kind: RowKind) -> LayoutRow {
    LayoutRow {
        path: path.into(),
        key: key.map(str::to_owned),
        signer: signer.map(str::to_owned),
        beside: Vec::new(),
        optional: false,
        rules: RowRules::of(kind),
    }
}

/// Rows for what is there.
pub(super) fn rows() -> Vec<LayoutRow> {
    vec![
        row("ca.crt", Some("ca.key"), None, RowKind::Authority),
        row("server.crt", Some("server.key"), Some("ca.crt"), RowKind::Server),
        row("client.crt", Some("client.key"), Some("ca.crt"), RowKind::Client),
    ]
}

/// A kubeconfig with the client, and with this CA.
fn kubeconfig(world: &World, ca: &str) -> String {
    let base64 = |text: &str| {
        // PEM of PEM: its lines without its frame are the base64.
        let pem = encode("X", text.as_bytes());
        pem.lines().filter(|line| !line.starts_with('-')).collect::<String>()
    };
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- name: c\n  cluster:\n    certificate-authority-data: {}\nusers:\n- name: u\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
        base64(ca),
        base64(&world.client.pem(&world.ca_key)),
        base64(&world.client_key.pem()),
    )
}
