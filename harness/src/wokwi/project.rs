//! A Wokwi project: `wokwi.toml` with the firmware and the diagram that it leads to.
//!
//! Source: the vendor's documentation, "wokwi.toml", and what `wokwi-cli` 0.26 reads of it. Doors for
//! debuggers and host ports concern his editor, and are left to it.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::circuit::{Circuit, place_of};
use super::diagram::DiagramError;
use crate::scenario::fault::{Fault, FaultCode, FileFaults, SourceText, nearest};

/// The file that makes a folder a project.
pub const FILE: &str = "wokwi.toml";
/// The diagram beside it.
pub(super) const DIAGRAM: &str = "diagram.json";
/// How the files of its scenarios end.
const SCENARIOS: [&str; 4] = [".scenario.yaml", ".scenario.yml", ".test.yaml", ".test.yml"];

/// The tables of the file, and what is done with them.
pub(super) const TABLES: [(&str, &str); 4] = [
    ("wokwi", "See below."),
    ("net", "For editors: not looked at."),
    ("chip", "Custom chips are not emulated: a warning."),
    ("sdcard", "Files cannot be put on an SD card: a warning."),
];
/// The keys of its table `wokwi`.
pub(super) const KEYS: [(&str, &str); 6] = [
    ("version", "1."),
    (
        "firmware",
        "A merged image, an application alone, an ELF file or `flasher_args.json`. `NAME.bin` without such a file is the image that `benchrig firmware list` calls NAME; `benchrig firmware fetch NAME --to FOLDER` puts it there for Wokwi's tools.",
    ),
    ("elf", "Crashes are told with its functions and lines."),
    ("gdbServerPort", "For editors and command lines: not looked at."),
    ("rfc2217ServerPort", "For editors and command lines: not looked at."),
    ("vcdFile", "For editors and command lines: not looked at."),
];

/// A project that can be run.
#[derive(Debug)]
pub struct Project {
    /// The board and what is wired to it.
    pub circuit: Arc<Circuit>,
    /// What scenarios of ours would write after `firmware:`.
    pub firmware: String,
    /// What they would write after `elf:`.
    pub elf: Option<String>,
    /// What a person should know of it.
    pub warnings: Vec<FileFaults>,
}

/// What a project lies in.
pub struct Around<'a> {
    /// The folder that paths of scenarios start at, and stay in.
    pub root: &'a Path,
    /// Whether firmware can be named so; else why not.
    pub firmware: &'a dyn Fn(&str) -> Result<(), String>,
}

/// Whether a file is a scenario of the project that it lies in.
pub fn is_scenario(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    SCENARIOS.iter().any(|end| name.ends_with(end))
}

/// The project that a file of it lies in, by its folder: the nearest one above, up to `root`.
pub fn folder_of(path: &Path, root: &Path) -> Option<PathBuf> {
    let folders = path.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
    folders.map(Path::to_owned).find(|folder| folder.join(FILE).is_file())
}

impl Project {
    /// Reads the project of a folder.
    ///
    /// # Errors
    /// All that is wrong with its files, the first file that has faults.
    pub fn read(folder: &Path, around: &Around<'_>) -> Result<Self, FileFaults> {
        let path = folder.join(FILE);
        let text = read(&path, "a Wokwi project has it beside its diagram")?;
        let source = Arc::new(SourceText { name: shown(&path), text });
        let mut reader = Reader { source: &source, faults: Vec::new() };
        let named = reader.file();
        let paths = named.and_then(|named| reader.paths(named, folder, around));
        let told = FileFaults::new(source.clone(), reader.faults);
        let (firmware, elf) = match paths {
            Some(paths) if !told.has_errors() => paths,
            _ => return Err(told),
        };
        let path = folder.join(DIAGRAM);
        let text = read(&path, "`wokwi-cli init` writes one, and so does Wokwi's editor")?;
        let source = Arc::new(SourceText { name: shown(&path), text });
        let circuit = Circuit::parse(source.text.as_bytes()).map_err(|error| {
            FileFaults::new(source.clone(), vec![diagram_fault(&error, &source)])
        })?;
        let warning = |warning: &super::circuit::Warning| {
            let span = place_of(&source.text, &warning.word);
            Fault::new(FaultCode::BadValue, span, warning.text.clone()).warning()
        };
        let of_diagram = circuit.warnings().iter().map(warning).collect();
        let mut warnings = vec![told, FileFaults::new(source.clone(), of_diagram)];
        warnings.retain(|file| !file.faults.is_empty());
        Ok(Self { circuit: Arc::new(circuit), firmware, elf, warnings })
    }
}

