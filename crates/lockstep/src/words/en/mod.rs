//! English.

pub(crate) mod code;
mod failure;
mod finding;
mod notice;
pub(crate) mod page;
mod price;
mod reason;
mod schedule;
pub(crate) mod setting;
mod source;

use std::time::Duration;

use lockstep_core::settings::Field;

pub(crate) use failure::{failure, what_to_do};
pub(crate) use finding::finding;
pub(crate) use notice::{
    and_more, bad_address, notice_foot, notice_line, notice_test, notice_title, notice_why,
};
pub(crate) use price::{
    PAGE_IS_BEHIND, billed, field, first_prices, kind, no_source, nothing_to_compare, output_by,
    page_unread, price_answer, price_failure, verified, without_price,
};
pub(crate) use reason::{dropped, kept, note, reason};
pub(crate) use schedule::{lost_tick, mode, not_switched, rhythm};
pub(crate) use source::{
    conflict, doubt, list_accepted, skipped, source_error, source_state, token_refused,
};

/// Two variables of the environment that contradict each other.
pub(crate) fn two_gateways(one: &str, other: &str) -> String {
    format!("{one} and {other} name two gateways: unset one of them, or type --site or --url")
}

/// Names in a sentence: the first few, and how many more.
pub(crate) fn names(names: &[String], most: usize) -> String {
    let shown = names.get(..most).unwrap_or(names);
    first_names(shown, names.len())
}

/// The first of so many names in a sentence, and how many more there are.
pub(crate) fn first_names(shown: &[String], of: usize) -> String {
    let more = of.saturating_sub(shown.len());
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
    let why = setting::setting(field.key)
        .and_then(|setting| setting.outside)
        .unwrap_or("see the manual");
    format!(
        "{} {value} is outside the recommended {low} to {high}: {why}",
        field.key
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_core::failure::{Failure, FailureKind};
    use lockstep_core::hold::{Reason, ReasonCode};

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
