//! What a provider was asked, in the order of arrival.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use hyper::HeaderMap;

/// Rows kept; older ones are forgotten, and only their number is known.
const KEPT: usize = 10_000;

/// One request to a provider.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Arrival, since the gateway's start.
    pub at: Duration,
    /// The path below the provider's address.
    pub path: String,
    /// The query string, without the question mark.
    pub query: String,
    /// The headers, in the order they came, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The status answered. `None` when no whole answer was sent, or not yet.
    pub status: Option<u16>,
}

impl Asked {
    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    fn is_for(&self, path: &str) -> bool {
        match path.split_once('?') {
            Some((path, query)) => self.path == path && self.query == query,
            None => self.path == path,
        }
    }
}

/// The rows, with counts that go back to the start.
#[derive(Debug, Default)]
pub(crate) struct AskedLog {
    rows: VecDeque<Asked>,
    forgotten: u64,
    counts: BTreeMap<(String, String), u32>,
}

impl AskedLog {
    /// Writes an arrival down and answers its number.
    pub(crate) fn arrived(
        &mut self,
        at: Duration,
        path: &str,
        query: &str,
        headers: &HeaderMap,
    ) -> u64 {
        *self
            .counts
            .entry((path.to_owned(), query.to_owned()))
            .or_insert(0) += 1;
        let headers = headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            })
            .collect();
        self.rows.push_back(Asked {
            at,
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            status: None,
        });
        if self.rows.len() > KEPT {
            self.rows.pop_front();
            self.forgotten += 1;
        }
        self.forgotten + self.rows.len() as u64 - 1
    }

    pub(crate) fn answered(&mut self, number: u64, status: u16) {
        let row = number
            .checked_sub(self.forgotten)
            .and_then(|index| self.rows.get_mut(usize::try_from(index).ok()?));
        if let Some(row) = row {
            row.status = Some(status);
        }
    }

    /// How often a path was asked for: with a question mark in it this query only, else any.
    pub(crate) fn count(&self, path: &str) -> u32 {
        self.counts
            .iter()
            .filter(|((known, query), _)| match path.split_once('?') {
                Some((path, wanted)) => known == path && query == wanted,
                None => known == path,
            })
            .map(|(_, count)| count)
            .sum()
    }

    pub(crate) fn last(&self, path: &str) -> Option<Asked> {
        self.rows
            .iter()
            .rev()
            .find(|asked| asked.is_for(path))
            .cloned()
    }

    pub(crate) fn rows(&self) -> Vec<Asked> {
        self.rows.iter().cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.forgotten += self.rows.len() as u64;
        self.rows.clear();
        self.counts.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_outlive_the_rows_and_tell_queries_apart() {
        let mut log = AskedLog::default();
        let headers = HeaderMap::new();
        let first = log.arrived(Duration::ZERO, "/a", "x=1", &headers);
        log.answered(first, 200);
        for _ in 0..KEPT {
            log.arrived(Duration::ZERO, "/a", "x=2", &headers);
        }
        assert_eq!(log.count("/a"), 10_001);
        assert_eq!((log.count("/a?x=1"), log.count("/b")), (1, 0));
        assert!(log.last("/a?x=1").is_none());
        let last = log.arrived(Duration::ZERO, "/a", "x=1", &headers);
        log.answered(first, 500);
        log.answered(last, 304);
        assert_eq!(log.last("/a?x=1").and_then(|asked| asked.status), Some(304));
        log.clear();
        assert_eq!((log.count("/a"), log.rows().len()), (0, 0));
    }
}
