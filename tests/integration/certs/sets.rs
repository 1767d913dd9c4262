//! What is made: the layouts, with the runbooks' own arguments.

use super::shop::{CA, EC, Shop, mode, public_key, shown};
use crate::harness::{Case, cases, files};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub(crate) fn cases() -> Vec<Case> {
    cases![
        the_salt_runner_with_its_own_arguments;
        the_bosh_scripts_set_and_consul;
        every_variable_of_cfcr;
        kubeadm_of_one_machine;
        kubeadm_of_several_machines;
        a_layout_of_ones_own;
        every_kind_of_key;
        a_new_generation_keeps_the_old_one;
        files_of_another_tool_are_kept_and_replaced;
        keys_that_sign_tokens_can_be_kept;
        a_ca_is_renewed_under_its_key;
        the_old_ca_signs_the_new_one;
        requests_in_and_out;
        what_a_ca_elsewhere_signed;
        every_request_of_kubeadm_comes_back;
        a_dry_run_writes_nothing;
        no_key_is_ever_printed;
    ]
}

const SALT: &str = "--layout salt --cluster-tag default --api-service-address 10.254.0.1 --api-server-fqdn kubernetes.api -o out";

fn the_salt_runner_with_its_own_arguments() {
    let shop = Shop::new();
    shop.generate(SALT).exits(0).says("out/pki/default/current ->");
    let set = |name: &str| format!("out/pki/default/{name}");
    let server = shown(&shop, &set("server.crt"));
    for part in [
        "DNS:kubernetes, DNS:kubernetes.api, DNS:kubernetes.default, DNS:kubernetes.default.svc, DNS:kubernetes.default.svc.cluster.local, IP Address:10.254.0.1",
        "X509v3 Authority Key Identifier",
        "X509v3 Subject Key Identifier",
        "Digital Signature, Key Encipherment",
        "TLS Web Server Authentication",
        "CA:FALSE",
        "sha256WithRSAEncryption",
    ] {
        assert!(server.contains(part), "{part}:\n{server}");
    }
    assert!(!server.contains("Client Authentication"), "{server}");
    let client = shown(&shop, &set("kubecfg.crt"));
    assert!(client.contains("Subject: O = system:masters, CN = kubecfg"), "{client}");
    for (name, bits) in [
        ("ca.crt", 0o644),
        ("ca.key", 0o600),
        ("server.crt", 0o644),
        ("server.key", 0o600),
        ("kubecfg.key", 0o600),
        ("pillar.sls", 0o600),
        ("set.json", 0o644),
    ] {
        let path = shop.path("out/pki/default/current").join(name);
        assert_eq!(mode(&path), bits, "{name}");
        let link = shop.path(&set(name));
        assert_eq!(link.is_symlink(), name != "set.json", "{name}");
    }
    for dir in ["generations", &format!("generations/{}", shop.current("out/pki/default"))] {
        assert_eq!(mode(&shop.path(&set(dir))), 0o700, "{dir}");
    }
    // The pillar has the certificate under the name that it wants, and nothing for Jinja to run.
    let pillar = shop.text(&set("pillar.sls"));
    let head = "kubernetes:\n  certs:\n    \"ca.crt\": |\n      -----BEGIN CERTIFICATE-----\n";
    assert!(pillar.contains(head), "{pillar}");
    assert!(
        pillar.contains("\n    \"server.cert\": |\n      -----BEGIN")
            && !pillar.contains("server.crt\":")
    );
    assert!(
        !pillar.contains("{{")
            && !pillar.contains("{%")
            && pillar.contains("\n  k8s_env: default\n")
    );
    let key = shop.text(&set("server.key"));
    let indented: Vec<String> = key.lines().map(|line| format!("      {line}\n")).collect();
    assert!(pillar.contains(&indented.concat()));
}

