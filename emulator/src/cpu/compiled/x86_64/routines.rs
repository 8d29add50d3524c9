//! What all blocks share: coming in and out, the way from one block to the next, the call of the
//! interpreter, pages of flash, the rotations of the window.
//!
//! Blocks jump to these through the frame, or call those that come back. That is a little more to do for the
//! host than the same code within the block, and much less to fetch: blocks are a third shorter.

#![allow(clippy::useless_conversion, reason = "dynasm! converts the numbers of registers")]

use std::mem::offset_of;

use dynasmrt::x64::X64Relocation;
use dynasmrt::{AssemblyOffset, DynamicLabel, DynasmApi, DynasmLabelApi, VecAssembler, dynasm};

use super::{FILE, FRAME, FRAMES, FREE_QUADS, PS, REQUESTS, WINDOWBASE};
use crate::cpu::bus::NearMap;
use crate::cpu::code::JUMP_ENTRIES;
use crate::cpu::compiled::NativeJump;
use crate::cpu::compiled::frame::{Exit, Frame, Next};
use crate::cpu::exceptions::{DEBUG_LEVEL, EXCM_LEVEL};
use crate::cpu::registers::ps;
use crate::cpu::{Cpu, NOTE_FACTOR, NOTE_TURN};

/// Where each routine begins, as a number of bytes or, in a [`Frame`], as an address.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub(in crate::cpu::compiled) struct Routines {
    /// Goes on at the address in eax: to its block, or back to the caller of the entrance.
    pub go: usize,
    /// Back: the block at eax is for the interpreter.
    pub declined: usize,
    /// Back: block esi has gone to its start at eax behind edx operations.
    pub spins: usize,
    /// Goes on as [`Frame::step`] has said in eax, which is not [`Next::On`].
    pub stepped: usize,
    /// Called: the interpreter executes operation edx of block esi. Then eax is what it says, and the
    /// zero flag tells [`Next::On`].
    pub step: usize,
    /// Called: the word at esi of a device's register goes to eax, edx cycles before the block's end. With
    /// the carry flag clear nothing has been done.
    pub load: usize,
    /// Called: edx becomes the word at esi likewise, ecx cycles before the end. With the zero flag set
    /// nothing has been done.
    pub store: usize,
    /// Called: eax is an offset from the memory near by. Then rdx is where the four bytes are that
    /// flash shows there, with the zero flag set if it shows none.
    pub page: usize,
    /// Called: ENTRY's rotation by PS.CALLINC, and al the quads that are free then. With the zero flag set
    /// nothing has been done.
    pub entry: usize,
    /// Called: the rotation of an ENTRY for which a frame is free, by 1 to 3 quads; al as above. Keeps what is
    /// held of registers.
    pub up: [usize; 3],
    /// Called: RETW's rotation for a return address in eax, which stays. With the zero flag set nothing has
    /// been done.
    pub retw: usize,
    /// Called: the same by 1 to 3 quads, to a caller that called by so many. Keeps eax and what is held.
    pub down: [usize; 3],
    /// On at the handler of the window overflow that the first operation of the block at eax takes, which
    /// needs edi quads to be free; or back, if it takes none. The block's cycles, esi, have been taken.
    pub overflow: usize,
    /// Called: the window underflow of the RETW at esi, edi being its a0; then eax is where the handler is.
    /// With the carry flag set nothing has been done, since it is none.
    pub underflow: usize,
    /// Called: PS becomes edx, whose other bits are clear. With the carry flag set nothing has been done,
    /// since an interrupt or a debug event may follow.
    pub set_ps: usize,
    /// Called: RFWO, up to PC. With the carry flag set nothing has been done.
    pub rfwo: usize,
    /// Called: RFWU, likewise.
    pub rfwu: usize,
    /// Called: WINDOWBASE becomes edi, 0 to 15.
    pub rotate: usize,
    /// Called by the host: takes the registers from the frame (rdi) and goes to a block (rsi).
    pub entrance: usize,
}

