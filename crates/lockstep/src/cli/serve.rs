//! `lockstep serve`: the server, until it is told to stop.

use anyhow::{Context as _, bail};

use super::args::ServeArgs;
use super::context::Context;
use super::exit::Exit;
use super::signal;
use crate::server::{self, App, Options};

pub(crate) async fn serve(context: Context, args: &ServeArgs) -> anyhow::Result<Exit> {
    let options = Options::of(args)?;
    let listener = std::net::TcpListener::bind(args.listen).with_context(|| {
        format!(
            "{} cannot be listened on; is another Lockstep running there? --listen takes another address",
            args.listen
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
    let app = App::new(context.engine, context.file, options);
    screen.shows(&format!("Lockstep listens on {}", app.url(address)));
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
