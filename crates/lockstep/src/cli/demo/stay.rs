//! `lockstep demo`: a living example in a browser.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use lockstep_core::change::Subject;
use lockstep_run::Engine;
use lockstep_run::clock::{Clock as _, SystemClock};
use lockstep_run::schedule::{Wish, switch_on};
use lockstep_sim::Gateway;
use lockstep_store::Store;
use lockstep_store::schedule::{Mode, Rhythm};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;

use super::{past, site};
use crate::cli::args::{DemoArgs, Global};
use crate::cli::exit::Exit;
use crate::cli::signal;
use crate::config::File;
use crate::server::door::{DEMO, password::ADMIN, secret};
use crate::server::{self, App, Options};
use crate::view::Screen;

/// How often the simulated providers changed since the last run.
const NEW: usize = 9;
/// The simulated providers change this often.
const EVOLVE: Duration = Duration::from_secs(20);

pub(super) async fn stay(
    global: &Global,
    args: &DemoArgs,
    gateway: &Gateway,
) -> anyhow::Result<Exit> {
    let screen = Screen::new(global.json, global.quiet, global.verbose);
    let listener = std::net::TcpListener::bind(args.listen).with_context(|| {
        format!(
            "{} cannot be listened on; is another Lockstep running there? --listen 127.0.0.1:0 takes any free port",
            args.listen
        )
    })?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() {
        anyhow::bail!("the demo lets in whoever has its address; let it listen on 127.0.0.1");
    }
    let store = Store::open_temporary().await?;
    let connected = SystemClock.now() - past::AGO;
    let token = SecretString::from(gateway.root_token());
    let site = store
        .add_site(site(gateway, Some(token))?, connected)
        .await?;
    screen.shows("Five weeks of history are being made up ...");
    past::live(&store, gateway, &site).await?;
    // So that there is something to be done at once.
    for step in 1..=NEW {
        lockstep_sim::demo::advance(gateway, step);
    }
    let engine = Engine::start(store.clone(), Arc::new(SystemClock), "demo".to_owned())?;
    for (subject, mode) in [
        (Subject::Models, Mode::Apply),
        (Subject::Prices, Mode::Propose),
    ] {
        let wish = Wish {
            rhythm: Rhythm::Every { hours: 1 },
            mode: Some(mode),
            jitter: None,
        };
        switch_on(&store, &site, subject, wish, ADMIN, engine.now()).await?;
    }
    // Nobody has this password: the way in is the address.
    store
        .set_password(ADMIN, "$none", None, engine.now())
        .await?;
    let key = secret::made("");
    let options = Options {
        demo: Some(secret::digest(&key)),
        ..Options::default()
    };
    let app = App::new(engine, File::default(), options);
    let url = app.url(address);
    screen.shows(&format!("Lockstep listens on {url}"));
    told(
        &screen,
        gateway,
        &format!("{url}{DEMO}?key={}", key.expose_secret()),
    );
    tokio::spawn({
        let (app, gateway) = (app.clone(), gateway.clone());
        async move {
            evolve(&gateway, signal::asked_to_stop()).await;
            app.stop();
        }
    });
    server::run(listener, app).await?;
    Ok(Exit::Done)
}

fn told(screen: &Screen, gateway: &Gateway, page: &str) {
    let (url, token) = (gateway.url(), gateway.root_token());
    if screen.json {
        let told = json!({"page": page, "url": url, "user_id": 1, "token": token});
        screen.data(&told.to_string());
        return;
    }
    screen.data(&format!(
        "Open this address, it signs you in:\n\n  {page}\n\n\
         Behind it is a simulated New API gateway at {url}, with {} channels. In another terminal:\n\n  \
         export LOCKSTEP_URL={url} LOCKSTEP_USER_ID=1 LOCKSTEP_TOKEN={token}\n  \
         lockstep plan models\n  lockstep sync models --pace auto --yes\n  lockstep runs\n  lockstep undo --yes\n\n\
         Its providers change every {} s. Ctrl-C ends it.",
        gateway.channels().len(),
        EVOLVE.as_secs()
    ));
}

/// Lets time pass at the providers until somebody wants it to end.
async fn evolve(gateway: &Gateway, end: impl Future) {
    let mut end = std::pin::pin!(end);
    let mut tick = tokio::time::interval(EVOLVE);
    tick.tick().await;
    for step in NEW + 1.. {
        tokio::select! {
            _ = tick.tick() => match step % 30 {
                0 => {
                    lockstep_sim::demo::next_week(gateway);
                }
                _ => lockstep_sim::demo::advance(gateway, step),
            },
            _ = &mut end => return,
        }
    }
}
