//! `benchrig bench`: the figures of speed that users notice, on this computer.

use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::files::project_of;
use super::images::ProjectFirmware;
use super::terminal::Terminal;
use crate::exit_code::ExitCode;
use crate::runner::firmware::{FetchNews, FirmwareSource};
use crate::scenario::model::Spanned;
use crate::site::{AccessPoint, AirOf, Folders, Host, Http, Network, Security, Site};
use crate::targets::emulated::{Emulated, Engine};
use crate::targets::{Port, Power, Target, TargetError, TargetEvent, TargetRequest};
use crate::time::{DeviceTime, Span};

/// Measure how fast the emulator is on this computer
///
/// Boots the official MicroPython on an emulated board and times what a test run consists of. Each
/// figure is the median of several rounds of wall time. `instructions` are those that were really
/// executed: waiting and skipped polling loops are none. `cargo bench` measures the parts.
#[derive(Debug, clap::Args)]
pub(super) struct Bench {
    /// How often each is measured
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Print one JSON object per figure on stdout
    #[arg(long)]
    json: bool,

    /// Interpret everything: compile nothing to host code
    #[arg(long)]
    no_jit: bool,
}

/// The firmware whose prompt runs the work.
const FIRMWARE: &str = "micropython-1.23.0";
const BOARD: &str = "esp32-devkit";
const PROMPT: &str = "\r\n>>> ";
/// Device time for any of this; the longest takes one minute.
const PATIENCE: Span = Span::from_secs(300);

/// What is typed once, before anything is timed. The native functions are machine code made by
/// MicroPython's own emitter: loops as a compiler would write them.
const SETUP: &[&str] = &[
    "import time, array, machine",
    "def f(n):\n s = 0\n for i in range(n):\n  s += i & 7\n return s",
    "def floats(n):\n x = 0.5\n for i in range(n):\n  x = x * 1.01 + 0.25\n  if x > 100: x = x - 100\n return x > 0",
    "@micropython.viper\ndef integers(n: int) -> int:\n s = 0\n while n:\n  s = (s << 1) ^ (s + n)\n  n -= 1\n return s & 0xff",
    "@micropython.viper\ndef copy(to: ptr32, of: ptr32, n: int):\n while n:\n  i = 0\n  while i < 1024:\n   to[i] = of[i]\n   i += 1\n  n -= 1",
    "a, b = array.array('i', [7] * 1024), array.array('i', [0] * 1024)",
];

/// One piece of work: its name, what is typed, and the answer that proves that it was done.
const WORK: &[(&str, &str, &str)] = &[
    ("MicroPython loop, f(1_000_000)", "f(1_000_000)", "3500000"),
    ("MicroPython floats, 300_000 rounds", "floats(300_000)", "True"),
    ("integer loop in machine code, 10 M rounds", "integers(10_000_000) >= 0", "True"),
    ("memory copy in machine code, 16 MB", "copy(b, a, 4000) or b == a", "True"),
    ("time.sleep(60)", "time.sleep(60) or 'woke'", "'woke'"),
];

/// What is typed before anything is done with WiFi.
const WIFI_SETUP: &[&str] = &[
    "import network, socket\nw = network.WLAN(network.STA_IF)",
    "def join(*of):\n w.connect(*of)\n while not w.isconnected(): time.sleep_ms(20)\n return w.ifconfig()[0]",
    "def open():\n s = socket.socket()\n s.connect(('192.168.0.4', 80))\n return s",
    "page = bytearray(4096)",
    "def download():\n s, n, k = open(), 0, 1\n s.write(b'GET /five HTTP/1.0\\r\\n\\r\\n')\n while k:\n  k = s.readinto(page)\n  n += k\n s.close()\n return n > 5 << 20",
    "def upload():\n s = open()\n s.write(b'PUT / HTTP/1.0\\r\\nContent-Length: 5242880\\r\\n\\r\\n')\n for i in range(1280): s.write(page)\n return s.read(12)",
];

