//! Documents that are on no machine yet: what is wrong with them is said before anybody deploys them.

use crate::world::{NOW, Outcome, Set, World};
use forge::{Draft, Key};
use std::collections::BTreeMap;
use std::fmt::Write as _;

fn run(world: &World, line: &str) -> Outcome {
    let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    world.tool(&words)
}

fn indented(pem: &str, by: usize) -> String {
    let indent = " ".repeat(by);
    pem.lines().flat_map(|line| [indent.as_str(), line, "\n"]).collect()
}

/// Variables of a deployment: names, and what they hold.
#[derive(Default)]
struct Variables(BTreeMap<String, BTreeMap<&'static str, String>>);

impl Variables {
    fn set(&mut self, name: &str, part: &'static str, value: &str) {
        self.0.entry(name.to_owned()).or_default().insert(part, value.to_owned());
    }

    fn certificate(&mut self, name: &str, ca: &str, certificate: &str, key: &Key) {
        self.set(name, "ca", ca);
        self.set(name, "certificate", certificate);
        self.set(name, "private_key", &key.pem());
    }

    fn yaml(&self) -> String {
        let mut text = "kubo-admin-password: hunter2\nnumber: 1\nempty: ~\n".to_owned();
        for (name, parts) in &self.0 {
            let _ = writeln!(text, "{name}:");
            for (part, value) in parts {
                let _ = write!(text, "  {part}: |\n{}", indented(value, 4));
            }
        }
        text
    }
}

/// A manifest in the form of CFCR's.
const MANIFEST: &str = "\
name: cfcr
instance_groups:
- name: master
  instances: 3
  jobs:
  - name: kube-apiserver
    properties:
      admin-password: ((kubo-admin-password))
      service-account-public-key: ((service-account-key.public_key))
      tls:
        kubernetes:
          ca: ((tls-kubernetes.ca))
          certificate: ((tls-kubernetes.certificate))
          private_key: ((tls-kubernetes.private_key))
  - name: kube-controller-manager
    properties:
      cluster-signing: ((kubo_ca))
      service-account-private-key: ((service-account-key.private_key))
      tls: {kubernetes: ((tls-kubernetes))}
  - name: etcd
    properties:
      tls:
        etcd: ((tls-etcd-v0-29-0))
        etcdctl: ((tls-etcdctl-v0-29-0))
- name: worker
  jobs:
  - name: kubelet
    properties:
      tls: {kubernetes: ((tls-kubernetes)), kubelet: ((tls-kubelet))}
variables:
- name: kubo-admin-password
  type: password
- name: kubo_ca
  type: certificate
  options: {is_ca: true, common_name: ca}
- name: tls-kubernetes
  type: certificate
  options:
    ca: kubo_ca
    common_name: master.cfcr.internal
    alternative_names: [10.0.0.1, kubernetes, kubernetes.default, kubernetes.default.svc, ((also))]
- name: tls-etcdctl-v0-29-0
  type: certificate
  options: {ca: etcd_ca, common_name: etcdClient, extended_key_usage: [client_auth]}
- name: service-account-key
  type: rsa
";

/// What its variables stand for.
fn variables(set: &Set) -> Variables {
    let mut all = Variables::default();
    let (cluster, etcd) = (set.cluster.pem(), set.etcd.pem());
    all.certificate("kubo_ca", &cluster, &cluster, &set.cluster.key);
    all.certificate("etcd_ca", &etcd, &etcd, &set.etcd.key);
    let key = Key::new();
    all.certificate("tls-kubernetes", &cluster, &set.cluster.server("kubernetes", &key), &key);
    let key = Key::new();
    all.certificate("tls-kubelet", &cluster, &set.cluster.server("kubelet", &key), &key);
    let key = Key::new();
    all.certificate("tls-etcd-v0-29-0", &etcd, &set.etcd.peer("etcd", &key), &key);
    let key = Key::new();
    let client = set.etcd.client("etcdClient", &[], &key);
    all.certificate("tls-etcdctl-v0-29-0", &etcd, &client, &key);
    all.set("service-account-key", "private_key", &set.tokens.pem());
    all.set("service-account-key", "public_key", &set.tokens.public_pem());
    all
}

/// The Salt formula's pillar.
fn pillar(set: &Set) -> BTreeMap<&'static str, String> {
    let (server, kubecfg) = (Key::new(), Key::new());
    BTreeMap::from([
        ("ca.crt", set.cluster.pem()),
        ("server.cert", set.cluster.server("kubernetes", &server)),
        ("server.key", server.pem()),
        ("kubecfg.crt", set.cluster.client("kubecfg", &["system:masters"], &kubecfg)),
        ("kubecfg.key", kubecfg.pem()),
    ])
}

