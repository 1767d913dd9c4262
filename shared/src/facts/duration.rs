//! Durations as kubectl's flags take them: Go's, such as `1h30m`, `90s`, `500ms`.

use std::time::Duration;

/// A duration that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration; durations look like `30s`, `5m`, `1h30m`, `500ms`")]
pub struct DurationError(String);

/// Reads a Go duration; a bare `0` is zero, a bare number is refused as in Go.
pub fn parse_go(text: &str) -> Result<Duration, DurationError> {
    let fail = || DurationError(text.to_owned());
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(fail)?;
        let number: f64 = rest[..digits].parse().map_err(|_| fail())?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        total += number * seconds_of(&rest[..unit]).ok_or_else(fail)?;
        rest = &rest[unit..];
    }
    if text.is_empty() {
        Err(fail())
    } else {
        Duration::try_from_secs_f64(total).map_err(|_| fail())
    }
}

/// As [`parse_go`], and a bare number means seconds: kubectl's `--request-timeout` takes both.
pub fn parse_go_or_seconds(text: &str) -> Result<Duration, DurationError> {
    match text.parse::<u32>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
        Err(_) => parse_go(text),
    }
}

fn seconds_of(unit: &str) -> Option<f64> {
    Some(match unit {
        "h" => 3600.0,
        "m" => 60.0,
        "s" => 1.0,
        "ms" => 1e-3,
        "us" | "µs" | "μs" => 1e-6,
        "ns" => 1e-9,
        _ => return None,
    })
}

/// A duration for people: two units at most, tenths of a second only below ten seconds.
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..10 => format!("{:.1}s", duration.as_secs_f64()),
        10..120 => format!("{seconds}s"),
        120..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_go_reads() {
        for (text, millis) in [
            ("0", 0),
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("1.5m", 90_000),
            ("500ms", 500),
            ("1m0.5s", 60_500),
        ] {
            assert_eq!(parse_go(text).expect(text), Duration::from_millis(millis), "{text}");
        }
    }

    #[test]
    fn refuses_what_go_refuses() {
        for text in ["", "5", "s", "5x", "-5s", "5 s", "1..5s", "1d"] {
            assert!(parse_go(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_bare_number_is_seconds_where_kubectl_says_so() {
        assert_eq!(parse_go_or_seconds("5"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_go_or_seconds("5m"), Ok(Duration::from_mins(5)));
    }

    #[test]
    fn people_read_two_units() {
        for (millis, expected) in [
            (0, "0.0s"),
            (1_234, "1.2s"),
            (61_000, "61s"),
            (185_000, "3m05s"),
            (5_400_000, "1h30m"),
        ] {
            assert_eq!(human(Duration::from_millis(millis)), expected);
        }
    }
}
