//! From the text of a scenario file to its cases.
//!
//! The parameters are read first; each combination is then written into a copy of the tree
//! ([`substitute`]) and read as a scenario of its own, so that any field may use them. Faults that
//! every combination has are said once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::check::{self, KnownBoard};
use super::decode::{Decode, Decoder, Fields, Files, UnknownKeys, list, word};
use super::fault::{Fault, FaultCode, FileFaults, SourceText};
use super::model::{
    BoardEntry, Case, Dialect, OWN_BOARD, Spanned, StepEntry, Unmodelled, steps_by_board,
};
use super::node::{self, Node, Value};
use super::parts::{self, PARTS};
use super::reference::{Group, Key, Kind, PATTERN, Reference};
use super::site;
use super::step_list;
use super::values::{Values, substitute};
use crate::site::Site;
use crate::steps::WOKWI_STEPS;
use crate::steps::pin_fields::Pin;
use crate::steps::serial_fields::TextPattern;
use crate::targets::LoopBack;
use crate::time::Span;
use crate::transcript::Pattern;
use crate::wokwi::project::Project;

/// The board when a scenario names none.
pub const DEFAULT_BOARD: &str = "esp32-devkit";
/// How long a case may take when it does not say.
const DEFAULT_TIMEOUT: Span = Span::from_secs(60);
/// The same for a file of only Wokwi's steps: the default of wokwi-cli.
const WOKWI_TIMEOUT: Span = Span::from_secs(30);
/// More combinations of parameters than this are surely a mistake.
const MAX_CASES: usize = 1_000;

const LOOP_BACKS: Key = Key::optional(
    "loop-backs",
    Kind::List(&Kind::List(&Kind::Pin)),
    "Wires between pins of the board, each a list of two. On a bench they must be in the board's entry.",
);

/// The keys of a scenario.
pub const SCENARIO: Reference = Reference {
    group: Group::Scenario,
    doc: "",
    value: Kind::Keys(&[
        Key::required("name", Kind::Text, "What it is called."),
        Key::required("version", Kind::Number(1, 1), "The version of the language."),
        Key::optional("description", Kind::Text, "What it is about."),
        Key::optional("author", Kind::Text, "Who wrote it."),
        Key::optional("tags", Kind::List(&Kind::Text), "Words to choose it by."),
        Key::or("board", Kind::Text, DEFAULT_BOARD, "The profile of the board."),
        Key::optional(
            "firmware",
            Kind::Text,
            "A name from firmware.toml, or the path of an image, an ELF file or a build folder. It is in the flash when the case begins, unless a step writes flash.",
        ),
        Key::optional(
            "elf",
            Kind::Path,
            "The ELF file that the firmware was made of, to say where in the source it crashed; what lies beside the firmware is found without.",
        ),
        Key::optional(
            "boards",
            Kind::Named(&Kind::Either(&[
                Kind::Text,
                Kind::Keys(&[
                    Key::or("board", Kind::Text, DEFAULT_BOARD, "Its profile."),
                    Key::optional("firmware", Kind::Text, "As for the first board."),
                    Key::optional("elf", Kind::Path, "As for the first board."),
                    LOOP_BACKS,
                    PARTS,
                ]),
            ])),
            "Further boards for the step `parallel`, by names of your choice: a profile, or a mapping. The first board is called `main` there.",
        ),
        LOOP_BACKS,
        PARTS,
        site::AIR,
        site::STATIONS,
        site::NETWORK,
        site::HOSTS,
        site::INTERNET,
        Key::or(
            "timeout",
            Kind::Duration,
            "60s",
            "How long a case may take, in device time; 30s in a scenario of only Wokwi's steps.",
        ),
        Key::optional(
            "parameters",
            Kind::Either(&[
                Kind::Named(&Kind::List(&Kind::Text)),
                Kind::Items(&Kind::Named(&Kind::Text)),
            ]),
            "Names with lists of values, of which every combination is a case; or a list of the combinations themselves.",
        ),
        Key::optional(
            "never",
            Kind::List(&PATTERN),
            "What must never appear on a serial port. A panic, an abort or a watchdog reset that no step expects fails the case anyway.",
        ),
        Key::or(
            "unmodelled",
            Kind::Words(&["allow", "deny"]),
            "allow",
            "Whether accesses to hardware that the emulator does not model fail the case.",
        ),
        Key::required("steps", Kind::Steps, "What is done and expected, in order."),
    ]),
    examples: &[
        "name: Greets\nversion: 1\nfirmware: micropython-1.23.0\nparameters: {n: [1, 2]}\nnever: [oops, {regex: 'E \\(\\d+\\)'}]\nsteps:\n  - expect-serial: '>>> '\n  - repl: '1+{{n}}'",
    ],
};

