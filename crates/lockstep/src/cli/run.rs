//! plan and sync: a run from its start to what is told of it.

use anyhow::bail;
use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_run::prices::plan::PriceRequest;
use lockstep_run::{Request, Session, Source, Watch};
use lockstep_store::runs::Run;
use serde_json::{Value, json};

use super::args::{PaceArgs, PlanArgs, SubjectArg, SyncArgs, Target};
use super::consent::{Proposal, approve};
use super::context::{Context, seconds_at};
use super::ended::{Ended, exit, tell};
use super::exit::Exit;
use super::layers::Chosen;
use super::notice::after_unattended;
use super::prices::plan::{self as price, Go};
use super::prices::verify;
use crate::ordering;
use crate::view::{bar, table};
use crate::words::en;

/// Which subjects a verb is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subjects {
    Models,
    Prices,
    /// Prices first, so that new models have one when they go live.
    Both,
}

impl Subjects {
    fn of(args: &PlanArgs) -> Self {
        match args.subject {
            Some(SubjectArg::Models) => Self::Models,
            Some(SubjectArg::Prices) => Self::Prices,
            // What is said of channels is about their lists.
            None if args.retry_failed || !args.channel.is_empty() => Self::Models,
            None => Self::Both,
        }
    }

    fn each(self) -> &'static [Subject] {
        match self {
            Self::Models => &[Subject::Models],
            Self::Prices => &[Subject::Prices],
            Self::Both => &[Subject::Prices, Subject::Models],
        }
    }
}

/// `lockstep plan`
pub(crate) async fn plan(context: &Context, args: &PlanArgs) -> anyhow::Result<Exit> {
    let (session, chosen) = open(context, args).await?;
    session.end_left_readings().await?;
    for run in session.interrupted_writes().await? {
        context.screen.hint(&format!(
            "run {} was interrupted while writing; `lockstep sync` or `lockstep apply` carries it on",
            table::short(&run.id)
        ));
    }
    let subjects = Subjects::of(args);
    let mut request = models_request(args, &chosen, Go::planning());
    let mut prices = None;
    if let Some(about) =
        price_request(context, &session, &chosen, args, Go::planning(), subjects).await?
    {
        let about = with_coming(context, &session, &mut request, about, subjects).await?;
        let (run, ended) = plan_prices(context, &session, &about, args).await?;
        request.after = Some(run);
        prices = Some(ended);
    }
    let mut models = None;
    if subjects != Subjects::Prices {
        between(context, prices.as_ref());
        models = Some(plan_models(context, &session, &request, args).await?);
    }
    Ok(told(context, subjects, prices, models))
}

/// `lockstep sync`
pub(crate) async fn sync(context: &Context, args: &SyncArgs) -> anyhow::Result<Exit> {
    if Subjects::of(&args.plan) == Subjects::Models {
        verify::not_of_lists(args.consent)?;
    }
    let (session, chosen) = open(context, &args.plan).await?;
    let begun = context.engine.now();
    let exit = synced(context, args, &session, &chosen).await;
    if args.consent.unattended {
        let subjects = Subjects::of(&args.plan).each();
        after_unattended(context, session.site(), subjects, begun).await;
    }
    exit
}

async fn synced(
    context: &Context,
    args: &SyncArgs,
    session: &Session,
    chosen: &Chosen,
) -> anyhow::Result<Exit> {
    let carried_on = carry_on(context, session).await?;
    let subjects = Subjects::of(&args.plan);
    let go = Go {
        on: true,
        unattended: args.consent.unattended,
    };
    let mut request = models_request(&args.plan, chosen, go);
    let mut prices = None;
    let priced = async {
        let about = price_request(context, session, chosen, &args.plan, go, subjects).await?;
        let Some(about) = about else {
            return anyhow::Ok(None);
        };
        let about = with_coming(context, session, &mut request, about, subjects).await?;
        sync_prices(context, session, &about, args).await.map(Some)
    };
    match priced.await {
        Ok(None) => {}
        Ok(Some((run, ended))) => {
            request.after = Some(run);
            prices = Some(ended);
        }
        // Prices that cannot be begun keep no list from being synced; the gate holds what has none.
        Err(error) if subjects == Subjects::Both => {
            context
                .screen
                .hint(&format!("Prices are left alone: {error:#}"));
            prices = Some(Ended {
                told: json!({"error": {"message": format!("{error:#}")}}),
                exit: Exit::Nothing,
            });
        }
        Err(error) => return Err(error),
    }
    let mut models = None;
    if subjects != Subjects::Prices {
        between(context, prices.as_ref());
        models = Some(sync_models(context, session, &request, args).await?);
    }
    let mut worst = told(context, subjects, prices, models);
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

async fn plan_models(
    context: &Context,
    session: &Session,
    request: &Request,
    args: &PlanArgs,
) -> anyhow::Result<Ended> {
    let run = planned(context, session, request).await?;
    let rows = context.store().changes(&run.id).await?;
    let told = tell(context, session.site(), &run, &rows);
    if run.state == RunState::Planned && rows.iter().any(|row| row.state == State::Ready) {
        context
            .screen
            .hint("Nothing was written. `lockstep apply` writes this plan.");
    }
    let exit = exit(context, session.site(), &run, &rows, args.fail_on).await?;
    Ok(Ended { told, exit })
}

async fn sync_models(
    context: &Context,
    session: &Session,
    request: &Request,
    args: &SyncArgs,
) -> anyhow::Result<Ended> {
    let consent = args.consent;
    let reviewed = session.reviewed_before(&request.source).await?;
    let run = planned(context, session, request).await?;
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
            approve(context, session, proposal, consent).await?
        }
        _ => run,
    };
    let rows = context.store().changes(&run.id).await?;
    let told = tell(context, session.site(), &run, &rows);
    if first && run.state == RunState::Planned {
        context.screen.hint(&format!(
            "This is the first run on this gateway, so it stops here, once: look at the plan, then `lockstep apply {}` writes it.\n\
             It changes the model lists of your channels; keep a backup of important configuration.",
            table::short(&run.id)
        ));
    }
    let exit = exit(context, session.site(), &run, &rows, args.plan.fail_on).await?;
    Ok(Ended { told, exit })
}

