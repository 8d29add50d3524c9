//! What a flash holds whose contents are put together here.

use super::TargetError;

/// Bytes of a sector, the least that is erased.
const SECTOR: u32 = 0x1000;
/// What erased flash holds.
const BLANK: u8 = 0xff;

/// The contents of a flash chip.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Image {
    bytes: Vec<u8>,
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Image").field("size", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl Image {
    /// A chip of so many megabytes, erased.
    pub(super) fn blank(megabytes: u32) -> Self {
        Self { bytes: vec![BLANK; (megabytes as usize) << 20] }
    }

    /// Size of the chip in bytes.
    pub(super) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(super) fn erase(&mut self) {
        self.bytes.fill(BLANK);
    }

    pub(super) fn erase_region(&mut self, offset: u32, length: u32) -> Result<(), TargetError> {
        if !offset.is_multiple_of(SECTOR) || !length.is_multiple_of(SECTOR) {
            return Err(TargetError::NotInSectors { offset, length, sector: SECTOR });
        }
        self.place(offset, u64::from(length))?.fill(BLANK);
        Ok(())
    }

    /// Erases the sectors that these bytes touch, and writes them.
    pub(super) fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), TargetError> {
        self.place(offset, bytes.len() as u64)?;
        let start = (offset / SECTOR * SECTOR) as usize;
        let end = (offset as usize + bytes.len()).next_multiple_of(SECTOR as usize);
        let end = end.min(self.bytes.len());
        if !bytes.is_empty() {
            self.bytes[start..end].fill(BLANK);
        }
        self.place(offset, bytes.len() as u64)?.copy_from_slice(bytes);
        Ok(())
    }

    pub(super) fn read(&mut self, offset: u32, length: u32) -> Result<Vec<u8>, TargetError> {
        self.place(offset, u64::from(length)).map(|bytes| bytes.to_vec())
    }

    fn place(&mut self, offset: u32, length: u64) -> Result<&mut [u8], TargetError> {
        let size = self.size();
        let fault = TargetError::DoesNotFit { offset: offset.into(), length, size };
        let start = offset as usize;
        let end = usize::try_from(length).ok().and_then(|length| start.checked_add(length));
        end.and_then(|end| self.bytes.get_mut(start..end)).ok_or(fault)
    }

    /// All that has to be uploaded: from the first byte of the flash to the last that is not blank, which
    /// no server can mistake for something else; `None` if all is blank.
    pub(super) fn firmware(&self) -> Option<&[u8]> {
        let last = self.bytes.iter().rposition(|byte| *byte != BLANK)?;
        Some(&self.bytes[..=last])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_what_is_uploaded() {
        let mut image = Image::blank(1);
        assert_eq!(image.firmware(), None);
        image.write(0x1002, &[1, 2]).unwrap();
        image.write(0x2000, &[3]).unwrap();
        let firmware = image.firmware().unwrap();
        assert_eq!(
            (firmware.len(), &firmware[0x1001..0x1005]),
            (0x2001, &[BLANK, 1, 2, BLANK][..])
        );
        image.write(0x1000, &[9]).unwrap();
        assert_eq!(
            image.read(0x1000, 4).unwrap(),
            [9, BLANK, BLANK, BLANK],
            "its sector is erased"
        );
        image.erase_region(0x1000, 0x1000).unwrap();
        assert_eq!(image.read(0x1000, 1).unwrap(), [BLANK]);
        image.erase();
        assert_eq!(image.firmware(), None);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut image = Image::blank(1);
        let refused = |outcome| matches!(outcome, Err(TargetError::DoesNotFit { .. }));
        assert!(refused(image.write(0xf_ffff, &[1, 2])) && refused(image.write(u32::MAX, &[1])));
        assert!(refused(image.read(0, u32::MAX).map(|_| ())));
        assert!(matches!(image.erase_region(1, 0x1000), Err(TargetError::NotInSectors { .. })));
        assert_eq!(image.firmware(), None);
    }
}