impl Routines {
    /// The same, from where the code has been put.
    pub(in crate::cpu::compiled) fn at(self, address: usize) -> Self {
        Self {
            go: self.go + address,
            declined: self.declined + address,
            spins: self.spins + address,
            stepped: self.stepped + address,
            step: self.step + address,
            load: self.load + address,
            store: self.store + address,
            page: self.page + address,
            entry: self.entry + address,
            up: self.up.map(|it| it + address),
            retw: self.retw + address,
            down: self.down.map(|it| it + address),
            overflow: self.overflow + address,
            underflow: self.underflow + address,
            set_ps: self.set_ps + address,
            rfwo: self.rfwo + address,
            rfwu: self.rfwu + address,
            rotate: self.rotate + address,
            entrance: self.entrance + address,
        }
    }
}

/// From here on a window reaches around the end of the file.
const AROUND: i32 = 13;
/// Of `Cpu::frames`, those in the three quads below the window.
const BELOW: i16 = 0b111 << 13;

struct Writer {
    ops: VecAssembler<X64Relocation>,
    go: DynamicLabel,
    leave: DynamicLabel,
}

/// The code of all of them.
pub(in crate::cpu::compiled) fn routines(near: NearMap) -> Option<(Vec<u8>, Routines)> {
    let mut ops = VecAssembler::new(0);
    let (go, leave) = (ops.new_dynamic_label(), ops.new_dynamic_label());
    let mut writer = Writer { ops, go, leave };
    let up = [1, 2, 3].map(|quads| writer.rotate_up(quads));
    let down = [1, 2, 3].map(|quads| writer.rotate_down(quads));
    let routines = Routines {
        go: writer.go(),
        declined: writer.declined(),
        spins: writer.spins(),
        stepped: writer.stepped(),
        step: writer.step(),
        load: writer.load(),
        store: writer.store(),
        page: writer.page(near),
        entry: writer.entry(up.map(|(_, label)| label)),
        up: up.map(|(at, _)| at),
        retw: writer.retw(down.map(|(_, label)| label)),
        down: down.map(|(at, _)| at),
        overflow: writer.overflow(),
        underflow: writer.underflow(),
        set_ps: writer.set_ps(),
        rfwo: writer.return_from_window_handler(false),
        rfwu: writer.return_from_window_handler(true),
        rotate: writer.rotate(),
        entrance: writer.entrance(),
    };
    Some((writer.ops.finalize().ok()?, routines))
}

impl Writer {
    fn begin(&mut self) -> usize {
        dynasm!(self.ops ; .arch x64 ; .align 16);
        let AssemblyOffset(offset) = self.ops.offset();
        offset
    }

    fn label(&mut self) -> DynamicLabel {
        self.ops.new_dynamic_label()
    }

    fn go(&mut self) -> usize {
        let at = self.begin();
        let second = self.label();
        let nowhere = self.label();
        let pc = offset_of!(NativeJump, pc) as i32;
        let address = offset_of!(NativeJump, address) as i32;
        let behind = (JUMP_ENTRIES * size_of::<NativeJump>()) as i32;
        dynasm!(self.ops
            ; .arch x64
            ; =>self.go
            ; mov ecx, eax
            ; and ecx, (JUMP_ENTRIES - 1) as i32
            ; shl ecx, 4
            ; add rcx, [BYTE rbp + frame!(jumps)]
            ; cmp [rcx + pc], eax
            ; jne =>second
            ; jmp QWORD [rcx + address]
            ; =>second
            ; cmp [rcx + behind + pc], eax
            ; jne =>nowhere
            ; jmp QWORD [rcx + behind + address]
            ; =>nowhere
            ; mov [BYTE rbp + frame!(pc)], eax
            ; mov eax, Exit::To as i32
            ; =>self.leave
            ; mov [BYTE rbp + frame!(left)], r14
        );
        self.show_window();
        dynasm!(self.ops
            ; .arch x64
            ; add rsp, 8
            ; pop r15
            ; pop r14
            ; pop r13
            ; pop r12
            ; pop rbp
            ; pop rbx
            ; ret
        );
        at
    }