/// What a file is, besides its text.
#[derive(Debug, Clone, Copy)]
pub struct FilePlace<'p> {
    /// Where the file is.
    pub path: &'p Path,
    /// The folder that paths in the scenario start at.
    pub project: &'p Path,
}

/// A file that cannot be run.
#[derive(Debug, Clone)]
pub struct Invalid {
    /// Why.
    pub faults: FileFaults,
    /// Its cases as far as they could be read, to find what else is wrong with them.
    pub cases: Vec<Case>,
}

/// What a file amounts to.
#[derive(Debug, Clone)]
pub struct ParsedFile {
    /// Its cases, in the order of its parameters.
    pub cases: Vec<Arc<Case>>,
    /// Warnings; errors come as the other result.
    pub warnings: Option<FileFaults>,
}

/// Reads the text of a scenario file, and through `files` what it refers to, and checks it.
///
/// # Errors
/// All faults of the file, if any of them is an error.
pub fn parse(text: &str, place: FilePlace<'_>, files: Files<'_>) -> Result<ParsedFile, Invalid> {
    parse_in(text, place, files, None)
}

/// The same for a file of a Wokwi project, whose board and firmware it has unless it names its own.
///
/// # Errors
/// As for [`parse`].
pub fn parse_in(
    text: &str,
    place: FilePlace<'_>,
    files: Files<'_>,
    wokwi: Option<&Project>,
) -> Result<ParsedFile, Invalid> {
    let name = place.path.display().to_string();
    let source = Arc::new(SourceText { name, text: text.to_owned() });
    let fail = |faults| FileFaults::new(source.clone(), faults);

    let mut faults = Vec::new();
    let root = node::parse(text, &mut faults).map_err(|fault| {
        faults.push(fault);
        Invalid { faults: fail(std::mem::take(&mut faults)), cases: Vec::new() }
    })?;
    let dialect = dialect(&root);
    let wokwi = wokwi.filter(|_| ["board", "firmware"].iter().all(|key| root.get(key).is_none()));
    let circuit = || wokwi.map(|project| project.circuit.clone());
    let mut decoder = Decoder::new(source.clone(), files);
    let parameters = read_parameters(&root, &mut decoder);
    faults.append(&mut decoder.into_faults());
    let mut cases = Vec::new();
    let mut used = BTreeSet::new();
    for values in &parameters.combinations {
        let mut tree = root.clone();
        if let (Dialect::Benchrig, Value::Map(entries)) = (dialect, &mut tree.value) {
            for (key, value) in entries {
                if key.as_text() != Some("parameters") {
                    used.append(&mut substitute(value, values));
                }
            }
        }
        let mut decoder = Decoder::new(source.clone(), files)
            .with_dialect(dialect)
            .with_parameters(values)
            .with_circuit(circuit());
        let case = read_case(&tree, &source, place, wokwi, values, &mut decoder);
        used.extend(decoder.used_parameters().iter().cloned());
        faults.append(&mut decoder.into_faults());
        cases.extend(case);
    }
    for Spanned { text: name, span } in
        parameters.names.iter().filter(|name| !used.contains(&name.text))
    {
        let message = format!("nothing uses the parameter `{name}`");
        let fault = Fault::new(FaultCode::Unused, span.clone(), message);
        faults.push(fault.help(format!("write {{{{{name}}}}} where its value belongs")));
    }
    let faults = fail(faults);
    if faults.has_errors() {
        return Err(Invalid { faults, cases });
    }
    let warnings = (!faults.faults.is_empty()).then_some(faults);
    Ok(ParsedFile { cases: cases.into_iter().map(Arc::new).collect(), warnings })
}

