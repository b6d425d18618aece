//! What a decoder left out, and why: counted, and named as far as a person reads.

use std::collections::BTreeMap;

use crate::hold::codes;

/// How many names are kept for a reason.
pub const MAX_NAMES: usize = 20;

/// How many characters of a name are kept.
const MAX_CHARS: usize = 120;

codes! {
    /// Why an entry of a list, or a part of it, was left out.
    SkipReason {
        /// The same name is there more than once; none of its values is taken.
        Duplicate = "duplicate",
        /// Something else than a number stands where one belongs, a number in quotes included.
        NotANumber = "not_a_number",
        /// Something else than a text stands where one belongs.
        NotAText = "not_a_text",
        /// `null` stands where a value belongs.
        Null = "null",
        /// The number is beyond what can be reckoned with.
        TooLarge = "too_large",
        /// The number is not zero and would become zero: the model would be free.
        RoundsToZero = "rounds_to_zero",
        /// The price is below zero, in a list of dollars.
        Negative = "negative",
        /// Input costs nothing and output something, which no ratio can say.
        FreeInput = "free_input",
        /// The price depends on the length of the prompt.
        PricedByLength = "priced_by_length",
        /// The price depends on the hour.
        PricedByTime = "priced_by_time",
        /// Output tokens of another kind, such as reasoning, have a price of their own.
        PricedApart = "priced_apart",
        /// The price is per second, character, pixel, page, query or the like.
        OtherUnit = "other_unit",
        /// The entry has no price.
        NoPrice = "no_price",
        /// Taken, without a part that ratios cannot say or the format has no field for.
        PartLeftOut = "part_left_out",
        /// The name is empty.
        EmptyName = "empty_name",
        /// The name is longer than any model's.
        NameTooLong = "name_too_long",
        /// The entry is of another shape than the list's.
        UnknownShape = "unknown_shape",
        /// A whole map of the list is something else than a map; the name is the map's.
        NotAMap = "not_a_map",
        /// A group's ratio is no number; the name is the group's.
        GroupRatio = "group_ratio",
        /// The list says nothing of the group that was named for it, so that none of its prices can be used; the name is
        /// the group's.
        UnknownGroup = "unknown_group",
    }
}

impl SkipReason {
    /// Whether it is about an entry that had something to say. The others are about what is no entry, or has no price,
    /// or was taken all the same.
    pub fn is_lost_entry(self) -> bool {
        !matches!(
            self,
            Self::NoPrice
                | Self::PartLeftOut
                | Self::EmptyName
                | Self::NotAMap
                | Self::GroupRatio
                | Self::UnknownGroup
        )
    }
}

/// What was left out for one reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skips {
    /// How often.
    pub count: usize,
    /// The first names, at most [`MAX_NAMES`].
    pub names: Vec<String>,
}

/// What was left out of a list, by reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped(BTreeMap<SkipReason, Skips>);

impl Skipped {
    /// Counts one, and names it while there is room.
    pub fn add(&mut self, reason: SkipReason, name: &str) {
        let skips = self.0.entry(reason).or_default();
        skips.count += 1;
        if skips.names.len() < MAX_NAMES {
            skips.names.push(name.chars().take(MAX_CHARS).collect());
        }
    }

    /// What was left out for a reason.
    pub fn get(&self, reason: SkipReason) -> Option<&Skips> {
        self.0.get(&reason)
    }

    /// How often something was left out for a reason.
    pub fn count(&self, reason: SkipReason) -> usize {
        self.get(reason).map_or(0, |skips| skips.count)
    }

    /// The reasons and what was left out for them, in the order of the reasons.
    pub fn iter(&self) -> impl Iterator<Item = (SkipReason, &Skips)> {
        self.0.iter().map(|(reason, skips)| (*reason, skips))
    }

    /// Whether nothing was left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many entries that had something to say are lost.
    pub fn lost(&self) -> usize {
        let lost = self.iter().filter(|(reason, _)| reason.is_lost_entry());
        lost.map(|(_, skips)| skips.count).sum()
    }

    /// Takes over what another one counted.
    pub fn merge(&mut self, other: Self) {
        for (reason, skips) in other.0 {
            let mine = self.0.entry(reason).or_default();
            mine.count += skips.count;
            let room = MAX_NAMES.saturating_sub(mine.names.len());
            mine.names.extend(skips.names.into_iter().take(room));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_all_and_names_twenty() {
        let mut skipped = Skipped::default();
        for n in 0..50 {
            skipped.add(SkipReason::Null, &format!("m{n}{}", "x".repeat(500)));
        }
        skipped.add(SkipReason::NoPrice, "p");
        let null = skipped.get(SkipReason::Null).expect("counted");
        assert_eq!((null.count, null.names.len()), (50, MAX_NAMES));
        assert!(null.names.iter().all(|name| name.len() == MAX_CHARS));
        assert_eq!(skipped.lost(), 50);
        for reason in SkipReason::ALL {
            assert_eq!(SkipReason::from_code(reason.code()), Some(*reason));
        }
    }
}
