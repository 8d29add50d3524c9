//! Boards on one air: what one sends the others hear, its radio knows who has acknowledged it, and it
//! makes no difference how the host lets them run.

use crate::common::{Program, Random};
use esp32_emulator::board::capture::{CaptureLink, Way};
use esp32_emulator::board::{
    Board, MAX_WINDOW, Neighbourhood, Options, Outcome, Profile, SIGNAL_BETWEEN_BOARDS, Site,
};
use esp32_emulator::net::{Network, NetworkConfig};
use esp32_emulator::peripherals::CoreId;
use esp32_emulator::radio::Air;
use esp32_emulator::soc::RomChoice;
use esp32_emulator::time::{Duration, Instant};

/// Opens its receiver on a channel, sends some frames with pauses between them, notes what came of
/// each, and when, and then waits.
const PROGRAM: &str = "
    .literal mac, 0x3ff73000
    .literal slots, 0x3ff73c00
    .literal words, 0x3ff74200
    .literal ana, 0x3ff4e000
    .literal ones, 0xffffffff
    .literal mask_high, 0x1ffff
    .literal own_low, 0
    .literal own_high, 0
    .literal enable, 0x80000000
    .literal list, 0x3ffb0000
    .literal buffers, 0x3ffb1000
    .literal empty, 0x80000100
    .literal source, 0
    .literal frame, 0x3ffb0800
    .literal log, 0x3ffb0400
    .literal tuned, 0
    .literal go, 0xc16b0700
    .literal plcp1, 0
    .literal descriptor, 0xc0022022
    .literal pause, 0
    .literal count, 0

    start:
        l32r a2, mac
        l32r a3, own_low; s32i a3, a2, 0x40
        l32r a3, own_high; s32i a3, a2, 0x44
        l32r a3, ones; s32i a3, a2, 0x60
        l32r a3, mask_high; s32i a3, a2, 0x64
        # A list of 32 buffers of 256 octets.
        l32r a3, list; l32r a4, buffers; l32r a5, empty; movi a6, 32
        mov a7, a3
    link:
        s32i a5, a7, 0; s32i a4, a7, 4
        addi a8, a7, 12; s32i a8, a7, 8
        movi a9, 256; add a4, a4, a9
        mov a7, a8
        addi a6, a6, -1; bnez a6, link
        movi a9, 0; addi a7, a7, -12; s32i a9, a7, 8
        movi a9, 0x88; add a9, a2, a9; s32i a3, a9, 0
        l32r a9, enable; movi a10, 0x84; add a10, a2, a10; s32i a9, a10, 0
        l32r a9, ana; l32r a10, tuned; s32i a10, a9, 0xc4
        # The descriptor of the frame: 34 octets with the FCS, at its address.
        l32r a3, list; movi a4, 0x700; add a3, a3, a4
        l32r a4, descriptor; s32i a4, a3, 0
        l32r a4, frame; s32i a4, a3, 4
        movi a4, 0; s32i a4, a3, 8
        l32r a4, source; l32r a5, frame; movi a6, 9
    copy:
        l32i a7, a4, 0; s32i a7, a5, 0
        addi a4, a4, 4; addi a5, a5, 4
        addi a6, a6, -1; bnez a6, copy
        l32r a11, log; l32r a12, count; l32r a13, slots; l32r a14, words
    next:
        beqz a12, rest
        l32r a3, pause
    wait:
        addi a3, a3, -1; bnez a3, wait
        l32r a3, plcp1; s32i a3, a14, 0x58
        l32r a3, go; movi a4, 0x120; add a4, a13, a4; s32i a3, a4, 0
    poll:
        movi a4, 0xc8; add a4, a13, a4; l32i a5, a4, 0
        beqz a5, poll
        addi a4, a4, -4; s32i a5, a4, 0
        l32i a5, a14, 0x70; s32i a5, a11, 0
        rsr a5, ccount; s32i a5, a11, 4
        addi a11, a11, 8
        addi a12, a12, -1
        j next
    rest:
        waiti 0
        j rest
    .align 4
    frame_words:
        .space 36
    done: j done
";

const EVERYBODY: [u8; 6] = [0xff; 6];

fn address(n: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, n]
}

/// What a board does: where it listens, whom it sends to, how often, with pauses of so many rounds.
#[derive(Clone, Copy)]
struct Role {
    channel: u8,
    to: [u8; 6],
    count: u32,
    pause: u32,
    rate: u32,
}

const LISTENER: Role = Role { channel: 1, to: EVERYBODY, count: 0, pause: 1, rate: 0 };

fn sender(to: [u8; 6], count: u32) -> Role {
    Role { to, count, pause: 2000, ..LISTENER }
}

