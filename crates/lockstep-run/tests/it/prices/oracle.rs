//! What must hold of prices after every test: what the gateway saw and what the journal says are one story, and at no
//! moment between two writes was a model billed by anything but a price that it had or was to get.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::failure::FailureKind;
use lockstep_core::prices::field::Field;
use lockstep_sim::{Billing, EffectivePrice, PRICE_KEYS, Rates, Refusal};
use lockstep_store::prices::{PriceRow, counts};
use lockstep_store::runs::Run;

use super::shop::with_entry;
use crate::tester::Tester;

/// A run about prices with its rows.
type Journaled = (Run, Vec<PriceRow>);
type Texts = BTreeMap<String, String>;

/// The entries of a map in their order, each value as it is written.
pub(crate) fn entries(text: &str) -> Vec<(String, String)> {
    struct Entries(Vec<(String, String)>);
    impl<'de> serde::Deserialize<'de> for Entries {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Entries;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("a map")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(
                    self,
                    mut map: A,
                ) -> Result<Entries, A::Error> {
                    let mut all = Vec::new();
                    while let Some((name, value)) =
                        map.next_entry::<String, Box<serde_json::value::RawValue>>()?
                    {
                        all.push((name, value.get().to_owned()));
                    }
                    Ok(Entries(all))
                }
            }
            from.deserialize_map(Visitor)
        }
    }
    let Entries(all) = serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"));
    all
}

/// What differs between two texts of a map: by model the value before and after.
fn differing(before: &str, after: &str) -> BTreeMap<String, (Option<String>, Option<String>)> {
    let map = |text: &str| -> BTreeMap<String, String> {
        entries(if text.is_empty() { "{}" } else { text })
            .into_iter()
            .collect()
    };
    let (before, after) = (map(before), map(after));
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| {
            let values = (before.get(name).cloned(), after.get(name).cloned());
            (name.clone(), values)
        })
        .collect()
}

/// Rows in few words.
fn brief(rows: &[(usize, &PriceRow)]) -> Vec<String> {
    rows.iter()
        .map(|(run, row)| {
            let (field, state) = (row.field.code(), row.state);
            let (old, new) = (&row.old, &row.new);
            format!(
                "run {run}: {} {field} {old:?} to {new:?} {state:?}",
                row.model
            )
        })
        .collect()
}

/// A value as the maps write it.
fn written(field: Field, value: &str) -> String {
    if field.is_number() {
        value.to_owned()
    } else {
        serde_json::Value::from(value).to_string()
    }
}

impl Tester {
    pub(crate) async fn look_at_prices(&self) {
        let mut journal: Vec<Journaled> = Vec::new();
        let runs = self.store().runs(&self.site, 100_000, None).await;
        for (run, told) in runs.expect("runs") {
            if run.subject != Subject::Prices {
                continue;
            }
            let rows = self.price_rows(&run).await;
            assert_eq!(told, counts(&rows), "the counts of run {}", run.id);
            journal.push((run, rows));
        }
        journal.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
        for (run, rows) in &journal {
            self.a_price_run_is_sane(run, rows);
        }
        self.every_price_write_is_journaled(&journal);
        self.maps_are_as_they_were_left();
    }

