//! apply and undo: runs that write what was planned before.

use anyhow::bail;
use lockstep_core::change::{RunState, Subject};
use lockstep_run::{EngineError, Session};
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;

use super::args::{ApplyArgs, Consent, FailOn, UndoArgs};
use super::consent::{Proposal, approve};
use super::context::Context;
use super::ended::{exit, tell};
use super::exit::Exit;
use super::held_apply as held;
use super::prices::plan as price;
use super::prices::verify;
use super::run::{carry_on, paced_session};
use crate::view::prices::Unit;
use crate::view::table;

/// `lockstep apply`
pub(crate) async fn apply(context: &Context, args: &ApplyArgs) -> anyhow::Result<Exit> {
    let (session, chosen) = paced_session(context, &args.target, &args.pace).await?;
    let carried_on = carry_on(context, &session).await?;
    let site = session.site().clone();
    if args.held {
        return held::apply(context, &session, &chosen, args).await;
    }
    let run = match &args.run {
        Some(prefix) => {
            context
                .store()
                .run_by_prefix(Some(&site.id), prefix)
                .await?
        }
        // What had been interrupted is what was meant: its end is what there is to tell.
        None => match carried_on.last() {
            Some(run) => run.clone(),
            None => newest(context, &site).await?,
        },
    };
    if carried_on.iter().any(|known| known.id == run.id) {
        return ended(context, &session, &run, args.consent).await;
    }
    if run.state != RunState::Planned {
        let state = run.state;
        return Err(EngineError::NotPlanned { run: run.id, state }.into());
    }
    if run.subject == Subject::Prices {
        let run = price::approve(
            context,
            &session,
            run,
            models(&args.only),
            args.consent,
            Unit::Dollars,
            false,
        )
        .await?;
        return prices_ended(context, &session, &run, args.consent).await;
    }
    verify::not_of_lists(args.consent)?;
    let rows = context.store().changes(&run.id).await?;
    let proposal = Proposal {
        run,
        only: named(&args.only, &rows)?,
        rows: &rows,
        rebases: false,
    };
    let run = approve(context, &session, proposal, args.consent).await?;
    ended(context, &session, &run, args.consent).await
}

/// `lockstep undo`
pub(crate) async fn undo(context: &Context, args: &UndoArgs) -> anyhow::Result<Exit> {
    let (session, _) = paced_session(context, &args.target, &args.pace).await?;
    carry_on(context, &session).await?;
    let store = context.store();
    let site = session.site().clone();
    let parent = match &args.run {
        Some(prefix) => store.run_by_prefix(Some(&site.id), prefix).await?,
        None => latest_that_wrote(context, &site).await?,
    };
    if parent.subject == Subject::Prices {
        let only = models(&args.only);
        let run = session.plan_price_undo(&parent.id, only.as_deref()).await?;
        let run = price::approve(
            context,
            &session,
            run,
            None,
            args.consent,
            Unit::Dollars,
            false,
        )
        .await?;
        let exit = prices_ended(context, &session, &run, args.consent).await?;
        return took_back(context, &run, exit).await;
    }
    verify::not_of_lists(args.consent)?;
    let only = named(&args.only, &store.changes(&parent.id).await?)?;
    let run = session.plan_undo(&parent.id, only.as_deref()).await?;
    let rows = store.changes(&run.id).await?;
    let proposal = Proposal {
        run,
        rows: &rows,
        only: None,
        rebases: false,
    };
    let run = approve(context, &session, proposal, args.consent).await?;
    let exit = ended(context, &session, &run, args.consent).await?;
    took_back(context, &run, exit).await
}

/// All of an undo could have been impossible: lists that were empty before stay as they are.
async fn took_back(context: &Context, run: &Run, exit: Exit) -> anyhow::Result<Exit> {
    let changed = context.store().counts(&run.id).await?.changed > 0;
    Ok(match exit {
        Exit::Done if !changed => Exit::Nothing,
        exit => exit,
    })
}

/// The models that were named; `None` where none was.
fn models(names: &[String]) -> Option<Vec<String>> {
    (!names.is_empty()).then(|| names.to_vec())
}

async fn prices_ended(
    context: &Context,
    session: &Session,
    run: &Run,
    consent: Consent,
) -> anyhow::Result<Exit> {
    let ended = verify::ended(context, session, run, consent).await?;
    if context.screen.json {
        context.screen.data(&ended.told.to_string());
    }
    Ok(ended.exit)
}

async fn ended(
    context: &Context,
    session: &Session,
    run: &Run,
    consent: Consent,
) -> anyhow::Result<Exit> {
    if run.subject == Subject::Prices {
        return prices_ended(context, session, run, consent).await;
    }
    let rows = context.store().changes(&run.id).await?;
    let told = tell(context, session.site(), run, &rows);
    if context.screen.json {
        context.screen.data(&told.to_string());
    }
    exit(context, session.site(), run, &rows, FailOn::Any).await
}

/// The site's newest run, which must be waiting for a yes: an older plan is not what was seen last.
async fn newest(context: &Context, site: &Site) -> anyhow::Result<Run> {
    let runs = context.store().runs(&site.id, 1, None).await?;
    match runs.into_iter().next() {
        Some((run, _)) if run.state == RunState::Planned => Ok(run),
        Some((run, _)) if !run.state.ended() => {
            Err(EngineError::Busy(format!("run {}", table::short(&run.id))).into())
        }
        Some((run, _)) => bail!(
            "the newest run, {}, is {} and waits for nothing; `lockstep plan` makes a plan, `lockstep apply RUN` takes an older one",
            table::short(&run.id),
            run.state.code()
        ),
        None => bail!("there is no planned run; `lockstep plan` makes one"),
    }
}

async fn latest_that_wrote(context: &Context, site: &Site) -> anyhow::Result<Run> {
    let runs = context.store().runs(&site.id, 200, None).await?;
    let wrote = runs.into_iter().filter(|(_, counts)| counts.changed > 0);
    match wrote.max_by_key(|(run, _)| run.ended_at) {
        Some((run, _)) => Ok(run),
        None => bail!("no run has changed anything that could be undone"),
    }
}

/// The channels of the rows that were named; `None` where none was.
fn named(names: &[String], rows: &[ChangeRow]) -> anyhow::Result<Option<Vec<i64>>> {
    if names.is_empty() {
        return Ok(None);
    }
    let known = rows.iter().map(|row| (row.channel_id, &row.channel_name));
    Ok(Some(chosen(names, known)?))
}

/// The channels that were named by id or name.
pub(super) fn chosen<'a>(
    wanted: &[String],
    known: impl Iterator<Item = (i64, &'a String)>,
) -> anyhow::Result<Vec<i64>> {
    let known: Vec<(i64, &String)> = known.collect();
    let mut ids = Vec::new();
    for text in wanted {
        let by_id = text.parse::<i64>().ok();
        let hits: Vec<i64> = known
            .iter()
            .filter(|(id, name)| Some(*id) == by_id || *name == text)
            .map(|(id, _)| *id)
            .collect();
        match hits.as_slice() {
            [] => bail!("`{text}` is no channel of this run"),
            [id] => ids.push(*id),
            several => bail!("`{text}` names channels {several:?}; use the id"),
        }
    }
    Ok(ids)
}
