//! Each event in words: the plain log, and what stays above the live display.

use super::clean;
use super::event::{EventKind, Subject};
use super::table::Tone;
use crate::facts::duration::human;
use crate::facts::words::count;

/// A line about an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// The words, cleaned.
    pub text: String,
    /// What its colour says.
    pub tone: Tone,
    /// How much it matters.
    pub weight: Weight,
}

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// What is going on: a live display shows it in another way, a log writes it down.
    Passing,
    /// A result: it stays, unless the operator asked for quiet.
    Lasting,
    /// A failure or a warning: always said.
    Serious,
}

/// The line for an event.
pub fn of(kind: &EventKind) -> Sentence {
    let about = |subject: &Subject, words: &str| format!("{subject}: {words}");
    let (weight, tone, text) = match kind {
        EventKind::RunStarted { tool, version: _, place, what, steps: _ } => {
            (Weight::Passing, Tone::Plain, format!("{tool}: {what} of {place}"))
        }
        EventKind::PhaseStarted { phase, steps } => {
            (Weight::Passing, Tone::Plain, format!("{phase}: {}", count(*steps, "step")))
        }
        EventKind::PhaseEnded { phase } => (Weight::Passing, Tone::Plain, format!("{phase}: over")),
        EventKind::StepStarted { subject, doing } => {
            (Weight::Passing, Tone::Plain, about(subject, doing))
        }
        EventKind::StepChanged { subject, done } => {
            (Weight::Passing, Tone::Plain, about(subject, done))
        }
        EventKind::StepWaiting { subject, waiting_for, since } => {
            let words = format!("waiting for {waiting_for}{}", so_far(*since));
            (Weight::Passing, Tone::Plain, about(subject, &words))
        }
        EventKind::StepBlocked { subject, by, since } => {
            let words = format!("blocked by {by}{}", so_far(*since));
            (Weight::Lasting, Tone::Warning, about(subject, &words))
        }
        EventKind::StepDone { subject, outcome, old: _, new, node, proof, took } => {
            let by = new.as_ref().map(|n| format!(" by {n}")).unwrap_or_default();
            let on = node.as_ref().map(|n| format!(" on node {n}")).unwrap_or_default();
            let proof = proof.as_ref().map(|p| format!("{p} ")).unwrap_or_default();
            let words = if took.is_zero() {
                format!("{outcome}{by}{on}")
            } else {
                format!("{outcome}{by}{on}, {proof}after {}", human(*took))
            };
            (Weight::Lasting, Tone::Good, about(subject, &words))
        }
        EventKind::StepFailed { subject, reason, message, hint, changed: _ } => {
            let hint = hint.as_ref().map(|h| format!("; hint: {h}")).unwrap_or_default();
            let words = format!("failed ({reason}): {message}{hint}");
            (Weight::Serious, Tone::Bad, about(subject, &words))
        }
        EventKind::StepSkipped { subject, reason, message } => {
            let words = format!("skipped ({reason}): {message}");
            (Weight::Lasting, Tone::Faint, about(subject, &words))
        }
        EventKind::Note { message } => (Weight::Lasting, Tone::Plain, message.clone()),
        EventKind::Warning { message } => {
            (Weight::Serious, Tone::Warning, format!("warning: {message}"))
        }
        EventKind::ConnectionLost { cause } => (
            Weight::Serious,
            Tone::Warning,
            format!("warning: connection to the server lost, trying again: {cause}"),
        ),
        EventKind::ConnectionBack { after } => (
            Weight::Serious,
            Tone::Plain,
            format!("connection to the server is back after {}", human(*after)),
        ),
        EventKind::Stopping { message } => {
            (Weight::Serious, Tone::Warning, format!("nothing more is begun: {message}"))
        }
        EventKind::RunEnded { exit, counts: _, message } => {
            let (weight, tone) = if *exit == 0 {
                (Weight::Lasting, Tone::Good)
            } else {
                (Weight::Serious, Tone::Bad)
            };
            (weight, tone, message.clone())
        }
    };
    Sentence { text: clean::line(&text).into_owned(), tone, weight }
}

fn so_far(since: std::time::Duration) -> String {
    if since.as_secs() == 0 { String::new() } else { format!(", for {}", human(since)) }
}

#[cfg(test)]
mod tests {
    use super::super::event::tests::all;
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_kind_has_its_words() {
        let said: Vec<String> = all().iter().map(|(kind, _)| of(kind).text).collect();
        assert_eq!(
            said,
            [
                "kubectl recycle: recycle 2 pods of https://api:6443",
                "dns: 2 steps",
                "dns: over",
                "pod/coredns-abc (kube-system): evicting",
                "pod/coredns-abc (kube-system): evicted",
                "pod/coredns-abc (kube-system): waiting for its replacement to be Ready, for 1.5s",
                "pod/coredns-abc (kube-system): blocked by budget kube-system/dns, for 30s",
                "pod/coredns-abc (kube-system): replaced by coredns-xyz on node n1, Ready after 4.2s",
                "pod/coredns-abc (kube-system): failed (CrashLoopBackOff): container `dns` ended with 1; hint: run `kubectl logs`",
                "node/n1: skipped (static): only its node can restart it",
                "a",
                "warning: b",
                "warning: connection to the server lost, trying again: connection refused",
                "connection to the server is back after 12s",
                "nothing more is begun: interrupted",
                "1 of 2 pods was recycled",
            ]
        );
    }

    #[test]
    fn what_others_said_is_cleaned() {
        let kind = EventKind::StepFailed {
            subject: Subject::new("pod/a", "b"),
            reason: "Webhook".into(),
            message: "no\u{1b}[2J\r\nreally".into(),
            hint: None,
            changed: false,
        };
        assert_eq!(of(&kind).text, "pod/a (b): failed (Webhook): no really");
    }

    #[test]
    fn what_was_done_before_took_no_time() {
        let kind = EventKind::StepDone {
            subject: Subject::new("pod/a", "b"),
            outcome: "was gone already".into(),
            old: None,
            new: None,
            node: None,
            proof: None,
            took: Duration::ZERO,
        };
        assert_eq!(of(&kind).text, "pod/a (b): was gone already");
    }
}