    fn a_price_run_is_sane(&self, run: &Run, rows: &[PriceRow]) {
        let id = &run.id;
        let counts = counts(rows);
        let sum = counts.success + counts.failed + counts.held + counts.skipped + counts.planned;
        assert_eq!(
            counts.total, sum,
            "each model of run {id} has one status: {rows:#?}"
        );
        if run.planned_at.is_some() {
            assert_eq!(
                run.total, counts.total,
                "run {id} has rows of each model: {rows:#?}"
            );
        }
        if run.approved_at.is_none() {
            assert_eq!(
                (run.writes, counts.changed),
                (0, 0),
                "run {id} was never approved"
            );
        }
        let has = |states: &[State]| rows.iter().any(|row| states.contains(&row.state));
        match run.state {
            RunState::Planned => assert!(!has(&[State::Approved]), "run {id}"),
            RunState::Queued | RunState::Reading | RunState::Writing => {
                assert!(self.expect.unfinished, "run {id} is left {:?}", run.state);
            }
            state => {
                assert!(
                    !has(&[State::Ready, State::Approved]),
                    "run {id} ended as {state:?}"
                );
                assert!(run.ended_at.is_some());
            }
        }
        let good = counts.success + counts.changed;
        match run.state {
            RunState::Done => assert!(
                counts.failed == 0 && run.failure.is_none(),
                "run {id}: {rows:#?}"
            ),
            RunState::Partial => {
                assert!(good > 0 || run.failure.is_some(), "run {id}: {rows:#?}");
                assert!(counts.failed > 0 || run.failure.is_some(), "run {id}");
            }
            RunState::Failed => {
                assert_eq!(good, 0, "run {id}: {rows:#?}");
                assert!(counts.failed > 0 || run.failure.is_some(), "run {id}");
            }
            _ => {}
        }
        for row in rows {
            let failed = matches!(
                row.state,
                State::Failed | State::Moved | State::Unverified | State::Unread
            );
            assert_eq!(
                failed,
                row.failure.is_some(),
                "a failed row says why: {row:?}"
            );
            let both = row.skip.is_some() && row.hold.is_some();
            assert!(!both, "one reason: {row:?}");
        }
        for model in rows.chunk_by(|one, next| one.model == next.model) {
            let waits = model.iter().any(|row| row.hold.is_some());
            let written = model.iter().any(|row| {
                matches!(
                    row.state,
                    State::Ready | State::Approved | State::Applied | State::Moved
                )
            });
            assert!(
                !(waits && written),
                "one held value holds its model: {model:#?}"
            );
        }
    }

    fn every_price_write_is_journaled(&self, journal: &[Journaled]) {
        let may_have_arrived = |row: &PriceRow| match row.state {
            State::Applied | State::Unverified => true,
            State::Failed => row
                .failure
                .as_ref()
                .is_some_and(|failure| failure.kind == FailureKind::NotStored),
            State::Approved => self.expect.unfinished,
            _ => false,
        };
        // Rows that may explain a change, those first that must, in the order of their runs; each explains one.
        let mut open: Vec<(usize, &PriceRow)> = Vec::new();
        for (place, (run, rows)) in journal.iter().enumerate() {
            for row in rows.iter().filter(|row| may_have_arrived(row)) {
                assert!(
                    run.approved_at.is_some(),
                    "written without approval: {row:?}"
                );
                open.push((place, row));
            }
        }
        open.sort_by_key(|(place, row)| (row.state != State::Applied, *place));
        let mut texts: Texts = self.options_at_start.clone();
        let mut watched: Option<(usize, Watched)> = None;
        for write in self.gateway.option_writes() {
            let field = Field::from_option_key(&write.key).expect("only price maps are written");
            let (Some(before), Some(after)) = (&write.before, &write.after) else {
                continue;
            };
            let is = texts.get(&write.key).cloned().unwrap_or_default();
            if *before != is {
                assert!(self.expect.other_admin, "somebody else wrote {}", write.key);
                texts.insert(write.key.clone(), before.clone());
            }
            if !write.effective {
                continue;
            }
            let changed = differing(before, after);
            let mut run = None;
            for (model, (old, new)) in &changed {
                let lost = (model.clone(), field);
                if self.expect.lost.contains(&lost) {
                    continue;
                }
                let found = open.iter().position(|(_, row)| {
                    let text = |value: &Option<String>| {
                        value.as_deref().map(|value| written(field, value))
                    };
                    row.model == *model && row.field == field && text(&row.new) == *new
                });
                let Some(found) = found else {
                    panic!(
                        "no row explains that {model} in {field:?} went from {old:?} to {new:?}: {:#?}",
                        brief(&open)
                    );
                };
                run = Some(open.remove(found).0);
            }
            // An undo that gives a whole text back brings its order with it.
            let sorted = run.is_some_and(|run| journal[run].0.trigger == "undo");
            let kept = |text: &str| -> Vec<(String, String)> {
                let mut all = entries(if text.is_empty() { "{}" } else { text });
                all.retain(|(name, _)| !changed.contains_key(name));
                if sorted {
                    all.sort();
                }
                all
            };
            assert_eq!(kept(before), kept(after), "what is not changed stays");
            texts.insert(write.key.clone(), after.clone());
            let Some(run) = run else { continue };
            if watched.as_ref().is_none_or(|(place, _)| *place != run) {
                let mut start = texts.clone();
                start.insert(write.key.clone(), before.clone());
                watched = Some((run, Watched::new(start, &journal[run].1)));
            }
            if let Some((_, watched)) = &watched {
                watched.look(&texts, self.expect.other_admin);
            }
        }
        open.retain(|(_, row)| row.state == State::Applied);
        let unwritten = brief(&open);
        assert!(
            unwritten.is_empty(),
            "applied rows whose write is not in the log: {unwritten:#?}"
        );
    }

