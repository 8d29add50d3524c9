//! Faults of the wires between a serial adapter and an emulated board, to try out what finds them.
//!
//! Wires are named after the pins of the board: TX is the one from the chip's U0TXD to the adapter's
//! receiver. Assumed of what hangs in the air: a receiver, which has a pull-up at both ends, hears an
//! idle line; a modem line drives nothing. With TX and RX swapped the two outputs drive against each
//! other, on a wire to which nobody listens, and the two receivers are connected with each other and
//! hear an idle line, whatever is sent, even a break. So to both ends it is as if both were cut.
//!
//! Sources: ESP32 Datasheet, "IO_MUX" (U0RXD comes out of reset as an input with pull-up); FT232R
//! Datasheet, "UART Interface" (RXD has a pull-up).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum WiringFault {
    /// The computer hears nothing.
    TxCut,
    /// The board hears nothing.
    RxCut,
    /// Neither hears anything.
    TxRxSwapped,
    /// The adapter does not reach GPIO0; jumper and buttons do.
    Gpio0Cut,
    /// The adapter does not reach EN; the button does.
    EnCut,
    /// DTR does not reach the board.
    DtrCut,
    /// RTS does not reach the board.
    RtsCut,
}

impl WiringFault {
    /// Every fault with its name.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("tx-cut", Self::TxCut),
        ("rx-cut", Self::RxCut),
        ("tx-rx-swapped", Self::TxRxSwapped),
        ("gpio0-cut", Self::Gpio0Cut),
        ("en-cut", Self::EnCut),
        ("dtr-cut", Self::DtrCut),
        ("rts-cut", Self::RtsCut),
    ];

    /// Whether the computer hears nothing.
    pub(super) fn deafens_computer(self) -> bool {
        matches!(self, Self::TxCut | Self::TxRxSwapped)
    }

    /// Whether the board hears nothing.
    pub(super) fn deafens_board(self) -> bool {
        matches!(self, Self::RxCut | Self::TxRxSwapped)
    }
}

impl fmt::Display for WiringFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TxCut => "tx-cut",
            Self::RxCut => "rx-cut",
            Self::TxRxSwapped => "tx-rx-swapped",
            Self::Gpio0Cut => "gpio0-cut",
            Self::EnCut => "en-cut",
            Self::DtrCut => "dtr-cut",
            Self::RtsCut => "rts-cut",
        })
    }
}

impl FromStr for WiringFault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::NAMES.into_iter().find(|(it, _)| *it == name);
        found.map(|(_, fault)| fault).ok_or_else(|| {
            format!("wiring faults are {}", Self::NAMES.map(|(name, _)| name).join(", "))
        })
    }
}

impl TryFrom<String> for WiringFault {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl From<WiringFault> for String {
    fn from(fault: WiringFault) -> Self {
        fault.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_read_by_the_name_that_it_shows() {
        for (name, fault) in WiringFault::NAMES {
            assert_eq!((fault.to_string().as_str(), name.parse()), (name, Ok(fault)));
        }
        let error = "tx".parse::<WiringFault>().unwrap_err();
        assert!(error.starts_with("wiring faults are tx-cut, rx-cut, "), "{error}");
    }
}
