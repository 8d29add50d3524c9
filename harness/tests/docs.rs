//! The documentation is true: generated pages are fresh, tables say what the program says, and the
//! YAML in it is checked and, where it says so, run.
//!
//! Words after `yaml` in the fence say what is done with a block:
//!
//! | word | meaning |
//! |---|---|
//! | `file=PATH` | it is that file of the reader's project (any language) |
//! | `needs=PATH` | the project has such a file |
//! | `run` | it must pass |
//! | `fails` | it must fail when run |
//! | `invalid` | `check` must refuse it |
//! | none | `check` must accept it |

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::json_schema::Validator;
use benchrig::bench::power::PowerDriver;
use benchrig::scenario::manual::manual;
use benchrig::scenario::node;
use benchrig::scenario::schema::schema;
use benchrig::targets::wiring_fault::WiringFault;
use benchrig::wokwi::support_page;
use rstest::rstest;
use tempfile::TempDir;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_committed_schema_and_manual_are_those_of_this_program() {
    let advice = "write them anew: cargo run -- schema > docs/scenario.schema.json; \
                  cargo run -- schema --manual > docs/steps.md";
    assert!(read("docs/scenario.schema.json") == format!("{:#}\n", schema()), "{advice}");
    assert!(read("docs/steps.md") == manual(), "{advice}");
}

#[test]
fn the_committed_page_about_wokwi_is_that_of_this_program() {
    let advice = "write it anew: cargo run -- schema --wokwi > docs/wokwi-support.md";
    assert!(read("docs/wokwi-support.md") == support_page(), "{advice}");
}

#[test]
fn committed_scenarios_name_the_schema_and_keep_to_it() {
    let validator = Validator::new(&schema());
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("scenarios")).expect("the scenarios") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|end| end != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        let first = "# yaml-language-server: $schema=../docs/scenario.schema.json\n";
        assert!(text.starts_with(first), "{} does not begin with {first}", path.display());
        let scenario = node::parse(&text, &mut Vec::new()).expect("YAML").to_json();
        assert_eq!(validator.complaint(&scenario), None, "{}", path.display());
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} scenarios");
}

/// The cells of each row of the table under a heading of a page.
fn table(page: &str, heading: &str) -> Vec<[String; 2]> {
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).expect("the heading");
    let rows = rest.lines().skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|')).skip(2);
    let cell = |text: &str| text.trim().replace('`', "");
    rows.map(|row| {
        let (first, second) =
            row.trim_matches('|').split_once('|').expect("a table of two columns");
        [cell(first), cell(second)]
    })
    .collect()
}

/// The entries of a section of the help: words, two or more blanks, what they mean.
fn section(help: &str, heading: &str) -> Vec<[String; 2]> {
    let (_, rest) = help.split_once(&format!("\n{heading}:\n")).expect("the section");
    rest.lines()
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.trim().split_once("  "))
        .map(|(word, meaning)| [word.trim().to_owned(), meaning.trim().replace('`', "")])
        .collect()
}

#[test]
fn the_tables_of_the_command_line_are_those_of_its_help() {
    let output = benchrig(&root(), &["--help"]);
    let help = String::from_utf8(output.stdout).expect("text");
    let page = read("docs/command-line.md");
    let mut verbs = section(&help, "Commands");
    verbs.retain(|[verb, _]| verb != "help");
    assert_eq!(table(&page, "Verbs"), verbs);
    assert_eq!(table(&page, "Exit codes")[..], section(&help, "Exit codes")[..]);
    let environment = table(&page, "Environment");
    for entry in section(&help, "Environment") {
        assert!(environment.contains(&entry), "{entry:?} is not in {environment:?}");
    }
}

