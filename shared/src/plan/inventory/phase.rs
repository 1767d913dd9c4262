//! How far a rotation is: what all verifiers trust, and what all presenters show.

use super::matrix::Row;
use super::state::State;
use crate::facts::sighting::{Content, Domain, Part};
use crate::facts::words::count;

/// Where a domain stands between two generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// There is one generation, or nothing of another one is in use.
    Settled,
    /// Some verifiers trust both, all presenters show the old one.
    Accepting,
    /// All verifiers trust both, all presenters still show the old one.
    Accepted,
    /// All verifiers trust both, presenters are of either.
    Switching,
    /// All verifiers trust both, all presenters show the new one.
    Switched,
    /// Some verifiers trust the new one alone, all presenters show it.
    Retiring,
    /// Somebody shows what somebody else does not trust.
    Torn,
}

/// What was counted of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which.
    pub domain: Domain,
    /// Where it stands.
    pub phase: Phase,
    /// Verifiers that trust the old generation alone, both, the new one alone.
    pub verifiers: [usize; 3],
    /// Presenters of the old generation, of the new one.
    pub presenters: [usize; 2],
    /// Verifiers and presenters that nobody could look at.
    pub unseen: usize,
}

impl Progress {
    /// What has to be done next. No CA is taken away, and no certificate changed, on half a view.
    pub fn next(&self) -> String {
        let next = self.phase.next();
        match (self.phase, self.unseen) {
            (Phase::Settled, _) | (_, 0) => next.to_owned(),
            (_, unseen) => format!(
                "look first at {} that could not be looked at; by the others: {next}",
                count(unseen, "place")
            ),
        }
    }
}

impl Phase {
    /// As it is printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Accepting => "accepting",
            Self::Accepted => "accepted",
            Self::Switching => "switching",
            Self::Switched => "switched",
            Self::Retiring => "retiring",
            Self::Torn => "torn",
        }
    }

    /// What has to be done next, where every place was seen.
    fn next(self) -> &'static str {
        match self {
            Self::Settled => "nothing",
            Self::Accepting => "bring both CAs to every place that trusts",
            Self::Accepted => "issue every certificate under the new CA",
            Self::Switching => "issue the rest under the new CA",
            Self::Switched => "take the old CA out of every place that trusts",
            Self::Retiring => "take the old CA out of the rest",
            Self::Torn => "bring both CAs to every place that trusts, before anything else",
        }
    }
}

pub(super) fn of(domain: Domain, rows: &[Row]) -> Progress {
    let mut progress = Progress {
        domain,
        phase: Phase::Settled,
        verifiers: [0; 3],
        presenters: [0; 2],
        unseen: 0,
    };
    for row in rows.iter().filter(|row| row.sighting.role.domain == domain) {
        let part = row.sighting.role.part;
        if matches!(row.sighting.content, Content::Unknown(_))
            && (part.verifies() || part.presents() || part == Part::Authority)
        {
            progress.unseen += 1;
        }
        let slot = match row.state {
            State::Old => 0,
            State::Both => 1,
            State::New => 2,
            State::Current | State::Other | State::Own | State::Absent | State::Unknown => continue,
        };
        // The file of a CA that signs is the file that its own machine trusts.
        if part.verifies() || part == Part::Authority {
            progress.verifiers[slot] += 1;
        } else if part.presents() || part == Part::TokenSigner {
            progress.presenters[0] += usize::from(row.state.has_old());
            progress.presenters[1] += usize::from(row.state.has_new());
        }
    }
    progress.phase = phase(progress.verifiers, progress.presenters);
    progress
}

fn phase([old, both, new]: [usize; 3], [shown_old, shown_new]: [usize; 2]) -> Phase {
    let torn = (old > 0 && shown_new > 0) || (new > 0 && shown_old > 0) || (old > 0 && new > 0);
    match (shown_old > 0, shown_new > 0) {
        _ if torn => Phase::Torn,
        _ if both == 0 => Phase::Settled,
        (true, true) => Phase::Switching,
        // Where nobody who shows anything was seen, the verifiers alone decide.
        (_, false) if old > 0 => Phase::Accepting,
        (false, _) if new > 0 => Phase::Retiring,
        (_, false) => Phase::Accepted,
        (false, true) => Phase::Switched,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_advised_on_half_a_view() {
        let phase = Phase::Switched;
        let progress = Progress {
            domain: Domain::Cluster,
            phase,
            verifiers: [0, 1, 0],
            presenters: [0, 2],
            unseen: 0,
        };
        assert_eq!(progress.next(), "take the old CA out of every place that trusts");
        assert_eq!(
            Progress { unseen: 5, ..progress }.next(),
            "look first at 5 places that could not be looked at; by the others: take the old CA out of every place that trusts"
        );
    }

    #[test]
    fn every_phase_has_its_pattern() {
        for (verifiers, presenters, expected) in [
            ([0, 0, 0], [0, 0], Phase::Settled),
            ([9, 0, 0], [9, 0], Phase::Settled),
            ([0, 0, 9], [0, 9], Phase::Settled),
            ([5, 4, 0], [9, 0], Phase::Accepting),
            ([0, 9, 0], [9, 0], Phase::Accepted),
            ([0, 9, 0], [5, 4], Phase::Switching),
            ([0, 9, 0], [0, 9], Phase::Switched),
            ([0, 5, 4], [0, 9], Phase::Retiring),
            ([1, 8, 0], [8, 1], Phase::Torn),
            ([0, 8, 1], [1, 8], Phase::Torn),
            ([8, 0, 1], [0, 0], Phase::Torn),
            ([0, 9, 0], [0, 0], Phase::Accepted),
            ([1, 8, 0], [0, 0], Phase::Accepting),
            ([0, 8, 1], [0, 0], Phase::Retiring),
        ] {
            assert_eq!(phase(verifiers, presenters), expected, "{verifiers:?} {presenters:?}");
        }
    }
}
