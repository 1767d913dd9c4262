//! Requests to the director.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

use super::Failed;
use super::args::Args;
use super::ui::Ui;

/// How often a task is asked for, and a director that is away.
const TASK: Duration = Duration::from_millis(500);
const TRIES: u32 = 5;

/// The director, as it is reached.
pub(super) struct Director {
    host: String,
    port: u16,
    tls: Arc<ClientConfig>,
    authorization: Option<String>,
}

/// An answer: code, place to go to, body.
pub(super) struct Answer {
    code: u16,
    location: Option<String>,
    body: String,
}

impl Director {
    pub(super) fn new(environment: &str, args: &Args) -> Result<Self, Failed> {
        let name = environment.trim_start_matches("https://").trim_end_matches('/');
        let (host, port) = match name.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| "Expected a port number")?),
            None => (name, 25555),
        };
        let mut roots = RootCertStore::empty();
        if let Some(ca) = &args.ca {
            let pem = if ca.contains("BEGIN") {
                ca.clone()
            } else {
                std::fs::read_to_string(ca)
                    .map_err(|error| format!("Opening file {ca}: {error}"))?
            };
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|_| "Parsing certificate: it is none")?;
                roots.add(certificate).map_err(|error| error.to_string())?;
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let authorization = args.client.as_ref().map(|client| {
            let secret = args.secret.clone().unwrap_or_default();
            format!("Basic {}", BASE64_STANDARD.encode(format!("{client}:{secret}")))
        });
        Ok(Self { host: host.to_owned(), port, tls: Arc::new(tls), authorization })
    }

    /// As the real one shows it.
    pub(super) fn url(&self) -> String {
        format!("https://{}:{}", self.host, self.port)
    }

    /// A `GET` that must succeed; `doing` begins what is said if it does not.
    pub(super) fn get(&self, path: &str, doing: &str) -> Result<String, Failed> {
        let mut last = String::new();
        // The real one waits between its tries, 2.6 s in all.
        for number in 0..TRIES {
            if number > 0 {
                std::thread::sleep(Duration::from_millis(650));
            }
            match self.send("GET", path, "") {
                Ok(answer) => return checked(answer, doing).map(|answer| answer.body),
                Err(error) => last = error,
            }
        }
        Err(format!(
            "{doing}:\n  Performing request GET '{0}{path}':\n    Performing GET request:\n      Retry: Get \"{0}{path}\": {last}",
            self.url()
        ))
    }

    /// A request that begins a task: tells of the task, waits for its end, and returns its result.
    pub(super) fn task(
        &self,
        (method, path, body): (&str, &str, &str),
        doing: &str,
        ui: &mut Ui,
    ) -> Result<String, Failed> {
        let answer = self.send(method, path, body).map_err(|error| {
            format!("{doing}:\n  Performing request {method} '{}{path}': {error}", self.url())
        })?;
        let answer = checked(answer, doing)?;
        let number = answer
            .location
            .as_deref()
            .and_then(|place| place.rsplit('/').next())
            .ok_or_else(|| format!("{doing}:\n  Expected a task"))?
            .to_owned();
        ui.line(&format!("Task {number}"));
        let task: Value = loop {
            let text = self.get(&format!("/tasks/{number}"), doing)?;
            let task: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
            if task["state"] != "queued" && task["state"] != "processing" {
                break task;
            }
            std::thread::sleep(TASK);
        };
        if task["state"] == "done" {
            ui.line(". Done");
            return self.get(&format!("/tasks/{number}/output?type=result"), doing);
        }
        let events = self.get(&format!("/tasks/{number}/output?type=event"), doing)?;
        let event: Value = events
            .lines()
            .next_back()
            .and_then(|line| serde_json::from_str(line).ok())
            .unwrap_or_default();
        let at =
            jiff::Timestamp::from_second(event["time"].as_i64().unwrap_or(0)).unwrap_or_default();
        let (clock, day) = (
            at.strftime("%H:%M:%S").to_string(),
            at.strftime("%a %b %e %H:%M:%S UTC %Y").to_string(),
        );
        ui.block(&format!("\nTask {number} | {clock} | "));
        ui.block(&format!("Error: {}", event["error"]["message"].as_str().unwrap_or_default()));
        ui.line("\n");
        ui.line(&format!(
            "\n\nTask {number} Started  {day}\nTask {number} Finished {day}\nTask {number} Duration 00:00:00"
        ));
        ui.line(&format!("\nTask {number} error\n"));
        let state = task["state"].as_str().unwrap_or_default();
        Err(format!("{doing}:\n  Expected task '{number}' to succeed but state is '{state}'"))
    }

    /// Sends a request and does not wait for its task.
    pub(super) fn send(&self, method: &str, path: &str, body: &str) -> Result<Answer, String> {
        let address = format!("{}:{}", self.host, self.port);
        let sockets = address
            .to_socket_addrs()
            .map_err(|_| format!("dial tcp: lookup {}: no such host", self.host))?;
        let mut last = None;
        let mut stream = None;
        for socket in sockets {
            match TcpStream::connect_timeout(&socket, Duration::from_secs(30)) {
                Ok(connected) => {
                    stream = Some(connected);
                    break;
                }
                Err(error) => last = Some(error),
            }
        }
        let stream = stream.ok_or_else(|| {
            let refused = last.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused);
            let why = if refused { "connection refused" } else { "i/o timeout" };
            format!("dial tcp {address}: connect: {why}")
        })?;
        let name = ServerName::try_from(self.host.clone()).map_err(|error| error.to_string())?;
        let session = ClientConnection::new(Arc::clone(&self.tls), name)
            .map_err(|error| error.to_string())?;
        let mut stream = StreamOwned::new(session, stream);
        let authorization = self
            .authorization
            .as_ref()
            .filter(|_| path != "/info")
            .map(|value| format!("Authorization: {value}\r\n"))
            .unwrap_or_default();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{authorization}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .map_err(|error| tls(&error))?;
        let mut text = Vec::new();
        match stream.read_to_end(&mut text) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof && !text.is_empty() => {}
            Err(error) => return Err(tls(&error)),
        }
        let text = String::from_utf8_lossy(&text);
        let (head, body) = text.split_once("\r\n\r\n").ok_or("EOF")?;
        let code = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .ok_or("malformed HTTP response")?;
        let location = head.lines().find_map(|line| line.strip_prefix("Location: "));
        Ok(Answer { code, location: location.map(str::to_owned), body: body.to_owned() })
    }
}

/// Go's words for a certificate that nobody vouches for; other trouble in ours.
fn tls(error: &std::io::Error) -> String {
    let text = error.to_string();
    if text.contains("UnknownIssuer") || text.contains("BadSignature") {
        return "tls: failed to verify certificate: x509: certificate signed by unknown authority"
            .to_owned();
    }
    text
}

fn checked(answer: Answer, doing: &str) -> Result<Answer, Failed> {
    if (200..400).contains(&answer.code) {
        return Ok(answer);
    }
    Err(format!(
        "{doing}:\n  Director responded with non-successful status code '{}' response '{}'",
        answer.code, answer.body
    ))
}
