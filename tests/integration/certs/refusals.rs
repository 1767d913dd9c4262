//! What is refused before anything is signed or written, each with its word.

use super::sets::two;
use super::shop::{CA, EC, RSA, Shop};
use crate::harness::outcome::Outcome;
use crate::harness::{Case, Need, cases};
use std::io::Write as _;
use std::process::Stdio;

pub(crate) fn cases() -> Vec<Case> {
    cases![
        a_ca_that_cannot_sign;
        a_key_that_is_none;
        keys_under_a_passphrase;
        a_key_from_standard_input;
        a_passphrase_is_typed_without_echo: Need::Program("script", "bsdutils");
        ctrl_c_instead_of_a_passphrase: Need::Program("script", "bsdutils");
        odd_pem_files;
        layouts_that_do_not_hold_together;
        a_clock_that_was_never_set: Need::Program("faketime", "faketime");
    ]
}

/// `bosh` with this CA; nothing may be left behind when it is refused.
fn with_ca(shop: &Shop, cert: &str, key: &str) -> Outcome {
    let done = shop.generate(&format!(
        "--layout bosh --ca-cert {cert} --ca-key {key} --subnet 10.9.20.0/30 --key-type ecdsa-p256 -o out"
    ));
    assert!(done.code == Some(0) || !shop.path("out").exists(), "{}", done.text());
    done
}

fn a_ca_that_cannot_sign() {
    let shop = Shop::new();
    shop.openssl_ca("good", EC, CA);
    shop.openssl_ca("other", EC, CA);
    with_ca(&shop, "good.crt", "other.key")
        .exits(4)
        .says("the key of CA `ca` does not belong to its certificate");
    shop.openssl_ca("leaf", EC, "-addext basicConstraints=critical,CA:FALSE");
    with_ca(&shop, "leaf.crt", "leaf.key")
        .exits(4)
        .says("`ca` is no CA: its certificate may not sign others");
    shop.openssl_ca("mute", EC, "-addext keyUsage=critical,digitalSignature");
    with_ca(&shop, "mute.crt", "mute.key").exits(4).says("`ca` is no CA");
    expired(&shop);
    with_ca(&shop, "old.crt", "good.key").exits(4).says("CA `ca` expired on ").says("--renew-ca");
    shop.run("openssl req -x509 -new -sha1 -key good.key -out sha1.crt -days 9 -subj /CN=sha1 -addext keyUsage=critical,keyCertSign");
    with_ca(&shop, "sha1.crt", "good.key")
        .exits(4)
        .says("CA `ca` is signed with a hash that is broken");
    shop.run("openssl genrsa -out weak.key 1024");
    shop.run("openssl req -x509 -new -key weak.key -out weak.crt -days 9 -subj /CN=weak");
    with_ca(&shop, "weak.crt", "weak.key")
        .exits(4)
        .says("it has 1024 bits")
        .says("hint: use a key of 2048 bits or more");
    // No room below it for another CA.
    shop.run("openssl req -x509 -new -key good.key -out last.crt -days 9 -subj /CN=last -addext keyUsage=critical,keyCertSign -addext basicConstraints=critical,CA:TRUE,pathlen:0");
    let layout = "about='x'\nkey-type='ecdsa-p256'\n\
        [[row]]\nname='root'\nkind='authority'\ncommon-name='r'\ncertificate='r.crt'\n\
        [[row]]\nname='middle'\nkind='authority'\nsigner='root'\ncommon-name='m'\ncertificate='m.crt'\nkey='m.key'\n";
    shop.write("deep.toml", layout);
    shop.generate("--layout deep.toml --ca-cert root=last.crt --ca-key root=good.key -o out")
        .exits(4)
        .says("below CA `root` there may be no other CA: its path length is used up");
    // A leaf never outlives its CA: cut, and said.
    shop.run("openssl req -x509 -new -key good.key -out short.crt -days 9 -subj /CN=short -addext keyUsage=critical,keyCertSign,digitalSignature");
    with_ca(&shop, "short.crt", "good.key")
        .exits(0)
        .says("`kubernetes` ends on ")
        .says("with its CA, earlier than asked for");
}

/// A CA of some years ago: `old.crt`, with the key `good.key`.
fn expired(shop: &Shop) {
    shop.write(
        "ca.cnf",
        "[ca]\ndefault_ca=x\n[x]\nnew_certs_dir=.\ndatabase=index\nserial=serial\npolicy=p\ndefault_md=sha256\n\
         [p]\ncommonName=supplied\n[v3]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n",
    );
    shop.write("index", "");
    shop.write("serial", "1001\n");
    shop.run("openssl req -new -key good.key -out old.csr -subj /CN=old");
    shop.run(
        "openssl ca -batch -config ca.cnf -selfsign -keyfile good.key -in old.csr -out old.crt \
         -startdate 20200101000000Z -enddate 20210101000000Z -extensions v3",
    );
}

