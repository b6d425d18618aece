//! plan and sync of prices: a run from its start to what is told of it.

use anyhow::bail;
use lockstep_core::change::State;
use lockstep_run::prices::plan::PriceRequest;
use lockstep_run::prices::review::PriceApproval;
use lockstep_run::{EngineError, Session};
use lockstep_store::prices::{PriceRow, counts};
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;
use serde_json::Value;

use super::super::args::{Consent, FailOn, PriceArgs, Target, UnitArgs};
use super::super::context::Context;
use super::super::ended::Ended;
use super::super::layers::Chosen;
use super::super::run::watch_signals;
use super::exit;
use super::sources::{allowed, show, state_as_json, typed_or_stored};
use crate::ordering;
pub(crate) use crate::ordering::Way as Go;
use crate::view::{Screen, bar, json, prices, table};
use crate::words::en;

/// What a price run is asked to do; `None` where no source is named or remembered.
pub(crate) async fn request(
    context: &Context,
    session: &Session,
    chosen: &Chosen,
    args: &PriceArgs,
    target: &Target,
    go: Go,
) -> anyhow::Result<Option<PriceRequest>> {
    let sources = typed_or_stored(context, session.site(), &args.source).await?;
    if sources.is_empty() {
        return Ok(None);
    }
    let allow = allowed(context, target)?;
    let remembered = args.source.is_empty();
    ordering::price_request(&sources, remembered, allow, chosen, go).map(Some)
}

impl UnitArgs {
    /// The unit that was asked for.
    pub(crate) fn unit(self) -> prices::Unit {
        if self.ratios {
            prices::Unit::Ratios
        } else {
            prices::Unit::Dollars
        }
    }
}

impl Go {
    /// It stops at its plan.
    pub(crate) fn planning() -> Self {
        Self {
            on: false,
            unattended: false,
        }
    }
}

/// Makes the plan of a price run.
pub(crate) async fn planned(
    context: &Context,
    session: &Session,
    request: &PriceRequest,
) -> anyhow::Result<Run> {
    let watch = watch_signals();
    let work = session.plan_prices(request, &watch);
    Ok(bar::watch(&context.screen, &watch.progress, work).await?)
}

/// Asks where nobody said yes yet, and writes. Without a yes the run stays planned. `rebases`: whether a price that
/// somebody changes meanwhile may be planned again, or is written only as it was shown.
pub(crate) async fn approve(
    context: &Context,
    session: &Session,
    run: Run,
    only: Option<Vec<String>>,
    consent: Consent,
    unit: prices::Unit,
    rebases: bool,
) -> anyhow::Result<Run> {
    if consent.unattended && !run.unattended && run.trigger != "undo" {
        bail!(
            "run {} was planned for somebody who looks, without the stricter holds of a schedule; \
             `lockstep sync prices --unattended` plans with them",
            table::short(&run.id)
        );
    }
    let rows = context.store().price_rows(&run.id).await?;
    let ready: Vec<PriceRow> = rows
        .iter()
        .filter(|row| row.state == State::Ready)
        .filter(|row| {
            only.as_ref()
                .is_none_or(|models| models.contains(&row.model))
        })
        .cloned()
        .collect();
    if ready.is_empty() && only.is_some() {
        return Err(EngineError::NothingReady(run.id).into());
    }
    if ready.is_empty() {
        return Ok(session.finish(&run).await?);
    }
    if !consent.given() {
        if !context.screen.can_ask() {
            context.screen.hint(&format!(
                "Nothing was written: nobody could be asked. `lockstep apply {} --yes` writes it.",
                table::short(&run.id)
            ));
            return Ok(run);
        }
        let shown = if only.is_some() { &ready } else { &rows };
        if let Some(text) = prices::changes(&context.screen, shown, unit) {
            context.screen.shows(&text);
        }
        let models = ready.chunk_by(|one, next| one.model == next.model).count();
        let question = format!(
            "Write {} of {}?",
            en::count(ready.len() as u64, "value", "values"),
            en::count(models as u64, "model", "models"),
        );
        if !context.screen.asks(&question).await {
            context.screen.hint(&format!(
                "Nothing was written. `lockstep apply {}` asks again.",
                table::short(&run.id)
            ));
            return Ok(run);
        }
    }
    let approval = PriceApproval {
        only,
        by: consent.by(&run.actor),
        rebases,
    };
    let watch = watch_signals();
    let work = session.write_prices(&run.id, &approval, &watch);
    Ok(bar::watch(&context.screen, &watch.progress, work).await?)
}

