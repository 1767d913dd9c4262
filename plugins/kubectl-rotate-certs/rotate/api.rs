//! Our own connection to the cluster: it trusts both generations, is made anew for every question, and takes the
//! administrator's new certificate once the old one is not let in any more.

use super::work::Work;
use rotation_core::world::cluster::{Cluster, ClusterError, Connection};
use std::path::PathBuf;

/// How the cluster is reached.
#[derive(Clone)]
pub(crate) struct Api {
    base: Connection,
    own: Option<PathBuf>,
    probe: Option<(PathBuf, PathBuf)>,
}

/// The administrator's kubeconfig of the new generation, beside the plan.
pub(crate) const OWN: &str = "admin.conf";

impl Api {
    /// By the operator's kubeconfig and flags, and what lies beside the plan.
    pub(crate) fn new(mut base: Connection, work: &Work) -> Self {
        for name in ["new-cluster.crt", "old-cluster.crt"] {
            let path = work.beside(name);
            if path.is_file() {
                base.extra_ca.push(path);
            }
        }
        let own = Some(work.beside(OWN)).filter(|path| path.is_file());
        let probe = (work.beside("probe.crt"), work.beside("probe.key"));
        let probe = Some(probe).filter(|(certificate, _)| certificate.is_file());
        Self { base, own, probe }
    }

    /// Whether there is a client that only the new CA vouches for.
    pub(crate) fn has_probe(&self) -> bool {
        self.probe.is_some()
    }

    /// Asks the API, through one server where one is named.
    pub(crate) fn ask<T>(
        &self,
        server: Option<&str>,
        question: impl Fn(&Cluster) -> Result<T, ClusterError>,
    ) -> Result<T, ClusterError> {
        let named = Connection {
            server: server.map(str::to_owned).or_else(|| self.base.server.clone()),
            ..self.base.clone()
        };
        let answer = Cluster::connect(&named).and_then(|cluster| question(&cluster));
        let unknown = |why: &ClusterError| matches!(why, ClusterError::Api { code: 401, .. });
        match (&answer, &self.own) {
            (Err(why), Some(own)) if unknown(why) || Self::is_certificate(why) => {
                let renewed = Connection {
                    kubeconfig: Some(own.clone()),
                    context: None,
                    user: None,
                    cluster: None,
                    client_certificate: None,
                    client_key: None,
                    // The administrator's kubeconfig may name an address that is reached from there alone.
                    server: named
                        .server
                        .clone()
                        .or_else(|| Some(self.server()).filter(|s| !s.is_empty())),
                    ..named
                };
                Cluster::connect(&renewed).and_then(|cluster| question(&cluster))
            }
            _ => answer,
        }
    }

    /// Whom to ask at length, through one server where one is named.
    pub(crate) fn connect(&self, server: Option<&str>) -> Result<Cluster, ClusterError> {
        let server = server.map(str::to_owned).or_else(|| self.base.server.clone());
        Cluster::connect(&Connection { server, ..self.base.clone() })
    }

    fn server(&self) -> String {
        Cluster::connect(&self.base).map(|cluster| cluster.server().to_owned()).unwrap_or_default()
    }

    /// Servers of TLS 1.3 refuse a client's certificate by ending the connection.
    fn is_certificate(why: &ClusterError) -> bool {
        why.to_string().contains("certificate")
    }

    /// Whether a server lets in a client of the new CA: what that may do is another question.
    pub(crate) fn lets_probe_in(&self, server: &str) -> Result<bool, ClusterError> {
        let Some((certificate, key)) = &self.probe else { return Ok(true) };
        let probe = Connection {
            server: Some(server.to_owned()),
            client_certificate: Some(certificate.clone()),
            client_key: Some(key.clone()),
            token: None,
            ..self.base.clone()
        };
        match Cluster::connect(&probe).and_then(|cluster| cluster.identity()) {
            Ok(_) | Err(ClusterError::Api { code: 403, .. }) => Ok(true),
            Err(ClusterError::Api { code: 401, .. }) => Ok(false),
            Err(why) => Err(why),
        }
    }
}
