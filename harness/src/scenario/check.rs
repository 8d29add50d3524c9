//! Checks of a whole case that no single field can see: names, marks, order, paths.

use std::collections::BTreeMap;
use std::ops::Range;

use super::decode::list;
use super::fault::{Fault, FaultCode, nearest};
use super::model::{BoardEntry, Case, OWN_BOARD, StepEntry, steps_by_board};
use super::values::{CA_HEX, CA_PEM};
use crate::runner::session::confined;
use crate::site::{Host, Http, Places, Site};
use crate::steps::{ImageRef, Server};

/// A board of the scenario, as the checks of its steps know it.
#[derive(Debug, Clone)]
pub struct KnownBoard<'s> {
    /// Its name; `None` for the scenario's own.
    pub name: Option<&'s str>,
    /// Where the name stands.
    pub span: Range<usize>,
    /// Whether firmware is named for it.
    pub has_firmware: bool,
}

/// Every fault of a list of steps that are done with these boards.
pub fn steps(steps: &[StepEntry], known: &[KnownBoard<'_>]) -> Vec<Fault> {
    let all: Vec<_> = steps_by_board(steps).into_iter().map(|(_, entry)| entry).collect();
    let mut faults = Vec::new();
    names(steps, &mut Vec::new(), &mut faults);
    boards(steps, false, known, &mut faults);
    for board in known {
        let own = on_board(steps, board.name);
        marks(&own, &mut faults);
        images(&own, board.has_firmware, &mut faults);
    }
    snapshots(&all, &mut faults);
    faults
}

/// Boards with which nothing is done.
pub fn unused_boards(steps: &[StepEntry], known: &[KnownBoard<'_>]) -> Vec<Fault> {
    let unused = known.iter().filter(|it| on_board(steps, it.name).is_empty());
    let fault = |board: &KnownBoard<'_>| {
        let message = format!("no step does anything with the board `{}`", board.name?);
        let fault = Fault::new(FaultCode::Unused, board.span.clone(), message);
        Some(fault.help("steps for it stand in `parallel`, under its name"))
    };
    unused.filter_map(fault).collect()
}

/// Hosts, stations and networks that steps name exist, and serve what is asked of them.
pub fn site(steps: &[StepEntry], site: Option<&Site>) -> Vec<Fault> {
    let stations: Vec<_> =
        site.iter().flat_map(|it| &it.stations).map(|it| it.name.as_str()).collect();
    let hosts = site.iter().flat_map(|it| &it.hosts).map(|it| it.name.as_str());
    let hosts: Vec<_> = hosts.chain(stations.iter().copied()).collect();
    let networks: Vec<_> = site.iter().flat_map(|it| &it.air).map(|it| it.ssid.as_str()).collect();
    let values: Vec<_> = site.map(|site| Places::of(site).values()).unwrap_or_default();
    let values: Vec<_> = values.iter().map(|(name, _)| name.as_str()).collect();
    let mut faults = Vec::new();
    for (_, entry) in steps_by_board(steps) {
        let facts = entry.step.facts();
        for template in &facts.templates {
            let unknown = template.names().filter(|it| is_of_site(it) && !values.contains(it));
            for name in unknown {
                let message = format!("the scenario's air and hosts give no value to `{name}`");
                let mut fault = Fault::new(FaultCode::UnknownName, template.span.clone(), message)
                    .help("there are `air.NAME.ssid`, `air.NAME.password` and `host.NAME.address`");
                if let Some(near) = nearest(name, values.iter().copied()) {
                    fault = fault.label(format!("did you mean `{near}`?"));
                }
                faults.push(fault.in_text(&entry.source));
            }
        }
        if facts.needs_site && site.is_none() {
            let message = "the scenario has no `air`, so no network".to_owned();
            let fault = Fault::new(FaultCode::UnknownName, entry.span.clone(), message);
            faults.push(fault.in_text(&entry.source));
        }
        let serves = |(name, server, span): &(&str, Server, Range<usize>)| {
            let host = site.iter().flat_map(|it| &it.hosts).find(|it| it.name == *name)?;
            let (is_there, message, key) = match server {
                Server::Web(port) => {
                    let is_it = |it: &Http| port.is_none_or(|port| it.port == port);
                    let at = port.map_or(String::new(), |port| format!(" at port {port}"));
                    let message = format!("`{name}` has no web server{at}");
                    (host.web_servers().any(is_it), message, "http` or `https")
                }
                Server::Broker => (host.mqtt.is_some(), format!("`{name}` has no broker"), "mqtt"),
                Server::Script(port) => (
                    host.scripts.iter().any(|script| script.port == *port),
                    format!("`{name}` has no script at port {port}"),
                    "tcp` or `udp",
                ),
            };
            let fault = Fault::new(FaultCode::UnknownName, span.clone(), message);
            (!is_there).then(|| fault.help(format!("give it one with `{key}:`")))
        };
        let brokers = site.iter().flat_map(|it| &it.hosts).filter(|host| host.mqtt.is_some());
        let broker = match brokers.count() {
            0 => Some(("no host has a broker", "give one `mqtt:`")),
            1 => None,
            _ => Some(("several hosts have a broker", "say which with `host:`")),
        };
        if let Some((message, help)) = broker.filter(|_| facts.needs_broker) {
            let message = message.to_owned();
            let fault = Fault::new(FaultCode::UnknownName, entry.span.clone(), message);
            faults.push(fault.help(help).in_text(&entry.source));
        }
        let has_tls = site.is_some_and(Site::has_tls);
        let names = facts.templates.iter().flat_map(|it| it.names().map(|name| (name, &it.span)));
        for (name, span) in names.filter(|(name, _)| [CA_PEM, CA_HEX].contains(name) && !has_tls) {
            let message = format!("`{name}` is the certificate of an authority that nobody needs");
            let fault = Fault::new(FaultCode::UnknownName, span.clone(), message);
            faults.push(
                fault.help("no host has `https:`, or `mqtt:` with `tls:`").in_text(&entry.source),
            );
        }
        let missing = facts.servers.iter().filter_map(serves);
        faults.extend(missing.map(|fault| fault.in_text(&entry.source)));
        let named = [
            (facts.hosts, &hosts, "host", "hosts"),
            (facts.stations, &stations, "station", "stations"),
            (facts.networks, &networks, "network", "air"),
        ];
        for (names, known, what, key) in named {
            for (name, span) in names.into_iter().filter(|(name, _)| !known.contains(name)) {
                let message = format!("the scenario has no {what} `{name}`");
                let mut fault = Fault::new(FaultCode::UnknownName, span, message).help(match known
                    .is_empty()
                {
                    true => format!("they stand under `{key}:`"),
                    false => format!("those under `{key}:` are {}", list(known.iter().copied())),
                });
                if let Some(near) = nearest(name, known.iter().copied()) {
                    fault = fault.label(format!("did you mean `{near}`?"));
                }
                faults.push(fault.in_text(&entry.source));
            }
        }
    }
    faults
}

/// Whether a name is one of a network or host, which are checked for themselves.
fn is_of_site(name: &str) -> bool {
    name.starts_with("air.") || name.starts_with("host.")
}

fn on_board<'s>(steps: &'s [StepEntry], board: Option<&str>) -> Vec<&'s StepEntry> {
    let steps = steps_by_board(steps).into_iter().filter(|(on, _)| *on == board);
    steps.map(|(_, entry)| entry).collect()
}

