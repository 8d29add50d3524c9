//! What gdb asks for, as visits to the board.
//!
//! Thread 1 is PRO_CPU, thread 2 APP_CPU. Both share a clock, so a core cannot go on without the
//! other: `scheduler-locking` is not honoured, and a step of one core lets the other have its turn.

use gdbstub::arch::Arch;
use gdbstub::common::{Signal, Tid};
use gdbstub::stub::MultiThreadStopReason;
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{
    MultiThreadBase, MultiThreadResume, MultiThreadResumeOps, MultiThreadSchedulerLocking,
    MultiThreadSchedulerLockingOps, MultiThreadSingleStep, MultiThreadSingleStepOps,
};
use gdbstub::target::ext::base::single_register_access::{
    SingleRegisterAccess, SingleRegisterAccessOps,
};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, BreakpointsOps, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps,
    SwBreakpoint, SwBreakpointOps, WatchKind,
};
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd, MonitorCmdOps, outputln};
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{Target, TargetError, TargetResult};

use super::registers::{General, Lx6, Number, general};
use crate::serve::doors::MachineGone;
use crate::serve::visits::Sender;
use crate::targets::debugged::{CoreIndex, Debugged, Held, Watched};

/// No more than this is watched at once: a granule of each of the memory's kinds would be.
const WATCHED: u32 = 1 << 20;

/// What can be asked by `monitor`.
const MONITOR: &str = "monitor reset: reset the chip and hold it at its reset vector\n\
                       monitor halt: nothing, for it is held whenever gdb can ask";

/// A board for the length of a session.
pub(super) struct Stub<'b> {
    pub(super) board: &'b mut Sender,
    /// The core that the next resumption steps.
    step: Option<CoreIndex>,
}

impl<'b> Stub<'b> {
    pub(super) fn new(board: &'b mut Sender) -> Self {
        Self { board, step: None }
    }

    fn visit<R: Send + 'static>(
        &self,
        what: impl FnOnce(&mut dyn Debugged) -> R + Send + 'static,
    ) -> TargetResult<R, Self> {
        self.board.visit(what).map_err(TargetError::Fatal)
    }
}

/// The core of a thread.
fn core(tid: Tid) -> CoreIndex {
    tid.get() - 1
}

/// The thread of a core.
fn thread(core: CoreIndex) -> Tid {
    Tid::MIN.saturating_add(core)
}

/// A core that there is.
fn known(tid: Tid) -> Result<CoreIndex, TargetError<MachineGone>> {
    Some(core(tid)).filter(|core| *core < 2).ok_or(TargetError::NonFatal)
}

/// Why the board is held, as gdb hears it.
pub(super) fn stop_reason(held: Held) -> MultiThreadStopReason<u32> {
    let trap = |core| MultiThreadStopReason::SignalWithThread {
        tid: thread(core),
        signal: Signal::SIGTRAP,
    };
    match held {
        Held::Asked => {
            MultiThreadStopReason::SignalWithThread { tid: thread(0), signal: Signal::SIGINT }
        }
        // A BREAK of the program's own is none of gdb's, which would pass it over without a word.
        Held::Step(core) | Held::BreakInstruction(core) => trap(core),
        Held::Breakpoint(core) => MultiThreadStopReason::SwBreak(thread(core)),
        Held::Watchpoint { core, address, kind } => MultiThreadStopReason::Watch {
            tid: thread(core),
            kind: match kind {
                Watched::Loads => WatchKind::Read,
                Watched::Stores => WatchKind::Write,
                Watched::Accesses => WatchKind::ReadWrite,
            },
            addr: address,
        },
    }
}

impl Target for Stub<'_> {
    type Arch = Lx6;
    type Error = MachineGone;

    fn base_ops(&mut self) -> BaseOps<'_, Self::Arch, Self::Error> {
        BaseOps::MultiThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadBase for Stub<'_> {
    fn read_registers(&mut self, registers: &mut General, tid: Tid) -> TargetResult<(), Self> {
        let core = known(tid)?;
        registers.0 = self
            .visit(move |board| general().map(|number| board.register(core, number)).collect())?;
        Ok(())
    }

    fn write_registers(&mut self, registers: &General, tid: Tid) -> TargetResult<(), Self> {
        let core = known(tid)?;
        let values = registers.0.clone();
        self.visit(move |board| {
            for (number, value) in general().zip(values) {
                // Those that cannot be written come back as they were read.
                if let Some(value) = value {
                    board.set_register(core, number, value);
                }
            }
        })
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, Tid, Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, start: u32, data: &mut [u8], tid: Tid) -> TargetResult<usize, Self> {
        let core = known(tid)?;
        let mut bytes = vec![0; data.len()];
        let bytes = self.visit(move |board| {
            let read = board.read_memory(core, start, &mut bytes);
            bytes.truncate(read);
            bytes
        })?;
        match bytes.len() {
            0 if !data.is_empty() => Err(TargetError::NonFatal),
            read => {
                data[..read].copy_from_slice(&bytes);
                Ok(read)
            }
        }
    }

    fn write_addrs(&mut self, start: u32, data: &[u8], tid: Tid) -> TargetResult<(), Self> {
        let core = known(tid)?;
        let bytes = data.to_vec();
        match self.visit(move |board| board.write_memory(core, start, &bytes))? {
            wrote if wrote == data.len() => Ok(()),
            _ => Err(TargetError::NonFatal),
        }
    }

    fn list_active_threads(&mut self, found: &mut dyn FnMut(Tid)) -> Result<(), MachineGone> {
        [0, 1].map(thread).into_iter().for_each(found);
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

impl SingleRegisterAccess<Tid> for Stub<'_> {
    fn read_register(
        &mut self,
        tid: Tid,
        Number(number): Number,
        buffer: &mut [u8],
    ) -> TargetResult<usize, Self> {
        let core = known(tid)?;
        let value = self.visit(move |board| board.register(core, number))?;
        let value = value.ok_or(TargetError::NonFatal)?.to_le_bytes();
        buffer.get_mut(..4).ok_or(TargetError::NonFatal)?.copy_from_slice(&value);
        Ok(4)
    }

    fn write_register(
        &mut self,
        tid: Tid,
        Number(number): Number,
        value: &[u8],
    ) -> TargetResult<(), Self> {
        let core = known(tid)?;
        let value = value.try_into().map_err(|_| TargetError::NonFatal)?;
        let value = u32::from_le_bytes(value);
        match self.visit(move |board| board.set_register(core, number, value))? {
            true => Ok(()),
            false => Err(TargetError::NonFatal),
        }
    }
}

