//! Scenarios of ours as Wokwi projects: a folder for each kind of board, with the diagram that all of
//! them run on. What cannot be said in Wokwi's terms is told, with its place.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::circuit::Circuit;
use super::drawing::Drawing;
use super::project::{DIAGRAM, FILE};
use super::script;
use crate::firmware::flasher_args;
use crate::scenario::fault::{Fault, FaultCode, FileFaults};
use crate::scenario::model::Case;

/// Stands in every file that is written here and that can hold it.
const MARK: &str = "Written by `benchrig export wokwi`";
/// The same in a diagram.
const AUTHOR: &str = "\"author\": \"benchrig\"";

/// Whether a text was written here, and may be written anew.
pub fn is_ours(text: &str) -> bool {
    text.contains(MARK) || text.contains(AUTHOR)
}

/// What scenarios amount to.
#[derive(Debug, Default)]
pub struct Export {
    /// Texts by their paths.
    pub files: BTreeMap<PathBuf, String>,
    /// How many scenarios are in them.
    pub scenarios: usize,
    /// What cannot be said, as errors, and what is lost, as warnings.
    pub told: Vec<FileFaults>,
}

/// A project while its scenarios are collected.
struct Project {
    drawing: Drawing,
    firmware: Named,
    cases: Vec<Arc<Case>>,
}

/// What a scenario calls its firmware, from the root of its project.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    root: PathBuf,
    firmware: String,
    elf: Option<String>,
}

/// Writes cases as projects below a folder.
///
/// # Errors
/// When there is no current folder to which paths are relative.
pub fn export(cases: &[Arc<Case>], to: &Path) -> std::io::Result<Export> {
    let below = std::path::absolute(to)?;
    let mut projects: BTreeMap<&'static str, Project> = BTreeMap::new();
    let mut export = Export::default();
    for case in cases {
        match collect(case, &mut projects) {
            Ok(remarks) => export.told.extend(faults(case, remarks)),
            Err(cannot) => export.told.extend(faults(case, cannot)),
        }
    }
    for (name, project) in projects {
        let folder = below.join(name);
        export.scenarios += project.cases.len();
        let shown = to.join(name).display().to_string();
        export.files.extend(project.files(&folder, &shown));
    }
    Ok(export)
}

fn faults(case: &Case, faults: Vec<Fault>) -> Option<FileFaults> {
    (!faults.is_empty()).then(|| FileFaults::new(case.source.clone(), faults))
}

/// Puts a case into its project, if it can be said; what is lost.
fn collect(
    case: &Arc<Case>,
    projects: &mut BTreeMap<&'static str, Project>,
) -> Result<Vec<Fault>, Vec<Fault>> {
    let cannot = |why: String| vec![Fault::new(FaultCode::BadValue, 0..0, why)];
    if case.board.circuit.is_some() {
        return Err(cannot("it is in a Wokwi project already".to_owned()));
    }
    let drawing = Drawing::of_case(case);
    // What cannot be on the air is told with all else that cannot be said.
    let alone = Drawing { site: None, ..drawing.clone() };
    let circuit = Circuit::drawn(&alone).map_err(cannot)?;
    let spoken = script::say(case, &circuit)?;
    let text = |it: &crate::scenario::model::Spanned| it.text.clone();
    let Some(firmware) = case.board.firmware.as_ref().map(text) else {
        return Err(cannot("it names no firmware, and a Wokwi project must".to_owned()));
    };
    let elf = case.board.elf.as_ref().map(text);
    let firmware = Named { root: case.project.clone(), firmware, elf };
    let folder = drawing.board().folder;
    match projects.get_mut(folder) {
        None => {
            projects.insert(folder, Project { drawing, firmware, cases: vec![case.clone()] });
        }
        Some(project) => {
            let first = &project.cases[0].source.name;
            if project.firmware != firmware {
                let why =
                    format!("its firmware is not that of {first}, and a Wokwi project has one");
                return Err(cannot(why));
            }
            let mut both = project.drawing.clone();
            both.join(&drawing)
                .and_then(|()| both.text())
                .map_err(|why| cannot(format!("its board is not that of {first}: {why}")))?;
            project.drawing = both;
            project.cases.push(case.clone());
        }
    }
    Ok(spoken.remarks)
}

