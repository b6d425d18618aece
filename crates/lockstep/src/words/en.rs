//! English.

use std::time::Duration;

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::models::fate::{Dropped, Kept};
use lockstep_core::models::plan::Note;
use lockstep_core::settings::Field;

use lockstep_run::doctor::{Level, Topic};

use super::Said;

/// A failure: what happened, its likely cause, what to do.
pub(crate) fn failure(failure: &Failure) -> Said {
    let detail = &failure.detail;
    let status = failure
        .http_status
        .map_or_else(String::new, |status| status.to_string());
    match failure.kind {
        FailureKind::NotConfigured => Said::new(
            format!("Configuration missing: {detail}"),
            "Check that the Base URL, Admin Token and User ID are filled in: `lockstep site add NAME --url URL --user-id ID`, or --url, --user-id and the token in LOCKSTEP_TOKEN.",
        ),
        FailureKind::Unauthorized => Said::new(
            "401 Unauthorized: the Admin Token is not valid",
            "Make a new system access token in the gateway's console (Personal Settings; not an sk- key) and store it with `lockstep site edit NAME --token-stdin`. Making one ends the old one everywhere.",
        ),
        FailureKind::Forbidden => Said::new(
            "403: the token's role is too low",
            "Model sync needs an admin (role 10) with channel read, operate and write. Use an admin's token, or have root grant these.",
        ),
        FailureKind::Firewall => Said::new(
            format!(
                "{status} page from a firewall or proxy in front of the gateway; the token may be fine"
            ),
            "Allow this machine's address in the firewall (Cloudflare, WAF, panel), or use the gateway's inner address.",
        ),
        FailureKind::RateLimited => Said::new(
            "429 Rate limited: requests are too frequent",
            "Lower --requests-per-minute or --concurrency, or use --pace auto; then `lockstep sync --retry-failed`.",
        ),
        FailureKind::ServerError => Said::new(
            format!(
                "{status} Server error from the gateway{}",
                after_colon(detail)
            ),
            "Check that the New API service is up, then `lockstep sync --retry-failed`.",
        ),
        FailureKind::Timeout => Said::new(
            format!("Network timeout{}", after_colon(detail)),
            "Check the network, raise --channel-timeout if the provider is slow, then `lockstep sync --retry-failed`.",
        ),
        FailureKind::Unreachable => Said::new(
            format!("The gateway does not answer{}", after_colon(detail)),
            "Check the Base URL, that the service is up, and that this machine may reach it.",
        ),
        FailureKind::Tls => Said::new(
            format!(
                "The gateway's certificate was refused{}",
                after_colon(detail)
            ),
            "Use the name the certificate was made for, or renew it.",
        ),
        FailureKind::Broken => Said::new(
            format!(
                "The reply broke off or cannot be read{}",
                after_colon(detail)
            ),
            "Try again; if it stays, look at the proxy in front of the gateway.",
        ),
        FailureKind::WrongAddress => Said::new(
            "Wrong address: a page came back instead of the gateway's API",
            "Give the gateway's base address as --url, without /console or /v1; with a path only if the gateway is served under it.",
        ),
        FailureKind::NotFound => Said::new(
            "404: the gateway's API is not at this address",
            "Give the gateway's base address as --url, without /console or /v1.",
        ),
        FailureKind::Redirected => Said::new(
            format!("The address redirects{}", detail_to(detail)),
            "Use the address it redirects to as --url; credentials never follow a redirect.",
        ),
        FailureKind::OldFork => Said::new(
            "This gateway is an older fork (it answers channel lists without a total)",
            "Lockstep works with New API from 2025 on; upgrade the gateway. Nothing was changed.",
        ),
        FailureKind::NotRecognised => Said::new(
            "This gateway is not recognised as New API, so it is only read",
            "See `lockstep doctor`. Nothing was changed.",
        ),
        FailureKind::TooLarge => Said::new(
            "The reply is larger than 16 MiB and was refused",
            "Look at what answers at this address; no real list is that large.",
        ),
        FailureKind::Rejected => Said::new(
            format!("The gateway refused{}", after_colon(detail)),
            "Open the channel in the gateway's console; its own message says what it minds.",
        ),
        FailureKind::ProviderStatus => provider_status(failure),
        FailureKind::ProviderError => Said::new(
            format!("The provider gave no list{}", after_colon(detail)),
            "Check the channel's base URL and proxy in the console, then `lockstep sync --retry-failed`.",
        ),
        FailureKind::PartialPicture => Said::new(
            format!(
                "The channel list could not be read whole{}",
                after_colon(detail)
            ),
            "Somebody may be adding or removing channels right now; run again. Nothing is planned from half a picture.",
        ),
        FailureKind::Moved => Said::new(
            "Somebody changed the channel meanwhile, so the approved change no longer fits",
            "Nothing was written to it. Plan again.",
        ),
        FailureKind::NotStored => Said::new(
            format!(
                "The gateway said success but its reply shows another list{}",
                after_colon(detail)
            ),
            "Look at the channel in the console, and at what stands between Lockstep and the gateway.",
        ),
        FailureKind::FieldsChanged => Said::new(
            format!("The gateway changed other fields of the channel: {detail}"),
            "This gateway has other manners than New API; put the fields right in the console and do not write with Lockstep until that is understood.",
        ),
        FailureKind::Unverified => Said::new(
            format!(
                "Whether the write arrived is not known{}",
                after_colon(detail)
            ),
            "Run again: reading will tell.",
        ),
        FailureKind::Gone => Said::new(
            "The channel is not on the gateway any more",
            "Nothing to do; the next run leaves it out.",
        ),
        FailureKind::Record => Said::new(
            format!(
                "The journal could not be written, so nothing more was sent{}",
                after_colon(detail)
            ),
            "Make room or mend the permissions of the database, then run again.",
        ),
    }
}

