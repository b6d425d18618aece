//! Prices for people and programs: in dollars per million tokens, or in the gateway's ratios.

use comfy_table::{Cell, Color, ColumnConstraint, Width};
use lockstep_core::change::State;
use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::usd::Usd;
use lockstep_core::prices::values::{Kind, Values};
use lockstep_store::prices::images::Image;
use lockstep_store::prices::verified::Verified;
use lockstep_store::prices::{OutputBy, PriceRow};
use lockstep_store::status::ItemStatus;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::Screen;
use super::json::{price_error, reason, time};
use super::table::{plain, text};
use crate::words::en;

/// How prices are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Unit {
    /// USD per million tokens, or per call.
    #[default]
    Dollars,
    /// The gateway's own numbers.
    Ratios,
}

/// One row as JSON.
pub(crate) fn item(row: &PriceRow) -> Value {
    let formula: Map<String, Value> = row
        .detail
        .formula
        .iter()
        .map(|(name, factor)| (name.clone(), json!(factor)))
        .collect();
    let others: Vec<Value> = row
        .detail
        .others
        .iter()
        .map(|(source, said)| json!({"source": source, "value": value(row.field, said)}))
        .collect();
    json!({
        "model": row.model,
        "field": row.field.code(),
        "old": row.old.as_ref().map(|text| value(row.field, text)),
        "new": row.new.as_ref().map(|text| value(row.field, text)),
        "source": row.source,
        "status": row.status().code(),
        "error": row.failure.as_ref().map(price_error),
        "hold": row.hold.as_ref().map(reason),
        "skip": row.skip.as_ref().map(reason),
        "usd_old": row.usd_old.as_ref().map(Money::from),
        "usd_new": row.usd_new.as_ref().map(Money::from),
        "kind_old": row.detail.kind_old.map(|kind| kind.code()),
        "kind_new": row.detail.kind_new.map(|kind| kind.code()),
        "output": row.detail.output.map(OutputBy::code),
        "formula": formula,
        "others": others,
        "finished_at": row.finished_at.map(time),
    })
}

/// A map that somebody else wrote too while we did, as JSON.
pub(crate) fn conflict(image: &Image) -> Value {
    json!({
        "option": image.key,
        "writes_by_others": image.others,
        "before": image.before,
        "after": image.after,
    })
}

/// A value of a map as JSON: a number where it is one.
pub(crate) fn value(field: Field, text: &str) -> Value {
    let number: Option<f64> = text.parse().ok().filter(|number: &f64| number.is_finite());
    match number {
        Some(number) if field.is_number() && number.fract() == 0.0 && number.abs() < 1e15 => {
            json!(number as i64)
        }
        Some(number) if field.is_number() => json!(number),
        _ => json!(text),
    }
}

/// What a model costs: USD per million tokens, or per call. What is not known is null.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Money {
    /// Input tokens.
    pub(crate) input: Option<f64>,
    /// Output tokens.
    output: Option<f64>,
    /// Tokens read from the cache.
    cache_read: Option<f64>,
    /// Tokens written to the cache.
    cache_write: Option<f64>,
    /// One call.
    per_call: Option<f64>,
}

impl From<&Usd> for Money {
    fn from(usd: &Usd) -> Self {
        let Usd {
            input,
            output,
            cache_read,
            cache_write,
            per_call,
        } = *usd;
        Self {
            input: input.map(cents),
            output: output.map(cents),
            cache_read: cache_read.map(cents),
            cache_write: cache_write.map(cents),
            per_call: per_call.map(cents),
        }
    }
}

/// A model's values as JSON, by field.
pub(crate) fn values(values: &Values) -> Map<String, Value> {
    values
        .iter()
        .map(|(field, text)| (field.code().to_owned(), value(field, text)))
        .collect()
}

/// A sum without the tail that comes of multiplying: to a millionth of a dollar, or ten digits for what is less.
pub(crate) fn cents(sum: f64) -> f64 {
    let digits = if sum.abs() >= 1e-3 { 1e9 } else { 1e12 };
    (sum * digits).round() / digits
}

