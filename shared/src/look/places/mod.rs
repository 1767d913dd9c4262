//! Places beyond files and objects, as sightings: live servers and snapshots of etcd.

mod endpoints;
mod servers;
mod snapshot;

pub use endpoints::{Server, endpoints};
pub use servers::{known, servers};
pub use snapshot::{Read, snapshot};
