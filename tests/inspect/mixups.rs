//! What goes wrong with places, seeded one at a time: each is found at its place, with what to do about it.

use crate::world::{Ca, Set, World};
use forge::{Draft, Key};

/// A healthy cluster of each layout.
fn kubeadm(set: &Set) -> World {
    let world = World::new(&["m1", "m2", "w1"]);
    world.master("m1", set);
    world.master("m2", set);
    world.node("w1", set);
    world
}

fn salt(set: &Set) -> World {
    let world = World::new(&["salt", "n1", "n2"]);
    world.salt_master("salt", set);
    world.minion("n1", set);
    world.minion("n2", set);
    world
}

fn bosh(set: &Set) -> World {
    let world = World::new(&["m1", "m2"]);
    world.bosh_master("m1", set);
    world.bosh_master("m2", set);
    world
}

fn cfcr(set: &Set) -> World {
    let world = World::new(&["m1", "m2"]);
    world.cfcr_master("m1", set);
    world.cfcr_master("m2", set);
    world
}

fn k3s(set: &Set) -> World {
    let world = World::new(&["s1", "s2"]);
    world.k3s("s1", set);
    world.k3s("s2", set);
    world
}

#[test]
fn a_healthy_cluster_of_each_layout_has_no_finding() {
    let set = Set::new();
    for (name, world) in
        [("kubeadm", kubeadm(&set)), ("salt", salt(&set)), ("cfcr", cfcr(&set)), ("k3s", k3s(&set))]
    {
        let outcome = world.run("check");
        assert_eq!((outcome.code, outcome.stdout.as_str()), (0, ""), "{name}: {}", outcome.text());
        assert!(outcome.stderr.contains("nothing was found"), "{}", outcome.text());
    }
    // The layout of kubernetes-release has this one by itself.
    let outcome = bosh(&set).run("check -o json");
    let ids: Vec<String> = outcome.findings().into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, ["key-signs-tokens", "key-signs-tokens"], "{}", outcome.text());
}

/// A mix-up: what it is, the cluster, what is done to it, and what must be found where.
struct Mixup {
    name: &'static str,
    cluster: fn(&Set) -> World,
    seed: fn(&World, &Set, &Set),
    found: &'static [(&'static str, &'static str)],
}

