//! The course of a try over device time: steps, serial lines, crashes and pins, one lane each under
//! one axis.
//!
//! Each lane is a drawing of [`WIDTH`] units that the browser stretches to the width of the page; the
//! words stand beside it, so that they are not stretched. What falls into one unit is drawn once:
//! the size of a lane is bounded, however much happens.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::{seconds_of, step_anchor};
use crate::reports::record::{Entry, Try};
use crate::runner::verdict::Verdict;
use crate::targets::Level;
use crate::time::DeviceTime;

/// Units of a lane.
const WIDTH: u64 = 20_000;
/// Ticks of the axis, about.
const TICKS: u64 = 8;

/// An axis from zero to the end of the try.
struct Axis {
    end: u64,
}

impl Axis {
    /// Where a time is, in units.
    fn x(&self, time: DeviceTime) -> u64 {
        let share = u128::from(time.nanos()) * u128::from(WIDTH) / u128::from(self.end);
        u64::try_from(share).map_or(WIDTH, |x| x.min(WIDTH))
    }

    /// The distance of the ticks: 1, 2 or 5 times a power of ten.
    fn step(&self) -> u64 {
        let wanted = (self.end / TICKS).max(1);
        let ten = 10_u64.pow(wanted.ilog10());
        [1, 2, 5, 10].into_iter().map(|it| it * ten).find(|it| *it >= wanted).unwrap_or(wanted)
    }
}

/// All lanes; nothing if no time has passed.
pub(super) fn timeline(shown: &Try, id: &str) -> Markup {
    let last = |edges: &Vec<(DeviceTime, Level)>| edges.last().map(|(time, _)| *time);
    let end = shown.pins.values().filter_map(last).fold(shown.time(), Ord::max);
    if end == DeviceTime::ZERO {
        return html! {};
    }
    let axis = Axis { end: end.nanos() };
    let step = axis.step();
    // What is said of the last ones would not fit.
    let end_of_words = axis.end - axis.end / (2 * TICKS);
    let ticks = (0..end_of_words).step_by(usize::try_from(step).unwrap_or(usize::MAX));
    html! {
        div.time data-end=(axis.end) {
            div.title {
                h3 { "Device time" }
                div.tools {
                    output {}
                    button.out type="button" aria-label="zoom out" { "\u{2212}" }
                    button.in type="button" aria-label="zoom in" { "+" }
                }
            }
            div.scroll tabindex="0" role="region" aria-label="device time" { div.zoom {
                div.axis data-step=(step) {
                    @for at in ticks {
                        span style=(format!("left:{}%", percent(at, axis.end))) {
                            (seconds_of(DeviceTime::from_nanos(at))) " s"
                        }
                    }
                }
                (lane("steps", "steps", steps(shown, id, &axis)))
                @for (name, path) in serial(shown, &axis) {
                    (lane("serial", &name, html! { path d=(path) {} }))
                }
                @if let Some(drawing) = crashes(shown, &axis) {
                    (lane("crashes", "crashes", drawing))
                }
                @for (pad, edges) in &shown.pins {
                    (lane("pin", &pad.to_string(), html! { path d=(waveform(edges, &axis)) {} }))
                }
                div.cursor {}
            } }
        }
    }
}

