//! What is written agrees with `docs/schemas`: every variant of every type, against schemas in which nothing undeclared
//! is allowed. The published schemas leave room for new fields, so they are closed here.
#![expect(clippy::disallowed_methods, reason = "a test reads the files that it is about")]

mod values;

use schema::Schema;
use serde_json::json;
use std::path::PathBuf;

fn closed(name: &str) -> Schema {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/schemas")
        .join(format!("{name}.schema.json"));
    let text = std::fs::read_to_string(&path).expect("the schema is there");
    let schema = Schema::closed(&text);
    assert_eq!(schema.name(), format!("{name}.schema.json"), "a schema is named as its file");
    schema
}

#[test]
fn a_plan() {
    let schema = closed("plan");
    for plan in [values::plan(), values::empty_plan()] {
        schema.accept(&serde_json::to_value(plan).expect("json"));
    }
}

#[test]
fn a_line_of_the_log_file() {
    let schema = closed("event");
    for event in values::events() {
        schema.accept(&serde_json::to_value(event).expect("json"));
    }
}

#[test]
fn a_line_of_the_journal() {
    let schema = closed("journal");
    let text = values::journal();
    for line in text.lines() {
        schema.accept(&serde_json::from_str(line).expect("json"));
    }
}

/// Fields that may be absent are absent in some value and present in another, so that `required` is put to the test too:
/// what every value has must be required, or a reader could not rely on it.
#[test]
fn what_is_always_there_is_required() {
    let plan = serde_json::to_value(values::plan()).expect("json");
    let schema = closed("plan");
    for key in ["schemaVersion", "tool", "toolVersion", "createdAt", "cluster", "phases"] {
        let mut less = plan.clone();
        less.as_object_mut().expect("an object").remove(key);
        schema.refuse(&less);
    }
    let step = &plan["phases"][0]["waves"][0]["steps"][0];
    for key in ["id", "target", "reason", "action", "verify", "undo"] {
        let mut less = plan.clone();
        less["phases"][0]["waves"][0]["steps"][0]
            .as_object_mut()
            .expect("an object")
            .remove(key)
            .expect("it is there");
        schema.refuse(&less);
    }
    assert!(step.get("node").is_some());
}

#[test]
fn a_schema_that_is_closed_refuses_what_it_does_not_declare() {
    let schema = closed("plan");
    let mut plan = serde_json::to_value(values::plan()).expect("json");
    plan["phases"][0]["surprise"] = json!(1);
    schema.refuse(&plan);
}
