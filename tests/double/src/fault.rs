//! What goes wrong on order.

use serde_json::{Value, json};
use std::time::Duration;

/// One way in which requests go wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    method: String,
    path: String,
    query: String,
    skip: usize,
    left: usize,
    pub(crate) delay: Duration,
    pub(crate) effect: Effect,
}

#[derive(Clone, Debug)]
pub(crate) enum Effect {
    /// Only slow.
    None,
    /// Another answer: status, headers, body.
    Answer(u16, Vec<(String, String)>, Vec<u8>),
    /// The connection ends without an answer.
    HangUp,
    /// The request is carried out, and the connection ends without an answer.
    ActAndHangUp,
    /// Bytes that are no HTTP.
    Garbage,
    /// The watch sends these lines and ends.
    Lines(Vec<String>),
}

impl Fault {
    /// On requests with this method and this beginning of their path. Once, and without effect until one is named.
    pub fn on(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            query: String::new(),
            skip: 0,
            left: 1,
            delay: Duration::ZERO,
            effect: Effect::None,
        }
    }

    /// Only if the query holds this text, for example `watch=1` or `continue=`.
    #[must_use]
    pub fn query(mut self, text: &str) -> Self {
        text.clone_into(&mut self.query);
        self
    }

    /// So often.
    #[must_use]
    pub fn times(mut self, times: usize) -> Self {
        self.left = times;
        self
    }

    /// Always.
    #[must_use]
    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    /// Not the first so many.
    #[must_use]
    pub fn after(mut self, skip: usize) -> Self {
        self.skip = skip;
        self
    }

    /// Answers late.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Answers with a `Status` of this code and nothing else in it.
    #[must_use]
    pub fn status(self, code: u16) -> Self {
        let body = status(code, "", &format!("scripted {code}"), &json!({}));
        self.answer(code, body.to_string())
    }

    /// Answers with this code and body.
    #[must_use]
    pub fn answer(mut self, code: u16, body: impl AsRef<[u8]>) -> Self {
        self.effect = Effect::Answer(code, Vec::new(), body.as_ref().to_vec());
        self
    }

    /// Answers 429 as a disruption budget does.
    #[must_use]
    pub fn budget(self, name: &str) -> Self {
        let body = over_budget(&format!(
            "The disruption budget {name} needs 1 healthy pods and has 1 currently"
        ));
        self.answer(429, body.to_string())
    }

    /// Adds a header to the answer.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Effect::Answer(_, headers, _) = &mut self.effect {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Hangs up instead of answering.
    #[must_use]
    pub fn hang_up(mut self) -> Self {
        self.effect = Effect::HangUp;
        self
    }

    /// Does what is asked and hangs up instead of answering.
    #[must_use]
    pub fn act_and_hang_up(mut self) -> Self {
        self.effect = Effect::ActAndHangUp;
        self
    }

    /// Sends bytes that are no HTTP.
    #[must_use]
    pub fn garbage(mut self) -> Self {
        self.effect = Effect::Garbage;
        self
    }

    /// Sends these lines as a watch and ends it.
    #[must_use]
    pub fn lines(mut self, lines: &[&str]) -> Self {
        self.effect = Effect::Lines(lines.iter().map(|l| (*l).to_owned()).collect());
        self
    }

    /// Whether it strikes now; counts.
    pub(crate) fn strikes(&mut self, method: &str, path: &str, query: &str) -> bool {
        let meant =
            self.method == method && path.starts_with(&self.path) && query.contains(&self.query);
        if !meant || self.left == 0 {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        if self.left != usize::MAX {
            self.left -= 1;
        }
        true
    }
}

pub(crate) fn status(code: u16, reason: &str, message: &str, details: &Value) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "details": details, "code": code,
    })
}

pub(crate) fn over_budget(why: &str) -> Value {
    status(
        429,
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
        &json!({ "causes": [{ "reason": "DisruptionBudget", "message": why }] }),
    )
}
