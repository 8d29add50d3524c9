//! Remote control (RMT): eight channels that play or record level runs in a shared RAM.
//!
//! Source: ESP32 Technical Reference Manual, chapter "Remote Control Peripheral (RMT)"; field
//! positions and reset values from `rmt_reg.h` of ESP-IDF v5.0.
//! Modelled: RAM of 8 x 64 words, transmission from live RAM with divider, source clock, end
//! marker, wrap-around, continuous mode, threshold and end interrupts; reception of edges with
//! glitch filter, idle threshold, memory owner and overflow; access to RAM through DATA.
//! Not modelled: the carrier (stored; [`Rmt::level`] is the envelope), power-down of the RAM, the
//! state field of STATUS. Not in the manual, hence assumed: continuous mode raises no TX_END;
//! running out of RAM without an end marker raises ERR; an output that is idle and not enabled is
//! low.
//!
//! Waveforms are computed: `poll` has work at thresholds and ends only, not at edges.
//! One interrupt line, bit 0.

use super::{Context, Peripheral, Unmodelled};
use crate::time::{Duration, Hertz, Instant};

/// Channels.
pub const CHANNELS: usize = 8;
const BLOCK: usize = 64;
const RAM_WORDS: usize = CHANNELS * BLOCK;

mod reg {
    pub(super) const DATA: u32 = 0x00;
    pub(super) const DATA_LAST: u32 = 0x1c;
    pub(super) const CONF: u32 = 0x20;
    pub(super) const CONF_LAST: u32 = 0x5c;
    pub(super) const STATUS: u32 = 0x60;
    pub(super) const STATUS_LAST: u32 = 0x7c;
    pub(super) const ADDR: u32 = 0x80;
    pub(super) const ADDR_LAST: u32 = 0x9c;
    pub(super) const INT_RAW: u32 = 0xa0;
    pub(super) const INT_ST: u32 = 0xa4;
    pub(super) const INT_ENA: u32 = 0xa8;
    pub(super) const INT_CLR: u32 = 0xac;
    pub(super) const CARRIER_DUTY: u32 = 0xb0;
    pub(super) const CARRIER_DUTY_LAST: u32 = 0xcc;
    pub(super) const TX_LIM: u32 = 0xd0;
    pub(super) const TX_LIM_LAST: u32 = 0xec;
    pub(super) const APB_CONF: u32 = 0xf0;
    pub(super) const DATE: u32 = 0xfc;
    pub(super) const RAM: u32 = 0x800;
    pub(super) const RAM_LAST: u32 = 0xffc;
}

mod conf0 {
    pub(super) const RESET: u32 = 0x3110_0002;
}

mod conf1 {
    pub(super) const RESET: u32 = 0x0f20;
    pub(super) const TX_START: u32 = 1 << 0;
    pub(super) const RX_EN: u32 = 1 << 1;
    pub(super) const MEM_WR_RST: u32 = 1 << 2;
    pub(super) const MEM_RD_RST: u32 = 1 << 3;
    pub(super) const APB_MEM_RST: u32 = 1 << 4;
    pub(super) const MEM_OWNER: u32 = 1 << 5;
    pub(super) const TX_CONTI_MODE: u32 = 1 << 6;
    pub(super) const RX_FILTER_EN: u32 = 1 << 7;
    pub(super) const REF_ALWAYS_ON: u32 = 1 << 17;
    pub(super) const IDLE_OUT_LV: u32 = 1 << 18;
    pub(super) const IDLE_OUT_EN: u32 = 1 << 19;
    pub(super) const MASK: u32 = 0xf_fffe;
}

const DATE: u32 = 0x1602_2600;
const MEM_TX_WRAP_EN: u32 = 1 << 1;
const PERIOD: u32 = 0x7fff;

/// The events of one channel in the interrupt words.
#[derive(Debug, Clone, Copy)]
enum Event {
    TxEnd,
    RxEnd,
    Err,
    TxThreshold,
}

