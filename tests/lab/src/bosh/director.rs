//! The director: as much of its interface as `bosh` uses for `instances`, `vms`, `deployments`, `locks` and `ssh`, so
//! that a person's real `bosh` can be used with it as well as the double. What the agents would do is done here.

mod agent;
mod http;
mod task;
mod view;

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use double::tls::{Authority, Wanted};
use serde_json::{Value, json};

use self::http::{Answer, Request};
use self::task::{Failure, Task, Tasks};
use super::faults::Faults;
use super::plan::{DEPLOYMENT, DIRECTOR, GATEWAY_USER, Instance};
use super::{Record, net};

/// The client's name at the director.
pub(super) const CLIENT: &str = "admin";
/// Seconds that a director waits for an agent when it sets up ssh, and when it asks for its state.
const SSH_SECONDS: u64 = 45;
const STATE_SECONDS: u64 = 5;

/// Where the director's CA is, in the lab's directory.
pub(super) fn ca(dir: &Path) -> PathBuf {
    dir.join("director-ca.pem")
}

/// Runs until it is killed.
pub(super) fn run(dir: &Path) -> Result<()> {
    let record = Record::read(dir)?;
    net::enter(dir)?;
    let authority = Authority::new("director of the lab");
    let settings = authority.issue("director", &Wanted::server(&["127.0.0.1"])).server(None);
    let listener =
        TcpListener::bind(DIRECTOR).with_context(|| format!("cannot listen on {DIRECTOR}"))?;
    fs::write(ca(dir), authority.pem()).context("cannot write the director's CA")?;
    let director = Arc::new(Director {
        dir: dir.to_owned(),
        record,
        tasks: Arc::new(Mutex::new(Tasks::open(dir))),
    });
    for stream in listener.incoming().flatten() {
        let (director, settings) = (Arc::clone(&director), Arc::clone(&settings));
        std::thread::spawn(move || {
            // A client that goes in the middle is no matter of the director.
            let _ = http::serve(stream, settings, |request| director.answer(request));
        });
    }
    Ok(())
}

/// What a request needs.
struct Director {
    dir: PathBuf,
    record: Record,
    tasks: Arc<Mutex<Tasks>>,
}

impl Director {
    fn answer(self: &Arc<Self>, request: &Request) -> Answer {
        let _ = writeln!(std::io::stdout().lock(), "{} {}", request.method, request.target);
        let path = request.path();
        if path == "/info" {
            return Answer::json(&json!({
                "name": "lab", "uuid": "a1b2c3d4-0000-4000-8000-000000000000", "version": "280.0.0 (00000000)",
                "user": if self.knows(request) { json!(CLIENT) } else { Value::Null },
                "cpi": "warden_cpi", "stemcell_os": "ubuntu-jammy", "stemcell_version": "1.719",
                "user_authentication": {"type": "basic", "options": {}}, "features": {},
            }));
        }
        if !self.knows(request) {
            return Answer::text(401, &format!("Not authorized: '{path}'\n"));
        }
        let words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        match (request.method.as_str(), words.as_slice()) {
            ("GET", ["deployments"]) => Answer::json(&view::deployments()),
            ("GET", ["locks"]) => match self.faults() {
                Ok(faults) => Answer::json(&view::locks(faults.locked)),
                Err(error) => Answer::text(500, &format!("{error:#}")),
            },
            ("GET", ["tasks", number]) => self.task(number, Task::describe),
            ("GET", ["tasks", number, "output"]) => {
                let range = request.headers.get("range").cloned();
                let kind = request.parameter("type");
                self.task(number, |task| task.output(&kind, range.as_deref()))
            }
            (_, ["deployments", name, ..]) if *name != DEPLOYMENT => Answer::text(
                404,
                // As the real one spaces it.
                &format!(
                    "{{\"code\": 70000, \"description\": \"Deployment '{name}' doesn't exist\"}}"
                ),
            ),
            ("GET", ["deployments", _, "instances"]) if request.parameter("format") != "full" => {
                self.recorded()
            }
            ("GET", ["deployments", _, kind @ ("instances" | "vms")]) => {
                let all = *kind == "instances";
                self.begin("retrieve vm-stats", move |director| director.states(all))
            }
            ("POST", ["deployments", _, "ssh"]) => {
                let body = request.json();
                self.begin("ssh: setup", move |director| director.ssh(&body))
            }
            _ => Answer::text(404, "Endpoint not found"),
        }
    }

    fn faults(&self) -> Result<Faults> {
        Faults::read(&self.dir)
    }

