//! `benchrig run`: plays scenarios and says what was proved.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use console::Term;
use esp32_emulator::soc::lockstep::Lockstep;

use super::doors::{DoorSpec, Openings, keep_open};
use super::images::ProjectFirmware;
use super::modes::Modes;
use super::operator::TerminalOperator;
use super::planning::Planning;
use super::targets::Of;
use super::terminal::Terminal;
use crate::comparison::{Compared, Courses, compare};
use crate::exit_code::ExitCode;
use crate::reports::Report;
use crate::reports::bars::Bars;
use crate::reports::console::{Console, Look, Progress};
use crate::reports::files::{Files, Wanted};
use crate::reports::github::Annotations;
use crate::reports::in_order::InOrder;
use crate::reports::json::JsonLines;
use crate::reports::vcd;
use crate::runner::events::Event;
use crate::runner::execute::{Surroundings, default_jobs, execute};
use crate::runner::hold::{Held, Hold};
use crate::runner::operator::Operator;
use crate::runner::verdict::Skips;
use crate::scenario::units;
use crate::serve::doors::Reach;
use crate::serve::pacer::Pace;
use crate::snapshots::SnapshotPolicy;

/// Run scenarios
///
/// Every scenario is read and checked first; if any has a mistake, nothing starts. Each case then
/// gets a target of its own, starts powered off, and plays its steps. Progress goes to stderr,
/// results to stdout.
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    planning: Planning,

    /// Seed of everything random: equal seeds give equal runs
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,

    /// The ELF file that the firmware was made of, to say where in the source it crashed [default:
    /// what the scenario's `elf:` says, or what lies beside its firmware]
    #[arg(long, value_name = "FILE")]
    elf: Option<PathBuf>,

    /// How many cases run at a time [default: as many as there are cores; 1 on real boards]
    #[arg(long, short, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// Try a failed case again so often, each time with the next seed; if it then passes, it is
    /// reported as flaky
    #[arg(long, value_name = "N", default_value_t = 0)]
    retries: u32,

    /// Begin no further case after the first that does not pass; those that have begun are finished
    #[arg(long, conflicts_with = "keep_going")]
    fail_fast: bool,

    /// Run all cases whatever happens (this is the default)
    #[arg(long)]
    keep_going: bool,

    /// Fail the run if a case is skipped
    #[arg(long)]
    no_skip: bool,

    /// End a case after so much wall time, whatever device time says; 0 for never
    #[arg(long, value_name = "TIME", default_value = "10min", value_parser = wall_time)]
    wall_limit: Duration,

    /// Begin no further case after the first that fails, and keep its machine running at wall time
    /// until Ctrl-C, with a door to its console: `tcp:HOST:PORT`, `pty` or `pty:LINK`. Of a case
    /// with several boards it is that of `main`
    #[arg(
        long,
        value_name = "DOOR",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "tcp:127.0.0.1:0"
    )]
    hold: Option<DoorSpec>,

    /// Run on both targets, such as `emulator,board:cam`, and show where they part
    #[arg(
        long,
        value_name = "A,B",
        value_delimiter = ',',
        conflicts_with_all = ["target", "json", "junit", "html", "vcd", "hold"]
    )]
    compare: Vec<String>,

    /// Run on the emulator twice, interpreted and then with hot code compiled, and compare the state of
    /// the whole chip all the time; where both differ first, the run ends and shows them side by
    /// side. One case at a time
    #[arg(
        long,
        conflicts_with_all = [
            "target", "compare", "no_jit", "jobs", "retries", "json", "junit", "html", "vcd", "hold"
        ]
    )]
    jit_check: bool,

    /// Accept new and changed snapshots at once (never under CI)
    #[arg(long)]
    update: bool,

    /// Print one JSON object per event on stdout; what depends on the host is in `wall_…` fields
    #[arg(long)]
    json: bool,

    /// Write the results as JUnit XML, for the test view of a CI service
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,

    /// Write the whole run as one page: steps, transcript and pins over device time
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,

    /// Write the pins' traces for GTKWave or PulseView: into this folder, or of a single case into
    /// this file if its name ends with .vcd
    #[arg(long, value_name = "PATH")]
    vcd: Option<PathBuf>,

    /// Show every serial line as it comes, and at the end what compiling took
    #[arg(long, short)]
    verbose: bool,

    /// No progress, only results
    #[arg(long, short, conflicts_with = "verbose")]
    quiet: bool,
}

