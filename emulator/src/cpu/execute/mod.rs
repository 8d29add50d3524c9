//! The run loop: finds blocks, executes their operations, leaves them for branches, exceptions,
//! interrupts and the machine around.
//!
//! One `match` holds every instruction, because the loop is the hottest code of the emulator; what
//! needs more than a few lines is in a file per option of the ISA manual beside it.

mod arithmetic;
mod float;
mod float_helpers;
mod mac16;

use super::Cpu;
use super::bus::{Bus, Loaded, RegionSide, Stored};
use super::code::{Block, CodeCache, Field, Op, STOPS, writes_control};
use super::compiled::{HOT, Ran};
use super::exceptions::{Cause, DEBUG_LEVEL, debugcause};
use super::instruction::{B4CONST, B4CONSTU, Opcode};
use super::registers::ps;
use super::windows::WindowedReturn;

/// Why [`Cpu::run`] came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The cycle number asked for is reached.
    Budget,
    /// A bus access wants the machine to look before the next instruction.
    Resync,
    /// SIMCALL at the current PC, not yet executed: a call to the host.
    HostCall,
    /// An illegal instruction at the current PC, not yet taken as an exception; or BREAK or BREAK.N
    /// while the host's debugger has them.
    Illegal,
    /// A breakpoint of the host's debugger at the current PC.
    Breakpoint,
}

/// How a block was left.
pub(super) enum Leave {
    /// To another address, by a transfer of control.
    To(u32),
    /// Behind the last operation that ran.
    Sequential,
    /// As `Sequential`; interrupts or debug state may have changed.
    Look,
    /// As `Sequential`, and the machine must look.
    Resync,
    /// PC is already set: an exception or a return that sets more than PC.
    Redirected,
    /// The operation that was just fetched has not been executed.
    Refused(Stop),
    /// The same, and it shall be tried again.
    Again,
}

impl Cpu {
    /// Executes until cycle `end`, or until the machine around has to act.
    ///
    /// Never goes past `end`. While the core waits for an interrupt its cycles pass at once.
    pub fn run<B: Bus>(&mut self, bus: &mut B, code: &mut CodeCache, end: u64) -> Stop {
        loop {
            if self.owed > 0 && self.cycle < end {
                let owed = std::mem::take(&mut self.owed);
                self.charge(owed, end);
            }
            if self.cycle >= self.next_timer {
                self.poll_timers();
            }
            if self.cycle >= end {
                return Stop::Budget;
            }
            if self.attention {
                self.follow_debug_state(bus, code);
                if self.take_debug_interrupt() {
                    continue;
                }
                if let Some(level) = self.pending_level() {
                    self.take_interrupt(level);
                    continue;
                }
                self.attention = false;
            }
            let limit = end.min(self.next_timer);
            if self.waiting || self.ocd.stopped {
                self.idle_until(limit);
                continue;
            }
            if self.is_paused() {
                self.idle_until(limit.min(self.paused_until));
                continue;
            }
            // ICOUNT counts instructions one by one.
            let counted = self.icountlevel != 0;
            if counted {
                self.attention = true;
                if self.count_instruction() {
                    continue;
                }
            }
            let limit = if counted { self.cycle + 1 } else { limit };
            if let Some(stop) = self.run_blocks(bus, code, limit) {
                return stop;
            }
        }
    }

    /// Looks at what an instruction may have changed, as [`Cpu::run`] does before it executes blocks
    /// up to cycle `limit`: true if these go on as if it had not.
    pub(super) fn sees_nothing_new(&mut self, limit: u64) -> bool {
        let quiet = !self.debug_state_changed()
            && !self.debug_interrupt_is_due()
            && self.pending_level().is_none()
            && self.next_timer >= limit
            && !self.waiting
            && !self.ocd.stopped
            && self.icountlevel == 0;
        self.attention &= !quiet;
        quiet
    }

