//! plan and sync: a run from its start to what is told of it.

use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_run::{Request, Session, Source, Watch};
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;
use lockstep_store::status::ItemStatus;

use super::args::{FailOn, PaceArgs, PlanArgs, SyncArgs, Target};
use super::consent::{Proposal, approve};
use super::context::{Context, seconds_at_auto};
use super::exit::Exit;
use super::layers::Chosen;
use crate::view::{bar, json, table};
use crate::words::en;

/// `lockstep plan`
pub(crate) async fn plan(context: &Context, args: &PlanArgs) -> anyhow::Result<Exit> {
    let (session, request) = prepare(context, args, false, false).await?;
    for run in session.interrupted_writes().await? {
        context.screen.hint(&format!(
            "run {} was interrupted while writing; `lockstep sync` or `lockstep apply` carries it on",
            table::short(&run.id)
        ));
    }
    let run = planned(context, &session, &request).await?;
    let rows = context.store().changes(&run.id).await?;
    tell(context, session.site(), &run, &rows);
    if run.state == RunState::Planned && rows.iter().any(|row| row.state == State::Ready) {
        context
            .screen
            .hint("Nothing was written. `lockstep apply` writes this plan.");
    }
    exit(context, session.site(), &run, &rows, args.fail_on).await
}

/// `lockstep sync`
pub(crate) async fn sync(context: &Context, args: &SyncArgs) -> anyhow::Result<Exit> {
    let consent = args.consent;
    let (session, request) = prepare(context, &args.plan, true, consent.unattended).await?;
    let carried_on = carry_on(context, &session).await?;
    let reviewed = session.reviewed_before(&request.source).await?;
    let run = planned(context, &session, &request).await?;
    let rows = context.store().changes(&run.id).await?;
    let first = !reviewed && consent.given();
    let ready = rows.iter().any(|row| row.state == State::Ready);
    let run = match run.state {
        RunState::Planned if !ready => session.finish(&run).await?,
        RunState::Planned if !first => {
            let proposal = Proposal {
                run,
                rows: &rows,
                only: None,
                rebases: true,
            };
            approve(context, &session, proposal, consent).await?
        }
        _ => run,
    };
    let rows = context.store().changes(&run.id).await?;
    tell(context, session.site(), &run, &rows);
    if first && run.state == RunState::Planned {
        context.screen.hint(
            "This is the first run on this gateway, so it stops here, once: look at the plan, then `lockstep apply` writes it.\n\
             It changes the model lists of your channels; keep a backup of important configuration.",
        );
    }
    let mut worst = exit(context, session.site(), &run, &rows, args.plan.fail_on).await?;
    for run in carried_on {
        context.screen.hint(&format!(
            "run {} had been interrupted while writing and was carried on to its end ({})",
            table::short(&run.id),
            run.state.code()
        ));
        if worst == Exit::Done && run.state != RunState::Done {
            worst = Exit::Part;
        }
    }
    Ok(worst)
}

/// A session with the gateway that is meant, for a verb that plans nothing new.
pub(crate) async fn paced_session(
    context: &Context,
    target: &Target,
    pace: &PaceArgs,
) -> anyhow::Result<(Session, Chosen)> {
    let access = context.access(target).await?;
    let chosen = context.paced(&access.site, pace)?;
    let session = context.engine.session(access, &chosen.settings);
    Ok((session, chosen))
}

async fn prepare(
    context: &Context,
    args: &PlanArgs,
    go_on: bool,
    unattended: bool,
) -> anyhow::Result<(Session, Request)> {
    let access = context.access(&args.target).await?;
    let chosen = context.settings(&access.site, &args.tuning)?;
    let session = context.engine.session(access, &chosen.settings);
    let source = if args.retry_failed {
        Source::RetryFailed
    } else if args.channel.is_empty() {
        Source::All
    } else {
        let mut ids = args.channel.clone();
        ids.sort_unstable();
        ids.dedup();
        Source::Selected(ids)
    };
    let request = Request {
        source,
        settings: chosen.settings,
        policy: chosen.policy,
        unattended,
        own_settings: chosen.own,
        go_on,
    };
    Ok((session, request))
}

