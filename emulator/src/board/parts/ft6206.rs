//! FT6206: the controller of a touch screen that feels fingers by their capacitance, on an I2C bus.
//!
//! Source: FocalTech, "FT6x06 Datasheet", version 0.1, and "Application Note for FT6x06 CTPM": address,
//! registers, identity. Wokwi's documentation of scenarios: places are those of the controller.
//!
//! *Modelled*: one finger, with its place and whether it has just come, stays, or has gone; the
//! identity; a register pointer that moves on with each byte. Other registers keep what is written.
//!
//! *Not modelled*: a second finger, gestures, weight and area; thresholds; the interrupt line, which
//! Wokwi's board does not lead out either; monitor and hibernate mode; the time between two scans.

use super::i2c_part::I2cDevice;
use crate::time::{Duration, Instant};

const ADDRESS: u8 = 0x38;

const TD_STATUS: u8 = 0x02;
const P1_XH: u8 = 0x03;
const P1_XL: u8 = 0x04;
const P1_YH: u8 = 0x05;
const P1_YL: u8 = 0x06;
/// The last register of what is felt.
const P2_MISC: u8 = 0x0e;
const ID_G_CIPHER: u8 = 0xa3;
const ID_G_FOCALTECH_ID: u8 = 0xa8;

const FT6206: u8 = 0x06;
const FOCALTECH: u8 = 0x11;

/// What a register of a finger says that there is none of.
const NOTHING: u8 = 0xff;

/// What a finger does, at a place in dots as the controller counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finger {
    /// It comes down, and goes up by itself after so long if that is said.
    Press {
        /// Where: x and y.
        at: [u16; 2],
        /// How long it stays.
        release_after: Option<Duration>,
    },
    /// It moves, if it is down.
    Move {
        /// To where.
        at: [u16; 2],
    },
    /// It goes up.
    Release,
}

/// Bits 7 and 6 of P1_XH.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    PressDown = 0,
    LiftUp = 1,
    Contact = 2,
}

/// Where a finger is, or was.
#[derive(Debug, Clone, Copy)]
struct Touch {
    at: [u16; 2],
    /// When it goes up.
    until: Instant,
    /// Somebody has read that it has come.
    seen: bool,
}

/// The controller of a screen.
#[derive(Debug, Clone)]
pub struct Ft6206 {
    /// Dots of the screen.
    size: [u16; 2],
    touch: Option<Touch>,
    registers: Box<[u8; 256]>,
    /// The register that is next; `None`: the byte to come says it.
    pointer: Option<u8>,
}

impl Ft6206 {
    /// That of a screen of so many dots, which nobody touches.
    pub fn new(size: [u16; 2]) -> Self {
        let mut controller =
            Self { size, touch: None, registers: Box::new([0; 256]), pointer: Some(0) };
        controller.reset();
        controller
    }

    fn reset(&mut self) {
        self.registers.fill(0);
        self.registers[usize::from(ID_G_CIPHER)] = FT6206;
        self.registers[usize::from(ID_G_FOCALTECH_ID)] = FOCALTECH;
    }

    /// A finger does something; whether it does so on the screen.
    pub fn feel(&mut self, finger: Finger, now: Instant) -> bool {
        let is_on = |at: [u16; 2]| at.iter().zip(&self.size).all(|(at, size)| at < size);
        match finger {
            Finger::Press { at, release_after } if is_on(at) => {
                let until = release_after.map_or(Instant::MAX, |after| now + after);
                self.touch = Some(Touch { at, until, seen: false });
                true
            }
            Finger::Move { at } if is_on(at) => {
                if let Some(touch) = self.touch.as_mut().filter(|touch| now < touch.until) {
                    touch.at = at;
                }
                true
            }
            Finger::Press { .. } | Finger::Move { .. } => false,
            Finger::Release => {
                if let Some(touch) = &mut self.touch {
                    touch.until = touch.until.min(now);
                }
                true
            }
        }
    }

    /// What a register says of the finger.
    fn felt(&mut self, register: u8, now: Instant) -> u8 {
        let is_down = self.touch.is_some_and(|touch| now < touch.until);
        let Some(touch) = &mut self.touch else {
            return if register == TD_STATUS { 0 } else { NOTHING };
        };
        let [x, y] = touch.at.map(u16::to_be_bytes);
        match register {
            TD_STATUS => u8::from(is_down),
            P1_XH => {
                let event = match (is_down, touch.seen) {
                    (false, _) => Event::LiftUp,
                    (true, false) => Event::PressDown,
                    (true, true) => Event::Contact,
                };
                touch.seen = true;
                (event as u8) << 6 | x[0] & 0x0f
            }
            P1_XL => x[1],
            // Above it is the number of the finger, 0.
            P1_YH => y[0] & 0x0f,
            P1_YL => y[1],
            _ => NOTHING,
        }
    }
}

impl I2cDevice for Ft6206 {
    fn address(&self) -> u8 {
        ADDRESS
    }

    fn begin_write(&mut self) {
        self.pointer = None;
    }

