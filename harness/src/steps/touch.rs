//! `touch`, `touch-press`, `touch-move`, `touch-release`: a finger on a touch screen (Wokwi's steps).
//!
//! A board without a part of that name skips the case, naming the part.

use super::set_control::Number;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::targets::Capability;
use crate::targets::part::Finger;
use crate::time::Span;

/// How long a finger stays when the scenario does not say.
const DURATION: Span = Span::from_millis(50);

const PART: Key = Key::required("part-id", Kind::Text, "The touch screen.");
const X: Key = Key::required(
    "x",
    Kind::Decimal,
    "Dots, as the screen's controller counts them: with an FT6206 from the right of the display.",
);
const Y: Key = Key::required("y", Kind::Decimal, "Dots; with an FT6206 from the bottom.");

/// A touch screen, as steps name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Screen {
    /// The part that has it.
    pub part: String,
    /// The part with its screen, as plans name it.
    named: String,
}

impl Screen {
    fn from_fields(node: &Node, fields: &mut Fields<'_>, decoder: &mut Decoder) -> Option<Self> {
        let part: String = fields.required(PART.name, decoder)?;
        let Some(circuit) = decoder.circuit().cloned() else {
            let named = format!("{part}.{}", Finger::SCREEN);
            return Some(Self { part, named });
        };
        match circuit.check_touch(&part) {
            // What its type has was looked at just now.
            Ok(()) => Some(Self { named: part.clone(), part }),
            Err(none) => decoder.no_such(node.get(PART.name)?, &part, none),
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::Pins],
            needs_power: true,
            parts: vec![&self.named],
            ..Facts::default()
        }
    }

    fn feel(&self, finger: Finger, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.target().touch(&self.part, finger)?;
        Ok(Evidence::Done)
    }
}

/// A place on a screen, in dots as its controller counts them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place([f64; 2]);

impl Place {
    fn from_fields(fields: &mut Fields<'_>, decoder: &mut Decoder) -> Option<Self> {
        let [x, y] = [X, Y].map(|key| fields.required::<Number>(key.name, decoder));
        Some(Self([x?.0, y?.0]))
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let [x, y] = self.0;
        write!(f, "{x}, {y}")
    }
}

/// A finger taps.
#[derive(Debug, Clone, PartialEq)]
pub struct Touch {
    /// The screen.
    pub screen: Screen,
    /// Where.
    pub place: Place,
    /// How long the finger stays.
    pub duration: Span,
    /// Whether the scenario waits for that.
    pub wait: bool,
}

impl Step for Touch {
    const NAME: &'static str = "touch";

    const REFERENCE: Reference = Reference {
        group: Group::Wokwi,
        doc: "A finger comes down on a touch screen, and goes up by itself.",
        value: Kind::Keys(&[
            PART,
            X,
            Y,
            Key::or("duration", Kind::Duration, "50ms", "How long the finger stays."),
            Key::or("wait", Kind::Flag, "false", "Whether the scenario waits for that."),
        ]),
        examples: &["touch: {part-id: lcd1, x: 10, y: 20, duration: 80ms, wait: true}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`touch`", decoder)?;
        let screen = Screen::from_fields(node, &mut fields, decoder);
        let place = Place::from_fields(&mut fields, decoder);
        let duration = fields.or("duration", DURATION, decoder);
        let wait = fields.or("wait", false, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { screen: screen?, place: place?, duration: duration?, wait: wait? })
    }

    fn facts(&self) -> Facts<'_> {
        self.screen.facts()
    }

    fn summary(&self) -> String {
        format!("{} at {} for {}", self.screen.part, self.place, self.duration)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let finger = Finger::Press { at: self.place.0, release_after: Some(self.duration) };
        let felt = self.screen.feel(finger, session)?;
        if self.wait {
            session.let_pass(self.duration)?;
        }
        Ok(felt)
    }
}

