//! English for pages: where the command line names a command, a page names its button or its field.

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::formats::SkipReason;
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::models::plan::Note;
use lockstep_core::prices::source::SourceState;
use lockstep_run::EngineError;
use lockstep_run::doctor::{Level, Topic};
use lockstep_run::prices::accept::Accepted;
use lockstep_store::StoreError;
use lockstep_store::prices::images::Image;
use lockstep_store::prices::run_sources::RunSource;

use super::names;
use crate::words::Said;
use crate::words::page::Thing;

/// A failure: what happened, its likely cause, what to do.
pub(crate) fn failure(failure: &Failure) -> Said {
    let mut said = super::failure(failure);
    let hint = match failure.kind {
        FailureKind::NotConfigured => {
            "Check that New API Base URL, Admin Token and User ID are filled in under New API Integration Settings."
        }
        FailureKind::Unauthorized => {
            "Make a new system access token in the gateway's console (Personal Settings; not an sk- key) and store it as Admin Token in the settings. Making one ends the old one everywhere."
        }
        FailureKind::RateLimited => {
            "Lower Requests Per Minute or Concurrency, or choose the automatic pace; then Retry Failed Only."
        }
        FailureKind::ServerError => "Check that the New API service is up, then Retry Failed Only.",
        FailureKind::Timeout => {
            "Check the network, raise Channel Timeout if the provider is slow, then Retry Failed Only."
        }
        FailureKind::WrongAddress => {
            "Give the gateway's base address as New API Base URL, without /console or /v1; with a path only if the gateway is served under it."
        }
        FailureKind::NotFound => {
            "Give the gateway's base address as New API Base URL, without /console or /v1."
        }
        FailureKind::Redirected => {
            "Use the address it redirects to as New API Base URL; credentials never follow a redirect."
        }
        FailureKind::NotRecognised => {
            "Test the site in the settings to see more. Nothing was changed."
        }
        FailureKind::NoSource => "The state of each source says why; mend it and fetch again.",
        FailureKind::RefusedAddress => {
            "If it is meant, allow its network for this site in the settings, such as 10.0.0.0/8. Link-local and metadata addresses are never called."
        }
        FailureKind::ProviderStatus => match failure.http_status.unwrap_or(0) {
            401 | 403 => {
                "The channel's key is not valid at its provider any more: renew it in the console."
            }
            404 => {
                "The provider has no model list at this address: check the channel's base URL, or choose Never sync this channel."
            }
            429 => "The provider limits the key; wait, then Retry Failed Only.",
            500.. => "The provider is in trouble; wait, then Retry Failed Only.",
            _ => "Check the channel's base URL and key in the console, then Retry Failed Only.",
        },
        FailureKind::ProviderError => {
            "Check the channel's base URL and proxy in the console, then Retry Failed Only."
        }
        // The others name no command.
        _ => return said,
    };
    said.hint = hint.to_owned();
    said
}

/// What went wrong with a price, or with a run about prices.
pub(crate) fn price_failure(failure: &Failure) -> Said {
    let mut said = super::price_failure(failure);
    let own = self::failure(failure).hint;
    match failure.kind {
        FailureKind::Forbidden => {
            said.hint = "Only root (role 100) may read and write prices: use a root user's system access token. An admin's (role 10) is enough for model sync.".to_owned();
        }
        FailureKind::RateLimited
        | FailureKind::ServerError
        | FailureKind::Timeout
        | FailureKind::ProviderError => {
            said.hint = own.replace("Retry Failed Only", "fetch the prices again");
        }
        FailureKind::Moved | FailureKind::NotStored | FailureKind::Rejected => {}
        _ => said.hint = own,
    }
    said
}

