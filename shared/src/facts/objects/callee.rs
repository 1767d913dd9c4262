//! Whom API servers call, and by which bundle they trust them.

use super::bundle::ClientConfig;
use crate::facts::sighting::{Component, Place, Sighting};

/// A server that API servers call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callee {
    /// The field with the bundle.
    pub bundle: Place,
    /// The name that its certificate must bear.
    pub name: String,
    /// Where it is.
    pub at: At,
}

/// Where a callee is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// Behind a Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// Its port.
        port: u16,
    },
    /// At an address, wherever that is.
    Url {
        /// Host name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

/// A callee, and what was seen of each server behind it.
#[derive(Clone, Debug)]
pub struct Called {
    /// Who.
    pub callee: Callee,
    /// What each of its servers shows, or why that is not known.
    pub sightings: Vec<Sighting>,
}

impl Callee {
    /// What people call it.
    pub fn kind(&self) -> &'static str {
        match self.component() {
            Component::Aggregated => "aggregated API",
            _ => "webhook",
        }
    }

    /// Who it is.
    pub fn component(&self) -> Component {
        match &self.bundle {
            Place::Object { kind, .. } if &**kind == "apiservice" => Component::Aggregated,
            _ => Component::Webhook,
        }
    }

    /// Whoever is called, if it is trusted by a bundle of its own.
    pub(super) fn of(config: &ClientConfig, bundle: Place) -> Option<Self> {
        if config.ca_bundle.is_empty() || config.insecure_skip_tls_verify {
            return None;
        }
        if let Some(service) = &config.service {
            let at = At::Service {
                namespace: service.namespace.clone(),
                name: service.name.clone(),
                port: service.port.unwrap_or(443),
            };
            let name = format!("{}.{}.svc", service.name, service.namespace);
            return Some(Self { bundle, name, at });
        }
        let url: http::Uri = config.url.parse().ok()?;
        let host = url.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port_u16().unwrap_or(443);
        Some(Self { bundle, name: host.clone(), at: At::Url { host, port } })
    }
}
