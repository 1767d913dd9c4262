//! An API server of a large cluster that does nothing but send: objects are real ones with other names, written while
//! they are sent, over TLS as everywhere.

use crate::protobuf::{self, Part};
use anyhow::{Context as _, Result, anyhow};
use double::tls::Authority;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

/// Pods of one Deployment.
const REPLICAS: usize = 25;

/// Namespaces beside the system's.
const TEAMS: usize = 200;

/// One of each on every node: namespace and name.
const DAEMONS: [(&str, &str); 6] = [
    ("kube-system", "kube-proxy"),
    ("kube-system", "canal"),
    ("kube-system", "csi-node"),
    ("logging", "fluentd"),
    ("default", "kube2iam"),
    ("monitoring", "node-exporter"),
];

/// Objects between two pieces that are sent.
const PIECE: usize = 50;

/// Bytes that are sent at once of what is made already.
const SLICE: usize = 256 * 1024;

/// A cluster of so many pods, 30 on each node; one in a hundred is older than its root CA.
pub(crate) struct World {
    nodes: usize,
    pods: usize,
    namespaces: BTreeMap<String, Vec<usize>>,
    every: Vec<usize>,
    texts: Texts,
    /// Pages of pods in protobuf, by namespace, begin and end.
    pages: Mutex<BTreeMap<String, Arc<Vec<u8>>>>,
}

struct Texts {
    pod: Text,
    pod_protobuf: Vec<Part>,
    node: Text,
    daemon_set: Text,
    deployment: Text,
    replica_set: Text,
    root_ca: Text,
}

/// JSON with `$NAME` where objects differ: pieces, each with the name that follows it.
struct Text(Vec<(&'static str, &'static str)>);

impl Text {
    fn new(json: &'static str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = json.trim_end();
        while let Some((before, after)) = rest.split_once('$') {
            let end = after.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(after.len());
            pieces.push((before, &after[..end]));
            rest = &after[end..];
        }
        pieces.push((rest, ""));
        Self(pieces)
    }

    fn fill(&self, out: &mut String, values: &[(&str, &str)]) {
        for (before, name) in &self.0 {
            out.push_str(before);
            let value = values.iter().find(|(known, _)| known == name);
            out.push_str(value.map_or("", |(_, value)| value));
        }
    }
}

/// Who owns a pod.
struct Place {
    namespace: String,
    node: usize,
    app: String,
    kind: &'static str,
    owner: String,
    owner_uid: String,
}

fn uid(kind: u32, index: usize) -> String {
    format!("{kind:08x}-5c1d-4b7e-9a00-{index:012x}")
}

impl World {
    pub(crate) fn new(pods: usize) -> Self {
        let mut world = Self {
            nodes: pods / 30,
            pods,
            namespaces: BTreeMap::new(),
            every: (0..pods).collect(),
            pages: Mutex::default(),
            texts: Texts {
                pod: Text::new(include_str!("objects/pod.json")),
                pod_protobuf: Part::of(include_bytes!("objects/pod.pb")),
                node: Text::new(include_str!("objects/node.json")),
                daemon_set: Text::new(include_str!("objects/daemonset.json")),
                deployment: Text::new(include_str!("objects/deployment.json")),
                replica_set: Text::new(include_str!("objects/replicaset.json")),
                root_ca: Text::new(include_str!("objects/root-ca.json")),
            },
        };
        for pod in 0..pods {
            let namespace = world.place(pod).namespace;
            world.namespaces.entry(namespace).or_default().push(pod);
        }
        world
    }

    fn deployments(&self) -> usize {
        1 + (self.pods - DAEMONS.len() * self.nodes).saturating_sub(2).div_ceil(REPLICAS)
    }

    /// Namespace and name; the first one is DNS.
    fn deployment(number: usize) -> (String, String) {
        match number {
            0 => ("kube-system".to_owned(), "coredns".to_owned()),
            n => (format!("team-{:03}", n % TEAMS), format!("service-{n}")),
        }
    }

