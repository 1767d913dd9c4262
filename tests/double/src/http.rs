//! HTTP/1.1, as little of it as an API server needs.

use crate::respond::{self, After};
use crate::{Api, fault};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// A request as it came in.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Path without query, decoded.
    pub path: String,
    /// Query as it was sent.
    pub query: String,
    /// Headers, by their names in lower case; of several of one name all, with commas.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: String,
}

impl Recorded {
    /// A parameter of the query, decoded; empty where it is not there.
    pub fn parameter(&self, name: &str) -> String {
        self.query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| decode(value))
            .unwrap_or_default()
    }

    /// The body as JSON; null where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// `METHOD path`, for comparisons of what was asked.
    pub fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

pub(crate) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let code = text.get(at + 1..at + 3).and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], code) {
            (b'%', Some(code)) => {
                decoded.push(code);
                at += 3;
                continue;
            }
            (b'+', _) => decoded.push(b' '),
            (byte, _) => decoded.push(byte),
        }
        at += 1;
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Answers one connection until it ends.
pub(crate) fn serve(api: &Api, mut stream: impl Read + Write) -> io::Result<()> {
    let mut waiting = Vec::new();
    loop {
        let request = match read(&mut stream, &mut waiting) {
            Ok(Some(request)) => request,
            Ok(None) => return Ok(()),
            Err(error) => {
                stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")?;
                return Err(error);
            }
        };
        let struck = {
            let mut state = api.state();
            state.requests.push(request.clone());
            let struck =
                |f: &mut fault::Fault| f.strikes_on(&request).then(|| (f.delay, f.effect.clone()));
            state.faults.iter_mut().find_map(struck)
        };
        let (delay, effect) = struck.unwrap_or((std::time::Duration::ZERO, fault::Effect::None));
        std::thread::sleep(delay);
        match respond::respond(api, &request, effect, &mut stream)? {
            After::Go => {}
            After::HangUp => return Ok(()),
        }
    }
}

impl fault::Fault {
    fn strikes_on(&mut self, request: &Recorded) -> bool {
        self.strikes(&request.method, &request.path, &request.query)
    }
}

fn read(stream: &mut impl Read, waiting: &mut Vec<u8>) -> io::Result<Option<Recorded>> {
    let mut buffer = [0; 16 * 1024];
    let mut more = |waiting: &mut Vec<u8>| -> io::Result<bool> {
        let count = stream.read(&mut buffer)?;
        waiting.extend_from_slice(&buffer[..count]);
        Ok(count > 0)
    };
    let head_end = loop {
        if let Some(at) = waiting.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if !more(waiting)? {
            return Ok(None);
        }
        // TLS, for one.
        if !waiting[0].is_ascii_uppercase() {
            return Err(io::ErrorKind::InvalidData.into());
        }
    };
    let head = String::from_utf8_lossy(&waiting[..head_end]).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let method = first.next().unwrap_or_default().to_owned();
    let target = first.next().unwrap_or_default();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let entry = headers.entry(name.to_lowercase()).or_default();
        if !entry.is_empty() {
            entry.push(',');
        }
        entry.push_str(value.trim());
    }
    let length: usize = headers.get("content-length").and_then(|l| l.parse().ok()).unwrap_or(0);
    while waiting.len() < head_end + length {
        if !more(waiting)? {
            return Ok(None);
        }
    }
    let body = String::from_utf8_lossy(&waiting[head_end..head_end + length]).into_owned();
    let request = Recorded { method, path: decode(path), query: query.to_owned(), headers, body };
    waiting.drain(..head_end + length);
    Ok(Some(request))
}
