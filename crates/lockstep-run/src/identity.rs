//! Whose a token is: the gateway itself is asked.

use std::time::Duration;

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::pace::GATEWAY_CALLS;
use lockstep_core::settings::Settings;
use lockstep_remote::gateway::{Connection, Gateway, GatewayReader, TimeLimits};
use lockstep_remote::pace::Pacer;
use lockstep_store::sites::Site;
use secrecy::SecretString;

use crate::engine::Engine;

/// How long the gateway may take to say who somebody is: he waits for it.
const LIMIT: Duration = Duration::from_secs(10);

/// What a user of a gateway may do there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Calls models.
    Common,
    /// Looks after channels.
    Admin,
    /// Everything.
    Root,
}

impl Role {
    /// The role of the gateway's number.
    fn of(number: i64) -> Self {
        match number {
            100.. => Self::Root,
            10.. => Self::Admin,
            _ => Self::Common,
        }
    }
}

impl Engine {
    /// Asks a site's gateway whose token this is, once and with no other token. `user_id` is whom its owner says he is.
    /// `None` where the gateway does not know the token, or knows it as another user's.
    ///
    /// # Errors
    ///
    /// What kept the gateway from saying either.
    pub async fn who_is(
        &self,
        site: &Site,
        token: &SecretString,
        user_id: Option<i64>,
    ) -> Result<Option<Role>, Failure> {
        let connection = Connection {
            url: site.url.clone(),
            token: token.clone(),
            // Gateways of today do not look at it, older ones insist on one.
            user_id: user_id.map_or_else(|| site.user_id.clone(), |id| id.to_string()),
        };
        let pacer = Pacer::new(Settings::default().fresh_pace(GATEWAY_CALLS));
        let limits = TimeLimits {
            read: LIMIT,
            ..TimeLimits::default()
        };
        let gateway = Gateway::new(connection, self.client.clone(), pacer).with_time_limits(limits);
        match GatewayReader::new(gateway).who_am_i().await {
            Ok(who) if user_id.is_some_and(|id| id != who.id) => Ok(None),
            Ok(who) => Ok(Some(Role::of(who.role))),
            Err(failure) => match failure.kind {
                // A token with characters that no token has is not sent, and nobody's.
                FailureKind::Unauthorized | FailureKind::Forbidden | FailureKind::NotConfigured => {
                    Ok(None)
                }
                _ => Err(failure),
            },
        }
    }
}
