//! The table of register blocks: instance, type, address, interrupt sources. Wiring only.
//!
//! Source: Technical Reference Manual, "Peripheral Address Mapping" and "Interrupt Matrix".

use super::access_log::{Access, AccessLog, Direction, Fidelity};
use crate::peripherals::aes::Aes;
use crate::peripherals::analog::{Ana, Bb, Fe, Nrx};
use crate::peripherals::apb_ctrl::ApbCtrl;
use crate::peripherals::bluetooth::Bluetooth;
use crate::peripherals::dport::Dport;
use crate::peripherals::efuse::{Efuse, EfuseConfig};
use crate::peripherals::frc_timer::FrcTimer;
use crate::peripherals::gpio::Gpio;
use crate::peripherals::i2c::I2c;
use crate::peripherals::i2s::I2s;
use crate::peripherals::io_mux::IoMux;
use crate::peripherals::ledc::Ledc;
use crate::peripherals::pcnt::Pcnt;
use crate::peripherals::rmt::Rmt;
use crate::peripherals::rsa::Rsa;
use crate::peripherals::rtc_cntl::RtcCntl;
use crate::peripherals::rtc_io::RtcIo;
use crate::peripherals::sens::Sens;
use crate::peripherals::sha::Sha;
use crate::peripherals::slc::Slc;
use crate::peripherals::spi::SpiController;
use crate::peripherals::storage::{BtBb, Fe2, PhySleep};
use crate::peripherals::timer_group::TimerGroup;
use crate::peripherals::uart::Uart;
use crate::peripherals::wdev::Wdev;
use crate::peripherals::wifi_mac::WifiMac;
use crate::peripherals::{Clocks, Context, Peripheral, Poked};
use crate::time::Instant;

/// Base of the register space, as offset zero.
const BASE: u32 = 0x3ff0_0000;
/// The alias on the instruction side shows the upper half of the register space.
const ALIAS: u32 = 0x6000_0000;
const ALIAS_LEN: u32 = 0x4_0000;
const ALIASED: u32 = 0x4_0000;
const SPACE: u32 = 0x8_0000;
/// Blocks begin and end at multiples of this.
const PIECE: u32 = 0x400;

/// What the chip's identity depends on.
#[derive(Debug, Clone)]
pub(super) struct DeviceConfig {
    pub(super) efuse: EfuseConfig,
    pub(super) seed: u64,
}

