//! What the server says to a change, told apart by what one does next.

use super::act::Request;
use super::ask::{Reply, Status, status_of};
use std::time::Duration;

/// The answer to one [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, or begun.
    Accepted,
    /// There is no such object any more.
    Gone,
    /// Another object has this name now.
    Replaced,
    /// A disruption budget does not allow it now.
    Budget {
        /// The server's words.
        message: String,
        /// When to ask again, where the server says so.
        retry_after: Option<Duration>,
    },
    /// The server has too much to do; nothing was changed.
    Overloaded {
        /// When to ask again, where the server says so.
        retry_after: Option<Duration>,
    },
    /// Two budgets protect the pod: eviction can never succeed.
    TwoBudgets {
        /// The server's words.
        message: String,
    },
    /// The namespace is on its way out, with everything in it.
    NamespaceTerminating,
    /// We may not.
    Forbidden {
        /// The server's words.
        message: String,
    },
    /// The server does not accept our credential any more.
    Unauthorized {
        /// The server's words.
        message: String,
    },
    /// The object has changed since it was read, or exists already.
    Conflict {
        /// The server's words.
        message: String,
    },
    /// The server will never accept this.
    Invalid {
        /// The server's words.
        message: String,
    },
    /// Nobody knows whether it was done: look again.
    Unknown {
        /// What happened instead of an answer.
        message: String,
    },
}

impl Answer {
    pub(super) fn read(request: &Request, reply: &Reply) -> Self {
        if reply.status.is_success() {
            return Self::Accepted;
        }
        let Some(status) = status_of(&reply.body) else {
            return Self::without_status(reply);
        };
        let asked = status.details.retry_after_seconds.filter(|s| *s > 0);
        let retry_after = reply
            .retry_after
            .or_else(|| asked.map(|s| Duration::from_secs(s.into())))
            .filter(|d| !d.is_zero());
        let cause = |name: &str| status.details.causes.iter().any(|c| c.reason == name);
        let says = |words: &str| status.message.contains(words);
        let budget = cause("DisruptionBudget")
            || says("disruption budget")
            || says("pdb disruptions allowed is negative")
            || says("DisruptedPods map too big")
            || says("couldn't update PodDisruptionBudget");
        let message = words(&status);
        match reply.status.as_u16() {
            401 => Self::Unauthorized { message },
            403 if cause("NamespaceTerminating") || says("because it is being terminated") => {
                Self::NamespaceTerminating
            }
            403 | 429 | 504 if budget => Self::Budget { message, retry_after },
            403 => Self::Forbidden { message },
            404 if is_about_the_object(request, &status) => Self::Gone,
            409 if says("UID in precondition") || says("UID in the precondition") => Self::Replaced,
            409 => Self::Conflict { message },
            429 => Self::Overloaded { retry_after },
            500 if says("more than one PodDisruptionBudget") => Self::TwoBudgets { message },
            500.. | 408 => Self::Unknown { message },
            _ => Self::Invalid { message },
        }
    }

    fn without_status(reply: &Reply) -> Self {
        let message = format!("status {} without a reason", reply.status.as_u16());
        match reply.status.as_u16() {
            401 => Self::Unauthorized { message },
            403 => Self::Forbidden { message },
            429 => Self::Overloaded { retry_after: reply.retry_after },
            404 | 405 => Self::Invalid { message: "the server does not offer this".to_owned() },
            _ => Self::Unknown { message },
        }
    }
}

/// A 404 can also mean that the server does not know the way, or the namespace.
fn is_about_the_object(request: &Request, status: &Status) -> bool {
    let names_one = match request {
        Request::Evict { .. }
        | Request::Delete { .. }
        | Request::RestartRollout { .. }
        | Request::Merge { .. } => true,
        Request::Create { .. } => false,
    };
    let named = !status.details.kind.is_empty() && status.details.kind != "namespaces";
    status.reason == "NotFound" && named && names_one
}