fn the_bosh_scripts_set_and_consul() {
    let shop = Shop::new();
    shop.bosh_ca();
    let line =
        "--layout bosh --ca-cert bosh.crt --ca-key bosh.key --subnet 10.9.20.0/24 --consul -o out";
    shop.generate(line).exits(0);
    let text = shown(&shop, "out/kubernetes.pem");
    let addresses = text.matches("IP Address:10.9.20.").count();
    assert_eq!(addresses, 254);
    for part in [
        "IP Address:127.0.0.1",
        "IP Address:10.0.0.1",
        "DNS:kubernetes.default.svc.cluster.local",
        "Issuer: O = Ops, CN = master-bosh",
    ] {
        assert!(text.contains(part), "{part}");
    }
    let consul = shown(&shop, "out/consul/server.crt");
    assert!(
        consul.contains("DNS:server.dc1.cf.internal") && consul.contains("Client Authentication")
    );
    assert_eq!(shop.text("out/ca.pem"), shop.text("bosh.crt"));
    // The master CA's key stays where it is.
    let key = shop.text("bosh.key");
    let body = key.lines().nth(1).unwrap();
    for path in files(&shop.path("out")).iter().filter(|p| p.is_file()) {
        assert!(!fs::read_to_string(path).unwrap().contains(body), "{}", path.display());
    }
    let vars = shop.text("out/vars.yml");
    for key in [
        "kubernetes_tls:\n",
        "consul_server:\n",
        "consul_agent:\n",
        "  private_key: |\n    -----BEGIN RSA PRIVATE KEY-----\n",
    ] {
        assert!(vars.contains(key), "{key}:\n{vars}");
    }
    // Without Consul it has none of it.
    let line = "--layout bosh --ca-cert bosh.crt --ca-key bosh.key --key-type ecdsa-p256 --subnet 10.9.20.0/28 -o plain";
    shop.generate(line).exits(0);
    assert!(!shop.text("plain/vars.yml").contains("consul") && !shop.path("plain/consul").exists());
}

fn every_variable_of_cfcr() {
    let shop = Shop::new();
    shop.generate("--layout cfcr --key-type ecdsa-p256 -o out").exits(0);
    let vars = shop.text("out/vars.yml");
    for name in [
        "kubo_ca",
        "etcd_ca",
        "tls-kubelet",
        "tls-kubelet-client",
        "tls-kubernetes",
        "tls-etcdctl-root",
        "service-account-key",
        "kubernetes-dashboard-ca",
    ] {
        assert!(vars.contains(&format!("\n{name}:\n")), "{name}");
    }
    assert!(vars.contains("  public_key: |\n    -----BEGIN PUBLIC KEY-----"));
}

const ONE: &str =
    "--layout kubeadm --node-name m1 --advertise-address 10.0.0.1 --key-type ecdsa-p256";

fn kubeadm_of_one_machine() {
    let shop = Shop::new();
    shop.generate(&format!("{ONE} -o out")).exits(0);
    for (path, cn) in [
        ("apiserver", "CN = kube-apiserver\n"),
        (
            "apiserver-kubelet-client",
            "O = kubeadm:cluster-admins, CN = kube-apiserver-kubelet-client",
        ),
        ("front-proxy-client", "CN = front-proxy-client"),
        ("etcd/server", "CN = m1"),
        ("etcd/peer", "CN = m1"),
        ("etcd/healthcheck-client", "CN = kube-etcd-healthcheck-client"),
        ("apiserver-etcd-client", "CN = kube-apiserver-etcd-client"),
    ] {
        let text = shown(&shop, &format!("out/pki/{path}.crt"));
        assert!(text.contains(cn), "{path}:\n{text}");
        assert!(!text.contains("Key Encipherment"), "an EC key enciphers nothing: {path}");
    }
    let etcd = shown(&shop, "out/pki/etcd/server.crt");
    assert!(etcd.contains("DNS:localhost, DNS:m1, IP Address:10.0.0.1, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1"), "{etcd}");
    for name in ["admin", "super-admin", "controller-manager", "scheduler", "kubelet"] {
        let config = shop.text(&format!("out/{name}.conf"));
        assert!(
            config.contains("server: \"https://10.0.0.1:6443\"")
                && config.contains("client-key-data: LS0t")
        );
        assert_eq!(mode(&shop.path(&format!("out/{name}.conf"))), 0o600);
    }
    shop.run("openssl pkey -in out/pki/sa.key -noout");
    shop.run("openssl pkey -pubin -in out/pki/sa.pub -noout");
}