fn sls(entries: &BTreeMap<&'static str, String>) -> String {
    let mut text = "kubernetes:\n  k8s_env: default\n  certs:\n".to_owned();
    for (name, value) in entries {
        let _ = write!(text, "    \"{name}\": |\n{}", indented(value, 8));
    }
    text
}

/// A deployment before it is deployed.
struct Tree {
    manifest: String,
    variables: Variables,
    pillar: BTreeMap<&'static str, String>,
}

impl Tree {
    fn of(set: &Set) -> Self {
        Self { manifest: MANIFEST.to_owned(), variables: variables(set), pillar: pillar(set) }
    }

    fn world(&self) -> World {
        let world = World::new(&[]);
        world.file("manifest.yml", &self.manifest);
        world.file("vars.yml", &self.variables.yaml());
        world.file("pillar.sls", &sls(&self.pillar));
        world
    }
}

const BOSH: &str = "--document manifest.yml --vars-file vars.yml";
const SALT: &str = "--document pillar.sls";

fn check(world: &World, sources: &str) -> Outcome {
    run(world, &format!("check {sources} --at {NOW} -o json"))
}

#[test]
fn what_is_healthy_has_no_finding() {
    let world = Tree::of(&Set::new()).world();
    for sources in [BOSH, SALT, "--document vars.yml"] {
        let outcome = check(&world, sources);
        assert_eq!(
            (outcome.code, outcome.findings().len()),
            (0, 0),
            "{sources}: {}",
            outcome.text()
        );
    }
    let document = run(&world, &format!("inspect {BOSH} --at {NOW} -o json")).json();
    let places = document["places"].as_array().unwrap();
    let role = |pointer: &str| {
        let place = places.iter().find(|place| place["place"] == pointer);
        let place = place.unwrap_or_else(|| panic!("{pointer}: {document:#}"));
        assert_eq!((&place["kind"], &place["state"]), (&"entry".into(), &"current".into()));
        format!("{} {}", place["component"].as_str().unwrap(), place["part"].as_str().unwrap())
    };
    let job = |job: &str| format!("manifest.yml#/instance_groups/{job}/properties");
    assert_eq!(
        role(&format!("{}/tls/kubernetes/ca", job("name=worker/jobs/name=kubelet"))),
        "kubelet trust"
    );
    assert_eq!(
        role(&format!(
            "{}/cluster-signing/certificate",
            job("name=master/jobs/name=kube-controller-manager")
        )),
        "authority authority"
    );
    assert_eq!(role("vars.yml#/tls-kubernetes/certificate"), "kube-apiserver serving");
}

/// A mix-up: what is done to a deployment, and what must be found where, with which advice.
struct Mixup {
    name: &'static str,
    sources: &'static str,
    seed: fn(&mut Tree, &Set, &Set),
    found: &'static [(&'static str, &'static str)],
    advice: &'static str,
}

const GENERATE: &str = "`kubectl rotate-certs generate --layout ";

