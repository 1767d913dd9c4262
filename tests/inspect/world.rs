//! Trees of machines' files, and the tool run over them with nothing else in its environment.

use forge::{Draft, Key};
use serde_json::Value;
use snapbox::data::Inline;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use tempfile::TempDir;

pub(crate) const TOOL: &str = env!("CARGO_BIN_EXE_kubectl-rotate_certs");
/// When everything is valid, whatever this machine's clock says.
pub(crate) const NOW: &str = "2026-12-01T00:00:00Z";

/// A CA.
pub(crate) struct Ca {
    pub(crate) key: Key,
    pub(crate) draft: Draft,
}

impl Ca {
    pub(crate) fn new(name: &str, from: &str) -> Self {
        let key = Key::new();
        let mut draft = Draft::root(name, &key);
        from.clone_into(&mut draft.not_before);
        Self { key, draft }
    }

    pub(crate) fn pem(&self) -> String {
        self.draft.pem(&self.key)
    }

    pub(crate) fn server(&self, name: &str, key: &Key) -> String {
        let mut names = vec![name, "10.0.0.1"];
        if name == "kubernetes" {
            names.extend([
                "kubernetes.default",
                "kubernetes.default.svc",
                "kubernetes.default.svc.cluster.local",
            ]);
        }
        Draft::server(name, &names, key, &self.draft).pem(&self.key)
    }

    pub(crate) fn peer(&self, name: &str, key: &Key) -> String {
        let mut draft = Draft::server(name, &[name, "10.0.0.1"], key, &self.draft);
        draft.extended(&[forge::oid::SERVER, forge::oid::CLIENT]);
        draft.pem(&self.key)
    }

    pub(crate) fn client(&self, name: &str, groups: &[&str], key: &Key) -> String {
        Draft::client(name, groups, key, &self.draft).pem(&self.key)
    }
}

/// One generation of a whole cluster.
pub(crate) struct Set {
    pub(crate) cluster: Ca,
    pub(crate) front: Ca,
    pub(crate) etcd: Ca,
    pub(crate) clients: Ca,
    pub(crate) tokens: Key,
}

impl Set {
    pub(crate) fn of(name: &str, from: &str) -> Self {
        Self {
            cluster: Ca::new(&format!("kubernetes-{name}"), from),
            front: Ca::new(&format!("front-proxy-{name}"), from),
            etcd: Ca::new(&format!("etcd-{name}"), from),
            clients: Ca::new(&format!("clients-{name}"), from),
            tokens: Key::new(),
        }
    }

    pub(crate) fn old() -> Self {
        Self::of("g1", "20260101000000Z")
    }

    pub(crate) fn new() -> Self {
        Self::of("g2", "20260601000000Z")
    }
}

/// What a run came to.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn text(&self) -> String {
        format!("exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }

    #[track_caller]
    pub(crate) fn is(&self, expected: Inline) {
        let assert = snapbox::Assert::new().action_env("SNAPSHOTS").normalize_paths(false);
        assert.eq(self.text(), expected);
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|why| panic!("{why}: {}", self.text()))
    }

    /// Ids and places of all findings of `check -o json`.
    pub(crate) fn findings(&self) -> Vec<(String, String)> {
        let document = self.json();
        let text = |item: &Value, key: &str| item[key].as_str().unwrap().to_owned();
        let findings = document["findings"].as_array().unwrap().iter();
        findings.map(|item| (text(item, "id"), text(item, "place"))).collect()
    }
}

/// Machines below one directory.
pub(crate) struct World {
    dir: TempDir,
    hosts: Vec<String>,
}

impl World {
    pub(crate) fn new(hosts: &[&str]) -> Self {
        let world = Self {
            dir: tempfile::tempdir().unwrap(),
            hosts: hosts.iter().map(|host| (*host).to_owned()).collect(),
        };
        for host in hosts {
            fs::create_dir_all(world.dir.path().join(host)).unwrap();
        }
        world
    }

