//! One way to speak to two databases: the same statements, texts and whole numbers only.
//!
//! The rows and arguments of each database stay its own, so that neither pays for the other.

mod builder;
mod query;
mod value;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool, PgRow};
use sqlx::sqlite::{SqliteConnection, SqlitePool, SqliteRow};
use sqlx::{ColumnIndex, Database, Postgres, Sqlite, Transaction};

use crate::{postgres, sqlite};

pub(crate) use builder::QueryBuilder;
pub(crate) use query::{Target, query, query_as, query_scalar};
pub(crate) use value::Column;

/// Connections to a database.
#[derive(Clone)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A connection that is ours until this is dropped; a transaction that was not committed is rolled back then.
pub(crate) enum Connection {
    Sqlite(Use<Sqlite>),
    Postgres(Use<Postgres>),
}

/// What a connection is used for.
pub(crate) enum Use<D: Database> {
    Single(PoolConnection<D>),
    Transaction(Transaction<'static, D>),
}

/// One row of an answer.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Pool {
    /// A connection for single statements.
    pub(crate) async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => Connection::Sqlite(Use::Single(pool.acquire().await?)),
            Self::Postgres(pool) => Connection::Postgres(Use::Single(pool.acquire().await?)),
        })
    }

    /// A transaction to read in: all of it sees one moment.
    pub(crate) async fn begin(&self) -> Result<Connection, sqlx::Error> {
        self.begin_with(sqlite::BEGIN_READ, postgres::BEGIN_READ)
            .await
    }

    /// A transaction to write in. There is one at a time in the whole database.
    pub(crate) async fn begin_write(&self) -> Result<Connection, sqlx::Error> {
        self.begin_with(sqlite::BEGIN_WRITE, postgres::BEGIN_WRITE)
            .await
    }

    async fn begin_with(
        &self,
        on_sqlite: &'static str,
        on_postgres: &'static str,
    ) -> Result<Connection, sqlx::Error> {
        Ok(match self {
            Self::Sqlite(pool) => {
                Connection::Sqlite(Use::Transaction(pool.begin_with(on_sqlite).await?))
            }
            Self::Postgres(pool) => {
                Connection::Postgres(Use::Transaction(pool.begin_with(on_postgres).await?))
            }
        })
    }

    /// Waits for the work under way and closes every connection.
    pub(crate) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            Self::Postgres(pool) => pool.close().await,
        }
    }
}

impl Connection {
    /// Commits the transaction.
    pub(crate) async fn commit(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(Use::Transaction(transaction)) => transaction.commit().await,
            Self::Postgres(Use::Transaction(transaction)) => transaction.commit().await,
            // Each statement was its own transaction.
            Self::Sqlite(Use::Single(_)) | Self::Postgres(Use::Single(_)) => Ok(()),
        }
    }
}

impl Use<Sqlite> {
    pub(crate) fn plain(&mut self) -> &mut SqliteConnection {
        match self {
            Self::Single(connection) => connection,
            Self::Transaction(transaction) => transaction,
        }
    }
}

impl Use<Postgres> {
    pub(crate) fn plain(&mut self) -> &mut PgConnection {
        match self {
            Self::Single(connection) => connection,
            Self::Transaction(transaction) => transaction,
        }
    }
}

impl Row {
    /// The value of a column.
    pub(crate) fn try_get<T, I>(&self, index: I) -> Result<T, sqlx::Error>
    where
        T: Column,
        I: ColumnIndex<SqliteRow> + ColumnIndex<PgRow>,
    {
        match self {
            Self::Sqlite(row) => sqlx::Row::try_get(row, index),
            Self::Postgres(row) => sqlx::Row::try_get(row, index).map(T::from_postgres),
        }
    }
}