const HOSTS: &str = "
[inputs]
endpoint = 'lb.example:6443'
[[host]]
name = 'm1'
addresses = ['10.0.0.1']
control-plane = true
[[host]]
name = 'm2'
addresses = ['10.0.0.2']
control-plane = true
[[host]]
name = 'w1'
addresses = ['10.0.0.3']
";

fn kubeadm_of_several_machines() {
    let shop = Shop::new();
    shop.write("hosts.toml", HOSTS);
    shop.generate("--layout kubeadm --hosts hosts.toml --key-type ecdsa-p256 -o out").exits(0);
    let at = |path: &str| format!("out/current/{path}");
    assert_eq!(shop.text(&at("m1/pki/ca.crt")), shop.text(&at("w1/pki/ca.crt")));
    assert_eq!(shop.text(&at("m1/pki/sa.key")), shop.text(&at("m2/pki/sa.key")));
    assert_ne!(shop.text(&at("m1/pki/apiserver.crt")), shop.text(&at("m2/pki/apiserver.crt")));
    // A worker gets its own identity and the CA's certificate, and nothing else.
    let mut worker: Vec<_> =
        files(&shop.path(&at("w1"))).into_iter().filter(|p| p.is_file()).collect();
    worker.retain(|p| !p.ends_with("ca-bundle.crt"));
    let names: Vec<_> = worker.iter().map(|p| p.file_name().unwrap().to_string_lossy()).collect();
    assert_eq!(names, ["kubelet.conf", "ca.crt"]);
    let server = shown(&shop, &at("m2/pki/apiserver.crt"));
    assert!(
        server.contains("DNS:lb.example")
            && server.contains("DNS:m2")
            && !server.contains("DNS:m1")
    );
    assert!(shop.text(&at("w1/kubelet.conf")).contains("https://lb.example:6443"));
    assert!(shop.text(&at("m1/scheduler.conf")).contains("https://10.0.0.1:6443"));
}

fn a_layout_of_ones_own() {
    let shop = Shop::new();
    let layout = "
        about = 'two levels'
        key-type = 'ecdsa-p384'
        [inputs.site]
        about = 'where it is'
        kind = 'name'
        [[row]]
        name = 'leaf'
        kind = 'server'
        signer = 'middle'
        common-name = '{site}'
        sans = ['{site}.example', '{sans}']
        certificate = 'tls/leaf.crt'
        key = 'tls/leaf.key'
        [[row]]
        name = 'middle'
        kind = 'authority'
        signer = 'root'
        common-name = 'middle-{generation}'
        certificate = 'middle.crt'
        key = 'middle.key'
        [[row]]
        name = 'root'
        kind = 'authority'
        common-name = 'root-{generation}'
        certificate = 'root.crt'
        key = 'root.key'
    ";
    shop.write("mine.toml", layout);
    shop.generate("--layout mine.toml --set site=here --san more.example -o out").exits(0);
    let text = shown(&shop, "out/tls/leaf.crt");
    assert!(
        text.contains("DNS:here.example, DNS:more.example") && text.contains("ecdsa-with-SHA384"),
        "{text}"
    );
    shop.run("openssl verify -x509_strict -CAfile out/root.crt -untrusted out/middle.crt out/tls/leaf.crt");
    shop.generate("--layout mine.toml -o other")
        .exits(2)
        .says("layout `mine` needs `--site`: where it is");
    assert!(!shop.path("other").exists());
}

