//! Compares documents with their published schemas. Those leave room for new fields; here nothing undeclared is allowed.

use serde_json::Value;

/// A schema, in which an undeclared property is an error.
pub struct Schema {
    name: String,
    schemas: boon::Schemas,
    index: boon::SchemaIndex,
}

impl Schema {
    /// Reads a schema.
    ///
    /// # Panics
    ///
    /// Where it is none, has no name, or is not of the draft of 2020-12.
    pub fn closed(text: &str) -> Self {
        let mut schema: Value = serde_json::from_str(text).expect("the schema is JSON");
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        let id = schema.as_object_mut().expect("an object").remove("$id");
        let name = id.as_ref().and_then(Value::as_str).expect("a schema has a name").to_owned();
        close(&mut schema);
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.enable_format_assertions();
        let address = format!("memory:///{name}");
        compiler.add_resource(&address, schema).expect("a valid address");
        let index = compiler.compile(&address, &mut schemas).expect("the schema is valid");
        Self { name, schemas, index }
    }

    /// What it is called: the name of its file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is wrong with a document.
    pub fn fault(&self, value: &Value) -> Option<String> {
        let error = self.schemas.validate(value, self.index).err()?;
        Some(format!("{} does not describe {value:#}: {error:#}", self.name))
    }

    /// Fails where it does not describe a document.
    ///
    /// # Panics
    ///
    /// Then.
    pub fn accept(&self, value: &Value) {
        if let Some(fault) = self.fault(value) {
            panic!("{fault}");
        }
    }

    /// Fails where it describes a document.
    ///
    /// # Panics
    ///
    /// Then.
    pub fn refuse(&self, value: &Value) {
        assert!(self.fault(value).is_some(), "{} describes {value:#}", self.name);
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

#[cfg(test)]
mod tests {
    use super::Schema;
    use serde_json::json;

    #[test]
    fn what_is_undeclared_is_refused_at_every_depth() {
        let text = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "x.schema.json",
            "type": "object", "properties": { "a": { "type": "object", "properties": { "b": {} } } },
        });
        let schema = Schema::closed(&text.to_string());
        schema.accept(&json!({ "a": { "b": 1 } }));
        schema.refuse(&json!({ "a": { "c": 1 } }));
        schema.refuse(&json!({ "d": 1 }));
        assert_eq!(schema.name(), "x.schema.json");
    }
}
