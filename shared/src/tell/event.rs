//! What happens in a run: the one stream that the human text, the JSON lines and any other reader are made from.
//!
//! The serialized form is read by scripts: new kinds and fields may come, none changes its meaning or goes away.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The time of day.
    pub at: Timestamp,
    /// Since the run began, in seconds, by a clock that never jumps.
    #[serde(rename = "elapsedSeconds", with = "seconds")]
    pub elapsed: Duration,
    /// What happened.
    #[serde(rename = "event")]
    pub kind: EventKind,
}

/// What a step works on, as people call it: `pod/coredns-abc (kube-system)`, `host/10.0.0.5`, `worker/0 (cfcr)`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// Kind and name: `pod/coredns-abc`.
    pub name: String,
    /// Namespace or deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl Subject {
    /// A subject within a namespace or deployment.
    pub fn new(name: impl Into<String>, scope: impl Into<String>) -> Self {
        Self { name: name.into(), scope: Some(scope.into()).filter(|s: &String| !s.is_empty()) }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.scope {
            Some(scope) => write!(f, "{} ({scope})", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// What can happen. Closed: each reader decides about each kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum EventKind {
    /// A run begins.
    RunStarted {
        /// Display name of the tool.
        tool: String,
        /// Its version.
        version: String,
        /// The cluster or deployment, as people call it.
        place: String,
        /// What will be done, in words: `recycle 3 pods`.
        what: String,
        /// Steps in it.
        steps: usize,
    },
    /// A phase begins.
    PhaseStarted {
        /// Name.
        phase: String,
        /// Steps in it.
        steps: usize,
    },
    /// A phase is over.
    PhaseEnded {
        /// Name.
        phase: String,
    },
    /// A step begins.
    StepStarted {
        /// On what.
        subject: Subject,
        /// What is done, in words: `evicting`.
        doing: String,
    },
    /// The change was made; what should follow is now waited for.
    StepChanged {
        /// On what.
        subject: Subject,
        /// What was done, in words: `evicted`.
        done: String,
    },
    /// A step waits for something else than before.
    StepWaiting {
        /// On what.
        subject: Subject,
        /// What it waits for, in words that follow `waiting for`.
        waiting_for: String,
        /// For how long already, in seconds.
        #[serde(rename = "sinceSeconds", with = "seconds")]
        since: Duration,
    },
    /// A step's change is not allowed at the moment.
    StepBlocked {
        /// On what.
        subject: Subject,
        /// By what: the budget, the quota, the webhook.
        by: String,
        /// For how long already, in seconds.
        #[serde(rename = "sinceSeconds", with = "seconds")]
        since: Duration,
    },
    /// A step worked, and that was seen.
    StepDone {
        /// On what.
        subject: Subject,
        /// What came of it, in words: `replaced`.
        outcome: String,
        /// Name of what was there before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        old: Option<String>,
        /// Name of what is there now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        new: Option<String>,
        /// The node or host.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        node: Option<String>,
        /// What proved it: `Ready`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<String>,
        /// From its begin, in seconds.
        #[serde(rename = "tookSeconds", with = "seconds")]
        took: Duration,
    },
    /// A step failed.
    StepFailed {
        /// On what.
        subject: Subject,
        /// A stable word for scripts: `CrashLoopBackOff`.
        reason: String,
        /// In words.
        message: String,
        /// What to do next: `run ...`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
        /// Whether something was changed before it failed.
        changed: bool,
    },
    /// Something is left alone, or not done any more.
    StepSkipped {
        /// What.
        subject: Subject,
        /// A stable word for scripts.
        reason: String,
        /// In words.
        message: String,
    },
    /// Worth knowing.
    Note {
        /// In words.
        message: String,
    },
    /// Worth acting upon.
    Warning {
        /// In words.
        message: String,
    },
    /// The server cannot be reached; the run goes on trying.
    ConnectionLost {
        /// Why.
        cause: String,
    },
    /// The server answers again.
    ConnectionBack {
        /// After so many seconds.
        #[serde(rename = "afterSeconds", with = "seconds")]
        after: Duration,
    },
    /// Nothing new is begun any more.
    Stopping {
        /// Why.
        message: String,
    },
    /// The run is over.
    RunEnded {
        /// The exit code.
        exit: u8,
        /// How the steps ended.
        counts: Counts,
        /// One sentence.
        message: String,
    },
}

/// How the steps of a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Done and proven.
    pub done: usize,
    /// Failed, blocked for too long, or not proven in time.
    pub failed: usize,
    /// Left alone.
    pub skipped: usize,
    /// Not begun, or interrupted.
    pub left: usize,
}

/// Who is told.
pub trait Listener {
    /// Something happened.
    fn hear(&mut self, event: &Event);

    /// Nothing happened, and so much time has passed since the run began: what shows durations may redraw.
    fn tick(&mut self, elapsed: Duration) {
        let _ = elapsed;
    }
}

/// Tells several.
#[derive(Default)]
pub struct Listeners(pub Vec<Box<dyn Listener>>);

impl Listener for Listeners {
    fn hear(&mut self, event: &Event) {
        for listener in &mut self.0 {
            listener.hear(event);
        }
    }

    fn tick(&mut self, elapsed: Duration) {
        for listener in &mut self.0 {
            listener.tick(elapsed);
        }
    }
}

/// Durations as seconds with milliseconds.
mod seconds {
    use serde::{Deserialize as _, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        let millis = u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        to.serialize_f64(f64::from(millis) / 1000.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One of each kind, with the JSON that scripts read.
    pub(in crate::tell) fn all() -> Vec<(EventKind, &'static str)> {
        let subject = || Subject::new("pod/coredns-abc", "kube-system");
        vec![
            (
                EventKind::RunStarted {
                    tool: "kubectl recycle".into(),
                    version: "1.0.0".into(),
                    place: "https://api:6443".into(),
                    what: "recycle 2 pods".into(),
                    steps: 2,
                },
                r#"{"type":"runStarted","tool":"kubectl recycle","version":"1.0.0","place":"https://api:6443","what":"recycle 2 pods","steps":2}"#,
            ),
            (
                EventKind::PhaseStarted { phase: "dns".into(), steps: 2 },
                r#"{"type":"phaseStarted","phase":"dns","steps":2}"#,
            ),
            (
                EventKind::PhaseEnded { phase: "dns".into() },
                r#"{"type":"phaseEnded","phase":"dns"}"#,
            ),
            (
                EventKind::StepStarted { subject: subject(), doing: "evicting".into() },
                r#"{"type":"stepStarted","subject":{"name":"pod/coredns-abc","scope":"kube-system"},"doing":"evicting"}"#,
            ),
            (
                EventKind::StepChanged { subject: subject(), done: "evicted".into() },
                r#"{"type":"stepChanged","subject":{"name":"pod/coredns-abc","scope":"kube-system"},"done":"evicted"}"#,
            ),
            (
                EventKind::StepWaiting {
                    subject: subject(),
                    waiting_for: "its replacement to be Ready".into(),
                    since: Duration::from_millis(1500),
                },
                r#"{"type":"stepWaiting","subject":{"name":"pod/coredns-abc","scope":"kube-system"},"waitingFor":"its replacement to be Ready","sinceSeconds":1.5}"#,
            ),
            (
                EventKind::StepBlocked {
                    subject: subject(),
                    by: "budget kube-system/dns".into(),
                    since: Duration::from_secs(30),
                },
                r#"{"type":"stepBlocked","subject":{"name":"pod/coredns-abc","scope":"kube-system"},"by":"budget kube-system/dns","sinceSeconds":30.0}"#,
            ),
            (
                EventKind::StepDone {
                    subject: subject(),
                    outcome: "replaced".into(),
                    old: Some("coredns-abc".into()),
                    new: Some("coredns-xyz".into()),
                    node: Some("n1".into()),
                    proof: Some("Ready".into()),
                    took: Duration::from_millis(4200),
                },
                r#"{"type":"stepDone","subject":{"name":"pod/coredns-abc","scope":"kube-system"},"outcome":"replaced","old":"coredns-abc","new":"coredns-xyz","node":"n1","proof":"Ready","tookSeconds":4.2}"#,
            ),
            (
                EventKind::StepFailed {
                    subject: subject(),
                    reason: "CrashLoopBackOff".into(),
                    message: "container `dns` ended with 1".into(),
                    hint: Some("run `kubectl logs`".into()),
                    changed: true,
                },
                r#"{"type":"stepFailed","subject":{"name":"pod/coredns-abc","scope":"kube-system"},"reason":"CrashLoopBackOff","message":"container `dns` ended with 1","hint":"run `kubectl logs`","changed":true}"#,
            ),
            (
                EventKind::StepSkipped {
                    subject: Subject::new("node/n1", ""),
                    reason: "static".into(),
                    message: "only its node can restart it".into(),
                },
                r#"{"type":"stepSkipped","subject":{"name":"node/n1"},"reason":"static","message":"only its node can restart it"}"#,
            ),
            (EventKind::Note { message: "a".into() }, r#"{"type":"note","message":"a"}"#),
            (EventKind::Warning { message: "b".into() }, r#"{"type":"warning","message":"b"}"#),
            (
                EventKind::ConnectionLost { cause: "connection refused".into() },
                r#"{"type":"connectionLost","cause":"connection refused"}"#,
            ),
            (
                EventKind::ConnectionBack { after: Duration::from_secs(12) },
                r#"{"type":"connectionBack","afterSeconds":12.0}"#,
            ),
            (
                EventKind::Stopping { message: "interrupted".into() },
                r#"{"type":"stopping","message":"interrupted"}"#,
            ),
            (
                EventKind::RunEnded {
                    exit: 5,
                    counts: Counts { done: 1, failed: 1, skipped: 0, left: 0 },
                    message: "1 of 2 pods was recycled".into(),
                },
                r#"{"type":"runEnded","exit":5,"counts":{"done":1,"failed":1,"skipped":0,"left":0},"message":"1 of 2 pods was recycled"}"#,
            ),
        ]
    }

    #[test]
    fn the_serialized_form_is_a_contract() {
        for (kind, json) in all() {
            let event =
                Event { at: Timestamp::UNIX_EPOCH, elapsed: Duration::from_millis(250), kind };
            let expected =
                format!(r#"{{"at":"1970-01-01T00:00:00Z","elapsedSeconds":0.25,"event":{json}}}"#);
            assert_eq!(serde_json::to_string(&event).expect("json"), expected);
            assert_eq!(serde_json::from_str::<Event>(&expected).expect("an event"), event);
        }
    }
}
