//! One question, one answer: time-outs, repeats of reads, the cap on connections, and the server's clock.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the door: the API is asked here and nowhere else, and its clock is compared with ours"
)]

use super::client::{self, Built};
use super::connection::Connection;
use super::fault::ClusterError;
use super::kubeconfig::Chosen;
use super::tls_fault::ConnectFault;
use super::token_file::TokenFile;
use crate::facts::jwt::Claims;
use crate::facts::protobuf;
use crate::facts::trace::RequestTrace;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use jiff::{SignedDuration, Timestamp};
use kube::client::Body;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Requests at a time. HTTP/1.1: each is a connection of its own, and administrators are exempt from the server's brakes.
pub(super) const AT_ONCE: usize = 16;

/// Reads at a time. A connection costs three round trips and a handshake's arithmetic on both sides: a third one would
/// seldom be there before the first two are free again.
const READS_AT_ONCE: usize = 2;

/// How often a read is tried.
const TRIES: u32 = 5;

/// The longest time between two tries that the server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long a request may take where nobody says otherwise.
const USUAL_LIMIT: Duration = Duration::from_secs(30);

/// Differences of the server's clock below this are its header's own rounding.
const STEADY: SignedDuration = SignedDuration::from_millis(1500);

/// The server's clock, as its answers show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerTime {
    /// What the server said last; whole seconds.
    pub at: Timestamp,
    /// How far the server's clock is ahead of this machine's.
    pub ahead: SignedDuration,
}

/// An answer, read to its end.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) date: Option<Timestamp>,
    pub(super) body: bytes::Bytes,
}

/// In which form an answer is wanted.
#[derive(Clone, Copy)]
pub(super) struct Form {
    /// `Accept`.
    pub(super) accept: &'static str,
    /// `Accept-Encoding`, where it is not left to the client.
    pub(super) encoding: Option<&'static str>,
}

impl Default for Form {
    fn default() -> Self {
        Self { accept: "application/json", encoding: None }
    }
}

/// The part of a `Status` that is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub(super) kind: String,
    #[serde(deserialize_with = "crate::facts::wire::null_as_default")]
    pub(super) message: String,
    #[serde(deserialize_with = "crate::facts::wire::null_as_default")]
    pub(super) reason: String,
    #[serde(deserialize_with = "crate::facts::wire::null_as_default")]
    pub(super) details: Details,
    pub(super) code: u16,
}

/// `details` of a `Status`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Details {
    pub(super) kind: String,
    #[serde(deserialize_with = "crate::facts::wire::null_as_default")]
    pub(super) causes: Vec<Cause>,
    pub(super) retry_after_seconds: Option<u32>,
}

/// One cause of a `Status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Cause {
    pub(super) reason: String,
    pub(super) message: String,
}

/// Asks one API server.
pub(super) struct Asker {
    connection: Connection,
    chosen: Chosen,
    server: Uri,
    token_file: Option<TokenFile>,
    current: tokio::sync::Mutex<Built>,
    limit: Option<Duration>,
    slots: Semaphore,
    reads: Semaphore,
    time: Mutex<Option<ServerTime>>,
}

impl Asker {
    pub(super) async fn new(
        connection: &Connection,
        mut chosen: Chosen,
    ) -> Result<Self, ClusterError> {
        let server = client::server_of(connection, &chosen)?;
        let token_file = TokenFile::take(connection, &mut chosen.user)?;
        let built = client::build(connection, &chosen, &server).await?;
        Ok(Self {
            connection: connection.clone(),
            chosen,
            server,
            token_file,
            current: tokio::sync::Mutex::new(built),
            limit: match connection.request_timeout {
                None => Some(USUAL_LIMIT),
                Some(Duration::ZERO) => None,
                Some(limit) => Some(limit),
            },
            slots: Semaphore::new(AT_ONCE),
            reads: Semaphore::new(READS_AT_ONCE),
            time: Mutex::new(None),
        })
    }

    pub(super) fn server(&self) -> String {
        self.server.to_string().trim_end_matches('/').to_owned()
    }

    pub(super) fn context(&self) -> Option<&str> {
        self.chosen.context.as_deref()
    }

    pub(super) fn namespace(&self) -> &str {
        let flag = self.connection.namespace.as_deref();
        let named = flag.filter(|n| !n.is_empty()).or(self.chosen.namespace.as_deref());
        named.unwrap_or("default")
    }

    pub(super) fn time(&self) -> Option<ServerTime> {
        self.time.lock().ok().and_then(|time| *time)
    }

    /// What the token that we show says of itself, if we show one.
    pub(super) fn own_claims(&self) -> Option<Claims> {
        if let Some(token) = &self.connection.token {
            return Claims::read(token.expose());
        }
        if let Some(file) = &self.token_file {
            return file.claims();
        }
        Claims::read(self.chosen.user.token.as_ref()?.expose_secret())
    }

