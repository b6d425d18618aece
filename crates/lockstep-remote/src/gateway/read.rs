//! Reading a gateway. Nothing here can change it.

use std::time::Duration;

use lockstep_core::channel::Channel;
use lockstep_core::failure::{Failure, FailureKind};
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::http::Reply;

use super::call::Call;
use super::envelope::{self, Envelope};
use super::listing::PAGE_SIZE;
use super::wire::{ChannelPage, Entries, WireChannel, WireStatus, WireUser};
use super::{Gateway, GatewayKind, failure, throttle};

/// The role of admins; above it is only root, with 100.
const ADMIN: i64 = 10;
/// The role that may do everything.
const ROOT: i64 = 100;

/// Reads a gateway. Each call is one try; [`crate::retry::read_with_retries`] makes more of it.
#[derive(Clone, Debug)]
pub struct GatewayReader {
    gateway: Gateway,
    pub(super) page_retries: u32,
}

/// One page of the channel list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its channels, highest id first.
    pub channels: Vec<Channel>,
    /// How many channels the gateway has in all.
    pub total: usize,
    /// Whether the gateway is known.
    pub kind: GatewayKind,
}

/// What a provider offers, as the gateway fetched it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// The names, as they came: not trimmed, in the provider's order. None is a list too, and mistrusted elsewhere.
    pub names: Vec<String>,
    /// How many entries were no readable text.
    pub unreadable: usize,
}

/// The user whose token is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// The user's id.
    pub id: i64,
    /// The user's name.
    pub username: String,
    /// 1 a user, 10 an admin, 100 root.
    pub role: i64,
    /// What the token may do with channels.
    pub channels: Rights,
}

/// What a token may do with channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// List and read them.
    pub read: bool,
    /// Let the gateway fetch a provider's models.
    pub operate: bool,
    /// Change a model list.
    pub write: bool,
    /// Change keys, addresses and the like, which Lockstep never does.
    pub sensitive_write: bool,
}

/// What the gateway tells everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusPage {
    /// Its version, as it writes it; blank when it does not tell.
    pub version: String,
    /// The name that its admins gave it.
    pub system_name: String,
    /// Whether it serves its owner alone, so that models without a price are fine.
    pub self_use_mode: bool,
    /// Whether it has been set up; `None` when it does not tell.
    pub setup: Option<bool>,
    /// Its clock by the reply's `Date`, in Unix seconds.
    pub clock: Option<i64>,
}

impl GatewayReader {
    /// A reader of a gateway.
    pub fn new(gateway: Gateway) -> Self {
        Self {
            gateway,
            page_retries: 0,
        }
    }

    /// Lets [`GatewayReader::all_channels`] try each page up to `max_retries` times more. Without it, none.
    #[must_use]
    pub fn with_page_retries(mut self, max_retries: u32) -> Self {
        self.page_retries = max_retries;
        self
    }

    /// The gateway that is read.
    pub fn gateway(&self) -> &Gateway {
        &self.gateway
    }

    /// Page `p` of the channel list, from 1, with at most [`PAGE_SIZE`] channels.
    ///
    /// # Errors
    ///
    /// [`FailureKind::OldFork`] for an older fork's bare list and [`FailureKind::NotRecognised`] for another shape;
    /// [`FailureKind::Unauthorized`], [`FailureKind::WrongAddress`] and the like for what the gateway or
    /// something before it says.
    pub async fn page(&self, p: u32) -> Result<Page, Failure> {
        let path = format!("/api/channel/?p={p}&page_size={PAGE_SIZE}&id_sort=true");
        let reply = self.get(path, self.gateway.limits.read).await?;
        self.reading(&reply, |envelope| {
            if !envelope.success {
                return Err(failure::of_refusal(&reply, &envelope));
            }
            if envelope
                .data
                .is_some_and(|data| data.get().starts_with('['))
            {
                let text = "the channel list is a bare array, as older forks answer it";
                return Err(Failure::status(FailureKind::OldFork, reply.status, text));
            }
            let page: ChannelPage = decode(&reply, envelope.data)?;
            Ok(Page {
                channels: page.items.into_iter().map(Channel::from).collect(),
                total: page.total,
                kind: kind_of(&reply),
            })
        })
    }

    /// One channel as it is now.
    ///
    /// # Errors
    ///
    /// [`FailureKind::Gone`] when the gateway says that there is none, and as for a page.
    pub async fn channel(&self, id: i64) -> Result<Channel, Failure> {
        let path = format!("/api/channel/{id}");
        let reply = self.get(path, self.gateway.limits.read).await?;
        self.reading(&reply, |envelope| {
            if !envelope.success {
                let text = envelope.message();
                return Err(Failure::status(FailureKind::Gone, reply.status, text));
            }
            let channel: WireChannel = decode(&reply, envelope.data)?;
            if channel.id != id {
                let text = format!("asked for channel {id}, told of {}", channel.id);
                return Err(Failure::status(FailureKind::Broken, reply.status, text));
            }
            Ok(channel.into())
        })
    }

