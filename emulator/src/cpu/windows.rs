//! Register windows: rotation, overflow and underflow.
//!
//! Source: Xtensa ISA Reference Manual, "Windowed Register Option".
//!
//! The visible window is a flat array, `Cpu::a`; the other registers are in `Cpu::file`, in quads
//! (groups of four). A rotation exchanges quads between them. [`Cpu::free_quads`] caches how many
//! quads of the visible window can be used before a live frame of an outer function is touched,
//! so that a block of instructions needs one comparison instead of a check for each operand.

use super::Cpu;
use super::registers::ps;

/// Quads in the physical register file of 64.
const QUADS: u32 = 16;
const FILE: usize = QUADS as usize;

/// What RETW does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WindowedReturn {
    /// The caller's frame is in the register file: continue at this address.
    To(u32),
    /// It is in memory: the underflow handler has been entered.
    Underflow,
    /// The state does not allow a return.
    Illegal,
}

impl Cpu {
    /// WINDOWBASE, 0 to 15.
    pub fn windowbase(&self) -> u32 {
        self.windowbase
    }

    /// Physical address register `n` (0 to 63), for debuggers and tests.
    pub fn physical_ar(&self, n: u32) -> u32 {
        let visible = n.wrapping_sub(self.windowbase * 4) & 63;
        if visible < 16 {
            self.a[visible as usize]
        } else {
            self.file[(n / 4) as usize & 15][(n & 3) as usize]
        }
    }

    /// Sets physical address register `n` (0 to 63).
    pub fn set_physical_ar(&mut self, n: u32, value: u32) {
        self.set_ar((n.wrapping_sub(self.windowbase * 4) & 63) as usize, value);
    }

    /// Moves the window so that WINDOWBASE becomes `base` modulo 16.
    pub(super) fn set_windowbase(&mut self, base: u32) {
        let (from, to) = (self.windowbase, base % QUADS);
        for i in 0..4 {
            self.file[((from + i) % QUADS) as usize] = self.quad(i);
        }
        for i in 0..4 {
            let quad = self.file[((to + i) % QUADS) as usize];
            self.a[i as usize * 4..][..4].copy_from_slice(&quad);
        }
        self.windowbase = to;
        self.frames = self.frames.rotate_right(to.wrapping_sub(from) % QUADS);
        self.update_free_quads();
    }

    /// WINDOWSTART becomes `start`.
    pub(super) fn set_windowstart(&mut self, start: u16) {
        self.frames = start.rotate_right(self.windowbase);
        self.update_free_quads();
    }

    /// The common rotations by a call's increment, `by` 1 to 3 quads up. The increment is a constant
    /// in each of them, so that they become a few moves of whole quads.
    fn rotate_up(&mut self, by: u32) {
        match by {
            1 => self.shift_up::<1>(),
            2 => self.shift_up::<2>(),
            _ => self.shift_up::<3>(),
        }
    }

    /// The opposite of [`Cpu::rotate_up`].
    fn rotate_down(&mut self, by: u32) {
        match by {
            1 => self.shift_down::<1>(),
            2 => self.shift_down::<2>(),
            _ => self.shift_down::<3>(),
        }
    }

    #[inline(always)]
    fn shift_up<const N: usize>(&mut self) {
        let base = self.windowbase as usize;
        let old = [self.quad(0), self.quad(1), self.quad(2), self.quad(3)];
        for i in 0..N {
            self.file[(base + i) % FILE] = self.quad(i as u32);
        }
        for i in 0..4 {
            let quad = if i + N < 4 { old[i + N] } else { self.file[(base + i + N) % FILE] };
            self.set_quad(i, quad);
        }
        self.windowbase = ((base + N) % FILE) as u32;
        self.frames = self.frames.rotate_right(N as u32);
    }

    #[inline(always)]
    fn shift_down<const N: usize>(&mut self) {
        let base = self.windowbase as usize + FILE - N;
        let old = [self.quad(0), self.quad(1), self.quad(2), self.quad(3)];
        for i in 4 - N..4 {
            self.file[(base + N + i) % FILE] = self.quad(i as u32);
        }
        for i in 0..4 {
            let quad = if i < N { self.file[(base + i) % FILE] } else { old[i - N] };
            self.set_quad(i, quad);
        }
        self.windowbase = (base % FILE) as u32;
        self.frames = self.frames.rotate_left(N as u32);
    }

    #[inline(always)]
    fn set_quad(&mut self, i: usize, quad: [u32; 4]) {
        self.a[i * 4..][..4].copy_from_slice(&quad);
    }

    #[inline(always)]
    fn quad(&self, i: u32) -> [u32; 4] {
        let n = i as usize * 4;
        [self.a[n], self.a[n + 1], self.a[n + 2], self.a[n + 3]]
    }

    /// Whether a live frame begins `quads` above the current window.
    pub(super) fn frame_begins(&self, quads: u32) -> bool {
        self.frames >> quads & 1 != 0
    }

    /// The frames that begin in the three quads below the window, the nearest in bit 2.
    fn frames_below(&self) -> u16 {
        self.frames >> (QUADS - 3)
    }

    pub(super) fn update_free_quads(&mut self) {
        let checked = self.ps & (ps::WOE | ps::EXCM) == ps::WOE;
        self.free_quads =
            if checked { ((self.frames | 1 << 4) >> 1).trailing_zeros() as u8 + 1 } else { 4 };
    }

