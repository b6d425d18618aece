//! Changes: what each channel of a run had, would have or has, and why.

use lockstep_core::change::{State, Subject};
use lockstep_core::channel::Provider;
use lockstep_core::failure::Failure;
use lockstep_core::hash::Digest;
use lockstep_core::hold::Reason;
use lockstep_core::models::fate::{Dropped, Kept};
use lockstep_core::models::plan::Note;

use sqlx::AssertSqlSafe;

use crate::change_rows::{from_outline, from_row, select, select_outlines};
use crate::status::ItemStatus;
use crate::{Store, StoreError, sql};

/// One channel in one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeRow {
    /// The run.
    pub run_id: String,
    /// The gateway's channel id.
    pub channel_id: i64,
    /// The channel's name when it was read.
    pub channel_name: String,
    /// The provider behind it.
    pub provider: Provider,
    /// The page of the gateway's channel list on which it was.
    pub page: u32,
    /// The digest of all that the plan rests on.
    pub base: Digest,
    /// The gateway's text of the list, byte for byte.
    pub before: String,
    /// The text to write, or written.
    pub after: Option<String>,
    /// The provider's names as fetched, where they could be read.
    pub upstream: Option<Vec<String>>,
    /// How far the change got.
    pub state: State,
    /// Why some of it waits.
    pub hold: Option<Reason>,
    /// Why it was left alone.
    pub skip: Option<Reason>,
    /// What went wrong.
    pub failure: Option<Failure>,
    /// Names whose addition waits.
    pub held_add: Vec<String>,
    /// Names whose removal waits.
    pub held_remove: Vec<String>,
    /// Names that stay although the provider has them not, and why.
    pub kept: Vec<(String, Kept)>,
    /// Fetched names that do not come, and why.
    pub dropped: Vec<(String, Dropped)>,
    /// What else is worth saying.
    pub notes: Vec<Note>,
    /// How often the provider was asked, or the write was tried.
    pub attempts: u32,
    /// The last HTTP status.
    pub http_status: Option<u16>,
    /// When it was read, in Unix milliseconds.
    pub read_at: i64,
    /// When its outcome was known.
    pub finished_at: Option<i64>,
}

impl ChangeRow {
    /// What a person is told of it.
    pub fn status(&self) -> ItemStatus {
        ItemStatus::of(self.state, self.hold.is_some())
    }

    /// The digest of what is held, to which "keep until it changes" can be answered. It is the one that
    /// [`lockstep_core::models::plan::ChannelPlan::held_digest`] makes.
    pub fn held_digest(&self) -> Option<Digest> {
        self.hold.as_ref()?;
        let signed = |sign: &str, names: &[String]| -> Vec<String> {
            let mut names: Vec<String> = names.iter().map(|name| format!("{sign}{name}")).collect();
            names.sort();
            names
        };
        let mut all = signed("+", &self.held_add);
        all.extend(signed("-", &self.held_remove));
        (!all.is_empty()).then(|| Digest::of(all))
    }
}

impl Store {
    /// The run's changes in the order of their channel ids.
    pub async fn changes(&self, run_id: &str) -> Result<Vec<ChangeRow>, StoreError> {
        let sql = select("c.run_id = $1 ORDER BY c.channel_id");
        let rows = sql::query(AssertSqlSafe(sql))
            .bind(run_id)
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(from_row).collect()
    }

    /// The run's changes without the providers' lists, in the order of their channel ids: those lists are the longest
    /// part of a run, and who only compares what was shown needs none.
    pub async fn outlines(&self, run_id: &str) -> Result<Vec<ChangeRow>, StoreError> {
        let rows = sql::query(select_outlines())
            .bind(run_id)
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(from_outline).collect()
    }

    /// The run's changes that are in a state, in the order of their channel ids: of a big run mostly a few.
    pub async fn changes_in(
        &self,
        run_id: &str,
        state: State,
    ) -> Result<Vec<ChangeRow>, StoreError> {
        let sql = select("c.run_id = $1 AND c.state = $2 ORDER BY c.channel_id");
        let rows = sql::query(AssertSqlSafe(sql))
            .bind(run_id)
            .bind(state.code())
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(from_row).collect()
    }

    /// One channel's change in a run.
    pub async fn change(
        &self,
        run_id: &str,
        channel_id: i64,
    ) -> Result<Option<ChangeRow>, StoreError> {
        let sql = select("c.run_id = $1 AND c.channel_id = $2");
        let row = sql::query(AssertSqlSafe(sql))
            .bind(run_id)
            .bind(channel_id)
            .fetch_optional(self.readers())
            .await?;
        row.as_ref().map(from_row).transpose()
    }

    /// The channels whose latest change, over all runs of the site about the subject, failed.
    pub async fn latest_failed(
        &self,
        site_id: &str,
        subject: Subject,
    ) -> Result<Vec<i64>, StoreError> {
        Ok(sql::query_scalar(
            "SELECT c.channel_id FROM change c
             WHERE c.site_id = $1 AND c.subject = $2 AND c.state IN ('unread', 'moved', 'failed', 'unverified')
             AND NOT EXISTS (
                 SELECT 1 FROM change later
                 WHERE later.site_id = c.site_id AND later.channel_id = c.channel_id AND later.subject = c.subject
                 AND (COALESCE(later.finished_at, later.read_at), later.run_id)
                     > (COALESCE(c.finished_at, c.read_at), c.run_id))
             ORDER BY c.channel_id",
        )
        .bind(site_id)
        .bind(subject.code())
        .fetch_all(self.readers())
        .await?)
    }

    /// A channel's changes over all runs, newest first.
    pub async fn channel_history(
        &self,
        site_id: &str,
        channel_id: i64,
        limit: u32,
    ) -> Result<Vec<ChangeRow>, StoreError> {
        let sql = select(
            "c.site_id = $1 AND c.channel_id = $2
             ORDER BY COALESCE(c.finished_at, c.read_at) DESC, c.run_id DESC LIMIT $3",
        );
        let rows = sql::query(AssertSqlSafe(sql))
            .bind(site_id)
            .bind(channel_id)
            .bind(i64::from(limit))
            .fetch_all(self.readers())
            .await?;
        rows.iter().map(from_row).collect()
    }
}
