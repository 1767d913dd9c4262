//! Mutated layouts and hosts files are read or refused with words, never with a panic.

use super::rows;
use crate::layout::expand::expand;
use crate::layout::hosts::Hosts;
use crate::layout::{Layout, inputs};
use forge::{Random, rounds};
use std::collections::BTreeMap;

const HOSTS: &str = "sans = ['api.example']\n[inputs]\nendpoint = 'lb.example:6443'\n\
    [[host]]\nname = 'm1'\naddresses = ['10.0.0.1', 'fd00::1']\ncontrol-plane = true\nsans = ['m1.example']\n\
    [[host]]\nname = 'w1'\naddresses = ['10.0.0.2']\n";

#[test]
fn layouts() {
    let seeds = [
        include_str!("../layouts/salt.toml"),
        include_str!("../layouts/bosh.toml"),
        include_str!("../layouts/cfcr.toml"),
        include_str!("../layouts/kubeadm.toml"),
    ];
    let hosts = Hosts::parse(HOSTS).expect("a hosts file");
    let mut random = Random::seeded();
    let (mut good, mut refused) = (0, 0);
    for _ in 0..rounds(1_000) {
        let seed = seeds[random.below(seeds.len())].as_bytes();
        let other = seeds[random.below(seeds.len())].as_bytes();
        let text = String::from_utf8_lossy(&random.mutate(seed, other)).into_owned();
        match Layout::parse("mutated", &text) {
            Ok(layout) => {
                rows::of(&layout);
                if let Ok(mut values) = inputs::values(&layout, &BTreeMap::new()) {
                    values.set("generation", vec!["g".to_owned()]);
                    // A name that is mutated may be none; then that is said.
                    if let Err(why) = expand(&layout, &values, &hosts, false) {
                        assert!(!why.to_string().is_empty());
                    }
                }
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

#[test]
fn hosts() {
    let mut random = Random::seeded();
    let (mut good, mut refused) = (0, 0);
    for _ in 0..rounds(2_000) {
        let text = random.mutate(HOSTS.as_bytes(), HOSTS.as_bytes());
        match Hosts::parse(&String::from_utf8_lossy(&text)) {
            // What is read can be a directory of a machine.
            Ok(hosts) => {
                assert!(hosts.machines.iter().all(|host| !host.name.contains(['/', '\0'])));
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
