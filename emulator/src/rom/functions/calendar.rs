//! Calendar and time zones: the part of the C library's `time.h` that is in ROM.
//!
//! *Source*: ISO C and POSIX for semantics, among them the format of `TZ`; `reent.h` and
//! `sys/_tz_structs.h` of newlib 2.2 for the structures; `esp32.rom.newlib-time.ld` for addresses.
//! *Modelled*: conversions between seconds (32 bits, as this library has them), fields and text, in
//! the "C" locale; time zones with rules for daylight saving time. The functions that allocate
//! their result are in `callbacks`.
//! *Not modelled*: the locks around zone and environment: each function runs in one piece. Names of
//! zones longer than ten letters are cut.

use crate::rom::call::{Call, Outcome, Stop};
use crate::rom::guest::Fault;
use crate::rom::table::{Entry, entry};

/// The functions of this module.
pub(in crate::rom) const TABLE: &[Entry] = &[
    entry(0x4000_0ec8, "asctime_r", &[asctime_r]),
    entry(0x4000_18a0, "__tzcalc_limits", &[tzcalc_limits]),
    entry(0x4000_1a1c, "tzset", &[tzset]),
    entry(0x4000_1a28, "_tzset_r", &[tzset]),
    entry(0x4000_1f44, "_findenv_r", &[findenv_r]),
    entry(0x4000_1fbc, "_getenv_r", &[getenv_r]),
    entry(0x4000_1fcc, "__gettzinfo", &[gettzinfo]),
    entry(0x4005_95c4, "ctime_r", &[ctime_r]),
    entry(0x4005_95fc, "localtime_r", &[localtime_r]),
    entry(0x4005_9868, "gmtime_r", &[gmtime_r]),
    entry(0x4005_9ab4, "strftime", &[strftime]),
    entry(0x4005_a5e8, "mktime", &[mktime]),
];

// Data of the C library in RAM.
const TZNAME: u32 = 0x3ffa_e030;
/// `struct { int north; int year; struct { char kind; int m, n, d, s, change, offset; } rules[2]; }`
const TZINFO: u32 = 0x3ffa_e038;
const TIMEZONE: u32 = 0x3ffa_e0a0;
const DAYLIGHT: u32 = 0x3ffa_e0a4;
const ENVIRON: u32 = 0x3ffa_e0b4;
/// Where we keep the names of the zones, in RAM of the ROM that nothing else uses.
const ZONE_NAMES: [u32; 2] = [0x3ffa_e6c0, 0x3ffa_e6cc];
const ZONE_NAME_MAX: usize = 10;
const RULE_SIZE: u32 = 28;

const DAY: i64 = 86_400;
const CALENDAR_CYCLES: u64 = 200;
/// Bytes of the environment's entries, formats and results that are looked at.
const TEXT_MAX: usize = 1024;

const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
#[rustfmt::skip]
const MONTHS: [&str; 12] = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
];

/// `struct tm`, with the year as it is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Fields {
    second: i64,
    minute: i64,
    hour: i64,
    day: i64,
    /// 0 to 11.
    month: i64,
    year: i64,
    weekday: i64,
    yearday: i64,
    daylight: i64,
}

impl Fields {
    fn load(call: &mut Call<'_>, at: u32) -> Result<Self, Fault> {
        let mut words = [0; 9];
        for (word, at) in words.iter_mut().zip((at..).step_by(4)) {
            *word = i64::from(call.load(at)? as i32);
        }
        let [second, minute, hour, day, month, year, weekday, yearday, daylight] = words;
        let year = year + 1900;
        Ok(Self { second, minute, hour, day, month, year, weekday, yearday, daylight })
    }

    fn store(&self, call: &mut Call<'_>, at: u32) -> Result<(), Fault> {
        let words = [
            self.second,
            self.minute,
            self.hour,
            self.day,
            self.month,
            self.year - 1900,
            self.weekday,
            self.yearday,
            self.daylight,
        ];
        words.into_iter().zip((at..).step_by(4)).try_for_each(|(it, at)| call.store(at, it as u32))
    }

