//! Download mode, as a flashing tool sees it at the other end of UART0.

use esp32_emulator::board::{Board, BootMode, Options, Outcome, Profile};
use esp32_emulator::cpu::assembler::Assembler;
use esp32_emulator::time::Duration;
use md5::{Digest, Md5};
use miniz_oxide::deflate::compress_to_vec_zlib;
use proptest::prelude::*;

const FLASH_BEGIN: u8 = 0x02;
const FLASH_DATA: u8 = 0x03;
const FLASH_END: u8 = 0x04;
const MEM_BEGIN: u8 = 0x05;
const MEM_END: u8 = 0x06;
const MEM_DATA: u8 = 0x07;
const SYNC: u8 = 0x08;
const WRITE_REG: u8 = 0x09;
const READ_REG: u8 = 0x0a;
const SPI_SET_PARAMS: u8 = 0x0b;
const SPI_ATTACH: u8 = 0x0d;
const CHANGE_BAUDRATE: u8 = 0x0f;
const FLASH_DEFL_BEGIN: u8 = 0x10;
const FLASH_DEFL_DATA: u8 = 0x11;
const FLASH_DEFL_END: u8 = 0x12;
const SPI_FLASH_MD5: u8 = 0x13;

const CLKDIV: u32 = 0x3ff4_0014;
const MAGIC: u32 = 0x00f0_1d83;
const INVALID: u8 = 5;
const FAILED: u8 = 6;

/// Silence after which nothing more is expected.
const SILENCE: Duration = Duration::from_millis(20);
/// Octets of a frame up to its command, which may be escaped.
const COMMAND_ENDS: usize = 4;
/// The longest that anything here takes, erasing 128 KiB of flash.
const PATIENCE: Duration = Duration::from_secs(3);

/// A small client of the protocol.
#[derive(Clone)]
struct Client {
    board: Board,
}

/// What a response says.
#[derive(Debug, PartialEq, Eq)]
struct Response {
    command: u8,
    value: u32,
    data: Vec<u8>,
    is_failed: bool,
    error: u8,
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn frame(packet: &[u8]) -> Vec<u8> {
    let escaped = packet.iter().flat_map(|&byte| match byte {
        0xc0 => vec![0xdb, 0xdc],
        0xdb => vec![0xdb, 0xdd],
        other => vec![other],
    });
    [0xc0].into_iter().chain(escaped).chain([0xc0]).collect()
}

/// The packets in a stream of bytes.
fn packets(bytes: &[u8]) -> Vec<Vec<u8>> {
    let frames = bytes.split(|&byte| byte == 0xc0).filter(|frame| !frame.is_empty());
    frames
        .map(|frame| {
            let mut rest = frame.iter();
            std::iter::from_fn(|| match rest.next()? {
                0xdb => match rest.next()? {
                    0xdc => Some(0xc0),
                    _ => Some(0xdb),
                },
                &other => Some(other),
            })
            .collect()
        })
        .collect()
}

fn request(command: u8, checksum: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).expect("a short body").to_le_bytes();
    let head = [0, command, length[0], length[1], checksum, 0, 0, 0];
    frame(&[&head, body].concat())
}

fn block(command: u8, number: u32, bytes: &[u8]) -> Vec<u8> {
    let checksum = bytes.iter().fold(0xef, |sum, byte| sum ^ byte);
    let body = [&words(&[bytes.len() as u32, number, 0, 0])[..], bytes].concat();
    request(command, checksum, &body)
}

impl Client {
    /// A board that waits for a download.
    fn new() -> Self {
        let profile = Profile::named("esp32-devkit").expect("a known board");
        let mut board = Board::new(profile, &Options::default());
        board.set_boot_mode(BootMode::Download);
        board.power_on();
        let mut client = Self { board };
        let banner = client.listen(SILENCE);
        assert!(banner.ends_with(b"waiting for download\r\n"));
        client
    }

    /// One that a host has connected to.
    fn connected() -> Self {
        let mut client = Self::new();
        client.connect();
        client
    }

    fn sync() -> Vec<u8> {
        request(SYNC, 0, &[&[7, 7, 0x12, 0x20][..], &[0x55; 32]].concat())
    }

