//! The order in which price changes are written.
//!
//! The gateway stores each field of all models as one map and has no write that spans maps, so a model whose price
//! needs several fields is for a moment billed by some of the new and some of the old. Two passes over the maps, each
//! writing a map at most once, keep that moment sane. After every prefix of [`passes`]
//!
//! 1. a model that is billed in another way before or after, or that gains or loses its price, is billed by exactly
//!    its old price or exactly its new one;
//! 2. so is one that stays billed per call or by an expression;
//! 3. one that stays billed by ratios pays for input exactly the old or the new price. Every other price (output,
//!    cache, image, audio) is exactly the old or the new one where only one of its factors changes. Where several do,
//!    no two prices that are both true can be had in between; then all its prices are at least the old ones until the
//!    first pass is past the ratios, and at least the new ones from then on. So nothing is ever sold below both: what
//!    makes a price dearer is written before the ratio, what makes it cheaper after it, in the second pass.
//!
//! A multiplier that is not set counts as the gateway's default: 1, and 1.25 for writes to the cache. For a name whose
//! output the gateway bills by an unlocked ratio of its own that default is wrong, and the third promise does not
//! cover its output.
//!
//! The third promise is about prices that are not negative; a negative one is only ever written by an undo.
//!
//! The promises hold for prefixes: whoever writes must stop at the first write that surely failed.

use crate::prices::field::{Field, TIERED};
use crate::prices::unpriced::{Billed, billed_by};
use crate::prices::values::{Kind, Values};

/// The maps in the order of the first pass. The mode comes after what it switches to.
const FIRST: [Field; Field::COUNT] = [
    Field::CacheRatio,
    Field::CreateCacheRatio,
    Field::ImageRatio,
    Field::AudioRatio,
    Field::AudioCompletionRatio,
    Field::CompletionRatio,
    Field::ModelRatio,
    Field::ModelPrice,
    Field::BillingExpr,
    Field::BillingMode,
];

/// The maps in the order of the second pass. The mode goes before what it switched from.
const SECOND: [Field; Field::COUNT] = [
    Field::BillingMode,
    Field::BillingExpr,
    Field::ModelPrice,
    Field::ModelRatio,
    Field::CompletionRatio,
    Field::CacheRatio,
    Field::CreateCacheRatio,
    Field::ImageRatio,
    Field::AudioRatio,
    Field::AudioCompletionRatio,
];

/// One model's entries before and after.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// The key of the maps.
    pub model: &'a str,
    /// As the gateway has it now.
    pub before: &'a Values,
    /// As it is to become.
    pub after: &'a Values,
}

