//! What runs the code of emulated boards, as a command line says it.

use std::path::{Path, PathBuf};

use esp32_emulator::cpu::Cpu;
use esp32_emulator::soc::RomChoice;

use super::targets::NoTarget;
use crate::exit_code::ExitCode;
use crate::targets::emulated::{Engine, Execution};

/// Where in its ROM a core begins.
const RESET_VECTOR: usize = (Cpu::RESET_VECTOR & 0xffff) as usize;

/// How the emulator runs.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct EngineChoice {
    /// Run a real mask-ROM image on the emulator instead of the built-in ROM functions; given
    /// twice, the second is what APP_CPU sees
    #[arg(long, value_name = "FILE")]
    rom: Vec<PathBuf>,

    /// Interpret everything on the emulator: compile nothing to host code. The results are the same
    #[arg(long)]
    no_jit: bool,
}

impl EngineChoice {
    /// What the person chose.
    pub(crate) fn engine(&self) -> Result<Engine, NoTarget> {
        let execution = if self.no_jit { Execution::Interpreted } else { Execution::default() };
        Ok(Engine { rom: self.rom()?, execution })
    }

    fn rom(&self) -> Result<RomChoice, NoTarget> {
        let usage = |message| NoTarget { message, code: ExitCode::Usage };
        let read = |path: &Path| {
            let image = std::fs::read(path).map_err(|error| {
                usage(format!("cannot read the ROM image {}: {error}", path.display()))
            })?;
            if image.len() <= RESET_VECTOR {
                let path = path.display();
                return Err(usage(format!(
                    "{path} is no ROM image: it ends after {} bytes, and the chip starts at byte \
                     {RESET_VECTOR:#x} of its ROM",
                    image.len()
                )));
            }
            Ok(image)
        };
        match &self.rom[..] {
            [] => Ok(RomChoice::default()),
            [both] => {
                let image = read(both)?;
                Ok(RomChoice::Image([image.clone(), image]))
            }
            [pro, app] => Ok(RomChoice::Image([read(pro)?, read(app)?])),
            _ => Err(usage("`--rom` is given at most twice, once for each core".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_reset_vector_is_no_rom() {
        let folder = tempfile::tempdir().unwrap();
        for (length, fits) in [(0, false), (0x400, false), (0x401, true)] {
            let rom = folder.path().join("rom");
            std::fs::write(&rom, vec![0; length]).unwrap();
            let choice = EngineChoice { rom: vec![rom], no_jit: false };
            assert_eq!(choice.engine().is_ok(), fits, "{length} bytes");
        }
    }
}
