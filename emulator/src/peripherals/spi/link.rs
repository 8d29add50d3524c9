//! The DMA half of a SPI controller: registers 100 to 14C.
//!
//! Source: ESP32 Technical Reference Manual, chapter "SPI Controller (SPI)", section "SPI DMA";
//! bit positions from `spi_reg.h` of ESP-IDF v5.0.
//! Modelled: start, restart and stop of one output and one input list, which the next user
//! transaction uses up; descriptor and end-of-frame address registers; nine interrupts.
//! Not modelled: continuous mode (`DMA_CONTINUE`), bursts, loop-back tests, FIFO levels.

use super::super::Unmodelled;
use super::super::dma::{self, Descriptor, DmaMemory, End};

mod reg {
    pub(super) const CONF: u32 = 0x100;
    pub(super) const OUT_LINK: u32 = 0x104;
    pub(super) const IN_LINK: u32 = 0x108;
    pub(super) const STATUS: u32 = 0x10c;
    pub(super) const INT_ENA: u32 = 0x110;
    pub(super) const INT_RAW: u32 = 0x114;
    pub(super) const INT_ST: u32 = 0x118;
    pub(super) const INT_CLR: u32 = 0x11c;
    pub(super) const IN_ERR_EOF_DES_ADDR: u32 = 0x120;
    pub(super) const IN_SUC_EOF_DES_ADDR: u32 = 0x124;
    pub(super) const INLINK_DSCR: u32 = 0x128;
    pub(super) const INLINK_DSCR_BF0: u32 = 0x12c;
    pub(super) const INLINK_DSCR_BF1: u32 = 0x130;
    pub(super) const OUT_EOF_BFR_DES_ADDR: u32 = 0x134;
    pub(super) const OUT_EOF_DES_ADDR: u32 = 0x138;
    pub(super) const OUTLINK_DSCR: u32 = 0x13c;
    pub(super) const OUTLINK_DSCR_BF0: u32 = 0x140;
    pub(super) const OUTLINK_DSCR_BF1: u32 = 0x144;
    pub(super) const RSTATUS: u32 = 0x148;
    pub(super) const TSTATUS: u32 = 0x14c;
}

mod int {
    pub(super) const INLINK_DSCR_EMPTY: u32 = 1 << 0;
    pub(super) const OUTLINK_DSCR_ERROR: u32 = 1 << 1;
    pub(super) const INLINK_DSCR_ERROR: u32 = 1 << 2;
    pub(super) const IN_DONE: u32 = 1 << 3;
    pub(super) const IN_SUC_EOF: u32 = 1 << 5;
    pub(super) const OUT_DONE: u32 = 1 << 6;
    pub(super) const OUT_EOF: u32 = 1 << 7;
    pub(super) const OUT_TOTAL_EOF: u32 = 1 << 8;
    pub(super) const ALL: u32 = 0x1ff;
}

const CONF_RESET: u32 = 1 << 9; // OUT_EOF_MODE
const OUT_RST: u32 = 1 << 3;
const IN_RST: u32 = 1 << 2;
const LINK_RESTART: u32 = 1 << 30;
const LINK_START: u32 = 1 << 29;
const LINK_STOP: u32 = 1 << 28;
const FIFO_EMPTY: u32 = 1 << 31;

/// A list as software has handed it over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum List {
    #[default]
    Stopped,
    /// Started with a null pointer.
    Null,
    At(u32),
}

/// One direction.
#[derive(Debug, Clone, Copy, Default)]
struct Channel {
    link: u32,
    list: List,
    current: Option<Descriptor>,
    eof: Option<Descriptor>,
}

impl Channel {
    fn write_link(&mut self, value: u32) {
        // The command bits act once; software rewrites the address field bit by bit.
        self.link = value & !(LINK_RESTART | LINK_START | LINK_STOP);
        if value & LINK_STOP != 0 {
            self.list = List::Stopped;
        } else if value & LINK_START != 0 {
            self.list = dma::link_address(value).map_or(List::Null, List::At);
        } else if value & LINK_RESTART != 0 {
            let next = self.current.and_then(|d| d.next());
            self.list = next.map_or(List::Null, List::At);
        }
    }

    fn describe(&self, field: impl Fn(&Descriptor) -> u32) -> u32 {
        self.current.as_ref().map_or(0, field)
    }
}

/// DMA registers of one controller.
#[derive(Debug, Clone)]
pub(super) struct Link {
    conf: u32,
    output: Channel,
    input: Channel,
    int_ena: u32,
    int_raw: u32,
    /// Interrupts that become raw when the running transaction ends.
    at_end: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            conf: CONF_RESET,
            output: Channel::default(),
            input: Channel::default(),
            int_ena: 0,
            int_raw: 0,
            at_end: 0,
        }
    }
}