    /// The fields of that many seconds after 1970-01-01 00:00:00.
    fn at(seconds: i64) -> Self {
        let (days, rest) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        // Whole 400-year periods, then a year that is right or one too late.
        let mut year = 1970 + days.div_euclid(146_097) * 400;
        let mut left = days.rem_euclid(146_097);
        let guess = left / 366;
        left -= days_to_year(year + guess) - days_to_year(year);
        year += guess;
        while left >= year_length(year) {
            left -= year_length(year);
            year += 1;
        }
        let yearday = left;
        let mut month = 0;
        while left >= month_length(year, month) {
            left -= month_length(year, month);
            month += 1;
        }
        Self {
            second: rest % 60,
            minute: rest / 60 % 60,
            hour: rest / 3600,
            day: left + 1,
            month,
            year,
            weekday: (days + 4).rem_euclid(7),
            yearday,
            daylight: 0,
        }
    }

    /// Seconds after 1970-01-01 00:00:00, for fields in any range.
    fn seconds(&self) -> i64 {
        let year = self.year + self.month.div_euclid(12);
        let month = self.month.rem_euclid(12);
        let before: i64 = (0..month).map(|month| month_length(year, month)).sum();
        let days = days_to_year(year) - days_to_year(1970) + before + self.day - 1;
        days * DAY + self.hour * 3600 + self.minute * 60 + self.second
    }

    /// As `asctime` writes it.
    fn text(&self) -> String {
        let name = |names: &[&'static str], index: i64| {
            usize::try_from(index)
                .ok()
                .and_then(|index| names.get(index))
                .map_or("?", |it| &it[..3])
        };
        format!(
            "{:.3} {:.3}{:3} {:02}:{:02}:{:02} {}\n",
            name(&DAYS, self.weekday),
            name(&MONTHS, self.month),
            self.day,
            self.hour,
            self.minute,
            self.second,
            self.year
        )
    }
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn year_length(year: i64) -> i64 {
    365 + i64::from(is_leap(year))
}

fn month_length(year: i64, month: i64) -> i64 {
    match month {
        1 => 28 + i64::from(is_leap(year)),
        3 | 5 | 8 | 10 => 30,
        _ => 31,
    }
}

/// Days from some fixed day to the first of January.
fn days_to_year(year: i64) -> i64 {
    let last = year - 1;
    year * 365 + last.div_euclid(4) - last.div_euclid(100) + last.div_euclid(400)
}

/// When daylight saving time begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    /// `M`: weekday `d` of week `n` of month `m`; `J`: day `d` without the 29th of February; `D`:
    /// day `d` counted from 0.
    kind: u8,
    m: i64,
    n: i64,
    d: i64,
    /// Seconds of the day, in the time that ends.
    s: i64,
    /// Instant in the year that was asked for last.
    change: i64,
    /// Seconds west of Greenwich before the change.
    offset: i64,
}

impl Rule {
    fn load(call: &mut Call<'_>, index: u32) -> Result<Self, Fault> {
        let at = TZINFO + 8 + RULE_SIZE * index;
        let kind = call.byte(at)?;
        let mut word = |n: u32| call.load(at + 4 * n).map(|it| i64::from(it as i32));
        let (m, n, d, s) = (word(1)?, word(2)?, word(3)?, word(4)?);
        Ok(Self { kind, m, n, d, s, change: word(5)?, offset: word(6)? })
    }

    fn store(&self, call: &mut Call<'_>, index: u32) -> Result<(), Fault> {
        let at = TZINFO + 8 + RULE_SIZE * index;
        call.write(at, &[self.kind])?;
        let words = [self.m, self.n, self.d, self.s, self.change, self.offset];
        let places = (at + 4..).step_by(4);
        words.into_iter().zip(places).try_for_each(|(it, at)| call.store(at, it as u32))
    }

    /// The change in `year`, in seconds of Greenwich.
    fn in_year(&self, year: i64) -> i64 {
        let new_year = days_to_year(year) - days_to_year(1970);
        let day = match self.kind {
            b'J' => self.d - 1 + i64::from(is_leap(year) && self.d >= 60),
            b'D' => self.d,
            _ => {
                let month = (self.m - 1).rem_euclid(12);
                let first: i64 = (0..month).map(|month| month_length(year, month)).sum();
                let weekday = (new_year + first + 4).rem_euclid(7);
                let mut day = (self.d - weekday).rem_euclid(7) + 7 * (self.n - 1);
                while day >= month_length(year, month) {
                    day -= 7;
                }
                first + day
            }
        };
        (new_year + day) * DAY + self.s + self.offset
    }
}

