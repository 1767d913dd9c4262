//! CA bundles by which API servers trust others: webhooks, aggregated APIs, conversions; and bundles for anybody.

use super::{POD_TRUST, place, seen};
use crate::facts::sighting::{Component, Domain, Interner, Part, Role, Sighting};
use crate::facts::wire::{Meta, null_as_default};
use base64::Engine as _;
use serde::Deserialize;

const WEBHOOK: Role = Role::new(Component::Webhook, Domain::Other, Part::Trust);
const AGGREGATED: Role = Role::new(Component::Aggregated, Domain::Other, Part::Trust);
const ANYBODY: Role = Role::new(Component::Other, Domain::Other, Part::Trust);
/// Publishes the CAs of the API servers' own certificates.
const API_SERVERS: &str = "kubernetes.io/kube-apiserver-serving";

/// `clientConfig`, of all kinds.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClientConfig {
    #[serde(deserialize_with = "null_as_default")]
    ca_bundle: String,
}

/// A bundle in base64; none means the system's own trust, which is nothing to look at.
fn bundle(
    kind: &str,
    meta: &Meta,
    field: &str,
    role: Role,
    text: &str,
    interner: &Interner,
) -> Option<Sighting> {
    if text.is_empty() {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
    Some(seen(place(kind, meta, field), role, &bytes, interner, meta))
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
    pub fn sightings(self, kind: &str, interner: &Interner) -> Vec<Sighting> {
        let Self { metadata, webhooks } = self;
        let each = webhooks.iter().enumerate().filter_map(|(index, webhook)| {
            let field = format!("webhooks[{index}].clientConfig.caBundle");
            let text = &webhook.client_config.ca_bundle;
            bundle(kind, &metadata, &field, WEBHOOK, text, interner)
        });
        each.collect()
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
    pub fn sightings(self, interner: &Interner) -> Vec<Sighting> {
        let Self { metadata, spec } = self;
        let text = &spec.ca_bundle;
        bundle("apiservice", &metadata, "spec.caBundle", AGGREGATED, text, interner)
            .into_iter()
            .collect()
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
    pub fn sightings(self, interner: &Interner) -> Vec<Sighting> {
        let Self { metadata, spec: CrdSpec { conversion } } = self;
        let kind = "customresourcedefinition";
        let mut fields = [
            ("spec.conversion.webhook.clientConfig.caBundle", conversion.webhook.client_config),
            ("spec.conversion.webhookClientConfig.caBundle", conversion.webhook_client_config),
        ]
        .into_iter();
        let mut sight = |(field, config): (&str, ClientConfig)| {
            bundle(kind, &metadata, field, WEBHOOK, &config.ca_bundle, interner)
        };
        fields.find_map(&mut sight).into_iter().collect()
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
