//! Lists of steps: those of a scenario, those inside of a step, and those of an included file.
//!
//! `include` is a matter of reading only: its steps take its place in the list, each with the text
//! it stands in.

use std::path::{Component, Path};
use std::sync::Arc;

use super::decode::{Decode, Decoder, Fields, UnknownKeys, list};
use super::fault::{Fault, FaultCode, SourceText, nearest};
use super::model::{Dialect, Spanned, StepEntry};
use super::node::{self, Node, Value};
use super::reference::{Group, Key, Kind, Reference};
use crate::runner::session::confined;
use crate::steps::AnyStep;

/// The step that stands for the steps of another file.
pub const INCLUDE: &str = "include";
/// What it is.
pub const REFERENCE: Reference = Reference {
    group: Group::Flow,
    doc: "The steps of another file stand in its place. The file is a list of steps, or a mapping with `steps` and perhaps a `description`; it may use the parameters of the scenario and the values of `with`.",
    value: Kind::Either(&[
        Kind::Path,
        Kind::Keys(&[
            Key::required("file", Kind::Path, "The file."),
            Key::optional("with", Kind::Named(&Kind::Text), "Values for its `{{name}}`s."),
        ]),
    ]),
    examples: &[
        "include: scenarios/_lib/flash.yaml",
        "include: {file: scenarios/_lib/join.yaml, with: {ssid: bench}}",
    ],
};
/// Files including files including files: deeper than this is a mistake.
const MAX_DEPTH: usize = 8;
/// More steps than this in one case are a mistake, such as files that include each other twice.
const MAX_STEPS: usize = 100_000;

/// Reads a list of steps; `None` in it for each that is wrong.
pub fn read(node: &Node, decoder: &mut Decoder) -> Option<Vec<Option<StepEntry>>> {
    let Value::List(items) = &node.value else {
        return decoder.wrong(node, "a list of steps");
    };
    let mut steps = Vec::new();
    for item in items {
        // This has been said; the rest would only be more of the same.
        if decoder.steps() > MAX_STEPS {
            return None;
        }
        if let Some(included) = included(item) {
            match include(included, decoder) {
                Some(included) => steps.extend(included),
                None => steps.push(None),
            }
            continue;
        }
        if decoder.count_step() > MAX_STEPS {
            let message = format!("more than {MAX_STEPS} steps");
            return decoder.bad(item.span.clone(), message);
        }
        steps.push(step(item, decoder));
    }
    Some(steps)
}

/// Steps inside of a step: at least one.
#[derive(Debug, Clone)]
pub struct Steps(pub Vec<StepEntry>);

impl Decode for Steps {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match &node.value {
            Value::List(items) if items.is_empty() => decoder.wrong(node, "at least one step"),
            _ => read(node, decoder)?.into_iter().collect::<Option<_>>().map(Self),
        }
    }
}

fn step(item: &Node, decoder: &mut Decoder) -> Option<StepEntry> {
    let nothing =
        Node { span: item.span.clone(), value: Value::Scalar { text: String::new(), plain: true } };
    let (label, key, value) = match &item.value {
        // A bare word: a step without fields.
        Value::Scalar { .. } => (None, item, &nothing),
        Value::List(_) => return decoder.wrong(item, "a step"),
        Value::Map(entries) => {
            let is_label = |key: &Node| key.as_text() == Some("name");
            let label = entries.iter().find(|(key, _)| is_label(key)).map(|(_, value)| value);
            let keys: Vec<_> = entries.iter().filter(|(key, _)| !is_label(key)).collect();
            match keys.as_slice() {
                [] => return decoder.bad(item.span.clone(), "this step does nothing".to_owned()),
                [(key, value)] => (label, key, value),
                [_, (second, _), ..] if decoder.dialect() == Dialect::Benchrig => {
                    let message = "one step does one thing".to_owned();
                    let fault = Fault::new(FaultCode::BadValue, second.span.clone(), message);
                    decoder.fault(fault.help("put a `-` before each step; `name` is its label"));
                    return None;
                }
                several => {
                    let (key, value) = wokwis_choice(several, decoder)?;
                    (label, key, value)
                }
            }
        }
    };
    let label = match label {
        Some(node) => Some(String::decode(node, decoder)?),
        None => None,
    };
    let step = named(key, value, decoder)?;
    let canonical = canonical(&step, value);
    let (source, span) = (decoder.source().clone(), item.span.clone());
    Some(StepEntry { label, source, span, step, canonical })
}