/// Computes the changes of `year` and keeps them.
fn limits(call: &mut Call<'_>, year: i64) -> Result<(), Fault> {
    let mut changes = [0; 2];
    for (index, change) in (0..).zip(&mut changes) {
        let mut rule = Rule::load(call, index)?;
        rule.change = rule.in_year(year);
        rule.store(call, index)?;
        *change = rule.change;
    }
    call.store(TZINFO + 4, year as u32)?;
    call.store(TZINFO, u32::from(changes[0] < changes[1]))
}

/// The zone's offset, and whether it is daylight saving time, at `seconds`.
fn zone_at(call: &mut Call<'_>, seconds: i64) -> Result<(i64, bool), Fault> {
    if call.load(DAYLIGHT)? == 0 {
        return Ok((i64::from(call.load(TIMEZONE)? as i32), false));
    }
    let year = Fields::at(seconds).year;
    if i64::from(call.load(TZINFO + 4)? as i32) != year {
        limits(call, year)?;
    }
    let (begin, end) = (Rule::load(call, 0)?, Rule::load(call, 1)?);
    let is_daylight = match begin.change < end.change {
        true => (begin.change..end.change).contains(&seconds),
        false => seconds >= begin.change || seconds < end.change,
    };
    Ok((if is_daylight { end.offset } else { begin.offset }, is_daylight))
}

fn local(call: &mut Call<'_>, seconds: i64) -> Result<Fields, Fault> {
    let (offset, is_daylight) = zone_at(call, seconds)?;
    Ok(Fields { daylight: is_daylight.into(), ..Fields::at(seconds - offset) })
}

/// Writes the local time of `*clock` into the structure at `out`.
pub(in crate::rom) fn local_into(call: &mut Call<'_>, clock: u32, out: u32) -> Result<(), Stop> {
    call.charge(2 * CALENDAR_CYCLES);
    let seconds = i64::from(call.load(clock)? as i32);
    Ok(local(call, seconds)?.store(call, out)?)
}

/// Writes the time in Greenwich of `*clock` into the structure at `out`.
pub(in crate::rom) fn greenwich_into(
    call: &mut Call<'_>,
    clock: u32,
    out: u32,
) -> Result<(), Stop> {
    call.charge(CALENDAR_CYCLES);
    let seconds = i64::from(call.load(clock)? as i32);
    Ok(Fields::at(seconds).store(call, out)?)
}

/// Writes the structure at `fields` as text, 26 bytes.
pub(in crate::rom) fn text_into(call: &mut Call<'_>, fields: u32, out: u32) -> Result<(), Stop> {
    call.charge(4 * CALENDAR_CYCLES);
    let mut text = Fields::load(call, fields)?.text().into_bytes();
    text.push(0);
    Ok(call.write(out, &text)?)
}

/// Writes the local time of `*clock` as text.
pub(in crate::rom) fn local_text_into(
    call: &mut Call<'_>,
    clock: u32,
    out: u32,
) -> Result<(), Stop> {
    call.charge(6 * CALENDAR_CYCLES);
    let seconds = i64::from(call.load(clock)? as i32);
    let mut text = local(call, seconds)?.text().into_bytes();
    text.push(0);
    Ok(call.write(out, &text)?)
}

/// `struct tm *gmtime_r(const time_t *clock, struct tm *result)`
fn gmtime_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (clock, out) = (call.get(0), call.get(1));
    greenwich_into(call, clock, out)?;
    Ok(Outcome::Return(out))
}

/// `struct tm *localtime_r(const time_t *clock, struct tm *result)`
fn localtime_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (clock, out) = (call.get(0), call.get(1));
    local_into(call, clock, out)?;
    Ok(Outcome::Return(out))
}

/// `char *asctime_r(const struct tm *fields, char *result)`
fn asctime_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (fields, out) = (call.get(0), call.get(1));
    text_into(call, fields, out)?;
    Ok(Outcome::Return(out))
}

