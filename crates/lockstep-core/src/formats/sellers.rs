//! One name, several sellers: whose price counts.
//!
//! Lists like models.dev and LiteLLM's say what each seller asks for a model. The maker's own price counts (see
//! `family.rs`); without one, the price that more than half of the sellers ask; otherwise none, and all offers are kept, so
//! that a person chooses. Never just the cheapest, which is what a reseller asks for something else under the same name.
//!
//! Where the maker's own price is one that ratios cannot say, what others ask does not stand in for it.
//! Sellers that ask nothing have no say where others ask something: they sell by subscription.

use crate::formats::family::makers;
use crate::formats::skipped::{SkipReason, Skipped};
use crate::formats::{Format, bare};
use crate::prices::field::Field;
use crate::prices::names::{NameId, Names};
use crate::prices::number::{round6, shortest};
use crate::prices::table::Table;
use crate::prices::values::Values;

/// The fields that are numbers come first among all.
const NUMBERS: usize = 8;

/// Ratios reckoned from dollars, with six decimals as the gateway reckons them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ratios([f64; NUMBERS]);

impl Default for Ratios {
    fn default() -> Self {
        Self([f64::NAN; NUMBERS])
    }
}

impl Ratios {
    /// Sets a number field, rounded. A price must neither become none nor more than can be reckoned with.
    pub(super) fn set(&mut self, field: Field, ratio: f64) -> Result<(), SkipReason> {
        let rounded = round6(ratio);
        if !rounded.is_finite() {
            return Err(SkipReason::TooLarge);
        }
        if rounded == 0.0 && ratio != 0.0 {
            return Err(SkipReason::RoundsToZero);
        }
        if let Some(place) = self.0.get_mut(field.index()) {
            *place = rounded;
        }
        Ok(())
    }

    /// The fields that are set, with their shortest texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = (Field, String)> {
        let set =
            |(field, ratio): (&Field, &f64)| (!ratio.is_nan()).then(|| (*field, shortest(*ratio)));
        Field::ALL.iter().zip(&self.0).filter_map(set)
    }

    fn is_free(&self) -> bool {
        !self.0.iter().any(|ratio| *ratio > 0.0)
    }

    /// Equal to the last decimal: both are rounded.
    fn equals(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        pairs
            .into_iter()
            .all(|(a, b)| a == b || (a.is_nan() && b.is_nan()))
    }
}

/// What one seller asks, while a list is read.
#[derive(Clone, Copy, Debug)]
struct Asked {
    model: NameId,
    /// Tells entries apart: the seller, or the whole key of the entry.
    key: NameId,
    seller: NameId,
    /// How many prefixes the entry's key has before the model's name.
    prefixes: u8,
    state: State,
    ratios: Ratios,
}

/// What an entry is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It has a price.
    Usable,
    /// It has one that cannot be used.
    Unusable,
    /// It has none.
    Silent,
}

/// What an entry asks, as it is kept.
type Price = Result<Ratios, SkipReason>;

fn state(price: &Price) -> State {
    match price {
        Ok(_) => State::Usable,
        Err(SkipReason::NoPrice) => State::Silent,
        Err(_) => State::Unusable,
    }
}

/// All offers of a list.
#[derive(Clone, Debug, Default)]
pub(super) struct Offers {
    sellers: Names,
    list: Vec<Asked>,
}

impl Offers {
    /// An offer of models.dev: by a seller, under the model's own name.
    pub(super) fn sold_by(&mut self, seller: &str, model: NameId, price: Price) {
        let seller = self.sellers.id(seller);
        self.list.push(Asked {
            model,
            key: seller,
            seller,
            prefixes: 0,
            state: state(&price),
            ratios: price.unwrap_or_default(),
        });
    }

    /// An entry of LiteLLM's map: under a key of its own, which may be the model's name behind prefixes.
    pub(super) fn keyed(&mut self, names: &mut Names, seller: &str, key: &str, price: Price) {
        let model = model_of(key, seller);
        let prefixes = if model.len() == key.len() {
            0
        } else {
            key.bytes().filter(|byte| *byte == b'/').count()
        };
        self.list.push(Asked {
            model: names.id(model),
            key: names.id(key),
            seller: self.sellers.id(seller),
            prefixes: prefixes.min(usize::from(u8::MAX)) as u8,
            state: state(&price),
            ratios: price.unwrap_or_default(),
        });
    }

