//! Mutated layouts are read or refused with words, never with a panic.

use super::rows;
use crate::layout::Layout;
use forge::{Random, rounds};

#[test]
fn layouts() {
    let seeds = [
        include_str!("../layouts/salt.toml"),
        include_str!("../layouts/bosh.toml"),
        include_str!("../layouts/cfcr.toml"),
        include_str!("../layouts/kubeadm.toml"),
    ];
    let mut random = Random::seeded();
    let (mut good, mut refused) = (0, 0);
    for _ in 0..rounds(1_000) {
        let seed = seeds[random.below(seeds.len())].as_bytes();
        let other = seeds[random.below(seeds.len())].as_bytes();
        let text = String::from_utf8_lossy(&random.mutate(seed, other)).into_owned();
        match Layout::parse("mutated", &text) {
            Ok(layout) => {
                rows::of(&layout);
                good += 1;
            }
            Err(why) => {
                assert!(!why.to_string().is_empty());
                refused += 1;
            }
        }
    }
    assert!(good > 0 && refused > 0, "{good} good, {refused} refused");
}