fn a_key_that_is_none() {
    let shop = Shop::new();
    shop.openssl_ca("good", EC, CA);
    shop.write("empty.key", "");
    with_ca(&shop, "good.crt", "empty.key").exits(4).says("there is no private key in it");
    with_ca(&shop, "good.crt", "good.crt").exits(4).says("there is no private key in it");
    with_ca(&shop, "good.crt", "missing.key").exits(1).says("cannot read missing.key");
    let key = shop.text("good.key");
    shop.write("cut.key", &key[..key.len() / 2]);
    with_ca(&shop, "good.crt", "cut.key")
        .exits(4)
        .says("it is cut off or damaged")
        .never_says(&key[40..60]);
    shop.write("two.key", &key.repeat(2));
    with_ca(&shop, "good.crt", "two.key").exits(4).says("there are 2 private keys in it");
    shop.run("openssl genpkey -algorithm ED25519 -out ed.key");
    with_ca(&shop, "good.crt", "ed.key")
        .exits(4)
        .says("the key is of a kind that is not used here");
}

fn keys_under_a_passphrase() {
    let shop = Shop::new();
    shop.openssl_ca("good", RSA, CA);
    shop.write("phrase", "correct horse\n");
    shop.write("wrong", "battery staple\n");
    let under = |out: &str, more: &str| {
        shop.run(&format!(
            "openssl pkcs8 -topk8 -in good.key -out {out} -passout file:phrase {more}"
        ));
    };
    under("pbkdf2.key", "-v2 aes-256-cbc");
    under("scrypt.key", "-scrypt");
    under("md5.key", "-v1 PBE-MD5-DES -provider legacy -provider default");
    shop.run("openssl rsa -in good.key -aes128 -traditional -passout file:phrase -out old.key");
    let with = |key: &str, more: &str| {
        let _ = std::fs::remove_dir_all(shop.path("out"));
        shop.generate(&format!(
            "--layout bosh --ca-cert good.crt --ca-key {key} {more} --subnet 10.9.20.0/30 --key-type ecdsa-p256 -o out"
        ))
    };
    for key in ["pbkdf2.key", "scrypt.key"] {
        with(key, "--ca-passphrase-file phrase").exits(0);
        with(key, "--ca-passphrase-file wrong")
            .exits(4)
            .says("the passphrase does not open the key")
            .never_says("battery");
        with(key, "")
            .exits(4)
            .says("the key is encrypted, and no passphrase was given")
            .says("--ca-passphrase-file FILE");
    }
    with("old.key", "--ca-passphrase-file phrase")
        .exits(4)
        .says("encrypted in OpenSSL's old way")
        .says("openssl pkcs8 -topk8");
    with("md5.key", "--ca-passphrase-file phrase")
        .exits(4)
        .says("encrypted in a way that is not read here");
}