fn every_kind_of_key() {
    let shop = Shop::new();
    for (kind, words) in [
        ("rsa-2048", "Public-Key: (2048 bit)"),
        ("rsa-3072", "Public-Key: (3072 bit)"),
        ("rsa-4096", "Public-Key: (4096 bit)"),
        ("ecdsa-p256", "NIST CURVE: P-256"),
        ("ecdsa-p384", "NIST CURVE: P-384"),
    ] {
        shop.write(&format!("{kind}.toml"), &two(kind));
        shop.generate(&format!("--layout {kind}.toml -o {kind}")).exits(0);
        for name in ["ca", "leaf"] {
            let text = shown(&shop, &format!("{kind}/{name}.crt"));
            assert!(text.contains(words), "{kind}:\n{text}");
            let key = shop.run(&format!("openssl pkey -in {kind}/{name}.key -pubout"));
            assert_eq!(key, public_key(&shop, &format!("{kind}/{name}.crt")));
        }
    }
    shop.generate("--layout salt --key-type rsa-1024 -o x").exits(2).says("it is one of rsa-2048");
}

/// The smallest layout.
pub(crate) fn two(kind: &str) -> String {
    format!(
        "about = 'x'\nkey-type = '{kind}'\n\
         [[row]]\nname = 'ca'\nkind = 'authority'\ncommon-name = 'ca-{{generation}}'\ncertificate = 'ca.crt'\nkey = 'ca.key'\nbundle = 'both.crt'\n\
         [[row]]\nname = 'leaf'\nkind = 'server'\nsigner = 'ca'\ncommon-name = 'leaf'\nsans = ['leaf.example', '{{sans}}']\ncertificate = 'leaf.crt'\nkey = 'leaf.key'\n"
    )
}

fn a_new_generation_keeps_the_old_one() {
    let shop = Shop::new();
    shop.write("two.toml", &two("ecdsa-p256"));
    shop.generate("--layout two.toml -o out").exits(0);
    let (first, leaf) = (shop.current("out"), shop.text("out/leaf.crt"));
    let refused = shop.generate("--layout two.toml -o out");
    refused.exits(4).says("there is a set in out already: it was made 0 days ago, its first certificate ends in 364 days");
    refused.says("hint: add --force-regen");
    assert_eq!(shop.text("out/leaf.crt"), leaf, "nothing was touched");
    shop.generate("--layout two.toml --force-regen -o out")
        .exits(0)
        .says(&format!("kept: {first}"));
    assert_ne!(shop.current("out"), first);
    assert_eq!(shop.text(&format!("out/generations/{first}/leaf.crt")), leaf);
    assert_ne!(shop.text("out/leaf.crt"), leaf);
    // Two generations of the CA have two names, and the bundle has both.
    let subjects = |path: &str| shop.run(&format!("openssl x509 -noout -subject -in {path}"));
    assert_ne!(subjects("out/ca.crt"), subjects(&format!("out/generations/{first}/ca.crt")));
    assert_eq!(shop.text("out/both.crt").matches("BEGIN CERTIFICATE").count(), 2);
    for leaf in ["out/leaf.crt", &format!("out/generations/{first}/leaf.crt")] {
        shop.run(&format!("openssl verify -x509_strict -CAfile out/both.crt {leaf}"));
    }
    // A CA that stays signs the next ones.
    let ca = shop.text("out/ca.crt");
    shop.generate("--layout two.toml --force-regen --keep-ca -o out").exits(0);
    assert_eq!(shop.text("out/ca.crt"), ca);
}

fn files_of_another_tool_are_kept_and_replaced() {
    let shop = Shop::new();
    shop.write("two.toml", &two("ecdsa-p256"));
    fs::create_dir(shop.path("out")).unwrap();
    shop.openssl_ca("out/ca", EC, CA);
    let old = (shop.text("out/ca.crt"), shop.text("out/ca.key"));
    shop.generate("--layout two.toml -o out").exits(4).says("there is a set in out already");
    assert_eq!(shop.text("out/ca.crt"), old.0);
    assert!(!shop.path("out/current").exists());
    let done = shop.generate("--layout two.toml --force-regen -o out");
    done.exits(0).says("the files that were there are kept as generation found-");
    let found = fs::read_dir(shop.path("out/generations")).unwrap().flatten();
    let found = found.map(|e| e.path()).find(|p| p.to_string_lossy().contains("found-")).unwrap();
    assert_eq!(fs::read_to_string(found.join("ca.key")).unwrap(), old.1);
    assert_eq!(mode(&found.join("ca.key")), 0o600);
    assert_ne!(shop.text("out/ca.crt"), old.0);
    assert!(shop.path("out/ca.crt").is_symlink());
}

