//! In which order and how many at a time: pure.
//!
//! Stages run one after the other: group by group, in each first the canaries one by one, then zone by zone. So two
//! zones, and two groups, are never at work at the same time.

use rotation_core::facts::bosh::InstanceName;
use rotation_core::facts::pace::Pace;

/// What the order needs to know of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its name.
    pub(crate) name: InstanceName,
    /// Its zone.
    pub(crate) az: String,
    /// Whether it is its group's first: in 18F's release every proxy talks to the API server there.
    pub(crate) bootstrap: bool,
}

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Canaries in each group.
    pub(crate) canaries: usize,
    /// How many of a group at a time.
    pub(crate) max_in_flight: Pace,
    /// Connections at most.
    pub(crate) connections: usize,
}

/// Targets that may be restarted side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stage {
    /// `master, canary`, `minion, z1`.
    pub(crate) name: String,
    /// Indices of the places, in order.
    pub(crate) places: Vec<usize>,
    /// How many at a time.
    pub(crate) at_once: usize,
    /// Whether its process must prove itself for longer.
    pub(crate) canary: bool,
}

/// The stages. `proven` are places that need nothing any more: a group that has one needs no canary.
pub(crate) fn stages(places: &[Place], proven: &[usize], options: &Options) -> Vec<Stage> {
    let mut stages = Vec::new();
    let mut groups: Vec<&str> = places.iter().map(|p| p.name.group.as_str()).collect();
    groups.dedup();
    for group in groups {
        let all: Vec<usize> =
            (0..places.len()).filter(|i| places[*i].name.group == group).collect();
        let mut rest: Vec<usize> = all.iter().copied().filter(|i| !proven.contains(i)).collect();
        let at_once = options.max_in_flight.of(all.len()).min(options.connections.max(1));
        let wanted = if rest.len() < all.len() { 0 } else { options.canaries };
        for _ in 0..wanted.min(rest.len()) {
            let at = rest.iter().position(|i| !places[*i].bootstrap).unwrap_or(0);
            let place = rest.remove(at);
            let name = format!("{group}, canary");
            stages.push(Stage { name, places: vec![place], at_once: 1, canary: true });
        }
        while let Some(first) = rest.first() {
            let az = &places[*first].az;
            let (zone, others): (Vec<usize>, Vec<usize>) =
                rest.iter().copied().partition(|i| places[*i].az == *az);
            let name = if az.is_empty() { group.to_owned() } else { format!("{group}, {az}") };
            stages.push(Stage { name, places: zone, at_once, canary: false });
            rest = others;
        }
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(group: &str, index: u32, az: &str) -> Place {
        Place {
            name: InstanceName { group: group.into(), id: index.to_string() },
            az: az.into(),
            bootstrap: index == 0,
        }
    }

    fn words(places: &[Place], proven: &[usize], canaries: usize, pace: &str) -> Vec<String> {
        let options =
            Options { canaries, max_in_flight: pace.parse().expect("a pace"), connections: 8 };
        let name = |i: &usize| places[*i].name.to_string();
        stages(places, proven, &options)
            .iter()
            .map(|s| {
                let places: Vec<String> = s.places.iter().map(name).collect();
                format!("{}: {} at {}", s.name, places.join(" "), s.at_once)
            })
            .collect()
    }

    fn five() -> Vec<Place> {
        vec![
            place("master", 0, "z1"),
            place("master", 1, "z2"),
            place("minion", 0, "z1"),
            place("minion", 2, "z1"),
            place("minion", 1, "z2"),
        ]
    }

    #[test]
    fn canaries_then_zones_and_the_first_is_never_the_canary_if_there_is_another() {
        assert_eq!(
            words(&five(), &[], 1, "1"),
            [
                "master, canary: master/1 at 1",
                "master, z1: master/0 at 1",
                "minion, canary: minion/2 at 1",
                "minion, z1: minion/0 at 1",
                "minion, z2: minion/1 at 1",
            ]
        );
        assert_eq!(words(&five()[..1], &[], 1, "1"), ["master, canary: master/0 at 1"]);
    }

    #[test]
    fn paces_count_in_groups_and_never_cross_zones() {
        assert_eq!(
            words(&five(), &[], 0, "100%"),
            [
                "master, z1: master/0 at 2",
                "master, z2: master/1 at 2",
                "minion, z1: minion/0 minion/2 at 3",
                "minion, z2: minion/1 at 3",
            ]
        );
        let many: Vec<Place> = (0..40).map(|i| place("minion", i, "")).collect();
        assert!(words(&many, &[], 0, "50%")[0].ends_with("at 8"), "connections are bounded");
    }

    #[test]
    fn what_is_done_is_left_and_stands_for_the_canary() {
        assert_eq!(
            words(&five(), &[1, 2], 1, "1"),
            ["master, z1: master/0 at 1", "minion, z1: minion/2 at 1", "minion, z2: minion/1 at 1"]
        );
        assert!(words(&five(), &[0, 1, 2, 3, 4], 1, "1").is_empty());
    }

    #[test]
    fn everybody_comes_exactly_once() {
        for canaries in 0..7 {
            for pace in ["1", "2", "50%", "100%"] {
                let options = Options {
                    canaries,
                    max_in_flight: pace.parse().expect("pace"),
                    connections: 8,
                };
                let places = five();
                let mut all: Vec<usize> =
                    stages(&places, &[], &options).into_iter().flat_map(|s| s.places).collect();
                all.sort_unstable();
                assert_eq!(all, [0, 1, 2, 3, 4]);
            }
        }
    }
}