const MIXUPS: &[Mixup] = &[
    Mixup {
        name: "kubelets get the old CA",
        sources: BOSH,
        seed: |tree, old, _| tree.variables.set("tls-kubelet", "ca", &old.cluster.pem()),
        found: &[
            ("rotation-torn", "generations of cluster"),
            ("trust-lacks-ca", "vars.yml#/tls-kubelet/ca"),
            (
                "trust-lacks-ca",
                "manifest.yml#/instance_groups/name=worker/jobs/name=kubelet/properties/tls/kubelet/ca",
            ),
        ],
        advice: "add that CA to vars.yml#/tls-kubelet/ca, beside the one that is there, and deploy it",
    },
    Mixup {
        name: "the API server's key is of another certificate",
        sources: BOSH,
        seed: |tree, _, _| tree.variables.set("tls-kubernetes", "private_key", &Key::new().pem()),
        found: &[("key-does-not-fit", "vars.yml#/tls-kubernetes/private_key")],
        advice: GENERATE,
    },
    Mixup {
        name: "a name that the manifest asks for is missing",
        sources: BOSH,
        seed: |tree, _, new| {
            let key = Key::new();
            let names = [
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
            ];
            let leaf = Draft::server("kubernetes", &names, &key, &new.cluster.draft);
            let leaf = leaf.pem(&new.cluster.key);
            tree.variables.certificate("tls-kubernetes", &new.cluster.pem(), &leaf, &key);
        },
        found: &[("san-not-covering", "vars.yml#/tls-kubernetes/certificate")],
        advice: GENERATE,
    },
    Mixup {
        name: "etcd's certificate has ended",
        sources: BOSH,
        seed: |tree, _, new| {
            let key = Key::new();
            let mut draft = Draft::server("etcd", &["etcd"], &key, &new.etcd.draft);
            draft.extended(&[forge::oid::SERVER, forge::oid::CLIENT]);
            "20261101000000Z".clone_into(&mut draft.not_after);
            let leaf = draft.pem(&new.etcd.key);
            tree.variables.certificate("tls-etcd-v0-29-0", &new.etcd.pem(), &leaf, &key);
        },
        found: &[("expired", "vars.yml#/tls-etcd-v0-29-0/certificate")],
        advice: "--layout cfcr",
    },
    Mixup {
        name: "tokens are signed with another key than they are checked by",
        sources: BOSH,
        seed: |tree, old, _| {
            let key = old.tokens.public_pem();
            tree.variables.set("service-account-key", "public_key", &key);
        },
        found: &[
            ("public-key-does-not-fit", "vars.yml#/service-account-key/public_key"),
            ("signing-key-unverified", "vars.yml#/service-account-key/private_key"),
        ],
        advice: GENERATE,
    },
    Mixup {
        name: "the controller manager signs with another CA than everybody trusts",
        sources: BOSH,
        seed: |tree, old, _| {
            let ca = old.cluster.pem();
            tree.variables.certificate("kubo_ca_2025", &ca, &ca, &old.cluster.key);
            tree.manifest =
                tree.manifest.replace("signing: ((kubo_ca))", "signing: ((kubo_ca_2025))");
        },
        found: &[(
            "trust-lacks-ca",
            "manifest.yml#/instance_groups/name=master/jobs/name=kube-controller-manager/properties/cluster-signing/certificate",
        )],
        advice: "deploy it",
    },
    Mixup {
        name: "nothing gives a variable",
        sources: BOSH,
        seed: |tree, _, _| {
            tree.variables.0.remove("tls-kubelet");
        },
        found: &[(
            "place-unknown",
            "manifest.yml#/instance_groups/name=worker/jobs/name=kubelet/properties/tls/kubelet",
        )],
        advice: "`credhub get -n /DIRECTOR/cfcr/tls-kubelet`",
    },
    Mixup {
        name: "the API server's client of etcd is a server",
        sources: BOSH,
        seed: |tree, _, new| {
            let key = Key::new();
            let leaf = new.etcd.server("etcdClient", &key);
            tree.variables.certificate("tls-etcdctl-v0-29-0", &new.etcd.pem(), &leaf, &key);
        },
        found: &[("eku-wrong", "vars.yml#/tls-etcdctl-v0-29-0/certificate")],
        advice: "--layout cfcr",
    },
    Mixup {
        name: "a certificate is of another CA than the manifest says",
        sources: BOSH,
        seed: |tree, _, new| {
            let key = Key::new();
            let leaf = new.cluster.client("etcdClient", &[], &key);
            tree.variables.certificate("tls-etcdctl-v0-29-0", &new.etcd.pem(), &leaf, &key);
        },
        found: &[("row-signer", "vars.yml#/tls-etcdctl-v0-29-0/certificate")],
        advice: "--layout cfcr",
    },
    Mixup {
        name: "etcd gets the cluster's CA",
        sources: BOSH,
        seed: |tree, _, new| tree.variables.set("tls-etcd-v0-29-0", "ca", &new.cluster.pem()),
        found: &[("etcd-shares-ca", "vars.yml#/tls-etcd-v0-29-0/ca")],
        advice: "give etcd a CA of its own",
    },
    Mixup {
        name: "somebody's own certificate ends in five days",
        sources: BOSH,
        seed: |tree, _, _| {
            let (ca_key, key) = (Key::new(), Key::new());
            let ca = Draft::root("letters", &ca_key);
            let mut draft = Draft::server("shop.example", &["shop.example"], &key, &ca);
            "20261206000000Z".clone_into(&mut draft.not_after);
            tree.variables.set("shop", "certificate", &draft.pem(&ca_key));
        },
        found: &[("expires-critically", "vars.yml#/shop/certificate")],
        advice: "have it issued again by whoever issued it",
    },
    Mixup {
        name: "the pillar has the file's name, not the formula's",
        sources: SALT,
        seed: |tree, _, _| {
            let server = tree.pillar.remove("server.cert").unwrap();
            tree.pillar.insert("server.crt", server);
        },
        found: &[("place-absent", "pillar.sls#/kubernetes/certs/server.cert")],
        advice: "`kubectl rotate-certs generate --layout salt -o DIR`",
    },
    Mixup {
        name: "the pillar holds what `cat` said of a missing file",
        sources: SALT,
        seed: |tree, _, _| {
            let said = "cat: /var/salt/k8s-helper/pki/default/ca.crt: No such file or directory\n";
            tree.pillar.insert("ca.crt", said.to_owned());
        },
        found: &[("file-empty", "pillar.sls#/kubernetes/certs/ca.crt")],
        advice: "`kubectl rotate-certs generate --layout salt -o DIR`",
    },
    Mixup {
        name: "the pillar's server is of the old CA",
        sources: SALT,
        seed: |tree, old, _| {
            let key = Key::new();
            tree.pillar.insert("server.cert", old.cluster.server("kubernetes", &key));
            tree.pillar.insert("server.key", key.pem());
        },
        found: &[("issuer-not-found", "pillar.sls#/kubernetes/certs/server.cert")],
        advice: "put certificate, key and CA of one generation into pillar.sls",
    },
    Mixup {
        name: "the pillar's keys are swapped",
        sources: SALT,
        seed: |tree, _, _| {
            let server = tree.pillar["server.key"].clone();
            let kubecfg = tree.pillar.insert("kubecfg.key", server).unwrap();
            tree.pillar.insert("server.key", kubecfg);
        },
        found: &[
            ("key-does-not-fit", "pillar.sls#/kubernetes/certs/kubecfg.key"),
            ("key-does-not-fit", "pillar.sls#/kubernetes/certs/server.key"),
        ],
        advice: "`kubectl rotate-certs generate --layout salt -o DIR`",
    },
];

