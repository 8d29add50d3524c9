//! The C library's FILE, and what all stdio functions do with it.
//!
//! *Source*: `sys/reent.h` and `stdio.h` of newlib 2.2 as ESP-IDF v3.3 ships them.
//! *Modelled*: the layout for 32-bit offsets and the small reentrancy structure, 104 bytes.
//! *Not modelled*: wide orientation.

use crate::rom::call::{Call, Stop};
use crate::rom::guest::Width;

/// Bytes of a FILE.
pub(super) const FILE_SIZE: u32 = 104;

// Offsets into FILE.
pub(super) const P: u32 = 0;
pub(super) const R: u32 = 4;
pub(super) const W: u32 = 8;
const FLAGS: u32 = 12;
const FILE: u32 = 14;
pub(super) const BF_BASE: u32 = 16;
pub(super) const BF_SIZE: u32 = 20;
pub(super) const LBFSIZE: u32 = 24;
pub(super) const COOKIE: u32 = 32;
pub(super) const READ: u32 = 36;
pub(super) const WRITE: u32 = 40;
pub(super) const SEEK: u32 = 44;
pub(super) const CLOSE: u32 = 48;
pub(super) const UB_BASE: u32 = 52;
pub(super) const UB_SIZE: u32 = 56;
pub(super) const UP: u32 = 60;
pub(super) const UR: u32 = 64;
pub(super) const UBUF: u32 = 68;
pub(super) const NBUF: u32 = 71;
pub(super) const LB_BASE: u32 = 72;
pub(super) const LB_SIZE: u32 = 76;
pub(super) const BLKSIZE: u32 = 80;
pub(super) const OFFSET: u32 = 84;
pub(super) const LOCK: u32 = 88;
pub(super) const MBSTATE: u32 = 92;
pub(super) const FLAGS2: u32 = 100;

/// `_flags`.
pub(super) mod flag {
    pub(in crate::rom) const SLBF: u32 = 0x0001;
    pub(in crate::rom) const SNBF: u32 = 0x0002;
    pub(in crate::rom) const SRD: u32 = 0x0004;
    pub(in crate::rom) const SWR: u32 = 0x0008;
    pub(in crate::rom) const SRW: u32 = 0x0010;
    pub(in crate::rom) const SEOF: u32 = 0x0020;
    pub(in crate::rom) const SERR: u32 = 0x0040;
    pub(in crate::rom) const SMBF: u32 = 0x0080;
    pub(in crate::rom) const SAPP: u32 = 0x0100;
    pub(in crate::rom) const SSTR: u32 = 0x0200;
    pub(in crate::rom) const SOPT: u32 = 0x0400;
    pub(in crate::rom) const SNPT: u32 = 0x0800;
    pub(in crate::rom) const SOFF: u32 = 0x1000;
}

/// Streams that stand for the real ones until the library is initialised: stdin, stdout, stderr.
const FAKES: [u32; 3] = [0x3ff9_6498, 0x3ff9_6478, 0x3ff9_6458];

// Offsets into the reentrancy structure.
pub(super) const REENT_STDIN: u32 = 4;
pub(super) const REENT_DID_INIT: u32 = 24;
pub(super) const REENT_CLEANUP: u32 = 40;
pub(super) const REENT_GLUE: u32 = 216;

// Offsets into a glue block, which holds some FILEs.
pub(super) const GLUE_NEXT: u32 = 0;
pub(super) const GLUE_COUNT: u32 = 4;
pub(super) const GLUE_FILES: u32 = 8;

// errno values.
pub(super) const EBADF: u32 = 9;
pub(super) const ENOMEM: u32 = 12;
pub(super) const EINVAL: u32 = 22;
pub(super) const ESPIPE: u32 = 29;

/// End of file, and failure.
pub(super) const EOF: u32 = u32::MAX;

impl Call<'_> {
    /// A word of a structure.
    pub(super) fn field(&mut self, base: u32, offset: u32) -> Result<u32, Stop> {
        Ok(self.load(base.wrapping_add(offset))?)
    }

    /// Writes a word of a structure.
    pub(super) fn set_field(&mut self, base: u32, offset: u32, value: u32) -> Result<(), Stop> {
        Ok(self.store(base.wrapping_add(offset), value)?)
    }

    /// `_flags`.
    pub(super) fn flags(&mut self, fp: u32) -> Result<u32, Stop> {
        Ok(self.guest.load(fp.wrapping_add(FLAGS), Width::Half)?)
    }

    /// Writes `_flags`.
    pub(super) fn set_flags(&mut self, fp: u32, flags: u32) -> Result<(), Stop> {
        Ok(self.guest.store(fp.wrapping_add(FLAGS), Width::Half, flags)?)
    }

    /// Sets and clears bits of `_flags`.
    pub(super) fn change_flags(&mut self, fp: u32, set: u32, clear: u32) -> Result<u32, Stop> {
        let flags = (self.flags(fp)? | set) & !clear;
        self.set_flags(fp, flags)?;
        Ok(flags)
    }

    /// `_file`, sign-extended.
    pub(super) fn descriptor(&mut self, fp: u32) -> Result<u32, Stop> {
        let half = self.guest.load(fp.wrapping_add(FILE), Width::Half)?;
        Ok(half as u16 as i16 as u32)
    }

    /// Writes `_file`.
    pub(super) fn set_descriptor(&mut self, fp: u32, file: u32) -> Result<(), Stop> {
        Ok(self.guest.store(fp.wrapping_add(FILE), Width::Half, file & 0xffff)?)
    }

    /// The stream that is meant: a stand-in is replaced by the real one of `reent`.
    pub(super) fn real_stream(&mut self, reent: u32, fp: u32) -> Result<u32, Stop> {
        match FAKES.iter().position(|&fake| fake == fp) {
            Some(n) => self.field(reent, REENT_STDIN + 4 * n as u32),
            None => Ok(fp),
        }
    }
}
