//! The cluster as the tests see it: plain HTTP through `kubectl proxy`, so that no code under test looks for them.

use serde_json::Value;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

/// A pod, as far as tests compare it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pod {
    pub(crate) name: String,
    pub(crate) uid: String,
    pub(crate) node: String,
    pub(crate) ready: bool,
    pub(crate) going: bool,
}

impl Pod {
    pub(crate) fn of(object: &Value) -> Self {
        let text = |path: &str| {
            object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
        let ready = |c: &Value| c["type"] == "Ready" && c["status"] == "True";
        Self {
            name: text("/metadata/name"),
            uid: text("/metadata/uid"),
            node: text("/spec/nodeName"),
            ready: conditions.is_some_and(|all| all.iter().any(ready)),
            going: object.pointer("/metadata/deletionTimestamp").is_some(),
        }
    }
}

/// A proxy's address.
#[derive(Clone, Debug)]
pub(crate) struct Api(pub(crate) String);

impl Api {
    fn send(&self, method: &str, path: &str, kind: &str, body: &str) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(&self.0)?;
        // 1.0: the answer ends with the connection, and nothing is chunked.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        Ok(stream)
    }

    /// Status and body; status 0 where nobody answers.
    pub(crate) fn ask(&self, method: &str, path: &str, kind: &str, body: &str) -> (u16, Value) {
        let mut text = String::new();
        let answer =
            self.send(method, path, kind, body).and_then(|mut s| s.read_to_string(&mut text));
        if answer.is_err() {
            return (0, Value::Null);
        }
        let code = text.split(' ').nth(1).and_then(|c| c.parse().ok()).unwrap_or(0);
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (code, serde_json::from_str(body).unwrap_or_default())
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        self.ask("GET", path, "application/json", "").1
    }

    /// Merges a patch into an object.
    pub(crate) fn patch(&self, path: &str, change: &Value) {
        let (code, answer) =
            self.ask("PATCH", path, "application/merge-patch+json", &change.to_string());
        assert_eq!(code, 200, "PATCH {path}: {answer}");
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let (code, answer) = self.ask("POST", path, "application/json", &body.to_string());
        assert!((200..300).contains(&code), "POST {path}: {answer}");
        answer
    }

    pub(crate) fn delete(&self, path: &str) {
        let (code, answer) = self.ask("DELETE", path, "application/json", "");
        assert!((200..300).contains(&code), "DELETE {path}: {answer}");
    }

    /// Pods of a namespace by label, sorted by name.
    pub(crate) fn pods(&self, namespace: &str, selector: &str) -> Vec<Pod> {
        let selector = selector.replace('=', "%3D");
        let list =
            self.get(&format!("/api/v1/namespaces/{namespace}/pods?labelSelector={selector}"));
        let mut pods: Vec<Pod> =
            list["items"].as_array().into_iter().flatten().map(Pod::of).collect();
        pods.sort();
        pods
    }

    pub(crate) fn uids(&self, namespace: &str, selector: &str) -> Vec<String> {
        self.pods(namespace, selector).into_iter().map(|p| p.uid).collect()
    }

    /// Waits for exactly so many pods, all Ready and none going.
    pub(crate) fn wait_ready(&self, namespace: &str, selector: &str, count: usize) {
        super::until(&format!("{count} Ready pods in {namespace} ({selector})"), || {
            let pods = self.pods(namespace, selector);
            pods.len() == count && pods.iter().all(|p| p.ready && !p.going)
        });
    }
}

/// Follows one object and remembers the smallest count of something in it.
pub(crate) struct Watcher {
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
    least: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<usize>>>,
}

impl Watcher {
    /// Follows the Ready addresses of a Service.
    pub(crate) fn of_endpoints(api: &Api, namespace: &str, service: &str) -> Self {
        let path = format!(
            "/api/v1/namespaces/{namespace}/endpoints?watch=1&fieldSelector=metadata.name%3D{service}"
        );
        let stream = api.send("GET", &path, "application/json", "").unwrap();
        let least = Arc::new(AtomicUsize::new(usize::MAX));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (reading, lowest, counts) =
            (stream.try_clone().unwrap(), Arc::clone(&least), Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            for line in BufReader::new(reading).lines().map_while(Result::ok) {
                let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
                if event["type"].is_null() {
                    continue;
                }
                let subsets = event.pointer("/object/subsets").and_then(Value::as_array);
                let count = subsets
                    .into_iter()
                    .flatten()
                    .map(|s| s["addresses"].as_array().map_or(0, Vec::len));
                let count = count.sum();
                lowest.fetch_min(count, Ordering::SeqCst);
                counts.lock().unwrap_or_else(PoisonError::into_inner).push(count);
            }
        });
        Self { stream, thread: Some(thread), least, seen }
    }

    /// The smallest count, and how many changes were seen.
    pub(crate) fn least(mut self) -> (usize, usize) {
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).len();
        (self.least.load(Ordering::SeqCst), seen)
    }
}
