//! What etcd keeps on disk, read without etcd: a snapshot file, and the Kubernetes objects in it.
//!
//! | file | reads |
//! | --- | --- |
//! | `bolt` | the database: pages, branches, leaves, buckets |
//! | `revisions` | etcd's own layer: for each key its latest value |
//! | `stored` | Secrets and ConfigMaps, as protobuf, as JSON, or encrypted |

mod bolt;
mod revisions;
mod stored;

pub use bolt::{Bolt, BoltError, Source};
pub use revisions::{Change, latest};
pub use stored::{Encoding, Sealed, StoredKey, StoredKind, StoredValue, read};
