//! Requests for certificates that the cluster is to sign.

use super::{place, seen};
use crate::facts::sighting::{Component, Domain, Interner, Part, Role, Sighting};
use crate::facts::wire::{Meta, null_as_default};
use base64::Engine as _;
use serde::Deserialize;

const KIND: &str = "certificatesigningrequest";

/// A `CertificateSigningRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SigningRequestWire {
    metadata: Meta,
    spec: Spec,
    status: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    #[serde(deserialize_with = "null_as_default")]
    request: String,
    /// Before 1.18 there was none, and one controller signed all.
    #[serde(deserialize_with = "null_as_default")]
    signer_name: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    #[serde(deserialize_with = "null_as_default")]
    certificate: String,
}

impl SigningRequestWire {
    /// What is asked for, and what was signed.
    pub fn sightings(self, interner: &Interner) -> Vec<Sighting> {
        let Self { metadata, spec, status } = self;
        let component = match spec.signer_name.as_str() {
            "kubernetes.io/kubelet-serving" | "kubernetes.io/kube-apiserver-client-kubelet" => {
                Component::Kubelet
            }
            _ => Component::Other,
        };
        let sight = |field: &str, part: Part, text: &str| {
            if text.is_empty() {
                return None;
            }
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default();
            let role = Role::new(component, Domain::Other, part);
            Some(seen(place(KIND, &metadata, field), role, &bytes, interner, &metadata))
        };
        let asked = sight("spec.request", Part::Request, &spec.request);
        // What was signed once is history: who uses it, and whether, is seen elsewhere.
        let signed = sight("status.certificate", Part::Anything, &status.certificate);
        asked.into_iter().chain(signed).collect()
    }
}
