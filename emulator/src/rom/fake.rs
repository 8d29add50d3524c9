//! A core with flat memory, for the tests of ROM functions.

use std::collections::BTreeMap;

use super::call::{After, Frame, PART_SIZE, run};
use super::guest::{Cause, CoreId, Fault, Guest, Width};
use super::startup::SYSCALL_TABLE_PRO;
use super::table::{coroutines, entries};

/// Where the fake has byte-addressable memory, 1 MB.
pub(crate) const DRAM: u32 = 0x3ff8_0000;
/// Where it has memory that takes words only, 128 KB.
pub(crate) const IRAM: u32 = 0x4008_0000;
/// Where it has registers: words that keep what was written, 512 KB.
pub(crate) const REGISTERS: u32 = 0x3ff0_0000;
/// The stack pointer of the caller.
pub(crate) const STACK: u32 = 0x3fff_f000;

const DRAM_SIZE: usize = 0x8_0000;
const LINK: u32 = 0x8008_1234;

/// The address that stands for system call `n` in the table of [`FakeGuest::install_syscalls`].
pub(crate) fn syscall_stub(n: u32) -> u32 {
    0x400d_0000 + 16 * n
}

/// A linear congruential generator: the same numbers on every machine.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    pub(crate) fn next64(&mut self) -> u64 {
        u64::from(self.next()) << 33 ^ u64::from(self.next()) << 11 ^ u64::from(self.next())
    }

    pub(crate) fn below(&mut self, limit: u32) -> u32 {
        self.next() % limit
    }
}

type RegisterHook = Box<dyn FnMut(&mut BTreeMap<u32, u32>, Access)>;

/// An access to a register, as a hook sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read(u32),
    Write(u32, u32),
}

pub(crate) struct FakeGuest {
    pub(crate) core: CoreId,
    pub(crate) ar: [u32; 16],
    pub(crate) live: [bool; 16],
    pub(crate) ps: u32,
    pub(crate) intenable: u32,
    dram: Vec<u8>,
    iram: Vec<u8>,
    registers: BTreeMap<u32, u32>,
    hook: Option<RegisterHook>,
    narrow: usize,
    quantum: u32,
    left: u64,
    cycles: u64,
    /// Parts run so far.
    pub(crate) parts_run: usize,
}

impl FakeGuest {
    /// A core whose quanta have `quantum` cycles.
    pub(crate) fn new(quantum: u32) -> Self {
        let mut ar = [0xdead_beef; 16];
        ar[1] = STACK;
        Self {
            core: CoreId::Pro,
            ar,
            live: [false; 16],
            ps: 0x0006_0020,
            intenable: 0,
            dram: vec![0; DRAM_SIZE],
            iram: vec![0; 0x2_0000],
            registers: BTreeMap::new(),
            hook: None,
            narrow: 0,
            quantum,
            left: 0,
            cycles: 0,
            parts_run: 0,
        }
    }

    /// Calls a ROM function by CALL8 and returns the low word of its result.
    pub(crate) fn call(&mut self, name: &str, arguments: &[u32]) -> u32 {
        self.call64(name, arguments) as u32
    }

    /// Calls a ROM function by CALL8 and returns both words of its result.
    pub(crate) fn call64(&mut self, name: &str, arguments: &[u32]) -> u64 {
        match self.try_call(name, arguments) {
            Ok(result) => result,
            Err(fault) => panic!("{name}: {fault:x?}"),
        }
    }

