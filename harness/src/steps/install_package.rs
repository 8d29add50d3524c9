//! `install-package`: MicroPython fetches a package over the network and stores it.
//!
//! Firmware has `mip`, or `upip` before 1.20; the step asks for whichever there is.

use super::micropython::{RawRepl, text_literal};
use super::serial_fields::is_short;
use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::{Failure, StepError};
use crate::runner::session::Session;
use crate::scenario::decode::{Decode, Decoder, Fields, UnknownKeys};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, PORT, Reference};
use crate::scenario::values::Template;
use crate::targets::{Capability, Port};
use crate::time::Span;

/// Patience when the step does not say its own.
const DEFAULT_WITHIN: Span = Span::from_secs(60);

/// Fields as written in the scenario file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallPackage {
    /// Its name in the index, or the address of its `package.json`.
    pub package: Template,
    /// Where packages are listed.
    pub index: Option<Template>,
    /// Patience in device time.
    pub within: Span,
    /// Which port.
    pub port: Port,
}

impl Step for InstallPackage {
    const NAME: &'static str = "install-package";

    const REFERENCE: Reference = Reference {
        group: Group::Network,
        doc: "MicroPython, which must have joined a network, fetches a package and stores it: through `mip`, or `upip` where firmware is older.",
        value: Kind::Either(&[
            Kind::Template,
            Kind::Keys(&[
                Key::required(
                    "package",
                    Kind::Template,
                    "Its name in the index, or the address of its `package.json`.",
                ),
                Key::optional("index", Kind::Template, "The address of the index."),
                Key::or("within", Kind::Duration, "60s", "Patience, in device time."),
                PORT,
            ]),
        ]),
        examples: &[
            "install-package: http://192.168.0.4:8000/greeter/package.json",
            "install-package: {package: greeter, index: 'http://192.168.0.4:8000', within: 20s, port: console}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        if is_short(node) {
            let package = Template::decode(node, decoder)?;
            let (within, port) = (DEFAULT_WITHIN, Port::Console);
            return Some(Self { package, index: None, within, port });
        }
        let mut fields = Fields::new(node, "`install-package`", decoder)?;
        let package = fields.required("package", decoder);
        let index = fields.optional("index", decoder);
        let within = fields.or("within", DEFAULT_WITHIN, decoder);
        let port = fields.or("port", Port::Console, decoder);
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { package: package?, index: index?, within: within?, port: port? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::Serial, Capability::Air],
            needs_power: true,
            templates: std::iter::once(&self.package).chain(&self.index).collect(),
            guest_writes: true,
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        self.package.shown()
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        let package = text_literal(&session.text(&self.package)?);
        let index = self.index.as_ref().map(|index| session.text(index)).transpose()?;
        let index = index.map(|index| text_literal(&index));
        let mip = index.as_ref().map_or(String::new(), |index| format!(", index={index}"));
        let upip = index.map_or(String::new(), |index| format!(" upip.index_urls = [{index}]\n"));
        let code = format!(
            "try:\n import mip\nexcept ImportError:\n import upip\n{upip} upip.install({package})\n\
             else:\n mip.install({package}{mip})\n"
        );
        let nothing = |_: &str| false;
        let ran = RawRepl::during(session, self.port, |raw| raw.run(&code, self.within, &nothing))?;
        let lines: Vec<_> = ran.text.lines().map(str::to_owned).collect();
        let last = lines.last().map_or("", String::as_str);
        // Both say so and raise nothing when a package cannot be had.
        if ran.exception().is_some() || last != "Done" && !last.starts_with("Installing ") {
            let what = format!("the package was not installed: {last}");
            return Err(StepError::failed(Failure { seen: lines, ..Failure::new(what) }));
        }
        Ok(Evidence::note(lines.first().cloned().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_steps};
    use crate::steps::micropython::scripted::{Ran, raw_mode};

    #[test]
    fn a_package_that_cannot_be_had_fails_the_step_though_nothing_is_raised() {
        let steps = "- install-package: greeter";
        let printed = "Installing greeter (latest) from x to /lib\r\nDone\r\n";
        assert_eq!(run_steps(raw_mode([Ran::prints(printed)]), steps), Outcome::Passed);
        let printed = "Installing greeter (latest) from x to /lib\r\nPackage not found: x\r\nPackage may be partially installed\r\n";
        let Outcome::Failed(failure) = run_steps(raw_mode([Ran::prints(printed)]), steps) else {
            panic!("must fail")
        };
        let what = "the package was not installed: Package may be partially installed";
        assert_eq!(failure.what, what);
    }
}