    /// Nothing but our writes and those of the other admin changed an option.
    fn maps_are_as_they_were_left(&self) {
        if self.expect.other_admin {
            return;
        }
        let mut left = self.options_at_start.clone();
        for write in self.gateway.option_writes() {
            if let Some(after) = write.after {
                left.insert(write.key, after);
            }
        }
        assert_eq!(self.gateway.options(), left, "the options");
    }
}

/// A run that is played again: each of its models bills by what it had or by what it was to get.
struct Watched {
    models: BTreeMap<String, (EffectivePrice, EffectivePrice)>,
    others: BTreeMap<String, EffectivePrice>,
}

impl Watched {
    fn new(start: Texts, rows: &[PriceRow]) -> Self {
        let mut end = start.clone();
        let meant = rows
            .iter()
            .filter(|row| !matches!(row.state, State::Skipped | State::Held | State::Same));
        let mut names = BTreeSet::new();
        for row in meant {
            names.insert(row.model.clone());
            let text = end.entry(row.field.option_key().to_owned()).or_default();
            let value = row.new.as_deref().map(|value| written(row.field, value));
            *text = with_entry(text, &row.model, value.as_deref());
        }
        let (before, after) = (Billing::new(&start), Billing::new(&end));
        let models = names
            .iter()
            .map(|name| (name.clone(), (before.price(name), after.price(name))))
            .collect();
        let everybody: BTreeSet<String> = PRICE_KEYS
            .into_iter()
            .filter_map(|key| start.get(key))
            .flat_map(|text| entries(if text.is_empty() { "{}" } else { text }))
            .map(|(name, _)| name)
            .collect();
        let others = everybody
            .into_iter()
            .filter(|name| !names.contains(name))
            .map(|name| {
                let price = before.price(&name);
                (name, price)
            })
            .collect();
        Self { models, others }
    }

    fn look(&self, texts: &Texts, somebody_else: bool) {
        let now = Billing::new(texts);
        for (model, (old, new)) in &self.models {
            let is = now.price(model);
            let fine = is == *old || is == *new || between(&is, old, new);
            assert!(
                fine,
                "{model} bills by {is:?}, and had {old:?}, and was to get {new:?}"
            );
            let broken = EffectivePrice::Refused(Refusal::NoExpression);
            assert!(
                is != broken || *old == broken,
                "a mode without its expression"
            );
        }
        for (model, old) in &self.others {
            assert!(
                somebody_else || now.price(model) == *old,
                "{model} is not of this run and bills by another price"
            );
        }
    }
}

/// Per token, no price may be below both.
fn between(is: &EffectivePrice, old: &EffectivePrice, new: &EffectivePrice) -> bool {
    let (
        EffectivePrice::PerToken(is),
        EffectivePrice::PerToken(old),
        EffectivePrice::PerToken(new),
    ) = (is, old, new)
    else {
        return false;
    };
    let prices = |rates: &Rates| {
        let Rates { ratio, .. } = *rates;
        [
            ratio,
            ratio * rates.completion,
            ratio * rates.cache,
            ratio * rates.create_cache,
            ratio * rates.image,
            ratio * rates.audio,
            ratio * rates.audio * rates.audio_completion,
        ]
    };
    let (is, old, new) = (prices(is), prices(old), prices(new));
    (0..is.len()).all(|n| is[n] >= old[n].min(new[n]) * (1.0 - 1e-9))
}
