//! `lockstep held`: what waits for an answer, and three of the four answers. The fourth is `lockstep apply --held`.

use anyhow::bail;
use lockstep_core::hold::Answer;
use lockstep_run::answer;
use lockstep_store::holds::Hold;
use lockstep_store::sites::Site;
use serde_json::{Value, json};

use super::args::{HeldArgs, HeldVerb};
use super::context::Context;
use super::exit::Exit;
use crate::view::{json as form, table};
use crate::words::en;

pub(crate) async fn held(context: &Context, args: &HeldArgs) -> anyhow::Result<Exit> {
    let site = context.site(&args.target).await?;
    match &args.answer {
        None => list(context, &site.id).await,
        Some(HeldVerb::Keep { ids }) => {
            answered(context, &site, ids, Answer::KeepUntilItChanges).await
        }
        Some(HeldVerb::Allow { ids }) => answered(context, &site, ids, Answer::AlwaysAllow).await,
        Some(HeldVerb::Never { ids }) => {
            for id in ids {
                answer::never(context.store(), &site.id, *id).await?;
                context.store().delete_hold(&site.id, *id).await?;
            }
            told(context, ids, Answer::NeverSync)
        }
    }
}

async fn list(context: &Context, site: &str) -> anyhow::Result<Exit> {
    let holds = context.store().holds(site).await?;
    let screen = &context.screen;
    if screen.json {
        let holds: Vec<Value> = holds.iter().map(as_json).collect();
        screen.data(&json!({ "held": holds }).to_string());
    } else if holds.is_empty() {
        screen.hint("Nothing waits for an answer.");
    } else {
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
                form::time(hold.since)
                    .get(..16)
                    .unwrap_or("")
                    .replace('T', " "),
                lines.join("\n"),
            ]);
        }
        screen.data(&table::text(&table));
        screen.hint(
            "Write it: `lockstep apply --held [--only ID]`. Leave it: `lockstep held keep ID`. \
             Allow this reason here from now on: `lockstep held allow ID`. Leave the channel alone: `lockstep held never ID`.",
        );
    }
    Ok(if holds.is_empty() {
        Exit::Done
    } else {
        Exit::Waits
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

async fn answered(
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
    let _alone = context.engine.alone(site)?;
    answer::answer(context.store(), &site.id, ids, answer).await?;
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
