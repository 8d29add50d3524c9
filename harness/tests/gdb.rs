//! `serve --gdb`: a debugger at a served board, by a client of the remote protocol of our own.
//!
//! Source: GDB manual, appendix "GDB Remote Serial Protocol". The program that is debugged counts on
//! both cores; it is assembled here, so that every address has a name.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use esp32_emulator::cpu::assembler::{Assembler, Assembly};

use crate::common::esp_image::esp_image;
use crate::common::served::Served;

/// Where PRO_CPU counts, and behind it APP_CPU.
const DATA: u32 = 0x3ffb_0000;
/// What lets PRO_CPU come by its BREAK instruction.
const WANTS_BREAK: u32 = DATA + 8;
const BASE: u32 = 0x4008_0400;
/// gdb's numbers of registers.
const PC: usize = 0;
const AR0: usize = 1;
const WINDOWBASE: usize = 69;
const EXCSAVE1: usize = 130;
const A0: usize = 157;

const PROGRAM: &str = "
    .literal data, 0x3ffb0000
    .literal stack, 0x3ffe8000
    .literal ps_windowed, 0x40020
    .literal dport, 0x3ff00000
    .literal app, app_start
    .literal key, 0x50d83aa1
    .literal timg0, 0x3ff5f000
    .literal rtc, 0x3ff48000
    .align 4
    start:
        # The watchdogs of a boot from flash.
        movi a4, 0
        l32r a2, key
        l32r a3, timg0
        s32i a2, a3, 0x64
        s32i a4, a3, 0x48
        l32r a3, rtc
        s32i a2, a3, 0xa4
        s32i a4, a3, 0x8c
        movi a2, 0; wsr a2, windowbase; rsync
        movi a2, 1; wsr a2, windowstart; rsync
        l32r a1, stack
        l32r a2, ps_windowed; wsr a2, ps; rsync
        l32r a4, dport
        l32r a5, app
        s32i a5, a4, 0x38          # APPCPU_CTRL_D: where it begins
        movi a5, 1; s32i a5, a4, 0x30
        s32i a5, a4, 0x2c
        movi a5, 0; s32i a5, a4, 0x2c
        l32r a3, data
        s32i a5, a3, 8
        movi a2, 0
    round:
        addi a2, a2, 1
    store:
        s32i a2, a3, 0
    behind:
        mov a10, a2
        call8 callee
        l32i a5, a3, 8
        beqz a5, round
    asks:
        break 1, 15
        movi a5, 0
        s32i a5, a3, 8
        j round
    .align 4
    callee:
        entry a1, 32
    inside:
        addi a2, a2, 100
        retw
    .align 4
    app_start:
        l32r a3, data
        movi a2, 0
    app_round:
        addi a2, a2, 1
        s32i a2, a3, 4
        j app_round
";

/// A served board.
struct Board {
    program: Assembly,
    gdb: String,
    serial: String,
    _served: Served,
}

fn serve() -> Board {
    let program = Assembler::new(BASE).assemble(PROGRAM).expect("it assembles");
    let mut flash = vec![0xff; 4 << 20];
    let image = esp_image(BASE, &program);
    flash[0x1000..][..image.len()].copy_from_slice(&image);
    let arguments = ["--flash", "board.bin", "--gdb", "127.0.0.1:0"];
    let served = Served::start(&arguments, |folder| {
        std::fs::write(folder.join("board.bin"), flash).expect("a writable folder");
    });
    Board { program, gdb: served.door("gdb "), serial: served.door("serial tcp:"), _served: served }
}

impl Board {
    fn symbol(&self, name: &str) -> u32 {
        self.program.symbol(name).unwrap_or_else(|| panic!("no symbol {name}"))
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.gdb).expect("the door is open");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        stream
    }

    /// A client that has introduced itself.
    fn client(&self) -> Client {
        let mut client = Client(self.connect());
        let features = client.ask("qSupported:vContSupported+;swbreak+;hwbreak+");
        for feature in ["vContSupported+", "swbreak+", "hwbreak+"] {
            assert!(features.contains(feature), "{features}");
        }
        assert_eq!(client.ask("?"), "T05thread:01;");
        client
    }

    /// A client at PRO_CPU's counting loop.
    fn client_at(&self, label: &str) -> Client {
        let mut client = self.client();
        let address = self.symbol(label);
        client.ok(&format!("Z0,{address:x},3"));
        assert_eq!(client.ask("vCont;c"), "T05thread:01;swbreak:;", "{label}");
        client.ok(&format!("z0,{address:x},3"));
        assert_eq!(client.register(PC), address);
        client
    }
}