/// The same for work with WiFi. Each goes on from where the one before ended.
const WIFI_WORK: &[(&str, &str, &str)] = &[
    ("WiFi: start and calibrate", "w.active(True)", "True"),
    ("WiFi: scan", "len(w.scan())", "2"),
    ("WiFi: join and DHCP, WPA2", "join('bench-net', 'correct-horse')", "'192.168.0.50'"),
    ("WiFi: leave", "w.disconnect() or time.sleep_ms(50) or w.isconnected()", "False"),
    ("WiFi: join and DHCP, open", "join('open-net')", "'192.168.0.50'"),
    ("WiFi: 10 s idle", "time.sleep(10) or 'woke'", "'woke'"),
    ("WiFi: HTTP download, 5 MB", "download()", "True"),
    ("WiFi: HTTP upload, 5 MB", "upload()", "b'HTTP/1.0 501'"),
];

/// Boards that share an air.
const BOARDS: u8 = 10;

/// What is typed at each of them before.
const AIR_SETUP: &[&str] = &[
    "import network, espnow\nw = network.WLAN(network.STA_IF)",
    "def join(*of):\n w.active(True)\n w.connect(*of)\n while not w.isconnected(): time.sleep_ms(50)\n return w.ifconfig()[2]",
    "def call():\n e, n, all = espnow.ESPNow(), 0, b'\\xff' * 6\n e.active(True)\n e.add_peer(all)\n for i in range(100):\n  e.send(all, b'hello', False)\n  until = time.ticks_add(time.ticks_ms(), 100)\n  while time.ticks_diff(until, time.ticks_ms()) > 0: n += e.recv(50)[0] is not None\n return n > 500",
];

/// What each of them does, as [`WORK`].
const AIR_WORK: &[(&str, &str, &str)] = &[
    ("10 boards on one air: join and DHCP", "join('open-net')", "'192.168.0.1'"),
    ("10 boards on one air: 10 s idle", "time.sleep(10) or 'woke'", "'woke'"),
    ("10 boards on one air: 10 s of ESP-NOW", "call()", "True"),
];

/// What is around the board, and what its web server serves.
fn surroundings() -> (Site, Folders) {
    let access_point = |n: u8, ssid: &str, security| AccessPoint {
        ssid: ssid.to_owned(),
        security,
        channel: 1 + 5 * n,
        signal: -50,
        bssid: [0x02, 0x62, 0x72, 0, 0, n],
        hidden: false,
    };
    let wpa2 = Security::Wpa2 { password: "correct-horse".to_owned() };
    let folder = Spanned { text: "five".to_owned(), span: 0..0 };
    let laptop = Host {
        name: "laptop".to_owned(),
        address: [192, 168, 0, 4].into(),
        http: Some(Http { port: 80, folder: Some(folder) }),
        https: None,
        mqtt: None,
        tcp_echo: Vec::new(),
        udp_echo: Vec::new(),
        ntp: false,
        forward: BTreeMap::new(),
        scripts: Vec::new(),
    };
    let site = Site {
        air: vec![access_point(1, "open-net", Security::Open), access_point(2, "bench-net", wpa2)],
        network: Network::default(),
        hosts: vec![laptop],
        stations: Vec::new(),
        internet: Vec::new(),
    };
    let five: Arc<[u8]> = (0..5_u32 << 20).map(|n| (n % 251) as u8).collect();
    let files = BTreeMap::from([("five".to_owned(), five)]);
    (site, Folders::from([("five".to_owned(), files)]))
}

/// What a round took.
#[derive(Debug, Clone, Copy)]
struct Taken {
    wall: Duration,
    device: Span,
    instructions: u64,
    compiled: Compiled,
}

/// What of it went into compiling.
#[derive(Debug, Clone, Copy, Default)]
struct Compiled {
    blocks: u64,
    us: u64,
}

impl Compiled {
    /// Up to now, by all of these boards.
    fn by<'b>(boards: impl IntoIterator<Item = &'b Emulated>) -> Self {
        boards.into_iter().filter_map(Emulated::compiling).fold(Self::default(), |sum, it| Self {
            blocks: sum.blocks + it.blocks,
            us: sum.us + it.us,
        })
    }

    fn since(self, before: Self) -> Self {
        Self { blocks: self.blocks - before.blocks, us: self.us - before.us }
    }
}

