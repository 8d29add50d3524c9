//! What PRO_CPU does between reset and firmware: messages, boot mode, loading of the bootloader.
//!
//! *Source*: ESP-IDF's documentation of the boot process, of the image format and of boot messages;
//! texts and order as real chips print them, those of revision 3 also measured with its ROM.
//! *Modelled*: reset cause and strapping in the banner; wake-up stubs after deep sleep; flash boot with
//! the header's settings, segment loading, checksum and the ROM's messages for bad images; the way
//! into the serial loader and back. Everything goes through the chip's registers, so it takes its time.
//! *Not modelled*: secure boot, flash encryption, SDIO and HSPI boot, the console (its prompt is printed).
//!
//! The boot is a state machine that the machine around keeps and saves; [`Boot::run`] is called at the
//! SIMCALL of the reset code again and again until it says what comes next.

use super::call::{Call, Outcome, Stop};
use super::functions::{clock, rtc, spi_flash, uart};
use super::guest::{Fault, Guest};
use super::startup::{
    DOWNLOAD, DOWNLOAD_UART0, Handover, NATIVE_BOOT, USER_CODE_DONE, USER_CODE_START, Write,
    handover, preload,
};

const STRAP: u32 = 0x3ff4_4038;
const RESET_STATE: u32 = 0x3ff4_8034;
const STORE6: u32 = 0x3ff4_80b8;
const STORE7: u32 = 0x3ff4_80bc;
const RTC_TWEAK: u32 = 0x3ff4_8088;
const PRO_CACHE_CTRL1: u32 = 0x3ff0_0044;
const APP_CACHE_CTRL1: u32 = 0x3ff0_005c;
const EFUSE_WORD3: u32 = 0x3ff5_a00c;
const EFUSE_WORD5: u32 = 0x3ff5_a014;

const STRAP_MTDO: u32 = 1 << 1;
const CAUSE_DEEP_SLEEP: u32 = 5;
const BAUD: u32 = 115_200;
/// Where the bootloader's image begins in flash.
const IMAGE: u32 = 0x1000;
const IMAGE_MAGIC: u8 = 0xe9;
const HEADER_BYTES: u32 = 24;
const CHECKSUM_SEED: u8 = 0xef;
/// Cycles from a bad header to its message, before the next attempt. It makes the 42 ms that lie
/// between the lines in published serial logs, and before the first, with a crystal of 40 MHz.
const RETRY_CYCLES: u64 = 1_640_000;

/// Which ROM the chip has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RomVersion {
    /// Chip revisions 0 to 2.
    Jun2016,
    /// Chip revision 3.
    Jul2019,
}

impl RomVersion {
    fn date(self) -> &'static str {
        match self {
            Self::Jun2016 => "ets Jun  8 2016 00:22:57",
            Self::Jul2019 => "ets Jul 29 2019 12:21:46",
        }
    }
}

/// What the machine does after a call of [`Boot::run`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// The budget is used up; call again.
    Again,
    /// Set the registers and go on there.
    Enter(Handover),
    /// Raise this exception: an image wanted to be loaded where nothing is.
    Fault(Fault),
}

/// Boot modes that the straps select.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Flash,
    /// From the first UART on which a host speaks.
    Download,
    /// From UART0.
    DownloadUart0,
    Other,
}

/// Text of a boot mode, and what it comes down to.
fn mode(strap: u32) -> (Mode, &'static str) {
    match strap & 0x3f {
        s if s & 0x10 != 0 => (Mode::Flash, "SPI_FAST_FLASH_BOOT"),
        s if s & 0x1c == 0x08 => (Mode::Other, "HSPI_FLASH_BOOT"),
        s => match s & 0x0f {
            0x0c => (Mode::Other, "SPI_FLASH_BOOT"),
            0x0d => (Mode::Other, "SDIO_REI_FEO_V1_BOOT"),
            0x0e => (Mode::Other, "ATE_BOOT"),
            0x0f => (Mode::DownloadUart0, "UART_BOOT(UART0)"),
            other => (
                Mode::Download,
                match other & 3 {
                    0 => "DOWNLOAD_BOOT(UART0/UART1/SDIO_FEI_FEO_V2)",
                    1 => "DOWNLOAD_BOOT(UART0/UART1/SDIO_FEI_REO_V2)",
                    2 => "DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_FEO_V2)",
                    _ => "DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2)",
                },
            ),
        },
    }
}

