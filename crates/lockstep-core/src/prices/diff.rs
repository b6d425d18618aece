//! How the gateway's prices differ from those of its sources: what New API's own `ratio_sync` answers.
//!
//! A field of a model is a difference if the gateway has a value and some source another one, or the gateway has none
//! and some source has one. A model that a source has no more is not a difference. Sources without any difference are
//! left out altogether.

use crate::prices::field::Field;
use crate::prices::names::{NameId, Names};
use crate::prices::number::{near, parse, push_canonical, same};
use crate::prices::table::Table;

/// What gateways show as the ratio of a model that nobody priced.
pub const PLACEHOLDER: f64 = 37.5;

/// One source of the comparison.
#[derive(Clone, Copy, Debug)]
pub struct SourceTable<'t> {
    /// The name by which the answer knows it.
    pub name: &'t str,
    /// What it has.
    pub table: &'t Table<'t>,
}

/// What one source says to one field of one model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cell<'t> {
    /// It has no value, and the gateway has one.
    Absent,
    /// The same as the gateway: an equal value, or none as well.
    Same,
    /// Another value: a number as it was written, or a text.
    Value(&'t str),
}

/// All differences between the gateway and its sources.
#[derive(Clone, Debug)]
pub struct Differences<'t> {
    names: &'t Names,
    local: &'t Table<'t>,
    sources: Vec<SourceTable<'t>>,
    /// The sources that have a difference, in the order given.
    kept: Vec<usize>,
    /// What each of them was seen to say, by the model's id.
    seen: Vec<Vec<Seen>>,
    /// The models that have a difference, by name, with a bit for each of their fields that has one.
    models: Vec<(NameId, u16)>,
}

/// One field of one model in which the gateway and some source differ.
#[derive(Clone, Copy, Debug)]
pub struct Difference<'d> {
    /// The model.
    pub model: NameId,
    /// Its name.
    pub name: &'d str,
    /// The field.
    pub field: Field,
    /// What the gateway has.
    pub current: Option<&'d str>,
    all: &'d Differences<'d>,
}

/// What one source says in a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said<'d> {
    /// The source's place among those that were given to [`diff`].
    pub source: usize,
    /// Its name.
    pub name: &'d str,
    /// What it says.
    pub cell: Cell<'d>,
    /// Whether it can be believed: not where it shows the model as one that nobody priced.
    pub confident: bool,
}

/// Compares the gateway's table with those of its sources. All of them know their models by `names`.
///
/// Linear in models times sources: each value of each source is looked at once, beside the gateway's, and only where the
/// texts differ are numbers parsed.
pub fn diff<'t>(
    names: &'t Names,
    local: &'t Table<'t>,
    sources: &[SourceTable<'t>],
) -> Differences<'t> {
    let mut marks = vec![0_u16; names.len()];
    let beside = Beside::of(local);
    let (mut kept, mut seen) = (Vec::new(), Vec::new());
    for (place, source) in sources.iter().enumerate() {
        let says = look(&beside, source.table, names.len());
        let mut any = false;
        for (mark, says) in marks.iter_mut().zip(&says) {
            *mark |= says.differs();
            any |= says.differs() != 0;
        }
        if any {
            kept.push(place);
            seen.push(says);
        }
    }
    let mut models: Vec<(&str, NameId, u16)> = marks
        .iter()
        .enumerate()
        .filter(|(_, fields)| **fields != 0)
        .map(|(place, fields)| (NameId::of_index(place), *fields))
        .map(|(model, fields)| (names.text(model), model, fields))
        .collect();
    models.sort_unstable();
    let models = models
        .into_iter()
        .map(|(_, model, fields)| (model, fields))
        .collect();
    Differences {
        names,
        local,
        sources: sources.to_vec(),
        kept,
        seen,
        models,
    }
}

/// What a source says of a model, as bits: in which fields it has a value, in which of those another one than the
/// gateway, and whether it shows the model as one that nobody priced. Kept from the one look at each list in its own
/// order, so that telling the differences, in the order of the names, need not look for what is the same.
#[derive(Clone, Copy, Debug, Default)]
struct Seen(u32);

impl Seen {
    const UNPRICED: u32 = 1 << (2 * Field::COUNT);

