//! Why a command is not done.

use super::diagram::DiagramError;
use crate::firmware::FirmwareError;
use crate::targets::TargetError;

/// Why a command is not done. Python's client closes the connection on any of them, so only what is
/// wrong for good is refused.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("there is no command `{0}`")]
    UnknownCommand(String),
    #[error("the parameters are wrong: {0}")]
    Parameters(serde_json::Error),
    #[error("{0}")]
    Wrong(String),
    #[error("no simulation has been started")]
    NoSimulation,
    #[error("no file `{0}` has been uploaded")]
    NoFile(String),
    #[error("the diagram has no part `{0}`")]
    NoPart(String),
    #[error("the part `{part}` has no {what}")]
    NotOfPart { part: String, what: String },
    #[error("{0} is not emulated")]
    NotEmulated(String),
    #[error("{what} would take {bytes} bytes, {most} are allowed")]
    TooLarge { what: &'static str, bytes: usize, most: usize },
    #[error("diagram.json: {0}")]
    Diagram(#[from] DiagramError),
    #[error("{0}")]
    Firmware(Box<FirmwareError>),
    #[error("{0}")]
    Target(#[from] TargetError),
}

impl From<FirmwareError> for Refusal {
    fn from(error: FirmwareError) -> Self {
        Self::Firmware(Box::new(error))
    }
}

impl Refusal {
    /// A number for programs, after those of HTTP: the vendor publishes no list of his own.
    pub(super) fn code(&self) -> u16 {
        match self {
            // A place that is none.
            Self::Target(TargetError::BesideScreen { .. }) => 400,
            Self::Parameters(_) | Self::Wrong(_) | Self::Diagram(_) | Self::Firmware(_) => 400,
            Self::UnknownCommand(_)
            | Self::NoFile(_)
            | Self::NoPart(_)
            | Self::NotOfPart { .. } => 404,
            Self::NoSimulation => 409,
            Self::TooLarge { .. } => 413,
            Self::Target(_) => 500,
            Self::NotEmulated(_) => 501,
        }
    }
}