impl Project {
    fn files(self, folder: &Path, shown: &str) -> Vec<(PathBuf, String)> {
        let mut files = vec![(folder.join(FILE), self.firmware.toml(folder, shown))];
        let (Ok(diagram), Ok(circuit)) = (self.drawing.text(), Circuit::drawn(&self.drawing))
        else {
            // Each was drawn before.
            return files;
        };
        files.push((folder.join(DIAGRAM), diagram));
        for case in &self.cases {
            let Ok(spoken) = script::say(case, &circuit) else { continue };
            let from = case.path.file_name().unwrap_or_default().to_string_lossy();
            let head = format!("# {MARK} from {from}: change that one.\n");
            let name = format!("{}.scenario.yaml", file_name(&case.name));
            files.push((folder.join(name), script::scenario(&head, case, &spoken.steps)));
        }
        files
    }
}

/// The name of a case, with the values of its parameters, as a file can have it.
fn file_name(case: &str) -> String {
    let keep = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    case.chars().map(keep).collect::<String>().trim_matches('-').to_owned()
}

impl Named {
    /// The text of `wokwi.toml` in a folder, which a person calls so.
    fn toml(&self, folder: &Path, shown: &str) -> String {
        let path = self.root.join(&self.firmware);
        let (firmware, advice) = if path.exists() {
            let flasher_args = path.join(flasher_args::FILE_NAME);
            let path = if flasher_args.is_file() { flasher_args } else { path };
            (relative(folder, &path), String::new())
        } else {
            let name = &self.firmware;
            let advice = format!(
                "# `benchrig run` takes the image from the cache of `benchrig firmware`; for Wokwi's own tools, \
                 put\n# it into this folder:\n#\n#     benchrig firmware fetch {name} --to {shown}\n"
            );
            (format!("{name}.bin"), advice)
        };
        let elf = self.elf.as_ref().map_or(String::new(), |elf| {
            format!("elf = {}\n", quoted(&relative(folder, &self.root.join(elf))))
        });
        let firmware = quoted(&firmware);
        format!("# {MARK}.\n{advice}[wokwi]\nversion = 1\nfirmware = {firmware}\n{elf}")
    }
}

fn quoted(text: &str) -> String {
    // A basic string of TOML takes what JSON says.
    serde_json::Value::from(text).to_string()
}

