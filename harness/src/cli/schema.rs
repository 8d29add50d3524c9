//! `benchrig schema`: the language as a JSON Schema, or as a page to read; the events as a schema.

use schemars::schema_for;

use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::runner::events::Event;
use crate::scenario::manual::manual;
use crate::scenario::schema::schema;
use crate::wokwi::support_page;

/// Print the JSON Schema of the scenario language
///
/// An editor that knows it completes and checks while you type. The committed copy is
/// docs/scenario.schema.json; name it in the first line of a scenario:
/// # yaml-language-server: $schema=../docs/scenario.schema.json
#[derive(Debug, clap::Args)]
pub(super) struct Schema {
    /// Print the reference of all steps in Markdown instead
    #[arg(long)]
    manual: bool,

    /// Print the JSON Schema of one line of `benchrig run --json` instead; the committed copy is
    /// docs/events.schema.json
    #[arg(long, conflicts_with = "manual")]
    events: bool,

    /// Print what of Wokwi is supported in Markdown instead; the committed copy is
    /// docs/wokwi-support.md
    #[arg(long, conflicts_with_all = ["manual", "events"])]
    wokwi: bool,
}

impl Schema {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        // A value made of strings, numbers and lists can always be written.
        let text = match self {
            Self { manual: true, .. } => manual(),
            Self { events: true, .. } => events(),
            Self { wokwi: true, .. } => support_page(),
            _ => format!("{:#}\n", schema()),
        };
        terminal.say(text.trim_end());
        ExitCode::Passed
    }
}

fn events() -> String {
    format!("{:#}\n", schema_for!(Event).to_value())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::json_schema::Validator;
    use crate::reports::testing_events;

    fn committed() -> serde_json::Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/events.schema.json");
        serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
    }

    #[test]
    fn the_committed_schema_is_that_of_the_types() {
        assert!(
            committed() == schema_for!(Event).to_value(),
            "write it anew: cargo run -- schema --events > docs/events.schema.json"
        );
    }

    #[test]
    fn every_event_is_as_the_schema_says() {
        let validator = Validator::new(&committed());
        let mut kinds = BTreeSet::new();
        for event in testing_events() {
            let value = serde_json::to_value(&event).unwrap();
            assert_eq!(validator.complaint(&value), None, "{value}");
            kinds.insert(value["event"].as_str().unwrap().to_owned());
        }
        for kind in ["case-started", "image", "serial", "pin", "crash", "case-finished"] {
            assert!(kinds.contains(kind), "{kind}");
        }
        let wrong = serde_json::json!({"event": "serial", "case": 0, "port": "uart9"});
        assert!(validator.complaint(&wrong).is_some());
    }

    #[test]
    fn the_schema_explains_every_event_and_every_field() {
        let schema = committed();
        for kind in schema["oneOf"].as_array().unwrap() {
            assert!(kind["description"].is_string(), "{kind}");
            for (name, field) in kind["properties"].as_object().unwrap() {
                assert!(name == "event" || field["description"].is_string(), "{name}: {kind}");
            }
        }
    }
}
