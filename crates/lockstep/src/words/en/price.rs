//! Why a price is held or skipped, in words.

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::unpriced::Billed;
use lockstep_core::prices::values::Kind;
use lockstep_run::prices::verify::Verified;
use lockstep_store::prices::OutputBy;
use lockstep_store::prices::answers::AnswerKind;

use super::names;
use super::source::doubt;
use crate::words::Said;

const ANSWER: &str = "If it is right: `lockstep apply --held --only NAME`. Else `lockstep price lock NAME` or `lockstep price ignore NAME`.";

/// What to do where nobody's yes helps.
const NO_PRICE: &str = "It is never written: have the source mended, or choose another one. `lockstep price ignore NAME` says no more of it.";

/// Why a price is held or skipped. `code` is one that is about prices.
pub(super) fn reason(code: ReasonCode, reason: &Reason) -> Said {
    let count = reason.count.unwrap_or(0);
    let of = reason.of.unwrap_or(0);
    let limit = reason.limit.unwrap_or(0);
    let held = |text: String| Said::new(format!("Held: {text}"), ANSWER);
    match code {
        ReasonCode::NotANumber => Said::new("Held: the source's value is not a number", NO_PRICE),
        ReasonCode::Negative => Said::new("Held: the source's value is below zero", NO_PRICE),
        ReasonCode::ZeroCrossing => held("it would become free, or stop being free".to_owned()),
        ReasonCode::Placeholder => {
            held("37.5 is what gateways show for a model that nobody priced".to_owned())
        }
        ReasonCode::Tenfold => {
            held("more than ten times, or less than a tenth, of what it was".to_owned())
        }
        ReasonCode::UnitSlip => held("about a thousand times off: a slip of units?".to_owned()),
        ReasonCode::KindChange => held("it would be billed in another way".to_owned()),
        ReasonCode::LargeFall => held(format!("it would fall by {count} % (limit {limit} %)")),
        ReasonCode::LargeRise => held(format!("it would rise by {count} % (limit {limit} %)")),
        ReasonCode::FirstSeen => Said::new(
            "Held: the source says this for less than an hour",
            "The next unattended run writes it if the source still says so.",
        ),
        ReasonCode::LoneSource => held(format!(
            "one source against {count} others, none of which says the same"
        )),
        ReasonCode::UnknownCost => held("nobody can tell what this expression costs".to_owned()),
        ReasonCode::UnknownGroup => Said::new(
            format!(
                "Held: the source says nothing of the group {}",
                names(&reason.names, 1)
            ),
            "`lockstep site source list` shows it: remove that source and add it again with `group=` as the site spells it.",
        ),
        ReasonCode::PriceBrake => Said::new(
            format!(
                "Held: {count} of {of} priced models would change in one run (limit {limit} %)"
            ),
            "Look at them: `lockstep plan prices`. If they are right: `lockstep apply`.",
        ),
        ReasonCode::NoMajority => held(format!(
            "the sellers disagree and none is its maker: {}",
            names(&reason.names, 4)
        )),
        ReasonCode::UnwritableMap => Said::new(
            format!(
                "Held: the gateway's map has an entry that is no number ({}); writing the map would make it free",
                names(&reason.names, 3)
            ),
            "Mend or delete that entry in the console's price settings, then plan again.",
        ),
        ReasonCode::UnknownExpression => {
            Said::new("Held: the expression is not of the known grammar", NO_PRICE)
        }
        ReasonCode::NameMatch => Said::new(
            format!(
                "Held: found under another name, {}",
                names(&reason.names, 1)
            ),
            "If it is the same model: `lockstep apply --held --only NAME`.",
        ),
        ReasonCode::NoSource => Said::new(
            "Skipped: no source that answered has a price for it",
            "Add a source that has: `lockstep site source add SOURCE`; or `lockstep price ignore NAME`.",
        ),
        ReasonCode::LockedCompletion => Said::new(
            "Skipped: the gateway bills this model's output by a ratio of its own",
            "Nothing to do; writing it would change nothing.",
        ),
        ReasonCode::Locked => Said::new(
            "Skipped: you locked it",
            "`lockstep price unlock NAME` lets it be written.",
        ),
        ReasonCode::Ignored => Said::new(
            "Skipped: you ignore it",
            "`lockstep price unlock NAME` takes it up again.",
        ),
        // The other codes are about model lists and have their words beside this.
        _ => Said::new(format!("Held: {}", code.code()), ""),
    }
}

/// What went wrong with a price, or with a run about prices, in words.
pub(crate) fn price_failure(failure: &Failure) -> Said {
    let said = super::failure(failure);
    match failure.kind {
        FailureKind::Forbidden => Said::new(
            "403: the token's role is too low for prices",
            "Only root (role 100) may read and write prices: use a root user's system access token. An admin's (role 10) is enough for `lockstep sync models`.",
        ),
        FailureKind::Moved => Said::new(
            "Somebody changed the price meanwhile, so the approved change no longer fits",
            "Nothing was written over it. Plan again.",
        ),
        FailureKind::NotStored => Said::new(
            "The gateway said success but still has another price",
            "Plan again; if it stays, look at what stands between Lockstep and the gateway.",
        ),
        FailureKind::Rejected => Said::new(
            said.message,
            "Look at the price settings in the gateway's console, then plan again.",
        ),
        FailureKind::RateLimited
        | FailureKind::ServerError
        | FailureKind::Timeout
        | FailureKind::ProviderError => Said::new(
            said.message,
            said.hint
                .replace("`lockstep sync --retry-failed`", "`lockstep sync prices`"),
        ),
        _ => said,
    }
}

