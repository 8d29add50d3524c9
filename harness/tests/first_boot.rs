//! The first boot of the official MicroPython, which makes a file system: copies of the board go on
//! like it, and the power may fail in any of its flash operations.

use std::sync::Mutex;

use crate::common;
use crate::common::{Console, on_two_threads};
use esp32_emulator::board::parts::nor_flash::{FlashOperation, PowerCut, Share};
use esp32_emulator::board::{Board, Outcome};
use esp32_emulator::peripherals::CoreId;
use esp32_emulator::time::{Duration, Instant};

/// Device time in which a board must be at its prompt.
const BOOT: Duration = Duration::from_secs(30);
const PROMPT: &str = "\r\n>>> ";

/// A board that is going on, with all that it has said so far.
#[derive(Clone)]
struct Witness {
    board: Board,
    transcript: Vec<(Instant, u8)>,
}

/// What must be equal in two boards that went the same way.
#[derive(Debug, PartialEq, Eq)]
struct State {
    now: Instant,
    events: u64,
    flash_operations: u64,
    cores: [Vec<u64>; 2],
    memory: u64,
    transcript: Vec<(Instant, u8)>,
}

impl Witness {
    fn run_to(&mut self, end: Instant) {
        loop {
            match self.board.run_until(end) {
                Outcome::Deadline => return,
                Outcome::Serial => {
                    let new = std::iter::from_fn(|| self.board.take_serial());
                    self.transcript.extend(new.map(|it| (it.at, it.byte)));
                }
                other => panic!("{other:?} at {:?}", self.board.now()),
            }
        }
    }

    fn state(&self) -> State {
        State {
            now: self.board.now(),
            events: self.board.event_hash(),
            flash_operations: self.board.flash().operations(),
            cores: [CoreId::Pro, CoreId::App].map(|core| {
                let cpu = self.board.chip().cpu(core);
                let file = (0..64).map(|n| u64::from(cpu.physical_ar(n)));
                let special = (0..=u8::MAX).filter_map(|n| cpu.special(n)).map(u64::from);
                [cpu.cycle, cpu.pc.into()].into_iter().chain(file).chain(special).collect()
            }),
            memory: memory_hash(&self.board),
            transcript: self.transcript.clone(),
        }
    }
}

/// A hash of all internal memory that is not ROM, and of the flash where the file system is.
fn memory_hash(board: &Board) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |bytes: &[u8]| {
        let (words, _) = bytes.as_chunks::<8>();
        for word in words {
            hash = (hash ^ u64::from_le_bytes(*word))
                .wrapping_mul(0x0000_0100_0000_01b3)
                .rotate_left(29);
        }
    };
    // Data RAM, instruction RAM, RTC fast and slow memory.
    for (address, length) in [
        (0x3ffa_e000, 0x5_2000),
        (0x4007_0000, 0x3_0000),
        (0x3ff8_0000, 0x2000),
        (0x5000_0000, 0x2000),
    ] {
        let mut bytes = vec![0; length];
        assert_eq!(board.chip().read_memory(CoreId::Pro, address, &mut bytes), length);
        add(&bytes);
    }
    let pages = board.flash().size() >> 16;
    for page in [0, pages / 2, pages / 2 + 1] {
        add(board.flash().page(page));
    }
    hash
}

