//! An emulated board with the official MicroPython image, and its console.

pub(crate) mod esp_image;
pub(crate) mod json_schema;
pub(crate) mod served;

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use benchrig::firmware::{Firmware, Manifest, Resolver, Store};
use esp32_emulator::board::{Board, Options, Outcome, Profile};
use esp32_emulator::time::Duration;

const IMAGE: &str = "micropython-1.23.0";

/// The MicroPython image.
///
/// # Panics
/// When the image is in no source's reach: what needs it is not proved without it.
pub(crate) fn image() -> Vec<u8> {
    firmware().image()
}

fn firmware() -> Firmware {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let manifest = Manifest::for_project(&root).expect("firmware.toml is right");
    let store = Store::from_environment().expect("there is a place for the cache");
    let firmware = Resolver::new(manifest, store, root).resolve(IMAGE, &mut |_| {});
    firmware.unwrap_or_else(|error| {
        panic!("{IMAGE} is not in reach (put it into BENCHRIG_FIRMWARE_DIR): {error}")
    })
}

/// A board without power whose flash holds MicroPython and nothing else: its first boot makes a
/// file system.
///
/// # Panics
/// When the image is in no source's reach: what needs it is not proved without it.
pub(crate) fn board() -> Board {
    board_with(&Options::default())
}

/// The same with other options.
pub(crate) fn board_with(options: &Options) -> Board {
    let firmware = firmware();
    let profile = Profile::named("esp32-devkit").expect("a known board");
    let mut board = Board::new(profile, options);
    for region in firmware.regions() {
        board.flash_mut().load(region.offset, &region.bytes).expect("the image fits");
    }
    board
}

/// A board's console.
pub(crate) struct Console(pub(crate) Board);

impl Console {
    /// Types.
    pub(crate) fn send(&mut self, text: &str) {
        text.bytes().for_each(|byte| self.0.send(0, byte));
    }

    /// What is printed up to and without `end`; an error holds what came instead. What is behind
    /// it is left for the next call.
    pub(crate) fn read_until(&mut self, end: &str, within: Duration) -> Result<String, String> {
        let deadline = self.0.now() + within;
        let mut printed = Vec::new();
        loop {
            while let Some(it) = self.0.take_serial() {
                if it.port == 0 {
                    printed.push(it.byte);
                }
                if printed.ends_with(end.as_bytes()) {
                    printed.truncate(printed.len() - end.len());
                    return Ok(String::from_utf8_lossy(&printed).into_owned());
                }
            }
            let why = match self.0.run_until(deadline) {
                Outcome::Serial => continue,
                Outcome::Deadline => "time is up".to_owned(),
                other => format!("{other:?}"),
            };
            return Err(format!("{why} after {:?}", String::from_utf8_lossy(&printed)));
        }
    }

    /// What is printed in that much device time.
    pub(crate) fn read_for(&mut self, span: Duration) -> String {
        let (deadline, mut printed) = (self.0.now() + span, Vec::new());
        while self.0.run_until(deadline) == Outcome::Serial {
            let new = std::iter::from_fn(|| self.0.take_serial());
            printed.extend(new.filter(|it| it.port == 0).map(|it| it.byte));
        }
        String::from_utf8_lossy(&printed).into_owned()
    }
}

/// Calls `work` with each number below `count`, on two threads.
pub(crate) fn on_two_threads(count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(n) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&n| n < count)
                {
                    work(n);
                }
            });
        }
    });
}