/// A line of the table.
#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    /// Median of the rounds.
    wall_ms: f64,
    device_ms: f64,
    instructions: u64,
    wall_million_instructions_per_second: f64,
    /// Blocks that were compiled meanwhile.
    compiled_blocks: u64,
    wall_compiling_ms: f64,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error("{0}")]
    Firmware(String),
    #[error("the board answered {seen:?} to {typed:?}, and not {wanted:?}")]
    Answer { typed: String, wanted: String, seen: String },
    #[error("the board printed {seen:?} and then not {wanted:?}")]
    Silent { wanted: String, seen: String },
}

impl Bench {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        match self.measure(terminal) {
            Ok(figures) => {
                for figure in &figures {
                    self.print(terminal, figure);
                }
                ExitCode::Passed
            }
            Err(trouble) => {
                terminal.error(trouble);
                ExitCode::Bench
            }
        }
    }

    fn engine(&self) -> Engine {
        if self.no_jit { Engine::interpreted() } else { Engine::default() }
    }

    fn print(&self, terminal: &Terminal, figure: &Figure) {
        if self.json {
            terminal.say(serde_json::json!(figure));
            return;
        }
        let Figure { name, wall_ms, device_ms, instructions, .. } = figure;
        let rate = figure.wall_million_instructions_per_second;
        let work = match *instructions {
            0 => String::new(),
            n => format!("{:>9.1} M instructions, {rate:>5.0} M/s", n as f64 / 1e6),
        };
        let compiled = match figure.compiled_blocks {
            0 => String::new(),
            n => format!("  {n:>5} compiled in {:.1} ms", figure.wall_compiling_ms),
        };
        let device = match *device_ms {
            0.0 => String::new(),
            ms => format!("{ms:>10.1} ms of device time"),
        };
        terminal
            .say(format!("{name:42} {wall_ms:>9.2} ms {device:28} {work:34}{compiled}").trim_end());
    }

    fn measure(&self, terminal: &Terminal) -> Result<Vec<Figure>, Trouble> {
        let flash = flash(terminal)?;
        let request =
            TargetRequest { board: BOARD.to_owned(), seed: 1, flash, ..Default::default() };
        let mut figures = Vec::new();
        let mut booted = None;
        let mut boots = Vec::new();
        for _ in 0..self.rounds {
            let mut board = Emulated::new(&request, &self.engine())?;
            boots.push(timed(&mut board, |board| {
                board.power(Power::On)?;
                read_until(board, PROMPT).map(|_| ())
            })?);
            booted = Some(board);
        }
        self.told(terminal, &mut figures, figure("power-on to prompt, first boot", boots));
        let Some(mut board) = booted else { return Ok(figures) };
        for text in SETUP {
            answer(&mut board, text)?;
        }
        for &(name, typed, wanted) in WORK {
            let mut rounds = Vec::new();
            for _ in 0..self.rounds {
                let mut board = copy(&board)?;
                rounds.push(timed(&mut board, |board| work(board, typed, wanted))?);
            }
            self.told(terminal, &mut figures, figure(name, rounds));
        }
        self.measure_wifi(terminal, request.clone(), &mut figures)?;
        self.measure_air(terminal, request, &mut figures)?;
        let nothing = |wall| Taken {
            wall,
            device: Span::ZERO,
            instructions: 0,
            compiled: Compiled::default(),
        };
        let (mut saves, mut restores) = (Vec::new(), Vec::new());
        for _ in 0..self.rounds {
            let start = Instant::now();
            let saved = copy(&board)?;
            saves.push(nothing(start.elapsed()));
            let start = Instant::now();
            board = copy(&saved)?;
            restores.push(nothing(start.elapsed()));
        }
        self.told(terminal, &mut figures, figure("save a machine", saves));
        self.told(terminal, &mut figures, figure("restore a machine", restores));
        Ok(figures)
    }

    fn measure_wifi(
        &self,
        terminal: &Terminal,
        request: TargetRequest,
        figures: &mut Vec<Figure>,
    ) -> Result<(), Trouble> {
        let (site, folders) = surroundings();
        let request = TargetRequest { site: Some(site), folders, ..request };
        let mut rounds: Vec<Vec<Taken>> = vec![Vec::new(); WIFI_WORK.len()];
        for _ in 0..self.rounds {
            let mut board = Emulated::new(&request, &self.engine())?;
            board.power(Power::On)?;
            read_until(&mut board, PROMPT)?;
            for text in SETUP[..1].iter().chain(WIFI_SETUP) {
                answer(&mut board, text)?;
            }
            for (taken, &(_, typed, wanted)) in rounds.iter_mut().zip(WIFI_WORK) {
                taken.push(timed(&mut board, |board| work(board, typed, wanted))?);
            }
        }
        for ((name, ..), taken) in WIFI_WORK.iter().zip(rounds) {
            self.told(terminal, figures, figure(name, taken));
        }
        Ok(())
    }

    fn measure_air(
        &self,
        terminal: &Terminal,
        request: TargetRequest,
        figures: &mut Vec<Figure>,
    ) -> Result<(), Trouble> {
        let (site, folders) = surroundings();
        let request = TargetRequest { site: Some(site), folders, air: AirOf::AllBoards, ..request };
        let mut rounds: Vec<Vec<Taken>> = vec![Vec::new(); AIR_WORK.len()];
        for _ in 0..self.rounds {
            let mut boards = neighbours(&request, &self.engine())?;
            at_each(&mut boards, |board| {
                board.power(Power::On)?;
                read_until(board, PROMPT)?;
                SETUP[..1]
                    .iter()
                    .chain(AIR_SETUP)
                    .try_for_each(|text| answer(board, text).map(drop))
            })?;
            for (taken, &(_, typed, wanted)) in rounds.iter_mut().zip(AIR_WORK) {
                let state = |boards: &[Emulated]| {
                    let now = boards.iter().map(Target::now).max().unwrap_or_default();
                    let instructions = boards.iter().map(Emulated::instructions).sum::<u64>();
                    (now, instructions, Compiled::by(boards))
                };
                let before = state(&boards);
                let start = Instant::now();
                at_each(&mut boards, |board| work(board, typed, wanted))?;
                let wall = start.elapsed();
                let after = state(&boards);
                taken.push(Taken {
                    wall,
                    device: after.0 - before.0,
                    instructions: after.1 - before.1,
                    compiled: after.2.since(before.2),
                });
            }
        }
        for ((name, ..), taken) in AIR_WORK.iter().zip(rounds) {
            self.told(terminal, figures, figure(name, taken));
        }
        Ok(())
    }

    /// Progress, since the whole takes a while.
    fn told(&self, terminal: &Terminal, figures: &mut Vec<Figure>, figure: Figure) {
        terminal.tell(format_args!("measured: {}", figure.name));
        figures.push(figure);
    }
}