/// Why something is held or skipped, and what can be done.
pub(crate) fn reason(reason: &Reason) -> Said {
    let mut said = super::reason(reason);
    let hint = match reason.code {
        ReasonCode::PartialList
        | ReasonCode::Shrunken
        | ReasonCode::TooManyRemoved
        | ReasonCode::LastServer => "If it is right: Apply anyway. Else choose another answer.",
        ReasonCode::RunBrake => {
            "Look for a common cause (a proxy, a network). If it is right, apply what is held."
        }
        ReasonCode::TooManyAdded => {
            "If the list is curated: the policy Prune only, or Allowed models. If all are wanted: Apply anyway."
        }
        ReasonCode::WouldBeEmpty => "Check its rules and allowed models under Channels.",
        ReasonCode::Excluded => "Another policy under Channels syncs it again.",
        ReasonCode::ReportOnly => "Another policy under Channels lets it be written.",
        ReasonCode::Disabled => {
            "Switch off \"Enabled channels only\" in the settings to sync it too."
        }
        ReasonCode::NotWritten => "Preview again, or Run All.",
        ReasonCode::PriceBrake => "Review them; if they are right, apply them.",
        ReasonCode::NameMatch => "If it is the same model, apply it.",
        ReasonCode::NoSource => "Add a source that has a price for it, or ignore the model.",
        ReasonCode::Locked => "Unlock it to let it be written.",
        ReasonCode::Ignored => "Stop ignoring it to see proposals again.",
        ReasonCode::NotANumber | ReasonCode::Negative | ReasonCode::UnknownExpression => {
            "It is never written: have the source mended, or choose another one. Ignore the model to hear no more of it."
        }
        ReasonCode::ZeroCrossing
        | ReasonCode::Placeholder
        | ReasonCode::Tenfold
        | ReasonCode::UnitSlip
        | ReasonCode::KindChange
        | ReasonCode::LargeFall
        | ReasonCode::LargeRise
        | ReasonCode::LoneSource
        | ReasonCode::NoMajority => {
            "If it is right, apply it. Else lock the price, or ignore the model."
        }
        // The others name no command.
        _ => return said,
    };
    said.hint = hint.to_owned();
    said
}

/// A note on a channel.
pub(crate) fn note(note: &Note) -> String {
    match note {
        Note::OfferNeverSync(count) => {
            format!("failed {count} times alike; Never sync this channel leaves it out")
        }
        other => super::note(other),
    }
}

/// A line of the doctor.
pub(crate) fn finding(topic: Topic, level: Level, args: &[String]) -> Said {
    let mut said = super::finding(topic, level, args);
    match topic {
        Topic::UserId => {
            said.hint =
                "New API ignores it; older forks refuse. Set User ID right in the settings."
                    .to_owned();
        }
        Topic::Limits => {
            said.message = said.message.replace("--pace auto", "the automatic pace");
        }
        _ => {}
    }
    said
}

/// What a line of the doctor is about.
pub(crate) fn topic(topic: Topic) -> &'static str {
    match topic {
        Topic::Address => "address",
        Topic::Gateway => "gateway",
        Topic::Version => "version",
        Topic::Token => "token",
        Topic::UserId => "user id",
        Topic::Role => "role",
        Topic::Clock => "clock",
        Topic::Channels => "channels",
        Topic::Limits => "limits",
        Topic::OwnSync => "the gateway's own auto-sync",
        Topic::Private => "private addresses",
    }
}

/// How far a source can be trusted, and what to do where it cannot.
pub(crate) fn source_state(source: &RunSource) -> Said {
    let detail = &source.detail;
    match SourceState::from_code(&source.state) {
        Some(SourceState::Ok) => Said::new("ok", ""),
        Some(SourceState::Partial) => Said::new("in part: some entries cannot be used", ""),
        Some(SourceState::Empty) => Said::new("empty: it lists no price", "Check its endpoint."),
        Some(SourceState::Shrunken) => Said::new(
            "less than half of its last good list; nothing is planned from it",
            "If it has shrunk for good, accept this list.",
        ),
        Some(SourceState::Stale) => Said::new(
            format!(
                "no list came ({detail}); its last good one is shown, and nothing is planned from it"
            ),
            today(source).unwrap_or_else(|| "Fetch again later.".to_owned()),
        ),
        Some(SourceState::NeedsSignIn) => Said::new(
            format!("wants a sign-in ({detail})"),
            "For a New API site give a system access token and the user id of that site.",
        ),
        Some(SourceState::Firewall) => Said::new(
            format!("a firewall's page came instead of the list ({detail})"),
            "Have this machine's address let pass there.",
        ),
        Some(SourceState::NotAPriceList) => Said::new(
            format!("no price list: {detail}"),
            "Check the address and the endpoint.",
        ),
        Some(SourceState::PrivateAddress) => Said::new(
            format!("a private address, which was not called: {detail}"),
            "If it is meant, allow its network for this site.",
        ),
        Some(SourceState::Failed) | None => Said::new(
            format!("failed: {detail}"),
            "Check the address, then fetch again.",
        ),
    }
}

