//! `expect-pin`: a pin has a level, now or within some time.
//!
//! In Wokwi's form, `{part-id: esp, name: "2", value: 1}`, it must have it at this moment.

use std::collections::BTreeMap;

use super::pin_fields::{Pin, seen};
use super::serial_fields::DEFAULT_WITHIN;
use super::{Facts, Step};
use crate::parts::Lead;
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference, WITHIN};
use crate::targets::{Capability, Level, TargetError};
use crate::time::Span;
use crate::wokwi::circuit::{Circuit, NoSuch, SeenPin};
use crate::wokwi::script::Script;

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectPin {
    /// Which pin.
    pub pin: PartPin,
    /// The level that it must have.
    pub level: Level,
    /// Patience in device time.
    pub within: Span,
}

/// A pin of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartPin {
    /// One of the chip; in Wokwi's form with the chip's name.
    Chip(Pin, Option<String>),
    /// One of a part, called so, that leads to this pad.
    Wired(Pin, String),
    /// One of a part, called so, that leads to no pad and always has this level.
    Always(Level, String),
    /// One of a part that the scenario does not have.
    Other(String),
}

/// What Wokwi's diagrams call the chip.
const CHIP: &str = "esp";

impl Step for ExpectPin {
    const NAME: &'static str = "expect-pin";

