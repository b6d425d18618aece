//! Texts stored once, by their digest.

use std::collections::BTreeMap;

use crate::sql::QueryBuilder;
use lockstep_core::hash::Digest;

use crate::sql::Connection;
use crate::{StoreError, sql};

/// How many rows one statement inserts: enough to be fast, few enough for every database's limit of parameters.
pub(crate) const ROWS_PER_STATEMENT: usize = 200;

/// Texts that are about to be stored.
#[derive(Default)]
pub(crate) struct Blobs(BTreeMap<String, String>);

impl Blobs {
    /// Adds a text and returns the digest under which it will be found.
    pub(crate) fn put(&mut self, text: &str) -> String {
        let hash = Digest::of([text]).as_str().to_owned();
        self.0
            .entry(hash.clone())
            .or_insert_with(|| text.to_owned());
        hash
    }

    /// Stores what is not there yet.
    pub(crate) async fn store(self, db: &mut Connection) -> Result<(), StoreError> {
        let texts: Vec<(String, String)> = self.0.into_iter().collect();
        for some in texts.chunks(ROWS_PER_STATEMENT) {
            let mut insert = QueryBuilder::new("INSERT INTO blob (hash, text) ");
            insert.push_values(some, |mut row, (hash, text)| {
                row.push_bind(hash).push_bind(text);
            });
            insert.push(" ON CONFLICT (hash) DO NOTHING");
            insert.build().persistent(false).execute(&mut *db).await?;
        }
        Ok(())
    }
}

/// The texts that nothing names. Both databases are quick to take a list from a list; PostgreSQL looks through a long
/// one again for every row that is not to be in it.
macro_rules! unused {
    () => {
        "SELECT hash FROM blob
         EXCEPT SELECT before_hash FROM change
         EXCEPT SELECT after_hash FROM change
         EXCEPT SELECT upstream_hash FROM change
         EXCEPT SELECT detail FROM change
         EXCEPT SELECT old_hash FROM price_change
         EXCEPT SELECT new_hash FROM price_change
         EXCEPT SELECT detail FROM price_change
         EXCEPT SELECT before_hash FROM image
         EXCEPT SELECT after_hash FROM image
         EXCEPT SELECT settled_hash FROM memory
         EXCEPT SELECT left_hash FROM memory"
    };
}

/// Reads the texts that nothing names.
pub(crate) const UNUSED: &str = unused!();

/// Removes the texts that nothing names any more.
pub(crate) async fn remove_unused(db: &mut Connection) -> Result<(), StoreError> {
    sql::query(concat!("DELETE FROM blob WHERE hash IN (", unused!(), ")"))
        .execute(db)
        .await?;
    Ok(())
}
