//! The control socket of a served board, from outside.

use super::orders::{Answer, Order};

/// Why a served board does not do what it is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// There is no such board.
    #[error("no board named {0} is served; start it with `benchrig serve --name {0}`")]
    NotServed(String),
    /// It does not answer.
    #[error("the board {name} does not answer: {source}")]
    Silent {
        /// Its name.
        name: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It says no, and why.
    #[error("{0}")]
    Refused(String),
}

/// A served board, at the other end of its control socket.
#[derive(Debug)]
pub struct Remote {
    name: String,
    line: line::Line,
}

impl Remote {
    /// The board of this name.
    ///
    /// # Errors
    /// When no such board is served.
    pub fn of(name: &str) -> Result<Self, RemoteError> {
        Self::on(name, line::Line::of(name))
    }

    /// The board whose socket is at `path`.
    #[cfg(all(test, unix))]
    pub(crate) fn at(name: &str, path: &std::path::Path) -> Result<Self, RemoteError> {
        Self::on(name, line::Line::at(path))
    }

    fn on(name: &str, line: std::io::Result<line::Line>) -> Result<Self, RemoteError> {
        use std::io::ErrorKind::{ConnectionRefused, NotFound};
        match line {
            Ok(line) => Ok(Self { name: name.to_owned(), line }),
            Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => {
                Err(RemoteError::NotServed(name.to_owned()))
            }
            Err(source) => Err(RemoteError::Silent { name: name.to_owned(), source }),
        }
    }

    /// Gives an order and waits until it is done.
    ///
    /// # Errors
    /// When it cannot be done, or nobody answers.
    pub fn order(&mut self, order: &Order) -> Result<Answer, RemoteError> {
        match self.line.exchange(order) {
            Err(source) => Err(RemoteError::Silent { name: self.name.clone(), source }),
            Ok(Answer { error: Some(error), .. }) => Err(RemoteError::Refused(error)),
            Ok(answer) => Ok(answer),
        }
    }
}

#[cfg(unix)]
mod line {
    use std::io::{self, BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::time::Duration;

    use super::{Answer, Order};
    use crate::serve::control::path_of;

    /// Wall time that an answer may take: longer than any button is held.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[derive(Debug)]
    pub(super) struct Line(BufReader<UnixStream>);

    impl Line {
        pub(super) fn of(name: &str) -> io::Result<Self> {
            Self::at(&path_of(name)?)
        }

        pub(super) fn at(path: &Path) -> io::Result<Self> {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            Ok(Self(BufReader::new(stream)))
        }

        pub(super) fn exchange(&mut self, order: &Order) -> io::Result<Answer> {
            let mut text = serde_json::to_vec(order)?;
            text.push(b'\n');
            self.0.get_mut().write_all(&text)?;
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(serde_json::from_str(&line)?)
        }
    }
}

#[cfg(not(unix))]
mod line {
    use std::io;

    use super::{Answer, Order};

    /// Control sockets are Unix sockets.
    #[derive(Debug)]
    pub(super) struct Line;

    impl Line {
        pub(super) fn of(_name: &str) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(super) fn exchange(&mut self, _order: &Order) -> io::Result<Answer> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}
