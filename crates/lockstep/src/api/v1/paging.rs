//! Pages of long lists: how many a page has, and where the next one begins.

use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer};

use crate::server::problem::Problem;

/// Entries of a page, where nobody says how many.
const USUAL: u32 = 50;
/// The most entries of a page.
pub(crate) const MOST: u32 = 500;

/// How many entries a page has: 1 to 500.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit(u32);

impl Default for Limit {
    fn default() -> Self {
        Self(USUAL)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.parse() {
            Ok(limit) if (1..=MOST).contains(&limit) => Ok(Self(limit)),
            _ => Err(D::Error::invalid_value(
                Unexpected::Str(&text),
                &"limit as a number from 1 to 500",
            )),
        }
    }
}

impl Limit {
    /// As many.
    pub(crate) fn count(self) -> u32 {
        self.0
    }
}

/// A list that stays as it is while it is paged through: some entries, and the cursor of the next page.
pub(crate) fn page<T>(
    all: Vec<T>,
    cursor: Option<&str>,
    limit: Limit,
) -> Result<(Vec<T>, Option<String>), Problem> {
    let start = place(cursor)?;
    let next = next(start, limit, all.len());
    let count = limit.0 as usize;
    Ok((all.into_iter().skip(start).take(count).collect(), next))
}

/// How many entries come before the page of a cursor.
pub(crate) fn place(cursor: Option<&str>) -> Result<usize, Problem> {
    cursor.map_or(Ok(0), |text| text.parse().map_err(|_| bad_cursor()))
}

/// The cursor of the page after one that begins behind so many entries of so many.
pub(crate) fn next(place: usize, limit: Limit, total: usize) -> Option<String> {
    let end = place.saturating_add(limit.0 as usize);
    (total > end).then(|| end.to_string())
}

/// A cursor that no page ended with.
pub(crate) fn bad_cursor() -> Problem {
    Problem::bad_request("this cursor is none that a page ended with")
        .hint("Give `next` of the page before as `cursor`, and nothing for the first page.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_join_to_the_whole_list() {
        let all: Vec<u32> = (0..7).collect();
        let (mut seen, mut cursor) = (Vec::new(), None);
        loop {
            let (some, next) = page(all.clone(), cursor.as_deref(), Limit(3)).expect("a page");
            seen.extend(some);
            match next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, all);
        assert!(page(all, Some("x"), Limit(3)).is_err());
    }
}