/// Asks providers first where lists follow prices: models that are about to come are priced before they do.
async fn with_coming(
    context: &Context,
    session: &Session,
    lists: &mut Request,
    mut prices: PriceRequest,
    subjects: Subjects,
) -> anyhow::Result<PriceRequest> {
    if subjects == Subjects::Both {
        let watch = watch_signals();
        let work = session.read_ahead(lists, &watch);
        lists.ahead = bar::watch(&context.screen, &watch.progress, work).await?;
        prices.coming.clone_from(lists.ahead.coming());
    }
    Ok(prices)
}

/// The plan of the prices.
async fn plan_prices(
    context: &Context,
    session: &Session,
    request: &PriceRequest,
    args: &PlanArgs,
) -> anyhow::Result<(String, Ended)> {
    let run = price::planned(context, session, request).await?;
    let unit = args.prices.unit.unit();
    let ended = price::asked(context, session.site(), &run, unit, args.fail_on).await?;
    let rows = context.store().price_rows_in(&run.id, State::Ready).await?;
    if run.state == RunState::Planned && !rows.is_empty() {
        context.screen.hint(&format!(
            "Nothing was written. `lockstep apply {}` writes these prices.",
            table::short(&run.id)
        ));
    }
    Ok((run.id, ended))
}

async fn sync_prices(
    context: &Context,
    session: &Session,
    request: &PriceRequest,
    args: &SyncArgs,
) -> anyhow::Result<(String, Ended)> {
    let unit = args.plan.prices.unit.unit();
    let reviewed = session.prices_reviewed_before().await?;
    let run = price::planned(context, session, request).await?;
    let first = !reviewed && args.consent.given();
    let run = match run.state {
        RunState::Planned if first => run,
        RunState::Planned => {
            price::approve(context, session, run, None, args.consent, unit, true).await?
        }
        _ => run,
    };
    let page = verify::asked(context, session, &run, args.consent.verify).await?;
    let fail_on = args.plan.fail_on;
    let ended = price::asked(context, session.site(), &run, unit, fail_on).await?;
    let ended = page.told_in(context, ended);
    if first && run.state == RunState::Planned {
        context
            .screen
            .hint(&en::first_prices(table::short(&run.id)));
    }
    Ok((run.id, ended))
}

async fn price_request(
    context: &Context,
    session: &Session,
    chosen: &Chosen,
    args: &PlanArgs,
    go: Go,
    subjects: Subjects,
) -> anyhow::Result<Option<PriceRequest>> {
    if subjects == Subjects::Models {
        return Ok(None);
    }
    let request = price::request(context, session, chosen, &args.prices, &args.target, go).await?;
    if request.is_none() {
        let how = "name one, e.g. --source official, or remember one: `lockstep site source add official`";
        if subjects == Subjects::Prices {
            bail!("no source of prices is named or remembered; {how}");
        }
        context.screen.hint(&format!(
            "Prices are left alone: no source is remembered; {how}."
        ));
    }
    Ok(request)
}

/// A line between the two subjects of a verb.
fn between(context: &Context, prices: Option<&Ended>) {
    if prices.is_some() && !context.screen.json {
        context.screen.data("\nModel lists");
    }
}

/// Prints what both subjects came to, and gives the exit status of them together.
fn told(
    context: &Context,
    subjects: Subjects,
    prices: Option<Ended>,
    models: Option<Ended>,
) -> Exit {
    let exits: Vec<Exit> = [&prices, &models]
        .into_iter()
        .flatten()
        .map(|ended| ended.exit)
        .collect();
    if context.screen.json {
        let said = |ended: Option<Ended>| ended.map_or(Value::Null, |ended| ended.told);
        let object = match subjects {
            Subjects::Models => said(models),
            Subjects::Prices => said(prices),
            Subjects::Both => json!({"prices": said(prices), "models": said(models)}),
        };
        context.screen.data(&object.to_string());
    }
    Exit::of_all(&exits)
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

/// A session with the gateway that is meant, and the settings that hold.
async fn open(context: &Context, args: &PlanArgs) -> anyhow::Result<(Session, Chosen)> {
    let access = context.access(&args.target).await?;
    let chosen = context.settings(&access.site, &args.tuning, Some(&args.prices))?;
    let session = context.engine.session(access, &chosen.settings);
    Ok((session, chosen))
}

fn models_request(args: &PlanArgs, chosen: &Chosen, go: Go) -> Request {
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
    ordering::models_request(source, chosen, go)
}

/// Finishes what a kill cut off, before anything new is planned.
pub(crate) async fn carry_on(context: &Context, session: &Session) -> anyhow::Result<Vec<Run>> {
    session.end_left_readings().await?;
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
        let usual = lockstep_core::settings::Settings::default();
        let [_, auto] = seconds_at(&usual, requests);
        let auto = std::time::Duration::from_secs(auto);
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