impl Event {
    fn bit(self, channel: usize) -> u32 {
        let channel = channel as u32 % CHANNELS as u32;
        match self {
            Self::TxEnd => 1 << (3 * channel),
            Self::RxEnd => 2 << (3 * channel),
            Self::Err => 4 << (3 * channel),
            Self::TxThreshold => 1 << (24 + channel),
        }
    }
}

/// A run of one level under way. Its end is counted in source clocks from an epoch, so that a
/// clock that does not divide the base tick accumulates no error.
#[derive(Debug, Clone, Copy)]
struct Run {
    level: bool,
    epoch: Instant,
    cycles: u64,
    due: Instant,
    /// Word offset in the channel's memory.
    offset: usize,
    /// In the upper half of the word.
    upper: bool,
    /// Words played since the last threshold event.
    sent: u32,
    /// Entries begun since the start.
    played: u32,
    /// Software has reset the read address: the next run comes from word 0.
    rewind: bool,
}

/// What follows a run.
#[derive(Debug, Clone, Copy)]
enum Next {
    Run { run: Run, threshold: bool },
    End { offset: usize, threshold: bool },
    OutOfMemory { threshold: bool },
}

/// A recording under way.
#[derive(Debug, Clone, Copy, Default)]
struct Recording {
    /// Start and level of the run that is not stored yet.
    run: Option<(Instant, bool)>,
    /// An edge that may turn out to be a glitch: its time and the level since.
    edge: Option<(Instant, bool)>,
}

#[derive(Debug, Clone)]
struct Channel {
    conf0: u32,
    conf1: u32,
    carrier: u32,
    tx_lim: u32,
    read_offset: usize,
    /// In half words.
    write_half: usize,
    apb_offset: usize,
    mem_empty: bool,
    mem_full: bool,
    owner_error: bool,
    input: bool,
    transmission: Option<Run>,
    recording: Recording,
    /// Next instant with work for `poll`.
    due: Option<Instant>,
}

impl Default for Channel {
    fn default() -> Self {
        Self {
            conf0: conf0::RESET,
            conf1: conf1::RESET,
            carrier: 0x0040_0040,
            tx_lim: 0x80,
            read_offset: 0,
            write_half: 0,
            apb_offset: 0,
            mem_empty: false,
            mem_full: false,
            owner_error: false,
            input: false,
            transmission: None,
            recording: Recording::default(),
            due: None,
        }
    }
}

impl Channel {
    fn is_set(&self, bits: u32) -> bool {
        self.conf1 & bits == bits
    }

    fn divider(&self) -> u64 {
        match self.conf0 & 0xff {
            0 => 256,
            n => n.into(),
        }
    }

    fn source(&self, cx: &Context) -> Hertz {
        if self.is_set(conf1::REF_ALWAYS_ON) { cx.clocks.apb } else { cx.clocks.ref_tick }
    }

    fn words(&self) -> usize {
        ((self.conf0 >> 24) & 0xf) as usize * BLOCK
    }

    fn idle_level(&self) -> bool {
        self.is_set(conf1::IDLE_OUT_EN | conf1::IDLE_OUT_LV)
    }

    fn idle_time(&self, cx: &Context) -> Duration {
        let threshold = u64::from((self.conf0 >> 8) & 0xffff);
        Duration::of_periods(threshold * self.divider(), self.source(cx))
    }

    /// Pulses shorter than this are ignored by the receiver.
    fn glitch(&self, cx: &Context) -> Duration {
        if !self.is_set(conf1::RX_FILTER_EN) {
            return Duration::ZERO;
        }
        Duration::of_periods(((self.conf1 >> 8) & 0xff).into(), cx.clocks.apb)
    }
}

/// The peripheral.
#[derive(Debug, Clone)]
pub struct Rmt {
    channels: [Channel; CHANNELS],
    ram: [u32; RAM_WORDS],
    int_raw: u32,
    int_ena: u32,
    apb_conf: u32,
}

impl Default for Rmt {
    fn default() -> Self {
        Self {
            channels: std::array::from_fn(|_| Channel::default()),
            ram: [0; RAM_WORDS],
            int_raw: 0,
            int_ena: 0,
            apb_conf: 0,
        }
    }
}

