//! Requests to plugs on the network.
//!
//! No proxy and no redirection: a plug is on the bench's own network, and answers by itself. No error
//! shows a password.

use std::fmt;
use std::time::Duration;

use http_auth::{PasswordClient, PasswordParams};
use serde::Deserialize;
use serde_json::Value;
use ureq::http::Uri;
use ureq::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};

use super::error::{PowerTrouble, short};
use super::secret::Secret;

/// Wall time that a plug has for its answer.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
/// A longer answer is not one of a plug.
const MOST: u64 = 64 << 10;
/// What a server says to those that it does not know.
const UNAUTHORIZED: u16 = 401;

/// Where a plug is: `http://HOST` or `https://HOST`, with a port or without.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PlugUrl(String);

impl TryFrom<String> for PlugUrl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let write = || "the url of a plug: write http://HOST or https://HOST".to_owned();
        let url: Uri = text.parse().map_err(|_| write())?;
        let authority = url.authority().ok_or_else(write)?;
        if authority.as_str().contains('@') {
            // The text may not be shown: it has a password.
            return Err("the url of a plug has no password in it: write password-env = \"NAME\", \
                        and the name of the environment variable that has it"
                .to_owned());
        }
        match (url.scheme_str(), url.path(), url.query()) {
            (Some(scheme @ ("http" | "https")), "" | "/", None) => {
                Ok(Self(format!("{scheme}://{authority}")))
            }
            _ => Err(write()),
        }
    }
}

impl fmt::Display for PlugUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who asks.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Secret,
}

/// One plug.
#[derive(Debug, Clone)]
pub(super) struct Plug {
    agent: ureq::Agent,
    url: PlugUrl,
    login: Option<Login>,
}

impl Plug {
    pub(super) fn new(url: PlugUrl, login: Option<Login>, limit: Duration) -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(limit))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            // Plugs are slow at closing what they do not need; a request a minute needs no pool.
            .max_idle_connections(0)
            .tls_config(
                ureq::tls::TlsConfig::builder()
                    .root_certs(ureq::tls::RootCerts::PlatformVerifier)
                    .build(),
            )
            .build()
            .into();
        Self { agent, url, login }
    }

    pub(super) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// A request, to be shown.
    pub(super) fn shown(&self, path: &str) -> String {
        format!("GET {}{path}", self.url)
    }

    /// Asks for `path`, to which `hidden` is added that is shown nowhere; answers a challenge with
    /// the password.
    ///
    /// # Errors
    /// No answer, one that is no success, or one that is not JSON.
    pub(super) fn get(&self, path: &str, hidden: &[(&str, &str)]) -> Result<Value, PowerTrouble> {
        let (status, challenge, body) = self.ask(path, hidden, None)?;
        let (status, body) = match (status, challenge, &self.login) {
            (UNAUTHORIZED, Some(challenge), Some(login)) => {
                let answer = answer(&challenge, login, path)?;
                let (status, _, body) = self.ask(path, hidden, Some(&answer))?;
                (status, body)
            }
            _ => (status, body),
        };
        match status {
            200..=299 => serde_json::from_str(&body)
                .map_err(|_| PowerTrouble::NotUnderstood(self.quoted(&body))),
            UNAUTHORIZED => Err(PowerTrouble::Password { given: self.login.is_some() }),
            status => Err(PowerTrouble::Status { status, said: self.quoted(&body) }),
        }
    }

    /// Status, challenge, and body.
    fn ask(
        &self,
        path: &str,
        hidden: &[(&str, &str)],
        authorization: Option<&str>,
    ) -> Result<(u16, Option<String>, String), PowerTrouble> {
        let no_answer = |error: ureq::Error| match error {
            ureq::Error::BodyExceedsLimit(limit) => {
                PowerTrouble::NotUnderstood(format!("it has more than {limit} bytes"))
            }
            error => PowerTrouble::NoAnswer(match &self.login {
                None => error.to_string(),
                Some(login) => login.password.out_of(&error.to_string()),
            }),
        };
        let mut request = self.agent.get(format!("{}{path}", self.url));
        for (key, value) in hidden {
            request = request.query(key, value);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let mut answer = request.call().map_err(no_answer)?;
        let challenge = answer.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge.and_then(|it| Some(it.to_str().ok()?.to_owned()));
        let body = answer.body_mut().with_config().limit(MOST).lossy_utf8(true).read_to_string();
        Ok((answer.status().as_u16(), challenge, body.map_err(no_answer)?))
    }

    /// What a plug said, for an error. It may say again what it was sent, in whatever encoding, so
    /// nothing of it is shown once a password is in play.
    pub(super) fn quoted(&self, said: &str) -> String {
        match self.login {
            None => short(said),
            Some(_) => "(not shown: it may have the password in it)".to_owned(),
        }
    }
}

/// What the header `Authorization` says to a challenge, by RFC 7617 or RFC 7616.
fn answer(challenge: &str, login: &Login, path: &str) -> Result<String, PowerTrouble> {
    let not_understood = |_| PowerTrouble::NotUnderstood("it wants an unknown login".to_owned());
    let mut client = PasswordClient::try_from(challenge).map_err(not_understood)?;
    client
        .respond(&PasswordParams {
            username: &login.user,
            password: login.password.to_be_sent(),
            uri: path,
            method: "GET",
            body: Some(&[]),
        })
        .map_err(not_understood)
}
