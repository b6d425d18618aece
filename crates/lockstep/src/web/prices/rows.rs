//! The rows of the differences as the page shows them: one a field of a model.

use std::collections::{BTreeMap, HashSet};

use lockstep_core::change::Verdict;
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::prices::usd::Usd;
use lockstep_core::prices::values::Kind;
use lockstep_store::prices::answers::{AnswerKind, PriceAnswer};

use super::cells::{Unit, id, money};
use super::choice::source;
use super::servers::Servers;
use crate::api::v1::prices::differences::table::{Row, Said, Table, Value};
use crate::web::frame::Frame;
use crate::web::history;
use crate::web::words::fill;

/// What rows are made with.
pub(super) struct Rows<'r> {
    pub(super) f: &'r Frame,
    pub(super) table: &'r Table,
    pub(super) unit: Unit,
    /// What is chosen.
    pub(super) choice: &'r HashSet<String>,
    pub(super) answers: &'r BTreeMap<String, Vec<PriceAnswer>>,
    /// The channels that serve what is shown.
    pub(super) servers: Servers,
    /// Why the price of a model waits.
    pub(super) waits: &'r BTreeMap<String, Reason>,
}

/// A row.
pub(super) struct RowView {
    pub(super) model: String,
    /// What is said of the model; only its first row on the page has it.
    pub(super) about: Option<About>,
    pub(super) field: &'static str,
    pub(super) field_code: &'static str,
    /// What bills now; `None` where nothing is set.
    pub(super) now: Option<String>,
    /// One a source of the table, in their order.
    pub(super) cells: Vec<CellView>,
    pub(super) proposal: Option<ProposalView>,
}

/// What is said of a model as a whole.
pub(super) struct About {
    /// What its price was over time.
    pub(super) history: String,
    pub(super) bills: String,
    pub(super) served: String,
    /// Why it waits for an answer.
    pub(super) waits: Option<String>,
    /// What was decided about it.
    pub(super) decided: Vec<String>,
    /// How it would stay billed by an answer; nothing of a model without a price.
    pub(super) keep: Option<String>,
    pub(super) ignored: bool,
}

/// What a source says to a field.
pub(super) struct CellView {
    pub(super) source: String,
    pub(super) said: Says,
    pub(super) doubts: Vec<String>,
}

pub(super) enum Says {
    Absent,
    Same,
    Other {
        id: String,
        value: String,
        label: String,
        chosen: bool,
    },
}

/// What the policy proposes for a field.
pub(super) struct ProposalView {
    pub(super) value: String,
    pub(super) from: String,
    /// Why it waits, or is left out.
    pub(super) held: Option<String>,
}