/// The step with all that it takes from other files.
fn canonical(step: &AnyStep, value: &Node) -> String {
    let mut canonical = format!("{}:{}", step.name(), value.canonical());
    let facts = step.facts();
    let branches = facts.branches.iter().map(|branch| &*branch.steps.0);
    for entry in facts.inner.iter().copied().chain(branches).flatten() {
        canonical.push_str(&format!(" [{}]", entry.canonical));
    }
    for template in facts.templates {
        canonical.push_str(&format!(" {:?}", template.shown()));
    }
    canonical
}

fn named(key: &Node, value: &Node, decoder: &mut Decoder) -> Option<AnyStep> {
    let Some(name) = key.as_text() else { return decoder.wrong(key, "the name of a step") };
    match AnyStep::decode(name, value, decoder) {
        Some(step) => step,
        None => {
            decoder.fault(unknown_step(name, key));
            None
        }
    }
}

/// Of several things in one step wokwi-cli checks all and does the one that is first in its own
/// order.
fn wokwis_choice<'n>(
    several: &[&'n (Node, Node)],
    decoder: &mut Decoder,
) -> Option<(&'n Node, &'n Node)> {
    const ORDER: [&str; 11] = [
        "delay",
        "expect-chip-output",
        "expect-pin",
        "set-control",
        "wait-serial",
        "write-serial",
        "take-screenshot",
        "touch",
        "touch-press",
        "touch-release",
        "touch-move",
    ];
    let all: Vec<_> = several.iter().map(|(key, value)| named(key, value, decoder)).collect();
    let rank = |key: &Node| ORDER.iter().position(|name| key.as_text() == Some(name));
    let (key, value) = several.iter().min_by_key(|(key, _)| rank(key).unwrap_or(ORDER.len()))?;
    let ignored = several.iter().filter(|(other, _)| other.span != key.span);
    for (other, _) in ignored {
        let (done, not) = (key.as_text().unwrap_or_default(), other.as_text().unwrap_or_default());
        let message = format!("of several things in one step only `{done}` is done, not `{not}`");
        let fault = Fault::new(FaultCode::Unused, other.span.clone(), message);
        decoder.fault(fault.warning().help("put a `-` before each step"));
    }
    all.iter().all(Option::is_some).then_some((key, value))
}

fn unknown_step(name: &str, key: &Node) -> Fault {
    let names = || AnyStep::NAMES.iter().copied().chain([INCLUDE]);
    let message = format!("there is no step `{name}`");
    let fault = Fault::new(FaultCode::UnknownStep, key.span.clone(), message)
        .help(format!("steps: {}", list(names())));
    match nearest(name, names()) {
        Some(near) => fault.label(format!("did you mean `{near}`?")),
        None => fault,
    }
}

/// The value of an `include`, if the item is one.
fn included(item: &Node) -> Option<&Node> {
    match &item.value {
        Value::Map(entries) => match entries.as_slice() {
            [(key, value)] if key.as_text() == Some(INCLUDE) => Some(value),
            _ => None,
        },
        _ => None,
    }
}

