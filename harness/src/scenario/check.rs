//! Checks of a whole case that no single field can see: names, marks, order, paths.

use std::collections::BTreeMap;

use super::decode::list;
use super::fault::{Fault, FaultCode, nearest};
use super::model::{Case, StepEntry, with_inner};
use crate::runner::session::confined;
use crate::steps::ImageRef;

/// Every fault of a list of steps. `has_firmware` says whether the scenario names one.
pub fn steps(steps: &[StepEntry], has_firmware: bool) -> Vec<Fault> {
    let steps = with_inner(steps);
    let mut faults = Vec::new();
    names(&steps, &mut faults);
    marks(&steps, &mut faults);
    snapshots(&steps, &mut faults);
    images(&steps, has_firmware, &mut faults);
    faults
}

/// Every `{{name}}` must have been given a value by an earlier step, or be `env.…`.
fn names(steps: &[&StepEntry], faults: &mut Vec<Fault>) {
    let mut known: Vec<&str> = Vec::new();
    for (entry, facts) in steps.iter().map(|entry| (entry, entry.step.facts())) {
        for template in facts.templates {
            for name in template.names() {
                if name.starts_with("env.") || known.contains(&name) {
                    continue;
                }
                let message = format!("nothing gives a value to `{name}` before this step");
                let mut fault = Fault::new(FaultCode::UnknownName, template.span.clone(), message)
                    .help(format!(
                        "values come from `parameters`, from captures and from {{{{env.NAME}}}}; \
                         write \\{{{{{name}}}}} for the braces themselves"
                    ));
                if let Some(near) = nearest(name, known.iter().copied()) {
                    fault = fault.label(format!("did you mean `{near}`?"));
                }
                faults.push(fault.in_text(&entry.source));
            }
        }
        known.extend(facts.captures);
    }
}

/// Marks are set once, and before they are used.
fn marks(steps: &[&StepEntry], faults: &mut Vec<Fault>) {
    let mut known: Vec<&str> = Vec::new();
    for (entry, facts) in steps.iter().map(|entry| (entry, entry.step.facts())) {
        for (name, span) in facts.uses_marks {
            if known.contains(&name) {
                continue;
            }
            let message = format!("no step before this one sets the mark `{name}`");
            let mut fault = Fault::new(FaultCode::UnknownName, span, message);
            if let Some(near) = nearest(name, known.iter().copied()) {
                fault = fault.label(format!("did you mean `{near}`?"));
            }
            faults.push(fault.in_text(&entry.source));
        }
        if let Some((name, span)) = facts.mark {
            if known.contains(&name) {
                let message = format!("the mark `{name}` is set twice");
                let fault = Fault::new(FaultCode::Contradiction, span, message);
                faults.push(fault.in_text(&entry.source));
            }
            known.push(name);
        }
    }
}

/// Two snapshots of one case cannot share a file.
fn snapshots(steps: &[&StepEntry], faults: &mut Vec<Fault>) {
    let mut taken: BTreeMap<&str, ()> = BTreeMap::new();
    for (entry, facts) in steps.iter().map(|entry| (entry, entry.step.facts())) {
        if let Some((name, span)) = facts.snapshot
            && taken.insert(name, ()).is_some()
        {
            let message = format!("the snapshot `{name}` is taken twice");
            let fault = Fault::new(FaultCode::Contradiction, span, message);
            faults.push(fault.in_text(&entry.source));
        }
    }
}

/// What is flashed must be named, and lie inside the project.
fn images(steps: &[&StepEntry], has_firmware: bool, faults: &mut Vec<Fault>) {
    for (entry, facts) in steps.iter().map(|entry| (entry, entry.step.facts())) {
        match facts.image {
            Some((ImageRef::Firmware, span)) if !has_firmware => {
                let message = "the scenario names no `firmware`".to_owned();
                let fault = Fault::new(FaultCode::Contradiction, span, message);
                let fault = fault.help("add `firmware:` at the top, or write a path here");
                faults.push(fault.in_text(&entry.source));
            }
            Some((ImageRef::File(path), span)) => {
                if let Err(reason) = confined(path) {
                    let message = format!("the path `{path}` {reason}");
                    let fault = Fault::new(FaultCode::BadValue, span, message);
                    faults.push(fault.in_text(&entry.source));
                }
            }
            _ => {}
        }
    }
}

/// What a case can be checked against besides its own text.
pub struct Surroundings<'a> {
    /// The board profiles of the target.
    pub boards: &'a [String],
    /// Whether a path of the project is a file.
    pub exists: &'a dyn Fn(&str) -> bool,
    /// Whether firmware can be named so; else why not.
    pub firmware: &'a dyn Fn(&str) -> Result<(), String>,
}

/// Every fault of the case that only its surroundings show: boards, firmware, files.
pub fn surroundings(case: &Case, around: &Surroundings<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let boards = || around.boards.iter().map(String::as_str);
    if !boards().any(|board| board == case.board.text) {
        let message = format!("there is no board `{}`", case.board.text);
        let mut fault = Fault::new(FaultCode::BadValue, case.board.span.clone(), message)
            .help(format!("boards: {}", list(boards())));
        if let Some(near) = nearest(&case.board.text, boards()) {
            fault = fault.label(format!("did you mean `{near}`?"));
        }
        faults.push(fault);
    }
    if let Some(firmware) = &case.firmware
        && let Err(reason) = (around.firmware)(&firmware.text)
    {
        faults.push(Fault::new(FaultCode::BadValue, firmware.span.clone(), reason));
    }
    if let Some(elf) = &case.elf {
        let path = &elf.text;
        let bad = |message| Fault::new(FaultCode::BadValue, elf.span.clone(), message);
        if let Err(reason) = confined(path) {
            faults.push(bad(format!("the path `{path}` {reason}")));
        } else if !(around.exists)(path) {
            let help = "build the firmware first; paths start at the root of the project";
            faults.push(bad(format!("there is no file `{path}`")).help(help));
        }
    }
    for entry in case.all_steps() {
        for (path, span) in entry.step.facts().files {
            if !(around.exists)(path) {
                let message = format!("there is no file `{path}`");
                let fault = Fault::new(FaultCode::BadValue, span, message).in_text(&entry.source);
                faults.push(fault.help("paths start at the root of the project"));
            }
        }
    }
    faults
}
