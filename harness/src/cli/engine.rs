//! What runs the code of emulated boards, as a command line says it.

use std::path::{Path, PathBuf};

use esp32_emulator::soc::RomChoice;

use super::targets::NoTarget;
use crate::exit_code::ExitCode;
use crate::targets::emulated::{Engine, Execution};

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
        let read = |path: &Path| {
            std::fs::read(path).map_err(|error| NoTarget {
                message: format!("cannot read the ROM image {}: {error}", path.display()),
                code: ExitCode::Usage,
            })
        };
        match &self.rom[..] {
            [] => Ok(RomChoice::default()),
            [both] => {
                let image = read(both)?;
                Ok(RomChoice::Image([image.clone(), image]))
            }
            [pro, app] => Ok(RomChoice::Image([read(pro)?, read(app)?])),
            _ => Err(NoTarget {
                message: "`--rom` is given at most twice, once for each core".to_owned(),
                code: ExitCode::Usage,
            }),
        }
    }
}
