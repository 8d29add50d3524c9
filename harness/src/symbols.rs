//! From addresses to places in the source, by the DWARF information of an ELF file.
//!
//! The file is read when a guest has died and forgotten afterwards: that is rare, and debug
//! information is large.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::PathBuf;

use addr2line::Context;
use addr2line::fallible_iterator::FallibleIterator;
use addr2line::gimli::{self, DwarfSections, EndianSlice, LittleEndian, SectionId};
use object::{Object, ObjectSection};
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// No ELF file for an ESP32 is longer, with all its debug information.
const MAX_ELF: u64 = 512 << 20;

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, JsonSchema)]
pub struct Location {
    /// The function, if it is known.
    pub function: Option<String>,
    /// The file as the compiler was told it.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u32>,
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.function.as_deref().unwrap_or("??"))?;
        if let Some(file) = &self.file {
            write!(f, " at {file}")?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
        }
        Ok(())
    }
}

/// What an ELF file says about addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Located {
    /// For each address, the innermost inlined function first.
    pub locations: Vec<Vec<Location>>,
    /// Why it may not be true.
    pub doubt: Option<String>,
}

/// Why an ELF file says nothing.
#[derive(Debug, thiserror::Error)]
pub enum SymbolsError {
    /// It cannot be read.
    #[error("{path} cannot be read: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is longer than any.
    #[error("{path} has {length} bytes, more than any ELF file for this chip", path = path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its length.
        length: u64,
    },
    /// It is no ELF file.
    #[error("{path} is not an ELF file: {source}", path = path.display())]
    NotElf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: object::Error,
    },
    /// Its debug information is damaged.
    #[error("the debug information of {path} is damaged: {source}", path = path.display())]
    Dwarf {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: gimli::Error,
    },
}

/// The ELF file that belongs to the firmware, if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Symbols {
    elf: Option<PathBuf>,
}

impl Symbols {
    /// What this file knows.
    pub fn new(elf: Option<PathBuf>) -> Self {
        Self { elf }
    }

    /// The places of code addresses. `hash` is what the guest says the SHA-256 of its ELF file
    /// begins with.
    ///
    /// # Errors
    /// When there is a file and it is unusable.
    pub fn locate(&self, addresses: &[u32], hash: Option<&str>) -> Result<Located, SymbolsError> {
        let Some(path) = &self.elf else { return Ok(Located::default()) };
        let read = |source| SymbolsError::Read { path: path.clone(), source };
        let length = std::fs::metadata(path).map_err(read)?.len();
        if length > MAX_ELF {
            return Err(SymbolsError::TooLarge { path: path.clone(), length });
        }
        let bytes = std::fs::read(path).map_err(read)?;
        let elf = object::File::parse(&*bytes)
            .map_err(|source| SymbolsError::NotElf { path: path.clone(), source })?;
        let load = |id: SectionId| {
            let section = elf.section_by_name(id.name());
            section.and_then(|section| section.uncompressed_data().ok()).unwrap_or_default()
        };
        let dwarf = |source| SymbolsError::Dwarf { path: path.clone(), source };
        let sections: DwarfSections<Cow<'_, [u8]>> =
            DwarfSections::load(|id| Ok::<_, gimli::Error>(load(id))).map_err(dwarf)?;
        let borrowed = sections.borrow(|section| EndianSlice::new(section, LittleEndian));
        let context = Context::from_dwarf(borrowed).map_err(dwarf)?;
        let names = elf.symbol_map();
        let mut locations = Vec::new();
        for address in addresses {
            let frames = context.find_frames((*address).into()).skip_all_loads().map_err(dwarf)?;
            let mut here: Vec<_> = frames
                .map(|frame| {
                    let place = frame.location.as_ref();
                    Ok(Location {
                        function: frame.function.and_then(|name| {
                            name.demangle().ok().map(std::borrow::Cow::into_owned)
                        }),
                        file: place.and_then(|place| place.file).map(str::to_owned),
                        line: place.and_then(|place| place.line),
                    })
                })
                .collect()
                .map_err(dwarf)?;
            // Assembly and libraries without debug information still have symbols.
            let name =
                || names.containing((*address).into()).map(|symbol| symbol.name().to_owned());
            match here.last_mut() {
                Some(outermost) if outermost.function.is_none() => outermost.function = name(),
                Some(_) => {}
                None => here.extend(
                    name().map(|name| Location { function: Some(name), ..Location::default() }),
                ),
            }
            locations.push(here);
        }
        let shown = path.display();
        let doubt = match hash {
            Some(said) if !hexadecimal(&Sha256::digest(&bytes)).starts_with(said) => Some(format!(
                "the guest was not built from {shown}: the SHA-256 of its ELF file begins with {said}"
            )),
            _ if locations.iter().all(Vec::is_empty) => {
                Some(format!("{shown} knows none of these addresses"))
            }
            _ => None,
        };
        Ok(Located { locations, doubt })
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