    fn place(&self, pod: usize) -> Place {
        let daemons = DAEMONS.len() * self.nodes;
        if pod < daemons {
            let (namespace, name) = DAEMONS[pod / self.nodes];
            return Place {
                namespace: namespace.to_owned(),
                node: pod % self.nodes,
                app: name.to_owned(),
                kind: "DaemonSet",
                owner: name.to_owned(),
                owner_uid: uid(1, pod / self.nodes),
            };
        }
        let number = (pod - daemons).checked_sub(2).map_or(0, |rest| 1 + rest / REPLICAS);
        let (namespace, name) = Self::deployment(number);
        Place {
            namespace,
            node: pod % self.nodes,
            app: if number == 0 { "kube-dns".to_owned() } else { name.clone() },
            kind: "ReplicaSet",
            owner: format!("{name}-7bf6c44858"),
            owner_uid: uid(3, number),
        }
    }

    /// Hands on what is different in a pod, and whether it is older than its root CA.
    fn pod_values<T>(&self, index: usize, write: impl FnOnce(&[(&str, &str)], bool) -> T) -> T {
        let Place { namespace, node, app, kind, owner, owner_uid } = self.place(index);
        let old = index.is_multiple_of(100) && app != "kube-dns";
        let (name, node) = (format!("{owner}-{index:05x}"), format!("node-{node:04}"));
        let values = [
            ("NAME", name.as_str()),
            ("UID", &uid(9, index)),
            ("NAMESPACE", &namespace),
            ("NODE", &node),
            ("APP", &app),
            ("OWNERKIND", kind),
            ("OWNER", &owner),
            ("OWNERUID", &owner_uid),
            ("CREATED", if old { "2026-01-01T08:00:00Z" } else { "2026-06-01T08:00:00Z" }),
        ];
        write(&values, old)
    }

    fn pod(&self, out: &mut String, index: usize) {
        self.pod_values(index, |values, _| self.texts.pod.fill(out, values));
    }

    /// The same pod as the API server writes it in protobuf.
    fn pod_protobuf(&self, out: &mut Vec<u8>, index: usize) {
        /// 2026-06-01T08:00:00Z and 2026-01-01T08:00:00Z as the seconds of a `Time`.
        const TIMES: [&[u8]; 2] = [b"\x08\x80\xf8\xf4\xd0\x06", b"\x08\x80\xd3\xd8\xca\x06"];
        let begun = out.len();
        let parts = &self.texts.pod_protobuf;
        let old = self.pod_values(index, |values, old| {
            out.push(0x12);
            Part::put(parts, values, out);
            old
        });
        if old {
            let all = begun..=out.len() - TIMES[0].len();
            for at in all.filter(|at| out[*at..].starts_with(TIMES[0])).collect::<Vec<_>>() {
                out[at..at + TIMES[1].len()].copy_from_slice(TIMES[1]);
            }
        }
    }

    /// Sends a page of pods in protobuf. It is made once: from then on it is only sent.
    fn pods_protobuf(
        &self,
        namespace: Option<&str>,
        query: &Query<'_>,
        all: &[usize],
        send: &mut SendBytes<'_>,
    ) -> Result<()> {
        let page = query.page(all.len());
        let key = format!("{}/{}-{}", namespace.unwrap_or_default(), page.from, page.to);
        let made = {
            let mut pages = self.pages.lock().map_err(|_| anyhow!("a thread has failed"))?;
            Arc::clone(pages.entry(key).or_insert_with(|| Arc::new(self.page(&page, all))))
        };
        made.chunks(SLICE).try_for_each(|slice| send(slice, PROTOBUF))
    }

    fn page(&self, Page { from, to, left }: &Page, all: &[usize]) -> Vec<u8> {
        let mut metadata = vec![0x12, 4];
        metadata.extend_from_slice(b"1000");
        if *left > 0 {
            metadata.push(0x1a);
            protobuf::put(&mut metadata, to.to_string().as_bytes());
        }
        let mut list = vec![0x0a];
        protobuf::put(&mut list, &metadata);
        for index in &all[*from..*to] {
            self.pod_protobuf(&mut list, *index);
        }
        let mut answer = b"k8s\0\n\r\n\x02v1\x12\x07PodList\x12".to_vec();
        protobuf::put(&mut answer, &list);
        answer
    }

