//! `lockstep serve`: the server, until it is told to stop.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use lockstep_store::lock::ServeLock;

use super::args::ServeArgs;
use super::context::Context;
use super::exit::Exit;
use super::health::reachable;
use super::signal;
use crate::server::door::first;
use crate::server::{self, App, Options};
use crate::view::Screen;

pub(crate) async fn serve(context: Context, args: &ServeArgs) -> anyhow::Result<Exit> {
    let args = args.clone().over(&context.file.serve);
    let options = Options::of(&args)?;
    let listener = std::net::TcpListener::bind(args.listen()).with_context(|| {
        format!(
            "{} cannot be listened on; is another Lockstep running there? --listen takes another address",
            args.listen()
        )
    })?;
    let address = listener.local_addr()?;
    if !address.ip().is_loopback() && !options.shielded() {
        bail!(
            "listening on {address} without TLS would show the password and every token to whoever is on the way; \
             give --tls-cert and --tls-key, or --public-url https://... with --trusted-proxy, or accept it with --insecure-http"
        );
    }
    let screen = context.screen.clone();
    let _alone = ServeLock::try_take(context.store()).context(
        "another `lockstep serve` has this database open; several servers share a PostgreSQL (--database postgres://...)",
    )?;
    let app = App::new(context.engine, context.file, options);
    let url = app.url(address);
    if !address.ip().is_loopback() && !app.options().secure() {
        super::warns(
            &screen,
            "without https whoever is on the way reads the password, every token and the sign-in itself, \
             and can act as you; use this in a network where nobody else is",
        );
    }
    let_in(&app, &screen, &args, address).await?;
    super::says(&screen, &format!("Lockstep listens on {url}"));
    tokio::spawn({
        let app = app.clone();
        async move {
            if signal::asked_to_stop().await {
                app.stop();
            }
        }
    });
    server::run(listener, app).await?;
    Ok(Exit::Done)
}

/// Sets the password of the file, and prints a link where nobody could sign in.
async fn let_in(
    app: &App,
    screen: &Screen,
    args: &ServeArgs,
    address: SocketAddr,
) -> anyhow::Result<()> {
    let (store, now) = (app.store(), app.now());
    if let Some(file) = &args.admin_password_file {
        if first::is_shown(file) {
            let warning = format!(
                "others on this machine can read the password file {0}; `chmod 600 {0}` ends that",
                file.display()
            );
            super::warns(screen, &warning);
        }
        if first::take_password(store, &app.door().passwords, file, now).await? {
            super::says(
                screen,
                "The password is now the one of the file; all sessions ended.",
            );
        }
    }
    if first::is_first(store).await? {
        let here = reachable(address);
        let link = first::link(store, &app.url(here), now).await?;
        super::says(
            screen,
            "Nobody can sign in yet. This link sets the password, once, within a day:",
        );
        // Not wrapped, and a secret: it is to be copied whole, and no log has it.
        screen.shows(&format!("  {link}"));
        if here != address && app.options().public_url.is_none() {
            let elsewhere = format!(
                "From another machine put the address of this one, in numbers, in the place of {}.",
                here.ip()
            );
            super::says(screen, &elsewhere);
        }
    }
    Ok(())
}
