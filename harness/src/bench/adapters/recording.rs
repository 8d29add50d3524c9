//! An adapter without a board: it writes down what is done to it, with the times.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Adapter, AdapterError, ModemLines};

/// One thing that was done to the port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Bytes were sent.
    Wrote(Vec<u8>),
    /// The speed changed.
    Baud(u32),
    /// The modem lines changed.
    Lines(ModemLines),
    /// Time went by, as far as it was asked for.
    Waited(Duration),
    /// A break was sent.
    Break,
}

/// What was done so far.
pub type Acts = Arc<Mutex<Vec<Act>>>;

/// An adapter that only writes down.
#[derive(Debug, Default)]
pub struct Recording {
    acts: Acts,
    /// What comes, a piece for each read.
    says: std::collections::VecDeque<Vec<u8>>,
}

impl Recording {
    /// An adapter on whose line nothing comes but this, a piece for each read; an empty piece is a
    /// read that waits in vain.
    pub fn saying(pieces: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self { acts: Acts::default(), says: pieces.into_iter().collect() }
    }

    /// What is done to it.
    pub fn acts(&self) -> Acts {
        self.acts.clone()
    }

    fn note(&self, act: Act) {
        self.acts.lock().unwrap_or_else(PoisonError::into_inner).push(act);
    }
}

impl Adapter for Recording {
    fn read(&mut self, into: &mut [u8], patience: Duration) -> Result<usize, AdapterError> {
        match self.says.pop_front() {
            None => {
                self.note(Act::Waited(patience));
                Ok(0)
            }
            // Nothing comes for once.
            Some(piece) if piece.is_empty() => {
                self.note(Act::Waited(patience));
                Ok(0)
            }
            Some(mut piece) => {
                let count = piece.len().min(into.len());
                into[..count].copy_from_slice(&piece[..count]);
                let rest = piece.split_off(count);
                if !rest.is_empty() {
                    self.says.push_front(rest);
                }
                Ok(count)
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), AdapterError> {
        self.note(Act::Wrote(bytes.to_vec()));
        Ok(())
    }

    fn set_baud(&mut self, baud: u32) -> Result<(), AdapterError> {
        self.note(Act::Baud(baud));
        Ok(())
    }

    fn has_modem_lines(&self) -> bool {
        true
    }

    fn set_lines(&mut self, lines: ModemLines) -> Result<(), AdapterError> {
        self.note(Act::Lines(lines));
        Ok(())
    }

    fn send_break(&mut self) -> Result<(), AdapterError> {
        self.note(Act::Break);
        Ok(())
    }
}

/// A line on which the same comes again and again, for ever.
#[cfg(test)]
pub(in crate::bench) struct Noise(pub(in crate::bench) &'static [u8]);

#[cfg(test)]
impl Adapter for Noise {
    fn read(&mut self, into: &mut [u8], _patience: Duration) -> Result<usize, AdapterError> {
        let count = self.0.len().min(into.len());
        into[..count].copy_from_slice(&self.0[..count]);
        Ok(count)
    }

    fn write(&mut self, _bytes: &[u8]) -> Result<(), AdapterError> {
        Ok(())
    }

    fn set_baud(&mut self, _baud: u32) -> Result<(), AdapterError> {
        Ok(())
    }

    fn has_modem_lines(&self) -> bool {
        true
    }

    fn set_lines(&mut self, _lines: ModemLines) -> Result<(), AdapterError> {
        Ok(())
    }

    fn send_break(&mut self) -> Result<(), AdapterError> {
        Ok(())
    }
}
