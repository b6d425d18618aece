//! What a run found that somebody should hear of, from its rows.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hash::Digest;
use lockstep_core::hold::ReasonCode;
use lockstep_core::models::fate::Dropped;
use lockstep_core::notices::{About, Finding, Looked, NoticeKind, What};
use lockstep_core::prices::mode::Scope;
use lockstep_core::prices::source::SourceState;
use lockstep_core::prices::values::Kind;
use lockstep_core::settings::Settings;
use lockstep_store::changes::ChangeRow;
use lockstep_store::prices::{PriceRow, held_digest};
use lockstep_store::runs::Run;
use lockstep_store::status::ItemStatus;
use lockstep_store::{Store, StoreError};

use crate::deciding::prices::REVIEW;
use crate::view::json::Lists;

/// How many names of a list are kept in a finding.
const FIRST_NAMES: usize = 5;

/// The triggers of runs that look at some things only, or not afresh.
const IN_PART: &[&str] = &[
    "undo",
    "retry-failed",
    "apply-held",
    "selected",
    "unpriced",
    REVIEW,
];

/// A price below cost by less than this part of it is a matter of rounding.
const ROUNDING: f64 = 0.005;

type Found = BTreeMap<NoticeKind, Vec<Finding>>;

/// What the run found, by the kinds that it can tell of, and what it looked at.
pub(super) async fn of_run(store: &Store, run: &Run) -> Result<(Found, Looked), StoreError> {
    let mut found = Found::from([(NoticeKind::Failed, Vec::new())]);
    let mut seen = BTreeSet::new();
    match run.subject {
        Subject::Models => models(&store.outlines(&run.id).await?, &mut found, &mut seen),
        Subject::Prices => {
            for source in store.run_sources(&run.id).await? {
                let about = About::Source(source.name.clone());
                seen.insert(about.clone());
                let list = found.entry(NoticeKind::SourceTrouble).or_default();
                let state = SourceState::from_code(&source.state);
                if let Some(state) = state.filter(|state| !state.is_believed()) {
                    list.push(Finding::new(about, What::Source(state, source.detail)));
                }
            }
            let rows = store.price_rows(&run.id).await?;
            prices(&rows, scope(run), &mut found, &mut seen);
        }
    }
    let refused = refused(run).filter(|_| run.unattended);
    if run.unattended && (refused.is_some() || run.state != RunState::Cancelled) {
        let missed = refused.clone();
        let missed = missed.map(|missed| Finding::new(About::Run, missed));
        found.insert(NoticeKind::Missed, missed.into_iter().collect());
    }
    if let Some(failure) = run.failure.as_ref().filter(|_| refused.is_none()) {
        let failed = Finding::new(About::Run, What::Failed(failure.clone()));
        found.entry(NoticeKind::Failed).or_default().push(failed);
    }
    let whole = run.failure.is_none() && run.state != RunState::Cancelled && looks_at_all(run);
    let looked = if whole {
        Looked::Everywhere
    } else {
        Looked::At(seen)
    };
    Ok((found, looked))
}

/// That a run ended without the write that it was for: what it was planned by had changed meanwhile, or its process was
/// gone with what it had read.
fn refused(run: &Run) -> Option<What> {
    let failure = run.failure.as_ref()?;
    let kinds = [FailureKind::Record, FailureKind::Interrupted];
    let is = run.state == RunState::Cancelled && kinds.contains(&failure.kind);
    is.then(|| What::Missed {
        why: match failure.kind {
            FailureKind::Interrupted => "interrupted",
            _ => "refused",
        }
        .to_owned(),
        detail: failure.detail.clone(),
    })
}

/// Whether the run looks at all that its settings take, and afresh.
pub(crate) fn looks_at_all(run: &Run) -> bool {
    run.selection.is_none() && !IN_PART.contains(&run.trigger.as_str())
}

/// The models without a price that the last runs know of: names that wait for one to be listed, and served models that
/// the price run found none for.
pub(crate) async fn unpriced_models(
    store: &Store,
    models: Option<&Run>,
    prices: Option<&Run>,
) -> Result<BTreeSet<String>, StoreError> {
    let mut names = BTreeSet::new();
    if let Some(run) = models {
        names = store.names_without_price(&run.id).await?;
    }
    if let Some(run) = prices {
        let scope = scope(run);
        if scope.mode.takes(false) && !scope.all_models {
            names.extend(store.models_without_price(&run.id).await?);
            // What was priced since it had to wait is no longer without one.
            for model in store.written_of(&run.id, &names).await? {
                names.remove(&model);
            }
        }
    }
    Ok(names)
}

