//! The JSON Schema of the language, for editors: completion, documentation and checks while typing.
//!
//! It says less than `benchrig check` (a schema knows no marks and no captures), and never more: what
//! decodes is valid. Source: JSON Schema, draft 2020-12.

use serde_json::{Map, Value, json};

use super::parser::SCENARIO;
use super::reference::{Key, Kind, Need, Reference};
use super::step_list;
use crate::steps::AnyStep;

/// Where the schema is found.
pub const ID: &str =
    "https://raw.githubusercontent.com/benchrig/benchrig/main/docs/scenario.schema.json";

/// The schema of a scenario file.
pub fn schema() -> Value {
    let mut schema = value(&SCENARIO.value);
    let fields = object(&mut schema);
    fields.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    fields.insert("$id".into(), ID.into());
    fields.insert("title".into(), "benchrig scenario, version 1".into());
    fields.insert("$defs".into(), json!({"placeholder": placeholder(), "step": step()}));
    schema
}

/// Every step with what it is described by, the one that only reading knows included.
pub fn steps() -> impl Iterator<Item = (&'static str, &'static Reference)> {
    AnyStep::REFERENCES.iter().copied().chain([(step_list::INCLUDE, &step_list::REFERENCE)])
}

/// One item of a list of steps.
fn step() -> Value {
    let mut properties = Map::new();
    let label = json!({"type": "string", "description": "A label for the report."});
    properties.insert("name".into(), label);
    let mut bare = Vec::new();
    for (name, reference) in steps() {
        let mut schema = value(&reference.value);
        let described = object(&mut schema);
        described.insert("description".into(), reference.doc.into());
        properties.insert(name.into(), schema);
        if may_be_bare(&reference.value) {
            bare.push(name);
        }
    }
    let one: Vec<_> = steps().map(|(name, _)| json!({"required": [name]})).collect();
    json!({
        "anyOf": [
            {"enum": bare},
            {
                "type": "object",
                "properties": properties,
                "additionalProperties": false,
                "oneOf": one,
            },
        ],
    })
}

fn may_be_bare(kind: &Kind) -> bool {
    match kind {
        Kind::Nothing => true,
        Kind::Either(kinds) => kinds.iter().any(may_be_bare),
        _ => false,
    }
}

/// `{{name}}` may stand in the place of anything that is no list and no mapping.
fn placeholder() -> Value {
    json!({"type": "string", "pattern": r"\{\{.*\}\}"})
}

/// What a value may be. Scalars are what YAML's core schema makes of them: `1.0` is a number and
/// still a text.
fn value(kind: &Kind) -> Value {
    let quantity = |units: &str, bare: Value| {
        let pattern = format!(r"^\s*[0-9]+(\.[0-9]+)?\s*({units})\s*$");
        or_placeholder(json!([{"type": "string", "pattern": pattern}, bare]))
    };
    match kind {
        Kind::Nothing => json!({"type": "null"}),
        Kind::Text | Kind::Template | Kind::Regex | Kind::Path => {
            json!({"type": ["string", "number", "boolean"]})
        }
        Kind::Duration => quantity(r"[nN][sS]|[uUµ][sS]|[mM][sS]|[sS]|[mM][iI][nN]|[hH]", zero()),
        Kind::Size => quantity(
            "[bB]|[kKmMgG]([iI]?[bB])?",
            json!({"anyOf": [{"type": "integer", "minimum": 0}, zero()]}),
        ),
        Kind::Frequency => quantity("[kKmM]?[hH][zZ]", zero()),
        Kind::Share => quantity("%", zero()),
        Kind::Signal => or_placeholder(json!([
            {"type": "string", "pattern": r"^\s*-?[0-9]+\s*[dD][bB][mM]\s*$"},
        ])),
        Kind::Limit => {
            let pattern = r"^\s*([<>]=?)?\s*([0-9]+(\.[0-9]+)?\s*([nN][sS]|[uUµ][sS]|[mM][sS]|[sS]|[mM][iI][nN]|[hH])|0)\s*$";
            or_placeholder(json!([{"type": "string", "pattern": pattern}, zero()]))
        }
        Kind::Number(min, max) => {
            or_placeholder(json!([{"type": "integer", "minimum": min, "maximum": max}]))
        }
        Kind::Decimal => or_placeholder(json!([{"type": "number"}])),
        Kind::Flag => or_placeholder(json!([{"type": "boolean"}])),
        Kind::Words(words) => {
            // `0` and `1` are words that YAML takes for numbers.
            let numbers = words.iter().filter_map(|word| word.parse::<i64>().ok());
            let words = words.iter().map(|word| json!(word)).chain(numbers.map(|n| json!(n)));
            or_placeholder(json!([{"enum": words.collect::<Vec<_>>()}]))
        }
        Kind::Hex => json!({"type": ["string", "integer", "number"]}),
        Kind::Pin => or_placeholder(json!([
            {"type": "integer", "minimum": 0, "maximum": 39},
            {"type": "string", "pattern": "^((GPIO)*[Dd]*[0-9]{1,3}|[TR]X[02]?|V[PN])$"},
        ])),
        Kind::Steps => json!({"type": "array", "items": {"$ref": "#/$defs/step"}}),
        Kind::List(kind) => {
            json!({"anyOf": [value(kind), {"type": "array", "items": value(kind)}]})
        }
        Kind::Items(kind) => json!({"type": "array", "items": value(kind), "minItems": 1}),
        Kind::Named(kind) => json!({"type": "object", "additionalProperties": value(kind)}),
        Kind::Keys(keys) => mapping(keys),
        Kind::Either(kinds) => json!({"anyOf": kinds.iter().map(value).collect::<Vec<_>>()}),
    }
}

/// A quantity of nothing needs no unit.
fn zero() -> Value {
    json!({"enum": [0, "0"]})
}

fn or_placeholder(mut alternatives: Value) -> Value {
    if let Some(list) = alternatives.as_array_mut() {
        list.push(json!({"$ref": "#/$defs/placeholder"}));
    }
    json!({ "anyOf": alternatives })
}

fn mapping(keys: &[Key]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut schema = value(&key.kind);
        let described = object(&mut schema);
        described.insert("description".into(), key.doc.into());
        if let Need::Default(default) = key.need {
            described.insert("default".into(), default.into());
        }
        properties.insert(key.name.into(), schema);
    }
    let named = |need: Need| keys.iter().filter(move |key| key.need == need).map(|key| key.name);
    let required: Vec<_> = named(Need::Required).collect();
    let alternatives =
        |need: Need| named(need).map(|name| json!({"required": [name]})).collect::<Vec<_>>();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    let fields = object(&mut schema);
    if !required.is_empty() {
        fields.insert("required".into(), required.into());
    }
    for (need, word) in [(Need::OneOf, "oneOf"), (Need::AnyOf, "anyOf")] {
        let alternatives = alternatives(need);
        if !alternatives.is_empty() {
            fields.insert(word.into(), alternatives.into());
        }
    }
    schema
}

/// The members of a schema that was made here, which is always an object.
fn object(schema: &mut Value) -> &mut Map<String, Value> {
    if !schema.is_object() {
        *schema = json!({});
    }
    schema.as_object_mut().expect("it has just been made one")
}