    /// Sends SYNC until it is answered, as tools do; how many it took.
    fn connect(&mut self) -> usize {
        for attempt in 1..20 {
            self.send(&Self::sync());
            let heard = packets(&self.listen(Duration::from_millis(50)));
            if !heard.is_empty() {
                assert_eq!(heard.len(), 8, "eight responses");
                return attempt;
            }
        }
        panic!("no connection");
    }

    fn send(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.board.send(0, byte));
    }

    /// What the board says until it has been silent for so long, while nothing is under way to it.
    fn listen(&mut self, silence: Duration) -> Vec<u8> {
        let mut heard = Vec::new();
        let mut end = self.board.now() + silence;
        while self.board.now() < end {
            if let Outcome::Halted(halt) = self.board.run_until(end) {
                panic!("{halt:x?}");
            }
            while let Some(byte) = self.board.take_serial() {
                heard.push(byte.byte);
                end = byte.at + silence;
            }
            if self.board.sending(0) > 0 {
                end = end.max(self.board.now() + silence);
            }
        }
        heard
    }

    /// What the board says for so long.
    fn hear(&mut self, span: Duration) -> String {
        let end = self.board.now() + span;
        let mut heard = Vec::new();
        while self.board.now() < end {
            self.board.run_until(end);
            heard.extend(std::iter::from_fn(|| self.board.take_serial()).map(|it| it.byte));
        }
        String::from_utf8_lossy(&heard).into_owned()
    }

    /// The next packet.
    fn packet(&mut self) -> Vec<u8> {
        let deadline = self.board.now() + PATIENCE;
        let mut heard = Vec::new();
        while self.board.now() < deadline {
            self.board.run_until(deadline);
            while let Some(byte) = self.board.take_serial() {
                heard.push(byte.byte);
                if byte.byte == 0xc0
                    && let Some(packet) = packets(&heard).into_iter().next()
                {
                    return packet;
                }
            }
        }
        panic!("no answer, only {heard:x?}");
    }

    fn ask(&mut self, request: &[u8]) -> Response {
        self.send(request);
        let packet = self.packet();
        let [direction, command, length, 0, a, b, c, d, ref rest @ ..] = packet[..] else {
            panic!("no response: {packet:x?}");
        };
        assert_eq!((direction, usize::from(length)), (1, rest.len()));
        let (data, status) = rest.split_at(rest.len() - 4);
        Response {
            command,
            value: u32::from_le_bytes([a, b, c, d]),
            data: data.to_vec(),
            is_failed: status[0] != 0,
            error: status[1],
        }
    }

    /// A request that succeeds.
    fn tell(&mut self, command: u8, body: &[u32]) -> Response {
        self.succeed(&request(command, 0, &words(body)))
    }

    fn succeed(&mut self, request: &[u8]) -> Response {
        let response = self.ask(request);
        assert!(!response.is_failed, "{response:?}");
        response
    }

    /// A request that fails with this error.
    fn fail(&mut self, request: &[u8], error: u8) {
        let response = self.ask(request);
        assert!(response.is_failed && response.error == error, "{response:x?}, not {error}");
    }

    fn register(&mut self, address: u32) -> u32 {
        self.tell(READ_REG, &[address]).value
    }

    fn attach_flash(&mut self) {
        self.tell(SPI_ATTACH, &[0, 0]);
        self.tell(SPI_SET_PARAMS, &[0, 4 << 20, 64 << 10, 4 << 10, 256, 0xffff]);
    }

    fn load(&mut self, address: u32, bytes: &[u8]) {
        self.tell(MEM_BEGIN, &[bytes.len() as u32, 1, 0x1800, address]);
        self.succeed(&block(MEM_DATA, 0, bytes));
    }

    fn digest(&mut self, address: u32, length: usize) -> String {
        let data = self.tell(SPI_FLASH_MD5, &[address, length as u32, 0, 0]).data;
        String::from_utf8(data).expect("hexadecimal digits")
    }
}

