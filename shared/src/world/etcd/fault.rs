//! Why an etcd could not be asked.

use crate::facts::exit::{Exit, Fault};

/// Why an etcd could not be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EtcdError {
    /// The address is none.
    #[error("`{0}` is no address of an etcd")]
    Address(String),
    /// A file of certificates or keys that cannot be used, and why; never with its content.
    #[error("cannot use {0}: {1}")]
    Material(String, String),
    /// No connection, or one that broke.
    #[error("cannot reach {endpoint}: {why}")]
    Reach {
        /// The address.
        endpoint: String,
        /// Why.
        why: String,
    },
    /// It refused, in its own words.
    #[error("{endpoint} refused: {message}")]
    Refused {
        /// The address.
        endpoint: String,
        /// gRPC's code.
        code: u32,
        /// Its words.
        message: String,
    },
    /// Its answer makes no sense.
    #[error("{0} does not answer like an etcd with its gateway")]
    Unreadable(String),
}

impl Fault for EtcdError {
    fn exit(&self) -> Exit {
        match self {
            Self::Address(_) => Exit::Usage,
            Self::Material(..)
            | Self::Reach { .. }
            | Self::Refused { .. }
            | Self::Unreadable(_) => Exit::Unexpected,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Address(_) => "an address looks like `https://10.0.0.1:2379`".to_owned(),
            Self::Material(..) => return None,
            Self::Reach { .. } => {
                "pass the CA and a client certificate of etcd, such as `/etc/kubernetes/pki/etcd/healthcheck-client.crt`".to_owned()
            }
            Self::Refused { .. } | Self::Unreadable(_) => {
                "save a snapshot with `etcdctl snapshot save FILE`, and pass that".to_owned()
            }
        })
    }
}