fn board(n: u8, role: Role) -> Board {
    let mut program = Program::new(PROGRAM);
    let own = address(n);
    let word = |octets: &[u8]| octets.iter().rev().fold(0, |word, &it| word << 8 | u32::from(it));
    program.set_literal("own_low", word(&own[..4]));
    program.set_literal("own_high", word(&own[4..]));
    program.set_literal("tuned", 14 + 10 * u32::from(role.channel));
    program.set_literal("plcp1", 34 | role.rate << 12);
    program.set_literal("pause", role.pause);
    program.set_literal("count", role.count);
    let mut frame = vec![0xd0, 0, 0, 0];
    frame.extend(role.to);
    frame.extend(own);
    frame.extend(EVERYBODY);
    frame.extend([0, 0, 0x7f, n, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0]);
    program.set_literal("source", program.symbol("frame_words"));
    program.set_bytes("frame_words", &frame);
    let rom = RomChoice::Image([program.rom().to_vec(), program.rom().to_vec()]);
    let profile = Profile::named("esp32-devkit").unwrap();
    let mut board = Board::new(profile, &Options { rom, ..Options::default() });
    board.power_on();
    board
}

fn neighbourhood(roles: &[Role]) -> Neighbourhood {
    let network = Network::new(NetworkConfig::default()).unwrap();
    let mut all = Neighbourhood::new(Site::new(Air::new(1), network));
    for (n, role) in roles.iter().enumerate() {
        all.join(board(n as u8, *role));
    }
    all
}

fn at(micros: u64) -> Instant {
    Instant::ZERO + Duration::from_micros(micros)
}

/// Lets all boards run that somebody deals with.
fn run_to(all: &mut Neighbourhood, boards: &[usize], micros: u64) {
    for &board in boards {
        all.ask(board, at(micros));
        all.run();
    }
    for &board in boards {
        assert_eq!(all.take_outcome(board), Some(Outcome::Deadline), "board {board}");
    }
}

fn word_of(all: &Neighbourhood, board: usize, address: u32) -> u32 {
    let mut bytes = [0; 4];
    assert_eq!(all.board(board).chip().read_memory(CoreId::Pro, address, &mut bytes), 4);
    u32::from_le_bytes(bytes)
}

/// What came of each frame that a board has sent.
fn results(all: &Neighbourhood, board: usize, count: u32) -> Vec<u32> {
    (0..count).map(|n| word_of(all, board, 0x3ffb_0400 + 8 * n) >> 12).collect()
}

/// Of each frame that a board has received: who has sent it, and how strong it was.
fn received(all: &Neighbourhood, board: usize) -> Vec<(u8, i8)> {
    let filled = (0..32).filter(|n| word_of(all, board, 0x3ffb_0000 + 12 * n) >> 30 == 1);
    let header = |n| word_of(all, board, 0x3ffb_1000 + 256 * n);
    let sender = |n| (word_of(all, board, 0x3ffb_1000 + 256 * n + 28 + 24) >> 8) as u8;
    filled.map(|n| (sender(n), (header(n) as u8).wrapping_sub(96) as i8)).collect()
}

/// All that a run has left behind.
fn left(all: &Neighbourhood, boards: usize) -> Vec<(u64, Vec<u8>)> {
    let memory = |board| {
        let mut bytes = vec![0; 0x4000];
        all.board(board).chip().read_memory(CoreId::Pro, 0x3ffb_0000, &mut bytes);
        (all.board(board).event_hash(), bytes)
    };
    (0..boards).map(memory).collect()
}

const ACKNOWLEDGED: u32 = 0;
const UNANSWERED: u32 = 5;

#[test]
fn what_is_sent_to_a_board_it_hears_and_acknowledges_and_others_do_neither() {
    let mut all = neighbourhood(&[sender(address(1), 3), LISTENER, LISTENER]);
    run_to(&mut all, &[0, 1, 2], 10_000);
    assert_eq!(results(&all, 0, 3), [ACKNOWLEDGED; 3]);
    assert_eq!(received(&all, 1), [(0, SIGNAL_BETWEEN_BOARDS); 3]);
    assert_eq!((received(&all, 0), received(&all, 2)), (vec![], vec![]));
}

#[test]
fn what_is_for_everybody_is_heard_by_all_on_the_channel() {
    let elsewhere = Role { channel: 6, ..LISTENER };
    let mut all = neighbourhood(&[LISTENER, sender(EVERYBODY, 2), elsewhere, LISTENER]);
    run_to(&mut all, &[0, 1, 2, 3], 10_000);
    let heard = vec![(1, SIGNAL_BETWEEN_BOARDS); 2];
    assert_eq!((received(&all, 0), received(&all, 3)), (heard.clone(), heard));
    assert_eq!((received(&all, 1), received(&all, 2)), (vec![], vec![]));
}

