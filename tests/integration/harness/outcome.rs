//! What a run of the tool came to, without what differs from run to run.

use regex::Regex;
use snapbox::data::Inline;
use std::process::Output;
use std::sync::OnceLock;

/// Exit code, stdout, stderr.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The sandbox's directory, as it appears in the output.
    pub(crate) home: String,
}

impl Outcome {
    pub(crate) fn new(output: &Output, home: String) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            home,
        }
    }

    /// All of it in one text.
    pub(crate) fn text(&self) -> String {
        let code = self.code.map_or("signal".to_owned(), |code| code.to_string());
        let text = format!("exit {code}\n--- stdout\n{}--- stderr\n{}", self.stdout, self.stderr);
        plain(&text.replace(&self.home, "[HOME]"))
    }

    /// Compares all of it with one literal: `[..]` stands for anything in a line, `...` for any lines.
    ///
    /// Without the lines about waits, which are told only where the machine takes its time.
    #[track_caller]
    pub(crate) fn is(&self, expected: Inline) {
        let text = self.text();
        let told = text.split_inclusive('\n').filter(|line| !line.contains(": waiting for "));
        snapbox::Assert::new().action_env("SNAPSHOTS").eq(told.collect::<String>(), expected);
    }

    /// The exit code; what was said is shown where it is another.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{}", self.text());
        self
    }

    /// Something that is said on stderr.
    #[track_caller]
    pub(crate) fn says(&self, words: &str) -> &Self {
        assert!(self.stderr.contains(words), "it does not say {words:?}:\n{}", self.text());
        self
    }

    /// Lines of stderr that hold these words, without what differs.
    pub(crate) fn lines(&self, words: &str) -> Vec<String> {
        let hits = self.stderr.lines().filter(|line| line.contains(words));
        hits.map(|line| plain(&line.replace(&self.home, "[HOME]"))).collect()
    }

    /// Something that is said nowhere.
    #[track_caller]
    pub(crate) fn never_says(&self, words: &str) -> &Self {
        let said = self.stdout.contains(words) || self.stderr.contains(words);
        assert!(!said, "it says {words:?}:\n{}", self.text());
        self
    }

    /// The document on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("no document, {error}:\n{}", self.text()))
    }
}

/// Takes out names, times and places that are new in each run.
fn plain(text: &str) -> String {
    static RULES: OnceLock<Vec<(Regex, &str)>> = OnceLock::new();
    let rules = RULES.get_or_init(|| {
        // Kubernetes makes names of these letters only, so that they never form a word.
        let letter = "[bcdfghjklmnpqrstvwxz2456789]";
        [
            (r"\S+/rotation/[a-z-]+/\S+\.jsonl".to_owned(), "[JOURNAL]"),
            (r"\S+/rotation/[a-z-]+/\S+\.backup".to_owned(), "[BACKUP]"),
            (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}".to_owned(), "[UID]"),
            (r"https?://127\.\d+\.\d+\.\d+:\d+".to_owned(), "[SERVER]"),
            (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( UTC|Z)?".to_owned(), "[TIME]"),
            (r"\b\d\d:\d\d:\d\dZ".to_owned(), "[CLOCK]"),
            (format!(r"-{letter}{{6,10}}-{letter}{{5}}\b"), "-[ID]"),
            (format!(r"-{letter}{{5}}\b"), "-[ID]"),
            (r"\b(\d+h ?)?(\d+m ?)?\d+(\.\d+)? ?m?s\b".to_owned(), "[TOOK]"),
            (r"(\S)  +".to_owned(), "$1  "),
            (r"(?m) +$".to_owned(), ""),
        ]
        .into_iter()
        .map(|(rule, by)| (Regex::new(&rule).expect("a rule"), by))
        .collect()
    });
    rules.iter().fold(text.to_owned(), |text, (rule, by)| rule.replace_all(&text, *by).into_owned())
}