/// A client of the remote protocol.
struct Client(TcpStream);

impl Client {
    fn send(&mut self, packet: &str) {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        self.0.write_all(format!("${packet}#{sum:02x}").as_bytes()).expect("the door is open");
    }

    fn byte(&mut self) -> u8 {
        let mut byte = [0];
        self.0.read_exact(&mut byte).expect("an answer");
        byte[0]
    }

    /// The next packet, its runs spelt out.
    fn answer(&mut self) -> String {
        while self.byte() != b'$' {}
        let (mut packet, mut sum) = (String::new(), 0_u8);
        loop {
            match self.byte() {
                b'#' => break,
                b'*' => {
                    let count = self.byte();
                    sum = sum.wrapping_add(b'*').wrapping_add(count);
                    let repeated = packet.chars().last().expect("something to repeat");
                    (29..count).for_each(|_| packet.push(repeated));
                }
                byte => {
                    sum = sum.wrapping_add(byte);
                    packet.push(byte.into());
                }
            }
        }
        let told = [self.byte(), self.byte()];
        assert_eq!(std::str::from_utf8(&told), Ok(&*format!("{sum:02x}")), "{packet}");
        self.0.write_all(b"+").expect("the door is open");
        packet
    }

    fn ask(&mut self, packet: &str) -> String {
        self.send(packet);
        self.answer()
    }

    #[track_caller]
    fn ok(&mut self, packet: &str) {
        assert_eq!(self.ask(packet), "OK", "{packet}");
    }

    fn register(&mut self, number: usize) -> u32 {
        word(&self.ask(&format!("p{number:x}")))
    }

    /// All general registers.
    fn registers(&mut self) -> Vec<u32> {
        let text = self.ask("g");
        text.as_bytes().chunks(8).map(|it| word(std::str::from_utf8(it).expect("hex"))).collect()
    }

    fn memory(&mut self, address: u32) -> u32 {
        word(&self.ask(&format!("m{address:x},4")))
    }

    /// Lets the board go on, interrupts it, and gives what came.
    fn interrupt(&mut self) -> String {
        self.send("vCont;c");
        self.0.write_all(&[3]).expect("the door is open");
        self.answer()
    }

    /// Lets the board run until PRO_CPU has counted on.
    fn count_on(&mut self) {
        let before = self.memory(DATA);
        for _ in 0..1_000 {
            assert_eq!(self.interrupt(), "T02thread:01;");
            if self.memory(DATA) != before {
                return;
            }
        }
        panic!("it does not run");
    }
}

/// A word as the protocol writes it, in the target's byte order.
#[track_caller]
fn word(hex: &str) -> u32 {
    let bytes = u32::from_str_radix(hex, 16);
    assert!(hex.len() == 8 && bytes.is_ok(), "no word: {hex:?}");
    bytes.unwrap_or(0).swap_bytes()
}

fn hex(word: u32) -> String {
    format!("{:08x}", word.swap_bytes())
}

#[test]
fn both_cores_are_threads_and_a_breakpoint_holds_either() {
    let board = serve();
    let mut client = board.client_at("store");
    assert_eq!(client.ask("qfThreadInfo"), "m01,02");
    assert_eq!(client.ask("qsThreadInfo"), "l");
    let what = client.ask("qThreadExtraInfo,2");
    assert_eq!(what, "APP_CPU, executes".bytes().map(|b| format!("{b:02x}")).collect::<String>());
    let app_round = board.symbol("app_round");
    client.ok(&format!("Z1,{app_round:x},3"));
    assert_eq!(client.ask("vCont;c"), "T05thread:02;swbreak:;");
    client.ok("Hg2");
    let app = client.registers();
    assert_eq!(app[PC], app_round);
    let counted = client.memory(DATA + 4);
    // Its store came before, and nothing else has changed a2 since.
    assert_eq!(app[AR0 + 2], counted);
    assert_eq!(client.ask("vCont;c"), "T05thread:02;swbreak:;");
    assert_eq!(client.memory(DATA + 4), counted + 1, "each time it comes by");
}

