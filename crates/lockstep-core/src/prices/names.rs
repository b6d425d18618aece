//! The names of models, each kept once and known by a number.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// A model's name, as a place in [`Names`]. Numbers are given in the order in which names were first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameId(u32);

impl NameId {
    /// Its place, from 0.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The id of a place. It means something only for places below [`Names::len`].
    pub(crate) fn of_index(index: usize) -> Self {
        // Names are bounded per list, so that four thousand million of them do not fit in memory.
        Self(index as u32)
    }
}

/// All names of one comparison: the gateway's and those of every source.
///
/// A public list is hostile input: with a known hash it could name 200,000 models that fall into one slot. So the hash
/// is seeded per process, by foldhash, which takes its seed from addresses. Nothing that is seen depends on the seed:
/// ids are given in the order of the names, and nothing walks the slots.
///
/// Lists come in any order, so that a look-up is mostly a wait for memory. It waits twice: for the slot, and for the
/// record that it points at, in which a name stands beside its id.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Records: the id and the text's length, four bytes each, then the text, filled up to a multiple of [`UNIT`].
    records: Vec<u8>,
    /// Where each name's record begins, in units.
    starts: Vec<u32>,
    /// The same, by the hash of the name.
    slots: HashTable<u32>,
    hasher: RandomState,
}

/// Records begin at multiples of it, so that four bytes can point at 32 GiB of them: more than all lists together.
const UNIT: usize = 8;

impl Names {
    /// No names.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of a name, which is kept if it is new. One hash, whether it is known or not.
    pub fn id(&mut self, name: &str) -> NameId {
        let Self {
            records,
            starts,
            slots,
            hasher,
        } = self;
        let hash = hasher.hash_one(name.as_bytes());
        let known = |start: &u32| record(records, *start).1 == name.as_bytes();
        let rehash = |start: &u32| hasher.hash_one(record(records, *start).1);
        match slots.entry(hash, known, rehash) {
            Entry::Occupied(slot) => NameId(record(records, *slot.get()).0),
            Entry::Vacant(slot) => {
                let id = starts.len() as u32;
                let start = (records.len() / UNIT) as u32;
                slot.insert(start);
                starts.push(start);
                records.extend_from_slice(&id.to_le_bytes());
                records.extend_from_slice(&(name.len() as u32).to_le_bytes());
                records.extend_from_slice(name.as_bytes());
                records.resize(records.len().next_multiple_of(UNIT), 0);
                NameId(id)
            }
        }
    }

    /// The same, for a name that probably is the one after `before`: a gateway's maps have their models in one order, so
    /// that the second map needs no hashes.
    pub(crate) fn id_after(&mut self, before: Option<NameId>, name: &str) -> NameId {
        let next = NameId::of_index(before.map_or(0, |before| before.index() + 1));
        let start = self.starts.get(next.index());
        if start.is_some_and(|start| record(&self.records, *start).1 == name.as_bytes()) {
            return next;
        }
        self.id(name)
    }

    /// The id of a name that is known.
    pub fn find(&self, name: &str) -> Option<NameId> {
        let known = |start: &u32| record(&self.records, *start).1 == name.as_bytes();
        self.slots
            .find(self.hasher.hash_one(name.as_bytes()), known)
            .map(|start| NameId(record(&self.records, *start).0))
    }

    /// The name. Empty for an id of other `Names` that is not known here.
    pub fn text(&self, id: NameId) -> &str {
        let start = self.starts.get(id.index());
        let text = start.map_or(&[][..], |start| record(&self.records, *start).1);
        // It came as a text, so that it is one.
        std::str::from_utf8(text).unwrap_or_default()
    }

    /// How many names are known.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether no name is known.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Every id, in the order in which the names were first seen.
    pub fn ids(&self) -> impl Iterator<Item = NameId> + use<> {
        (0..self.starts.len()).map(NameId::of_index)
    }
}

/// The id and the name of a record.
fn record(records: &[u8], start: u32) -> (u32, &[u8]) {
    let records = &records[start as usize * UNIT..];
    match records {
        [a, b, c, d, e, f, g, h, rest @ ..] => {
            let length = u32::from_le_bytes([*e, *f, *g, *h]) as usize;
            (u32::from_le_bytes([*a, *b, *c, *d]), &rest[..length])
        }
        _ => (u32::MAX, &[]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_id_and_an_id_one_name() {
        let mut names = Names::new();
        assert!(names.is_empty());
        let told: Vec<NameId> = ["a", "GPT-4o", "gpt-4o", "", "通义千问", "a"]
            .iter()
            .map(|name| names.id(name))
            .collect();
        assert_eq!(told[0], told[5]);
        assert_eq!(names.len(), 5);
        assert_ne!(told[1], told[2]);
        assert_eq!(names.text(told[4]), "通义千问");
        assert_eq!(names.text(told[3]), "");
        assert_eq!(names.find("gpt-4o"), Some(told[2]));
        assert_eq!(names.find("nobody"), None);
        assert_eq!(names.text(NameId::of_index(99)), "");
    }

    #[test]
    fn many_names_are_found_again() {
        let mut names = Names::new();
        for n in 0..5_000 {
            assert_eq!(names.id(&format!("model-{n}")).index(), n);
        }
        for (n, id) in names.ids().enumerate() {
            assert_eq!(names.text(id), format!("model-{n}"));
            assert_eq!(names.find(names.text(id)), Some(id));
        }
        let third = names.id("model-2");
        for (name, n) in [("model-3", 3), ("model-9", 9), ("model-2", 2)] {
            assert_eq!(names.id_after(Some(third), name).index(), n);
        }
        assert_eq!(names.id_after(None, "model-0").index(), 0);
        assert_eq!(names.id_after(None, "new").index(), 5_000);
    }
}
