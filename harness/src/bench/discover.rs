//! Which adapters are plugged in.

use std::path::{Path, PathBuf};

use serialport::{SerialPortInfo, SerialPortType};

use super::description::UsbId;

/// Adapters that ESP32 boards have, by their makers' numbers.
const KNOWN: [(u16, u16, &str); 11] = [
    (0x0403, 0x6001, "FTDI FT232R"),
    (0x0403, 0x6010, "FTDI FT2232"),
    (0x0403, 0x6011, "FTDI FT4232H"),
    (0x0403, 0x6014, "FTDI FT232H"),
    (0x0403, 0x6015, "FTDI FT-X"),
    (0x10c4, 0xea60, "Silicon Labs CP210x"),
    (0x10c4, 0xea70, "Silicon Labs CP2105"),
    (0x1a86, 0x5523, "WCH CH341"),
    (0x1a86, 0x7523, "WCH CH340"),
    (0x1a86, 0x55d4, "WCH CH9102"),
    (0x303a, 0x1001, "Espressif USB JTAG/serial"),
];

/// A serial port of this computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugged {
    /// Its path.
    pub path: String,
    /// What kind of USB device it is, if it is one.
    pub usb: Option<UsbId>,
    /// The serial number of that device.
    pub usb_serial: Option<String>,
    /// What it is called.
    pub title: String,
}

/// The serial ports of this computer, in the order of their paths.
pub fn plugged() -> Vec<Plugged> {
    // Where ports cannot be listed there are none to choose from.
    let mut ports: Vec<_> =
        serialport::available_ports().unwrap_or_default().into_iter().map(described).collect();
    ports.sort_by(|one, two| one.path.cmp(&two.path));
    ports
}

fn described(port: SerialPortInfo) -> Plugged {
    match port.port_type {
        SerialPortType::UsbPort(usb) => {
            let known = KNOWN.iter().find(|(vid, pid, _)| (*vid, *pid) == (usb.vid, usb.pid));
            let title = known.map(|(_, _, title)| (*title).to_owned()).or(usb.product);
            Plugged {
                path: port.port_name,
                usb: Some(UsbId { vid: usb.vid, pid: usb.pid }),
                usb_serial: usb.serial_number,
                title: title.unwrap_or_else(|| "USB serial".to_owned()),
            }
        }
        _ => Plugged {
            path: port.port_name,
            usb: None,
            usb_serial: None,
            title: "serial port".to_owned(),
        },
    }
}

impl Plugged {
    /// Whether it is what an entry of bench.toml describes.
    pub fn is(&self, usb_serial: Option<&str>, usb: Option<UsbId>) -> bool {
        self.usb.is_some()
            && usb_serial.is_none_or(|serial| self.usb_serial.as_deref() == Some(serial))
            && usb.is_none_or(|usb| self.usb == Some(usb))
    }
}

/// The path of the one adapter that is as described.
///
/// # Errors
/// What was looked for, when none is like it or several are.
pub fn find(usb_serial: Option<&str>, usb: Option<UsbId>) -> Result<String, String> {
    choose(plugged(), usb_serial, usb)
}

fn choose(
    plugged: Vec<Plugged>,
    usb_serial: Option<&str>,
    usb: Option<UsbId>,
) -> Result<String, String> {
    let mut found: Vec<_> =
        plugged.into_iter().filter(|port| port.is(usb_serial, usb)).map(|port| port.path).collect();
    let usb = usb.map(|usb| usb.to_string());
    let serial = usb_serial.map(|serial| format!("serial number {serial}"));
    let what = [usb, serial].into_iter().flatten().collect::<Vec<_>>().join(" with ");
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(what),
        _ => Err(format!("the only {what} ({}: name one by `usb-serial`)", found.join(", "))),
    }
}

/// Resets the USB device behind a serial port, where the system lets us: it is taken away from its
/// driver and given back. Whether that was done.
pub fn reset_usb(path: &str) -> bool {
    let Some(device) = usb_device(Path::new("/sys/class/tty"), path) else { return false };
    let authorise = |state: &str| std::fs::write(device.join("authorized"), state).is_ok();
    authorise("0") && authorise("1")
}

/// The folder of the USB device behind a serial port, in Linux's sysfs.
fn usb_device(class: &Path, path: &str) -> Option<PathBuf> {
    let name = Path::new(path).file_name()?;
    let interface = std::fs::canonicalize(class.join(name).join("device")).ok()?;
    let device = interface.ancestors().find(|folder| folder.join("authorized").is_file())?;
    device.join("idVendor").is_file().then(|| device.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adapter(path: &str, pid: u16, serial: &str) -> Plugged {
        Plugged {
            path: path.to_owned(),
            usb: Some(UsbId { vid: 0x0403, pid }),
            usb_serial: Some(serial.to_owned()),
            title: "FTDI".to_owned(),
        }
    }

    #[test]
    fn an_adapter_is_found_by_what_identifies_it_alone() {
        let there = || vec![adapter("/dev/ttyUSB1", 0x6001, "A1"), adapter("COM4", 0x6001, "B2")];
        let usb = Some(UsbId { vid: 0x0403, pid: 0x6001 });
        assert_eq!(choose(there(), Some("B2"), None), Ok("COM4".to_owned()));
        assert_eq!(choose(there(), Some("A1"), usb), Ok("/dev/ttyUSB1".to_owned()));
        let several = choose(there(), None, usb).unwrap_err();
        assert!(several.contains("/dev/ttyUSB1, COM4"), "{several}");
        let other = choose(there(), Some("C3"), usb).unwrap_err();
        assert_eq!(other, "0403:6001 with serial number C3");
    }

    #[test]
    fn the_device_behind_a_port_is_found_in_sysfs() {
        let sys = tempfile::tempdir().unwrap();
        let device = sys.path().join("devices/usb1/1-2");
        let tty = sys.path().join("class/tty/ttyUSB0");
        std::fs::create_dir_all(device.join("1-2:1.0/ttyUSB0")).unwrap();
        std::fs::create_dir_all(&tty).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(device.join("1-2:1.0/ttyUSB0"), tty.join("device")).unwrap();
        let class = sys.path().join("class/tty");
        assert_eq!(usb_device(&class, "/dev/ttyUSB0"), None, "it has no switch");
        std::fs::write(device.join("authorized"), "1").unwrap();
        std::fs::write(device.join("idVendor"), "0403").unwrap();
        let found = usb_device(&class, "/dev/ttyUSB0").unwrap();
        assert_eq!(found, std::fs::canonicalize(&device).unwrap());
        assert_eq!(usb_device(&class, "/dev/ttyS9"), None);
    }
}