    const REFERENCE: Reference = Reference {
        group: Group::Pins,
        doc: "A pin has a level, or comes to have it in time. In Wokwi's form it must have it at this moment.",
        value: Kind::Either(&[
            Kind::Keys(&[
                Key::required("pin", Kind::Pin, "Which pin."),
                Key::required("level", Kind::Words(&["low", "high", "0", "1"]), "The level."),
                WITHIN,
            ]),
            Kind::Keys(&[
                Key::required("part-id", Kind::Text, "A part in Wokwi's form; `esp` is the chip."),
                Key::one_of("name", Kind::Text, "Which pin of it."),
                Key::one_of("pin", Kind::Text, "The older word for `name`."),
                Key::required("value", Kind::Words(&["low", "high", "0", "1"]), "The level."),
            ]),
        ]),
        examples: &[
            "expect-pin: {pin: 2, level: high, within: 1s}",
            r#"expect-pin: {part-id: esp, name: "2", value: 1}"#,
            r#"expect-pin: {part-id: esp, pin: "2", value: 1}"#,
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`expect-pin`", decoder)?;
        if fields.node("part-id").is_none() {
            let pin = fields.required("pin", decoder);
            let level = fields.required("level", decoder);
            let within = fields.or("within", DEFAULT_WITHIN, decoder);
            fields.finish(UnknownKeys::Deny, decoder);
            let pin = PartPin::Chip(pin?, None);
            return Some(Self { pin, level: level?, within: within? });
        }
        let part = fields.required::<String>("part-id", decoder);
        // Older scenarios of Wokwi say `pin` instead of `name`.
        let name = fields.node("pin").or_else(|| fields.node("name"));
        if name.is_none() {
            fields.missing("name");
        }
        let level = fields.required("value", decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        let (part, name) = (part?, name?);
        if let Some(pins) = decoder.part(&part).map(|part| part.pins.clone()) {
            let pin = wired(&part, name, &pins, decoder)?;
            return Some(Self { pin, level: level?, within: Span::ZERO });
        }
        if let Some(circuit) = decoder.circuit().cloned() {
            let pin = drawn(&part, name, node, &circuit, decoder)?;
            return Some(Self { pin, level: level?, within: Span::ZERO });
        }
        let pin = match part.as_str() {
            CHIP => PartPin::Chip(Pin::decode(name, decoder)?, Some(part)),
            _ => String::decode(name, decoder).map(|_| PartPin::Other(part))?,
        };
        Some(Self { pin, level: level?, within: Span::ZERO })
    }

    fn facts(&self) -> Facts<'_> {
        let (pins, part) = match &self.pin {
            PartPin::Chip(Pin(gpio), part) => (vec![*gpio], part.as_ref()),
            PartPin::Wired(Pin(gpio), _) => (vec![*gpio], None),
            PartPin::Always(..) => (Vec::new(), None),
            PartPin::Other(part) => (Vec::new(), Some(part)),
        };
        Facts {
            needs: &[Capability::Pins],
            needs_power: true,
            pins,
            parts: part.into_iter().map(String::as_str).collect(),
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        match &self.pin {
            PartPin::Chip(Pin(gpio), _) => format!("GPIO{gpio} {}", self.level),
            PartPin::Wired(_, name) | PartPin::Always(_, name) | PartPin::Other(name) => {
                format!("{name} {}", self.level)
            }
        }
    }

    fn say(&self, script: &mut Script<'_>) -> Result<(), String> {
        match &self.pin {
            PartPin::Chip(Pin(gpio), _) => {
                if self.within != Span::ZERO {
                    script.remark("Wokwi looks at this moment, and waits for no level");
                }
                script.chip_pin(*gpio, self.level)
            }
            PartPin::Wired(_, called) | PartPin::Always(_, called) => {
                let (part, name) = called.split_once(':').unwrap_or((called, ""));
                script.pin(part, name, self.level)
            }
            PartPin::Other(part) => Err(format!("the board has no {part}")),
        }
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let (level, within) = (self.level, self.within);
        let gpio = match &self.pin {
            PartPin::Chip(Pin(gpio), _) | PartPin::Wired(Pin(gpio), _) => *gpio,
            PartPin::Always(is, name) if *is == level => {
                return Ok(Evidence::note(format!("{name} is always {is}")));
            }
            PartPin::Always(is, name) => {
                let what = format!("{name} is always {is}: it leads to no pad of the chip");
                return Err(StepError::failed(Failure::new(what)));
            }
            PartPin::Other(part) => return Err(TargetError::NoSuchPart(part.clone()).into()),
        };
        let until = session.now() + within;
        if session.await_level(gpio, level, until)? {
            return Ok(Evidence::note(format!("GPIO{gpio} is {level} at {}", session.now())));
        }
        let what = match within {
            Span::ZERO => format!("GPIO{gpio} is not {level}"),
            within => format!("GPIO{gpio} did not become {level} within {within}"),
        };
        let seen = seen(session, gpio)?;
        Err(StepError::failed(Failure { seen, ..Failure::new(what) }))
    }
}

/// A pin of a part of the scenario, called `name`.
fn wired(
    part: &str,
    name: &Node,
    pins: &BTreeMap<&'static str, Lead>,
    decoder: &mut Decoder,
) -> Option<PartPin> {
    let pin = String::decode(name, decoder)?;
    let called = format!("{part}:{pin}");
    match pins.get(pin.as_str()) {
        Some(Lead { gpio: Some(gpio), .. }) => Some(PartPin::Wired(Pin(*gpio), called)),
        Some(lead) => Some(PartPin::Always(lead.level.unwrap_or(Level::Low), called)),
        None => {
            let message = format!("nothing is wired to a pin `{pin}` of the part `{part}`");
            let known = pins.keys().map(|pin| (*pin).to_owned()).collect();
            decoder.no_such(name, &pin, NoSuch { message, known })
        }
    }
}

/// A pin of a diagram, called `name` at `part`, in the step `node`.
fn drawn(
    part: &str,
    name: &Node,
    node: &Node,
    circuit: &Circuit,
    decoder: &mut Decoder,
) -> Option<PartPin> {
    let pin = String::decode(name, decoder)?;
    let called = format!("{part}:{pin}");
    match circuit.pin(part, &pin) {
        Ok(SeenPin::Gpio(gpio)) => Some(PartPin::Wired(Pin(gpio), called)),
        Ok(SeenPin::Always(level)) => Some(PartPin::Always(level, called)),
        Err(none) if none.known.is_empty() => decoder.no_such(name, &pin, none),
        Err(none) => decoder.no_such(node.get("part-id")?, part, none),
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_file, run_steps};
    use crate::targets::Level;
    use crate::targets::fake::{Cue, FakeTarget, Reply};
    use crate::time::Span;

    fn blinking() -> FakeTarget {
        let ms = Span::from_millis;
        let reply = Reply::on(Cue::PowerOn).pin(ms(5), 2, Level::High).pin(ms(5), 2, Level::Low);
        FakeTarget::new([reply])
    }

    #[test]
    fn the_level_may_come_later_but_not_too_late() {
        let steps = "
- expect-pin: {pin: 2, level: high, within: 5ms}
- expect-pin: {pin: GPIO2, level: 0, within: 5ms}";
        assert_eq!(run_steps(blinking(), steps), Outcome::Passed);
        let late = "- expect-pin: {pin: 2, level: high, within: 4ms}";
        let Outcome::Failed(failure) = run_steps(blinking(), late) else { panic!("must fail") };
        assert_eq!(failure.what, "GPIO2 did not become high within 4ms");
        assert_eq!(failure.seen, ["GPIO2 has been low all the time"]);
    }

    #[test]
    fn wokwis_form_looks_at_this_moment_and_needs_the_part() {
        let steps = "
- delay: 6ms
- expect-pin: {part-id: esp, name: '2', value: 1}
- expect-pin: {part-id: esp, pin: D2, value: 1}";
        assert_eq!(run_steps(blinking(), steps), Outcome::Passed);
        let now = "- expect-pin: {part-id: esp, name: 2, value: 1}";
        assert!(matches!(run_steps(blinking(), now), Outcome::Failed(_)));
        for other in ["{part-id: led1, name: A, value: 1}", "{part-id: nano, name: 2, value: 1}"] {
            assert_eq!(run_steps(blinking(), &format!("- expect-pin: {other}")), Outcome::Skipped);
        }
    }

    #[test]
    fn pins_of_parts_have_the_level_of_what_they_are_wired_to() {
        let scenario = |step: &str| {
            format!(
                "name: X\nversion: 1\nparts:\n  lamp: {{type: led, pins: {{A: 2, C: gnd}}}}\n\
                 steps:\n  - delay: 6ms\n  - expect-pin: {{part-id: lamp, {step}}}\n"
            )
        };
        for (step, passes) in [
            ("name: A, value: 1", true),
            ("name: A, value: 0", false),
            ("name: C, value: 0", true),
            ("name: C, value: 1", false),
        ] {
            let outcome = run_file(blinking(), &scenario(step));
            assert_eq!(outcome == Outcome::Passed, passes, "{step}: {outcome:?}");
        }
        let Outcome::Invalid(faults) = run_file(blinking(), &scenario("name: B, value: 1")) else {
            panic!("invalid")
        };
        assert_eq!(faults[0].message, "nothing is wired to a pin `B` of the part `lamp`");
    }

    #[test]
    fn there_are_forty_pins() {
        let steps = "- expect-pin: {pin: 40, level: high}";
        assert!(matches!(run_steps(blinking(), steps), Outcome::Invalid(_)));
    }
}