#[test]
fn every_power_driver_is_in_the_manual_with_a_line_that_is_right() {
    #[derive(serde::Deserialize)]
    struct Board {
        power: PowerDriver,
    }
    let page = read("docs/hardware.md");
    let lines = blocks(&page).into_iter().filter(|block| block.language == "toml");
    let mut shown: Vec<&str> = lines
        .map(|block| match toml::from_str::<Board>(&block.text) {
            Ok(board) => board.power.name(),
            Err(error) => panic!("docs/hardware.md:{}: {error}", block.line),
        })
        .collect();
    shown.dedup();
    assert_eq!(shown, PowerDriver::NAMES);
    for name in PowerDriver::NAMES {
        assert!(page.contains(&format!("\n| `{name}` |")), "{name} is not in the table");
    }
}

#[test]
fn every_wiring_fault_is_in_the_manual_and_in_the_help() {
    let page = read("docs/serve.md");
    let (_, table) = page.split_once("## Wires that are cut").expect("the section");
    let help = String::from_utf8(benchrig(&root(), &["serve", "--help"]).stdout).expect("text");
    for (name, _) in WiringFault::NAMES {
        assert!(table.contains(&format!("`{name}`")), "{name} is not in docs/serve.md");
        assert!(help.contains(&format!("`{name}`")), "{name} is not in the help");
    }
}

fn benchrig(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_benchrig"));
    for name in ["CI", "INSTA_FORCE_PASS", "BENCHRIG_TARGET"] {
        command.env_remove(name);
    }
    let environment = [("INSTA_UPDATE", "always"), ("API_KEY", "s3cret"), ("NO_COLOR", "1")];
    command.args(arguments).envs(environment).current_dir(folder).output().expect("it starts")
}

/// A fenced block of a page.
#[derive(Debug)]
struct Block {
    language: String,
    words: Vec<String>,
    text: String,
    line: usize,
}

impl Block {
    fn says(&self, word: &str) -> bool {
        self.words.iter().any(|it| it == word)
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
    }
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in page.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(info), None) => {
                let mut words = info.split_whitespace().map(str::to_owned);
                let language = words.next().unwrap_or_default();
                let words = words.collect();
                open = Some(Block { language, words, text: String::new(), line: number + 1 });
            }
            (None, Some(block)) => block.text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

fn write(project: &TempDir, path: &str, text: &str) {
    let path = project.path().join(path);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a writable folder");
    std::fs::write(path, text).expect("a writable folder");
}

#[rstest]
#[case("README.md")]
#[case("docs/README.md")]
#[case("docs/tutorial.md")]
#[case("docs/recipes.md")]
#[case("docs/command-line.md")]
#[case("docs/reports.md")]
#[case("docs/wokwi.md")]
#[case("docs/wokwi-offline.md")]
fn the_yaml_of_a_page_is_right(#[case] page: &str) {
    let blocks = blocks(&read(page));
    let project = tempfile::tempdir().expect("a temporary folder");
    write(&project, "bench.toml", "");
    for block in &blocks {
        if let Some(path) = block.value("file") {
            write(&project, path, &block.text);
        }
        if let Some(path) = block.value("needs") {
            write(&project, path, "");
        }
    }
    for (number, block) in blocks.iter().enumerate().filter(|(_, it)| it.language == "yaml") {
        let own = format!("scenarios/block-{number}.yaml");
        let path = block.value("file").unwrap_or(&own);
        if Path::new(path).iter().any(|part| part.to_string_lossy().starts_with('_')) {
            continue; // included by another one
        }
        write(&project, path, &block.text);
        let command = if block.says("run") || block.says("fails") { "run" } else { "check" };
        let wanted = match (block.says("fails"), block.says("invalid")) {
            (true, _) => 1,
            (_, true) => 2,
            _ => 0,
        };
        let output = benchrig(project.path(), &[command, path]);
        assert_eq!(
            output.status.code(),
            Some(wanted),
            "{page}:{}\n{}{}",
            block.line,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let shown = [output.stdout, output.stderr].concat();
        assert!(!String::from_utf8_lossy(&shown).contains("s3cret"), "{page}:{}", block.line);
    }
}
