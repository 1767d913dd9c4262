//! What `-o json` prints agrees with `docs/schemas`, in which nothing undeclared is allowed here.

use super::{presets, report};
use crate::TOOL;
use crate::cli::Args;
use clap::Parser as _;
use rotation_core::apply::outcome::{Outcome, Proof, Report};
use rotation_core::cli::console::Console;
use rotation_core::cli::environment::Environment;
use rotation_core::facts::identity::{ClusterIdentity, ObjectRef};
use rotation_core::plan::document::{
    Action, Phase, Plan, SCHEMA_VERSION, SkipReason, Skipped, Step, Wave,
};
use rotation_core::tell::human::Manner;
use rotation_core::tell::screen::{Screen, Stream};
use schema::Schema;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

/// Stdout that is kept.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("one thread").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Kept {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.0.lock().expect("one thread")).expect("stdout is one document")
    }
}

fn console() -> (Console, Kept) {
    let kept = Kept::default();
    let stream = |writer: Box<dyn Write + Send>| Stream { writer, terminal: false, colour: false };
    let console = Console {
        tool: TOOL,
        environment: Environment::default(),
        screen: Screen::new(
            stream(Box::new(kept.clone())),
            stream(Box::new(io::sink())),
            Box::new(|| 80),
        ),
        manner: Manner::Quiet,
        can_ask: false,
    };
    (console, kept)
}

/// A plan of one step for each outcome and one without, and what became of it.
fn run(interrupted: bool) -> (Plan, Report) {
    let text = || "x".to_owned();
    let outcomes = [
        Outcome::Done {
            proof: Proof {
                replacement: Some(text()),
                replacement_uid: Some(text()),
                node: Some(text()),
                note: Some(text()),
            },
            millis: 5,
            changed: true,
        },
        Outcome::Failed { reason: text(), message: text(), changed: true },
        Outcome::Unproven { waiting_for: text() },
        Outcome::Blocked { by: text() },
        Outcome::UnderWay { changed: false },
        Outcome::NotBegun { why: text() },
    ];
    let step = |index: usize| Step {
        id: index.to_string(),
        target: ObjectRef {
            kind: "Pod".into(),
            namespace: "n".into(),
            name: text(),
            uid: "u".into(),
        },
        node: index.is_multiple_of(2).then(text),
        reason: text(),
        expect: vec![],
        action: Action::AwaitPod,
        verify: vec![],
        undo: text(),
        replaces: None,
    };
    let steps: Vec<Step> = (0..=outcomes.len()).map(step).collect();
    let plan = Plan {
        schema_version: SCHEMA_VERSION.into(),
        tool: text(),
        tool_version: text(),
        created_at: jiff::Timestamp::UNIX_EPOCH,
        cluster: ClusterIdentity { uid: "c".into(), server: text() },
        skipped: vec![Skipped {
            target: steps[0].target.clone(),
            reason: SkipReason::Static,
            message: text(),
            refused: true,
        }],
        phases: vec![Phase {
            name: text(),
            waves: vec![Wave { name: text(), max_unavailable: 1, max_failures: 1, steps }],
        }],
        notes: vec![],
    };
    let outcomes = outcomes.into_iter().enumerate().map(|(i, o)| (i.to_string(), o)).collect();
    (plan, Report { outcomes, interrupted, ..Report::default() })
}

#[test]
fn the_result_of_a_run() {
    let schema = include_str!("../../../docs/schemas/recycle-result.schema.json");
    let schema = Schema::closed(schema);
    let args = Args::try_parse_from(["kubectl-recycle", "dns", "-o", "json"]).expect("arguments");
    for interrupted in [false, true] {
        let (plan, report) = run(interrupted);
        let (console, kept) = console();
        report::print(&args, &console, &plan, &report).expect("printed");
        schema.accept(&kept.json());
    }
}

#[test]
fn the_presets() {
    let api = double::Api::start();
    api.put(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"namespace": "kube-system", "name": "coredns-a", "labels": {"k8s-app": "kube-dns"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }));
    let words = ["kubectl-recycle", "presets", "-o", "json", "--server", &api.url()];
    let args = Args::try_parse_from(words).expect("arguments");
    let (console, kept) = console();
    presets::run(&args, &console).expect("shown");
    let value = kept.json();
    let schema = include_str!("../../../docs/schemas/recycle-presets.schema.json");
    Schema::closed(schema).accept(&value);
    assert_eq!(value["presets"][0]["pods"], 1, "{value:#}");
}
