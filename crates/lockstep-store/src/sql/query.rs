//! Statements with their values.

use std::marker::PhantomData;

use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments as _, AssertSqlSafe, SqlSafeStr, SqlStr};

use super::builder::Built;
use super::value::{Bind, Column, Value, storable};
use super::{Connection, Pool, Row};

/// Where a statement is run.
pub(crate) enum Target<'t> {
    Sqlite(&'t mut SqliteConnection),
    Postgres(&'t mut PgConnection),
    Pool(&'t Pool),
}

impl Target<'_> {
    /// The same place, for one statement of several.
    pub(crate) fn again(&mut self) -> Target<'_> {
        match self {
            Self::Sqlite(db) => Target::Sqlite(db),
            Self::Postgres(db) => Target::Postgres(db),
            Self::Pool(pool) => Target::Pool(pool),
        }
    }
}

impl<'t> From<&'t mut Connection> for Target<'t> {
    fn from(connection: &'t mut Connection) -> Self {
        match connection {
            Connection::Sqlite(connection) => Self::Sqlite(connection.plain()),
            Connection::Postgres(connection) => Self::Postgres(connection.plain()),
        }
    }
}

impl<'t> From<&'t mut SqliteConnection> for Target<'t> {
    fn from(connection: &'t mut SqliteConnection) -> Self {
        Self::Sqlite(connection)
    }
}

impl<'t> From<&'t mut PgConnection> for Target<'t> {
    fn from(connection: &'t mut PgConnection) -> Self {
        Self::Postgres(connection)
    }
}

impl<'t> From<&'t Pool> for Target<'t> {
    fn from(pool: &'t Pool) -> Self {
        Self::Pool(pool)
    }
}

/// A statement. Its places are `$1`, `$2` and so on.
pub(crate) struct Query {
    sql: Sql,
    values: Vec<Value>,
    persistent: bool,
}

enum Sql {
    Written(SqlStr),
    Built(Built),
}

/// A statement whose rows are read as tuples.
pub(crate) struct QueryAs<T>(Query, PhantomData<T>);

/// A statement of which the first column is read.
pub(crate) struct QueryScalar<T>(Query, PhantomData<T>);

/// What a statement has done.
pub(crate) struct Done(u64);

/// A statement.
pub(crate) fn query(sql: impl SqlSafeStr) -> Query {
    Query {
        sql: Sql::Written(sql.into_sql_str()),
        values: Vec::new(),
        persistent: true,
    }
}

/// A statement whose rows are read as tuples.
pub(crate) fn query_as<T: Tuple>(sql: impl SqlSafeStr) -> QueryAs<T> {
    QueryAs(query(sql), PhantomData)
}

/// A statement of which the first column is read.
pub(crate) fn query_scalar<T: Column>(sql: impl SqlSafeStr) -> QueryScalar<T> {
    QueryScalar(query(sql), PhantomData)
}

/// Runs a statement where it is to be run; what comes of it is told in words of both databases.
macro_rules! run {
    ($query:expr, $target:expr, $method:ident, $sqlite:expr, $postgres:expr) => {{
        let query = $query;
        match $target.into() {
            Target::Sqlite(db) => on_sqlite!(query).$method(db).await.map($sqlite),
            Target::Pool(Pool::Sqlite(db)) => on_sqlite!(query).$method(db).await.map($sqlite),
            Target::Postgres(db) => on_postgres!(query).$method(db).await.map($postgres),
            Target::Pool(Pool::Postgres(db)) => {
                on_postgres!(query).$method(db).await.map($postgres)
            }
        }
    }};
}

macro_rules! on_sqlite {
    ($query:ident) => {
        sqlx::query_with($query.sql.nameless(), sqlite_arguments($query.values)?)
            .persistent($query.persistent)
    };
}

macro_rules! on_postgres {
    ($query:ident) => {
        sqlx::query_with($query.sql.numbered(), postgres_arguments($query.values)?)
            .persistent($query.persistent)
    };
}

impl Query {
    /// A statement that a builder made.
    pub(super) fn built(sql: Built, values: Vec<Value>) -> Self {
        Self {
            sql: Sql::Built(sql),
            values,
            persistent: true,
        }
    }

    /// The same statement with one more value.
    pub(crate) fn bind(mut self, value: impl Bind) -> Self {
        self.values.push(value.value());
        self
    }

    /// The same statement; `false`: it is not kept prepared, for it will hardly come again.
    pub(crate) fn persistent(mut self, persistent: bool) -> Self {
        self.persistent = persistent;
        self
    }