fn include(node: &Node, decoder: &mut Decoder) -> Option<Vec<Option<StepEntry>>> {
    let (file, values) = include_fields(node, decoder)?;
    let path = match confined(&file.text) {
        Ok(path) => clean(path),
        Err(reason) => {
            let message = format!("the path `{}` {reason}", file.text);
            return decoder.bad(file.span, message);
        }
    };
    if decoder.including().contains(&path) {
        let way = decoder.including().iter().chain([&path]).map(String::as_str);
        let message = format!("this file includes itself: {}", way.collect::<Vec<_>>().join(" > "));
        return decoder.bad(file.span, message);
    }
    if decoder.including().len() >= MAX_DEPTH {
        let message = format!("files are included deeper than {MAX_DEPTH} levels");
        return decoder.bad(file.span, message);
    }
    let text = match decoder.read(&path) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("`{path}` cannot be included: {error}");
            let fault = Fault::new(FaultCode::BadValue, file.span, message);
            decoder.fault(fault.help("paths start at the root of the project"));
            return None;
        }
    };
    let source = Arc::new(SourceText { name: path.clone(), text });
    let mut duplicates = Vec::new();
    let tree = node::parse(&source.text, &mut duplicates);
    duplicates.into_iter().for_each(|fault| decoder.fault(fault.in_text(&source)));
    let mut tree = match tree {
        Ok(tree) => tree,
        Err(fault) => {
            decoder.fault(fault.in_text(&source));
            return None;
        }
    };
    let with = values.iter().map(|(name, value)| (name.text.clone(), value.clone())).collect();
    let used = decoder.substitute(&mut tree, &with);
    for (name, _) in values.iter().filter(|(name, _)| !used.contains(&name.text)) {
        let message = format!("nothing in `{path}` uses the value `{}`", name.text);
        decoder.fault(Fault::new(FaultCode::Unused, name.span.clone(), message));
    }
    decoder.inside(path, source, |decoder| {
        if matches!(tree.value, Value::List(_)) {
            return read(&tree, decoder);
        }
        let mut fields = Fields::new(&tree, "an included file", decoder)?;
        let description = fields.optional::<String>("description", decoder);
        let steps = match fields.node("steps") {
            Some(node) => read(node, decoder),
            None => {
                fields.missing("steps");
                None
            }
        };
        fields.finish(UnknownKeys::Deny, decoder);
        description?;
        steps
    })
}

type With = Vec<(Spanned, String)>;

fn include_fields(node: &Node, decoder: &mut Decoder) -> Option<(Spanned, With)> {
    if matches!(node.value, Value::Scalar { .. }) {
        return Some((Spanned::decode(node, decoder)?, Vec::new()));
    }
    let mut fields = Fields::new(node, "`include`", decoder)?;
    let file = fields.required("file", decoder);
    let with = match fields.node("with") {
        None => Some(Vec::new()),
        Some(Node { value: Value::Map(entries), .. }) => {
            let values: Vec<_> = entries
                .iter()
                .map(|(name, value)| {
                    Some((Spanned::decode(name, decoder)?, String::decode(value, decoder)?))
                })
                .collect();
            values.into_iter().collect()
        }
        Some(node) => decoder.wrong(node, "names with their values"),
    };
    fields.finish(UnknownKeys::Deny, decoder);
    Some((file?, with?))
}

