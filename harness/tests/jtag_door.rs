//! `serve --jtag`: the chip's JTAG behind OpenOCD's `remote_bitbang` protocol.
//!
//! Source: OpenOCD manual, `remote_bitbang`. `ci/openocd` does the same by OpenOCD itself.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

const IDCODE: u32 = 0x1200_34e5;

struct Board {
    child: Child,
    jtag: String,
    _folder: TempDir,
}

impl Drop for Board {
    fn drop(&mut self) {
        // It may have ended by itself, which a test sees otherwise.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve() -> Board {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut child = Command::new(env!("CARGO_BIN_EXE_benchrig"))
        .args(["serve", "--jtag", "127.0.0.1:0"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let lines: Vec<String> =
        lines.map_while(Result::ok).take_while(|line| line != "ready").collect();
    let jtag = lines.iter().find_map(|line| line.strip_prefix("jtag ")).expect("a door").to_owned();
    Board { child, jtag, _folder: folder }
}

impl Board {
    fn client(&self) -> Client {
        let stream = TcpStream::connect(&self.jtag).expect("the door is open");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
        Client(stream)
    }
}

struct Client(TcpStream);

impl Client {
    /// Clocks TMS and TDI in, and gives TDO before each clock.
    fn clock(&mut self, levels: &[(bool, bool)]) -> Vec<bool> {
        let mut text = Vec::new();
        for &(tms, tdi) in levels {
            let pins = b'0' + u8::from(tms) * 2 + u8::from(tdi);
            text.extend([pins, b'R', pins + 4]);
        }
        self.0.write_all(&text).expect("the door is open");
        let mut said = vec![0; levels.len()];
        self.0.read_exact(&mut said).expect("an answer");
        said.into_iter().map(|byte| byte == b'1').collect()
    }

    /// What both TAPs say who they are, from Test-Logic-Reset.
    fn idcodes(&mut self) -> [u32; 2] {
        let path = [true, true, true, true, true, false, true, false, false];
        self.clock(&path.map(|tms| (tms, true)));
        let bits = self.clock(&[(false, true); 64]);
        [0, 32].map(|from| {
            bits[from..from + 32].iter().rev().fold(0, |word, &bit| word << 1 | u32::from(bit))
        })
    }
}

#[test]
fn both_taps_answer_and_one_client_at_a_time_has_them() {
    let board = serve();
    let mut client = board.client();
    assert_eq!(client.idcodes(), [IDCODE; 2]);
    let mut second = board.client();
    assert_eq!(second.0.read(&mut [0]).unwrap_or(0), 0, "turned away");
    assert_eq!(client.idcodes(), [IDCODE; 2]);
    client.0.write_all(b"Q").expect("the door is open");
    assert_eq!(client.0.read(&mut [0]).unwrap_or(0), 0, "it has left");
    // The next one finds the pins at rest, whatever the last one did to them.
    let mut next = board.client();
    next.0.write_all(b"sBb?\n\xff6").expect("the door is open");
    drop(next);
    assert_eq!(board.client().idcodes(), [IDCODE; 2]);
}