macro_rules! devices {
    ($($(#[$doc:meta])* $id:ident $field:ident: $type:ty = $new:expr,
        at $start:literal..$end:literal, sources [$($source:literal),*];)*) => {
        /// Names the instances.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) enum Id { $($(#[$doc])* $id,)* }

        /// All instances.
        #[derive(Debug, Clone)]
        pub(super) struct Devices {
            $($(#[$doc])* pub(super) $field: $type,)*
            deadlines: [Instant; Id::COUNT],
            /// The earliest of them, which is asked for before each slice.
            nearest: Instant,
            irqs: [u32; Id::COUNT],
            /// Interrupt sources that are asserted, by core.
            sources: [u128; 2],
            storage: Vec<Option<Box<[u32]>>>,
            pub(super) log: AccessLog,
        }

        /// Who is where, by pieces of [`PIECE`] bytes: the instance and the start of its block.
        static OWNERS: [Option<(Id, u32)>; (SPACE / PIECE) as usize] = {
            let mut owners = [None; (SPACE / PIECE) as usize];
            $(
                assert!($start % PIECE == 0 && $end % PIECE == 0);
                let mut piece = $start / PIECE;
                while piece < $end / PIECE {
                    owners[piece as usize] = Some((Id::$id, $start));
                    piece += 1;
                }
            )*
            owners
        };

        impl Id {
            pub(super) const ALL: &'static [Self] = &[$(Self::$id),*];
            const COUNT: usize = Self::ALL.len();

            /// The instance at `address` and the offset in its block.
            fn at(address: u32) -> Option<(Self, u32)> {
                let from_alias = address.wrapping_sub(ALIAS);
                let offset = if from_alias < ALIAS_LEN {
                    from_alias + ALIASED
                } else {
                    address.wrapping_sub(BASE)
                };
                let &(id, start) = OWNERS.get((offset / PIECE) as usize)?.as_ref()?;
                Some((id, offset - start))
            }

            /// The manual's name, with the instance's number where there are several.
            pub(super) fn name(self) -> &'static str {
                match self {
                    $(Self::$id => stringify!($id),)*
                }
            }

            /// Words of the block.
            fn words(self) -> u32 {
                match self {
                    $(Self::$id => ($end - $start) / 4,)*
                }
            }

            fn stores(self, offset: u32) -> Option<u32> {
                let table = match self {
                    $(Self::$id => <$type as Peripheral>::STORES,)*
                };
                table
                    .iter()
                    .find(|range| (range.first..=range.last).contains(&offset))
                    .map(|range| range.reset)
            }

            /// Interrupt sources of the bits of `irq`.
            fn sources(self) -> &'static [u8] {
                match self {
                    $(Self::$id => &[$($source),*],)*
                }
            }
        }

        impl Devices {
            pub(super) fn new(config: &DeviceConfig) -> Self {
                let mut devices = Self {
                    $($field: ($new)(config),)*
                    deadlines: [Instant::MAX; Id::COUNT],
                    nearest: Instant::MAX,
                    irqs: [0; Id::COUNT],
                    sources: [0; 2],
                    storage: vec![None; Id::COUNT],
                    log: AccessLog::default(),
                };
                for &id in Id::ALL {
                    devices.refresh(id);
                }
                devices
            }

            fn read_register(&mut self, id: Id, offset: u32, cx: &Context) -> Option<u32> {
                match id {
                    $(Id::$id => self.$field.read(offset, cx).ok(),)*
                }
            }

            fn peek_register(&self, id: Id, offset: u32, now: Instant) -> Option<u32> {
                match id {
                    $(Id::$id => self.$field.peek(offset, now),)*
                }
            }

            fn poke_register(
                &mut self,
                id: Id,
                offset: u32,
                value: u32,
                cx: &Context,
            ) -> Option<Poked> {
                match id {
                    $(Id::$id => self.$field.poke(offset, value, cx),)*
                }
            }

            fn write_register(&mut self, id: Id, offset: u32, value: u32, cx: &Context) -> bool {
                match id {
                    $(Id::$id => self.$field.write(offset, value, cx).is_ok(),)*
                }
            }

            /// Lets `id` do what is due.
            pub(super) fn poll(&mut self, id: Id, cx: &Context) {
                match id {
                    $(Id::$id => self.$field.poll(cx),)*
                }
            }

            /// Resets one instance and what it stores.
            pub(super) fn reset(&mut self, id: Id, cx: &Context) {
                match id {
                    $(Id::$id => self.$field.reset(cx),)*
                }
                self.storage[id as usize] = None;
                self.refresh(id);
            }

            /// The clock tree changes at `cx.now` from `before` to `cx.clocks`: what has happened
            /// until now has happened at the old frequencies.
            pub(super) fn clocks_changed(&mut self, before: Clocks, cx: &Context) {
                let until_now = Context { clocks: before, ..*cx };
                $(self.$field.poll(&until_now);)*
                $(self.$field.clocks_changed(cx);)*
                for &id in Id::ALL {
                    self.refresh(id);
                }
            }

            /// Asks `id` for its deadline and its interrupt level; true if either changed.
            pub(super) fn refresh(&mut self, id: Id) -> bool {
                let (deadline, irq) = match id {
                    $(Id::$id => (self.$field.poll_at(), self.$field.irq()),)*
                };
                let deadline = deadline.unwrap_or(Instant::MAX);
                let old = (self.deadlines[id as usize], self.irqs[id as usize]);
                self.deadlines[id as usize] = deadline;
                if deadline < self.nearest {
                    self.nearest = deadline;
                } else if old.0 == self.nearest && deadline != old.0 {
                    self.nearest = self.deadlines.iter().copied().min().unwrap_or(Instant::MAX);
                }
                if irq != old.1 {
                    self.irqs[id as usize] = irq;
                    self.sources = self.asserted();
                }
                old != (deadline, irq)
            }
        }
    };
}

devices! {
    /// Core control, caches, interrupt matrix.
    Dport dport: Dport = |_| Dport::default(), at 0x0_0000..0x0_1000, sources [24, 25, 26, 27];
    /// AES accelerator.
    Aes aes: Aes = |_| Aes::new(), at 0x0_1000..0x0_2000, sources [];
    /// RSA accelerator.
    Rsa rsa: Rsa = |_| Rsa::new(), at 0x0_2000..0x0_3000, sources [51];
    /// SHA accelerator.
    Sha sha: Sha = |_| Sha::new(), at 0x0_3000..0x0_4000, sources [];
    /// UART0, the console.
    Uart0 uart0: Uart = |_| Uart::new(0), at 0x4_0000..0x4_1000, sources [34];
    /// The flash controller for commands.
    Spi1 spi1: SpiController = |_| SpiController::new(), at 0x4_2000..0x4_3000, sources [29];
    /// The flash controller for the caches.
    Spi0 spi0: SpiController = |_| SpiController::new(), at 0x4_3000..0x4_4000, sources [28];
    /// Pads and the GPIO matrix. Its interrupts differ by core: see `sources_of`.
    Gpio gpio: Gpio = |_| Gpio::new(), at 0x4_4000..0x4_5000, sources [];
    /// Radio front end, second half.
    Fe2 fe2: Fe2 = |_| Fe2, at 0x4_5000..0x4_6000, sources [];
    /// Radio front end.
    Fe fe: Fe = |_| Fe::default(), at 0x4_6000..0x4_7000, sources [];
    /// The timers of older ESP-IDF.
    Frc frc: FrcTimer = |_| FrcTimer::new(), at 0x4_7000..0x4_8000, sources [56, 57];
    /// The RTC controller.
    RtcCntl rtc_cntl: RtcCntl = |_| RtcCntl::new(), at 0x4_8000..0x4_8400, sources [46];
    /// Pads of the RTC domain.
    RtcIo rtc_io: RtcIo = |_| RtcIo::default(), at 0x4_8400..0x4_8800, sources [];
    /// ADCs, touch pads, temperature.
    Sens sens: Sens = |_| Sens::new(), at 0x4_8800..0x4_8c00, sources [];
    /// Pad configuration.
    IoMux io_mux: IoMux = |_| IoMux::new(), at 0x4_9000..0x4_a000, sources [];
    /// Analog master and internal I2C.
    Ana ana: Ana = |_| Ana::default(), at 0x4_e000..0x4_f000, sources [];
    /// I2S controller 0.
    I2s0 i2s0: I2s = |_| I2s::new(), at 0x4_f000..0x5_0000, sources [32];
    /// UART1.
    Uart1 uart1: Uart = |_| Uart::new(1), at 0x5_0000..0x5_1000, sources [35];
    /// I2C controller 0.
    I2c0 i2c0: I2c = |_| I2c::new(), at 0x5_3000..0x5_4000, sources [49];
    /// Remote control.
    Rmt rmt: Rmt = |_| Rmt::new(), at 0x5_6000..0x5_7000, sources [47];
    /// Pulse counter.
    Pcnt pcnt: Pcnt = |_| Pcnt::new(), at 0x5_7000..0x5_8000, sources [48];
    /// DMA engine of the SDIO slave.
    Slc slc: Slc = |_| Slc::default(), at 0x5_8000..0x5_9000, sources [];
    /// LED PWM.
    Ledc ledc: Ledc = |_| Ledc::new(), at 0x5_9000..0x5_a000, sources [43];
    /// eFuses.
    Efuse efuse: Efuse = |config: &DeviceConfig| Efuse::new(&config.efuse),
        at 0x5_a000..0x5_b000, sources [44];
    /// Baseband receiver.
    Nrx nrx: Nrx = |_| Nrx::default(), at 0x5_c000..0x5_d000, sources [];
    /// Bluetooth baseband words.
    BtBb bt_bb: BtBb = |_| BtBb, at 0x5_1000..0x5_2000, sources [];
    /// Baseband.
    Bb bb: Bb = |_| Bb::default(), at 0x5_d000..0x5_e000, sources [];
    /// Timer group 0.
    Timg0 timg0: TimerGroup = |_| TimerGroup::new(), at 0x5_f000..0x6_0000,
        sources [14, 15, 16, 17, 58, 59, 60, 61];
    /// Timer group 1.
    Timg1 timg1: TimerGroup = |_| TimerGroup::new(), at 0x6_0000..0x6_1000,
        sources [18, 19, 20, 21, 62, 63, 64, 65];
    /// General-purpose SPI, HSPI.
    Spi2 spi2: SpiController = |_| SpiController::new(), at 0x6_4000..0x6_5000, sources [30, 53];
    /// General-purpose SPI, VSPI.
    Spi3 spi3: SpiController = |_| SpiController::new(), at 0x6_5000..0x6_6000, sources [31, 54];
    /// SYSCON.
    ApbCtrl apb_ctrl: ApbCtrl = |config: &DeviceConfig| ApbCtrl::new(config.efuse.revision), at 0x6_6000..0x6_7000, sources [];
    /// I2C controller 1.
    I2c1 i2c1: I2c = |_| I2c::new(), at 0x6_7000..0x6_8000, sources [50];
    /// I2S controller 1.
    I2s1 i2s1: I2s = |_| I2s::new(), at 0x6_d000..0x6_e000, sources [33];
    /// UART2.
    Uart2 uart2: Uart = |_| Uart::new(2), at 0x6_e000..0x6_f000, sources [36];
    /// Bluetooth link controllers.
    Bluetooth bluetooth: Bluetooth = |_| Bluetooth::default(), at 0x7_1000..0x7_2000, sources [];
    /// Sleep state of the radio PHY.
    PhySleep phy_sleep: PhySleep = |_| PhySleep, at 0x7_2000..0x7_3000, sources [];
    /// WiFi MAC, both pages.
    WifiMac wifi_mac: WifiMac = |_| WifiMac::default(), at 0x7_3000..0x7_5000, sources [0];
    /// Radio device: clocks of its networks, random number generator.
    Wdev wdev: Wdev = |config: &DeviceConfig| Wdev::new(config.seed), at 0x7_5000..0x7_6000, sources [];
}

impl Devices {
    /// Whether `address` lies in the register space or its alias.
    pub(super) fn is_register(address: u32) -> bool {
        address.wrapping_sub(BASE) < SPACE || address.wrapping_sub(ALIAS) < ALIAS_LEN
    }

    /// Whether the register at `address` shows the levels of pads: IN and IN1 of GPIO, IN of
    /// RTC_IO.
    pub(super) fn is_pad_input(address: u32) -> bool {
        matches!(Id::at(address), Some((Id::Gpio, 0x3c | 0x40) | (Id::RtcIo, 0x24)))
    }

    /// What [`Devices::read`] of the register at `address`, a multiple of four, would give at `now`, if
    /// nothing followed from it.
    pub(super) fn peek(&self, address: u32, now: Instant) -> Option<u32> {
        let (id, offset) = Id::at(address)?;
        self.peek_register(id, offset, now)
    }

    /// Does what [`Devices::write`] of the register at `address`, a multiple of four, would do, if nothing
    /// followed from it but a later deadline; false, and nothing has been done, otherwise.
    pub(super) fn poke(&mut self, address: u32, value: u32, cx: &Context) -> bool {
        let Some((id, offset)) = Id::at(address) else { return false };
        let poked = self.poke_register(id, offset, value, cx);
        if poked == Some(Poked::Later) {
            self.refresh(id);
        }
        poked.is_some()
    }

    /// Reads the register at `address`, a multiple of four; 0 where no block is known. The device
    /// that has answered may have another deadline or interrupt level now.
    pub(super) fn read(&mut self, address: u32, cx: &Context) -> (u32, Option<Id>) {
        let Some((id, offset)) = Id::at(address) else {
            self.log.record(None, address, Direction::Read, Fidelity::Unmodelled);
            return (0, None);
        };
        self.poll(id, cx);
        let value = match self.read_register(id, offset, cx) {
            Some(value) => value,
            None => self.stored(id, offset, Direction::Read),
        };
        (value, Some(id))
    }

    /// Writes the register at `address`, a multiple of four. The device that has taken it may have
    /// another deadline or interrupt level now.
    pub(super) fn write(&mut self, address: u32, value: u32, cx: &Context) -> Option<Id> {
        let Some((id, offset)) = Id::at(address) else {
            self.log.record(None, address, Direction::Write, Fidelity::Unmodelled);
            return None;
        };
        self.poll(id, cx);
        if !self.write_register(id, offset, value, cx) {
            self.stored(id, offset, Direction::Write);
            let cells = self.storage[id as usize].as_deref_mut();
            if let Some(cell) = cells.and_then(|cells| cells.get_mut(offset as usize / 4)) {
                *cell = value;
            }
        }
        Some(id)
    }

    /// A register without a model: what was last written, or its value after reset.
    fn stored(&mut self, id: Id, offset: u32, direction: Direction) -> u32 {
        let declared = id.stores(offset);
        let fidelity = if declared.is_some() { Fidelity::Stores } else { Fidelity::Unmodelled };
        self.log.record(Some(id as u8), offset, direction, fidelity);
        if self.storage[id as usize].is_none() {
            let reset = |word| id.stores(word * 4).unwrap_or(0);
            self.storage[id as usize] = Some((0..id.words()).map(reset).collect());
        }
        let cells = self.storage[id as usize].as_deref();
        cells.and_then(|cells| cells.get(offset as usize / 4)).copied().unwrap_or(0)
    }

    /// What was touched and is not fully modelled.
    pub(super) fn accesses(&self) -> Vec<Access> {
        self.log.accesses(|n| Id::ALL.get(usize::from(n)).map_or("", |id| id.name()))
    }

    /// The earliest deadline of all.
    pub(super) fn next_deadline(&self) -> Instant {
        self.nearest
    }

    /// The devices whose deadline has come.
    pub(super) fn due(&self, now: Instant) -> impl Iterator<Item = Id> + use<> {
        let deadlines = self.deadlines;
        Id::ALL.iter().copied().filter(move |&id| deadlines[id as usize] <= now)
    }

    /// Asserted interrupt sources, by core.
    pub(super) fn sources(&self) -> [u128; 2] {
        self.sources
    }

    /// The same, from the levels of all: only GPIO tells the cores apart.
    fn asserted(&self) -> [u128; 2] {
        const GPIO_SOURCES: [(usize, u8); 4] = [(0, 22), (0, 23), (1, 22), (1, 23)];
        let mut shared = 0;
        for &id in Id::ALL {
            let irq = self.irqs[id as usize];
            if irq != 0 {
                for (bit, &source) in id.sources().iter().enumerate() {
                    shared |= u128::from(irq >> bit & 1) << source;
                }
            }
        }
        let mut sources = [shared; 2];
        for (bit, (core, source)) in GPIO_SOURCES.into_iter().enumerate() {
            sources[core] |= u128::from(self.irqs[Id::Gpio as usize] >> bit & 1) << source;
        }
        sources
    }
}

#[cfg(test)]
mod contract;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alias_shows_the_same_registers() {
        assert_eq!(Id::at(0x3ff4_0078), Some((Id::Uart0, 0x78)));
        assert_eq!(Id::at(0x6000_0078), Some((Id::Uart0, 0x78)));
        assert_eq!(Id::at(0x6003_5144), Some((Id::Wdev, 0x144)));
        assert_eq!(Id::at(0x6004_0000), None);
    }
}
