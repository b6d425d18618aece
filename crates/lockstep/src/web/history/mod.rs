//! What ran: all runs, one in full with the way back, and what became of a price and of a list over time.

mod about;
mod acts;
mod by_time;
mod channel;
mod chart;
mod files;
mod items;
mod list;
mod price;
mod run;

use axum::Router;
use axum::routing::{get, post};
use lockstep_store::sites::Site;

use super::file::files;
use super::frame::{Frame, Here, key};
use super::place;
use crate::server::App;

/// The pages of the history.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/sites/{site}/history", get(list::show))
        .merge(files("/sites/{site}/history", get(files::files)))
        .route("/sites/{site}/history/prices/{model}", get(price::show))
        .route(
            "/sites/{site}/history/channels/{channel}",
            get(channel::show),
        )
        .merge(files(
            "/sites/{site}/history/prices/{model}/changes",
            get(price::files),
        ))
        .merge(files(
            "/sites/{site}/history/channels/{channel}/changes",
            get(channel::files),
        ))
        .route("/sites/{site}/history/{run}", get(run::show))
        .route("/sites/{site}/history/{run}/undo", post(acts::undo))
        .route("/sites/{site}/history/{run}/apply", post(acts::apply))
}

/// The address of the runs of a site.
pub(super) fn of(site: &Site) -> String {
    place::path(&["sites", key(site), Here::History.code()])
}

/// The address of a run.
pub(super) fn run_at(f: &Frame, run: &str) -> String {
    below(f, &[run])
}

/// The address of what a model's price was over time.
pub(super) fn price_at(f: &Frame, model: &str) -> String {
    below(f, &["prices", model])
}

/// The address of what a channel's list was over time.
pub(super) fn list_at(f: &Frame, channel: i64) -> String {
    below(f, &["channels", &channel.to_string()])
}

fn below(f: &Frame, parts: &[&str]) -> String {
    format!("{}{}", f.href(Here::History), place::path(parts))
}
