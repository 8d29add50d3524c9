//! JTAG: two TAPs in a chain, one for each core, with an Xtensa debug module behind each.
//!
//! Source: IEEE 1149.1 (the controller); IDCODE, order of the chain and 5-bit instructions: the target
//! files of OpenOCD and probe-rs for the ESP32; the instructions and what is behind them: see
//! [`debug_module`] and [`tap`].
//! *Modelled*: the controller's sixteen states, IDCODE, BYPASS, the debug module's registers, power and
//! reset control. *Not modelled*: boundary scan; the pads (MTCK, MTDO, MTDI, MTMS), so that the chain
//! can be reached whatever the firmware does with GPIO12 to 15; eFuses that disable JTAG.
//!
//! A clock of TCK takes no time: whoever drives the pins lets the chip run in between.

mod debug_module;
mod tap;

pub(super) use debug_module::DebugModule;
use tap::{State, Tap};

use super::esp32::Esp32;
use crate::peripherals::CoreId;

/// The chain.
#[derive(Debug, Clone, Default)]
pub(super) struct Jtag {
    state: State,
    /// PRO_CPU's is next to TDO, APP_CPU's next to TDI.
    taps: [Tap; 2],
}

impl Esp32 {
    /// The level of TDO, which is pulled up while nothing is shifted.
    pub fn jtag_tdo(&self) -> bool {
        match self.jtag.state {
            State::ShiftDr => self.jtag.taps[0].data_out(),
            State::ShiftIr => self.jtag.taps[0].instruction_out(),
            _ => true,
        }
    }

    /// One clock of TCK with these levels of TMS and TDI; the level of TDO before the clock's rising
    /// edge.
    pub fn jtag_clock(&mut self, tms: bool, tdi: bool) -> bool {
        let tdo = self.jtag_tdo();
        match self.jtag.state {
            State::ShiftDr => {
                let from_app = self.jtag.taps[1].shift_data(tdi);
                self.jtag.taps[0].shift_data(from_app);
            }
            State::ShiftIr => {
                let from_app = self.jtag.taps[1].shift_instruction(tdi);
                self.jtag.taps[0].shift_instruction(from_app);
            }
            State::CaptureDr => {
                for core in [CoreId::Pro, CoreId::App] {
                    let value =
                        self.jtag.taps[core.index()].wants().map(|it| self.capture(core, it));
                    self.jtag.taps[core.index()].capture_data(value.unwrap_or(0));
                }
            }
            State::CaptureIr => self.jtag.taps.iter_mut().for_each(Tap::capture_instruction),
            _ => {}
        }
        self.jtag.state = self.jtag.state.next(tms);
        match self.jtag.state {
            State::Reset => self.jtag.taps = Default::default(),
            State::UpdateIr => self.jtag.taps.iter_mut().for_each(Tap::update_instruction),
            State::UpdateDr => {
                for core in [CoreId::Pro, CoreId::App] {
                    if let Some(scan) = self.jtag.taps[core.index()].update_data() {
                        self.update(core, scan);
                    }
                }
            }
            _ => {}
        }
        tdo
    }
}