/// Name of a reset cause.
fn cause_name(cause: u32) -> &'static str {
    match cause {
        1 => "POWERON_RESET",
        2 => "EXT_SYS_RESET",
        3 => "SW_RESET",
        4 => "OWDT_RESET",
        5 => "DEEPSLEEP_RESET",
        6 => "SDIO_RESET",
        7 => "TG0WDT_SYS_RESET",
        8 => "TG1WDT_SYS_RESET",
        9 => "RTCWDT_SYS_RESET",
        10 => "INTRUSION_RESET",
        11 => "TGWDT_CPU_RESET",
        12 => "SW_CPU_RESET",
        13 => "RTCWDT_CPU_RESET",
        14 => "EXT_CPU_RESET",
        15 => "RTCWDT_BROWN_OUT_RESET",
        16 => "RTCWDT_RTC_RESET",
        _ => "NO_MEAN",
    }
}

/// Name of the read mode in an image header.
fn read_mode_name(mode: u8) -> &'static str {
    match mode {
        0 => "QIO",
        1 => "QOUT",
        2 => "DIO",
        3 => "DOUT",
        4 => "FAST READ",
        _ => "SLOW READ",
    }
}

/// Divider of the 80 MHz flash clock for the header's frequency nibble.
fn clock_divider(frequency: u8) -> u32 {
    match frequency & 0xf {
        1 => 3,
        2 => 4,
        0xf => 1,
        _ => 2,
    }
}

/// Where the boot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Writing entry number `n` of the preload, from `offset` on.
    Preload { n: usize, offset: u32 },
    /// UART, banner.
    Banner,
    /// After deep sleep: the checksum unit runs.
    Checksum,
    /// Choosing what to do; also where a wake-up stub returns to.
    Select,
    /// Connecting the flash.
    Attach,
    /// The flash is told to wake up.
    Wake,
    /// Reading the image header.
    Header,
    /// Reading a segment's address and length; `left` segments are still to come.
    Segment { left: u8, at: u32 },
    /// Copying a segment.
    Copy { left: u8, at: u32, to: u32, bytes: u32 },
    /// Reading the checksum byte.
    Check { at: u32 },
    /// Everything is loaded.
    Start,
    /// Waiting so many cycles before it tells of a bad header and tries again.
    Pause { cycles: u64, first_word: u32 },
    /// Nothing more will happen until a reset.
    Halt,
    /// Handing over to the serial loader.
    Download,
    /// The serial loader has come back.
    Loaded,
}

/// A line of flash on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    at: u32,
    bytes: [u8; spi_flash::LINE as usize],
}

/// The boot of PRO_CPU. A new one is made at each reset of that core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    version: RomVersion,
    crystal_mhz: u32,
    state: State,
    /// Characters to be sent before anything else happens.
    output: Vec<u8>,
    /// How many of them have been.
    sent: usize,
    /// Strapping without MTDO: the ROM says nothing.
    is_silent: bool,
    strap: u32,
    line: Option<Line>,
    is_reading: bool,
    checksum: u8,
    entry: u32,
}

impl Boot {
    /// The beginning; `crystal_mhz` is 40 or 26.
    pub fn new(version: RomVersion, crystal_mhz: u32) -> Self {
        Self {
            version,
            crystal_mhz,
            state: State::Preload { n: 0, offset: 0 },
            output: Vec::new(),
            sent: 0,
            is_silent: false,
            strap: 0,
            line: None,
            is_reading: false,
            checksum: CHECKSUM_SEED,
            entry: 0,
        }
    }

    /// Goes on within the guest's budget.
    pub fn run(&mut self, guest: &mut dyn Guest) -> Progress {
        let mut call = Call::without_caller(guest);
        loop {
            match self.step(&mut call) {
                Ok(Some(progress)) => return progress,
                Ok(None) if call.is_spent() => return Progress::Again,
                Ok(None) => {}
                Err(Stop::Fault(fault)) => return Progress::Fault(fault),
                // No register of an older frame is ever asked for.
                Err(Stop::WindowOverflow(_)) => return Progress::Again,
            }
        }
    }

    fn print(&mut self, text: &str) {
        if self.is_silent {
            return;
        }
        for byte in text.bytes() {
            if byte == b'\n' {
                self.output.push(b'\r');
            }
            self.output.push(byte);
        }
    }

