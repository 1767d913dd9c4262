//! What every test needs.

use double::Api;
use rotation_core::facts::pod::{Interner, Pod};
use rotation_core::world::cluster::{
    Cluster, ClusterError, Connection, ListVersion, PodQuery, Scope,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A directory with a kubeconfig in it.
pub(crate) struct Files {
    pub(crate) dir: TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self { dir: TempDir::new().expect("a directory") }
    }

    pub(crate) fn with(kubeconfig: &str) -> Self {
        let files = Self::new();
        files.write("config", kubeconfig);
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// A program.
    pub(crate) fn script(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.write(name, &format!("#!/bin/sh\n{text}\n"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("mode");
        path
    }

    pub(crate) fn connection(&self) -> Connection {
        through(&self.path("config"))
    }
}

pub(crate) fn through(kubeconfig: &Path) -> Connection {
    Connection {
        kubeconfig: Some(kubeconfig.to_owned()),
        user_agent: "test/1".to_owned(),
        ..Connection::default()
    }
}

/// Connects to a double.
pub(crate) fn connect(api: &Api) -> Cluster {
    let files = Files::with(&api.kubeconfig());
    Cluster::connect(&files.connection()).expect("a client")
}

pub(crate) fn error(result: Result<Cluster, ClusterError>) -> ClusterError {
    match result {
        Ok(_) => panic!("there should be no connection"),
        Err(error) => error,
    }
}

pub(crate) fn pod(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "namespace": namespace, "name": name, "labels": { "app": "web" } },
        "spec": { "nodeName": "n1", "containers": [{ "name": "c" }] },
        "status": { "phase": "Running" },
    })
}

pub(crate) fn everything() -> PodQuery<'static> {
    PodQuery { namespaces: Scope::All, labels: None, fields: None }
}

pub(crate) fn list(cluster: &Cluster, query: &PodQuery<'_>) -> (Vec<Pod>, ListVersion) {
    listed(cluster, query).expect("a list")
}

pub(crate) fn listed(
    cluster: &Cluster,
    query: &PodQuery<'_>,
) -> Result<(Vec<Pod>, ListVersion), ClusterError> {
    let mut pods = Vec::new();
    let version = cluster.pods(query, &mut Interner::default(), &mut |pod| pods.push(pod))?;
    Ok((pods, version))
}

pub(crate) fn names(pods: &[Pod]) -> Vec<&str> {
    pods.iter().map(|p| &*p.name).collect()
}