fn provider_status(failure: &Failure) -> Said {
    let status = failure.http_status.unwrap_or(0);
    let message = format!("The provider answered the gateway with status code: {status}");
    let hint = match status {
        401 | 403 => {
            "The channel's key is not valid at its provider any more: renew it in the console."
        }
        404 => {
            "The provider has no model list at this address: check the channel's base URL, or answer \"never sync\"."
        }
        429 => "The provider limits the key; wait, then `lockstep sync --retry-failed`.",
        500.. => "The provider is in trouble; wait, then `lockstep sync --retry-failed`.",
        _ => {
            "Check the channel's base URL and key in the console, then `lockstep sync --retry-failed`."
        }
    };
    Said::new(message, hint)
}

fn after_colon(detail: &str) -> String {
    if detail.is_empty() {
        String::new()
    } else {
        format!(": {detail}")
    }
}

fn detail_to(detail: &str) -> String {
    if detail.is_empty() {
        String::new()
    } else {
        format!(" to {detail}")
    }
}

/// Why something is held or skipped, and what can be done.
pub(crate) fn reason(reason: &Reason) -> Said {
    let count = reason.count.unwrap_or(0);
    let of = reason.of.unwrap_or(0);
    let limit = reason.limit.unwrap_or(0);
    let answer = "If it is right: `lockstep apply --held --only ID`. Else `lockstep held keep|allow|never ID`.";
    match reason.code {
        ReasonCode::EmptyList => Said::new(
            "Held: the provider's list is empty; nothing is removed",
            "Check the channel's key and base URL in the console; an empty list is never written.",
        ),
        ReasonCode::PartialList => Said::new(
            format!(
                "Held: {count} of {of} entries of the provider's list cannot be read; nothing is removed"
            ),
            answer,
        ),
        ReasonCode::Shrunken => Said::new(
            format!(
                "Held: the provider lists {count} models, last time {of} (below {limit} %); nothing is removed"
            ),
            answer,
        ),
        ReasonCode::TooManyRemoved => Said::new(
            if of >= 10 {
                format!("Held: {count} of {of} models would be removed (limit {limit} %)")
            } else {
                format!("Held: {count} of {of} models would be removed (limit {limit} names)")
            },
            answer,
        ),
        ReasonCode::LastServer => Said::new(
            format!(
                "Held: no other enabled channel serves {}",
                names(&reason.names, 3)
            ),
            answer,
        ),
        ReasonCode::SecondRead => Said::new(
            format!(
                "Held: {} missing for less than the time an unattended removal waits",
                were(count)
            ),
            "The next unattended run removes them if they are still missing then.",
        ),
        ReasonCode::RunBrake => Said::new(
            format!(
                "Held: {count} of {of} providers would lose models in one run (limit {limit} %)"
            ),
            "Look for a common cause (a proxy, a network). If it is right: `lockstep apply --held`.",
        ),
        ReasonCode::TooManyAdded => Said::new(
            format!(
                "Held: {count} models would be added to {of} (limit {limit} names and half of the list)"
            ),
            "If the list is curated: `lockstep channel set ID --policy prune-only` or `--allow NAME`. If all are wanted: `lockstep apply --held --only ID`.",
        ),
        ReasonCode::WouldBeEmpty => Said::new(
            "Held: the list would end up empty, which the gateway cannot store",
            "Check rules and allow-list: `lockstep channel show ID`.",
        ),
        ReasonCode::Excluded => Said::new(
            "Skipped: the policy excludes this channel",
            "`lockstep channel set ID --policy mirror` syncs it again.",
        ),
        ReasonCode::ReportOnly => Said::new(
            "Skipped: the policy only reports",
            "`lockstep channel set ID --policy mirror` lets it be written.",
        ),
        ReasonCode::Disabled => Said::new(
            "Skipped: the channel is disabled and only enabled ones were asked for",
            "Leave out --enabled-only to sync it too.",
        ),
        ReasonCode::NoModelList => Said::new(
            "Skipped: it does not answer, and its type has no model list",
            "Nothing to do; its list stays as it is.",
        ),
        ReasonCode::AutoDisabled => Said::new(
            "Skipped: it does not answer, and the gateway has disabled it",
            "Mend or delete the channel in the console.",
        ),
        ReasonCode::EmptyBefore => Said::new(
            "Skipped: its list was empty before, and the gateway cannot store an empty list",
            "Take the models out in the console, or disable the channel.",
        ),
        ReasonCode::Gone => Said::new(
            "Skipped: the channel is not on the gateway any more",
            "Nothing to do.",
        ),
        ReasonCode::NotWritten => Said::new(
            "Skipped: not written in this run",
            "Plan again, or `lockstep sync`.",
        ),
    }
}

