//! Places beyond files and objects, as sightings: live servers, whom API servers call, and snapshots of etcd.

mod callees;
mod endpoints;
mod servers;
mod snapshot;

pub use callees::callees;
pub use endpoints::{Server, endpoints};
pub use servers::{known, servers};
pub use snapshot::{Read, etcd, etcd_in_container, snapshot};