    /// Executes blocks until cycle `limit`, or until interrupts, exceptions or the machine need a
    /// look: nothing is pending when it is called, and nothing can become pending on the way
    /// unless an operation says so by the way it leaves its block.
    pub(super) fn run_blocks<B: Bus>(
        &mut self,
        bus: &mut B,
        code: &mut CodeCache,
        limit: u64,
    ) -> Option<Stop> {
        let mut spin = Spin::default();
        let mut declined = false;
        loop {
            let mut block = code.guess(self.index, self.pc);
            if block.pc != self.pc {
                block = match code.find(self.index, self.pc, bus) {
                    Ok(block) => block,
                    Err(fault) => {
                        self.cycle += 1;
                        self.raise_fault(fault, self.pc);
                        return None;
                    }
                };
            }
            let mut done = 0;
            let mut ran = None;
            if block.heat < HOT {
                code.warm(self.index, self.pc);
            } else if !std::mem::take(&mut declined)
                && let Some(address) = code.host_code(self.index, block, bus)
            {
                ran = self.run_compiled(bus, code, address, limit, spin.patience);
            }
            let leave = match ran {
                Some(Ran::Here { declined: it }) => {
                    if self.cycle >= limit {
                        return None;
                    }
                    declined = it;
                    continue;
                }
                Some(Ran::Left { block: left, done: n, leave }) => {
                    (block, done) = (left, n);
                    leave
                }
                None => {
                    let mut n = usize::from(block.len).min((limit - self.cycle) as usize);
                    if self.lcount != 0 {
                        let to_loop_end = self.lend.wrapping_sub(block.pc);
                        if to_loop_end < u32::from(block.bytes) && to_loop_end != 0 {
                            n = n.min(code.ops_before(block, to_loop_end).unwrap_or(n));
                        }
                    }
                    if block.quads > self.free_quads {
                        if block.quads & STOPS != 0
                            && let Some(stop) = self.stop_before(code, block, n)
                        {
                            return stop;
                        }
                        n = self.ops_without_overflow(code, block, n);
                        if n == 0 {
                            self.cycle += 1;
                            self.overflow(self.pc);
                            return None;
                        }
                    }
                    self.execute(code.ops(block, n), 0, block, code, bus, &mut done)
                }
            };
            self.cycle += done as u64;
            match leave {
                Leave::To(target) => {
                    self.pc = target;
                    if target == block.pc && block.may_spin && self.skip_polling_loops {
                        let skipped = spin.skip(self, bus, done as u64, limit);
                        self.idle_for(skipped);
                    }
                }
                Leave::Sequential => self.pc = self.next_in_sequence(code, block, done),
                Leave::Look => {
                    self.pc = self.next_in_sequence(code, block, done);
                    return None;
                }
                Leave::Resync => {
                    self.pc = self.next_in_sequence(code, block, done);
                    return Some(Stop::Resync);
                }
                Leave::Redirected => return None,
                Leave::Again => self.pc = block.pc.wrapping_add(code.offset(block, done)),
                Leave::Refused(stop) => {
                    self.pc = block.pc.wrapping_add(code.offset(block, done));
                    return Some(stop);
                }
            }
            if self.cycle >= limit {
                return None;
            }
        }
    }

    /// How blocks are left at the beginning of one that somebody wants to stop before, if they are.
    #[cold]
    #[inline(never)]
    fn stop_before(&mut self, code: &CodeCache, block: Block, n: usize) -> Option<Option<Stop>> {
        if self.take_ibreak() {
            return Some(None);
        }
        // Behind the overflow, or it would be met again after that.
        let overflows = self.ops_without_overflow(code, block, n) == 0;
        (!overflows && self.meets_breakpoint(code)).then_some(Some(Stop::Breakpoint))
    }

    /// The address behind operation `done - 1`, or LBEG where a loop body ends.
    fn next_in_sequence(&mut self, code: &CodeCache, block: Block, done: usize) -> u32 {
        let next = block.pc.wrapping_add(code.offset(block, done));
        if next == self.lend && self.lcount != 0 && self.ps & ps::EXCM == 0 {
            self.lcount -= 1;
            return self.lbeg;
        }
        next
    }

    /// How many of the first `n` operations can run before one needs registers of a live frame.
    pub(super) fn ops_without_overflow(&self, code: &CodeCache, block: Block, n: usize) -> usize {
        let ops = code.ops(block, n);
        ops.iter()
            .position(|op| {
                op.opcode != Opcode::Entry && super::code::op_quads(op) > self.free_quads
            })
            .unwrap_or(n)
    }

    /// Executes the last of `ops`, which are the first operations of `block`.
    #[inline(never)]
    pub(super) fn execute_one<B: Bus>(
        &mut self,
        ops: &[Op],
        block: Block,
        code: &CodeCache,
        bus: &mut B,
        done: &mut usize,
    ) -> Leave {
        self.execute(ops, ops.len() - 1, block, code, bus, done)
    }