fn digest(bytes: &[u8]) -> String {
    Md5::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn pattern(length: u32) -> Vec<u8> {
    (0..u64::from(length)).map(|n| (n * n / 77) as u8).collect()
}

#[test]
fn the_first_bytes_measure_the_baud_rate_and_a_later_sync_is_answered() {
    let mut client = Client::new();
    assert!((2..8).contains(&client.connect()));
    assert_eq!(client.register(0x4000_1000), MAGIC);
    // The ROM adds nine cycles to what it measures.
    assert_eq!(client.register(CLKDIV), 347 + 9);
}

#[test]
fn unknown_and_malformed_requests_are_refused_and_nothing_hangs() {
    let mut client = Client::connected();
    client.register(0x4000_1000);
    // The command byte of the response is then that of the request before.
    let response = client.ask(&request(0x14, 0, &[]));
    assert_eq!((response.command, response.is_failed, response.error), (READ_REG, true, INVALID));
    for command in [0, 1, 0x0c, 0x14, 0xff] {
        client.fail(&request(command, 0, &[1, 2, 3]), INVALID);
    }
    client.fail(&frame(&[1, READ_REG, 4, 0]), INVALID); // a response
    client.fail(&request(MEM_BEGIN, 0, &words(&[1, 2, 3])), INVALID);
    client.fail(&request(MEM_BEGIN, 0, &words(&[1, 2, 0x1804, 0x3ffb_0000])), INVALID);
    client.fail(&request(MEM_END, 0, &words(&[1, 2, 3])), INVALID);
    client.fail(&request(SPI_SET_PARAMS, 0, &words(&[0; 5])), INVALID);
    for garbage in [
        &[0xc0, 0xc0, 0xc0][..],
        b"\xc0garbage\xdb\x00",
        &frame(&[0x21; 9000]), // longer than there is room for
        &[0xc0],
    ] {
        client.send(garbage);
    }
    client.listen(SILENCE);
    assert_eq!(client.register(0x4000_1000), MAGIC);
}

#[test]
fn registers_are_written_under_a_mask_after_a_delay() {
    let mut client = Client::connected();
    let at = 0x3ffb_0000;
    client.tell(WRITE_REG, &[at, 0x1122_3344, !0, 0, at + 4, 0xdbc0_dbc0, !0, 0]);
    client.tell(WRITE_REG, &[at, 0xffff_ffff, 0xff00, 5000]);
    assert_eq!((client.register(at), client.register(at + 4)), (0x1122_ff44, 0xdbc0_dbc0));
}

#[test]
fn a_program_in_ram_is_executed_and_what_it_leaves_is_not_the_loader() {
    let mut client = Client::connected();
    let program = Assembler::new(0x4008_0000)
        .assemble(
            ".literal send, 0x40009200
             .literal counter, 0x3ffb0000
             .align 4
             start:
                 entry a1, 32
                 l32r a3, counter
                 l32i a4, a3, 0
             again:
                 l8ui a10, a3, 4
                 l32r a8, send
                 callx8 a8
                 addi a3, a3, 1
                 addi a4, a4, -1
                 bnez a4, again
             done: j done",
        )
        .expect("assembles");
    client.load(0x3ffb_0000, b"\x08\0\0\0executed");
    client.load(0x4008_0000, program.bytes());
    let entry = program.symbol("start").expect("a label");
    assert_eq!(client.tell(MEM_END, &[0, entry]).command, MEM_END);
    assert_eq!(client.listen(SILENCE), b"executed");
}

#[test]
fn blocks_are_checked_for_order_size_and_sum() {
    let mut client = Client::connected();
    let bytes = pattern(1024);
    client.tell(MEM_BEGIN, &[2048, 2, 1024, 0x3ffb_0000]);
    client.fail(&block(MEM_DATA, 1, &bytes), INVALID);
    client.fail(&block(MEM_DATA, 0, &pattern(1025)), INVALID);
    let mut spoilt = block(MEM_DATA, 0, &bytes);
    spoilt[5] ^= 1;
    client.fail(&spoilt, 7);
    // A block with a wrong sum has been counted.
    client.fail(&block(MEM_DATA, 0, &bytes), INVALID);
    client.succeed(&block(MEM_DATA, 1, &bytes));
    assert_eq!(client.register(0x3ffb_0000), u32::from_le_bytes([0, 0, 0, 0]));
}

#[test]
fn flash_is_erased_written_and_digested() {
    let mut client = Client::connected();
    client.attach_flash();
    let bytes = pattern(4096);
    client.fail(&request(FLASH_BEGIN, 0, &words(&[0x2000, 8, 1024, 0x3f_f000])), 6);
    client.fail(&request(FLASH_BEGIN, 0, &words(&[0x2000, 8, 1024, 0x1100])), 6);
    client.tell(FLASH_BEGIN, &[4096, 4, 1024, 0x1000]);
    for (number, piece) in (0..).zip(bytes.chunks(1024)) {
        client.succeed(&block(FLASH_DATA, number, piece));
    }
    assert_eq!(client.digest(0x1000, 4096), digest(&bytes));
    assert_eq!(client.digest(0x1000, 77), digest(&bytes[..77]));
    // Two words are enough, for only too long a request is refused.
    let short = client.succeed(&request(SPI_FLASH_MD5, 0, &words(&[0x1000, 4096])));
    assert_eq!(short.data, digest(&bytes).into_bytes());
    client.fail(&request(SPI_FLASH_MD5, 0, &words(&[0x3f_ff80, 256, 0, 0])), 9);
    // What was not erased cannot be read back as it was sent.
    client.tell(FLASH_BEGIN, &[0, 1, 1024, 0x1000]);
    client.fail(&block(FLASH_DATA, 0, &[0xff; 1024]), 8);
}

#[test]
fn compressed_flash_data_arrives_whole_also_at_another_speed() {
    let mut client = Client::connected();
    client.attach_flash();
    client.tell(CHANGE_BAUDRATE, &[921_600, 0]);
    client.listen(SILENCE);
    assert_eq!(client.register(CLKDIV), 43 | 6 << 20);
    let bytes = pattern(100_000);
    let compressed = compress_to_vec_zlib(&bytes, 9);
    let blocks = compressed.len().div_ceil(0x400) as u32;
    client.tell(FLASH_DEFL_BEGIN, &[0x2_0000, blocks, 0x400, 0x1_0000]);
    for (number, piece) in (0..).zip(compressed.chunks(0x400)) {
        client.succeed(&block(FLASH_DEFL_DATA, number, piece));
    }
    assert_eq!(client.digest(0x1_0000, bytes.len()), digest(&bytes));
    let mut spoilt = compressed.clone();
    *spoilt.last_mut().expect("not empty") ^= 1;
    client.tell(FLASH_DEFL_BEGIN, &[0x2_0000, blocks, 0x400, 0x1_0000]);
    let mut last = None;
    for (number, piece) in (0..).zip(spoilt.chunks(0x400)) {
        last = Some(client.ask(&block(FLASH_DEFL_DATA, number, piece)));
    }
    let last = last.expect("some blocks");
    assert!(last.is_failed && last.error == 12, "{last:?}");
}

#[test]
fn the_end_of_a_flash_download_resets_the_chip_or_boots() {
    for (command, begin) in [(FLASH_END, FLASH_BEGIN), (FLASH_DEFL_END, FLASH_DEFL_BEGIN)] {
        let mut client = Client::connected();
        client.attach_flash();
        client.tell(begin, &[0, 0, 1024, 0]);
        client.board.set_boot_mode(BootMode::Run);
        client.tell(command, &[0]);
        let said = client.hear(Duration::from_millis(80));
        assert!(said.contains("rst:0x3 (SW_RESET),boot:0x3 "), "{said}");
    }
    let mut client = Client::connected();
    client.attach_flash();
    client.tell(FLASH_BEGIN, &[0, 0, 1024, 0]);
    client.tell(FLASH_END, &[1]);
    let said = client.hear(Duration::from_millis(80));
    assert!(said.contains("invalid header: 0xffffffff"), "{said}");
}

#[test]
fn plain_blocks_that_are_not_what_was_announced_are_refused_at_the_end() {
    for (announced, is_right) in [(1_024, true), (4_096, false), (1_020, false)] {
        let mut client = Client::connected();
        client.attach_flash();
        client.tell(FLASH_BEGIN, &[announced, 1, 1_024, 0]);
        client.succeed(&block(FLASH_DATA, 0, &pattern(1_024)));
        let end = request(FLASH_END, 0, &words(&[1]));
        match is_right {
            true => drop(client.succeed(&end)),
            false => client.fail(&end, FAILED),
        }
        let said = client.hear(Duration::from_millis(80));
        assert!(said.contains("invalid header: "), "{announced}: {said}");
    }
}

#[test]
fn a_copy_made_anywhere_in_a_download_goes_on_alike() {
    let mut client = Client::connected();
    client.attach_flash();
    let compressed = compress_to_vec_zlib(&pattern(60_000), 6);
    let blocks = compressed.len().div_ceil(0x1000) as u32;
    let mut requests =
        vec![request(FLASH_DEFL_BEGIN, 0, &words(&[0x1_0000, blocks, 0x1000, 0x1_0000]))];
    requests.extend(
        (0..).zip(compressed.chunks(0x1000)).map(|(n, piece)| block(FLASH_DEFL_DATA, n, piece)),
    );
    requests.push(request(SPI_FLASH_MD5, 0, &words(&[0x1_0000, 60_000, 0, 0])));
    let straight = {
        let mut client = client.clone();
        requests.iter().for_each(|request| drop(client.succeed(request)));
        client.board.run_until(client.board.now() + SILENCE);
        (client.board.now(), client.board.event_hash())
    };
    for (n, request) in requests.iter().enumerate() {
        client.send(request);
        // Odd instants, so that reception, erasing, inflating and programming are cut.
        for step in 0..20_u64 {
            let until = client.board.now() + Duration::from_micros(977 * (1 + step % 3) + n as u64);
            let mut copy = client.board.clone();
            copy.drive_pin(25, None);
            client.board = copy;
            if client.board.run_until(until) == Outcome::Serial {
                break;
            }
        }
        let packet = client.packet();
        assert_eq!(packet[packet.len() - 4], 0, "{packet:x?}");
    }
    client.board.run_until(client.board.now() + SILENCE);
    assert_eq!((client.board.now(), client.board.event_hash()), straight);
}

/// Anything that a line may carry: noise, and requests of every command but those that leave the
/// loader, or reach where a host has asked for trouble (registers, RAM, the speed).
fn anything() -> impl Strategy<Value = Vec<u8>> {
    let command = any::<u8>().prop_filter("it stays", |command| {
        let leaves = [FLASH_END, MEM_END, FLASH_DEFL_END];
        let reaches = [WRITE_REG, READ_REG, CHANGE_BAUDRATE, MEM_DATA, SPI_ATTACH];
        !leaves.contains(command) && !reaches.contains(command)
    });
    let word = prop_oneof![Just(0), Just(1), Just(0x400), Just(0x7fff_ffff), Just(u32::MAX)];
    let body = proptest::collection::vec(word, 0..12);
    let asked = (command, any::<u8>(), body, any::<bool>(), any::<u8>()).prop_map(
        |(command, checksum, body, ends, cut)| {
            let mut frame = request(command, checksum, &words(&body));
            if !ends {
                // Not before the command is complete: what comes next would say another one.
                let cut = usize::from(cut) % frame.len();
                frame.truncate(if cut < COMMAND_ENDS { 0 } else { cut });
            }
            frame
        },
    );
    // Noise without zeros is never a request, so it does not leave either.
    prop_oneof![asked, proptest::collection::vec(1..=u8::MAX, 0..300)]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        failure_persistence: None,
        max_shrink_iters: 100,
        ..Default::default()
    })]

    #[test]
    fn whatever_comes_the_next_sync_is_answered(
        all in proptest::collection::vec(anything(), 1..12),
    ) {
        let mut client = Client::connected();
        // Without it the chip waits for an answer of its flash for ever.
        client.tell(SPI_ATTACH, &[0, 0]);
        for bytes in all {
            client.send(&bytes);
            client.listen(SILENCE);
        }
        // Ends what has begun.
        client.send(&[0xc0, 0xc0]);
        // It may have asked for a hash of more than there is, which reads the whole flash before it
        // is refused.
        client.listen(PATIENCE);
        client.connect();
    }
}