fn keys_that_sign_tokens_can_be_kept() {
    let shop = Shop::new();
    let line = "--layout salt --key-type ecdsa-p256 -o out";
    shop.generate(line).exits(0);
    let before = public_key(&shop, "out/pki/default/server.crt");
    let serial = || shop.run("openssl x509 -noout -serial -in out/pki/default/server.crt");
    let first = serial();
    let kept = shop.generate(&format!("{line} --force-regen --reuse-key=server"));
    kept.exits(0)
        .says("`server` keeps its key: tokens of service accounts that it signed stay good");
    assert_eq!(public_key(&shop, "out/pki/default/server.crt"), before);
    assert_ne!(serial(), first);
    let new = shop.generate(&format!("{line} --force-regen"));
    new.exits(0).says("(--reuse-key=server keeps them alive)");
    assert_ne!(public_key(&shop, "out/pki/default/server.crt"), before);
    shop.generate(&format!("{line} --force-regen --reuse-key=nobody"))
        .exits(2)
        .says("`nobody` is no row here; rows are ca, server, kubecfg");
}

fn a_ca_is_renewed_under_its_key() {
    let shop = Shop::new();
    shop.write("two.toml", &two("ecdsa-p256"));
    shop.generate("--layout two.toml --ca-days 30 --days 10 -o out").exits(0);
    let facts = |path: &str| {
        shop.run(&format!(
            "openssl x509 -noout -subject -pubkey -ext subjectKeyIdentifier -in {path}"
        ))
    };
    let (before, leaf) = (facts("out/ca.crt"), shop.text("out/leaf.crt"));
    let first = shop.current("out");
    shop.generate("--layout two.toml --renew-ca -o out").exits(0);
    assert_eq!(facts("out/ca.crt"), before);
    assert_eq!(shop.text("out/leaf.crt"), leaf);
    let end = |path: &str| shop.run(&format!("openssl x509 -noout -enddate -serial -in {path}"));
    assert_ne!(end("out/ca.crt"), end(&format!("out/generations/{first}/ca.crt")));
    // Old leaf under the new certificate, and under the old one.
    shop.run("openssl verify -x509_strict -CAfile out/ca.crt out/leaf.crt");
    shop.run(&format!(
        "openssl verify -x509_strict -CAfile out/generations/{first}/ca.crt out/leaf.crt"
    ));
}

fn the_old_ca_signs_the_new_one() {
    let shop = Shop::new();
    shop.write("two.toml", &two("ecdsa-p256"));
    shop.generate("--layout two.toml -o out").exits(0);
    let old = format!("out/generations/{}/ca.crt", shop.current("out"));
    shop.generate("--layout two.toml --force-regen --cross-sign -o out").exits(0);
    // Who knows only the old CA follows the bridge.
    shop.run(&format!(
        "openssl verify -x509_strict -CAfile {old} -untrusted out/ca-cross.crt out/leaf.crt"
    ));
    shop.run("openssl verify -x509_strict -CAfile out/ca.crt out/leaf.crt");
    let (good, _) = shop.try_run(&format!("openssl verify -CAfile {old} out/leaf.crt"));
    assert!(!good, "without the bridge there is no way");
    shop.generate("--layout two.toml --cross-sign -o fresh")
        .exits(4)
        .says("there is no certificate of `ca`");
}