/// Tells how a price run stands, to a person or as JSON.
pub(crate) async fn ended(
    context: &Context,
    site: &Site,
    run: &Run,
    unit: prices::Unit,
) -> anyhow::Result<Ended> {
    let rows = context.store().price_rows(&run.id).await?;
    let told = if context.screen.json {
        as_json(context, site, run, &rows, &rows, Value::Null).await?
    } else {
        tell(context, run, &rows, &rows, unit).await?;
        Value::Null
    };
    Ok(Ended {
        told,
        exit: exit::of(run, &rows),
    })
}

/// The same of a run that asked its sources just now, with what they are worth for the exit status.
pub(crate) async fn asked(
    context: &Context,
    site: &Site,
    run: &Run,
    unit: prices::Unit,
    fail_on: FailOn,
) -> anyhow::Result<Ended> {
    let ended = ended(context, site, run, unit).await?;
    let exit = exit::of_asked(context, site, run, fail_on).await?;
    Ok(Ended { exit, ..ended })
}

/// A price run as JSON, with all its items or some, and what the gateway's price page said of it where it was asked.
pub(crate) async fn as_json(
    context: &Context,
    site: &Site,
    run: &Run,
    rows: &[PriceRow],
    some: &[PriceRow],
    verified: Value,
) -> anyhow::Result<Value> {
    let store = context.store();
    let sources = store.run_sources(&run.id).await?;
    let mut object = json::head(site, run, &counts(rows), context.engine.now());
    if let Some(fields) = object.as_object_mut() {
        let items = some.iter().map(prices::item).collect();
        fields.insert("items".to_owned(), Value::Array(items));
        let sources = sources.iter().map(state_as_json).collect();
        fields.insert("sources".to_owned(), Value::Array(sources));
        let conflicts = store.images(&run.id).await?;
        let conflicts = conflicts.iter().filter(|image| image.others > 0);
        fields.insert(
            "conflicts".to_owned(),
            conflicts.map(prices::conflict).collect(),
        );
        fields.insert("verified".to_owned(), verified);
    }
    Ok(object)
}

/// Tells a person of a price run.
pub(crate) async fn tell(
    context: &Context,
    run: &Run,
    rows: &[PriceRow],
    some: &[PriceRow],
    unit: prices::Unit,
) -> anyhow::Result<()> {
    let screen = &context.screen;
    let store = context.store();
    if let Some(failure) = &run.failure {
        let said = en::price_failure(failure);
        screen.says(&said.message);
        screen.says(&format!("  {}", said.hint));
    }
    show(screen, &store.run_sources(&run.id).await?);
    if let Some(text) = prices::changes(screen, some, unit) {
        screen.data(&text);
        screen.data("");
    }
    for image in store.images(&run.id).await? {
        if image.others > 0 {
            screen.says(&en::conflict(&image));
        }
    }
    screen.data(&table::summary(run, &counts(rows), context.engine.now()));
    advice(screen, some);
    Ok(())
}

/// What to do about what is held: each advice once.
fn advice(screen: &Screen, rows: &[PriceRow]) {
    let mut told: Vec<String> = Vec::new();
    for row in rows {
        let hint = match (&row.failure, &row.hold) {
            (Some(failure), _) => en::price_failure(failure).hint,
            (None, Some(hold)) => en::reason(hold).hint,
            (None, None) => continue,
        };
        if !told.contains(&hint) {
            screen.hint(&format!("  {hint}"));
            told.push(hint);
        }
    }
}
