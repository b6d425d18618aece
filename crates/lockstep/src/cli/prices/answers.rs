//! `lockstep price`: what was decided about prices, and the history of one.

use std::collections::BTreeMap;

use anyhow::bail;
use lockstep_core::change::State;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::values::Kind;
use lockstep_run::prices::compare::compare;
use lockstep_store::prices::PriceRow;
use lockstep_store::prices::answers::{AnswerKind, PriceAnswer};
use lockstep_store::sites::Site;
use serde_json::{Value, json};

use super::super::args::{FieldArg, PaceArgs, PriceVerb, PriceVerbArgs};
use super::super::context::Context;
use super::super::exit::Exit;
use super::super::run::paced_session;
use crate::deeds::Deed;
use crate::view::{json as form, prices, table};
use crate::words::en;

/// How many rows of a model's history are looked at.
const HISTORY: u32 = 500;

pub(crate) async fn price(context: &Context, args: &PriceVerbArgs) -> anyhow::Result<Exit> {
    let site = context.site(&args.target).await?;
    match &args.verb {
        PriceVerb::Answers => list(context, &site).await,
        PriceVerb::Show { model } => show(context, &site, model).await,
        PriceVerb::Lock { models, field } => {
            let field = field.map(FieldArg::field);
            decide(context, &site, models, field, &AnswerKind::Lock).await
        }
        PriceVerb::KeepKind { models } => keep_kind(context, args, models).await,
        PriceVerb::Ignore { models } => {
            decide(context, &site, models, None, &AnswerKind::Ignore).await
        }
        PriceVerb::Unlock { models } => unlock(context, &site, models).await,
    }
}

async fn decide(
    context: &Context,
    site: &Site,
    models: &[String],
    field: Option<Field>,
    kind: &AnswerKind,
) -> anyhow::Result<Exit> {
    let exit = answer(context, site, models, field, kind).await?;
    let deed = Deed::prices_answered(kind.code(), models, field);
    context.note(Some(site), &deed).await;
    Ok(exit)
}

impl FieldArg {
    fn field(self) -> Field {
        match self {
            Self::ModelRatio => Field::ModelRatio,
            Self::CompletionRatio => Field::CompletionRatio,
            Self::CacheRatio => Field::CacheRatio,
            Self::CreateCacheRatio => Field::CreateCacheRatio,
            Self::ImageRatio => Field::ImageRatio,
            Self::AudioRatio => Field::AudioRatio,
            Self::AudioCompletionRatio => Field::AudioCompletionRatio,
            Self::ModelPrice => Field::ModelPrice,
            Self::BillingMode => Field::BillingMode,
            Self::BillingExpr => Field::BillingExpr,
        }
    }
}

/// Remembers an answer about each of the models, and says so; what was held of them waits no more.
pub(crate) async fn answer(
    context: &Context,
    site: &Site,
    models: &[String],
    field: Option<Field>,
    kind: &AnswerKind,
) -> anyhow::Result<Exit> {
    remember(context, site, models, field, kind).await?;
    told(context, models, kind.code(), &en::price_answer(kind, field))
}

async fn remember(
    context: &Context,
    site: &Site,
    models: &[String],
    field: Option<Field>,
    kind: &AnswerKind,
) -> anyhow::Result<()> {
    let _alone = context.engine.alone(site).await?;
    let answers = models
        .iter()
        .map(|model| PriceAnswer {
            model: model.clone(),
            field,
            kind: kind.clone(),
            by: context.engine.actor().to_owned(),
            at: context.engine.now(),
        })
        .collect();
    let store = context.store();
    store.set_price_answers(&site.id, answers).await?;
    for model in models {
        store.delete_price_hold(&site.id, model).await?;
    }
    Ok(())
}

