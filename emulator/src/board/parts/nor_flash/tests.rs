use super::*;
use crate::peripherals::spi::{ChipSelects, Field};

struct Bench {
    flash: NorFlash,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let flash = NorFlash::new(FlashSize::MiB4, FlashIdentity::WINBOND);
        Self { flash, now: Instant::ZERO }
    }

    fn run(&mut self, opcode: u8, address: Option<u32>, data: &[u8], miso: u32) -> Vec<u8> {
        let transaction = Transaction {
            cs: ChipSelects(1),
            command: Some(Field { bits: 8, value: opcode.into() }),
            address: address.map(|a| Field { bits: 24, value: a.into() }),
            mosi: data.into(),
            mosi_bits: data.len() as u32 * 8,
            miso_bits: miso * 8,
            ..Transaction::default()
        };
        self.flash.transact(&transaction, self.now).to_vec()
    }

    fn command(&mut self, opcode: u8) {
        self.run(opcode, None, &[], 0);
    }

    fn status(&mut self) -> u8 {
        self.run(0x05, None, &[], 1)[0]
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    fn finish(&mut self) {
        while !self.flash.power_cut_reached() && self.status() & WIP != 0 {
            self.wait(Duration::from_micros(10));
        }
    }

    fn program(&mut self, address: u32, data: &[u8]) {
        self.command(0x06);
        self.run(0x02, Some(address), data, 0);
        self.finish();
    }

    fn erase(&mut self, opcode: u8, address: u32) {
        self.command(0x06);
        self.run(opcode, Some(address), &[], 0);
        self.finish();
    }

    fn bytes(&mut self, address: u32, count: u32) -> Vec<u8> {
        self.run(0x03, Some(address), &[], count)
    }
}

#[test]
fn ids_name_maker_and_size() {
    let mut bench = Bench::new();
    assert_eq!(bench.run(0x9f, None, &[], 4), [0xef, 0x40, 0x16, 0xef]);
    assert_eq!(bench.run(0x90, Some(0), &[], 2), [0xef, 0x15]);
    assert_eq!(bench.run(0xab, None, &[], 1), [0x15]);
    assert_eq!(bench.run(0x4b, None, &[], 8).len(), 8);
    assert_eq!(bench.run(0x5a, Some(0), &[], 4), b"SFDP");
    bench.flash = NorFlash::new(FlashSize::MiB16, FlashIdentity::GIGADEVICE);
    assert_eq!(bench.run(0x9f, None, &[], 3), [0xc8, 0x40, 0x18]);
}

#[test]
fn programming_needs_the_latch_clears_bits_only_and_wraps_in_its_page() {
    let mut bench = Bench::new();
    bench.run(0x02, Some(0x100), &[0], 0);
    assert_eq!(bench.bytes(0x100, 1), [0xff]);
    bench.program(0x100, &[0xf0]);
    bench.program(0x100, &[0x3c]);
    assert_eq!(bench.bytes(0x100, 1), [0x30]);
    bench.program(0x2ff, &[1, 2, 3]);
    assert_eq!(bench.bytes(0x2ff, 2), [1, 0xff]);
    assert_eq!(bench.bytes(0x200, 2), [2, 3]);
    assert_eq!(bench.status(), 0);
    let long: Vec<u8> = (0..300).map(|i| if i < 256 { 0 } else { 0xa5 }).collect();
    bench.program(0x1000, &long);
    assert_eq!(bench.bytes(0x1000, 46)[42..], [0xa5, 0xa5, 0, 0]);
}

#[test]
fn erases_set_ones_in_their_block_and_nowhere_else() {
    for (opcode, length) in [(0x20, 0x1000), (0x52, 0x8000), (0xd8, 0x1_0000)] {
        let mut bench = Bench::new();
        bench.flash.load(0, &vec![0; 0x4_0000]).unwrap();
        bench.erase(opcode, 0x2_0123);
        assert_eq!(bench.bytes(0x1_ffff, 2), [0, 0xff]);
        assert_eq!(bench.bytes(0x2_0000 + length - 1, 2), [0xff, 0]);
    }
    let mut bench = Bench::new();
    bench.program(0x3f_ffff, &[0]);
    bench.command(0x06);
    bench.command(0xc7);
    let start = bench.now;
    bench.finish();
    assert_eq!((bench.now - start).as_millis(), 10_000);
    assert_eq!(bench.bytes(0x3f_ffff, 1), [0xff]);
}

