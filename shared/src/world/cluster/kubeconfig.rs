//! Which files say how to reach the cluster, read as kubectl reads them.
//!
//! A broken or missing file is an error that names it. The settings of a pod's own service account are used only where
//! no kubeconfig exists at all: a broken file must never lead to another cluster.

use super::connection::Connection;
use super::fault::ClusterError;
use kube::config::{AuthInfo, Cluster, Context, Kubeconfig, KubeconfigError};
use std::path::{Path, PathBuf};

/// The cluster and the user that were chosen, before flags are applied to them.
#[derive(Default)]
pub(super) struct Chosen {
    pub(super) context: Option<String>,
    pub(super) cluster: Cluster,
    pub(super) user: AuthInfo,
    pub(super) namespace: Option<String>,
    /// What was read, in words.
    pub(super) files: String,
}

/// Reads the files and picks context, cluster and user.
pub(super) fn choose(connection: &Connection) -> Result<Chosen, ClusterError> {
    let (paths, required) = candidates(connection);
    let mut merged = Kubeconfig::default();
    let mut read = Vec::new();
    for path in &paths {
        match Kubeconfig::read_from(path) {
            Ok(next) => {
                merged = merged.merge(next).map_err(|e| broken(path, &e))?;
                read.push(path.display().to_string());
            }
            Err(KubeconfigError::ReadConfig(e, _))
                if !required && e.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(broken(path, &error)),
        }
    }
    if read.is_empty() {
        return without_files(connection, &paths);
    }
    pick(connection, &merged, read.join(", "))
}

/// The files to read, and whether each must exist.
fn candidates(connection: &Connection) -> (Vec<PathBuf>, bool) {
    if let Some(path) = &connection.kubeconfig {
        return (vec![path.clone()], true);
    }
    let listed: Vec<PathBuf> = connection
        .kubeconfig_env
        .iter()
        .flat_map(std::env::split_paths)
        .filter(|p| !p.as_os_str().is_empty())
        .collect();
    if !listed.is_empty() {
        return (listed, false);
    }
    let home = connection.home.iter().map(|home| home.join(".kube").join("config"));
    (home.collect(), false)
}

fn without_files(connection: &Connection, paths: &[PathBuf]) -> Result<Chosen, ClusterError> {
    if connection.server.is_some() {
        return Ok(Chosen { files: "the flags".to_owned(), ..Chosen::default() });
    }
    let env_is_set = connection.kubeconfig_env.as_ref().is_some_and(|v| !v.is_empty());
    if let Some(pod) = connection.in_cluster.as_ref().filter(|_| !env_is_set) {
        let file = |name: &str| pod.directory.join(name).display().to_string();
        let host =
            if pod.host.contains(':') { format!("[{}]", pod.host) } else { pod.host.clone() };
        return Ok(Chosen {
            cluster: Cluster {
                server: Some(format!("https://{host}:{}", pod.port)),
                certificate_authority: Some(file("ca.crt")),
                ..Cluster::default()
            },
            user: AuthInfo { token_file: Some(file("token")), ..AuthInfo::default() },
            namespace: namespace_of_pod(&pod.directory.join("namespace")),
            files: "the service account of this pod".to_owned(),
            context: None,
        });
    }
    let names: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    let looked = match (env_is_set, names.is_empty()) {
        (true, _) => format!("KUBECONFIG names {}, which does not exist", names.join(", ")),
        (false, false) => format!(
            "neither --kubeconfig nor KUBECONFIG is set, and {} does not exist",
            names.join(", ")
        ),
        (false, true) => "neither --kubeconfig, KUBECONFIG nor HOME is set".to_owned(),
    };
    Err(ClusterError::NoKubeconfig { looked })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the namespace of the pod's own service account is part of how to reach the cluster"
)]
fn namespace_of_pod(path: &Path) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|t| !t.is_empty())
}

