//! What the gateway wrote down about changed options: how a second admin's write shows that no map shows any more.

use std::collections::HashSet;

use lockstep_core::failure::{Failure, FailureKind};
use serde::Deserialize;
use serde_json::Value;

use crate::retry::read_with_retries;

use super::GatewayReader;
use super::read::granted;

/// How many rows a page holds: the gateway cuts more to this.
const PAGE_SIZE: usize = 100;
/// A time with more pages than this is too long to look through.
const MOST_PAGES: u32 = 100;
/// The rows about what admins did.
const ADMIN_ROWS: u32 = 3;
/// What such a row calls the change of an option.
const OPTION_UPDATE: &str = "option.update";

/// One change of an option, by whomever. The gateway does not write down what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionWrite {
    /// The option's key, of any option.
    pub key: String,
    /// When, by the gateway's clock, in Unix seconds.
    pub at_s: i64,
    /// The id of the user who did it, where it is told.
    pub user_id: Option<i64>,
    /// The name of that user; blank where it is not told.
    pub username: String,
}

impl GatewayReader {
    /// The changes of options since `since_s`, in Unix seconds by the gateway's clock and inclusive, newest first;
    /// what is changed while this is read may be missing. An older fork writes nothing down, so an empty list from one
    /// says nothing: whoever wrote something must find it here. Each page is tried again as [`GatewayReader::with_page_retries`] says.
    ///
    /// # Errors
    ///
    /// [`FailureKind::PartialPicture`] when there are more rows than are looked through, and as for a page.
    pub async fn option_writes_since(&self, since_s: i64) -> Result<Vec<OptionWrite>, Failure> {
        let mut seen = HashSet::new();
        let mut writes = Vec::new();
        let mut received = 0;
        for p in 1..=MOST_PAGES {
            let tried = read_with_retries(self.page_retries, || self.log_page(since_s, p)).await;
            let page = tried.result?;
            let rows = page.items.unwrap_or_default();
            received += rows.len();
            let last = rows.is_empty() || received >= page.total;
            for row in rows {
                // New rows push old ones to the next page, where they come a second time.
                if seen.insert(row.id) {
                    writes.extend(row.option_write());
                }
            }
            if last {
                return Ok(writes);
            }
        }
        let text = format!("more than {MOST_PAGES} pages of the log since {since_s}");
        Err(Failure::new(FailureKind::PartialPicture, text))
    }

    async fn log_page(&self, since_s: i64, p: u32) -> Result<LogPage, Failure> {
        let path = format!(
            "/api/log/?p={p}&page_size={PAGE_SIZE}&type={ADMIN_ROWS}&start_timestamp={since_s}"
        );
        let reply = self.get(path, self.gateway().limits.read).await?;
        self.reading(&reply, |envelope| granted(&reply, &envelope))
    }
}

#[derive(Deserialize)]
struct LogPage {
    items: Option<Vec<Row>>,
    total: usize,
}

#[derive(Deserialize)]
struct Row {
    id: i64,
    created_at: i64,
    /// JSON in a text, whose shape goes by the action.
    other: Option<Value>,
    user_id: Option<i64>,
    username: Option<String>,
}

impl Row {
    /// The change of an option, if it is one.
    fn option_write(self) -> Option<OptionWrite> {
        let other: Value = serde_json::from_str(self.other.as_ref()?.as_str()?).ok()?;
        let text = |path| other.pointer(path).and_then(Value::as_str);
        if text("/op/action") != Some(OPTION_UPDATE) {
            return None;
        }
        let admin = other.pointer("/admin_info/admin_id");
        Some(OptionWrite {
            key: text("/op/params/key")?.to_owned(),
            at_s: self.created_at,
            user_id: admin.and_then(Value::as_i64).or(self.user_id),
            username: text("/admin_info/admin_username")
                .map(str::to_owned)
                .or(self.username)
                .unwrap_or_default(),
        })
    }
}
