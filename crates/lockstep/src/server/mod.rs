//! The server: who is let in, what is answered, and how it ends.

mod app;
pub(crate) mod caller;
pub(crate) mod door;
#[cfg(test)]
mod every_route;
pub(crate) mod metrics;
mod options;
pub(crate) mod problem;
#[cfg(test)]
pub(crate) mod routed;
pub(crate) mod tending;
mod tls;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::middleware;
use axum_server::{Handle, Server};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio_util::task::TaskTracker;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

pub(crate) use app::App;
pub(crate) use options::{Options, network, public_url};

use crate::{api, web};
use door::limits::{Limited, Places};
use problem::Problem;
use tls::Certificate;

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(15);
/// How long requests under way may take once the server stops. Streams end at once, runs before.
const GRACE: Duration = Duration::from_secs(10);
/// How many connections there may be at once; whoever watches a run has one.
const CONNECTIONS: usize = 512;
/// How many of them one address may have, so that it shuts nobody else out. Proxies that are trusted come for many, and
/// whoever is on this machine has better means.
const OF_ONE: usize = 128;
/// How often somebody on a connection of HTTP/2 is asked whether he is still there.
const ALIVE: Duration = Duration::from_secs(60);
/// How long he may take to say so.
const ALIVE_TIME: Duration = Duration::from_secs(20);

/// Serves until the app is told to stop: streams end first, then runs come to rest, then what is done unasked, then
/// requests under way.
pub(crate) async fn run(listener: TcpListener, app: App) -> anyhow::Result<()> {
    // The mail library takes the process's own; whoever was first is right.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    listener.set_nonblocking(true)?;
    let router = router(&app);
    let handle = Handle::new();
    let unasked = TaskTracker::new();
    tokio::spawn({
        let (app, handle, unasked) = (app.clone(), handle.clone(), unasked.clone());
        async move {
            app.stopping().await;
            app.jobs().stop().await;
            // What is left to be recorded and told of runs is so in no time, unless somebody does not answer.
            unasked.close();
            if tokio::time::timeout(GRACE, unasked.wait()).await.is_err() {
                tracing::warn!("what the server does unasked did not end; it is left where it is");
            }
            handle.graceful_shutdown(Some(GRACE));
        }
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let aside = match app.options().metrics {
        Some(address) => Some(beside(address, &app).await?),
        None => None,
    };
    let places = Places::new(CONNECTIONS, OF_ONE, app.options().trusted.clone());
    // Work begins only once nothing more can keep the server from being one.
    let served = match app.options().tls.clone() {
        Some(files) => {
            let certificate = Certificate::open(files)?;
            tending::begin(&app, &unasked);
            let mut server = axum_server::from_tcp_rustls(listener, certificate.config())?
                .map(|acceptor| Limited::new(acceptor, places))
                .first_request_timeout(HEAD)
                .handle(handle);
            tokio::spawn(certificate.keep(app.clone()));
            bounded(&mut server);
            server.serve(service).await
        }
        None => {
            tending::begin(&app, &unasked);
            let mut server = axum_server::from_tcp(listener)?
                .map(|acceptor| Limited::new(acceptor, places))
                .first_request_timeout(HEAD)
                .handle(handle);
            bounded(&mut server);
            server.serve(service).await
        }
    };
    if let Some(aside) = aside {
        aside.abort();
    }
    // Whatever ended it, what its last runs found is still stored to be told.
    app.stop();
    let _late = tokio::time::timeout(GRACE, unasked.wait()).await;
    served.context("the server stopped")
}

/// Metrics on an address of their own.
async fn beside(address: SocketAddr, app: &App) -> anyhow::Result<tokio::task::JoinHandle<()>> {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .with_context(|| format!("--metrics-listen {address} cannot be listened on"))?;
    let router = api::metrics::open().with_state(app.clone());
    Ok(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "metrics are no longer served");
        }
    }))
}

/// Everything that is answered.
pub(crate) fn router(app: &App) -> Router {
    let (routes, _document) = api::routes(app).split_for_parts();
    routes
        .merge(web::routes(app))
        .fallback(web::not_found)
        .method_not_allowed_fallback(|| async { Problem::wrong_method() })
        .layer(middleware::from_fn_with_state(app.clone(), door::guard))
        .layer(middleware::from_fn_with_state(app.clone(), metrics::count))
        .layer(middleware::from_fn(api::ratio_sync::framed))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(problem::panicked))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            door::headers::put,
        ))
        .with_state(app.clone())
}

/// A client that never finishes its head is not waited for, nor one that is gone without a word.
fn bounded<A>(server: &mut Server<SocketAddr, A>) {
    let builder = server.http_builder();
    *builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(ALIVE)
        .keep_alive_timeout(ALIVE_TIME);
}
