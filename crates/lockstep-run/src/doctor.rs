//! Doctor: looks at a gateway with reading requests only, and says line by line what is as it should be.

use lockstep_core::channel::Channel;
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_remote::gateway::GatewayKind;
use url::Host;

use crate::session::Session;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Whether something answers at the address. Arguments: the address.
    Address,
    /// What kind of gateway it is. Arguments: its name.
    Gateway,
    /// Its version. Arguments: the version.
    Version,
    /// Whether the token is taken. Arguments: the user's name.
    Token,
    /// Whether the user id is the token's. Arguments: the id as set, the token's.
    UserId,
    /// What the token's role may do. Arguments: the role's number.
    Role,
    /// The gateway's clock beside ours. Arguments: the difference in seconds.
    Clock,
    /// The channel list. Arguments: how many channels.
    Channels,
    /// How long a run takes within the limits. Arguments: seconds at the present pace, seconds at `auto`.
    Limits,
    /// Channels on which the gateway's own sync is on. Arguments: how many, the first ids.
    OwnSync,
    /// Channels at private addresses. Arguments: how many, the first ids.
    Private,
}

impl Topic {
    /// The code by which JSON names it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Gateway => "gateway",
            Self::Version => "version",
            Self::Token => "token",
            Self::UserId => "user_id",
            Self::Role => "role",
            Self::Clock => "clock",
            Self::Channels => "channels",
            Self::Limits => "limits",
            Self::OwnSync => "own_sync",
            Self::Private => "private",
        }
    }
}

/// How a line stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Notice,
    /// Something to mend before runs can succeed.
    Wrong,
}

impl Level {
    /// The code by which JSON names it.
    pub fn code(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Notice => "notice",
            Self::Wrong => "wrong",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it is about.
    pub topic: Topic,
    /// How it stands.
    pub level: Level,
    /// The arguments that the topic names.
    pub args: Vec<String>,
    /// What went wrong.
    pub failure: Option<Failure>,
}

impl Finding {
    fn new(topic: Topic, level: Level, args: impl IntoIterator<Item = String>) -> Self {
        Self {
            topic,
            level,
            args: args.into_iter().collect(),
            failure: None,
        }
    }

    fn failed(topic: Topic, failure: Failure) -> Self {
        Self {
            topic,
            level: Level::Wrong,
            args: Vec::new(),
            failure: Some(failure),
        }
    }
}

/// A clock further off than this is worth a line; in seconds.
const CLOCK_SLACK: i64 = 60;

impl Session {
    /// Looks at the gateway. Nothing is written, there or here.
    pub async fn doctor(&self, seconds: impl Fn(usize) -> [u64; 2]) -> Vec<Finding> {
        let reader = self.reader();
        let mut found = Vec::new();
        match reader.status().await {
            Ok(status) => {
                found.push(Finding::new(
                    Topic::Address,
                    Level::Ok,
                    [self.access.site.url.to_string()],
                ));
                found.push(Finding::new(Topic::Version, Level::Ok, [status.version]));
                if let Some(theirs) = status.clock {
                    let off = theirs - self.now() / 1_000;
                    let level = if off.abs() > CLOCK_SLACK {
                        Level::Notice
                    } else {
                        Level::Ok
                    };
                    found.push(Finding::new(Topic::Clock, level, [off.to_string()]));
                }
            }
            Err(failure) => {
                found.push(Finding::failed(Topic::Address, failure));
                return found;
            }
        }
        match reader.who_am_i().await {
            Ok(who) => {
                found.push(Finding::new(Topic::Token, Level::Ok, [who.username]));
                let id = who.id.to_string();
                if id != self.access.site.user_id {
                    let args = [self.access.site.user_id.clone(), id];
                    found.push(Finding::new(Topic::UserId, Level::Notice, args));
                }
                let may = who.role >= 100
                    || (who.channels.read && who.channels.operate && who.channels.write);
                let level = if may { Level::Ok } else { Level::Wrong };
                found.push(Finding::new(Topic::Role, level, [who.role.to_string()]));
            }
            Err(failure) => {
                found.push(Finding::failed(Topic::Token, failure));
                return found;
            }
        }
        match reader.all_channels().await {
            Ok(listing) => {
                let recognised = listing.kind == GatewayKind::NewApi;
                found.push(match recognised {
                    true => Finding::new(Topic::Gateway, Level::Ok, ["New API".to_owned()]),
                    false => Finding::failed(
                        Topic::Gateway,
                        Failure::new(FailureKind::NotRecognised, ""),
                    ),
                });
                let channels: Vec<Channel> = listing.pages.into_iter().flatten().collect();
                look_at_channels(&channels, seconds, &mut found);
            }
            Err(failure) => found.push(Finding::failed(Topic::Channels, failure)),
        }
        found.sort_by_key(|finding| finding.topic);
        found
    }
}

fn look_at_channels(
    channels: &[Channel],
    seconds: impl Fn(usize) -> [u64; 2],
    found: &mut Vec<Finding>,
) {
    let count = channels.len();
    found.push(Finding::new(
        Topic::Channels,
        Level::Ok,
        [count.to_string()],
    ));
    let requests = count + count.div_ceil(100).max(1);
    found.push(Finding::new(
        Topic::Limits,
        Level::Ok,
        seconds(requests).map(|seconds| seconds.to_string()),
    ));
    let mut list = |topic, mut ids: Vec<i64>| {
        ids.sort_unstable();
        if !ids.is_empty() {
            let first: Vec<String> = ids.iter().take(5).map(i64::to_string).collect();
            let args = [ids.len().to_string(), first.join(", ")];
            found.push(Finding::new(topic, Level::Notice, args));
        }
    };
    let with = |holds: fn(&Channel) -> bool| -> Vec<i64> {
        channels
            .iter()
            .filter(|channel| holds(channel))
            .map(|channel| channel.id)
            .collect()
    };
    list(Topic::OwnSync, with(|channel| channel.own_sync));
    list(Topic::Private, with(at_private_address));
}

/// Whether the channel's address is written as a private one. The gateway may call it; price sources may not.
fn at_private_address(channel: &Channel) -> bool {
    let Ok(url) = url::Url::parse(&channel.base_url) else {
        return false;
    };
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        Some(Host::Ipv6(ip)) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
        Some(Host::Domain(name)) => name == "localhost" || !name.contains('.'),
        None => false,
    }
}