const MIXUPS: &[Mixup] = &[
    Mixup {
        name: "one minion's CA is old",
        cluster: salt,
        seed: |world, old, _| world.write("n2:/srv/kubernetes/ca.crt", &old.cluster.pem()),
        found: &[
            ("trust-lacks-ca", "n2:/srv/kubernetes/ca.crt"),
            ("rotation-torn", "generations of cluster"),
        ],
    },
    Mixup {
        name: "one minion's system trust is old",
        cluster: salt,
        seed: |world, old, _| {
            world
                .write("n1:/usr/local/share/ca-certificates/kubernetes-ca.crt", &old.cluster.pem());
        },
        found: &[
            ("trust-lacks-ca", "n1:/usr/local/share/ca-certificates/kubernetes-ca.crt"),
            ("trust-lacks-ca", "n1:/etc/ssl/certs/kubernetes.pem"),
        ],
    },
    Mixup {
        name: "the link of the system's trust is a copy",
        cluster: salt,
        seed: |world, _, new| world.write("n1:/etc/ssl/certs/kubernetes.pem", &new.cluster.pem()),
        found: &[("link-elsewhere", "n1:/etc/ssl/certs/kubernetes.pem")],
    },
    Mixup {
        name: "the link leads to another file",
        cluster: salt,
        seed: |world, _, _| {
            world.link("n1:/etc/ssl/certs/kubernetes.pem", "/srv/kubernetes/ca.crt");
        },
        found: &[("link-elsewhere", "n1:/etc/ssl/certs/kubernetes.pem")],
    },
    Mixup {
        name: "the link leads nowhere",
        cluster: salt,
        seed: |world, _, _| world.link("n1:/etc/ssl/certs/kubernetes.pem", "/nowhere"),
        found: &[("place-absent", "n1:/etc/ssl/certs/kubernetes.pem")],
    },
    Mixup {
        name: "the system's bundle was not rebuilt",
        cluster: salt,
        seed: |world, _, _| {
            let other = Ca::new("root", "20200101000000Z");
            world.write("n2:/etc/ssl/certs/ca-certificates.crt", &other.pem());
        },
        found: &[("bundle-lacks-ca", "n2:/etc/ssl/certs/ca-certificates.crt")],
    },
    Mixup {
        name: "the system's bundle has the old CA",
        cluster: salt,
        seed: |world, old, _| {
            world.write("n2:/etc/ssl/certs/ca-certificates.crt", &old.cluster.pem());
            world.write("n2:/var/lib/kubelet/ca.crt", &old.cluster.pem());
        },
        found: &[
            ("trust-lacks-ca", "n2:/etc/ssl/certs/ca-certificates.crt"),
            ("trust-lacks-ca", "n2:/var/lib/kubelet/ca.crt"),
        ],
    },
    Mixup {
        name: "a minion lacks the kubelet's CA",
        cluster: salt,
        seed: |world, _, _| world.remove("n2:/var/lib/kubelet/ca.crt"),
        found: &[("place-absent", "n2:/var/lib/kubelet/ca.crt")],
    },
    Mixup {
        name: "the runner's server is of another CA",
        cluster: salt,
        seed: |world, _, new| {
            let key = Key::new();
            let pki = "salt:/var/salt/k8s-helper/pki/default/server";
            world.pair(pki, &new.etcd.server("kubernetes-master", &key), &key);
        },
        found: &[("issuer-not-found", "salt:/var/salt/k8s-helper/pki/default/server.crt")],
    },
    Mixup {
        name: "one BOSH master has the old certificates",
        cluster: bosh,
        seed: |world, old, _| world.bosh_master("m2", old),
        found: &[
            ("rotation-torn", "generations of cluster"),
            ("trust-lacks-ca", "m2:/var/vcap/jobs/kubernetes-master/certs/ca.pem"),
            ("place-behind", "m2:/var/vcap/jobs/kubernetes-master/certs/kubernetes.pem"),
        ],
    },
    Mixup {
        name: "one BOSH master has another key than certificate",
        cluster: bosh,
        seed: |world, _, _| {
            world.write(
                "m2:/var/vcap/jobs/kubernetes-master/certs/kubernetes-key.pem",
                &Key::new().pem(),
            );
        },
        found: &[(
            "key-does-not-fit",
            "m2:/var/vcap/jobs/kubernetes-master/certs/kubernetes-key.pem",
        )],
    },
    Mixup {
        name: "one controller manager signs with another key than the servers know",
        cluster: cfcr,
        seed: |world, old, _| {
            world.write(
                "m2:/var/vcap/jobs/kube-controller-manager/config/service-account-private-key.pem",
                &old.tokens.pem(),
            );
        },
        found: &[(
            "signing-key-unverified",
            "m2:/var/vcap/jobs/kube-controller-manager/config/service-account-private-key.pem",
        )],
    },
    Mixup {
        name: "kubelets trust the old CA for clients",
        cluster: cfcr,
        seed: |world, old, _| {
            world.write(
                "m1:/var/vcap/jobs/kubelet/config/kubelet-client-ca.pem",
                &old.cluster.pem(),
            );
        },
        found: &[("trust-lacks-ca", "m1:/var/vcap/jobs/kubelet/config/kubelet-client-ca.pem")],
    },
    Mixup {
        name: "one node's kubeconfig trusts the old CA",
        cluster: kubeadm,
        seed: |world, old, new| {
            let key = Key::new();
            let client = new.cluster.client("kubernetes-admin", &["kubeadm:cluster-admins"], &key);
            world.kubeconfig_of(
                "m1:/etc/kubernetes/admin.conf",
                &old.cluster.pem(),
                &client,
                &key.pem(),
            );
        },
        found: &[("trust-lacks-ca", "m1:/etc/kubernetes/admin.conf#certificate-authority-data")],
    },
    Mixup {
        name: "one scheduler is of a generation that nobody trusts yet",
        cluster: kubeadm,
        seed: |world, _, _| {
            let next = Set::of("g3", "20260901000000Z");
            world.kubeconfig(
                "m2:/etc/kubernetes/scheduler.conf",
                &next,
                "system:kube-scheduler",
                &[],
            );
        },
        found: &[("shown-untrusted", "m2:/etc/kubernetes/scheduler.conf#client-certificate-data")],
    },
    Mixup {
        name: "one kubelet still shows an old certificate",
        cluster: kubeadm,
        seed: |world, old, new| {
            world.node("w1", old);
            world.write("w1:/etc/kubernetes/pki/ca.crt", &new.cluster.pem());
        },
        found: &[
            ("rotation-torn", "generations of cluster"),
            ("place-behind", "w1:/var/lib/kubelet/pki/kubelet-client-current.pem"),
        ],
    },
    Mixup {
        name: "both CAs everywhere, leaves not issued yet",
        cluster: kubeadm,
        seed: |world, old, new| {
            let both = format!("{}{}", new.cluster.pem(), old.cluster.pem());
            for host in ["m1", "m2", "w1"] {
                world.write(&format!("{host}:/etc/kubernetes/pki/ca.crt"), &both);
            }
        },
        found: &[("rotation-unfinished", "generations of cluster")],
    },
    Mixup {
        name: "an API server's certificate lies beside another key",
        cluster: kubeadm,
        seed: |world, _, _| world.write("m2:/etc/kubernetes/pki/apiserver.key", &Key::new().pem()),
        found: &[("key-does-not-fit", "m2:/etc/kubernetes/pki/apiserver.key")],
    },
    Mixup {
        name: "the API server's client for etcd is of the cluster's CA",
        cluster: kubeadm,
        seed: |world, _, new| {
            let key = Key::new();
            let client = new.cluster.client("kube-apiserver-etcd-client", &[], &key);
            world.pair("m1:/etc/kubernetes/pki/apiserver-etcd-client", &client, &key);
        },
        found: &[("place-foreign", "m1:/etc/kubernetes/pki/apiserver-etcd-client.crt")],
    },
    Mixup {
        name: "the front proxy's CA is the cluster's",
        cluster: kubeadm,
        seed: |world, _, new| {
            world.write("m1:/etc/kubernetes/pki/front-proxy-ca.crt", &new.cluster.pem());
            world.write("m1:/etc/kubernetes/pki/front-proxy-ca.key", &new.cluster.key.pem());
        },
        found: &[("front-proxy-ca-shared", "m1:/etc/kubernetes/pki/front-proxy-ca.crt")],
    },
    Mixup {
        name: "etcd trusts the cluster's CA",
        cluster: kubeadm,
        seed: |world, _, new| world.write("m2:/etc/kubernetes/pki/etcd/ca.crt", &new.cluster.pem()),
        found: &[("etcd-shares-ca", "m2:/etc/kubernetes/pki/etcd/ca.crt")],
    },
    Mixup {
        name: "the serving key signs tokens",
        cluster: kubeadm,
        seed: |world, _, new| {
            let key = &new.tokens;
            world.pair(
                "m1:/etc/kubernetes/pki/apiserver",
                &new.cluster.server("kube-apiserver", key),
                key,
            );
        },
        found: &[("key-signs-tokens", "m1:/etc/kubernetes/pki/apiserver.crt")],
    },
    Mixup {
        name: "one server checks tokens by the old key alone",
        cluster: kubeadm,
        seed: |world, old, _| {
            world.write("m2:/etc/kubernetes/pki/sa.pub", &old.tokens.public_pem());
            world.write("m2:/etc/kubernetes/pki/sa.key", &old.tokens.pem());
        },
        found: &[("rotation-torn", "generations of tokens")],
    },
    Mixup {
        name: "both generations of the CA bear one name",
        cluster: kubeadm,
        seed: |world, _, new| {
            let twin = Ca::new(&new.cluster.draft.subject.0, "20260101000000Z");
            world.write(
                "w1:/etc/kubernetes/pki/ca.crt",
                &format!("{}{}", new.cluster.pem(), twin.pem()),
            );
        },
        found: &[("cas-share-subject", "w1:/etc/kubernetes/pki/ca.crt")],
    },
    Mixup {
        name: "the API server has an open port",
        cluster: kubeadm,
        seed: |world, _, _| world.manifests("m1", "insecure-port=8080"),
        found: &[("insecure-port", "m1:/etc/kubernetes/manifests/kube-apiserver.yaml")],
    },
    Mixup {
        name: "a manifest names a file that is not there",
        cluster: kubeadm,
        seed: |world, _, _| world.manifests("m1", "oidc-ca-file=/etc/kubernetes/oidc.crt"),
        found: &[("place-absent", "m1:/etc/kubernetes/oidc.crt")],
    },
    Mixup {
        name: "a control plane lost a file",
        cluster: kubeadm,
        seed: |world, _, _| world.remove("m2:/etc/kubernetes/pki/front-proxy-client.crt"),
        found: &[("place-absent", "m2:/etc/kubernetes/pki/front-proxy-client.crt")],
    },
    Mixup {
        name: "a key that everybody can read",
        cluster: kubeadm,
        seed: |world, _, _| world.mode("m1:/etc/kubernetes/pki/ca.key", 0o644),
        found: &[("key-mode", "m1:/etc/kubernetes/pki/ca.key")],
    },
    Mixup {
        name: "a server's certificate ends in five days",
        cluster: kubeadm,
        seed: |world, _, new| {
            let key = Key::new();
            let mut draft = Draft::server(
                "kube-apiserver",
                &["kube-apiserver", "10.0.0.1"],
                &key,
                &new.cluster.draft,
            );
            "20261206000000Z".clone_into(&mut draft.not_after);
            world.pair("m1:/etc/kubernetes/pki/apiserver", &draft.pem(&new.cluster.key), &key);
        },
        found: &[("expires-critically", "m1:/etc/kubernetes/pki/apiserver.crt")],
    },
    Mixup {
        name: "a client's certificate ends in twenty days",
        cluster: kubeadm,
        seed: |world, _, new| {
            let key = Key::new();
            let mut draft = Draft::client("front-proxy-client", &[], &key, &new.front.draft);
            "20261221000000Z".clone_into(&mut draft.not_after);
            world.pair(
                "m1:/etc/kubernetes/pki/front-proxy-client",
                &draft.pem(&new.front.key),
                &key,
            );
        },
        found: &[("expires-soon", "m1:/etc/kubernetes/pki/front-proxy-client.crt")],
    },
    Mixup {
        name: "an agent trusts the old CA of clients",
        cluster: k3s,
        seed: |world, old, _| {
            world.write("s2:/var/lib/rancher/k3s/agent/client-ca.crt", &old.clients.pem());
        },
        found: &[
            ("trust-lacks-ca", "s2:/var/lib/rancher/k3s/agent/client-ca.crt"),
            ("rotation-torn", "generations of clients"),
        ],
    },
    Mixup {
        name: "the API server runs since before its trust in etcd changed",
        cluster: kubeadm,
        seed: |world, _, _| {
            let line = "kube-apiserver --etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt \
                        --client-ca-file=/etc/kubernetes/pki/ca.crt --encryption-provider-config=/x \
                        --kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt";
            world.process("m1", 812, 60, line);
            world.touch("m1:/etc/kubernetes/pki/etcd/ca.crt", 1_793_491_200 + 3600);
        },
        found: &[("process-older-than-file", "m1:/etc/kubernetes/pki/etcd/ca.crt")],
    },
];