/// What to do about what keeps today's list from coming.
fn today(source: &RunSource) -> Option<String> {
    let state = source.failed.clone()?;
    let today = RunSource {
        state,
        failed: None,
        ..source.clone()
    };
    Some(source_state(&today).hint).filter(|hint| !hint.is_empty())
}

/// That a site did not take the token that it was sent, and what to do.
pub(crate) fn token_refused(source: &RunSource) -> Said {
    Said::new(
        format!("that site did not take the token ({})", source.detail),
        "Copy its system access token again, which is under its Personal Settings and is no sk- key, and check the user id \
         that it belongs to. Making a new one there ends the old one.",
    )
}

/// A source's state in a word or two.
pub(crate) fn source_badge(state: SourceState) -> &'static str {
    match state {
        SourceState::Ok => "ok",
        SourceState::Failed => "failed",
        SourceState::NeedsSignIn => "needs sign-in",
        SourceState::Firewall => "firewall",
        SourceState::NotAPriceList => "no price list",
        SourceState::Partial => "partial",
        SourceState::Shrunken => "shrunken",
        SourceState::Empty => "empty",
        SourceState::Stale => "stale",
        SourceState::PrivateAddress => "private address",
    }
}

/// Why a source failed, in one line.
pub(crate) fn source_error(source: &RunSource) -> String {
    match SourceState::from_code(&source.state) {
        Some(SourceState::PrivateAddress) => {
            format!("{}; allow its network for this site", source.detail)
        }
        Some(state) if source.detail.is_empty() => source_badge(state).to_owned(),
        _ => source.detail.clone(),
    }
}

/// What came of accepting a list that has shrunk.
pub(crate) fn list_accepted(one: &Accepted) -> String {
    let source = &one.source;
    if one.accepted {
        let before = one.before.unwrap_or(0);
        return format!(
            "{}: its {} (before: {before}) are its list from now on; a new price plan uses it again",
            source.name,
            count(source.models, Thing::Model),
        );
    }
    format!(
        "{}: there is nothing to accept, for its list has not shrunk: {}",
        source.name,
        source_state(source).message
    )
}

/// Entries of a list that were not used.
pub(crate) fn skipped(reason: &str, count: u64, entries: &[String], all: bool) -> String {
    let most = if all { usize::MAX } else { 3 };
    let why = match SkipReason::from_code(reason) {
        Some(known) => skip_reason(known),
        None => reason,
    };
    format!("{count} left out, {why}: {}", names(entries, most))
}

fn skip_reason(reason: SkipReason) -> &'static str {
    match reason {
        SkipReason::Duplicate => "the same name twice",
        SkipReason::NotANumber => "not a number",
        SkipReason::NotAText => "not a text",
        SkipReason::Null => "no value",
        SkipReason::TooLarge => "too large a number",
        SkipReason::RoundsToZero => "would round to zero",
        SkipReason::Negative => "below zero",
        SkipReason::FreeInput => "free input and paid output",
        SkipReason::PricedByLength => "priced by the prompt's length",
        SkipReason::PricedByTime => "priced by the hour of the day",
        SkipReason::PricedApart => "some output priced apart",
        SkipReason::OtherUnit => "priced by another unit",
        SkipReason::NoPrice => "no price",
        SkipReason::PartLeftOut => "used, without a part of it",
        SkipReason::EmptyName => "no name",
        SkipReason::NameTooLong => "too long a name",
        SkipReason::UnknownShape => "of an unknown shape",
        SkipReason::NotAMap => "not a map",
        SkipReason::GroupRatio => "a group ratio that is no number",
    }
}

/// What looks wrong about a price, in a word or two.
pub(crate) fn doubt(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::Tenfold => "ten times off",
        ReasonCode::LargeFall => "large fall",
        ReasonCode::LargeRise => "large rise",
        ReasonCode::FirstSeen => "just seen",
        ReasonCode::PriceBrake => "too many",
        ReasonCode::NoMajority => "sources disagree",
        ReasonCode::UnwritableMap => "broken map",
        ReasonCode::UnknownExpression => "unknown expression",
        ReasonCode::NameMatch => "alike name",
        ReasonCode::NoSource => "no source",
        ReasonCode::Locked => "locked by you",
        ReasonCode::Ignored => "ignored by you",
        other => super::doubt(other),
    }
}