/// The text of a file of a project.
fn read(path: &Path, help: &str) -> Result<String, FileFaults> {
    std::fs::read_to_string(path).map_err(|error| {
        let source = Arc::new(SourceText { name: shown(path), text: String::new() });
        let message = format!("{} cannot be read: {error}", shown(path));
        let fault = Fault::new(FaultCode::BadValue, 0..0, message).help(help);
        FileFaults::new(source, vec![fault])
    })
}

/// A path as the person would write it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

fn diagram_fault(error: &DiagramError, source: &SourceText) -> Fault {
    let span = match error {
        DiagramError::Syntax(error) => {
            let lines = source.text.split_inclusive('\n').take(error.line().saturating_sub(1));
            let line: usize = lines.map(str::len).sum();
            let at = (line + error.column().saturating_sub(1)).min(source.text.len());
            at..at
        }
        _ => place_of(&source.text, error.word()),
    };
    let code = match error {
        DiagramError::Twice(_) => FaultCode::DuplicateKey,
        _ => FaultCode::BadValue,
    };
    Fault::new(code, span, format!("the diagram: {error}"))
}

/// What `wokwi.toml` names, with the places.
struct Named {
    firmware: (String, Range<usize>),
    elf: Option<(String, Range<usize>)>,
}

struct Reader<'s> {
    source: &'s SourceText,
    faults: Vec<Fault>,
}

type Table<'t> = Spanned<DeTable<'t>>;

impl Reader<'_> {
    fn fault(&mut self, code: FaultCode, span: Range<usize>, message: String, help: &str) {
        self.faults.push(Fault::new(code, span, message).help(help));
    }

    /// The whole file, as far as it can be read.
    fn file(&mut self) -> Option<Named> {
        let root: Table<'_> = match DeTable::parse(&self.source.text) {
            Ok(root) => root,
            Err(error) => {
                let span = error.span().unwrap_or(0..0);
                let message = format!("no TOML: {}", error.message().trim_end());
                self.faults.push(Fault::new(FaultCode::BadValue, span, message));
                return None;
            }
        };
        self.unknown(root.get_ref(), &TABLES, "table");
        for (table, what) in [("chip", "custom chips"), ("sdcard", "files on SD cards")] {
            if let Some((key, _)) = find(root.get_ref(), table) {
                let message = format!("{what} are not emulated");
                let fault = Fault::new(FaultCode::BadValue, key, message);
                let help = "scenarios that do without run; on Wokwi's own service it is there";
                self.faults.push(fault.help(help).warning());
            }
        }
        let Some((_, table)) = find(root.get_ref(), "wokwi") else {
            let help = "write [wokwi], and below it version = 1 and firmware = 'build/app.bin'";
            let message = "there is no table `wokwi`".to_owned();
            self.fault(FaultCode::MissingKey, 0..0, message, help);
            return None;
        };
        let Some(keys) = table.get_ref().as_table() else {
            let message = "`wokwi` must be a table".to_owned();
            self.fault(FaultCode::BadValue, table.span(), message, "write [wokwi]");
            return None;
        };
        self.unknown(keys, &KEYS, "key");
        self.version(keys, table.span());
        let firmware = self.text(keys, "firmware");
        if find(keys, "firmware").is_none() {
            let help = "write firmware = 'build/flasher_args.json', or the path of an image or an ELF file";
            let message = "`firmware` is missing".to_owned();
            self.fault(FaultCode::MissingKey, table.span(), message, help);
        }
        let elf = self.text(keys, "elf");
        Some(Named { firmware: firmware?, elf })
    }

    fn version(&mut self, keys: &DeTable<'_>, table: Range<usize>) {
        match find(keys, "version") {
            Some((_, value)) => {
                if value.get_ref().as_integer().is_none_or(|number| number.as_str() != "1") {
                    let message = "this version is not known, only version 1".to_owned();
                    self.fault(FaultCode::BadValue, value.span(), message, "write version = 1");
                }
            }
            None => {
                let message = "`version` is missing".to_owned();
                self.fault(FaultCode::MissingKey, table, message, "write version = 1");
            }
        }
    }

    /// Keys that nobody knows are pointed out: another version of Wokwi's tools may.
    fn unknown(&mut self, table: &DeTable<'_>, known: &[(&'static str, &'static str)], what: &str) {
        let names = known.iter().map(|(name, _)| *name);
        let is_known = |key: &str| names.clone().any(|name| name == key);
        for key in table.keys().filter(|key| !is_known(key.get_ref())) {
            let name = key.get_ref();
            let message = format!("the {what} `{name}` is not known");
            let mut fault = Fault::new(FaultCode::UnknownKey, key.span(), message).warning();
            if let Some(near) = nearest(name, names.clone()) {
                fault = fault.label(format!("did you mean `{near}`?"));
            }
            self.faults.push(fault);
        }
    }

    /// A text, and where it stands.
    fn text(&mut self, table: &DeTable<'_>, name: &str) -> Option<(String, Range<usize>)> {
        let (_, value) = find(table, name)?;
        match value.get_ref() {
            DeValue::String(text) if !text.is_empty() => Some((text.to_string(), value.span())),
            _ => {
                let message = format!("`{name}` must be a path");
                let help = "paths are texts in quotes, and start at the folder of wokwi.toml";
                self.fault(FaultCode::BadValue, value.span(), message, help);
                None
            }
        }
    }

    /// What scenarios would write for these paths.
    fn paths(
        &mut self,
        named: Named,
        folder: &Path,
        around: &Around<'_>,
    ) -> Option<(String, Option<String>)> {
        let from_root = |path: &str| {
            let path = folder.join(path);
            path.strip_prefix(around.root).unwrap_or(&path).display().to_string()
        };
        let (text, span) = named.firmware;
        let path = from_root(&text);
        let name = Path::new(&text).file_stem().unwrap_or_default().to_string_lossy();
        let firmware = if around.root.join(&path).exists() {
            if let Err(reason) = (around.firmware)(&path) {
                self.faults.push(Fault::new(FaultCode::BadValue, span, reason));
            }
            path
        } else if is_bare(&text) && (around.firmware)(&name).is_ok() {
            // What `benchrig firmware` keeps under that name.
            name.into_owned()
        } else {
            let message = format!("there is no file `{text}`");
            let help = "build the firmware first; paths start at the folder of wokwi.toml. The name of \
                        an image of `benchrig firmware list` with .bin behind it needs no file";
            self.fault(FaultCode::BadValue, span, message, help);
            return None;
        };
        let mut elf = None;
        if let Some((text, span)) = named.elf {
            let path = from_root(&text);
            if around.root.join(&path).is_file() {
                elf = Some(path);
            } else {
                let message = format!("there is no file `{text}`: crashes are told without it");
                self.faults.push(Fault::new(FaultCode::BadValue, span, message).warning());
            }
        }
        Some((firmware, elf))
    }
}