    fn declined(&mut self) -> usize {
        let at = self.begin();
        dynasm!(self.ops
            ; .arch x64
            ; mov [BYTE rbp + frame!(pc)], eax
            ; mov eax, Exit::Declined as i32
            ; jmp =>self.leave
        );
        at
    }

    fn spins(&mut self) -> usize {
        let at = self.begin();
        dynasm!(self.ops
            ; .arch x64
            ; mov [BYTE rbp + frame!(pc)], eax
            ; mov [BYTE rbp + frame!(block)], esi
            ; mov [BYTE rbp + frame!(done)], edx
            ; mov eax, Exit::Spins as i32
            ; jmp =>self.leave
        );
        at
    }

    fn stepped(&mut self) -> usize {
        let at = self.begin();
        let out = self.label();
        dynasm!(self.ops
            ; .arch x64
            ; cmp eax, Next::Out as i32
            ; je =>out
            ; mov r14, [BYTE rbp + frame!(left)]
            ; mov eax, [BYTE rbp + frame!(pc)]
            ; jmp =>self.go
            ; =>out
            ; mov eax, Exit::Stepped as i32
            ; jmp =>self.leave
        );
        at
    }

    fn step(&mut self) -> usize {
        let at = self.begin();
        dynasm!(self.ops ; .arch x64 ; mov [BYTE rbp + frame!(left)], r14);
        self.show_window();
        dynasm!(self.ops
            ; .arch x64
            ; lea rdi, [rbp - (FRAME as i32)]
            ; sub rsp, 8
            ; call QWORD [BYTE rbp + frame!(step)]
            ; add rsp, 8
        );
        self.take_window();
        dynasm!(self.ops ; .arch x64 ; test eax, eax ; ret);
        at
    }

    fn load(&mut self) -> usize {
        let at = self.begin();
        dynasm!(self.ops
            ; .arch x64
            ; mov [BYTE rbp + frame!(left)], r14
            ; lea rdi, [rbp - (FRAME as i32)]
            ; sub rsp, 8
            ; call QWORD [BYTE rbp + frame!(load)]
            ; add rsp, 8
            ; bt rax, 32
            ; ret
        );
        at
    }

    fn store(&mut self) -> usize {
        let at = self.begin();
        dynasm!(self.ops
            ; .arch x64
            ; mov [BYTE rbp + frame!(left)], r14
            ; lea rdi, [rbp - (FRAME as i32)]
            ; sub rsp, 8
            ; call QWORD [BYTE rbp + frame!(store)]
            ; add rsp, 8
            ; test eax, eax
            ; ret
        );
        at
    }

    fn page(&mut self, near: NearMap) -> usize {
        let at = self.begin();
        let none = self.label();
        dynasm!(self.ops
            ; .arch x64
            ; lea eax, [rax + near.base.wrapping_sub(near.pages_base) as i32]
            ; cmp eax, (near.pages * 0x1_0000) as i32
            ; jae =>none
            ; mov ecx, eax
            ; shr ecx, 16
            ; mov rdx, [BYTE rbp + frame!(pages)]
            ; mov rdx, [rdx + rcx * 8]
            ; movzx ecx, ax
            ; cmp ecx, 0x1_0000 - 4
            ; ja =>none
            ; test rdx, rdx
            ; lea rdx, [rdx + rcx]
            ; ret
            ; =>none
            ; xor edx, edx
            ; ret
        );
        at
    }

    /// What the guest sees goes to `Cpu::a`, for others to look at.
    fn show_window(&mut self) {
        for n in 0..4_u8 {
            dynasm!(self.ops ; .arch x64 ; movups Rx(n), [BYTE rbx + n as i8 * 16]);
        }
        for n in 0..4_u8 {
            dynasm!(self.ops ; .arch x64 ; movups [BYTE r15 + n as i8 * 16], Rx(n));
        }
    }