fn models(rows: &[ChangeRow], found: &mut Found, seen: &mut BTreeSet<About>) {
    let mut unpriced: BTreeSet<&String> = BTreeSet::new();
    let mut put = |kind, about: &About, what| {
        let list: &mut Vec<Finding> = found.entry(kind).or_default();
        list.extend(what_about(about, what));
    };
    for row in rows {
        let about = About::Channel(row.channel_id, row.channel_name.clone());
        let failed = row.status() == ItemStatus::Failed;
        put(
            NoticeKind::Failed,
            &about,
            failed.then(|| What::Failed(failure(row.failure.as_ref(), row.state))),
        );
        let hold = row.hold.as_ref().filter(|_| !failed);
        let held = hold.map(|hold| What::Held(hold.clone(), row.held_digest()));
        put(NoticeKind::Held, &about, held);
        let written = (row.state == State::Applied).then(|| written(row));
        put(NoticeKind::Changed, &about, written);
        let waits = row.dropped.iter();
        let waits = waits.filter(|(_, why)| *why == Dropped::Unpriced);
        unpriced.extend(waits.map(|(name, _)| name));
        seen.insert(about);
    }
    let list = found.entry(NoticeKind::Unpriced).or_default();
    for name in unpriced {
        list.push(Finding::new(About::Model(name.clone()), What::Unpriced));
    }
}

fn what_about(about: &About, what: Option<What>) -> Option<Finding> {
    what.map(|what| Finding::new(about.clone(), what))
}

fn failure(known: Option<&Failure>, state: State) -> Failure {
    let kind = match state {
        State::Moved => FailureKind::Moved,
        State::Unread => FailureKind::ProviderError,
        _ => FailureKind::Unverified,
    };
    known.cloned().unwrap_or_else(|| Failure::new(kind, ""))
}

fn written(row: &ChangeRow) -> What {
    let lists = Lists::of(row);
    let first = |names: &[String]| names.iter().take(FIRST_NAMES).cloned().collect();
    What::List {
        added: lists.added.len(),
        removed: lists.removed.len(),
        first_added: first(&lists.added),
        first_removed: first(&lists.removed),
    }
}

/// Which models the run took.
fn scope(run: &Run) -> Scope {
    let mut settings = Settings::default();
    for (key, value) in &run.settings {
        // What this version does not know any more has its default.
        let _unknown = settings.set(key, value);
    }
    settings.prices.scope
}

fn prices(rows: &[PriceRow], scope: Scope, found: &mut Found, seen: &mut BTreeSet<About>) {
    // A run can tell of the priced, of the others, or of both, as its mode says. Of models that nobody serves it is no
    // news that they have no price.
    let mut kinds = vec![NoticeKind::Held, NoticeKind::Changed];
    if scope.mode.takes(true) {
        kinds.extend([NoticeKind::PriceMoved, NoticeKind::BelowCost]);
    }
    if scope.mode.takes(false) && !scope.all_models {
        kinds.push(NoticeKind::Unpriced);
    }
    for kind in &kinds {
        found.entry(*kind).or_default();
    }
    for model in rows.chunk_by(|one, next| one.model == next.model) {
        let Some(first) = model.first() else { continue };
        let about = About::Model(first.model.clone());
        let failed = model.iter().find(|row| row.status() == ItemStatus::Failed);
        let held = model.iter().find_map(|row| row.hold.clone());
        let told = [
            (
                NoticeKind::Failed,
                failed.map(|row| What::Failed(failure(row.failure.as_ref(), row.state))),
            ),
            (
                NoticeKind::Held,
                held.filter(|_| failed.is_none())
                    .map(|hold| What::Held(hold, held_digest(model))),
            ),
            (
                NoticeKind::Changed,
                price(model, |row| row.state == State::Applied),
            ),
            (NoticeKind::PriceMoved, moved(model)),
            (NoticeKind::Unpriced, unpriced(model)),
            (NoticeKind::BelowCost, below(model)),
        ];
        for (kind, what) in told {
            if kind == NoticeKind::Failed || kinds.contains(&kind) {
                let list = found.entry(kind).or_default();
                list.extend(what_about(&about, what));
            }
        }
        seen.insert(about);
    }
}

