//! Writes answers, and what is written instead of them.

use crate::fault::Effect;
use crate::http::Recorded;
use crate::{Api, routes, stream};
use std::io::{self, Write};

/// What becomes of the connection.
pub(crate) enum After {
    /// The next request may come.
    Go,
    /// It ends.
    HangUp,
}

/// What a route answers.
pub(crate) enum Reply {
    /// Status and body.
    Body(u16, Vec<u8>),
    /// A watch.
    Watch(stream::Watch),
}

impl Reply {
    pub(crate) fn json(code: u16, body: &serde_json::Value) -> Self {
        Self::Body(code, body.to_string().into_bytes())
    }
}

pub(crate) fn respond(
    api: &Api,
    request: &Recorded,
    effect: Effect,
    out: &mut impl Write,
) -> io::Result<After> {
    match effect {
        Effect::None => match routes::route(api, request) {
            Reply::Body(code, body) => body_of(code, &[], &body, out)?,
            Reply::Watch(watch) => watch.run(api, out)?,
        },
        Effect::Answer(code, headers, body) => body_of(code, &headers, &body, out)?,
        Effect::HangUp => return Ok(After::HangUp),
        Effect::ActAndHangUp => {
            let _ = routes::route(api, request);
            return Ok(After::HangUp);
        }
        Effect::Garbage => {
            out.write_all(b"\x16\x03 this is no HTTP \0\r\n\r\n")?;
            out.flush()?;
            return Ok(After::HangUp);
        }
        Effect::Lines(lines) => {
            stream::head(out)?;
            for line in lines {
                stream::chunk(out, &line)?;
            }
            stream::end(out)?;
        }
    }
    Ok(After::Go)
}

fn body_of(
    code: u16,
    headers: &[(String, String)],
    body: &[u8],
    out: &mut impl Write,
) -> io::Result<()> {
    let kind = match body.first() {
        Some(b'{' | b'[') => "application/json",
        _ => "text/plain; charset=utf-8",
    };
    let mut head = format!(
        "HTTP/1.1 {code} Scripted\r\nDate: {}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n",
        date(),
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&[name, ": ", value, "\r\n"].concat());
    }
    head.push_str("\r\n");
    out.write_all(head.as_bytes())?;
    out.write_all(body)?;
    out.flush()
}

pub(crate) fn date() -> String {
    jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
