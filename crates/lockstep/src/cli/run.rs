//! plan, sync, apply, undo: a run from its start to what is told of it.

use anyhow::bail;
use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::settings::Settings;
use lockstep_run::review::Approval;
use lockstep_run::{EngineError, Request, Session, Source, Watch};
use lockstep_store::changes::ChangeRow;
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;

use super::args::{ApplyArgs, Consent, FailOn, PlanArgs, SyncArgs, Target, Tuning, UndoArgs};
use super::context::{Context, seconds_at_auto};
use super::exit::Exit;
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
    exit(context, session.site(), &run, &rows, args.fail_on, true).await
}

/// `lockstep sync`
pub(crate) async fn sync(context: &Context, args: &SyncArgs) -> anyhow::Result<Exit> {
    let consent = args.consent;
    let (session, request) = prepare(context, &args.plan, true, consent.unattended).await?;
    let carried_on = carry_on(context, &session).await?;
    let reviewed = session.reviewed_before().await?;
    let run = planned(context, &session, &request).await?;
    let rows = context.store().changes(&run.id).await?;
    let first = !reviewed && consent.given();
    let run = if run.state == RunState::Planned {
        decide(context, &session, run, &rows, consent, first).await?
    } else {
        run
    };
    let rows = context.store().changes(&run.id).await?;
    tell(context, session.site(), &run, &rows);
    if first && run.state == RunState::Planned {
        context.screen.hint(
            "This is the first run on this gateway, so it stops here, once: look at the plan, then `lockstep apply` writes it.\n\
             It changes the model lists of your channels; keep a backup of important configuration.",
        );
    }
    for run in carried_on {
        context.screen.hint(&format!(
            "run {} had been interrupted while writing and was carried on to its end ({})",
            table::short(&run.id),
            run.state.code()
        ));
    }
    exit(
        context,
        session.site(),
        &run,
        &rows,
        args.plan.fail_on,
        false,
    )
    .await
}

/// `lockstep apply`
pub(crate) async fn apply(context: &Context, args: &ApplyArgs) -> anyhow::Result<Exit> {
    let (session, settings, policy) = session(context, &args.target, &args.tuning).await?;
    let carried_on = carry_on(context, &session).await?;
    let store = context.store();
    let site = session.site().clone();
    let (run, only) = if args.held {
        let only = match args.only.as_slice() {
            [] => None,
            names => {
                let holds = store.holds(&site.id).await?;
                let known = holds
                    .iter()
                    .map(|hold| (hold.channel_id, &hold.channel_name));
                Some(chosen(names, known)?)
            }
        };
        let request = Request {
            source: Source::Held(only),
            settings,
            policy,
            unattended: args.consent.unattended,
            go_on: false,
        };
        (planned(context, &session, &request).await?, None)
    } else {
        let run = match &args.run {
            Some(prefix) => store.run_by_prefix(Some(&site.id), prefix).await?,
            None => match carried_on.into_iter().next_back() {
                // What had been interrupted is what was meant: its end is what there is to tell.
                Some(run) => run,
                None => latest(context, &site, |run| run.state == RunState::Planned).await?,
            },
        };
        let rows = store.changes(&run.id).await?;
        let only = match args.only.as_slice() {
            [] => None,
            names => {
                let known = rows.iter().map(|row| (row.channel_id, &row.channel_name));
                Some(chosen(names, known)?)
            }
        };
        (run, only)
    };
    let rows = store.changes(&run.id).await?;
    let run = match run.state {
        RunState::Planned => approve(context, &session, run, &rows, args.consent, only).await?,
        RunState::Failed if args.held => run,
        _ if run.ended_at.is_some() && args.run.is_none() => run,
        state => {
            return Err(EngineError::NotPlanned { run: run.id, state }.into());
        }
    };
    let rows = store.changes(&run.id).await?;
    tell(context, &site, &run, &rows);
    exit(context, &site, &run, &rows, FailOn::Any, false).await
}

/// `lockstep undo`
pub(crate) async fn undo(context: &Context, args: &UndoArgs) -> anyhow::Result<Exit> {
    let (session, ..) = session(context, &args.target, &args.tuning).await?;
    carry_on(context, &session).await?;
    let store = context.store();
    let site = session.site().clone();
    let parent = match &args.run {
        Some(prefix) => store.run_by_prefix(Some(&site.id), prefix).await?,
        None => latest_that_wrote(context, &site).await?,
    };
    let rows = store.changes(&parent.id).await?;
    let only = match args.only.as_slice() {
        [] => None,
        names => {
            let known = rows.iter().map(|row| (row.channel_id, &row.channel_name));
            Some(chosen(names, known)?)
        }
    };
    let run = session.plan_undo(&parent.id, only.as_deref()).await?;
    let rows = store.changes(&run.id).await?;
    let run = approve(context, &session, run, &rows, args.consent, None).await?;
    let rows = store.changes(&run.id).await?;
    tell(context, &site, &run, &rows);
    exit(context, &site, &run, &rows, FailOn::Any, false).await
}

impl Consent {
    /// Whether it was given on the command line.
    fn given(self) -> bool {
        self.yes || self.unattended
    }

    fn by(self, actor: &str) -> String {
        match (self.unattended, self.yes) {
            (true, _) => format!("{actor}, --unattended"),
            (_, true) => format!("{actor}, --yes"),
            _ => format!("{actor}, asked"),
        }
    }
}

