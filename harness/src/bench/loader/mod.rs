//! The flash of a chip in download mode: erased, written, read and checked.
//!
//! Two clients of Espressif's serial protocol do the work, and what is the same for both is here. The
//! one of [`rom`] is our own, speaks to the mask ROM over every kind of adapter, and also finds out
//! what the chip is. The one of [`stub`] is the crate `espflash`, which wants a port of this computer
//! for itself and uploads a program that writes faster.

mod chip;
mod error;
pub mod rom;
pub mod slip;
pub mod stub;

use crate::targets::Progress;

pub(super) use chip::EFUSE_MAC;
pub use chip::{Chip, Mac};
pub use error::{Heard, LoaderError};

/// What the smallest erase command erases.
pub const SECTOR: u32 = 0x1000;
/// Erased with one command, for the sake of progress.
const ERASED_AT_ONCE: u32 = 0x4_0000;
/// What the three address bytes of a flash command reach, where the chip does not tell its size.
const REACHED: u32 = 1 << 24;

/// Who speaks with the chip in download mode. Ranges are inside of the flash, and those that are
/// changed are whole sectors.
pub trait Client {
    /// Erases, with one command.
    ///
    /// # Errors
    /// When the chip does not answer, or refuses.
    fn erase(&mut self, offset: u32, length: u32) -> Result<(), LoaderError>;

    /// Erases and writes; how many bytes are `done` is told now and then.
    ///
    /// # Errors
    /// When the chip does not answer, or refuses.
    fn write(
        &mut self,
        offset: u32,
        bytes: &[u8],
        done: &mut dyn FnMut(usize),
    ) -> Result<(), LoaderError>;

    /// Reads.
    ///
    /// # Errors
    /// When the chip does not answer, or refuses.
    fn read(&mut self, offset: u32, length: u32) -> Result<Vec<u8>, LoaderError>;

    /// The MD5 of a range.
    ///
    /// # Errors
    /// When the chip does not answer, or refuses.
    fn md5(&mut self, offset: u32, length: u32) -> Result<[u8; 16], LoaderError>;
}

/// The flash of a chip, by one of the clients.
pub struct Loader<'a> {
    client: Box<dyn Client + 'a>,
    size: u32,
}

impl<'a> Loader<'a> {
    /// That of this chip.
    pub fn new(client: impl Client + 'a, chip: &Chip) -> Self {
        Self { client: Box::new(client), size: chip.flash_size.unwrap_or(REACHED) }
    }

    fn fits(&self, offset: u32, length: u64) -> Result<(), LoaderError> {
        let size = self.size;
        match u64::from(offset) + length <= u64::from(size) {
            true => Ok(()),
            false => Err(LoaderError::DoesNotFit { offset, length, size }),
        }
    }

    /// Erases whole sectors.
    ///
    /// # Errors
    /// [`LoaderError::DoesNotFit`], and as for every command.
    pub fn erase(
        &mut self,
        offset: u32,
        length: u32,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), LoaderError> {
        self.fits(offset, length.into())?;
        let mut done = 0;
        while done < length {
            let piece = (length - done).min(ERASED_AT_ONCE);
            self.client.erase(offset + done, piece)?;
            done += piece;
            progress(Progress { done: done.into(), total: length.into() });
        }
        Ok(())
    }

    /// Writes bytes and checks that the flash holds them. A sector is erased whole, so what is in it
    /// beside the bytes is written again.
    ///
    /// # Errors
    /// [`LoaderError::DoesNotFit`], [`LoaderError::NotWritten`], and as for every command.
    pub fn write(
        &mut self,
        offset: u32,
        bytes: &[u8],
        progress: &mut dyn FnMut(Progress),
    ) -> Result<(), LoaderError> {
        self.fits(offset, bytes.len() as u64)?;
        let (start, end) = (offset / SECTOR * SECTOR, offset + bytes.len() as u32);
        let head = self.read(start, offset - start)?;
        let tail = self.read(end, end.next_multiple_of(SECTOR) - end)?;
        let whole = [&head, bytes, &tail].concat();
        let total = whole.len() as u64;
        let mut done = |done: usize| progress(Progress { done: done as u64, total });
        self.client.write(start, &whole, &mut done)?;
        match self.holds(start, &whole)? {
            true => Ok(()),
            false => Err(LoaderError::NotWritten { offset: start, length: whole.len() }),
        }
    }

