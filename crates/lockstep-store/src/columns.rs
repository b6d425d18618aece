//! Reading rows: a value that this program would not have written names its table, column and row.

use serde::de::DeserializeOwned;

use crate::StoreError;
use crate::sql::{Column, Row};
use crate::wire;

/// The columns of one row.
pub(crate) struct Columns<'r> {
    row: &'r Row,
    table: &'static str,
    key: String,
}

impl<'r> Columns<'r> {
    /// The columns of a row of the table; `key` says which row it is, for messages.
    pub(crate) fn new(row: &'r Row, table: &'static str, key: &'static str) -> Self {
        let name = row
            .try_get::<String, _>(key)
            .or_else(|_| row.try_get::<i64, _>(key).map(|number| number.to_string()));
        Self {
            row,
            table,
            key: name.unwrap_or_default(),
        }
    }

    /// The error of a value that cannot be.
    pub(crate) fn bad(&self, column: &'static str) -> StoreError {
        StoreError::Inconsistent {
            table: self.table,
            column,
            row: self.key.clone(),
        }
    }

    fn get<T: Column>(&self, column: &'static str) -> Result<T, StoreError> {
        self.row.try_get(column).map_err(|_| self.bad(column))
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, StoreError> {
        self.get(column)
    }

    pub(crate) fn maybe_text(&self, column: &'static str) -> Result<Option<String>, StoreError> {
        self.get(column)
    }

    pub(crate) fn number(&self, column: &'static str) -> Result<i64, StoreError> {
        self.get(column)
    }

    pub(crate) fn maybe_number(&self, column: &'static str) -> Result<Option<i64>, StoreError> {
        self.get(column)
    }

    pub(crate) fn flag(&self, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.number(column)? != 0)
    }

    /// A number in the range of a narrower type.
    pub(crate) fn count<T: TryFrom<i64>>(&self, column: &'static str) -> Result<T, StoreError> {
        T::try_from(self.number(column)?).map_err(|_| self.bad(column))
    }

    /// A text that some function can read.
    pub(crate) fn read<T>(
        &self,
        column: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        read(&self.text(column)?).ok_or_else(|| self.bad(column))
    }

    /// As [`Self::read`], where the column may be null.
    pub(crate) fn maybe_read<T>(
        &self,
        column: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, StoreError> {
        match self.maybe_text(column)? {
            Some(text) => read(&text).map(Some).ok_or_else(|| self.bad(column)),
            None => Ok(None),
        }
    }

    /// A JSON text.
    pub(crate) fn json<T: DeserializeOwned>(&self, column: &'static str) -> Result<T, StoreError> {
        self.read(column, wire::from_text)
    }
}

/// A count as the database takes it.
pub(crate) fn big(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
