//! Clocks of machines: where one is behind, a certificate that is made now is not good yet.

use crate::issue::BACK_DATED;
use jiff::SignedDuration;
use rotation_core::cli::failure::Failure;
use rotation_core::facts::duration::human;

/// What is left of the time by which certificates are dated back, until one has come to its machine.
const ON_THE_WAY: SignedDuration = SignedDuration::from_mins(1);

/// Refuses where a machine is so far behind that it would not accept what is made now; each with the seconds by which its
/// clock is ahead of this one's.
pub(crate) fn fit<'a>(machines: impl Iterator<Item = (&'a str, i64)>) -> Result<(), Failure> {
    let limit = BACK_DATED - ON_THE_WAY;
    let behind = |ahead: i64| SignedDuration::from_secs(ahead.saturating_neg());
    let late: Vec<String> = machines
        .filter(|(_, ahead)| behind(*ahead) > limit)
        .map(|(name, ahead)| format!("`{name}` by {}", human(behind(ahead).unsigned_abs())))
        .collect();
    if late.is_empty() {
        return Ok(());
    }
    Err(Failure::refused(format!(
        "clocks are behind this machine's, and certificates that are made now would not be good there yet: {}",
        late.join(", ")
    ))
    .with_hint("compare `date -u` there and here, set the clock that is wrong, and run the command again"))
}

#[cfg(test)]
mod tests {
    use super::fit;

    #[test]
    fn a_clock_may_be_ahead_and_a_little_behind() {
        for (clocks, refused) in [
            (vec![], None),
            (vec![("m1", 0), ("m2", 86_400), ("m3", -240)], None),
            (vec![("m1", 0), ("m2", -241)], Some("`m2` by 4m01s")),
            (vec![("m1", -3600), ("m2", i64::MIN)], Some("`m1` by 1h")),
        ] {
            let why = fit(clocks.iter().copied()).err().map(|why| why.to_string());
            match refused {
                None => assert_eq!(why, None, "{clocks:?}"),
                Some(words) => assert!(why.as_ref().is_some_and(|w| w.contains(words)), "{why:?}"),
            }
        }
    }
}
