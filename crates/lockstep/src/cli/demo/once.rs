//! `lockstep demo --once`: the main job on the simulated gateway, with what each command shows.

use lockstep_core::prices::mode::Mode;
use lockstep_core::settings::{PaceMode, Settings};
use lockstep_run::Ahead;
use lockstep_run::prices::plan::PriceRequest;
use lockstep_run::prices::review::PriceApproval;
use lockstep_run::review::Approval;
use lockstep_run::{Request, Session, SiteAccess, Source, Watch};
use lockstep_sim::{Gateway, Manner};
use lockstep_store::Store;
use lockstep_store::runs::Run;
use secrecy::SecretString;
use serde_json::json;

use crate::cli::args::{Global, Target};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::prices::plan as price;
use crate::cli::prices::sources::collecting;
use crate::cli::runs::listed;
use crate::config::File;
use crate::ordering::Asked;
use crate::view::prices::Unit;
use crate::view::{bar, json as form, table};

/// Plan, sync, history and undo, once, with what each shows.
pub(super) async fn once(global: &Global, gateway: &Gateway) -> anyhow::Result<Exit> {
    let store = Store::open_temporary().await?;
    let context = Context::over(store, global, File::default())?;
    let site = super::site(gateway, None)?;
    let site = context.store().add_site(site, context.engine.now()).await?;
    let mut settings = Settings {
        pace: PaceMode::Auto,
        max_retries: 2,
        ..Settings::default()
    };
    // Prices that moved are part of the picture, not only those that are missing.
    settings.prices.scope.mode = Mode::Both;
    let access = SiteAccess {
        site,
        token: SecretString::from(gateway.root_token()),
    };
    let session = context.engine.session(access, &settings);
    let request = Request {
        source: Source::All,
        settings,
        policy: None,
        unattended: false,
        own_settings: true,
        after: None,
        ahead: Ahead::default(),
        go_on: true,
    };

    step(
        &context,
        "lockstep plan models",
        "shows what would change, writes nothing",
    );
    let run = plan(&context, &session, &request).await?;
    show(&context, &run).await?;

    step(
        &context,
        "lockstep plan prices --mode both",
        "what its prices are at nine sources",
    );
    // The provider that answered 429 at first does so again, so that this run shows how that ends too.
    for name in gateway.provider_names() {
        let provider = gateway.provider(&name);
        if let Manner::RateLimited(times) = provider.manner() {
            provider.set_manner(Manner::RateLimited(times));
        }
    }
    let ahead = session.read_ahead(&request, &Watch::default()).await?;
    let sources: Vec<Asked> = super::sources(gateway)
        .iter()
        .map(|text| Asked::typed(text))
        .collect();
    let collecting = collecting(
        &context,
        &Target::default(),
        &sources,
        request.settings.prices.timeout,
        request.settings.max_retries,
    )?;
    let price_request = PriceRequest {
        whole: true,
        coming: ahead.coming().clone(),
        ..PriceRequest::new(collecting, request.settings.clone(), true)
    };
    let run = plan_prices(&context, &session, &price_request).await?;
    let planned = price::ended(&context, session.site(), &run, Unit::Dollars).await?;
    drop(planned);

    step(
        &context,
        "lockstep sync",
        "prices, and then lists: no model goes live without one",
    );
    let run = plan_prices(&context, &session, &price_request).await?;
    let by = "the demo".to_owned();
    let priced = write_prices(&context, &session, &run, by.clone()).await?;
    let prices = price::ended(&context, session.site(), &priced, Unit::Dollars).await?;
    if !context.screen.json {
        context.screen.data("\nModel lists");
    }
    let after = Request {
        after: Some(priced.id.clone()),
        ahead,
        ..request.clone()
    };
    let run = plan(&context, &session, &after).await?;
    let approval = Approval {
        only: None,
        by: by.clone(),
        rebases: true,
    };
    let models = write(&context, &session, &run, &approval).await?;
    let models_json = shown(&context, &session, &models).await?;
    show(&context, &models).await?;

    step(&context, "lockstep runs", "what was done");
    history(&context, &session).await?;

    step(
        &context,
        "lockstep undo",
        "gives every changed channel its list back",
    );
    let run = session.plan_undo(&models.id, None).await?;
    let undone = write(&context, &session, &run, &approval).await?;
    let undone_json = shown(&context, &session, &undone).await?;
    show(&context, &undone).await?;

    step(
        &context,
        &format!("lockstep undo {}", table::short(&priced.id)),
        "gives every price back, byte for byte",
    );
    let run = session.plan_price_undo(&priced.id, None).await?;
    let run = write_prices(&context, &session, &run, by).await?;
    let unpriced = price::ended(&context, session.site(), &run, Unit::Dollars).await?;

    if context.screen.json {
        let object = json!({
            "prices": prices.told,
            "models": models_json,
            "undo": undone_json,
            "undo_prices": unpriced.told,
        });
        context.screen.data(&object.to_string());
    } else {
        let written = gateway.effective_writes().len();
        context.screen.data(&format!(
            "\nThe simulated gateway's own log has {} requests, {written} of which changed something.\n\n\
             Next, on your own gateway:\n  \
             lockstep site add main --url https://your-site.com --user-id 1\n  \
             lockstep doctor\n  \
             lockstep plan\n  \
             lockstep site source add official\n  \
             lockstep plan prices\n\
             Or keep the simulated one up and try the commands on it: lockstep demo",
            gateway.log().len()
        ));
    }
    Ok(Exit::Done)
}

