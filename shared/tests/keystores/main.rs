//! Key stores as OpenSSL makes them, and Java's by hand: what is readable of them, and that nothing else is.
#![expect(clippy::disallowed_methods, reason = "tests make the files that are read")]

use double::tls::{Authority, Identity};
use rotation_core::facts::keystore::{Form, Keystore, Password, read};
use rotation_core::facts::x509::{encode, read_pem};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

struct Shop {
    dir: TempDir,
    authority: Authority,
    identity: Identity,
}

impl Shop {
    fn new() -> Self {
        let authority = Authority::new("somebody");
        let identity = authority.localhost();
        let shop = Self { dir: tempfile::tempdir().expect("a directory"), authority, identity };
        shop.write("key", &shop.identity.key_pem());
        shop.write("crt", &shop.identity.pem());
        shop.write("ca", &shop.authority.pem());
        shop
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.dir.path().join(name), text).expect("written");
    }

    fn openssl(&self, words: &str) -> Vec<u8> {
        let output = Command::new("openssl")
            .current_dir(self.dir.path())
            .args(["pkcs12", "-export", "-out", "store"])
            .args(words.split(' '))
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::read(self.dir.path().join("store")).expect("made")
    }

    fn seen(&self, store: &Keystore) -> Vec<(Option<String>, bool, bool)> {
        entries(store, &self.authority.pem().replace("\r\n", "\n"))
    }
}

/// The entries: name, whether it is the CA's, whether it is trusted.
fn entries(store: &Keystore, ca: &str) -> Vec<(Option<String>, bool, bool)> {
    let entry = |e: &rotation_core::facts::keystore::Entry| {
        let is_ca = encode("CERTIFICATE", e.certificate.der()) == ca;
        (e.alias.clone(), is_ca, e.trusted)
    };
    store.certificates.iter().map(entry).collect()
}

const PAIR: &str = "-inkey key -in crt -certfile ca -name server -caname authority";

#[test]
fn openssl_stores() {
    let shop = Shop::new();
    let both = vec![
        (Some("server".to_owned()), false, false),
        (Some("authority".to_owned()), true, false),
    ];
    for (words, opened_by, locked, certificates) in [
        ("-passout pass:", Some(Password::Empty), 0, both.clone()),
        ("-passout pass:changeit", Some(Password::Changeit), 0, both.clone()),
        ("-passout pass:changeit -certpbe AES-128-CBC", Some(Password::Changeit), 0, both.clone()),
        ("-passout pass:something", None, 1, vec![]),
        ("-passout pass: -certpbe NONE -keypbe NONE -nomac", None, 0, both.clone()),
        ("-passout pass:something -certpbe NONE", None, 0, both.clone()),
        ("-passout pass:changeit -certpbe PBE-SHA1-3DES", None, 1, vec![]),
    ] {
        let bytes = shop.openssl(&format!("{PAIR} {words}"));
        let store = read(&bytes).expect("a store");
        assert_eq!((store.form, store.opened_by, store.locked), (Form::Pkcs12, opened_by, locked));
        assert_eq!(shop.seen(&store), certificates, "{words}");
        assert_eq!((store.unreadable, store.cut), (0, None), "{words}");
        // Keys stand in a safe of their own, which is not under the same password's cipher.
        assert_eq!(store.keys, 1, "{words}");
    }
    let bytes = shop.openssl("-nokeys -in ca -passout pass:");
    let store = read(&bytes).expect("a store");
    assert_eq!((shop.seen(&store), store.keys), (vec![(None, true, false)], 0));
}

/// A store as Java writes it.
struct Jks(Vec<u8>);

impl Jks {
    fn new(magic: u32, version: u32, count: u32) -> Self {
        Self([magic, version, count].into_iter().flat_map(u32::to_be_bytes).collect())
    }

    fn text(mut self, text: &str) -> Self {
        self.0.extend(u16::try_from(text.len()).expect("short").to_be_bytes());
        self.0.extend(text.as_bytes());
        self
    }

    fn block(mut self, bytes: &[u8]) -> Self {
        self.0.extend(u32::try_from(bytes.len()).expect("short").to_be_bytes());
        self.0.extend(bytes);
        self
    }

    fn entry(mut self, kind: u32, alias: &str) -> Self {
        self.0.extend(kind.to_be_bytes());
        let mut this = self.text(alias);
        this.0.extend([0; 8]);
        this
    }
}

