//! The lab's API as plain HTTP, through its own `kubectl proxy`: a process for each lab instead of one for each
//! question.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::Value;

use super::Loopback;
use crate::process::Launch;

/// The name of the process.
const NAME: &str = "kubectl-proxy";

/// The administrator's way to the first API server.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Where it listens, as `127.0.0.1:PORT`.
    pub address: String,
}

impl Loopback {
    /// Starts the lab's proxy, or finds the one that runs. It reads its kubeconfig once: after the lab trusts another
    /// CA, [`Self::stop_proxy`] and start it again.
    pub fn proxy(&self) -> Result<Proxy> {
        let log = self.processes().log(NAME);
        if !self.processes().runs(NAME) {
            // What an earlier one said of its port is not this one's.
            if let Err(error) = std::fs::remove_file(&log)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                return Err(error).with_context(|| format!("cannot remove {}", log.display()));
            }
            let launch = Launch::new(NAME, self.programs().join("kubectl"))
                .args(["proxy", "--port=0", "--disable-filter", "--kubeconfig"])
                .arg(self.kubeconfig());
            self.processes().start(&launch)?;
        }
        let mut address = None;
        self.wait_until(Duration::from_secs(30), "kubectl proxy listens", || {
            ensure!(self.processes().runs(NAME), "kubectl proxy ended: see {}", log.display());
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            address = said
                .lines()
                .find_map(|line| line.strip_prefix("Starting to serve on "))
                .map(str::to_owned);
            Ok(address.is_some())
        })?;
        Ok(Proxy { address: address.unwrap_or_default() })
    }

    /// Ends the lab's proxy.
    pub fn stop_proxy(&self) -> Result<()> {
        self.processes().stop(NAME)
    }
}

impl Proxy {
    /// Status and body. Nobody answering is an error, an answer of 404 is none.
    pub fn ask(&self, method: &str, path: &str, kind: &str, body: &str) -> Result<(u16, Value)> {
        let mut text = String::new();
        // 1.0: the answer ends with the connection, and nothing is chunked.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        TcpStream::connect(&self.address)
            .and_then(|mut stream| {
                stream.write_all(head.as_bytes())?;
                stream.write_all(body.as_bytes())?;
                stream.read_to_string(&mut text)
            })
            .with_context(|| format!("no answer of kubectl proxy to {method} {path}"))?;
        let code = text.split(' ').nth(1).and_then(|code| code.parse().ok());
        let code = code.with_context(|| format!("no HTTP in the answer to {method} {path}"))?;
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok((code, serde_json::from_str(body).unwrap_or_default()))
    }

    /// An object; `None` where there is none.
    pub fn find(&self, path: &str) -> Result<Option<Value>> {
        match self.ask("GET", path, "application/json", "")? {
            (200, object) => Ok(Some(object)),
            (404, _) => Ok(None),
            (code, answer) => bail!("GET {path}: {code} {}", message(&answer)),
        }
    }

    /// The items of a list.
    pub fn list(&self, path: &str) -> Result<Vec<Value>> {
        let mut list = self.find(path)?.with_context(|| format!("{path} is not served"))?;
        match list["items"].take() {
            Value::Array(items) => Ok(items),
            _ => bail!("{path} is no list"),
        }
    }

    /// Makes an object, or lets another verb that is a POST happen.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.change("POST", path, "application/json", body)
    }

    /// Merges a patch into an object (RFC 7396).
    pub fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.change("PATCH", path, "application/merge-patch+json", body)
    }

    fn change(&self, method: &str, path: &str, kind: &str, body: &Value) -> Result<Value> {
        let (code, answer) = self.ask(method, path, kind, &body.to_string())?;
        ensure!((200..300).contains(&code), "{method} {path}: {code} {}", message(&answer));
        Ok(answer)
    }
}

fn message(answer: &Value) -> &str {
    answer["message"].as_str().unwrap_or("without a message")
}