    fn has(self, field: Field) -> bool {
        self.0 & (1 << field.index()) != 0
    }

    fn differs(self) -> u16 {
        (self.0 >> Field::COUNT) as u16 & ((1 << Field::COUNT) - 1)
    }

    fn is_confident(self) -> bool {
        self.0 & Self::UNPRICED == 0
    }

    fn set(&mut self, field: Field, differs: bool) {
        self.0 |= (1 | (u32::from(differs) << Field::COUNT)) << field.index();
    }
}

/// The gateway's values with those of one model side by side, so that comparing a model looks at one place in memory
/// instead of at one for each field: lists come in any order.
struct Beside<'t> {
    local: &'t Table<'t>,
    /// Where a model's values begin, by its id; [`u32::MAX`] if they are not here.
    starts: Vec<u32>,
    /// For each model the length of each value, then the values.
    bytes: Vec<u8>,
}

/// There is no value.
const NONE: u8 = 0;
/// There is one that is empty or long, and not here.
const ELSEWHERE: u8 = u8::MAX;

impl<'t> Beside<'t> {
    fn of(local: &'t Table<'t>) -> Self {
        let mut starts = Vec::new();
        let mut bytes = Vec::new();
        for (row, model) in local.ids().iter().enumerate() {
            if starts.len() <= model.index() {
                starts.resize(model.index() + 1, u32::MAX);
            }
            // What is not here is looked up in the table.
            let Ok(start) = u32::try_from(bytes.len()) else {
                break;
            };
            starts[model.index()] = start;
            let value = |field: &Field| local.at(row, *field);
            let length = |field| match value(field).map(str::len) {
                None => NONE,
                Some(len @ 1..=254) => len as u8,
                Some(_) => ELSEWHERE,
            };
            bytes.extend(Field::ALL.iter().map(length));
            for value in Field::ALL.iter().filter_map(value) {
                if matches!(value.len(), 1..=254) {
                    bytes.extend_from_slice(value.as_bytes());
                }
            }
        }
        Self {
            local,
            starts,
            bytes,
        }
    }

    /// What a row of a source says beside the gateway.
    fn look(&self, source: &Table<'_>, row: usize, model: NameId, fields: &[Field]) -> Seen {
        let mut seen = Seen::default();
        let start = self.starts.get(model.index()).copied();
        let here = start
            .filter(|start| *start != u32::MAX)
            .and_then(|start| self.bytes.get(start as usize..))
            .and_then(|bytes| bytes.split_at_checked(Field::COUNT));
        let (mut at, mut before) = (0, 0);
        for field in fields {
            let Some(value) = source.at(row, *field) else {
                continue;
            };
            let is_here = here.is_some_and(|(lengths, texts)| {
                let length = lengths[field.index()];
                for length in &lengths[before..field.index()] {
                    at += usize::from(if *length == ELSEWHERE { NONE } else { *length });
                }
                before = field.index();
                let text = texts.get(at..at + usize::from(length));
                !matches!(length, NONE | ELSEWHERE) && text == Some(value.as_bytes())
            });
            let is_same = is_here
                || (self.local.get(model, *field))
                    .is_some_and(|current| equal(*field, current, value));
            seen.set(*field, !is_same);
            if *field == Field::ModelRatio && may_be_placeholder(value) {
                seen.0 |= unpriced(source, model);
            }
        }
        seen
    }
}

/// What a source says beside the gateway, by the ids of all models.
fn look(local: &Beside<'_>, source: &Table<'_>, models: usize) -> Vec<Seen> {
    let fields: Vec<Field> = source.fields().collect();
    let mut seen = vec![Seen::default(); models];
    for (row, model) in source.ids().iter().enumerate() {
        if let Some(seen) = seen.get_mut(model.index()) {
            *seen = local.look(source, row, *model, &fields);
        }
    }
    seen
}

#[cold]
fn unpriced(source: &Table<'_>, model: NameId) -> u32 {
    if is_confident(source, model) {
        0
    } else {
        Seen::UNPRICED
    }
}

/// Whether a number's text can be [`PLACEHOLDER`]: a quick look, which spares parsing nearly all others.
fn may_be_placeholder(text: &str) -> bool {
    match text.as_bytes() {
        [b'3', b'7', ..] => true,
        [b'0', b'.', rest @ ..] | [b'1'..=b'9' | b'-', rest @ ..] => {
            rest.iter().any(|byte| byte | 0x20 == b'e')
        }
        // Zeros or a sign before it, as no list of JSON has them.
        _ => true,
    }
}