impl Run {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        let snapshots = match SnapshotPolicy::from_environment(terminal.environment(), self.update)
        {
            Ok(policy) => policy,
            Err(error) => {
                terminal.error(error);
                return ExitCode::Usage;
            }
        };
        let modes = terminal.is_live().then(Modes::without_shown_controls);
        let mut at_exit = modes.clone();
        let cancelled = cancelled_by_ctrl_c(move || drop(at_exit.take()));
        let playing = Playing { terminal, snapshots, cancelled };
        let code = match &self.compare[..] {
            [] if self.jit_check => self.check_compiled(&playing),
            [] => self.play(&playing, &Of::CommandLine, &mut |_| {}),
            [one, other] => self.compare(&playing, [one, other]),
            _ => {
                terminal.error("`--compare` takes two targets, such as emulator,board:cam");
                ExitCode::Usage
            }
        };
        drop(modes);
        code
    }

    /// Runs on both targets and tells where they part.
    fn compare(&self, playing: &Playing<'_>, names: [&String; 2]) -> ExitCode {
        let mut runs = [Courses::default(), Courses::default()];
        let mut code = ExitCode::Passed;
        for (name, courses) in names.into_iter().zip(&mut runs) {
            playing.terminal.tell(format_args!("on {name}:"));
            code =
                code.worse(self.play(playing, &Of::Named(name), &mut |event| courses.event(event)));
            if matches!(code, ExitCode::Usage | ExitCode::Interrupted) {
                return code;
            }
        }
        let [one, other] = &runs;
        let compared = compare([one, other]);
        if compared.iter().any(|(_, compared)| matches!(compared, Compared::Parted(_))) {
            code = code.worse(ExitCode::Failed);
        }
        for (case, compared) in &compared {
            let on = match compared {
                Compared::NotCompared { target, .. } => format!(" ({})", names[*target]),
                _ => String::new(),
            };
            playing.terminal.say(format_args!("{case}: {compared}{on}"));
            if let Compared::Parted(divergence) = compared {
                let shown = divergence.side_by_side(names.map(String::as_str), column());
                playing.terminal.say(shown.trim_end());
            }
        }
        code
    }

    /// Runs interpreted and compiled, in step.
    fn check_compiled(&self, playing: &Playing<'_>) -> ExitCode {
        let terminal = playing.terminal;
        let run = |what: &str, run: &Lockstep| {
            terminal.tell(format_args!("{what}:"));
            self.play(playing, &Of::Lockstep(run.clone()), &mut |_| {})
        };
        let interpreted = Lockstep::record();
        let code = run("interpreted", &interpreted);
        if matches!(code, ExitCode::Usage | ExitCode::Interrupted) {
            return code;
        }
        let compiled = interpreted.compare();
        let code = code.worse(run("compiled", &compiled));
        let Some(parting) = compiled.parting() else {
            terminal.say(format_args!(
                "{} slices are the same interpreted and compiled",
                compiled.compared()
            ));
            return code;
        };
        let again = Lockstep::repeat(&parting);
        run("interpreted, up to where they part", &again);
        let expected = again.parting().map_or_else(String::new, |it| it.state);
        terminal.say(format_args!(
            "chip {} is not the same interpreted and compiled at cycle {}",
            parting.chip, parting.cycle
        ));
        terminal.say(format_args!("interpreted:\n{expected}\ncompiled:\n{}", parting.state));
        code.worse(ExitCode::Failed)
    }

    /// Runs on one target.
    fn play(
        &self,
        playing: &Playing<'_>,
        target: &Of<'_>,
        observe: &mut dyn FnMut(&Event),
    ) -> ExitCode {
        let Playing { terminal, snapshots, cancelled } = playing;
        let (plan, targets) = match self.planning.plan(terminal, target) {
            Ok(planned) => planned,
            Err(code) => return code,
        };
        if let Some(trouble) = self.file_trouble(plan.cases.len()) {
            terminal.error(trouble);
            return ExitCode::Usage;
        }
        let (mut reports, bars) = self.reports(terminal);
        let mut files = Files::new(self.wanted(terminal));
        let skips = if self.no_skip { Skips::Fail } else { Skips::Allow };
        let hold = Hold::default();
        let operator = TerminalOperator::present(bars, cancelled.clone());
        let around = Surroundings {
            targets: &*targets,
            firmware: &ProjectFirmware,
            environment: terminal.environment().clone(),
            snapshots: snapshots.clone(),
            seed: self.seed,
            elf: self.elf.clone(),
            // Chips that are compared are made in the same order both times.
            jobs: match target {
                Of::Lockstep(_) => NonZeroUsize::MIN,
                _ => self.jobs.unwrap_or_else(|| default_jobs(&*targets)),
            },
            retries: self.retries,
            fail_fast: self.fail_fast,
            skips,
            wall_limit: (!self.wall_limit.is_zero()).then_some(self.wall_limit),
            hold: self.hold.as_ref().map(|_| &hold),
            operator: operator.as_ref().map(|operator| operator as &dyn Operator),
            cancelled,
        };
        let tally = execute(&plan, &around, &mut |event| {
            observe(&event);
            reports.iter_mut().for_each(|report| report.event(&event));
            if let Some(files) = &mut files {
                files.event(&event);
            }
        });
        drop(reports);
        if let Some(spent) = targets.spent() {
            terminal.tell(spent);
        }
        let mut code = tally.exit_code(skips);
        if let Some(Err(errors)) = files.map(|files| files.write()) {
            errors.iter().for_each(|error| terminal.error(error));
            code = code.worse(ExitCode::Bench);
        }
        match (&self.hold, hold.take()) {
            (Some(door), Some(held)) => code.worse(hold_open(terminal, held, door, cancelled)),
            _ => code,
        }
    }

    /// What is wrong with the files that are to be read and written.
    fn file_trouble(&self, cases: usize) -> Option<String> {
        if let Some(elf) = self.elf.as_ref().filter(|elf| !elf.is_file()) {
            return Some(format!("there is no file {}", elf.display()));
        }
        let vcd = self.vcd.as_ref().filter(|path| cases > 1 && vcd::is_file(path))?;
        Some(format!(
            "{} cannot hold the traces of {cases} cases: name a folder, or select one case",
            vcd.display()
        ))
    }

    fn wanted(&self, terminal: &Terminal) -> Wanted {
        let summary = terminal.environment().get("GITHUB_STEP_SUMMARY");
        Wanted {
            junit: self.junit.clone(),
            html: self.html.clone(),
            vcd: self.vcd.clone(),
            step_summary: summary.filter(|_| terminal.is_github()).map(PathBuf::from),
        }
    }

    /// The reports that are told as the run goes on, and the picture that one of them draws.
    fn reports(&self, terminal: &Terminal) -> (Vec<Box<dyn Report>>, Bars) {
        let progress = match (self.quiet, terminal.is_live()) {
            (true, _) => Progress::Quiet,
            (false, true) => Progress::Live,
            (false, false) => Progress::Lines,
        };
        let is_live = progress == Progress::Live;
        let look = |summary_colours| Look {
            progress,
            serial: self.verbose,
            progress_colours: terminal.colours(&std::io::stderr()),
            summary_colours,
            page: self.html.clone(),
        };
        let (out, err) = (std::io::stdout(), std::io::stderr());
        let workspace = || terminal.environment().get("GITHUB_WORKSPACE").map(PathBuf::from);
        let mut reports: Vec<Box<dyn Report>> = Vec::new();
        let bars;
        if self.json {
            // Stdout is for the events alone.
            let look = look(terminal.colours(&err));
            reports.push(Box::new(InOrder::new(JsonLines::new(out))));
            let console = Console::new(std::io::stderr(), std::io::stderr(), look);
            bars = console.bars();
            reports.push(readable(console, is_live));
            if terminal.is_github() {
                reports.push(Box::new(Annotations::new(err, workspace())));
            }
        } else {
            let look = look(terminal.colours(&out));
            let console = Console::new(err, std::io::stdout(), look);
            bars = console.bars();
            reports.push(readable(console, is_live));
            if terminal.is_github() {
                reports.push(Box::new(Annotations::new(out, workspace())));
            }
        }
        (reports, bars)
    }
}

