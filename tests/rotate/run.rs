//! The tool, run over trees with nothing else in its environment.

use crate::tree::Trees;
use snapbox::data::Inline;
use std::process::{Command, Stdio};

pub(crate) const TOOL: &str = env!("CARGO_BIN_EXE_kubectl-rotate_certs");

/// What a run came to.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn text(&self) -> String {
        format!("exit {}\n--- stdout\n{}--- stderr\n{}", self.code, self.stdout, self.stderr)
    }

    /// It ended so, and said each of these.
    #[track_caller]
    pub(crate) fn ends(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{}", self.text());
        for word in words {
            assert!(self.text().contains(word), "no `{word}` in {}", self.text());
        }
        self
    }

    /// What was printed, without what differs from run to run.
    #[track_caller]
    pub(crate) fn prints(&self, expected: Inline) {
        let assert = snapbox::Assert::new().action_env("SNAPSHOTS").normalize_paths(false);
        assert.eq(redacted(&self.text()), expected);
    }
}

/// Digests, names of generations and times, taken out.
fn redacted(text: &str) -> String {
    let mut text = text.to_owned();
    for (pattern, word) in [
        (r"\d{8}T\d{6}Z-[0-9a-f]{4}", "GENERATION"),
        (r"\d{4}(-\d\d){5}\.pem", "DATE.pem"),
        (r"\b[0-9a-f]{8}\b", "DIGEST"),
        (r"\d\d:\d\d:\d\d ", ""),
        (r"\(\d+\.\d s\)", "(SECONDS)"),
    ] {
        // The old kubelet's date is told from the new one's.
        let old = text.replace("2026-11-01-00-00-00.pem", "OLD.pem");
        text = regex::Regex::new(pattern).unwrap().replace_all(&old, word).into_owned();
    }
    text
}

/// The words of a line, with what every run over trees has; `status` and `plan` change nothing and ask nothing.
pub(crate) fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
    words.insert(1, "--offline".to_owned());
    if !matches!(words[0].as_str(), "plan" | "status") {
        words.push("--yes".to_owned());
    }
    words
}

/// With nothing in its environment but where programs are.
pub(crate) fn bare<'a>(command: &'a mut Command, trees: &Trees) -> &'a mut Command {
    command
        .env_clear()
        .env("PATH", std::env::var("PATH").unwrap_or_default())
        .current_dir(trees.root())
        .stdin(Stdio::null())
}

pub(crate) fn outcome(command: &mut Command) -> Outcome {
    let output = command.output().unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Trees {
    /// Runs a verb that rotates.
    pub(crate) fn run(&self, line: &str) -> Outcome {
        outcome(bare(Command::new(TOOL).args(words(line)), self))
    }

    /// Runs anything else of the tool, as it is written.
    pub(crate) fn tool(&self, line: &str) -> Outcome {
        outcome(bare(Command::new(TOOL).args(line.split_whitespace()), self))
    }

    /// Runs it by another program, which is told the tool and its arguments.
    pub(crate) fn run_by(&self, program: &[&str], line: &str) -> Outcome {
        let mut command = Command::new(program[0]);
        outcome(bare(command.args(&program[1..]).arg(TOOL).args(words(line)), self))
    }
}

/// Begins a verb, and does not wait for its end.
pub(crate) fn spawn(trees: &Trees, line: &str) -> std::process::Child {
    let mut command = Command::new(TOOL);
    bare(command.args(words(line)), trees)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}