    pub(crate) fn try_call(&mut self, name: &str, arguments: &[u32]) -> Result<u64, Fault> {
        let found = entries().into_iter().find(|entry| entry.name == name);
        let entry = found.unwrap_or_else(|| panic!("no function {name}"));
        self.ar[8] = LINK;
        for n in 10..16 {
            self.ar[n] = 0xdead_beef;
        }
        for (i, &value) in arguments.iter().enumerate() {
            match i {
                0..6 => self.ar[10 + i] = value,
                _ => self.put(STACK + 4 * (i as u32 - 6), &value.to_le_bytes()),
            }
        }
        let before = self.ar[..8].to_vec();
        let mut pc = entry.address;
        for _ in 0..10_000_000 {
            let part = (pc - entry.address) / PART_SIZE;
            let native = entry.parts[part as usize];
            if self.left == 0 {
                self.left = self.quantum.into();
            }
            self.parts_run += 1;
            match run(native, Frame::Caller, pc, self) {
                After::Continue(next) if next == LINK & 0x3fff_ffff | 0x4000_0000 => {
                    assert_eq!(before, self.ar[..8]);
                    return Ok(u64::from(self.ar[10]) | u64::from(self.ar[11]) << 32);
                }
                After::Continue(next) => pc = next,
                // Whoever runs next takes the time that is left, and interrupts come here.
                After::Again => self.left = 0,
                After::WindowOverflow(n) => {
                    assert!(self.live[n], "{name} asked to spill a free register");
                    self.live = [false; 16];
                }
                After::Fault(fault) => return Err(fault),
            }
        }
        panic!("{name} does not end")
    }

    /// Puts a table of system calls in place whose entries are [`syscall_stub`]s.
    pub(crate) fn install_syscalls(&mut self) {
        let table = DRAM + 0x7_0000;
        for n in 0..36 {
            self.put(table + 4 * n, &syscall_stub(n).to_le_bytes());
        }
        self.put(SYSCALL_TABLE_PRO, &table.to_le_bytes());
    }

    /// Runs a function that calls back; `callee` plays what it calls.
    pub(crate) fn call_coroutine(
        &mut self,
        name: &str,
        arguments: &[u32],
        mut callee: impl FnMut(&mut Self, u32, &[u32]) -> u32,
    ) -> u32 {
        let found = coroutines().into_iter().find(|coroutine| coroutine.name == name);
        let coroutine = found.unwrap_or_else(|| panic!("no function {name}"));
        let caller = self.ar;
        self.ar[1] -= coroutine.frame();
        for (i, &value) in arguments.iter().enumerate() {
            match i {
                0..6 => self.ar[2 + i] = value,
                _ => self.put(caller[1] + 4 * (i as u32 - 6), &value.to_le_bytes()),
            }
        }
        let (mut native, mut has_begun) = (coroutine.begin, false);
        for _ in 0..1_000_000 {
            if self.left == 0 {
                self.left = self.quantum.into();
            }
            match run(native, Frame::Own, 0x4000_0560, self) {
                After::Again => self.left = 0,
                After::Continue(_) if !has_begun => {
                    (native, has_begun) = (coroutine.step, true);
                }
                After::Continue(_) if self.ar[8] == 0 => {
                    let result = self.ar[2];
                    self.ar = caller;
                    return result;
                }
                After::Continue(_) => {
                    let (target, arguments) = (self.ar[8], self.ar[10..16].to_vec());
                    self.ar[8..].fill(0xdead_beef);
                    self.ar[10] = callee(self, target, &arguments);
                }
                other => panic!("{name}: {other:x?}"),
            }
        }
        panic!("{name} does not end")
    }

    /// A new quantum.
    pub(crate) fn refill(&mut self) {
        self.left = self.quantum.into();
    }

    /// All cycles charged.
    pub(crate) fn cycles(&self) -> u64 {
        self.cycles
    }

    pub(crate) fn put(&mut self, address: u32, bytes: &[u8]) {
        let (memory, offset) = self.memory(address).expect("put into memory");
        memory[offset..offset + bytes.len()].copy_from_slice(bytes);
    }

    pub(crate) fn put_string(&mut self, address: u32, text: &str) -> u32 {
        self.put(address, text.as_bytes());
        self.put(address + text.len() as u32, &[0]);
        address
    }

    pub(crate) fn get(&mut self, address: u32, len: usize) -> Vec<u8> {
        let (memory, offset) = self.memory(address).expect("get from memory");
        memory[offset..offset + len].to_vec()
    }

    pub(crate) fn word(&mut self, address: u32) -> u32 {
        u32::from_le_bytes(self.get(address, 4).try_into().expect("four bytes"))
    }