    /// The models that the provider of a channel offers, fetched by the gateway with the channel's key.
    /// The gateway itself waits for its provider for ever: `timeout` is all that ends it.
    ///
    /// # Errors
    ///
    /// [`FailureKind::ProviderStatus`] with the provider's status where the gateway tells it, else
    /// [`FailureKind::ProviderError`]; [`FailureKind::Timeout`] after `timeout`; and as for a page.
    pub async fn fetch_models(&self, id: i64, timeout: Duration) -> Result<Fetched, Failure> {
        let path = format!("/api/channel/fetch_models/{id}");
        let reply = self.get(path, timeout).await?;
        self.reading(&reply, |envelope| {
            if !envelope.success {
                return Err(failure::of_provider(envelope.message()));
            }
            let Some(data) = envelope.data else {
                return Ok(Fetched::default());
            };
            let entries: Entries<'_> = serde_json::from_str(data.get()).map_err(|_| {
                Failure::new(FailureKind::ProviderError, "the model list is no array")
            })?;
            let all = entries.len();
            let names: Vec<String> = entries
                .iter()
                .filter_map(|entry| serde_json::from_str(entry.get()).ok())
                .collect();
            let unreadable = all - names.len();
            Ok(Fetched { names, unreadable })
        })
    }

    /// The user behind the token.
    ///
    /// # Errors
    ///
    /// [`FailureKind::Unauthorized`] when the token is not valid, and as for a page.
    pub async fn who_am_i(&self) -> Result<Who, Failure> {
        let path = "/api/user/self".to_owned();
        let reply = self.get(path, self.gateway.limits.read).await?;
        self.reading(&reply, |envelope| {
            let user: WireUser = granted(&reply, &envelope)?;
            Ok(Who {
                channels: rights(&user),
                id: user.id,
                username: user.username,
                role: user.role,
            })
        })
    }

    /// What the gateway tells everybody: its version, name and clock.
    ///
    /// # Errors
    ///
    /// As for a page; the token plays no part.
    pub async fn status(&self) -> Result<StatusPage, Failure> {
        let path = "/api/status".to_owned();
        let reply = self.get(path, self.gateway.limits.read).await?;
        self.reading(&reply, |envelope| {
            if !envelope.success {
                let text = envelope.message();
                return Err(Failure::status(FailureKind::Rejected, reply.status, text));
            }
            let status: WireStatus = decode(&reply, envelope.data)?;
            Ok(StatusPage {
                version: status.version.unwrap_or_default(),
                system_name: status.system_name.unwrap_or_default(),
                self_use_mode: status.self_use_mode_enabled.unwrap_or(false),
                setup: status.setup,
                clock: throttle::clock(&reply.headers),
            })
        })
    }

    pub(super) async fn get(&self, path: String, limit: Duration) -> Result<Reply, Failure> {
        let call = Call {
            method: Method::GET,
            path,
            body: None,
            limit,
            fence: None,
        };
        self.gateway.call(call).await.map_err(|lost| lost.failure)
    }

    /// Reads a reply's frame, and cleans whatever failure comes of it.
    pub(super) fn reading<'r, T>(
        &self,
        reply: &'r Reply,
        read: impl FnOnce(Envelope<'r>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        match failure::of_status(reply) {
            Some(failure) => Err(failure),
            None => envelope::open(reply).and_then(read),
        }
        .map_err(|failure| self.gateway.clean(failure))
    }
}

/// New API's mark on an answer of the right shape.
pub(super) fn kind_of(reply: &Reply) -> GatewayKind {
    if envelope::marked(reply) {
        GatewayKind::NewApi
    } else {
        GatewayKind::Unrecognised
    }
}

/// The payload where a valid token is answered with data.
pub(super) fn granted<'a, T: Deserialize<'a>>(
    reply: &Reply,
    envelope: &Envelope<'a>,
) -> Result<T, Failure> {
    if envelope.success {
        decode(reply, envelope.data)
    } else {
        Err(failure::of_refusal(reply, envelope))
    }
}

/// The payload of an answer, or the news that the shape is not New API's.
pub(super) fn decode<'a, T: Deserialize<'a>>(
    reply: &Reply,
    data: Option<&'a RawValue>,
) -> Result<T, Failure> {
    let unknown = |why: String| Failure::status(FailureKind::NotRecognised, reply.status, why);
    let Some(data) = data else {
        return Err(unknown("the answer has no data".to_owned()));
    };
    serde_json::from_str(data.get()).map_err(|error| unknown(error.to_string()))
}

/// Rights as set for the user, else those of the role.
fn rights(user: &WireUser) -> Rights {
    let may = |name: &str, role: bool| {
        let set = user
            .permissions
            .as_ref()
            .and_then(|permissions| permissions.pointer("/admin_permissions/channel"))
            .and_then(|channel| channel.get(name))
            .and_then(Value::as_bool);
        user.role >= ROOT || set.unwrap_or(role)
    };
    let admin = user.role >= ADMIN;
    Rights {
        read: may("read", admin),
        operate: may("operate", admin),
        write: may("write", admin),
        sensitive_write: may("sensitive_write", false),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rights_are_the_users_own_else_the_roles() {
        let of = |role, permissions| {
            let user = WireUser {
                id: 1,
                username: String::new(),
                role,
                permissions,
            };
            let rights = rights(&user);
            [
                rights.read,
                rights.operate,
                rights.write,
                rights.sensitive_write,
            ]
        };
        let no_write = json!({"admin_permissions": {"channel": {"write": false}}});
        assert_eq!(of(1, None), [false; 4]);
        assert_eq!(of(10, None), [true, true, true, false]);
        assert_eq!(of(10, Some(no_write.clone())), [true, true, false, false]);
        assert_eq!(of(100, Some(no_write)), [true; 4]);
    }
}