/// A channel's memory begins at its own block and may go on into the following ones.
fn ram_index(channel: usize, offset: usize) -> usize {
    (channel * BLOCK + offset) % RAM_WORDS
}

impl Rmt {
    /// An RMT after reset, with its RAM cleared.
    pub fn new() -> Self {
        Self::default()
    }

    /// The level of output `channel` (0 to 7) at `cx.now`, which must not lie before the last poll.
    pub fn level(&self, channel: usize, cx: &Context) -> bool {
        let Some(state) = self.channels.get(channel) else { return false };
        let Some(mut run) = state.transmission else { return state.idle_level() };
        while run.due <= cx.now {
            match self.follow(channel, run, cx) {
                Next::Run { run: next, .. } => run = next,
                Next::End { .. } | Next::OutOfMemory { .. } => return state.idle_level(),
            }
        }
        run.level
    }

    /// When the level of `channel` may next change after `cx.now`; `None`: not before software
    /// acts. After long stretches of one level the answer may be an instant without a change.
    pub fn next_edge(&self, channel: usize, cx: &Context) -> Option<Instant> {
        let state = self.channels.get(channel)?;
        let mut run = state.transmission?;
        let mut level = None;
        for _ in 0..2 * RAM_WORDS {
            let past = run.due > cx.now;
            let before = *level.get_or_insert(run.level);
            if !past {
                level = None;
            }
            match self.follow(channel, run, cx) {
                Next::Run { run: next, .. } => {
                    if past && next.level != before {
                        return Some(run.due);
                    }
                    run = next;
                }
                Next::End { .. } | Next::OutOfMemory { .. } => return Some(run.due),
            }
        }
        Some(run.due)
    }

    /// Whether the channel's output is driven: while it plays, and idle if so configured.
    pub fn is_driven(&self, channel: usize) -> bool {
        self.channels
            .get(channel)
            .is_some_and(|c| c.transmission.is_some() || c.is_set(conf1::IDLE_OUT_EN))
    }

    /// The level on input `channel` is `level` from `cx.now` on.
    pub fn set_input(&mut self, channel: usize, level: bool, cx: &Context) {
        self.poll(cx);
        let Some(state) = self.channels.get_mut(channel) else { return };
        if std::mem::replace(&mut state.input, level) == level || !state.is_set(conf1::RX_EN) {
            return;
        }
        let glitch = state.glitch(cx);
        match state.recording.edge {
            Some((at, _)) if cx.now - at < glitch => state.recording.edge = None,
            _ => {
                self.settle(channel, cx);
                if let Some(state) = self.channels.get_mut(channel) {
                    state.recording.edge = Some((cx.now, level));
                }
            }
        }
        if glitch == Duration::ZERO {
            self.settle(channel, cx);
        }
        self.schedule(channel, cx);
    }

    /// The pending edge was no glitch: the run before it is over and stored.
    fn settle(&mut self, channel: usize, cx: &Context) {
        let Some(state) = self.channels.get_mut(channel) else { return };
        let Some((at, level)) = state.recording.edge.take() else { return };
        let run = state.recording.run.replace((at, level));
        if let Some((since, level)) = run {
            let clock = state.source(cx);
            let ticks = |instant: Instant| instant.since_zero().periods(clock) / state.divider();
            let ticks = ticks(at).saturating_sub(ticks(since)).clamp(1, PERIOD.into());
            self.record(channel, level, ticks as u32);
        }
    }

    /// Stores one run of a recording; `ticks` 0 is the end marker.
    fn record(&mut self, channel: usize, level: bool, ticks: u32) {
        let Some(state) = self.channels.get_mut(channel) else { return };
        if !state.is_set(conf1::MEM_OWNER) {
            state.owner_error = true;
            self.int_raw |= Event::Err.bit(channel);
            return;
        }
        let half = state.write_half;
        if half / 2 >= state.words() {
            if !std::mem::replace(&mut state.mem_full, true) {
                self.int_raw |= Event::Err.bit(channel);
            }
            return;
        }
        state.write_half += 1;
        let entry = ticks | u32::from(level) << 15;
        if let Some(word) = self.ram.get_mut(ram_index(channel, half / 2)) {
            *word = if half % 2 == 0 { entry } else { *word & 0xffff | entry << 16 };
        }
    }

