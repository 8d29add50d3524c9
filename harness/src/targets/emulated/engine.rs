//! What runs the code of an emulated board.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use esp32_emulator::board::{Board, Options, Profile};
use esp32_emulator::soc::RomChoice;
use esp32_emulator::soc::lockstep::Lockstep;

use crate::site::AirOf;

/// What emulated boards run, and how. A clone is for another board of the same run.
#[derive(Debug, Clone, Default)]
pub struct Engine {
    /// The mask ROM.
    pub rom: RomChoice,
    /// Who executes firmware. Changes nothing but speed.
    pub execution: Execution,
}

/// Who executes firmware.
#[derive(Debug, Clone, Default)]
pub enum Execution {
    /// The interpreter, and what is hot is compiled to host code.
    #[default]
    Compiled,
    /// The interpreter alone.
    Interpreted,
    /// As this run says, compared with another one.
    Lockstep(Lockstep),
}

impl Engine {
    /// Interprets everything.
    pub fn interpreted() -> Self {
        Self { execution: Execution::Interpreted, ..Self::default() }
    }

    /// A board of this profile. Boards that share an air take turns and push each other's code out of
    /// the host's caches, so that what is compiled must be hotter.
    pub(super) fn board(&self, profile: &'static Profile, options: Options, air: AirOf) -> Board {
        let interprets = match &self.execution {
            Execution::Compiled => false,
            Execution::Interpreted => true,
            Execution::Lockstep(run) => run.interprets(),
        };
        let hotter = match air {
            AirOf::OneBoard => 1,
            AirOf::AllBoards => 100,
        };
        let compile_after = options.compile_after.filter(|_| !interprets).map(|runs| runs * hotter);
        let options = Options { rom: self.rom.clone(), compile_after, ..options };
        let mut board = Board::new(profile, &options);
        board.chip_mut().set_clock(host_clock);
        if let Execution::Lockstep(run) = &self.execution {
            board.chip_mut().set_witness(run.witness());
        }
        board
    }
}

/// By which an emulated board counts what compiling takes.
fn host_clock() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}