fn a_key_from_standard_input() {
    let shop = Shop::new();
    shop.openssl_ca("good", EC, CA);
    let words = "generate --layout bosh --ca-cert good.crt --ca-key - --subnet 10.9.20.0/30 --key-type ecdsa-p256 -o out";
    let mut command = shop.command(&words.split(' ').collect::<Vec<_>>());
    let mut child =
        command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(shop.text("good.key").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    shop.run("openssl verify -CAfile good.crt out/kubernetes.pem");
}

/// A terminal on which the passphrase of a CA's key is asked for; what was shown so far.
fn asked_for_a_passphrase(shop: &Shop) -> (std::process::Child, Vec<u8>) {
    shop.openssl_ca("good", EC, CA);
    shop.write("phrase", "correct horse\n");
    shop.run("openssl pkcs8 -topk8 -in good.key -out locked.key -passout file:phrase");
    let line = format!(
        "trap : INT; {} generate --layout bosh --ca-cert good.crt --ca-key locked.key --subnet 10.9.20.0/30 --key-type ecdsa-p256 -o out; \
         echo \"it ended with $?\"; stty -a",
        super::shop::CERTS
    );
    let mut command = std::process::Command::new("script");
    shop.prepare(&mut command);
    command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Typed only when it is asked for: what comes before that the terminal itself would show.
    let mut shown = Vec::new();
    let stdout = child.stdout.as_mut().unwrap();
    let mut byte = [0];
    while std::io::Read::read(stdout, &mut byte).unwrap() == 1 {
        shown.push(byte[0]);
        if String::from_utf8_lossy(&shown).contains("passphrase of locked.key:") && byte[0] == b'\n'
        {
            break;
        }
    }
    (child, shown)
}

/// Types something, and returns all that was shown to the end.
fn types(mut child: std::process::Child, mut shown: Vec<u8>, keys: &[u8]) -> String {
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(keys).unwrap();
    std::io::Read::read_to_end(&mut child.stdout.take().unwrap(), &mut shown).unwrap();
    assert!(child.wait().unwrap().success());
    String::from_utf8_lossy(&shown).into_owned()
}

fn a_passphrase_is_typed_without_echo() {
    let shop = Shop::new();
    let (child, shown) = asked_for_a_passphrase(&shop);
    let said = types(child, shown, b"correct horse\n");
    assert!(said.contains("it ended with 0"), "{said}");
    assert!(!said.contains("horse"), "{said}");
    assert!(said.contains(" echo "), "{said}");
    assert!(shop.path("out/kubernetes.pem").exists());
}

fn ctrl_c_instead_of_a_passphrase() {
    let shop = Shop::new();
    let (child, shown) = asked_for_a_passphrase(&shop);
    let said = types(child, shown, b"corr\x03");
    assert!(said.contains("it ended with 130"), "{said}");
    assert!(said.contains("interrupted; nothing was changed"), "{said}");
    // The terminal shows again what is typed.
    assert!(said.contains(" echo "), "{said}");
    assert!(!said.contains("corr") && !shop.path("out").exists(), "{said}");
}

fn odd_pem_files() {
    let shop = Shop::new();
    shop.openssl_ca("good", EC, CA);
    let (cert, key) = (shop.text("good.crt"), shop.text("good.key"));
    shop.write("crlf.crt", &cert.replace('\n', "\r\n"));
    shop.write("crlf.key", &key.replace('\n', "\r\n"));
    shop.write("comment.crt", &format!("# the CA\nsubject=x\n{cert}trailing garbage\n"));
    shop.write("twice.crt", &cert.repeat(2));
    shop.write("both.pem", &format!("{key}{cert}"));
    for (cert, key) in [
        ("crlf.crt", "crlf.key"),
        ("comment.crt", "good.key"),
        ("twice.crt", "good.key"),
        ("both.pem", "both.pem"),
    ] {
        with_ca(&shop, cert, key).exits(0);
        std::fs::remove_dir_all(shop.path("out")).unwrap();
    }
}

fn layouts_that_do_not_hold_together() {
    let shop = Shop::new();
    shop.generate("--layout nothing -o out")
        .exits(2)
        .says("layout `nothing` is neither one of salt, bosh, cfcr, kubeadm nor a file");
    let good = two("ecdsa-p256");
    for (name, text, words) in [
        (
            "absolute",
            good.replace("'leaf.crt'", "'/etc/leaf.crt'"),
            "path `/etc/leaf.crt` of `leaf` is absolute",
        ),
        ("outside", good.replace("'leaf.crt'", "'../leaf.crt'"), "leads outside, or nowhere"),
        ("twice", good.replace("'leaf.crt'", "'ca.crt'"), "path `ca.crt` stands there twice"),
        (
            "missing",
            good.replace("certificate = 'leaf.crt'\n", ""),
            "row `leaf` has no file for its certificate",
        ),
        (
            "unknown",
            good.replace("kind = 'server'", "kind = 'servant'"),
            "unknown variant `servant`",
        ),
        (
            "nobody",
            good.replace("signer = 'ca'", "signer = 'cb'"),
            "row `leaf` is signed by `cb`, which is no row",
        ),
        ("text", "not toml".to_owned(), "cannot use layout file `text.toml`"),
    ] {
        shop.write(&format!("{name}.toml"), &text);
        shop.generate(&format!("--layout {name}.toml -o out")).exits(2).says(words);
    }
    let circle = "about='x'\nkey-type='ecdsa-p256'\n\
        [[row]]\nname='a'\nkind='authority'\nsigner='b'\ncommon-name='a'\ncertificate='a.crt'\n\
        [[row]]\nname='b'\nkind='authority'\nsigner='a'\ncommon-name='b'\ncertificate='b.crt'\n";
    shop.write("circle.toml", circle);
    shop.generate("--layout circle.toml -o out")
        .exits(2)
        .says("rows sign each other in a circle: a ← b ← a");
    shop.generate("--layout salt --cluster-tag ../up -o out")
        .exits(2)
        .says("`cluster-tag` cannot be `../up`");
    shop.generate("--layout salt --subnet 10.0.0.0/24 -o out")
        .exits(2)
        .says("layout `salt` does not know `subnet`");
    shop.generate("--layout kubeadm -o out")
        .exits(2)
        .says("none is named")
        .says("--node-name and --advertise-address");
    assert!(!shop.path("out").exists());
}

fn a_clock_that_was_never_set() {
    let shop = Shop::new();
    let mut command = std::process::Command::new("faketime");
    shop.prepare(&mut command);
    command.args(["2001-01-01", super::shop::CERTS, "generate", "--layout", "salt", "-o", "out"]);
    shop.outcome(&mut command).exits(4).says("this machine's clock says 2001-01-0");
    assert!(!shop.path("out").exists());
}
