//! The doctor's lines, in words.

use std::time::Duration;

use lockstep_run::doctor::{Level, Topic};

use super::duration;
use crate::words::Said;

/// A line of the doctor.
pub(crate) fn finding(topic: Topic, level: Level, args: &[String]) -> Said {
    let arg = |index: usize| args.get(index).map_or("", String::as_str);
    let seconds = |index: usize| Duration::from_secs(arg(index).parse().unwrap_or(0));
    // Of many channels the first are named.
    let named = || {
        let all = arg(0).parse().unwrap_or(0_usize);
        match all.saturating_sub(arg(1).split(", ").count()) {
            0 => arg(1).to_owned(),
            more => format!("{} and {more} more", arg(1)),
        }
    };
    match topic {
        Topic::Address => Said::new(format!("address: {} answers", arg(0)), ""),
        Topic::Gateway => Said::new(format!("gateway: {}", arg(0)), ""),
        Topic::Version => Said::new(format!("version: {}", arg(0)), ""),
        Topic::Token => Said::new(format!("token: accepted, user {}", arg(0)), ""),
        Topic::UserId => Said::new(
            format!(
                "user id: set to {}, but the token is user {}'s",
                arg(0),
                arg(1)
            ),
            "New API ignores it; older forks refuse. `lockstep site edit NAME --user-id ID` sets it right.",
        ),
        Topic::Role => {
            let name = match arg(0) {
                "100" => "root",
                "10" => "admin",
                _ => "user",
            };
            match level {
                Level::Ok if arg(0) == "100" => Said::new(format!("role: {name} (100)"), ""),
                Level::Ok => Said::new(
                    format!("role: {name} ({}), enough for model lists", arg(0)),
                    "Prices need the root user's token.",
                ),
                _ => Said::new(
                    format!("role: {name} ({}), too low", arg(0)),
                    "Model sync needs an admin with channel read, operate and write.",
                ),
            }
        }
        Topic::Clock => Said::new(
            format!("clock: {} s apart from ours", arg(0)),
            if level == Level::Ok {
                ""
            } else {
                "Set both machines' clocks by NTP; waits that the gateway asks for are understood all the same."
            },
        ),
        Topic::Channels => Said::new(format!("channels: {}", arg(0)), ""),
        Topic::Limits => Said::new(
            format!(
                "limits: 360 calls in 3 min by default; a run waits {} at this pace, {} at --pace auto",
                duration(seconds(0)),
                duration(seconds(1))
            ),
            "",
        ),
        Topic::OwnSync => Said::new(
            format!(
                "the gateway's own auto-sync is on for {} channels: {}",
                arg(0),
                named()
            ),
            "Two tools then edit the same lists; switch one off (channel, Upstream Model Detection Settings).",
        ),
        Topic::Private => Said::new(
            format!("{} channels are at private addresses: {}", arg(0), named()),
            "Their model lists are read through the gateway, so nothing is to be done.",
        ),
    }
}