/// Names that providers offer and that wait for a price.
pub(crate) fn without_price(models: &[String]) -> String {
    format!(
        "{} without a price: {}. Where a source is known, prices are given first; the price gate \"Add and list\" lists them anyway.",
        super::count(models.len() as u64, "new name waits", "new names wait"),
        names(models, 8)
    )
}

/// The first price run of a gateway stops for a review.
pub(crate) fn first_prices() -> &'static str {
    "This is the first price run on this gateway, so it stops here, once: look at the plan, then apply it."
}

/// A map that somebody else wrote too while we did.
pub(crate) fn conflict(image: &Image) -> String {
    format!(
        "Possible conflict: somebody else wrote {} {} while this run did. What was written between our last look and our \
         write is lost; the run's record has the map before and after.",
        image.key,
        super::count(image.others, "time", "times")
    )
}

/// Why a run could not be started or carried on, and what to do.
pub(crate) fn engine_error(error: &EngineError) -> Said {
    let hint = match error {
        EngineError::Store(error) => return store_error(error),
        EngineError::Gateway(failure) => return price_failure(failure),
        EngineError::Busy(_) => {
            "Wait until it has ended. A process that was killed frees the gateway by itself."
        }
        EngineError::NoSuchChannel(_) => "What is shown may be old: Refresh Results.",
        EngineError::NoSuchSource(_) => "Choose the sources again.",
        EngineError::NoSource => "Choose sources first.",
        EngineError::EmptySelection => "Choose at least one channel.",
        EngineError::NothingFailed => "There is nothing to retry.",
        EngineError::NothingHeld => "Nothing is to be done.",
        EngineError::NothingToUndo(_) => "It wrote nothing, or nothing of what was chosen.",
        EngineError::UndoneAlready { .. } => {
            "Nothing is to be done. Undo that run to have it back."
        }
        EngineError::NothingReady(_) => "The run's page shows what is ready and what is held.",
        EngineError::NoRun => "Preview makes a plan.",
        EngineError::NotPlanned { .. } => "Preview makes a new plan.",
        EngineError::Expired(_) | EngineError::PolicyChanged(_) => "Preview makes a new plan.",
        EngineError::PlanChanged(_) => "Preview again and look at it once more.",
        EngineError::Stopping => "Try again once it has started again.",
        EngineError::Internal => "Try again. The log of the server says why.",
        EngineError::Lost(_) => {
            "Whoever holds the gateway now goes on with the run: look at it again in a moment."
        }
        EngineError::Setting(_) => "Put it right in the settings.",
    };
    Said::new(sentence(&error.to_string()), hint)
}

/// What the database refused, and what to do. What is no visitor's business is only in the log.
pub(crate) fn store_error(error: &StoreError) -> Said {
    let hint = match error {
        StoreError::NotFound(_) => "It may have been removed: go back and choose again.",
        StoreError::Conflict(_) => "Choose another name.",
        StoreError::Ambiguous { .. } => "Give more of it.",
        StoreError::Busy { .. } => "Wait until it ends, or stop it.",
        StoreError::WrongState { .. } => "The run's page shows how far it got.",
        StoreError::WrongSubject { .. } => "Choose another run.",
        StoreError::Full => "Free some space and try again.",
        StoreError::Unavailable(_) => {
            return Said::new(
                "The database is not available",
                "Try again in a moment. The log of the server says why.",
            );
        }
        _ => return Said::new("Lockstep failed", "The log of the server says why."),
    };
    Said::new(sentence(&error.to_string()), hint)
}

/// A number of things.
pub(crate) fn count(count: u64, thing: Thing) -> String {
    let (one, many) = match thing {
        Thing::Channel => ("channel", "channels"),
        Thing::Provider => ("provider", "providers"),
        Thing::Model => ("model", "models"),
        Thing::Change => ("change", "changes"),
        Thing::Value => ("value", "values"),
        Thing::Price => ("price", "prices"),
        Thing::Run => ("run", "runs"),
        Thing::Source => ("source", "sources"),
        Thing::Name => ("name", "names"),
    };
    super::count(count, one, many)
}

/// A text that begins with a capital.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}