    pub(crate) fn set_register(&mut self, address: u32, value: u32) {
        self.registers.insert(address, value);
    }

    pub(crate) fn register(&self, address: u32) -> u32 {
        self.registers.get(&address).copied().unwrap_or(0)
    }

    /// Installs a device behind the registers: called before each read and after each write.
    pub(crate) fn on_register(
        &mut self,
        hook: impl FnMut(&mut BTreeMap<u32, u32>, Access) + 'static,
    ) {
        self.hook = Some(Box::new(hook));
    }

    pub(crate) fn narrow_register_accesses(&self) -> usize {
        self.narrow
    }

    fn memory(&mut self, address: u32) -> Option<(&mut Vec<u8>, usize)> {
        match address {
            DRAM..0x4000_0000 => Some((&mut self.dram, (address - DRAM) as usize)),
            IRAM..0x400a_0000 => Some((&mut self.iram, (address - IRAM) as usize)),
            _ => None,
        }
    }

    fn is_register(address: u32) -> bool {
        (REGISTERS..DRAM).contains(&address) || (0x6000_0000..0x6004_0000).contains(&address)
    }
}

impl Guest for FakeGuest {
    fn core(&self) -> CoreId {
        self.core
    }
    fn ar(&self, n: usize) -> u32 {
        self.ar[n]
    }
    fn set_ar(&mut self, n: usize, value: u32) {
        assert!(!self.live[n], "a{n} belongs to another frame");
        self.ar[n] = value;
    }
    fn is_live_elsewhere(&self, n: usize) -> bool {
        self.live[n]
    }
    fn ps(&self) -> u32 {
        self.ps
    }
    fn set_ps(&mut self, value: u32) {
        self.ps = value;
    }
    fn ccount(&self) -> u32 {
        self.cycles as u32
    }
    fn intenable(&self) -> u32 {
        self.intenable
    }
    fn set_intenable(&mut self, value: u32) {
        self.intenable = value;
    }

    fn load(&mut self, address: u32, width: Width) -> Result<u32, Fault> {
        if Self::is_register(address) {
            self.narrow += usize::from(width != Width::Word);
            if let Some(mut hook) = self.hook.take() {
                hook(&mut self.registers, Access::Read(address));
                self.hook = Some(hook);
            }
            return Ok(self.register(address & !3) >> (8 * (address & 3)));
        }
        if width != Width::Word && (IRAM..0x400a_0000).contains(&address) {
            return Err(Fault { cause: Cause::LoadStoreError, vaddr: address });
        }
        let Some((memory, offset)) = self.memory(address) else {
            return Err(Fault { cause: Cause::LoadProhibited, vaddr: address });
        };
        let mut word = [0; 4];
        let n = width.bytes() as usize;
        word[..n].copy_from_slice(&memory[offset..offset + n]);
        Ok(u32::from_le_bytes(word))
    }

    fn store(&mut self, address: u32, width: Width, value: u32) -> Result<(), Fault> {
        if Self::is_register(address) {
            self.narrow += usize::from(width != Width::Word);
            self.registers.insert(address & !3, value);
            if let Some(mut hook) = self.hook.take() {
                hook(&mut self.registers, Access::Write(address, value));
                self.hook = Some(hook);
            }
            return Ok(());
        }
        if width != Width::Word && (IRAM..0x400a_0000).contains(&address) {
            return Err(Fault { cause: Cause::LoadStoreError, vaddr: address });
        }
        let Some((memory, offset)) = self.memory(address) else {
            return Err(Fault { cause: Cause::StoreProhibited, vaddr: address });
        };
        let n = width.bytes() as usize;
        memory[offset..offset + n].copy_from_slice(&value.to_le_bytes()[..n]);
        Ok(())
    }

    fn charge(&mut self, cycles: u64) {
        self.cycles += cycles;
        self.left = self.left.saturating_sub(cycles);
    }

    fn pause(&mut self, cycles: u64) {
        self.charge(cycles);
    }

    fn budget_left(&self) -> u64 {
        self.left
    }
}