    /// Sends what is to be sent; true when all is out.
    fn flush(&mut self, call: &mut Call<'_>) -> Result<bool, Stop> {
        while let Some(&byte) = self.output.get(self.sent) {
            if !uart::send(call, 0, byte)? {
                return Ok(false);
            }
            self.sent += 1;
            if call.is_spent() {
                break;
            }
        }
        if self.sent < self.output.len() {
            return Ok(false);
        }
        self.output.clear();
        self.sent = 0;
        Ok(true)
    }

    fn step(&mut self, call: &mut Call<'_>) -> Result<Option<Progress>, Stop> {
        if !self.flush(call)? {
            return Ok(None);
        }
        call.charge(10);
        match self.state {
            State::Preload { n, offset } => self.preload(call, n, offset)?,
            State::Banner => self.banner(call)?,
            State::Checksum => return self.checksum(call),
            State::Select => return Ok(self.select()),
            State::Attach => {
                let config = spi_config(call)?;
                spi_flash::attach_flash(call, config)?;
                spi_flash::start_release(call)?;
                self.state = State::Wake;
            }
            State::Wake => {
                if spi_flash::command_is_done(call)? {
                    self.state = State::Header;
                }
            }
            State::Header => {
                if let Some(header) = self.read::<{ HEADER_BYTES as usize }>(call, IMAGE)? {
                    self.header(call, &header)?;
                }
            }
            State::Segment { left, at } => {
                if let Some(words) = self.read::<8>(call, at)? {
                    self.segment(left, at, words);
                }
            }
            State::Copy { left, at, to, bytes } => self.copy(call, left, at, to, bytes)?,
            State::Check { at } => {
                if let Some([stored]) = self.read::<1>(call, at)? {
                    self.check(stored);
                }
            }
            State::Start => {
                call.store(USER_CODE_START, self.entry)?;
                return Ok(Some(Progress::Enter(handover(self.entry, USER_CODE_DONE))));
            }
            State::Pause { cycles, first_word } => self.pause(call, cycles, first_word),
            State::Halt => call.charge(call.guest.budget_left().max(1)),
            State::Download => return self.download(call).map(Some),
            State::Loaded => return self.loaded(call),
        }
        Ok(None)
    }

    /// Writes a piece of the preload.
    fn preload(&mut self, call: &mut Call<'_>, n: usize, offset: u32) -> Result<(), Stop> {
        const PIECE: u32 = 256;
        self.state = match preload(self.crystal_mhz).get(n) {
            None => State::Banner,
            Some(&Write::Word(address, value)) => {
                call.store(address, value)?;
                State::Preload { n: n + 1, offset: 0 }
            }
            Some(&Write::Zero(from, to)) => {
                let at = from + offset;
                let bytes = PIECE.min(to - at);
                call.write(at, &[0; PIECE as usize][..bytes as usize])?;
                call.charge(u64::from(bytes / 4));
                match at + bytes < to {
                    true => State::Preload { n, offset: offset + bytes },
                    false => State::Preload { n: n + 1, offset: 0 },
                }
            }
        };
        Ok(())
    }

    fn banner(&mut self, call: &mut Call<'_>) -> Result<(), Stop> {
        call.modify(PRO_CACHE_CTRL1, 6, 6)?;
        call.modify(APP_CACHE_CTRL1, 6, 6)?;
        call.modify(RTC_TWEAK, 0x400, 0x400)?;
        // A reset that the RTC domain survives leaves the clocks as they are; firmware says how.
        let apb = clock::stored_frequency(call)?.unwrap_or(self.crystal_mhz * 1_000_000);
        uart::init(call, 0, apb, BAUD)?;
        self.strap = call.load(STRAP)? & 0x3f;
        self.is_silent = self.strap & STRAP_MTDO == 0;
        let cause = call.load(RESET_STATE)? & 0x3f;
        let (date, name, (_, mode)) = (self.version.date(), cause_name(cause), mode(self.strap));
        let strap = self.strap;
        self.print(&format!("{date}\n\nrst:0x{cause:x} ({name}),boot:0x{strap:x} ({mode})\n"));
        self.state = State::Select;
        if cause == CAUSE_DEEP_SLEEP && call.load(STORE6)? != 0 {
            rtc::start_memory_crc(call)?;
            self.state = State::Checksum;
        }
        Ok(())
    }