    /// Enters the overflow handler for the first live frame above the current one, because the
    /// instruction at `pc` needs its registers.
    pub(super) fn overflow(&mut self, pc: u32) {
        let distance = u32::from(self.free_quads);
        let victim = self.windowbase + distance;
        let above_victim = self.frames >> distance >> 1;
        let vector = match above_victim {
            f if f & 1 != 0 => 0x00,
            f if f & 2 != 0 => 0x80,
            _ => 0x100,
        };
        self.window_exception(victim, vector, pc);
    }

    fn window_exception(&mut self, base: u32, vector: u32, pc: u32) {
        self.epc[1] = pc;
        self.ps = (self.ps & !ps::OWB) | ps::EXCM | self.windowbase << ps::OWB_SHIFT;
        self.set_windowbase(base);
        self.pc = self.vecbase.wrapping_add(vector);
        self.note_event(base, pc);
    }

    /// ENTRY: opens the callee's frame. False when the state does not allow it.
    pub(super) fn entry(&mut self, s: u8, frame: u32) -> bool {
        if s > 3 || self.ps & (ps::WOE | ps::EXCM) != ps::WOE {
            return false;
        }
        let callinc = self.callinc();
        let stack = self.a[usize::from(s)].wrapping_sub(frame);
        if callinc == 0 {
            self.a[usize::from(s)] = stack;
        } else {
            self.rotate_up(callinc);
            self.a[usize::from(s)] = stack;
        }
        self.frames |= 1;
        self.update_free_quads();
        true
    }

    /// RETW at `pc`.
    pub(super) fn windowed_return(&mut self, pc: u32) -> WindowedReturn {
        let n = self.a[0] >> 30;
        let nearest = match self.frames_below() {
            0 => 0,
            b if b & 4 != 0 => 1,
            b if b & 2 != 0 => 2,
            _ => 3,
        };
        if n == 0 || (nearest != 0 && nearest != n) || self.ps & (ps::WOE | ps::EXCM) != ps::WOE {
            return WindowedReturn::Illegal;
        }
        let target = pc & 0xc000_0000 | self.a[0] & 0x3fff_ffff;
        if nearest == n {
            self.frames &= !1;
            self.rotate_down(n);
            self.update_free_quads();
            WindowedReturn::To(target)
        } else {
            let vector = 0x40 + (n - 1) * 0x80; // underflow 4, 8, 12
            self.window_exception(self.windowbase + QUADS - n, vector, pc);
            WindowedReturn::Underflow
        }
    }

    /// MOVSP needs the caller's frame in the register file.
    pub(super) fn caller_frame_is_live(&self) -> bool {
        self.frames_below() != 0
    }

    /// RFWO and RFWU: back from a window handler. An overflow handler has saved the frame, an
    /// underflow handler has restored it.
    pub(super) fn return_from_window_handler(&mut self, restored: bool) {
        self.frames = self.frames & !1 | u16::from(restored);
        let owb = (self.ps & ps::OWB) >> ps::OWB_SHIFT;
        self.ps &= !ps::EXCM;
        self.set_windowbase(owb);
        self.pc = self.epc[1];
    }

    /// PS.CALLINC.
    pub(super) fn callinc(&self) -> u32 {
        (self.ps & ps::CALLINC) >> ps::CALLINC_SHIFT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windowed() -> Cpu {
        let mut cpu = Cpu::new(0);
        cpu.set_ps(ps::WOE | ps::UM);
        cpu
    }

    #[test]
    fn rotations_by_a_call_equal_the_general_rotation() {
        for base in 0..16 {
            for by in 1..4 {
                let mut one = windowed();
                for n in 0..16 {
                    one.file[n] =
                        [n as u32 * 4, n as u32 * 4 + 1, n as u32 * 4 + 2, n as u32 * 4 + 3];
                }
                one.a = std::array::from_fn(|n| n as u32);
                one.set_windowbase(base);
                let mut other = one.clone();
                one.rotate_up(by);
                other.set_windowbase(base + by);
                assert_eq!((one.a, one.windowbase), (other.a, other.windowbase));
                one.a[5] = 0x5555;
                other.a[5] = 0x5555;
                one.rotate_down(by);
                other.set_windowbase(base);
                assert_eq!((one.a, one.windowbase), (other.a, other.windowbase));
                for n in 0..64 {
                    assert_eq!(one.physical_ar(n), other.physical_ar(n));
                }
            }
        }
    }

    #[test]
    fn a_frame_three_quads_up_leaves_three_free() {
        let mut cpu = windowed();
        cpu.frames = 1 | 1 << 3;
        cpu.update_free_quads();
        assert_eq!(cpu.free_quads, 3);
        cpu.frames = 1 | 1 << 4;
        cpu.update_free_quads();
        assert_eq!(cpu.free_quads, 4);
    }

    #[test]
    fn a_return_to_a_saved_frame_underflows() {
        let mut cpu = windowed();
        cpu.a[0] = 2 << 30 | 0x123;
        cpu.pc = 0x4008_0000;
        assert_eq!(cpu.windowed_return(0x4008_0000), WindowedReturn::Underflow);
        assert_eq!(cpu.windowbase, 14);
        assert_eq!(cpu.pc, cpu.vecbase + 0xc0);
        assert_eq!(cpu.epc[1], 0x4008_0000);
    }
}