/// The flash of the board.
fn flash(terminal: &Terminal) -> Result<Vec<crate::targets::Segment>, Trouble> {
    let project = project_of(Path::new("scenario.yaml"));
    let mut news = |news: FetchNews| {
        if let FetchNews::Note(note) = news {
            terminal.tell(format_args!("firmware {FIRMWARE}: {note}"));
        }
    };
    let image = ProjectFirmware.resolve(&project, FIRMWARE, &mut news);
    image.map(|image| image.segments).map_err(|trouble| Trouble::Firmware(trouble.message))
}

/// Boards on one air, without power.
fn neighbours(request: &TargetRequest, engine: &Engine) -> Result<Vec<Emulated>, Trouble> {
    let first = Emulated::new(request, engine)?;
    let others = (1..BOARDS).map(|number| {
        let request = TargetRequest { number, seed: 1 + u64::from(number), ..request.clone() };
        first.beside(&request)?.ok_or(TargetError::Cannot("have neighbours"))
    });
    let others = others.collect::<Result<Vec<_>, _>>()?;
    Ok(std::iter::once(first).chain(others).collect())
}

/// Does the same with all boards, at the same time.
fn at_each(
    boards: &mut [Emulated],
    work: impl Fn(&mut Emulated) -> Result<(), Trouble> + Sync,
) -> Result<(), Trouble> {
    let work = &work;
    let done: Vec<_> = std::thread::scope(|scope| {
        let running: Vec<_> = boards
            .iter_mut()
            .map(|board| {
                scope.spawn(move || {
                    let done = work(board);
                    board.leave();
                    done
                })
            })
            .collect();
        running.into_iter().map(|it| it.join().unwrap_or_else(|it| resume_unwind(it))).collect()
    });
    boards.iter_mut().for_each(Target::attend);
    done.into_iter().collect()
}