    /// Executes the operations of `block` from number `first` on.
    #[inline(always)]
    fn execute<B: Bus>(
        &mut self,
        ops: &[Op],
        first: usize,
        block: Block,
        code: &CodeCache,
        bus: &mut B,
        done: &mut usize,
    ) -> Leave {
        let mut i = first;

        /// Leaves the block; the current operation counts as executed.
        macro_rules! leave {
            ($leave:expr) => {{
                *done = i;
                return $leave;
            }};
        }
        /// The address of the current operation.
        macro_rules! pc {
            () => {
                block.pc.wrapping_add(code.offset(block, i - 1))
            };
        }
        /// The address behind the current operation.
        macro_rules! next_pc {
            () => {
                block.pc.wrapping_add(code.offset(block, i))
            };
        }
        macro_rules! now {
            () => {
                self.cycle + (i - 1) as u64
            };
        }
        macro_rules! raise {
            ($cause:expr) => {{
                self.raise($cause, pc!());
                leave!(Leave::Redirected)
            }};
        }
        macro_rules! a {
            ($n:expr) => {
                self.a[$n as usize]
            };
        }
        macro_rules! f {
            ($n:expr) => {
                self.f[$n as usize]
            };
        }
        macro_rules! branch_if {
            ($condition:expr, $op:expr) => {
                if $condition {
                    leave!(Leave::To($op.imm))
                }
            };
        }
        macro_rules! watch {
            ($n:expr) => {{
                if self.watchpoint($n, pc!(), bus) {
                    leave!(Leave::Redirected)
                }
                *done = i - 1;
                return Leave::Again;
            }};
        }
        /// The address of an access that hardware does not split when it is unaligned.
        macro_rules! aligned {
            ($address:expr) => {{
                let address = $address;
                if address & 3 != 0 {
                    self.excvaddr = address;
                    raise!(Cause::Unaligned)
                }
                address
            }};
        }
        macro_rules! load {
            ($bytes:literal, $address:expr, |$value:ident| $then:expr) => {{
                let address = $address;
                let $value = match bus.load_near::<$bytes>(address) {
                    Some(value) => value,
                    None => match bus.load::<$bytes>(self.index, address, now!()) {
                        Loaded::Value(value) => value,
                        Loaded::Resync($value) => {
                            $then;
                            self.last_access = Some(pc!());
                            leave!(Leave::Resync)
                        }
                        Loaded::Fault(fault) => {
                            self.raise_fault(fault, pc!());
                            leave!(Leave::Redirected)
                        }
                        Loaded::Watch(n) => watch!(n),
                    },
                };
                $then
            }};
        }
        macro_rules! store {
            ($bytes:literal, $address:expr, $value:expr) => {
                store!($bytes, $address, $value, {})
            };
            ($bytes:literal, $address:expr, $value:expr, $then:expr) => {{
                let (address, value) = ($address, $value);
                if !bus.store_near::<$bytes>(address, value) {
                    match bus.store::<$bytes>(self.index, address, value, now!()) {
                        Stored::Done => {}
                        Stored::Resync => {
                            $then;
                            self.last_access = Some(pc!());
                            leave!(Leave::Resync)
                        }
                        Stored::Fault(fault) => {
                            self.raise_fault(fault, pc!());
                            leave!(Leave::Redirected)
                        }
                        Stored::Watch(n) => watch!(n),
                    }
                }
                $then
            }};
        }
        /// A call: the return address goes to the callee's a0 as this window names it.
        macro_rules! call {
            ($increment:expr, $target:expr) => {{
                let target = $target;
                let next = next_pc!();
                self.a[$increment * 4] = ($increment as u32) << 30 | next & 0x3fff_ffff;
                self.ps = self.ps & !ps::CALLINC | ($increment as u32) << ps::CALLINC_SHIFT;
                leave!(Leave::To(target))
            }};
        }
        macro_rules! fpu {
            ($then:expr) => {{
                if self.cpenable & 1 == 0 {
                    raise!(Cause::Coprocessor0Disabled)
                }
                $then
            }};
        }
        macro_rules! divide {
            ($op:ident, |$s:ident, $t:ident| $result:expr) => {{
                let ($s, $t) = (a!($op.s), a!($op.t));
                if $t == 0 {
                    raise!(Cause::DivideByZero)
                }
                a!($op.r) = $result;
            }};
        }
        macro_rules! move_if {
            ($op:ident, $condition:expr) => {
                if $condition {
                    a!($op.r) = a!($op.s)
                }
            };
        }
        macro_rules! br {
            ($n:expr) => {
                self.br >> $n as u32 & 1
            };
        }
        macro_rules! set_br {
            ($n:expr, $value:expr) => {{
                let bit = 1 << $n as u32;
                self.br = if $value { self.br | bit } else { self.br & !bit };
            }};
        }

        while let Some(op) = ops.get(i) {
            i += 1;
            match op.opcode {
                // Core: arithmetic and logic.
                Opcode::Add => a!(op.r) = a!(op.s).wrapping_add(a!(op.t)),
                Opcode::Addx2 => a!(op.r) = (a!(op.s) << 1).wrapping_add(a!(op.t)),
                Opcode::Addx4 => a!(op.r) = (a!(op.s) << 2).wrapping_add(a!(op.t)),
                Opcode::Addx8 => a!(op.r) = (a!(op.s) << 3).wrapping_add(a!(op.t)),
                Opcode::Sub => a!(op.r) = a!(op.s).wrapping_sub(a!(op.t)),
                Opcode::Subx2 => a!(op.r) = (a!(op.s) << 1).wrapping_sub(a!(op.t)),
                Opcode::Subx4 => a!(op.r) = (a!(op.s) << 2).wrapping_sub(a!(op.t)),
                Opcode::Subx8 => a!(op.r) = (a!(op.s) << 3).wrapping_sub(a!(op.t)),
                Opcode::And => a!(op.r) = a!(op.s) & a!(op.t),
                Opcode::Or => a!(op.r) = a!(op.s) | a!(op.t),
                Opcode::Xor => a!(op.r) = a!(op.s) ^ a!(op.t),
                Opcode::Neg => a!(op.r) = a!(op.t).wrapping_neg(),
                Opcode::Abs => a!(op.r) = (a!(op.t) as i32).wrapping_abs() as u32,
                Opcode::Addi | Opcode::Addmi => a!(op.t) = a!(op.s).wrapping_add(op.imm),
                Opcode::Movi => a!(op.t) = op.imm,
                Opcode::Mov => a!(op.t) = a!(op.s),
                Opcode::Moveqz => move_if!(op, a!(op.t) == 0),
                Opcode::Movnez => move_if!(op, a!(op.t) != 0),
                Opcode::Movltz => move_if!(op, (a!(op.t) as i32) < 0),
                Opcode::Movgez => move_if!(op, a!(op.t) as i32 >= 0),
                Opcode::Extui => {
                    a!(op.r) = a!(op.t) >> (op.imm & 31) & (u32::MAX >> (31 - op.s as u32))
                }

                // Core: shifts.
                Opcode::Slli => a!(op.r) = a!(op.s) << (op.imm & 31),
                Opcode::Srli => a!(op.r) = a!(op.t) >> (op.imm & 31),
                Opcode::Srai => a!(op.r) = (a!(op.t) as i32 >> (op.imm & 31)) as u32,
                Opcode::Sll => a!(op.r) = (u64::from(a!(op.s)) << 32 >> self.sar) as u32,
                Opcode::Srl => a!(op.r) = (u64::from(a!(op.t)) >> self.sar) as u32,
                Opcode::Sra => a!(op.r) = (i64::from(a!(op.t) as i32) >> self.sar) as u32,
                Opcode::Src => {
                    let pair = u64::from(a!(op.s)) << 32 | u64::from(a!(op.t));
                    a!(op.r) = (pair >> self.sar) as u32;
                }
                Opcode::Ssl => self.sar = 32 - (a!(op.s) & 31),
                Opcode::Ssr => self.sar = a!(op.s) & 31,
                Opcode::Ssa8l => self.sar = (a!(op.s) & 3) * 8,
                Opcode::Ssa8b => self.sar = 32 - (a!(op.s) & 3) * 8,
                Opcode::Ssai => self.sar = op.imm & 31,

                // Core: branches and jumps.
                Opcode::Beqz => branch_if!(a!(op.s) == 0, op),
                Opcode::Bnez => branch_if!(a!(op.s) != 0, op),
                Opcode::Bgez => branch_if!(a!(op.s) as i32 >= 0, op),
                Opcode::Bltz => branch_if!((a!(op.s) as i32) < 0, op),
                Opcode::Beq => branch_if!(a!(op.s) == a!(op.t), op),
                Opcode::Bne => branch_if!(a!(op.s) != a!(op.t), op),
                Opcode::Bge => branch_if!(a!(op.s) as i32 >= a!(op.t) as i32, op),
                Opcode::Blt => branch_if!((a!(op.s) as i32) < a!(op.t) as i32, op),
                Opcode::Bgeu => branch_if!(a!(op.s) >= a!(op.t), op),
                Opcode::Bltu => branch_if!(a!(op.s) < a!(op.t), op),
                Opcode::Beqi => branch_if!(a!(op.s) == B4CONST[op.r as usize] as u32, op),
                Opcode::Bnei => branch_if!(a!(op.s) != B4CONST[op.r as usize] as u32, op),
                Opcode::Bgei => branch_if!(a!(op.s) as i32 >= B4CONST[op.r as usize], op),
                Opcode::Blti => branch_if!((a!(op.s) as i32) < B4CONST[op.r as usize], op),
                Opcode::Bgeui => branch_if!(a!(op.s) >= B4CONSTU[op.r as usize], op),
                Opcode::Bltui => branch_if!(a!(op.s) < B4CONSTU[op.r as usize], op),
                Opcode::Bany => branch_if!(a!(op.s) & a!(op.t) != 0, op),
                Opcode::Bnone => branch_if!(a!(op.s) & a!(op.t) == 0, op),
                Opcode::Ball => branch_if!(!a!(op.s) & a!(op.t) == 0, op),
                Opcode::Bnall => branch_if!(!a!(op.s) & a!(op.t) != 0, op),
                Opcode::Bbc => branch_if!(a!(op.s) >> (a!(op.t) & 31) & 1 == 0, op),
                Opcode::Bbs => branch_if!(a!(op.s) >> (a!(op.t) & 31) & 1 != 0, op),
                Opcode::Bbci => branch_if!(a!(op.s) >> bit_number(op) & 1 == 0, op),
                Opcode::Bbsi => branch_if!(a!(op.s) >> bit_number(op) & 1 != 0, op),
                Opcode::J => leave!(Leave::To(op.imm)),
                Opcode::Jx => leave!(Leave::To(a!(op.s))),
                Opcode::Call0 => {
                    self.a[0] = next_pc!();
                    leave!(Leave::To(op.imm))
                }
                Opcode::Callx0 => {
                    let target = a!(op.s);
                    self.a[0] = next_pc!();
                    leave!(Leave::To(target))
                }
                Opcode::Ret => leave!(Leave::To(self.a[0])),

                // Windowed registers.
                Opcode::Call4 => call!(1usize, op.imm),
                Opcode::Call8 => call!(2usize, op.imm),
                Opcode::Call12 => call!(3usize, op.imm),
                Opcode::Callx4 => call!(1usize, a!(op.s)),
                Opcode::Callx8 => call!(2usize, a!(op.s)),
                Opcode::Callx12 => call!(3usize, a!(op.s)),
                Opcode::Entry => {
                    if self.callinc() >= u32::from(self.free_quads) {
                        self.overflow(pc!());
                        leave!(Leave::Redirected)
                    }
                    if !self.entry(op.s as u8, op.imm) {
                        raise!(Cause::IllegalInstruction)
                    }
                    if op.t as u8 > self.free_quads {
                        leave!(Leave::Sequential)
                    }
                }
                Opcode::Retw => match self.windowed_return(pc!()) {
                    WindowedReturn::To(target) => leave!(Leave::To(target)),
                    WindowedReturn::Underflow => leave!(Leave::Redirected),
                    WindowedReturn::Illegal => raise!(Cause::IllegalInstruction),
                },
                Opcode::Movsp => {
                    if !self.caller_frame_is_live() {
                        raise!(Cause::Alloca)
                    }
                    a!(op.t) = a!(op.s);
                }
                Opcode::Rotw => {
                    self.set_windowbase(self.windowbase.wrapping_add(op.imm));
                    leave!(Leave::Sequential)
                }
                Opcode::Rfwo | Opcode::Rfwu => {
                    self.return_from_window_handler(op.opcode == Opcode::Rfwu);
                    self.attention = true;
                    leave!(Leave::Redirected)
                }

                // Loads and stores.
                Opcode::L32i | Opcode::L32e => {
                    load!(4, a!(op.s).wrapping_add(op.imm), |v| a!(op.t) = v)
                }
                Opcode::L8ui => load!(1, a!(op.s).wrapping_add(op.imm), |v| a!(op.t) = v),
                Opcode::L16ui => load!(2, a!(op.s).wrapping_add(op.imm), |v| a!(op.t) = v),
                Opcode::L16si => {
                    load!(2, a!(op.s).wrapping_add(op.imm), |v| a!(op.t) = v as u16 as i16 as u32)
                }
                Opcode::L32r => {
                    if op.r != Field::N0 {
                        a!(op.t) = op.imm
                    } else {
                        load!(4, op.imm, |v| a!(op.t) = v)
                    }
                }
                Opcode::S32i | Opcode::S32e | Opcode::S32nb => {
                    store!(4, a!(op.s).wrapping_add(op.imm), a!(op.t))
                }
                Opcode::S16i => store!(2, a!(op.s).wrapping_add(op.imm), a!(op.t)),
                Opcode::S8i => store!(1, a!(op.s).wrapping_add(op.imm), a!(op.t)),
                Opcode::L32ai => {
                    let address = aligned!(a!(op.s).wrapping_add(op.imm));
                    load!(4, address, |v| a!(op.t) = v)
                }
                Opcode::S32ri => {
                    let address = aligned!(a!(op.s).wrapping_add(op.imm));
                    store!(4, address, a!(op.t))
                }
                Opcode::S32c1i => {
                    let address = aligned!(a!(op.s).wrapping_add(op.imm));
                    load!(4, address, |old| if old == self.scompare1 {
                        store!(4, address, a!(op.t), a!(op.t) = old)
                    } else {
                        a!(op.t) = old
                    })
                }

                // Zero-overhead loops.
                Opcode::Loop | Opcode::Loopnez | Opcode::Loopgtz => {
                    let count = a!(op.s);
                    self.lcount = count.wrapping_sub(1);
                    self.lbeg = next_pc!();
                    self.lend = op.imm;
                    let skip = match op.opcode {
                        Opcode::Loopnez => count == 0,
                        Opcode::Loopgtz => count as i32 <= 0,
                        _ => false,
                    };
                    leave!(Leave::To(if skip { self.lend } else { self.lbeg }))
                }

                // Multiply, divide, miscellaneous operations.
                Opcode::Mull => a!(op.r) = a!(op.s).wrapping_mul(a!(op.t)),
                Opcode::Muluh => {
                    a!(op.r) = ((u64::from(a!(op.s)) * u64::from(a!(op.t))) >> 32) as u32
                }
                Opcode::Mulsh => {
                    let product = i64::from(a!(op.s) as i32) * i64::from(a!(op.t) as i32);
                    a!(op.r) = (product >> 32) as u32;
                }
                Opcode::Mul16u => a!(op.r) = (a!(op.s) & 0xffff) * (a!(op.t) & 0xffff),
                Opcode::Mul16s => {
                    a!(op.r) = (i32::from(a!(op.s) as i16) * i32::from(a!(op.t) as i16)) as u32
                }
                Opcode::Quou => divide!(op, |s, t| s / t),
                Opcode::Remu => divide!(op, |s, t| s % t),
                Opcode::Quos => divide!(op, |s, t| (s as i32).wrapping_div(t as i32) as u32),
                Opcode::Rems => divide!(op, |s, t| (s as i32).wrapping_rem(t as i32) as u32),
                Opcode::Min => a!(op.r) = (a!(op.s) as i32).min(a!(op.t) as i32) as u32,
                Opcode::Max => a!(op.r) = (a!(op.s) as i32).max(a!(op.t) as i32) as u32,
                Opcode::Minu => a!(op.r) = a!(op.s).min(a!(op.t)),
                Opcode::Maxu => a!(op.r) = a!(op.s).max(a!(op.t)),
                Opcode::Nsa => a!(op.t) = arithmetic::nsa(a!(op.s)),
                Opcode::Nsau => a!(op.t) = a!(op.s).leading_zeros(),
                Opcode::Sext => a!(op.r) = arithmetic::sign_extend(a!(op.s), op.imm),
                Opcode::Clamps => a!(op.r) = arithmetic::clamp_signed(a!(op.s), op.imm),

                // Booleans.
                Opcode::Bf => branch_if!(br!(op.s) == 0, op),
                Opcode::Bt => branch_if!(br!(op.s) != 0, op),
                Opcode::Movf => move_if!(op, br!(op.t) == 0),
                Opcode::Movt => move_if!(op, br!(op.t) != 0),
                Opcode::Andb => set_br!(op.r, br!(op.s) & br!(op.t) != 0),
                Opcode::Andbc => set_br!(op.r, br!(op.s) & !br!(op.t) & 1 != 0),
                Opcode::Orb => set_br!(op.r, br!(op.s) | br!(op.t) != 0),
                Opcode::Orbc => set_br!(op.r, (br!(op.s) | !br!(op.t) & 1) != 0),
                Opcode::Xorb => set_br!(op.r, br!(op.s) ^ br!(op.t) != 0),
                Opcode::Any4 => set_br!(op.t, self.br >> (op.s as u32 & 12) & 0xf != 0),
                Opcode::All4 => set_br!(op.t, self.br >> (op.s as u32 & 12) & 0xf == 0xf),
                Opcode::Any8 => set_br!(op.t, self.br >> (op.s as u32 & 8) & 0xff != 0),
                Opcode::All8 => set_br!(op.t, self.br >> (op.s as u32 & 8) & 0xff == 0xff),

                // MAC16.
                Opcode::Umul | Opcode::Mul | Opcode::Mula | Opcode::Muls => self.mac16(op),
                Opcode::MulaLd | Opcode::Ldinc | Opcode::Lddec => {
                    let address = self.mac16_address(op);
                    load!(4, address, |v| self.mac16_load(op, address, v))
                }

                // Single-precision floating point.
                Opcode::Lsi => {
                    fpu!(load!(4, a!(op.s).wrapping_add(op.imm), |v| f!(op.t) = v))
                }
                Opcode::Lsip => fpu!({
                    let address = a!(op.s);
                    load!(4, address, |v| {
                        f!(op.t) = v;
                        a!(op.s) = address.wrapping_add(op.imm);
                    })
                }),
                Opcode::Lsx => {
                    fpu!(load!(4, a!(op.s).wrapping_add(a!(op.t)), |v| f!(op.r) = v))
                }
                Opcode::Lsxp => fpu!({
                    let address = a!(op.s);
                    load!(4, address, |v| {
                        f!(op.r) = v;
                        a!(op.s) = address.wrapping_add(a!(op.t));
                    })
                }),
                Opcode::Ssi => fpu!(store!(4, a!(op.s).wrapping_add(op.imm), f!(op.t))),
                Opcode::Ssip => fpu!({
                    let address = a!(op.s);
                    store!(4, address, f!(op.t), a!(op.s) = address.wrapping_add(op.imm))
                }),
                Opcode::Ssx => fpu!(store!(4, a!(op.s).wrapping_add(a!(op.t)), f!(op.r))),
                Opcode::Ssxp => fpu!({
                    let address = a!(op.s);
                    store!(4, address, f!(op.r), a!(op.s) = address.wrapping_add(a!(op.t)))
                }),
                Opcode::Rfr => fpu!(a!(op.r) = f!(op.s)),
                Opcode::Wfr => fpu!(f!(op.r) = a!(op.s)),
                Opcode::MovS => fpu!(f!(op.r) = f!(op.s)),
                Opcode::AbsS => fpu!(f!(op.r) = f!(op.s) & 0x7fff_ffff),
                Opcode::NegS => fpu!(f!(op.r) = f!(op.s) ^ 0x8000_0000),
                Opcode::MoveqzS => fpu!(if a!(op.t) == 0 {
                    f!(op.r) = f!(op.s)
                }),
                Opcode::MovnezS => fpu!(if a!(op.t) != 0 {
                    f!(op.r) = f!(op.s)
                }),
                Opcode::MovltzS => fpu!(if (a!(op.t) as i32) < 0 {
                    f!(op.r) = f!(op.s)
                }),
                Opcode::MovgezS => fpu!(if a!(op.t) as i32 >= 0 {
                    f!(op.r) = f!(op.s)
                }),
                Opcode::MovfS => fpu!(if br!(op.t) == 0 {
                    f!(op.r) = f!(op.s)
                }),
                Opcode::MovtS => fpu!(if br!(op.t) != 0 {
                    f!(op.r) = f!(op.s)
                }),
                Opcode::AddS => fpu!(f!(op.r) = self.float_add(f!(op.s), f!(op.t))),
                Opcode::SubS => fpu!(f!(op.r) = self.float_add(f!(op.s), float::negate(f!(op.t)))),
                Opcode::MulS => fpu!(f!(op.r) = self.float_mul(f!(op.s), f!(op.t))),
                Opcode::MaddS => {
                    fpu!(f!(op.r) = self.float_madd(f!(op.r), f!(op.s), f!(op.t)))
                }
                Opcode::MsubS => {
                    fpu!(f!(op.r) = self.float_madd(f!(op.r), float::negate(f!(op.s)), f!(op.t)))
                }
                Opcode::OeqS => fpu!(set_br!(op.r, float::equal(f!(op.s), f!(op.t)))),
                Opcode::OltS => fpu!(set_br!(op.r, float::less(f!(op.s), f!(op.t)))),
                Opcode::OleS => fpu!(set_br!(op.r, float::less_or_equal(f!(op.s), f!(op.t)))),
                Opcode::UnS => fpu!(set_br!(op.r, float::unordered(f!(op.s), f!(op.t)))),
                Opcode::UeqS => {
                    fpu!(set_br!(
                        op.r,
                        float::unordered(f!(op.s), f!(op.t)) || float::equal(f!(op.s), f!(op.t))
                    ))
                }
                Opcode::UltS => {
                    fpu!(set_br!(op.r, !float::less_or_equal(f!(op.t), f!(op.s))))
                }
                Opcode::UleS => fpu!(set_br!(op.r, !float::less(f!(op.t), f!(op.s)))),
                Opcode::RoundS
                | Opcode::TruncS
                | Opcode::FloorS
                | Opcode::CeilS
                | Opcode::UtruncS => {
                    fpu!(a!(op.r) = float::to_integer(op.opcode, f!(op.s), op.imm))
                }
                Opcode::FloatS => {
                    fpu!(f!(op.r) = self.float_from(i64::from(a!(op.s) as i32), op.imm))
                }
                Opcode::UfloatS => {
                    fpu!(f!(op.r) = self.float_from(i64::from(a!(op.s)), op.imm))
                }
                Opcode::ConstS => fpu!(f!(op.r) = float_helpers::constant(op.imm)),
                Opcode::Div0S => fpu!(f!(op.r) = float_helpers::div0(f!(op.s))),
                Opcode::Recip0S => fpu!(f!(op.r) = float_helpers::recip0(f!(op.s))),
                Opcode::Sqrt0S => fpu!(f!(op.r) = float_helpers::sqrt0(f!(op.s))),
                Opcode::Rsqrt0S => fpu!(f!(op.r) = float_helpers::rsqrt0(f!(op.s))),
                Opcode::Nexp01S => fpu!(f!(op.r) = float_helpers::nexp01(f!(op.s))),
                Opcode::MksadjS => fpu!(f!(op.r) = float_helpers::mksadj(f!(op.s))),
                Opcode::MkdadjS => fpu!(f!(op.r) = float_helpers::mkdadj(f!(op.r), f!(op.s))),
                Opcode::AddexpS => fpu!(f!(op.r) = float_helpers::addexp(f!(op.r), f!(op.s))),
                Opcode::AddexpmS => fpu!(f!(op.r) = float_helpers::addexpm(f!(op.r), f!(op.s))),
                Opcode::MaddnS => {
                    fpu!(f!(op.r) = float_helpers::maddn(f!(op.r), f!(op.s), f!(op.t)))
                }
                Opcode::DivnS => {
                    fpu!(f!(op.r) = float_helpers::divn(f!(op.r), f!(op.s), f!(op.t)))
                }

                // Special, user and external registers.
                Opcode::Rsr => match self.read_special(op.imm, now!()) {
                    Some(value) => a!(op.t) = value,
                    None => raise!(Cause::IllegalInstruction),
                },
                Opcode::Wsr => {
                    if !self.write_special(op.imm, a!(op.t), now!(), bus) {
                        raise!(Cause::IllegalInstruction)
                    }
                    if writes_control(op.imm) {
                        leave!(Leave::Look)
                    }
                }
                Opcode::Xsr => {
                    let value = a!(op.t);
                    let Some(old) = self.read_special(op.imm, now!()) else {
                        raise!(Cause::IllegalInstruction)
                    };
                    // Before the write, which may move the window.
                    a!(op.t) = old;
                    if !self.write_special(op.imm, value, now!(), bus) {
                        a!(op.t) = value;
                        raise!(Cause::IllegalInstruction)
                    }
                    if writes_control(op.imm) {
                        leave!(Leave::Look)
                    }
                }
                Opcode::Rur | Opcode::Wur if self.user_register_is_off(op.imm) => {
                    raise!(Cause::Coprocessor0Disabled)
                }
                Opcode::Rur => match self.read_user(op.imm) {
                    Some(value) => a!(op.r) = value,
                    None => raise!(Cause::IllegalInstruction),
                },
                Opcode::Wur => {
                    if !self.write_user(op.imm, a!(op.t)) {
                        raise!(Cause::IllegalInstruction)
                    }
                }
                Opcode::Rer => a!(op.t) = bus.read_external(self.index, a!(op.s)),
                Opcode::Wer => bus.write_external(self.index, a!(op.s), a!(op.t)),

                // Exceptions, interrupts, synchronisation.
                Opcode::Rsil => {
                    a!(op.t) = self.ps;
                    self.set_ps(self.ps & !ps::INTLEVEL | op.imm & ps::INTLEVEL);
                    leave!(Leave::Look)
                }
                Opcode::Waiti => {
                    self.set_ps(self.ps & !ps::INTLEVEL | op.imm & ps::INTLEVEL);
                    self.waiting = true;
                    leave!(Leave::Look)
                }
                Opcode::Rfe => {
                    self.set_ps(self.ps & !ps::EXCM);
                    self.pc = self.epc[1];
                    leave!(Leave::Redirected)
                }
                Opcode::Rfde => leave!(Leave::To(self.depc)),
                Opcode::Rfi => {
                    self.return_from_interrupt(op.imm);
                    leave!(Leave::Redirected)
                }
                Opcode::Syscall => raise!(Cause::Syscall),
                Opcode::Break | Opcode::BreakN => {
                    if self.current_level() < DEBUG_LEVEL {
                        let narrow = op.opcode == Opcode::BreakN;
                        let cause = if narrow { debugcause::BREAKN } else { debugcause::BREAK };
                        self.raise_debug(cause, pc!());
                        leave!(Leave::Redirected)
                    }
                    leave!(Leave::Sequential)
                }
                Opcode::Simcall => {
                    *done = i - 1;
                    return Leave::Refused(Stop::HostCall);
                }
                // Region protection.
                Opcode::Witlb | Opcode::Wdtlb => {
                    bus.set_region(self.index, a!(op.s), side(op.opcode), a!(op.t));
                    leave!(Leave::Sequential)
                }
                Opcode::Ritlb1 | Opcode::Rdtlb1 => {
                    a!(op.t) = bus.region(self.index, a!(op.s), side(op.opcode))
                }
                Opcode::Ritlb0 | Opcode::Rdtlb0 => a!(op.t) = a!(op.s) & 0xe000_0000,
                // A probe finds the one entry of the region; bit 4 says that it hits.
                Opcode::Pitlb | Opcode::Pdtlb => a!(op.t) = a!(op.s) & 0xe000_0000 | 1 << 4,
                Opcode::Iitlb | Opcode::Idtlb => leave!(Leave::Sequential),

                Opcode::Ill
                | Opcode::Illegal
                | Opcode::Rfdo
                | Opcode::Rfdd
                | Opcode::Lddr32P
                | Opcode::Sddr32P
                | Opcode::F64iter
                | Opcode::F64rnd
                | Opcode::F64addc
                | Opcode::F64subc
                | Opcode::F64sig
                | Opcode::F64cmpl
                | Opcode::F64cmph
                | Opcode::F64norm
                | Opcode::F64sexp
                | Opcode::Rf64r
                | Opcode::Wf64r
                | Opcode::ReadImpwire
                | Opcode::SetbExpstate
                | Opcode::ClrbExpstate
                | Opcode::WrmskExpstate => {
                    *done = i - 1;
                    return Leave::Refused(Stop::Illegal);
                }
                Opcode::Memw
                | Opcode::Extw
                | Opcode::Isync
                | Opcode::Rsync
                | Opcode::Esync
                | Opcode::Dsync
                | Opcode::Excw
                | Opcode::Nop => {}
            }
        }
        *done = i;
        Leave::Sequential
    }
}

