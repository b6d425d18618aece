//! Notices in words.

use lockstep_core::change::Subject;
use lockstep_core::notices::{About, Finding, Notice, NoticeKind, Telling, What};
use lockstep_core::prices::source::SourceState;

use super::schedule::missed;
use super::{failure, names, price_failure, reason};
use crate::notify::{BadAddress, Cause, Why};
use crate::view::prices::{dollars, in_dollars};

/// The title of a notice: which site, what, how many, and how it is told.
pub(crate) fn notice_title(site: &str, notice: &Notice, subject: Subject) -> String {
    let what = heading(notice.kind, subject);
    let count = notice.findings.len();
    match notice.telling {
        Telling::New => format!("Lockstep, {site}: {what} ({count})"),
        Telling::Changed => format!("Lockstep, {site}: {what}, now {count}"),
        Telling::Recovered => format!("Lockstep, {site}: over: {what}"),
    }
}

fn heading(kind: NoticeKind, subject: Subject) -> &'static str {
    match (kind, subject) {
        (NoticeKind::Failed, Subject::Models) => "model lists failed",
        (NoticeKind::Failed, Subject::Prices) => "prices failed",
        (NoticeKind::Held, Subject::Models) => "model lists held",
        (NoticeKind::Held, Subject::Prices) => "prices held",
        (NoticeKind::Changed, Subject::Models) => "model lists written",
        (NoticeKind::Changed, Subject::Prices) => "prices written",
        (NoticeKind::SourceTrouble, _) => "price sources in trouble",
        (NoticeKind::PriceMoved, _) => "prices moved upstream",
        (NoticeKind::Unpriced, Subject::Models) => "new models wait for a price",
        (NoticeKind::Unpriced, Subject::Prices) => "served models without a price",
        (NoticeKind::BelowCost, _) => "models sold below cost",
        (NoticeKind::Missed, Subject::Models) => "the schedule of model lists missed a run",
        (NoticeKind::Missed, Subject::Prices) => "the schedule of prices missed a run",
    }
}

/// The title of a test.
pub(crate) fn notice_test(target: &str) -> String {
    format!("Lockstep: a test of {target}. Notices arrive here.")
}

/// The last line of a notice.
pub(crate) fn notice_foot(run: Option<&str>) -> String {
    match run {
        Some(run) => format!("`lockstep runs {run}` shows the run."),
        None => "`lockstep schedule show` shows when the next one begins.".to_owned(),
    }
}

/// What does not fit.
pub(crate) fn and_more(count: usize) -> String {
    format!("and {count} more")
}

/// One line of a notice.
pub(crate) fn notice_line(finding: &Finding, subject: Subject) -> String {
    let about = match &finding.about {
        About::Run => "The run".to_owned(),
        About::Channel(id, name) => format!("{id} {name}"),
        About::Model(name) | About::Source(name) => name.clone(),
    };
    let what = match &finding.what {
        What::Failed(failed) => match subject {
            Subject::Models => failure(failed).message,
            Subject::Prices => price_failure(failed).message,
        },
        What::Held(held, _) => reason(held).message,
        What::List {
            added,
            removed,
            first_added,
            first_removed,
        } => list(*added, *removed, first_added, first_removed),
        What::Price(old, new, _) => {
            let lines = in_dollars(Some(old), Some(new));
            if lines.is_empty() {
                "another price".to_owned()
            } else {
                lines.join(", ")
            }
        }
        What::Source(state, detail) => source(*state, detail),
        What::Unpriced => return about,
        What::Missed { why, detail } => {
            let said = missed(subject, why, detail);
            return format!("{} {}", said.message, said.hint);
        }
        What::Below {
            ours,
            cost,
            per_call,
        } => {
            let unit = if *per_call {
                "a call"
            } else {
                "per million input tokens"
            };
            format!("{} {unit}, and costs {}", dollars(*ours), dollars(*cost))
        }
    };
    format!("{about}: {what}")
}

fn list(added: usize, removed: usize, first_added: &[String], first_removed: &[String]) -> String {
    let part = |sign: &str, count: usize, first: &[String]| {
        let more = count.saturating_sub(first.len());
        let rest = if more > 0 {
            format!(" {}", and_more(more))
        } else {
            String::new()
        };
        (count > 0).then(|| format!("{sign}{count} {}{rest}", names(first, usize::MAX)))
    };
    let parts = [
        part("+", added, first_added),
        part("-", removed, first_removed),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        "another order".to_owned()
    } else {
        parts.join("; ")
    }
}

