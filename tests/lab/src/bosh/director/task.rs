//! Tasks: what a director does while its client asks again and again whether it is done.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::http::Answer;

/// Why a task failed.
pub(super) struct Failure {
    code: u32,
    message: String,
}

impl Failure {
    pub(super) fn new(code: u32, message: &str) -> Self {
        Self { code, message: message.to_owned() }
    }

    pub(super) fn internal(error: &anyhow::Error) -> Self {
        Self::new(100, &format!("{error:#}"))
    }
}

/// One task.
pub(super) struct Task {
    number: u32,
    description: String,
    begun: Timestamp,
    result: Option<Result<String, Failure>>,
}

impl Task {
    /// `GET /tasks/N`.
    pub(super) fn describe(&self) -> Answer {
        let state = match &self.result {
            None => "processing",
            Some(Ok(_)) => "done",
            Some(Err(_)) => "error",
        };
        let message = match &self.result {
            Some(Err(failure)) => failure.message.as_str(),
            _ => "",
        };
        Answer::json(&json!({
            "id": self.number, "state": state, "description": self.description, "result": message,
            "user": super::CLIENT, "deployment": super::DEPLOYMENT, "context_id": "",
            "timestamp": self.begun.as_second(), "started_at": self.begun.as_second(),
        }))
    }

    /// `GET /tasks/N/output?type=...`, from where the client has read already.
    pub(super) fn output(&self, kind: &str, range: Option<&str>) -> Answer {
        let text = match (kind, &self.result) {
            ("result", Some(Ok(text))) => text.clone(),
            ("event", Some(Err(failure))) => {
                let error = json!({"code": failure.code, "message": failure.message});
                format!("{}\n", json!({"time": self.begun.as_second(), "error": error}))
            }
            _ => String::new(),
        };
        let from = range.and_then(|range| range.strip_prefix("bytes="));
        let from: usize =
            from.and_then(|from| from.split('-').next()?.parse().ok()).unwrap_or_default();
        match text.get(from..) {
            None | Some("") if range.is_some() => Answer::text(416, "Range not satisfiable"),
            Some(rest) if range.is_some() => Answer::text(206, rest),
            rest => Answer::text(200, rest.unwrap_or_default()),
        }
    }
}

/// All tasks; their numbers go on where an earlier director ended.
pub(super) struct Tasks {
    file: PathBuf,
    last: u32,
    all: BTreeMap<u32, Task>,
}

impl Tasks {
    pub(super) fn open(dir: &Path) -> Self {
        let file = dir.join("last-task");
        let last = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse().ok());
        Self { file, last: last.unwrap_or(0), all: BTreeMap::new() }
    }

    pub(super) fn get(&self, number: u32) -> Option<&Task> {
        self.all.get(&number)
    }

    pub(super) fn begin(&mut self, description: &str) -> u32 {
        self.last += 1;
        let task = Task {
            number: self.last,
            description: description.to_owned(),
            begun: Timestamp::now(),
            result: None,
        };
        self.all.insert(self.last, task);
        // It only makes numbers unlike after a restart; without it they begin again.
        let _ = fs::write(&self.file, self.last.to_string());
        self.last
    }

    /// Notes what a task came to: one line for each value.
    pub(super) fn end(&mut self, number: u32, came_to: Result<Vec<Value>, Failure>) {
        if let Some(task) = self.all.get_mut(&number) {
            let lines = |values: Vec<Value>| {
                values.iter().flat_map(|value| [value.to_string(), "\n".to_owned()]).collect()
            };
            task.result = Some(came_to.map(lines));
        }
    }
}