    /// And back to the file, after others have had it. Keeps eax.
    fn take_window(&mut self) {
        for n in 0..4_u8 {
            dynasm!(self.ops ; .arch x64 ; movups Rx(n), [BYTE r15 + n as i8 * 16]);
        }
        dynasm!(self.ops ; .arch x64 ; mov edx, [BYTE r15 + WINDOWBASE]);
        self.place_window();
        for n in 0..4_u8 {
            dynasm!(self.ops ; .arch x64 ; movups [BYTE rbx + n as i8 * 16], Rx(n));
        }
    }

    /// rbx, for WINDOWBASE in edx, which is that in bytes then.
    fn place_window(&mut self) {
        dynasm!(self.ops ; .arch x64 ; shl edx, 4 ; lea rbx, [r15 + rdx + FILE]);
    }

    /// The window goes from WINDOWBASE in edx to that in ecx, around the end of the file or not; ecx becomes
    /// WINDOWBASE.
    fn move_window(&mut self) {
        let quad = |n: i32| FILE + n * 16;
        let (left, there) = (self.label(), self.label());
        for n in 0..3 {
            dynasm!(self.ops
                ; .arch x64
                ; cmp edx, 13 + n
                ; jb =>left
                ; movups xmm4, [r15 + quad(16 + n)]
                ; movups [r15 + quad(n)], xmm4
            );
        }
        dynasm!(self.ops ; .arch x64 ; =>left);
        for n in 0..3 {
            dynasm!(self.ops
                ; .arch x64
                ; cmp ecx, 13 + n
                ; jb =>there
                ; movups xmm4, [r15 + quad(n)]
                ; movups [r15 + quad(16 + n)], xmm4
            );
        }
        dynasm!(self.ops ; .arch x64 ; =>there ; mov [BYTE r15 + WINDOWBASE], ecx ; mov edx, ecx);
        self.place_window();
    }

    /// A host register is `Cpu::frames`; it and the core get to know how many quads are free.
    fn count_free_quads(&mut self, register: u8) {
        dynasm!(self.ops
            ; .arch x64
            // Frames that begin 1 to 3 quads above, and one behind the visible registers.
            ; and Rd(register), BYTE 0b1110
            ; or Rd(register), BYTE 0b1_0000
            ; bsf Rd(register), Rd(register)
            ; mov [BYTE r15 + FREE_QUADS], Rb(register)
        );
    }

    /// Back to the caller of a rotation, which has not been done.
    fn refuse(&mut self) {
        dynasm!(self.ops ; .arch x64 ; xor ecx, ecx ; ret);
    }

    /// Moves the window around the end of the file, and back with the zero flag clear.
    fn around(&mut self) {
        dynasm!(self.ops ; .arch x64 ; and ecx, BYTE 15);
        self.move_window();
        dynasm!(self.ops ; .arch x64 ; test r15, r15 ; ret);
    }

    /// `up` are the rotations by 1, 2 and 3 quads.
    fn entry(&mut self, up: [DynamicLabel; 3]) -> usize {
        let at = self.begin();
        dynasm!(self.ops
            ; .arch x64
            ; mov ecx, [BYTE r15 + PS]
            ; and ecx, (ps::WOE | ps::EXCM | ps::CALLINC) as i32
        );
        // CALL8 is nearly all that compilers use.
        for quads in [2, 1, 3] {
            let next = self.label();
            dynasm!(self.ops
                ; .arch x64
                ; cmp ecx, (ps::WOE | (quads as u32) << ps::CALLINC_SHIFT) as i32
                ; jne =>next
                ; cmp BYTE [BYTE r15 + FREE_QUADS], BYTE quads as i8
                ; ja =>up[quads - 1]
                ; =>next
            );
        }
        self.refuse();
        at
    }