/// Whether a path is the name of an image file in the folder itself.
fn is_bare(path: &str) -> bool {
    Path::new(path).components().count() == 1 && path.ends_with(".bin")
}

/// A key and its value: the place of the one, and the other.
fn find<'t, 'i>(
    table: &'t DeTable<'i>,
    name: &str,
) -> Option<(Range<usize>, &'t Spanned<DeValue<'i>>)> {
    let entry = table.iter().find(|(key, _)| key.get_ref() == name);
    entry.map(|(key, value)| (key.span(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOML: &str = "[wokwi]\nversion = 1\nfirmware = 'a.bin'\nelf = 'a.elf'\n";
    const JSON: &str = r#"{"version": 1, "parts": [{"type": "board-esp32-cam", "id": "cam"},
        {"type": "wokwi-lcd2004", "id": "lcd"}],
        "connections": [["cam:TX", "$serialMonitor:RX"]]}"#;

    /// A project in the folder `w` of another one, with these files, its firmware and its ELF file.
    fn project(toml: &str, json: &str) -> Result<Project, FileFaults> {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("w");
        std::fs::create_dir(&folder).unwrap();
        for (name, text) in [("w/wokwi.toml", toml), ("w/diagram.json", json), ("b.bin", "")] {
            std::fs::write(root.path().join(name), text).unwrap();
        }
        for name in ["a.bin", "a.elf"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let firmware = |spec: &str| match spec {
            "w/a.bin" | "w/../b.bin" | "python-1" => Ok(()),
            other => Err(format!("not {other}")),
        };
        Project::read(&folder, &Around { root: root.path(), firmware: &firmware })
    }

    /// Line, column and message of the faults, with the help in brackets.
    fn told(faults: &FileFaults) -> Vec<String> {
        let told = faults.faults.iter().map(|fault| {
            let place = faults.source.place(fault.span.start);
            let more = [&fault.label, &fault.help].into_iter().flatten();
            let more: Vec<_> = more.map(String::as_str).collect();
            format!("{place} {} [{}]", fault.message, more.join("; "))
        });
        told.collect()
    }

    #[test]
    fn a_project_is_firmware_and_a_circuit() {
        let read = project(TOML, JSON).unwrap();
        assert_eq!((read.firmware.as_str(), read.elf.as_deref()), ("w/a.bin", Some("w/a.elf")));
        assert_eq!(read.circuit.profile(), "esp32-cam");
        assert_eq!(read.warnings.len(), 1);
        let warned = told(&read.warnings[0]);
        assert_eq!(
            warned,
            ["2:41 the part `lcd` (wokwi-lcd2004) is not emulated; its pins float []"]
        );
        let beside = project(&TOML.replace("a.bin", "../b.bin"), JSON).unwrap();
        assert_eq!(beside.firmware, "w/../b.bin");
    }

    #[test]
    fn firmware_that_is_no_file_may_be_an_image_by_name() {
        let read = project(&TOML.replace("a.bin", "python-1.bin"), JSON).unwrap();
        assert_eq!(read.firmware, "python-1");
        for wrong in ["python-1", "build/python-1.bin", "python-1.uf2"] {
            let faults = project(&TOML.replace("a.bin", wrong), JSON).unwrap_err();
            assert!(told(&faults)[0].starts_with(&format!("3:12 there is no file `{wrong}`")));
        }
    }

    #[test]
    fn mistakes_are_told_with_their_place_and_what_to_do() {
        for (toml, wanted) in [
            ("wokwi = 1", "1:9 `wokwi` must be a table [write [wokwi]]"),
            ("[wokwy]", "1:1 there is no table `wokwi` [write [wokwi], and"),
            ("[wokwi", "1:7 no TOML:"),
            ("[wokwi]\nversion = 2\nfirmware = 'a.bin'", "2:11 this version is not known, only"),
            ("[wokwi]\nversion = 1", "1:1 `firmware` is missing [write firmware ="),
            ("[wokwi]\nfirmware = 'a.bin'", "1:1 `version` is missing [write version = 1]"),
            ("[wokwi]\nversion = 1\nfirmware = 7", "3:12 `firmware` must be a path [paths are"),
            ("[wokwi]\nversion = 1\nfirmware = 'x.bin'", "3:12 there is no file `x.bin` [build"),
            ("[wokwi]\nversion = 1\nfirmware = 'a.elf'", "3:12 not w/a.elf []"),
        ] {
            let told = told(&project(toml, JSON).unwrap_err());
            assert!(told.iter().any(|it| it.starts_with(wanted)), "{toml}: {told:?}");
        }
        for (json, wanted) in [
            (
                JSON.replace("board-esp32-cam", "board-uno"),
                "1:35 the diagram: the board `board-uno`",
            ),
            (JSON.replace("\"lcd\"", "\"cam\""), "1:60 the diagram: two parts are called `cam`"),
            (JSON.replace("},\n", "}\n"), "2:9 the diagram: not as it must be"),
        ] {
            let told = told(&project(TOML, &json).unwrap_err());
            assert!(told[0].starts_with(wanted), "{json}: {told:?}");
        }
    }

    #[test]
    fn what_only_other_tools_know_is_pointed_out() {
        let toml = format!(
            "{TOML}gdbServerPort = 3333\nvcdfile = 'x'\n[[chip]]\nname = 'c'\n[[net.forward]]\n"
        )
        .replace("a.elf", "b.elf");
        let read = project(&toml, JSON).unwrap();
        let warned = told(&read.warnings[0]);
        assert_eq!(warned.len(), 3, "{warned:?}");
        assert!(warned[0].starts_with("4:7 there is no file `b.elf`"), "{warned:?}");
        assert!(warned[1].contains("`vcdfile` is not known [did you mean `vcdFile`?]"));
        assert!(warned[2].contains("custom chips are not emulated"), "{warned:?}");
    }

    #[test]
    fn a_project_is_found_above_its_files_and_not_beyond_the_root() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("p");
        std::fs::create_dir_all(folder.join("tests")).unwrap();
        std::fs::write(folder.join(FILE), "").unwrap();
        let file = folder.join("tests/a.scenario.yaml");
        assert_eq!(folder_of(&file, root.path()), Some(folder.clone()));
        assert_eq!(folder_of(&file, &folder.join("tests")), None);
        assert!(is_scenario(&file) && !is_scenario(Path::new("scenario.yaml")));
    }
}
