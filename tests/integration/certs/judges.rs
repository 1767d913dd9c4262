//! What others say: every certificate of every layout with every kind of key, by five verifiers that nobody here wrote.

use super::shop::{CA, EC, Shop};
use crate::harness::{Case, Need, cases};
use base64::Engine as _;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        openssl_in_its_strict_mode;
        gnutls: Need::Program("certtool", "gnutls-bin");
        go: Need::Program("go", "golang-go");
        webpki_of_rustls;
        nss: Need::Program("certutil", "libnss3-tools");
        two_authorities_in_one_bundle;
    ]
}

/// A certificate, and what it is to be good for.
struct Judged {
    /// Which.
    place: String,
    certificate: PathBuf,
    authority: PathBuf,
    /// The name of its server.
    server: Option<String>,
    client: bool,
}

/// All sets; made once.
fn judged() -> &'static [Judged] {
    static ALL: OnceLock<(Shop, Vec<Judged>)> = OnceLock::new();
    let (_, all) = ALL.get_or_init(|| {
        let shop = Shop::new();
        shop.openssl_ca("bosh", EC, CA);
        let mut all = Vec::new();
        for kind in ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096"] {
            for (layout, words) in [
                ("salt", ""),
                ("bosh", "--ca-cert bosh.crt --ca-key bosh.key --subnet 10.9.20.0/24 --consul"),
                ("cfcr", ""),
                ("kubeadm", "--node-name m1 --advertise-address 10.0.0.1"),
            ] {
                let dir = format!("{layout}-{kind}");
                shop.generate(&format!("--layout {layout} {words} --key-type {kind} -o {dir}"))
                    .exits(0);
                let place = if layout == "salt" { format!("{dir}/pki/default") } else { dir };
                of_set(&shop, &shop.path(&place), &mut all);
            }
        }
        (shop, all)
    });
    all
}

fn of_set(shop: &Shop, dir: &Path, all: &mut Vec<Judged>) {
    let set: Value =
        serde_json::from_str(&fs::read_to_string(dir.join("current/set.json")).unwrap()).unwrap();
    let items = set["items"].as_array().unwrap();
    let before = all.len();
    for item in items {
        let kind = item["kind"].as_str().unwrap();
        if matches!(kind, "keyPair" | "authority") {
            continue;
        }
        let name = item["name"].as_str().unwrap();
        let issuer = items
            .iter()
            .find(|i| i["kind"] == "authority" && i["subject"] == item["issuer"])
            .unwrap();
        let authority = dir.join(issuer["certificates"][0].as_str().unwrap());
        let certificate = match item["certificates"][0].as_str() {
            Some(path) => dir.join(path),
            None => of_kubeconfig(shop, dir, name.split('@').next().unwrap()),
        };
        let has_names = matches!(kind, "server" | "peer");
        let san = item["sans"].as_array().unwrap().first().and_then(Value::as_str);
        let server = san
            .filter(|_| has_names)
            .map(|san| san.split_once(':').unwrap().1.replace('*', "node"));
        all.push(Judged {
            place: format!("{} {name}", dir.display()),
            certificate,
            authority,
            server,
            client: matches!(kind, "client" | "peer"),
        });
    }
    assert!(all.len() >= before + 2, "{}", dir.display());
}

/// The certificate inside of a kubeconfig.
fn of_kubeconfig(_: &Shop, dir: &Path, name: &str) -> PathBuf {
    let text = fs::read_to_string(dir.join(format!("{name}.conf"))).unwrap();
    let data = text.split("client-certificate-data: ").nth(1).unwrap().lines().next().unwrap();
    let pem = base64::engine::general_purpose::STANDARD.decode(data).unwrap();
    let path = dir.join("generations").join(format!("{name}.pem"));
    fs::write(&path, pem).unwrap();
    path
}

fn openssl_in_its_strict_mode() {
    let shop = Shop::new();
    for judged in judged() {
        let base = format!(
            "openssl verify -x509_strict -auth_level 2 -CAfile {}",
            judged.authority.display()
        );
        let certificate = judged.certificate.display();
        if let Some(name) = &judged.server {
            let flag = if name.parse::<std::net::IpAddr>().is_ok() {
                "-verify_ip"
            } else {
                "-verify_hostname"
            };
            shop.run(&format!("{base} -purpose sslserver {flag} {name} {certificate}"));
        }
        let (good, text) = shop.try_run(&format!("{base} -purpose sslclient {certificate}"));
        assert_eq!(good, judged.client, "{}: {text}", judged.place);
    }
}

fn gnutls() {
    let shop = Shop::new();
    for judged in judged() {
        let mut line = format!(
            "certtool --verify --verify-profile=medium --load-ca-certificate={} --infile={}",
            judged.authority.display(),
            judged.certificate.display()
        );
        if let Some(name) = &judged.server {
            line = format!("{line} --verify-hostname={name} --verify-purpose=1.3.6.1.5.5.7.3.1");
        }
        shop.run(&line);
        if judged.client {
            let line = line.split(" --verify-hostname").next().unwrap();
            shop.run(&format!("{line} --verify-purpose=1.3.6.1.5.5.7.3.2"));
        }
    }
}