    fn rotate_up(&mut self, quads: usize) -> (usize, DynamicLabel) {
        let (at, label, around) = (self.begin(), self.label(), self.label());
        let eax = 0;
        dynasm!(self.ops
            ; .arch x64
            ; =>label
            ; movzx eax, WORD [BYTE r15 + FRAMES]
            ; ror ax, BYTE quads as i8
            ; or eax, BYTE 1
            ; mov [BYTE r15 + FRAMES], ax
        );
        self.count_free_quads(eax);
        dynasm!(self.ops
            ; .arch x64
            ; mov edx, [BYTE r15 + WINDOWBASE]
            ; lea ecx, [rdx + quads as i32]
            ; cmp ecx, AROUND
            ; jae =>around
            ; mov [BYTE r15 + WINDOWBASE], ecx
            ; add rbx, BYTE quads as i8 * 16
            ; ret
            ; =>around
        );
        self.around();
        (at, label)
    }

    /// `down` are the rotations by 1, 2 and 3 quads.
    fn retw(&mut self, down: [DynamicLabel; 3]) -> usize {
        let at = self.begin();
        dynasm!(self.ops ; .arch x64 ; mov ecx, eax ; shr ecx, 30);
        for quads in [1, 2, 3] {
            dynasm!(self.ops ; .arch x64 ; cmp ecx, quads ; je =>down[quads as usize - 1]);
        }
        self.refuse();
        at
    }

    /// To a caller whose frame is in the register file.
    fn rotate_down(&mut self, quads: usize) -> (usize, DynamicLabel) {
        let (at, label) = (self.begin(), self.label());
        let (around, refused) = (self.label(), self.label());
        // The caller's frame, and none between it and this one.
        let callers = 1 << (16 - quads);
        let between = 0x1_0000 - callers;
        let edx = 2;
        dynasm!(self.ops
            ; .arch x64
            ; =>label
            ; mov ecx, [BYTE r15 + PS]
            ; and ecx, (ps::WOE | ps::EXCM) as i32
            ; cmp ecx, ps::WOE as i32
            ; jne =>refused
            ; movzx edx, WORD [BYTE r15 + FRAMES]
            ; mov ecx, edx
            ; and ecx, between
            ; cmp ecx, callers
            ; jne =>refused
            ; and edx, BYTE !1
            ; rol dx, BYTE quads as i8
            ; mov [BYTE r15 + FRAMES], dx
        );
        self.count_free_quads(edx);
        dynasm!(self.ops
            ; .arch x64
            ; mov edx, [BYTE r15 + WINDOWBASE]
            ; lea ecx, [rdx - quads as i32]
            // Neither window reaches around the end.
            ; cmp ecx, AROUND - quads as i32
            ; jae =>around
            ; mov [BYTE r15 + WINDOWBASE], ecx
            ; sub rbx, BYTE quads as i8 * 16
            ; ret
            ; =>around
        );
        self.around();
        dynasm!(self.ops ; .arch x64 ; =>refused);
        self.refuse();
        (at, label)
    }

    fn overflow(&mut self) -> usize {
        let at = self.begin();
        let (none, vector) = (self.label(), self.label());
        dynasm!(self.ops
            ; .arch x64
            ; add r14, rsi
            ; movzx r8d, BYTE [BYTE r15 + FREE_QUADS]
            ; cmp r8d, edi
            ; jae =>none
            ; dec r14
            ; mov esi, eax
            // Bit 1: a frame begins one quad above the victim's.
            ; movzx edx, WORD [BYTE r15 + FRAMES]
            ; mov ecx, r8d
            ; shr edx, cl
            ; xor eax, eax
            ; test dl, BYTE 2
            ; jnz =>vector
            ; mov eax, 0x80
            ; test dl, BYTE 4
            ; jnz =>vector
            ; mov eax, 0x100
            ; =>vector
            ; mov edx, [BYTE r15 + WINDOWBASE]
            ; lea ecx, [rdx + r8]
        );
        self.window_exception();
        dynasm!(self.ops
            ; .arch x64
            ; jmp =>self.go
            ; =>none
            ; mov [BYTE rbp + frame!(pc)], eax
            ; mov eax, Exit::Declined as i32
            ; jmp =>self.leave
        );
        at
    }

