//! Requests that are done once, however often they are sent: each by its caller and the key that he gave it.

use lockstep_core::hash::Digest;

use crate::columns::Columns;
use crate::sql::{self, Row};
use crate::{Store, StoreError};

/// How long an answer is kept, in milliseconds: a day.
const KEPT_MS: i64 = 86_400_000;

/// What is known of a request that somebody gave a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Nobody began it: it is ours to do.
    Now,
    /// It is being done, or whoever did it is gone; begun then, in Unix milliseconds.
    Before(i64),
    /// It was done.
    Done(Answer),
    /// The key was given to another request.
    Another,
}

/// The answer to a request that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What was answered, as the caller of [`Store::keep_answer`] wrote it; `None` for an answer that must not be kept.
    pub body: Option<String>,
}

impl Store {
    /// Begins a request, unless it was begun before. Answers older than a day are forgotten on the way.
    pub async fn begin_request(
        &self,
        caller: &str,
        key: &str,
        request: &Digest,
        now: i64,
    ) -> Result<Begun, StoreError> {
        let (caller, key, request) = (caller.to_owned(), key.to_owned(), request.clone());
        self.write(move |db| {
            Box::pin(async move {
                sql::query("DELETE FROM idempotency WHERE at < $1")
                    .bind(now.saturating_sub(KEPT_MS))
                    .execute(&mut *db)
                    .await?;
                let begun = sql::query(
                    "INSERT INTO idempotency (caller, key, request, at) VALUES ($1, $2, $3, $4)
                     ON CONFLICT (caller, key) DO NOTHING",
                )
                .bind(&caller)
                .bind(&key)
                .bind(request.as_str())
                .bind(now)
                .execute(&mut *db)
                .await?;
                if begun.rows_affected() > 0 {
                    return Ok(Begun::Now);
                }
                let row = sql::query("SELECT * FROM idempotency WHERE caller = $1 AND key = $2")
                    .bind(&caller)
                    .bind(&key)
                    .fetch_one(db)
                    .await?;
                from_row(&row, &request)
            })
        })
        .await
    }

    /// Keeps the answer to a request that was begun.
    pub async fn keep_answer(
        &self,
        caller: &str,
        key: &str,
        answer: Answer,
    ) -> Result<(), StoreError> {
        let (caller, key) = (caller.to_owned(), key.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                sql::query(
                    "UPDATE idempotency SET status = $3, body = $4 WHERE caller = $1 AND key = $2",
                )
                .bind(caller)
                .bind(key)
                .bind(i64::from(answer.status))
                .bind(answer.body)
                .execute(db)
                .await?;
                Ok(())
            })
        })
        .await
    }

    /// Forgets a request that was begun: it came to nothing, so it may be sent again.
    pub async fn forget_request(&self, caller: &str, key: &str) -> Result<(), StoreError> {
        let (caller, key) = (caller.to_owned(), key.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                sql::query("DELETE FROM idempotency WHERE caller = $1 AND key = $2")
                    .bind(caller)
                    .bind(key)
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }
}

fn from_row(row: &Row, request: &Digest) -> Result<Begun, StoreError> {
    let columns = Columns::new(row, "idempotency", "key");
    if columns.text("request")? != request.as_str() {
        return Ok(Begun::Another);
    }
    Ok(match columns.maybe_number("status")? {
        None => Begun::Before(columns.number("at")?),
        Some(_) => Begun::Done(Answer {
            status: columns.count("status")?,
            body: columns.maybe_text("body")?,
        }),
    })
}
