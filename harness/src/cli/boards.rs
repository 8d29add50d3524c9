//! `benchrig boards`: the adapters that are plugged in, and the boards of the bench.

use super::targets::{BenchChoice, NoTarget};
use super::terminal::Terminal;
use crate::bench::description::{Bench, BenchError, BoardEntry};
use crate::bench::discover::{Plugged, plugged};
use crate::exit_code::ExitCode;

/// List the adapters that are plugged in, and which board of the bench each belongs to
#[derive(Debug, clap::Args)]
pub(super) struct Boards {
    #[command(flatten)]
    bench: BenchChoice,
}

impl Boards {
    pub(super) fn run(&self, terminal: &Terminal) -> ExitCode {
        match self.list(terminal) {
            Ok(()) => ExitCode::Passed,
            Err(trouble) => {
                terminal.error(trouble.message);
                trouble.code
            }
        }
    }

    fn list(&self, terminal: &Terminal) -> Result<(), NoTarget> {
        let bench = match self.bench.find() {
            Ok(bench) => Some(bench),
            // A computer without a bench has adapters all the same.
            Err(BenchError::NoFile { .. }) => None,
            Err(error) => return Err(super::fixtures::usage(error)),
        };
        let ports = plugged();
        for line in lines(&ports, bench.as_ref()) {
            terminal.say(line);
        }
        Ok(())
    }
}

/// A line for each adapter, then one for each board that none of them is.
fn lines(ports: &[Plugged], bench: Option<&Bench>) -> Vec<String> {
    let boards = || bench.into_iter().flat_map(|bench| &bench.boards);
    let mut lines = Vec::new();
    for port in ports {
        let usb = port.usb.map(|usb| usb.to_string()).unwrap_or_default();
        let serial = port.usb_serial.as_deref().unwrap_or("-");
        let names: Vec<_> =
            boards().filter(|(_, entry)| is(entry, port)).map(|(name, _)| &**name).collect();
        let names = if names.is_empty() { "-".to_owned() } else { names.join(",") };
        lines.push(format!("{}  {usb:9}  {serial}  {}  {names}", port.path, port.title));
    }
    for (name, entry) in boards() {
        if ports.iter().any(|port| is(entry, port)) {
            continue;
        }
        let text = match &entry.port {
            Some(crate::bench::adapters::PortName::Local(path)) => {
                format!("{path}  not plugged in  {name}")
            }
            Some(port) => format!("{port}  elsewhere  {name}"),
            None => {
                let id = entry.usb.map(|usb| usb.to_string()).unwrap_or_default();
                let serial = entry.usb_serial.as_deref().unwrap_or("-");
                format!("-  {id:9}  {serial}  not plugged in  {name}")
            }
        };
        lines.push(text);
    }
    if lines.is_empty() {
        lines.push("no adapter is plugged in".to_owned());
    }
    lines
}

fn is(entry: &BoardEntry, port: &Plugged) -> bool {
    match &entry.port {
        Some(path) => path.to_string() == port.path,
        None => port.is(entry.usb_serial.as_deref(), entry.usb),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::description::UsbId;
    use std::path::Path;

    #[test]
    fn each_adapter_names_its_board_and_each_board_its_place() {
        let port = |path: &str, pid, serial: &str| Plugged {
            path: path.to_owned(),
            usb: Some(UsbId { vid: 0x0403, pid }),
            usb_serial: Some(serial.to_owned()),
            title: "FTDI FT232R".to_owned(),
        };
        let ports = [port("/dev/ttyUSB0", 0x6001, "A1"), port("/dev/ttyUSB1", 0x6001, "B2")];
        let text = "
[boards.cam]
profile = 'esp32-cam'
usb-serial = 'B2'
[boards.far]
profile = 'esp32-devkit'
port = 'rfc2217://desk:4000'
[boards.gone]
profile = 'esp32-devkit'
usb-serial = 'C3'
";
        let bench = Bench::parse(text, Path::new("bench.toml")).unwrap();
        assert_eq!(
            lines(&ports, Some(&bench)),
            [
                "/dev/ttyUSB0  0403:6001  A1  FTDI FT232R  -",
                "/dev/ttyUSB1  0403:6001  B2  FTDI FT232R  cam",
                "rfc2217://desk:4000  elsewhere  far",
                "-             C3  not plugged in  gone",
            ]
        );
        assert_eq!(lines(&[], None), ["no adapter is plugged in"]);
    }
}