    /// A client whose credential is still good.
    async fn client(&self) -> Result<kube::Client, ClusterError> {
        let mut current = self.current.lock().await;
        let soon = Timestamp::now() + SignedDuration::from_secs(30);
        if current.expires.is_some_and(|end| end <= soon) {
            *current = client::build(&self.connection, &self.chosen, &self.server).await?;
        }
        Ok(current.client.clone())
    }

    /// Sends a request and waits for the head of the answer; the caller reads the body.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Vec<u8>,
        form: Form,
    ) -> Result<http::Response<Body>, ClusterError> {
        let Form { accept, encoding } = form;
        let mut request =
            http::Request::builder().method(&method).uri(path).header(header::ACCEPT, accept);
        if let Some(content_type) = content_type {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        if let Some(encoding) = encoding {
            request = request.header(header::ACCEPT_ENCODING, encoding);
        }
        if let Some(file) = &self.token_file {
            request = request.header(header::AUTHORIZATION, file.header());
        }
        let request = request.body(Body::from(body)).map_err(|_| {
            ClusterError::Flag("a name holds characters that no request can carry".to_owned())
        })?;
        let client = self.client().await?;
        let begun = Instant::now();
        let result = client.send(request).await;
        if let Some(trace) = &self.connection.trace {
            trace(&RequestTrace {
                method: method.to_string(),
                path: path.to_owned(),
                status: result.as_ref().ok().map(|response| response.status().as_u16()),
                took: begun.elapsed(),
            });
        }
        result.map_err(|e| self.broken(&e))
    }

    /// One request, one answer, no repetition.
    pub(super) async fn once(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Reply, ClusterError> {
        self.once_as(method, path, content_type, body, Form::default()).await
    }

    async fn once_as(
        &self,
        method: Method,
        path: &str,
        content_type: Option<&str>,
        body: Vec<u8>,
        form: Form,
    ) -> Result<Reply, ClusterError> {
        // The semaphore is never closed.
        let _slot = self.slots.acquire().await.ok();
        let exchange = async {
            let response = self.send(method, path, content_type, body, form).await?;
            let (head, body) = response.into_parts();
            let date = self.note_time(&head.headers);
            let body = body.collect_bytes().await.map_err(|e| self.broken(&e))?;
            Ok(Reply { status: head.status, retry_after: retry_after(&head.headers), date, body })
        };
        match self.limit {
            None => exchange.await,
            Some(limit) => tokio::time::timeout(limit, exchange)
                .await
                .unwrap_or_else(|_| Err(ClusterError::TimedOut { server: self.server(), limit })),
        }
    }

    /// Reads, and tries again where that can help: nothing is changed by asking twice.
    pub(super) async fn get(&self, path: &str) -> Result<Reply, ClusterError> {
        // The semaphore is never closed.
        let _turn = self.reads.acquire().await.ok();
        self.patient(Method::GET, path, Vec::new(), Form::default()).await
    }

    /// Reads in another form than plain JSON.
    pub(super) async fn get_as(
        &self,
        path: &str,
        accept: &'static str,
    ) -> Result<Reply, ClusterError> {
        // The semaphore is never closed.
        let _turn = self.reads.acquire().await.ok();
        self.patient(Method::GET, path, Vec::new(), Form { accept, ..Form::default() }).await
    }

    /// A question in the form of a POST, such as an access review; asked again like a read.
    pub(super) async fn review(&self, path: &str, body: Vec<u8>) -> Result<Reply, ClusterError> {
        self.patient(Method::POST, path, body, Form::default()).await
    }

    async fn patient(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        form: Form,
    ) -> Result<Reply, ClusterError> {
        let content_type = (!body.is_empty()).then_some("application/json");
        let mut pause = Duration::from_millis(200);
        let mut reread = false;
        for last in (1..=TRIES).map(|attempt| attempt == TRIES) {
            let result = self.once_as(method.clone(), path, content_type, body.clone(), form).await;
            let wanted = match &result {
                Ok(reply) if reply.status.is_success() => return result,
                Ok(reply) if reply.status == StatusCode::UNAUTHORIZED && !reread => {
                    // The token may have been renewed on disk since it was read.
                    reread = true;
                    self.token_file.as_ref().and_then(TokenFile::reread).map(|()| Duration::ZERO)
                }
                Ok(reply)
                    if reply.status == StatusCode::TOO_MANY_REQUESTS
                        || reply.status.is_server_error() =>
                {
                    Some(reply.retry_after.unwrap_or(pause).min(LONGEST_PAUSE))
                }
                Err(ClusterError::Connect { fault, .. }) if fault.is_passing() => Some(pause),
                Ok(_) | Err(_) => None,
            };
            match wanted {
                Some(wanted) if !last => tokio::time::sleep(wanted).await,
                _ => return result.and_then(|reply| Err(self.refused(path, &reply))),
            }
            pause *= 2;
        }
        unreachable!("the last try returns")
    }

    /// Reads JSON.
    pub(super) async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClusterError> {
        let reply = self.get(path).await?;
        self.parse(path, &reply.body)
    }

    /// Reads JSON; `None` where there is no such thing.
    pub(super) async fn json_if_there<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<Option<T>, ClusterError> {
        match self.json(path).await {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn parse<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &[u8],
    ) -> Result<T, ClusterError> {
        serde_json::from_slice(body).map_err(|e| self.misread(path, body, &e))
    }

    /// What is no JSON, or does not fit.
    pub(super) fn misread(
        &self,
        path: &str,
        body: &[u8],
        error: &serde_json::Error,
    ) -> ClusterError {
        if body.first().is_none_or(|b| *b != b'{') {
            return self.no_api(path, StatusCode::OK);
        }
        self.unreadable(path, error)
    }

    /// JSON that does not fit.
    pub(super) fn unreadable(&self, path: &str, error: &serde_json::Error) -> ClusterError {
        // serde's own message can quote the value that does not fit.
        let (line, column) = (error.line(), error.column());
        self.senseless(path, format!("it makes no sense at line {line}, column {column}"))
    }

    /// Protobuf that does not fit.
    pub(super) fn damaged(&self, path: &str) -> ClusterError {
        self.senseless(path, "its protobuf is damaged".to_owned())
    }

    fn senseless(&self, path: &str, reason: String) -> ClusterError {
        let path = path.split('?').next().unwrap_or(path).to_owned();
        ClusterError::Unreadable { server: self.server(), path, reason }
    }

    /// An answer that is not a success, as an error.
    pub(super) fn refused(&self, path: &str, reply: &Reply) -> ClusterError {
        let code = reply.status.as_u16();
        match status_of(&reply.body) {
            Some(status) => ClusterError::Api {
                code,
                reason: if status.reason.is_empty() {
                    reason_for(reply.status).to_owned()
                } else {
                    status.reason
                },
                message: status.message,
            },
            // The real server answers so for groups that it does not serve.
            None if code == 404 && reply.body.starts_with(b"404 page not found") => {
                ClusterError::Api {
                    code,
                    reason: "NotFound".to_owned(),
                    message: "the server could not find the requested resource".to_owned(),
                }
            }
            None if matches!(code, 401 | 403 | 429 | 500 | 503 | 504) => ClusterError::Api {
                code,
                reason: reason_for(reply.status).to_owned(),
                message: "the server gave no reason".to_owned(),
            },
            None => self.no_api(path, reply.status),
        }
    }

    fn no_api(&self, path: &str, status: StatusCode) -> ClusterError {
        ClusterError::NotAnApiServer {
            server: self.server(),
            path: path.split('?').next().unwrap_or(path).to_owned(),
            code: status.as_u16(),
        }
    }

    pub(super) fn broken(&self, error: &kube::Error) -> ClusterError {
        ClusterError::Connect { server: self.server(), fault: ConnectFault::of(error) }
    }

    pub(super) fn note_time(&self, headers: &HeaderMap) -> Option<Timestamp> {
        let text = headers.get(header::DATE)?.to_str().ok()?;
        let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        // The header is cut to whole seconds: half a second is missing on average.
        let ahead = at.duration_since(Timestamp::now()) + SignedDuration::from_millis(500);
        if let Ok(mut time) = self.time.lock() {
            // Each answer gives another fraction of a second; only a real difference moves the clock, or it would go back.
            let known = time.map(|t: ServerTime| t.ahead).filter(|t| (*t - ahead).abs() < STEADY);
            *time = Some(ServerTime { at, ahead: known.unwrap_or(ahead) });
        }
        Some(at)
    }

    pub(super) fn limit(&self) -> Duration {
        self.limit.unwrap_or(USUAL_LIMIT)
    }
}

/// The `Status` in a body, if that is what it holds: in the form that was asked for, as answers are.
pub(super) fn status_of(body: &[u8]) -> Option<Status> {
    if let Some(content) = protobuf::object(body, "Status") {
        let text = |number| Some(protobuf::first(content, number)?.text().ok()?.to_owned());
        let (message, reason) = (text(3).unwrap_or_default(), text(4).unwrap_or_default());
        return Some(Status { message, reason, ..Status::default() });
    }
    serde_json::from_slice::<Status>(body).ok().filter(|status| status.kind == "Status")
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn reason_for(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "NotFound",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        code if code >= 500 => "InternalError",
        _ => "Unknown",
    }
}
