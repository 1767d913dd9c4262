//! `kubectl rotate-certs verify` from outside: the real binary on real files. Exit code, stdout and stderr together.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests start processes and write files; only the tools themselves are held to their rooms"
)]
#![expect(
    clippy::needless_raw_string_hashes,
    reason = "literals are written by SNAPSHOTS=overwrite, in its own way"
)]

mod place;

use forge::{Draft, Key, oid};
use place::Place;
use serde_json::Value;
use snapbox::str;
use std::os::unix::fs::symlink;

#[test]
fn a_good_set_is_silent() {
    Place::good().run("pki").is(str![[r#"
exit 0
--- stdout
--- stderr
3 certificates and 3 private keys in 6 files: nothing was found

"#]]);
}

#[test]
fn each_finding_says_where_what_and_what_to_type() {
    let place = Place::good();
    place.server(|draft| draft.without(oid::AKI));
    place.mode("pki/server.key", 0o644);
    place.run("pki").is(str![[r#"
exit 3
--- stdout
pki/server.crt: error: it has no authority key identifier [aki-missing]
    issue it again: `kubectl rotate-certs generate --layout LAYOUT -o DIR --force-regen` sets this field as it must be
pki/server.key: error: its mode is 0644 [key-mode]
    run `chmod 600 pki/server.key`
--- stderr
3 certificates and 3 private keys in 6 files: 2 errors, 0 warnings, 0 notes

"#]]);
}

#[test]
fn notes_alone_are_no_findings() {
    let place = Place::good();
    place.server(|draft| draft.without(oid::SKI));
    let outcome = place.run("pki");
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    assert!(outcome.stdout.contains("note: it has no subject key identifier [ski-missing]"));
}

#[test]
fn accepted_findings_are_left_out() {
    let place = Place::good();
    place.mode("pki/server.key", 0o644);
    assert_eq!(place.run("pki --accept key-mode").code, 0);
    let outcome = place.run("pki --accept no-such-thing");
    assert_eq!(outcome.code, 2);
    assert!(outcome.stderr.contains("there is no finding `no-such-thing`"), "{}", outcome.text());
}

/// The four words that are asked of a set while two CAs overlap: old alone, new alone, both, both the other way.
#[test]
fn each_leaf_under_each_pool() {
    for same_name in [true, false] {
        let place = Place::good();
        let key = Key::new();
        let name = if same_name { "kubernetes-ca-g1" } else { "kubernetes-ca-g2" };
        let new = Draft::root(name, &key).pem(&key);
        let old = place.read("pki/ca.crt");
        place.write("new.crt", &new);
        place.write("old-new.crt", &format!("{old}{new}"));
        place.write("new-old.crt", &format!("{new}{old}"));
        for pool in ["pki/ca.crt", "old-new.crt", "new-old.crt"] {
            let outcome = place.run(&format!("pki --ca {pool} --accept cas-share-subject"));
            assert_eq!(outcome.code, 0, "{pool}: {}", outcome.text());
        }
        let outcome = place.run("pki --ca old-new.crt --ca new.crt --accept cas-share-subject");
        let word = if same_name { "signed-by-another-ca" } else { "issuer-not-found" };
        let broken = outcome.stdout.lines().filter(|line| line.ends_with(&format!("[{word}]")));
        let broken: Vec<&str> = broken.collect();
        assert_eq!(broken.len(), 2, "{}", outcome.text());
        assert!(broken.iter().all(|line| line.contains("under new.crt: ")), "{}", outcome.text());
    }
}

#[test]
fn without_key_identifiers_the_order_of_a_bundle_decides() {
    let place = Place::good();
    place.server(|draft| draft.without(oid::AKI));
    let key = Key::new();
    place.write("pki/new.crt", &Draft::root("kubernetes-ca-g1", &key).pem(&key));
    let outcome = place.run("pki");
    assert!(outcome.stdout.contains("[ambiguous-issuer]"), "{}", outcome.text());
}

#[test]
fn at_another_time() {
    let place = Place::good();
    for (at, code, word) in [
        ("2026-12-01T00:00:00Z", 0, ""),
        ("2030-01-01T00:00:00Z", 3, "[expired]"),
        ("2026-01-01T00:00:00Z", 3, "[not-yet-valid]"),
        ("2001-01-01T00:00:00Z", 3, "[clock-implausible]"),
    ] {
        let outcome = place.run_at("pki", at);
        assert_eq!(outcome.code, code, "{at}: {}", outcome.text());
        assert!(outcome.stdout.contains(word), "{at}: {}", outcome.text());
    }
}

#[test]
fn names_that_are_asked_for() {
    let place = Place::good();
    assert_eq!(place.run("pki --san api.example.com,10.0.0.1 --san-only").code, 0);
    let outcome = place.run("pki --san api.example.com --san-only");
    assert!(outcome.stdout.contains("[san-unexpected]") && outcome.code == 3, "{}", outcome.text());
    place.write("names", "# what the API server is called\nother.example.com\n\n");
    let outcome = place.run("pki --san-file names");
    assert!(
        outcome.stdout.contains("it does not cover DNS:other.example.com [san-not-covering]"),
        "{}",
        outcome.text()
    );
    for (words, said) in [
        ("--san 10.0.0.0/8", "`10.0.0.0/8` is a range of addresses; name each address"),
        ("--san-only", "--san-only says nothing without names"),
    ] {
        let outcome = place.run(&format!("pki {words}"));
        assert_eq!(outcome.code, 2, "{}", outcome.text());
        assert!(outcome.stderr.contains(said), "{}", outcome.text());
    }
    place.write("names", "good.example.com\n*bad\n");
    let outcome = place.run("pki --san-file names");
    assert!(outcome.stderr.contains("names, line 2: `*bad` has a wildcard"), "{}", outcome.text());
}

#[test]
fn files_as_people_leave_them() {
    let place = Place::good();
    let (certificate, key) = (place.read("pki/client.crt"), place.read("pki/client.key"));
    place.write(
        "both.pem",
        &format!("# a comment\r\n{}{key}trailing\n", certificate.replace('\n', "\r\n")),
    );
    place.mode("both.pem", 0o600);
    place.run("both.pem --ca pki/ca.crt").is(str![[r#"
exit 0
--- stdout
both.pem: note: its lines end with carriage returns [pem-carriage-returns]
    run `sed -i 's/\r$//' both.pem`
both.pem: note: certificate and private key are both in it [key-in-certificate-file]
    nothing has to be done where the component wants it so, as the kubelet does
both.pem:19: note: there is text outside of the blocks [pem-text-outside]
    nothing has to be done; some programs show it as part of the certificate
--- stderr
1 certificate and 1 private key in 1 file: 0 errors, 0 warnings, 3 notes

"#]]);
}

#[test]
fn from_standard_input() {
    let place = Place::good();
    let text = place.read("pki/server.crt");
    let outcome = place.run_with("- --ca pki/ca.crt", &text);
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    assert!(
        outcome.stderr.contains("1 certificate and 0 private keys in 1 file"),
        "{}",
        outcome.text()
    );
}

#[test]
fn what_is_not_there_or_holds_nothing() {
    let place = Place::good();
    place.write("empty/readme.txt", "nothing\n");
    for (words, code, said) in [
        ("nowhere", 1, "cannot look at nowhere"),
        ("empty", 4, "there is no certificate, key or kubeconfig in empty"),
        ("pki --ca empty/readme.txt", 2, "there is no certificate in empty/readme.txt"),
        ("pki --layout nothing", 2, "name a file, or one of salt, bosh, cfcr, kubeadm"),
        ("", 2, "<PATH>"),
    ] {
        let outcome = place.run(words);
        assert_eq!(outcome.code, code, "{words}: {}", outcome.text());
        assert!(outcome.stderr.contains(said), "{words}: {}", outcome.text());
        assert_eq!(outcome.stdout, "", "{words}");
    }
    let outcome = place.run("empty/readme.txt");
    assert!(outcome.code == 3 && outcome.stdout.contains("[file-empty]"), "{}", outcome.text());
}

#[test]
fn of_generations_the_one_in_use_is_looked_at() {
    let place = Place::good();
    place.rename("pki", "set/generations/new");
    place.write("set/generations/old/ca.crt", "garbage\n");
    symlink("generations/new", place.path("set/current")).unwrap();
    symlink("current/ca.crt", place.path("set/ca.crt")).unwrap();
    let outcome = place.run("set");
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    assert!(
        outcome.stderr.starts_with("3 certificates and 3 private keys in 6 files"),
        "{}",
        outcome.text()
    );
}

#[test]
fn strange_files_end_nothing() {
    let place = Place::good();
    symlink("circle.crt", place.path("pki/circle.crt")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, place.path("pki/pipe.crt"), rustix::fs::Mode::RUSR)
        .unwrap();
    let outcome = place.run("pki");
    assert_eq!(outcome.code, 3, "{}", outcome.text());
    assert!(
        outcome
            .stdout
            .contains("pki/circle.crt: error: Too many levels of symbolic links [file-unreadable]"),
        "{}",
        outcome.text()
    );
    assert!(
        outcome.stdout.contains("pki/pipe.crt: error: it is no regular file [file-unreadable]"),
        "{}",
        outcome.text()
    );
}

#[test]
fn in_every_format() {
    let place = Place::good();
    place.server(|draft| {
        draft.without(oid::AKI);
        draft.subject.0 = "\u{1b}[31m</failure>\u{202e}.example.com".into();
    });
    let (certificate, ca) = (place.read("pki/server.crt"), place.read("pki/ca.crt"));
    place.write("pki/chain.crt", &format!("{certificate}{ca}"));
    let json = place.run("pki -o json");
    let document: Value = serde_json::from_str(&json.stdout).unwrap();
    let schema = include_str!("../../docs/schemas/certificate-findings.schema.json");
    schema::Schema::closed(schema).accept(&document);
    assert!(
        document["findings"].as_array().unwrap().iter().any(|f| f["id"] == "aki-missing"),
        "{document:#}"
    );
    let sarif = place.run("pki -o sarif");
    let log: Value = serde_json::from_str(&sarif.stdout).unwrap();
    assert_eq!(
        log["runs"][0]["results"].as_array().map(Vec::len),
        document["findings"].as_array().map(Vec::len)
    );
    let junit = place.run("pki -o junit");
    assert!(junit.stdout.ends_with("</testsuites>\n"), "{}", junit.text());
    assert_eq!(
        junit.stdout.matches("</failure>").count(),
        junit.stdout.matches("<failure ").count(),
        "{}",
        junit.text()
    );
    let text = place.run("pki");
    for outcome in [json, sarif, junit, text] {
        assert_eq!(outcome.code, 3);
        let hidden =
            outcome.stdout.chars().find(|c| *c != '\n' && (c.is_control() || *c == '\u{202e}'));
        assert_eq!(hidden, None, "{}", outcome.text());
    }
}

#[test]
fn no_key_is_ever_shown() {
    let place = Place::good();
    let secrets: Vec<String> = ["pki/ca.key", "pki/server.key", "pki/client.key"]
        .iter()
        .flat_map(|path| place.read(path).lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| !line.starts_with('-'))
        .collect();
    place.write("pki/server.key", &place.read("pki/client.key"));
    place.write("pki/broken.key", &place.read("pki/ca.key").replacen("MIG", "M!G", 1));
    place.write(
        "pki/admin.conf",
        &format!("kind: Config\nclusters: [\nusers: {}", place.read("pki/ca.key")),
    );
    for format in ["text", "json", "sarif", "junit"] {
        let outcome = place.run(&format!("pki -o {format}"));
        assert_eq!(outcome.code, 3);
        for secret in &secrets {
            assert!(!outcome.text().contains(&secret[..16]), "{}", outcome.text());
        }
    }
}

/// What the other verb makes has nothing that this one finds, before and after a second generation.
#[test]
fn what_is_generated_is_silent() {
    let place = Place::good();
    let first = "--layout salt -o salt --key-type ecdsa-p256";
    let ca = "--ca-cert salt/pki/default/current/ca.crt --ca-key salt/pki/default/current/ca.key";
    let bosh =
        format!("--layout bosh -o bosh --key-type ecdsa-p256 --subnet 10.9.20.0/28 --consul {ca}");
    let kubeadm = "--layout kubeadm -o kubeadm --key-type ecdsa-p256 --node-name m1 --advertise-address 10.0.0.1";
    for (layout, flags) in [
        ("salt", first),
        ("salt", "--layout salt -o salt --key-type ecdsa-p384 --force-regen"),
        ("bosh", &bosh),
        ("cfcr", "--layout cfcr -o cfcr --key-type ecdsa-p256"),
        ("kubeadm", kubeadm),
        ("kubeadm", &format!("{kubeadm} --force-regen --cross-sign")),
    ] {
        let made = place.tool(&format!("generate {flags}"));
        assert_eq!(made.code, 0, "{flags}: {}", made.text());
        for more in [format!("--layout {layout}"), String::new()] {
            let outcome = place.tool(&format!("verify {layout} {more}"));
            // Without its row, nobody knows that a client is meant to be an administrator, or a wildcard to be there.
            let meant = more.is_empty()
                && outcome.stdout.lines().filter(|line| !line.starts_with(' ')).all(|line| {
                    line.contains(": note: ")
                        || line.ends_with("[masters-group]")
                        || line.ends_with("[san-wildcard]")
                });
            assert!(outcome.code == 0 || meant, "{flags} {more}: {}", outcome.text());
        }
    }
}

#[test]
fn a_layouts_rows() {
    let place = Place::good();
    place.write(
        "layout.toml",
        "about = \"x\"\nkey-type = \"ecdsa-p256\"\n\
         [[row]]\nname = \"ca\"\nkind = \"authority\"\ncommon-name = \"kubernetes-ca-{generation}\"\ncertificate = \"ca.crt\"\nkey = \"ca.key\"\n\
         [[row]]\nname = \"server\"\nkind = \"server\"\nsigner = \"ca\"\ncommon-name = \"kube-apiserver\"\nsans = [\"api.example.com\"]\ncertificate = \"server.crt\"\nkey = \"server.key\"\n\
         [[row]]\nname = \"client\"\nkind = \"client\"\nsigner = \"ca\"\ncommon-name = \"somebody-else\"\ncertificate = \"client.crt\"\nkey = \"client.key\"\n",
    );
    let outcome = place.run("pki --layout layout.toml");
    let found: Vec<&str> = outcome.stdout.lines().filter(|line| !line.starts_with(' ')).collect();
    let expected = [
        "pki/client.crt: error: its common name is `system:kube-scheduler`, and should be `somebody-else` [common-name-wrong]",
    ];
    assert_eq!(found, expected, "{}", outcome.text());
    place.remove("pki/server.key");
    let outcome = place.run("pki --layout layout.toml");
    assert!(
        outcome.stdout.contains("server.key: error: there is no server.key [row-missing]"),
        "{}",
        outcome.text()
    );
}
