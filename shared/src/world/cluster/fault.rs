//! What can go wrong at the door, in words that say what to do.

use super::tls_fault::ConnectFault;
use crate::facts::exit::{Exit, Fault};
use std::path::PathBuf;
use std::time::Duration;

/// Why the cluster could not be asked, or what it answered.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A flag contradicts another one or cannot be read.
    #[error("{0}")]
    Flag(String),
    /// No kubeconfig anywhere.
    #[error("no kubeconfig found: {looked}")]
    NoKubeconfig {
        /// Where it was looked for.
        looked: String,
    },
    /// A kubeconfig file that cannot be used.
    #[error("cannot use kubeconfig {file}: {reason}", file = file.display())]
    Kubeconfig {
        /// The file.
        file: PathBuf,
        /// Why; never with content of the file.
        reason: String,
    },
    /// The kubeconfig does not hold what was asked for.
    #[error("{what} in {files}")]
    Entry {
        /// What is missing or wrong.
        what: String,
        /// The files that were read.
        files: String,
        /// What there is instead, or what to do.
        hint: String,
    },
    /// A file of certificates, keys or tokens that cannot be used.
    #[error("cannot use {what}: {reason}")]
    Material {
        /// What the kubeconfig or the flag means it to be, with its path.
        what: String,
        /// Why; never with content of the file.
        reason: String,
    },
    /// The credential plugin failed.
    #[error("credential plugin `{command}` {reason}")]
    Plugin {
        /// The command without its arguments.
        command: String,
        /// How it failed; never its output.
        reason: String,
        /// The kubeconfig's own advice.
        install_hint: Option<String>,
    },
    /// The proxy cannot be used.
    #[error("cannot use the proxy from {origin}: {reason}")]
    Proxy {
        /// The flag, the variable or the kubeconfig.
        origin: &'static str,
        /// Why.
        reason: String,
    },
    /// No connection, or one that broke.
    #[error("cannot reach the API server {server}: {fault}")]
    Connect {
        /// The server.
        server: String,
        /// What kind of failure.
        fault: ConnectFault,
    },
    /// No answer in time.
    #[error("the API server {server} did not answer within {limit:?}")]
    TimedOut {
        /// The server.
        server: String,
        /// The limit.
        limit: Duration,
    },
    /// The server refused, in its own words.
    #[error("{message}")]
    Api {
        /// HTTP status.
        code: u16,
        /// Kubernetes' reason, for example `NotFound`; never empty.
        reason: String,
        /// The server's message.
        message: String,
    },
    /// What answers is not an API server.
    #[error("{server} does not answer like a Kubernetes API server (status {code} for {path})")]
    NotAnApiServer {
        /// The server.
        server: String,
        /// What was asked.
        path: String,
        /// HTTP status.
        code: u16,
    },
    /// The server's answer cannot be read.
    #[error("cannot read the answer of {server} to {path}: {reason}")]
    Unreadable {
        /// The server.
        server: String,
        /// What was asked.
        path: String,
        /// Where it stops to make sense; never with content.
        reason: String,
    },
    /// This machine is out of something.
    #[error("cannot start the network client")]
    Client(#[source] std::io::Error),
}

impl ClusterError {
    /// Kubernetes' reason, where the server gave one.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Api { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Whether the server says that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Api { code: 404, .. })
    }

    /// Whether the server says that we may not.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Api { code: 403, .. })
    }
}

impl Fault for ClusterError {
    fn server_reason(&self) -> Option<&str> {
        self.reason()
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Flag(_) => Exit::Usage,
            Self::NoKubeconfig { .. }
            | Self::Kubeconfig { .. }
            | Self::Entry { .. }
            | Self::Material { .. }
            | Self::Plugin { .. }
            | Self::Proxy { .. }
            | Self::Connect { .. }
            | Self::TimedOut { .. }
            | Self::Api { .. }
            | Self::NotAnApiServer { .. }
            | Self::Unreadable { .. }
            | Self::Client(_) => Exit::Unexpected,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Flag(_) | Self::Client(_) | Self::Unreadable { .. } => None,
            Self::NoKubeconfig { .. } => {
                Some("pass --kubeconfig FILE, or set KUBECONFIG".to_owned())
            }
            Self::Kubeconfig { file, .. } => Some(format!(
                "run `kubectl config view --kubeconfig {}` to see whether kubectl can read it",
                file.display()
            )),
            Self::Entry { hint, .. } => Some(hint.clone()),
            Self::Material { .. } => {
                Some("check the file, and the kubeconfig entry or flag that names it".to_owned())
            }
            Self::Plugin {
                command,
                install_hint,
                ..
            } => Some(install_hint.clone().unwrap_or_else(|| {
                format!("run `{command}` by itself, as the kubeconfig does, to see what it says")
            })),
            Self::Proxy { .. } => Some(
                "proxies look like `http://host:3128`, `https://host:3128`, `socks5://host:1080`"
                    .to_owned(),
            ),
            Self::Connect { fault, .. } => fault.hint(),
            Self::TimedOut { .. } => Some(
                "check the address and the way to it, or allow more with --request-timeout"
                    .to_owned(),
            ),
            Self::Api { code, .. } => match code {
                401 => Some(
                    "the credential is expired or was issued by a CA or key that the server no longer accepts; \
                     get a new kubeconfig"
                        .to_owned(),
                ),
                403 => Some("run `kubectl auth can-i --list` to see what this identity may do".to_owned()),
                _ => None,
            },
            Self::NotAnApiServer { .. } => Some(
                "check the server address in the kubeconfig; a proxy or a load balancer may answer in its place"
                    .to_owned(),
            ),
        }
    }
}