    /// `HOST:/PATH` as a path here.
    pub(crate) fn path(&self, place: &str) -> PathBuf {
        let (host, path) = place.split_once(":/").unwrap();
        let path = self.dir.path().join(host).join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    /// A file with the mode that it should have.
    pub(crate) fn write(&self, place: &str, text: &str) {
        let path = self.path(place);
        let _ = fs::remove_file(&path);
        fs::write(&path, text).unwrap();
        let mode = if text.contains("PRIVATE KEY") || text.contains("kind: Config") {
            0o600
        } else {
            0o644
        };
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    }

    pub(crate) fn link(&self, place: &str, target: &str) {
        let path = self.path(place);
        let _ = fs::remove_file(&path);
        symlink(target, path).unwrap();
    }

    pub(crate) fn remove(&self, place: &str) {
        fs::remove_file(self.path(place)).unwrap();
    }

    pub(crate) fn mode(&self, place: &str, mode: u32) {
        fs::set_permissions(self.path(place), Permissions::from_mode(mode)).unwrap();
    }

    /// Says that a file changed at this second.
    pub(crate) fn touch(&self, place: &str, second: u64) {
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(second);
        fs::File::open(self.path(place)).unwrap().set_modified(at).unwrap();
    }

    pub(crate) fn file(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    pub(crate) fn directory(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// A pair of certificate and key.
    pub(crate) fn pair(&self, stem: &str, certificate: &str, key: &Key) {
        self.write(&format!("{stem}.crt"), certificate);
        self.write(&format!("{stem}.key"), &key.pem());
    }

    /// A kubeconfig with everything inside.
    pub(crate) fn kubeconfig(&self, place: &str, set: &Set, name: &str, groups: &[&str]) {
        let key = Key::new();
        let certificate = set.cluster.client(name, groups, &key);
        self.kubeconfig_of(place, &set.cluster.pem(), &certificate, &key.pem());
    }

    pub(crate) fn kubeconfig_of(&self, place: &str, ca: &str, certificate: &str, key: &str) {
        use base64::Engine as _;
        let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        let (ca, certificate, key) = (encode(ca), encode(certificate), encode(key));
        self.write(
            place,
            &format!(
                "apiVersion: v1\nkind: Config\nclusters:\n- name: k\n  cluster:\n    \
                 server: https://10.0.0.1:6443\n    certificate-authority-data: {ca}\nusers:\n- name: u\n  \
                 user:\n    client-certificate-data: {certificate}\n    client-key-data: {key}\n"
            ),
        );
    }

    /// A control plane as kubeadm makes it.
    pub(crate) fn master(&self, host: &str, set: &Set) {
        let pki = |name: &str| format!("{host}:/etc/kubernetes/pki/{name}");
        self.pair(&pki("ca"), &set.cluster.pem(), &set.cluster.key);
        self.pair(&pki("front-proxy-ca"), &set.front.pem(), &set.front.key);
        self.pair(&pki("etcd/ca"), &set.etcd.pem(), &set.etcd.key);
        let key = Key::new();
        self.pair(&pki("apiserver"), &set.cluster.server("kube-apiserver", &key), &key);
        let key = Key::new();
        let client =
            set.cluster.client("kube-apiserver-kubelet-client", &["kubeadm:cluster-admins"], &key);
        self.pair(&pki("apiserver-kubelet-client"), &client, &key);
        let key = Key::new();
        self.pair(
            &pki("front-proxy-client"),
            &set.front.client("front-proxy-client", &[], &key),
            &key,
        );
        let key = Key::new();
        self.pair(
            &pki("apiserver-etcd-client"),
            &set.etcd.client("kube-apiserver-etcd-client", &[], &key),
            &key,
        );
        for name in ["etcd/server", "etcd/peer"] {
            let key = Key::new();
            self.pair(&pki(name), &set.etcd.peer(host, &key), &key);
        }
        let key = Key::new();
        self.pair(
            &pki("etcd/healthcheck-client"),
            &set.etcd.client("kube-etcd-healthcheck-client", &[], &key),
            &key,
        );
        self.write(&pki("sa.key"), &set.tokens.pem());
        self.write(&pki("sa.pub"), &set.tokens.public_pem());
        let conf = |name: &str| format!("{host}:/etc/kubernetes/{name}.conf");
        self.kubeconfig(&conf("admin"), set, "kubernetes-admin", &["kubeadm:cluster-admins"]);
        self.kubeconfig(&conf("controller-manager"), set, "system:kube-controller-manager", &[]);
        self.kubeconfig(&conf("scheduler"), set, "system:kube-scheduler", &[]);
        self.manifests(host, "");
        self.node(host, set);
    }

    /// Manifests of the static pods; `more` are flags of the API server.
    pub(crate) fn manifests(&self, host: &str, more: &str) {
        let pod = |name: &str, flags: &str| {
            let flags: String =
                flags.split_whitespace().flat_map(|flag| ["    - --", flag, "\n"]).collect();
            self.write(
                &format!("{host}:/etc/kubernetes/manifests/{name}.yaml"),
                &format!("apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - command:\n    - {name}\n{flags}"),
            );
        };
        pod(
            "kube-apiserver",
            &format!(
                "client-ca-file=/etc/kubernetes/pki/ca.crt tls-cert-file=/etc/kubernetes/pki/apiserver.crt \
                 tls-private-key-file=/etc/kubernetes/pki/apiserver.key etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt \
                 service-account-key-file=/etc/kubernetes/pki/sa.pub \
                 encryption-provider-config=/etc/kubernetes/encryption.yaml \
                 kubelet-certificate-authority=/etc/kubernetes/pki/ca.crt {more}"
            ),
        );
        pod(
            "etcd",
            "trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt listen-client-urls=https://10.0.0.1:2379",
        );
        pod("kube-controller-manager", "root-ca-file=/etc/kubernetes/pki/ca.crt");
    }

    /// A node as kubeadm makes it: certificate and key in one file, behind a link.
    pub(crate) fn node(&self, host: &str, set: &Set) {
        use base64::Engine as _;
        let key = Key::new();
        let client = set.cluster.client(&format!("system:node:{host}"), &["system:nodes"], &key);
        let dated = format!("{host}:/var/lib/kubelet/pki/kubelet-client-2026-11-01-00-00-00.pem");
        self.write(&dated, &format!("{client}{}", key.pem()));
        self.link(
            &format!("{host}:/var/lib/kubelet/pki/kubelet-client-current.pem"),
            "kubelet-client-2026-11-01-00-00-00.pem",
        );
        let ca = base64::engine::general_purpose::STANDARD.encode(set.cluster.pem());
        self.write(
            &format!("{host}:/etc/kubernetes/kubelet.conf"),
            &format!(
                "apiVersion: v1\nkind: Config\nclusters:\n- name: k\n  cluster:\n    \
                 certificate-authority-data: {ca}\nusers:\n- name: u\n  user:\n    \
                 client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n    \
                 client-key: /var/lib/kubelet/pki/kubelet-client-current.pem\n"
            ),
        );
        self.write(&format!("{host}:/etc/kubernetes/pki/ca.crt"), &set.cluster.pem());
        self.write(
            &format!("{host}:/var/lib/kubelet/config.yaml"),
            "authentication:\n  x509:\n    clientCAFile: /etc/kubernetes/pki/ca.crt\n",
        );
    }

    /// A minion of the Salt formula: the same CA in five files, one of them a link, one among others.
    pub(crate) fn minion(&self, host: &str, set: &Set) {
        let ca = set.cluster.pem();
        for path in [
            "/srv/kubernetes/ca.crt",
            "/usr/local/share/ca-certificates/kubernetes-ca.crt",
            "/var/lib/kubelet/ca.crt",
        ] {
            self.write(&format!("{host}:{path}"), &ca);
        }
        self.link(
            &format!("{host}:/etc/ssl/certs/kubernetes.pem"),
            "/usr/local/share/ca-certificates/kubernetes-ca.crt",
        );
        let others: String =
            (0..3).map(|n| Ca::new(&format!("root {n}"), "20200101000000Z").pem()).collect();
        self.write(&format!("{host}:/etc/ssl/certs/ca-certificates.crt"), &format!("{others}{ca}"));
    }

    /// The Salt formula's runner.
    pub(crate) fn salt_master(&self, host: &str, set: &Set) {
        let pki = |name: &str| format!("{host}:/var/salt/k8s-helper/pki/default/{name}");
        self.write(&pki("ca.crt"), &set.cluster.pem());
        let key = Key::new();
        self.pair(&pki("server"), &set.cluster.server("kubernetes-master", &key), &key);
        let key = Key::new();
        self.pair(&pki("kubecfg"), &set.cluster.client("kubecfg", &[], &key), &key);
    }

    /// A master of kubernetes-release: the serving key signs tokens.
    pub(crate) fn bosh_master(&self, host: &str, set: &Set) {
        let certs = |name: &str| format!("{host}:/var/vcap/jobs/kubernetes-master/certs/{name}");
        self.write(&certs("ca.pem"), &set.cluster.pem());
        self.write(&certs("kubernetes.pem"), &set.cluster.server("kubernetes", &set.tokens));
        self.write(&certs("kubernetes-key.pem"), &set.tokens.pem());
    }

    /// A master VM of CFCR's manifest.
    pub(crate) fn cfcr_master(&self, host: &str, set: &Set) {
        let job = |job: &str, name: &str| format!("{host}:/var/vcap/jobs/{job}/config/{name}");
        self.write(&job("kube-apiserver", "kubernetes-ca.pem"), &set.cluster.pem());
        let key = Key::new();
        self.write(
            &job("kube-apiserver", "kubernetes.pem"),
            &set.cluster.server("kubernetes", &key),
        );
        self.write(&job("kube-apiserver", "kubernetes-key.pem"), &key.pem());
        self.write(
            &job("kube-apiserver", "service-account-public-key.pem"),
            &set.tokens.public_pem(),
        );
        self.write(&job("kube-controller-manager", "ca.pem"), &set.cluster.pem());
        self.write(
            &job("kube-controller-manager", "service-account-private-key.pem"),
            &set.tokens.pem(),
        );
        let key = Key::new();
        self.write(&job("kubelet", "kubelet-client-ca.pem"), &set.cluster.pem());
        self.write(&job("kubelet", "kubelet.pem"), &set.cluster.server("kubelet", &key));
        self.write(&job("kubelet", "kubelet-key.pem"), &key.pem());
    }

    /// A server of k3s: servers and clients have CAs of their own.
    pub(crate) fn k3s(&self, host: &str, set: &Set) {
        let tls = |name: &str| format!("{host}:/var/lib/rancher/k3s/server/tls/{name}");
        self.pair(&tls("server-ca"), &set.cluster.pem(), &set.cluster.key);
        self.pair(&tls("client-ca"), &set.clients.pem(), &set.clients.key);
        self.pair(&tls("request-header-ca"), &set.front.pem(), &set.front.key);
        let key = Key::new();
        self.pair(
            &tls("serving-kube-apiserver"),
            &set.cluster.server("kube-apiserver", &key),
            &key,
        );
        let key = Key::new();
        self.pair(&tls("client-admin"), &set.clients.client("system:admin", &[], &key), &key);
        self.write(&tls("service.key"), &set.tokens.pem());
        let agent = |name: &str| format!("{host}:/var/lib/rancher/k3s/agent/{name}");
        self.write(&agent("server-ca.crt"), &set.cluster.pem());
        self.write(&agent("client-ca.crt"), &set.clients.pem());
        let key = Key::new();
        let client = set.clients.client(&format!("system:node:{host}"), &["system:nodes"], &key);
        self.pair(&agent("client-kubelet"), &client, &key);
        let key = Key::new();
        self.pair(&agent("serving-kubelet"), &set.cluster.server("kubelet", &key), &key);
    }

    /// Processes as `/proc` shows them: a number, seconds since the boot, a command line.
    pub(crate) fn process(&self, host: &str, pid: u32, started: u64, line: &str) {
        // 2026-11-01T00:00:00Z.
        self.write(&format!("{host}:/proc/stat"), "cpu 1 2 3\nbtime 1793491200\n");
        let line: String = line.split_whitespace().flat_map(|word| [word, "\0"]).collect();
        self.write(&format!("{host}:/proc/{pid}/cmdline"), &line);
        let ticks = started * 100;
        let fields = format!("S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {ticks} 0 0");
        self.write(&format!("{host}:/proc/{pid}/stat"), &format!("{pid} (a b) c) {fields}\n"));
    }

    /// Runs a verb over all machines.
    pub(crate) fn run(&self, line: &str) -> Outcome {
        self.run_at(line, NOW)
    }

    pub(crate) fn run_at(&self, line: &str, at: &str) -> Outcome {
        self.tool(&self.words(line, at))
    }

    fn words(&self, line: &str, at: &str) -> Vec<String> {
        let roots = self.hosts.iter().map(|host| {
            if self.hosts.len() == 1 {
                format!("--root={host}")
            } else {
                format!("--root={host}={host}")
            }
        });
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        std::iter::once(verb.to_owned())
            .chain(roots)
            .chain(["--at".to_owned(), at.to_owned()])
            .chain(rest.split_whitespace().map(str::to_owned))
            .collect()
    }

    pub(crate) fn tool(&self, words: &[String]) -> Outcome {
        self.outcome(Command::new(TOOL).args(words))
    }

    /// Runs it by another program, which is told the tool and its arguments.
    pub(crate) fn run_within(&self, program: &[&str], line: &str) -> Outcome {
        let words = self.words(line, NOW);
        self.outcome(Command::new(program[0]).args(&program[1..]).arg(TOOL).args(words))
    }

    /// Runs it as somebody who may not read everything, as the superuser may.
    pub(crate) fn run_as_nobody(&self, line: &str) -> Outcome {
        let words = self.words(line, NOW);
        if !rustix::process::geteuid().is_root() {
            return self.tool(&words);
        }
        // Where nobody may come.
        let tool = self.directory().join("tool");
        // By another process: a file that this one has open to write may be inherited by what another test starts just
        // now, and cannot be run as long as that has it.
        assert!(Command::new("cp").arg(TOOL).arg(&tool).status().unwrap().success());
        fs::set_permissions(self.directory(), Permissions::from_mode(0o755)).unwrap();
        let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
        self.outcome(Command::new("setpriv").args(nobody).arg(tool).args(words))
    }

    pub(crate) fn outcome(&self, command: &mut Command) -> Outcome {
        let output = command
            .env_clear()
            .env("PATH", std::env::var("PATH").unwrap_or_default())
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Outcome {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