impl MultiThreadResume for Stub<'_> {
    fn resume(&mut self) -> Result<(), MachineGone> {
        self.board.go_on(self.step)
    }

    fn clear_resume_actions(&mut self) -> Result<(), MachineGone> {
        self.step = None;
        Ok(())
    }

    fn set_resume_action_continue(
        &mut self,
        _tid: Tid,
        _signal: Option<Signal>,
    ) -> Result<(), MachineGone> {
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadSingleStep for Stub<'_> {
    fn set_resume_action_step(
        &mut self,
        tid: Tid,
        _signal: Option<Signal>,
    ) -> Result<(), MachineGone> {
        self.step = Some(core(tid));
        Ok(())
    }
}

impl MultiThreadSchedulerLocking for Stub<'_> {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), MachineGone> {
        Ok(())
    }
}

impl Breakpoints for Stub<'_> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

/// Whatever gdb calls them, breakpoints are the emulator's, and no memory is changed for them.
impl SwBreakpoint for Stub<'_> {
    fn add_sw_breakpoint(&mut self, address: u32, _kind: usize) -> TargetResult<bool, Self> {
        self.visit(move |board| board.set_breakpoint(address, true))?;
        Ok(true)
    }

    fn remove_sw_breakpoint(&mut self, address: u32, _kind: usize) -> TargetResult<bool, Self> {
        self.visit(move |board| board.set_breakpoint(address, false))?;
        Ok(true)
    }
}

impl HwBreakpoint for Stub<'_> {
    fn add_hw_breakpoint(&mut self, address: u32, kind: usize) -> TargetResult<bool, Self> {
        self.add_sw_breakpoint(address, kind)
    }

    fn remove_hw_breakpoint(&mut self, address: u32, kind: usize) -> TargetResult<bool, Self> {
        self.remove_sw_breakpoint(address, kind)
    }
}

impl Stub<'_> {
    fn watch(
        &mut self,
        address: u32,
        length: u32,
        kind: WatchKind,
        present: bool,
    ) -> TargetResult<bool, Self> {
        if length == 0 || length > WATCHED {
            return Ok(false);
        }
        let kind = match kind {
            WatchKind::Read => Watched::Loads,
            WatchKind::Write => Watched::Stores,
            WatchKind::ReadWrite => Watched::Accesses,
        };
        self.visit(move |board| board.set_watchpoint(address, length, kind, present))?;
        Ok(true)
    }
}

impl HwWatchpoint for Stub<'_> {
    fn add_hw_watchpoint(
        &mut self,
        address: u32,
        length: <Lx6 as Arch>::Usize,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        self.watch(address, length, kind, true)
    }

    fn remove_hw_watchpoint(
        &mut self,
        address: u32,
        length: <Lx6 as Arch>::Usize,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        self.watch(address, length, kind, false)
    }
}

impl ThreadExtraInfo for Stub<'_> {
    fn thread_extra_info(&self, tid: Tid, buffer: &mut [u8]) -> Result<usize, MachineGone> {
        let text = self.board.visit(move |board| board.doing(core(tid)))?;
        let length = text.len().min(buffer.len());
        buffer[..length].copy_from_slice(&text.as_bytes()[..length]);
        Ok(length)
    }
}

impl MonitorCmd for Stub<'_> {
    fn handle_monitor_cmd(
        &mut self,
        command: &[u8],
        mut out: ConsoleOutput<'_>,
    ) -> Result<(), MachineGone> {
        match std::str::from_utf8(command).unwrap_or_default().trim() {
            "reset" | "reset halt" => {
                self.board.visit(|board| board.reset())?;
                outputln!(out, "the chip is at its reset vector");
            }
            "halt" => {}
            _ => outputln!(out, "{MONITOR}"),
        }
        Ok(())
    }
}