/// Finishes what a kill cut off, before anything new is planned.
pub(crate) async fn carry_on(context: &Context, session: &Session) -> anyhow::Result<Vec<Run>> {
    let watch = watch_signals();
    let work = session.carry_on(&watch);
    Ok(bar::watch(&context.screen, &watch.progress, work).await?)
}

pub(crate) async fn planned(
    context: &Context,
    session: &Session,
    request: &Request,
) -> anyhow::Result<Run> {
    say_how_long(context, session, request).await?;
    let watch = watch_signals();
    let work = session.plan(request, &watch);
    let run = bar::watch(&context.screen, &watch.progress, work).await?;
    if session.only_reads() {
        let unknown = Failure::new(FailureKind::NotRecognised, "");
        context.screen.hint(&en::failure(&unknown).message);
    }
    Ok(run)
}

/// Says beforehand how long the pace alone will take, where the last run tells how many channels there are.
async fn say_how_long(
    context: &Context,
    session: &Session,
    request: &Request,
) -> anyhow::Result<()> {
    let channels = match &request.source {
        Source::All => match context
            .store()
            .latest_run(&session.site().id, Subject::Models)
            .await?
        {
            Some(run) if run.selection.is_none() => usize::try_from(run.total).unwrap_or(0),
            _ => return Ok(()),
        },
        Source::Selected(ids) => ids.len(),
        Source::RetryFailed | Source::Held(_) => return Ok(()),
    };
    let requests = channels + channels.div_ceil(100);
    let wait = session.waiting_time(requests);
    if wait.as_secs() > 5 {
        let auto = std::time::Duration::from_secs(seconds_at_auto(requests));
        let faster = if auto < wait {
            let auto = if auto.is_zero() {
                "as fast as the providers answer".to_owned()
            } else {
                format!("about {}", en::duration(auto))
            };
            format!(" (--pace auto: {auto})")
        } else {
            String::new()
        };
        context.screen.hint(&format!(
            "{} at this pace take about {}{faster}",
            en::count(channels as u64, "channel", "channels"),
            en::duration(wait),
        ));
    }
    Ok(())
}

/// The first Ctrl-C, or a SIGTERM, ends a run cleanly; a second one ends the process.
pub(crate) fn watch_signals() -> Watch {
    let watch = Watch::default();
    let cancel = watch.cancel.clone();
    tokio::spawn(async move {
        if super::signal::asked_to_stop().await {
            cancel.cancel();
        }
    });
    watch
}

pub(crate) fn tell(context: &Context, site: &Site, run: &Run, rows: &[ChangeRow]) {
    let screen = &context.screen;
    let now = context.engine.now();
    if screen.json {
        screen.data(&json::run(site, run, rows, now).to_string());
        return;
    }
    if let Some(failure) = &run.failure {
        let said = en::failure(failure);
        screen.says(&said.message);
        screen.says(&format!("  {}", said.hint));
    }
    if let Some(text) = table::changes(screen, rows) {
        screen.data(&text);
        screen.data("");
    }
    screen.data(&table::summary(run, &json::counts(rows), now));
    for hint in table::advice(rows) {
        screen.hint(&format!("  {hint}"));
    }
}

/// The exit status that a run deserves.
pub(crate) async fn exit(
    context: &Context,
    site: &Site,
    run: &Run,
    rows: &[ChangeRow],
    fail_on: FailOn,
) -> anyhow::Result<Exit> {
    let mut counts = json::counts(rows);
    if fail_on == FailOn::New {
        for row in rows {
            let count = match row.status() {
                ItemStatus::Failed => &mut counts.failed,
                ItemStatus::Held => &mut counts.held,
                _ => continue,
            };
            *count -= u64::from(!is_new(context, site, row).await?);
        }
    }
    Ok(Exit::of(run, &counts))
}

/// Whether a failure or hold was not told by the run before.
async fn is_new(context: &Context, site: &Site, row: &ChangeRow) -> anyhow::Result<bool> {
    let history = context
        .store()
        .channel_history(&site.id, row.channel_id, 2)
        .await?;
    let before = history.iter().find(|earlier| earlier.run_id != row.run_id);
    let same = before.is_some_and(|before| {
        before.failure.as_ref().map(|failure| failure.kind)
            == row.failure.as_ref().map(|failure| failure.kind)
            && before.hold.as_ref().map(|hold| hold.code) == row.hold.as_ref().map(|hold| hold.code)
    });
    Ok(!same)
}