    /// Runs the wake-up stub if RTC FAST memory is as it was when the chip went to sleep. The stub
    /// returns to the boot, or goes back to sleep.
    fn checksum(&mut self, call: &mut Call<'_>) -> Result<Option<Progress>, Stop> {
        if rtc::memory_crc(call)? == Outcome::Again {
            return Ok(None);
        }
        let crc = rtc::take_memory_crc(call)?;
        let (stub, expected) = (call.load(STORE6)?, call.load(STORE7)?);
        call.store(STORE6, 0)?;
        self.state = State::Select;
        let is_whole = crc == expected;
        Ok(is_whole.then(|| Progress::Enter(handover(stub, NATIVE_BOOT))))
    }

    fn select(&mut self) -> Option<Progress> {
        match mode(self.strap).0 {
            Mode::Flash => self.state = State::Attach,
            Mode::Download => {
                self.print("waiting for download\n");
                self.state = State::Download;
            }
            Mode::DownloadUart0 => self.state = State::Download,
            Mode::Other => {
                if self.strap & 0x0f == 0x0d {
                    self.print("waiting for sdio host\n");
                }
                self.state = State::Halt;
            }
        }
        None
    }

    /// Enters the serial loader, which comes back when something is to be started.
    fn download(&mut self, call: &mut Call<'_>) -> Result<Progress, Stop> {
        uart::attach(call)?;
        self.state = State::Loaded;
        let entry = match mode(self.strap).0 {
            Mode::DownloadUart0 => DOWNLOAD_UART0,
            _ => {
                let apb = clock::stored_frequency(call)?.unwrap_or(self.crystal_mhz * 1_000_000);
                uart::init(call, 1, apb, BAUD)?;
                DOWNLOAD
            }
        };
        Ok(Progress::Enter(handover(entry, NATIVE_BOOT)))
    }

    /// Starts what has been loaded into RAM, or else what is in flash.
    fn loaded(&mut self, call: &mut Call<'_>) -> Result<Option<Progress>, Stop> {
        let entry = call.load(USER_CODE_START)?;
        self.state = State::Attach;
        Ok((entry != 0).then(|| Progress::Enter(handover(entry, USER_CODE_DONE))))
    }

    /// `N` bytes of flash, when they have arrived.
    fn read<const N: usize>(
        &mut self,
        call: &mut Call<'_>,
        at: u32,
    ) -> Result<Option<[u8; N]>, Stop> {
        let mut bytes = [0; N];
        let mut done = 0;
        while done < N {
            let Some(piece) = self.piece(call, at.wrapping_add(done as u32))? else {
                return Ok(None);
            };
            let (piece, n) = (piece.0, piece.1.min(N - done));
            bytes[done..done + n].copy_from_slice(&piece[..n]);
            done += n;
        }
        Ok(Some(bytes))
    }

    /// The rest of the 64-byte line at `at`, moved to the front, and its length. Lines are kept until
    /// the next one is asked for; a value that crosses two lines is read in any order.
    fn piece(
        &mut self,
        call: &mut Call<'_>,
        at: u32,
    ) -> Result<Option<([u8; spi_flash::LINE as usize], usize)>, Stop> {
        const LINE: u32 = spi_flash::LINE;
        // What is asked for decides where a line begins, so that nothing crosses two.
        if let Some(line) = self.line {
            let offset = at.wrapping_sub(line.at);
            if offset < LINE && !self.is_reading {
                let mut bytes = line.bytes;
                bytes.copy_within(offset as usize.., 0);
                return Ok(Some((bytes, (LINE - offset) as usize)));
            }
        }
        if !self.is_reading {
            spi_flash::start_line(call, at)?;
            self.line = Some(Line { at, bytes: [0; LINE as usize] });
            self.is_reading = true;
        }
        if !spi_flash::command_is_done(call)? {
            return Ok(None);
        }
        let bytes = spi_flash::take_line(call)?;
        if let Some(line) = &mut self.line {
            line.bytes = bytes;
        }
        self.is_reading = false;
        call.charge(200);
        Ok(None)
    }

