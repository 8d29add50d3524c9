//! `benchrig show`: the plan as it would run.

use super::planning::Planning;
use super::targets::Of;
use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::runner::events::Reason;
use crate::runner::plan::{Plan, PlannedCase};

/// Show what would run, without running it
///
/// Every case with its steps and their places, the values of its parameters in its name, what it
/// goes on from, and why it would be skipped. Steps that another case does for it are marked `=`.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    #[command(flatten)]
    planning: Planning,
}

impl Show {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        let (plan, targets) = match self.planning.plan(terminal, &Of::CommandLine) {
            Ok(planned) => planned,
            Err(code) => return code,
        };
        for planned in &plan.cases {
            show(terminal, &plan, planned);
        }
        let skipped = plan.cases.iter().filter(|it| it.lacks().is_some()).count();
        let forks = plan.cases.iter().filter(|it| it.fork.is_some()).count();
        terminal.say(format_args!(
            "{} cases on {}, {skipped} of them skipped, {forks} going on from another's machine",
            plan.cases.len(),
            targets.name(),
        ));
        if plan.cases.is_empty() { ExitCode::NothingRan } else { ExitCode::Passed }
    }
}

fn show(terminal: &Terminal, plan: &Plan, planned: &PlannedCase) {
    let case = &planned.case;
    terminal.say(format_args!("{}: {}", case.name, case.title));
    let firmware = case.board.firmware.as_ref().map_or("none", |firmware| &firmware.text);
    terminal.say(format_args!(
        "  board {}, firmware {firmware}, at most {} of device time",
        case.board.profile.text, case.timeout
    ));
    for (name, board) in &case.more_boards {
        let firmware = board.firmware.as_ref().map_or("none", |firmware| &firmware.text);
        terminal.say(format_args!("  {name}: board {}, firmware {firmware}", board.profile.text));
    }
    match planned.lacks() {
        Some(Reason::MissingCapabilities { missing }) => {
            let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
            terminal.say(format_args!("  skipped: the target cannot do: {}", missing.join(", ")));
        }
        Some(Reason::OtherBoard { is }) => terminal.say(format_args!("  skipped: {is}")),
        Some(Reason::Cannot { what }) => {
            what.iter().for_each(|what| terminal.say(format_args!("  skipped: {what}")));
        }
        Some(Reason::Unbound { keys }) => {
            terminal.say(format_args!("  skipped: bench.toml has no: {}", keys.join(", ")));
        }
        Some(Reason::MissingParts { parts }) => {
            terminal.say(format_args!("  skipped: the board has no: {}", parts.join(", ")));
        }
        _ => {}
    }
    let shared = planned.fork.map_or(0, |fork| fork.steps);
    if let Some(fork) = planned.fork {
        let from = &plan.cases[fork.from].case.name;
        terminal.say(format_args!("  goes on from {from} after its step {}", fork.steps));
    }
    for (number, entry) in case.steps.iter().enumerate() {
        let mark = if number < shared { '=' } else { ' ' };
        terminal.say(format_args!(
            "  {mark}{:>3}  {}:{}  {}",
            number + 1,
            case.source.name,
            case.source.place(entry.span.start),
            entry.title()
        ));
    }
}