    /// Whether the flash holds these bytes, by their MD5.
    ///
    /// # Errors
    /// [`LoaderError::DoesNotFit`], and as for every command.
    pub fn holds(&mut self, offset: u32, bytes: &[u8]) -> Result<bool, LoaderError> {
        use md5::{Digest, Md5};
        self.fits(offset, bytes.len() as u64)?;
        let wanted: [u8; 16] = Md5::digest(bytes).into();
        Ok(self.client.md5(offset, bytes.len() as u32)? == wanted)
    }

    /// Reads flash.
    ///
    /// # Errors
    /// [`LoaderError::DoesNotFit`], and as for every command.
    pub fn read(&mut self, offset: u32, length: u32) -> Result<Vec<u8>, LoaderError> {
        self.fits(offset, length.into())?;
        match length {
            0 => Ok(Vec::new()),
            _ => self.client.read(offset, length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A flash of eight sectors, and the commands that reached it.
    #[derive(Default)]
    struct Sectors {
        flash: Vec<u8>,
        commands: Vec<String>,
        /// Whether it loses what is written.
        is_deaf: bool,
    }

    impl Client for &mut Sectors {
        fn erase(&mut self, offset: u32, length: u32) -> Result<(), LoaderError> {
            self.commands.push(format!("erase {offset:#x} {length:#x}"));
            self.flash[offset as usize..][..length as usize].fill(0xff);
            Ok(())
        }

        fn write(
            &mut self,
            offset: u32,
            bytes: &[u8],
            done: &mut dyn FnMut(usize),
        ) -> Result<(), LoaderError> {
            self.commands.push(format!("write {offset:#x} {:#x}", bytes.len()));
            if !self.is_deaf {
                self.flash[offset as usize..][..bytes.len()].copy_from_slice(bytes);
            }
            done(bytes.len());
            Ok(())
        }

        fn read(&mut self, offset: u32, length: u32) -> Result<Vec<u8>, LoaderError> {
            Ok(self.flash[offset as usize..][..length as usize].to_vec())
        }

        fn md5(&mut self, offset: u32, length: u32) -> Result<[u8; 16], LoaderError> {
            use md5::{Digest, Md5};
            Ok(Md5::digest(&self.flash[offset as usize..][..length as usize]).into())
        }
    }

    const SIZE: u32 = 8 * SECTOR;

    fn sectors() -> Sectors {
        Sectors { flash: vec![0x11; SIZE as usize], ..Sectors::default() }
    }

    fn loader(sectors: &mut Sectors) -> Loader<'_> {
        let chip = Chip { mac: Mac([0; 6]), flash_id: 0, flash_size: Some(SIZE) };
        Loader::new(sectors, &chip)
    }

    #[test]
    fn what_lies_beside_the_bytes_in_their_sectors_stays() {
        let mut there = sectors();
        loader(&mut there).write(SECTOR + 0xff0, &[0x22; 0x20], &mut |_| {}).unwrap();
        assert_eq!(there.commands, ["write 0x1000 0x2000"]);
        let wanted = [vec![0x11; 0x1ff0], vec![0x22; 0x20], vec![0x11; 0x5ff0]].concat();
        assert!(there.flash == wanted);
    }

    #[test]
    fn what_is_not_kept_is_an_error() {
        let mut there = Sectors { is_deaf: true, ..sectors() };
        let error = loader(&mut there).write(0, b"bytes", &mut |_| {}).unwrap_err();
        assert!(matches!(error, LoaderError::NotWritten { offset: 0, length: 0x1000 }), "{error}");
    }

    #[test]
    fn nothing_reaches_beyond_the_end_of_the_flash() {
        for (offset, length) in [(SIZE, 1), (SIZE - 1, 2), (0, SIZE + 1), (u32::MAX, 1)] {
            let mut there = sectors();
            let mut loader = loader(&mut there);
            let bytes = vec![0; length as usize];
            let results = [
                loader.write(offset, &bytes, &mut |_| {}),
                loader.erase(offset, length, &mut |_| {}),
                loader.holds(offset, &bytes).map(drop),
                loader.read(offset, length).map(drop),
            ];
            for result in results {
                assert!(matches!(result, Err(LoaderError::DoesNotFit { .. })), "{result:?}");
            }
            drop(loader);
            assert!(there.commands.is_empty(), "{:?}", there.commands);
        }
        let mut there = sectors();
        loader(&mut there).write(SIZE - 1, b"\0", &mut |_| {}).expect("the last byte is one");
    }
}
