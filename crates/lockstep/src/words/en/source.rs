//! What is said of sources of prices.

use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::source::SourceState;
use lockstep_run::prices::accept::Accepted;
use lockstep_store::prices::images::Image;
use lockstep_store::prices::run_sources::RunSource;

use super::names;
use crate::words::told_state;

/// What came of accepting a list that has shrunk.
pub(crate) fn list_accepted(one: &Accepted) -> String {
    let source = &one.source;
    if one.accepted {
        let before = one.before.unwrap_or(0);
        return format!(
            "{}: its {} (before: {before}) are its list from now on; `lockstep plan prices` plans from it again",
            source.name,
            super::count(source.models, "model", "models"),
        );
    }
    format!(
        "{}: there is nothing to accept, for its list has not shrunk: {}",
        source.name,
        source_state(source)
    )
}

/// How far a source can be trusted, and what to do where it cannot.
pub(crate) fn source_state(source: &RunSource) -> String {
    let detail = &source.detail;
    match told_state(source) {
        Some(SourceState::Ok) => "ok".to_owned(),
        Some(SourceState::Partial) => "in part: some entries cannot be used".to_owned(),
        Some(SourceState::Empty) => "empty: it lists no price".to_owned(),
        Some(SourceState::Shrunken) => {
            "less than half of its last good list; nothing is planned from it. If it has shrunk for good: `lockstep site source accept NAME`".to_owned()
        }
        Some(SourceState::Stale) => {
            format!(
                "no list came ({detail}); its last good one is shown, and nothing is planned from it"
            )
        }
        Some(SourceState::NeedsSignIn) => format!(
            "wants a sign-in ({detail}); for a New API site give an access token of it: ,token-env=NAME,user-id=ID"
        ),
        Some(SourceState::Firewall) => format!(
            "a firewall's page came instead of the list ({detail}); let this machine's address pass there"
        ),
        Some(SourceState::NotAPriceList) => {
            format!("no price list: {detail}; check the address and ,endpoint=")
        }
        Some(SourceState::PrivateAddress) => format!(
            "{detail}; to allow its network for this site: `lockstep site edit NAME --allow-private CIDR`, or LOCKSTEP_ALLOW_PRIVATE"
        ),
        Some(SourceState::Failed) | None => format!("failed: {detail}"),
    }
}

/// That a site did not take the token that it was sent, and what to do.
pub(crate) fn token_refused(source: &RunSource) -> String {
    format!(
        "that site did not take the token ({}); give its system access token, which is under its Personal Settings and \
         is no sk- key, and the user id that it belongs to",
        source.detail
    )
}

/// Why a source failed, in one line.
pub(crate) fn source_error(source: &RunSource) -> String {
    match SourceState::from_code(&source.state) {
        Some(SourceState::PrivateAddress) => {
            format!("{}; allow it with --allow-private CIDR", source.detail)
        }
        _ if source.detail.is_empty() => source.state.replace('_', " "),
        _ => source.detail.clone(),
    }
}

/// A map that somebody else wrote too while we did.
pub(crate) fn conflict(image: &Image) -> String {
    format!(
        "Possible conflict: somebody else wrote {} {} while this run did. What was written between our last look and our \
         write is lost; `lockstep runs RUN --json` has the map before and after.",
        image.key,
        super::count(image.others, "time", "times")
    )
}

/// Entries of a list that were not used.
pub(crate) fn skipped(reason: &str, count: u64, entries: &[String], all: bool) -> String {
    let most = if all { usize::MAX } else { 3 };
    format!(
        "{count} left out, {}: {}",
        reason.replace('_', " "),
        names(entries, most)
    )
}

/// What looks wrong about a price, in a word or two.
pub(crate) fn doubt(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::Placeholder => "placeholder",
        ReasonCode::UnitSlip => "unit slip?",
        ReasonCode::ZeroCrossing => "free, or was free",
        ReasonCode::Negative => "negative",
        ReasonCode::LoneSource => "alone",
        ReasonCode::KindChange => "other billing",
        ReasonCode::LockedCompletion => "output ratio is the gateway's own",
        ReasonCode::NotANumber => "not a number",
        ReasonCode::UnknownExpression => "unknown expression",
        ReasonCode::UnknownCost => "cost unknown",
        other => other.code(),
    }
}