    /// The entry that starts at `run`'s position, or what else there is.
    fn fetch(&self, channel: usize, mut run: Run, threshold: bool, cx: &Context) -> Next {
        let Some(state) = self.channels.get(channel) else {
            return Next::OutOfMemory { threshold };
        };
        let words = state.words();
        if run.offset >= words {
            if self.apb_conf & MEM_TX_WRAP_EN == 0 || words == 0 {
                return Next::OutOfMemory { threshold };
            }
            run.offset = 0;
        }
        let entry = |run: &Run| {
            let word = self.ram.get(ram_index(channel, run.offset)).copied().unwrap_or(0);
            (word >> if run.upper { 16 } else { 0 }) & 0xffff
        };
        let mut now = entry(&run);
        if now & PERIOD == 0 {
            let end = Next::End { offset: run.offset, threshold };
            if !state.is_set(conf1::TX_CONTI_MODE) {
                return end;
            }
            (run.offset, run.upper) = (0, false);
            now = entry(&run);
            if now & PERIOD == 0 {
                return end;
            }
        }
        run.level = now & 0x8000 != 0;
        run.played = run.played.wrapping_add(1);
        run.cycles = run.cycles.saturating_add(u64::from(now & PERIOD) * state.divider());
        run.due = run.epoch + Duration::of_periods(run.cycles, state.source(cx));
        Next::Run { run, threshold }
    }

    /// What follows the end of `run`.
    fn follow(&self, channel: usize, mut run: Run, cx: &Context) -> Next {
        let mut threshold = false;
        let word_played = run.upper;
        run.upper = !run.upper;
        if word_played {
            run.offset += 1;
            run.sent += 1;
            let limit = self.channels.get(channel).map_or(0, |c| c.tx_lim);
            if limit != 0 && run.sent >= limit {
                run.sent = 0;
                threshold = true;
            }
        }
        if std::mem::take(&mut run.rewind) {
            (run.offset, run.upper) = (0, false);
        }
        self.fetch(channel, run, threshold, cx)
    }

    fn apply(&mut self, channel: usize, next: Next) {
        let Some(state) = self.channels.get_mut(channel) else { return };
        let threshold = match next {
            Next::Run { run, threshold } => {
                state.read_offset = run.offset;
                state.transmission = Some(run);
                threshold
            }
            Next::End { offset, threshold } => {
                state.read_offset = offset;
                state.transmission = None;
                self.int_raw |= Event::TxEnd.bit(channel);
                threshold
            }
            Next::OutOfMemory { threshold } => {
                state.transmission = None;
                state.mem_empty = true;
                self.int_raw |= Event::Err.bit(channel);
                threshold
            }
        };
        if threshold {
            self.int_raw |= Event::TxThreshold.bit(channel);
        }
    }

    fn start(&mut self, channel: usize, cx: &Context) {
        let Some(state) = self.channels.get(channel) else { return };
        let run = Run {
            level: false,
            epoch: cx.now,
            cycles: 0,
            due: cx.now,
            offset: state.read_offset,
            upper: false,
            sent: 0,
            played: 0,
            rewind: false,
        };
        let next = self.fetch(channel, run, false, cx);
        self.apply(channel, next);
    }

    /// Finds the channel's next threshold, end, error or idle time-out.
    fn schedule(&mut self, channel: usize, cx: &Context) {
        let Some(state) = self.channels.get(channel) else { return };
        let idle = state.recording.edge.or(state.recording.run);
        let idle = idle.map(|(since, _)| since + state.idle_time(cx));
        let mut event = None;
        if let Some(mut run) = state.transmission {
            // An endless transmission without events is looked through in pieces, whose borders
            // do not depend on when that is done.
            loop {
                event = Some(run.due);
                match self.follow(channel, run, cx) {
                    Next::Run { run: next, threshold: false }
                        if !next.played.is_multiple_of(2 * RAM_WORDS as u32) =>
                    {
                        run = next;
                    }
                    _ => break,
                }
            }
        }
        if let Some(state) = self.channels.get_mut(channel) {
            state.due = event.into_iter().chain(idle).min();
        }
    }