/// What is the same for both runs of a comparison.
struct Playing<'a> {
    terminal: &'a Terminal,
    snapshots: SnapshotPolicy,
    cancelled: Arc<AtomicBool>,
}

/// The width of one of two columns.
fn column() -> usize {
    let columns = Term::stdout().size_checked().map_or(120, |(_, columns)| usize::from(columns));
    columns.saturating_sub(7).max(40) / 2
}

/// Lines come in order; the live picture shows everything at once.
fn readable(
    console: Console<impl Write + 'static, impl Write + 'static>,
    is_live: bool,
) -> Box<dyn Report> {
    if is_live { Box::new(console) } else { Box::new(InOrder::new(console)) }
}

/// Keeps the machine of a failed case open until Ctrl-C.
fn hold_open(terminal: &Terminal, held: Held, door: &DoorSpec, stop: &Arc<AtomicBool>) -> ExitCode {
    if stop.load(Ordering::Relaxed) {
        return ExitCode::Passed;
    }
    let Some(mut board) = held.target.served() else {
        terminal.error("this target cannot be held open");
        return ExitCode::Bench;
    };
    terminal.tell(format_args!("{}: its machine goes on until Ctrl-C", held.case));
    let openings = Openings {
        doors: std::slice::from_ref(door),
        name: None,
        control: None,
        reach: Reach::Loopback,
        gdb: None,
        jtag: None,
        forwards: &[],
        pace: Pace::Wall,
    };
    match keep_open(terminal, &mut *board, &openings, stop, &mut |_| Ok(()), &mut |_| Ok(())) {
        Ok(()) => ExitCode::Passed,
        Err(trouble) => {
            terminal.error(trouble.message);
            trouble.code
        }
    }
}

pub(super) fn wall_time(text: &str) -> Result<Duration, String> {
    match units::duration(text) {
        Ok(span) => Ok(Duration::from_nanos(span.nanos())),
        Err(error) => Err(error.to_string()),
    }
}

/// Is set by the first Ctrl-C, which ends the run with its report; the second one ends the program,
/// after `last_words`.
pub(super) fn cancelled_by_ctrl_c(
    mut last_words: impl FnMut() + Send + 'static,
) -> Arc<AtomicBool> {
    let cancelled = Arc::new(AtomicBool::new(false));
    let flag = cancelled.clone();
    // Without a handler Ctrl-C still ends the program, only without the report.
    let _ = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            last_words();
            std::process::exit(ExitCode::Interrupted as i32);
        }
    });
    cancelled
}
