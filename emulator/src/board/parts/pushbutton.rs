//! A push-button: a contact that closes while it is pressed, and bounces before it does.
//!
//! Source: J. Ganssle, "A Guide to Debouncing", for how contacts bounce; the length is that of the
//! button of Wokwi, about 1 ms.
//!
//! *Modelled*: a contact between a pad and a level, which opens and closes a few times within a
//! millisecond after each move.
//!
//! *Not modelled*: that no two bounces are alike; contact resistance.

use super::{Drive, Part};
use crate::time::{Duration, Instant};

/// When the contact changes after a move, in microseconds: an odd number of times.
const BOUNCES: [u64; 7] = [0, 90, 140, 310, 420, 640, 980];
/// The same of a contact that does not bounce.
const CLEAN: [u64; 1] = [0];

/// A button between a pad and a level.
#[derive(Debug, Clone)]
pub struct Pushbutton {
    level: bool,
    changes: &'static [u64],
    pressed: bool,
    moved: Option<Instant>,
}

impl Pushbutton {
    /// A button that connects its pad with `level`, and bounces or does not.
    pub fn new(level: bool, bounces: bool) -> Self {
        let changes = if bounces { &BOUNCES[..] } else { &CLEAN[..] };
        Self { level, changes, pressed: false, moved: None }
    }

    /// The instants of its last move's changes.
    fn instants(&self) -> impl Iterator<Item = Instant> {
        let after = |moved| self.changes.iter().map(move |us| moved + Duration::from_micros(*us));
        self.moved.into_iter().flat_map(after)
    }
}

impl Part for Pushbutton {
    fn set_control(&mut self, control: &str, value: f64, now: Instant) -> bool {
        let pressed = value != 0.0;
        if control == "pressed" && pressed != self.pressed {
            (self.pressed, self.moved) = (pressed, Some(now));
        }
        control == "pressed"
    }

    fn drive(&self, _pin: usize, now: Instant) -> Drive {
        let to_come = self.instants().filter(|instant| *instant > now).count();
        let closed = self.pressed != (to_come % 2 == 1);
        if closed { Drive::Strong(self.level) } else { Drive::None }
    }

    fn next_change(&self, now: Instant) -> Option<Instant> {
        self.instants().find(|instant| *instant > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The levels at a pull-up that a button to ground has after a move, with their times.
    fn levels(button: &Pushbutton, mut now: Instant) -> Vec<(u64, bool)> {
        let mut levels = vec![(0, button.drive(0, now) == Drive::None)];
        let start = now;
        while let Some(next) = button.next_change(now) {
            now = next;
            levels.push(((now - start).as_nanos() / 1_000, button.drive(0, now) == Drive::None));
        }
        levels
    }

    #[test]
    fn a_pressed_button_bounces_for_a_millisecond_and_stays_closed() {
        let mut button = Pushbutton::new(false, true);
        let now = Instant::ZERO + Duration::from_secs(1);
        assert_eq!(button.drive(0, now), Drive::None);
        assert!(button.set_control("pressed", 1.0, now));
        let changes = levels(&button, now);
        assert_eq!((changes[0], changes[1], changes.len()), ((0, false), (90, true), 7));
        assert_eq!(changes.last(), Some(&(980, false)));
        let later = now + Duration::from_secs(1);
        button.set_control("pressed", 1.0, later);
        assert_eq!(levels(&button, later), [(0, false)], "it was pressed already");
        button.set_control("pressed", 0.0, later);
        assert_eq!(levels(&button, later).last(), Some(&(980, true)));
    }

    #[test]
    fn a_clean_contact_changes_once() {
        let mut button = Pushbutton::new(true, false);
        let now = Instant::ZERO;
        button.set_control("pressed", 0.5, now);
        assert_eq!((button.drive(0, now), button.next_change(now)), (Drive::Strong(true), None));
        assert!(!button.set_control("position", 1.0, now), "it has no such control");
    }
}