fn requests_in_and_out() {
    let shop = Shop::new();
    shop.write("two.toml", &two("ecdsa-p256"));
    shop.generate("--layout two.toml --csr-out -o wanted").exits(0).says("nothing was switched");
    assert!(!shop.path("wanted/current").exists());
    let found = files(&shop.path("wanted/generations"));
    let request = found.iter().find(|p| p.ends_with("leaf.csr")).unwrap();
    let text = shop.run(&format!("openssl req -verify -noout -text -in {}", request.display()));
    assert!(text.contains("DNS:leaf.example") && text.contains("CN = leaf"), "{text}");
    assert!(!found.iter().any(|p| p.extension().is_some_and(|e| e == "crt")));
    // The other way: this CA signs somebody's request, whose key never was here.
    fs::copy(request, shop.path("leaf.csr")).unwrap();
    shop.generate("--layout two.toml --csr leaf=leaf.csr -o out").exits(0);
    let key = request.with_extension("key");
    let theirs = shop.run(&format!("openssl pkey -pubout -in {}", key.display()));
    assert_eq!(public_key(&shop, "out/leaf.crt"), theirs);
    assert!(!shop.path("out/leaf.key").exists());
    // A request that wants more than the row has is not signed.
    shop.run("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -out greedy.csr -subj /CN=leaf -addext subjectAltName=DNS:bank.example");
    shop.generate("--layout two.toml --csr leaf=greedy.csr -o no")
        .exits(4)
        .says("the request for `leaf` asks for names that the row does not have: DNS:bank.example");
}