#[test]
fn nobody_acknowledges_on_another_channel_or_without_power_or_for_an_address_that_is_not_there() {
    let sends = sender(address(1), 2);
    let mut elsewhere = neighbourhood(&[sends, Role { channel: 2, ..LISTENER }]);
    run_to(&mut elsewhere, &[0, 1], 10_000);
    assert_eq!(results(&elsewhere, 0, 2), [UNANSWERED; 2]);

    let mut stranger = neighbourhood(&[sender(address(9), 2), LISTENER]);
    run_to(&mut stranger, &[0, 1], 10_000);
    assert_eq!(results(&stranger, 0, 2), [UNANSWERED; 2]);

    let mut off = neighbourhood(&[Role { count: 4, pause: 10_000, ..sends }, LISTENER]);
    run_to(&mut off, &[0, 1], 3_500);
    let before = received(&off, 1).len();
    off.board_mut(1).power_off();
    run_to(&mut off, &[0, 1], 20_000);
    let expected: Vec<_> =
        (0..4).map(|n| if n < before { ACKNOWLEDGED } else { UNANSWERED }).collect();
    assert_eq!(results(&off, 0, 4), expected);
    assert!((1..4).contains(&before), "{before}");
}

#[test]
fn a_board_that_is_reset_acknowledges_nothing_until_its_firmware_listens_again() {
    let mut all = neighbourhood(&[Role { count: 3, ..sender(address(1), 3) }, LISTENER]);
    all.board_mut(1).press_reset();
    run_to(&mut all, &[0, 1], 10_000);
    assert_eq!(results(&all, 0, 3), [UNANSWERED; 3]);
}

#[test]
fn a_board_that_nobody_deals_with_goes_along() {
    let roles = [sender(address(1), 3), LISTENER];
    let mut together = neighbourhood(&roles);
    run_to(&mut together, &[0, 1], 10_000);
    let mut alone = neighbourhood(&roles);
    alone.leave(1);
    run_to(&mut alone, &[0], 10_000);
    assert_eq!(results(&alone, 0, 3), [ACKNOWLEDGED; 3]);
    alone.attend(1);
    run_to(&mut alone, &[1], 10_000);
    assert_eq!(left(&alone, 2), left(&together, 2));
}

/// Three boards that all send, at different speeds.
const BUSY: [Role; 3] = [
    Role { pause: 777, rate: 0xc, ..Role { to: [2, 0, 0, 0, 0, 1], count: 30, ..LISTENER } },
    Role { pause: 1234, rate: 7, ..Role { to: [2, 0, 0, 0, 0, 2], count: 20, ..LISTENER } },
    Role { pause: 555, rate: 0xb, ..Role { to: EVERYBODY, count: 25, ..LISTENER } },
];

#[test]
fn the_length_of_windows_and_the_steps_of_the_host_make_no_difference() {
    let mut whole = neighbourhood(&BUSY);
    run_to(&mut whole, &[0, 1, 2], 8_000);
    let expected = left(&whole, 3);
    assert!(received(&whole, 2).len() > 10 && received(&whole, 1).len() == 32, "they do talk");
    for window in [MAX_WINDOW, Duration::from_micros(7), Duration::from_micros(1)] {
        let mut random = Random::new(window.ticks());
        let mut all = neighbourhood(&BUSY).with_window(window);
        let mut now = 0;
        while now < 8_000 {
            now = (now + u64::from(random.below(90)) + 1).min(8_000);
            let order = [[0, 1, 2], [2, 0, 1], [1, 2, 0]][random.below(3) as usize];
            run_to(&mut all, &order, now);
            if random.below(10) == 0 {
                all = all.clone();
            }
        }
        assert_eq!(left(&all, 3), expected, "{window:?}");
    }
}

#[test]
fn each_board_has_its_own_capture() {
    let mut all = neighbourhood(&[sender(address(1), 1), LISTENER, LISTENER]);
    let site = all.site_mut(0).expect("all are at the beginning");
    (0..3).for_each(|board| site.start_capture(board, CaptureLink::Air));
    run_to(&mut all, &[0, 1, 2], 10_000);
    let site = all.site_mut(0).expect("all are at the end");
    let mut ways = |board| {
        let capture = site.take_capture(board).expect("one was begun");
        capture.packets.iter().map(|it| it.way).collect::<Vec<_>>()
    };
    assert_eq!(ways(0), [Way::FromBoard]);
    assert_eq!(ways(1), [Way::ToBoard]);
    // A sniffer hears what is meant for others.
    assert_eq!(ways(2), [Way::ToBoard]);
}

#[test]
fn a_board_that_is_taken_away_is_waited_for_no_more() {
    let mut all = neighbourhood(&[sender(address(1), 3), LISTENER]);
    all.remove(1);
    assert_eq!(all.len(), 1);
    run_to(&mut all, &[0], 10_000);
    assert_eq!(results(&all, 0, 3), [UNANSWERED; 3]);
}