#[test]
fn while_the_board_is_held_no_time_passes_and_afterwards_it_goes_on() {
    let board = serve();
    let mut client = board.client_at("store");
    let state =
        |client: &mut Client| (client.registers(), client.memory(DATA), client.register(145));
    let before = state(&mut client);
    assert_eq!(before.0.len(), 105);
    for _ in 0..3 {
        assert_eq!(state(&mut client), before);
    }
    let ccount = before.2;
    assert_eq!(client.ask("vCont;s:1;c"), "T05thread:01;");
    assert_eq!(client.register(145), ccount + 1, "a cycle for an instruction");
    client.count_on();
}

#[test]
fn steps_go_through_calls_and_the_window_moves_with_them() {
    let board = serve();
    let mut client = board.client_at("behind");
    let before = client.register(WINDOWBASE);
    let count = client.register(A0 + 2);
    let mut places = Vec::new();
    for _ in 0..4 {
        // gdb steps one thread while the others go on, or, over a breakpoint, alone.
        let packet = if places.len() % 2 == 0 { "vCont;s:1;c" } else { "vCont;s:1" };
        assert_eq!(client.ask(packet), "T05thread:01;");
        places.push((client.register(PC), client.register(WINDOWBASE)));
    }
    let (callee, inside) = (board.symbol("callee"), board.symbol("inside"));
    assert_eq!(places[1..], [(callee, before), (inside, before + 2), (inside + 3, before + 2)]);
    // The window, and the file behind it.
    assert_eq!(client.register(A0 + 2), count + 100);
    let registers = client.registers();
    let window = registers[WINDOWBASE] as usize * 4;
    assert_eq!(registers[AR0 + (window + 2) % 64], count + 100);
    assert_eq!(registers[AR0 + (before as usize * 4 + 2) % 64], count);
}

#[test]
fn watchpoints_hold_the_core_that_has_made_the_access() {
    let board = serve();
    let mut client = board.client_at("store");
    let count = client.memory(DATA);
    client.ok(&format!("Z2,{DATA:x},4"));
    let hit = format!("T05thread:01;watch:{};", hex_address(DATA));
    assert_eq!(client.ask("vCont;c"), hit);
    assert_eq!(client.memory(DATA), count + 1);
    assert_eq!(client.register(PC), board.symbol("behind"), "behind the store");
    client.ok(&format!("z2,{DATA:x},4"));
    client.ok(&format!("Z4,{:x},4", DATA + 4));
    let hit = format!("T05thread:02;awatch:{};", hex_address(DATA + 4));
    assert_eq!(client.ask("vCont;c"), hit);
    client.ok(&format!("z4,{:x},4", DATA + 4));
    client.ok(&format!("Z3,{WANTS_BREAK:x},4"));
    let hit = format!("T05thread:01;rwatch:{};", hex_address(WANTS_BREAK));
    assert_eq!(client.ask("vCont;c"), hit);
    // One of no length, and one of all there is.
    assert_eq!(client.ask(&format!("Z2,{DATA:x},0")), "E16");
    assert_eq!(client.ask("Z2,0,ffffffff"), "E16");
}

/// An address in a stop reply: big-endian, without leading zeros.
fn hex_address(address: u32) -> String {
    format!("{address:x}")
}

#[test]
fn registers_and_memory_are_changed_and_the_program_goes_on_with_them() {
    let board = serve();
    let mut client = board.client_at("store");
    client.ok(&format!("P{:x}={}", A0 + 2, hex(5_000)));
    client.ok(&format!("P{EXCSAVE1:x}={}", hex(0x1234)));
    assert_eq!(client.register(EXCSAVE1), 0x1234);
    assert_eq!(client.ask(&format!("P92={}", hex(1))), "E79", "PRID is read-only");
    assert_eq!(client.ask("p200"), "", "no such register");
    let behind = board.symbol("behind");
    client.ok(&format!("Z0,{behind:x},2"));
    assert_eq!(client.ask("vCont;c"), "T05thread:01;swbreak:;");
    assert_eq!(client.memory(DATA), 5_000);
    // All at once: what was read can be written, and PC is one of them.
    let mut registers = client.registers();
    registers[PC] = board.symbol("round");
    let all: String = registers.iter().map(|value| hex(*value)).collect();
    client.ok(&format!("G{all}"));
    assert_eq!(client.ask("vCont;c"), "T05thread:01;swbreak:;");
    assert_eq!(client.memory(DATA), 5_001);
    client.ok(&format!("M{DATA:x},3:0a0b0c"));
    assert_eq!(client.memory(DATA) & 0xff_ffff, 0x0c_0b0a);
    // A register of UART0, flash through the cache's window (not mapped here), nothing at all.
    assert_eq!(client.ask("m3ff40014,4").len(), 8);
    assert!(client.ask("m0,4").starts_with('E'));
    assert!(client.ask("M40000400,4:00000000").starts_with('E'), "ROM");
}

