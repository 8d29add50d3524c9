//! A power driver in trouble: which one, what it tried, what came of it, and what to do.

use std::io;
use std::time::Duration;

use crate::targets::Power;

/// A driver has not switched the power, or does not know whether it has.
#[derive(Debug, thiserror::Error)]
#[error("power driver {driver}: {tried}: {trouble}; {}", trouble.remedy())]
pub struct PowerError {
    /// The driver's name in bench.toml.
    pub driver: &'static str,
    /// What it tried: a command, a request, a question. Never with a password.
    pub tried: String,
    /// What came of it.
    #[source]
    pub trouble: PowerTrouble,
}

/// What can go wrong when power is switched.
#[derive(Debug, thiserror::Error)]
pub enum PowerTrouble {
    /// A person is needed.
    #[error("nobody is there to do it")]
    Nobody,
    /// The person does not answer any more.
    #[error("it was not confirmed: {0}")]
    NotConfirmed(io::Error),
    /// A program cannot be started.
    #[error("{program} cannot be started: {source}")]
    NotStarted {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// Something takes too long.
    #[error("no end after {} s", .0.as_secs_f32())]
    TooLong(Duration),
    /// A program says that it has failed.
    #[error("it ended with {status}{said}", said = after_colon(.said))]
    Failed {
        /// Its exit code, or the signal that ended it.
        status: String,
        /// What it wrote to stderr.
        said: String,
    },
    /// The answer cannot be understood.
    #[error("the answer is not understood: {0}")]
    NotUnderstood(String),
    /// It says that it has not switched.
    #[error("it says that the power is {}", word(*.0))]
    Remains(Power),
    /// A password is not in the environment.
    #[error("the environment has no {0}")]
    NoSecret(String),
    /// A password is wrong or missing.
    #[error("it wants a password{}", if *.given { ", and not this one" } else { "" })]
    Password {
        /// Whether one was given.
        given: bool,
    },
    /// Nothing answers on the network.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// An HTTP status that is no success.
    #[error("HTTP status {status}{said}", said = after_colon(.said))]
    Status {
        /// The status.
        status: u16,
        /// The beginning of the answer.
        said: String,
    },
    /// A serial port cannot be used.
    #[error("{0}")]
    Port(#[from] serialport::Error),
    /// Bytes do not go out of a serial port.
    #[error("{0}")]
    Write(io::Error),
    /// No board of this name is served.
    #[error("no board named {0} is served")]
    NotServed(String),
    /// The control socket of a served board does not answer.
    #[error("the board does not answer: {0}")]
    Socket(io::Error),
    /// A served board has refused.
    #[error("the board refuses: {0}")]
    Refused(String),
    /// The driver does not exist on this operating system.
    #[error("it does not work on this operating system")]
    NotHere,
}

impl PowerTrouble {
    /// As the trouble of a driver that tried something.
    pub(super) fn of(self, driver: &'static str, tried: impl Into<String>) -> PowerError {
        PowerError { driver, tried: tried.into(), trouble: self }
    }

    /// What the person can do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::Nobody => {
                "run it on a terminal, or give the board another power driver in bench.toml".into()
            }
            Self::NotConfirmed(_) => "run it again, and confirm when it is done".into(),
            Self::NotStarted { .. } => "install it, or write its whole path into bench.toml".into(),
            Self::TooLong(_) => {
                "see whether it works by hand; nothing is known about the power now".into()
            }
            Self::Failed { .. } | Self::NotUnderstood(_) => "see what it does by hand".into(),
            Self::Remains(_) => "see whether it switches by hand".into(),
            Self::NoSecret(name) => format!("set {name} to the password"),
            Self::Password { given: true } => {
                "see whether the variable that password-env names has the right one".into()
            }
            Self::Password { given: false } => {
                "name the environment variable that has it: password-env = \"NAME\"".into()
            }
            Self::NoAnswer(_) => {
                "see whether it has power and a network, and whether its url is right".into()
            }
            Self::Status { .. } => "see whether it is that kind of plug, and has that relay".into(),
            Self::Port(_) | Self::Write(_) => {
                "see whether it is plugged in, and whether you may use its port".into()
            }
            Self::NotServed(name) => format!("start it: benchrig serve --name {name}"),
            Self::Socket(_) | Self::Refused(_) => "see what `benchrig serve` says about it".into(),
            Self::NotHere => "give the board another power driver in bench.toml".into(),
        }
    }
}

/// How a state is named.
pub(super) fn word(power: Power) -> &'static str {
    match power {
        Power::On => "on",
        Power::Off => "off",
    }
}

fn after_colon(said: &str) -> String {
    match said {
        "" => String::new(),
        said => format!(": {said}"),
    }
}

/// What somebody else said, in one short line.
pub(super) fn short(said: &str) -> String {
    const MOST: usize = 200;
    let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MOST) {
        None => line,
        Some((end, _)) => format!("{}…", &line[..end]),
    }
}