#[test]
fn stores_of_java() {
    let shop = Shop::new();
    let der = |pem: String| read_pem(pem.as_bytes()).blocks[0].der.to_vec();
    let (ca, leaf) = (der(shop.authority.pem()), der(shop.identity.pem()));
    let mut whole = Jks::new(0xfeed_feed, 2, 3)
        .entry(2, "authority")
        .text("X.509")
        .block(&ca)
        .entry(1, "server")
        .block(b"an encrypted key");
    whole.0.extend(2_u32.to_be_bytes());
    let mut whole = whole.text("X.509").block(&leaf).text("X.509").block(&ca);
    whole = whole.entry(2, "odd").text("PGP").block(b"?");
    whole.0.extend([0; 20]);
    let store = read(&whole.0).expect("a store");
    let expected = [
        (Some("authority".to_owned()), true, true),
        (Some("server".to_owned()), false, false),
        (Some("server".to_owned()), true, false),
    ];
    assert_eq!(shop.seen(&store), expected);
    assert_eq!((store.form, store.keys, store.unreadable, store.cut), (Form::Jks, 1, 1, None));
    // Cut off anywhere, it gives what came before, and says so.
    for length in 12..whole.0.len() - 20 {
        let store = read(&whole.0[..length]).expect("a store");
        assert_eq!(store.cut, Some("it is cut off or damaged"), "{length}");
        assert!(shop.seen(&store).len() <= 3);
    }
    // The first version says nothing of kinds, and secret keys end what can be read.
    let first = Jks::new(0xcece_cece, 1, 2).entry(2, "a").block(&ca).entry(3, "b");
    let store = read(&first.0).expect("a store");
    assert_eq!(shop.seen(&store), [(Some("a".to_owned()), true, true)]);
    assert_eq!((store.form, store.keys), (Form::Jceks, 1));
    assert_eq!(store.cut, Some("what follows a secret key is not read here"));
    let endless = Jks::new(0xfeed_feed, 2, u32::MAX).entry(2, "a");
    assert_eq!(read(&endless.0).expect("a store").cut, Some("it is cut off or damaged"));
}

#[test]
fn other_files_are_no_stores() {
    let shop = Shop::new();
    let der = read_pem(shop.authority.pem().as_bytes()).blocks[0].der.to_vec();
    let key = read_pem(shop.identity.key_pem().as_bytes()).blocks[0].der.to_vec();
    for bytes in [&b""[..], b"\xfe\xed\xfe\xed", b"\xfe\xed\xfe\xed\0\0\0\x09", &der, &key, b"text"]
    {
        assert!(read(bytes).is_none());
    }
}

/// What Java's own program wrote (17.0.15), from the commands below: the certificate is a CA's, the key nobody's.
#[test]
fn recorded_keytool_stores() {
    let recorded = |name: &str| {
        std::fs::read(Path::new("tests/keystores/recorded").join(name)).expect("it is recorded")
    };
    keytool_stores(&recorded);
}

#[test]
#[ignore = "it needs keytool, of a JRE; what it wrote once is recorded and read above"]
fn fresh_keytool_stores() {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::copy("tests/keystores/recorded/ca.pem", dir.path().join("ca.pem")).expect("copied");
    let keytool = |words: &str| {
        let tool = Command::new("keytool").current_dir(dir.path()).args(words.split(' ')).output();
        let output = tool.expect("keytool is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    };
    let import = "-importcert -noprompt -alias authority -file ca.pem";
    for name in ["jks", "jceks"] {
        let store = format!("-keystore store.{name} -storetype {name} -storepass somethingelse");
        keytool(&format!("{import} {store}"));
        keytool(&format!(
            "-genkeypair -alias own -keyalg EC -dname CN=own {store} -keypass somethingelse"
        ));
    }
    for password in ["changeit", "somethingelse"] {
        let store = format!("-keystore {password}.p12 -storetype pkcs12 -storepass {password}");
        keytool(&format!("{import} {store}"));
    }
    keytool_stores(&|name| std::fs::read(dir.path().join(name)).expect("made"));
}

fn keytool_stores(bytes: &dyn Fn(&str) -> Vec<u8>) {
    let ca = String::from_utf8(bytes("ca.pem")).expect("PEM");
    for (form, name) in [(Form::Jks, "store.jks"), (Form::Jceks, "store.jceks")] {
        let found = read(&bytes(name)).expect("a store");
        assert_eq!((found.form, found.keys, found.cut), (form, 1, None));
        let mut seen = entries(&found, &ca);
        seen.sort();
        let own = (Some("own".to_owned()), false, false);
        assert_eq!(seen, [(Some("authority".to_owned()), true, true), own]);
    }
    // PKCS#12, under the password of Java's documentation and under another one.
    for (name, opened_by, count) in
        [("changeit.p12", Some(Password::Changeit), 1), ("somethingelse.p12", None, 0)]
    {
        let found = read(&bytes(name)).expect("a store");
        assert_eq!((found.opened_by, found.certificates.len()), (opened_by, count));
        assert!(found.certificates.iter().all(|entry| entry.trusted));
    }
}
