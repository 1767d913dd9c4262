//! Plain data and pure readers: what was seen, without judgement and without any effect.
//!
//! Nothing here reads a clock, a file or a socket. Everything that a decision needs is a value of this module, so
//! that decisions can be tested with tables of such values.

pub mod account;
pub mod bosh;
pub mod budget;
pub mod ca_bundle;
pub mod credential;
pub mod duration;
pub mod endpoint;
pub mod etcd;
pub mod exit;
pub mod held;
pub mod host;
pub mod identity;
pub mod jwt;
pub mod keystore;
pub mod kubeconfig;
pub mod lease;
pub mod mounts;
pub mod node;
pub mod objects;
pub mod owner;
pub mod pace;
pub mod placement;
pub mod pod;
pub mod pod_wire;
pub mod private_key;
pub(crate) mod protobuf;
pub mod selector;
pub mod service;
pub mod sighting;
pub mod signing_key;
pub mod trace;
pub mod version;
pub mod wire;
pub mod words;
pub mod workload;
pub mod x509;
