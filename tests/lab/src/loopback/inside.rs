//! Programs inside pods, played: what each got as its credential when its pod began, and what an API server answers.
//!
//! Simulated kubelets mount nothing and run nothing. [`Inside`] does for each pod what a kubelet does with its
//! credential, and asks as its program would: a real client, with this token, trusting this CA and no other.
//! What a kubelet does is in `pkg/volume/{secret,projected}` and `pkg/kubelet/token` of Kubernetes: files of a
//! secret follow it, and stay as they are when it is gone; a projected token lives as long as its pod.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::secrets::{self, TokenSecret};
use super::{Loopback, Proxy};
use crate::world::tokens::MOUNT;

/// Where a pod has its credential from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Credential {
    /// A token secret, mounted by name.
    Mounted(String),
    /// A token secret, as a variable of the environment: it is what it was at the start, for ever.
    Variable(String),
    /// A token of its own, projected for this account.
    Projected(String),
}

/// How a program treats the files of its credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// At its start, and never again.
    Once,
    /// Before each request.
    Again,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// The server knows who asks.
    Accepted,
    /// 401: the token is not, or no longer, one of this cluster.
    Refused,
    /// The server's certificate is signed by no CA that the pod trusts.
    Untrusted,
    /// The pod could not start: the secret that it names does not exist or has no token. Nothing was asked.
    CannotStart,
    /// Anything else, as the client says it.
    Other(String),
}

/// A pod and what its program holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// Its UID.
    pub uid: String,
    /// Where its credential is from.
    pub credential: Credential,
    /// What it read at its start.
    memory: Option<Held>,
    /// What is in its files.
    files: Option<Held>,
}

/// A token and the CAs beside it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Held {
    token: String,
    ca: String,
}

impl std::fmt::Display for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Mounted(name) => write!(f, "secret {name}"),
            Self::Variable(name) => write!(f, "secret {name}, by env"),
            Self::Projected(account) => write!(f, "projected for {account}"),
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Untrusted => "server not trusted",
            Self::CannotStart => "cannot start",
            Self::Other(said) => said,
        })
    }
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a token")
    }
}

/// The programs inside all pods of a lab.
#[derive(Debug)]
pub struct Inside<'a> {
    lab: &'a Loopback,
    clients: BTreeMap<String, Client>,
}

impl<'a> Inside<'a> {
    /// Looks at the pods that are there: what they find now is what they got at their start.
    pub fn begin(lab: &'a Loopback) -> Result<Self> {
        let mut inside = Self { lab, clients: BTreeMap::new() };
        inside.look()?;
        Ok(inside)
    }