    fn advance(&mut self, channel: usize, cx: &Context) {
        while let Some(run) = self.channels.get(channel).and_then(|c| c.transmission) {
            if run.due > cx.now {
                break;
            }
            let next = self.follow(channel, run, cx);
            self.apply(channel, next);
        }
        let Some(state) = self.channels.get(channel) else { return };
        let idle = state.recording.edge.or(state.recording.run);
        if idle.is_some_and(|(since, _)| since + state.idle_time(cx) <= cx.now) {
            self.settle(channel, cx);
            if let Some(state) = self.channels.get_mut(channel) {
                let level = state.recording.run.take().is_some_and(|(_, level)| level);
                self.record(channel, level, 0);
                self.int_raw |= Event::RxEnd.bit(channel);
            }
        }
    }

    fn reschedule_all(&mut self, cx: &Context) {
        for channel in 0..CHANNELS {
            if self.channels.get(channel).is_some_and(Self::is_busy) {
                self.schedule(channel, cx);
            }
        }
    }

    fn is_busy(channel: &Channel) -> bool {
        channel.transmission.is_some() || channel.recording.run.or(channel.recording.edge).is_some()
    }

    /// Later runs are timed by the clock and divider as they are now; the current one keeps its end.
    fn rebase(state: &mut Channel) {
        if let Some(run) = &mut state.transmission {
            (run.epoch, run.cycles) = (run.due, 0);
        }
    }

    fn write_conf1(&mut self, channel: usize, value: u32, cx: &Context) {
        let Some(state) = self.channels.get_mut(channel) else { return };
        let was_receiving = state.is_set(conf1::RX_EN);
        state.conf1 = value & conf1::MASK;
        Self::rebase(state);
        if value & conf1::MEM_WR_RST != 0 {
            state.write_half = 0;
            state.mem_full = false;
            state.owner_error = false;
        }
        if value & conf1::MEM_RD_RST != 0 {
            state.read_offset = 0;
            state.mem_empty = false;
            if let Some(run) = &mut state.transmission {
                run.rewind = true;
            }
        }
        if value & conf1::APB_MEM_RST != 0 {
            state.apb_offset = 0;
        }
        if !(was_receiving && state.is_set(conf1::RX_EN)) {
            state.recording = Recording::default();
        }
        if value & conf1::TX_START != 0 && state.transmission.is_none() {
            self.start(channel, cx);
        }
        self.schedule(channel, cx);
    }

    fn status(&self, channel: usize) -> u32 {
        let Some(state) = self.channels.get(channel) else { return 0 };
        ram_index(channel, state.write_half / 2) as u32
            | (ram_index(channel, state.read_offset) as u32) << 12
            | u32::from(state.owner_error) << 27
            | u32::from(state.mem_full) << 28
            | u32::from(state.mem_empty) << 29
    }

    /// Access through DATA; the address moves on by one word.
    fn next_by_fifo(&mut self, channel: usize) -> Option<&mut u32> {
        let state = self.channels.get_mut(channel)?;
        let offset = state.apb_offset;
        state.apb_offset = (offset + 1) % RAM_WORDS;
        self.ram.get_mut(ram_index(channel, offset))
    }
}

/// Channel of a register in a bank of one word for each channel.
fn lane(offset: u32, bank: u32) -> usize {
    ((offset - bank) / 4) as usize % CHANNELS
}

impl Peripheral for Rmt {
    const NAME: &'static str = "RMT";

