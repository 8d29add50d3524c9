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

/// The environment variable with the token for boards of other computers.
pub const TOKEN: &str = "BENCHRIG_TOKEN";

/// A served board, at the other end of its control socket.
pub struct Remote {
    name: String,
    line: line::Line,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Remote {
    /// The board of this name, or at this `HOST:PORT`.
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
    use std::io::{self, BufRead, BufReader, Read, Write};
    use std::net::TcpStream;
    use std::os::unix::net::UnixStream;
    use std::path::Path;
    use std::time::Duration;

    use super::{Answer, Order, TOKEN};
    use crate::serve::control::path_of;
    use crate::serve::orders::Greeting;

    /// Wall time that an answer may take: longer than any button is held.
    const PATIENCE: Duration = Duration::from_secs(60);

    pub(super) struct Line {
        from: BufReader<Box<dyn Read + Send>>,
        to: Box<dyn Write + Send>,
    }

    impl Line {
        /// A name, or the host and port of another computer.
        pub(super) fn of(name: &str) -> io::Result<Self> {
            match name.contains(':') {
                true => Self::there(name),
                false => Self::at(&path_of(name)?),
            }
        }

        pub(super) fn at(path: &Path) -> io::Result<Self> {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let to = Box::new(stream.try_clone()?);
            Ok(Self { from: BufReader::new(Box::new(stream)), to })
        }

        fn there(address: &str) -> io::Result<Self> {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let to = Box::new(stream.try_clone()?);
            let mut line = Self { from: BufReader::new(Box::new(stream)), to };
            if let Ok(token) = std::env::var(TOKEN) {
                line.say(&Greeting { token })?;
            }
            Ok(line)
        }

        fn say(&mut self, what: &impl serde::Serialize) -> io::Result<()> {
            let mut text = serde_json::to_vec(what)?;
            text.push(b'\n');
            self.to.write_all(&text)
        }

        pub(super) fn exchange(&mut self, order: &Order) -> io::Result<Answer> {
            self.say(order)?;
            let mut line = String::new();
            if self.from.read_line(&mut line)? == 0 {
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

    /// Boards are served on Unix only.
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
