//! `dhcp`: whether the router answers who asks for an address.

use super::{Facts, Step};
use crate::runner::evidence::Evidence;
use crate::runner::failure::StepError;
use crate::runner::session::Session;
use crate::scenario::decode::{Decoder, word};
use crate::scenario::node::Node;
use crate::scenario::reference::{Group, Kind, Reference};
use crate::site::{Dhcp, Order};
use crate::targets::Capability;

/// What is written after the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DhcpStep {
    /// What it does from now on.
    pub dhcp: Dhcp,
}

impl Step for DhcpStep {
    const NAME: &'static str = "dhcp";

    const REFERENCE: Reference = Reference {
        group: Group::Network,
        doc: "The router answers whoever asks for an address, as it does at first, or hears it and says nothing.",
        value: Kind::Words(&["answers", "silent"]),
        examples: &["dhcp: silent", "dhcp: answers"],
    };

    fn decode(node: &Node, decoder: &mut Decoder) -> Option<Self> {
        let words = [("answers", Dhcp::Answers), ("silent", Dhcp::Silent)];
        word(node, decoder, "what a DHCP server does", &words).map(|dhcp| Self { dhcp })
    }

    fn facts(&self) -> Facts<'_> {
        Facts { needs: &[Capability::AirControl], needs_site: true, ..Facts::default() }
    }

    fn summary(&self) -> String {
        match self.dhcp {
            Dhcp::Answers => "answers".to_owned(),
            Dhcp::Silent => "silent".to_owned(),
        }
    }

    fn run(&self, session: &mut Session<'_>) -> Result<Evidence, StepError> {
        session.target().order(Order::Dhcp(self.dhcp))?;
        Ok(Evidence::Done)
    }
}

#[cfg(test)]
mod tests {
    use crate::runner::testing::{Outcome, run_file};
    use crate::targets::fake::FakeTarget;

    #[test]
    fn the_router_is_told_to_be_silent_and_to_answer() {
        let target = FakeTarget::new([]);
        let log = target.log();
        let steps = "steps:\n- dhcp: silent\n- dhcp: answers\n";
        let outcome = run_file(target, &format!("name: t\nversion: 1\nair: {{ssid: x}}\n{steps}"));
        assert_eq!(outcome, Outcome::Passed);
        let log = log.lock().expect("nobody panicked").join("\n");
        assert!(log.contains("Dhcp(Silent)") && log.ends_with("Dhcp(Answers)"), "{log}");
    }
}
