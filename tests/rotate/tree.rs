//! Trees of the machines of a kubeadm cluster, with everything that real ones have. Keys are ECDSA ones, for speed.

use crate::snapshot::Snapshot;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forge::{Draft, Key};
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// How large a cluster is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) controls: usize,
    pub(crate) workers: usize,
    /// With etcd, the front proxy, a scheduler and a consumer; without, what is enough to be killed often.
    pub(crate) whole: bool,
}

/// Control planes and workers of which none is alone.
pub(crate) const LARGE: Shape = Shape { controls: 2, workers: 2, whole: true };
/// Enough for two machines to differ.
pub(crate) const SMALL: Shape = Shape { controls: 1, workers: 1, whole: false };

/// A CA.
pub(crate) struct Ca {
    pub(crate) key: Key,
    pub(crate) draft: Draft,
}

impl Ca {
    pub(crate) fn new(name: &str) -> Self {
        let key = Key::new();
        let draft = dated(Draft::root(name, &key), "20200101000000Z", "20490101000000Z");
        Self { key, draft }
    }

    pub(crate) fn pem(&self) -> String {
        self.draft.pem(&self.key)
    }
}

/// With these dates.
pub(crate) fn dated(mut draft: Draft, from: &str, until: &str) -> Draft {
    from.clone_into(&mut draft.not_before);
    until.clone_into(&mut draft.not_after);
    draft
}

/// Today's generation.
pub(crate) struct Set {
    pub(crate) cluster: Ca,
    pub(crate) front: Ca,
    pub(crate) etcd: Ca,
    pub(crate) tokens: Key,
    /// Dates of leaves.
    pub(crate) dates: (&'static str, &'static str),
}

impl Set {
    pub(crate) fn new() -> Self {
        Self {
            cluster: Ca::new("kubernetes"),
            front: Ca::new("front-proxy-ca"),
            etcd: Ca::new("etcd-ca"),
            tokens: Key::new(),
            dates: ("20260601000000Z", "20270601000000Z"),
        }
    }

    fn sign(&self, draft: Draft, ca: &Ca) -> String {
        dated(draft, self.dates.0, self.dates.1).pem(&ca.key)
    }

    pub(crate) fn client(&self, ca: &Ca, name: &str, groups: &[&str], key: &Key) -> String {
        self.sign(Draft::client(name, groups, key, &ca.draft), ca)
    }

    pub(crate) fn server(&self, ca: &Ca, names: &[&str], key: &Key) -> String {
        self.sign(Draft::server(names[0], names, key, &ca.draft), ca)
    }

    pub(crate) fn peer(&self, ca: &Ca, names: &[&str], key: &Key) -> String {
        let mut draft = Draft::server(names[0], names, key, &ca.draft);
        draft.extended(&[forge::oid::SERVER, forge::oid::CLIENT]);
        self.sign(draft, ca)
    }
}

/// Machines below one directory, with the file that names them.
pub(crate) struct Trees {
    dir: TempDir,
    pub(crate) hosts: Vec<String>,
}

/// Where every write need not reach a disk.
fn directory() -> TempDir {
    let memory = Path::new("/dev/shm");
    let made = tempfile::Builder::new().prefix("rotate-").tempdir_in(memory);
    made.or_else(|_| tempfile::tempdir()).unwrap()
}

impl Trees {
    pub(crate) fn new(shape: Shape) -> Self {
        Self::of(shape, &Set::new())
    }

    pub(crate) fn of(shape: Shape, set: &Set) -> Self {
        let controls = (1..=shape.controls).map(|n| format!("m{n}"));
        let workers = (1..=shape.workers).map(|n| format!("w{n}"));
        let hosts: Vec<String> = controls.chain(workers).collect();
        let trees = Self { dir: directory(), hosts };
        for (index, host) in trees.hosts.iter().enumerate() {
            fs::create_dir_all(trees.dir.path().join(host).join("run")).unwrap();
            let control = index < shape.controls;
            if control {
                trees.control(host, set, shape.whole);
            }
            trees.node(host, set);
        }
        let consumer = trees.hosts.last().filter(|_| shape.whole).cloned();
        if let Some(host) = &consumer {
            trees.kubeconfig(&format!("{host}:/home/ci/.kube/config"), set, "ci", &["builders"]);
        }
        trees.name(&trees.hosts, consumer.as_deref());
        trees
    }

