//! Statements made of parts, for lists of values.

use super::query::Query;
use super::value::{Bind, Value};

/// A statement under construction.
pub(crate) struct QueryBuilder {
    sql: Built,
    values: Vec<Value>,
}

/// A statement with a `?` for each value. SQLite looks a numbered place up among all others, so a statement of thousands
/// has nameless ones there.
pub(super) struct Built {
    text: String,
    /// Where each `?` stands.
    places: Vec<usize>,
}

/// Adds values to a statement with something between them.
pub(crate) struct Separated<'b> {
    builder: &'b mut QueryBuilder,
    separator: &'static str,
    first: bool,
}

impl QueryBuilder {
    /// A statement that begins so.
    pub(crate) fn new(start: &str) -> Self {
        Self {
            sql: Built {
                text: start.to_owned(),
                places: Vec::new(),
            },
            values: Vec::new(),
        }
    }

    /// Adds words, which are no value.
    pub(crate) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.text.push_str(sql);
        self
    }

    /// Adds a value.
    pub(crate) fn push_bind(&mut self, value: impl Bind) -> &mut Self {
        self.values.push(value.value());
        self.sql.places.push(self.sql.text.len());
        self.sql.text.push('?');
        self
    }

    /// Adds values with something between them.
    pub(crate) fn separated(&mut self, separator: &'static str) -> Separated<'_> {
        Separated {
            builder: self,
            separator,
            first: true,
        }
    }

    /// Adds rows of values.
    pub(crate) fn push_values<T>(
        &mut self,
        rows: impl IntoIterator<Item = T>,
        mut push: impl FnMut(Separated<'_>, T),
    ) -> &mut Self {
        self.push("VALUES ");
        let mut first = true;
        for row in rows {
            self.push(if first { "(" } else { ", (" });
            first = false;
            push(self.separated(", "), row);
            self.push(")");
        }
        self
    }

    /// The statement.
    pub(crate) fn build(self) -> Query {
        Query::built(self.sql, self.values)
    }
}

impl Built {
    /// As SQLite reads it.
    pub(super) fn nameless(self) -> String {
        self.text
    }

    /// As PostgreSQL reads it.
    pub(super) fn numbered(self) -> String {
        let mut numbered = String::with_capacity(self.text.len() + self.places.len() * 4);
        let mut from = 0;
        for (number, place) in (1..).zip(self.places) {
            numbered.push_str(self.text.get(from..place).unwrap_or_default());
            numbered.push_str(&format!("${number}"));
            from = place + 1;
        }
        numbered.push_str(self.text.get(from..).unwrap_or_default());
        numbered
    }
}

impl Separated<'_> {
    /// Adds a value.
    pub(crate) fn push_bind(&mut self, value: impl Bind) -> &mut Self {
        if !self.first {
            self.builder.push(self.separator);
        }
        self.first = false;
        self.builder.push_bind(value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_over_all_rows() {
        let mut insert = QueryBuilder::new("INSERT INTO t (a, b) ");
        insert.push_values([(1_i64, "x"), (2, "y")], |mut row, (number, text)| {
            row.push_bind(number).push_bind(text);
        });
        insert.push(" ON CONFLICT DO NOTHING");
        assert_eq!(
            insert.sql.numbered(),
            "INSERT INTO t (a, b) VALUES ($1, $2), ($3, $4) ON CONFLICT DO NOTHING"
        );
    }
}
