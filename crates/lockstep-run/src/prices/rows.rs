//! The rows of a price run, made of the plans of its models.

use lockstep_core::change::{State, Verdict};
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::prices::choose::Offer;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::plan::{FieldChange, ModelPlan};
use lockstep_core::prices::values::Kind;
use lockstep_store::prices::{PriceDetail, PriceRow};

/// The rows of one model's plan: one a value that would change; one that says so where nothing does.
pub(super) fn rows(
    run: &str,
    plan: ModelPlan,
    offers: &[Offer],
    names: &[&str],
    now: i64,
) -> Vec<PriceRow> {
    let held = plan.held_digest();
    let source_name = |offer: &Offer| names.get(offer.source).map(|name| (*name).to_owned());
    let chosen = plan.chosen.and_then(|place| offers.get(place));
    let formula = plan.formula.map_or_else(Vec::new, |formula| {
        vec![
            ("price".to_owned(), formula.price),
            ("recharge".to_owned(), formula.recharge),
            ("group".to_owned(), formula.group),
            ("markup".to_owned(), formula.markup * formula.rule),
            ("result".to_owned(), formula.result),
        ]
    });
    let others = |field: Field| -> Vec<(String, String)> {
        let losers = plan.losers.iter().filter_map(|place| offers.get(*place));
        losers
            .filter_map(|offer| {
                let value = offer.values.get(field)?;
                Some((source_name(offer)?, value.to_owned()))
            })
            .chain(chosen.into_iter().flat_map(|offer| {
                let sellers = offer.sellers.iter();
                sellers.filter_map(move |one| {
                    Some((one.seller.clone(), one.values.get(field)?.to_owned()))
                })
            }))
            .collect()
    };
    let row = |change: &FieldChange| {
        let state = match (&plan.verdict, &change.skip) {
            (_, Some(_)) | (Verdict::Skip(_), None) => State::Skipped,
            (Verdict::Hold(_), None) => State::Held,
            (Verdict::Same, None) => State::Same,
            (Verdict::Apply, None) => State::Ready,
        };
        // The model's own reason stands where no field has one of its own.
        let first = plan.changes.iter().find(|other| other.skip.is_none());
        let is_first = first.is_none_or(|first| first.field == change.field);
        let nobody = plan.changes.iter().all(|other| other.hold.is_none());
        let hold = match (&change.hold, plan.verdict.held()) {
            _ if state != State::Held => None,
            (Some(reason), Some(_)) => Some(reason.clone()),
            (None, Some(reason)) if nobody && is_first => Some(reason.clone()),
            _ => None,
        };
        PriceRow {
            run_id: run.to_owned(),
            model: plan.model.clone(),
            field: change.field,
            old: change.old.clone(),
            new: change.new.clone(),
            source: chosen.and_then(source_name),
            state,
            hold,
            skip: change.skip.clone(),
            failure: None,
            usd_old: Some(plan.usd_old),
            usd_new: Some(plan.usd_new),
            detail: PriceDetail {
                formula: formula.clone(),
                others: others(change.field),
                kind_old: plan.kind_old,
                kind_new: plan.kind_new,
                held: held.clone(),
                from: None,
                output: None,
            },
            read_at: now,
            finished_at: Some(now),
        }
    };
    if !plan.changes.is_empty() {
        return plan.changes.iter().map(row).collect();
    }
    let field = match plan.kind_old {
        Some(Kind::PerCall) => Field::ModelPrice,
        Some(Kind::Expression) => Field::BillingExpr,
        Some(Kind::PerToken) | None => Field::ModelRatio,
    };
    let reason = match &plan.verdict {
        Verdict::Hold(reason) | Verdict::Skip(reason) => Some(reason.clone()),
        // Nobody to learn a price from: that is not the same as nothing to change.
        Verdict::Same if plan.chosen.is_none() && !plan.answered => {
            Some(Reason::plain(ReasonCode::NoSource))
        }
        Verdict::Same | Verdict::Apply => None,
    };
    let holds = plan.verdict.held().is_some();
    let bare = FieldChange {
        field,
        old: None,
        new: None,
        hold: None,
        skip: None,
    };
    let mut only = row(&bare);
    only.state = match (&reason, holds) {
        (None, _) => State::Same,
        (Some(_), true) => State::Held,
        (Some(_), false) => State::Skipped,
    };
    only.hold = reason.clone().filter(|_| holds);
    only.skip = reason.filter(|_| !holds);
    vec![only]
}