    fn header(&mut self, call: &mut Call<'_>, header: &[u8; 24]) -> Result<(), Stop> {
        let word =
            |i: usize| u32::from_le_bytes([header[i], header[i + 1], header[i + 2], header[i + 3]]);
        self.line = None;
        if header[0] != IMAGE_MAGIC {
            self.bad_header(word(0));
            return Ok(());
        }
        let (config, wp) = (spi_config(call)?, header[8]);
        let nibbles =
            [header[9], header[9] >> 4, header[10], header[10] >> 4, header[11], header[11] >> 4];
        let [clk, q, d, cs0, hd, wp_drive] = nibbles.map(|nibble| nibble & 0xf);
        let (mode, divider) = (header[2], clock_divider(header[3]));
        let name = read_mode_name(mode);
        self.print(&format!(
            "configsip: {config}, SPIWP:0x{wp:x}\n\
             clk_drv:0x{clk:02x},q_drv:0x{q:02x},d_drv:0x{d:02x},cs0_drv:0x{cs0:02x},\
             hd_drv:0x{hd:02x},wp_drv:0x{wp_drive:02x}\n\
             mode:{name}, clock div:{divider}\n"
        ));
        spi_flash::set_clock(call, divider)?;
        self.entry = word(4);
        self.checksum = CHECKSUM_SEED;
        self.state = match header[1] {
            0 => State::Check { at: checksum_at(IMAGE + HEADER_BYTES) },
            left => State::Segment { left, at: IMAGE + HEADER_BYTES },
        };
        Ok(())
    }

    /// The old ROM gives up, the new one tries again; a watchdog ends both.
    fn bad_header(&mut self, first_word: u32) {
        match self.version {
            RomVersion::Jun2016 => {
                self.print("flash read err, 1000\nets_main.c 371 \n");
                self.state = State::Halt;
            }
            RomVersion::Jul2019 => {
                self.state = State::Pause { cycles: RETRY_CYCLES, first_word };
            }
        }
    }

    fn pause(&mut self, call: &mut Call<'_>, cycles: u64, first_word: u32) {
        let now = cycles.min(call.guest.budget_left().max(1));
        call.charge(now);
        let cycles = cycles - now;
        if cycles > 0 {
            self.state = State::Pause { cycles, first_word };
            return;
        }
        self.print(&format!("invalid header: 0x{first_word:08x}\n"));
        self.state = State::Attach;
    }

    fn segment(&mut self, left: u8, at: u32, words: [u8; 8]) {
        let [a, b, c, d, e, f, g, h] = words;
        let (to, bytes) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        self.print(&format!("load:0x{to:08x},len:{}\n", bytes as i32));
        self.state = State::Copy { left: left - 1, at: at.wrapping_add(8), to, bytes };
    }

    fn copy(
        &mut self,
        call: &mut Call<'_>,
        left: u8,
        at: u32,
        to: u32,
        bytes: u32,
    ) -> Result<(), Stop> {
        if bytes == 0 {
            self.state = match left {
                0 => State::Check { at: checksum_at(at) },
                left => {
                    // The ROM tells when the next segment's header crosses a 16-byte line.
                    let tail = at.wrapping_sub(IMAGE) % 16;
                    if tail > 8 {
                        self.print(&format!("ho 0 tail {tail} room {}\n", 16 - tail));
                    }
                    State::Segment { left, at }
                }
            };
            return Ok(());
        }
        let Some((piece, n)) = self.piece(call, at)? else { return Ok(()) };
        let n = n.min(bytes as usize);
        call.write(to, &piece[..n])?;
        call.charge(n as u64);
        self.checksum = piece[..n].iter().fold(self.checksum, |sum, byte| sum ^ byte);
        let n = n as u32;
        let (at, to) = (at.wrapping_add(n), to.wrapping_add(n));
        self.state = State::Copy { left, at, to, bytes: bytes - n };
        Ok(())
    }

    fn check(&mut self, stored: u8) {
        let computed = self.checksum;
        if computed == stored {
            self.print(&format!("entry 0x{:08x}\n", self.entry));
            self.state = State::Start;
            return;
        }
        self.print(&format!("csum err:0x{computed:02x}!=0x{stored:02x}\n"));
        self.print(match self.version {
            RomVersion::Jun2016 => "ets_main.c 371 \n",
            RomVersion::Jul2019 => "Falling back to built-in command interpreter.\nOK\n>",
        });
        self.state = State::Halt;
    }
}

/// Where the checksum of an image that ends at `end` is: the last byte of its last 16.
fn checksum_at(end: u32) -> u32 {
    end | 15
}