    /// Chooses, sets what is chosen, and keeps what was asked.
    pub(super) fn settle(
        mut self,
        format: Format,
        names: &Names,
        table: &mut Table<'_>,
        skipped: &mut Skipped,
    ) -> Sellers {
        self.list
            .sort_unstable_by_key(|asked| (asked.model, asked.key));
        let total = self.list.len();
        let (mut from, mut kept, mut sold) = (0, 0, Vec::new());
        while from < total {
            let model = self.list[from].model;
            let group = self.list[from..].iter();
            let to = from + group.take_while(|asked| asked.model == model).count();
            let start = kept;
            let mut at = from;
            let makers = makers(names.text(model));
            let mut makers_own_unusable = false;
            while at < to {
                let asked = self.list[at];
                let same = self.list[at..to].iter();
                let times = same.take_while(|other| other.key == asked.key).count();
                at += times;
                let is_unusable = times > 1 || asked.state == State::Unusable;
                makers_own_unusable |=
                    is_unusable && makers.contains(&self.sellers.text(asked.seller));
                if times > 1 {
                    let name = if format == Format::LiteLlm {
                        asked.key
                    } else {
                        model
                    };
                    skipped.add(SkipReason::Duplicate, names.text(name));
                } else if asked.state == State::Usable {
                    if asked.prefixes > 0 {
                        set(table, asked.key, &asked.ratios);
                    }
                    self.list[kept] = asked;
                    kept += 1;
                }
            }
            kept = start + one_each(&mut self.list[start..kept], names);
            let asked = &self.list[start..kept];
            let (choice, chosen) = choose(makers, makers_own_unusable, &self.sellers, asked);
            if let Some(chosen) = chosen {
                set(table, model, &asked[chosen].ratios);
            }
            if asked.len() > 1 || (chosen.is_none() && !asked.is_empty()) {
                sold.push(Sold {
                    model,
                    choice,
                    chosen: chosen.map(|chosen| start + chosen),
                    offers: (start, kept),
                });
            } else {
                kept = start;
            }
            from = to;
        }
        self.list.truncate(kept);
        Sellers {
            sellers: self.sellers,
            offers: self.list,
            sold,
        }
    }
}

/// The model that a key of LiteLLM's map is about: what comes after the last slash, if the first part is the seller's
/// name. `azure/eu/gpt-4o`, sold by `azure`, is `gpt-4o`. Prefixes that say a picture's size or quality make it a price of
/// its own: `hd/1024-x-1024/dall-e-3` is nobody else's name.
fn model_of<'k>(key: &'k str, seller: &str) -> &'k str {
    let Some((first, _)) = key.split_once('/') else {
        return key;
    };
    let is_seller = !first.is_empty() && (seller.starts_with(first) || first.starts_with(seller));
    let model = bare(key);
    if is_seller && !seller.is_empty() && !model.is_empty() && !key.contains("-x-") {
        model
    } else {
        key
    }
}

/// Leaves one offer of each seller in front, the one with the fewest prefixes, and says how many there are. Of several such
/// it is the first by its key's text: ids depend on what other lists were read before.
fn one_each(asked: &mut [Asked], names: &Names) -> usize {
    asked.sort_unstable_by(|one, other| {
        let order = |asked: &Asked| (asked.seller, asked.prefixes);
        let by_text = || names.text(one.key).cmp(names.text(other.key));
        order(one).cmp(&order(other)).then_with(by_text)
    });
    let mut kept = 0;
    for at in 0..asked.len() {
        if kept == 0 || asked[kept - 1].seller != asked[at].seller {
            asked[kept] = asked[at];
            kept += 1;
        }
    }
    kept
}

/// Which offer counts, if any.
fn choose(
    makers: &[&str],
    makers_own_unusable: bool,
    sellers: &Names,
    asked: &[Asked],
) -> (Choice, Option<usize>) {
    let own_name = asked.iter().any(|asked| asked.prefixes == 0);
    for maker in makers {
        let maker = sellers.find(maker);
        let by_maker = |asked: &Asked| Some(asked.seller) == maker;
        if let Some(place) = asked.iter().position(by_maker) {
            return (Choice::Maker, Some(place));
        }
    }
    if makers_own_unusable {
        return (Choice::Undecided, None);
    }
    let any_priced = asked.iter().any(|asked| !asked.ratios.is_free());
    let has_say = |asked: &&Asked| !any_priced || !asked.ratios.is_free();
    let voters = asked.iter().filter(has_say).count();
    if voters == 1 && !own_name {
        return (Choice::OnlyPrefixed, None);
    }
    let mut leading: Option<(&Asked, usize)> = None;
    for asked in asked.iter().filter(has_say) {
        leading = match leading {
            Some((leader, votes)) if leader.ratios.equals(&asked.ratios) => {
                Some((leader, votes + 1))
            }
            Some((leader, votes)) if votes > 0 => Some((leader, votes - 1)),
            _ => Some((asked, 1)),
        };
    }
    // Whoever has more than half of the votes leads after this, but who leads may have fewer.
    let leads =
        |asked: &&Asked| leading.is_some_and(|(leader, _)| leader.ratios.equals(&asked.ratios));
    let votes = asked.iter().filter(has_say).filter(leads).count();
    if votes * 2 > voters {
        let place = asked.iter().position(|asked| leads(&asked));
        (Choice::Majority, place)
    } else {
        (Choice::Undecided, None)
    }
}