    fn underflow(&mut self) -> usize {
        let at = self.begin();
        let refused = self.label();
        dynasm!(self.ops
            ; .arch x64
            ; mov ecx, [BYTE r15 + PS]
            ; and ecx, (ps::WOE | ps::EXCM) as i32
            ; cmp ecx, ps::WOE as i32
            ; jne =>refused
            ; shr edi, 30
            ; jz =>refused
            ; test WORD [BYTE r15 + FRAMES], BELOW
            ; jnz =>refused
            ; mov eax, edi
            ; shl eax, 7
            ; sub eax, BYTE 0x40
            ; mov edx, [BYTE r15 + WINDOWBASE]
            ; lea ecx, [rdx + 16]
            ; sub ecx, edi
        );
        self.window_exception();
        dynasm!(self.ops ; .arch x64 ; clc ; ret ; =>refused ; stc ; ret);
        at
    }

    /// As [`Cpu::window_exception`]: the window goes from WINDOWBASE in edx to ecx, which may be above 15,
    /// because of the instruction at esi. eax, the offset of the vector, becomes its address.
    fn window_exception(&mut self) {
        dynasm!(self.ops
            ; .arch x64
            ; add eax, [r15 + field!(vecbase)]
            ; mov [r15 + field!(epc) + 4], esi
            ; mov r8d, [BYTE r15 + PS]
            ; and r8d, !ps::OWB as i32
            ; or r8d, ps::EXCM as i32
            ; mov r9d, edx
            ; shl r9d, ps::OWB_SHIFT as i8
            ; or r8d, r9d
            ; mov [BYTE r15 + PS], r8d
            ; mov BYTE [BYTE r15 + FREE_QUADS], BYTE 4
            // The event.
            ; mov r8d, ecx
            ; shl r8, 32
            ; mov r9d, esi
            ; or r8, r9
            ; mov r9d, eax
            ; mov r10, QWORD NOTE_FACTOR as i64
            ; xor r8, [r15 + field!(events)]
            ; imul r8, r10
            ; rol r8, BYTE NOTE_TURN as i8
            ; xor r8, r9
            ; imul r8, r10
            ; rol r8, BYTE NOTE_TURN as i8
            ; mov [r15 + field!(events)], r8
            ; and ecx, BYTE 15
        );
        self.turn_frames();
        self.move_window();
    }

    /// The frames as they are seen after a rotation from WINDOWBASE in edx to that in ecx. Keeps both and
    /// eax.
    fn turn_frames(&mut self) {
        dynasm!(self.ops
            ; .arch x64
            ; sub ecx, edx
            ; ror WORD [BYTE r15 + FRAMES], cl
            ; add ecx, edx
        );
    }

    /// On at `refused` if at level ecx an interrupt that is not masked is pending.
    fn look_for_interrupts(&mut self, refused: DynamicLabel) {
        dynasm!(self.ops
            ; .arch x64
            ; mov eax, [BYTE r15 + REQUESTS]
            ; mov r8, [BYTE rbp + frame!(lines_above)]
            ; test eax, [r8 + rcx * 4]
            ; jnz =>refused
        );
    }

    /// ecx = PS.INTLEVEL of what is in eax; on at `refused` if debug events are masked by it.
    fn level_below_debug(&mut self, refused: DynamicLabel) {
        dynasm!(self.ops
            ; .arch x64
            ; mov ecx, eax
            ; and ecx, ps::INTLEVEL as i32
            ; cmp ecx, DEBUG_LEVEL as i32
            ; jae =>refused
        );
    }

    /// FREE_QUADS, as PS in ecx and the window want it.
    fn update_free_quads(&mut self) {
        let unchecked = self.label();
        dynasm!(self.ops
            ; .arch x64
            ; and ecx, (ps::WOE | ps::EXCM) as i32
            ; cmp ecx, ps::WOE as i32
            ; mov BYTE [BYTE r15 + FREE_QUADS], BYTE 4
            ; jne =>unchecked
            ; movzx eax, WORD [BYTE r15 + FRAMES]
        );
        let eax = 0;
        self.count_free_quads(eax);
        dynasm!(self.ops ; .arch x64 ; =>unchecked);
    }