impl Rows<'_> {
    /// The rows, and what their values are chosen by.
    pub(super) fn views(&self, rows: &[&Row]) -> (Vec<RowView>, Vec<String>) {
        let mut ids = Vec::new();
        let mut last = "";
        let mut views = Vec::new();
        for row in rows {
            let first = row.model.name != last;
            last = &row.model.name;
            let cells: Vec<CellView> = (0..self.table.sources.len())
                .map(|place| self.cell(row, place))
                .collect();
            ids.extend(cells.iter().filter_map(|cell| match &cell.said {
                Says::Other { id, .. } => Some(id.clone()),
                Says::Absent | Says::Same => None,
            }));
            let now = row.current.as_ref();
            views.push(RowView {
                model: row.model.name.clone(),
                about: first.then(|| self.about(row)),
                field: self.f.lang.field(row.field),
                field_code: row.field.code(),
                now: now.map(|text| self.unit.value(row.field, text, &row.model.usd)),
                cells,
                proposal: self.proposal(row),
            });
        }
        (views, ids)
    }

    fn about(&self, row: &Row) -> About {
        let t = &self.f.t.prices;
        let name = &row.model.name;
        let outlook = self.table.outlook.as_ref();
        let served = outlook.and_then(|outlook| outlook.served.get(name));
        let bills = match row.model.kind {
            None => t.no_price.clone(),
            Some(kind) => {
                let at = fill(&t.group_ratio, &[("ratio", &1)]);
                format!(
                    "{}: {}, {at}",
                    self.f.lang.kind(kind),
                    costs(&row.model.usd)
                )
            }
        };
        let answers = self.answers.get(name).map_or(&[][..], Vec::as_slice);
        let decided = answers.iter().map(|answer| {
            let what = self.f.lang.price_answer(&answer.kind, answer.field);
            format!("{what} ({})", answer.by)
        });
        About {
            history: history::price_at(self.f, name),
            bills,
            served: self.served(name, served),
            waits: self
                .waits
                .get(name)
                .map(|reason| self.f.lang.reason(reason).message),
            decided: decided.collect(),
            keep: row
                .model
                .kind
                .map(|kind: Kind| fill(&t.keep_kind, &[("kind", &self.f.lang.kind(kind))])),
            ignored: answers
                .iter()
                .any(|answer| answer.kind == AnswerKind::Ignore),
        }
    }

    fn served(&self, name: &str, ids: Option<&Vec<i64>>) -> String {
        let t = &self.f.t.prices;
        let Some(outlook) = &self.table.outlook else {
            return String::new();
        };
        match ids {
            None => match outlook.coming(name) {
                Some(coming) => {
                    let names = self.servers.said(self.f.lang, &coming.channels);
                    fill(&self.f.t.unpriced.waits_on, &[("names", &names)])
                }
                None => t.not_served.clone(),
            },
            Some(ids) => {
                let names = self.servers.said(self.f.lang, ids);
                fill(&t.served_by, &[("names", &names)])
            }
        }
    }

    fn cell(&self, row: &Row, place: usize) -> CellView {
        let name = self.table.sources.get(place).cloned().unwrap_or_default();
        let Some(cell) = row.cells.iter().find(|cell| cell.source == place) else {
            return CellView {
                source: name,
                said: Says::Absent,
                doubts: Vec::new(),
            };
        };
        let offer = row.model.offers.iter().find(|offer| offer.source == place);
        let said = match &cell.value {
            Value::Absent => Says::Absent,
            Value::Same => Says::Same,
            Value::Other(text) => {
                let usd = offer.map_or_else(Usd::default, |offer| offer.usd);
                let value = self.unit.value(row.field, text, &usd);
                let id = id(&row.model.name, row.field, source(self.table, cell), text);
                let label = fill(
                    &self.f.t.prices.choose_value,
                    &[
                        ("value", &value),
                        ("source", &name),
                        ("model", &row.model.name),
                    ],
                );
                Says::Other {
                    chosen: self.choice.contains(&id),
                    id,
                    value,
                    label: format!("{label}, {}", self.f.lang.field(row.field)),
                }
            }
        };
        CellView {
            doubts: match &said {
                Says::Other { .. } => self.doubts(row, cell),
                Says::Absent | Says::Same => Vec::new(),
            },
            source: name,
            said,
        }
    }

    fn doubts(&self, row: &Row, cell: &Said) -> Vec<String> {
        let offer = row
            .model
            .offers
            .iter()
            .find(|offer| offer.source == cell.source);
        let mut said: Vec<String> = row
            .doubts(cell.source)
            .filter(|code| *code != ReasonCode::KindChange)
            .map(|code| self.f.lang.doubt(code).to_owned())
            .collect();
        let kinds = offer.and_then(|offer| offer.kind).zip(row.model.kind);
        if let Some((there, here)) = kinds.filter(|(there, here)| there != here) {
            let kinds = [self.f.lang.kind(there), self.f.lang.kind(here)];
            let words = &self.f.t.prices.other_kind;
            said.push(fill(words, &[("new", &kinds[0]), ("old", &kinds[1])]));
        }
        if said.is_empty() && !cell.confident {
            said.push(self.f.t.prices.suspicious.clone());
        }
        said
    }

    fn proposal(&self, row: &Row) -> Option<ProposalView> {
        let outlook = self.table.outlook.as_ref()?;
        let proposal = outlook.proposals.get(&row.model.name)?;
        let change = proposal
            .changes
            .iter()
            .find(|change| change.field == row.field);
        let lang = self.f.lang;
        let held = match (
            &proposal.verdict,
            change.and_then(|change| change.skip.as_ref()),
        ) {
            (_, Some(reason)) => Some(lang.reason(reason).message),
            (Verdict::Hold(reason) | Verdict::Skip(reason), None) => {
                Some(lang.reason(reason).message)
            }
            (Verdict::Apply | Verdict::Same, None) => None,
        };
        if change.is_none() && held.is_none() {
            return None;
        }
        let value = match change.and_then(|change| change.new.as_ref()) {
            Some(text) => self.unit.value(row.field, text, &proposal.usd),
            None if change.is_some() => self.f.t.prices.goes.clone(),
            None => String::new(),
        };
        let from = proposal.source.as_ref();
        let from = from.map(|source| fill(&self.f.t.prices.proposal_from, &[("source", source)]));
        Some(ProposalView {
            value,
            from: from.unwrap_or_default(),
            held,
        })
    }
}

/// The sums of a price in a line: input, output, cache; or a call.
pub(in crate::web) fn costs(usd: &Usd) -> String {
    let sums = [usd.input, usd.output, usd.cache_read, usd.per_call];
    let sums: Vec<String> = sums.into_iter().flatten().map(money).collect();
    match sums.is_empty() {
        true => "\u{2014}".to_owned(),
        false => sums.join(" / "),
    }
}