/// The same path with one spelling.
fn clean(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                parts.pop();
            }
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::scenario::fault::FileFaults;
    use crate::scenario::parser::{FilePlace, ParsedFile, parse};

    /// A scenario with these steps in a project with these files.
    fn parsed(steps: &str, files: &[(&str, &str)]) -> Result<ParsedFile, FileFaults> {
        let text = format!("name: x\nversion: 1\nparameters: {{p: [1, 2]}}\nsteps:\n{steps}\n");
        let place = FilePlace { path: Path::new("x.yaml"), project: Path::new(".") };
        parse(&text, place, &|path| {
            let file = files.iter().find(|(name, _)| *name == path);
            file.map(|(_, text)| (*text).to_owned())
                .ok_or_else(|| std::io::ErrorKind::NotFound.into())
        })
        .map_err(|invalid| invalid.faults)
    }

    /// Each fault as `file:line:column message`.
    fn faults(steps: &str, files: &[(&str, &str)]) -> Vec<String> {
        let faults = parsed(steps, files).unwrap_err();
        let shown = faults.faults.iter().map(|fault| {
            let source = fault.source.as_ref().unwrap_or(&faults.source);
            format!("{}:{} {}", source.name, source.place(fault.span.start), fault.message)
        });
        shown.collect()
    }

    #[test]
    fn included_steps_take_the_place_of_the_include() {
        let files = [
            ("lib/greet.yaml", "description: d\nsteps:\n- log: '{{p}} {{who}} {{n}}'\n"),
            (
                "lib/two.yaml",
                "- log: one\n- include: {file: lib/greet.yaml, with: {who: '{{w}}'}}\n",
            ),
        ];
        let steps = "
- expect-serial: {regex: '(?<n>.)'}
- include: {file: ./lib/x/../two.yaml, with: {w: me}}
- repeat: {times: 2, steps: [include: {file: lib/greet.yaml, with: {who: you}}]}";
        let file = parsed(steps, &files).unwrap();
        let shown: Vec<_> = file.cases[1]
            .all_steps()
            .iter()
            .map(|entry| format!("{}:{} {}", entry.source.name, entry.place(), entry.title()))
            .collect();
        assert_eq!(
            shown,
            [
                "x.yaml:6:3 expect-serial /(?<n>.)/",
                "lib/two.yaml:1:3 log \"one\"",
                "lib/greet.yaml:3:3 log \"2 me {{n}}\"",
                "x.yaml:8:3 repeat 2 times 1 steps",
                "lib/greet.yaml:3:3 log \"2 you {{n}}\"",
            ]
        );
    }

    #[test]
    fn faults_point_into_the_file_that_has_them() {
        let files = [
            ("bad.yaml", "steps:\n- dely: 1s\n- log: '{{nobody}}'\nstep: 1\n"),
            ("yaml.yaml", "- log: 'x\n"),
            ("late.yaml", "- log: '{{later}}'\n"),
        ];
        assert_eq!(
            faults(
                "- include: late.yaml\n- include: bad.yaml\n- log: '{{p}}'\n- include: yaml.yaml",
                &files
            ),
            [
                "bad.yaml:2:3 there is no step `dely`",
                "bad.yaml:4:1 an included file has no key `step`",
                "late.yaml:1:8 nothing gives a value to `later` before this step",
                "yaml.yaml:1:8 while scanning a quoted scalar, found unexpected end of stream",
            ]
        );
    }

    #[test]
    fn what_cannot_be_included_is_said_where_it_is_included() {
        let files = [
            ("a.yaml", "- include: b.yaml\n"),
            ("b.yaml", "- include: ./a.yaml\n"),
            ("fine.yaml", "- log: fine\n"),
        ];
        let steps = "
- log: '{{p}}'
- include: a.yaml
- include: ../a.yaml
- include: none.yaml
- include: {file: fine.yaml, with: {x: 1}}
- include: {fil: fine.yaml}";
        assert_eq!(
            faults(steps, &files),
            [
                "x.yaml:8:12 the path `../a.yaml` leads out of the project",
                "x.yaml:9:12 `none.yaml` cannot be included: entity not found",
                "x.yaml:10:37 nothing in `fine.yaml` uses the value `x`",
                "x.yaml:11:13 `include` has no key `fil`",
                "b.yaml:1:12 this file includes itself: a.yaml > b.yaml > a.yaml",
            ]
        );
    }

    #[test]
    fn files_that_multiply_each_other_come_to_an_end() {
        let many = |file: &str| format!("- include: {file}\n").repeat(100);
        let (a, b, c) = (many("b.yaml"), many("c.yaml"), many("d.yaml"));
        let d = "- log: '{{p}}'\n".repeat(100);
        let files = [("b.yaml", b.as_str()), ("c.yaml", c.as_str()), ("d.yaml", d.as_str())];
        let shown = faults(&a, &files);
        assert_eq!(shown.len(), 1, "{shown:?}");
        assert!(shown[0].ends_with("more than 100000 steps"), "{shown:?}");
    }
}