/// The message, and the causes that it leaves out.
fn words(status: &Status) -> String {
    let mut text = status.message.clone();
    for cause in &status.details.causes {
        if !cause.message.is_empty() && !text.contains(&cause.message) {
            text = format!("{text} {}", cause.message);
        }
    }
    if text.is_empty() {
        text = format!("status {}", status.code);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, body: &str) -> Answer {
        let request = Request::Evict {
            namespace: "n".to_owned(),
            name: "p".to_owned(),
            uid: "u".into(),
            grace_seconds: None,
            dry_run: false,
        };
        let reply = Reply {
            status: http::StatusCode::from_u16(code).expect("code"),
            retry_after: None,
            date: None,
            body: body.to_owned().into(),
        };
        Answer::read(&request, &reply)
    }

    fn status(rest: &str) -> String {
        format!(r#"{{"kind":"Status","status":"Failure",{rest}}}"#)
    }

    #[test]
    fn every_answer_to_an_eviction_is_told_apart() {
        let budget = r#""message":"Cannot evict pod as it would violate the pod's disruption budget.","reason":"TooManyRequests","code":429"#;
        let cause = r#""details":{"causes":[{"reason":"DisruptionBudget","message":"The disruption budget b needs 2 healthy pods and has 2 currently"}]}"#;
        let both = "Cannot evict pod as it would violate the pod's disruption budget. The disruption budget b needs 2 healthy pods and has 2 currently";
        let rows = [
            (201, status(r#""code":201"#), Answer::Accepted),
            (404, status(r#""reason":"NotFound","message":"pods \"p\" not found","details":{"name":"p","kind":"pods"}"#), Answer::Gone),
            (404, status(r#""reason":"NotFound","message":"the server could not find the requested resource","details":{}"#),
                Answer::Invalid { message: "the server could not find the requested resource".to_owned() }),
            (404, "404 page not found\n".to_owned(), Answer::Invalid { message: "the server does not offer this".to_owned() }),
            (409, status(r#""reason":"Conflict","message":"Operation cannot be fulfilled on pods \"p\": Precondition failed: UID in precondition: u, UID in object meta: v""#), Answer::Replaced),
            (409, status(r#""reason":"Conflict","message":"the object has been modified""#), Answer::Conflict { message: "the object has been modified".to_owned() }),
            (429, status(&format!("{budget},{cause}")), Answer::Budget { message: both.to_owned(), retry_after: None }),
            (429, status(&format!("{budget},{}", cause.replace(r#""details":{"#, r#""details":{"retryAfterSeconds":10,"#))),
                Answer::Budget { message: both.to_owned(), retry_after: Some(Duration::from_secs(10)) }),
            (429, status(r#""reason":"TooManyRequests","message":"too many requests, please try again later","details":{"retryAfterSeconds":1}"#),
                Answer::Overloaded { retry_after: Some(Duration::from_secs(1)) }),
            (429, "Too many requests, please try again later.".to_owned(), Answer::Overloaded { retry_after: None }),
            (500, status(r#""message":"This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.""#),
                Answer::TwoBudgets { message: "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.".to_owned() }),
            (403, status(r#""reason":"Forbidden","message":"x","details":{"causes":[{"reason":"NamespaceTerminating","message":"y"}]}"#), Answer::NamespaceTerminating),
            (403, status(r#""reason":"Forbidden","message":"pods \"p\" is forbidden: pdb disruptions allowed is negative""#),
                Answer::Budget { message: "pods \"p\" is forbidden: pdb disruptions allowed is negative".to_owned(), retry_after: None }),
            (403, status(r#""reason":"Forbidden","message":"no""#), Answer::Forbidden { message: "no".to_owned() }),
            (401, status(r#""reason":"Unauthorized","message":"Unauthorized""#), Answer::Unauthorized { message: "Unauthorized".to_owned() }),
            (422, status(r#""reason":"Invalid","message":"bad""#), Answer::Invalid { message: "bad".to_owned() }),
            (504, status(r#""reason":"Timeout","message":"couldn't update PodDisruptionBudget \"b\" due to conflicts""#),
                Answer::Budget { message: "couldn't update PodDisruptionBudget \"b\" due to conflicts".to_owned(), retry_after: None }),
            (504, status(r#""reason":"Timeout","message":"slow""#), Answer::Unknown { message: "slow".to_owned() }),
            (500, status(r#""message":"etcd""#), Answer::Unknown { message: "etcd".to_owned() }),
            (502, "<html>".to_owned(), Answer::Unknown { message: "status 502 without a reason".to_owned() }),
        ];
        for (code, body, expected) in rows {
            assert_eq!(answer(code, &body), expected, "{code} {body}");
        }
    }
}