/// Reads what is around a board from the text of a scenario, or of a file that says only that: its
/// `air`, `network`, `hosts` and `internet`, with the first combination of its parameters.
///
/// # Errors
/// All faults of these keys; without `air` there is nothing around a board.
pub fn parse_site(text: &str, place: FilePlace<'_>, files: Files<'_>) -> Result<Site, FileFaults> {
    let name = place.path.display().to_string();
    let source = Arc::new(SourceText { name, text: text.to_owned() });
    let mut faults = Vec::new();
    let mut root = match node::parse(text, &mut faults) {
        Ok(root) => root,
        Err(fault) => {
            faults.push(fault);
            return Err(FileFaults::new(source, faults));
        }
    };
    let is_scenario = root.get("steps").is_some();
    let mut decoder = Decoder::new(source.clone(), files);
    let parameters = read_parameters(&root, &mut decoder);
    if let (Value::Map(entries), Some(values)) = (&mut root.value, parameters.combinations.first())
    {
        for (key, value) in entries {
            if site::KEYS.contains(&key.as_text().unwrap_or_default()) {
                substitute(value, values);
            }
        }
    }
    let site = Fields::new(&root, "what is around a board", &mut decoder).and_then(|mut fields| {
        let site = site::read(&mut fields, &mut decoder);
        if let Some(None) = &site {
            fields.missing("air");
        }
        let _parameters = fields.node("parameters");
        if let (true, Kind::Keys(keys)) = (is_scenario, SCENARIO.value) {
            // The rest is not for here.
            for key in keys {
                let _ = fields.node(key.name);
            }
        }
        fields.finish(UnknownKeys::Deny, &mut decoder);
        site.flatten()
    });
    faults.append(&mut decoder.into_faults());
    let faults = FileFaults::new(source, faults);
    match site {
        Some(site) if !faults.has_errors() => Ok(site),
        _ => Err(faults),
    }
}

/// What varies between the cases of a file.
#[derive(Default)]
struct Parameters {
    /// Their names with their places.
    names: Vec<Spanned>,
    /// One set of values for each case.
    combinations: Vec<BTreeMap<String, String>>,
}

/// The parameters: names with lists of values, of which every combination is a case, or a list of
/// the combinations themselves.
fn read_parameters(root: &Node, decoder: &mut Decoder) -> Parameters {
    let none = Parameters { names: Vec::new(), combinations: vec![BTreeMap::new()] };
    let Some(node) = root.get("parameters") else { return none };
    let parameters = match &node.value {
        Value::Map(entries) => matrix(entries, decoder),
        Value::List(items) if !items.is_empty() => explicit(items, decoder),
        _ => decoder.wrong(node, "names with lists of values, or a list of combinations"),
    };
    let Some(parameters) = parameters else { return none };
    for name in &parameters.names {
        if name.text.starts_with("env.") || name.text.contains("{{") {
            let message = format!("`{}` cannot be a parameter's name", name.text);
            decoder.bad::<()>(name.span.clone(), message);
        }
    }
    if parameters.combinations.len() > MAX_CASES {
        decoder.bad::<()>(node.span.clone(), format!("more than {MAX_CASES} combinations"));
        return none;
    }
    parameters
}

/// Every combination of the values, the last parameter varying fastest; one more than may be if
/// there are too many.
fn matrix(entries: &[(Node, Node)], decoder: &mut Decoder) -> Option<Parameters> {
    let mut names = Vec::new();
    let mut all = vec![BTreeMap::new()];
    let read: Vec<_> = entries
        .iter()
        .map(|(key, value)| {
            let (name, values) = (Spanned::decode(key, decoder), Vec::decode(value, decoder)?);
            match values.is_empty() {
                true => decoder.wrong(value, "at least one value"),
                false => Some((name?, values)),
            }
        })
        .collect();
    for (name, values) in read.into_iter().collect::<Option<Vec<(Spanned, Vec<String>)>>>()? {
        let with = |base: &BTreeMap<String, String>, value: &String| {
            let mut values = base.clone();
            values.insert(name.text.clone(), value.clone());
            values
        };
        let more = all.iter().flat_map(|base| values.iter().map(move |value| with(base, value)));
        all = more.take(MAX_CASES + 1).collect();
        names.push(name);
    }
    Some(Parameters { names, combinations: all })
}

/// Combinations as they are written: each gives a value to the same names.
fn explicit(items: &[Node], decoder: &mut Decoder) -> Option<Parameters> {
    let mut parameters = Parameters::default();
    for item in items {
        let Value::Map(entries) = &item.value else {
            return decoder.wrong(item, "names with their values");
        };
        let mut values = BTreeMap::new();
        for (key, value) in entries {
            values.insert(String::decode(key, decoder)?, String::decode(value, decoder)?);
            if parameters.combinations.is_empty() {
                parameters.names.push(Spanned::decode(key, decoder)?);
            }
        }
        if let Some(first) = parameters.combinations.first()
            && !first.keys().eq(values.keys())
        {
            let names = list(first.keys().map(String::as_str));
            return decoder.wrong(item, &format!("values of the same names as above ({names})"));
        }
        parameters.combinations.push(values);
    }
    Some(parameters)
}

