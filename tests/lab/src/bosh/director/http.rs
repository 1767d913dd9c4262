//! HTTP over TLS, one request for each connection.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// A request as it came in.
pub(super) struct Request {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    /// By their names in lower case.
    pub(super) headers: BTreeMap<String, String>,
    body: String,
}

impl Request {
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// A parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> String {
        let query = self.target.split_once('?').map_or("", |(_, query)| query);
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).unwrap_or_default()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// Name and password of the user.
    pub(super) fn user(&self) -> Option<(String, String)> {
        let coded = self.headers.get("authorization")?.strip_prefix("Basic ")?;
        let text = String::from_utf8(BASE64_STANDARD.decode(coded).ok()?).ok()?;
        let (name, password) = text.split_once(':')?;
        Some((name.to_owned(), password.to_owned()))
    }
}

/// What is answered.
pub(super) struct Answer {
    code: u16,
    location: Option<String>,
    body: String,
}

impl Answer {
    pub(super) fn json(value: &Value) -> Self {
        Self::text(200, &value.to_string())
    }

    pub(super) fn text(code: u16, body: &str) -> Self {
        Self { code, location: None, body: body.to_owned() }
    }

    pub(super) fn redirect(to: &str) -> Self {
        Self { code: 302, location: Some(to.to_owned()), body: String::new() }
    }
}

/// Answers one connection.
pub(super) fn serve(
    stream: TcpStream,
    settings: Arc<ServerConfig>,
    answer: impl FnOnce(&Request) -> Answer,
) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let session = ServerConnection::new(settings).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, stream);
    let request = read(&mut stream)?;
    let answer = answer(&request);
    let location = answer.location.map(|to| format!("Location: {to}\r\n")).unwrap_or_default();
    write!(
        stream,
        "HTTP/1.1 {} -\r\n{location}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
        answer.code,
        answer.body.len(),
        answer.body
    )?;
    stream.conn.send_close_notify();
    stream.flush()
}

fn read(stream: &mut impl Read) -> io::Result<Request> {
    let mut text = Vec::new();
    let mut more = |text: &mut Vec<u8>| -> io::Result<()> {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                text.extend_from_slice(&buffer[..count]);
                Ok(())
            }
        }
    };
    let end = loop {
        if let Some(at) = text.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at + 4;
        }
        more(&mut text)?;
    };
    let head = String::from_utf8_lossy(&text[..end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let mut word = || first.next().unwrap_or_default().to_owned();
    let (method, target) = (word(), word());
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    while text.len() < end + length {
        more(&mut text)?;
    }
    let body = String::from_utf8_lossy(&text[end..end + length]).into_owned();
    Ok(Request { method, target, headers, body })
}
