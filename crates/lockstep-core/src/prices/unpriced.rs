//! How the gateway bills a model, and which served models it would refuse or bill by its placeholder.

use std::collections::BTreeMap;

use crate::prices::field::{Field, TIERED};
use crate::prices::values::{Kind, Values};

/// Gemini names that end in a thinking budget have one price for all budgets. The longest comes first.
const THINKING: [(&str, &str); 3] = [
    ("gemini-2.5-flash-lite", "gemini-2.5-flash-lite-thinking-*"),
    ("gemini-2.5-flash", "gemini-2.5-flash-thinking-*"),
    ("gemini-2.5-pro", "gemini-2.5-pro-thinking-*"),
];

/// Custom GPTs have one price for all.
const GIZMO: [(&str, &str); 2] = [
    ("gpt-4-gizmo", "gpt-4-gizmo-*"),
    ("gpt-4o-gizmo", "gpt-4o-gizmo-*"),
];

/// Names with this end take the price of [`ANY_COMPACT`] where they have no ratio of their own.
const COMPACT: &str = "-openai-compact";
const ANY_COMPACT: &str = "*-openai-compact";

/// How the gateway bills a call of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Billed {
    /// By a price.
    By(Kind),
    /// By the placeholder: it has no price, but the gateway is in self-use mode.
    Placeholder,
    /// Not at all: it has no price, and calls are refused.
    Refused,
    /// Not at all: it is to be billed by an expression and has none, so calls fail.
    NoExpression,
}

impl Billed {
    /// The stable code, as printed in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::By(kind) => kind.code(),
            Self::Placeholder => "placeholder",
            Self::Refused => "refused",
            Self::NoExpression => "no_expression",
        }
    }

    /// The way, where there is a price.
    pub fn kind(self) -> Option<Kind> {
        match self {
            Self::By(kind) => Some(kind),
            Self::Placeholder | Self::Refused | Self::NoExpression => None,
        }
    }

    /// Whether there is a price.
    pub fn priced(self) -> bool {
        self.kind().is_some()
    }
}

/// The key under which the gateway looks up the prices and ratios of a model: its own name, but for the few whose
/// names carry a parameter. A price under the model's own name has no effect where this differs.
pub fn lookup_key(model: &str) -> &str {
    if model.contains("-thinking-")
        && let Some((_, key)) = THINKING.iter().find(|(start, _)| model.starts_with(start))
    {
        return key;
    }
    match GIZMO.iter().find(|(start, _)| model.starts_with(start)) {
        Some((_, key)) => key,
        None => model,
    }
}

/// How one entry of the maps bills: an expression comes before a price per call, and that before ratios.
pub fn billed_by(values: &Values) -> Billed {
    if values.get(Field::BillingMode) == Some(TIERED) {
        let expression = values.get(Field::BillingExpr).unwrap_or_default();
        return if expression.trim().is_empty() {
            Billed::NoExpression
        } else {
            Billed::By(Kind::Expression)
        };
    }
    values.kind().map_or(Billed::Refused, Billed::By)
}

/// How the gateway bills a model. `local` gives the entry of a key, an empty one when there is none; `self_use` is
/// whether the gateway bills what has no price by its placeholder. The mode and the expression are looked up by the
/// model's own name, prices and ratios by its [`lookup_key`].
pub fn billed(model: &str, local: &impl Fn(&str) -> Values, self_use: bool) -> Billed {
    let own = local(model);
    let tiered = billed_by(&own);
    if matches!(tiered, Billed::NoExpression | Billed::By(Kind::Expression)) {
        return tiered;
    }
    let key = lookup_key(model);
    let entry = if key == model { own } else { local(key) };
    let compact = if key.ends_with(COMPACT) {
        local(ANY_COMPACT)
    } else {
        Values::default()
    };
    let has = |field| entry.get(field).is_some() || compact.get(field).is_some();
    if has(Field::ModelPrice) {
        Billed::By(Kind::PerCall)
    } else if has(Field::ModelRatio) {
        Billed::By(Kind::PerToken)
    } else if self_use {
        Billed::Placeholder
    } else {
        Billed::Refused
    }
}

/// A served model without a price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpriced {
    /// Its name.
    pub model: String,
    /// The enabled channels that serve it, by the gateway's id.
    pub channels: Vec<i64>,
    /// What becomes of its calls.
    pub billed: Billed,
}

/// The models without a price among those that enabled channels serve, by name.
pub fn unpriced(
    served: &BTreeMap<String, Vec<i64>>,
    local: &impl Fn(&str) -> Values,
    self_use: bool,
) -> Vec<Unpriced> {
    served
        .iter()
        .filter_map(|(model, channels)| {
            let billed = billed(model, local, self_use);
            (!billed.priced()).then(|| Unpriced {
                model: model.clone(),
                channels: channels.clone(),
                billed,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(key: &str) -> Values {
        let none = Values::default();
        let tiered = none.clone().with(Field::BillingMode, TIERED);
        match key {
            "ratio" | "gemini-2.5-flash-thinking-*" | "gpt-4o-gizmo-*" | "*-openai-compact" => {
                none.with(Field::ModelRatio, "1")
            }
            "call" => none
                .with(Field::ModelRatio, "1")
                .with(Field::ModelPrice, "0.1"),
            "tiered" => tiered.with(Field::BillingExpr, "p * 2"),
            "blank" => tiered
                .with(Field::BillingExpr, " ")
                .with(Field::ModelRatio, "1"),
            "mode" => none.with(Field::BillingMode, "ratio"),
            "gpt-4-gizmo-mine" => none.with(Field::ModelPrice, "1"),
            _ => none,
        }
    }

    #[test]
    fn precedence_wildcards_and_broken_modes() {
        for (model, expected) in [
            ("ratio", Billed::By(Kind::PerToken)),
            ("call", Billed::By(Kind::PerCall)),
            ("tiered", Billed::By(Kind::Expression)),
            ("blank", Billed::NoExpression),
            ("mode", Billed::Refused),
            ("unknown", Billed::Refused),
            (
                "gemini-2.5-flash-preview-thinking-1024",
                Billed::By(Kind::PerToken),
            ),
            ("gemini-2.5-flash-lite-thinking-1024", Billed::Refused),
            ("gemini-2.5-flash", Billed::Refused),
            ("gpt-4o-gizmo-abc", Billed::By(Kind::PerToken)),
            ("gpt-4-gizmo-mine", Billed::Refused),
            ("gpt-5-openai-compact", Billed::By(Kind::PerToken)),
        ] {
            assert_eq!(billed(model, &local, false), expected, "{model}");
        }
        assert_eq!(billed("unknown", &local, true), Billed::Placeholder);
        assert_eq!(billed("blank", &local, true), Billed::NoExpression);
    }

    #[test]
    fn served_models_without_a_price_are_told_with_their_channels() {
        let served = BTreeMap::from([
            ("ratio".to_owned(), vec![1]),
            ("unknown".to_owned(), vec![1, 2]),
        ]);
        let told = unpriced(&served, &local, false);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].model, "unknown");
        assert_eq!(told[0].channels, [1, 2]);
    }
}