    fn read(&mut self, offset: u32, _cx: &Context) -> Result<u32, Unmodelled> {
        let of = |bank| self.channels.get(lane(offset, bank));
        Ok(match offset {
            reg::DATA..=reg::DATA_LAST => {
                self.next_by_fifo(lane(offset, reg::DATA)).map_or(0, |word| *word)
            }
            reg::CONF..=reg::CONF_LAST => {
                let at = offset - reg::CONF;
                self.channels
                    .get((at / 8) as usize)
                    .map_or(0, |c| if at.is_multiple_of(8) { c.conf0 } else { c.conf1 })
            }
            reg::STATUS..=reg::STATUS_LAST => self.status(lane(offset, reg::STATUS)),
            reg::ADDR..=reg::ADDR_LAST => of(reg::ADDR).map_or(0, |c| c.apb_offset as u32),
            reg::INT_RAW => self.int_raw,
            reg::INT_ST => self.int_raw & self.int_ena,
            reg::INT_ENA => self.int_ena,
            reg::INT_CLR => 0,
            reg::CARRIER_DUTY..=reg::CARRIER_DUTY_LAST => {
                of(reg::CARRIER_DUTY).map_or(0, |c| c.carrier)
            }
            reg::TX_LIM..=reg::TX_LIM_LAST => of(reg::TX_LIM).map_or(0, |c| c.tx_lim),
            reg::APB_CONF => self.apb_conf,
            reg::DATE => DATE,
            reg::RAM..=reg::RAM_LAST => {
                self.ram.get(((offset - reg::RAM) / 4) as usize).copied().unwrap_or(0)
            }
            _ => return Err(Unmodelled),
        })
    }

    fn write(&mut self, offset: u32, value: u32, cx: &Context) -> Result<(), Unmodelled> {
        match offset {
            reg::DATA..=reg::DATA_LAST => {
                if let Some(word) = self.next_by_fifo(lane(offset, reg::DATA)) {
                    *word = value;
                }
                self.reschedule_all(cx);
            }
            reg::CONF..=reg::CONF_LAST => {
                let at = offset - reg::CONF;
                let channel = (at / 8) as usize;
                if !at.is_multiple_of(8) {
                    self.write_conf1(channel, value, cx);
                } else if let Some(state) = self.channels.get_mut(channel) {
                    state.conf0 = value;
                    Self::rebase(state);
                    self.schedule(channel, cx);
                }
            }
            reg::INT_ENA => self.int_ena = value,
            reg::INT_CLR => self.int_raw &= !value,
            reg::CARRIER_DUTY..=reg::CARRIER_DUTY_LAST => {
                if let Some(state) = self.channels.get_mut(lane(offset, reg::CARRIER_DUTY)) {
                    state.carrier = value;
                }
            }
            reg::TX_LIM..=reg::TX_LIM_LAST => {
                let channel = lane(offset, reg::TX_LIM);
                if let Some(state) = self.channels.get_mut(channel) {
                    state.tx_lim = value & 0x1ff;
                }
                self.schedule(channel, cx);
            }
            reg::APB_CONF => {
                self.apb_conf = value & 3;
                self.reschedule_all(cx);
            }
            reg::RAM..=reg::RAM_LAST => {
                if let Some(word) = self.ram.get_mut(((offset - reg::RAM) / 4) as usize) {
                    *word = value;
                }
                self.reschedule_all(cx);
            }
            reg::STATUS..=reg::INT_ST | reg::DATE => {}
            _ => return Err(Unmodelled),
        }
        Ok(())
    }

    fn poll(&mut self, cx: &Context) {
        for channel in 0..CHANNELS {
            if self.channels.get(channel).is_some_and(Self::is_busy) {
                self.advance(channel, cx);
                self.schedule(channel, cx);
            }
        }
    }

    fn poll_at(&self) -> Option<Instant> {
        self.channels.iter().filter_map(|c| c.due).min()
    }

    fn irq(&self) -> u32 {
        u32::from(self.int_raw & self.int_ena != 0)
    }

    fn clocks_changed(&mut self, cx: &Context) {
        self.channels.iter_mut().for_each(Self::rebase);
        self.reschedule_all(cx);
    }