/// Keeps each model billed as the gateway bills it now.
async fn keep_kind(
    context: &Context,
    args: &PriceVerbArgs,
    models: &[String],
) -> anyhow::Result<Exit> {
    let (session, chosen) = paced_session(context, &args.target, &PaceArgs::default()).await?;
    let local = session.local_prices(chosen.settings.max_retries).await?;
    let compared = compare(&local, &[]);
    let kind_of = |model: &String| {
        let known = compared.names.find(model);
        known.and_then(|id| compared.local.table.values(id).kind())
    };
    let mut by_kind: BTreeMap<Kind, Vec<String>> = BTreeMap::new();
    for model in models {
        let Some(kind) = kind_of(model) else {
            bail!("`{model}` has no price on the gateway, so there is no way of billing to keep");
        };
        by_kind.entry(kind).or_default().push(model.clone());
    }
    let site = session.site();
    for (kind, models) in &by_kind {
        remember(context, site, models, None, &AnswerKind::KeepKind(*kind)).await?;
    }
    let deed = Deed::prices_answered("keep_kind", models, None);
    context.note(Some(site), &deed).await;
    for (kind, models) in by_kind.iter().filter(|_| !context.screen.json) {
        let kind = AnswerKind::KeepKind(*kind);
        told(context, models, kind.code(), &en::price_answer(&kind, None))?;
    }
    if context.screen.json {
        told(context, models, "keep_kind", "")?;
    }
    Ok(Exit::Done)
}

async fn unlock(context: &Context, site: &Site, models: &[String]) -> anyhow::Result<Exit> {
    let _alone = context.engine.alone(site).await?;
    for model in models {
        let gone = context
            .store()
            .delete_price_answers(&site.id, model, None)
            .await?;
        if gone == 0 {
            bail!("nothing was decided about `{model}`; `lockstep price answers` shows what was");
        }
    }
    let deed = Deed::prices_answered("unlock", models, None);
    context.note(Some(site), &deed).await;
    told(context, models, "unlock", "taken up again")
}

fn told(context: &Context, models: &[String], answer: &str, words: &str) -> anyhow::Result<Exit> {
    if context.screen.json {
        let object = json!({"answer": answer, "models": models});
        context.screen.data(&object.to_string());
    } else {
        context
            .screen
            .says(&format!("{}: {words}", en::names(models, 8)));
    }
    Ok(Exit::Done)
}

async fn list(context: &Context, site: &Site) -> anyhow::Result<Exit> {
    let answers = context.store().price_answers(&site.id).await?;
    let screen = &context.screen;
    if screen.json {
        let answers: Vec<Value> = answers.iter().map(as_json).collect();
        screen.data(&json!({ "answers": answers }).to_string());
    } else if answers.is_empty() {
        screen.hint("Nothing was decided about prices yet.");
    } else {
        let mut table = table::plain(screen, &["MODEL", "DECIDED", "BY", "SINCE (UTC)"]);
        for answer in &answers {
            table.add_row(vec![
                answer.model.clone(),
                en::price_answer(&answer.kind, answer.field),
                answer.by.clone(),
                day(answer.at),
            ]);
        }
        screen.data(&table::text(&table));
    }
    Ok(Exit::Done)
}

fn as_json(answer: &PriceAnswer) -> Value {
    json!({
        "model": answer.model,
        "field": answer.field.map(Field::code),
        "answer": answer.kind.code(),
        "kind": match &answer.kind {
            AnswerKind::KeepKind(kind) => Some(kind.code()),
            _ => None,
        },
        "reason": match &answer.kind {
            AnswerKind::Allow(reason) => Some(reason.code()),
            _ => None,
        },
        "by": answer.by,
        "at": form::time(answer.at),
    })
}

async fn show(context: &Context, site: &Site, model: &str) -> anyhow::Result<Exit> {
    let rows = context
        .store()
        .price_history(&site.id, model, HISTORY)
        .await?;
    let written: Vec<&PriceRow> = rows
        .iter()
        .filter(|row| row.state == State::Applied)
        .collect();
    let screen = &context.screen;
    if screen.json {
        let items: Vec<Value> = written.iter().map(|row| prices::item(row)).collect();
        screen.data(&json!({"model": model, "written": items}).to_string());
        return Ok(Exit::Done);
    }
    if written.is_empty() {
        screen.hint(&format!("Lockstep has written no price of `{model}` yet."));
        return Ok(Exit::Done);
    }
    let mut table = table::plain(screen, &["WHEN (UTC)", "FIELD", "WAS", "BECAME", "SOURCE"]);
    for row in written {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        table.add_row(vec![
            day(row.finished_at.unwrap_or(row.read_at)),
            en::field(row.field).to_owned(),
            text(&row.old),
            text(&row.new),
            row.source.clone().unwrap_or_default(),
        ]);
    }
    screen.data(&table::text(&table));
    Ok(Exit::Done)
}

fn day(at: i64) -> String {
    form::time(at).get(..16).unwrap_or("").replace('T', " ")
}