fn pick(
    connection: &Connection,
    config: &Kubeconfig,
    files: String,
) -> Result<Chosen, ClusterError> {
    let missing =
        |what: String, hint: String| ClusterError::Entry { what, files: files.clone(), hint };
    let current = config.current_context.as_deref().filter(|c| !c.is_empty());
    let name = connection.context.as_deref().or(current);
    let context = match name {
        Some(name) => Some(
            config
                .contexts
                .iter()
                .find(|c| c.name == name)
                .ok_or_else(|| {
                    let names = config.contexts.iter().map(|c| c.name.as_str());
                    missing(format!("no context `{name}`"), there_are("contexts", names))
                })?
                .context
                .clone()
                .unwrap_or_default(),
        ),
        None if connection.cluster.is_some() || connection.server.is_some() => None,
        None if config.contexts.is_empty() => {
            return Err(missing(
                "no context".to_owned(),
                "pass another file with --kubeconfig, or the address with --server".to_owned(),
            ));
        }
        None => {
            let names = config.contexts.iter().map(|c| c.name.as_str());
            return Err(missing(
                "no context is chosen".to_owned(),
                format!("pass --context; {}", there_are("contexts", names)),
            ));
        }
    };
    let context: Context = context.unwrap_or_default();
    let cluster_name = connection.cluster.as_deref().unwrap_or(&context.cluster);
    let cluster = match config.clusters.iter().find(|c| c.name == cluster_name) {
        Some(found) => found.cluster.clone().unwrap_or_default(),
        None if connection.server.is_some() && connection.cluster.is_none() => Cluster::default(),
        None => {
            let names = config.clusters.iter().map(|c| c.name.as_str());
            return Err(missing(
                format!("no cluster `{cluster_name}`"),
                there_are("clusters", names),
            ));
        }
    };
    let user_name = connection.user.as_deref().or(context.user.as_deref());
    let user = match user_name.filter(|name| !name.is_empty()) {
        None => AuthInfo::default(),
        Some(name) => config
            .auth_infos
            .iter()
            .find(|u| u.name == name)
            .ok_or_else(|| {
                let names = config.auth_infos.iter().map(|u| u.name.as_str());
                missing(format!("no user `{name}`"), there_are("users", names))
            })?
            .auth_info
            .clone()
            .unwrap_or_default(),
    };
    // kubectl 1.26 removed all of them but this one.
    if let Some(provider) = user.auth_provider.as_ref().filter(|p| p.name != "oidc") {
        return Err(missing(
            format!("a user with auth provider `{}`, which kubectl has dropped,", provider.name),
            "let the user have an exec plugin, or a client certificate".to_owned(),
        ));
    }
    let mut user = user;
    if let Some(exec) = user.exec.as_mut().filter(|e| e.provide_cluster_info) {
        exec.cluster = (&cluster).try_into().ok();
    }
    Ok(Chosen {
        context: name.map(str::to_owned),
        namespace: context.namespace.filter(|n| !n.is_empty()),
        cluster,
        user,
        files,
    })
}

fn there_are<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        format!("there are no {what} there; run `kubectl config view` to see what kubectl uses")
    } else {
        format!("{what} there are: {}", names.join(", "))
    }
}

/// The reason without any content of the file: it holds credentials.
fn broken(path: &Path, error: &KubeconfigError) -> ClusterError {
    let reason = match error {
        KubeconfigError::ReadConfig(e, _) => super::trust::io_reason(e),
        KubeconfigError::Parse(e) => match e.location() {
            Some(at) => format!(
                "not a kubeconfig: line {}, column {} cannot be read",
                at.line(),
                at.column()
            ),
            None => "not a kubeconfig".to_owned(),
        },
        KubeconfigError::KindMismatch | KubeconfigError::ApiVersionMismatch => {
            "its kind or version differs from the files before it".to_owned()
        }
        _ => "not a kubeconfig".to_owned(),
    };
    ClusterError::Kubeconfig { file: path.to_owned(), reason }
}
