//! What the table of differences is asked, and what is chosen of it.

use std::collections::BTreeSet;

use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::field::Field;

use super::cells::short;
use super::choice::{BY_HAND, Base, Choice};
use crate::api::v1::prices::differences::kept::Proposals;
use crate::api::v1::prices::differences::query::{Filter as Wants, Sort, Wanted};
use crate::api::v1::prices::differences::table::{Change, Row, Table as Differences};
use crate::server::problem::Problem;
use crate::web::form::Fields;
use crate::web::frame::Frame;
use crate::web::table::{Asked, Chip, Filter, Named, Shape};

/// What the table of differences can be asked.
pub(super) static SHAPE: Shape = Shape {
    chips: &["all", "new", "dearer", "cheaper", SUSPICIOUS],
    sorts: &["model", "price", "move"],
    groups: &[],
    filters: &["field", "source", "reason"],
    keeps: &["unit", "column"],
};

/// The chip of rows about which something looks wrong.
pub(super) const SUSPICIOUS: &str = "suspicious";

/// So many values can be chosen one by one: an address bears no more.
pub(super) const BY_HAND_MOST: usize = 300;

/// The rows that the address asks for, in its order.
pub(super) fn rows<'t>(table: &'t Differences, asked: &Asked) -> Vec<&'t Row> {
    // What an address says that is no filter of this table finds nothing.
    wants(asked)
        .and_then(|wants| wants.all_of(table, &Proposals::default()))
        .unwrap_or_default()
}

/// How many rows the address asks for.
fn count(table: &Differences, asked: &Asked) -> u64 {
    wants(asked)
        .and_then(|wants| wants.count_of(table, &Proposals::default()))
        .unwrap_or_default()
}

fn wants(asked: &Asked) -> Result<Wants, Problem> {
    let text = |name| Some(asked.text(name).to_owned());
    Wants::of(Wanted {
        source: text("source"),
        field: text("field"),
        reason: text("reason"),
        search: Some(asked.search.clone()),
        sort: Some(match (asked.sort, asked.backwards) {
            ("price", false) => Sort::Price,
            ("price", true) => Sort::PriceBackwards,
            ("move", false) => Sort::Move,
            ("move", true) => Sort::MoveBackwards,
            (_, true) => Sort::ModelBackwards,
            (_, false) => Sort::Model,
        }),
        change: match asked.chip {
            "new" => Some(Change::New),
            "dearer" => Some(Change::Dearer),
            "cheaper" => Some(Change::Cheaper),
            _ => None,
        },
        suspicious: Some(asked.chip == SUSPICIOUS),
        ..Wanted::default()
    })
}

/// The values that are chosen by an address, or by a form with what was ticked on its page.
pub(super) fn chosen(table: &Differences, asked: &Asked, sent: &Fields) -> Choice {
    chosen_of(table, asked, sent, &rows(table, asked))
}

/// The same, where the rows that are asked for are at hand.
pub(super) fn chosen_of(
    table: &Differences,
    asked: &Asked,
    sent: &Fields,
    rows: &[&Row],
) -> Choice {
    let base = Base::of(asked.text("column"), table);
    let ticked: BTreeSet<String> = sent
        .all("pick")
        .chain(sent.all("cell"))
        .flat_map(|value| value.split(','))
        .filter(|pick| !pick.is_empty())
        .map(str::to_owned)
        .collect();
    if base == Base::ByHand {
        // What was ticked stays chosen while something else is looked for.
        let all: Vec<&Row> = table.rows.iter().collect();
        return base.choice(table, &all, &ticked);
    }
    let mut choice = base.choice(table, rows, &ticked);
    let here = sent.all("here").flat_map(|value| value.split(','));
    for id in here.filter(|id| !ticked.contains(*id)) {
        choice.ids.remove(id);
    }
    if sent.has("here") {
        choice.ids.extend(ticked);
    }
    choice
}

/// Where to go instead if boxes were ticked, or ticks taken away: what is chosen is in the address then.
pub(super) fn by_hand(table: &Differences, asked: &Asked, sent: &Fields) -> Option<String> {
    if !sent.has("here") {
        return None;
    }
    let base = Base::of(asked.text("column"), table);
    let ticked: BTreeSet<&str> = sent.all("cell").collect();
    if base != Base::ByHand {
        let all: Vec<&Row> = table.rows.iter().collect();
        let usual = base.choice(table, &all, &BTreeSet::new()).ids;
        let here = sent.all("here").flat_map(|value| value.split(','));
        let usual: BTreeSet<&str> = here.filter(|id| usual.contains(*id)).collect();
        if usual == ticked {
            return None;
        }
    }
    let mut ids: Vec<String> = match &base {
        Base::ByHand => {
            let elsewhere = asked.picks().iter().cloned();
            elsewhere
                .chain(ticked.iter().map(|id| (*id).to_owned()))
                .collect()
        }
        _ => chosen(table, asked, sent).ids.into_iter().collect(),
    };
    if ids.len() > BY_HAND_MOST {
        return None;
    }
    ids.sort();
    Some(asked.with(&[("column", BY_HAND), ("pick", &ids.join(","))]))
}

/// What an address chose by hand, as a form would send it.
pub(super) fn picked(asked: &Asked) -> Fields {
    let picks: Vec<&str> = asked.picks().iter().map(String::as_str).collect();
    Fields::of(&[("pick", &picks.join(","))])
}

/// The chips with how many rows each has.
pub(super) fn chips(f: &Frame, table: &Differences, asked: &Asked) -> Vec<Chip> {
    let t = &f.t.prices;
    let labels = [
        &t.chip_all,
        &t.chip_new,
        &t.chip_dearer,
        &t.chip_cheaper,
        &t.chip_suspicious,
    ];
    let chips = SHAPE.chips.iter().zip(labels);
    chips
        .map(|(code, label)| {
            let mut other = asked.clone();
            other.chip = code;
            Chip::new(code, label, count(table, &other))
        })
        .collect()
}

/// What rows can be narrowed by: only what there is.
pub(super) fn filters(f: &Frame, table: &Differences) -> Vec<Filter> {
    let t = &f.t.prices;
    let all = &f.t.common.all;
    let mut fields: BTreeSet<Field> = BTreeSet::new();
    let mut reasons: BTreeSet<ReasonCode> = BTreeSet::new();
    for row in &table.rows {
        fields.insert(row.field);
        reasons.extend(row.model.offers.iter().flat_map(|offer| offer.doubts()));
    }
    let with = |name, label: &str, all: &str, options: Vec<Named>| Filter {
        name,
        label: label.to_owned(),
        options: std::iter::once(Named::new("", all))
            .chain(options)
            .collect(),
    };
    let fields = fields.into_iter();
    let fields = fields.map(|field| Named::new(field.code(), f.lang.field(field)));
    let sources = table.sources.iter();
    let sources = sources.map(|name| Named::new(name, &short(name)));
    let reasons = reasons.into_iter();
    let reasons = reasons.map(|code| Named::new(code.code(), f.lang.doubt(code)));
    vec![
        with("field", &t.filter_field, &t.all_types, fields.collect()),
        with("source", &t.filter_source, all, sources.collect()),
        with("reason", &t.filter_reason, all, reasons.collect()),
    ]
}
