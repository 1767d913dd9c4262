//! `kubectl recycle`.
fn main() {}
