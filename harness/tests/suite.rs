//! The programs of `firmware/suite/` on an emulated board with the official MicroPython.
//!
//! The board is booted once, up to the raw REPL; every program gets a clone of it, and one of a board that
//! only interprets, which must come to the same events. With `BENCHRIG_SUITE=machine/uart` only the
//! programs whose name contains that text are run.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::common;
use crate::common::Console;
use benchrig::firmware::suite::{self, Program};
use esp32_emulator::board::{Board, Options};
use esp32_emulator::time::Duration;

/// Device time for the boot, which formats the file system of a blank flash.
const BOOT: Duration = Duration::from_secs(30);
/// Device time for one program.
const PROGRAM: Duration = Duration::from_secs(120);
const THREADS: usize = 2;

/// Programs that fail, and what the emulator lacks. One that passes has to leave the list.
const KNOWN_GAPS: &[(&str, &str)] = &[];

/// A board whose MicroPython waits for a program in raw mode.
fn booted(options: &Options) -> Board {
    let mut board = common::board_with(options);
    board.power_on();
    let mut console = Console(board);
    let prompt = console.read_until("\r\n>>> ", BOOT);
    prompt.expect("MicroPython shows its prompt");
    console.send("\x01");
    let raw = console.read_until("CTRL-B to exit\r\n>", BOOT);
    raw.expect("MicroPython enters raw mode");
    console.0
}

/// The start of a line.
fn shortened(line: &str) -> String {
    line.chars().take(120).collect()
}

/// Runs a program compiled and interpreted; `Err` says what is wrong with it.
fn run(boards: [Board; 2], program: &Program) -> Result<(), String> {
    let [(verdict, compiled), (_, interpreted)] = boards.map(|board| {
        let mut console = Console(board);
        (run_on(&mut console, program), console.0.event_hash())
    });
    if compiled != interpreted {
        return Err("does something else compiled than interpreted".to_owned());
    }
    verdict
}

fn run_on(console: &mut Console, program: &Program) -> Result<(), String> {
    console.send(&program.source);
    console.send("\x04");
    console.read_until("OK", PROGRAM)?;
    let printed = console.read_until("\x04", PROGRAM)?;
    let raised = console.read_until("\x04", PROGRAM)?;
    let difference = program.compare(&printed).map(|it| {
        let line = |text: Option<String>| {
            text.map_or("nothing".to_owned(), |it| format!("{:?}", shortened(&it)))
        };
        let (expected, printed) = (line(it.expected), line(it.printed));
        format!("line {}: expected {expected}, printed {printed}", it.line)
    });
    let raised = raised.trim_end().lines().next_back().map(|last| format!("raised {last}"));
    match [difference, raised].into_iter().flatten().collect::<Vec<_>>() {
        faults if faults.is_empty() => Ok(()),
        faults => Err(faults.join("; ")),
    }
}

/// The verdict of a program, considering what is known.
fn judge(name: &str, result: Result<(), String>) -> Option<String> {
    let known = KNOWN_GAPS.iter().find(|(gap, _)| *gap == name);
    match (result, known) {
        (Ok(()), None) => None,
        (Err(fault), None) => Some(format!("{name}: {fault}")),
        (Err(fault), Some((_, reason))) => {
            println!("{name}: known gap ({reason}): {fault}");
            None
        }
        (Ok(()), Some(_)) => Some(format!("{name} passes: take it out of KNOWN_GAPS")),
    }
}

#[test]
fn every_program_prints_on_the_emulated_board_what_it_must() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../firmware/suite");
    let mut programs = suite::programs(&folder).expect("the programs can be read");
    for (gap, _) in KNOWN_GAPS {
        assert!(programs.iter().any(|it| it.name == *gap), "there is no program {gap}");
    }
    if let Ok(wanted) = std::env::var("BENCHRIG_SUITE") {
        programs.retain(|it| it.name.contains(&wanted));
        assert!(!programs.is_empty(), "no program has {wanted:?} in its name");
    }
    let options = Options::default();
    let boards = [&options, &Options { compile_after: None, ..options.clone() }].map(booted);
    let (next, (verdicts, collected)) = (AtomicUsize::new(0), mpsc::channel());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let (boards, next, programs) = (boards.clone(), &next, &programs);
            let verdicts = verdicts.clone();
            scope.spawn(move || {
                while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = judge(&program.name, run(boards.clone(), program));
                    println!("{}", verdict.as_deref().unwrap_or(&program.name));
                    verdicts.send(verdict).expect("the collector outlives the threads");
                }
            });
        }
    });
    drop(verdicts);
    let mut failures: Vec<String> = collected.into_iter().flatten().collect();
    failures.sort();
    let count = (failures.len(), programs.len());
    assert!(failures.is_empty(), "{} of {} fail:\n{}", count.0, count.1, failures.join("\n"));
}