/// `char *ctime_r(const time_t *clock, char *result)`
fn ctime_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let (clock, out) = (call.get(0), call.get(1));
    local_text_into(call, clock, out)?;
    Ok(Outcome::Return(out))
}

/// `time_t mktime(struct tm *fields)`: normalises the fields; -1 beyond 32 bits.
fn mktime(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(4 * CALENDAR_CYCLES);
    let at = call.get(0);
    let fields = Fields::load(call, at)?;
    let wall = fields.seconds();
    let offsets = match call.load(DAYLIGHT)? {
        0 => [i64::from(call.load(TIMEZONE)? as i32); 2],
        _ => [Rule::load(call, 0)?.offset, Rule::load(call, 1)?.offset],
    };
    let seconds = match fields.daylight {
        0 => wall + offsets[0],
        1.. => wall + offsets[1],
        // Whichever is true then; standard time where both or none are.
        _ => {
            let standard = wall + offsets[0];
            if zone_at(call, standard)?.1 { wall + offsets[1] } else { standard }
        }
    };
    let Ok(result) = i32::try_from(seconds) else {
        return Ok(Outcome::Return(u32::MAX));
    };
    local(call, seconds)?.store(call, at)?;
    Ok(Outcome::Return(result as u32))
}

/// `void __tzcalc_limits(int year)`: 1 when the year is one that there are rules for.
fn tzcalc_limits(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(2 * CALENDAR_CYCLES);
    let year = i64::from(call.get(0) as i32);
    if year < 1970 {
        return Ok(Outcome::Return(0));
    }
    limits(call, year)?;
    Ok(Outcome::Return(1))
}

/// `__tzinfo_type *__gettzinfo(void)`
fn gettzinfo(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(4);
    Ok(Outcome::Return(TZINFO))
}

/// Address of the value of `name`, and its place in the environment.
fn find_variable(call: &mut Call<'_>, name: &[u8]) -> Result<Option<(u32, u32)>, Fault> {
    let entries = call.load(ENVIRON)?;
    if entries == 0 {
        return Ok(None);
    }
    for index in 0..TEXT_MAX as u32 {
        let text = call.load(entries.wrapping_add(4 * index))?;
        if text == 0 {
            break;
        }
        let found = call.string(text, name.len() + 1)?;
        call.charge(20 + 2 * name.len() as u64);
        if found.strip_prefix(name) == Some(b"=") {
            return Ok(Some((text.wrapping_add(name.len() as u32 + 1), index)));
        }
    }
    Ok(None)
}

/// The name in a call of `getenv`: up to an equals sign.
fn variable_name(call: &mut Call<'_>, at: u32) -> Result<Vec<u8>, Fault> {
    let mut name = call.string(at, TEXT_MAX)?;
    name.truncate(name.iter().position(|&byte| byte == b'=').unwrap_or(name.len()));
    Ok(name)
}

/// `char *_findenv_r(struct _reent *r, const char *name, int *index)`
fn findenv_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let name = variable_name(call, call.get(1))?;
    let Some((value, index)) = find_variable(call, &name)? else {
        return Ok(Outcome::Return(0));
    };
    call.store(call.get(2), index)?;
    Ok(Outcome::Return(value))
}

/// `char *_getenv_r(struct _reent *r, const char *name)`
fn getenv_r(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let name = variable_name(call, call.get(1))?;
    let found = find_variable(call, &name)?;
    Ok(Outcome::Return(found.map_or(0, |(value, _)| value)))
}

/// `void tzset(void)`, `void _tzset_r(struct _reent *r)`
fn tzset(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    call.charge(4 * CALENDAR_CYCLES);
    let text = match find_variable(call, b"TZ")? {
        Some((value, _)) => call.string(value, TEXT_MAX)?,
        None => Vec::new(),
    };
    let zone = Zone::parse(&text).unwrap_or_default();
    for ((at, pointer), name) in ZONE_NAMES.into_iter().zip((TZNAME..).step_by(4)).zip(&zone.names)
    {
        let mut name = name.clone();
        name.push(0);
        call.write(at, &name)?;
        call.store(pointer, at)?;
    }
    for (index, rule) in (0..).zip(&zone.rules) {
        rule.store(call, index)?;
    }
    let [begin, end] = zone.rules;
    call.store(TIMEZONE, begin.offset as u32)?;
    call.store(DAYLIGHT, u32::from(begin.offset != end.offset))?;
    // The year that is known decides what the rules are computed for until another one is asked.
    let year = match call.load(TZINFO + 4)? as i32 {
        0 => 1970,
        year => year.into(),
    };
    limits(call, year)?;
    Ok(Outcome::Void)
}