/// A path as it is from a folder, both absolute, with `/` between.
fn relative(folder: &Path, path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (from, to): (Vec<_>, Vec<_>) = (folder.components().collect(), path.components().collect());
    let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = from[same..].iter().map(|_| Component::ParentDir);
    let parts = up.chain(to[same..].iter().copied());
    let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::decode::no_files;
    use crate::scenario::parser::{FilePlace, parse};

    fn cases(name: &str, text: &str) -> Vec<Arc<Case>> {
        let (path, root) = (PathBuf::from(name), std::env::temp_dir());
        let text = format!("name: x\nversion: 1\n{text}");
        let place = FilePlace { path: &path, project: &root };
        parse(&text, place, &no_files).expect("a scenario").cases
    }

    fn exported(cases: &[Arc<Case>]) -> (Vec<(String, String)>, Vec<String>) {
        let export = export(cases, Path::new("w")).expect("a current folder");
        let below = std::env::current_dir().expect("a current folder").join("w");
        let short = |path: PathBuf| path.strip_prefix(&below).unwrap().display().to_string();
        let files = export.files.into_iter().map(|(path, text)| (short(path), text)).collect();
        let told = export.told.iter().flat_map(|file| {
            let line = |fault: &Fault| {
                let place = file.source.place(fault.span.start);
                format!("{}:{place} {}", file.source.name, fault.message)
            };
            file.faults.iter().map(line).collect::<Vec<_>>()
        });
        (files, told.collect())
    }

    #[test]
    fn a_scenario_becomes_a_project_of_its_board() {
        let text = "firmware: micropython-1.23.0\nparameters: {n: [2, 4]}\nsteps:\n\
                    - name: It boots\n  wait-serial: '>>> '\n\
                    - repl: {code: '{{n}}+{{n}}', expect: '8'}\n\
                    - repl: {code: \"for i in [1]:\\n print(i)\", expect: {text: '1'}}\n\
                    - repeat: {times: 2, steps: [delay: 1.5s]}\n\
                    - press: boot\n\
                    - expect-pin: {pin: 2, level: high, within: 0s}\n";
        let (files, told) = exported(&cases("a/sums.yaml", text));
        assert_eq!(told, Vec::<String>::new());
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        let wanted =
            ["diagram.json", "sums-n-2.scenario.yaml", "sums-n-4.scenario.yaml", "wokwi.toml"];
        assert_eq!(names, wanted.map(|name| format!("devkit/{name}")));
        assert!(files.iter().all(|(_, text)| is_ours(text)));
        insta::assert_snapshot!(files[2].1);
        insta::assert_snapshot!(files[3].1);
    }

    #[test]
    fn what_cannot_be_said_is_told_with_its_place_and_what_is_lost_too() {
        let text = "firmware: f\nnever: [oops]\nsteps:\n\
                    - boot-mode: download\n- erase-flash\n- wait-serial: x\n- boot-mode: run\n- press: reset\n\
                    - write-flash: {at: 0, image: x.bin}\n\
                    - repl: {code: '1', expect: {regex: 1}}\n- repl: {code: a, capture: a}\n\
                    - write-serial: '{{a}}'\n- wait-serial: {text: a, port: uart1}\n\
                    - set-pin: {pin: 2, level: low}\n- expect-pin: {pin: 20, level: low}\n\
                    - repeat: {times: 2, steps: [power-cycle]}\n";
        let (files, told) = exported(&cases("a.yaml", text));
        assert_eq!(files, []);
        insta::assert_snapshot!(told.join("\n"));
        let lost = "firmware: f\nsteps:\n- delay: 1s\n- wait-serial: {text: a, within: 1s}\n\
                    - expect-pin: {pin: 2, level: low}\n- repl: a\n";
        let (files, told) = exported(&cases("b.yaml", lost));
        assert_eq!(files.len(), 3);
        insta::assert_snapshot!(told.join("\n"));
    }

    #[test]
    fn what_is_flashed_at_first_is_the_firmware_and_nothing_is_flashed_later() {
        let text = "firmware: f\nsteps:\n- boot-mode: download\n- press: reset\n- erase-flash\n\
                    - write-flash: {image: firmware}\n- verify-flash: {image: firmware}\n\
                    - boot-mode: run\n- press: reset\n- wait-serial: x\n";
        let (files, told) = exported(&cases("a.yaml", text));
        assert_eq!(told, Vec::<String>::new());
        assert!(files[0].1.ends_with("steps:\n  - wait-serial: \"x\"\n"), "{}", files[0].1);
        let (_, told) =
            exported(&cases("a.yaml", &format!("{text}- press: reset\n- erase-flash\n")));
        assert_eq!(told.len(), 2, "{told:?}");
        let blank = text
            .replace("- write-flash: {image: firmware}\n- verify-flash: {image: firmware}\n", "");
        let (_, told) = exported(&cases("a.yaml", &blank));
        assert!(told[0].contains("the flash is blank"), "{told:?}");
    }

    #[test]
    fn a_project_has_one_firmware_and_one_board() {
        let with = |name: &str, firmware: &str, gpio: u8| {
            let text = format!(
                "firmware: {firmware}\nparts:\n  lamp: {{type: led, pins: {{A: {gpio}, C: gnd}}}}\nsteps: [wait-serial: x]\n"
            );
            cases(name, &text)
        };
        let all = [
            with("a.yaml", "f", 2),
            with("b.yaml", "g", 2),
            with("c.yaml", "f", 4),
            with("d.yaml", "f", 2),
        ];
        let (files, told) = exported(&all.concat());
        assert_eq!(files.len(), 4);
        assert_eq!(
            told,
            [
                "b.yaml:1:1 its firmware is not that of a.yaml, and a Wokwi project has one",
                "c.yaml:1:1 its board is not that of a.yaml: another part there is called `lamp`",
            ]
        );
    }

    #[test]
    fn paths_start_at_the_folder() {
        let root = PathBuf::from("/a/b");
        for (path, wanted) in [("/a/b/c/d.bin", "../../c/d.bin"), ("/a/x", "../../../x")] {
            assert_eq!(relative(&root.join("w/devkit"), Path::new(path)), wanted);
        }
    }
}
