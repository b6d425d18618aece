//! `lockstep apply --held`: what waits is written by somebody's yes, lists and prices each in a run of its own.

use anyhow::bail;
use lockstep_core::change::{RunState, State};
use lockstep_run::Ahead;
use lockstep_run::{Request, Session, Source};
use lockstep_store::sites::Site;
use serde_json::{Value, json};

use super::apply::chosen as channels_of;
use super::args::{ApplyArgs, FailOn};
use super::consent::{Proposal, approve};
use super::context::Context;
use super::ended::{Ended, exit, tell};
use super::exit::Exit;
use super::layers::Chosen;
use super::prices::plan as price;
use super::prices::verify;
use super::run::planned;
use crate::view::prices::Unit;
use crate::words::en;

/// What of the held things is meant.
struct Meant {
    /// The models whose prices are; `None` where none is, all where it is empty.
    prices: Option<Vec<String>>,
    /// The channels whose lists are; `None` where none is, and in it `None` for all.
    lists: Option<Option<Vec<i64>>>,
}

/// `lockstep apply --held`
pub(super) async fn apply(
    context: &Context,
    session: &Session,
    chosen: &Chosen,
    args: &ApplyArgs,
) -> anyhow::Result<Exit> {
    let site = session.site().clone();
    let Meant {
        prices: models,
        lists,
    } = meant(context, &site, &args.only).await?;
    if models.is_some() && args.consent.unattended {
        bail!(
            "what is held wants a person: `lockstep apply --held` asks, `--yes` is somebody's yes; --unattended is neither"
        );
    }
    if models.is_none() {
        verify::not_of_lists(args.consent)?;
    }
    let both = models.is_some() && lists.is_some();
    let all_lists = matches!(lists, Some(None));
    let mut all: Vec<Ended> = Vec::new();
    if let Some(models) = models {
        // Prices first, so that models have one when they go live.
        let ended = prices(context, session, chosen, args, &models).await;
        all.push(or_told(context, ended, both)?);
    }
    if let Some(channels) = lists {
        if both && !context.screen.json {
            context.screen.data("\nModel lists");
        }
        let ended = lists_of(context, session, chosen, args, channels).await;
        all.push(or_told(context, ended, both)?);
    }
    let exits: Vec<Exit> = all.iter().map(|ended| ended.exit).collect();
    if context.screen.json {
        let mut told = all.into_iter().map(|ended| ended.told);
        let first = told.next().unwrap_or(Value::Null);
        let object = match told.next() {
            Some(second) => json!({"prices": first, "models": second}),
            None => first,
        };
        context.screen.data(&object.to_string());
    }
    let worst = Exit::of_all(&exits);
    if all_lists {
        return prices_wait(context, &site, worst).await;
    }
    Ok(worst)
}

/// Of two runs one that cannot be begun does not keep the other from being told.
fn or_told(context: &Context, ended: anyhow::Result<Ended>, both: bool) -> anyhow::Result<Ended> {
    match ended {
        Err(error) if both => {
            let text = format!("{error:#}");
            context.screen.hint(&text);
            Ok(Ended {
                told: json!({"error": {"message": text}}),
                exit: Exit::Nothing,
            })
        }
        ended => ended,
    }
}

/// What was named is a held model or a held channel, each by itself. Where nothing was named it is the lists, or the
/// prices where no list waits.
async fn meant(context: &Context, site: &Site, only: &[String]) -> anyhow::Result<Meant> {
    let store = context.store();
    let held = store.price_holds(&site.id).await?;
    let channels = store.holds(&site.id).await?;
    if only.is_empty() {
        let prices = !held.is_empty() && channels.is_empty();
        return Ok(Meant {
            prices: prices.then(Vec::new),
            lists: (!prices).then_some(None),
        });
    }
    let is_model = |name: &&String| held.iter().any(|hold| hold.model == **name);
    let (models, others): (Vec<&String>, Vec<&String>) = only.iter().partition(is_model);
    let others: Vec<String> = others.into_iter().cloned().collect();
    let lists = if others.is_empty() {
        None
    } else {
        let known = channels
            .iter()
            .map(|hold| (hold.channel_id, &hold.channel_name));
        Some(Some(channels_of(&others, known)?))
    };
    Ok(Meant {
        prices: (!models.is_empty()).then(|| models.into_iter().cloned().collect()),
        lists,
    })
}

async fn prices(
    context: &Context,
    session: &Session,
    chosen: &Chosen,
    args: &ApplyArgs,
    models: &[String],
) -> anyhow::Result<Ended> {
    let only = (!models.is_empty()).then_some(models);
    let run = session.plan_held_prices(only, &chosen.settings).await?;
    let unit = Unit::Dollars;
    let run = price::approve(context, session, run, None, args.consent, unit, false).await?;
    verify::ended(context, session, &run, args.consent).await
}

async fn lists_of(
    context: &Context,
    session: &Session,
    chosen: &Chosen,
    args: &ApplyArgs,
    channels: Option<Vec<i64>>,
) -> anyhow::Result<Ended> {
    let site = session.site();
    let request = Request {
        source: Source::Held(channels),
        settings: chosen.settings.clone(),
        policy: None,
        unattended: args.consent.unattended,
        own_settings: false,
        after: None,
        ahead: Ahead::default(),
        go_on: false,
    };
    let run = planned(context, session, &request).await?;
    let rows = context.store().changes(&run.id).await?;
    for row in rows.iter().filter(|row| row.state == State::Same) {
        // It became so meanwhile, so nothing waits any more.
        context
            .store()
            .delete_hold(&site.id, row.channel_id)
            .await?;
    }
    let run = match run.state {
        RunState::Planned => {
            let proposal = Proposal {
                run,
                rows: &rows,
                only: None,
                rebases: false,
            };
            approve(context, session, proposal, args.consent).await?
        }
        _ => run,
    };
    let rows = context.store().changes(&run.id).await?;
    let told = tell(context, site, &run, &rows);
    let exit = exit(context, site, &run, &rows, FailOn::Any).await?;
    Ok(Ended { told, exit })
}

/// All that is held was meant, and prices are not of this run: they wait on.
async fn prices_wait(context: &Context, site: &Site, exit: Exit) -> anyhow::Result<Exit> {
    let held = context.store().price_holds(&site.id).await?;
    if held.is_empty() {
        return Ok(exit);
    }
    let models: Vec<String> = held.into_iter().map(|hold| hold.model).collect();
    context.screen.hint(&format!(
        "Prices wait too: {}. `lockstep apply --held` once more writes these.",
        en::names(&models, 8)
    ));
    Ok(match exit {
        Exit::Done => Exit::Waits,
        exit => exit,
    })
}