/// A time zone as `TZ` describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Zone {
    names: [Vec<u8>; 2],
    /// Begin and end of daylight saving time.
    rules: [Rule; 2],
}

impl Default for Zone {
    fn default() -> Self {
        let rule = Rule { kind: b'J', m: 0, n: 0, d: 0, s: 0, change: 0, offset: 0 };
        Self { names: [b"GMT".to_vec(), b"GMT".to_vec()], rules: [rule; 2] }
    }
}

impl Zone {
    /// `std offset [dst [offset] [, begin [/time], end [/time]]]`; `None` when that is not it.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut rest = text.strip_prefix(b":").unwrap_or(text);
        let standard = zone_name(&mut rest)?;
        let offset = clock(&mut rest)?;
        let mut zone = Self { names: [standard.clone(), standard], ..Self::default() };
        zone.rules.iter_mut().for_each(|rule| rule.offset = offset);
        let Some(name) = zone_name(&mut rest) else {
            return Some(zone);
        };
        zone.names[1] = name;
        zone.rules[1].offset = clock(&mut rest).unwrap_or(offset - 3600);
        // Without rules those of the United States hold.
        let defaults = [(3, 2, 0), (11, 1, 0)];
        for (rule, (m, n, d)) in zone.rules.iter_mut().zip(defaults) {
            *rule = Rule { kind: b'M', m, n, d, s: 2 * 3600, ..*rule };
            let Some(after) = rest.strip_prefix(b",") else { continue };
            rest = after;
            match rest.first()? {
                b'M' => {
                    rest = &rest[1..];
                    rule.m = number(&mut rest)?;
                    rest = rest.strip_prefix(b".")?;
                    rule.n = number(&mut rest)?;
                    rest = rest.strip_prefix(b".")?;
                    rule.d = number(&mut rest)?;
                }
                kind => {
                    rule.kind = if *kind == b'J' { b'J' } else { b'D' };
                    rest = rest.strip_prefix(b"J").unwrap_or(rest);
                    rule.d = number(&mut rest)?;
                }
            }
            if let Some(after) = rest.strip_prefix(b"/") {
                rest = after;
                rule.s = clock(&mut rest)?;
            }
        }
        Some(zone)
    }
}

/// Takes a name of letters, or of anything between angle brackets.
fn zone_name(rest: &mut &[u8]) -> Option<Vec<u8>> {
    let (length, skipped) = match rest.strip_prefix(b"<") {
        Some(inner) => (inner.iter().position(|&byte| byte == b'>')?, 1),
        None => (rest.iter().take_while(|byte| byte.is_ascii_alphabetic()).count(), 0),
    };
    let name = &rest[skipped..skipped + length];
    let is_long_enough = length >= if skipped == 0 { 3 } else { 1 };
    let taken = length + 2 * skipped;
    is_long_enough.then(|| {
        *rest = &rest[taken..];
        name[..length.min(ZONE_NAME_MAX)].to_vec()
    })
}

/// Takes digits.
fn number(rest: &mut &[u8]) -> Option<i64> {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let text = std::str::from_utf8(&rest[..digits.min(9)]).ok()?;
    *rest = &rest[digits..];
    text.parse().ok()
}

/// Takes `[+-]hh[:mm[:ss]]`, in seconds.
fn clock(rest: &mut &[u8]) -> Option<i64> {
    let sign = match rest.first()? {
        b'-' => -1,
        _ => 1,
    };
    *rest = rest.strip_prefix(b"-").or(rest.strip_prefix(b"+")).unwrap_or(rest);
    let mut seconds = 3600 * number(rest)?;
    for unit in [60, 1] {
        if let Some(mut after) = rest.strip_prefix(b":") {
            seconds += unit * number(&mut after)?;
            *rest = after;
        }
    }
    Some(sign * seconds)
}

