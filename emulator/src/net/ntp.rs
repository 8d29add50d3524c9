//! A time server: the date of the scenario and device time.
//!
//! *Source*: RFC 4330 (SNTP version 4), "Message Format" and "Server Operations".

use super::clock::Calendar;
use crate::time::{Instant, TICKS_PER_SECOND};

/// The port of time servers.
pub(super) const PORT: u16 = 123;
/// Seconds from 1900, where NTP begins, to 1970.
const EPOCH: u64 = 2_208_988_800;
const SIZE: usize = 48;
const MODE_CLIENT: u8 = 3;
const MODE_SERVER: u8 = 4;

/// Answers a request; says what is wrong with anything else.
pub(super) fn answer(
    request: &[u8],
    calendar: Calendar,
    at: Instant,
) -> Result<[u8; SIZE], &'static str> {
    let Some(request) = request.get(..SIZE) else { return Err("NTP too short") };
    let (version, mode) = ((request[0] >> 3) & 7, request[0] & 7);
    if mode != MODE_CLIENT || !(1..=4).contains(&version) {
        return Err("NTP that is no client's request");
    }
    let now = timestamp(calendar, at);
    let mut reply = [0; SIZE];
    reply[0] = (version << 3) | MODE_SERVER;
    reply[1] = 1; // stratum: a primary reference
    reply[2] = request[2]; // poll interval
    reply[3] = 0xec; // precision: 2^-20 s
    reply[12..16].copy_from_slice(b"LOCL"); // an uncalibrated local clock
    reply[16..24].copy_from_slice(&now); // reference
    reply[24..32].copy_from_slice(&request[40..48]); // originate: what the client sent
    reply[32..40].copy_from_slice(&now); // receive
    reply[40..48].copy_from_slice(&now); // transmit
    Ok(reply)
}

/// 32 bits of seconds, which begin again in 2036, and 32 bits of fraction.
fn timestamp(calendar: Calendar, at: Instant) -> [u8; 8] {
    let seconds = calendar.seconds(at).wrapping_add(EPOCH) as u32;
    let ticks = at.ticks() % TICKS_PER_SECOND;
    let fraction = ((u128::from(ticks) << 32) / u128::from(TICKS_PER_SECOND)) as u32;
    ((u64::from(seconds) << 32) | u64::from(fraction)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Duration;

    #[test]
    fn the_date_is_the_scenarios_and_the_clients_own_time_comes_back() {
        let mut request = [0; SIZE];
        request[0] = 0x1b;
        request[40..48].copy_from_slice(b"whenever");
        let at = Instant::ZERO + Duration::from_millis(2_500);
        let reply = answer(&request, Calendar::new(0), at).unwrap();
        assert_eq!(reply[0], 0x1c);
        assert_eq!(&reply[24..32], b"whenever");
        let seconds = u32::from_be_bytes(reply[40..44].try_into().unwrap());
        assert_eq!(u64::from(seconds), EPOCH + 2);
        assert_eq!(reply[44..48], [0x80, 0, 0, 0]);
    }

    #[test]
    fn only_requests_are_answered() {
        assert!(answer(&[0x1b; 47], Calendar::new(0), Instant::ZERO).is_err());
        assert!(answer(&[0x1c; 48], Calendar::new(0), Instant::ZERO).is_err());
    }
}