    fn set_ps(&mut self) -> usize {
        let at = self.begin();
        let (refused, masked, done) = (self.label(), self.label(), self.label());
        dynasm!(self.ops ; .arch x64 ; mov eax, [BYTE r15 + PS]);
        self.level_below_debug(refused);
        dynasm!(self.ops ; .arch x64 ; mov eax, edx);
        self.level_below_debug(refused);
        dynasm!(self.ops
            ; .arch x64
            ; test edx, ps::EXCM as i32
            ; jz =>masked
            ; mov eax, EXCM_LEVEL as i32
            ; cmp ecx, eax
            ; cmovb ecx, eax
            ; =>masked
        );
        self.look_for_interrupts(refused);
        dynasm!(self.ops
            ; .arch x64
            ; mov eax, [BYTE r15 + PS]
            ; mov [BYTE r15 + PS], edx
            ; mov ecx, edx
            ; xor eax, edx
            ; test eax, (ps::WOE | ps::EXCM) as i32
            ; jz =>done
        );
        self.update_free_quads();
        dynasm!(self.ops ; .arch x64 ; =>done ; clc ; ret ; =>refused ; stc ; ret);
        at
    }

    fn rotate(&mut self) -> usize {
        let at = self.begin();
        dynasm!(self.ops ; .arch x64 ; mov edx, [BYTE r15 + WINDOWBASE] ; mov ecx, edi);
        self.turn_frames();
        self.move_window();
        dynasm!(self.ops ; .arch x64 ; mov ecx, [BYTE r15 + PS]);
        self.update_free_quads();
        dynasm!(self.ops ; .arch x64 ; ret);
        at
    }

    /// An overflow handler has saved the frame, an underflow handler has restored it.
    fn return_from_window_handler(&mut self, restored: bool) -> usize {
        let at = self.begin();
        let refused = self.label();
        dynasm!(self.ops ; .arch x64 ; mov eax, [BYTE r15 + PS]);
        self.level_below_debug(refused);
        self.look_for_interrupts(refused);
        dynasm!(self.ops
            ; .arch x64
            ; mov edi, [BYTE r15 + PS]
            ; and DWORD [BYTE r15 + PS], !ps::EXCM as i32
            ; shr edi, ps::OWB_SHIFT as i8
            ; and edi, 15
            ; mov edx, [BYTE r15 + WINDOWBASE]
        );
        if restored {
            dynasm!(self.ops ; .arch x64 ; or WORD [BYTE r15 + FRAMES], BYTE 1);
        } else {
            dynasm!(self.ops ; .arch x64 ; and WORD [BYTE r15 + FRAMES], BYTE !1);
        }
        dynasm!(self.ops ; .arch x64 ; mov ecx, edi);
        self.turn_frames();
        self.move_window();
        dynasm!(self.ops ; .arch x64 ; mov ecx, [BYTE r15 + PS]);
        self.update_free_quads();
        dynasm!(self.ops ; .arch x64 ; clc ; ret ; =>refused ; stc ; ret);
        at
    }

    fn entrance(&mut self) -> usize {
        let at = self.begin();
        dynasm!(self.ops
            ; .arch x64
            ; push rbx
            ; push rbp
            ; push r12
            ; push r13
            ; push r14
            ; push r15
            ; sub rsp, 8
            ; lea rbp, [rdi + FRAME as i32]
            ; mov r15, [rdi + offset_of!(Frame, registers) as i32]
            ; mov r12, [rdi + offset_of!(Frame, memory) as i32]
            ; mov r13, [rdi + offset_of!(Frame, guards) as i32]
            ; mov r14, [rdi + offset_of!(Frame, left) as i32]
        );
        self.take_window();
        dynasm!(self.ops ; .arch x64 ; jmp rsi);
        at
    }
}
