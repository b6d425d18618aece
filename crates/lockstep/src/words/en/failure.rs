//! What went wrong, in words: what happened, its likely cause, what to do.

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_run::EngineError;

use crate::words::Said;

/// A failure: what happened, its likely cause, what to do.
pub(crate) fn failure(failure: &Failure) -> Said {
    let detail = &failure.detail;
    let status = failure
        .http_status
        .map_or_else(String::new, |status| status.to_string());
    match failure.kind {
        FailureKind::NotConfigured => Said::new(
            format!("Configuration missing{}", after_colon(detail)),
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
        FailureKind::NoSource => Said::new(
            "No source of prices gave a list that can be believed, so nothing is planned",
            "Each source says above why; `lockstep site source test` asks them again.",
        ),
        FailureKind::RefusedAddress => Said::new(
            format!(
                "The address is private and was not called{}",
                after_colon(detail)
            ),
            "If it is meant, allow its network for this site with `--allow-private CIDR`, such as `lockstep site edit NAME --allow-private 10.0.0.0/8`. Link-local and metadata addresses are never called.",
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
            format!(
                "The gateway changed other fields of the channel{}",
                after_colon(detail)
            ),
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
        FailureKind::Internal => Said::new(
            "A mistake in Lockstep itself broke this off",
            "Run again. Should it break again, report it with what the log says at that time.",
        ),
        FailureKind::Interrupted => Said::new(
            format!(
                "Interrupted: its process was stopped or killed while it still read{}. Nothing was planned or written",
                and(detail)
            ),
            "Run it again. What a schedule began is begun again by itself.",
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

fn and(detail: &str) -> String {
    if detail.is_empty() {
        String::new()
    } else {
        format!(", and {detail}")
    }
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

/// What to do when a run could not be started or carried on, where its message does not say it.
pub(crate) fn what_to_do(error: &EngineError) -> Option<&'static str> {
    match error {
        EngineError::Busy(_) => {
            Some("Wait until it has ended. A process that was killed frees the gateway by itself.")
        }
        EngineError::NoSuchChannel(_) => {
            Some("`lockstep channel list` shows the channels as last read.")
        }
        EngineError::NothingReady(_) => Some(
            "`lockstep runs RUN` shows what is; what is held is written by `lockstep apply --held`.",
        ),
        EngineError::NothingHeld => Some("`lockstep held` shows what waits for an answer."),
        EngineError::NotPlanned { .. } => Some("`lockstep plan` makes a plan."),
        _ => None,
    }
}