#[test]
fn a_busy_chip_answers_status_only_for_its_typical_time() {
    let mut bench = Bench::new();
    bench.command(0x06);
    bench.run(0x20, Some(0), &[], 0);
    assert_eq!(bench.status(), WIP | WEL);
    assert_eq!(bench.run(0x9f, None, &[], 1), [0xff]);
    bench.command(0x06);
    bench.run(0x02, Some(0), &[0], 0);
    bench.wait(Duration::from_micros(44_999));
    assert_eq!(bench.status(), WIP | WEL);
    bench.wait(Duration::from_micros(1));
    assert_eq!(bench.status(), 0);
    assert_eq!(bench.bytes(0, 1), [0xff]);
}

#[test]
fn quad_enable_is_set_by_either_way_and_survives_power_loss_unless_volatile() {
    for (opcode, data) in [(0x31, &[QE][..]), (0x01, &[0, QE][..])] {
        let mut bench = Bench::new();
        bench.run(opcode, None, data, 0);
        assert_eq!(bench.run(0x35, None, &[], 1), [0]);
        bench.command(0x06);
        bench.run(opcode, None, data, 0);
        bench.finish();
        bench.flash.power_cycle(bench.now);
        assert_eq!(bench.run(0x35, None, &[], 1), [QE]);
    }
    let mut bench = Bench::new();
    bench.command(0x50);
    bench.run(0x31, None, &[QE], 0);
    assert_eq!((bench.status(), bench.run(0x35, None, &[], 1)), (0, vec![QE]));
    bench.flash.power_cycle(bench.now);
    assert_eq!(bench.run(0x35, None, &[], 1), [0]);
}

#[test]
fn protected_blocks_ignore_programs_and_erases() {
    let mut bench = Bench::new();
    bench.command(0x06);
    bench.run(0x01, None, &[1 << 2], 0); // BP = 1: the upper 64th
    bench.finish();
    bench.program(0x3f_0000, &[0]);
    bench.program(0x3e_ff00, &[0]);
    assert_eq!((bench.bytes(0x3f_0000, 1), bench.bytes(0x3e_ff00, 1)), (vec![0xff], vec![0]));
    bench.command(0x06);
    bench.command(0x60);
    assert_eq!((bench.status(), bench.flash.operations()), (1 << 2, 1));
}

#[test]
fn suspend_lets_reads_through_and_resume_needs_the_remaining_time() {
    let mut bench = Bench::new();
    bench.program(0x8000, &[0x12]);
    bench.command(0x06);
    bench.run(0x20, Some(0), &[], 0);
    bench.wait(Duration::from_millis(5));
    bench.command(0x75);
    assert_eq!((bench.status(), bench.run(0x35, None, &[], 1)), (0, vec![SUS]));
    assert_eq!(bench.bytes(0x8000, 1), [0x12]);
    bench.wait(Duration::from_millis(500));
    bench.command(0x7a);
    bench.wait(Duration::from_micros(39_999));
    assert_eq!(bench.status() & WIP, WIP);
    bench.wait(Duration::from_micros(1));
    assert_eq!(bench.status() & WIP, 0);
}

#[test]
fn a_chip_in_power_down_or_reset_hears_nothing_else() {
    let mut bench = Bench::new();
    bench.command(0xb9);
    assert_eq!(bench.run(0x9f, None, &[], 1), [0xff]);
    bench.command(0xab);
    assert_eq!(bench.run(0x9f, None, &[], 1), [0xef]);
    bench.command(0x06);
    bench.command(0x99);
    assert_eq!(bench.status(), WEL);
    bench.command(0x66);
    bench.command(0x99);
    assert_eq!(bench.status(), WIP);
    bench.wait(RESET_TIME);
    assert_eq!(bench.status(), 0);
}

fn cut(operation: FlashOperation, nth: u64, percent: u8) -> PowerCut {
    PowerCut { operation, nth, share: Share::percent(percent) }
}

#[test]
fn the_nth_operation_gets_as_far_as_ordered_when_power_is_cut() {
    let mut bench = Bench::new();
    bench.flash.cut_power_at(Some(cut(FlashOperation::Program, 2, 50)));
    bench.program(0, &[0; 4]);
    bench.erase(0x20, 0x1000);
    assert!(!bench.flash.power_cut_reached(), "an erase is no program");
    bench.command(0x06);
    bench.run(0x02, Some(0x1fe), &[0; 4], 0);
    assert!(bench.flash.power_cut_reached());
    assert_eq!(bench.run(0x05, None, &[], 1), [0xff]);
    bench.flash.power_cycle(bench.now);
    assert_eq!(bench.bytes(0x1fe, 2), [0, 0]);
    assert_eq!(bench.bytes(0x100, 2), [0xf0, 0xff], "around the end of the page, half a byte");
    assert_eq!(bench.flash.operations(), 3);
    bench.program(0, &[0]);
    assert!(!bench.flash.power_cut_reached());
}