    /// Writes the file of machines.
    pub(crate) fn name(&self, hosts: &[String], consumer: Option<&str>) {
        let mut text = String::new();
        for host in hosts {
            let nth = self.hosts.iter().position(|one| one == host).unwrap_or(200) + 1;
            let (network, octet) = (nth / 250, nth % 250);
            let control = host.starts_with('m');
            write!(
                text,
                "[[host]]\nname = \"{host}\"\naddresses = [\"10.0.{network}.{octet}\"]\ncontrol-plane = {control}\nroot = \"{host}\"\n"
            )
            .unwrap();
        }
        if let Some(host) = consumer {
            write!(
                text,
                "[[consumer]]\nname = \"ci\"\nkubeconfig = \"/home/ci/.kube/config\"\nhost = \"{host}\"\n"
            )
            .unwrap();
        }
        self.file("cluster.toml", &text);
    }

    /// The same once more, with owners, modes, links and the rotation's directory.
    pub(crate) fn copy(&self) -> Self {
        let dir = directory();
        let from = format!("{}/.", self.dir.path().display());
        assert!(Command::new("cp").arg("-a").arg(from).arg(dir.path()).status().unwrap().success());
        Self { dir, hosts: self.hosts.clone() }
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    /// `HOST:/PATH` as a path here.
    pub(crate) fn path(&self, place: &str) -> PathBuf {
        let (host, path) = place.split_once(":/").unwrap();
        self.dir.path().join(host).join(path)
    }

    pub(crate) fn read(&self, place: &str) -> Vec<u8> {
        fs::read(self.path(place)).unwrap_or_else(|why| panic!("{place}: {why}"))
    }

    pub(crate) fn text(&self, place: &str) -> String {
        String::from_utf8(self.read(place)).unwrap()
    }

    pub(crate) fn write(&self, place: &str, text: &str) {
        let path = self.path(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let mode =
            if text.contains("PRIVATE KEY") || !place.contains(".crt") { 0o600 } else { 0o644 };
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    /// Tokens are signed by the key of the first API server's certificate, which is returned, and by no other.
    pub(crate) fn sign_by_serving_key(&self) -> &'static str {
        let serving = "/etc/kubernetes/pki/apiserver.key";
        for program in ["kube-apiserver", "kube-controller-manager"] {
            let place = format!("m1:/etc/kubernetes/manifests/{program}.yaml");
            let text = self.text(&place);
            let text = text
                .replace("/etc/kubernetes/pki/sa.key", serving)
                .replace("/etc/kubernetes/pki/sa.pub", serving);
            self.write(&place, &text);
        }
        for name in ["sa.key", "sa.pub"] {
            fs::remove_file(self.path(&format!("m1:/etc/kubernetes/pki/{name}"))).unwrap();
        }
        serving
    }

    /// Everything that stands on the machines.
    pub(crate) fn look(&self) -> Snapshot {
        Snapshot::of(self.dir.path(), &self.hosts)
    }

    fn pair(&self, stem: &str, certificate: &str, key: &Key) {
        self.write(&format!("{stem}.crt"), certificate);
        self.write(&format!("{stem}.key"), &key.pem());
    }

    fn kubeconfig(&self, place: &str, set: &Set, name: &str, groups: &[&str]) {
        let key = Key::new();
        let certificate = set.client(&set.cluster, name, groups, &key);
        let encode = |text: &str| STANDARD.encode(text);
        let (ca, certificate, key) =
            (encode(&set.cluster.pem()), encode(&certificate), encode(&key.pem()));
        self.write(
            place,
            &format!(
                "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {ca}\n    server: \
                 https://10.0.0.1:6443\n  name: k\ncontexts:\n- context:\n    cluster: k\n    user: u\n  name: \
                 u@k\ncurrent-context: u@k\nkind: Config\nusers:\n- name: u\n  user:\n    \
                 client-certificate-data: {certificate}\n    client-key-data: {key}\n"
            ),
        );
    }

    fn control(&self, host: &str, set: &Set, whole: bool) {
        let pki = |name: &str| format!("{host}:/etc/kubernetes/pki/{name}");
        let conf = |name: &str| format!("{host}:/etc/kubernetes/{name}.conf");
        self.pair(&pki("ca"), &set.cluster.pem(), &set.cluster.key);
        let key = Key::new();
        let names = [
            "kube-apiserver",
            host,
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
            "10.96.0.1",
            "10.0.0.1",
        ];
        self.pair(&pki("apiserver"), &set.server(&set.cluster, &names, &key), &key);
        self.write(&pki("sa.key"), &set.tokens.pem());
        self.write(&pki("sa.pub"), &set.tokens.public_pem());
        self.kubeconfig(&conf("admin"), set, "kubernetes-admin", &["kubeadm:cluster-admins"]);
        if whole {
            self.more(host, set);
        }
        self.manifests(host, whole);
    }

    /// What a control plane has besides.
    fn more(&self, host: &str, set: &Set) {
        let pki = |name: &str| format!("{host}:/etc/kubernetes/pki/{name}");
        let conf = |name: &str| format!("{host}:/etc/kubernetes/{name}.conf");
        self.pair(&pki("front-proxy-ca"), &set.front.pem(), &set.front.key);
        self.pair(&pki("etcd/ca"), &set.etcd.pem(), &set.etcd.key);
        let client = |stem: &str, ca: &Ca, name: &str, groups: &[&str]| {
            let key = Key::new();
            self.pair(&pki(stem), &set.client(ca, name, groups, &key), &key);
        };
        client(
            "apiserver-kubelet-client",
            &set.cluster,
            "kube-apiserver-kubelet-client",
            &["kubeadm:cluster-admins"],
        );
        client("front-proxy-client", &set.front, "front-proxy-client", &[]);
        client("apiserver-etcd-client", &set.etcd, "kube-apiserver-etcd-client", &[]);
        client("etcd/healthcheck-client", &set.etcd, "kube-etcd-healthcheck-client", &[]);
        for stem in ["etcd/server", "etcd/peer"] {
            let key = Key::new();
            let names = [host, "localhost", "10.0.0.1", "127.0.0.1"];
            self.pair(&pki(stem), &set.peer(&set.etcd, &names, &key), &key);
        }
        self.kubeconfig(&conf("super-admin"), set, "kubernetes-super-admin", &["system:masters"]);
        self.kubeconfig(&conf("controller-manager"), set, "system:kube-controller-manager", &[]);
        self.kubeconfig(&conf("scheduler"), set, "system:kube-scheduler", &[]);
    }

    /// Manifests of the static pods, with kubeadm's own flags.
    fn manifests(&self, host: &str, whole: bool) {
        let pod = |name: &str, flags: &[&str]| {
            let mut text = format!(
                "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    component: {name}\n    tier: control-plane\n  name: \
                 {name}\n  namespace: kube-system\nspec:\n  containers:\n  - command:\n    - {name}\n"
            );
            for flag in flags {
                writeln!(text, "    - --{flag}").unwrap();
            }
            write!(
                text,
                "    image: registry.k8s.io/{name}:v1.36.3\n    name: {name}\n    volumeMounts:\n    - mountPath: \
                 /etc/kubernetes/pki\n      name: k8s-certs\n      readOnly: true\n  hostNetwork: true\n  volumes:\n  - \
                 hostPath:\n      path: /etc/kubernetes/pki\n      type: DirectoryOrCreate\n    name: k8s-certs\nstatus: {{}}\n"
            )
            .unwrap();
            self.write(&format!("{host}:/etc/kubernetes/manifests/{name}.yaml"), &text);
        };
        let mut api = vec![
            "allow-privileged=true",
            "authorization-mode=Node,RBAC",
            "client-ca-file=/etc/kubernetes/pki/ca.crt",
            "enable-admission-plugins=NodeRestriction",
            "secure-port=6443",
            "service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "service-account-key-file=/etc/kubernetes/pki/sa.pub",
            "service-account-signing-key-file=/etc/kubernetes/pki/sa.key",
            "tls-cert-file=/etc/kubernetes/pki/apiserver.crt",
            "tls-private-key-file=/etc/kubernetes/pki/apiserver.key",
        ];
        let mut manager = vec![
            "client-ca-file=/etc/kubernetes/pki/ca.crt",
            "cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt",
            "cluster-signing-key-file=/etc/kubernetes/pki/ca.key",
            "leader-elect=true",
            "root-ca-file=/etc/kubernetes/pki/ca.crt",
            "service-account-private-key-file=/etc/kubernetes/pki/sa.key",
            "use-service-account-credentials=true",
        ];
        if whole {
            api.extend([
                "etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt",
                "etcd-certfile=/etc/kubernetes/pki/apiserver-etcd-client.crt",
                "etcd-keyfile=/etc/kubernetes/pki/apiserver-etcd-client.key",
                "etcd-servers=https://127.0.0.1:2379",
                "kubelet-client-certificate=/etc/kubernetes/pki/apiserver-kubelet-client.crt",
                "kubelet-client-key=/etc/kubernetes/pki/apiserver-kubelet-client.key",
                "proxy-client-cert-file=/etc/kubernetes/pki/front-proxy-client.crt",
                "proxy-client-key-file=/etc/kubernetes/pki/front-proxy-client.key",
                "requestheader-allowed-names=front-proxy-client",
                "requestheader-client-ca-file=/etc/kubernetes/pki/front-proxy-ca.crt",
            ]);
            manager.extend([
                "authentication-kubeconfig=/etc/kubernetes/controller-manager.conf",
                "authorization-kubeconfig=/etc/kubernetes/controller-manager.conf",
                "kubeconfig=/etc/kubernetes/controller-manager.conf",
                "requestheader-client-ca-file=/etc/kubernetes/pki/front-proxy-ca.crt",
            ]);
            pod(
                "etcd",
                &[
                    "cert-file=/etc/kubernetes/pki/etcd/server.crt",
                    "client-cert-auth=true",
                    "data-dir=/var/lib/etcd",
                    "key-file=/etc/kubernetes/pki/etcd/server.key",
                    "listen-client-urls=https://127.0.0.1:2379,https://10.0.0.1:2379",
                    "peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt",
                    "peer-client-cert-auth=true",
                    "peer-key-file=/etc/kubernetes/pki/etcd/peer.key",
                    "peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt",
                    "trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt",
                ],
            );
            pod(
                "kube-scheduler",
                &[
                    "authentication-kubeconfig=/etc/kubernetes/scheduler.conf",
                    "authorization-kubeconfig=/etc/kubernetes/scheduler.conf",
                    "kubeconfig=/etc/kubernetes/scheduler.conf",
                    "leader-elect=true",
                ],
            );
        }
        pod("kube-apiserver", &api);
        pod("kube-controller-manager", &manager);
    }

    /// A node as kubeadm makes it: certificate and key in one file, behind a link.
    fn node(&self, host: &str, set: &Set) {
        let key = Key::new();
        let groups = ["system:nodes"];
        let client = set.client(&set.cluster, &format!("system:node:{host}"), &groups, &key);
        let dated = "/var/lib/kubelet/pki/kubelet-client-2026-11-01-00-00-00.pem";
        self.write(&format!("{host}:{dated}"), &format!("{client}{}", key.pem()));
        let link = self.path(&format!("{host}:/var/lib/kubelet/pki/kubelet-client-current.pem"));
        symlink(dated, link).unwrap();
        // A kubelet that nobody gave a certificate makes one for itself.
        let own = Ca::new(&format!("{host}-ca@1790000000"));
        let key = Key::new();
        self.pair(
            &format!("{host}:/var/lib/kubelet/pki/kubelet"),
            &set.server(&own, &[host], &key),
            &key,
        );
        let ca = STANDARD.encode(set.cluster.pem());
        self.write(
            &format!("{host}:/etc/kubernetes/kubelet.conf"),
            &format!(
                "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {ca}\n    server: \
                 https://10.0.0.1:6443\n  name: k\ncontexts:\n- context:\n    cluster: k\n    user: u\n  name: \
                 u@k\ncurrent-context: u@k\nkind: Config\nusers:\n- name: u\n  user:\n    \
                 client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n    \
                 client-key: /var/lib/kubelet/pki/kubelet-client-current.pem\n"
            ),
        );
        self.write(&format!("{host}:/etc/kubernetes/pki/ca.crt"), &set.cluster.pem());
        self.write(
            &format!("{host}:/var/lib/kubelet/config.yaml"),
            "apiVersion: kubelet.config.k8s.io/v1beta1\nauthentication:\n  x509:\n    clientCAFile: \
             /etc/kubernetes/pki/ca.crt\nkind: KubeletConfiguration\nrotateCertificates: true\n",
        );
    }
}