impl Link {
    pub(super) fn irq(&self) -> bool {
        self.int_raw & self.int_ena != 0
    }

    /// Whether an output list waits for a transaction.
    pub(super) fn has_output(&self) -> bool {
        self.output.list != List::Stopped
    }

    /// Whether an input list waits for a transaction.
    pub(super) fn has_input(&self) -> bool {
        self.input.list != List::Stopped
    }

    /// Fills the write phase from the output list; what the list lacks stays as it is.
    pub(super) fn send(&mut self, out: &mut [u8], memory: &mut dyn DmaMemory) {
        if let List::At(first) = self.output.list {
            let walk = dma::gather(first, out, memory);
            self.at_end |= match walk.end {
                End::Complete | End::OutOfDescriptors => {
                    int::OUT_DONE | int::OUT_EOF | int::OUT_TOTAL_EOF
                }
                End::Broken => int::OUTLINK_DSCR_ERROR,
            };
            self.output.current = walk.last;
            self.output.eof = walk.last;
        }
        self.output.list = List::Stopped;
    }

    /// Stores the read phase in the input list.
    pub(super) fn receive(&mut self, data: &[u8], memory: &mut dyn DmaMemory) {
        self.at_end |= match self.input.list {
            List::At(first) => {
                let walk = dma::scatter(first, data, memory);
                self.input.current = walk.last;
                match walk.end {
                    End::Complete => {
                        self.input.eof = walk.last;
                        int::IN_DONE | int::IN_SUC_EOF
                    }
                    End::OutOfDescriptors => int::INLINK_DSCR_EMPTY,
                    End::Broken => int::INLINK_DSCR_ERROR,
                }
            }
            List::Null => int::INLINK_DSCR_EMPTY,
            List::Stopped => 0,
        };
        self.input.list = List::Stopped;
    }

    /// The running transaction has ended.
    pub(super) fn finish(&mut self) {
        self.int_raw |= std::mem::take(&mut self.at_end);
    }

    pub(super) fn read(&self, offset: u32) -> Result<u32, Unmodelled> {
        let eof = |channel: &Channel| channel.eof.map_or(0, |d| d.address);
        Ok(match offset {
            reg::CONF => self.conf,
            reg::OUT_LINK => self.output.link,
            reg::IN_LINK => self.input.link,
            reg::STATUS => u32::from(self.has_output()) << 1 | u32::from(self.has_input()),
            reg::INT_ENA => self.int_ena,
            reg::INT_RAW => self.int_raw,
            reg::INT_ST => self.int_raw & self.int_ena,
            reg::INT_CLR | reg::IN_ERR_EOF_DES_ADDR => 0,
            reg::IN_SUC_EOF_DES_ADDR => eof(&self.input),
            reg::INLINK_DSCR => self.input.describe(|d| d.address),
            reg::INLINK_DSCR_BF0 => self.input.describe(|d| d.next),
            reg::INLINK_DSCR_BF1 => self.input.describe(|d| d.buffer),
            reg::OUT_EOF_BFR_DES_ADDR => self.output.eof.map_or(0, |d| d.buffer),
            reg::OUT_EOF_DES_ADDR => eof(&self.output),
            reg::OUTLINK_DSCR => self.output.describe(|d| d.address),
            reg::OUTLINK_DSCR_BF0 => self.output.describe(|d| d.next),
            reg::OUTLINK_DSCR_BF1 => self.output.describe(|d| d.buffer),
            reg::RSTATUS | reg::TSTATUS => FIFO_EMPTY,
            _ => return Err(Unmodelled),
        })
    }

    pub(super) fn write(&mut self, offset: u32, value: u32) -> Result<(), Unmodelled> {
        match offset {
            reg::CONF => {
                self.conf = value;
                if value & OUT_RST != 0 {
                    self.output.list = List::Stopped;
                }
                if value & IN_RST != 0 {
                    self.input.list = List::Stopped;
                }
            }
            reg::OUT_LINK => self.output.write_link(value),
            reg::IN_LINK => self.input.write_link(value),
            reg::INT_ENA => self.int_ena = value & int::ALL,
            reg::INT_CLR => self.int_raw &= !value,
            reg::STATUS | reg::INT_RAW | reg::INT_ST => {}
            reg::IN_ERR_EOF_DES_ADDR..=reg::TSTATUS => {}
            _ => return Err(Unmodelled),
        }
        Ok(())
    }
}
