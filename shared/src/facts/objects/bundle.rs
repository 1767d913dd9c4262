//! CA bundles by which API servers trust others: webhooks, aggregated APIs, conversions; and bundles for anybody.

use super::callee::Callee;
use super::{POD_TRUST, place, seen};
use crate::facts::sighting::{Component, Domain, Interner, Part, Place, Role, Sighting};
use crate::facts::wire::{Meta, null_as_default};
use base64::Engine as _;
use serde::Deserialize;

const WEBHOOK: Role = Role::new(Component::Webhook, Domain::Other, Part::Trust);
const AGGREGATED: Role = Role::new(Component::Aggregated, Domain::Other, Part::Trust);
const ANYBODY: Role = Role::new(Component::Other, Domain::Other, Part::Trust);
/// Publishes the CAs of the API servers' own certificates.
const API_SERVERS: &str = "kubernetes.io/kube-apiserver-serving";

/// `clientConfig`, of all kinds; an aggregated API has the same fields in its `spec`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ClientConfig {
    #[serde(deserialize_with = "null_as_default")]
    pub(super) ca_bundle: String,
    #[serde(deserialize_with = "null_as_default")]
    pub(super) url: String,
    pub(super) service: Option<ServiceReference>,
    #[serde(rename = "insecureSkipTLSVerify", deserialize_with = "null_as_default")]
    pub(super) insecure_skip_tls_verify: bool,
}

/// A Service that is called.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ServiceReference {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) port: Option<u16>,
}

/// Bundles, and who is trusted by them.
#[derive(Debug, Default)]
pub struct Bundles {
    /// The bundles.
    pub sightings: Vec<Sighting>,
    /// Whom API servers call.
    pub callees: Vec<Callee>,
}

impl Bundles {
    /// A bundle in base64; none means the system's own trust, which is nothing to look at.
    fn take(
        &mut self,
        place: Place,
        role: Role,
        config: &ClientConfig,
        meta: &Meta,
        interner: &Interner,
    ) {
        if config.ca_bundle.is_empty() {
            return;
        }
        let bytes = base64::engine::general_purpose::STANDARD.decode(&config.ca_bundle);
        self.callees.extend(Callee::of(config, place.clone()));
        self.sightings.push(seen(place, role, &bytes.unwrap_or_default(), interner, meta));
    }
}

/// A configuration of webhooks, validating or mutating.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct WebhooksWire {
    metadata: Meta,
    #[serde(deserialize_with = "null_as_default")]
    webhooks: Vec<Webhook>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Webhook {
    client_config: ClientConfig,
}

impl WebhooksWire {
    /// The bundle of each webhook.
    pub fn bundles(self, kind: &str, interner: &Interner) -> Bundles {
        let Self { metadata, webhooks } = self;
        let mut found = Bundles::default();
        for (index, Webhook { client_config }) in webhooks.iter().enumerate() {
            let field = format!("webhooks[{index}].clientConfig.caBundle");
            let place = place(kind, &metadata, &field);
            found.take(place, WEBHOOK, client_config, &metadata, interner);
        }
        found
    }
}

/// An aggregated API.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ApiServiceWire {
    metadata: Meta,
    spec: ClientConfig,
}

impl ApiServiceWire {
    /// Its bundle.
    pub fn bundles(self, interner: &Interner) -> Bundles {
        let Self { metadata, spec } = self;
        let mut found = Bundles::default();
        let place = place("apiservice", &metadata, "spec.caBundle");
        found.take(place, AGGREGATED, &spec, &metadata, interner);
        found
    }
}

/// A definition of custom resources.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CrdWire {
    metadata: Meta,
    spec: CrdSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CrdSpec {
    #[serde(deserialize_with = "null_as_default")]
    conversion: Conversion,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Conversion {
    #[serde(deserialize_with = "null_as_default")]
    webhook: Webhook,
    /// `v1beta1`.
    #[serde(deserialize_with = "null_as_default")]
    webhook_client_config: ClientConfig,
}

impl CrdWire {
    /// The bundle of its conversion webhook.
    pub fn bundles(self, interner: &Interner) -> Bundles {
        let Self { metadata, spec: CrdSpec { conversion } } = self;
        let mut found = Bundles::default();
        for (field, config) in [
            ("spec.conversion.webhook.clientConfig.caBundle", &conversion.webhook.client_config),
            ("spec.conversion.webhookClientConfig.caBundle", &conversion.webhook_client_config),
        ] {
            let place = place("customresourcedefinition", &metadata, field);
            found.take(place, WEBHOOK, config, &metadata, interner);
        }
        found
    }
}

/// A bundle that the cluster offers to pods.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct TrustBundleWire {
    metadata: Meta,
    spec: TrustBundleSpec,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TrustBundleSpec {
    #[serde(deserialize_with = "null_as_default")]
    signer_name: String,
    #[serde(deserialize_with = "null_as_default")]
    trust_bundle: String,
}

impl TrustBundleWire {
    /// Its bundle, which is PEM as it is.
    pub fn sightings(self, interner: &Interner) -> Vec<Sighting> {
        let Self { metadata, spec } = self;
        let role = if spec.signer_name == API_SERVERS { POD_TRUST } else { ANYBODY };
        let place = place("clustertrustbundle", &metadata, "spec.trustBundle");
        vec![seen(place, role, spec.trust_bundle.as_bytes(), interner, &metadata)]
    }
}