fn set(table: &mut Table<'_>, model: NameId, ratios: &Ratios) {
    for (field, text) in ratios.texts() {
        table.set(model, field, &text);
    }
}

/// How the price of a name with several sellers was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Choice {
    /// The maker's own.
    Maker,
    /// The one that more than half of the sellers ask.
    Majority,
    /// None: the sellers disagree and none is the maker, or the maker's own price is one that ratios cannot say.
    Undecided,
    /// None: one seller that is not the maker has it, under a longer name that ends with this one.
    OnlyPrefixed,
}

impl Choice {
    /// The stable code, as stored and as printed in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::Maker => "maker",
            Self::Majority => "majority",
            Self::Undecided => "undecided",
            Self::OnlyPrefixed => "only_prefixed",
        }
    }
}

#[derive(Clone, Debug)]
struct Sold {
    model: NameId,
    choice: Choice,
    chosen: Option<usize>,
    offers: (usize, usize),
}

/// What a seller asks for a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer<'s> {
    /// The seller's id in the list.
    pub seller: &'s str,
    /// What it asks, as ratios.
    pub values: Values,
}

/// The names that a list has several sellers for, or none whose price can be taken, and what was chosen.
#[derive(Clone, Debug, Default)]
pub struct Sellers {
    sellers: Names,
    offers: Vec<Asked>,
    /// By model.
    sold: Vec<Sold>,
}

impl Sellers {
    /// Whether no name has more than one seller.
    pub fn is_empty(&self) -> bool {
        self.sold.is_empty()
    }

    /// The names and how their prices were chosen.
    pub fn iter(&self) -> impl Iterator<Item = (NameId, Choice)> + '_ {
        self.sold.iter().map(|sold| (sold.model, sold.choice))
    }

    /// How many names were settled in a way.
    pub fn count(&self, choice: Choice) -> usize {
        self.iter().filter(|(_, made)| *made == choice).count()
    }

    /// How a name's price was chosen; `None` for one that has one seller.
    pub fn choice(&self, model: NameId) -> Option<Choice> {
        self.sold(model).map(|sold| sold.choice)
    }

    /// Whose price was chosen.
    pub fn chosen(&self, model: NameId) -> Option<&str> {
        let asked = self.offers.get(self.sold(model)?.chosen?)?;
        Some(self.sellers.text(asked.seller))
    }

    /// What each seller asks, in the order in which the list first names them.
    pub fn offers(&self, model: NameId) -> impl Iterator<Item = Offer<'_>> {
        let (from, to) = self.sold(model).map_or((0, 0), |sold| sold.offers);
        self.offers[from..to].iter().map(|asked| Offer {
            seller: self.sellers.text(asked.seller),
            values: asked.ratios.texts().collect(),
        })
    }

    fn sold(&self, model: NameId) -> Option<&Sold> {
        let place = self.sold.binary_search_by_key(&model, |sold| sold.model);
        place.ok().map(|place| &self.sold[place])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_about_a_model_only_behind_its_sellers_name() {
        for (key, seller, model) in [
            ("gpt-4o", "openai", "gpt-4o"),
            ("azure/eu/gpt-4o", "azure", "gpt-4o"),
            (
                "vertex_ai/claude-opus-4",
                "vertex_ai-anthropic_models",
                "claude-opus-4",
            ),
            (
                "hd/1024-x-1024/dall-e-3",
                "openai",
                "hd/1024-x-1024/dall-e-3",
            ),
            (
                "azure/hd/1024-x-1024/dall-e-3",
                "azure",
                "azure/hd/1024-x-1024/dall-e-3",
            ),
            ("low/gpt-image-1", "openai", "low/gpt-image-1"),
            ("openai/", "openai", "openai/"),
            ("/x", "openai", "/x"),
            ("a/x", "", "a/x"),
        ] {
            assert_eq!(model_of(key, seller), model, "{key}");
        }
    }

    #[test]
    fn what_rounds_to_nothing_is_refused() {
        let mut ratios = Ratios::default();
        let set = |ratios: &mut Ratios, ratio| ratios.set(Field::ModelRatio, ratio);
        assert_eq!(set(&mut ratios, 1e-8), Err(SkipReason::RoundsToZero));
        assert_eq!(set(&mut ratios, f64::INFINITY), Err(SkipReason::TooLarge));
        assert_eq!(set(&mut ratios, 0.0), Ok(()));
        assert!(ratios.is_free());
        assert_eq!(set(&mut ratios, 10.0 / 3.0), Ok(()));
        let texts: Vec<_> = ratios.texts().collect();
        assert_eq!(texts, [(Field::ModelRatio, "3.333333".to_owned())]);
    }
}
