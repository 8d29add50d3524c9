//! What a JTAG probe is called.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::description::UsbId;

/// A JTAG probe: `VID:PID`, `VID:PID:SERIAL`, or `bitbang://HOST:PORT` for one behind OpenOCD's
/// `remote_bitbang` protocol, such as the door of a served board.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum ProbeName {
    /// One at this computer's USB.
    Usb {
        /// Its vendor and product.
        id: UsbId,
        /// Its serial number; without one it must be the only one of its kind.
        serial: Option<String>,
    },
    /// Host and port of a server.
    Bitbang(String),
}

impl FromStr for ProbeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` names no probe: write VID:PID or VID:PID:SERIAL in hexadecimal digits, or \
                 bitbang://HOST:PORT"
            )
        };
        if let Some(address) = text.strip_prefix("bitbang://") {
            let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            return match port.map(|(_, port)| port.parse::<u16>()) {
                Some(Ok(_)) => Ok(Self::Bitbang(address.to_owned())),
                _ => Err(wrong()),
            };
        }
        let mut parts = text.splitn(3, ':');
        let (Some(vid), Some(pid)) = (parts.next(), parts.next()) else { return Err(wrong()) };
        let id = UsbId::try_from(format!("{vid}:{pid}")).map_err(|_| wrong())?;
        match parts.next() {
            Some("") => Err(wrong()),
            serial => Ok(Self::Usb { id, serial: serial.map(str::to_owned) }),
        }
    }
}

impl TryFrom<String> for ProbeName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for ProbeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usb { id, serial: None } => write!(f, "{id}"),
            Self::Usb { id, serial: Some(serial) } => write!(f, "{id}:{serial}"),
            Self::Bitbang(address) => write!(f, "bitbang://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_named_by_their_usb_numbers_or_their_server() {
        for name in ["0403:6010", "303a:1001:7C:DF:A1:00:00:01", "bitbang://127.0.0.1:3335"] {
            assert_eq!(name.parse::<ProbeName>().expect(name).to_string(), name);
        }
        for name in
            ["", "403:6010", "0403", "0403:6010:", "bitbang://:1", "bitbang://desk", "desk:1"]
        {
            assert!(
                name.parse::<ProbeName>().is_err_and(|error| error.contains("VID:PID")),
                "{name}"
            );
        }
    }
}
