//! A channel's memory without its two long lists, which are stored by their digest.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::models::memory::Memory;
use serde::{Deserialize, Serialize};

/// The short rest of a memory, as JSON.
#[derive(Serialize, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub(crate) struct MemoryRest {
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    yours: BTreeSet<String>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    taken_out: BTreeSet<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maybe: Option<Vec<String>>,
    good_size: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    missing: BTreeMap<String, i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures: Option<(String, u32)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
}

impl MemoryRest {
    /// Splits a memory: the settled list, the list as left, and the rest.
    pub(crate) fn split(memory: Memory) -> (Option<Vec<String>>, Vec<String>, Self) {
        let Memory {
            settled,
            left,
            yours,
            taken_out,
            maybe,
            good_size,
            missing,
            failures,
            kept,
        } = memory;
        let rest = Self {
            yours,
            taken_out,
            maybe,
            good_size,
            missing,
            failures,
            kept,
        };
        (settled, left, rest)
    }

    /// Puts a memory together again.
    pub(crate) fn join(self, settled: Option<Vec<String>>, left: Vec<String>) -> Memory {
        let Self {
            yours,
            taken_out,
            maybe,
            good_size,
            missing,
            failures,
            kept,
        } = self;
        Memory {
            settled,
            left,
            yours,
            taken_out,
            maybe,
            good_size,
            missing,
            failures,
            kept,
        }
    }
}