/// A case with all that could be read of it; what could not is a fault.
fn read_case(
    root: &Node,
    source: &Arc<SourceText>,
    place: FilePlace<'_>,
    wokwi: Option<&Project>,
    values: &BTreeMap<String, String>,
    decoder: &mut Decoder,
) -> Option<Case> {
    let dialect = decoder.dialect();
    let mut fields = Fields::new(root, "a scenario", decoder)?;
    let title = fields.required::<String>("name", decoder);
    version(&mut fields, decoder);
    let description = fields.optional("description", decoder);
    let _author = fields.optional::<String>("author", decoder);
    let tags = fields.or("tags", Vec::new(), decoder);
    let of_project = |text: &str| Spanned { text: text.to_owned(), span: 0..0 };
    let usual = wokwi.map_or_else(default_board, |it| of_project(it.circuit.profile()));
    let board = fields.or("board", usual.clone(), decoder);
    let firmware = fields.optional::<Spanned>("firmware", decoder).flatten();
    let firmware = firmware.or_else(|| wokwi.map(|project| of_project(&project.firmware)));
    let elf = fields.optional::<Spanned>("elf", decoder).flatten();
    let elf = elf.or_else(|| wokwi?.elf.as_deref().map(of_project));
    let loop_backs = loop_backs(&mut fields, decoder);
    let parts = parts::read(&mut fields, decoder);
    let more_boards = more_boards(&mut fields, decoder);
    if more_boards.is_empty() {
        decoder.wired(&parts);
    }
    let site = site::read(&mut fields, decoder);
    let default_timeout = match dialect {
        Dialect::Benchrig => DEFAULT_TIMEOUT,
        Dialect::Wokwi => WOKWI_TIMEOUT,
    };
    let timeout = fields.or("timeout", default_timeout, decoder);
    let _parameters = fields.node("parameters");
    let never = never(&mut fields, decoder);
    let unmodelled = match fields.node("unmodelled") {
        None => Some(Unmodelled::Allow),
        Some(node) => {
            let words = [("allow", Unmodelled::Allow), ("deny", Unmodelled::Deny)];
            word(node, decoder, "a rule for unmodelled accesses", &words)
        }
    };
    let steps = match fields.node("steps") {
        Some(node) => {
            let steps = steps(node, &known_boards(root, wokwi), decoder);
            let all = steps_by_board(&steps);
            let boards =
                more_boards.iter().map(|(name, board)| (Some(name.as_str()), &board.parts));
            for (name, parts) in std::iter::once((None, &parts)).chain(boards) {
                let on_it = all.iter().filter(|(on, _)| *on == name).map(|(_, entry)| *entry);
                parts::check(parts, on_it, decoder);
            }
            // Whose names are known only if nothing is wrong with it.
            if let Some(site) = &site {
                let faults = check::site(&steps, site.as_ref());
                faults.into_iter().for_each(|fault| decoder.fault(fault));
            }
            steps
        }
        None => {
            fields.missing("steps");
            Vec::new()
        }
    };
    fields.finish(
        match dialect {
            Dialect::Benchrig => UnknownKeys::Deny,
            Dialect::Wokwi => UnknownKeys::Warn,
        },
        decoder,
    );
    let stem = place.path.file_stem().unwrap_or_default().to_string_lossy();
    let combination =
        values.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
    Some(Case {
        name: match combination.is_empty() {
            true => stem.into_owned(),
            false => format!("{stem}[{}]", combination.join(", ")),
        },
        title: title.unwrap_or_default(),
        description: description.flatten(),
        tags: tags.unwrap_or_default(),
        path: place.path.to_owned(),
        project: place.project.to_owned(),
        source: source.clone(),
        dialect,
        board: BoardEntry {
            profile: board.unwrap_or(usual),
            firmware,
            elf,
            loop_backs,
            parts,
            circuit: wokwi.map(|project| project.circuit.clone()),
        },
        more_boards,
        site: site.flatten(),
        timeout: timeout.unwrap_or(default_timeout),
        never: never.unwrap_or_default(),
        unmodelled: unmodelled.unwrap_or(Unmodelled::Allow),
        steps,
    })
}

