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
#[derive(Clone, Debug, Default)]
pub struct Names {
    text: String,
    ends: Vec<usize>,
    slots: HashTable<u32>,
    hasher: RandomState,
}

impl Names {
    /// No names.
    pub fn new() -> Self {
        Self::default()
    }

    /// The id of a name, which is kept if it is new. One hash, whether it is known or not.
    pub fn id(&mut self, name: &str) -> NameId {
        let Self {
            text,
            ends,
            slots,
            hasher,
        } = self;
        let hash = hasher.hash_one(name);
        let known = |id: &u32| text_at(text, ends, *id) == name;
        let rehash = |id: &u32| hasher.hash_one(text_at(text, ends, *id));
        match slots.entry(hash, known, rehash) {
            Entry::Occupied(slot) => NameId(*slot.get()),
            Entry::Vacant(slot) => {
                let id = NameId::of_index(ends.len());
                slot.insert(id.0);
                text.push_str(name);
                ends.push(text.len());
                id
            }
        }
    }

    /// The id of a name that is known.
    pub fn find(&self, name: &str) -> Option<NameId> {
        let known = |id: &u32| text_at(&self.text, &self.ends, *id) == name;
        self.slots
            .find(self.hasher.hash_one(name), known)
            .map(|id| NameId(*id))
    }

    /// The name. Empty for an id of other `Names` that is not known here.
    pub fn text(&self, id: NameId) -> &str {
        text_at(&self.text, &self.ends, id.0)
    }

    /// How many names are known.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether no name is known.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Every id, in the order in which the names were first seen.
    pub fn ids(&self) -> impl Iterator<Item = NameId> + use<> {
        (0..self.ends.len()).map(NameId::of_index)
    }
}

fn text_at<'n>(text: &'n str, ends: &[usize], id: u32) -> &'n str {
    let at = id as usize;
    let Some(end) = ends.get(at) else {
        return "";
    };
    let start = at.checked_sub(1).map_or(0, |before| ends[before]);
    &text[start..*end]
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
    }
}
