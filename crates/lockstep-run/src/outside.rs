//! The outside world for what is neither a gateway nor a source: notices are posted there, by HTTP or as mail.
//!
//! The binary names no HTTP client of its own. What it sends goes through the guarded one, which judges each address
//! as it is dialled.

use std::net::IpAddr;
use std::time::Duration;

use lockstep_core::failure::Failure;
use lockstep_core::prices::source::Cidr;
use lockstep_remote::http::{AddressPolicy, GuardedClient};
use secrecy::SecretString;

/// Sends to addresses that somebody configured, but to no private one that is not allowed. Clones share connections.
#[derive(Clone, Debug)]
pub struct Outside(GuardedClient);

/// What was answered. Its body is at most 64 KiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// How long the answer asks to wait before the next request, where it does.
    pub wait: Option<Duration>,
    /// The body, what is not UTF-8 replaced.
    pub body: String,
}

impl Outside {
    /// A sender that may call these private networks beside everything public.
    ///
    /// # Errors
    ///
    /// When the TLS library refuses its own defaults, which no setting causes.
    pub fn new(allow: Vec<Cidr>) -> Result<Self, Failure> {
        GuardedClient::new(AddressPolicy::new(allow, &[])).map(Self)
    }

    /// Posts JSON once, within 20 s. An answer with an error status is an answer; a redirect is a failure and is not
    /// followed. The address may be a secret: no failure has it.
    ///
    /// # Errors
    ///
    /// As [`GuardedClient::post_json`].
    pub async fn post_json(
        &self,
        url: &SecretString,
        headers: &[(String, SecretString)],
        body: String,
    ) -> Result<Reply, Failure> {
        let answer = self.0.post_json(url, headers, body).await?;
        Ok(Reply {
            status: answer.status,
            wait: answer.wait,
            body: answer.body,
        })
    }

    /// The addresses of a host that may be dialled, for what does not speak HTTP. Whoever dials must dial these and not
    /// resolve the name again.
    ///
    /// # Errors
    ///
    /// As [`GuardedClient::addresses`].
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        self.0.addresses(host).await
    }
}
