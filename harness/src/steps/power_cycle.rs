//! `power-cycle`: cut the power for a while. RAM and RTC memory are lost, flash stays.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::targets::{Capability, Power};
use crate::time::Span;

/// Long enough for a board's capacitors.
const DEFAULT_OFF: Span = Span::from_secs(1);

/// Fields as written in the scenario file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PowerCycle {
    /// How long the power stays off.
    pub off_for: Span,
}

impl Step for PowerCycle {
    const NAME: &'static str = "power-cycle";

    const REFERENCE: Reference = Reference {
        group: Group::Power,
        doc: "Cuts the power for a while.",
        value: Kind::Either(&[
            Kind::Nothing,
            Kind::Keys(&[Key::or(
                "off-for",
                Kind::Duration,
                "1s",
                "How long the power stays off.",
            )]),
        ]),
        examples: &["power-cycle", "power-cycle: {off-for: 5s}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if node.is_null() {
            return Some(Self { off_for: DEFAULT_OFF });
        }
        let mut fields = Fields::new(node, "`power-cycle`", decoder)?;
        let off_for = fields.or("off-for", DEFAULT_OFF, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { off_for: off_for? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::Power], ..Facts::default() }
    }

    fn summary(&self) -> String {
        format!("off for {}", self.off_for)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.switch_power(Power::Off)?;
        session.let_pass(self.off_for)?;
        session.switch_power(Power::On)?;
        Ok(Evidence::Done)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

    #[test]
    fn the_board_boots_again_after_the_time_off() {
        let boot = || Reply::on(Cue::PowerOn).say(Span::from_millis(1), "hello\r\n");
        let target = FakeTarget::new([boot(), boot()]);
        let log = target.log();
        let steps = "
- expect-serial: hello
- power-cycle: {off-for: 2s}
- expect-serial: hello";
        assert_eq!(run_steps(target, steps), Outcome::Passed);
        assert_eq!(
            *log.lock().unwrap(),
            ["0.000000s power on", "0.001000s power off", "2.001000s power on"]
        );
    }
}
