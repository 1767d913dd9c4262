//! `N` or `N%`: how many at once.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// How many of a group may be away at once: `--max-unavailable` of a workload's pods, `--max-in-flight` of instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// A number of pods, at least 1.
    Count(u32),
    /// A share of the pods, rounded down, at least one pod.
    Percent(u32),
}

impl Pace {
    /// The number of pods out of `total`: never 0, or nothing would ever move.
    ///
    /// Rounded down as Kubernetes rounds `maxUnavailable` of a roll-out.
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Count(count) => count as usize,
            Self::Percent(percent) => total * percent as usize / 100,
        }
        .max(1)
    }
}

/// A pace that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither a number of at least 1 nor a percentage from 1% to 100%")]
pub struct PaceError(String);

impl FromStr for Pace {
    type Err = PaceError;

    fn from_str(text: &str) -> Result<Self, PaceError> {
        let fail = || PaceError(text.to_owned());
        let (number, percent) = text.strip_suffix('%').map_or((text, false), |n| (n, true));
        let number: u32 = number.parse().map_err(|_| fail())?;
        match (number, percent) {
            (0, _) | (101.., true) => Err(fail()),
            (n, true) => Ok(Self::Percent(n)),
            (n, false) => Ok(Self::Count(n)),
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(n) => write!(f, "{n}"),
            Self::Percent(n) => write!(f, "{n}%"),
        }
    }
}

impl Serialize for Pace {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pace {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts() {
        for (text, total, expected) in [
            ("1", 0, 1),
            ("1", 500, 1),
            ("7", 3, 7),
            ("10%", 500, 50),
            ("10%", 9, 1),
            ("34%", 3, 1),
            ("100%", 3, 3),
        ] {
            assert_eq!(text.parse::<Pace>().expect(text).of(total), expected, "{text} of {total}");
        }
    }

    #[test]
    fn refuses() {
        for text in ["", "0", "0%", "101%", "-1", "1.5", "x", "%"] {
            assert!(text.parse::<Pace>().is_err(), "{text}");
        }
    }
}