/// Every `{{name}}` must have been given a value by an earlier step, or be `env.…`. What is done at
/// the same time with another board is not earlier.
fn names<'s>(steps: &'s [StepEntry], known: &mut Vec<&'s str>, faults: &mut Vec<Fault>) {
    for (entry, facts) in steps.iter().map(|entry| (entry, entry.step.facts())) {
        for template in facts.templates {
            for name in template.names() {
                let is_given = name.starts_with("env.") || [CA_PEM, CA_HEX].contains(&name);
                if is_given || is_of_site(name) || known.contains(&name) {
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
        for steps in facts.inner {
            names(steps, known, faults);
        }
        let before = known.len();
        let mut captured: Vec<&str> = Vec::new();
        for branch in facts.branches {
            let mut seen = known[..before].to_vec();
            names(&branch.steps.0, &mut seen, faults);
            let mut new = seen.split_off(before);
            new.sort_unstable();
            new.dedup();
            if let Some(twice) = new.iter().find(|name| captured.contains(name)) {
                let message = format!("another board gives a value to `{twice}` at the same time");
                let fault = Fault::new(FaultCode::Contradiction, branch.name.clone(), message);
                faults.push(fault.in_text(&entry.source));
            }
            captured.extend(new);
        }
        known.extend(captured);
    }
}

/// The boards of `parallel` exist, and do not do several things at a time themselves.
fn boards(steps: &[StepEntry], inside: bool, known: &[KnownBoard<'_>], faults: &mut Vec<Fault>) {
    for entry in steps {
        let facts = entry.step.facts();
        if inside && !facts.branches.is_empty() {
            let message = "a board can do only one thing at a time".to_owned();
            let fault = Fault::new(FaultCode::Contradiction, entry.span.clone(), message);
            let fault = fault.help("write all boards under the outer `parallel`");
            faults.push(fault.in_text(&entry.source));
        }
        for branch in facts.branches {
            let on = branch.on.as_deref();
            if !known.iter().any(|board| board.name == on) {
                let names = || known.iter().map(|board| board.name.unwrap_or(OWN_BOARD));
                let name = on.unwrap_or(OWN_BOARD);
                let message = format!("the scenario has no board `{name}`");
                let mut fault = Fault::new(FaultCode::UnknownName, branch.name.clone(), message)
                    .help(format!("its boards: {}; more go under `boards:`", list(names())));
                if let Some(near) = nearest(name, names()) {
                    fault = fault.label(format!("did you mean `{near}`?"));
                }
                faults.push(fault.in_text(&entry.source));
            }
            boards(&branch.steps.0, true, known, faults);
        }
        facts.inner.iter().for_each(|steps| boards(steps, inside, known, faults));
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
    /// Whether a path of the project is a folder.
    pub is_folder: &'a dyn Fn(&str) -> bool,
    /// Whether firmware can be named so; else why not.
    pub firmware: &'a dyn Fn(&str) -> Result<(), String>,
}

/// Every fault of the case that only its surroundings show: boards, firmware, files, folders.
pub fn surroundings(case: &Case, around: &Surroundings<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (_, board) in case.boards() {
        faults.extend(board_entry(board, around));
    }
    let hosts = case.site.iter().flat_map(|site| &site.hosts);
    for folder in hosts.flat_map(Host::web_servers).filter_map(|http| http.folder.as_ref()) {
        if !(around.is_folder)(&folder.text) {
            let message = format!("there is no folder `{}`", folder.text);
            let fault = Fault::new(FaultCode::BadValue, folder.span.clone(), message);
            faults.push(fault.help("paths start at the root of the project"));
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

/// Profile, firmware and ELF file of one board.
fn board_entry(board: &BoardEntry, around: &Surroundings<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let profiles = || around.boards.iter().map(String::as_str);
    let profile = &board.profile;
    if !profiles().any(|name| name == profile.text) {
        let message = format!("there is no board `{}`", profile.text);
        let mut fault = Fault::new(FaultCode::BadValue, profile.span.clone(), message)
            .help(format!("boards: {}", list(profiles())));
        if let Some(near) = nearest(&profile.text, profiles()) {
            fault = fault.label(format!("did you mean `{near}`?"));
        }
        faults.push(fault);
    }
    if let Some(firmware) = &board.firmware
        && let Err(reason) = (around.firmware)(&firmware.text)
    {
        faults.push(Fault::new(FaultCode::BadValue, firmware.span.clone(), reason));
    }
    if let Some(elf) = &board.elf {
        let path = &elf.text;
        let bad = |message| Fault::new(FaultCode::BadValue, elf.span.clone(), message);
        if let Err(reason) = confined(path) {
            faults.push(bad(format!("the path `{path}` {reason}")));
        } else if !(around.exists)(path) {
            let help = "build the firmware first; paths start at the root of the project";
            faults.push(bad(format!("there is no file `{path}`")).help(help));
        }
    }
    faults
}