/// The eFuse's flash pin configuration.
fn spi_config(call: &mut Call<'_>) -> Result<u32, Stop> {
    let (word5, word3) = (call.load(EFUSE_WORD5)?, call.load(EFUSE_WORD3)?);
    Ok(rtc::spi_config(word5, word3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rom::fake::{Access, FakeGuest};
    use std::cell::RefCell;
    use std::rc::Rc;

    const SPI1_CMD: u32 = 0x3ff4_2000;

    /// A machine with this flash behind SPI1 and a UART that notes what it is sent.
    fn machine(budget: u32, flash: Vec<u8>, strap: u32) -> (FakeGuest, Rc<RefCell<String>>) {
        let text = Rc::new(RefCell::new(String::new()));
        let out = Rc::clone(&text);
        let mut guest = FakeGuest::new(budget);
        guest.set_register(STRAP, strap);
        guest.set_register(RESET_STATE, 1);
        guest.on_register(move |registers, access| match access {
            Access::Write(0x3ff4_0000, byte) => {
                out.borrow_mut().push(char::from(byte as u8));
            }
            Access::Write(SPI1_CMD, command) => {
                registers.insert(SPI1_CMD, 0);
                if command == 1 << 18 {
                    let at = (registers[&0x3ff4_2004] >> 8) as usize;
                    for i in 0..64 {
                        let byte = flash.get(at + i).copied().unwrap_or(0xff);
                        let word = registers.entry(0x3ff4_2080 + (i as u32 & !3)).or_default();
                        let shift = 8 * (i & 3);
                        *word = *word & !(0xff << shift) | u32::from(byte) << shift;
                    }
                }
            }
            _ => {}
        });
        (guest, text)
    }

    /// An image with these segments at 0x1000.
    fn image(segments: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let mut bytes = vec![0xe9, segments.len() as u8, 2, 0x20];
        bytes.extend(0x4008_0688u32.to_le_bytes());
        bytes.extend([0xee, 0x10, 0x32, 0x54]);
        bytes.resize(24, 0);
        let mut sum = 0xef;
        for (address, data) in segments {
            bytes.extend(address.to_le_bytes());
            bytes.extend((data.len() as u32).to_le_bytes());
            bytes.extend(data);
            sum = data.iter().fold(sum, |sum, byte| sum ^ byte);
        }
        bytes.resize(bytes.len() | 15, 0);
        bytes.push(sum);
        let mut flash = vec![0xff; 0x1000];
        flash.extend(bytes);
        flash
    }

    fn boot(version: RomVersion, guest: &mut FakeGuest, calls: usize) -> Progress {
        let mut boot = Boot::new(version, 40);
        for _ in 0..calls {
            guest.refill();
            match boot.run(guest) {
                Progress::Again => {}
                other => return other,
            }
        }
        Progress::Again
    }

    #[test]
    fn a_good_image_is_loaded_and_entered_with_the_messages_of_a_real_chip() {
        for budget in [1, 64, 100_000] {
            let data: Vec<u8> = (0..300u32).map(|i| i as u8).collect();
            let flash = image(&[
                (0x3fff_0030, data[..4].to_vec()),
                (0x4008_0400, data[..140].to_vec()),
                (0x3fff_1000, data.clone()),
            ]);
            let (mut guest, text) = machine(budget, flash, 0x13);
            let progress = boot(RomVersion::Jul2019, &mut guest, 1_000_000);
            let Progress::Enter(state) = progress else { panic!("{progress:?}") };
            assert_eq!((state.pc, state.a1, state.window_base), (0x4008_0688, 0x3ffe_3eb0, 1));
            assert_eq!(state.a8 >> 30, 2);
            assert_eq!(
                *text.borrow(),
                "ets Jul 29 2019 12:21:46\r\n\r\n\
                 rst:0x1 (POWERON_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n\
                 configsip: 0, SPIWP:0xee\r\n\
                 clk_drv:0x00,q_drv:0x01,d_drv:0x02,cs0_drv:0x03,hd_drv:0x04,wp_drv:0x05\r\n\
                 mode:DIO, clock div:2\r\n\
                 load:0x3fff0030,len:4\r\n\
                 load:0x40080400,len:140\r\n\
                 load:0x3fff1000,len:300\r\n\
                 entry 0x40080688\r\n"
            );
            assert_eq!(guest.get(0x3fff_1000, 300), data);
            assert_eq!(guest.get(0x4008_0400, 140), data[..140]);
            assert_eq!(guest.word(0x3ffe_01e0), 20);
            assert_eq!(guest.register(0x3ff4_0014), 0x30_015b);
        }
    }

    #[test]
    fn a_segment_header_across_a_line_is_told() {
        let flash = image(&[(0x3fff_0030, vec![1; 12]), (0x3fff_1000, vec![2; 4])]);
        let (mut guest, text) = machine(1000, flash, 0x13);
        boot(RomVersion::Jul2019, &mut guest, 100_000);
        assert!(text.borrow().contains("len:12\r\nho 0 tail 12 room 4\r\nload:0x3fff1000,len:4"));
    }

    #[test]
    fn erased_flash_is_reported_by_each_rom_in_its_own_way() {
        let (mut guest, text) = machine(100_000, vec![0xff; 0x2000], 0x13);
        assert_eq!(boot(RomVersion::Jul2019, &mut guest, 200), Progress::Again);
        assert!(text.borrow().matches("invalid header: 0xffffffff\r\n").count() > 2);
        let (mut guest, text) = machine(100_000, vec![0xff; 0x2000], 0x13);
        guest.set_register(RESET_STATE, 16);
        assert_eq!(boot(RomVersion::Jun2016, &mut guest, 200), Progress::Again);
        assert_eq!(
            *text.borrow(),
            "ets Jun  8 2016 00:22:57\r\n\r\n\
             rst:0x10 (RTCWDT_RTC_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\n\
             flash read err, 1000\r\nets_main.c 371 \r\n"
        );
    }

    #[test]
    fn a_wrong_checksum_is_not_started() {
        let mut flash = image(&[(0x3fff_0030, vec![1; 12])]);
        flash[0x1000 + 33] ^= 0x40;
        let (mut guest, text) = machine(1000, flash, 0x33);
        assert_eq!(boot(RomVersion::Jul2019, &mut guest, 5000), Progress::Again);
        assert!(text.borrow().ends_with(
            "csum err:0xaf!=0xef\r\nFalling back to built-in command interpreter.\r\nOK\r\n>"
        ));
    }

    #[test]
    fn straps_select_download_and_silence() {
        let (mut guest, text) = machine(1000, Vec::new(), 0x03);
        let progress = boot(RomVersion::Jul2019, &mut guest, 5000);
        let Progress::Enter(state) = progress else { panic!("{progress:?}") };
        assert_eq!((state.pc, state.a8 & 0x3fff_ffff), (DOWNLOAD, NATIVE_BOOT & 0x3fff_ffff));
        assert!(text.borrow().ends_with(
            "boot:0x3 (DOWNLOAD_BOOT(UART0/UART1/SDIO_REI_REO_V2))\r\nwaiting for download\r\n"
        ));
        let (mut guest, text) = machine(1000, Vec::new(), 0x11);
        boot(RomVersion::Jul2019, &mut guest, 5000);
        assert_eq!(*text.borrow(), "");
    }

    #[test]
    fn a_wake_up_stub_runs_when_its_memory_is_whole() {
        let (mut guest, _) = machine(1000, image(&[(0x3fff_0030, vec![1; 4])]), 0x13);
        guest.set_register(RESET_STATE, 5);
        guest.set_register(STORE6, 0x400c_0000);
        guest.set_register(STORE7, 0x1234);
        guest.set_register(0x3ff4_8100, 1 << 31);
        guest.set_register(0x3ff4_8104, 0x1234);
        let mut boot = Boot::new(RomVersion::Jul2019, 40);
        let mut entered = Vec::new();
        for _ in 0..10_000 {
            guest.refill();
            if let Progress::Enter(state) = boot.run(&mut guest) {
                entered.push(state.pc);
            }
            if entered.len() == 2 {
                break;
            }
        }
        assert_eq!(entered, [0x400c_0000, 0x4008_0688]);
        assert_eq!(guest.register(STORE6), 0);
    }

    #[test]
    fn an_image_for_nowhere_is_the_guests_fault() {
        let (mut guest, _) = machine(1000, image(&[(0x1000, vec![1; 4])]), 0x13);
        let progress = boot(RomVersion::Jul2019, &mut guest, 10_000);
        assert!(matches!(progress, Progress::Fault(_)));
    }
}
