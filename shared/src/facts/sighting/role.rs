//! What stands at a place by right: whose it is, of which CA, and which part of that.

use serde::{Deserialize, Serialize};
use std::fmt;

/// What a place is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Role {
    /// Who uses it.
    pub component: Component,
    /// Under which CA, or which key, it belongs.
    pub domain: Domain,
    /// What it is there.
    pub part: Part,
}

/// Who uses a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// Nobody in particular: the CA itself.
    Authority,
    /// `kube-apiserver`.
    #[serde(rename = "kube-apiserver")]
    ApiServer,
    /// `kube-controller-manager`.
    #[serde(rename = "kube-controller-manager")]
    ControllerManager,
    /// `kube-scheduler`.
    #[serde(rename = "kube-scheduler")]
    Scheduler,
    /// `kubelet`.
    Kubelet,
    /// `kube-proxy`.
    KubeProxy,
    /// `etcd`.
    Etcd,
    /// The pod network's plugins.
    Cni,
    /// Whoever administers, by a kubeconfig.
    Admin,
    /// Pods, by their service accounts.
    Pods,
    /// Whoever joins the cluster.
    Joining,
    /// Everything on a machine, by the system's own trust.
    System,
    /// A webhook.
    Webhook,
    /// An aggregated API.
    Aggregated,
    /// Consul.
    Consul,
    /// Something else.
    Other,
}

/// Under which CA, or which key, something belongs. Generations are counted in each domain by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Domain {
    /// The cluster's CA: servers, and clients where they have none of their own.
    Cluster,
    /// A CA for clients alone, as k3s and RKE2 have it.
    Clients,
    /// The CA of the aggregation layer's proxy.
    FrontProxy,
    /// etcd's CA.
    Etcd,
    /// A CA for etcd's peers alone.
    EtcdPeers,
    /// Keys that sign tokens of service accounts.
    Tokens,
    /// Consul's CA.
    Consul,
    /// Whatever has a CA of its own: webhooks, a kubelet's own certificate, an application.
    Other,
}

/// What it is, or should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// A bundle of CAs: each peer's certificate must lead to one of them.
    Trust,
    /// A bundle in which the CA stands among many others.
    Bundle,
    /// The certificate of the CA that signs.
    Authority,
    /// That CA's private key.
    AuthorityKey,
    /// A server's certificate.
    Serving,
    /// Its private key.
    ServingKey,
    /// A client's certificate.
    Client,
    /// Its private key.
    ClientKey,
    /// The private key that signs tokens.
    TokenSigner,
    /// Public keys, or certificates, by which tokens are checked.
    TokenVerifier,
    /// A token.
    Token,
    /// A request for a certificate.
    Request,
    /// Names of CAs that a server says it accepts clients of.
    AcceptedNames,
    /// Anything: a secret of somebody's own.
    Anything,
}

impl Role {
    /// A role.
    pub const fn new(component: Component, domain: Domain, part: Part) -> Self {
        Self { component, domain, part }
    }
}

impl Component {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authority => "authority",
            Self::ApiServer => "kube-apiserver",
            Self::ControllerManager => "kube-controller-manager",
            Self::Scheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::Etcd => "etcd",
            Self::Cni => "cni",
            Self::Admin => "admin",
            Self::Pods => "pods",
            Self::Joining => "joining",
            Self::System => "system",
            Self::Webhook => "webhook",
            Self::Aggregated => "aggregated",
            Self::Consul => "consul",
            Self::Other => "other",
        }
    }
}

impl Domain {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Clients => "clients",
            Self::FrontProxy => "front-proxy",
            Self::Etcd => "etcd",
            Self::EtcdPeers => "etcd-peers",
            Self::Tokens => "tokens",
            Self::Consul => "consul",
            Self::Other => "other",
        }
    }
}

impl Part {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Trust => "trust",
            Self::Bundle => "bundle",
            Self::Authority => "CA",
            Self::AuthorityKey => "CA key",
            Self::Serving => "serving",
            Self::ServingKey => "serving key",
            Self::Client => "client",
            Self::ClientKey => "client key",
            Self::TokenSigner => "signing key",
            Self::TokenVerifier => "verifying key",
            Self::Token => "token",
            Self::Request => "request",
            Self::AcceptedNames => "accepted CAs",
            Self::Anything => "content",
        }
    }

    /// Whether it decides whom somebody trusts.
    pub fn verifies(self) -> bool {
        matches!(self, Self::Trust | Self::Bundle | Self::TokenVerifier | Self::AcceptedNames)
    }

    /// Whether it is shown to somebody who decides.
    pub fn presents(self) -> bool {
        matches!(self, Self::Serving | Self::Client | Self::Token)
    }
}

impl fmt::Display for Role {
    /// `kubelet client`; the domain only where it says something new: `kube-apiserver etcd client`, `cluster CA`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = self.part.as_str();
        let domain = self.domain.as_str();
        match (self.component, self.domain) {
            (Component::Authority, Domain::Tokens) => write!(f, "tokens' {part}"),
            (Component::Authority, _) => write!(f, "{domain} {part}"),
            (component, Domain::Cluster | Domain::Tokens | Domain::Other) => {
                write!(f, "{} {part}", component.as_str())
            }
            (component, _) if component.as_str() == domain => write!(f, "{domain} {part}"),
            (component, _) => write!(f, "{} {domain} {part}", component.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_reads_as_one_says_it() {
        for (role, expected) in [
            (Role::new(Component::Authority, Domain::Cluster, Part::Authority), "cluster CA"),
            (Role::new(Component::Authority, Domain::FrontProxy, Part::Trust), "front-proxy trust"),
            (
                Role::new(Component::ApiServer, Domain::Etcd, Part::Client),
                "kube-apiserver etcd client",
            ),
            (Role::new(Component::Etcd, Domain::Etcd, Part::Serving), "etcd serving"),
            (Role::new(Component::Kubelet, Domain::Cluster, Part::Client), "kubelet client"),
            (Role::new(Component::Pods, Domain::Tokens, Part::Token), "pods token"),
        ] {
            assert_eq!(role.to_string(), expected);
        }
    }
}