/// A finger comes down.
#[derive(Debug, Clone, PartialEq)]
pub struct TouchPress {
    /// The screen.
    pub screen: Screen,
    /// Where.
    pub place: Place,
}

impl Step for TouchPress {
    const NAME: &'static str = "touch-press";

    const REFERENCE: Reference = Reference {
        group: Group::Wokwi,
        doc: "A finger comes down on a touch screen and stays.",
        value: Kind::Keys(&[PART, X, Y]),
        examples: &["touch-press: {part-id: lcd1, x: 10, y: 20.5}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`touch-press`", decoder)?;
        let screen = Screen::from_fields(node, &mut fields, decoder);
        let place = Place::from_fields(&mut fields, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { screen: screen?, place: place? })
    }

    fn facts(&self) -> Facts<'_> {
        self.screen.facts()
    }

    fn summary(&self) -> String {
        format!("{} at {}", self.screen.part, self.place)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        self.screen.feel(Finger::Press { at: self.place.0, release_after: None }, session)
    }
}

/// A finger moves.
#[derive(Debug, Clone, PartialEq)]
pub struct TouchMove {
    /// The screen.
    pub screen: Screen,
    /// To where.
    pub place: Place,
}

impl Step for TouchMove {
    const NAME: &'static str = "touch-move";

    const REFERENCE: Reference = Reference {
        group: Group::Wokwi,
        doc: "The finger on a touch screen moves; one that is not down touches nothing.",
        value: Kind::Keys(&[PART, X, Y]),
        examples: &["touch-move: {part-id: lcd1, x: 30, y: 20}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`touch-move`", decoder)?;
        let screen = Screen::from_fields(node, &mut fields, decoder);
        let place = Place::from_fields(&mut fields, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { screen: screen?, place: place? })
    }

    fn facts(&self) -> Facts<'_> {
        self.screen.facts()
    }

    fn summary(&self) -> String {
        format!("{} to {}", self.screen.part, self.place)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        self.screen.feel(Finger::Move { at: self.place.0 }, session)
    }
}

/// A finger goes up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchRelease {
    /// The screen.
    pub screen: Screen,
}

impl Step for TouchRelease {
    const NAME: &'static str = "touch-release";

    const REFERENCE: Reference = Reference {
        group: Group::Wokwi,
        doc: "The finger leaves a touch screen.",
        value: Kind::Keys(&[PART]),
        examples: &["touch-release: {part-id: lcd1}"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`touch-release`", decoder)?;
        let screen = Screen::from_fields(node, &mut fields, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { screen: screen? })
    }

    fn facts(&self) -> Facts<'_> {
        self.screen.facts()
    }

    fn summary(&self) -> String {
        self.screen.part.clone()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        self.screen.feel(Finger::Release, session)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::targets::fake::FakeTarget;
    use crate::targets::part::Shown;

    #[test]
    fn a_finger_does_what_it_is_told_and_a_tap_may_be_waited_for() {
        let target = FakeTarget::new([]).showing("lcd.touch", Shown::Number(0.0));
        let log = target.log();
        let steps = "
- touch: {part-id: lcd, x: 10, y: 20.5, wait: true}
- touch-press: {part-id: lcd, x: 1, y: 2}
- touch-move: {part-id: lcd, x: 3, y: 4}
- touch-release: {part-id: lcd}";
        assert_eq!(run_steps(target, steps), Outcome::Passed);
        assert_eq!(
            log.lock().unwrap()[1..],
            [
                "0.000000s lcd: press at 10, 20.5 for 50ms",
                "0.050000s lcd: press at 1, 2",
                "0.050000s lcd: move to 3, 4",
                "0.050000s lcd: release",
            ]
        );
    }

    #[test]
    fn a_board_without_that_screen_skips_the_case() {
        let step = "- touch: {part-id: lcd, x: 10, y: 20}";
        assert_eq!(run_steps(FakeTarget::new([]), step), Outcome::Skipped);
    }
}