    /// The same for a lab that several commands look at, one after the other: what pods read at their start is kept in
    /// the lab's directory, readable by its owner only.
    pub fn resume(lab: &'a Loopback) -> Result<Self> {
        let path = lab.dir().join("inside.json");
        let clients = match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("cannot understand {}", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let mut inside = Self { lab, clients };
        inside.look()?;
        let text =
            serde_json::to_string(&inside.clients).context("cannot encode what pods read")?;
        write_private(&path, &text)?;
        Ok(inside)
    }

    /// Looks again, as kubelets do all the time: pods that came start with what is there now, those that went are
    /// forgotten, files follow their secrets. To be called after each thing that changed something.
    pub fn look(&mut self) -> Result<()> {
        let proxy = self.lab.proxy()?;
        let secrets = secrets::list(&proxy, None)?;
        let mut roots = BTreeMap::new();
        for object in
            proxy.list("/api/v1/configmaps?fieldSelector=metadata.name%3Dkube-root-ca.crt")?
        {
            roots.insert(text(&object, "/metadata/namespace"), text(&object, "/data/ca.crt"));
        }
        let mut living = BTreeMap::new();
        for pod in proxy.list("/api/v1/pods")? {
            if !pod["metadata"]["deletionTimestamp"].is_null()
                || pod["status"]["phase"] != "Running"
            {
                continue;
            }
            let Some(credential) = credential(&pod) else { continue };
            let uid = text(&pod, "/metadata/uid");
            let mut client = self.clients.remove(&uid).unwrap_or_else(|| Client {
                namespace: text(&pod, "/metadata/namespace"),
                pod: text(&pod, "/metadata/name"),
                uid: uid.clone(),
                credential,
                memory: None,
                files: None,
            });
            client.follow(&proxy, &secrets, &roots)?;
            living.insert(uid, client);
        }
        self.clients = living;
        Ok(())
    }

    /// The programs, by pod.
    pub fn clients(&self) -> Vec<&Client> {
        let mut all: Vec<&Client> = self.clients.values().collect();
        all.sort_by(|a, b| (&a.namespace, &a.pod).cmp(&(&b.namespace, &b.pod)));
        all
    }

    /// Lets every program make a request at API server `n`, over a new connection. Those that hold the same ask once.
    pub fn ask(&self, n: u32, reads: Reads) -> Result<Vec<(Client, Answer)>> {
        let mut known: BTreeMap<[u8; 32], Answer> = BTreeMap::new();
        let mut answers = Vec::new();
        for client in self.clients() {
            let held = match reads {
                Reads::Once => &client.memory,
                Reads::Again => &client.files,
            };
            let answer = match held {
                None => Answer::CannotStart,
                Some(held) => {
                    let digest = held.digest();
                    if let Some(answer) = known.get(&digest) {
                        answer.clone()
                    } else {
                        let answer = self.lab.ask_as(n, &held.token, &held.ca)?;
                        known.insert(digest, answer.clone());
                        answer
                    }
                }
            };
            answers.push((client.clone(), answer));
        }
        Ok(answers)
    }
}

impl Client {
    /// What a kubelet does with the files, and at the first time the program with its memory.
    fn follow(
        &mut self,
        proxy: &Proxy,
        secrets: &[TokenSecret],
        roots: &BTreeMap<String, String>,
    ) -> Result<()> {
        let root = roots.get(&self.namespace).cloned().unwrap_or_default();
        match &self.credential {
            Credential::Mounted(name) | Credential::Variable(name) => {
                let secret = secrets
                    .iter()
                    .find(|secret| secret.namespace == self.namespace && secret.name == *name);
                if let Some(secret) = secret {
                    self.files = (!secret.token.is_empty())
                        .then(|| Held { token: secret.token.clone(), ca: secret.ca.clone() });
                }
            }
            Credential::Projected(account) => {
                if let Some(files) = &mut self.files {
                    files.ca = root;
                } else {
                    let token = self.requested(proxy, account)?;
                    self.files = Some(Held { token, ca: root });
                }
            }
        }
        if self.memory.is_none() {
            self.memory.clone_from(&self.files);
        }
        if let Credential::Variable(_) = self.credential {
            self.files.clone_from(&self.memory);
        }
        Ok(())
    }

    /// A token for this pod, as its kubelet asks for one.
    fn requested(&self, proxy: &Proxy, account: &str) -> Result<String> {
        let path = format!("/api/v1/namespaces/{}/serviceaccounts/{account}/token", self.namespace);
        let answer = proxy.post(
            &path,
            &json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                "spec": {"expirationSeconds": 3607, "boundObjectRef":
                    {"apiVersion": "v1", "kind": "Pod", "name": self.pod, "uid": self.uid}}}),
        )?;
        let token = answer["status"]["token"].as_str().context("a TokenRequest without a token")?;
        Ok(token.to_owned())
    }
}

impl Held {
    fn digest(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(&self.token);
        hash.update([0]);
        hash.update(&self.ca);
        hash.finalize().into()
    }
}