    fn write(&mut self, byte: u8, _now: Instant) {
        let Some(pointer) = self.pointer else {
            self.pointer = Some(byte);
            return;
        };
        self.pointer = Some(pointer.wrapping_add(1));
        if !matches!(pointer, TD_STATUS..=P2_MISC | ID_G_CIPHER | ID_G_FOCALTECH_ID) {
            self.registers[usize::from(pointer)] = byte;
        }
    }

    fn read(&mut self, now: Instant) -> u8 {
        let pointer = self.pointer.unwrap_or(0);
        self.pointer = Some(pointer.wrapping_add(1));
        match pointer {
            TD_STATUS..=P2_MISC => self.felt(pointer, now),
            _ => self.registers[usize::from(pointer)],
        }
    }

    /// The finger stays where it is, but is not felt any more.
    fn power_off(&mut self) {
        self.touch = None;
        self.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(ms: u64) -> Instant {
        Instant::ZERO + MS * ms
    }

    fn read<const N: usize>(screen: &mut Ft6206, register: u8, now: Instant) -> [u8; N] {
        screen.begin_write();
        screen.write(register, now);
        std::array::from_fn(|_| screen.read(now))
    }

    /// Fingers, the event, and the place.
    fn felt(screen: &mut Ft6206, now: Instant) -> (u8, u8, [u16; 2]) {
        let [fingers, xh, xl, yh, yl] = read(screen, TD_STATUS, now);
        let number = |high: u8, low| u16::from_be_bytes([high & 0x0f, low]);
        (fingers, xh >> 6, [number(xh, xl), number(yh, yl)])
    }

    #[test]
    fn a_finger_comes_stays_moves_and_goes() {
        let mut screen = Ft6206::new([240, 320]);
        assert_eq!(read(&mut screen, 0, at(0)), [0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
        assert!(screen.feel(Finger::Press { at: [10, 300], release_after: None }, at(1)));
        assert_eq!(felt(&mut screen, at(2)), (1, 0, [10, 300]), "press down");
        assert_eq!(felt(&mut screen, at(3)), (1, 2, [10, 300]), "contact");
        assert!(screen.feel(Finger::Move { at: [239, 0] }, at(4)));
        assert_eq!(felt(&mut screen, at(1_000_000)), (1, 2, [239, 0]));
        assert!(screen.feel(Finger::Release, at(1_000_001)));
        assert_eq!(felt(&mut screen, at(1_000_001)), (0, 1, [239, 0]), "lift up");
        assert!(screen.feel(Finger::Move { at: [1, 1] }, at(1_000_002)));
        assert_eq!(felt(&mut screen, at(1_000_002)), (0, 1, [239, 0]), "it moves above the glass");
    }

    #[test]
    fn a_tap_ends_by_itself_at_its_instant() {
        let mut screen = Ft6206::new([240, 320]);
        let tap = Finger::Press { at: [1, 2], release_after: Some(MS * 50) };
        assert!(screen.feel(tap, at(10)));
        assert_eq!(felt(&mut screen, at(59)).0, 1);
        assert_eq!(felt(&mut screen, at(60)).0, 0);
        assert!(screen.feel(Finger::Release, at(70)));
        assert_eq!(felt(&mut screen, at(70)), (0, 1, [1, 2]));
        let again = Finger::Press { at: [3, 4], release_after: None };
        assert!(screen.feel(again, at(80)));
        assert_eq!(felt(&mut screen, at(80)), (1, 0, [3, 4]));
    }

    #[test]
    fn beside_the_screen_nothing_is_felt() {
        let mut screen = Ft6206::new([240, 320]);
        for place in [[240, 0], [0, 320], [u16::MAX; 2]] {
            assert!(!screen.feel(Finger::Press { at: place, release_after: None }, at(0)));
            assert!(!screen.feel(Finger::Move { at: place }, at(0)));
        }
        assert_eq!(felt(&mut screen, at(0)).0, 0);
    }

    #[test]
    fn it_says_who_it_is_and_keeps_its_settings_until_its_power_goes() {
        let mut screen = Ft6206::new([240, 320]);
        let write = |screen: &mut Ft6206, bytes: &[u8]| {
            screen.begin_write();
            bytes.iter().for_each(|byte| screen.write(*byte, at(0)));
        };
        write(&mut screen, &[0x80, 128, 7]);
        write(&mut screen, &[ID_G_CIPHER, 1]);
        write(&mut screen, &[TD_STATUS, 2]);
        assert_eq!(read(&mut screen, 0x80, at(0)), [128, 7]);
        assert_eq!(read(&mut screen, ID_G_CIPHER, at(0)), [0x06, 0, 0, 0, 0, 0x11]);
        assert_eq!(felt(&mut screen, at(0)).0, 0);
        screen.power_off();
        assert_eq!(read(&mut screen, 0x80, at(0)), [0]);
        assert_eq!(read(&mut screen, 0xff, at(0)), [0, 0], "the pointer goes round");
    }
}