fn equal(field: Field, a: &str, b: &str) -> bool {
    if field.is_number() {
        same(a, b)
    } else {
        a == b
    }
}

impl<'t> Differences<'t> {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// How many fields of models differ.
    pub fn len(&self) -> usize {
        (self.models.iter())
            .map(|(_, fields)| fields.count_ones() as usize)
            .sum()
    }

    /// How many models have a difference.
    pub fn models(&self) -> usize {
        self.models.len()
    }

    /// The places of the sources that have a difference, among those given.
    pub fn sources(&self) -> &[usize] {
        &self.kept
    }

    /// The differences, by the model's name and then in the order of the fields.
    pub fn iter(&self) -> impl Iterator<Item = Difference<'_>> {
        self.models.iter().flat_map(move |(model, fields)| {
            marked(*fields).map(move |field| self.difference(*model, field))
        })
    }

    fn difference(&self, model: NameId, field: Field) -> Difference<'_> {
        Difference {
            model,
            name: self.names.text(model),
            field,
            current: self.local.get(model, field),
            all: self,
        }
    }

    /// The `differences` object of New API's answer, as JSON: by model, field and source.
    pub fn json(&self) -> String {
        let mut out = String::new();
        self.push_json(&mut out);
        out
    }

    /// Adds the `differences` object of New API's answer to a text, without a second copy of it.
    pub fn push_json(&self, out: &mut String) {
        let quoted = |place: &usize| {
            let mut name = String::new();
            push_text(&mut name, self.sources[*place].name);
            name.push(':');
            name
        };
        let labels: Vec<String> = self.kept.iter().map(quoted).collect();
        out.push('{');
        let mut confidence = String::new();
        for (place, (model, fields)) in self.models.iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            push_text(out, self.names.text(*model));
            confidence.clear();
            for (label, says) in labels.iter().zip(self.says(*model)) {
                if !confidence.is_empty() {
                    confidence.push(',');
                }
                confidence.push_str(label);
                confidence.push_str(if says.is_confident() { "true" } else { "false" });
            }
            out.push_str(":{");
            for (place, field) in marked(*fields).enumerate() {
                if place > 0 {
                    out.push(',');
                }
                let difference = self.difference(*model, field);
                push_text(out, field.code());
                out.push_str(":{\"current\":");
                match difference.current {
                    None => out.push_str("null"),
                    Some(value) => push_value(out, field, value),
                }
                out.push_str(",\"upstreams\":{");
                let start = out.len();
                for (label, said) in labels.iter().zip(difference.cells()) {
                    if out.len() > start {
                        out.push(',');
                    }
                    out.push_str(label);
                    match said.cell {
                        Cell::Absent => out.push_str("null"),
                        Cell::Same => out.push_str("\"same\""),
                        Cell::Value(value) => push_value(out, field, value),
                    }
                }
                out.push_str("},\"confidence\":{");
                out.push_str(&confidence);
                out.push_str("}}");
            }
            out.push('}');
        }
        out.push('}');
    }

    /// What the kept sources were seen to say of a model.
    fn says(&self, model: NameId) -> impl Iterator<Item = Seen> {
        self.seen.iter().map(move |seen| seen[model.index()])
    }
}

impl<'d> Difference<'d> {
    /// What each source says that has a difference anywhere, in the order given.
    pub fn cells(&self) -> impl Iterator<Item = Said<'d>> + use<'d> {
        let (all, model, field, current) = (self.all, self.model, self.field, self.current);
        all.kept
            .iter()
            .zip(all.says(model))
            .map(move |(place, says)| {
                let source = all.sources[*place];
                let differs = says.differs() & (1 << field.index()) != 0;
                let cell = match (current, says.has(field)) {
                    (Some(_), false) => Cell::Absent,
                    (_, true) if differs => {
                        let value = source.table.get(model, field);
                        value.map_or(Cell::Absent, Cell::Value)
                    }
                    _ => Cell::Same,
                };
                Said {
                    source: *place,
                    name: source.name,
                    cell,
                    confident: says.is_confident(),
                }
            })
    }
}

