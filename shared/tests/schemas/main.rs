//! What is written agrees with `docs/schemas`: every variant of every type, against schemas in which nothing undeclared
//! is allowed. The published schemas leave room for new fields, so they are closed here.
#![expect(clippy::disallowed_methods, reason = "a test reads the files that it is about")]

mod values;

use serde_json::{Value, json};
use std::path::PathBuf;

/// A schema of `docs/schemas`, in which an undeclared property is an error.
struct Schema {
    name: &'static str,
    schemas: boon::Schemas,
    index: boon::SchemaIndex,
}

impl Schema {
    fn closed(name: &'static str) -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../docs/schemas")
            .join(format!("{name}.schema.json"));
        let text = std::fs::read_to_string(&path).expect("the schema is there");
        let mut schema: Value = serde_json::from_str(&text).expect("the schema is JSON");
        assert_eq!(schema["$id"], format!("{name}.schema.json"), "a schema is named as its file");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        schema.as_object_mut().expect("an object").remove("$id");
        close(&mut schema);
        let mut schemas = boon::Schemas::new();
        let mut compiler = boon::Compiler::new();
        compiler.enable_format_assertions();
        let address = format!("memory:///{name}");
        compiler.add_resource(&address, schema).expect("a valid address");
        let index = compiler.compile(&address, &mut schemas).expect("the schema is valid");
        Self { name, schemas, index }
    }

    fn accept(&self, value: &Value) {
        if let Err(error) = self.schemas.validate(value, self.index) {
            panic!("{} does not describe {value:#}: {error:#}", self.name);
        }
    }

    fn refuse(&self, value: &Value) {
        assert!(
            self.schemas.validate(value, self.index).is_err(),
            "{} describes {value:#}",
            self.name
        );
    }
}

fn close(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map.contains_key("properties") {
                map.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            map.values_mut().for_each(close);
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn a_plan() {
    let schema = Schema::closed("plan");
    for plan in [values::plan(), values::empty_plan()] {
        schema.accept(&serde_json::to_value(plan).expect("json"));
    }
}

#[test]
fn a_line_of_the_log_file() {
    let schema = Schema::closed("event");
    for event in values::events() {
        schema.accept(&serde_json::to_value(event).expect("json"));
    }
}

#[test]
fn a_line_of_the_journal() {
    let schema = Schema::closed("journal");
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
    let schema = Schema::closed("plan");
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
    let schema = Schema::closed("plan");
    let mut plan = serde_json::to_value(values::plan()).expect("json");
    plan["phases"][0]["surprise"] = json!(1);
    schema.refuse(&plan);
}