    /// Sends what is asked for, and says whether there is such a thing.
    fn answer(
        &self,
        (path, query, protobuf): (&str, &Query<'_>, bool),
        send_bytes: &mut SendBytes<'_>,
    ) -> Result<bool> {
        let mut send_text = |text: &str| send_bytes(text.as_bytes(), "application/json");
        let send: &mut Send<'_> = &mut send_text;
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let (namespace, rest) = match parts.as_slice() {
            ["api", "v1", "namespaces", name, rest @ ..]
            | ["apis", _, _, "namespaces", name, rest @ ..] => (Some(*name), rest),
            ["api", "v1", rest @ ..] | ["apis", _, _, rest @ ..] => (None, rest),
            ["api"] => return send(r#"{"kind":"APIVersions","versions":["v1"]}"#).map(|()| true),
            ["apis"] => {
                return send(r#"{"kind":"APIGroupList","apiVersion":"v1","groups":[]}"#)
                    .map(|()| true);
            }
            ["version"] => {
                return send(r#"{"major":"1","minor":"36","gitVersion":"v1.36.0"}"#).map(|()| true);
            }
            _ => return Ok(false),
        };
        let here = |name: &str| namespace.is_none_or(|n| n == name);
        match rest {
            [] if namespace.is_some() => {
                send(
                    r#"{"kind":"Namespace","apiVersion":"v1","metadata":{"name":"kube-system","uid":"00000000-5c1d-4b7e-9a00-000000000000"}}"#,
                )?;
            }
            [] => send(
                r#"{"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"pods","singularName":"pod","namespaced":true,"kind":"Pod","verbs":["get","list"]}]}"#,
            )?,
            // The controller manager is no pod here.
            ["pods"] if query.has("labelSelector") => list("Pod", send, query, &[], |_, _| {})?,
            ["pods"] => {
                let none = Vec::new();
                let pods = match namespace {
                    None => &self.every,
                    Some(name) => self.namespaces.get(name).unwrap_or(&none),
                };
                if protobuf {
                    return self.pods_protobuf(namespace, query, pods, send_bytes).map(|()| true);
                }
                list("Pod", send, query, pods, |out, pod| self.pod(out, pod))?;
            }
            ["nodes"] => {
                let nodes: Vec<usize> = (0..self.nodes).collect();
                list("Node", send, query, &nodes, |out, node| {
                    let name = format!("node-{node:04}");
                    self.texts.node.fill(out, &[("NAME", &name), ("UID", &uid(8, node))]);
                })?;
            }
            ["daemonsets"] => {
                let sets: Vec<usize> = (0..DAEMONS.len()).filter(|n| here(DAEMONS[*n].0)).collect();
                list("DaemonSet", send, query, &sets, |out, n| {
                    let (namespace, name) = DAEMONS[n];
                    let values = [("NAME", name), ("NAMESPACE", namespace), ("UID", &uid(1, n))];
                    self.texts.daemon_set.fill(out, &values);
                })?;
            }
            [kind @ ("deployments" | "replicasets")] => {
                let all = 0..self.deployments();
                let all: Vec<usize> = all.filter(|n| here(&Self::deployment(*n).0)).collect();
                let (kind, text, number) = match *kind {
                    "deployments" => ("Deployment", &self.texts.deployment, 2),
                    _ => ("ReplicaSet", &self.texts.replica_set, 3),
                };
                list(kind, send, query, &all, |out, n| {
                    let (namespace, owner) = Self::deployment(n);
                    let name =
                        if number == 3 { format!("{owner}-7bf6c44858") } else { owner.clone() };
                    text.fill(
                        out,
                        &[
                            ("NAME", &name),
                            ("NAMESPACE", &namespace),
                            ("UID", &uid(number, n)),
                            ("OWNER", &owner),
                            ("OWNERUID", &uid(2, n)),
                        ],
                    );
                })?;
            }
            ["configmaps"] => {
                let names: Vec<&String> = self.namespaces.keys().filter(|n| here(n)).collect();
                let all: Vec<usize> = (0..names.len()).collect();
                list("ConfigMap", send, query, &all, |out, n| {
                    let created = "2026-03-01T08:00:00Z";
                    let uid = uid(7, n);
                    let values =
                        [("NAMESPACE", names[n].as_str()), ("UID", &uid), ("CREATED", created)];
                    self.texts.root_ca.fill(out, &values);
                })?;
            }
            ["services", "kube-dns"] if namespace == Some("kube-system") => send(
                r#"{"kind":"Service","apiVersion":"v1","metadata":{"name":"kube-dns","namespace":"kube-system","uid":"u"},"spec":{"clusterIP":"10.96.0.10","selector":{"k8s-app":"kube-dns"}}}"#,
            )?,
            ["secrets" | "poddisruptionbudgets" | "statefulsets"] => {
                list("", send, query, &[], |_, _| {})?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

type Send<'a> = dyn FnMut(&str) -> Result<()> + 'a;

/// The same, with the content type.
type SendBytes<'a> = dyn FnMut(&[u8], &str) -> Result<()> + 'a;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// Objects from one number to another, and how many follow.
struct Page {
    from: usize,
    to: usize,
    left: usize,
}

struct Query<'a>(&'a str);

impl Query<'_> {
    fn has(&self, key: &str) -> bool {
        self.0.split('&').any(|pair| pair.split('=').next() == Some(key))
    }

    fn page(&self, all: usize) -> Page {
        let from = self.number("continue").unwrap_or(0).min(all);
        let to = self.number("limit").map_or(all, |limit| (from + limit).min(all));
        Page { from, to, left: all - to }
    }

    fn number(&self, key: &str) -> Option<usize> {
        self.0
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(k, _)| *k == key)?
            .1
            .parse()
            .ok()
    }
}

/// One page. kubectl takes the kind of the objects, which carry none, from the kind of their list.
fn list(
    kind: &str,
    send: &mut Send<'_>,
    query: &Query<'_>,
    all: &[usize],
    each: impl Fn(&mut String, usize),
) -> Result<()> {
    let Page { from, to, left } = query.page(all.len());
    let mut out = String::with_capacity(PIECE * 6000);
    let _ = write!(
        out,
        r#"{{"kind":"{kind}List","apiVersion":"v1","metadata":{{"resourceVersion":"1000""#
    );
    if left > 0 {
        let _ = write!(out, r#","continue":"{to}","remainingItemCount":{left}"#);
    }
    out.push_str(r#"},"items":["#);
    for (n, index) in all[from..to].iter().enumerate() {
        if n > 0 {
            out.push(',');
        }
        each(&mut out, *index);
        if n % PIECE == PIECE - 1 {
            send(&out)?;
            out.clear();
        }
    }
    out.push_str("]}");
    send(&out)
}

/// Serves a world on a port of this machine until the process ends, and writes the way to it into `home`.
pub(crate) fn serve(world: World, home: &Path) -> Result<()> {
    let authority = Authority::new("kubernetes");
    let tls = authority.localhost().server(None);
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let server = format!("https://127.0.0.1:{}", listener.local_addr()?.port());
    let ca = home.join("ca.crt");
    std::fs::write(&ca, authority.pem())?;
    let cluster = format!("certificate-authority: {}", ca.display());
    std::fs::write(home.join("config"), double::kubeconfig(&server, &cluster, "token: t"))?;
    let world = Arc::new(world);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (world, tls) = (Arc::clone(&world), Arc::clone(&tls));
            // A client that hangs up ends its connection, and nothing else.
            std::thread::spawn(move || drop(talk(&world, stream, tls)));
        }
    });
    Ok(())
}

fn talk(world: &World, stream: TcpStream, tls: Arc<rustls::ServerConfig>) -> Result<()> {
    stream.set_nodelay(true)?;
    let connection = rustls::ServerConnection::new(tls)?;
    let mut stream = BufReader::new(rustls::StreamOwned::new(connection, stream));
    loop {
        let mut target = String::new();
        let mut line = String::new();
        let mut protobuf = false;
        loop {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim_end().is_empty() {
                break;
            }
            protobuf |=
                line.to_ascii_lowercase().starts_with("accept: ") && line.contains(PROTOBUF);
            if target.is_empty() {
                line.split(' ').nth(1).context("no request")?.clone_into(&mut target);
            }
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let out = stream.get_mut();
        let mut begun = false;
        let question = (path, &Query(query), protobuf);
        let found = world.answer(question, &mut |piece: &[u8], kind: &str| {
            let mut text = Vec::with_capacity(piece.len() + 200);
            if !std::mem::replace(&mut begun, true) {
                write!(
                    text,
                    "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
                )?;
            }
            write!(text, "{:x}\r\n", piece.len())?;
            text.extend_from_slice(piece);
            text.extend_from_slice(b"\r\n");
            Ok(out.write_all(&text)?)
        })?;
        if found {
            out.write_all(b"0\r\n\r\n")?;
        } else {
            let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","message":"there is none","code":404}"#;
            let length = body.len();
            write!(
                out,
                "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
            )?;
        }
        out.flush()?;
    }
}
