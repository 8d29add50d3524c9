//! Two runs of the same program side by side: one that interprets, and one that compiles hot blocks.
//!
//! *Source*: our own design.
//! *Modelled*: a mark of the whole state of the cores at the end of every slice, of the memories now
//! and then; where two runs part first, and what the registers were there in each.
//! *Not modelled*: nothing of the chip; devices are seen by what the cores read from them.
//!
//! Runs are functions of image, inputs and seed, so one can be made after the other and compared with
//! what is kept of it: [`Lockstep::record`], then [`Lockstep::compare`], and if they part
//! [`Lockstep::repeat`], which shows the first one at that place. Chips are told apart by the order in
//! which they are made and copied, which must be the same in all runs.

use std::sync::{Arc, Mutex, PoisonError};

/// Cycles between two looks at the memories.
const MEMORY_EVERY: u64 = 1 << 20;

/// The marks of each chip of a run.
type Marks = Vec<Vec<u32>>;

/// Where two runs part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parting {
    /// Which chip, from 0 in the order in which they were made.
    pub chip: usize,
    /// Which slice of it, from 0.
    pub slice: usize,
    /// The cycle at the end of that slice.
    pub cycle: u64,
    /// The registers of both cores there.
    pub state: String,
}

#[derive(Debug)]
enum Role {
    Record,
    Compare(Marks),
    Repeat { chip: usize, slice: usize },
}

#[derive(Debug)]
struct Run {
    role: Role,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    /// Chips made so far.
    chips: usize,
    marks: Marks,
    parting: Option<Parting>,
    /// Slices that were found equal.
    compared: u64,
}

/// A run whose chips are compared with those of another. A clone is a handle of the same run.
#[derive(Debug, Clone)]
pub struct Lockstep(Arc<Run>);

impl Lockstep {
    fn with(role: Role) -> Self {
        Self(Arc::new(Run { role, book: Mutex::default() }))
    }

    /// The first run, whose marks are kept. Its chips interpret.
    pub fn record() -> Self {
        Self::with(Role::Record)
    }

    /// A run that is compared with this one, all of whose chips are gone. Its chips compile.
    pub fn compare(&self) -> Self {
        Self::with(Role::Compare(std::mem::take(&mut self.book().marks)))
    }

    /// The first run once more, up to where the other one has parted.
    pub fn repeat(parting: &Parting) -> Self {
        Self::with(Role::Repeat { chip: parting.chip, slice: parting.slice })
    }

    /// Whether chips of this run shall interpret everything.
    pub fn interprets(&self) -> bool {
        !matches!(self.0.role, Role::Compare(_))
    }

    /// Where the run has parted from the other, or has been stopped.
    pub fn parting(&self) -> Option<Parting> {
        self.book().parting.clone()
    }

    /// How many slices of its chips that are gone were compared with the other run's.
    pub fn compared(&self) -> u64 {
        self.book().compared
    }

    /// What the next chip has with it.
    pub fn witness(&self) -> Witness {
        Witness {
            run: self.clone(),
            chip: self.number(),
            slice: 0,
            marks: Vec::new(),
            compared: 0,
            look_at: 0,
        }
    }

    fn number(&self) -> usize {
        let mut book = self.book();
        book.chips += 1;
        book.chips - 1
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One chip of a run. A clone is that of a copied chip: it has done what the first has done so far.
#[derive(Debug)]
pub struct Witness {
    run: Lockstep,
    chip: usize,
    slice: usize,
    marks: Vec<u32>,
    compared: u64,
    /// The cycle from which memories are looked at again.
    look_at: u64,
}

impl Clone for Witness {
    fn clone(&self) -> Self {
        let (run, marks) = (self.run.clone(), self.marks.clone());
        Self { chip: run.number(), run, marks, compared: 0, ..*self }
    }
}

impl Witness {
    /// Whether the memories belong into the mark of the slice that ends at `cycle`.
    pub(super) fn looks_at_memory(&mut self, cycle: u64) -> bool {
        let looks = cycle >= self.look_at;
        if looks {
            self.look_at = cycle + MEMORY_EVERY;
        }
        looks
    }

    /// A slice has ended at `cycle`, with that digest of the state; what the run has parted with, if
    /// it ends here.
    pub(super) fn slice(
        &mut self,
        cycle: u64,
        digest: u64,
        state: impl FnOnce() -> String,
    ) -> Option<Parting> {
        let (slice, mark) = (self.slice, (digest ^ digest >> 32) as u32);
        self.slice += 1;
        let ends = match &self.run.0.role {
            Role::Record => {
                self.marks.push(mark);
                false
            }
            // A chip may do more than its twin, where the host stops both.
            Role::Compare(marks) => match marks.get(self.chip).and_then(|it| it.get(slice)) {
                Some(&expected) => {
                    self.compared += 1;
                    expected != mark
                }
                None => false,
            },
            Role::Repeat { chip, slice: last } => (*chip, *last) == (self.chip, slice),
        };
        if !ends {
            return None;
        }
        let parting = Parting { chip: self.chip, slice, cycle, state: state() };
        self.run.book().parting.get_or_insert_with(|| parting.clone());
        Some(parting)
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.run.book().compared += self.compared;
        if let Role::Record = self.run.0.role {
            let marks = std::mem::take(&mut self.marks);
            let mut book = self.run.book();
            let chips = book.chips;
            book.marks.resize(chips, Vec::new());
            book.marks[self.chip] = marks;
        }
    }
}