fn were(count: usize) -> String {
    if count == 1 {
        "1 name is".to_owned()
    } else {
        format!("{count} names are")
    }
}

/// Why a name stays.
pub(crate) fn kept(why: Kept) -> &'static str {
    match why {
        Kept::Pinned => "always kept",
        Kept::Alias => "alias",
        Kept::DeadAlias => "alias, but its target is gone",
        Kept::Yours => "yours: added by hand",
        Kept::Held => "removal held",
        Kept::Policy => "the policy removes nothing",
        Kept::Answered => "kept until it changes",
    }
}

/// Why a fetched name is not listed.
pub(crate) fn dropped(why: Dropped) -> &'static str {
    match why {
        Dropped::NotAllowed => "not in the allow-list",
        Dropped::NotIncluded => "no include rule matches",
        Dropped::Excluded => "an exclude rule matches",
        Dropped::AliasTarget => "only the target of an alias",
        Dropped::TakenOut => "yours: taken out by hand",
        Dropped::Unwritable => "the gateway cannot store such a name",
        Dropped::Held => "addition held",
        Dropped::Policy => "the policy adds nothing",
        Dropped::Answered => "kept out until it changes",
    }
}

/// A note on a channel.
pub(crate) fn note(note: &Note) -> String {
    match note {
        Note::Renamed(from, to) => format!("renamed by case: {from} -> {to}"),
        Note::BrokenMapping => "model_mapping is not readable JSON; it counts as none".to_owned(),
        Note::LastServer(gone) => format!("last enabled channel for {}", names(gone, 3)),
        Note::OfferNeverSync(count) => {
            format!("failed {count} times alike; `lockstep held never ID` leaves it out")
        }
    }
}

