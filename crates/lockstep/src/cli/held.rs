//! `lockstep held`: what waits for an answer, and three of the four answers. The fourth is `lockstep apply --held`.

use anyhow::bail;
use lockstep_core::hold::Answer;
use lockstep_run::answer;
use lockstep_store::holds::Hold;
use lockstep_store::prices::answers::AnswerKind;
use lockstep_store::prices::holds::PriceHold;
use lockstep_store::sites::Site;
use serde_json::{Value, json};

use super::args::{HeldArgs, HeldVerb};
use super::context::Context;
use super::exit::Exit;
use super::prices::answers::answer as decided;
use crate::deeds::Deed;
use crate::view::{json as form, table};
use crate::words::en;

pub(crate) async fn held(context: &Context, args: &HeldArgs) -> anyhow::Result<Exit> {
    let site = context.site(&args.target).await?;
    match &args.answer {
        None => list(context, &site.id).await,
        Some(HeldVerb::Keep { names }) => {
            answered(context, &site, names, Answer::KeepUntilItChanges).await
        }
        Some(HeldVerb::Allow { names }) => {
            answered(context, &site, names, Answer::AlwaysAllow).await
        }
        Some(HeldVerb::Never { names }) => answered(context, &site, names, Answer::NeverSync).await,
    }
}

/// Answers for channels, by their ids, and for models, by their names.
async fn answered(
    context: &Context,
    site: &Site,
    names: &[String],
    answer: Answer,
) -> anyhow::Result<Exit> {
    let held = context.store().price_holds(&site.id).await?;
    let is_model = |name: &&String| {
        name.parse::<i64>().is_err() || held.iter().any(|hold| hold.model == **name)
    };
    let (models, channels): (Vec<&String>, Vec<&String>) = names.iter().partition(is_model);
    let ids: Vec<i64> = channels
        .into_iter()
        .filter_map(|name| name.parse().ok())
        .collect();
    for model in &models {
        let hold = held.iter().find(|hold| hold.model == **model);
        let models = std::slice::from_ref(*model);
        let kind = match (answer, hold) {
            (Answer::NeverSync, _) => AnswerKind::Ignore,
            (Answer::ApplyAnyway, _) => continue,
            (_, None) => {
                bail!("nothing is held of `{model}`; `lockstep held` shows what is");
            }
            (Answer::KeepUntilItChanges, Some(hold)) => AnswerKind::Keep(hold.digest.clone()),
            (Answer::AlwaysAllow, Some(hold)) if hold.reason.code.can_be_allowed() => {
                AnswerKind::Allow(hold.reason.code)
            }
            (Answer::AlwaysAllow, Some(hold)) => bail!(
                "{model}: {}. That cannot be allowed for good; `lockstep held keep` or `never` answers it",
                en::reason(&hold.reason).message
            ),
        };
        decided(context, site, models, None, &kind).await?;
    }
    if !models.is_empty() {
        let models: Vec<String> = models.into_iter().cloned().collect();
        let deed = Deed::holds_answered(answer, &[], &models);
        context.note(Some(site), &deed).await;
    }
    if ids.is_empty() {
        return Ok(Exit::Done);
    }
    if answer == Answer::NeverSync {
        for id in &ids {
            answer::never(context.store(), &site.id, *id).await?;
            context.store().delete_hold(&site.id, *id).await?;
        }
        let deed = Deed::holds_answered(answer, &ids, &[]);
        context.note(Some(site), &deed).await;
        return told(context, &ids, answer);
    }
    answer_channels(context, site, &ids, answer).await
}

