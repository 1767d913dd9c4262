//! What flags and environment say about the connection: plain data, made by `cli`.

use crate::facts::trace::TraceSink;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// A secret text that can be neither printed nor debugged by accident.
#[derive(Clone, Default)]
pub struct SecretText(String);

impl SecretText {
    /// Takes the text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

/// `HTTPS_PROXY`, `https_proxy`, `NO_PROXY`, `no_proxy` as they are in the environment.
#[derive(Clone, Default)]
pub struct ProxyEnv {
    /// `HTTPS_PROXY`, else `https_proxy`.
    pub https_proxy: Option<String>,
    /// `NO_PROXY`, else `no_proxy`.
    pub no_proxy: Option<String>,
}

/// What a pod is told about its cluster; used only where there is no kubeconfig at all.
#[derive(Clone)]
pub struct InCluster {
    /// `KUBERNETES_SERVICE_HOST`.
    pub host: String,
    /// `KUBERNETES_SERVICE_PORT`.
    pub port: String,
    /// Holds `token`, `ca.crt` and `namespace`: `/var/run/secrets/kubernetes.io/serviceaccount`.
    pub directory: PathBuf,
}

/// Everything that the command line and the environment say about the connection.
#[derive(Clone, Default)]
pub struct Connection {
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `$KUBECONFIG`.
    pub kubeconfig_env: Option<OsString>,
    /// The home directory, for `~/.kube/config`.
    pub home: Option<PathBuf>,
    /// What a pod's environment says.
    pub in_cluster: Option<InCluster>,
    /// `--context`.
    pub context: Option<String>,
    /// `--cluster`.
    pub cluster: Option<String>,
    /// `--user`.
    pub user: Option<String>,
    /// `--namespace`.
    pub namespace: Option<String>,
    /// `--server`.
    pub server: Option<String>,
    /// `--tls-server-name`.
    pub tls_server_name: Option<String>,
    /// `--insecure-skip-tls-verify`.
    pub insecure_skip_tls_verify: bool,
    /// `--certificate-authority`: trusted besides the kubeconfig's.
    pub certificate_authority: Option<PathBuf>,
    /// More files of CA certificates, trusted besides: during a rotation old and new are both right.
    pub extra_ca: Vec<PathBuf>,
    /// `--client-certificate`.
    pub client_certificate: Option<PathBuf>,
    /// `--client-key`.
    pub client_key: Option<PathBuf>,
    /// `--token`.
    pub token: Option<SecretText>,
    /// `--as`.
    pub as_user: Option<String>,
    /// `--as-group`.
    pub as_groups: Vec<String>,
    /// `--as-uid`.
    pub as_uid: Option<String>,
    /// `--as-user-extra key=value`.
    pub as_user_extra: Vec<String>,
    /// `--request-timeout`; zero is none; absent is 30 s.
    pub request_timeout: Option<Duration>,
    /// `--proxy-url`.
    pub proxy_url: Option<String>,
    /// The environment's word on proxies.
    pub proxy_env: ProxyEnv,
    /// `--disable-compression`.
    pub disable_compression: bool,
    /// The name and version under which audit logs show the tool.
    pub user_agent: String,
    /// Who is told of each request: `-v 6`.
    pub trace: Option<TraceSink>,
}
