//! Where notices go.

use lockstep_core::notices::NoticeKind;
use secrecy::SecretString;

use super::outbox::drop_due;
use crate::columns::Columns;
use crate::error::taken;
use crate::seal::SecretColumn;
use crate::sql::{Row, Target};
use crate::{Store, StoreError, sql, wire};

/// Where the addresses are.
const ADDRESS: SecretColumn = SecretColumn {
    table: "notice_target",
    column: "sealed",
    select: "SELECT sealed FROM notice_target WHERE id = $1",
    secret: "address",
    row: "notice target",
};

/// Where notices go. What is secret of it is read by [`Store::notice_secret`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeTarget {
    /// UUIDv7 text.
    pub id: String,
    /// The name that people use.
    pub name: String,
    /// What stands there: the code of a sender.
    pub kind: String,
    /// The kinds of notices that go there; none for all.
    pub kinds: Vec<NoticeKind>,
    /// Whether anything is sent there.
    pub enabled: bool,
    /// When it was added, in Unix milliseconds.
    pub created_at: i64,
}

/// A target to add.
#[derive(Debug)]
pub struct NewNoticeTarget {
    /// Its name.
    pub name: String,
    /// The code of its sender.
    pub kind: String,
    /// The kinds of notices that go there; none for all.
    pub kinds: Vec<NoticeKind>,
    /// Its address and secrets, as its sender reads them. It is stored encrypted.
    pub secret: SecretString,
}

impl NoticeTarget {
    /// Whether it hears notices of a kind.
    pub fn hears(&self, kind: NoticeKind) -> bool {
        self.enabled && (self.kinds.is_empty() || self.kinds.contains(&kind))
    }
}

impl Store {
    /// Adds a target. [`StoreError::Conflict`] when its name is taken.
    pub async fn add_notice_target(
        &self,
        new: NewNoticeTarget,
        now: i64,
    ) -> Result<NoticeTarget, StoreError> {
        let id = self.new_id(now);
        let sealed = self.sealed(&ADDRESS, &id, &new.secret)?;
        self.write(move |db| {
            Box::pin(async move {
                let codes: Vec<&str> = new.kinds.iter().map(|kind| kind.code()).collect();
                sql::query(
                    "INSERT INTO notice_target (id, name, kind, sealed, kinds, enabled, created_at)
                     VALUES ($1, $2, $3, $4, $5, 1, $6)",
                )
                .bind(&id)
                .bind(&new.name)
                .bind(&new.kind)
                .bind(sealed)
                .bind(wire::to_text(&codes))
                .bind(now)
                .execute(&mut *db)
                .await
                .map_err(|error| taken(error, &new.name))?;
                let row = sql::query("SELECT * FROM notice_target WHERE id = $1")
                    .bind(&id)
                    .fetch_one(db)
                    .await?;
                target(&row)
            })
        })
        .await
    }

    /// All targets, by name.
    pub async fn notice_targets(&self) -> Result<Vec<NoticeTarget>, StoreError> {
        all(self.readers()).await
    }

    /// The target of a name.
    pub async fn notice_target_by_name(&self, name: &str) -> Result<NoticeTarget, StoreError> {
        let row = sql::query("SELECT * FROM notice_target WHERE name = $1")
            .bind(name)
            .fetch_optional(self.readers())
            .await?;
        row.as_ref()
            .map(target)
            .unwrap_or_else(|| Err(StoreError::NotFound(format!("notice target `{name}`"))))
    }

    /// A target's address and secrets, decrypted.
    pub async fn notice_secret(&self, id: &str) -> Result<SecretString, StoreError> {
        let opened = self.opened(&ADDRESS, id).await?;
        opened.ok_or_else(|| ADDRESS.not_found(id))
    }

    /// Gives a target another address and other secrets. What is still to be sent there goes to the new address.
    pub async fn set_notice_address(
        &self,
        id: &str,
        secret: &SecretString,
    ) -> Result<(), StoreError> {
        let id = id.to_owned();
        let sealed = self.sealed(&ADDRESS, &id, secret)?;
        self.write(move |db| {
            Box::pin(async move {
                let set = sql::query("UPDATE notice_target SET sealed = $2 WHERE id = $1")
                    .bind(&id)
                    .bind(sealed)
                    .execute(db)
                    .await?;
                ADDRESS.there_was(set.rows_affected(), &id)
            })
        })
        .await
    }

    /// Sends notices of these kinds there from now on; all where there are none. What was put out before is sent.
    pub async fn set_notice_kinds(&self, id: &str, kinds: &[NoticeKind]) -> Result<(), StoreError> {
        let id = id.to_owned();
        let codes: Vec<&str> = kinds.iter().map(|kind| kind.code()).collect();
        let codes = wire::to_text(&codes);
        self.write(move |db| {
            Box::pin(async move {
                let set = sql::query("UPDATE notice_target SET kinds = $2 WHERE id = $1")
                    .bind(&id)
                    .bind(codes)
                    .execute(db)
                    .await?;
                ADDRESS.there_was(set.rows_affected(), &id)
            })
        })
        .await
    }

    /// Sends something there from now on, or nothing: what was still to be sent there is not.
    pub async fn enable_notice_target(&self, id: &str, enabled: bool) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let set = sql::query("UPDATE notice_target SET enabled = $2 WHERE id = $1")
                    .bind(&id)
                    .bind(i64::from(enabled))
                    .execute(&mut *db)
                    .await?;
                ADDRESS.there_was(set.rows_affected(), &id)?;
                if !enabled {
                    drop_due(db, &id).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Removes a target with its address and secrets. What was sent there stays in the log; what was still to be sent
    /// is not.
    pub async fn remove_notice_target(&self, id: &str) -> Result<(), StoreError> {
        let id = id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                let removed = sql::query("DELETE FROM notice_target WHERE id = $1")
                    .bind(&id)
                    .execute(&mut *db)
                    .await?;
                ADDRESS.there_was(removed.rows_affected(), &id)?;
                drop_due(db, &id).await
            })
        })
        .await
    }
}

/// All targets, by name.
pub(super) async fn all<'t>(on: impl Into<Target<'t>>) -> Result<Vec<NoticeTarget>, StoreError> {
    let rows = sql::query("SELECT * FROM notice_target ORDER BY name")
        .fetch_all(on)
        .await?;
    rows.iter().map(target).collect()
}

pub(super) fn target(row: &Row) -> Result<NoticeTarget, StoreError> {
    let columns = Columns::new(row, "notice_target", "id");
    let kinds = columns.read("kinds", |text| {
        let codes: Vec<String> = wire::from_text(text)?;
        codes
            .iter()
            .map(|code| NoticeKind::from_code(code))
            .collect()
    })?;
    Ok(NoticeTarget {
        id: columns.text("id")?,
        name: columns.text("name")?,
        kind: columns.text("kind")?,
        kinds,
        enabled: columns.flag("enabled")?,
        created_at: columns.number("created_at")?,
    })
}