/// One write of one map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Which map.
    pub field: Field,
    /// The keys that change, in the order of the changes: a value, or `None` where the entry goes.
    pub edits: Vec<(String, Option<String>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Pass {
    First,
    Second,
}

/// The writes that make the changes, in their order: the first pass, then the second. A map is written only where a
/// key changes.
pub fn passes(changes: &[Change<'_>]) -> Vec<Write> {
    let first = FIRST.into_iter().map(|field| (Pass::First, field));
    let second = SECOND.into_iter().map(|field| (Pass::Second, field));
    first
        .chain(second)
        .filter_map(|(pass, field)| {
            let edits: Vec<_> = changes
                .iter()
                .filter(|change| change.touches(field) && change.pass_of(field) == pass)
                .map(|change| {
                    let value = change.after.get(field).map(str::to_owned);
                    (change.model.to_owned(), value)
                })
                .collect();
            (!edits.is_empty()).then_some(Write { field, edits })
        })
        .collect()
}

impl Change<'_> {
    fn touches(&self, field: Field) -> bool {
        self.before.get(field) != self.after.get(field)
    }

    /// When the field is written. What bills first hides what bills later: an expression the price per call, and that
    /// the ratios. So what is hidden before is put in order in the first pass, and what is hidden after in the second.
    fn pass_of(&self, field: Field) -> Pass {
        let (before, after) = (tiered(self.before), tiered(self.after));
        let (call_before, call_after) = (has_price(self.before), has_price(self.after));
        match field {
            Field::BillingMode => early(after),
            // While the mode stays, the expression is a switch of its own.
            Field::BillingExpr if before == after => early(self.after.get(field).is_some()),
            Field::BillingExpr => early(after),
            _ if before => Pass::First,
            _ if after => Pass::Second,
            Field::ModelPrice => early(call_after),
            _ if call_before => Pass::First,
            _ if call_after => Pass::Second,
            Field::ModelRatio => early(self.after.get(field).is_some()),
            _ => self.pass_of_multiplier(field),
        }
    }

    fn pass_of_multiplier(&self, field: Field) -> Pass {
        let token = |values: &Values| values.get(Field::ModelRatio).is_some();
        match (token(self.before), token(self.after)) {
            // What makes it dearer comes before the ratio, what makes it cheaper after it.
            (true, true) => early(self.after.multiplier(field) >= self.before.multiplier(field)),
            (true, false) => Pass::Second,
            (false, _) => Pass::First,
        }
    }
}

fn early(is: bool) -> Pass {
    if is { Pass::First } else { Pass::Second }
}

fn tiered(values: &Values) -> bool {
    values.get(Field::BillingMode) == Some(TIERED)
}

fn has_price(values: &Values) -> bool {
    values.get(Field::ModelPrice).is_some()
}

/// What bills a model with these values: the way, and the values that count in it. Two models with the same are billed
/// the same.
pub fn billing(values: &Values) -> (Option<Kind>, Values) {
    let Billed::By(kind) = billed_by(values) else {
        return (None, Values::default());
    };
    let counts = |field: Field| match kind {
        Kind::Expression => field == Field::BillingExpr,
        Kind::PerCall => field == Field::ModelPrice,
        Kind::PerToken => field == Field::ModelRatio || field.is_multiplier(),
    };
    let counted = values.iter().filter(|(field, _)| counts(*field));
    (Some(kind), counted.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &Values, after: &Values) -> Vec<(&'static str, Option<String>)> {
        let change = Change {
            model: "m",
            before,
            after,
        };
        passes(&[change])
            .into_iter()
            .map(|write| (write.field.code(), write.edits[0].1.clone()))
            .collect()
    }

    fn token(ratio: &str, completion: &str) -> Values {
        Values::default()
            .with(Field::ModelRatio, ratio)
            .with(Field::CompletionRatio, completion)
    }

    fn order(before: &Values, after: &Values) -> Vec<&'static str> {
        told(before, after)
            .into_iter()
            .map(|(field, _)| field)
            .collect()
    }

    #[test]
    fn what_makes_it_dearer_comes_before_the_ratio_and_what_makes_it_cheaper_after() {
        let (cheap, dear) = (token("1", "4"), token("4", "1"));
        assert_eq!(order(&cheap, &dear), ["model_ratio", "completion_ratio"]);
        assert_eq!(order(&dear, &cheap), ["completion_ratio", "model_ratio"]);
    }

    #[test]
    fn a_switch_sets_before_it_removes() {
        let call = Values::default().with(Field::ModelPrice, "0.1");
        let tiered = Values::default()
            .with(Field::BillingMode, TIERED)
            .with(Field::BillingExpr, "p * 2");
        assert_eq!(
            order(&token("1", "4"), &call),
            ["model_price", "model_ratio", "completion_ratio"]
        );
        assert_eq!(
            order(&call, &token("1", "4")),
            ["completion_ratio", "model_ratio", "model_price"]
        );
        assert_eq!(
            order(&call, &tiered),
            ["billing_expr", "billing_mode", "model_price"]
        );
        assert_eq!(
            order(&tiered, &call),
            ["model_price", "billing_mode", "billing_expr"]
        );
        // A price that the expression hid goes while it is still hidden.
        let hidden = tiered.with(Field::ModelPrice, "0.1");
        assert_eq!(
            order(&hidden, &token("1", "4")),
            [
                "completion_ratio",
                "model_ratio",
                "model_price",
                "billing_mode",
                "billing_expr"
            ]
        );
        assert!(order(&hidden, &hidden).is_empty());
    }

    #[test]
    fn one_map_is_written_once_a_pass_whatever_the_number_of_models() {
        let (a, b) = (token("1", "4"), token("2", "8"));
        let models = ["x", "y", "z"];
        let changes: Vec<Change<'_>> = models
            .iter()
            .map(|model| Change {
                model,
                before: &a,
                after: &b,
            })
            .collect();
        let writes = passes(&changes);
        assert_eq!(writes.len(), 2);
        assert_eq!(writes[0].edits.len(), 3);
    }
}
