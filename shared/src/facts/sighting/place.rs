//! Places where certificates, keys and tokens live.

use std::fmt;
use std::sync::Arc;

/// A machine whose files are looked at. Without a name it is the only one, and is not told.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Host(Arc<str>);

impl Host {
    /// A host of several, by the name that the operator uses.
    pub fn named(name: &str) -> Self {
        Self(name.into())
    }

    /// The only one.
    pub fn only() -> Self {
        Self("".into())
    }

    /// Its name; empty for the only one.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// A place, of one of the kinds that there are.
///
/// Its text is what people read, what findings and lists of exceptions name, and what sorts: it is unique.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// A file of a host, or an entry of it: a kubeconfig has several.
    File {
        /// Whose.
        host: Host,
        /// Its absolute path there.
        path: Box<str>,
        /// `certificate-authority-data` and such; empty for the whole file.
        entry: Box<str>,
    },
    /// A field of an object of the API.
    Object {
        /// As kubectl says it: `secret`, `apiservice`.
        kind: Box<str>,
        /// Empty for objects of the cluster.
        namespace: Box<str>,
        /// Its name.
        name: Box<str>,
        /// `ca.crt`, `webhooks[0].clientConfig.caBundle`.
        field: Box<str>,
    },
    /// What a server shows now.
    Endpoint {
        /// What is expected there: `kube-apiserver`, `etcd peer`.
        server: Box<str>,
        /// Host and port.
        address: Box<str>,
        /// What it shows: `chain`, `accepted CAs`.
        shown: Box<str>,
    },
    /// A value that etcd holds.
    EtcdKey {
        /// Which etcd, or which snapshot.
        source: Box<str>,
        /// `/registry/secrets/kube-system/x`.
        key: Box<str>,
        /// `ca.crt`; empty for the whole value.
        field: Box<str>,
    },
    /// A file that is mounted into a pod.
    Mount {
        /// The host that the pod runs on.
        host: Host,
        /// Its namespace.
        namespace: Box<str>,
        /// Its name, or its UID where nobody knows the name.
        pod: Box<str>,
        /// The volume.
        volume: Box<str>,
        /// The file in it.
        file: Box<str>,
    },
    /// An entry of a document that is not on any machine yet: a pillar, variables, a manifest.
    Entry {
        /// The document, as it was named.
        document: Box<str>,
        /// `/kubernetes/certs/ca.crt`, as a JSON pointer; `name=X` is an element of a list that has a name.
        pointer: Box<str>,
    },
}

/// The kinds of places, as scripts know them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PlaceKind {
    /// A file of a host.
    File,
    /// A field of an object.
    Object,
    /// A server.
    Endpoint,
    /// A value of etcd.
    EtcdKey,
    /// A pod's mount.
    Mount,
    /// An entry of a document.
    Entry,
}

impl Place {
    /// A whole file.
    pub fn file(host: &Host, path: &str) -> Self {
        Self::entry_of_file(host, path, "")
    }

    /// An entry of a file.
    pub fn entry_of_file(host: &Host, path: &str, entry: &str) -> Self {
        Self::File { host: host.clone(), path: path.into(), entry: entry.into() }
    }

    /// Which kind it is of.
    pub fn kind(&self) -> PlaceKind {
        match self {
            Self::File { .. } => PlaceKind::File,
            Self::Object { .. } => PlaceKind::Object,
            Self::Endpoint { .. } => PlaceKind::Endpoint,
            Self::EtcdKey { .. } => PlaceKind::EtcdKey,
            Self::Mount { .. } => PlaceKind::Mount,
            Self::Entry { .. } => PlaceKind::Entry,
        }
    }

    /// The host that it is on, if it is on one that has a name.
    pub fn host(&self) -> Option<&str> {
        let (Self::File { host, .. } | Self::Mount { host, .. }) = self else { return None };
        Some(host.name()).filter(|name| !name.is_empty())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { host, path, entry } => {
                on(host, f)?;
                f.write_str(path)?;
                part(entry, f)
            }
            Self::Object { kind, namespace, name, field } => {
                write!(f, "{kind}/")?;
                if !namespace.is_empty() {
                    write!(f, "{namespace}/")?;
                }
                f.write_str(name)?;
                part(field, f)
            }
            Self::Endpoint { server, address, shown } => {
                write!(f, "{server} at {address}")?;
                part(shown, f)
            }
            Self::EtcdKey { source, key, field } => {
                write!(f, "{source}:{key}")?;
                part(field, f)
            }
            Self::Mount { host, namespace, pod, volume, file } => {
                on(host, f)?;
                write!(f, "pod/{namespace}/{pod}#{volume}/{file}")
            }
            Self::Entry { document, pointer } => write!(f, "{document}#{pointer}"),
        }
    }
}

fn on(host: &Host, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if host.name().is_empty() { Ok(()) } else { write!(f, "{}:", host.name()) }
}

fn part(entry: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if entry.is_empty() { Ok(()) } else { write!(f, "#{entry}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_has_a_text_of_its_own() {
        let m1 = Host::named("m1");
        for (place, expected) in [
            (
                Place::file(&Host::only(), "/etc/kubernetes/pki/ca.crt"),
                "/etc/kubernetes/pki/ca.crt",
            ),
            (Place::file(&m1, "/srv/kubernetes/ca.crt"), "m1:/srv/kubernetes/ca.crt"),
            (
                Place::entry_of_file(&m1, "/etc/kubernetes/admin.conf", "client-key-data"),
                "m1:/etc/kubernetes/admin.conf#client-key-data",
            ),
            (
                Place::Object {
                    kind: "secret".into(),
                    namespace: "kube-system".into(),
                    name: "x".into(),
                    field: "ca.crt".into(),
                },
                "secret/kube-system/x#ca.crt",
            ),
            (
                Place::Object {
                    kind: "apiservice".into(),
                    namespace: "".into(),
                    name: "v1.x".into(),
                    field: "spec.caBundle".into(),
                },
                "apiservice/v1.x#spec.caBundle",
            ),
            (
                Place::Endpoint {
                    server: "kube-apiserver".into(),
                    address: "10.0.0.1:6443".into(),
                    shown: "chain".into(),
                },
                "kube-apiserver at 10.0.0.1:6443#chain",
            ),
            (
                Place::EtcdKey {
                    source: "snapshot.db".into(),
                    key: "/registry/secrets/n/x".into(),
                    field: "token".into(),
                },
                "snapshot.db:/registry/secrets/n/x#token",
            ),
            (
                Place::Mount {
                    host: m1,
                    namespace: "n".into(),
                    pod: "p".into(),
                    volume: "kube-api-access".into(),
                    file: "ca.crt".into(),
                },
                "m1:pod/n/p#kube-api-access/ca.crt",
            ),
            (
                Place::Entry {
                    document: "vars.yml".into(),
                    pointer: "/kubo_ca/certificate".into(),
                },
                "vars.yml#/kubo_ca/certificate",
            ),
        ] {
            assert_eq!(place.to_string(), expected);
        }
    }
}
