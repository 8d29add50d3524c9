//! `capture-packets`: what is on the air, or on the wire, while its steps are played becomes a file
//! that Wireshark reads.

use std::ops::Range;

use super::{Facts, Step};
use crate::packets::{Link, pcapng};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::play::play_all;
use crate::runner::session::{Session, confined};
use crate::scenario::decode::{Decoder, Fields, UnknownKeys, word};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Key, Kind, Reference};
use crate::scenario::step_list::Steps;
use crate::targets::Capability;

/// Fields as written in the scenario file.
#[derive(Debug, Clone)]
pub struct CapturePackets {
    /// The file.
    pub to: String,
    /// Where the file is named.
    pub span: Range<usize>,
    /// Where packets are captured.
    pub link: Link,
    /// Meanwhile.
    pub steps: Steps,
}

impl Step for CapturePackets {
    const NAME: &'static str = "capture-packets";

    const REFERENCE: Reference = Reference {
        group: Group::Network,
        doc: "Plays steps, and writes what was on the air meanwhile into a file of the project (pcapng), also if one of them fails.",
        value: Kind::Keys(&[
            Key::required("to", Kind::Path, "The file."),
            Key::or(
                "link",
                Kind::Words(&["air", "ethernet"]),
                "air",
                "The 802.11 frames that the board sends and hears, encrypted where they are; or the Ethernet frames between access points and the network.",
            ),
            Key::required("steps", Kind::Steps, "What is played meanwhile."),
        ]),
        examples: &[
            "capture-packets:\n  to: out/join.pcapng\n  steps:\n    - connect-wifi: {ssid: bench-net, password: correct-horse}",
            "capture-packets:\n  to: out/dhcp.pcapng\n  link: ethernet\n  steps:\n    - connect-wifi: {ssid: bench-net}",
        ],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let mut fields = Fields::new(node, "`capture-packets`", decoder)?;
        let span = fields.node("to").map_or(node.span.clone(), |node| node.span.clone());
        let to = fields.required::<String>("to", decoder);
        let link = match fields.node("link") {
            None => Some(Link::Air),
            Some(node) => {
                let words = [("air", Link::Air), ("ethernet", Link::Ethernet)];
                word(node, decoder, "a place to capture packets", &words)
            }
        };
        let steps = fields.required("steps", decoder);
        if let Some(Err(reason)) = to.as_deref().map(confined) {
            return decoder.bad(span, format!("the path `{}` {reason}", to.unwrap_or_default()));
        }
        fields.finish(UnknownKeys::Deny, decoder);
        Some(Self { to: to?, span, link: link?, steps: steps? })
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            needs: &[Capability::AirControl],
            touches_host: true,
            inner: vec![&self.steps.0],
            ..Facts::default()
        }
    }

    fn summary(&self) -> String {
        format!("of {} steps to {}", self.steps.0.len(), self.to)
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.target().start_capture(self.link)?;
        let played = play_all(session, &self.steps.0, &[]);
        let capture = session.target().take_capture()?;
        let path = || session.file(&self.to);
        let bytes = pcapng(&capture).map_err(|source| StepError::File { path: path(), source })?;
        let written = session.write_file(&self.to, &bytes);
        // What went wrong first is what is told.
        played?;
        written?;
        let left_out = match capture.left_out {
            0 => String::new(),
            count => format!(", {count} left out"),
        };
        let count = capture.packets.len();
        Ok(Evidence::note(format!("{count} packets, {} bytes{left_out}", bytes.len())))
    }
}

#[cfg(test)]
mod tests {
    use pcap_file::pcapng::PcapNgReader;

    use crate::packets::{Capture, Link, Packet};
    use crate::runner::testing::{Outcome, run_in, run_steps};
    use crate::targets::fake::FakeTarget;
    use crate::time::DeviceTime;

    fn target() -> FakeTarget {
        let time = DeviceTime::from_nanos(7);
        let packet = Packet { time, is_from_board: true, radio: None, octets: vec![1; 60] };
        FakeTarget::new([]).capturing(Capture {
            link: Link::Ethernet,
            packets: vec![packet; 3],
            left_out: 0,
        })
    }

    fn blocks(file: &std::path::Path) -> usize {
        let file = std::fs::read(file).expect("it was written");
        let mut reader = PcapNgReader::new(&file[..]).expect("it is pcapng");
        let mut count = 0;
        while let Some(block) = reader.next_block() {
            block.expect("it is pcapng");
            count += 1;
        }
        count
    }

    #[test]
    fn what_was_captured_becomes_a_file_whether_the_steps_pass_or_not() {
        for (inner, passes) in
            [("delay: 1s", true), ("expect-serial: {text: x, within: 1s}", false)]
        {
            let project = tempfile::tempdir().unwrap();
            let steps = format!(
                "\n- capture-packets:\n    to: out/x.pcapng\n    link: ethernet\n    steps:\n    - {inner}\n"
            );
            let outcome = run_in(project.path(), target(), &steps, &[]);
            assert_eq!(outcome == Outcome::Passed, passes, "{outcome:?}");
            assert_eq!(blocks(&project.path().join("out/x.pcapng")), 1 + 3);
        }
    }

    #[test]
    fn the_file_stays_in_the_project() {
        let steps = "\n- capture-packets:\n    to: ../x.pcapng\n    steps:\n    - delay: 1s\n";
        assert!(matches!(run_steps(target(), steps), Outcome::Invalid(_)));
    }
}