async fn session(
    context: &Context,
    target: &Target,
    tuning: &Tuning,
) -> anyhow::Result<(
    Session,
    Settings,
    Option<lockstep_core::models::policy::Policy>,
)> {
    let access = context.access(target).await?;
    let (settings, policy) = context.settings(&access.site, tuning)?;
    let session = context.engine.session(access, &settings);
    Ok((session, settings, policy))
}

async fn prepare(
    context: &Context,
    args: &PlanArgs,
    go_on: bool,
    unattended: bool,
) -> anyhow::Result<(Session, Request)> {
    let (session, settings, policy) = session(context, &args.target, &args.tuning).await?;
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
        settings,
        policy,
        unattended,
        go_on,
    };
    Ok((session, request))
}

/// Finishes what a kill cut off, before anything new is planned.
async fn carry_on(context: &Context, session: &Session) -> anyhow::Result<Vec<Run>> {
    let watch = watch_signals();
    let work = session.carry_on(&watch);
    Ok(bar::watch(&context.screen, &watch.progress, work).await?)
}

async fn planned(context: &Context, session: &Session, request: &Request) -> anyhow::Result<Run> {
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

/// What to do with a run that `sync` has planned.
async fn decide(
    context: &Context,
    session: &Session,
    run: Run,
    rows: &[ChangeRow],
    consent: Consent,
    first: bool,
) -> anyhow::Result<Run> {
    if !rows.iter().any(|row| row.state == State::Ready) {
        return Ok(session.finish(&run).await?);
    }
    if first {
        return Ok(run);
    }
    approve(context, session, run, rows, consent, None).await
}

/// Asks where nobody said yes yet, and writes. Without a yes the run stays planned.
async fn approve(
    context: &Context,
    session: &Session,
    run: Run,
    rows: &[ChangeRow],
    consent: Consent,
    only: Option<Vec<i64>>,
) -> anyhow::Result<Run> {
    let ready: Vec<&ChangeRow> = rows
        .iter()
        .filter(|row| row.state == State::Ready)
        .filter(|row| {
            only.as_ref()
                .is_none_or(|ids| ids.contains(&row.channel_id))
        })
        .collect();
    if ready.is_empty() {
        return Ok(session.finish(&run).await?);
    }
    if !consent.given() {
        let names: usize = ready
            .iter()
            .map(|row| {
                let lists = json::Lists::of(row);
                lists.added.len() + lists.removed.len()
            })
            .sum();
        if !context.screen.can_ask() {
            context.screen.hint(&format!(
                "Nothing was written: nobody could be asked. `lockstep apply {} --yes` writes it.",
                table::short(&run.id)
            ));
            return Ok(run);
        }
        if let Some(text) = table::changes(&context.screen, rows) {
            context.screen.hint(&text);
        }
        let question = format!(
            "Write {} on {}?",
            en::count(names as u64, "change", "changes"),
            en::count(ready.len() as u64, "channel", "channels"),
        );
        if !context.screen.asks(&question) {
            context.screen.hint(&format!(
                "Nothing was written. `lockstep apply {}` asks again.",
                table::short(&run.id)
            ));
            return Ok(run);
        }
    }
    let approval = Approval {
        only,
        by: consent.by(&run.actor),
    };
    let watch = watch_signals();
    let work = session.write(&run.id, &approval, &watch);
    Ok(bar::watch(&context.screen, &watch.progress, work).await?)
}

/// The first Ctrl-C, or a SIGTERM, ends a run cleanly; a second one ends the process.
fn watch_signals() -> Watch {
    let watch = Watch::default();
    let cancel = watch.cancel.clone();
    tokio::spawn(async move {
        if super::signal::asked_to_stop().await {
            cancel.cancel();
        }
    });
    watch
}

fn tell(context: &Context, site: &Site, run: &Run, rows: &[ChangeRow]) {
    let screen = &context.screen;
    let now = context.engine.now();
    if screen.json {
        screen.data(&json::run(site, run, rows, now).to_string());
        return;
    }
    if let Some(failure) = &run.failure {
        let said = en::failure(failure);
        screen.data(&format!("{}\n  {}", said.message, said.hint));
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
async fn exit(
    context: &Context,
    site: &Site,
    run: &Run,
    rows: &[ChangeRow],
    fail_on: FailOn,
    planning: bool,
) -> anyhow::Result<Exit> {
    let mut counts = json::counts(rows);
    if fail_on == FailOn::New {
        for row in rows {
            let known = !is_new(context, site, row).await?;
            match row.status() {
                lockstep_store::status::ItemStatus::Failed if known => counts.failed -= 1,
                lockstep_store::status::ItemStatus::Held if known => counts.held -= 1,
                _ => {}
            }
        }
    }
    Ok(Exit::of(run, &counts, planning))
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

/// The site's latest run of a kind.
async fn latest(
    context: &Context,
    site: &Site,
    wanted: impl Fn(&Run) -> bool,
) -> anyhow::Result<Run> {
    let runs = context.store().runs(&site.id, 50, None).await?;
    match runs.into_iter().map(|(run, _)| run).find(wanted) {
        Some(run) => Ok(run),
        None => bail!("there is no planned run; `lockstep plan` makes one"),
    }
}

async fn latest_that_wrote(context: &Context, site: &Site) -> anyhow::Result<Run> {
    let runs = context.store().runs(&site.id, 200, None).await?;
    match runs.into_iter().find(|(_, counts)| counts.changed > 0) {
        Some((run, _)) => Ok(run),
        None => bail!("no run has changed anything that could be undone"),
    }
}

/// The channels that were named by id or name.
fn chosen<'a>(
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