/// `size_t strftime(char *s, size_t max, const char *format, const struct tm *fields)`: 0 when it
/// does not fit.
fn strftime(call: &mut Call<'_>) -> Result<Outcome, Stop> {
    let [out, max, format, fields] = std::array::from_fn(|slot| call.get(slot));
    let format = call.string(format, TEXT_MAX)?;
    let fields = Fields::load(call, fields)?;
    let mut text = String::new();
    formatted(call, &fields, &format, &mut text)?;
    call.charge(CALENDAR_CYCLES + 20 * text.len() as u64);
    if text.len() >= max as usize {
        return Ok(Outcome::Return(0));
    }
    call.write(out, &[text.as_bytes(), &[0]].concat())?;
    Ok(Outcome::Return(text.len() as u32))
}

/// Appends what the format says.
fn formatted(
    call: &mut Call<'_>,
    it: &Fields,
    format: &[u8],
    out: &mut String,
) -> Result<(), Stop> {
    let name = |names: &[&'static str], index: i64| {
        usize::try_from(index).ok().and_then(|index| names.get(index)).copied().unwrap_or("?")
    };
    let twelve = (it.hour + 11).rem_euclid(12) + 1;
    // The week in which Thursday is belongs to the year.
    let monday = (it.weekday + 6).rem_euclid(7);
    let (iso_year, iso_week) = {
        let thursday = it.yearday - monday + 3;
        let year = match thursday {
            ..0 => it.year - 1,
            day if day >= year_length(it.year) => it.year + 1,
            _ => it.year,
        };
        let day = match thursday {
            ..0 => thursday + year_length(it.year - 1),
            day if day >= year_length(it.year) => day - year_length(it.year),
            day => day,
        };
        (year, day / 7 + 1)
    };
    let mut bytes = format.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(char::from(byte));
            continue;
        }
        let mut letter = bytes.next();
        if matches!(letter, Some(b'E' | b'O')) {
            letter = bytes.next();
        }
        let Some(letter) = letter else { break };
        let text = match letter {
            b'a' => name(&DAYS, it.weekday).chars().take(3).collect(),
            b'A' => name(&DAYS, it.weekday).to_owned(),
            b'b' | b'h' => name(&MONTHS, it.month).chars().take(3).collect(),
            b'B' => name(&MONTHS, it.month).to_owned(),
            b'C' => format!("{:02}", it.year.div_euclid(100)),
            b'd' => format!("{:02}", it.day),
            b'e' => format!("{:2}", it.day),
            b'g' => format!("{:02}", iso_year.rem_euclid(100)),
            b'G' => iso_year.to_string(),
            b'H' => format!("{:02}", it.hour),
            b'I' => format!("{twelve:02}"),
            b'j' => format!("{:03}", it.yearday + 1),
            b'k' => format!("{:2}", it.hour),
            b'l' => format!("{twelve:2}"),
            b'm' => format!("{:02}", it.month + 1),
            b'M' => format!("{:02}", it.minute),
            b'n' => "\n".to_owned(),
            b'p' => if it.hour < 12 { "AM" } else { "PM" }.to_owned(),
            b'P' => if it.hour < 12 { "am" } else { "pm" }.to_owned(),
            b's' => it.seconds().to_string(),
            b'S' => format!("{:02}", it.second),
            b't' => "\t".to_owned(),
            b'u' => (monday + 1).to_string(),
            b'U' => format!("{:02}", (it.yearday + 7 - it.weekday) / 7),
            b'V' => format!("{iso_week:02}"),
            b'w' => it.weekday.to_string(),
            b'W' => format!("{:02}", (it.yearday + 7 - monday) / 7),
            b'y' => format!("{:02}", it.year.rem_euclid(100)),
            b'Y' => it.year.to_string(),
            b'z' | b'Z' if it.daylight < 0 => String::new(),
            b'z' => {
                let rule = Rule::load(call, u32::from(it.daylight > 0))?;
                let minutes = -rule.offset / 60;
                let sign = if minutes < 0 { '-' } else { '+' };
                format!("{sign}{:02}{:02}", minutes.abs() / 60, minutes.abs() % 60)
            }
            b'Z' => {
                let at = call.load(TZNAME + 4 * u32::from(it.daylight > 0))?;
                String::from_utf8_lossy(&call.string(at, ZONE_NAME_MAX)?).into_owned()
            }
            b'%' => "%".to_owned(),
            other => {
                let composed: &[u8] = match other {
                    b'c' => b"%a %b %e %H:%M:%S %Y",
                    b'D' | b'x' => b"%m/%d/%y",
                    b'F' => b"%Y-%m-%d",
                    b'r' => b"%I:%M:%S %p",
                    b'R' => b"%H:%M",
                    b'T' | b'X' => b"%H:%M:%S",
                    _ => continue,
                };
                formatted(call, it, composed, out)?;
                continue;
            }
        };
        out.push_str(&text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::fake::{DRAM, FakeGuest};

    const CLOCK: u32 = DRAM + 0x100;
    const TM: u32 = DRAM + 0x200;
    const TEXT: u32 = DRAM + 0x300;
    const OUT: u32 = DRAM + 0x400;
    const VARIABLES: u32 = DRAM + 0x600;

    fn text(guest: &mut FakeGuest, format: &str) -> String {
        let format = guest.put_string(TEXT, format);
        let length = guest.call("strftime", &[OUT, 200, format, TM]);
        let bytes = guest.get(OUT, length as usize);
        String::from_utf8(bytes).expect("text")
    }

    fn set_clock(guest: &mut FakeGuest, seconds: i32) {
        guest.put(CLOCK, &seconds.to_le_bytes());
    }

    fn in_zone(zone: &str) -> FakeGuest {
        let mut guest = FakeGuest::new(1000);
        let other = guest.put_string(VARIABLES + 0x40, "TZX=no");
        let entry = guest.put_string(VARIABLES + 0x60, &format!("TZ={zone}"));
        for (n, word) in (0..).zip([other, entry, 0]) {
            guest.put(VARIABLES + 4 * n, &u32::to_le_bytes(word));
        }
        guest.put(ENVIRON, &VARIABLES.to_le_bytes());
        guest.call("tzset", &[]);
        guest
    }

    #[test]
    fn seconds_become_fields_and_go_back() {
        let mut guest = FakeGuest::new(1000);
        for (seconds, expected) in [
            (0, "1970-01-01 00:00:00 4 001"),
            (951_782_400, "2000-02-29 00:00:00 2 060"),
            (1_717_286_399, "2024-06-01 23:59:59 6 153"),
            (-1, "1969-12-31 23:59:59 3 365"),
            (i32::MAX, "2038-01-19 03:14:07 2 019"),
        ] {
            set_clock(&mut guest, seconds);
            assert_eq!(guest.call("gmtime_r", &[CLOCK, TM]), TM);
            assert_eq!(text(&mut guest, "%Y-%m-%d %H:%M:%S %w %j"), expected);
            if seconds != -1 {
                assert_eq!(guest.call("mktime", &[TM]) as i32, seconds);
            }
        }
        for seconds in (i64::from(i32::MIN)..i64::from(i32::MAX)).step_by(7_654_321) {
            assert_eq!(Fields::at(seconds).seconds(), seconds);
        }
    }

    #[test]
    fn fields_out_of_range_are_normalised() {
        let mut guest = FakeGuest::new(1000);
        // 31st of "April" 2023, 25 o'clock.
        for (n, word) in (0..).zip([0, 0, 25, 31, 3, 123, 0, 0, 0u32]) {
            guest.put(TM + 4 * n, &word.to_le_bytes());
        }
        assert_eq!(guest.call("mktime", &[TM]), 1_682_989_200);
        assert_eq!(text(&mut guest, "%F %T %a"), "2023-05-02 01:00:00 Tue");
    }

    #[test]
    fn daylight_saving_time_begins_and_ends_by_its_rules() {
        let mut guest = in_zone("CET-1CEST,M3.5.0,M10.5.0/3");
        for (seconds, expected) in [
            (1_711_846_799, "2024-03-31 01:59:59 CET +0100"),
            (1_711_846_800, "2024-03-31 03:00:00 CEST +0200"),
            (1_729_990_799, "2024-10-27 02:59:59 CEST +0200"),
            (1_729_990_800, "2024-10-27 02:00:00 CET +0100"),
        ] {
            set_clock(&mut guest, seconds);
            guest.call("localtime_r", &[CLOCK, TM]);
            assert_eq!(text(&mut guest, "%F %T %Z %z"), expected);
            assert_eq!(guest.call("mktime", &[TM]) as i32, seconds);
        }
        // South of the equator summer includes New Year.
        let mut guest = in_zone("AEST-10AEDT,M10.1.0,M4.1.0/3");
        for (seconds, expected) in [
            (1_704_067_200, "2024-01-01 11:00:00 AEDT"),
            (1_719_792_000, "2024-07-01 10:00:00 AEST"),
        ] {
            set_clock(&mut guest, seconds);
            guest.call("localtime_r", &[CLOCK, TM]);
            assert_eq!(text(&mut guest, "%F %T %Z"), expected);
        }
    }

    #[test]
    fn zones_are_parsed_as_posix_writes_them() {
        let of = |text: &str| Zone::parse(text.as_bytes());
        assert_eq!(of(""), None);
        assert_eq!(of("UTC"), None, "an offset is needed");
        let india = of("IST-5:30").expect("a zone");
        assert_eq!((india.rules[0].offset, india.rules[1].offset), (-19_800, -19_800));
        let brackets = of("<-03>3").expect("a zone");
        assert_eq!((&brackets.names[0][..], brackets.rules[0].offset), (&b"-03"[..], 10_800));
        let rules = of("PST8PDT").expect("a zone").rules;
        assert_eq!((rules[0].m, rules[0].n, rules[1].m, rules[1].offset), (3, 2, 11, 25_200));
        let days = of("A0B,J60/1,300").map(|it| it.names);
        assert_eq!(days, None, "names have three letters");
        let rules = of("AAA0BBB,J60/1,300").expect("a zone").rules;
        assert_eq!((rules[0].kind, rules[0].d, rules[0].s), (b'J', 60, 3600));
        assert_eq!((rules[1].kind, rules[1].d, rules[1].s), (b'D', 300, 7200));
    }

    #[test]
    fn a_time_is_written_in_all_ways() {
        let mut guest = in_zone("UTC0");
        set_clock(&mut guest, 1_735_689_599);
        guest.call("localtime_r", &[CLOCK, TM]);
        for (format, expected) in [
            ("%c|%x|%X", "Tue Dec 31 23:59:59 2024|12/31/24|23:59:59"),
            ("%A %B %e %I %p %y %C", "Tuesday December 31 11 PM 24 20"),
            ("%G-W%V-%u %U %W", "2025-W01-2 52 53"),
            ("%s %R %r %D %n%t%%", "1735689599 23:59 11:59:59 PM 12/31/24 \n\t%"),
            ("%Q%", ""),
        ] {
            assert_eq!(text(&mut guest, format), expected, "{format}");
        }
        assert_eq!(guest.call("strftime", &[OUT, 4, TEXT, TM]), 0);
        guest.call("asctime_r", &[TM, OUT]);
        assert_eq!(guest.get(OUT, 26), b"Tue Dec 31 23:59:59 2024\n\0");
        guest.call("ctime_r", &[CLOCK, OUT]);
        assert_eq!(guest.get(OUT, 26), b"Tue Dec 31 23:59:59 2024\n\0");
    }

    #[test]
    fn the_environment_is_searched_by_whole_names() {
        let mut guest = in_zone("UTC0");
        let name = guest.put_string(TEXT, "TZ=ignored");
        let value = guest.call("_findenv_r", &[0, name, OUT]);
        assert_eq!((value, guest.get(OUT, 1)), (VARIABLES + 0x63, vec![1]));
        assert_eq!(guest.call("_getenv_r", &[0, name]), value);
        let name = guest.put_string(TEXT, "T");
        assert_eq!(guest.call("_getenv_r", &[0, name]), 0);
    }
}
