//! Whether JSON is as a schema says: for tests inside of the crate and outside.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

/// A schema that can be asked.
pub(crate) struct Validator {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Validator {
    /// Of a schema, which must be one by its own rules.
    pub(crate) fn new(schema: &Value) -> Self {
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        let place = schema["$id"].as_str().unwrap_or("memory:schema").to_owned();
        compiler.add_resource(&place, schema.clone()).expect("a resource");
        let index = compiler.compile(&place, &mut schemas);
        let index = index.unwrap_or_else(|error| panic!("no valid schema: {error:#}"));
        Self { schemas, index }
    }

    /// What is wrong with a value.
    pub(crate) fn complaint(&self, value: &Value) -> Option<String> {
        self.schemas.validate(value, self.index).err().map(|error| format!("{error:#}"))
    }
}