const GO: &str = r#"
package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
)

func read(path string) *x509.Certificate {
	text, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	block, _ := pem.Decode(text)
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		panic(path + ": " + err.Error())
	}
	return certificate
}

func main() {
	list, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(list)), "\n") {
		words := strings.Split(line, "\t")
		pool := x509.NewCertPool()
		pool.AddCert(read(words[1]))
		leaf := read(words[0])
		try := func(usage x509.ExtKeyUsage, name string) {
			options := x509.VerifyOptions{Roots: pool, DNSName: name, KeyUsages: []x509.ExtKeyUsage{usage}}
			if _, err := leaf.Verify(options); err != nil {
				fmt.Println(line, err)
				os.Exit(1)
			}
			fmt.Println("good")
		}
		if words[2] != "" {
			try(x509.ExtKeyUsageServerAuth, words[2])
		}
		if words[3] == "true" {
			try(x509.ExtKeyUsageClientAuth, "")
		}
	}
}
"#;

fn go() {
    let shop = Shop::new();
    shop.write("judge.go", GO);
    let line = |j: &Judged| {
        let name = j.server.as_deref().unwrap_or_default();
        format!("{}\t{}\t{name}\t{}", j.certificate.display(), j.authority.display(), j.client)
    };
    let lines: Vec<String> = judged().iter().map(line).collect();
    shop.write("list", &lines.join("\n"));
    shop.run("go build -o judge judge.go");
    let said = shop.run("./judge list");
    assert!(said.lines().count() >= judged().len(), "{said}");
    assert!(said.lines().all(|line| line == "good"), "{said}");
}

fn webpki_of_rustls() {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    for judged in judged() {
        let leaf = CertificateDer::from_pem_file(&judged.certificate).unwrap();
        let authority = CertificateDer::from_pem_file(&judged.authority).unwrap();
        let anchors = [anchor_from_trusted_cert(&authority).unwrap()];
        let leaf = EndEntityCert::try_from(&leaf).unwrap();
        let good = |usage| {
            let done = leaf.verify_for_usage(
                algorithms.all,
                &anchors,
                &[],
                UnixTime::now(),
                usage,
                None,
                None,
            );
            done.map(drop)
        };
        if let Some(name) = &judged.server {
            good(KeyUsage::server_auth()).unwrap_or_else(|why| panic!("{}: {why}", judged.place));
            leaf.verify_is_valid_for_subject_name(&ServerName::try_from(name.as_str()).unwrap())
                .unwrap();
        }
        assert_eq!(good(KeyUsage::client_auth()).is_ok(), judged.client, "{}", judged.place);
    }
}

fn nss() {
    let shop = Shop::new();
    for (n, judged) in judged().iter().enumerate() {
        let db = format!("db{n}");
        fs::create_dir(shop.path(&db)).unwrap();
        shop.run(&format!("certutil -N -d sql:{db} --empty-password"));
        shop.run(&format!(
            "certutil -A -d sql:{db} -n ca -t CT,, -i {}",
            judged.authority.display()
        ));
        shop.run(&format!(
            "certutil -A -d sql:{db} -n leaf -t ,, -i {}",
            judged.certificate.display()
        ));
        let says =
            |usage: &str| shop.try_run(&format!("certutil -V -d sql:{db} -n leaf -u {usage} -e")).1;
        if judged.server.is_some() {
            let text = says("V");
            assert!(text.contains("certificate is valid"), "{}: {text}", judged.place);
        }
        let text = says("C");
        assert_eq!(
            text.contains("certificate is valid"),
            judged.client,
            "{}: {text}",
            judged.place
        );
        fs::remove_dir_all(shop.path(&db)).unwrap();
    }
}

/// During a rotation both CAs are trusted, in one file, in either order: every leaf is good for everybody.
fn two_authorities_in_one_bundle() {
    let shop = Shop::new();
    // With subjects of their own, as they are made here, and with the same one, as kubeadm makes them.
    for (name, subject) in [("distinct", "ca-{generation}"), ("same", "kubernetes")] {
        let layout = super::sets::two("ecdsa-p256").replace("ca-{generation}", subject);
        shop.write(&format!("{name}.toml"), &layout);
        shop.generate(&format!("--layout {name}.toml -o {name}")).exits(0);
        let old = format!("{name}/generations/{}", shop.current(name));
        shop.generate(&format!("--layout {name}.toml --force-regen -o {name}")).exits(0);
        let (old_ca, new_ca) =
            (shop.text(&format!("{old}/ca.crt")), shop.text(&format!("{name}/ca.crt")));
        shop.write("new-old.crt", &format!("{new_ca}{old_ca}"));
        shop.write("old-new.crt", &format!("{old_ca}{new_ca}"));
        for bundle in ["new-old.crt", "old-new.crt"] {
            for leaf in [format!("{old}/leaf.crt"), format!("{name}/leaf.crt")] {
                shop.run(&format!("openssl verify -x509_strict -CAfile {bundle} {leaf}"));
                if shop.try_run("certtool --version").0 {
                    shop.run(&format!(
                        "certtool --verify --load-ca-certificate={bundle} --infile={leaf}"
                    ));
                }
            }
        }
    }
}
