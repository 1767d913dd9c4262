//! Objects of the API that hold certificates, keys or tokens, as sightings: pure, and without their values.
//!
//! The same rules hold for what the API says and for what etcd stores, so that both can be compared.

mod bundle;
mod callee;
mod config_map;
mod request;
mod secret;

pub use bundle::{ApiServiceWire, Bundles, CrdWire, TrustBundleWire, WebhooksWire};
pub use callee::{At, Called, Callee};
pub use config_map::{ConfigMapWire, of_config_map};
pub use request::SigningRequestWire;
pub use secret::{Fields, KEEPS_OUT, Named, SecretWire, of_secret};

use super::sighting::{Component, Content, Domain, Interner, Part, Place, Role, Sighting};
use super::wire::Meta;
use jiff::Timestamp;

/// Roles that several kinds of objects have.
const POD_TRUST: Role = Role::new(Component::Pods, Domain::Cluster, Part::Trust);
const POD_TOKEN: Role = Role::new(Component::Pods, Domain::Tokens, Part::Token);

/// An object's place in the API.
fn place(kind: &str, meta: &Meta, field: &str) -> Place {
    Place::Object {
        kind: kind.into(),
        namespace: meta.namespace.as_str().into(),
        name: meta.name.as_str().into(),
        field: field.into(),
    }
}

/// When an object was written last, as far as its writers' records say; servers that keep none give its beginning.
fn written(meta: &Meta) -> Option<Timestamp> {
    let records = meta.managed_fields.iter().filter_map(|record| record.time);
    records.max().max(meta.creation_timestamp)
}

/// When the data of a Secret or ConfigMap was written last.
fn data_written(meta: &Meta) -> Option<Timestamp> {
    meta.data_written().max(meta.creation_timestamp)
}

/// A field with PEM in it.
fn seen(place: Place, role: Role, bytes: &[u8], interner: &Interner, meta: &Meta) -> Sighting {
    let content = Content::read(bytes, interner);
    Sighting { modified: written(meta), ..Sighting::new(place, role, content) }
}

/// What was seen of the objects of a cluster.
#[derive(Debug, Default)]
pub struct ObjectsSeen {
    /// Fields that hold something, and kinds that could not be listed.
    pub sightings: Vec<Sighting>,
    /// Whom API servers call, by bundles among those fields.
    pub callees: Vec<Callee>,
}
