//! Modes of the terminal that stdin is: changed while a value lives, as before when it is dropped.

#[cfg(unix)]
use nix::sys::termios::{LocalFlags, SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};

/// The modes that a terminal had.
#[derive(Debug, Clone)]
pub(super) struct Modes {
    #[cfg(unix)]
    before: Option<Termios>,
}

impl Modes {
    /// Every key is passed on, Ctrl-C too.
    pub(super) fn raw() -> Self {
        #[cfg(unix)]
        return Self::changed(cfmakeraw);
        #[cfg(not(unix))]
        Self {}
    }

    /// Ctrl-C is not shown as `^C`: behind the last bar of a picture that began a new line, which the
    /// picture would not know of.
    pub(super) fn without_shown_controls() -> Self {
        #[cfg(unix)]
        return Self::changed(|modes| modes.local_flags.remove(LocalFlags::ECHOCTL));
        #[cfg(not(unix))]
        Self {}
    }

    #[cfg(unix)]
    fn changed(change: impl FnOnce(&mut Termios)) -> Self {
        let before = tcgetattr(std::io::stdin()).ok();
        if let Some(mut modes) = before.clone() {
            change(&mut modes);
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, &modes);
        }
        Self { before }
    }
}

impl Drop for Modes {
    fn drop(&mut self) {
        #[cfg(unix)]
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, before);
        }
    }
}
