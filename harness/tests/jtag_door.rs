//! `serve --jtag`: the chip's JTAG behind OpenOCD's `remote_bitbang` protocol.
//!
//! Source: OpenOCD manual, `remote_bitbang`. `ci/openocd` does the same by OpenOCD itself.

use std::io::{Read, Write};
use std::net::TcpStream;
#[cfg(feature = "jtag")]
use std::process::Command;
use std::time::Duration;

use crate::common::served::Served;

const IDCODE: u32 = 0x1200_34e5;

struct Board {
    served: Served,
    jtag: String,
}

fn serve() -> Board {
    let served = Served::start(&["--jtag", "127.0.0.1:0", "--flash", "flash.bin"], |_| {});
    Board { jtag: served.door("jtag "), served }
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

#[cfg(feature = "jtag")]
impl Board {
    /// What `benchrig jtag` says of it, and how it ends.
    fn jtag(&self, words: &[&str]) -> (Option<i32>, String) {
        let bench = format!(
            "[boards.desk]\nprofile = \"esp32-devkit\"\nport = \"socket://127.0.0.1:1\"\n\
             mac = \"24:0a:c4:00:01:10\"\njtag = \"bitbang://{}\"\n",
            self.jtag
        );
        let folder = self.served.folder();
        std::fs::write(folder.join("bench.toml"), bench).expect("a file");
        let done = Command::new(env!("CARGO_BIN_EXE_benchrig"))
            .arg("jtag")
            .args(words)
            .current_dir(folder)
            .env("XDG_STATE_HOME", folder)
            .output()
            .expect("the program starts");
        let said = [done.stdout, done.stderr].concat();
        (done.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    fn jtag_passes(&self, words: &[&str]) -> String {
        let (code, said) = self.jtag(words);
        assert_eq!(code, Some(0), "{words:?}: {said}");
        said
    }
}

#[cfg(feature = "jtag")]
#[test]
fn a_board_of_the_bench_is_looked_into_and_flashed_by_the_verb() {
    let board = serve();
    let status = board.jtag_passes(&["status"]);
    let [address, pro, app] = status.lines().collect::<Vec<_>>()[..] else { panic!("{status}") };
    assert_eq!(address, "address 24:0a:c4:00:01:10");
    assert!(pro.starts_with("PRO_CPU runs, at 0x40") && app.starts_with("APP_CPU "), "{status}");

    let folder = board.served.folder();
    let bytes: Vec<u8> = (0..6_000_u32).map(|n| (n * 7 + n / 256) as u8).collect();
    std::fs::write(folder.join("piece.bin"), &bytes).expect("a file");
    board.jtag_passes(&["write", "0x3ffb1001", "piece.bin"]);
    board.jtag_passes(&["read", "0x3ffb1001", "6000", "--output", "read.bin"]);
    assert!(std::fs::read(folder.join("read.bin")).expect("a file") == bytes);
    assert_eq!(board.jtag_passes(&["read", "0x3ffb1001", "3"]), "3ffb1001  00 07 0e\n");

    let said = board.jtag_passes(&["flash", "piece.bin", "--at", "0x20000"]);
    assert!(said.contains("6000 bytes at 0x20000 written and checked"), "{said}");
    assert!(said.ends_with("desk: reset, and runs\n"), "{said}");
}

#[cfg(feature = "jtag")]
#[test]
fn what_cannot_be_done_over_jtag_is_said() {
    let board = serve();
    let (code, said) = board.jtag(&["break", "0x40070000", "--within", "100ms"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("the core did not stop"), "{said}");
    let (code, said) = board.jtag(&["--probe", "ftdi", "status"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("VID:PID:SERIAL"), "{said}");
    let (code, said) = board.jtag(&["--probe", "bitbang://127.0.0.1:1", "status"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("cannot open the probe bitbang://127.0.0.1:1"), "{said}");
}