fn source(state: SourceState, detail: &str) -> String {
    let what = match state {
        SourceState::Ok | SourceState::Partial => "ok",
        SourceState::Empty => "lists no price",
        SourceState::Shrunken => "less than half of its last good list",
        SourceState::Stale => "no list came; its last good one stands in",
        SourceState::NeedsSignIn => "wants a sign-in",
        SourceState::Firewall => "a firewall's page came instead of the list",
        SourceState::NotAPriceList => "no price list",
        SourceState::PrivateAddress => "its address is private and not allowed",
        SourceState::Failed => "failed",
    };
    if detail.is_empty() {
        what.to_owned()
    } else {
        format!("{what} ({detail})")
    }
}

/// Why a notice did not arrive, in one line.
pub(crate) fn notice_why(why: &Why) -> String {
    let detail = &why.detail;
    let number = why.number.unwrap_or_default();
    let status = why
        .number
        .map_or_else(String::new, |status| format!(" (status {status})"));
    let words = after_colon(detail);
    match why.cause {
        Cause::PrivateAddress => format!(
            "the address is private and was not called: {detail}; add the target again with --allow-private CIDR if it is meant"
        ),
        Cause::Redirected => format!("{detail}{status}; give the address it redirects to"),
        Cause::Timeout => format!("no answer in time{words}"),
        Cause::Unreachable => format!("nothing answers there{words}"),
        Cause::Tls => format!("the certificate was refused{words}"),
        Cause::TooLarge => format!("{detail}, so it was not read; look at the address"),
        Cause::WrongAddress => format!("the address cannot be used{words}"),
        Cause::Broken | Cause::Mail | Cause::Told => detail.clone(),
        Cause::Status => format!("HTTP status {number}{words}"),
        Cause::Code => format!("error {number}{words}"),
        Cause::Refused => format!("refused{words}"),
        Cause::NotItsAnswer => format!("what answered is not {detail}: look at the address"),
        Cause::NoMail => format!("the mail cannot be made{words}"),
        Cause::NoEnd => format!("no end in {number} s"),
        Cause::CutOff => "sending it was cut off again and again; look at the log".to_owned(),
        Cause::SiteGone => "its site was removed".to_owned(),
        Cause::Unreadable => "this Lockstep cannot read what is stored of the target".to_owned(),
    }
}

fn after_colon(detail: &str) -> String {
    match detail {
        "" => String::new(),
        detail => format!(": {detail}"),
    }
}

/// Why the address of a place cannot be used, for whoever typed it on the command line.
pub(crate) fn bad_address(bad: &BadAddress) -> String {
    match bad {
        BadAddress::Unreadable(why) => format!("the address cannot be read: {why}"),
        BadAddress::Scheme(schemes) => format!(
            "the address must begin with {}://HOST",
            schemes.join(":// or ")
        ),
        BadAddress::Credentials => "the address must have no user or password in it: the secret is given apart, the user as --user".to_owned(),
        BadAddress::NoTopic => "the address must end in the topic, as https://ntfy.sh/TOPIC".to_owned(),
        BadAddress::BotToken => "the bot's token looks like 123456:ABC-DEF".to_owned(),
        BadAddress::NoChat => "Telegram needs --chat: the chat's id, or @channel".to_owned(),
        BadAddress::ChatElsewhere => "--chat is for Telegram only".to_owned(),
        BadAddress::TelegramSecret => "Telegram needs no secret beside the bot's token".to_owned(),
        BadAddress::WeComSecret => "WeCom signs nothing: its key is in the address".to_owned(),
        BadAddress::Unencrypted => "a password is sent only over an encrypted connection: use smtps:// or smtp:// without ?tls=none".to_owned(),
        BadAddress::NoFrom => "email needs --from, who it is from".to_owned(),
        BadAddress::NoTo => "email needs --to, who it is to".to_owned(),
        BadAddress::BadFrom { text, why } | BadAddress::BadTo { text, why } => {
            format!("`{text}` is no mail address: {why}")
        }
        BadAddress::MailElsewhere => "--from and --to are for email only".to_owned(),
        BadAddress::Network { why, .. } => why.clone(),
    }
}