fn copy(board: &Emulated) -> Result<Emulated, Trouble> {
    board.copy().ok_or(Trouble::Target(TargetError::Cannot("be copied")))
}

fn timed(
    board: &mut Emulated,
    work: impl FnOnce(&mut Emulated) -> Result<(), Trouble>,
) -> Result<Taken, Trouble> {
    let (before, instructions) = (board.now(), board.instructions());
    let compiled = Compiled::by([&*board]);
    let start = Instant::now();
    work(board)?;
    Ok(Taken {
        wall: start.elapsed(),
        device: board.now() - before,
        instructions: board.instructions() - instructions,
        compiled: Compiled::by([&*board]).since(compiled),
    })
}

fn figure(name: &'static str, mut rounds: Vec<Taken>) -> Figure {
    rounds.sort_by_key(|taken| taken.wall);
    let middle = rounds[rounds.len() / 2];
    let seconds = middle.wall.as_secs_f64();
    Figure {
        name,
        wall_ms: seconds * 1e3,
        device_ms: middle.device.nanos() as f64 / 1e6,
        instructions: middle.instructions,
        wall_million_instructions_per_second: middle.instructions as f64 / seconds / 1e6,
        compiled_blocks: middle.compiled.blocks,
        wall_compiling_ms: middle.compiled.us as f64 / 1e3,
    }
}

/// Does a piece of work, and looks at the answer.
fn work(board: &mut Emulated, typed: &str, wanted: &str) -> Result<(), Trouble> {
    let seen = answer(board, typed)?;
    if seen == wanted {
        return Ok(());
    }
    Err(Trouble::Answer { typed: typed.to_owned(), wanted: wanted.to_owned(), seen })
}

/// Types code in paste mode; what was printed before the next prompt.
fn answer(board: &mut Emulated, code: &str) -> Result<String, Trouble> {
    board.send(Port::Console, b"\x05")?;
    read_until(board, "=== ")?;
    // The echo of a line is awaited, or the receive buffer would overrun.
    for line in code.split_inclusive('\n') {
        board.send(Port::Console, line.replace('\n', "\r").as_bytes())?;
        let echo = line.replace('\n', "\r\n=== ");
        read_until(board, &echo)?;
    }
    board.send(Port::Console, b"\x04")?;
    let printed = read_until(board, ">>> ")?;
    Ok(printed.trim_end_matches(">>> ").trim().to_owned())
}

/// What the console prints up to and with `end`, after which it must be silent.
fn read_until(board: &mut Emulated, end: &str) -> Result<String, Trouble> {
    let deadline: DeviceTime = board.now() + PATIENCE;
    let mut printed = Vec::new();
    while board.now() < deadline && !printed.ends_with(end.as_bytes()) {
        for event in board.run_until(deadline)? {
            if let TargetEvent::Serial { bytes, .. } = event {
                printed.extend(bytes);
            }
        }
    }
    let seen = String::from_utf8_lossy(&printed).into_owned();
    match printed.ends_with(end.as_bytes()) {
        true => Ok(seen),
        false => Err(Trouble::Silent { wanted: end.to_owned(), seen }),
    }
}
