//! The server: who is let in, what is answered, and how it ends.

mod app;
pub(crate) mod caller;
mod door;
pub(crate) mod metrics;
mod options;
pub(crate) mod problem;

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::middleware;
use axum_server::tls_rustls::RustlsConfig;
use axum_server::{Handle, Server};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

pub(crate) use app::App;
pub(crate) use options::Options;

use crate::{api, web};
use problem::Problem;

/// How long a client may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(15);
/// How long requests under way may take once the server stops. Streams end at once, runs before.
const GRACE: Duration = Duration::from_secs(10);

/// Serves until the app is told to stop: streams end first, then runs come to rest, then requests under way.
pub(crate) async fn run(listener: TcpListener, app: App) -> anyhow::Result<()> {
    listener.set_nonblocking(true)?;
    let router = router(&app);
    let handle = Handle::new();
    tokio::spawn({
        let (app, handle) = (app.clone(), handle.clone());
        async move {
            app.stopping().await;
            app.jobs().stop().await;
            handle.graceful_shutdown(Some(GRACE));
        }
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let aside = match app.options().metrics {
        Some(address) => Some(beside(address, &app).await?),
        None => None,
    };
    let served = match app.options().tls.clone() {
        Some(files) => {
            let config = RustlsConfig::from_pem_file(&files.cert, &files.key)
                .await
                .with_context(|| {
                    format!(
                        "the certificate {} and its key {} cannot be used",
                        files.cert.display(),
                        files.key.display()
                    )
                })?;
            let mut server = axum_server::from_tcp_rustls(listener, config)?.handle(handle);
            bounded(&mut server);
            server.serve(service).await
        }
        None => {
            let mut server = axum_server::from_tcp(listener)?.handle(handle);
            bounded(&mut server);
            server.serve(service).await
        }
    };
    if let Some(aside) = aside {
        aside.abort();
    }
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
        .merge(web::routes())
        .fallback(|| async { Problem::not_found("page") })
        .layer(middleware::from_fn_with_state(app.clone(), door::guard))
        .layer(middleware::from_fn_with_state(app.clone(), metrics::count))
        .layer(CompressionLayer::new())
        .layer(CatchPanicLayer::custom(problem::panicked))
        .with_state(app.clone())
}

/// A client that never finishes its head is not waited for.
fn bounded<A>(server: &mut Server<SocketAddr, A>) {
    let builder = server.http_builder();
    *builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD);
    builder.http2().timer(TokioTimer::new());
}
