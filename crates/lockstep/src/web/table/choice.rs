//! Which rows somebody chose.

use super::asked::{Asked, Shape};
use crate::web::form::Fields;

/// The rows that a form chose.
#[derive(Clone, Debug)]
pub(crate) enum Chosen {
    /// These, by what they are chosen by; perhaps none.
    These(Vec<String>),
    /// All that match.
    All(Box<Asked>),
}

impl Chosen {
    /// What the address says that is chosen.
    pub(crate) fn of(asked: &Asked) -> Self {
        if asked.all {
            Self::All(Box::new(asked.clone()))
        } else {
            Self::These(asked.picks.iter().cloned().collect())
        }
    }

    /// What the form of the table at `path` chose.
    pub(crate) fn of_form(shape: &'static Shape, path: &str, fields: &Fields) -> Self {
        let asked = Asked::of_form(shape, path, fields);
        if asked.all {
            return Self::All(Box::new(asked));
        }
        // A form bears more than an address does.
        let mut these: Vec<String> = fields
            .all("pick")
            .flat_map(|value| value.split(','))
            .filter(|pick| !pick.is_empty())
            .map(str::to_owned)
            .collect();
        these.sort();
        these.dedup();
        Self::These(these)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static SHAPE: Shape = Shape {
        chips: &["all", "failed"],
        sorts: &["id"],
        groups: &[],
        filters: &[],
        keeps: &[],
    };

    #[test]
    fn boxes_and_what_was_chosen_on_other_pages_come_together() {
        let fields = Fields::read(b"pick=1%2C2&pick=9&pick=2&show=failed");
        let chosen = Chosen::of_form(&SHAPE, "/t", &fields);
        let Chosen::These(these) = chosen else {
            panic!("{chosen:?}");
        };
        assert_eq!(these, ["1", "2", "9"]);
    }

    #[test]
    fn a_choice_of_all_is_that_of_the_filter_beside_it() {
        let mut all = Asked::of_query(&SHAPE, "/t", "show=failed&take=all");
        let all = all.settle(&[], 9).expect("another address");
        let (_, query) = all.split_once('?').expect("a query");
        let chosen = Chosen::of_form(&SHAPE, "/t", &Fields::read(query.as_bytes()));
        let Chosen::All(asked) = chosen else {
            panic!("{chosen:?}");
        };
        assert_eq!(asked.chip, "failed");
        let other = query.replace("show=failed", "show=all");
        let chosen = Chosen::of_form(&SHAPE, "/t", &Fields::read(other.as_bytes()));
        assert!(matches!(chosen, Chosen::These(these) if these.is_empty()));
    }
}