fn default_board() -> Spanned {
    Spanned { text: DEFAULT_BOARD.to_owned(), span: 0..0 }
}

fn more_boards(fields: &mut Fields<'_>, decoder: &mut Decoder) -> BTreeMap<String, BoardEntry> {
    let Some(node) = fields.node("boards") else { return BTreeMap::new() };
    let Value::Map(entries) = &node.value else {
        return decoder.wrong(node, "names of boards with what they are").unwrap_or_default();
    };
    entries
        .iter()
        .filter_map(|(name, value)| {
            let board = match &value.value {
                Value::Scalar { .. } => Spanned::decode(value, decoder).map(|profile| BoardEntry {
                    profile,
                    firmware: None,
                    elf: None,
                    loop_backs: Vec::new(),
                    parts: Vec::new(),
                    circuit: None,
                }),
                _ => board_entry(value, decoder),
            };
            let name = Spanned::decode(name, decoder)?;
            if name.text == OWN_BOARD {
                let message = format!("`{OWN_BOARD}` is the name of the scenario's own board");
                return decoder.bad(name.span, message);
            }
            Some((name.text, board?))
        })
        .collect()
}

fn board_entry(node: &Node, decoder: &mut Decoder) -> Option<BoardEntry> {
    let mut fields = Fields::new(node, "a board", decoder)?;
    let profile = fields.or("board", default_board(), decoder);
    let firmware = fields.optional("firmware", decoder);
    let elf = fields.optional("elf", decoder);
    let loop_backs = loop_backs(&mut fields, decoder);
    let parts = parts::read(&mut fields, decoder);
    fields.finish(UnknownKeys::Deny, decoder);
    let (profile, firmware, elf) = (profile?, firmware?, elf?);
    Some(BoardEntry { profile, firmware, elf, loop_backs, parts, circuit: None })
}

/// The wires between pins of a board.
fn loop_backs(fields: &mut Fields<'_>, decoder: &mut Decoder) -> Vec<LoopBack> {
    let Some(node) = fields.node("loop-backs") else { return Vec::new() };
    let Value::List(wires) = &node.value else {
        return decoder.wrong(node, "a list of wires, such as [[17, 16]]").unwrap_or_default();
    };
    let wire = |wire: &Node| {
        let pins = match &wire.value {
            Value::List(pins) => pins.as_slice(),
            _ => &[],
        };
        let [a, b] = pins else { return decoder.wrong(wire, "two pins, such as [17, 16]") };
        let (Pin(a), Pin(b)) = (Pin::decode(a, decoder)?, Pin::decode(b, decoder)?);
        LoopBack::between(a, b).map_or_else(|_| decoder.wrong(wire, "two different pins"), Some)
    };
    wires.iter().filter_map(wire).collect()
}

/// A file with only Wokwi's steps has Wokwi's meaning.
fn dialect(root: &Node) -> Dialect {
    let Some(Node { value: Value::List(steps), .. }) = root.get("steps") else {
        return Dialect::Benchrig;
    };
    let is_wokwis = |step: &Node| match &step.value {
        Value::Map(entries) => entries
            .iter()
            .filter_map(|(key, _)| key.as_text())
            .all(|key| key == "name" || WOKWI_STEPS.contains(&key)),
        _ => false,
    };
    match steps.iter().all(is_wokwis) {
        true => Dialect::Wokwi,
        false => Dialect::Benchrig,
    }
}

fn version(fields: &mut Fields<'_>, decoder: &mut Decoder) {
    match fields.node("version") {
        Some(node) if node.as_integer() == Some(1) => {}
        Some(node) => {
            let _: Option<()> = decoder.wrong(node, "the version of the language, which is 1");
        }
        None => fields.missing("version"),
    }
}

fn never(fields: &mut Fields<'_>, decoder: &mut Decoder) -> Option<Vec<Pattern>> {
    let Some(node) = fields.node("never") else { return Some(Vec::new()) };
    let patterns = Vec::<TextPattern>::decode(node, decoder)?;
    let mut never = Vec::new();
    for pattern in patterns {
        let template = pattern.template();
        if let Some(name) = template.names().next() {
            let message = format!("nothing gives a value to `{name}` before the first step");
            return decoder.bad(template.span.clone(), message);
        }
        // It has no names left and was compiled when it was read.
        never.extend(pattern.pattern(&Values::default()).ok());
    }
    Some(never)
}