#[test]
fn a_break_of_the_programs_own_is_a_signal_and_is_passed_over() {
    let board = serve();
    let mut client = board.client_at("store");
    client.ok(&format!("M{WANTS_BREAK:x},4:01000000"));
    assert_eq!(client.ask("vCont;c"), "T05thread:01;");
    assert_eq!(client.register(PC), board.symbol("asks"));
    client.count_on();
    assert_eq!(client.memory(WANTS_BREAK), 0, "it went on behind the instruction");
}

#[test]
fn the_chip_is_reset_and_held_at_its_reset_vector() {
    let board = serve();
    let mut client = board.client_at("store");
    let command: String = "reset".bytes().map(|byte| format!("{byte:02x}")).collect();
    client.send(&format!("qRcmd,{command}"));
    let mut said = String::new();
    loop {
        match client.answer() {
            answer if answer == "OK" => break,
            answer => said += &answer,
        }
    }
    assert!(said.starts_with('O'), "{said}");
    assert_eq!(client.register(PC), 0x4000_0400);
    let store = board.symbol("store");
    client.ok(&format!("Z0,{store:x},3"));
    assert_eq!(client.ask("vCont;c"), "T05thread:01;swbreak:;");
    assert_eq!(client.memory(DATA), 0, "it has booted, and SRAM came back empty");
}

#[test]
fn the_board_runs_on_when_the_client_leaves_or_vanishes_and_a_second_one_is_turned_away() {
    let board = serve();
    let store = board.symbol("store");
    for leaves in [true, false] {
        let mut client = board.client();
        let mut second = board.connect();
        assert_eq!(second.read(&mut [0]).unwrap_or(0), 0, "turned away");
        client.ok(&format!("Z0,{store:x},3"));
        client.ask("vCont;c");
        let count = client.memory(DATA);
        if leaves {
            client.ok("D");
        }
        drop(client);
        // Breakpoints have gone with it: nothing holds the board but the next client.
        let mut next = board.client();
        next.count_on();
        assert!(next.memory(DATA) > count);
    }
}

#[test]
fn whatever_a_client_says_the_next_one_is_served() {
    let board = serve();
    for nonsense in [
        &b"$g#00"[..],
        b"-",
        b"$",
        b"\x03\x03\x03",
        b"GET / HTTP/1.0\r\n\r\n",
        b"$mffffffff,ffff#",
        &[b'$'; 40_000],
        &[0xff; 100],
    ] {
        let mut client = board.connect();
        // The session may end while it still speaks.
        let _ = client.write_all(nonsense).and_then(|()| client.shutdown(Shutdown::Write));
        let _ = client.read_to_end(&mut Vec::new());
    }
    let mut client = board.client();
    for packet in ["mfffffff0,ffff", "m3ffb0000,ffffffff", "Z9,0,0", "vCont;s:9", "Hg9", "g", "zzz"]
    {
        let sum = packet.bytes().fold(0_u8, u8::wrapping_add);
        let _ = client.0.write_all(format!("${packet}#{sum:02x}").as_bytes());
    }
    drop(client);
    board.client().count_on();
}

#[test]
fn the_console_works_beside_it() {
    let board = serve();
    let mut console = TcpStream::connect(&board.serial).expect("the door is open");
    console.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
    let mut said = BTreeMap::<u8, usize>::new();
    let mut piece = [0; 16];
    // The banner of the ROM.
    while said.len() < 10 {
        let count = console.read(&mut piece).expect("the board speaks");
        piece[..count].iter().for_each(|byte| *said.entry(*byte).or_default() += 1);
    }
    let mut client = board.client();
    client.count_on();
}
