//! The flags of the sources beyond machines' files.

use clap::{Args, ValueHint};
use rotation_core::cli::connection::ConnectionArgs;
use rotation_core::look::places::Server;
use rotation_core::world::etcd::EtcdAccess;
use std::path::PathBuf;

/// Objects, live servers, snapshots, and how to reach the cluster.
#[derive(Args, Debug)]
pub(crate) struct BeyondArgs {
    /// Objects of the cluster: secrets, config maps, webhooks, aggregated APIs, conversions, requests, trust bundles
    #[arg(help_heading = "Sources", long)]
    pub(crate) objects: bool,

    /// Servers that the API names, as they are now: API servers, kubelets, control planes, and with --objects whom the
    /// API servers call; nothing but a handshake is sent, and no credential
    #[arg(help_heading = "Sources", long)]
    pub(crate) live: bool,

    /// A server to look at besides, or instead; known names are kube-apiserver, kubelet, kube-controller-manager,
    /// kube-scheduler, etcd and etcd-peer
    #[arg(help_heading = "Sources", long, value_name = "[NAME=]HOST:PORT", value_parser = Server::parse)]
    pub(crate) endpoint: Vec<Server>,

    /// A snapshot of etcd, as `etcdctl snapshot save` writes it, or etcd's own file
    #[arg(help_heading = "Sources", long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) etcd_snapshot: Vec<PathBuf>,

    /// A running etcd, asked as `etcdctl` asks it
    #[arg(help_heading = "Sources", long, value_name = "https://HOST:PORT")]
    pub(crate) etcd: Vec<String>,

    /// CA of etcd's certificate
    #[arg(help_heading = "Sources", long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "etcd")]
    pub(crate) etcd_cacert: Option<PathBuf>,

    /// Client certificate for etcd
    #[arg(help_heading = "Sources", long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "etcd_key")]
    pub(crate) etcd_cert: Option<PathBuf>,

    /// Its key
    #[arg(help_heading = "Sources", long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "etcd_cert")]
    pub(crate) etcd_key: Option<PathBuf>,

    /// The etcd in a container on a machine that --ssh or --root names, asked by `etcdctl` in that container; one member
    /// of etcd is enough
    #[arg(help_heading = "Sources", long, value_name = "MACHINE")]
    pub(crate) etcd_in_container: Vec<String>,

    /// What API servers begin their keys with, where it is not `/registry`
    #[arg(help_heading = "Sources", long, value_name = "PREFIX")]
    pub(crate) etcd_prefix: Option<String>,

    #[command(flatten)]
    pub(crate) connection: ConnectionArgs,
}

impl BeyondArgs {
    /// Whether any source is named.
    pub(crate) fn any(&self) -> bool {
        self.asks_cluster()
            || !self.endpoint.is_empty()
            || !self.etcd_snapshot.is_empty()
            || !self.etcd.is_empty()
    }

    /// How each etcd is reached.
    pub(crate) fn etcds(&self) -> impl Iterator<Item = EtcdAccess> {
        self.etcd.iter().map(|endpoint| EtcdAccess {
            endpoint: endpoint.clone(),
            ca: self.etcd_cacert.clone(),
            certificate: self.etcd_cert.clone(),
            key: self.etcd_key.clone(),
            prefix: self.etcd_prefix.clone(),
        })
    }

    /// Whether the API is asked.
    pub(crate) fn asks_cluster(&self) -> bool {
        self.objects || self.live
    }
}
