//! Places that notices go to, and what was sent there, as programs are told of them. Of an address only the host is.

use lockstep_store::notices::{NoticeSent, NoticeTarget};
use lockstep_store::{Store, StoreError};
use serde::Serialize;
use utoipa::ToSchema;

use super::json::time;
use crate::notify::{Address, Why};
use crate::words::en;

/// A place that notices go to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NoticeTarget)]
pub(crate) struct Target {
    /// What people call it.
    name: String,
    /// What stands there, such as `webhook`.
    kind: String,
    /// The host of its address, with its port; `null` where what is stored cannot be read.
    pub(crate) host: Option<String>,
    /// The kinds of notices that it hears; all where there are none.
    only: Vec<&'static str>,
    /// Whether anything is sent there.
    enabled: bool,
    /// RFC 3339.
    created_at: String,
}

/// One notice as it was sent, or was not.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NoticeSent)]
pub(crate) struct Sent {
    /// The place's name; `null` where it is no longer there.
    target: Option<String>,
    /// The run that it tells of; `null` for a test, and for one that did not begin.
    run: Option<String>,
    /// Its kind, or `test`.
    notice: String,
    /// Since when it is to be sent; RFC 3339.
    at: String,
    /// When it ended; `null` while it is to be sent, and where it was given up with its place.
    done_at: Option<String>,
    /// When it may be tried, or tried again; `null` once that is over.
    due_at: Option<String>,
    /// How often it was tried.
    attempts: u32,
    /// Whether it arrived.
    arrived: bool,
    /// Why it did not, or has not yet.
    error: Option<String>,
}

impl Target {
    /// What is told of a place.
    pub(crate) async fn of(store: &Store, target: &NoticeTarget) -> Result<Self, StoreError> {
        let stored = store.notice_secret(&target.id).await?;
        Ok(Self {
            name: target.name.clone(),
            kind: target.kind.clone(),
            host: Address::read(&stored).map(|address| address.host()),
            only: target.kinds.iter().map(|kind| kind.code()).collect(),
            enabled: target.enabled,
            created_at: time(target.created_at),
        })
    }
}

impl From<NoticeSent> for Sent {
    fn from(one: NoticeSent) -> Self {
        Self {
            arrived: one.done_at.is_some() && one.error.is_none(),
            target: one.target,
            run: one.run_id,
            notice: one.kind,
            at: time(one.at),
            done_at: one.done_at.map(time),
            due_at: one.due_at.map(time),
            attempts: one.attempts,
            error: one.error.map(|why| en::notice_why(&Why::read(&why))),
        }
    }
}