#[test]
fn each_mixup_is_found_at_its_entry() {
    let mut wrong = Vec::new();
    for mixup in MIXUPS {
        let (old, new) = (Set::old(), Set::new());
        let mut tree = Tree::of(&new);
        (mixup.seed)(&mut tree, &old, &new);
        let outcome = check(&tree.world(), mixup.sources);
        if outcome.code != 3 {
            wrong.push(format!("{}: {}", mixup.name, outcome.text()));
            continue;
        }
        let findings = outcome.findings();
        for (id, place) in mixup.found {
            if !findings.iter().any(|(i, p)| i == id && p == place) {
                wrong.push(format!("{}: no {id} at {place}: {}", mixup.name, outcome.stdout));
            }
        }
        let document = outcome.json();
        let list = document["findings"].as_array().unwrap();
        for finding in list {
            let fix = finding["fix"].as_str().unwrap();
            assert!(
                fix.len() > 6 && !["FILE", "TARGET", "LAYOUT"].iter().any(|w| fix.contains(w)),
                "{finding}"
            );
        }
        let (id, place) = mixup.found.last().unwrap();
        let advised = list.iter().any(|finding| {
            finding["fix"].as_str().unwrap().contains(mixup.advice)
                && mixup
                    .found
                    .iter()
                    .any(|(id, place)| finding["id"] == *id && finding["place"] == *place)
        });
        if !advised {
            wrong.push(format!(
                "{}: no such advice for {id} at {place}: {}",
                mixup.name, outcome.stdout
            ));
        }
        assert!(!outcome.text().contains("PRIVATE KEY"), "{}", mixup.name);
        assert!(!outcome.text().contains("hunter2"), "{}", mixup.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Variables are put together as `bosh` does it: the last file wins, and values stand inside of texts as well.
#[test]
fn variables_are_found_where_they_are_given() {
    let (old, new) = (Set::old(), Set::new());
    let mut tree = Tree::of(&new);
    let both = "          ca: |\n            ((kubo_ca.certificate))\n            ((kubo_ca_2025.certificate))";
    tree.manifest = tree.manifest.replace("          ca: ((tls-kubernetes.ca))", both);
    let world = tree.world();
    let mut before = Variables::default();
    let ca = old.cluster.pem();
    before.certificate("kubo_ca", &ca, &ca, &old.cluster.key);
    before.certificate("kubo_ca_2025", &ca, &ca, &old.cluster.key);
    world.file("before.yml", &before.yaml());
    let line =
        "inspect --document manifest.yml --vars-file before.yml --vars-file vars.yml -o json";
    let outcome = run(&world, &format!("{line} --at {NOW}"));
    let document = outcome.json();
    let state = |end: &str| {
        let places = document["places"].as_array().unwrap().iter();
        let mut states = places.filter(|p| p["place"].as_str().unwrap().ends_with(end));
        states.next().unwrap_or_else(|| panic!("{end}: {document:#}"))["state"].clone()
    };
    assert_eq!(state("name=kube-apiserver/properties/tls/kubernetes/ca"), "both");
    assert_eq!(state("cluster-signing/certificate"), "new");
    assert_eq!(state("before.yml#/kubo_ca/certificate"), "old");
}

/// Without any file of variables each of them is unknown, and what to do stands below the table.
#[test]
fn a_manifest_alone_says_what_it_needs() {
    let world = Tree::of(&Set::new()).world();
    let outcome = run(&world, "inspect --document manifest.yml");
    assert_eq!(outcome.code, 0, "{}", outcome.text());
    for word in [
        "no --vars-file gives `kubo_ca`",
        "no --vars-file gives `service-account-key`",
        "`credhub get -n /DIRECTOR/cfcr/tls-etcd-v0-29-0`",
    ] {
        assert!(outcome.text().contains(word), "{word}: {}", outcome.text());
    }
    assert!(!outcome.text().contains("kubo-admin-password"), "{}", outcome.text());
}

/// Beside what is on the machines: what a deploy would change.
#[test]
fn a_pillar_against_the_machines() {
    let world = World::new(&["n1"]);
    let (old, new) = (Set::old(), Set::new());
    world.minion("n1", &old);
    world.file("pillar.sls", &sls(&pillar(&new)));
    let document = world.run("inspect --document pillar.sls -o json").json();
    let places = document["places"].as_array().unwrap();
    let state = |end: &str| {
        places.iter().find(|p| p["place"].as_str().unwrap().ends_with(end)).unwrap()["state"]
            .clone()
    };
    assert_eq!(state("pillar.sls#/kubernetes/certs/ca.crt"), "new");
    assert_eq!(state("/srv/kubernetes/ca.crt"), "old");
}

#[test]
fn what_is_no_such_document_is_refused() {
    let world = World::new(&[]);
    let runbook = "{% set pki_path = \"/var/salt/\" %}\nkubernetes:\n  certs:\n    \"ca.crt\": |\n      \
                   {{ salt.cmd.run(\"cat \" + pki_path + \"ca.crt\") | indent(8) }}\n";
    let secret = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n";
    for (name, text, code, words) in [
        ("runbook.sls", runbook, 2, "is a template"),
        ("runbook.sls", runbook, 2, "salt-run pillar.show_pillar"),
        ("rendered.yml", "certs: {server.cert: x, ca.crt: '{{ ca }}'}\n", 2, "is a template"),
        ("braces.yml", "certs:\n  ca.crt: {{ ca }}\n", 2, "is a template"),
        ("vars.yml", "password: ((x))\nname: y\n", 2, "no certificate or key in vars.yml"),
        ("broken.yml", &format!("a: [\n{secret}"), 2, "is no YAML or JSON"),
        ("nowhere.yml", "", 1, "cannot look at nowhere.yml"),
        (".", "", 2, "is a directory"),
    ] {
        if !text.is_empty() {
            world.file(name, text);
        }
        let outcome = check(&world, &format!("--document {name}"));
        assert_eq!(outcome.code, code, "{name}: {}", outcome.text());
        assert!(outcome.stderr.contains(words), "{name}: {words}: {}", outcome.text());
        assert!(!outcome.text().contains("c2VjcmV0"), "{}", outcome.text());
    }
    let outcome = check(&world, "--vars-file vars.yml");
    assert_eq!(outcome.code, 2, "{}", outcome.text());
}

/// What `generate` writes for a deployment has no finding.
#[test]
fn generated_documents_are_good() {
    let world = World::new(&[]);
    let set = Set::new();
    world.file("master-bosh.crt", &set.cluster.pem());
    world.file("master-bosh.key", &set.cluster.key.pem());
    for (layout, more, document) in [
        ("cfcr", "", "cfcr/vars.yml"),
        ("salt", "", "salt/pki/default/pillar.sls"),
        ("bosh", "--consul --ca-cert master-bosh.crt --ca-key master-bosh.key", "bosh/vars.yml"),
    ] {
        let line =
            format!("generate --layout {layout} --key-type ecdsa-p256 -q -o {layout} {more}");
        let made = run(&world, &line);
        assert_eq!(made.code, 0, "{}", made.text());
        let outcome = run(&world, &format!("check --document {document} -o json"));
        assert_eq!(
            (outcome.code, outcome.findings().len()),
            (0, 0),
            "{layout}: {}",
            outcome.text()
        );
    }
}