fn percent(at: u64, end: u64) -> String {
    let hundredths = u128::from(at) * 10_000 / u128::from(end);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

fn lane(class: &str, name: &str, drawing: Markup) -> Markup {
    html! {
        div class={ "lane " (class) } {
            b { (name) }
            svg viewBox=(format!("0 0 {WIDTH} 24")) preserveAspectRatio="none"
                role=(if class == "steps" { "group" } else { "img" })
                aria-label=(format!("{name} over device time")) { (drawing) }
        }
    }
}

fn steps(shown: &Try, id: &str, axis: &Axis) -> Markup {
    html! {
        @for (number, step) in shown.steps.iter().enumerate() {
            @let (from, to) = (axis.x(step.start), axis.x(step.end));
            a href={ "#" (step_anchor(id, number)) } aria-label={ "step " (number + 1) } {
                rect class=(step.verdict.unwrap_or(Verdict::Interrupted)) x=(from) y="4"
                    width=(to.saturating_sub(from)) height="16" {
                    title { (number + 1) ": " (step.summary) }
                }
            }
        }
    }
}

/// A stroke for each line, by port.
fn serial(shown: &Try, axis: &Axis) -> Vec<(String, String)> {
    let mut lanes: Vec<(String, String, u64)> = Vec::new();
    for entry in &shown.entries {
        let Entry::Line { port, time, .. } = entry else { continue };
        let (name, x) = (port.to_string(), axis.x(*time));
        let stroke = format!("M{x} 4V20");
        match lanes.iter_mut().find(|lane| lane.0 == name) {
            Some((_, _, last)) if *last == x => {}
            Some((_, path, last)) => {
                *path += &stroke;
                *last = x;
            }
            None => lanes.push((name, stroke, x)),
        }
    }
    lanes.into_iter().map(|(name, path, _)| (name, path)).collect()
}

fn crashes(shown: &Try, axis: &Axis) -> Option<Markup> {
    let strokes = |fatal| -> String {
        let stroke = |entry: &Entry| match entry {
            Entry::Crash(crash) if crash.kind.is_fatal() == fatal => {
                Some(format!("M{} 2V22", axis.x(crash.time)))
            }
            _ => None,
        };
        shown.entries.iter().filter_map(stroke).collect()
    };
    let (fatal, mild) = (strokes(true), strokes(false));
    (!fatal.is_empty() || !mild.is_empty()).then(|| {
        html! {
            @if !mild.is_empty() { path.mild d=(mild) {} }
            @if !fatal.is_empty() { path d=(fatal) {} }
        }
    })
}

/// The level of a pin, from its first edge on. Edges within one unit are one stroke over both levels.
fn waveform(edges: &[(DeviceTime, Level)], axis: &Axis) -> String {
    let y = |level| match level {
        Level::High => 4,
        Level::Low => 20,
    };
    let mut path = String::new();
    let mut level = None;
    for unit in edges.chunk_by(|one, next| axis.x(one.0) == axis.x(next.0)) {
        let (Some((time, first)), Some((_, now))) = (unit.first(), unit.last()) else { continue };
        let x = axis.x(*time);
        let before = *level.get_or_insert_with(|| {
            let _ = write!(path, "M{x} {}", y(*first));
            *first
        });
        let _ = write!(path, "H{x}");
        if *now != before {
            let _ = write!(path, "V{}", y(*now));
        } else if let Some((_, other)) = unit.iter().find(|(_, level)| *level != before) {
            let _ = write!(path, "V{}V{}", y(*other), y(before));
        }
        level = Some(*now);
    }
    if level.is_some() {
        let _ = write!(path, "H{WIDTH}");
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(times: &[u64]) -> Vec<(DeviceTime, Level)> {
        let edge =
            |(n, time): (usize, &u64)| (DeviceTime::from_nanos(*time), Level::from(n % 2 == 1));
        times.iter().enumerate().map(edge).collect()
    }

    #[test]
    fn a_waveform_goes_from_its_first_edge_to_the_end() {
        let axis = Axis { end: 1_000 };
        let path = waveform(&edges(&[100, 200, 500]), &axis);
        assert_eq!(path, "M2000 20H2000H4000V4H10000V20H20000");
    }

    #[test]
    fn a_million_edges_are_no_larger_than_the_drawing_is_wide() {
        let axis = Axis { end: 1_000_000 };
        let many: Vec<_> = (0..1_000_000).collect();
        let path = waveform(&edges(&many), &axis);
        assert!(path.len() < 20 * 20_000, "{}", path.len());
    }

    #[test]
    fn a_pulse_too_short_to_be_drawn_is_a_stroke() {
        let axis = Axis { end: 1_000_000_000 };
        let path = waveform(&edges(&[0, 500_000_000, 500_000_001]), &axis);
        assert_eq!(path, "M0 20H0H10000V4V20H20000");
    }

    #[test]
    fn ticks_are_round_and_about_eight() {
        for (end, step) in [(1_000_000_000, 200_000_000), (45_000_000, 10_000_000), (3, 1)] {
            assert_eq!(Axis { end }.step(), step);
        }
    }
}
