//! Places beyond files and objects, as sightings: live servers, snapshots of etcd, pods' mounts.

mod endpoints;
mod snapshot;

pub use endpoints::{Server, endpoints};
pub use snapshot::{Read, snapshot};