#[test]
fn each_mixup_is_found_at_its_place() {
    assert!(MIXUPS.len() >= 25, "{}", MIXUPS.len());
    let mut wrong = Vec::new();
    for mixup in MIXUPS {
        let (old, new) = (Set::old(), Set::new());
        let world = (mixup.cluster)(&new);
        (mixup.seed)(&world, &old, &new);
        let outcome = world.run("check -o json");
        let findings = outcome.findings();
        for (id, place) in mixup.found {
            let at = |found: &str| found == *place || found.starts_with(&format!("{place}:"));
            if !findings.iter().any(|(i, p)| i == id && at(p)) {
                wrong.push(format!("{}: no {id} at {place}: {}", mixup.name, outcome.stdout));
            }
        }
        assert_eq!(outcome.code, 3, "{}: {}", mixup.name, outcome.text());
        for finding in outcome.json()["findings"].as_array().unwrap() {
            let fix = finding["fix"].as_str().unwrap();
            assert!(fix.len() > 6 && !fix.contains("FILE") && !fix.contains("TARGET"), "{finding}");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A rotation as it should go: each phase is told, and only its end is silent.
#[test]
fn the_phases_of_a_rotation_are_told() {
    let (old, new) = (Set::old(), Set::new());
    let world = World::new(&["m1", "n1"]);
    let both = format!("{}{}", old.cluster.pem(), new.cluster.pem());
    let trust = |ca: &str| {
        world.write("m1:/srv/kubernetes/ca.crt", ca);
        world.write("n1:/srv/kubernetes/ca.crt", ca);
    };
    let files = |ca: &str| {
        trust(ca);
        for host in ["m1", "n1"] {
            world.write(&format!("{host}:/usr/local/share/ca-certificates/kubernetes-ca.crt"), ca);
            let target = "/usr/local/share/ca-certificates/kubernetes-ca.crt";
            world.link(&format!("{host}:/etc/ssl/certs/kubernetes.pem"), target);
            world.write(&format!("{host}:/etc/ssl/certs/ca-certificates.crt"), ca);
            world.write(&format!("{host}:/var/lib/kubelet/ca.crt"), ca);
        }
    };
    let server = |host: &str, set: &Set| {
        let key = Key::new();
        world.pair(&format!("{host}:/srv/kubernetes/server"), &set.cluster.server("s", &key), &key);
    };
    let phase = || {
        let outcome = world.run("check -o json");
        let document = outcome.json();
        (document["domains"][0]["phase"].as_str().unwrap().to_owned(), outcome.code)
    };
    files(&old.cluster.pem());
    server("m1", &old);
    server("n1", &old);
    assert_eq!(phase(), ("settled".to_owned(), 0));
    trust(&both);
    assert_eq!(phase(), ("accepting".to_owned(), 3));
    files(&both);
    assert_eq!(phase(), ("accepted".to_owned(), 3));
    server("m1", &new);
    assert_eq!(phase(), ("switching".to_owned(), 3));
    server("n1", &new);
    assert_eq!(phase(), ("switched".to_owned(), 3));
    trust(&new.cluster.pem());
    assert_eq!(phase(), ("retiring".to_owned(), 3));
    files(&new.cluster.pem());
    assert_eq!(phase(), ("settled".to_owned(), 0));
}