/// The price of a model, before and after, by the values of some of its rows.
fn price(model: &[PriceRow], of: impl Fn(&PriceRow) -> bool) -> Option<What> {
    let rows: Vec<&PriceRow> = model.iter().filter(|row| of(row)).collect();
    let first = rows.first()?;
    let values = rows
        .iter()
        .flat_map(|row| [row.field.code(), row.new.as_deref().unwrap_or("\u{0}")]);
    Some(What::Price(
        first.usd_old.unwrap_or_default(),
        first.usd_new.unwrap_or_default(),
        Digest::of(values),
    ))
}

/// That a source asks another price than the model has, and that it was not written.
fn moved(model: &[PriceRow]) -> Option<What> {
    model.first()?.detail.kind_old?;
    price(model, |row| {
        let own = row.skip.as_ref().map(|skip| skip.code) == Some(ReasonCode::LockedCompletion);
        let there = matches!(row.state, State::Applied | State::Same);
        row.new.is_some() && row.new != row.old && !own && !there
    })
}

fn unpriced(model: &[PriceRow]) -> Option<What> {
    let first = model.first()?;
    let has = |row: &PriceRow| matches!(row.state, State::Applied | State::Same);
    let ignored =
        |row: &PriceRow| row.skip.as_ref().map(|skip| skip.code) == Some(ReasonCode::Ignored);
    let told = first.detail.kind_old.is_none() && !model.iter().any(|row| has(row) || ignored(row));
    told.then_some(What::Unpriced)
}

/// That the model is sold for less than its source asks at our cost, the markup left out: input tokens, or calls.
fn below(model: &[PriceRow]) -> Option<What> {
    let first = model.first()?;
    let written = model.iter().any(|row| row.state == State::Applied);
    let (usd, kind) = if written {
        (first.usd_new?, first.detail.kind_new)
    } else {
        (first.usd_old?, first.detail.kind_old)
    };
    // Prices of different kinds have no common measure.
    if kind.is_none() || kind != first.detail.kind_new {
        return None;
    }
    let factor = |name: &str| {
        let formula = first.detail.formula.iter();
        formula
            .clone()
            .find(|(known, _)| known == name)
            .map(|(_, value)| *value)
    };
    let cost = factor("price")? * factor("recharge")? * factor("group")?;
    let per_call = match kind {
        Some(Kind::PerCall) => true,
        Some(Kind::PerToken) => false,
        _ => usd.input.is_none(),
    };
    let ours = if per_call { usd.per_call } else { usd.input }?;
    // What the formula itself gives is below cost only where its markup is.
    let as_reckoned = factor("result").is_some_and(|result| (result - ours).abs() <= 1e-9)
        && factor("markup").is_none_or(|markup| markup >= 1.0);
    let is_below = cost.is_finite() && ours < cost * (1.0 - ROUNDING) && !as_reckoned;
    is_below.then_some(What::Below {
        ours,
        cost,
        per_call,
    })
}

#[cfg(test)]
mod tests {
    use lockstep_core::hold::Reason;
    use lockstep_core::prices::field::Field;
    use lockstep_core::prices::mode::Mode;
    use lockstep_core::prices::usd::Usd;
    use lockstep_store::prices::PriceDetail;

    use super::*;

    fn input(usd: f64) -> Option<Usd> {
        Some(Usd {
            input: Some(usd),
            ..Usd::default()
        })
    }

    /// A model that we sell for `ours` and that costs 2 x 0.5 x 1.5 = 1.5 USD.
    fn row(ours: f64, markup: f64, state: State) -> PriceRow {
        let formula = [
            ("price", 2.0),
            ("recharge", 0.5),
            ("group", 1.5),
            ("markup", markup),
            ("result", 1.5 * markup),
        ];
        PriceRow {
            run_id: "run".to_owned(),
            model: "amber".to_owned(),
            field: Field::ModelRatio,
            old: Some((ours / 2.0).to_string()),
            new: Some((0.75 * markup).to_string()),
            source: Some("list".to_owned()),
            state,
            hold: None,
            skip: None,
            failure: None,
            usd_old: input(ours),
            usd_new: input(1.5 * markup),
            detail: PriceDetail {
                formula: formula.map(|(name, value)| (name.to_owned(), value)).into(),
                kind_old: Some(Kind::PerToken),
                kind_new: Some(Kind::PerToken),
                ..PriceDetail::default()
            },
            read_at: 0,
            finished_at: None,
        }
    }