async fn list(context: &Context, site: &str) -> anyhow::Result<Exit> {
    let holds = context.store().holds(site).await?;
    let prices = context.store().price_holds(site).await?;
    let screen = &context.screen;
    if screen.json {
        let holds: Vec<Value> = holds.iter().map(as_json).collect();
        let prices: Vec<Value> = prices.iter().map(price_as_json).collect();
        screen.data(&json!({ "held": holds, "prices": prices }).to_string());
    } else if holds.is_empty() && prices.is_empty() {
        screen.hint("Nothing waits for an answer.");
    }
    if !screen.json && !holds.is_empty() {
        let mut table = table::plain(screen, &["ID", "CHANNEL", "SINCE (UTC)", "WAITS"]);
        for hold in &holds {
            let most = if screen.verbose { usize::MAX } else { 8 };
            let mut lines = Vec::new();
            for (sign, names) in [("+", &hold.held_add), ("-", &hold.held_remove)] {
                if !names.is_empty() {
                    lines.push(format!("{sign}{} {}", names.len(), en::names(names, most)));
                }
            }
            lines.push(en::reason(&hold.reason).message);
            table.add_row(vec![
                hold.channel_id.to_string(),
                hold.channel_name.clone(),
                since(hold.since),
                lines.join("\n"),
            ]);
        }
        screen.data(&table::text(&table));
        screen.hint(
            "Write it: `lockstep apply --held [--only ID]`. Leave it: `lockstep held keep ID`. \
             Allow this reason here from now on: `lockstep held allow ID`. Leave the channel alone: `lockstep held never ID`.",
        );
    }
    if !screen.json && !prices.is_empty() {
        let mut table = table::plain(screen, &["MODEL", "SOURCE", "SINCE (UTC)", "WAITS"]);
        for hold in &prices {
            table.add_row(vec![
                hold.model.clone(),
                hold.source.clone().unwrap_or_default(),
                since(hold.since),
                en::reason(&hold.reason).message,
            ]);
        }
        screen.data(&table::text(&table));
        screen.hint(
            "Write them: `lockstep apply --held --only MODEL`. Leave one: `lockstep held keep MODEL`. \
             Allow this reason for it from now on: `lockstep held allow MODEL`. Say no more of it: `lockstep held never MODEL`.",
        );
    }
    Ok(if holds.is_empty() && prices.is_empty() {
        Exit::Done
    } else {
        Exit::Waits
    })
}

fn since(at: i64) -> String {
    form::time(at).get(..16).unwrap_or("").replace('T', " ")
}

fn price_as_json(hold: &PriceHold) -> Value {
    json!({
        "model": hold.model,
        "source": hold.source,
        "run": hold.run_id,
        "since": form::time(hold.since),
        "hold": form::reason(&hold.reason),
    })
}

fn as_json(hold: &Hold) -> Value {
    json!({
        "channel_id": hold.channel_id,
        "channel_name": hold.channel_name,
        "run": hold.run_id,
        "since": form::time(hold.since),
        "hold": form::reason(&hold.reason),
        "add": hold.held_add,
        "remove": hold.held_remove,
    })
}

async fn answer_channels(
    context: &Context,
    site: &Site,
    ids: &[i64],
    answer: Answer,
) -> anyhow::Result<Exit> {
    let waiting = context.store().holds(&site.id).await?;
    let missing: Vec<i64> = ids
        .iter()
        .filter(|id| !waiting.iter().any(|hold| hold.channel_id == **id))
        .copied()
        .collect();
    if !missing.is_empty() {
        bail!(
            "nothing is held on channel {}; `lockstep held` shows what is",
            en::ids(&missing)
        );
    }
    if answer == Answer::AlwaysAllow
        && let Some(hold) = waiting
            .iter()
            .find(|hold| ids.contains(&hold.channel_id) && !hold.reason.code.can_be_allowed())
    {
        bail!(
            "channel {}: {}. That cannot be allowed for good; `lockstep held keep` or `never` answers it",
            hold.channel_id,
            en::reason(&hold.reason).message
        );
    }
    let _alone = context.engine.alone(site).await?;
    answer::answer(context.store(), &site.id, ids, answer).await?;
    let deed = Deed::holds_answered(answer, ids, &[]);
    context.note(Some(site), &deed).await;
    told(context, ids, answer)
}

fn told(context: &Context, ids: &[i64], answer: Answer) -> anyhow::Result<Exit> {
    if context.screen.json {
        let object = json!({ "answer": answer.code(), "channels": ids });
        context.screen.data(&object.to_string());
    } else {
        let what = match answer {
            Answer::KeepUntilItChanges => "kept until the held change becomes another one",
            Answer::AlwaysAllow => "this reason holds no more here; `lockstep sync` writes it",
            Answer::NeverSync => {
                "left out from now on; `lockstep channel set ID --policy mirror` takes it back"
            }
            Answer::ApplyAnyway => "applied",
        };
        context
            .screen
            .says(&format!("channel {}: {what}", en::ids(ids)));
    }
    Ok(Exit::Done)
}
