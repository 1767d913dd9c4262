//! Who came to API servers with a client certificate since everybody was to have a new one, as the audit logs say: the only
//! trace of consumers that nobody has registered.

use super::offender::Offender;
use rotation_core::world::hosts::change::Client;
use std::collections::{BTreeSet, HashSet};

/// Those whose certificate stands nowhere that was looked at, unless the same user came from the same address with one of
/// the new generation afterwards, and never before: then it was renewed. `new` are SHA-256 of certificates, in hexadecimal digits.
pub(crate) fn doubtful(seen: &[Client], new: &HashSet<String>) -> Vec<Offender> {
    let is_new = |client: &Client| new.contains(&client.certificate);
    let is_renewed = |old: &Client| {
        let same = seen.iter().filter(|one| one.user == old.user && one.from == old.from);
        let news = same.filter(|one| is_new(one)).map(|one| one.first.as_str()).min();
        news.is_some_and(|first| first > old.last.as_str())
    };
    let doubted = seen.iter().filter(|one| !is_new(one) && !is_renewed(one));
    // Several servers tell of the same one.
    let each: BTreeSet<(&str, &str, &str, &str)> = doubted
        .map(|one| {
            let last = seen.iter().filter(|other| {
                other.certificate == one.certificate
                    && other.user == one.user
                    && other.from == one.from
            });
            let last = last.map(|other| other.last.as_str()).max().unwrap_or_default();
            (one.user.as_str(), one.from.as_str(), one.certificate.as_str(), last)
        })
        .collect();
    each.into_iter()
        .map(|(user, from, certificate, last)| {
            let (second, short) = (last.get(..19).unwrap_or(last), certificate.get(..16));
            Offender {
                place: format!("client `{user}` from {from}"),
                why: format!(
                    "came last at {second}Z with a certificate (SHA-256 {}…) that stands nowhere that was looked at: the old CA \
                     may have signed it",
                    short.unwrap_or(certificate)
                ),
                // A new certificate that stands nowhere is no better known than the old one.
                mend: format!(
                    "see that its owner gets a certificate of the new CA, then say so with --waive 'client `{user}`'"
                ),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(certificate: char, user: &str, from: &str, second: u8) -> Client {
        Client {
            certificate: String::from(certificate).repeat(64),
            user: user.to_owned(),
            from: from.to_owned(),
            first: format!("2026-11-30T08:00:{second:02}.123456Z"),
            last: format!("2026-11-30T08:00:{second:02}.123456Z"),
        }
    }

    #[test]
    fn who_has_a_new_one_is_no_doubt() {
        let new = HashSet::from(["b".repeat(64)]);
        let places = |seen: &[Client]| -> Vec<String> {
            doubtful(seen, &new).into_iter().map(|one| one.place).collect()
        };
        for (seen, expected) in [
            (vec![], vec![]),
            (vec![client('b', "ann", "10.0.0.1", 1)], vec![]),
            (vec![client('a', "ann", "10.0.0.1", 1)], vec!["client `ann` from 10.0.0.1"]),
            // Renewed on the way.
            (vec![client('a', "ann", "10.0.0.1", 1), client('b', "ann", "10.0.0.1", 2)], vec![]),
            // Renewed, and then the old one again.
            (
                vec![client('a', "ann", "10.0.0.1", 3), client('b', "ann", "10.0.0.1", 2)],
                vec!["client `ann` from 10.0.0.1"],
            ),
            // Somebody else had renewed his, and shares name and address.
            (
                vec![
                    client('b', "ann", "10.0.0.1", 1),
                    client('a', "ann", "10.0.0.1", 2),
                    client('b', "ann", "10.0.0.1", 3),
                ],
                vec!["client `ann` from 10.0.0.1"],
            ),
            // The same user elsewhere is another consumer.
            (
                vec![client('a', "ann", "10.0.0.2", 1), client('b', "ann", "10.0.0.1", 2)],
                vec!["client `ann` from 10.0.0.2"],
            ),
            // Told by two servers.
            (
                vec![client('a', "ann", "10.0.0.1", 1), client('a', "ann", "10.0.0.1", 2)],
                vec!["client `ann` from 10.0.0.1"],
            ),
        ] {
            assert_eq!(places(&seen), expected, "{seen:?}");
        }
        let told = &doubtful(&[client('a', "ann", "10.0.0.1", 7)], &new)[0];
        assert!(told.why.starts_with("came last at 2026-11-30T08:00:07Z with"), "{}", told.why);
        assert!(told.why.contains(&format!("(SHA-256 {}…)", "a".repeat(16))), "{}", told.why);
        assert!(told.mend.ends_with("--waive 'client `ann`'"), "{}", told.mend);
    }
}
