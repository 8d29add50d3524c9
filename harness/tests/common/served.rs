//! The program itself, while it serves something.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// `benchrig serve` in a folder of its own; it ends with this.
pub(crate) struct Served {
    child: Child,
    doors: Vec<String>,
    folder: TempDir,
}

impl Served {
    /// Starts it when `prepare` has put files into its folder, and waits until it is ready.
    pub(crate) fn start(arguments: &[&str], prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        prepare(folder.path());
        let mut child = Command::new(env!("CARGO_BIN_EXE_benchrig"))
            .arg("serve")
            .args(arguments)
            .current_dir(folder.path())
            .env_remove("BENCHRIG_TOKEN")
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let doors = lines.map_while(Result::ok).take_while(|line| line != "ready").collect();
        Self { child, doors, folder }
    }

    /// What it says of a door, behind these words.
    pub(crate) fn door(&self, words: &str) -> String {
        let door = self.doors.iter().find_map(|line| line.strip_prefix(words));
        door.unwrap_or_else(|| panic!("no `{words}` in {:?}", self.doors)).to_owned()
    }

    /// Where it runs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself, which a test sees otherwise.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