/// Signs a request as a CA elsewhere would; `NAME.crt` and `NAME.key` are the CA.
fn sign(shop: &Shop, ca: &str, request: &Path, usages: &str, more: &str, to: &str) {
    shop.write(
        "leaf.cnf",
        &format!(
            "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage={usages}\n\
             subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        ),
    );
    shop.run(&format!(
        "openssl x509 -req -in {} -CA {ca}.crt -CAkey {ca}.key -days 90 -extfile leaf.cnf {more} -out {to}",
        request.display()
    ));
}

fn requests(shop: &Shop) -> Vec<PathBuf> {
    let mut all = files(&shop.path("out/generations"));
    all.retain(|path| path.extension().is_some_and(|end| end == "csr"));
    all
}

fn what_a_ca_elsewhere_signed() {
    let shop = Shop::new();
    shop.write("two.toml", &two("ecdsa-p256"));
    for name in ["theirs", "others"] {
        shop.openssl_ca(name, EC, CA);
    }
    shop.generate("--layout two.toml --csr-out -o out").exits(0);
    let request = requests(&shop).remove(0);
    let names = "-copy_extensions copy";
    sign(&shop, "theirs", &request, "serverAuth", "", "nameless.crt");
    sign(&shop, "theirs", &request, "clientAuth", names, "client.crt");
    sign(&shop, "others", &request, "serverAuth", names, "others-leaf.crt");
    sign(&shop, "theirs", &request, "serverAuth", names, "signed.crt");
    let line = "--layout two.toml --ca-cert theirs.crt -o out --cert";
    for (file, words) in [
        ("nameless.crt", "the certificate that was signed elsewhere for `leaf` cannot be used: "),
        ("client.crt", "cannot be used: "),
        ("others-leaf.crt", "cannot be used: "),
        ("theirs.crt", "there is no certificate in theirs.crt that a CA signed for somebody else"),
    ] {
        shop.generate(&format!("{line} {file}")).exits(4).says(words);
        assert!(!shop.path("out/current").exists(), "{file}");
    }
    shop.generate("--layout two.toml --ca-cert theirs.crt --cert signed.crt -o elsewhere")
        .exits(4)
        .says("no key of elsewhere fits the certificate of ");
    shop.generate(&format!("{line} signed.crt")).exits(0);
    shop.run("openssl verify -x509_strict -CAfile out/ca.crt out/leaf.crt");
    assert_eq!(shop.text("out/ca.crt"), shop.text("theirs.crt"));
    assert_eq!(
        shop.run("openssl pkey -pubout -in out/leaf.key"),
        public_key(&shop, "out/leaf.crt")
    );
    assert!(shop.text("out/current/set.json").contains("\"signed elsewhere\""));
    assert!(!shop.path("out/ca.key").exists(), "it never was here");
    assert_eq!(mode(&shop.path("out/leaf.key")), 0o600);
}

/// Also those whose key will lie in a kubeconfig only: it waits beside its request.
fn every_request_of_kubeadm_comes_back() {
    let shop = Shop::new();
    for name in ["ca", "etcd-ca", "front-proxy-ca"] {
        shop.openssl_ca(name, EC, CA);
    }
    shop.generate(&format!("{ONE} --csr-out -o out")).exits(0);
    let mut signed = Vec::new();
    for request in requests(&shop) {
        let path = request.display().to_string();
        let name = path.rsplit('/').next().unwrap();
        let ca = match name {
            "front-proxy-client.csr" => "front-proxy-ca",
            "apiserver-etcd-client.csr" => "etcd-ca",
            _ if path.contains("/etcd/") => "etcd-ca",
            _ => "ca",
        };
        let usages = match name {
            "apiserver.csr" => "serverAuth",
            "server.csr" | "peer.csr" => "serverAuth,clientAuth",
            _ => "clientAuth",
        };
        let to = format!("signed-{}.crt", signed.len());
        sign(&shop, ca, &request, usages, "-copy_extensions copy", &to);
        signed.push(to);
    }
    assert_eq!(signed.len(), 12);
    let cas = "--ca-cert ca=ca.crt --ca-cert etcd-ca=etcd-ca.crt --ca-cert front-proxy-ca=front-proxy-ca.crt";
    let some = signed[1..].join(" ");
    shop.generate(&format!("{ONE} {cas} --cert {some} -o out"))
        .exits(4)
        .says("is signed by a CA whose key is not here, and no certificate of it is named");
    let all = signed.join(" ");
    shop.generate(&format!("{ONE} {cas} --cert {all} -o out")).exits(0);
    for (authority, leaf) in [
        ("ca", "apiserver"),
        ("etcd/ca", "etcd/peer"),
        ("etcd/ca", "apiserver-etcd-client"),
        ("front-proxy-ca", "front-proxy-client"),
    ] {
        shop.run(&format!(
            "openssl verify -x509_strict -CAfile out/pki/{authority}.crt out/pki/{leaf}.crt"
        ));
    }
    assert!(shop.text("out/admin.conf").contains("client-key-data: LS0t"));
    assert!(!shop.path("out/admin.key").exists());
    assert!(shop.path("out/pki/sa.key").exists());
    // The names are of the three CAs that this test made.
    let line = ["verify", "out", "--layout", "kubeadm", "--accept", "cas-share-subject"];
    shop.outcome(&mut shop.command(&line)).exits(0);
}

fn a_dry_run_writes_nothing() {
    let shop = Shop::new();
    let done = shop.generate("--layout salt --key-type ecdsa-p256 --dry-run -o out");
    done.exits(3).says("nothing was written (dry run)");
    assert!(done.stdout.contains("server") && !shop.path("out").exists());
    let json =
        shop.generate("--layout salt --key-type ecdsa-p256 --dry-run --format json -o out").json();
    assert_eq!(json["schemaVersion"], "rotation/certificate-set/v1");
    assert_eq!(json["items"][1]["name"], "server");
}

fn no_key_is_ever_printed() {
    let shop = Shop::new();
    for format in ["text", "json", "yaml"] {
        let done = shop.generate(&format!("--layout salt --format {format} -o {format}"));
        done.exits(0).never_says("PRIVATE KEY");
        let keys: Vec<_> = files(&shop.path(format))
            .into_iter()
            .filter(|p| p.extension().is_some_and(|e| e == "key"))
            .collect();
        for path in keys {
            let text = fs::read_to_string(&path).unwrap();
            let line = text.lines().nth(2).unwrap();
            done.never_says(line);
            let uid = fs::metadata(&path).unwrap().uid();
            assert_eq!(uid, rustix::process::geteuid().as_raw());
        }
    }
}