    fn reset(&mut self, _cx: &Context) {
        // RAM is not part of the reset domain.
        let inputs = self.channels.each_ref().map(|c| c.input);
        *self = Self { ram: self.ram, ..Self::default() };
        for (channel, input) in self.channels.iter_mut().zip(inputs) {
            channel.input = input;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peripherals::{Clocks, sweep::sweep};

    const CONF0: u32 = 0x20;
    const CONF1: u32 = 0x24;
    /// One memory block, divider 80: ticks of a microsecond.
    const MICROSECONDS: u32 = 1 << 24 | 80;
    const IDLE_LOW: u32 = conf1::REF_ALWAYS_ON | conf1::IDLE_OUT_EN;

    fn cx(us: u64) -> Context {
        let clocks = Clocks { apb: Hertz::mhz(80), ..Clocks::default() };
        Context::at(Instant::ZERO + Duration::from_micros(us), clocks)
    }

    fn runs(high: u32, low: u32) -> u32 {
        low << 16 | 0x8000 | high
    }

    fn transmit(words: &[u32], extra: u32) -> Rmt {
        let mut rmt = Rmt::new();
        rmt.write(CONF0, MICROSECONDS, &cx(0)).unwrap();
        for (i, &word) in (0..).zip(words) {
            rmt.write(reg::RAM + 4 * i, word, &cx(0)).unwrap();
        }
        rmt.write(reg::INT_ENA, u32::MAX, &cx(0)).unwrap();
        rmt.write(CONF1, IDLE_LOW | extra | conf1::TX_START, &cx(0)).unwrap();
        rmt
    }

    #[test]
    fn a_pulse_train_is_a_waveform_and_ends_with_an_interrupt_at_the_zero_entry() {
        let mut rmt = transmit(&[runs(10, 20), runs(30, 5), 0], 0);
        let levels: Vec<bool> = [0, 9, 10, 29, 30, 59, 60, 64, 65, 99]
            .iter()
            .map(|&us| rmt.level(0, &cx(us)))
            .collect();
        let (h, l) = (true, false);
        assert_eq!(levels, [h, h, l, l, h, h, l, l, l, l]);
        let edges: Vec<_> = [0, 10, 30, 60].iter().map(|&us| rmt.next_edge(0, &cx(us))).collect();
        assert_eq!(edges, [10, 30, 60, 65].map(|us| Some(cx(us).now)));
        assert_eq!(rmt.poll_at(), Some(cx(65).now), "no work at edges");
        rmt.poll(&cx(64));
        assert_eq!(rmt.irq(), 0);
        rmt.poll(&cx(65));
        assert_eq!(rmt.read(reg::INT_ST, &cx(65)), Ok(1));
        assert_eq!((rmt.irq(), rmt.poll_at(), rmt.next_edge(0, &cx(65))), (1, None, None));
        rmt.write(reg::INT_CLR, 1, &cx(65)).unwrap();
        assert_eq!(rmt.irq(), 0);
        assert_eq!(rmt.read(CONF1, &cx(65)).unwrap() & conf1::TX_START, 0);
    }

    #[test]
    fn wrapping_asks_for_more_at_each_threshold_and_plays_what_was_written_since() {
        let mut rmt = transmit(&[runs(1, 1); 64], 0);
        rmt.write(reg::APB_CONF, MEM_TX_WRAP_EN, &cx(0)).unwrap();
        rmt.write(reg::TX_LIM, 32, &cx(0)).unwrap();
        for half in 1..=3 {
            assert_eq!(rmt.poll_at(), Some(cx(64 * half).now));
            rmt.poll(&cx(64 * half));
            assert_eq!(rmt.read(reg::INT_RAW, &cx(0)), Ok(1 << 24));
            rmt.write(reg::INT_CLR, 1 << 24, &cx(64 * half)).unwrap();
        }
        rmt.write(reg::RAM + 4 * 40, 0, &cx(192)).unwrap();
        rmt.poll(&cx(192 + 16));
        assert_eq!(rmt.read(reg::INT_RAW, &cx(0)), Ok(1), "word 32 + 8 is the end now");
    }

    #[test]
    fn without_an_end_marker_the_memory_runs_out() {
        let mut rmt = transmit(&[runs(1, 1); 64], 0);
        rmt.poll(&cx(128));
        assert_eq!(rmt.read(reg::INT_RAW, &cx(0)), Ok(4));
        assert_eq!(rmt.read(reg::STATUS, &cx(0)).unwrap() >> 29 & 1, 1);
        assert!(!rmt.level(0, &cx(200)));
    }

    #[test]
    fn continuous_mode_repeats_until_it_is_switched_off() {
        let mut rmt = transmit(&[runs(3, 7), 0], conf1::TX_CONTI_MODE);
        rmt.poll(&cx(1_003));
        assert!(rmt.level(0, &cx(1_012)) && !rmt.level(0, &cx(1_013)));
        assert_eq!(rmt.irq(), 0);
        rmt.write(CONF1, IDLE_LOW, &cx(1_003)).unwrap();
        rmt.poll(&cx(1_010));
        assert_eq!(rmt.read(reg::INT_RAW, &cx(0)), Ok(1));
        let mut stopped = transmit(&[runs(30, 70), runs(3, 7)], conf1::TX_CONTI_MODE);
        stopped.write(reg::RAM, 0, &cx(10)).unwrap();
        stopped.write(CONF1, IDLE_LOW | conf1::MEM_RD_RST, &cx(10)).unwrap();
        assert_eq!(stopped.poll_at(), Some(cx(30).now), "the way in which drivers stop");
        let mut empty = transmit(&[0], conf1::TX_CONTI_MODE);
        assert_eq!(empty.read(reg::INT_RAW, &cx(0)), Ok(1), "an empty loop is over at once");
    }

    fn receiver(extra: u32) -> Rmt {
        let mut rmt = Rmt::new();
        rmt.write(CONF0, MICROSECONDS | 100 << 8, &cx(0)).unwrap();
        let enable = conf1::REF_ALWAYS_ON | conf1::RX_EN | conf1::MEM_OWNER;
        rmt.write(CONF1, enable | conf1::MEM_WR_RST | extra, &cx(0)).unwrap();
        rmt.write(CONF1, enable | extra, &cx(0)).unwrap();
        rmt
    }

    #[test]
    fn edges_are_recorded_until_the_line_is_idle() {
        let mut rmt = receiver(0);
        for (us, level) in [(50, true), (60, false), (85, true), (88, false)] {
            rmt.set_input(0, level, &cx(us));
        }
        assert_eq!(rmt.poll_at(), Some(cx(188).now));
        rmt.poll(&cx(188));
        assert_eq!(rmt.read(reg::INT_RAW, &cx(0)), Ok(2));
        assert_eq!(rmt.read(reg::RAM, &cx(0)), Ok(runs(10, 25)));
        assert_eq!(rmt.read(reg::RAM + 4, &cx(0)), Ok(runs(3, 0)));
        assert_eq!(rmt.read(reg::STATUS, &cx(0)).unwrap() & 0x3ff, 2);
        assert_eq!(rmt.poll_at(), None);
    }

    #[test]
    fn the_filter_drops_short_pulses() {
        let mut rmt = receiver(conf1::RX_FILTER_EN | 160 << 8);
        for (us, level) in [(50, true), (60, false), (61, true), (70, false)] {
            rmt.set_input(0, level, &cx(us));
        }
        rmt.poll(&cx(500));
        assert_eq!(rmt.read(reg::RAM, &cx(0)), Ok(runs(20, 0)));
    }

    #[test]
    fn a_full_memory_and_a_wrong_owner_are_errors() {
        let mut rmt = receiver(0);
        for us in 0..200 {
            rmt.set_input(0, us % 2 == 0, &cx(us));
        }
        assert_eq!(rmt.read(reg::INT_RAW, &cx(0)), Ok(4));
        assert_eq!(rmt.read(reg::STATUS, &cx(0)).unwrap() >> 28 & 1, 1);
        let mut rmt = receiver(0);
        rmt.write(CONF1, conf1::RX_EN, &cx(0)).unwrap();
        for us in 1..5 {
            rmt.set_input(0, us % 2 == 1, &cx(us));
        }
        assert_eq!(rmt.read(reg::INT_RAW, &cx(0)), Ok(4));
        assert_eq!(rmt.read(reg::RAM, &cx(0)), Ok(0));
    }

    #[test]
    fn no_access_panics() {
        sweep(&Rmt::new(), 0x1000);
        sweep(&transmit(&[runs(1, 1); 64], conf1::TX_CONTI_MODE), 0x1000);
    }
}