/// The bit that BBCI and BBSI look at.
pub(super) fn bit_number(op: &Op) -> u32 {
    op.r as u32 | (op.t as u32 & 1) << 4
}

/// Which half of the region protection unit an instruction speaks to.
fn side(opcode: Opcode) -> RegionSide {
    match opcode {
        Opcode::Witlb | Opcode::Ritlb1 => RegionSide::Instruction,
        _ => RegionSide::Data,
    }
}

/// See [`Spin::patience`].
const PATIENCE: i32 = 64;

/// Recognises polling loops: a block that branches to itself, without stores or device accesses,
/// with the same registers as one pass before, will do so until somebody else acts. Nobody does
/// before `limit`, so its passes up to there need not be executed.
#[derive(Default)]
struct Spin {
    /// End of the last pass: cycle, address, device accesses so far, registers.
    last: Option<(u64, u32, u64, [u32; 16])>,
    /// Passes that compiled code may make before it is looked at again: a loop whose registers
    /// change does something.
    patience: i32,
}

impl Spin {
    /// Cycles of whole passes that can be skipped, when a pass of `pass` cycles has just ended.
    fn skip<B: Bus>(&mut self, cpu: &Cpu, bus: &B, pass: u64, limit: u64) -> u64 {
        let accesses = bus.device_accesses();
        // Only the pass directly before counts: whatever ran in between may have stored.
        let before = cpu.cycle.wrapping_sub(pass);
        if self.last == Some((before, cpu.pc, accesses, cpu.a)) {
            let left = limit.saturating_sub(cpu.cycle);
            return left - left % pass;
        }
        let followed = self.last.is_some_and(|(cycle, pc, ..)| (cycle, pc) == (before, cpu.pc));
        self.patience = if followed { PATIENCE } else { 0 };
        self.last = Some((cpu.cycle, cpu.pc, accesses, cpu.a));
        0
    }
}
