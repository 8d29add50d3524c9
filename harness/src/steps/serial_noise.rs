//! `serial-noise`: from now on some bytes of a serial line get a wrong bit, in either direction.
//!
//! `serial-noise: off` ends it. Which bytes follows from the seed.

use super::serial_fields::is_short;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, PerMillion, UnknownKeys, word};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, PORT, Reference};
use crate::targets::{Capability, Disturbance, Port};

/// Fields as written in the scenario file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SerialNoise {
    /// The share of wrong bytes.
    pub rate: PerMillion,
    /// Which port.
    pub port: Port,
}

impl Step for SerialNoise {
    const NAME: &'static str = "serial-noise";

    const REFERENCE: Reference = Reference {
        group: Group::Faults,
        doc: "From now on some bytes of a serial line get a wrong bit, in either direction; `off` ends it. Which bytes follows from the seed.",
        value: Kind::Either(&[
            Kind::Words(&["off"]),
            Kind::Keys(&[Key::required("rate", Kind::Share, "The share of wrong bytes."), PORT]),
        ]),
        examples: &["serial-noise: {rate: 1%}", "serial-noise: off"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if is_short(node) {
            let rate = word(node, decoder, "a way to write noise", &[("off", PerMillion(0))])?;
            return Some(Self { rate, port: Port::Console });
        }
        let mut fields = Fields::new(node, "`serial-noise`", decoder)?;
        let rate = fields.required("rate", decoder);
        let port = fields.or("port", Port::Console, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { rate: rate?, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::Faults, Capability::Serial], ..Facts::default() }
    }

    fn summary(&self) -> String {
        match self.rate.0 {
            0 => "off".to_owned(),
            rate => format!("{} of a million bytes on {}", rate, self.port),
        }
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let Self { rate, port } = *self;
        session.target().disturb(Disturbance::SerialNoise { port, per_million: rate.0 })?;
        Ok(Evidence::Done)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::FakeTarget;

    #[test]
    fn noise_begins_and_ends() {
        let target = FakeTarget::new([]);
        let log = target.log();
        let steps = "
- serial-noise: {rate: 0.5%, port: uart1}
- serial-noise: off";
        assert_eq!(run_steps(target, steps), Outcome::Passed);
        let log = log.lock().unwrap();
        assert!(log[0].ends_with("SerialNoise { port: Uart1, per_million: 5000 }"), "{log:?}");
        assert!(log[1].ends_with("SerialNoise { port: Console, per_million: 0 }"), "{log:?}");
    }
}