    fn kinds(row: PriceRow, mode: Mode) -> Vec<NoticeKind> {
        let scope = Scope {
            mode,
            all_models: false,
        };
        let mut found = Found::new();
        prices(&[row], scope, &mut found, &mut BTreeSet::new());
        let told = found.into_iter().filter(|(_, list)| !list.is_empty());
        told.map(|(kind, _)| kind).collect()
    }

    #[test]
    fn a_price_below_the_cost_formula_is_told_and_rounding_is_not() {
        for (ours, markup, state, below) in [
            (1.2, 1.2, State::Ready, true),
            (1.5, 1.2, State::Ready, false),
            (1.496, 1.2, State::Ready, false),
            (1.8, 1.2, State::Ready, false),
            // Written: what it costs now is what the formula gives.
            (1.2, 1.2, State::Applied, false),
            (1.2, 0.9, State::Applied, true),
        ] {
            let told = kinds(row(ours, markup, state), Mode::Both);
            let is = told.contains(&NoticeKind::BelowCost);
            assert_eq!(is, below, "{ours} {markup} {state:?}: {told:?}");
        }
        let mut other_kind = row(1.2, 1.2, State::Held);
        other_kind.detail.kind_new = Some(Kind::PerCall);
        assert!(!kinds(other_kind, Mode::Both).contains(&NoticeKind::BelowCost));
    }

    #[test]
    fn a_price_that_moved_is_told_until_it_is_written_or_agrees() {
        for (state, told) in [
            (State::Ready, true),
            (State::Held, true),
            (State::Skipped, true),
            (State::Applied, false),
            (State::Same, false),
        ] {
            let is = kinds(row(2.0, 1.0, state), Mode::Both).contains(&NoticeKind::PriceMoved);
            assert_eq!(is, told, "{state:?}");
        }
        let mut own = row(2.0, 1.0, State::Skipped);
        own.skip = Some(Reason::plain(ReasonCode::LockedCompletion));
        assert!(!kinds(own, Mode::Both).contains(&NoticeKind::PriceMoved));
        let mut new = row(0.0, 1.0, State::Ready);
        (new.old, new.usd_old, new.detail.kind_old) = (None, None, None);
        assert_eq!(kinds(new.clone(), Mode::Add), [NoticeKind::Unpriced]);
        new.skip = Some(Reason::plain(ReasonCode::Ignored));
        assert!(kinds(new, Mode::Add).is_empty());
    }

    #[tokio::test]
    async fn a_run_that_nobody_looks_at_and_that_may_not_write_is_missed() {
        let store = Store::open_temporary().await.expect("a store");
        let url = lockstep_core::site::GatewayUrl::parse("https://gateway.example");
        let site = store.site_for_url(&url.expect("an address"), 1).await;
        let site = site.expect("a site");
        let new = lockstep_store::runs::NewRun {
            parent: None,
            site_id: site.id,
            subject: Subject::Models,
            trigger: "all".to_owned(),
            actor: "schedule".to_owned(),
            go_on: true,
            unattended: true,
            selection: None,
            settings: Vec::new(),
            policy_override: None,
            policy_hash: Digest::of(["policy"]),
            told: false,
        };
        let made = store.create_run(new, 1).await.expect("a run");
        let refused = Failure::new(FailureKind::Record, "policies changed");
        let gone = Failure::new(FailureKind::Unreachable, "");
        for (state, failure, unattended, missed, failed) in [
            (RunState::Cancelled, Some(refused.clone()), true, Some(1), 0),
            (RunState::Done, None, true, Some(0), 0),
            (RunState::Planned, None, true, Some(0), 0),
            (RunState::Failed, Some(gone), true, Some(0), 1),
            // Whoever ended it early knows.
            (RunState::Cancelled, None, true, None, 0),
            (RunState::Cancelled, Some(refused), false, None, 1),
        ] {
            let run = Run {
                state,
                failure,
                unattended,
                ..made.clone()
            };
            let (found, _) = of_run(&store, &run).await.expect("found");
            let count = |kind| found.get(&kind).map(Vec::len);
            assert_eq!(count(NoticeKind::Missed), missed, "{state:?}");
            assert_eq!(count(NoticeKind::Failed), Some(failed), "{state:?}");
        }
    }
}