/// Whether a source's values of a model can be believed. 37.5 with a completion ratio of 1 is what a gateway shows for a
/// model that nobody priced.
pub fn is_confident(table: &Table<'_>, model: NameId) -> bool {
    let is = |field, number| {
        let value = table.get(model, field).and_then(parse);
        value.is_some_and(|value| near(value, number))
    };
    !(is(Field::ModelRatio, PLACEHOLDER) && is(Field::CompletionRatio, 1.0))
}

fn marked(fields: u16) -> impl Iterator<Item = Field> {
    let is_marked = move |field: &Field| fields & (1 << field.index()) != 0;
    Field::ALL.iter().copied().filter(is_marked)
}

fn push_value(out: &mut String, field: Field, value: &str) {
    if field.is_number() {
        push_canonical(out, value);
    } else {
        push_text(out, value);
    }
}

fn push_text(out: &mut String, text: &str) {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&serde_json::Value::from(text).to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(names: &mut Names, values: &[(&str, Field, &str)]) -> Table<'static> {
        let mut table = Table::new();
        for (model, field, value) in values {
            table.set(names.id(model), *field, value);
        }
        table
    }

    fn told(names: &Names, local: &Table<'_>, sources: &[&Table<'_>]) -> String {
        let labels = ["one", "two", "three"];
        let sources: Vec<SourceTable<'_>> = labels
            .iter()
            .zip(sources)
            .map(|(name, table)| SourceTable { name, table })
            .collect();
        diff(names, local, &sources).json()
    }

    #[test]
    fn a_model_that_a_source_has_no_more_is_no_difference() {
        let mut names = Names::new();
        let local = table(&mut names, &[("gone", Field::ModelRatio, "1")]);
        let other = table(&mut names, &[]);
        assert_eq!(told(&names, &local, &[&other]), "{}");
    }

    #[test]
    fn a_source_without_a_difference_is_left_out() {
        let mut names = Names::new();
        let local = table(&mut names, &[("m", Field::ModelRatio, "1.50")]);
        let equal = table(&mut names, &[("m", Field::ModelRatio, "1.5")]);
        let other = table(&mut names, &[("m", Field::ModelRatio, "2.0")]);
        assert_eq!(
            told(&names, &local, &[&equal, &other]),
            r#"{"m":{"model_ratio":{"current":1.5,"upstreams":{"two":2},"confidence":{"two":true}}}}"#
        );
        assert_eq!(told(&names, &local, &[&equal]), "{}");
    }

    #[test]
    fn rows_are_sorted_by_name_and_texts_are_quoted() {
        let mut names = Names::new();
        let local = table(&mut names, &[("z", Field::ModelRatio, "\"15\"")]);
        let other = table(
            &mut names,
            &[
                ("z", Field::ModelRatio, "15"),
                ("a\"\n", Field::BillingExpr, "tier(\"x\", p * 2)"),
            ],
        );
        let sources = [SourceTable {
            name: "s",
            table: &other,
        }];
        let differences = diff(&names, &local, &sources);
        let rows: Vec<&str> = differences.iter().map(|row| row.name).collect();
        assert_eq!(rows, ["a\"\n", "z"]);
        assert_eq!((differences.len(), differences.models()), (2, 2));
        let value: serde_json::Value =
            serde_json::from_str(&differences.json()).expect("it is JSON");
        assert_eq!(value["z"]["model_ratio"]["current"], "15");
        assert_eq!(
            value["a\"\n"]["billing_expr"]["upstreams"]["s"],
            "tier(\"x\", p * 2)"
        );
    }

    #[test]
    fn the_placeholder_with_completion_one_is_not_believed() {
        let mut names = Names::new();
        let placed = |completion| {
            [
                ("m", Field::ModelRatio, "37.5"),
                ("m", Field::CompletionRatio, completion),
            ]
        };
        let unset = table(&mut names, &placed("1.0"));
        let set = table(&mut names, &placed("5"));
        let alone = table(&mut names, &[("m", Field::ModelRatio, "37.5")]);
        let model = names.id("m");
        assert!(!is_confident(&unset, model));
        assert!(is_confident(&set, model));
        assert!(is_confident(&alone, model));
    }
}