/// Reads the steps up to the first wrong one, and checks those as a whole: what comes after it may
/// depend on it.
fn steps(node: &Node, boards: &[KnownBoard<'_>], decoder: &mut Decoder) -> Vec<StepEntry> {
    let Some(mut read) = step_list::read(node, decoder) else { return Vec::new() };
    let count = read.len();
    let first_wrong = read.iter().position(Option::is_none).unwrap_or(count);
    let good: Vec<StepEntry> = read.drain(..first_wrong).flatten().collect();
    let mut faults = check::steps(&good, boards);
    if first_wrong == count {
        faults.extend(check::unused_boards(&good, boards));
    }
    faults.into_iter().for_each(|fault| decoder.fault(fault));
    good
}

/// The scenario's boards, its own first.
fn known_boards<'n>(root: &'n Node, wokwi: Option<&Project>) -> Vec<KnownBoard<'n>> {
    let more = match root.get("boards").map(|boards| &boards.value) {
        Some(Value::Map(entries)) => entries.as_slice(),
        _ => &[],
    };
    let board = |name, span: &Range<usize>, node: &Node| KnownBoard {
        name,
        span: span.clone(),
        has_firmware: node.get("firmware").is_some(),
    };
    let more =
        more.iter().filter_map(|(name, node)| Some(board(Some(name.as_text()?), &name.span, node)));
    let mut own = board(None, &root.span, root);
    own.has_firmware |= wokwi.is_some();
    std::iter::once(own).chain(more).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_is_around_a_board_is_read_of_a_scenario_and_of_a_file_for_itself() {
        let place = FilePlace { path: Path::new("x.yaml"), project: Path::new(".") };
        let read = |text: &str| {
            let told = |faults: FileFaults| {
                faults.faults.into_iter().map(|fault| fault.message).collect::<Vec<_>>().join("; ")
            };
            parse_site(text, place, &no_files).map(|site| site.air[0].ssid.clone()).map_err(told)
        };
        assert_eq!(read("air: {ssid: here}\n"), Ok("here".to_owned()));
        let scenario = "name: x\nversion: 1\nparameters: {n: [one, two]}\n\
             air: {ssid: 'the {{n}}'}\nsteps:\n- expect-serial: 'not read {{'\n";
        assert_eq!(read(scenario), Ok("the one".to_owned()));
        assert_eq!(
            read("hosts: []\n"),
            Err("a network without an access point reaches no board".to_owned())
        );
        assert_eq!(
            read("parameters: {n: 1}\n"),
            Err("what is around a board needs `air`".to_owned())
        );
        let misspelt = read("air: {ssid: x}\nhost: {}\n").unwrap_err();
        assert!(misspelt.contains("has no key `host`"), "{misspelt}");
    }

    use super::*;
    use crate::scenario::decode::no_files;
    use miette::{GraphicalReportHandler, GraphicalTheme};
    use proptest::prelude::*;

    fn parsed(text: &str) -> Result<ParsedFile, FileFaults> {
        let place = FilePlace { path: Path::new("scenarios/x.yaml"), project: Path::new(".") };
        parse(text, place, &no_files).map_err(|invalid| invalid.faults)
    }

    fn shown(faults: &FileFaults) -> String {
        let handler = GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor());
        let handler = handler.with_width(90).with_links(false);
        let mut out = String::new();
        for report in faults.reports() {
            handler.render_report(&mut out, &*report).expect("a string takes all");
        }
        out
    }

    #[test]
    fn every_mistake_is_shown_at_once_with_its_place_and_what_was_meant() {
        let text = "\
name: All wrong
verson: 1
timeout: 10
board: [a]
parameters: {unused: [1]}
steps:
  - log: 'a {{nobody}} here'
  - expect-seril: x
  - expect-serial: {txt: y, within: 5}
  - expect-serial: {regex: '(', within: 5 parsecs}
  - repl: {code: x, expct: 2}
  - delay: 1s
    log: two at once
  - power: maybe
  - snapshot: {of: serial, name: a/b}
  - snapshot: {of: serial, name: s, since: nowhere}
  - put-file: {from: /etc/passwd, to: x}
  - take-screenshot: {part-id: lcd}
  - [a, list]
  - erase-flash: now
";
        insta::assert_snapshot!(shown(&parsed(text).unwrap_err()));
    }

    #[test]
    fn what_only_a_whole_case_shows_is_found_too() {
        let text = "\
name: Names
version: 1
steps:
  - mark: booted
  - mark: booted
  - log: '{{fre}} \\{{braces}}'
  - expect-serial: {regex: 'free (?<free>\\d+)'}
  - log: '{{free}} {{fee}} {{env.HOME}}'
  - snapshot: {of: serial, name: s, since: boted}
  - snapshot: {of: serial, name: s}
  - write-flash: {image: firmware}
";
        insta::assert_snapshot!(shown(&parsed(text).unwrap_err()));
    }

    #[test]
    fn a_key_given_twice_hides_no_other_mistake_and_wrong_steps_no_board() {
        let text = "name: t\nversion: 1\nversion: 1\nboard: b\nboards: {more: c, more: d}\nsteps:
  - log: here
  - delay: {a: 1, a: 2}
";
        let place = FilePlace { path: Path::new("scenarios/x.yaml"), project: Path::new(".") };
        let Invalid { faults, cases } = parse(text, place, &no_files).unwrap_err();
        let found: Vec<_> = faults.faults.iter().map(|fault| fault.message.as_str()).collect();
        insta::assert_debug_snapshot!(found);
        let boards = cases[0].boards().map(|(_, board)| board.profile.text.as_str());
        assert_eq!(boards.collect::<Vec<_>>(), ["b", "c"]);
        assert_eq!(cases[0].steps.len(), 1);
    }

    #[test]
    fn a_syntax_error_is_one_fault_at_its_place() {
        insta::assert_snapshot!(shown(&parsed("name: 'x\nversion: 1\n").unwrap_err()));
    }

    #[test]
    fn a_file_of_wokwis_steps_has_wokwis_meaning() {
        let text = "\
name: Wokwi
version: 1
author: someone
colour: red
steps:
  - name: boot
    wait-serial: 'a {{brace}}'
  - delay: 5ms
";
        let file = parsed(text).unwrap();
        let case = &file.cases[0];
        assert_eq!((case.dialect, case.timeout), (Dialect::Wokwi, WOKWI_TIMEOUT));
        let warnings = file.warnings.expect("the unknown key");
        assert_eq!(warnings.faults[0].message, "a scenario has no key `colour`");
        let ours = text.replace("  - delay: 5ms", "  - log: ours");
        let faults = parsed(&ours).unwrap_err();
        assert!(faults.faults.iter().any(|fault| fault.message.contains("colour")));
        assert!(faults.faults.iter().any(|fault| fault.message.contains("brace")));
    }

    #[test]
    fn a_scenario_has_the_keys_that_are_described() {
        let text = SCENARIO.examples[0];
        parsed(text).unwrap();
        let root = node::parse(text, &mut Vec::new()).unwrap();
        let source = Arc::new(SourceText { name: "x".into(), text: text.to_owned() });
        let mut decoder = Decoder::new(source.clone(), &|_| Ok(String::new()));
        let place = FilePlace { path: Path::new("x.yaml"), project: Path::new(".") };
        read_case(&root, &source, place, None, &BTreeMap::new(), &mut decoder);
        let described = SCENARIO.value.keys().iter().map(|key| key.name).collect();
        assert_eq!(decoder.asked.get("a scenario"), Some(&described));
    }

    #[test]
    fn combinations_may_be_listed_and_must_all_name_the_same() {
        let text = |second: &str| {
            format!(
                "name: x\nversion: 1\nparameters: [{{a: 1, b: 2}}, {{{second}}}]\n\
                 steps: [log: '{{{{a}}}} {{{{b}}}}']\n"
            )
        };
        let names = |text: &str| -> Vec<String> {
            parsed(text).unwrap().cases.iter().map(|case| case.name.clone()).collect()
        };
        assert_eq!(names(&text("a: 1, b: 3")), ["x[a=1, b=2]", "x[a=1, b=3]"]);
        for second in ["a: 1", "a: 1, c: 2", "a: 1, b: 2, c: 3"] {
            let faults = parsed(&text(second)).unwrap_err().faults;
            assert!(faults[0].message.contains("the same names as above (a, b)"), "{faults:?}");
        }
    }

    #[test]
    fn a_matrix_has_bounds() {
        let values = (0..40).map(|n| n.to_string()).collect::<Vec<_>>().join(", ");
        let text = format!(
            "name: x\nversion: 1\nparameters: {{a: [{values}], b: [{values}], c: [{values}]}}\n\
             steps: [log: '{{{{a}}}} {{{{b}}}} {{{{c}}}}']\n"
        );
        let faults = parsed(&text).unwrap_err().faults;
        assert!(faults[0].message.contains("more than 1000"), "{faults:?}");
    }

    #[test]
    fn what_must_never_appear_may_be_an_expression() {
        let never = |pattern: &str| {
            let text = format!("name: x\nversion: 1\nnever: {pattern}\nsteps: [log: x]\n");
            parsed(&text)
                .map(|file| file.cases[0].never.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let patterns = never(r"[oops, {regex: 'E \(\d+\)'}, {text: no}]").unwrap();
        assert_eq!(patterns, ["\"oops\"", r"/E \(\d+\)/", "\"no\""]);
        for wrong in ["''", "{regex: '('}", "'{{captured}}'", "{txt: x}"] {
            assert!(never(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_fault_of_every_combination_is_said_once() {
        let text = "
name: x
version: 1
parameters: {n: [1, 2, 3]}
steps: [{log: '{{n}}'}, {dely: 1s}]
";
        assert_eq!(parsed(text).unwrap_err().faults.len(), 1);
    }

    /// Every kind of key, value and step that the first committed scenario and this list have.
    const RIGHT: &str = concat!(
        include_str!("../../../scenarios/first-steps.yaml"),
        "
  - log: 'Bäume: {{trees}} {{env.KEY}}'
  - expect-no-serial: {text: panic, for: 10ms}
  - put-file: {from: a.py, to: boot.py, template: true}
  - mark: here
  - power: off
  - delay: 1h
parameters: {trees: [1, two, \"drei\"]}
never: [Guru]
unmodelled: allow
"
    );

    /// What can happen to a text.
    #[derive(Debug, Clone)]
    enum Damage {
        Cut(usize, usize),
        Insert(usize, String),
        Line(usize, usize),
        Indent(usize, usize),
    }

    fn damage() -> impl Strategy<Value = Damage> {
        let anywhere = 0..RIGHT.len();
        prop_oneof![
            (anywhere.clone(), 1..40_usize).prop_map(|(at, n)| Damage::Cut(at, n)),
            (anywhere, "[-\\[\\]{}:,#&*!|>'\"%@`a-z0-9 \n\té]{1,6}")
                .prop_map(|(at, text)| Damage::Insert(at, text)),
            (0..90_usize, 0..90_usize).prop_map(|(from, to)| Damage::Line(from, to)),
            (0..90_usize, 0..9_usize).prop_map(|(line, by)| Damage::Indent(line, by)),
        ]
    }

    impl Damage {
        fn done_to(&self, text: &str) -> String {
            let before = |at: usize| text.floor_char_boundary(at.min(text.len()));
            let mut lines: Vec<&str> = text.lines().collect();
            match self {
                Self::Cut(at, n) => text[..before(*at)].to_owned() + &text[before(at + n)..],
                Self::Insert(at, new) => {
                    text[..before(*at)].to_owned() + new + &text[before(*at)..]
                }
                Self::Line(from, to) => {
                    let moved = lines[from % lines.len()];
                    lines.insert(to % lines.len(), moved);
                    lines.join("\n")
                }
                Self::Indent(line, by) => {
                    let line = line % lines.len();
                    let indented = format!("{:by$}{}", "", lines[line].trim_start());
                    lines[line] = &indented;
                    lines.join("\n")
                }
            }
        }
    }

    #[test]
    fn what_is_damaged_here_was_right() {
        parsed(RIGHT).unwrap_or_else(|faults| panic!("{}", shown(&faults)));
    }

    proptest! {
        #[test]
        fn no_scenario_makes_the_parser_panic(
            tail in "[-a-z {}\\[\\]:'\"0-9,&*|\n]{0,60}",
            step in proptest::sample::select(crate::steps::AnyStep::NAMES),
        ) {
            let text = format!("name: x\nversion: 1\nsteps:\n- {step}: {tail}\n");
            if let Err(faults) = parsed(&text) {
                shown(&faults);
            }
        }

        #[test]
        fn no_damage_to_a_right_scenario_makes_the_parser_panic(
            damages in proptest::collection::vec(damage(), 1..6),
        ) {
            let mut text = RIGHT.to_owned();
            for it in damages {
                text = it.done_to(&text);
            }
            if let Err(faults) = parsed(&text) {
                prop_assert!(!faults.faults.is_empty());
                shown(&faults);
            }
        }
    }
}
