//! A person switches the power, and says so.

use std::sync::Arc;

use serde::Deserialize;

use super::error::{PowerError, PowerTrouble, word};
use super::{Ask, AskPerson, PowerSwitch};
use crate::targets::Power;

pub(super) const NAME: &str = "operator";

/// A person, as bench.toml says it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operator {}

/// A person who is there.
pub(super) struct Present(Arc<AskPerson>);

impl Operator {
    pub(super) fn open(&self, ask: Ask) -> Result<Present, PowerError> {
        ask.map(Present).ok_or_else(|| PowerTrouble::Nobody.of(NAME, "switch the power by hand"))
    }
}

impl PowerSwitch for Present {
    fn switch(&mut self, power: Power) -> Result<(), PowerError> {
        let request = format!("switch the power {}", word(power));
        (self.0)(&request).map_err(|error| PowerTrouble::NotConfirmed(error).of(NAME, request))
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_person_is_asked_and_believed() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let ask: Ask = Some(Arc::new({
            let asked = asked.clone();
            move |text: &str| {
                asked.lock().expect("one thread").push(text.to_owned());
                Ok(())
            }
        }));
        let mut switch = Operator {}.open(ask).expect("somebody is there");
        switch.switch(Power::Off).expect("it is confirmed");
        switch.switch(Power::On).expect("it is confirmed");
        let asked = asked.lock().expect("one thread").clone();
        assert_eq!(asked, ["switch the power off", "switch the power on"]);
    }

    #[test]
    fn where_nobody_is_the_driver_cannot_be_opened() {
        let Err(error) = Operator {}.open(None) else { panic!("nobody is there") };
        assert!(matches!(error.trouble, PowerTrouble::Nobody), "{error}");
        assert_eq!(
            error.to_string(),
            "power driver operator: switch the power by hand: nobody is there to do it; run it on \
             a terminal, or give the board another power driver in bench.toml"
        );
    }

    #[test]
    fn a_person_who_goes_away_has_not_switched() {
        let ask: Ask = Some(Arc::new(|_: &str| Err(io::ErrorKind::Interrupted.into())));
        let mut switch = Operator {}.open(ask).expect("somebody is there");
        let error = switch.switch(Power::On).expect_err("it is not confirmed");
        let PowerTrouble::NotConfirmed(source) = &error.trouble else { panic!("{error}") };
        assert_eq!(source.kind(), io::ErrorKind::Interrupted);
        assert!(error.to_string().contains("switch the power on"), "{error}");
    }
}