/// A line of the doctor.
pub(crate) fn finding(topic: Topic, level: Level, args: &[String]) -> Said {
    let arg = |index: usize| args.get(index).map_or("", String::as_str);
    let seconds = |index: usize| Duration::from_secs(arg(index).parse().unwrap_or(0));
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
                arg(1)
            ),
            "Two tools then edit the same lists; switch one off (channel, Upstream Model Detection Settings).",
        ),
        Topic::Private => Said::new(
            format!("{} channels are at private addresses: {}", arg(0), arg(1)),
            "Their model lists are read through the gateway, so nothing is to be done.",
        ),
    }
}

/// Two variables of the environment that contradict each other.
pub(crate) fn two_gateways(one: &str, other: &str) -> String {
    format!("{one} and {other} name two gateways: unset one of them, or type --site or --url")
}

/// Names in a sentence: the first few, and how many more.
pub(crate) fn names(names: &[String], most: usize) -> String {
    let shown: Vec<&str> = names.iter().take(most).map(String::as_str).collect();
    let more = names.len().saturating_sub(most);
    if more == 0 {
        shown.join(", ")
    } else {
        format!("{} and {more} more", shown.join(", "))
    }
}

/// Channel ids in a sentence.
pub(crate) fn ids(ids: &[i64]) -> String {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    ids.join(", ")
}

/// A number of things.
pub(crate) fn count(count: u64, one: &str, many: &str) -> String {
    if count == 1 {
        format!("1 {one}")
    } else {
        format!("{count} {many}")
    }
}

/// A duration as people say it.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 if duration.is_zero() => "no time".to_owned(),
        0 => format!("{} ms", duration.as_millis()),
        1..60 => format!("{}.{} s", seconds, duration.subsec_millis() / 100),
        60..3600 if seconds.is_multiple_of(60) => format!("{} min", seconds / 60),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// What goes wrong outside a field's recommended range.
pub(crate) fn outside_recommended(field: &Field, value: &str) -> String {
    let (low, high) = field.recommended.unwrap_or((0, 0));
    let why = match field.key {
        "requests-per-minute" => {
            "more brings 429 errors and slows the gateway's own pages, less makes runs long"
        }
        "burst" => "a large burst can be taken for an attack, a small one makes short runs slow",
        "concurrency" => "more channels at once load the gateway and bring 429 errors",
        "max-retries" => "fewer retries give up on short network trouble, more hide a lasting one",
        _ => "see the manual",
    };
    format!(
        "{} {value} is outside the recommended {low} to {high}: {why}",
        field.key
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_and_reason_says_what_to_do() {
        for kind in FailureKind::ALL {
            let said = failure(&Failure::new(*kind, "x"));
            assert!(
                !said.message.is_empty() && said.hint.ends_with('.'),
                "{kind:?}"
            );
        }
        for code in ReasonCode::ALL {
            let said = reason(&Reason::plain(*code));
            assert!(
                !said.message.is_empty() && said.hint.ends_with('.'),
                "{code:?}"
            );
        }
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(duration(Duration::from_millis(20)), "20 ms");
        assert_eq!(duration(Duration::from_millis(1_230)), "1.2 s");
        assert_eq!(duration(Duration::from_secs(270)), "4 min 30 s");
    }
}
