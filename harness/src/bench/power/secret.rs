//! A password, which is written nowhere: bench.toml names the environment variable that has it.

use std::fmt;

use serde::Deserialize;

use super::error::PowerTrouble;

/// The name of an environment variable that has a password.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretName(String);

/// A password. It has no way to be shown.
#[derive(Clone)]
pub(super) struct Secret(String);

impl SecretName {
    /// Reads it.
    pub(super) fn read(&self) -> Result<Secret, PowerTrouble> {
        std::env::var(&self.0).map(Secret).map_err(|_| PowerTrouble::NoSecret(self.0.clone()))
    }
}

impl Secret {
    /// To be sent, and for nothing else.
    pub(super) fn to_be_sent(&self) -> &str {
        &self.0
    }

    /// A text without it.
    pub(super) fn out_of(&self, text: &str) -> String {
        if self.0.is_empty() { text.to_owned() } else { text.replace(&self.0, "…") }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}
