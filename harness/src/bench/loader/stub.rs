//! The flash through the crate `espflash`, which uploads a program of Espressif's, the flasher stub,
//! and speaks with that.
//!
//! The crate takes ports of this computer only, for as long as it uses them; so it gets a second handle
//! of the one that is open. It does not reset the chip: that stays the fixture's work, and
//! ends the stub.
//!
//! What is read goes through a file, for the crate has no other way to give it back.

use std::error::Error as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use espflash::Error;
use espflash::connection::{Connection, Port, ResetAfterOperation, ResetBeforeOperation};
use espflash::flasher::Flasher;
use espflash::target::{Chip, ProgressCallbacks};
use serialport::{SerialPort, UsbPortInfo};

use super::{Client, LoaderError, SECTOR};
use crate::bench::adapters::{AdapterError, ROM_BAUD};

/// Blocks that the stub may send before it waits. The crate throws away what has come when it
/// confirms a block, so no more than the one that is confirmed.
const IN_FLIGHT: u32 = 1;

/// Bytes that are written at once. The stub has all of what compresses well before it has written it,
/// and then the crate waits 10 s, however much it is.
const AT_ONCE: usize = 0x4_0000;

/// The stub in a chip, and who speaks with it.
pub struct Stub {
    flasher: Flasher,
    port: String,
}

impl Stub {
    /// Starts the stub in a chip that waits for a download at [`ROM_BAUD`], which is what the stub
    /// begins with; then both go on at `baud`.
    ///
    /// # Errors
    /// [`LoaderError::Stub`], and when the port has gone.
    pub fn start(port: Port, baud: u32) -> Result<Self, LoaderError> {
        let name = port.name().unwrap_or_default();
        // It matters only whether it is the chip's own USB port, which an ESP32 has not.
        let usb = UsbPortInfo {
            vid: 0,
            pid: 0,
            serial_number: None,
            manufacturer: None,
            product: None,
            interface: None,
        };
        let (after, before) = (ResetAfterOperation::NoResetNoStub, ResetBeforeOperation::NoReset);
        let connection = Connection::new(port, usb, after, before, ROM_BAUD);
        // Whether it must be written, and whether it has been, is the loader's to see.
        let (with_stub, verify, skip) = (true, false, false);
        let chip = Some(Chip::Esp32);
        let start = || Flasher::connect(connection, with_stub, verify, skip, chip, Some(baud));
        let flasher = attempt(&name, "start", start)?;
        Ok(Self { flasher, port: name })
    }

    fn attempt<T>(
        &mut self,
        what: &'static str,
        act: impl FnOnce(&mut Flasher) -> Result<T, Error>,
    ) -> Result<T, LoaderError> {
        let Self { flasher, port } = self;
        attempt(port, what, || act(flasher))
    }
}

/// What the crate does, with its errors as ours.
fn attempt<T>(
    port: &str,
    what: &'static str,
    act: impl FnOnce() -> Result<T, Error>,
) -> Result<T, LoaderError> {
    let stub = |reason| LoaderError::Stub { what, reason };
    // It trusts lengths that come over the line.
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => match lost_port(&error) {
            Some(reason) => Err(AdapterError::Gone { port: port.to_owned(), reason }.into()),
            None => Err(stub(whole(&error))),
        },
        Err(_) => Err(stub("what the chip answers makes no sense".to_owned())),
    }
}

/// What led to an error, one after the other.
fn causes(error: &Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&error| error.source())
}

/// What the system said of the port, if that is what went wrong.
fn lost_port(error: &Error) -> Option<String> {
    let lost = causes(error).find_map(|error| error.downcast_ref::<serialport::Error>());
    lost.map(ToString::to_string)
}

/// An error with what led to it.
fn whole(error: &Error) -> String {
    causes(error).fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

impl Client for &mut Stub {
    fn erase(&mut self, offset: u32, length: u32) -> Result<(), LoaderError> {
        self.attempt("erase", |flasher| flasher.erase_region(offset, length))
    }

    fn write(
        &mut self,
        offset: u32,
        bytes: &[u8],
        done: &mut dyn FnMut(usize),
    ) -> Result<(), LoaderError> {
        let mut before = 0;
        for piece in bytes.chunks(AT_ONCE) {
            let at = offset + before as u32;
            let mut blocks = Blocks { done, before, bytes: piece.len(), total: 1 };
            self.attempt("write", |flasher| flasher.write_bin_to_flash(at, piece, &mut blocks))?;
            before += piece.len();
        }
        Ok(())
    }

    fn read(&mut self, offset: u32, length: u32) -> Result<Vec<u8>, LoaderError> {
        let lost = |error: std::io::Error| LoaderError::Stub {
            what: "read",
            reason: format!("no file for what it reads: {error}"),
        };
        let file = tempfile::NamedTempFile::new().map_err(lost)?;
        let path = file.path().to_owned();
        self.attempt("read", |flasher| {
            flasher.read_flash(offset, length, SECTOR, IN_FLIGHT, path)
        })?;
        std::fs::read(file.path()).map_err(lost)
    }

    fn md5(&mut self, offset: u32, length: u32) -> Result<[u8; 16], LoaderError> {
        let sum = self.attempt("hash", |flasher| flasher.checksum_md5(offset, length))?;
        Ok(sum.to_be_bytes())
    }
}

/// Tells bytes where the crate counts blocks of compressed ones.
struct Blocks<'a> {
    done: &'a mut dyn FnMut(usize),
    /// Bytes of the pieces before.
    before: usize,
    bytes: usize,
    total: usize,
}

impl ProgressCallbacks for Blocks<'_> {
    fn init(&mut self, _address: u32, total: usize) {
        self.total = total.max(1);
    }

    fn update(&mut self, current: usize) {
        let bytes = self.bytes as u64 * current as u64 / self.total as u64;
        (self.done)(self.before + bytes as usize);
    }

    fn verifying(&mut self) {}

    fn finish(&mut self, _skipped: bool) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_as_bytes_up_to_all_of_them() {
        let mut told = Vec::new();
        let mut done = |bytes| told.push(bytes);
        let mut blocks = Blocks { done: &mut done, before: 500, bytes: 1_000, total: 1 };
        blocks.init(0x1000, 3);
        (1..=3).for_each(|block| blocks.update(block));
        blocks.finish(false);
        assert_eq!(told, [833, 1_166, 1_500]);
    }

    #[test]
    fn what_goes_wrong_in_the_crate_is_told_as_what_it_is() {
        let gone = serialport::Error::new(serialport::ErrorKind::Unknown, "unplugged");
        let error = attempt::<()>("/dev/x", "write", || Err(gone.into())).unwrap_err();
        assert_eq!(error.to_string(), "/dev/x has gone: unplugged");
        let error = attempt::<()>("/dev/x", "write", || Err(Error::FlashConnect)).unwrap_err();
        let text = "the flasher stub did not write: Failed to connect to on-device flash";
        assert_eq!(error.to_string(), text);
        let error = attempt::<()>("/dev/x", "hash", || panic!("on purpose")).unwrap_err();
        let text = "the flasher stub did not hash: what the chip answers makes no sense";
        assert_eq!(error.to_string(), text);
    }
}