#[test]
fn an_unfinished_erase_has_programmed_first_and_then_erased_all_over() {
    let before: Vec<u8> = (0..0x1000_u32).map(|n| (n * 7) as u8).collect();
    let mut ones = Vec::new();
    for percent in (0..=100).step_by(10) {
        let mut bench = Bench::new();
        bench.flash.load(0x1000, &before).unwrap();
        bench.flash.cut_power_at(Some(cut(FlashOperation::Erase, 1, percent)));
        bench.erase(0x20, 0x1000);
        bench.flash.power_cycle(bench.now);
        let after = bench.bytes(0x1000, 0x1000);
        if percent < 50 {
            let zeros = 0x1000 * usize::from(percent) / 50;
            assert!(after[..zeros].iter().all(|&it| it == 0), "{percent} %");
            assert_eq!(after[zeros..], before[zeros..], "{percent} %");
        } else {
            ones.push(after.iter().map(|it| it.count_ones()).sum::<u32>());
        }
        assert_eq!((bench.bytes(0xfff, 1), bench.bytes(0x2000, 1)), (vec![0xff], vec![0xff]));
    }
    assert_eq!((ones[0], ones[5]), (0, 0x8000));
    for (n, pair) in ones.windows(2).enumerate() {
        assert!((0x1000..0x2400).contains(&(pair[1] - pair[0])), "step {n}: {ones:?}");
    }
}

#[test]
fn power_loss_and_reset_undo_what_a_running_operation_has_not_reached() {
    let reset = |bench: &mut Bench| {
        bench.command(0x66);
        bench.command(0x99);
        bench.wait(RESET_TIME);
    };
    let loss = |bench: &mut Bench| bench.flash.power_cycle(bench.now);
    for end in [&reset as &dyn Fn(&mut Bench), &loss] {
        let mut bench = Bench::new();
        bench.program(0x100, &[0x55]);
        bench.command(0x06);
        bench.run(0x02, Some(0), &[0; 101], 0);
        bench.wait(Duration::from_micros(140)); // of 280
        end(&mut bench);
        assert_eq!(bench.bytes(0, 1), [0]);
        assert_eq!(bench.bytes(49, 3), [0, 0xf0, 0xff]);
        bench.command(0x06);
        bench.run(0x20, Some(0), &[], 0);
        bench.wait(Duration::from_millis(1)); // of 45: before it comes to 0x100
        end(&mut bench);
        assert_eq!((bench.bytes(0, 1), bench.bytes(0x100, 1)), (vec![0], vec![0x55]));
        bench.command(0x06);
        bench.run(0x20, Some(0), &[], 0);
        bench.wait(Duration::from_millis(1));
        bench.command(0x75);
        bench.wait(Duration::from_millis(100));
        end(&mut bench);
        assert_eq!(bench.bytes(0x100, 1), [0x55], "suspended");
        assert_eq!(bench.run(0x35, None, &[], 1), [0]);
        bench.erase(0x20, 0);
        end(&mut bench);
        assert_eq!(bench.bytes(0, 1), [0xff], "what has ended stays");
    }
}

#[test]
fn caches_learn_of_changes() {
    let mut bench = Bench::new();
    let before = bench.flash.generation(1);
    bench.program(0x1_0010, &[1, 2]);
    assert_ne!(bench.flash.generation(1), before);
    assert_eq!(bench.flash.generation(0), 0);
    assert_eq!(bench.flash.take_changes().first(), Some(&(0x1_0010..0x1_0012)));
    assert_eq!(bench.flash.page(1 + 64)[0x10..0x12], [1, 2]);
}

#[test]
fn the_host_gets_an_error_outside_the_chip() {
    let mut bench = Bench::new();
    assert!(bench.flash.load(0x3f_ffff, &[1]).is_ok());
    let error = bench.flash.load(0x3f_ffff, &[1, 2]).unwrap_err();
    assert_eq!(error, FlashError::OutOfRange { offset: 0x3f_ffff, length: 2, size: 4 << 20 });
    assert!(bench.flash.read(u32::MAX, &mut [0; 2]).is_err());
    assert_eq!(FlashSize::at_least(1_600_000), Ok(FlashSize::MiB2));
    assert!(FlashSize::at_least(20 << 20).is_err());
}

#[test]
fn every_opcode_and_length_is_survived_and_strange_ones_are_listed() {
    let mut bench = Bench::new();
    for opcode in 0..=255 {
        for address in [None, Some(0xff_ffff)] {
            for data in [&[][..], &[0xff; 300]] {
                bench.command(0x06);
                bench.run(opcode, address, data, 70);
                bench.wait(Duration::from_secs(60));
            }
        }
        bench.flash.power_cycle(bench.now);
    }
    let unknown = bench.flash.take_unknown_opcodes();
    assert!(unknown.contains(&0x38) && !unknown.contains(&0x9f));
}