/// The rows of a price run that are worth a line, one a model.
pub(crate) fn changes(screen: &Screen, rows: &[PriceRow], unit: Unit) -> Option<String> {
    let mut table = plain(screen, &["STATUS", "MODEL", "PRICE", "SOURCE"]);
    let mut told = false;
    let mut unknown = Vec::new();
    let mut alone = Vec::new();
    for model in rows.chunk_by(|one, next| one.model == next.model) {
        if model.iter().all(|row| row.state == State::Same) {
            continue;
        }
        let no_source = |row: &PriceRow| {
            let skip = row.skip.as_ref();
            skip.is_some_and(|skip| skip.code == ReasonCode::NoSource)
        };
        if !screen.verbose && model.iter().all(no_source) {
            let priced = model[0].detail.kind_old.is_some();
            let names = if priced { &mut alone } else { &mut unknown };
            names.push(model[0].model.clone());
            continue;
        }
        told = true;
        let (word, colour) = status(model);
        let first = &model[0];
        table.add_row(vec![
            Cell::new(word).fg(colour),
            Cell::new(&first.model),
            Cell::new(story(screen, model, unit)),
            Cell::new(first.source.as_deref().unwrap_or("")),
        ]);
    }
    for (column, percent) in [(1, 30), (3, 22)] {
        if let Some(column) = table.column_mut(column) {
            column.set_constraint(ColumnConstraint::UpperBoundary(Width::Percentage(percent)));
        }
    }
    let mut parts = Vec::new();
    parts.extend(told.then(|| text(&table)));
    parts.extend((!unknown.is_empty()).then(|| screen.wrapped(&en::no_source(&unknown))));
    parts.extend((!alone.is_empty()).then(|| screen.wrapped(&en::nothing_to_compare(&alone))));
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

fn status(model: &[PriceRow]) -> (&'static str, Color) {
    let any = |state: State| model.iter().any(|row| row.state == state);
    let failed = model.iter().any(|row| row.status() == ItemStatus::Failed);
    if any(State::Moved) {
        ("moved", Color::Red)
    } else if failed {
        ("failed", Color::Red)
    } else if model.iter().any(|row| row.hold.is_some()) {
        ("held", Color::Yellow)
    } else if any(State::Applied) {
        ("written", Color::Green)
    } else if any(State::Ready) || any(State::Approved) {
        ("ready", Color::Cyan)
    } else if any(State::Skipped) || any(State::Dropped) {
        ("skipped", Color::DarkGrey)
    } else {
        ("same", Color::Reset)
    }
}

/// What is said of a model: what its price was and becomes, what stands in the way, what the others say.
fn story(screen: &Screen, model: &[PriceRow], unit: Unit) -> String {
    let first = &model[0];
    let mut lines = match unit {
        Unit::Dollars => in_dollars(first.usd_old.as_ref(), first.usd_new.as_ref()),
        Unit::Ratios => Vec::new(),
    };
    let kinds = (first.detail.kind_old, first.detail.kind_new);
    if let (Some(old), Some(new)) = kinds
        && old != new
    {
        lines.push(format!("billed {} -> {}", en::kind(old), en::kind(new)));
    }
    // Where dollars say nothing, or not all, the values themselves do.
    if lines.is_empty() || unit == Unit::Ratios || screen.verbose {
        lines.extend(model.iter().filter(|row| row.old != row.new).map(in_ratios));
    }
    let output = first.detail.output.filter(|_| unit == Unit::Dollars);
    lines.extend(output.and_then(en::output_by).map(str::to_owned));
    for row in model {
        let reasons = row.hold.iter().chain(&row.skip);
        for said in reasons.map(|reason| en::reason(reason).message) {
            if !lines.contains(&said) {
                lines.push(said);
            }
        }
        if row.status() == ItemStatus::Failed
            && let Some(failure) = &row.failure
        {
            let said = en::price_failure(failure).message;
            if !lines.contains(&said) {
                lines.push(said);
            }
        }
    }
    if screen.verbose {
        lines.extend(formula(&first.detail.formula));
        for row in model {
            for (source, said) in &row.detail.others {
                lines.push(format!(
                    "{source} says {}: {}",
                    en::field(row.field),
                    short(said)
                ));
            }
        }
    }
    lines.join("\n")
}

/// A price in one line.
pub(crate) fn sum(usd: &Usd, values: &Values) -> String {
    short_sum(usd, values.kind())
}

/// A price in one line, by how it is billed.
pub(crate) fn short_sum(usd: &Usd, kind: Option<Kind>) -> String {
    let parts = [
        ("in", usd.input),
        ("out", usd.output),
        ("cache", usd.cache_read),
        ("write", usd.cache_write),
        ("a call", usd.per_call),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter_map(|(what, sum)| Some(format!("{} {what}", dollars((*sum)?))))
        .collect();
    match kind {
        None => "no price".to_owned(),
        Some(Kind::Expression) if said.is_empty() => "by expression".to_owned(),
        Some(Kind::Expression) => format!("{} (first tier)", said.join(", ")),
        Some(_) => said.join(", "),
    }
}

/// What the gateway's price page says of what was written, as JSON; `None` where it could not be read. `text` is the same
/// in words.
pub(crate) fn verified(verified: Option<&Verified>, text: &str) -> Value {
    let nothing = Verified::default();
    let (state, verified) = match verified {
        None => ("unread", &nothing),
        Some(verified) if !verified.otherwise.is_empty() => ("otherwise", verified),
        Some(verified) if verified.shown == 0 => ("not_shown", verified),
        Some(verified) => ("as_written", verified),
    };
    let otherwise: Vec<Value> = verified
        .otherwise
        .iter()
        .map(|odd| {
            json!({
                "model": odd.model,
                "field": odd.field.code(),
                "written": odd.written.as_ref().map(|text| value(odd.field, text)),
                "shown": value(odd.field, &odd.shown),
            })
        })
        .collect();
    json!({
        "state": state,
        "message": text,
        "otherwise": otherwise,
        "not_shown": verified.not_shown,
    })
}

/// A price before and after, in dollars.
pub(crate) fn in_dollars(old: Option<&Usd>, new: Option<&Usd>) -> Vec<String> {
    let moves = moves(old, new).into_iter();
    let side = |sum: Option<String>| sum.unwrap_or_else(|| "none".to_owned());
    moves
        .map(|(part, old, new)| format!("{part} {} -> {}", side(old), side(new)))
        .collect()
}

/// The parts of a price that differ, each with what it was and what it is.
pub(crate) fn moves(
    old: Option<&Usd>,
    new: Option<&Usd>,
) -> Vec<(&'static str, Option<String>, Option<String>)> {
    let none = Usd::default();
    let (old, new) = (old.unwrap_or(&none), new.unwrap_or(&none));
    let parts = [
        ("input", old.input, new.input),
        ("output", old.output, new.output),
        ("cache read", old.cache_read, new.cache_read),
        ("cache write", old.cache_write, new.cache_write),
        ("a call", old.per_call, new.per_call),
    ];
    let parts = parts.map(|(part, old, new)| (part, old.map(dollars), new.map(dollars)));
    let differ = |(_, old, new): &(&str, Option<String>, Option<String>)| old != new;
    parts.into_iter().filter(differ).collect()
}

/// A sum: cents where they are enough, up to six significant digits where not.
pub(crate) fn dollars(sum: f64) -> String {
    if sum < 0.0 {
        return format!("-{}", dollars(-sum));
    }
    let exact = cents(sum);
    if (exact * 100.0 - (exact * 100.0).round()).abs() < 1e-9 {
        return format!("${exact:.2}");
    }
    let size = exact.abs().log10().floor();
    let decimals = (5.0 - size).clamp(2.0, 12.0) as usize;
    let text = format!("{exact:.decimals$}");
    // At least cents.
    let whole = text.find('.').map_or(text.len(), |dot| dot + 3);
    let end = text.trim_end_matches('0').len().max(whole);
    format!("${}", text.get(..end).unwrap_or(&text))
}

fn in_ratios(row: &PriceRow) -> String {
    let side = |text: &Option<String>| text.as_deref().map_or_else(|| "none".to_owned(), short);
    format!(
        "{} {} -> {}",
        en::field(row.field),
        side(&row.old),
        side(&row.new)
    )
}

/// The factors of a price that change it: `$2.50 x recharge 0.14 x group 1.5 = $0.525`.
fn formula(factors: &[(String, f64)]) -> Option<String> {
    let mut text = String::new();
    let mut changes = false;
    for (name, number) in factors {
        match name.as_str() {
            "price" => text.push_str(&dollars(*number)),
            "result" => text.push_str(&format!(" = {}", dollars(*number))),
            _ if *number == 1.0 => {}
            _ => {
                changes = true;
                text.push_str(&format!(" x {name} {number}"));
            }
        }
    }
    changes.then_some(text)
}

/// A value short enough for a cell: expressions are long.
fn short(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let start: String = text.chars().take(MOST).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_as_long_as_they_need_to_be() {
        for (sum, text) in [
            (2.5, "$2.50"),
            (0.0, "$0.00"),
            (-2.0, "-$2.00"),
            (10.0, "$10.00"),
            (0.075, "$0.075"),
            (0.1 * 3.0, "$0.30"),
            (0.000_001, "$0.000001"),
            (0.599_999_998, "$0.60"),
            (1_234.567_891, "$1234.57"),
        ] {
            assert_eq!(dollars(sum), text);
        }
    }

    #[test]
    fn only_what_differs_is_told() {
        let old = Usd {
            input: Some(2.5),
            output: Some(10.0),
            ..Usd::default()
        };
        let new = Usd {
            output: Some(12.0),
            ..old
        };
        assert_eq!(
            in_dollars(Some(&old), Some(&new)),
            ["output $10.00 -> $12.00"]
        );
        assert_eq!(
            in_dollars(None, Some(&new)),
            ["input none -> $2.50", "output none -> $12.00"]
        );
    }

    #[test]
    fn numbers_are_numbers_and_texts_are_texts() {
        assert_eq!(value(Field::ModelRatio, "1.50"), json!(1.5));
        assert_eq!(value(Field::ModelRatio, "2"), json!(2));
        assert_eq!(value(Field::BillingMode, "2"), json!("2"));
        assert_eq!(value(Field::ModelRatio, "x"), json!("x"));
    }
}
