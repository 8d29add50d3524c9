//! `baud`: set the speed of the adapter on a serial port.

use super::serial_fields::is_short;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, PORT, Reference};
use crate::targets::{Capability, Port};

/// Fields as written in the scenario file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Baud {
    /// The speed in baud.
    pub rate: Rate,
    /// Which port.
    pub port: Port,
}

/// A speed in baud that some adapter has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate(pub u32);

/// The slowest and the fastest that FTDI adapters have.
const RATES: std::ops::RangeInclusive<u32> = 300..=12_000_000;

impl Decode for Rate {
    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        match node.as_integer().and_then(|rate| u32::try_from(rate).ok()) {
            Some(rate) if RATES.contains(&rate) => Some(Self(rate)),
            _ => decoder.wrong(node, "a speed in baud such as 115200"),
        }
    }
}

const RATE: Kind = Kind::Number(300, 12_000_000);

impl Step for Baud {
    const NAME: &'static str = "baud";

    const REFERENCE: Reference = Reference {
        group: Group::Serial,
        doc: "Sets the speed of the adapter on a serial port; it begins with 115200.",
        value: Kind::Either(&[
            RATE,
            Kind::Keys(&[Key::required("rate", RATE, "The speed in baud."), PORT]),
        ]),
        examples: &["baud: 921600", "baud: {rate: 9600, port: uart1}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if is_short(node) {
            let rate = Rate::decode(node, decoder)?;
            return Some(Self { rate, port: Port::Console });
        }
        let mut fields = Fields::new(node, "`baud`", decoder)?;
        let rate = fields.required("rate", decoder);
        let port = fields.or("port", Port::Console, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { rate: rate?, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::Serial], ..Facts::default() }
    }

    fn summary(&self) -> String {
        format!("{} on {}", self.rate.0, self.port)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.target().set_baud(self.port, self.rate.0)?;
        Ok(Evidence::Done)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::FakeTarget;

    #[test]
    fn a_number_alone_is_the_speed_of_the_console() {
        let target = FakeTarget::new([]);
        let log = target.log();
        assert_eq!(
            run_steps(target, "- baud: 921600\n- baud: {rate: 9600, port: uart2}"),
            Outcome::Passed
        );
        assert_eq!(
            *log.lock().unwrap(),
            ["0.000000s console at 921600 baud", "0.000000s uart2 at 9600 baud"]
        );
        assert!(matches!(run_steps(FakeTarget::new([]), "- baud: 3"), Outcome::Invalid(_)));
    }
}