    /// Runs it.
    pub(crate) async fn execute<'t>(self, on: impl Into<Target<'t>>) -> Result<Done, sqlx::Error> {
        run!(
            self,
            on,
            execute,
            |done| Done(done.rows_affected()),
            |done| Done(done.rows_affected())
        )
    }

    /// Its rows.
    pub(crate) async fn fetch_all<'t>(
        self,
        on: impl Into<Target<'t>>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        run!(
            self,
            on,
            fetch_all,
            |rows| rows.into_iter().map(Row::Sqlite).collect(),
            |rows| rows.into_iter().map(Row::Postgres).collect()
        )
    }

    /// Its first row, which there must be.
    pub(crate) async fn fetch_one<'t>(self, on: impl Into<Target<'t>>) -> Result<Row, sqlx::Error> {
        run!(self, on, fetch_one, Row::Sqlite, Row::Postgres)
    }

    /// Its first row, if there is one.
    pub(crate) async fn fetch_optional<'t>(
        self,
        on: impl Into<Target<'t>>,
    ) -> Result<Option<Row>, sqlx::Error> {
        run!(
            self,
            on,
            fetch_optional,
            |row| row.map(Row::Sqlite),
            |row| row.map(Row::Postgres)
        )
    }
}

impl Sql {
    fn nameless(self) -> SqlStr {
        match self {
            Self::Written(sql) => sql,
            Self::Built(sql) => AssertSqlSafe(sql.nameless()).into_sql_str(),
        }
    }

    fn numbered(self) -> SqlStr {
        match self {
            Self::Written(sql) => sql,
            Self::Built(sql) => AssertSqlSafe(sql.numbered()).into_sql_str(),
        }
    }
}

impl<T: Tuple> QueryAs<T> {
    /// The same statement with one more value.
    pub(crate) fn bind(self, value: impl Bind) -> Self {
        Self(self.0.bind(value), PhantomData)
    }

    /// Its rows.
    pub(crate) async fn fetch_all<'t>(
        self,
        on: impl Into<Target<'t>>,
    ) -> Result<Vec<T>, sqlx::Error> {
        self.0.fetch_all(on).await?.iter().map(T::of).collect()
    }
}

impl<T: Column> QueryScalar<T> {
    /// The same statement with one more value.
    pub(crate) fn bind(self, value: impl Bind) -> Self {
        Self(self.0.bind(value), PhantomData)
    }

    /// The first column of all rows.
    pub(crate) async fn fetch_all<'t>(
        self,
        on: impl Into<Target<'t>>,
    ) -> Result<Vec<T>, sqlx::Error> {
        let rows = self.0.fetch_all(on).await?;
        rows.iter().map(|row| row.try_get(0)).collect()
    }

    /// The first column of the first row, which there must be.
    pub(crate) async fn fetch_one<'t>(self, on: impl Into<Target<'t>>) -> Result<T, sqlx::Error> {
        self.0.fetch_one(on).await?.try_get(0)
    }

    /// The first column of the first row, if there is one.
    pub(crate) async fn fetch_optional<'t>(
        self,
        on: impl Into<Target<'t>>,
    ) -> Result<Option<T>, sqlx::Error> {
        let row = self.0.fetch_optional(on).await?;
        row.map(|row| row.try_get(0)).transpose()
    }
}

impl Done {
    /// How many rows it changed.
    pub(crate) fn rows_affected(&self) -> u64 {
        self.0
    }
}

/// What a row can be read as.
pub(crate) trait Tuple: Sized {
    fn of(row: &Row) -> Result<Self, sqlx::Error>;
}

impl<A: Column, B: Column> Tuple for (A, B) {
    fn of(row: &Row) -> Result<Self, sqlx::Error> {
        Ok((row.try_get(0)?, row.try_get(1)?))
    }
}

impl<A: Column, B: Column, C: Column> Tuple for (A, B, C) {
    fn of(row: &Row) -> Result<Self, sqlx::Error> {
        Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
    }
}

fn sqlite_arguments(values: Vec<Value>) -> Result<SqliteArguments, sqlx::Error> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        match value {
            Value::Text(text) => arguments.add(text),
            Value::Number(number) => arguments.add(number),
            Value::NoText => arguments.add(None::<String>),
            Value::NoNumber => arguments.add(None::<i64>),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn postgres_arguments(values: Vec<Value>) -> Result<PgArguments, sqlx::Error> {
    let mut arguments = PgArguments::default();
    for value in values {
        match value {
            Value::Text(text) => arguments.add(storable(text)),
            Value::Number(number) => arguments.add(number),
            Value::NoText => arguments.add(None::<String>),
            Value::NoNumber => arguments.add(None::<i64>),
        }
        .map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