/// What a field is called.
pub(crate) fn field(field: Field) -> &'static str {
    match field {
        Field::ModelRatio => "model ratio",
        Field::CompletionRatio => "completion ratio",
        Field::CacheRatio => "cache ratio",
        Field::CreateCacheRatio => "create cache ratio",
        Field::ImageRatio => "image ratio",
        Field::AudioRatio => "audio ratio",
        Field::AudioCompletionRatio => "audio completion ratio",
        Field::ModelPrice => "fixed price",
        Field::BillingMode => "billing mode",
        Field::BillingExpr => "billing expression",
    }
}

/// How a model is billed.
pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::PerToken => "per token",
        Kind::PerCall => "per call",
        Kind::Expression => "by expression",
    }
}

/// What was decided about a price.
pub(crate) fn price_answer(answer: &AnswerKind, field: Option<Field>) -> String {
    let what = field.map_or("the price".to_owned(), |field| {
        format!("the {}", self::field(field))
    });
    match answer {
        AnswerKind::Lock => format!("{what} stays as it is"),
        AnswerKind::KeepKind(kind) => format!("stays billed {}", self::kind(*kind)),
        AnswerKind::Ignore => "ignored: no proposal, and not among the unpriced".to_owned(),
        AnswerKind::Keep(_) => format!("{what} is kept until what is held changes"),
        AnswerKind::Allow(code) => format!("always allowed: {}", doubt(*code)),
    }
}

/// What becomes of calls of a model.
pub(crate) fn billed(billed: Billed) -> &'static str {
    match billed {
        Billed::By(kind) => self::kind(kind),
        Billed::Placeholder => "billed by the placeholder",
        Billed::Refused => "refused",
        Billed::NoExpression => "fail: a billing mode without its expression",
    }
}

/// Models that have no price, and that no source has one for.
pub(crate) fn no_source(models: &[String]) -> String {
    format!(
        "Without a price, and no source that answered has one: {}",
        names(models, 12)
    )
}

/// Models that have a price, and that no source has one for.
pub(crate) fn nothing_to_compare(models: &[String]) -> String {
    format!(
        "Left as they are, for no source that answered has a price of them: {}",
        names(models, 12)
    )
}

/// Names that providers offer and that wait for a price.
pub(crate) fn without_price(names: &[String]) -> String {
    format!(
        "{} without a price: {}. `lockstep sync` gives prices first where a source is known; `--price-gate list` lists them anyway.",
        super::count(names.len() as u64, "new name waits", "new names wait"),
        self::names(names, 8)
    )
}

/// The first price run of a gateway stops for a review.
pub(crate) fn first_prices(run: &str) -> String {
    format!(
        "This is the first price run on this gateway, so it stops here, once: look at the plan, then `lockstep apply {run}` writes it."
    )
}

/// Said while the price page is asked.
pub(crate) const PAGE_IS_BEHIND: &str =
    "Asking the gateway's price page, which can be a minute behind.";

/// What the gateway's price page says of what was written.
pub(crate) fn verified(verified: &Verified) -> String {
    if verified.otherwise.is_empty() && verified.shown == 0 {
        return format!(
            "The gateway's price page shows none of the models that were written, for nobody is served them: {}",
            names(&verified.not_shown, 12)
        );
    }
    if verified.otherwise.is_empty() {
        return "The gateway's price page bills by what was written.".to_owned();
    }
    let said: Vec<String> = verified
        .otherwise
        .iter()
        .map(|odd| {
            let written = odd.written.as_deref().unwrap_or("none");
            format!(
                "{} ({} {} and not {written})",
                odd.model,
                field(odd.field),
                odd.shown
            )
        })
        .collect();
    format!(
        "The gateway's price page bills these otherwise than was written: {}. \
         The maps have what was written, so the page may be an older one: look at it again in a minute. \
         If it stays, another node of the gateway may not have read the options yet, or something keeps the page.",
        names(&said, 12)
    )
}

/// The price page could not be read.
pub(crate) fn page_unread(why: &str) -> String {
    format!(
        "The gateway's price page could not be asked, so nothing is confirmed by it; the maps were read back all the same: {why}"
    )
}

/// Who decides what output costs, where that is not the map.
pub(crate) fn output_by(by: OutputBy) -> Option<&'static str> {
    match by {
        OutputBy::Map => None,
        OutputBy::Gateway => {
            Some("output is billed by the gateway's own ratio, whatever is configured")
        }
        OutputBy::Unknown => Some(
            "output price known after the first write: the gateway may have a ratio of its own for this name",
        ),
    }
}
