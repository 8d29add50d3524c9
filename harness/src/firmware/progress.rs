//! What happens while firmware is fetched, for whoever draws it.

use std::path::Path;

/// One piece of news. The receiver draws it, logs it or drops it; nothing depends on it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Another process is fetching the same image; waiting for it.
    WaitingForLock {
        /// The lock file.
        lock: &'a Path,
    },
    /// A source is being asked.
    Asking {
        /// The image's name.
        name: &'a str,
        /// The source, in words.
        source: &'a str,
    },
    /// Bytes have arrived. Sources that hand over to another program do not say so.
    Received {
        /// So many.
        bytes: u64,
        /// Of so many.
        total: u64,
    },
    /// A source did not work; the next one is tried.
    FellThrough {
        /// The source, in words.
        source: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// The image is here, whole and verified.
    Ready {
        /// The image's name.
        name: &'a str,
        /// The file.
        path: &'a Path,
    },
}

/// Who is told.
pub type Listener<'a> = &'a mut dyn FnMut(Progress<'_>);