async fn plan_prices(
    context: &Context,
    session: &Session,
    request: &PriceRequest,
) -> anyhow::Result<Run> {
    let watch = Watch::default();
    let work = session.plan_prices(request, &watch);
    Ok(bar::watch(&context.screen, &watch.progress, work).await?)
}

async fn write_prices(
    context: &Context,
    session: &Session,
    run: &Run,
    by: String,
) -> anyhow::Result<Run> {
    let watch = Watch::default();
    let approval = PriceApproval {
        only: None,
        by,
        rebases: true,
    };
    let work = session.write_prices(&run.id, &approval, &watch);
    Ok(bar::watch(&context.screen, &watch.progress, work).await?)
}

fn step(context: &Context, typed: &str, what: &str) {
    if !context.screen.json {
        context.screen.data(&format!("\n$ {typed}    # {what}"));
    }
}

async fn plan(context: &Context, session: &Session, request: &Request) -> anyhow::Result<Run> {
    let watch = Watch::default();
    let work = session.plan(request, &watch);
    Ok(bar::watch(&context.screen, &watch.progress, work).await?)
}

async fn write(
    context: &Context,
    session: &Session,
    run: &Run,
    approval: &Approval,
) -> anyhow::Result<Run> {
    let watch = Watch::default();
    let work = session.write(&run.id, approval, &watch);
    Ok(bar::watch(&context.screen, &watch.progress, work).await?)
}

async fn shown(
    context: &Context,
    session: &Session,
    run: &Run,
) -> anyhow::Result<serde_json::Value> {
    let rows = context.store().changes(&run.id).await?;
    Ok(form::run(session.site(), run, &rows, context.engine.now()))
}

async fn show(context: &Context, run: &Run) -> anyhow::Result<()> {
    if context.screen.json {
        return Ok(());
    }
    let rows = context.store().changes(&run.id).await?;
    if let Some(text) = table::changes(&context.screen, &rows) {
        context.screen.data(&text);
        context.screen.data("");
    }
    let counts = form::counts(&rows);
    context
        .screen
        .data(&table::summary(run, &counts, context.engine.now()));
    Ok(())
}

async fn history(context: &Context, session: &Session) -> anyhow::Result<()> {
    if context.screen.json {
        return Ok(());
    }
    let runs = context.store().runs(&session.site().id, 10, None).await?;
    let now = context.engine.now();
    context.screen.data(&listed(&context.screen, &runs, now));
    Ok(())
}
