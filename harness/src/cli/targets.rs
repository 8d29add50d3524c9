//! Which target a command means.

use std::path::{Path, PathBuf};

use esp32_emulator::soc::RomChoice;

use crate::exit_code::ExitCode;
use crate::targets::TargetSource;
use crate::targets::emulated::EmulatorSource;

/// What to run on.
#[derive(Debug, clap::Args)]
pub(crate) struct Machine {
    /// What to run on
    #[arg(long, value_name = "NAME", env = "BENCHRIG_TARGET", default_value = "emulator")]
    target: String,

    /// Run a real mask-ROM image on the emulator instead of the built-in ROM functions; given
    /// twice, the second is what APP_CPU sees
    #[arg(long, value_name = "FILE")]
    rom: Vec<PathBuf>,
}

/// Why there is no target.
#[derive(Debug)]
pub(crate) struct NoTarget {
    pub(crate) message: String,
    pub(crate) code: ExitCode,
}

impl Machine {
    /// The target of that name.
    pub(crate) fn named(name: &str) -> Self {
        Self { target: name.to_owned(), rom: Vec::new() }
    }

    /// Where targets come from.
    pub(crate) fn source(&self) -> Result<Box<dyn TargetSource>, NoTarget> {
        match self.target.as_str() {
            "emulator" => Ok(Box::new(EmulatorSource { rom: rom(&self.rom)? })),
            other => Err(NoTarget {
                message: format!("there is no target `{other}` (known: emulator)"),
                code: ExitCode::Usage,
            }),
        }
    }
}

/// The ROM that the person chose.
pub(super) fn rom(files: &[PathBuf]) -> Result<RomChoice, NoTarget> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|error| NoTarget {
            message: format!("cannot read the ROM image {}: {error}", path.display()),
            code: ExitCode::Usage,
        })
    };
    match files {
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
