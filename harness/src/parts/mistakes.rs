//! Mistakes of wiring that are known before anything runs: an output against an output, and pads that
//! cannot do what a part needs of them.
//!
//! Source: ESP32 Datasheet, "Pin Definitions", for the pads that can only be read and those of the flash.

use super::{Lead, PartType};
use crate::targets::Level;

/// Pads without an output.
const READ_ONLY: std::ops::RangeInclusive<u8> = 34..=39;
/// Pads of the flash chip.
const FLASH: std::ops::RangeInclusive<u8> = 6..=11;
/// The pad on which ROM and firmware speak from reset on: TXD of UART0.
const CONSOLE: u8 = 1;

/// A part with what its pins lead to.
pub struct Wired<'w> {
    /// What it is called.
    pub name: &'w str,
    /// What it is.
    pub kind: &'static PartType,
    /// What each of its pins leads to.
    pub lead: Box<dyn Fn(&str) -> Lead + 'w>,
}

impl Wired<'_> {
    fn wired(&self, pins: &'static [&'static str]) -> impl Iterator<Item = (&'static str, Lead)> {
        pins.iter().map(|pin| (*pin, (self.lead)(pin)))
    }
}

/// What is wrong with these parts, in words.
pub fn mistakes(parts: &[Wired<'_>]) -> Vec<String> {
    let mut mistakes = Vec::new();
    let mut outputs: Vec<(u8, String)> = Vec::new();
    for part in parts {
        let called = |pin: &str| format!("`{}:{pin}`", part.name);
        for (pin, lead) in part.wired(part.kind.pins) {
            if let Some(gpio) = lead.gpio.filter(|gpio| FLASH.contains(gpio)) {
                mistakes.push(format!("{} is at GPIO{gpio}, which is the flash's", called(pin)));
            }
        }
        for (pin, lead) in part.wired(part.kind.driven) {
            if let Some(gpio) = lead.gpio.filter(|gpio| READ_ONLY.contains(gpio)) {
                let pin = called(pin);
                mistakes.push(format!("nobody drives {pin}: GPIO{gpio} can only be read"));
            }
        }
        for (pin, lead) in part.wired(part.kind.drives) {
            let pin = called(pin);
            match lead {
                Lead { level: Some(level), .. } => {
                    let what = if level == Level::Low { "ground" } else { "the supply" };
                    mistakes.push(format!("{pin} is an output, and leads to {what}"));
                }
                Lead { gpio: Some(CONSOLE), .. } => mistakes.push(format!(
                    "{pin} is an output, and so is GPIO{CONSOLE}, on which the chip speaks"
                )),
                Lead { gpio: Some(gpio), .. } => {
                    if let Some((_, other)) = outputs.iter().find(|(at, _)| *at == gpio) {
                        mistakes.push(format!("{other} and {pin} are outputs, both at GPIO{gpio}"));
                    }
                    outputs.push((gpio, pin));
                }
                Lead { gpio: None, level: None } => {}
            }
        }
    }
    mistakes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A part with pins that lead somewhere.
    fn wired<const N: usize>(
        name: &'static str,
        kind: &str,
        leads: [(&'static str, Lead); N],
    ) -> Wired<'static> {
        let lead = move |pin: &str| leads.iter().find(|(known, _)| *known == pin).map(|it| it.1);
        let kind = PartType::named(kind).expect("a type");
        Wired { name, kind, lead: Box::new(move |pin| lead(pin).unwrap_or_default()) }
    }

    const fn at(gpio: u8) -> Lead {
        Lead { gpio: Some(gpio), level: None }
    }

    #[test]
    fn outputs_against_outputs_and_pads_that_cannot_drive_are_mistakes() {
        let parts = [
            wired("a", "hc-sr04", [("TRIG", at(5)), ("ECHO", at(34))]),
            wired("b", "hc-sr04", [("TRIG", at(35)), ("ECHO", at(34))]),
            wired("c", "hc-sr04", [("TRIG", at(5)), ("ECHO", at(1))]),
            wired(
                "d",
                "hc-sr04",
                [("ECHO", Lead { gpio: Some(4), level: Some(Level::High) }), ("TRIG", at(6))],
            ),
            wired("e", "dht22", [("SDA", at(36))]),
            wired("f", "led", [("A", at(2)), ("C", Lead { gpio: None, level: Some(Level::Low) })]),
        ];
        assert_eq!(
            mistakes(&parts),
            [
                "nobody drives `b:TRIG`: GPIO35 can only be read",
                "`a:ECHO` and `b:ECHO` are outputs, both at GPIO34",
                "`c:ECHO` is an output, and so is GPIO1, on which the chip speaks",
                "`d:TRIG` is at GPIO6, which is the flash's",
                "`d:ECHO` is an output, and leads to the supply",
                "nobody drives `e:SDA`: GPIO36 can only be read",
            ]
        );
    }

    #[test]
    fn parts_that_share_a_bus_are_none() {
        let bus = [("SDA", at(21)), ("SCL", at(22)), ("DQ", at(4))];
        let kinds = ["mpu6050", "board-ssd1306", "ds18b20", "ds18b20"];
        assert_eq!(mistakes(&kinds.map(|kind| wired("x", kind, bus))), [""; 0]);
    }
}
