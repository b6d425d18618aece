//! What every source proposes for a model, told by the rows of a planned run: one was chosen, and the others said something
//! too.

use lockstep_core::prices::usd::{Usd, usd};
use lockstep_core::prices::values::{Kind, Values};
use lockstep_store::prices::{OutputBy, PriceRow};

/// What one source proposes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Proposed<'r> {
    /// The source's unique name.
    pub(crate) source: &'r str,
    /// The name under which it has the model, where that is only alike.
    pub(crate) alike: Option<&'r str>,
    /// Its values at our cost.
    pub(crate) values: &'r Values,
    /// What they come to; without the price of output where only the gateway knows it.
    pub(crate) usd: Usd,
}

/// What every source proposes for a model, the preferred first, given the model's rows.
pub(crate) fn proposed<'r>(rows: &[&'r PriceRow]) -> Vec<Proposed<'r>> {
    let Some(from) = rows.iter().find_map(|row| row.detail.from.as_ref()) else {
        return Vec::new();
    };
    let output = rows.first().map(|row| Output::of(row));
    let offers = from.offers.iter();
    offers
        .filter(|offer| offer.refused.is_none() && !offer.values.is_empty())
        .map(|offer| Proposed {
            source: &offer.source,
            alike: offer.alike.as_deref(),
            values: &offer.values,
            usd: output.unwrap_or(Output::Unknown).usd(&offer.values),
        })
        .collect()
}

/// What output costs, beside input.
#[derive(Clone, Copy, Debug)]
enum Output {
    /// As the source says.
    Configured,
    /// So many times as much, whatever a source says.
    Locked(f64),
    /// The gateway tells after the first write.
    Unknown,
}

impl Output {
    /// What the chosen price tells of it.
    fn of(row: &PriceRow) -> Self {
        let sums = row.usd_new.and_then(|usd| usd.input.zip(usd.output));
        match (row.detail.output, sums) {
            (Some(OutputBy::Map), _) => Self::Configured,
            (Some(OutputBy::Gateway), Some((input, output))) if input > 0.0 => {
                Self::Locked(output / input)
            }
            _ => Self::Unknown,
        }
    }

    fn usd(self, values: &Values) -> Usd {
        let per_token = values.kind() == Some(Kind::PerToken);
        match self {
            Self::Locked(ratio) if per_token => usd(values, Some(ratio)),
            Self::Unknown if per_token => Usd {
                output: None,
                ..usd(values, None)
            },
            _ => usd(values, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use lockstep_core::change::State;
    use lockstep_core::prices::field::Field;
    use lockstep_store::prices::{PlannedFrom, PriceDetail, StoredOffer};

    use super::*;

    fn row() -> PriceRow {
        PriceRow {
            run_id: "r".to_owned(),
            model: "m".to_owned(),
            field: Field::ModelRatio,
            old: None,
            new: Some("1.5".to_owned()),
            source: Some("one".to_owned()),
            state: State::Ready,
            hold: None,
            skip: None,
            failure: None,
            usd_old: None,
            usd_new: Some(Usd {
                input: Some(3.0),
                output: Some(24.0),
                ..Usd::default()
            }),
            detail: PriceDetail::default(),
            read_at: 0,
            finished_at: None,
        }
    }

    fn offer(source: &str, values: &[(Field, &str)]) -> StoredOffer {
        let mut offer = StoredOffer {
            source: source.to_owned(),
            ..StoredOffer::default()
        };
        for (field, value) in values {
            offer.values.set(*field, Some(*value));
        }
        offer
    }

    fn planned(output: Option<OutputBy>) -> PriceRow {
        let mut row = row();
        row.detail.output = output;
        row.detail.from = Some(PlannedFrom {
            base: Values::default(),
            offers: vec![
                offer(
                    "one",
                    &[(Field::ModelRatio, "1.5"), (Field::CompletionRatio, "5")],
                ),
                offer(
                    "two",
                    &[(Field::ModelRatio, "2"), (Field::CompletionRatio, "4")],
                ),
                offer("call", &[(Field::ModelPrice, "0.04")]),
                offer("none", &[]),
            ],
        });
        row
    }

    #[test]
    fn each_source_that_has_a_price_is_told_and_output_only_where_it_is_known() {
        for (by, outputs) in [
            (Some(OutputBy::Map), [Some(15.0), Some(16.0), None]),
            (Some(OutputBy::Gateway), [Some(24.0), Some(32.0), None]),
            (Some(OutputBy::Unknown), [None; 3]),
            (None, [None; 3]),
        ] {
            let planned = planned(by);
            let told = proposed(&[&planned]);
            let sources: Vec<&str> = told.iter().map(|one| one.source).collect();
            assert_eq!(sources, ["one", "two", "call"]);
            let told_outputs: Vec<Option<f64>> = told.iter().map(|one| one.usd.output).collect();
            assert_eq!(told_outputs, outputs, "{by:?}");
            assert_eq!(
                (told[1].usd.input, told[2].usd.per_call),
                (Some(4.0), Some(0.04))
            );
        }
        assert!(proposed(&[&row()]).is_empty(), "a run of an older day");
    }
}