impl Loopback {
    /// Asks API server `n` for what every known account may have, with this token and trusting these CAs (PEM), over a
    /// new connection. The client is kubectl: client-go, as in most programs of a cluster.
    pub fn ask_as(&self, n: u32, token: &str, ca: &str) -> Result<Answer> {
        let server = self.servers().get(n as usize).cloned().context("there is no such server")?;
        let file = self.kubeconfig_for(&server, token, ca)?;
        let client = self.client_with(&file);
        let output = client.output(&["get", "--raw=/api", "--request-timeout=20s"]);
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
        let output = output?;
        if output.status.success() {
            return Ok(Answer::Accepted);
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Ok(if said.contains("Unauthorized") {
            Answer::Refused
        } else if said.contains("x509: ") {
            Answer::Untrusted
        } else {
            Answer::Other(said)
        })
    }

    /// A kubeconfig of a token, readable by its owner only: no token is ever in an argument.
    fn kubeconfig_for(&self, server: &str, token: &str, ca: &str) -> Result<PathBuf> {
        let digest = Held { token: token.to_owned(), ca: ca.to_owned() }.digest();
        let thread = std::thread::current().id();
        let path = self.dir().join(format!(
            "inside-{:x}-{thread:?}",
            u64::from_be_bytes(digest[..8].try_into().unwrap_or_default(),)
        ));
        let text = json!({"apiVersion": "v1", "kind": "Config", "current-context": "pod",
            "clusters": [{"name": "lab", "cluster": {"server": server,
                "certificate-authority-data": STANDARD.encode(ca)}}],
            "users": [{"name": "pod", "user": {"token": token}}],
            "contexts": [{"name": "pod", "context": {"cluster": "lab", "user": "pod"}}]});
        write_private(&path, &text.to_string())?;
        Ok(path)
    }
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    fs::File::options()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// The credential of a pod's first container that has one: what is mounted where credentials are, else a variable
/// with a secret's token.
fn credential(pod: &Value) -> Option<Credential> {
    let containers = || pod["spec"]["containers"].as_array().into_iter().flatten();
    let mounts = containers()
        .flat_map(|container| container["volumeMounts"].as_array().into_iter().flatten());
    let volume =
        mounts.filter(|mount| mount["mountPath"] == MOUNT).find_map(|mount| mount["name"].as_str());
    if let Some(volume) = volume {
        let volumes = pod["spec"]["volumes"].as_array()?;
        let volume = volumes.iter().find(|candidate| candidate["name"] == volume)?;
        if let Some(name) = volume["secret"]["secretName"].as_str() {
            return Some(Credential::Mounted(name.to_owned()));
        }
        let sources = volume["projected"]["sources"].as_array()?;
        if let Some(name) = sources.iter().find_map(|source| source["secret"]["name"].as_str()) {
            return Some(Credential::Mounted(name.to_owned()));
        }
        if sources.iter().any(|source| !source["serviceAccountToken"].is_null()) {
            return Some(Credential::Projected(text(pod, "/spec/serviceAccountName")));
        }
    }
    let from = containers().find_map(|container| {
        let named = container["env"].as_array().into_iter().flatten().find_map(|variable| {
            let key = &variable["valueFrom"]["secretKeyRef"];
            (key["key"] == "token").then(|| key["name"].as_str()).flatten()
        });
        named.or_else(|| {
            let all = container["envFrom"].as_array().into_iter().flatten();
            all.into_iter().find_map(|from| from["secretRef"]["name"].as_str())
        })
    });
    from.map(|name| Credential::Variable(name.to_owned()))
}

fn text(object: &Value, path: &str) -> String {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pods_credential_is_what_its_containers_see() {
        let mounted = |volume: Value| {
            json!({"spec": {"serviceAccountName": "web", "volumes": [volume],
                "containers": [{"volumeMounts": [{"name": "v", "mountPath": MOUNT}]}]}})
        };
        let secret = mounted(json!({"name": "v", "secret": {"secretName": "s"}}));
        assert_eq!(credential(&secret), Some(Credential::Mounted("s".to_owned())));
        let source =
            mounted(json!({"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}));
        assert_eq!(credential(&source), Some(Credential::Mounted("s".to_owned())));
        let bound = mounted(
            json!({"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}),
        );
        assert_eq!(credential(&bound), Some(Credential::Projected("web".to_owned())));
        let variable = json!({"spec": {"containers": [{"env": [
            {"name": "A", "valueFrom": {"secretKeyRef": {"name": "other", "key": "password"}}},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}}]}]}});
        assert_eq!(credential(&variable), Some(Credential::Variable("s".to_owned())));
        let all = json!({"spec": {"containers": [{"envFrom": [{"secretRef": {"name": "s"}}]}]}});
        assert_eq!(credential(&all), Some(Credential::Variable("s".to_owned())));
        let none = json!({"spec": {"containers": [{"volumeMounts": [{"name": "v", "mountPath": "/data"}]}]}});
        assert_eq!(credential(&none), None);
    }
}