    fn knows(&self, request: &Request) -> bool {
        request.user() == Some((CLIENT.to_owned(), self.record.secret.clone()))
    }

    fn task(&self, number: &str, tell: impl FnOnce(&Task) -> Answer) -> Answer {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let found = number.parse().ok().and_then(|number| tasks.get(number));
        found.map_or_else(|| Answer::text(404, "no such task"), tell)
    }

    /// Begins a task and sends the client there.
    fn begin(
        self: &Arc<Self>,
        description: &str,
        work: impl FnOnce(&Self) -> Result<Vec<Value>, Failure> + Send + 'static,
    ) -> Answer {
        let lock = || self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        let number = lock().begin(description);
        let director = Arc::clone(self);
        std::thread::spawn(move || {
            let came_to = work(&director);
            let mut tasks = director.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            tasks.end(number, came_to);
        });
        Answer::redirect(&format!("https://{DIRECTOR}/tasks/{number}"))
    }

    /// What is on record of every instance: no agent is asked, and no task is made of it.
    fn recorded(&self) -> Answer {
        match self.faults() {
            Ok(faults) => {
                let all = self.record.instances.iter();
                let all = all.map(|one| view::recorded(one, &faults.of(&one.vm())));
                Answer::json(&all.collect())
            }
            Err(error) => Answer::text(500, &format!("{error:#}")),
        }
    }

    /// The state of every instance, or of every VM; agents are asked side by side.
    fn states(&self, all: bool) -> Result<Vec<Value>, Failure> {
        let faults = self.faults().map_err(|error| Failure::internal(&error))?;
        let asked = |instance: &Instance| {
            let fault = faults.of(&instance.vm());
            let state = match () {
                () if fault.without_vm => None,
                () if fault.silent_agent => {
                    let limit = faults.agent_seconds.unwrap_or(STATE_SECONDS).min(STATE_SECONDS);
                    std::thread::sleep(Duration::from_secs(limit));
                    None
                }
                () => agent::state(&self.dir, &self.record, instance),
            };
            (all || !fault.without_vm).then(|| view::instance(instance, &fault, state.as_ref()))
        };
        let found = std::thread::scope(|scope| {
            let asked: Vec<_> =
                self.record.instances.iter().map(|one| scope.spawn(|| asked(one))).collect();
            asked.into_iter().map(|one| one.join().unwrap_or_default()).collect::<Vec<_>>()
        });
        Ok(found.into_iter().flatten().collect())
    }

    /// Makes or removes accounts, one instance after the other, as a director does it.
    fn ssh(&self, body: &Value) -> Result<Vec<Value>, Failure> {
        let faults = self.faults().map_err(|error| Failure::internal(&error))?;
        let chosen = view::chosen(&self.record.instances, &body["target"])?;
        let with_vm = |one: &&Instance| !faults.of(&one.vm()).without_vm;
        let chosen: Vec<&Instance> = chosen.into_iter().filter(with_vm).collect();
        if chosen.is_empty() {
            return Err(Failure::new(
                70014,
                &format!("No instance with a VM in deployment '{DEPLOYMENT}' matched filter"),
            ));
        }
        let command = body["command"].as_str().unwrap_or_default();
        let mut answers = Vec::new();
        for instance in chosen {
            let fault = faults.of(&instance.vm());
            if fault.silent_agent {
                let seconds = faults.agent_seconds.unwrap_or(SSH_SECONDS);
                std::thread::sleep(Duration::from_secs(seconds));
                return Err(Failure::new(
                    450_002,
                    &format!(
                        "Timed out sending 'ssh' to instance: '{}', agent-id: '{}' after {seconds} seconds",
                        instance.name(),
                        instance.agent
                    ),
                ));
            }
            let mut answer = json!({
                "command": command, "status": "success", "id": instance.id, "index": instance.index,
                "job": instance.group, "ip": fault.address.as_ref().unwrap_or(&instance.address),
            });
            if faults.gateway {
                answer["gateway_host"] = json!(self.record.gateway.address);
                answer["gateway_user"] = json!(GATEWAY_USER);
            }
            let done = !fault.refusing_agent
                && agent::ssh(&self.dir, instance, command, &body["params"]).is_ok();
            if done {
                let key = agent::host_key(&self.dir, instance, fault.host_key);
                answer["host_public_key"] = json!(key.unwrap_or_default());
            } else {
                answer["status"] = json!("failure");
            }
            answers.push(answer);
        }
        // One line for all of them.
        Ok(vec![Value::Array(answers)])
    }
}
