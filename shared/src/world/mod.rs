//! The doors to the world: each the only place that uses what it wraps.

pub mod beside;
pub mod clock;
pub mod cluster;
pub mod dns;
pub mod endpoint;
pub mod etcd;
pub mod exec;
pub mod files;
pub mod generation;
pub mod hosts;
pub mod interrupt;
pub mod keys;
pub mod operator;
pub mod secrecy;
pub mod snapshot;
pub mod survey;

/// The system's reason without its number.
fn words(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}