#[test]
fn a_copy_taken_at_any_of_200_points_of_a_boot_goes_on_like_the_original() {
    const POINTS: usize = 200;
    /// Device time from power-on to behind the prompt.
    const END: Duration = Duration::from_millis(500);

    let mut board = common::board();
    board.power_on();
    // Irregular, so that the points lie anywhere in a quantum, a ROM function, a serial byte.
    let points: Vec<Instant> = (0..=POINTS as u64)
        .map(|n| {
            Instant::ZERO
                + Duration::from_ticks(END.ticks() / POINTS as u64 * n + n * n * 37 % 1009)
        })
        .collect();
    let mut original = Witness { board, transcript: Vec::new() };
    let mut copies = Vec::new();
    let mut states = Vec::new();
    for &point in &points {
        original.run_to(point);
        copies.push(Mutex::new(original.clone()));
        states.push(original.state());
    }
    let said: Vec<u8> = original.transcript.iter().map(|(_, byte)| *byte).collect();
    assert!(said.ends_with(PROMPT.as_bytes()), "{}", String::from_utf8_lossy(&said));

    // Each copy runs on past the next two points, every twentieth to the end.
    on_two_threads(POINTS, |n| {
        let mut copy = copies[n].lock().expect("no test has failed").clone();
        let further = if n % 20 == 0 { POINTS } else { (n + 2).min(POINTS) };
        for next in n + 1..=further {
            copy.run_to(points[next]);
            assert!(copy.state() == states[next], "the copy of point {n} differs at {next}");
        }
    });
}

#[test]
fn a_board_boots_after_a_power_cut_in_any_flash_operation_of_its_first_boot() {
    // How much of the operation is done: nothing; the bytes of a program, and the two halves of an
    // erase, at several points.
    const SHARES: [u8; 5] = [0, 20, 45, 75, 98];
    // Erasing and programming the first block of the file system. If that remains unfinished,
    // MicroPython neither finds a file system nor a blank flash, and rather than destroy something
    // it repeats what is wrong until somebody presses Ctrl-C (ports/esp32/modules/inisetup.py,
    // `check_bootsec`). A board does the same.
    const FIRST_BLOCK: usize = 2;

    let mut board = common::board();
    board.power_on();
    // The board just before each operation.
    let mut before: Vec<Board> = Vec::new();
    let mut console = Console(board);
    let mut last = console.0.clone();
    let mut printed = String::new();
    while !printed.ends_with(PROMPT) {
        printed += &console.read_for(Duration::from_micros(500));
        assert!(console.0.now() < Instant::ZERO + BOOT, "{printed}");
        let new = console.0.flash().operations() as usize - before.len();
        before.extend(std::iter::repeat_n(last, new));
        last = console.0.clone();
    }
    assert!(before.len() >= 8, "{} operations make no file system", before.len());

    on_two_threads(before.len() * SHARES.len(), |n| {
        let (operation, share) = (n / SHARES.len(), SHARES[n % SHARES.len()]);
        let what = format!("cut at {share} % of operation {}", operation + 1);
        let mut board = before[operation].clone();
        let nth = operation as u64 + 1 - board.flash().operations();
        let cut = PowerCut { operation: FlashOperation::Any, nth, share: Share::percent(share) };
        board.flash_mut().cut_power_at(Some(cut));
        let deadline = board.now() + BOOT;
        loop {
            match board.run_until(deadline) {
                Outcome::Serial => while board.take_serial().is_some() {},
                Outcome::PowerCut => break,
                other => panic!("{what}: {other:?} instead of it"),
            }
        }
        board.power_on();
        let mut console = Console(board);
        if operation < FIRST_BLOCK && share > 0 {
            let refused = console.read_until("The filesystem appears to be corrupted.", BOOT);
            refused.unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
            console.send("\x03");
            let stopped = console.read_until(PROMPT, BOOT);
            stopped.unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
            assert_eq!(console.answer("1 + 1"), Ok("2".to_owned()), "{what}");
            return;
        }
        let booted = console.read_until(PROMPT, BOOT);
        let booted = booted.unwrap_or_else(|wrong| panic!("{what}: {wrong}"));
        assert!(booted.contains("MicroPython v1.23.0"), "{what}: {booted}");
        let kept = "f = open('x', 'w'); f.write('kept'); f.close(); print(open('x').read())";
        assert_eq!(console.answer(kept), Ok("4\r\nkept".to_owned()), "{what}");
    });
}

impl Console {
    /// What the prompt answers to a line.
    fn answer(&mut self, line: &str) -> Result<String, String> {
        self.send(line);
        self.send("\r");
        let echo = format!("{line}\r\n");
        let said = self.read_until(PROMPT, BOOT)?;
        said.strip_prefix(&echo).map(str::to_owned).ok_or(said)
    }
}
