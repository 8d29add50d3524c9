//! Durations and sizes as people write them: a number with its unit.
//!
//! Source: the grammar of wokwi-cli's automation scenarios for `ns`, `us`, `ms` and `s` (any case,
//! optional space, decimals, bare `0`); `min` and `h` are ours. Sizes are binary: `4MB` is
//! 4 x 2^20 bytes, as in flash tools.

use crate::time::Span;

/// Why a duration or size was refused, as the end of a sentence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// No unit at all.
    #[error("has no unit")]
    NoUnit,
    /// A unit nobody knows.
    #[error("has an unknown unit")]
    UnknownUnit,
    /// The part before the unit is no number.
    #[error("does not start with a number")]
    NoNumber,
    /// It does not fit, or is finer than the smallest unit.
    #[error("is out of range")]
    OutOfRange,
}

/// A duration such as `250ms`, `1.5 s` or `0`.
///
/// # Errors
/// Anything else; fractions of a nanosecond are refused rather than rounded.
pub fn duration(text: &str) -> Result<Span, UnitError> {
    scaled(text, |unit| {
        Some(match unit.to_ascii_lowercase().as_str() {
            "ns" => 1,
            "us" | "µs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "min" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        })
    })
    .map(Span::from_nanos)
}

/// A size in bytes such as `4MB`, `64 KiB` or `0`.
///
/// # Errors
/// Anything else, and fractions of a byte.
pub fn size(text: &str) -> Result<u64, UnitError> {
    scaled(text, |unit| {
        Some(match unit.to_ascii_lowercase().as_str() {
            "b" => 1,
            "k" | "kb" | "kib" => 1 << 10,
            "m" | "mb" | "mib" => 1 << 20,
            "g" | "gb" | "gib" => 1 << 30,
            _ => return None,
        })
    })
}

/// A frequency such as `1kHz` or `38.5 Hz`, in millihertz.
///
/// # Errors
/// Anything else, and fractions of a millihertz.
pub fn frequency(text: &str) -> Result<u64, UnitError> {
    scaled(text, |unit| {
        Some(match unit.to_ascii_lowercase().as_str() {
            "mhz" if unit.starts_with('m') => 1,
            "hz" => 1_000,
            "khz" => 1_000_000,
            "mhz" => 1_000_000_000,
            _ => return None,
        })
    })
}

/// A share such as `2.5%`, in parts per million.
///
/// # Errors
/// Anything else, more than all, and less than one part per million.
pub fn share(text: &str) -> Result<u32, UnitError> {
    let parts = scaled(text, |unit| (unit == "%").then_some(10_000))?;
    match u32::try_from(parts) {
        Ok(parts) if parts <= 1_000_000 => Ok(parts),
        _ => Err(UnitError::OutOfRange),
    }
}

/// A signal strength such as `-55dBm`, from -95 to 0.
///
/// # Errors
/// Anything else, and fractions of a decibel.
pub fn signal(text: &str) -> Result<i8, UnitError> {
    let text = text.trim();
    let number = match text.len().checked_sub(3).and_then(|at| text.split_at_checked(at)) {
        Some((number, unit)) if unit.eq_ignore_ascii_case("dbm") => number.trim_end(),
        _ if text.parse::<i64>().is_ok() => return Err(UnitError::NoUnit),
        _ => return Err(UnitError::UnknownUnit),
    };
    match number.parse() {
        Ok(signal @ -95..=0) => Ok(signal),
        Ok(_) => Err(UnitError::OutOfRange),
        Err(_) => Err(UnitError::NoNumber),
    }
}

/// `number unit` in whole base units, without floating point.
fn scaled(text: &str, unit_size: impl Fn(&str) -> Option<u64>) -> Result<u64, UnitError> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim_start());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || fraction.contains('.') || number.ends_with('.') {
        return Err(UnitError::NoNumber);
    }
    let whole: u64 = whole.parse().map_err(|_| UnitError::OutOfRange)?;
    if unit.is_empty() {
        return if whole == 0 && fraction.is_empty() { Ok(0) } else { Err(UnitError::NoUnit) };
    }
    let unit = unit_size(unit).ok_or(UnitError::UnknownUnit)?;
    let fraction = fraction.trim_end_matches('0');
    let part = if fraction.is_empty() {
        0
    } else {
        let digits: u128 = fraction.parse().map_err(|_| UnitError::OutOfRange)?;
        let power = 10_u128.checked_pow(fraction.len() as u32).ok_or(UnitError::OutOfRange)?;
        let scaled = digits.checked_mul(unit.into()).ok_or(UnitError::OutOfRange)?;
        if scaled % power != 0 {
            return Err(UnitError::OutOfRange);
        }
        (scaled / power) as u64
    };
    whole.checked_mul(unit).and_then(|ns| ns.checked_add(part)).ok_or(UnitError::OutOfRange)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("250ms", Ok(250_000_000))]
    #[case("1.5 S", Ok(1_500_000_000))]
    #[case("0", Ok(0))]
    #[case("0.5ns", Err(UnitError::OutOfRange))]
    #[case("10", Err(UnitError::NoUnit))]
    #[case("10 parsecs", Err(UnitError::UnknownUnit))]
    #[case("soon", Err(UnitError::NoNumber))]
    #[case("-1s", Err(UnitError::NoNumber))]
    #[case("1.2.3s", Err(UnitError::NoNumber))]
    #[case("99999999999999999999s", Err(UnitError::OutOfRange))]
    #[case("9999999999s", Ok(9_999_999_999_000_000_000))]
    #[case("99999999999s", Err(UnitError::OutOfRange))]
    #[case("0.0000000000000000000000000000000000000000000001s", Err(UnitError::OutOfRange))]
    fn a_duration_is_a_number_with_a_unit(
        #[case] text: &str,
        #[case] expected: Result<u64, UnitError>,
    ) {
        assert_eq!(duration(text).map(Span::nanos), expected);
    }

    #[test]
    fn frequencies_and_shares_have_units_too() {
        assert_eq!(frequency("38.5 kHz"), Ok(38_500_000));
        assert_eq!(frequency("2MHz"), Ok(2_000_000_000));
        assert_eq!(frequency("500 mHz"), Ok(500));
        assert_eq!(frequency("50"), Err(UnitError::NoUnit));
        assert_eq!(share("2.5%"), Ok(25_000));
        assert_eq!(share("100 %"), Ok(1_000_000));
        assert_eq!(share("101%"), Err(UnitError::OutOfRange));
        assert_eq!(share("0.5"), Err(UnitError::NoUnit));
    }

    #[test]
    fn sizes_are_binary() {
        assert_eq!(size("4MB"), Ok(4 << 20));
        assert_eq!(size("1.5 KiB"), Ok(1536));
        assert_eq!(size("16"), Err(UnitError::NoUnit));
    }
}
