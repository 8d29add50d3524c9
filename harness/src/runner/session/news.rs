//! What a session tells while a step runs.

use crate::runner::crash::Crash;
use crate::runner::unity::UnityTest;
use crate::scenario::model::BoardName;
use crate::site::SiteEvent;
use crate::targets::{Level, Port, Progress};
use crate::time::DeviceTime;

/// What a session tells while a step runs.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A long operation has come so far.
    Progress {
        /// What is being done, such as `erasing`.
        what: &'static str,
        /// How far it is.
        progress: Progress,
    },
    /// A line is complete.
    Line {
        /// Who printed it.
        port: Port,
        /// When its last byte came.
        time: DeviceTime,
        /// The line as text.
        text: String,
    },
    /// An observed pin has changed.
    Pin {
        /// GPIO number.
        gpio: u8,
        /// When.
        time: DeviceTime,
        /// Its level since then.
        level: Level,
    },
    /// The guest has died, and all that it says about that has been heard.
    Crash(Box<Crash>),
    /// The board has run a test of the Unity framework.
    Unity(UnityTest),
    /// Something has happened on the air or the network.
    Site {
        /// When.
        time: DeviceTime,
        /// What.
        event: SiteEvent,
    },
    /// Something has happened to the bench.
    Remark {
        /// When.
        time: DeviceTime,
        /// In words.
        text: String,
    },
    /// Device time went on.
    Time(DeviceTime),
}

impl News {
    /// When it happened, if it belongs to a moment.
    pub fn time(&self) -> Option<DeviceTime> {
        match self {
            Self::Progress { .. } => None,
            Self::Line { time, .. }
            | Self::Pin { time, .. }
            | Self::Site { time, .. }
            | Self::Remark { time, .. }
            | Self::Time(time) => Some(*time),
            Self::Crash(crash) => Some(crash.time),
            Self::Unity(test) => Some(test.time),
        }
    }

    /// Whether it is worth telling later.
    pub fn is_kept(&self) -> bool {
        !matches!(self, Self::Progress { .. } | Self::Time(_))
    }
}

/// Who is told what happens meanwhile, and on which board.
pub type Tell<'a> = &'a mut dyn FnMut(&BoardName, News);
